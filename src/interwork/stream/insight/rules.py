"""Run rules on control charts: Western Electric 1 to 4 and Nelson 1 to 8, each switchable, one finding per run.

Rules look at z, a point's distance from the centre in deviations of a point. A rule is violated at the point that
completes its pattern; violations whose patterns overlap are one run and give one finding. All eight of Nelson's raise
the share of false alarms to a few per cent of the points, so a chart names the rules it uses.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from interwork.core.errors import BadInput
from interwork.stream.columns import Flags, Ints
from interwork.stream.insight.facts import Floats


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One violated rule over one run of points (indices, both inclusive)."""

    rule: str
    first: int
    """The first point of the pattern."""
    at: int
    """The point that completed it: when the alarm is raised."""
    last: int
    """The last point that still violates the rule."""
    side: int
    """1 above the centre or rising, -1 below or falling, 0 both."""


Pattern = Callable[[Floats, int], Flags]
"""Given z and a side, tell at which points a pattern of the rule is completed."""


def _beyond(size: float, need: int, of: int) -> Pattern:
    def found(z: Floats, side: int) -> Flags:
        is_out: Flags = side * z > size
        many = np.convolve(is_out, np.ones(of, np.int64))[: len(z)] >= need
        return is_out & many

    return found


def _one_side(need: int) -> Pattern:
    return _beyond(0.0, need, need)


def _trend(need: int) -> Pattern:
    def found(z: Floats, side: int) -> Flags:
        is_step: Flags = np.concatenate([[False], side * np.diff(z) > 0])
        return _streak(is_step) >= need - 1

    return found


def _alternating(z: Floats, _side: int) -> Flags:
    step = np.sign(np.diff(z))
    is_turn: Flags = np.concatenate([[False, False], step[1:] * step[:-1] < 0]) if len(z) > 1 else np.zeros(1, np.bool_)
    return _streak(is_turn) >= 12  # 14 points have 13 steps and 12 turns


def _hugging(z: Floats, _side: int) -> Flags:
    return _streak(np.abs(z) < 1) >= 15


def _avoiding(z: Floats, _side: int) -> Flags:
    is_out: Flags = np.abs(z) > 1
    ones = np.ones(8, np.int64)
    above, below = (np.convolve(side * z > 1, ones)[: len(z)] for side in (1, -1))
    return (_streak(is_out) >= 8) & (above > 0) & (below > 0)


def _streak(is_so: Flags) -> Ints:
    """Count how many points up to each were so without a break."""
    index = np.arange(len(is_so))
    last_break = np.maximum.accumulate(np.where(is_so, -1, index))
    return index - last_break


BOTH, EITHER = (1, -1), (0,)
RULES: dict[str, tuple[int, tuple[int, ...], Pattern]] = {
    # name: points of a pattern, the sides it is looked for on, the pattern
    "we-1": (1, BOTH, _beyond(3, 1, 1)),
    "we-2": (3, BOTH, _beyond(2, 2, 3)),
    "we-3": (5, BOTH, _beyond(1, 4, 5)),
    "we-4": (8, BOTH, _one_side(8)),
    "nelson-1": (1, BOTH, _beyond(3, 1, 1)),
    "nelson-2": (9, BOTH, _one_side(9)),
    "nelson-3": (6, BOTH, _trend(6)),
    "nelson-4": (14, EITHER, _alternating),
    "nelson-5": (3, BOTH, _beyond(2, 2, 3)),
    "nelson-6": (5, BOTH, _beyond(1, 4, 5)),
    "nelson-7": (15, EITHER, _hugging),
    "nelson-8": (8, EITHER, _avoiding),
}
WESTERN_ELECTRIC = ("we-1", "we-2", "we-3", "we-4")
NELSON = tuple(f"nelson-{number}" for number in range(1, 9))


def runs(z: Sequence[float], rules: Iterable[str] = WESTERN_ELECTRIC) -> list[Run]:
    """Find every run of points that violates one of the rules, in order of when it is told."""
    points = np.asarray(z, np.float64)
    found: list[Run] = []
    for name in rules:
        if name not in RULES:
            raise BadInput(f"{name[:30]!r} is no run rule.", remedy=f"Use some of {', '.join(RULES)}.")
        if not len(points):
            continue
        length, sides, pattern = RULES[name]
        for side in sides:
            found += _grouped(name, np.flatnonzero(pattern(points, side)).tolist(), length, side)
    return sorted(found, key=lambda one: (one.at, one.rule))


def _grouped(rule: str, hits: Sequence[int], length: int, side: int) -> list[Run]:
    found: list[Run] = []
    for at in hits:
        if found and at - found[-1].last <= max(1, length - 1):
            found[-1] = msgspec.structs.replace(found[-1], last=at)
        else:
            found.append(Run(rule=rule, first=max(0, at - length + 1), at=at, last=at, side=side))
    return found
