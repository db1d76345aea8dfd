"""`interwork gaps | invest | pareto | replan`: what plans teach, and what to do when something happens to one."""

import argparse
from typing import Any

from rich.table import Table

from interwork.allocation.learning.investing import invest
from interwork.allocation.problem import Size, generate
from interwork.cli.calls import Remote, add_data, show
from interwork.cli.making import console_of
from interwork.core.clock import parse_moment, rfc3339
from interwork.core.errors import BadInput

KINDS = ("down", "away", "rush", "back")


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verbs of this file."""
    gaps = verbs.add_parser(
        "gaps",
        help="what the network lacks for the needs held here: technology, capacity, skill, policy, financing",
        description="What the network lacks for the needs held here, the largest demand first.",
    )
    add_data(gaps)
    gaps.add_argument("need", nargs="?", default="", help="a need's id: why it cannot be met, and what would do")
    gaps.set_defaults(run=show_gaps)
    investing = verbs.add_parser(
        "invest",
        help="what one more hour of each machine is worth, confirmed by solving again",
        description="Shadow prices of the quoted machines over all needs held here, and what more of them would gain.",
    )
    add_data(investing)
    investing.add_argument(
        "--network", default="", help="instead: a drawn benchmark network, NEEDS,MACHINES,SITES,SEED"
    )
    investing.add_argument("--seconds", type=float, default=20.0, help="of search for --network (%(default)s)")
    investing.set_defaults(run=show_investments)
    pareto = verbs.add_parser(
        "pareto",
        help="plans that trade price, finish and CO2 over the same quotes; choose one before ordering",
        description="interwork pareto PLAN lists plans nothing beats; interwork pareto PLAN --choose takes that one.",
    )
    add_data(pareto)
    pareto.add_argument("plan", help="the plan's id, as `interwork plan --json` printed it")
    pareto.add_argument("--choose", action="store_true", help="take this plan for its job; nothing may be ordered yet")
    pareto.set_defaults(run=show_trade)
    _add_replan(verbs)
    emergency = verbs.add_parser(
        "convert", help="who could convert to a need's operations in an emergency, by when, with which approvals"
    )
    add_data(emergency)
    emergency.add_argument("need", help="the need's id")
    emergency.add_argument("--lead", action="append", default=[], metavar="REQUIREMENT=DAYS", help="as certificate=90")
    emergency.set_defaults(run=show_conversions)
    volume = verbs.add_parser("volume", help="plan a part from a pilot to volume over the quotes of a plan")
    add_data(volume)
    volume.add_argument("plan", help="the plan's id")
    volume.add_argument("--quantities", default="10,100,1000", help="as 10,100,1000 (%(default)s)")
    volume.set_defaults(run=show_volumes)


def _add_replan(verbs: Any) -> None:  # noqa: ANN401
    again = verbs.add_parser(
        "replan",
        help="tell what happened to a planned job, get a proposal with its price, accept or undo it",
        description="interwork replan JOB --event down --machine 'Mill 3' --since 2026-12-24T06:00Z --until +2d · "
        "interwork replan JOB --accept PROPOSAL · interwork replan JOB --undo PROPOSAL",
    )
    add_data(again)
    again.add_argument("job", help="the job's id")
    again.add_argument(
        "--event", choices=KINDS, help="down: a machine; away: a provider; rush: a machine; back: either"
    )
    again.add_argument("--machine", default="", help="its name or id, as quoted")
    again.add_argument("--provider", default="", help="its name or DID")
    again.add_argument("--since", default="+0h", help="from when, as 2026-12-24T06:00Z or +4h (now)")
    again.add_argument("--until", default="", help="until when; without it, until somebody says `back`")
    again.add_argument("--note", default="", help="what else there is to say")
    again.add_argument("--stability", type=float, default=1.0, help="price of moving published work (%(default)s)")
    decide = again.add_mutually_exclusive_group()
    for act in ("accept", "undo", "decline"):
        decide.add_argument(f"--{act}", metavar="PROPOSAL", default="")
    again.set_defaults(run=handle_replan)


def show_gaps(arguments: argparse.Namespace) -> int:
    """Show the gap report, or why one need cannot be met."""
    remote = Remote(arguments.data)
    console = console_of(as_json=arguments.json)
    if arguments.need:
        told = remote.get(f"/api/needs/{arguments.need}/unserved")["unserved"]
        if arguments.json:
            show(told)
            return 0
        for one in told:
            console.print(f"{one['operation_name']}: {one['cause']}. {one['nearest']}")
            console.print(f"  Nobody meets together: {', '.join(one['conflict']) or 'anything'}.")
            for advice in one["relaxations"]:
                console.print(f"  {advice['text']}")
        console.print("" if told else "Every operation can be done by somebody.")
        return 0
    rows = remote.get("/api/gaps")["gaps"]
    if arguments.json:
        show(rows)
        return 0
    table = Table("gap", "process", "requirement", "needs", "EUR", "nearest", "misses by")
    for one in rows:
        distance = "–" if one["distance"] is None else f"{one['distance']:.2f} ×"
        value = f"{one['value_eur']:,.0f}" if one["valued"] else "not stated"
        table.add_row(
            one["kind"], one["process"], one["requirement"], str(one["count"]), value, one["nearest"], distance
        )
    console.print(table if rows else "Every need held here is met or planned in time.")
    return 0


def show_investments(arguments: argparse.Namespace) -> int:
    """Show what hours are worth."""
    found = _drawn(arguments) if arguments.network else Remote(arguments.data).get("/api/investments")
    if arguments.json:
        show(found)
        return 0
    table = Table("machine", "in use", "EUR per more h", "EUR for 1 % more", "solved again", "EUR for a second one")
    for one in found["rows"][:30]:
        doubled = "–" if one["doubled_eur"] is None else f"{one['doubled_eur']:,.2f}"
        table.add_row(
            one["resource"],
            f"{100 * one['use']:.0f} %",
            f"{one['value_eur_per_h']:,.2f}",
            f"{one['predicted_eur']:,.2f}",
            f"{one['confirmed_eur']:,.2f}",
            doubled,
        )
    console = console_of(as_json=False)
    console.print(table)
    proof = "proven" if found["is_proven"] else "NOT proven within the time"
    console.print(
        f"Over {found['horizon_h']:,.0f} h and {found['needs']} lots; the relaxation is {proof}. Values are marginal: "
        "they hold while the same routes stay worth taking; the last column is solved again."
    )
    return 0


def _drawn(arguments: argparse.Namespace) -> Any:  # noqa: ANN401 - JSON
    parts = arguments.network.split(",")
    if len(parts) != 4 or not all(one.strip().isdecimal() for one in parts):
        raise BadInput(f"--network {arguments.network!r} is no network.", remedy="Give it as 60,16,3,9.")
    needs, machines, sites, seed = (int(one) for one in parts)
    problem = generate(Size(needs=needs, machines=machines, sites=sites, seed=seed))
    found = invest(problem, seconds=arguments.seconds)
    rows = [{name: getattr(row, name) for name in row.__struct_fields__} for row in found.rows]
    return {**{name: getattr(found, name) for name in found.__struct_fields__}, "rows": rows}


def show_trade(arguments: argparse.Namespace) -> int:
    """Show the trade of a plan, or take a point of it."""
    remote = Remote(arguments.data)
    if arguments.choose:
        job = remote.post(f"/api/plans/{arguments.plan}/choose")
        show(job) if arguments.json else print(f"{job['title']}: {job['message']}.")
        return 0
    found = remote.post(f"/api/plans/{arguments.plan}/trade")
    if arguments.json:
        show(found)
        return 0
    table = Table("plan", "EUR", "finished", "kg CO2", "with")
    for one in found["points"]:
        table.add_row(
            one["plan"],
            f"{one['price_eur']:,.2f}",
            one["finish"][:16].replace("T", " "),
            f"{one['co2_kg']:.2f}",
            ", ".join(one["providers"]),
        )
    console_of(as_json=False).print(table)
    return 0


def handle_replan(arguments: argparse.Namespace) -> int:
    """Tell an event and show the proposal, or decide on one."""
    remote = Remote(arguments.data)
    for act in ("accept", "undo", "decline"):
        if identifier := getattr(arguments, act):
            done = remote.post(f"/api/proposals/{identifier}/{act}")
            show(done) if arguments.json else print(f"The proposal is {done['state']}.")
            return 0
    if arguments.event:
        told = {
            "kind": arguments.event,
            "resource": arguments.machine,
            "provider": arguments.provider,
            "since": rfc3339(parse_moment(arguments.since)),
            "until": rfc3339(parse_moment(arguments.until)) if arguments.until else None,
            "note": arguments.note,
        }
        remote.post(f"/api/jobs/{arguments.job}/disturbances", told)
    found = remote.post(f"/api/jobs/{arguments.job}/proposals", {"stability": arguments.stability})
    if arguments.json:
        show(found)
        return 0
    _print_proposal(found)
    return 0


def _print_proposal(found: dict[str, Any]) -> None:
    console = console_of(as_json=False)
    table = Table("operation", "was", "now", "why", "EUR")
    for one in found["changes"]:
        places = [f"{one[key]['resource_name']}, {one[key]['start'][5:16].replace('T', ' ')}" for key in ("was", "now")]
        table.add_row(f"{one['operation_name']} (lot {one['lot']})", *places, one["cause"], f"{one['price_eur']:+,.2f}")
    console.print(table if found["changes"] else "Nothing has to change.")
    parts = ", ".join(f"{one['name']} {one['eur']:+,.2f}" for one in found["shares"]) or "nothing"
    console.print(f"  It costs {found['cost_eur']:+,.2f} EUR: {parts}.")
    if found["shift_eur"] is not None:
        console.print(f"  Waiting on the same machines would cost {found['shift_eur']:+,.2f} EUR.")
    for note in found["notes"]:
        console.print(f"  {note}")
    console.print(f"  Accept it: interwork replan {found['job']} --accept {found['id']}")


def show_conversions(arguments: argparse.Namespace) -> int:
    """Show who could convert."""
    lead = dict(one.partition("=")[::2] for one in arguments.lead)
    found = Remote(arguments.data).get(f"/api/needs/{arguments.need}/conversions", **lead)["conversions"]
    if arguments.json:
        show(found)
        return 0
    table = Table("operation", "provider", "machine", "ready", "approvals", "lacks or is asked")
    for one in found:
        ready = one["ready_at"][:10] if one["ready_at"] else "not known"
        lacks = " ".join([*one["equipment"], *one["questions"]])
        table.add_row(
            one["operation_name"], one["provider_name"], one["resource_name"], ready, ", ".join(one["approvals"]), lacks
        )
    console_of(as_json=False).print(table if found else "Nobody in the catalog offers these processes.")
    return 0


def show_volumes(arguments: argparse.Namespace) -> int:
    """Show the way from a pilot to volume."""
    remote = Remote(arguments.data)
    stages = remote.get(f"/api/plans/{arguments.plan}/volumes", quantities=arguments.quantities)["stages"]
    if arguments.json:
        show(stages)
        return 0
    table = Table("parts", "EUR each", "finished", "late h", "with", "limit")
    for one in stages:
        price = "–" if one["price_eur_each"] is None else f"{one['price_eur_each']:,.2f}"
        finish = one["finish"][:16].replace("T", " ") if one["finish"] else "–"
        with_whom = ", ".join(one["providers"])
        table.add_row(f"{one['quantity']:,}", price, finish, f"{one['late_h']:.1f}", with_whom, one["limit"])
    console_of(as_json=False).print(table)
    return 0
