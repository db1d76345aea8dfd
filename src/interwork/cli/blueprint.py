"""The verb blueprint: the plant's figures, and certificates of conformance for a device."""

import argparse
import json
from pathlib import Path
from typing import Any

from interwork.cli.calls import Remote, add_data, show
from interwork.cli.machines import map_of
from interwork.cli.remote import plain, read_toml
from interwork.core.errors import BadInput, DiskFull


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verb of this file."""
    blueprint = verbs.add_parser(
        "blueprint",
        help="power, storage and traffic of all devices, connected or not; `blueprint check ENDPOINT` for developers",
        description="Without words: the plant's figures. `check ENDPOINT` tries a device against what a node expects, "
        "only reading it, prints each check with its remedy, and writes a certificate signed by this node.",
    )
    add_data(blueprint)
    blueprint.add_argument("act", nargs="?", default="show", choices=("show", "check"))
    blueprint.add_argument("endpoint", nargs="?", default="", help="where the device answers")
    blueprint.add_argument("--hours", type=float, default=24.0, help="span of the figures (%(default)s)")
    blueprint.add_argument(
        "--map",
        type=Path,
        help="check: CSV or TOML as for `connect --map`, or a profile (TOML) with the connector's options",
    )
    blueprint.add_argument("--watch", type=float, default=5.0, help="check: seconds it is read (%(default)s)")
    blueprint.add_argument("--to", type=Path, help="check: where the certificate is written (JSON)")
    blueprint.add_argument("--verify", type=Path, help="check that a certificate's report and signature hold")
    blueprint.set_defaults(run=handle_blueprint)


def handle_blueprint(arguments: argparse.Namespace) -> int:
    """Show figures, check a device, or verify a certificate."""
    remote = Remote(arguments.data)
    if arguments.verify:
        return _verify(arguments, remote)
    if arguments.act == "check":
        return _check(arguments, remote)
    figures = remote.get("/api/blueprint", hours=str(arguments.hours))
    if arguments.json:
        show(figures)
    else:
        _print(figures)
    return 0


def _check(arguments: argparse.Namespace, remote: Remote) -> int:
    if not arguments.endpoint:
        raise BadInput("Which device?", remedy="Write `interwork blueprint check opc.tcp://host:4840`.")
    options = _options(arguments.map, arguments.endpoint)
    body = {"endpoint": arguments.endpoint, "options": options, "watch_s": arguments.watch}
    made = remote.post("/api/blueprint/check", body)
    if arguments.to:
        try:
            arguments.to.write_text(json.dumps(made, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        except OSError as fault:
            raise DiskFull(f"{arguments.to} cannot be written: {fault.strerror}.") from fault
    if arguments.json:
        show(made)
    else:
        _print_report(made["report"])
        print(f"Certificate: {arguments.to or 'give --to FILE to keep it'}")
    return 0 if made["report"]["is_conformant"] else 1


def _options(path: Path | None, endpoint: str) -> dict[str, Any]:
    """Read what a device is asked with: the options of a profile, or the table of its registers or tags."""
    if path is None:
        return {}
    profile = {} if path.suffix.lower() == ".csv" else plain(read_toml(path))
    return profile["options"] if "options" in profile else map_of(path, endpoint)


def _verify(arguments: argparse.Namespace, remote: Remote) -> int:
    try:
        content = json.loads(arguments.verify.read_bytes())
    except (OSError, ValueError) as fault:
        raise BadInput(f"It is no certificate: {fault}.", where=str(arguments.verify)) from fault
    report = remote.post("/api/blueprint/verify", content)
    if arguments.json:
        show(report)
    else:
        _print_report(report)
        print(f"The signature of {report['issuer']} holds.")
    return 0


def _print_report(report: dict[str, Any]) -> None:
    for one in report["checks"]:
        print(f"{one['verdict']:<11} {one['name']:<17} {one['found']}")
        if one["remedy"] and one["verdict"] == "failed":
            print(f"{'':<29} {one['remedy']}")
    word = "conforms" if report["is_conformant"] else "does not conform"
    print(f"{report['endpoint']} {word}; checked {report['checked_at']} by {report['issuer_name']}.")


def _figure(value: float | None, unit: str, digits: int = 1) -> str:
    return "not known" if value is None else f"{value:,.{digits}f} {unit}"


def _print(figures: dict[str, Any]) -> None:
    coverage = figures["metered_coverage"]
    share = figures["unaccounted_share"]
    lines = [
        ("connected power", _figure(figures["connected_kw"], "kW")),
        ("unconnected power", _figure(figures["unconnected_kw"], "kW")),
        ("metered coverage", "not known" if coverage is None else f"{100 * coverage:.0f} % of rated power"),
        ("main meter", _figure(figures["main_kwh"], "kWh")),
        ("members", _figure(figures["members_kwh"], "kWh")),
        (
            "unaccounted",
            _figure(figures["unaccounted_kwh"], "kWh") + ("" if share is None else f" ({100 * share:.1f} %)"),
        ),
        ("storage", f"{figures['stored_bytes'] / 1e6:,.1f} of {figures['storage_limit_bytes'] / 1e6:,.0f} MB"),
        ("promised", _figure(figures["reserved_bytes"] / 1e6, "MB")),
        ("days to full", _figure(figures["days_to_full"], "days at the rate of late")),
        ("as promised", _figure(figures["promised_days"], "days if every device keeps its forecast")),
        ("traffic", f"{figures['samples_per_s']:,.1f} of {figures['limit_samples_per_s']:,.0f} samples/s"),
        ("bytes per part", _figure(figures["bytes_per_part"], "B", 0)),
        ("top talkers", ", ".join(figures["top_talkers"]) or "none"),
    ]
    for name, value in lines:
        print(f"{name:<19} {value}")
    if figures["is_unaccounted_alarm"]:
        print("More energy than limits.unaccounted_share is not accounted for.")
    for one in figures["members"]:
        how = "connected" if one["is_connected"] else "unconnected"
        energy = _figure(one["energy_kwh"], "kWh", 2)
        print(
            f"  {one['name']:<26} {how:<12} {one['rated_power_kw']:>8.1f} kW  {energy:>14} ({one['power_source']})  "
            f"{one['samples_per_s']:>8.1f} of {one['promised_samples_per_s']:.0f} samples/s"
        )
