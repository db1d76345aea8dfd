"""The verbs of the thread line: need, plan, make; one progress display, one summary."""

import argparse
import sys
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from interwork.cli.calls import Remote, add_data, show
from interwork.core.clock import parse_moment, rfc3339
from interwork.core.errors import BadInput, DiskFull, InterworkError, LimitReached, NoPlan, PeerUnreachable

STEPS = {
    "design": "Design measured",
    "process-plan": "Process plan drafted",
    "need": "Need written down",
    "search": "Catalog searched",
    "match": "Matched, with reasons",
    "quote": "Quotes received",
    "plan": "Planned, with a bound",
    "agree": "Agreements made",
    "order": "Orders accepted",
    "make": "Made at the machines",
    "evidence": "Evidence verified",
    "learn": "Learnt from",
}
LOOK_S = 0.4
AWAY_S = 120.0
"""How long a node may be away while a job is followed; it resumes where it stood."""


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verbs of this file."""
    for name, until, text in (
        ("need", "match", "say what a part needs and who in the network could make it; nothing is ordered"),
        (
            "plan",
            "plan",
            "the best plan for a part over the quotes given, its bound and reasons; nothing is ordered",
        ),
        ("make", "", "make a part across the network: from the design file to evidence"),
    ):
        verb = verbs.add_parser(name, help=text, description=text.capitalize() + ".")
        add_data(verb)
        verb.add_argument("part", type=Path, nargs="?", help="the design: STEP, STL, IGES, 3MF or DXF")
        verb.add_argument("--material", help="such as al-6061, steel-1045, pom")
        verb.add_argument("--quantity", type=int, default=1, help="how many (%(default)s)")
        verb.add_argument("--due", default="+14d", help="2026-12-24, 2026-12-24T16:00Z or +10d (%(default)s)")
        verb.add_argument("--tolerance", type=float, default=0.1, help="general tolerance in mm (%(default)s)")
        verb.add_argument("--thickness", type=float, help="of the sheet in mm, for a flat drawing (DXF)")
        verb.add_argument(
            "--template", default="", help="a template of a process plan (`interwork design template list`)"
        )
        verb.add_argument("--project", default="", help="the project that pays for it")
        verb.add_argument("--job", default="", help="carry on a job that was planned, or that failed")
        verb.add_argument("--detach", action="store_true", help="do not wait for the end")
        verb.set_defaults(run=make, until=until)

    cancel = verbs.add_parser(
        "cancel",
        help="cancel a job; what was ordered is given back where no machine has begun",
        description="Cancel a job: its orders are given back, as long as no machine has begun.",
    )
    add_data(cancel)
    cancel.add_argument("job", help="the job's id, as `interwork make --detach` printed it")
    cancel.set_defaults(run=give_up)
    orders = verbs.add_parser(
        "orders",
        help="list the orders this node placed or holds; stop one in the shop",
        description="List orders. A shop stops one with --stop ID --reason TEXT: its machines are free again; "
        "--design ID --to FILE takes out the design to make it by.",
    )
    add_data(orders)
    orders.add_argument("--stop", metavar="ID", default="", help="stop this order, whatever its state")
    orders.add_argument("--reason", default="", help="why; its buyer reads it")
    orders.add_argument("--design", metavar="ID", default="", help="write the design of this order into --to FILE")
    orders.add_argument("--to", type=Path, help="the file, or a folder: then it keeps its name")
    orders.set_defaults(run=list_orders)


def give_up(arguments: argparse.Namespace) -> int:
    """Cancel a job."""
    job = Remote(arguments.data).post(f"/api/jobs/{arguments.job}/cancel")
    show(job) if arguments.json else print(f"{job['title']}: {job['message']}.")
    return 0


def list_orders(arguments: argparse.Namespace) -> int:
    """List orders, or stop one."""
    remote = Remote(arguments.data)
    if arguments.stop:
        order = remote.post(f"/api/orders/{arguments.stop}/stop", {"reason": arguments.reason})
        show(order) if arguments.json else print(f"Order {order['id']} is {order['state']}: {order['reason']}.")
        return 0
    if arguments.design:
        return _take_out(remote, arguments.design, arguments.to, as_json=arguments.json)
    orders = remote.get("/api/orders")["orders"]
    if arguments.json:
        show(orders)
        return 0
    table = Table("order", "side", "part", "quantity", "with", "state", "EUR")
    for one in orders:
        facts = (one["id"], one["side"], one["part"], str(one["quantity"]), one["peer_name"], one["state"])
        table.add_row(*facts, f"{one['price_eur']:,.2f}")
    console_of(as_json=False).print(table if orders else "There are no orders.")
    return 0


def _take_out(remote: Remote, order_id: str, to: Path | None, *, as_json: bool) -> int:
    order: dict[str, Any] = next((one for one in remote.get("/api/orders")["orders"] if one["id"] == order_id), {})
    if to is None:
        raise BadInput("Where is the design to be written?", remedy="Give --to FILE, or --to FOLDER.")
    path = to / Path(order.get("design_name") or order_id).name if to.is_dir() else to
    if path != to and path.exists():  # the name is another organisation's: it replaces nothing of ours
        raise BadInput(f"{path} is there already.", remedy="Give --to FILE, with a name of your own.")
    content = b"".join(remote.download(f"/api/orders/{quote(order_id)}/design"))
    try:
        path.write_bytes(content)
    except OSError as fault:
        raise DiskFull(f"{path} cannot be written: {fault.strerror}.", remedy="Give another path.") from fault
    told = {"order": order_id, "to": str(path), "bytes": len(content)}
    show(told) if as_json else print(f"The design, {len(content)} bytes, is in {path}.")
    return 0


def make(arguments: argparse.Namespace) -> int:
    """Submit or carry on a job, follow it, and sum it up."""
    remote = Remote(arguments.data)
    job = remote.post(f"/api/jobs/{arguments.job}/proceed") if arguments.job else submit(remote, arguments)
    if arguments.detach:
        show(job) if arguments.json else print(job["id"])
        return 0
    console = console_of(as_json=arguments.json)
    job = follow(remote, job["id"], console)
    summary = remote.get(f"/api/jobs/{job['id']}/summary")
    if arguments.json:
        if job["plan"] and arguments.until:
            summary["explanation"] = remote.get(f"/api/plans/{job['plan']}/explanation")
        show(summary)
    else:
        print_summary(summary, console, remote.address)
    return 0


def console_of(*, as_json: bool) -> Console:
    """Open the console people read: standard error where standard output is for a program, wide where it is a file."""
    console = Console(stderr=as_json, highlight=False)
    return console if console.is_terminal else Console(stderr=as_json, highlight=False, width=140)


def submit(remote: Remote, arguments: argparse.Namespace, *, key: str = "") -> Any:  # noqa: ANN401 - JSON
    """Send the design; asked again with the same key it is the same job."""
    if arguments.part is None:
        raise BadInput("Which part?", remedy="Give a STEP, STL, IGES, 3MF or DXF file, or --job ID.")
    if not arguments.material:
        raise BadInput("Of which material?", remedy="Give --material, such as al-6061.")
    try:
        content = arguments.part.read_bytes()
    except OSError as fault:
        raise BadInput(
            f"{arguments.part} cannot be read: {fault.strerror}.",
            remedy="Give the path of a STEP, STL, IGES, 3MF or DXF file.",
        ) from fault
    return remote.post(
        "/api/jobs",
        content,
        name=arguments.part.name,
        material=arguments.material,
        quantity=str(arguments.quantity),
        due=rfc3339(parse_moment(arguments.due)),
        tolerance_mm=str(arguments.tolerance),
        thickness_mm="" if arguments.thickness is None else str(arguments.thickness),
        template=arguments.template,
        project=arguments.project,
        until=arguments.until,
        key=key or uuid.uuid4().hex,
    )


def follow(remote: Remote, job_id: str, console: Console, *, limit_s: float = 24 * 3600) -> Any:  # noqa: ANN401 - JSON
    """Show a job's arrows as they are done; raise what stopped it."""
    shown, deadline, away = 0, time.monotonic() + limit_s, 0.0
    with console.status("starting", spinner="dots") as status:
        while time.monotonic() < deadline:
            try:
                job = remote.get(f"/api/jobs/{job_id}")
                away = 0.0
            except PeerUnreachable:
                away = away or time.monotonic()
                if time.monotonic() - away > AWAY_S:
                    raise
                time.sleep(LOOK_S)
                continue
            for entry in job["log"][shown:]:
                title = STEPS.get(entry["step"], entry["step"])
                console.print(
                    f"  [green]✓[/green] {title:<24} [dim]{entry['seconds']:6.2f} s[/dim]  {entry['message']}"
                )
            shown = len(job["log"])
            if job["state"] == "done":
                return job
            if job["state"] == "failed":
                raise failure(job)
            status.update(f"{STEPS.get(job['step'], job['step'])} … [dim]{job['message']}[/dim]")
            time.sleep(LOOK_S)
    raise LimitReached(f"Job {job_id} is not done after {limit_s:.0f} s.", remedy="It goes on; look at its page.")


