"""How the words and figures of operating a plant are written: filters for its pages."""

import math
import re
from typing import Any

from babel.units import format_unit
from jinja2 import pass_context
from jinja2.runtime import Context

from interwork.core import units
from interwork.core.clock import from_us
from interwork.stream.insight import Figure
from interwork.stream.insight.figures import Term
from interwork.web.words import Tongue, mark

CONDITIONS = {"above": mark("above"), "below": mark("below"), "state": mark("says"), "stale": mark("not heard")}
PRIORITIES = {1: mark("Low"), 2: mark("Medium"), 3: mark("High")}
SAID = (
    mark("No connection"), mark("Fault"),
    mark("Its states, counts and energy are not known while it lasts."),
    mark("Check that it is switched on and on the network."),
    mark("It makes nothing until somebody clears it."),
    mark("Read the message at the machine, clear it, and give the reason of the stop."),
    mark("A person switched it off."), mark("It has no endpoint any more."), mark("It has no connection."),
    mark("exact: neither side varies"), mark("bootstrap of 4000 resamples (BCa)"),
    mark("Welch's t interval on independent units"),
)  # fmt: skip
"""What the node itself says in fixed words; what people typed, and what a machine answered, is shown as it is."""
SHAPES = (
    mark("This needs somebody who is signed in."),
    mark("only Home, Network and Report are open to everybody"),
    mark("Sign in, or give an API token."),
    mark("%(name)s is %(role)s here."),
    mark("this is for %(role)s"),
    mark("Ask the node's owner for another role."),
    mark("The form was not sent from this node's own page, or the page was open too long."),
    mark("every form carries the token of its page"),
    mark("Open the page again and send the form once more."),
    mark("The name or the password is wrong."),
    mark("Check both; capitals matter in the password."),
    mark("There were too many attempts to sign in."),
    mark("Wait a minute, then try again."),
    mark("There is no such page at this node."),
    mark("Start from Home."),
    mark("%(name)s said nothing for %(seconds)s s."),
    mark("It is connected anew; check the device where that brings nothing."),
    mark("Nothing came for %(seconds)s s."),
    mark("Check the device."),
    mark("Check that the MQTT broker runs, that address and port are right, and that it lets us in."),
    mark("Check that the machine is on, that address and port are right, and that no other client holds its link."),
    mark("Check that the server runs, that the endpoint is the one it names, and that it has a session left."),
    mark("Check that the agent runs, that address and port are right, and open its /probe page in a browser."),
    mark("Check address, rack and slot, that PUT/GET is allowed on the controller and its blocks are not optimised."),
    mark(
        "Check that the machine's edge node is on and connected to this broker under this group and node id; one that "
        "waits for its primary host is let speak by the option host_id."
    ),
    mark("%(signal)s is not permitted to be written."),
    mark("a signal is read-only unless a point is permitted"),
    mark("Let the owner permit it, with its range and its interlocks."),
    mark("%(signal)s may not be written by you."),
    mark("Ask somebody who may, or let the owner change the point."),
    mark("the value lies in the point's range"),
    mark("What %(signal)s says is not known, and it is an interlock."),
    mark("an interlock is known to hold"),
    mark("the interlock holds"),
    mark("Bring %(signal)s to %(value)s first."),
    mark("Bring %(signal)s into its range first."),
    mark("%(name)s is not connected; a command is never kept for later."),
    mark("a command is sent at once or not at all"),
    mark("Ask again when the machine is connected."),
    mark("Who asked for a command cannot confirm it."),
    mark("a second person confirms"),
    mark("Let a colleague who may write this point confirm it."),
    mark("data cross only while the agreement is in force"),
    mark("Negotiate a new agreement."),
    mark("data cross only while their transfer is STARTED"),
    mark("Wait until it is resumed."),
    mark("Ask for a new transfer."),
    mark("Try again later."),
)
"""Sentences with facts in them, as crafts make them; what an operator meets daily. The others are shown in English."""
TERMS = {
    "GQ": mark("good parts"), "PQ": mark("parts"), "energy": mark("energy"), "idle energy": mark("idle energy"),
    "water": mark("water"), "product": mark("product"), "input": mark("input"), "repair": mark("repair"),
    "intervals between failures": mark("intervals between failures"),
}  # fmt: skip
RULES = {
    "we-1": mark("Western Electric 1: one point beyond 3σ"),
    "we-2": mark("Western Electric 2: 2 of 3 beyond 2σ on one side"),
    "we-3": mark("Western Electric 3: 4 of 5 beyond 1σ on one side"),
    "we-4": mark("Western Electric 4: 8 in a row on one side"),
    "nelson-1": mark("Nelson 1: one point beyond 3σ"),
    "nelson-2": mark("Nelson 2: 9 in a row on one side"),
    "nelson-3": mark("Nelson 3: 6 in a row rising or falling"),
    "nelson-4": mark("Nelson 4: 14 in a row alternating"),
    "nelson-5": mark("Nelson 5: 2 of 3 beyond 2σ on one side"),
    "nelson-6": mark("Nelson 6: 4 of 5 beyond 1σ on one side"),
    "nelson-7": mark("Nelson 7: 15 in a row within 1σ"),
    "nelson-8": mark("Nelson 8: 8 in a row beyond 1σ on both sides"),
}
_RANGE = re.compile(r"(\d+)([mhd])")
_SHAPED = {one: re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+?)", re.escape(one)), re.DOTALL) for one in SHAPES}
_WORDED = frozenset({"role", "state"})
"""Facts of those sentences that are words of `core`."""


