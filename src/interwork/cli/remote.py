"""Verbs that ask the running node: join, publish, agreement, thread, run, fund, report."""

import argparse
import tomllib
from pathlib import Path
from typing import Any

from interwork.cli.calls import Remote, add_data, show
from interwork.core.errors import BadInput

_FUND = """\
call.toml    title = "Machining"
             agency = "Ministry of Economy"
             budget_eur = 100000
             min_cost_share = 1.0                # what the recipient adds to each euro
             closes = 2030-06-30T00:00:00Z

award.toml   call = "…"                          # the id `interwork fund call` printed
             recipient_did = "did:web:…"         # a member of the institute
             title = "Brackets"
             amount_eur = 80000
             cost_share_eur = 80000
             starts = 2030-09-01T00:00:00Z
             ends = 2032-08-31T00:00:00Z
             technology = "Design-to-order machining"
             technology_summary = "A drawing is planned, made and proven."
             trl = 4
             mrl = 4
             milestones = [{ name = "First parts", due = 2031-01-31T00:00:00Z, amount_eur = 40000 }]
"""


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verbs of this file."""
    join = verbs.add_parser("join", help="apply for membership at an institute, and be seen in its portal")
    add_data(join)
    join.add_argument("address", help="the institute's address, such as http://localhost:8700")
    join.add_argument("--tier", default="full", help="small, full, academic, partner (%(default)s)")
    join.set_defaults(run=join_institute)
    publish = verbs.add_parser("publish", help="offer quotes and orders on your machines in the network's catalog")
    add_data(publish)
    publish.add_argument("--list", action="store_true", help="list what this node offers, with its id")
    publish.add_argument(
        "--withdraw", metavar="ID", default="", help="take an offer out of the catalog; agreements made on it stay"
    )
    publish.set_defaults(run=publish_capacity)
    _add_agreement(verbs)
    thread = verbs.add_parser("thread", help="the digital thread: what came of what, from need to evidence")
    add_data(thread)
    thread.add_argument("id", nargs="?", default="", help="start from this node of the thread; all where left out")
    way = thread.add_mutually_exclusive_group()
    way.add_argument("--forward", action="store_true", help="what came of it")
    way.add_argument("--backward", action="store_true", help="what it came from (the default)")
    thread.add_argument("--prov", dest="form", action="store_const", const="prov", default="", help="as PROV-JSON")
    thread.add_argument("--prov-o", dest="form", action="store_const", const="prov-o", help="as PROV-O in JSON-LD")
    thread.add_argument("--reach", action="store_true", help="ask the other nodes for what led to what they hold")
    thread.add_argument("--share", default="", metavar="DID", help="let a node see what led to this thing")
    thread.set_defaults(run=show_thread)
    _add_shop(verbs)


def _add_shop(verbs: Any) -> None:  # noqa: ANN401
    run = verbs.add_parser("run", help="runs at your machines: list, start, finish")
    add_data(run)
    run.add_argument("act", choices=("list", "start", "finish"))
    run.add_argument("id", nargs="?", default="", help="the run")
    run.set_defaults(run=handle_run)
    fund = verbs.add_parser(
        "fund",
        help="the capital chain: open a call, make an award, take awards made to you",
        description="An institute opens a call and makes an award under it; the member it is made to takes it.",
        epilog=_FUND,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data(fund)
    fund.add_argument("act", choices=("call", "award", "take"))
    fund.add_argument("--file", type=Path, help="TOML file describing the call or the award")
    fund.set_defaults(run=handle_fund)
    report = verbs.add_parser("report", help="the report: every figure with the number of records behind it")
    add_data(report)
    report.set_defaults(run=show_report)


def _add_agreement(verbs: Any) -> None:  # noqa: ANN401
    agreement = verbs.add_parser("agreement", help="agreements: list, show with receipts, terminate")
    add_data(agreement)
    agreement.add_argument("act", choices=("list", "show", "terminate"))
    agreement.add_argument("id", nargs="?", default="", help="the agreement")
    agreement.add_argument("--reason", default="ended by its party", help="said to the other side (%(default)s)")
    agreement.set_defaults(run=handle_agreement)


def read_toml(path: Path | None) -> dict[str, Any]:
    """Read a TOML file given on the command line; empty where none was given."""
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise BadInput(f"The file cannot be read: {fault}.", where=str(path), remedy="Give a TOML file.") from fault


def join_institute(arguments: argparse.Namespace) -> int:
    """Join."""
    member = Remote(arguments.data).post("/api/join", {"address": arguments.address, "tier": arguments.tier})
    if arguments.json:
        show(member)
    else:
        print(f"{member['organisation_name']}: {member['state']} in tier «{member['tier']}». {member['reason']}")
    return 0


def publish_capacity(arguments: argparse.Namespace) -> int:
    """Offer, list or withdraw."""
    remote = Remote(arguments.data)
    if arguments.list:
        return _list_offers(remote.get("/api/offers"), as_json=arguments.json)
    if arguments.withdraw:
        gone = remote.post(f"/api/offers/{arguments.withdraw}/withdraw")
        show(gone) if arguments.json else print(f"Withdrawn: {gone['title']}")
        return 0
    made = remote.post("/api/publish")
    if arguments.json:
        show(made)
    else:
        print(f"Offered: {made['title']} ({', '.join(made['properties']['processes'])}) as {made['id']}")
    return 0


def _list_offers(found: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        show(found)
        return 0
    for one in found["offers"]:
        print(f"{one['id']}  {one['kind']:<12} {one['title']}")
    return 0


def _need_id(arguments: argparse.Namespace, what: str) -> str:
    if not arguments.id:
        raise BadInput(f"Which {what}?", remedy=f"Give its id; `interwork {arguments.verb} list` shows them.")
    return str(arguments.id)


def handle_agreement(arguments: argparse.Namespace) -> int:
    """List, show or terminate agreements."""
    remote = Remote(arguments.data)
    if arguments.act == "list":
        found = remote.get("/api/agreements", limit="1000")["agreements"]
        if arguments.json:
            show(found)
        for one in [] if arguments.json else found:
            print(f"{one['id']}  {one['state']:<10} {one['side']:<8} {one['peer_name']:<36} {one['dataset_title']}")
        return 0
    identifier = _need_id(arguments, "agreement")
    if arguments.act == "terminate":
        remote.post(f"/api/agreements/{identifier}/terminate", {"reason": arguments.reason})
    held = remote.get(f"/api/agreements/{identifier}")
    if arguments.json:
        show(held)
        return 0
    one = held["agreement"]
    print(f"{one['dataset_title']}\n{one['id']}  {one['state']}  with {one['peer_name']}, agreed {one['agreed_at']}")
    if one["ended_at"]:
        print(f"ended {one['ended_at']} by {one['ended_by']}: {one['reason']}")
    for receipt in held["receipts"]:
        print(
            f"  {receipt['direction']:<9} {receipt['items']:>8} × {receipt['what']}, {receipt['bytes']} bytes, "
            f"{receipt['first_at']} to {receipt['last_at']}"
        )
    return 0


def show_thread(arguments: argparse.Namespace) -> int:
    """Show the thread."""
    asked = {"way": "forward" if arguments.forward else "backward"}
    if arguments.id:
        asked["node"] = arguments.id
    if (arguments.reach or arguments.share) and not arguments.id:
        raise BadInput("Which thing of the thread?", remedy="Give its id; `interwork thread` lists them.")
    if arguments.share:
        show(Remote(arguments.data).post(f"/api/thread/{arguments.id}/share", {"to": arguments.share}))
        return 0
    if arguments.reach:
        Remote(arguments.data).post(f"/api/thread/{arguments.id}/reach")
    if arguments.form:
        show(Remote(arguments.data).get("/api/thread", form=arguments.form, **asked))
        return 0
    held = Remote(arguments.data).get("/api/thread", **asked)
    if arguments.json:
        show(held)
    else:
        _print_thread(held)
    return 0


def _print_thread(held: dict[str, Any]) -> None:
    nodes, edges = {one["id"]: one for one in held["nodes"]}, held["edges"]
    for one in sorted(nodes.values(), key=lambda each: str(each["at"])):
        shared = "" if one["is_shared"] else ", not shared"
        holder = f"  (held by {one['holder']}{shared})" if one["holder"] else ""
        print(f"{one['kind']:<13} {one['label']}{holder}\n{'':<13} {one['id']}")
        for edge in edges:
            if edge["source"] == one["id"] and edge["target"] in nodes:
                print(f"{'':<15}{edge['kind']} → {nodes[edge['target']]['label']}")
    if held["is_cut"]:
        print(f"These are the nearest {len(nodes)}; there are more.")


def handle_run(arguments: argparse.Namespace) -> int:
    """List, start or finish runs."""
    remote = Remote(arguments.data)
    if arguments.act == "list":
        found = remote.get("/api/runs", limit="1000")["runs"]
        if arguments.json:
            show(found)
        for one in [] if arguments.json else found:
            print(f"{one['id']}  {one['state']:<10} {one['quantity']:>5} × {one['program']} on {one['resource_name']}")
            for each in one["settings"]:
                print(f"{'':<15}set {each['name']} {each['value']:g} {each['unit']}".rstrip())
        return 0
    made = remote.post(f"/api/runs/{_need_id(arguments, 'run')}/{arguments.act}")
    if arguments.json:
        show(made)
    else:
        print(f"{made['program']}: {made['state']}")
    return 0


def handle_fund(arguments: argparse.Namespace) -> int:
    """Open calls, make awards, take awards."""
    remote = Remote(arguments.data)
    if arguments.act == "take":
        made = remote.post("/api/awards/take")
    else:
        if arguments.file is None:
            raise BadInput(f"The {arguments.act} needs a description.", remedy="Give --file FILE.toml.")
        made = remote.post("/api/calls" if arguments.act == "call" else "/api/awards", plain(read_toml(arguments.file)))
    show(made)
    return 0


def plain(value: Any) -> Any:  # noqa: ANN401 - any TOML value
    """Turn TOML values into JSON ones: dates become RFC 3339 texts."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def show_report(arguments: argparse.Namespace) -> int:
    """Show the report."""
    metrics = Remote(arguments.data).get("/api/report")["metrics"]
    if arguments.json:
        show(metrics)
        return 0
    for one in metrics:
        print(f"{one['label']:<44} {one['value']:>14,.2f} {one['unit']:<5} from {len(one['rows'])} records")
    return 0
