"""A schedule in whole numbers: what it comes to, how it is written down, and the rule `first-capable` that makes one.

The plan, the baselines and every alternative are weighed here by the same few lines.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from interwork.allocation.parts.instance import Instance, Option, Route
from interwork.core.ids import derived_id
from interwork.core.organisation import Place
from interwork.core.planning import Assignment, Leg, Totals

Busy = dict[int, list[tuple[int, int]]]
"""Taken stretches of each resource, in minutes."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One lot of one operation on one option from some minute on."""

    lot: int
    operation: int
    option: Option
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """Every lot of every operation placed; `lots` are their quantities."""

    lots: tuple[int, ...]
    placed: tuple[Placed, ...]
    """Lot by lot, in the order of the operations."""

    def at(self, instance: Instance, lot: int, operation: int) -> Placed:
        """Find where a lot of an operation was placed."""
        return self.placed[lot * len(instance.operations) + operation]


@dataclass(frozen=True, slots=True)
class Sums:
    """What a schedule comes to, in whole numbers."""

    cents: int
    watt_hours: int
    grams: int
    millilitres: int
    km: float
    finish: int
    objective: int
    """In units."""


@dataclass(frozen=True, slots=True)
class Carriage:
    """One lot carried along a route; `target` is None for the final delivery."""

    lot: int
    source: Placed
    target: Placed | None
    route: Route


def carriages(instance: Instance, schedule: Schedule) -> Iterator[Carriage]:
    """List what is carried: between operations at different sites, and from the last ones to whoever wanted it."""
    for placed in schedule.placed:
        for earlier in instance.before[placed.operation]:
            source = schedule.at(instance, placed.lot, earlier)
            if source.option.site != placed.option.site:
                route = instance.routes[source.option.site, placed.option.site]
                yield Carriage(placed.lot, source, placed, route)
        delivery = instance.deliveries[placed.option.site] if placed.operation in instance.last else None
        if delivery:
            yield Carriage(placed.lot, placed, None, delivery)


def weigh(instance: Instance, schedule: Schedule) -> Sums:
    """Add up a schedule and weigh it."""
    figures = [placed.option.figures(schedule.lots[placed.lot]) for placed in schedule.placed]
    carried = list(carriages(instance, schedule))
    delivered = [each.source.end + each.route.minutes for each in carried if each.target is None]
    finish = max([placed.end for placed in schedule.placed] + delivered)
    cents = sum(each.cents for each in figures) + sum(each.route.cents for each in carried)
    grams = sum(each.grams for each in figures) + sum(each.route.grams for each in carried)
    return Sums(
        cents=cents,
        watt_hours=sum(each.watt_hours for each in figures),
        grams=grams,
        millilitres=sum(each.millilitres for each in figures),
        km=round(math.fsum(each.route.km for each in carried), 1),
        finish=finish,
        objective=instance.objective(cents, grams, finish),
    )


def is_within_budget(instance: Instance, sums: Sums) -> bool:
    """Tell whether the price keeps to the budget, if there is one."""
    return instance.budget_cents is None or sums.cents <= instance.budget_cents


def earliest(
    starts: Sequence[tuple[int, int]], minutes: int, ready: int, taken: Sequence[tuple[int, int]]
) -> int | None:
    """Find the first minute work may start in one of the stretches, between what its resource has taken already."""
    for first, last in starts:
        if last < ready:
            continue
        start = max(first, ready)
        for taken_from, taken_to in sorted(taken):
            if start + minutes <= taken_from:
                break
            start = max(start, taken_to)
        if start <= last:
            return start
    return None


def ready_at(instance: Instance, placed: Sequence[Placed], lot: int, operation: int, option: Option) -> int:
    """Tell when a lot can be at an option's site, given where the operations before were placed, lot by lot."""
    ready = 0
    for earlier in instance.before[operation]:
        source = placed[lot * len(instance.operations) + earlier]
        travel = instance.routes[source.option.site, option.site].minutes if source.option.site != option.site else 0
        ready = max(ready, source.end + travel)
    return ready


def first_capable(instance: Instance) -> Schedule | str:
    """Plan as people do without a planner: the first provider that can, the whole quantity, as early as it goes.

    Answers with the reason if some operation finds no place.
    """
    busy: Busy = {}
    placed: list[Placed] = []
    for operation, options in enumerate(instance.options):
        for option in sorted(options, key=lambda each: instance.came[each.provider]):
            minutes = option.figures(instance.quantity).minutes
            ready = ready_at(instance, placed, 0, operation, option)
            start = earliest(option.starts(minutes), minutes, ready, busy.get(option.resource, ()))
            if start is not None:
                placed.append(Placed(0, operation, option, start, start + minutes))
                busy.setdefault(option.resource, []).append((start, start + minutes))
                break
        else:
            name = instance.operations[operation].name
            return f"nobody has room for all {instance.quantity} parts of {name} in one piece"
    return Schedule(lots=(instance.quantity,), placed=tuple(placed))


