"""Flat curves as contours: drawn once, joined where their ends meet, closed or open, and crossing nowhere."""

import math

import numpy as np

from interwork.design.geometry.mesh import Floats

Numbers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

SEGMENTS_MAX = 60_000
"""Of closed contours, up to which crossings are looked for."""
_ROWS = 64


def once(curves: list[Floats], near: float) -> list[Floats]:
    """Leave out curves that lie on another one point by point, in either direction."""
    kept: dict[tuple[tuple[int, ...], ...], Floats] = {}
    for curve in curves:
        grid = [tuple(row) for row in np.round(curve / max(near, 1e-9)).astype(np.int64).tolist()]
        kept.setdefault(min(tuple(grid), tuple(grid[::-1])), curve)
    return list(kept.values())


def apart(closed: list[Floats], near: float) -> list[Floats]:
    """Leave out closed contours that enclose the same as another one, however their points are spaced."""
    kept: list[Floats] = []
    seen: dict[tuple[int, int], list[tuple[float, Floats]]] = {}
    cell = max(near * 4, 1e-9)
    for one in closed:
        size, box, reach = abs(area(one)), _box(one), near * length(one)
        beside = [each for key in _around(box[:2], cell) for each in seen.get(key, ())]
        if any(abs(size - other) <= reach and np.abs(box - held).max() <= near for other, held in beside):
            continue
        seen.setdefault(_cell(box[:2], cell), []).append((size, box))
        kept.append(one)
    return kept


def depths(closed: list[Floats]) -> list[int]:
    """Tell for each contour inside how many others it lies; only those are tried whose box is around its start."""
    boxes = np.array([_box(one) for one in closed]).reshape(-1, 4)
    found = []
    for number, one in enumerate(closed):
        x, y = one[0]
        is_around = (boxes[:, 0] <= x) & (boxes[:, 1] <= y) & (x <= boxes[:, 2]) & (y <= boxes[:, 3])
        around = [at for at in np.flatnonzero(is_around).tolist() if at != number]
        found.append(sum(is_inside(one[0], closed[at]) for at in around))
    return found


def _box(one: Floats) -> Floats:
    return np.concatenate([one.min(axis=0), one.max(axis=0)])


def crossing(closed: list[Floats], near: float) -> tuple[int, tuple[float, float]] | None:
    """Count the places where contours cross themselves or one another, and tell one; None where there is none.

    What only touches does not cross; where corners lie on another contour, what is within `near` of it counts as on it.
    """
    starts, ends = np.concatenate(closed), np.concatenate([np.roll(one, -1, axis=0) for one in closed])
    owner = np.repeat(np.arange(len(closed)), [len(one) for one in closed])
    moving = np.abs(ends - starts).max(axis=1) > 0
    if int(moving.sum()) > SEGMENTS_MAX:
        return None
    order = np.flatnonzero(moving)[np.argsort(np.minimum(starts[moving, 0], ends[moving, 0]))]
    found = _Found(starts[order], ends[order], owner[order])
    places = list(found.places)
    for one, other in found.touching:
        if _is_mixed(closed[one], closed[other], near) or _is_mixed(closed[other], closed[one], near):
            places.append((float(closed[other][0, 0]), float(closed[other][0, 1])))
    return (len(places), places[0]) if places else None


class _Found:
    """Where segments, sorted by their left end, cross; and which contours touch without that."""

    def __init__(self, a: Floats, b: Floats, owner: Numbers) -> None:
        self.places: list[tuple[float, float]] = []
        self.touching: set[tuple[int, int]] = set()
        low, high = np.minimum(a, b), np.maximum(a, b)
        for first in range(0, len(a), _ROWS):
            rows = slice(first, first + _ROWS)
            last = int(np.searchsorted(low[:, 0], high[rows, 0].max(), side="right"))
            beside = slice(first, last)
            sides = _sides((a[rows, None], b[rows, None]), (a[None, beside], b[None, beside]))
            meets = (low[rows, None] <= high[None, beside]).all(axis=-1)
            meets &= (low[None, beside] <= high[rows, None]).all(axis=-1) & (sides <= 0).all(axis=0)
            meets = np.triu(meets, 1)
            proper = meets & (sides < 0).all(axis=0)
            self.places += [(float(x), float(y)) for x, y in a[rows][np.argwhere(proper)[:, 0]]]
            others = np.argwhere(meets & ~proper & (owner[rows, None] != owner[None, beside]))
            ours, theirs = owner[rows][others[:, 0]].tolist(), owner[beside][others[:, 1]].tolist()
            self.touching |= {(min(pair), max(pair)) for pair in zip(ours, theirs, strict=True)}


