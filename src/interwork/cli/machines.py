"""Verbs for machines: connect (look, map, confirm), machines (how connections stand), secret."""

import argparse
import getpass
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from interwork.cli.calls import Remote, add_data, show
from interwork.cli.remote import plain, read_toml
from interwork.connectors.mapfile import read_map
from interwork.core.errors import BadInput, DiskFull
from interwork.flows.ingest import Connection, mapping, measured
from interwork.flows.ingest.probing import WATCH_S, Proposal, Proposed
from interwork.store.secrets import Secrets
from interwork.store.settings import read_settings

SHOWN = 200
"""Signals of a proposal printed at the most; all are in the file of --write-mapping."""


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verbs of this file."""
    _add_connect(verbs)
    machines = verbs.add_parser(
        "machines",
        help="how each machine's connection stands; switch one off or on, try one again",
        description="States: starting, connected, degraded (silent), backoff (down, tried again), failed (somebody has "
        "to act), disabled, stopped.",
    )
    add_data(machines)
    machines.add_argument("act", nargs="?", default="list", choices=("list", "on", "off", "retry"))
    machines.add_argument("machine", nargs="?", default="", help="its name or id")
    machines.set_defaults(run=handle_machines)
    secret = verbs.add_parser(
        "secret",
        help="keep a secret that options name as secret:NAME: set, remove, list",
        description="Secrets are encrypted in the node's keys folder and never shown again. `set` reads the value from "
        "the terminal without showing it, or from standard input.",
    )
    add_data(secret)
    secret.add_argument("act", choices=("set", "remove", "list"))
    secret.add_argument("name", nargs="?", default="", help="letters, digits, dot, dash, underscore")
    secret.set_defaults(run=handle_secret)


def _add_connect(verbs: Any) -> None:  # noqa: ANN401
    connect = verbs.add_parser(
        "connect",
        help="connect a machine of any vendor: look at it, confirm what its signals mean, read it",
        description="Endpoints: opc.tcp://host:4840 · mqtt://host:1883/group/edge/device (Sparkplug B) · "
        "mqtt+json://host:1883/topic/+/# (JSON payloads) · "
        "mtconnect://host:5000/device · modbus://host:502?unit=1 and s7://host:102?rack=0&slot=1 (with --map) · "
        "http://host/path (JSON) · file:///folder/*.csv (also .jsonl, .parquet); mqtts, mqtts+json and https with TLS",
    )
    add_data(connect)
    connect.add_argument("endpoint", help="where the machine answers; `none` for an unconnected device")
    connect.add_argument("--name", help="what you call it (default: the profile's name, or the endpoint)")
    connect.add_argument("--profile", type=Path, help="TOML: maker, capabilities, rates, registers, power, options")
    connect.add_argument(
        "--map", type=Path, help="CSV or TOML: the registers of a modbus:// or the tags of an s7:// machine"
    )
    connect.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the connector: username=ann, password=secret:mill, interval_s=0.5, root=nsu=urn:x;i=1; "
        "those of a protocol are in docs/connectors.md, and a wrong name says which there are",
    )
    connect.add_argument(
        "--probe", action="store_true", help="only show what the machine has and would be connected as"
    )
    connect.add_argument("--yes", action="store_true", help="do not ask on the terminal")
    connect.add_argument(
        "--only", default="", metavar="PATTERN", help="read only signals whose name fits, as 'spindle*'"
    )
    connect.add_argument(
        "--set", action="append", default=[], metavar="NAME.FIELD=VALUE", help="NAME.unit=kW, NAME.meaning=power, …"
    )
    connect.add_argument("--mapping", type=Path, help="TOML written by --write-mapping and edited: what each signal is")
    connect.add_argument("--write-mapping", type=Path, help="write the proposed mapping there, and connect nothing")
    connect.add_argument(
        "--deadbands",
        default="none",
        choices=mapping.DEADBANDS,
        help="which changes are kept: none = every change; offered = those larger than each signal's own noise, as "
        "--probe shows it (%(default)s)",
    )
    connect.add_argument(
        "--watch", type=float, default=WATCH_S, help="seconds its signals are read first (%(default)s)"
    )
    connect.set_defaults(run=connect_machine)


def connect_machine(arguments: argparse.Namespace) -> int:
    """Look at a machine, agree on what its signals mean, and connect it."""
    body = plain(read_toml(arguments.profile))
    body["endpoint"] = "" if arguments.endpoint == "none" else arguments.endpoint
    body["name"] = arguments.name or body.get("name") or body["endpoint"]
    if arguments.map:
        body["options"] = body.get("options", {}) | map_of(arguments.map, body["endpoint"])
    if arguments.option:
        body["options"] = body.get("options", {}) | options_of(arguments.option)
    remote = Remote(arguments.data)
    is_asking = sys.stdin.isatty() and not arguments.yes and not arguments.json
    is_looking = arguments.probe or arguments.write_mapping or arguments.only or arguments.set or arguments.mapping
    if body["endpoint"] and (is_asking or is_looking or arguments.deadbands != "none" or arguments.yes):
        looked = remote.post("/api/propose", {"connection": body, "watch_s": arguments.watch})
        proposal = msgspec.convert(looked["proposal"], Proposal, strict=False)
        chosen = _chosen(arguments, proposal)
        asked = measured(msgspec.convert(body, Connection, strict=False), proposal, chosen)
        looked |= remote.post("/api/foresee", msgspec.to_builtins(asked))
        if arguments.probe or arguments.write_mapping:
            return _only_look(arguments, looked, proposal, chosen)
        body = msgspec.to_builtins(asked)
        if proposal.fault and not is_asking:
            print(f"Its signals could not be read: {proposal.fault}", file=sys.stderr)
        if is_asking:
            _print(looked, proposal, chosen)
            if input("Connect it like this? [y/N] ").strip().lower() not in ("y", "yes"):
                print("Nothing was connected. --write-mapping FILE writes the proposal for editing.")
                return 1
    return _connect(arguments, remote, body)


def map_of(path: Path, endpoint: str) -> dict[str, Any]:
    """Read the file that says what a machine has which does not describe itself."""
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise BadInput(f"The map cannot be read: {fault.strerror}.", where=str(path), remedy="Give a file.") from fault
    return plain(read_map(content, path.name, endpoint.partition("://")[0]))  # type: ignore[no-any-return]  # a table


def options_of(said: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE options: a text, but for true, false, and what is written as a list or table of TOML."""
    options: dict[str, Any] = {}
    for one in said:
        name, mark, value = one.partition("=")
        if not mark or not name.strip():
            raise BadInput(f"The option {one!r} has no value.", remedy="Write --option name=value.")
        is_toml = value in ("true", "false") or value[:1] in ("[", "{")
        try:
            options[name.strip()] = tomllib.loads(f"it = {value}")["it"] if is_toml else value
        except tomllib.TOMLDecodeError as fault:
            raise BadInput(f"The option {name} is not TOML: {fault}.", remedy="Write it as in a TOML file.") from fault
    return plain(options)  # type: ignore[no-any-return]  # a table


