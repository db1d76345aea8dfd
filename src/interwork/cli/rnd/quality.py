"""The verb `quality`: inspection results, capability, first articles, gauge studies, nonconformances."""

import argparse
import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interwork.cli.calls import Remote, add_data, show
from interwork.core.errors import BadInput

_EPILOG = """\
  interwork quality add results.qif [--revision REV]     take in inspection results (QIF)
  interwork quality type results.csv [--revision REV] [--unit mm] [--title "Lot 7"]
                                                         results somebody wrote down, one value a line, - = from here:
                                                         characteristic, part, value, lower, upper; the limits are
                                                         left out where the design states them
  interwork quality list | show RECORD                   capability with its interval, chart signals
  interwork quality made REV                             as designed against as made, per characteristic
  interwork quality article REV                          first article: the forms of AS9102
  interwork quality gauge readings.csv --unit mm [--tolerance 0.1]
                                                         crossed gauge R&R; columns operator, part, value
  interwork quality report "burr at hole 3" [--revision REV]    open a nonconformance
  interwork quality open                                 the nonconformances
  interwork quality work ID STATE --text "lot set apart" --disposition rework
"""


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verb."""
    verb = verbs.add_parser(
        "quality",
        help="inspection results, capability, first articles, gauge studies, corrective action",
        description="Judge what was measured, and work off what is not as required.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data(verb)
    verb.add_argument("act", choices=list(ACTS), help="what to do, as below")
    verb.add_argument("more", nargs="*", help="what the act needs, as below")
    verb.add_argument("--revision", default="", help="the design revision that was measured")
    verb.add_argument("--unit", default="mm", help="of the values or readings (%(default)s)")
    verb.add_argument("--title", default="", help="of typed results; else the file's name")
    verb.add_argument("--tolerance", type=float, help="width of the tolerance the gauge is used for")
    verb.add_argument("--text", default="", help="what was done")
    verb.add_argument("--disposition", default="", help="use-as-is, rework, repair, scrap or return")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do the act."""
    return ACTS[arguments.act](arguments, Remote(arguments.data))


def _one(arguments: argparse.Namespace, what: str) -> str:
    if len(arguments.more) != 1:
        raise BadInput(f"{what} is meant.", remedy=f"Give {what.lower()}.")
    return str(arguments.more[0])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise BadInput(f"{path} cannot be read: {fault.strerror}.", remedy="Give the path of a file.") from fault


def _add(arguments: argparse.Namespace, remote: Remote) -> int:
    path = Path(_one(arguments, "A file"))
    made = remote.post("/api/quality", _read(path), name=path.name, revision=arguments.revision)
    arguments.more = [made["id"]]
    return _show(arguments, remote)


def _type(arguments: argparse.Namespace, remote: Remote) -> int:
    given = _one(arguments, "A file of lines, or - for standard input,")
    content = sys.stdin.buffer.read() if given == "-" else _read(Path(given))
    try:
        rows = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise BadInput(f"{given} is no text: {fault}.", remedy="Save it as CSV in UTF-8.") from fault
    title = arguments.title or ("" if given == "-" else Path(given).stem)
    body = {"title": title, "rows": rows, "revision": arguments.revision, "unit": arguments.unit}
    arguments.more = [remote.post("/api/quality/typed", body)["id"]]
    return _show(arguments, remote)


def _list(arguments: argparse.Namespace, remote: Remote) -> int:
    found = remote.get("/api/quality", limit="1000")["records"]
    if arguments.json:
        show(found)
        return 0
    for one in found:
        values = sum(len(each["values"]) for each in one["series"])
        print(f"{one['id']}  {one['at'][:16]}  {values:>6} values  {one['file_name']}")
    return 0


def _show(arguments: argparse.Namespace, remote: Remote) -> int:
    found = remote.get(f"/api/quality/{_one(arguments, 'A record')}")
    if arguments.json:
        show(found)
        return 0
    print(f"{found['record']['id']}  {found['record']['file_name']}")
    for one in found["characteristics"]:
        _print(one["series"]["name"], one)
    return 0


