"""One form for every figure: numerator, denominator, period, boundary, coverage, baseline.

Whoever reads one sees what was divided by what, over which time, around which machines, how much of it was known, and
what it should have been. A figure whose denominator is 0 or unknown has no value; it is not 0.
"""

from collections.abc import Iterable, Sequence

import msgspec

from interwork.stream.insight import elements as iso
from interwork.stream.insight.elements import Elements
from interwork.stream.insight.facts import Span


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a figure."""

    what: str
    """As in its standard: APT, PBT, good items, energy."""
    amount: float | None
    unit: str


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with everything it rests on."""

    name: str
    value: float | None
    unit: str
    numerator: Term
    denominator: Term
    start_us: int
    end_us: int
    boundary: str
    """What is inside: a machine, or some machines."""
    coverage: float
    """Share of the period for which the inputs were known."""
    definition: str
    """Where it is defined."""
    baseline: float | None = None
    """What it would have been, where a baseline says so."""
    remark: str = ""
    """What makes it doubtful, or why it has no value, as a word: speed-above-plan, not-judged, no-failure."""


class Uses(msgspec.Struct, frozen=True, kw_only=True):
    """What a boundary used over a period, with the share of the period each is known for; None = not metered."""

    energy_kwh: float | None = None
    idle_kwh: float | None = None
    """Of the energy, what went while nothing was produced."""
    water_l: float | None = None
    input_kg: float | None = None
    product_kg: float | None = None
    energy_coverage: float = 0.0
    water_coverage: float = 0.0


def add_uses(uses: Iterable[Uses]) -> Uses:
    """Add uses up over machines; what one machine does not meter is missing from the sum, and its coverage says so."""
    kept = list(uses)

    def total(name: str) -> float | None:
        known = [amount for amount in (getattr(one, name) for one in kept) if amount is not None]
        return sum(known) if known else None

    return Uses(
        **{name: total(name) for name in ("energy_kwh", "idle_kwh", "water_l", "input_kg", "product_kg")},
        energy_coverage=sum(one.energy_coverage for one in kept) / len(kept) if kept else 0.0,
        water_coverage=sum(one.water_coverage for one in kept) / len(kept) if kept else 0.0,
    )


class _Frame(msgspec.Struct, frozen=True):
    """What all figures of one question have in common."""

    span: Span
    boundary: str

    def ratio(
        self, name: str, top: tuple[str, float | None, str], bottom: tuple[str, float | None, str], *, coverage: float,
        definition: str, unit: str = "1", remark: str = "",
    ) -> Figure:  # fmt: skip
        value = iso.ratio(top[1], bottom[1]) if top[1] is not None and bottom[1] is not None else None
        return Figure(
            name=name,
            value=value,
            unit=unit,
            numerator=Term(what=top[0], amount=top[1], unit=top[2]),
            denominator=Term(what=bottom[0], amount=bottom[1], unit=bottom[2]),
            start_us=self.span[0],
            end_us=self.span[1],
            boundary=self.boundary,
            coverage=coverage,
            definition=definition,
            remark=remark,
        )


def _because(one: Figure, why: str) -> Figure:
    """Say why a figure has no value, where it has none."""
    return one if one.value is not None else msgspec.structs.replace(one, remark=why)


def figures_of(elements: Elements, uses: Uses, span: Span, boundary: str) -> list[Figure]:
    """Compute every figure of one boundary over one period."""
    planned_s = elements.pbt_s + elements.planned_down_s + elements.unknown_s
    known = 1 - (iso.ratio(elements.unknown_s, planned_s) or 0.0)
    frame = _Frame(span, boundary)
    made = (*_effectiveness(frame, elements, known), *_times(frame, elements, known))
    return [*made, *_resources(frame, elements, uses)]


def _effectiveness(frame: _Frame, held: Elements, known: float) -> Sequence[Figure]:
    ratio, judged = frame.ratio, held.produced - held.unjudged
    is_fast = (iso.effectiveness(held) or 0) > 1
    parts = (
        _because(ratio("availability", ("APT", held.apt_s, "s"), ("PBT", held.pbt_s, "s"), coverage=known,
                       definition="ISO 22400-2"), _idle_why(held)),
        _because(ratio("effectiveness", ("PRI × PQ", _planned(held), "s"), ("APT", held.apt_s - held.untimed_s, "s"),
                       coverage=known, definition="ISO 22400-2", remark="speed-above-plan" if is_fast else ""),
                 "no-production" if held.apt_s <= 0 else "no-cycle-time"),
        _quality(frame, held, judged),
    )  # fmt: skip
    whole = ratio(
        "oee", ("PRI × GQ", _good_time(held), "s"), ("PBT", held.pbt_s, "s"), coverage=known, definition="ISO 22400-2",
        remark="speed-above-plan" if is_fast else "not-judged" if held.unjudged and judged > 0 else "",
    )  # fmt: skip
    why = next((one.remark for one in parts if one.value is None), "")
    value, net = iso.oee(held), iso.nee(held)
    first = msgspec.structs.replace(whole, value=value, remark=whole.remark if value is not None else why)
    last = msgspec.structs.replace(whole, name="nee", value=net, remark="" if net is not None else why)
    return (first, *parts, last)


