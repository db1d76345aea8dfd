"""Work that breaks interrupt: how long it lasts depends on when it starts.

Work starts outside breaks, which loses nothing: what would start within one ends no later when it starts after it.
"""

from collections.abc import Sequence
from itertools import pairwise

from interwork.allocation.problem.model import Mode, Problem, ResourceKind, Window

TIMED = (ResourceKind.UNARY, ResourceKind.CUMULATIVE)


def joined(windows: Sequence[Window]) -> list[Window]:
    """Sort windows and join those that meet."""
    found: list[Window] = []
    for start, end in sorted(windows):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def breaks_of(problem: Problem, mode: Mode) -> list[Window]:
    """List the breaks of everything timed that a mode uses, joined."""
    resources = [problem.resources[number] for number, _ in mode.uses]
    return joined([window for each in resources if each.kind in TIMED for window in each.breaks])


def starts_by_length(duration: int, breaks: Sequence[Window], horizon: int) -> dict[int, list[Window]]:
    """Tell for each length that work can take the stretches of its starts (both ends included) up to a horizon.

    Counted in working time a break is a point: work from u on is drawn out by the breaks at points within (u, u + p).
    """
    points: list[int] = []
    stopped = 0
    for start, end in breaks:
        points.append(start - stopped)
        stopped += end - start
    edges = {0, *points, *(point - duration + 1 for point in points), horizon + 1}
    cuts = sorted(each for each in edges if 0 <= each <= horizon + 1)
    found: dict[int, list[Window]] = {}
    for first, after in pairwise(cuts):
        shift = sum(end - start for (start, end), point in zip(breaks, points, strict=True) if point <= first)
        crossed = [n for n, point in enumerate(points) if first < point < first + duration]
        length = duration + sum(breaks[n][1] - breaks[n][0] for n in crossed)
        if first + shift <= horizon:
            found.setdefault(length, []).append((first + shift, min(horizon, after - 1 + shift)))
    return found
