"""Verbs for write-back: write (ask, confirm, list) and point (permit, close, list)."""

import argparse
from pathlib import Path
from typing import Any

from interwork.cli.calls import Remote, add_data, show
from interwork.cli.remote import plain, read_toml
from interwork.core.errors import BadInput


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verbs of this file."""
    write = verbs.add_parser(
        "write",
        help="write a value to a machine: `write SIGNAL VALUE --reason …`, `write confirm ID`, `write list`",
        description="Off by default: a signal is written only where a point is permitted (see `interwork point`), "
        "every rule holds, and a second person confirmed where the point asks for one. Nothing is sent later than its "
        "expiry, and what was sent is read back.",
    )
    add_data(write)
    write.add_argument("signal", help="the signal's id or MACHINE/NAME; or `confirm`, `list`")
    write.add_argument("value", nargs="?", default="", help="a number in the signal's unit; with `confirm` the command")
    write.add_argument("--reason", default="", help="why; it stands in the audit trail")
    write.add_argument("--expires", type=float, default=0.0, help="seconds it may still be sent in (the point's own)")
    write.set_defaults(run=handle_write)
    point = verbs.add_parser(
        "point",
        help="which signals may be written, and under which rules: permit, close, list",
        description="A point's TOML: low, high, max_change, min_interval_s, needs_second, expires_s, tolerance, roles, "
        "people, and [[interlocks]] with signal and is_text, or low and high.",
    )
    add_data(point)
    point.add_argument("act", choices=("permit", "close", "list"))
    point.add_argument("signal", nargs="?", default="", help="the signal's id or MACHINE/NAME")
    point.add_argument("--low", type=float, help="least value")
    point.add_argument("--high", type=float, help="greatest value")
    point.add_argument("--max-change", type=float, help="largest change from the present value in one command")
    point.add_argument("--one-person", action="store_true", help="no second person has to confirm")
    point.add_argument("--file", type=Path, help="TOML with all of a point's rules")
    point.set_defaults(run=handle_point)


def find_signal(remote: Remote, wanted: str) -> str:
    """Find a signal by its id or as MACHINE/NAME; BadInput where none or several fit."""
    machine, slash, name = wanted.rpartition("/")
    if not slash:
        return wanted
    machines = [one["id"] for one in remote.get("/api/resources", limit="1000")["resources"] if one["name"] == machine]
    found = [
        one["id"]
        for identifier in machines
        for one in remote.get("/api/signals", resource=identifier, limit="1000")["signals"]
        if one["name"] == name
    ]
    if len(found) != 1:
        raise BadInput(
            f"{wanted!r} names {len(found)} signals.", remedy="Give MACHINE/NAME as the machine's page does."
        )
    return str(found[0])


def handle_write(arguments: argparse.Namespace) -> int:
    """Ask for a value to be written, confirm what a colleague asked for, or list commands."""
    remote = Remote(arguments.data)
    if arguments.signal == "list":
        found = remote.get("/api/commands")["commands"]
        if arguments.json:
            show(found)
        for one in [] if arguments.json else found:
            print(
                f"{one['id']}  {one['state']:<9} {one['value']:>12g}  {one['asked_at']}  {one['reason']}  {one['said']}"
            )
        return 0
    if arguments.signal == "confirm":
        return _told(arguments, remote.post(f"/api/commands/{arguments.value}/confirm"))
    try:
        value = float(arguments.value)
    except ValueError as fault:
        raise BadInput(f"{arguments.value!r} is no number.", remedy="Write SIGNAL VALUE --reason WHY.") from fault
    body = {"value": value, "reason": arguments.reason, "expires_s": arguments.expires}
    return _told(arguments, remote.post(f"/api/signals/{find_signal(remote, arguments.signal)}/write", body))


def _told(arguments: argparse.Namespace, command: dict[str, Any]) -> int:
    if arguments.json:
        show(command)
    elif command["state"] == "asked":
        print(
            f"Asked. A second person confirms it until {command['expires_at']}: interwork write confirm {command['id']}"
        )
    else:
        print(f"{command['state']}: {command['said']}")
    return 0 if command["state"] in ("asked", "verified") else 1


def handle_point(arguments: argparse.Namespace) -> int:
    """Permit, close or list points."""
    remote = Remote(arguments.data)
    if arguments.act == "list":
        found = remote.get("/api/write-points")["points"]
        if arguments.json:
            show(found)
        for one in [] if arguments.json else found:
            second = "with a second person" if one["needs_second"] else "by one person"
            print(f"{one['signal']}  {one['low']:g} to {one['high']:g}  {second}, {', '.join(one['roles'])}")
        return 0
    signal = find_signal(remote, arguments.signal)
    if arguments.act == "close":
        done = remote.post(f"/api/signals/{signal}/write-point/close")
    else:
        rules = plain(read_toml(arguments.file))
        given = {"low": arguments.low, "high": arguments.high, "max_change": arguments.max_change}
        rules |= {name: value for name, value in given.items() if value is not None}
        rules |= {"needs_second": False} if arguments.one_person else {}
        done = remote.post(f"/api/signals/{signal}/write-point", rules)
    if arguments.json:
        show(done)
    else:
        print("Permitted." if arguments.act == "permit" else "Closed.")
    return 0