def failure(job: dict[str, Any]) -> InterworkError:
    """Turn a failed job into the error that stopped it."""
    said = NoPlan(
        job["message"], reasons=tuple(job["facts"].get("reasons", ())), remedy=job["remedy"], where=job["step"]
    )
    said.code = str(job["facts"].get("code", said.code))
    return said


def print_summary(summary: dict[str, Any], console: Console, address: str) -> None:
    """Print a job's summary for a newcomer."""
    job = summary["job"]
    console.print()
    console.rule(f"{job['quantity']} × {job['title']}, {job['material']}")
    if summary["shares"]:
        console.print(_shares(summary))
        _print_figures(summary, console)
        _print_rivals(summary, console)
    for gap in summary["gaps"]:
        console.print(f"  Gap ({gap['kind']}): {gap['title']}. {gap['nearest']}")
    if summary["crossings"]:
        console.print(_crossings(summary))
    for one in summary["track"]:
        ratio = f", metered energy {one['energy_ratio']:.2f} × quoted" if one["energy_ratio"] is not None else ""
        console.print(
            f"  Track record: {one['provider_name']}: {one['runs']} runs, {one['good']} of {one['parts']} good{ratio}"
        )
    if summary["is_simulated"]:
        console.print(
            f"[yellow]  The machines are SIMULATED, running {summary['time_scale']:.0f} times faster than real ones; "
            "energy and counts are theirs, in their own time.[/yellow]"
        )
    console.print(f"  Read the thread:  {address}/thread/{job['need'] or job['revision']}")
    sys.stdout.flush()