def tidy(instance: Instance, schedule: Schedule) -> Schedule:
    """Start everything as early as its resource and the operations before it allow, keeping who does what.

    Taken in order of the starts it had, nothing can end up later than it was, so the objective never rises; the result
    does not depend on slack the solver left. Lots of one size are numbered by when they begin.
    """
    busy: Busy = {}
    moved: dict[tuple[int, int], Placed] = {}
    for placed in sorted(schedule.placed, key=lambda each: (each.start, each.operation, each.lot)):
        ready = 0
        for earlier in instance.before[placed.operation]:
            source = moved[placed.lot, earlier]
            travel = int(instance.travel[source.option.site, placed.option.site])
            ready = max(ready, source.end + travel)
        minutes = placed.end - placed.start
        start = earliest(placed.option.starts(minutes), minutes, ready, busy.get(placed.option.resource, ()))
        assert start is not None, "the slot it had is still free"
        assert start <= placed.start
        busy.setdefault(placed.option.resource, []).append((start, start + minutes))
        moved[placed.lot, placed.operation] = Placed(
            placed.lot, placed.operation, placed.option, start, start + minutes
        )
    count = len(instance.operations)
    by_lot = [[moved[lot, operation] for operation in range(count)] for lot in range(len(schedule.lots))]
    order = sorted(
        range(len(schedule.lots)),
        key=lambda lot: (-schedule.lots[lot], *((p.start, p.option.resource) for p in by_lot[lot])),
    )
    renumbered = [
        Placed(number, each.operation, each.option, each.start, each.end)
        for number, lot in enumerate(order)
        for each in by_lot[lot]
    ]
    return Schedule(lots=tuple(schedule.lots[lot] for lot in order), placed=tuple(renumbered))


def write_assignments(instance: Instance, schedule: Schedule, owner: str) -> tuple[Assignment, ...]:
    """Write the assignments of a schedule down, in order of their start; `owner` is the plan's or candidate's id."""
    written = []
    for placed in sorted(schedule.placed, key=lambda each: (each.start, each.operation, each.lot)):
        mode = placed.option.mode
        quantity = schedule.lots[placed.lot]
        figures = placed.option.figures(quantity)
        written.append(
            Assignment(
                id=derived_id("assignment", owner, mode.operation, str(placed.lot + 1)),
                operation=mode.operation,
                operation_name=instance.operations[placed.operation].name,
                lot=placed.lot + 1,
                quantity=quantity,
                resource=mode.resource,
                resource_name=mode.resource_name,
                provider=mode.provider,
                provider_name=mode.provider_name,
                place=mode.place,
                start=instance.moment(placed.start),
                end=instance.moment(placed.end),
                price_eur=figures.cents / 100,
                energy_kwh=figures.watt_hours / 1000,
                co2_kg=figures.grams / 1000,
                water_l=figures.millilitres / 1000,
            )
        )
    return tuple(written)


def write_legs(instance: Instance, schedule: Schedule) -> tuple[Leg, ...]:
    """Write down what is carried where, in order of departure."""
    legs = [
        Leg(
            lot=each.lot + 1,
            quantity=schedule.lots[each.lot],
            source=_stop(each.source),
            target=_stop(each.target) if each.target else _town(instance.need.deliver_to) or "delivery",
            distance_km=each.route.km,
            start=instance.moment(each.source.end),
            end=instance.moment(each.source.end + each.route.minutes),
            price_eur=each.route.cents / 100,
            co2_kg=each.route.grams / 1000,
        )
        for each in carriages(instance, schedule)
    ]
    return tuple(sorted(legs, key=lambda leg: (leg.start, leg.lot, leg.source, leg.target)))


def _stop(placed: Placed) -> str:
    mode = placed.option.mode
    town = _town(mode.place)
    return f"{mode.provider_name}, {town}" if town else mode.provider_name


def _town(place: Place) -> str:
    return place.city or place.region or place.country


def write_totals(instance: Instance, sums: Sums) -> Totals:
    """Write down what a schedule comes to."""
    return Totals(
        price_eur=sums.cents / 100,
        energy_kwh=sums.watt_hours / 1000,
        co2_kg=sums.grams / 1000,
        water_l=sums.millilitres / 1000,
        transport_km=sums.km,
        finish=instance.moment(sums.finish),
        late_h=max(0, 60 * sums.finish - instance.due_s) / 3600,
    )
