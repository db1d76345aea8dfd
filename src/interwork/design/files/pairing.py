"""Holding the characteristics of two files against each other, one to one: the design's and the inspection's.

Two files of one part share no id unless both carry persistent ones, so a pair is told by what both must state: the
kind, the figures, and the datums. Equal ones in one file are interchangeable, and the pair says so.
"""

from collections.abc import Callable, Iterable

import msgspec

from interwork.core.design import Characteristic

_DIGITS = 4


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The same characteristic in two files."""

    one: Characteristic
    other: Characteristic
    is_interchangeable: bool
    """Another of the same kind, figures and datums is there: which is which, the files do not say."""
    differs: tuple[str, ...] = ()
    """What is stated otherwise: `datums`."""


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """What two files have in common, and what only one of them states."""

    pairs: tuple[Pair, ...]
    only_one: tuple[Characteristic, ...]
    only_other: tuple[Characteristic, ...]


def pair(one: Iterable[Characteristic], other: Iterable[Characteristic]) -> Pairing:
    """Pair characteristics by kind, figures and datums, then without the datums."""
    left, right = [each for each in one if _is_stated(each)], [each for each in other if _is_stated(each)]
    pairs: list[Pair] = []
    for key in (_whole, _figures):
        left, right = _take(left, right, key, pairs)
    return Pairing(pairs=tuple(pairs), only_one=tuple(left), only_other=tuple(right))


def _take(
    left: list[Characteristic],
    right: list[Characteristic],
    key: Callable[[Characteristic], tuple[object, ...]],
    pairs: list[Pair],
) -> tuple[list[Characteristic], list[Characteristic]]:
    rest = []
    free: dict[tuple[object, ...], list[Characteristic]] = {}
    for each in right:
        free.setdefault(key(each), []).append(each)
    same = {name: sum(key(each) == name for each in left) for name in map(key, left)}
    for each in left:
        found = free.get(key(each), [])
        if not found:
            rest.append(each)
            continue
        partner = found.pop(0)
        differs = ("datums",) if set(each.datums) != set(partner.datums) else ()
        pairs.append(Pair(one=each, other=partner, is_interchangeable=same[key(each)] > 1, differs=differs))
    return rest, [each for each in right if any(each is left_over for found in free.values() for left_over in found)]


def _is_stated(one: Characteristic) -> bool:
    return one.zone is not None or one.nominal is not None


def _whole(one: Characteristic) -> tuple[object, ...]:
    return (*_figures(one), *sorted(one.datums))


def _figures(one: Characteristic) -> tuple[object, ...]:
    figures = (one.nominal, one.zone, one.lower, one.upper)
    return (one.kind, one.unit, *(None if value is None else round(value, _DIGITS) for value in figures))