def _print(name: str, one: dict[str, Any] | None) -> None:
    if one is None:
        print(f"  {name:<24} never measured")
        return
    ppk = one["capability"]["ppk"] if one["capability"] else {"value": None}
    index = "–" if ppk["value"] is None else f"{ppk['value']:.2f} ({ppk['low']:.2f} – {ppk['high']:.2f})"
    rules = ", ".join(sorted({each["rule"] for each in one["signals"]}))
    count = len(one["series"]["values"])
    print(f"  {name:<24} n {count:<4} mean {one['mean']:<12.5g} Ppk {index:<22} {len(one['outside'])} outside  {rules}")


def _made(arguments: argparse.Namespace, remote: Remote) -> int:
    found = remote.get(f"/api/designs/{_one(arguments, 'A revision')}/as-made")["characteristics"]
    if arguments.json:
        show(found)
        return 0
    for one in found:
        _print(one["name"], one["made"])
    return 0


def _article(arguments: argparse.Namespace, remote: Remote) -> int:
    found = remote.get(f"/api/designs/{_one(arguments, 'A revision')}/first-article")
    if arguments.json:
        show(found)
        return 0
    form = found["form1"]
    kind = "full" if form["is_full"] else "partial"
    print(f"{form['part_name']} ({form['revision']}), {kind} first article by {form['organisation']}")
    for line in found["form3"]:
        print(f"  {line['number']:>3}  {line['requirement']:<50} {line['verdict']}  {line['nonconformance']}")
    print("Accepted." if found["is_accepted"] else "Not accepted.")
    return 0


def _gauge(arguments: argparse.Namespace, remote: Remote) -> int:
    path = Path(_one(arguments, "A CSV file"))
    body: dict[str, Any] = {"name": path.stem, "unit": arguments.unit, "readings": _readings(path)}
    if arguments.tolerance is not None:
        body["tolerance"] = arguments.tolerance
    found = remote.post("/api/gauges", body)
    if arguments.json:
        show(found)
        return 0
    for one in found["found"]["components"]:
        share = "" if one["tolerance"] is None else f"  {one['tolerance']:7.1%} of the tolerance"
        print(f"  {one['name']:<16} {one['deviation']:<12.5g} {one['study']:7.1%} of the variation{share}")
    print(f"  {found['found']['categories']} distinct categories: {found['found']['verdict']}")
    return 0


def _readings(path: Path) -> list[list[list[float]]]:
    """Read operator, part, value per line; parts in the order they first appear."""
    table: dict[str, dict[str, list[float]]] = {}
    try:
        for row in csv.DictReader(_read(path).decode().splitlines()):
            table.setdefault(row["operator"], {}).setdefault(row["part"], []).append(float(row["value"]))
    except (KeyError, TypeError, ValueError) as fault:
        raise BadInput(f"{path} is no gauge study: {fault}.", remedy="Give columns operator, part, value.") from fault
    parts = list(dict.fromkeys(part for held in table.values() for part in held))
    return [[held.get(part, []) for part in parts] for held in table.values()]


def _report(arguments: argparse.Namespace, remote: Remote) -> int:
    body = {"what": _one(arguments, "What is not as required"), "revision": arguments.revision}
    return _told(arguments, remote.post("/api/nonconformances", body))


def _told(arguments: argparse.Namespace, made: dict[str, Any]) -> int:
    if arguments.json:
        show(made)
    else:
        print(f"{made['id']}  {made['state']:<10} {made['what']}")
    return 0


def _open(arguments: argparse.Namespace, remote: Remote) -> int:
    found = remote.get("/api/nonconformances", limit="1000")["nonconformances"]
    if arguments.json:
        show(found)
        return 0
    for one in found:
        _told(arguments, one)
    return 0


def _work(arguments: argparse.Namespace, remote: Remote) -> int:
    if len(arguments.more) != 2:
        raise BadInput("A nonconformance and its next state are meant.", remedy="quality work ID contained --text …")
    body = {"state": arguments.more[1], "text": arguments.text, "disposition": arguments.disposition}
    return _told(arguments, remote.post(f"/api/nonconformances/{arguments.more[0]}", body))


ACTS: dict[str, Callable[[argparse.Namespace, Remote], int]] = {
    "add": _add,
    "type": _type,
    "list": _list,
    "show": _show,
    "made": _made,
    "article": _article,
    "gauge": _gauge,
    "report": _report,
    "open": _open,
    "work": _work,
}