def _tongue(context: Context) -> Tongue:
    tongue: Tongue = context["tongue"]
    return tongue


@pass_context
def figure(context: Context, one: Figure) -> str:
    """Write a figure's value: a share as percent, a time as a length, else a number with its unit."""
    tongue = _tongue(context)
    if one.value is None:
        return "–"
    if one.unit == "1":
        return tongue.percent(one.value)
    if one.unit == "s":
        return tongue.duration(one.value)
    small = 3 if 0 < abs(one.value) < 0.1 else None
    return f"{tongue.number(one.value, small)} {units.symbol(one.unit)}".strip()


@pass_context
def term(context: Context, one: Term) -> str:
    """Write one side of a figure: what it is and how much."""
    tongue = _tongue(context)
    name = tongue.say(TERMS[one.what]) if one.what in TERMS else one.what
    if one.amount is None:
        return f"{name} –"
    if one.unit == "s":
        return f"{name} {length(context, one.amount)}"
    if one.unit == "1":
        return f"{tongue.number(one.amount, 0)} {name}"
    return f"{name} {tongue.number(one.amount)} {units.symbol(one.unit)}"


@pass_context
def exact(context: Context, value: float | None) -> str:
    """Write a number with three significant digits, however small it is."""
    if value is None or not value or abs(value) >= 1:
        return _tongue(context).number(value)
    return _tongue(context).number(value, min(9, 2 - math.floor(math.log10(abs(value)))))


@pass_context
def length(context: Context, seconds: float) -> str:
    """Write a length of time that may be negative (a speed loss that is a gain) or longer than days."""
    tongue = _tongue(context)
    sign = "−" if seconds < 0 else ""
    size = abs(seconds)
    return (
        f"{sign}{tongue.number(size / 3600, 1)} h"
        if size >= 5400
        else f"{sign}{tongue.duration(size) if size else '0 s'}"
    )


@pass_context
def range_name(context: Context, text: str) -> str:
    """Write `8h` as a person says it."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return text
    unit = {"m": "duration-minute", "h": "duration-hour", "d": "duration-day"}[found[2]]
    locale = _tongue(context).locale
    written = str(format_unit(int(found[1]), unit, locale=locale))
    # where the locale data has no long pattern the unit's own name stands in it: the short pattern is a word there
    return written if unit not in written else str(format_unit(int(found[1]), unit, "short", locale=locale))


@pass_context
def priority(context: Context, one: int) -> str:
    """Name a priority."""
    return _tongue(context).say(PRIORITIES.get(int(one), ""))


@pass_context
def condition(context: Context, name: str) -> str:
    """Name what an alarm watches."""
    return _tongue(context).say(CONDITIONS.get(str(name), str(name)))


@pass_context
def said(context: Context, text: str) -> str:
    """Translate what the node itself says, in fixed words or in a sentence of a known shape."""
    tongue = _tongue(context)
    if text in SAID:
        return tongue.say(text)
    for shape, pattern in _SHAPED.items():
        if found := pattern.fullmatch(text):
            return tongue.say(shape) % {name: _fact(tongue, name, fact) for name, fact in found.groupdict().items()}
    return text


def _fact(tongue: Tongue, name: str, fact: str) -> str:
    return ", ".join(tongue.label(one) for one in fact.split(", ")) if name in _WORDED else fact


@pass_context
def held_equal(context: Context, text: str) -> str:
    """Write what was the same before and after a change: what it is, in the reader's words, and its name."""
    what, separator, name = text.partition(": ")
    return f"{_tongue(context).label(what)}: {name}" if separator else text


@pass_context
def rule(context: Context, name: str) -> str:
    """Say what a run rule looks for."""
    return _tongue(context).say(RULES.get(name, name))


def spaced(text: str) -> str:
    """Part a thumbprint into groups of four, as people compare it."""
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


PLATE = {
    "ManufacturerName": mark("Maker"), "ManufacturerProductDesignation": mark("Model"),
    "ManufacturerProductType": mark("Type"), "SerialNumber": mark("Serial number"),
    "FirmwareVersion": mark("Firmware"), "SoftwareVersion": mark("Software"), "HardwareVersion": mark("Hardware"),
    "YearOfConstruction": mark("Year"), "ProductCode": mark("Product code"), "URIOfTheProduct": mark("Product address"),
}  # fmt: skip
"""The words of the nameplate submodel, for people."""


@pass_context
def plate(context: Context, name: str) -> str:
    """Name a line of a nameplate; what is not listed is shown as the machine calls it."""
    return _tongue(context).say(PLATE[name]) if name in PLATE else name


FILTERS: dict[str, Any] = {
    "plate": plate,
    "spaced": spaced,
    "held_equal": held_equal,
    "figure": figure,
    "term": term,
    "length_of_time": length,
    "range": range_name,
    "priority": priority,
    "said": said,
    "exact": exact,
    "condition": condition,
    "rule": rule,
    "from_us": from_us,
}
