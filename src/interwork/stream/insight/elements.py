"""The elements of ISO 22400-2 and what follows from them: OEE, the loss tree, and the other ratios.

OEE is never averaged: elements are added, then divided. All time of a period is in exactly one bucket, and time for
which nothing is known is a bucket of its own.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from interwork.core.operating import StopKind
from interwork.stream.insight.facts import ACTIVE, Interval, Span, seconds_of, unknown_s, within


class Elements(msgspec.Struct, frozen=True, kw_only=True):
    """The time and quantity elements of a work unit over a period; they add up, ratios do not."""

    pbt_s: float = 0.0
    """Planned busy time: planned operation time without planned downtime and without unknown time."""
    apt_s: float = 0.0
    """Actual production time."""
    aust_s: float = 0.0
    """Actual unit setup time."""
    adet_s: float = 0.0
    """Actual unit delay time: unplanned stops."""
    ideal_s: float = 0.0
    """Planned run time per item times produced items, summed over products."""
    produced: float = 0.0
    good: float = 0.0
    unknown_s: float = 0.0
    """Planned time for which no state is known; in no other element."""
    ideal_good_s: float = 0.0
    """Planned run time per item times good items, summed over products."""
    ideal_unjudged_s: float = 0.0
    unjudged: float = 0.0
    """Produced items whose quality nobody has told yet."""
    rework: float = 0.0
    planned_down_s: float = 0.0
    unplanned_s: float = 0.0
    """Time outside every shift."""
    overtime_s: float = 0.0
    """Production outside every shift; part of the time outside."""
    failures: float = 0.0
    repair_s: float = 0.0
    untimed_s: float = 0.0
    """Production time of items for which no run time is planned; part of the production time."""

    @property
    def calendar_s(self) -> float:
        """Tell the whole time of the period: every second is in one of these."""
        return self.pbt_s + self.planned_down_s + self.unknown_s + self.unplanned_s


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """One branch of the loss tree, in seconds."""

    name: str
    seconds: float
    depth: int
    is_loss: bool


def elements_of(
    durations: Mapping[str, float],
    *,
    planned_item_s: float,
    produced: float,
    good: float,
    planned_down_s: float = 0.0,
    setup_s: float = 0.0,
) -> Elements:
    """Make the elements of one product on one work unit from the seconds per execution state."""
    unknown = unknown_s(durations)
    known = math.fsum(durations.values()) - unknown
    active = durations.get(ACTIVE, 0.0)
    production = max(0.0, active - setup_s)
    busy = max(0.0, known - planned_down_s)
    return Elements(
        pbt_s=busy,
        apt_s=production,
        aust_s=setup_s,
        adet_s=max(0.0, busy - production - setup_s),
        ideal_s=planned_item_s * produced,
        produced=produced,
        good=good,
        unknown_s=unknown,
        ideal_good_s=planned_item_s * good,
        planned_down_s=known - busy,
    )


def time_elements(
    states: Sequence[Interval], planned: Iterable[Span], stops: Iterable[tuple[Span, StopKind]] = ()
) -> Elements:
    """Put every second of a machine's states into one time element, by its shifts and by what people said of stops."""
    spans = sorted(planned)
    inside = within(states, spans)
    total = math.fsum(one.seconds for one in states)
    by_state = seconds_of(inside)
    explained = dict.fromkeys(StopKind, 0.0)
    for span, kind in stops:
        for one in within(inside, [span]):
            if one.state != ACTIVE and not _is_unknown(one.state):
                explained[kind] += one.seconds
    unknown, active = unknown_s(by_state), by_state.get(ACTIVE, 0.0)
    known = math.fsum(by_state.values()) - unknown
    busy = known - explained[StopKind.PLANNED]
    faults = [one for one in inside if one.state in {"FAULT", "ABORTED"}]
    return Elements(
        pbt_s=busy,
        apt_s=active,
        aust_s=explained[StopKind.SETUP],
        adet_s=max(0.0, busy - active - explained[StopKind.SETUP]),
        unknown_s=unknown,
        planned_down_s=explained[StopKind.PLANNED],
        unplanned_s=max(0.0, total - math.fsum(by_state.values())),
        overtime_s=max(0.0, seconds_of(states).get(ACTIVE, 0.0) - active),
        failures=float(len(faults)),
        repair_s=math.fsum(one.seconds for one in faults),
    )


def _is_unknown(state: str) -> bool:
    return unknown_s({state: 1.0}) > 0


