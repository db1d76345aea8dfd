"""The points of a sweep: a grid over the axes, or a Latin hypercube with a fixed seed."""

import itertools
import math
from collections.abc import Sequence

import msgspec

from interwork.core.errors import BadInput
from interwork.design.trials import latin_hypercube

POINTS_MAX = 200


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """One input that is varied."""

    name: str
    low: float
    high: float
    count: int = 5
    """Points along a grid."""
    unit: str = ""
    """Empty = the port's own."""


def spread(axes: Sequence[Axis], *, way: str = "grid", count: int = 20, seed: int = 1) -> list[dict[str, float]]:
    """List the points of a sweep, in the axes' units; one empty point where nothing is varied."""
    names = [axis.name for axis in axes]
    if len(set(names)) < len(names) or len(names) > 6:
        raise BadInput(f"A sweep over {', '.join(names)[:200]} is none.", remedy="Vary 1 to 6 different inputs.")
    for axis in axes:
        if not (math.isfinite(axis.low) and math.isfinite(axis.high) and axis.low < axis.high) or axis.count < 2:
            raise BadInput(
                f"{axis.name} goes from {axis.low:g} to {axis.high:g} in {axis.count} points.",
                remedy="Give a lower and a higher end, and 2 points at least.",
            )
    if way not in ("grid", "lhs"):
        raise BadInput(f"{way[:20]!r} is no way to spread points.", remedy="Use grid or lhs.")
    size = math.prod(axis.count for axis in axes) if way == "grid" else count
    if not 1 <= size <= POINTS_MAX:
        raise BadInput(f"The sweep has {size} points.", remedy=f"Ask for 1 to {POINTS_MAX}.")
    if not axes:
        return [{}]
    if way == "grid":
        lines = [[a.low + (a.high - a.low) * k / (a.count - 1) for k in range(a.count)] for a in axes]
        return [dict(zip(names, point, strict=True)) for point in itertools.product(*lines)]
    drawn = latin_hypercube(len(axes), count, seed=seed)
    return [
        {axis.name: axis.low + (axis.high - axis.low) * float(share) for axis, share in zip(axes, row, strict=True)}
        for row in drawn
    ]
