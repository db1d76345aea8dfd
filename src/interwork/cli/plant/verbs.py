"""`interwork kpi | stops | alarms | unusual | baseline | change | shifts`: asked of the running node."""

import argparse
import re
from typing import Any

from interwork.cli.calls import Remote, add_data, show
from interwork.core.errors import BadInput, NotFound
from interwork.core.operating import REASONS

ACTS = ("list", "acknowledge", "shelve", "unshelve", "withdraw", "reinstate", "journal", "rules", "add", "remove")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SHIFT = re.compile(
    r"(?P<name>[^ ]+) (?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)(?: (?P<first>\w{3})(?:-(?P<last>\w{3}))?)?"
)


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verbs of this file."""
    kpi = verbs.add_parser("kpi", help="OEE, energy, water and material of machines over a period, with their coverage")
    add_data(kpi)
    _add_period(kpi)
    kpi.add_argument("machine", nargs="?", default="", help="a machine's name or id; the plant where left out")
    kpi.set_defaults(run=show_kpi)
    stops = verbs.add_parser("stops", help="when a machine stood; with --reason say why")
    add_data(stops)
    _add_period(stops)
    stops.add_argument("machine", help="a machine's name or id")
    stops.add_argument("--at", default="", help="a moment inside the stop to explain, as 2026-12-24T14:05Z")
    stops.add_argument("--reason", choices=tuple(REASONS), help="why it stood")
    stops.add_argument("--note", default="", help="what else there is to say")
    stops.set_defaults(run=handle_stops)
    unusual = verbs.add_parser("unusual", help="which signals are not as they were: since when, and how unusual")
    add_data(unusual)
    unusual.add_argument("--learn", action="store_true", help="learn what is normal from the history now")
    unusual.set_defaults(run=show_unusual)
    _add_alarms(verbs)
    _add_baseline(verbs)
    shifts = verbs.add_parser("shifts", help="the shift calendar that planned time follows")
    add_data(shifts)
    shifts.add_argument("shift", nargs="*", help='as "Early 06:00-14:00 mon-fri"; lists the calendars where left out')
    shifts.add_argument("--name", default="Shifts", help="the calendar's name (%(default)s)")
    shifts.add_argument("--machine", action="append", default=[], help="works by it (name or id); repeatable (all)")
    shifts.add_argument("--zone", default="UTC", help="IANA time zone, as Europe/Berlin (%(default)s)")
    shifts.set_defaults(run=handle_shifts)


def _add_period(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--last", default="8h", help="how far back, as 15m, 8h or 7d (%(default)s)")
    verb.add_argument("--start", default="", help="instead: from this moment, as 2026-12-24T06:00Z")
    verb.add_argument("--end", default="", help="to this moment (now)")


def _add_alarms(verbs: Any) -> None:  # noqa: ANN401
    alarms = verbs.add_parser(
        "alarms",
        help="alarms by ISA-18.2: list, acknowledge, shelve, rules",
        description="interwork alarms list · interwork alarms shelve ID --hours 2 --reason 'sensor is being changed' · "
        "interwork alarms add --name 'Coolant too warm' --signal ID --above 30 --deadband 1",
    )
    add_data(alarms)
    alarms.add_argument("act", nargs="?", default="list", choices=ACTS)
    alarms.add_argument("id", nargs="?", default="", help="the alarm, or for remove the rule")
    alarms.add_argument("--reason", default="", help="why it is put aside")
    alarms.add_argument("--hours", type=float, default=1.0, help="for how long it is shelved (%(default)s)")
    alarms.add_argument("--name", default="", help="of a new rule")
    alarms.add_argument("--signal", default="", help="what a new rule watches")
    limit = alarms.add_mutually_exclusive_group()
    limit.add_argument("--above", type=float, help="raise it above this limit")
    limit.add_argument("--below", type=float, help="raise it below this limit")
    limit.add_argument("--says", default="", help="raise it at these words, as FAULT,ABORTED")
    limit.add_argument("--silent", type=float, help="raise it after so many seconds without a reading")
    alarms.add_argument("--deadband", type=float, default=0.0, help="how far back the value must be (%(default)s)")
    alarms.add_argument("--delay", type=float, default=0.0, help="seconds the condition must last (%(default)s)")
    alarms.add_argument("--priority", type=int, choices=(1, 2, 3), default=2, help="3 is the most urgent (%(default)s)")
    alarms.add_argument("--action", default="", help="what the operator is to do")
    alarms.set_defaults(run=handle_alarms)


def _add_baseline(verbs: Any) -> None:  # noqa: ANN401
    baseline = verbs.add_parser("baseline", help="energy baselines (ISO 50006): list, freeze one, hold one to a period")
    add_data(baseline)
    _add_period(baseline)
    baseline.add_argument("act", nargs="?", default="list", choices=("list", "freeze", "hold"))
    baseline.add_argument("what", nargs="?", default="", help="the machine to freeze one for, or the baseline to hold")
    baseline.add_argument("--name", default="By parts", help="of the baseline (%(default)s)")
    baseline.add_argument("--driver", action="append", help="parts, active or a signal's id; may be repeated (parts)")
    baseline.add_argument("--step", type=float, default=3600.0, help="seconds of one interval (%(default)s)")
    baseline.set_defaults(run=handle_baseline)
    change = verbs.add_parser(
        "change", help="compare a figure per part before and after a change, with its uncertainty"
    )
    add_data(change)
    change.add_argument("machine", help="a machine's name or id")
    for name, text in (("--name", "what was changed"), ("--at", "when"), ("--start", "from"), ("--end", "to")):
        change.add_argument(name, required=True, help=text)
    change.add_argument("--figure", default="cycle-time", help="cycle-time, energy-per-part or a signal's id")
    change.set_defaults(run=compare_change)


def _machine(remote: Remote, wanted: str) -> str:
    """Find a machine by its id or name."""
    found = remote.get("/api/resources", limit="1000")["resources"]
    for one in found:
        if wanted in (one["id"], one["name"]):
            return str(one["id"])
    names = ", ".join(str(one["name"]) for one in found[:20])
    raise NotFound(f"There is no machine {wanted!r}.", remedy=f"Name one of {names or 'those you connect'}.")


def _period(arguments: argparse.Namespace) -> dict[str, str]:
    if not arguments.start:
        return {"last": arguments.last}
    return {"start": arguments.start, **({"end": arguments.end} if arguments.end else {})}


def _value(one: dict[str, Any]) -> str:
    if one["value"] is None:
        return "–"
    if one["unit"] == "1":
        return f"{100 * one['value']:.1f} %"
    return f"{one['value']:.4g} {one['unit']}"


def show_kpi(arguments: argparse.Namespace) -> int:
    """Show figures."""
    remote, period = Remote(arguments.data), _period(arguments)
    if arguments.machine:
        told = [remote.get(f"/api/machines/{_machine(remote, arguments.machine)}/figures", **period)]
    else:
        whole = remote.get("/api/plant", **period)
        told = [whole["plant"], *whole["machines"]]
    if arguments.json:
        show(told)
        return 0
    for part in told:
        print(f"{part['name']}  {part['start']} to {part['end']}")
        for one in part["figures"]:
            sides = " / ".join(_side(one[name]) for name in ("numerator", "denominator"))
            print(f"  {one['name']:<16} {_value(one):>12}  {sides:<44} {100 * one['coverage']:.0f} % known")
    return 0


def _side(term: dict[str, Any]) -> str:
    amount = "–" if term["amount"] is None else f"{term['amount']:.6g}"
    return f"{term['what']} {amount} {term['unit']}".removesuffix(" 1")


def handle_stops(arguments: argparse.Namespace) -> int:
    """List stops, or say why one was."""
    remote = Remote(arguments.data)
    path = f"/api/machines/{_machine(remote, arguments.machine)}/stops"
    found = remote.get(path, **_period(arguments))
    if arguments.reason:
        hit = next((one for one in found["stops"] if one["start"] <= arguments.at <= one["end"]), None)
        if hit is None:
            raise BadInput(
                "No stop is at that moment.", where="--at", remedy="Give a moment inside one of those listed."
            )
        body = {"start": hit["start"], "end": hit["end"], "reason": arguments.reason, "note": arguments.note}
        found = remote.post(path, body)
    if arguments.json:
        show(found)
        return 0
    for one in found.get("stops", []):
        why = one["said"]["reason"] if one["said"] else "not explained"
        print(f"{one['start']}  {one['seconds']:>8.0f} s  {', '.join(one['states']):<24} {why}")
    return 0


def show_unusual(arguments: argparse.Namespace) -> int:
    """Show what is unusual."""
    remote = Remote(arguments.data)
    if arguments.learn:
        remote.post("/api/unusual/learn")
    found = remote.get("/api/unusual")["unusual"]
    if arguments.json:
        show(found)
    elif not found:
        print("Nothing is unusual among the signals of which it was learnt what is usual.")
    for one in [] if arguments.json else found:
        print(
            f"{one['resource_name']}: {one['name']} {one['value']:.4g} {one['unit']} since {one['since']}, usually "
            f"{one['low']:.4g} to {one['high']:.4g} while {one['state']} ({abs(one['score']):.0f} × its spread)"
        )
    return 0


def handle_alarms(arguments: argparse.Namespace) -> int:
    """Do one thing with alarms."""
    remote = Remote(arguments.data)
    if arguments.act == "add":
        answer = remote.post("/api/alarm-rules", _rule(arguments))
    elif arguments.act == "remove":
        answer = remote.post(f"/api/alarm-rules/{arguments.id}/remove")
    elif arguments.act == "rules":
        answer = remote.get("/api/alarm-rules", limit="1000")
    elif arguments.act == "journal":
        answer = remote.get(f"/api/alarms/{arguments.id}/journal")
    elif arguments.act == "list":
        answer = remote.get("/api/alarms")
    else:
        body: dict[str, Any] = {"reason": arguments.reason} if arguments.act in ("shelve", "withdraw") else {}
        body |= {"hours": arguments.hours} if arguments.act == "shelve" else {}
        answer = remote.post(f"/api/alarms/{arguments.id}/{arguments.act}", body)
    if arguments.json:
        show(answer)
    else:
        _print_alarms(answer, _named(remote, answer))
    return 0


def _named(remote: Remote, answer: dict[str, Any]) -> dict[str, str]:
    """Tell what the rules and machines of an answer are called."""
    if not any(answer.get(name) for name in ("groups", "hidden", "rules")):
        return {}
    rules = remote.get("/api/alarm-rules", limit="1000")["rules"]
    machines = remote.get("/api/resources", limit="1000")["resources"]
    return {one["id"]: one["name"] for one in (*rules, *machines)}


def _print_alarms(answer: dict[str, Any], names: dict[str, str]) -> None:
    def what(one: dict[str, Any], rule: str) -> str:
        return f"{names.get(one['resource'], one['resource'])}: {names.get(rule, rule)}"

    for group in answer.get("groups", []):
        for one in group["alarms"]:
            said = f"{one['state']:<15} {one['value']:<16} {one['changed_at']}"
            print(f"{one['priority']}  {what(one, one['rule']):<36} {said}  {one['id']}")
    for one in answer.get("hidden", []):
        said = f"{one['state']:<15} {one['reason'][:30]:<30} until {one['shelved_until'] or '–'}"
        print(f"-  {what(one, one['rule']):<36} {said}  {one['id']}")
    for one in answer.get("rules", []):
        print(f"{one['priority']}  {what(one, one['id']):<36} {one['condition']:<6} {one['limit']:<8g} {one['id']}")
    for one in answer.get("events", []):
        print(f"{one['at']}  {one['tag']:<28} {one['actor']}  {one['detail'].get('reason', '')}")
    if burden := answer.get("burden"):
        flood = "  A FLOOD" if burden["is_flood"] else ""
        print(f"{burden['last_ten_minutes']} raised in ten minutes, {burden['last_hour']} in the last hour{flood}")
    if "state" in answer:
        print(f"{answer['id']}  {answer['state']}")


def _rule(arguments: argparse.Namespace) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": arguments.name, "signal": arguments.signal, "deadband": arguments.deadband,
        "on_delay_s": arguments.delay, "priority": arguments.priority, "action": arguments.action,
    }  # fmt: skip
    for condition, limit in (("above", arguments.above), ("below", arguments.below), ("stale", arguments.silent)):
        if limit is not None:
            return {**body, "condition": condition, "limit": limit}
    if arguments.says:
        return {**body, "condition": "state", "words": arguments.says.split(",")}
    raise BadInput("A rule needs its condition.", remedy="Give --above, --below, --says or --silent.")


def handle_baseline(arguments: argparse.Namespace) -> int:
    """List, freeze or hold baselines."""
    remote, period = Remote(arguments.data), _period(arguments)
    if arguments.act == "hold":
        held = remote.get(f"/api/baselines/{arguments.what}", **period)
        answer: Any = held
        said = held["residuals"]
        amount = f"saving {said['saving']:.4g} ± {said['uncertainty']:.2g} {held['baseline']['unit']}"
        lines = [f"{amount}, holds for {100 * said['covered']:.0f} % of the period"]
    else:
        if arguments.act == "freeze":
            machine = _machine(remote, arguments.what)
            span = remote.get(f"/api/machines/{machine}/figures", **period)
            body = {"name": arguments.name, "resource": machine, "start": span["start"], "end": span["end"],
                    "step_s": arguments.step, "drivers": arguments.driver or ["parts"]}  # fmt: skip
            answer = [remote.post("/api/baselines", body)]
        else:
            answer = remote.get("/api/baselines")["baselines"]
        lines = [
            f"{one['name']} v{one['version']}: {one['formula']}  R² {one['r2']:.3f}  {one['id']}" for one in answer
        ]
    if arguments.json:
        show(answer)
    else:
        print("\n".join(lines) or "No baseline has been frozen.")
    return 0


def compare_change(arguments: argparse.Namespace) -> int:
    """Compare before and after."""
    remote = Remote(arguments.data)
    body = {"name": arguments.name, "resource": _machine(remote, arguments.machine), "figure": arguments.figure,
            "start": arguments.start, "change_at": arguments.at, "end": arguments.end}  # fmt: skip
    made = remote.post("/api/comparisons", body)
    if arguments.json:
        show(made)
        return 0
    low, high = made["interval"]
    print(
        f"{made['means'][0]:.4g} → {made['means'][1]:.4g} {made['unit']}: {made['difference']:+.4g} "
        f"({100 * made['confidence']:.0f} %: {low:.4g} to {high:.4g}), "
        f"{made['counts'][0]} and {made['counts'][1]} parts"
    )
    print(f"held equal: {', '.join(made['held_equal'])}; {made['method']}")
    return 0


def handle_shifts(arguments: argparse.Namespace) -> int:
    """List calendars, or record one."""
    remote = Remote(arguments.data)
    if not arguments.shift:
        answer = remote.get("/api/calendars")["calendars"]
    else:
        shifts = [_shift(text) for text in arguments.shift]
        machines = [_machine(remote, one) for one in arguments.machine]
        body = {"name": arguments.name, "zone": arguments.zone, "shifts": shifts, "resources": machines}
        answer = [remote.post("/api/calendars", body)]
    if arguments.json:
        show(answer)
        return 0
    if not answer:
        print("There is no calendar: all time is planned.")
    for calendar in answer:
        print(f"{calendar['name']} ({calendar['zone']})")
        for one in calendar["shifts"]:
            print(
                f"  {one['name']:<12} {one['start'][:5]}-{one['end'][:5]}  {' '.join(DAYS[day] for day in one['days'])}"
            )
    return 0


def _shift(text: str) -> dict[str, Any]:
    found = _SHIFT.fullmatch(text.strip())
    first, last = (found["first"] or "mon", found["last"] or found["first"] or "fri") if found else ("", "")
    if found is None or first.lower() not in DAYS or last.lower() not in DAYS:
        raise BadInput(f"{text!r} is no shift.", remedy='Write it as "Early 06:00-14:00 mon-fri".')
    one, other = DAYS.index(first.lower()), DAYS.index(last.lower())
    days = [*range(one, other + 1)] if one <= other else [*range(one, 7), *range(other + 1)]
    return {"name": found["name"], "start": found["start"], "end": found["end"], "days": days}