def _chosen(arguments: argparse.Namespace, proposal: Proposal) -> tuple[mapping.Mapped, ...]:
    if arguments.mapping is None:
        held = mapping.mapping_of(proposal.signals, only=arguments.only, deadbands=arguments.deadbands)
    else:
        try:
            text = arguments.mapping.read_text(encoding="utf-8")
        except (OSError, ValueError) as fault:
            raise BadInput(f"The mapping cannot be read: {fault}.", where=str(arguments.mapping)) from fault
        held = mapping.read(text, where=str(arguments.mapping))
    return mapping.edit(held, arguments.set)


def _only_look(
    arguments: argparse.Namespace, looked: dict[str, Any], proposal: Proposal, chosen: tuple[mapping.Mapped, ...]
) -> int:
    if arguments.write_mapping:
        try:
            arguments.write_mapping.write_text(mapping.write(chosen, endpoint=proposal.endpoint), encoding="utf-8")
        except OSError as fault:
            raise DiskFull(f"{arguments.write_mapping} cannot be written: {fault.strerror}.") from fault
    if arguments.json:
        show(looked)
        return 0
    _print(looked, proposal, chosen)
    if arguments.write_mapping:
        print(f"The mapping is in {arguments.write_mapping}; edit it, then connect with --mapping.")
    return 0


def _print(looked: dict[str, Any], proposal: Proposal, chosen: tuple[mapping.Mapped, ...]) -> None:
    said = {one.address: one for one in chosen}
    if proposal.nameplate:
        print("It says it is: " + ", ".join(f"{name} {text}" for name, text in proposal.nameplate.items()))
    print(f"{'signal':<28} {'meaning':<15} {'unit':<8} {'says':<14} {'per s':>7}  {'deadband offered':<16} address")
    for one in proposal.signals[:SHOWN]:
        print(_line(one, said.get(one.address)))
    if len(proposal.signals) > SHOWN:
        print(f"… and {len(proposal.signals) - SHOWN} more.")
    if proposal.fault:
        print(f"Its signals could not be read: {proposal.fault}")
    for remark in proposal.remarks:
        print(f"Note: {remark}")
    print(looked["forecast"])
    for one in looked["broken"]:
        print(f"  - {one['message']} {one['remedy']}")
    if looked["broken"] and looked["policy"] == "refuse":
        print("It would be refused: the node's policy is limits.admission = refuse.")