def with_quantities(
    time: Elements, *, planned_item_s: float, produced: float, good: float, judged: float | None = None
) -> Elements:
    """Give time elements the quantities of one product; `judged` is how many of the produced were inspected."""
    unjudged = 0.0 if judged is None else max(0.0, produced - judged)
    return msgspec.structs.replace(
        time,
        ideal_s=time.ideal_s + planned_item_s * produced,
        ideal_good_s=time.ideal_good_s + planned_item_s * good,
        ideal_unjudged_s=time.ideal_unjudged_s + planned_item_s * unjudged,
        produced=time.produced + produced,
        good=time.good + good,
        unjudged=time.unjudged + unjudged,
        untimed_s=time.untimed_s + (0.0 if planned_item_s > 0 else time.apt_s),
    )


def scaled(elements: Elements, time_scale: float) -> Elements:
    """Turn real seconds into the machine's own, where its clock runs faster (a simulated machine); quantities stay."""
    real = ("pbt_s", "apt_s", "aust_s", "adet_s", "unknown_s", "planned_down_s", "unplanned_s", "overtime_s")
    return msgspec.structs.replace(
        elements,
        **{name: getattr(elements, name) * time_scale for name in (*real, "repair_s", "untimed_s")},
    )


def in_real_time(elements: Elements, time_scale: float) -> Elements:
    """Turn a machine's own seconds, planned ones too, back into real ones, so that machines of all clocks add up."""
    times = [name for name in Elements.__struct_fields__ if name.endswith("_s")]
    return msgspec.structs.replace(elements, **{name: getattr(elements, name) / time_scale for name in times})


def added(elements: Iterable[Elements]) -> Elements:
    """Add elements up: over products, shifts, work units."""
    kept = list(elements)
    return Elements(**{name: math.fsum(getattr(one, name) for one in kept) for name in Elements.__struct_fields__})


def ratio(part: float, whole: float) -> float | None:
    """Divide; None where there is nothing to divide by."""
    return part / whole if whole > 0 else None


def availability(elements: Elements) -> float | None:
    """APT / PBT; None where nothing was planned."""
    return ratio(elements.apt_s, elements.pbt_s)


def effectiveness(elements: Elements) -> float | None:
    """PRI × PQ / APT; above 1 the planned item time is too long, which is shown; None where nobody planned a time."""
    if elements.produced > 0 and not elements.ideal_s > 0:
        return None
    return ratio(elements.ideal_s, elements.apt_s - elements.untimed_s)


def quality_ratio(elements: Elements) -> float | None:
    """GQ / PQ of the items judged, products weighted by their planned time; None where none was judged."""
    if elements.ideal_good_s > 0:
        return ratio(elements.ideal_good_s, elements.ideal_s - elements.ideal_unjudged_s)
    return ratio(elements.good, elements.produced - elements.unjudged)


def oee(elements: Elements) -> float | None:
    """Multiply availability, effectiveness and quality ratio; None where one of them is."""
    factors = (availability(elements), effectiveness(elements), quality_ratio(elements))
    return None if None in factors else math.prod(factor for factor in factors if factor is not None)


def nee(elements: Elements) -> float | None:
    """Net equipment effectiveness: (AUPT / PBT) × E × Q."""
    worked = ratio(elements.apt_s + elements.aust_s, elements.pbt_s)
    factors = (worked, effectiveness(elements), quality_ratio(elements))
    return None if None in factors else math.prod(factor for factor in factors if factor is not None)


def teep(elements: Elements) -> float | None:
    """OEE × PBT / calendar time (not in ISO 22400)."""
    whole, share = oee(elements), ratio(elements.pbt_s, elements.calendar_s)
    return None if whole is None or share is None else whole * share


def loss_tree(elements: Elements) -> list[Loss]:
    """Break the calendar time down to fully productive time; each level's branches add up to the one above."""
    speed = elements.apt_s - elements.untimed_s - elements.ideal_s
    unsure = elements.ideal_unjudged_s
    scrap = elements.ideal_s - unsure - elements.ideal_good_s
    rows = (
        ("calendar", elements.calendar_s, 0, False),
        ("outside-shifts", elements.unplanned_s, 1, True),
        ("not-known", elements.unknown_s, 1, True),
        ("planned-downtime", elements.planned_down_s, 1, True),
        ("planned-busy", elements.pbt_s, 1, False),
        ("delay", elements.adet_s, 2, True),
        ("setup", elements.aust_s, 2, True),
        ("production", elements.apt_s, 2, False),
        ("no-cycle-time", elements.untimed_s, 3, True),
        ("speed-loss", speed, 3, True),
        ("planned-run", elements.ideal_s, 3, False),
        ("quality-loss", scrap, 4, True),
        ("not-inspected", unsure, 4, True),
        ("fully-productive", elements.ideal_good_s, 4, False),
    )
    return [Loss(name=name, seconds=seconds, depth=depth, is_loss=is_loss) for name, seconds, depth, is_loss in rows]