def _shares(summary: dict[str, Any]) -> Table:
    table = Table(title="Who makes what, when (UTC)", title_justify="left", expand=False)
    for name in ("operation", "pieces", "provider", "machine", "from", "to", "EUR"):
        table.add_column(name, justify="right" if name in ("pieces", "EUR") else "left", overflow="fold")
    for one in summary["shares"]:
        table.add_row(
            one["operation"],
            str(one["quantity"]),
            one["provider"],
            one["resource"],
            one["start"][5:16].replace("T", " "),
            one["end"][5:16].replace("T", " "),
            f"{one['price_eur']:,.2f}",
        )
    for leg in summary["legs"]:
        times = [leg[end][5:16].replace("T", " ") for end in ("start", "end")]
        way = f"{leg['source']} → {leg['target']}, {leg['distance_km']:.0f} km"
        table.add_row("Transport", str(leg["quantity"]), way, "", *times, f"{leg['price_eur']:,.2f}")
    table.add_section()
    table.add_row("Price", "", "", "", "", "", f"{summary['price_eur']:,.2f}")
    return table


def _print_figures(summary: dict[str, Any], console: Console) -> None:
    metered = summary["energy_metered_kwh"]
    measured = f"{metered:.2f} kWh metered" if metered is not None else "not metered yet"
    late = f", {summary['late_h']:.1f} h late" if summary["late_h"] else ", in time"
    console.print(
        f"  Price {summary['price_eur']:,.2f} EUR · energy {summary['energy_planned_kwh']:.2f} kWh planned, "
        f"{measured} · CO₂ {summary['co2_kg']:.1f} kg · transport {summary['transport_km']:.0f} km · "
        f"ready {summary['finish'][:16].replace('T', ' ')} UTC{late}"
    )
    proof = "proven optimal" if summary["is_optimal"] else f"at most {100 * summary['gap']:.1f} % from the best"
    parts = summary["sum"]
    weighed = (("CO₂", "co2_eur"), ("lateness", "late_eur"), ("time to the finish", "finish_eur"))
    more = "".join(f" + {name} {parts[key]:,.2f}" for name, key in weighed if parts[key])
    console.print(
        f"  Objective {summary['objective_eur']:,.2f} EUR = price {summary['price_eur']:,.2f}{more}; no plan over "
        f"these quotes can be below [bold]{summary['bound_eur']:,.2f} EUR[/bold]: {proof}"
    )


def _print_rivals(summary: dict[str, Any], console: Console) -> None:
    for one in summary["rivals"]:
        if one["objective_eur"] is None:
            console.print(f"  Instead, {one['label']}: not possible. {one['reason'].removeprefix('Not possible: ')}")
        else:
            console.print(
                f"  Instead, {one['label']}: objective {one['objective_eur']:,.2f} EUR, {one['saving_eur']:,.2f} more "
                f"(price {one['price_eur']:,.2f})"
            )


def _crossings(summary: dict[str, Any]) -> Table:
    table = Table(title="What crossed, under which agreement", title_justify="left", expand=False)
    for name in ("agreement", "with", "way", "what", "items", "bytes"):
        table.add_column(name, justify="right" if name in ("items", "bytes") else "left", overflow="fold")
    for one in summary["crossings"]:
        table.add_row(
            one["agreement"], one["peer"], one["direction"], one["what"], f"{one['items']:,}", f"{one['bytes']:,}"
        )
    return table