def _is_mixed(one: Floats, other: Floats, near: float) -> bool:
    """Tell whether a contour has points clearly inside and clearly outside another one."""
    clear = [point for point in one if _distance(point, other) > near]
    inside = [is_inside(point, other) for point in clear]
    return any(inside) and not all(inside)


def _distance(point: Floats, contour: Floats) -> float:
    a, b = contour, np.roll(contour, -1, axis=0)
    along = b - a
    share = ((point - a) * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), 1e-300)
    nearest = a + np.clip(share, 0.0, 1.0)[:, None] * along
    return float(np.sqrt(((nearest - point) ** 2).sum(axis=1)).min())


def _sides(one: tuple[Floats, Floats], other: tuple[Floats, Floats]) -> Floats:
    """Give two products per pair of segments: below 0 where the ends of one lie on both sides of the other."""
    (a, b), (c, d) = one, other
    return np.stack([_side(a, b, c) * _side(a, b, d), _side(c, d, a) * _side(c, d, b)])


def _side(a: Floats, b: Floats, c: Floats) -> Floats:
    """Tell on which side of a line points lie; 0 within a billionth of its length."""
    along, off = b - a, c - a
    turn: Floats = along[..., 0] * off[..., 1] - along[..., 1] * off[..., 0]
    reach = 1e-9 * (np.abs(along).max(axis=-1) + np.abs(off).max(axis=-1)) ** 2
    kept: Floats = np.where(np.abs(turn) <= reach, 0.0, turn)
    return kept


def contours(curves: list[Floats], near: float) -> tuple[list[Floats], list[Floats]]:
    """Join curves at their ends; closed contours first, then what stays open."""
    closed = [curve for curve in curves if math.dist(curve[0], curve[-1]) <= near and len(curve) > 2]
    todo = [curve for curve in curves if not (math.dist(curve[0], curve[-1]) <= near and len(curve) > 2)]
    ends: dict[tuple[int, int], list[tuple[int, bool]]] = {}
    cell = max(near * 4, 1e-9)
    for number, curve in enumerate(todo):
        for is_end in (False, True):
            ends.setdefault(_cell(curve[-1 if is_end else 0], cell), []).append((number, is_end))
    used = [False] * len(todo)
    opened: list[Floats] = []
    for number in range(len(todo)):
        if used[number]:
            continue
        used[number] = True
        chain = _follow(todo, used, ends, (todo[number], cell, near))
        if math.dist(chain[0], chain[-1]) > near:
            chain = _follow(todo, used, ends, (chain[::-1], cell, near))
        (closed if math.dist(chain[0], chain[-1]) <= near else opened).append(chain)
    return closed, opened


def _follow(
    todo: list[Floats],
    used: list[bool],
    ends: dict[tuple[int, int], list[tuple[int, bool]]],
    state: tuple[Floats, float, float],
) -> Floats:
    chain, cell, near = state
    pieces = [chain]
    first = chain[0]
    while True:
        tail = pieces[-1][-1]
        if len(pieces) > 1 and math.dist(first, tail) <= near:
            break
        beside = _around(tail, cell)
        found = next(
            (
                (number, is_end)
                for key in beside
                for number, is_end in ends.get(key, ())
                if not used[number] and math.dist(todo[number][-1 if is_end else 0], tail) <= near
            ),
            None,
        )
        if found is None:
            break
        number, is_end = found
        used[number] = True
        pieces.append(todo[number][::-1] if is_end else todo[number])
    return np.concatenate(pieces)


def _cell(point: Floats, size: float) -> tuple[int, int]:
    return math.floor(point[0] / size), math.floor(point[1] / size)


def _around(point: Floats, size: float) -> list[tuple[int, int]]:
    """Name the cell of a point and the eight beside it."""
    x, y = _cell(point, size)
    return [(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]


def length(points: Floats) -> float:
    """Measure along a curve."""
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def area(points: Floats) -> float:
    """Measure what a closed curve encloses, negative where it runs clockwise."""
    x, y = points.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


def is_inside(point: Floats, contour: Floats) -> bool:
    """Tell whether a point lies inside a contour, by the crossings of a ray."""
    a, b = contour, np.roll(contour, -1, axis=0)
    over = (a[:, 1] > point[1]) != (b[:, 1] > point[1])
    a, b = a[over], b[over]
    at = a[:, 0] + (point[1] - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    return bool((at > point[0]).sum() % 2)
