"""`interwork product`: what a product is made of, its plan over tiers and periods, shortages, approvals, orders."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table

from interwork.cli.calls import Remote, add_data, show
from interwork.cli.making import console_of
from interwork.core.clock import parse_moment, rfc3339
from interwork.core.errors import BadInput

_EPILOG = """\
  interwork product add FILE.json        {"title": "Pump", "items": [{"key": "pump", "title": "Pump", "process":
                                          "assembly", "minutes": 20, "made_of": [{"item": "body", "quantity": 1}]},
                                          {"key": "body", "title": "Body", "process_plan": "process-…"}]}
  interwork product list
  interwork product plan PRODUCT --want 10@+14d --want 200@+45d      pilot and volume, over the catalog's providers
  interwork product plan PRODUCT --want 500@+30d --emergency --lead certificate=14      who could convert in time too
  interwork product plan PRODUCT --want 100@+30d --small 0.3         at least 30 % of the money to small firms
  interwork product show PLAN            periods, tiers, who is alone, approvals, bound
  interwork product stress PLAN          each provider away in turn, the worst first
  interwork product shortage PLAN --without "Ash" --without Toledo [--since +2d --until +9d]
  interwork product approve PLAN NUMBER
  interwork product order PLAN           one job per item, in the planned windows
"""


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verb."""
    verb = verbs.add_parser(
        "product",
        help="plan a product of many parts over tiers and periods with the network; shortages, conversion, orders",
        description="A bill of material is planned over the providers of the catalog; nothing is ordered until you do.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data(verb)
    verb.add_argument("act", choices=list(ACTS), help="what to do, as below")
    verb.add_argument("more", nargs="*", help="what the act needs, as below")
    verb.add_argument("--want", action="append", default=[], metavar="QUANTITY@DUE", help="one period, as 10@+14d")
    verb.add_argument("--small", type=float, default=0.0, metavar="SHARE", help="floor for small firms, 0 to 1 (0)")
    verb.add_argument("--emergency", action="store_true", help="ask those too who lack only approvals")
    verb.add_argument("--lead", action="append", default=[], metavar="REQUIREMENT=DAYS", help="as certificate=14")
    verb.add_argument("--seconds", type=float, default=6.0, help="of search (%(default)s)")
    verb.add_argument("--without", action="append", default=[], metavar="NAME", help="provider, machine, city, country")
    verb.add_argument("--since", default="", help="from when it is away; without it, from the beginning")
    verb.add_argument("--until", default="", help="until when; without it, for good")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do the act and show what came of it."""
    found, table = ACTS[arguments.act](arguments, Remote(arguments.data))
    if arguments.json:
        show(found)
    else:
        for each in table:
            console_of(as_json=False).print(each)
    return 0


Shown = tuple[Any, list[Any]]


def _word(arguments: argparse.Namespace, count: int = 1) -> str:
    if len(arguments.more) != count:
        raise BadInput(f"`interwork product {arguments.act}` wants {count} words.", remedy="See --help.")
    return str(arguments.more[0])


def _add(arguments: argparse.Namespace, remote: Remote) -> Shown:
    path = Path(_word(arguments))
    try:
        body = json.loads(path.read_bytes())
    except (OSError, ValueError) as fault:
        raise BadInput(f"{path} cannot be read as JSON: {fault}.", remedy="Write it as --help shows.") from fault
    made = remote.post("/api/products", body)
    return made, [f"{made['title']}: {len(made['items'])} items. Plan it: interwork product plan {made['id']} --want …"]


def _list(_arguments: argparse.Namespace, remote: Remote) -> Shown:
    found = remote.get("/api/products")["products"]
    table = Table("product", "title", "items")
    for one in found:
        table.add_row(one["id"], one["title"], str(len(one["items"])))
    return found, [table if found else "No product yet; interwork product add FILE.json"]


def _plan(arguments: argparse.Namespace, remote: Remote) -> Shown:
    wish = {
        "periods": [_period(one) for one in arguments.want],
        "small_floor": arguments.small,
        "emergency": arguments.emergency,
        "lead_days": dict(_lead(one) for one in arguments.lead),
        "seconds": arguments.seconds,
    }
    made = remote.post(f"/api/products/{_word(arguments)}/plans", wish)
    return made, _told(made)


def _period(text: str) -> dict[str, Any]:
    quantity, _, due = text.partition("@")
    if not quantity.isdecimal() or not due or len(quantity) > 9:
        raise BadInput(f"--want {text!r} is no period.", remedy="Give it as 10@+14d or 200@2027-03-01.")
    return {"quantity": int(quantity), "due": rfc3339(parse_moment(due))}


def _lead(text: str) -> tuple[str, float]:
    name, _, days = text.partition("=")
    if not name or not days.replace(".", "", 1).isdecimal():
        raise BadInput(f"--lead {text!r} is no lead time.", remedy="Give it as certificate=14.")
    return name, float(days)


def _show(arguments: argparse.Namespace, remote: Remote) -> Shown:
    found = remote.get(f"/api/supply-plans/{_word(arguments)}")
    return found, _told(found)


def _told(plan: dict[str, Any]) -> list[Any]:
    periods = Table("due", "wanted", "made", "finished", "late h", "EUR each", "with", "limit")
    for one in plan["rows"]:
        price = "–" if one["price_eur_each"] is None else f"{one['price_eur_each']:,.2f}"
        periods.add_row(
            one["due"][:10],
            f"{one['quantity']:,}",
            f"{one['served']:,}",
            (one["finish"] or "–")[:16].replace("T", " "),
            f"{one['late_h']:.1f}",
            price,
            ", ".join(one["providers"]),
            one["limit"],
        )
    tiers = Table("tier", "item", "operation", "pieces", "could", "suppliers", "")
    for one in plan["tiers"]:
        names = ", ".join(f"{each['provider_name']} {100 * each['share']:.0f} %" for each in one["suppliers"])
        alone = "only one" if one["is_single"] else ""
        tiers.add_row(
            str(one["tier"]),
            one["title"],
            one["operation_name"],
            f"{one['quantity']:,}",
            str(one["able"]),
            names,
            alone,
        )
    lines = [
        periods,
        tiers,
        _sums(plan),
    ]
    if plan["small_floor"]:
        lines.append(
            f"Rule: at least {100 * plan['small_floor']:.0f} % of the money to small firms; it is "
            f"{100 * plan['small_share']:.0f} %, and the rule costs {plan['rule_price_eur']:,.2f} EUR."
        )
    for number, one in enumerate(plan["approvals"]):
        state = f"granted by {one['granted_by']}" if one["granted_by"] else "open"
        what = f"{one['requirement']} {one['wanted']} for {one['operation_name']}"
        lines.append(f"Approval {number}: {one['provider_name']}: {what}, by {one['ready_at'][:10]}: {state}")
    return [*lines, *plan["notes"], f"Plan {plan['id']}"]


def _sums(plan: dict[str, Any]) -> str:
    sums = f"{plan['price_eur']:,.2f} EUR, {plan['co2_kg']:,.1f} kg CO2; objective {plan['objective_eur']:,.2f}"
    return f"{sums}, bound {plan['bound_eur']:,.2f} EUR (gap {100 * plan['gap']:.1f} %)"


def _stress(arguments: argparse.Namespace, remote: Remote) -> Shown:
    found = remote.get(f"/api/supply-plans/{_word(arguments)}/stress")["cases"]
    table = Table("without", "not made", "later h", "EUR more", "goes to")
    for one in found:
        _row(table, one)
    return found, [table]


def _shortage(arguments: argparse.Namespace, remote: Remote) -> Shown:
    moments = {
        name: rfc3339(parse_moment(text)) if text else None
        for name, text in (("since", arguments.since), ("until", arguments.until))
    }
    found = remote.post(f"/api/supply-plans/{_word(arguments)}/shortage", {"names": arguments.without, **moments})
    table = Table("without", "not made", "later h", "EUR more", "goes to")
    _row(table, found)
    return found, [table]


def _row(table: Table, case: dict[str, Any]) -> None:
    moved = [f"{one['item']}, {one['operation_name']}: {one['now'] or 'nobody'}" for one in case["resourced"]]
    table.add_row(
        "; ".join(case["missing"]),
        f"{case['unserved']:,}",
        f"{case['late_h']:.1f}",
        f"{case['price_eur']:+,.2f}",
        "; ".join(dict.fromkeys(moved)),
    )


def _approve(arguments: argparse.Namespace, remote: Remote) -> Shown:
    plan = _word(arguments, 2)
    made = remote.post(f"/api/supply-plans/{plan}/approvals/{arguments.more[1]}")
    return made, _told(made)


def _order(arguments: argparse.Namespace, remote: Remote) -> Shown:
    jobs = remote.post(f"/api/supply-plans/{_word(arguments)}/order")["jobs"]
    return jobs, [f"{one['quantity']} × {one['title']}: job {one['id']}" for one in jobs]


ACTS: dict[str, Callable[[argparse.Namespace, Remote], Shown]] = {
    "add": _add,
    "list": _list,
    "plan": _plan,
    "show": _show,
    "stress": _stress,
    "shortage": _shortage,
    "approve": _approve,
    "order": _order,
}