def _line(one: Proposed, said: mapping.Mapped | None) -> str:
    if said is None or not said.read:
        return f"{one.name[:28]:<28} {'(left out)':<15}"
    unit = one.unit if said.unit is None else said.unit
    meaning = (said.meaning or one.meaning).value
    offer = "" if one.offered_deadband is None else f"{one.offered_deadband:g} {unit}"
    offer += " (taken)" if offer and said.deadband == one.offered_deadband else ""
    name = (said.name or one.name)[:28]
    return (
        f"{name:<28} {meaning:<15} {unit:<8} {one.sample[:14]:<14} {one.changes_per_s:>7.2f}  {offer:<16} {one.address}"
    )


def _connect(arguments: argparse.Namespace, remote: Remote, body: dict[str, Any]) -> int:
    made = remote.post("/api/connect", body)
    if arguments.json:
        show(made)
        return 0
    print(f"{made['resource']['name']}: {len(made['signals'])} signals. {made['blueprint']['forecast']}")
    for warning in made["blueprint"]["warnings"]:
        print(f"  warning: {warning}")
    for one in made["signals"]:
        print(f"  {one['name']:<28} {one['meaning']:<16} {one['unit']}")
    return 0


def handle_machines(arguments: argparse.Namespace) -> int:
    """List how connections stand, or act on one."""
    remote = Remote(arguments.data)
    held = remote.get("/api/machines")
    if arguments.act == "list":
        if arguments.json:
            show(held)
        for one in [] if arguments.json else held["machines"]:
            _print_state(one)
        if not arguments.json:
            _print_uplink(held["uplink"])
        return 0
    identifier = find_machine(held["machines"], arguments.machine)
    if arguments.act == "retry":
        done = remote.post(f"/api/machines/{identifier}/retry")
    else:
        done = remote.post(f"/api/machines/{identifier}/switch", {"is_on": arguments.act == "on"})
    if arguments.json:
        show(done)
    else:
        print({"on": "Switched on.", "off": "Switched off.", "retry": "Tried at once."}[arguments.act])
    return 0


def find_machine(machines: list[dict[str, Any]], wanted: str) -> str:
    """Find a machine by its name or id; BadInput where none or several fit."""
    found = [one["id"] for one in machines if wanted and wanted in (one["id"], one["name"])]
    if len(found) != 1:
        names = ", ".join(one["name"] for one in machines) or "none"
        raise BadInput(f"{wanted!r} names {len(found)} machines.", remedy=f"Give a name or an id of: {names}.")
    return str(found[0])


def _print_state(one: dict[str, Any]) -> None:
    device = one["counts"].get("device")
    rate = f"{device['samples_per_s']:.1f}/s" if device else ""
    age = "" if one["data_age_s"] is None else f"{one['data_age_s']:.1f} s ago"
    step = "" if not one["step"] else f"step {one['step']} of the ladder"
    lost = f"{one['lost']} lost" if one["lost"] else ""
    print(
        f"{one['name']:<28} {one['state']:<10} {rate:>10} {age:>12}  {'  '.join(filter(None, (step, lost)))}".rstrip()
    )
    if one["said"] and one["state"] not in ("connected", "starting"):
        print(f"{'':<28} {one['said']} {one['remedy']}".rstrip())
    for remark in one["remarks"]:
        if "refuses" in remark or "not read" in remark:
            print(f"{'':<28} {remark}")


def _print_uplink(uplink: dict[str, Any]) -> None:
    fill = uplink["fill"]
    if uplink["is_away"]:
        print(f"The historian is away: {uplink['said']}")
    if fill and fill["readings"]:
        lasts = "not draining" if fill["empty_in_s"] is None else f"empty in {fill['empty_in_s']:.0f} s"
        share = 100 * fill["bytes"] / fill["limit_bytes"]
        print(f"{fill['readings']} readings wait in the spool ({share:.1f} % full), {lasts}.")


def handle_secret(arguments: argparse.Namespace) -> int:
    """Keep, forget or list secrets of a data folder; their values are never shown."""
    read_settings(arguments.data)
    kept = Secrets(arguments.data / "keys")
    if arguments.act == "list":
        names = list(kept.names())
        if arguments.json:
            show({"names": names})
        else:
            print("\n".join(names) or "No secret is kept.")
        return 0
    if not arguments.name:
        raise BadInput("Which secret?", remedy="Give its name.")
    if arguments.act == "set":
        is_terminal = sys.stdin.isatty()
        value = getpass.getpass(f"{arguments.name}: ") if is_terminal else sys.stdin.read().rstrip("\r\n")
        kept.set(arguments.name, value)
    else:
        kept.remove(arguments.name)
    if arguments.json:
        show({"name": arguments.name})
    else:
        print(f"Kept; name it in options as secret:{arguments.name}" if arguments.act == "set" else "Removed.")
    return 0
