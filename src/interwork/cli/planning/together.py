"""`interwork together | want | outcomes`: planning with other nodes, needs of any kind, what became of quotes."""

import argparse
from typing import Any

from rich.table import Table

from interwork.cli.calls import Remote, add_data, show
from interwork.cli.making import console_of
from interwork.core.clock import parse_moment, rfc3339
from interwork.core.errors import BadInput

KINDS = ("part", "test", "problem", "skill", "money")
_TOGETHER = """\
  interwork together offer               let members plan together with you: hours, prices of hours and one sum cross
  interwork together begin [--with NAME] plan your open needs around theirs; rounds, the best stands
  interwork together list
  interwork together take ID             give your jobs the plans that came of it (also where another began it)
  interwork together machines ID         what a second machine would bring to all of you
"""
_NEED = """\
  interwork want add "Wear test of a coating" --kind test --due +60d [--require certificate=ISO17025]
  interwork want add "Learn 5-axis set-up" --kind skill --due +90d --quantity 6
  interwork want add "Pilot line" --kind money --due +180d --budget 250000
  interwork want list
  interwork want publish NEED            let members and the institute see what is wanted (never budget or design)
  interwork want collect                 take in what members published; `interwork gaps` counts it from then on
"""


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verbs of this file."""
    verb = verbs.add_parser(
        "together",
        help="plan with other nodes over the same machines; only prices and hours cross",
        description="Two or more nodes plan around each other without telling needs, quotes or plans.",
        epilog=_TOGETHER,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data(verb)
    verb.add_argument("act", choices=("offer", "begin", "list", "take", "machines"), help="what to do, as below")
    verb.add_argument("more", nargs="?", default="", help="a coordination's id")
    verb.add_argument("--with", dest="whom", action="append", default=[], metavar="NAME", help="a member, by name")
    verb.set_defaults(run=handle_together)
    need = verbs.add_parser(
        "want",
        help="what is wanted, of any kind: record it, publish it, collect what members want",
        epilog=_NEED,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data(need)
    need.add_argument("act", choices=("add", "list", "publish", "collect"), help="what to do, as below")
    need.add_argument("more", nargs="?", default="", help="a title, or a need's id")
    need.add_argument("--kind", choices=KINDS, default="test", help="(%(default)s)")
    need.add_argument("--due", default="+60d", help="by when (%(default)s)")
    need.add_argument("--quantity", type=int, default=1, help="(%(default)s)")
    need.add_argument("--process", default="", help="a term of the taxonomy")
    need.add_argument("--minutes", type=float, default=60.0, help="of work on each (%(default)s)")
    need.add_argument("--material", default="", help="a material's id")
    need.add_argument("--require", action="append", default=[], metavar="NAME=VALUE", help="as certificate=ISO9100")
    need.add_argument("--budget", type=float, default=None, help="EUR at most")
    need.set_defaults(run=handle_need)
    told = verbs.add_parser("outcomes", help="what became of the quotes you gave; --tell PLAN tells your providers")
    add_data(told)
    told.add_argument("--tell", default="", metavar="PLAN", help="tell each quoted provider its own row of this plan")
    told.set_defaults(run=show_outcomes)


def handle_together(arguments: argparse.Namespace) -> int:
    """Offer, begin, list or take."""
    remote, act, name = Remote(arguments.data), arguments.act, arguments.more
    if act in ("take", "machines") and not name:
        raise BadInput(f"`interwork together {act}` wants the id of a coordination.", remedy="See `together list`.")
    if act == "offer":
        found = remote.post("/api/coordinations/offer")
        lines: list[Any] = ["Members may plan together with you now."]
    elif act == "begin":
        found = remote.post("/api/coordinations", {"with_whom": arguments.whom})
        lines = _rounds(found)
    elif act == "list":
        found = remote.get("/api/coordinations")["coordinations"]
        lines = [f"{one['id']}  {one['state']}  {len(one['needs'])} own needs" for one in found]
    elif act == "take":
        found = remote.post(f"/api/coordinations/{name}/take")["jobs"]
        lines = [f"{one['title']}: {one['message']}" for one in found]
    else:
        found = remote.post(f"/api/coordinations/{name}/second-machines")
        lines = [_machines(found)]
    if arguments.json:
        show(found)
        return 0
    for line in lines:
        console_of(as_json=False).print(line)
    return 0


def _rounds(found: dict[str, Any]) -> list[Any]:
    lines = [f"Round {number + 1}: {total:,.2f} EUR in all" for number, total in enumerate(found["sums"])]
    lines += [f"{one['name']}: {one['fault']}" for one in found["members"] if one["fault"]]
    return [*lines, f"Round {found['best'] + 1} stands. Take it: interwork together take {found['id']}"]


def _machines(found: dict[str, Any]) -> Table:
    table = Table("machine", "EUR per more h", "to members", "h taken", "EUR for a second one")
    for one in found["rows"]:
        gain = "–" if one["gain_eur"] is None else f"{one['gain_eur']:,.2f}"
        table.add_row(one["resource"], f"{one['eur_per_h']:,.2f}", str(one["members"]), f"{one['hours']:,.1f}", gain)
    return table


def handle_need(arguments: argparse.Namespace) -> int:
    """Record, list, publish or collect needs."""
    remote, name = Remote(arguments.data), arguments.more
    if arguments.act in ("add", "publish") and not name:
        raise BadInput(f"`interwork want {arguments.act}` wants a word more.", remedy="See --help.")
    if arguments.act == "add":
        found = remote.post("/api/needs", _drafted(arguments, name))
        lines = [f"{found['title']} by {found['due'][:10]}: {found['id']}"]
    elif arguments.act == "publish":
        found = remote.post(f"/api/needs/{name}/publish")
        lines = [f"Published: {found['title']}"]
    else:
        found = (remote.get("/api/needs") if arguments.act == "list" else remote.post("/api/needs/collect"))["needs"]
        lines = [
            f"{one['id']}  {one['kind']}  {one['title']}  by {one['due'][:10]}  of {one['owner']}" for one in found
        ]
    if arguments.json:
        show(found)
        return 0
    for line in lines or ["None."]:
        console_of(as_json=False).print(line)
    return 0


def _drafted(arguments: argparse.Namespace, title: str) -> dict[str, Any]:
    return {
        "kind": arguments.kind,
        "title": title,
        "due": rfc3339(parse_moment(arguments.due)),
        "quantity": arguments.quantity,
        "process": arguments.process,
        "minutes": arguments.minutes,
        "material": arguments.material,
        "requirements": [_requirement(one) for one in arguments.require],
        "budget_eur": arguments.budget,
    }


def _requirement(text: str) -> dict[str, Any]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise BadInput(f"--require {text!r} is no requirement.", remedy="Give it as certificate=ISO9100.")
    is_number = value.replace(".", "", 1).isdecimal() and name not in ("certificate", "region")
    return {"name": name, "value": float(value) if is_number else value, "source": "stated"}


def show_outcomes(arguments: argparse.Namespace) -> int:
    """Tell providers their own rows of a plan, or show what this node was told."""
    remote = Remote(arguments.data)
    if arguments.tell:
        found = remote.post(f"/api/plans/{arguments.tell}/tell")["told"]
        lines = [f"{one['provider_name']}: {'told' if one['is_told'] else one['fault']}" for one in found]
    else:
        found = remote.get("/api/outcomes")["outcomes"]
        lines = [f"{one['told_by']}: {row['text']} {row['change']}" for one in found for row in one["providers"]]
    if arguments.json:
        show(found)
        return 0
    for line in lines or ["Nobody told this node of a quote yet."]:
        console_of(as_json=False).print(line)
    return 0
