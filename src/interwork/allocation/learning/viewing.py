"""Needs and quotes as one problem of the network: what prices, investment and re-planning run over.

A need is one demand per lot, an activity per operation, a mode per quoted resource; what a calendar leaves closed is a
closed window. Times are minutes from the first instance's origin. Lateness and time to the finish are charged by lot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from interwork.allocation.parts.instance import Instance, Option
from interwork.allocation.parts.schedule import Placed, Schedule
from interwork.allocation.problem.model import (
    Activity,
    Demand,
    Kind,
    Link,
    Mode,
    Placement,
    Problem,
    Resource,
    Tariff,
    Transport,
    Window,
)
from interwork.core.errors import BadInput


@dataclass(frozen=True, slots=True)
class View:
    """A problem with what its numbers stand for."""

    problem: Problem
    origin: datetime
    resources: tuple[tuple[str, str], ...]
    """Provider and resource by index."""
    names: tuple[str, ...]
    activities: tuple[tuple[int, int, int], ...]
    """Instance, lot and operation by index."""
    options: tuple[tuple[Option, ...], ...]
    """Of each activity, in the order of its modes."""

    def minute(self, moment: datetime) -> int:
        """Tell the minute a moment falls into."""
        return int((moment - self.origin).total_seconds() // 60)


def view(instances: Sequence[Instance], lots: Sequence[Sequence[int]]) -> View:
    """Write several needs, each split into its lots, as one problem; all count from the earliest origin."""
    if not instances:
        raise BadInput("There is no need with a quote.", remedy="Ask for quotes first, with `interwork plan PART`.")
    origin = min(each.origin for each in instances)
    places = _Places(instances, origin)
    demands: list[Demand] = []
    activities: list[Activity] = []
    keys: list[tuple[int, int, int]] = []
    listed: list[tuple[Option, ...]] = []
    for number, (instance, sizes) in enumerate(zip(instances, lots, strict=True)):
        for lot, size in enumerate(sizes):
            demands.append(places.demand(number, instance, lot))
            first = len(activities)
            for operation, options in enumerate(instance.options):
                activities.append(
                    Activity(
                        demand=len(demands) - 1,
                        modes=tuple(places.mode(number, instance, option, size) for option in options),
                        after=tuple(Link(first + before) for before in instance.before[operation]),
                        name=instance.operations[operation].name,
                    )
                )
                keys.append((number, lot, operation))
                listed.append(options)
    weights = instances[0].weights
    problem = Problem(
        name="needs held",
        kind=Kind.NETWORK,
        demands=tuple(demands),
        activities=tuple(activities),
        resources=places.resources(),
        tariff=Tariff(co2=weights.co2_eur_per_kg),
        horizon=places.horizon + 60 * 24 * 60,
        transport=places.transport(),
        minutes_per_unit=1,
        source="needs and quotes held at this node",
    )
    return View(problem, origin, tuple(places.machines), tuple(places.names), tuple(keys), tuple(listed))


class _Places:
    """Machines and sites of all instances, numbered once."""

    def __init__(self, instances: Sequence[Instance], origin: datetime) -> None:
        self.instances, self.origin = instances, origin
        self.shift = [int((each.origin - origin).total_seconds() // 60) for each in instances]
        self.machines: dict[tuple[str, str], int] = {}
        self.names: list[str] = []
        self.windows: list[tuple[Window, ...]] = []
        self.sites: dict[tuple[int, int], int] = {}
        self.homes: dict[int, int] = {}
        for number, instance in enumerate(instances):
            for site in range(len(instance.sites)):
                self.sites[number, site] = len(self.sites)
            for option in (one for listed in instance.options for one in listed):
                self._machine(option, self.shift[number])
        for number, instance in enumerate(instances):
            if any(instance.deliveries):
                self.homes[number] = len(self.sites) + len(self.homes)
        self.horizon = max((end for each in self.windows for _, end in each), default=0)

    def _machine(self, option: Option, shift: int) -> None:
        key = (option.mode.provider, option.mode.resource)
        windows = tuple((start + shift, end + shift) for start, end in option.windows)
        if key not in self.machines:
            self.machines[key] = len(self.machines)
            self.names.append(f"{option.mode.resource_name}, {option.mode.provider_name}")
            self.windows.append(windows)
        else:
            at = self.machines[key]
            self.windows[at] = tuple(sorted({*self.windows[at], *windows}))

    def demand(self, number: int, instance: Instance, lot: int) -> Demand:
        due = max(0, self.shift[number] + instance.due_s // 60)
        return Demand(
            id=f"{instance.need.id}:{lot + 1}",
            release=self.shift[number],
            due=due,
            late_per_unit=instance.weights.late_eur_per_h / 60,
            target=self.homes.get(number, -1),
            unserved=1e6,
            owner=instance.need.owner,
        )

    def mode(self, number: int, instance: Instance, option: Option, size: int) -> Mode:
        figures = option.figures(size)
        # The time to the finish is charged by the hour of work; the wait between is not seen here.
        finish = instance.weights.finish_eur_per_day * figures.minutes / 1440
        return Mode(
            uses=((self.machines[option.mode.provider, option.mode.resource], 1),),
            duration=figures.minutes,
            price=figures.cents / 100 + finish,
            energy=figures.watt_hours / 1000,
            co2=figures.grams / 1000,
            site=self.sites[number, option.site],
        )

    def resources(self) -> tuple[Resource, ...]:
        return tuple(
            Resource(id=resource, owner=provider, closed=closed_of(self.windows[at], self.horizon))
            for (provider, resource), at in self.machines.items()
        )

    def transport(self) -> Transport:
        count = len(self.sites) + len(self.homes)
        time = [[0] * count for _ in range(count)]
        price = [[0.0] * count for _ in range(count)]
        co2 = [[0.0] * count for _ in range(count)]
        for number, instance in enumerate(self.instances):
            pairs = [(self.sites[number, a], self.sites[number, b], route) for (a, b), route in instance.routes.items()]
            home = self.homes.get(number, -1)
            pairs += [(self.sites[number, site], home, way) for site, way in enumerate(instance.deliveries) if way]
            for a, b, route in pairs:
                if a != b:
                    time[a][b], price[a][b], co2[a][b] = route.minutes, route.cents / 100, route.grams / 1000
        return Transport(time=tuple(map(tuple, time)), price=tuple(map(tuple, price)), co2=tuple(map(tuple, co2)))


def closed_of(windows: Sequence[Window], horizon: int) -> tuple[Window, ...]:
    """Turn free windows into closed ones, from the start to well after the horizon."""
    closed: list[Window] = []
    reached = 0
    for start, end in sorted(windows):
        if start > reached:
            closed.append((reached, start))
        reached = max(reached, end)
    return (*closed, (reached, horizon + 120 * 24 * 60))


def placements(seen: View, number: int, schedule: Schedule) -> tuple[Placement, ...]:
    """Write one need's schedule as placements of the problem."""
    shift = int((_origin(seen, number) - seen.origin).total_seconds() // 60)
    found = []
    for activity, (instance, lot, operation) in enumerate(seen.activities):
        if instance == number:
            each = next(p for p in schedule.placed if (p.lot, p.operation) == (lot, operation))
            key = (each.option.mode.provider, each.option.mode.resource)
            mode = next(m for m, o in enumerate(seen.options[activity]) if (o.mode.provider, o.mode.resource) == key)
            found.append(Placement(activity, mode, each.start + shift, each.end + shift))
    return tuple(found)


def _origin(seen: View, number: int) -> datetime:
    shift = min(
        (
            seen.problem.demands[seen.problem.activities[a].demand].release
            for a, k in enumerate(seen.activities)
            if k[0] == number
        ),
        default=0,
    )
    return seen.origin + timedelta(minutes=shift)


def schedule_of(seen: View, number: int, placed: Sequence[Placement], lots: tuple[int, ...]) -> Schedule:
    """Read one need's schedule back from placements."""
    shift = int((_origin(seen, number) - seen.origin).total_seconds() // 60)
    found = []
    for each in placed:
        instance, lot, operation = seen.activities[each.activity]
        if instance == number:
            option = seen.options[each.activity][each.mode]
            found.append(Placed(lot, operation, option, each.start - shift, each.end - shift))
    return Schedule(lots=lots, placed=tuple(sorted(found, key=lambda p: (p.lot, p.operation))))
