"""Drawings the server makes as SVG: bars and lines in percent of their box, so that they need no script and no style.

Every drawing has its numbers in a table beside it; colour is for the abnormal only (ISA-101).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from interwork.stream.insight import Interval
from interwork.stream.insight.elements import Loss
from interwork.stream.insight.facts import ACTIVE, Span, unknown_s

FAULTS = frozenset({"FAULT", "ABORTED", "ABORTING", "EMERGENCY_STOP"})
PARTS_MAX = 400
"""Bars one timeline is drawn with at the most; the shortest are joined to their neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: where it begins and how wide it is, in percent."""

    x: float
    width: float
    tone: str
    name: str
    amount: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line as an SVG path in a box of 100 × 100."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One point, in percent of its box."""

    x: float
    y: float
    tone: str = ""
    title: str = ""


def tone_of(state: str) -> str:
    """Tell how a state is drawn: only a fault has colour, unknown time is left blank."""
    if state in FAULTS:
        return "fault"
    if state == ACTIVE:
        return "run"
    return "blank" if unknown_s({state: 1.0}) else "still"


def timeline(states: Sequence[Interval], span: Span, *, time_scale: float = 1.0) -> list[Bar]:
    """Draw states over a span, their lengths in the machine's own time."""
    whole = max(1, span[1] - span[0])
    shortest = whole // PARTS_MAX
    bars: list[Bar] = []
    for one in states:
        if one.end_us - one.start_us < shortest and tone_of(one.state) != "fault":
            continue
        x, width = 100 * (one.start_us - span[0]) / whole, 100 * (one.end_us - one.start_us) / whole
        bars.append(
            Bar(
                x=round(x, 3),
                width=round(width, 3),
                tone=tone_of(one.state),
                name=one.state,
                amount=one.seconds * time_scale,
            )
        )
    return bars


def waterfall(losses: Sequence[Loss]) -> list[Bar]:
    """Draw a loss tree: each loss hangs where the time before it ended."""
    whole = losses[0].seconds if losses and losses[0].seconds > 0 else 0.0
    if not whole:
        return []
    bars, right = [], whole
    for one in losses:
        size = max(0.0, one.seconds)
        if one.is_loss:
            bars.append(_bar(one, right - size, size, whole))
            right -= max(-right, one.seconds)
        else:
            bars.append(_bar(one, 0.0, size, whole))
            right = size
    return bars


def _bar(one: Loss, start: float, size: float, whole: float) -> Bar:
    x = min(100.0, max(0.0, 100 * start / whole))
    return Bar(
        x=round(x, 3),
        width=round(min(100 - x, 100 * size / whole), 3),
        tone="loss" if one.is_loss else "left",
        name=one.name,
        amount=one.seconds,
    )


def nice_range(values: Sequence[float | None], *, from_zero: bool = False) -> tuple[float, float]:
    """Choose the range of an axis: what is shown, with a little room."""
    kept = [one for one in values if one is not None and math.isfinite(one)]
    if not kept:
        return 0.0, 1.0
    low, high = min(kept), max(kept)
    if from_zero:
        low = min(0.0, low)
    room = 0.06 * (high - low) or max(0.05 * abs(high), 0.5)
    return (low if from_zero and low == 0 else low - room), high + room


def line(
    times: Sequence[float], values: Sequence[float | None], span: tuple[float, float], box: tuple[float, float]
) -> Line:
    """Draw values as one path; a value that is not there breaks it."""
    width, height = max(1e-9, span[1] - span[0]), max(1e-9, box[1] - box[0])
    parts, is_down = [], False
    for at, value in zip(times, values, strict=True):
        if value is None or not math.isfinite(value):
            is_down = False
            continue
        x, y = 100 * (at - span[0]) / width, 100 - 100 * (value - box[0]) / height
        parts.append(f"{'L' if is_down else 'M'}{x:.2f} {y:.2f}")
        is_down = True
    return Line(path="".join(parts))


def level(value: float, box: tuple[float, float]) -> float:
    """Tell how high a value stands in its box, in percent from above."""
    return round(min(100.0, max(0.0, 100 - 100 * (value - box[0]) / max(1e-9, box[1] - box[0]))), 2)


def columns(values: Sequence[float], top: float) -> list[Bar]:
    """Draw values as columns: x and width say where, amount how high in percent; what is not known is left out."""
    step = 100 / max(1, len(values))
    return [
        Bar(
            x=round(index * step, 3),
            width=round(step * 0.86, 3),
            tone="left",
            name="",
            amount=round(max(0.0, 100 * value / top), 2),
        )
        for index, value in enumerate(values)
        if math.isfinite(value) and top > 0
    ]