def _idle_why(held: Elements) -> str:
    """Say why there is no busy time to divide by."""
    return "no-time-known" if held.unknown_s > 0 else "no-planned-time"


def _quality(frame: _Frame, held: Elements, judged: float) -> Figure:
    share = iso.ratio(judged, held.produced)
    made = frame.ratio(
        "quality-ratio", ("GQ", held.good, "1"), ("PQ", judged, "1"), coverage=share or 0.0, definition="ISO 22400-2",
        remark="not-judged" if held.unjudged > 0 else "",
    )  # fmt: skip
    value = iso.quality_ratio(held)
    why = "none-inspected" if held.produced > 0 else "no-parts"
    return msgspec.structs.replace(made, value=value, remark=made.remark if value is not None else why)


def _planned(held: Elements) -> float | None:
    return held.ideal_s if held.ideal_s > 0 or not held.produced else None


def _good_time(held: Elements) -> float | None:
    planned, quality = _planned(held), iso.quality_ratio(held)
    return None if planned is None or quality is None else planned * quality


def _times(frame: _Frame, held: Elements, known: float) -> Sequence[Figure]:
    busy, cycle = held.apt_s + held.aust_s + held.adet_s, ("intervals between failures", held.failures + 1, "1")
    failed, idle = held.failures > 0, _idle_why(held)
    between = ("APT", held.apt_s if held.apt_s > 0 else None, "s")
    rows = (
        ("utilisation", ("APT", held.apt_s, "s"), ("AUBT", busy, "s"), "1", "", idle),
        ("technical", ("APT", held.apt_s, "s"), ("APT + ADET", held.apt_s + held.adet_s, "s"), "1", "", idle),
        ("setup-ratio", ("AUST", held.aust_s, "s"), ("AUPT", held.apt_s + held.aust_s, "s"), "1", "", "no-production"),
        ("throughput", ("PQ", held.produced, "1"), ("AUBT", busy / 3600, "h"), "1/h", "", idle),
        ("mtbf", between, cycle, "s", "" if failed else "no-failure-yet", "no-production"),
        ("mttr", ("repair", held.repair_s if failed else None, "s"), cycle, "s", "", "no-failure"),
    )
    return [
        _because(
            frame.ratio(name, top, bottom, coverage=known, definition="ISO 22400-2", unit=unit, remark=remark), why
        )
        for name, top, bottom, unit, remark, why in rows
    ]


def _resources(frame: _Frame, held: Elements, uses: Uses) -> Sequence[Figure]:
    quality = iso.quality_ratio(held)
    # Of parts nobody has judged yet as many are taken for good as of those that were, and the figure says so.
    good = held.good if quality is None or not held.unjudged else held.produced * quality
    basis = ("PQ", held.produced, "1") if quality is None else ("GQ", good, "1")
    remark = "not-judged" if held.unjudged else ""
    energy, water = uses.energy_coverage, uses.water_coverage
    ratio = frame.ratio
    power = "not-metered" if uses.energy_kwh is None else "no-parts"
    flow = "not-metered" if uses.water_l is None else "no-parts"
    return [
        _because(ratio("energy-per-part", ("energy", uses.energy_kwh, "kW.h"), basis, coverage=energy, remark=remark,
                       definition="ISO 22400-2", unit="kW.h"), power),
        _because(ratio("idle-energy", ("idle energy", uses.idle_kwh, "kW.h"), ("energy", uses.energy_kwh, "kW.h"),
                       coverage=energy, definition="ISO 14955-1"), power if power == "not-metered" else "none-used"),
        _because(ratio("water-per-part", ("water", uses.water_l, "L"), basis, coverage=water, remark=remark,
                       definition="ISO 46001", unit="L"), flow),
        _because(ratio("material-yield", ("product", uses.product_kg, "kg"), ("input", uses.input_kg, "kg"),
                       coverage=1.0 if uses.input_kg is not None else 0.0, definition="ISO 14051"),
                 "no-mass" if held.produced > 0 else "no-parts"),
    ]  # fmt: skip
