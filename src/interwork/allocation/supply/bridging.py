"""A product over quotes as one problem of the general model, and its solution read back as steps.

A batch of a period is one demand; its activities are the operations of every item, those of a part before those of
what it goes into, a mode per quoted machine. Times are minutes from the first whole minute at or after the plan's own
moment. A mode that fits into no free window is left out; a batch is as large as the machines' windows allow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from interwork.allocation.learning.viewing import closed_of
from interwork.allocation.parts.admitting import prepare, route
from interwork.allocation.parts.instance import Instance, Option, split, without_budget
from interwork.allocation.problem.model import (
    Activity,
    Demand,
    Kind,
    Link,
    Mode,
    Problem,
    Resource,
    Tariff,
    Transport,
    Window,
)
from interwork.allocation.supply.bill import ordered, pieces
from interwork.core.design import ProcessPlan
from interwork.core.errors import LimitReached, NoPlan
from interwork.core.network.supply import Item, Period
from interwork.core.organisation import Place
from interwork.core.planning import Need, Quote, Weights

BATCHES_MAX = 12
"""Of one period."""
ACTIVITIES_MAX = 6_000
BATCH_MIN = 3 * 24 * 60
"""A batch is made smaller while its longest operation takes more minutes than this on the fastest machine."""
UNSERVED_EUR = 1e6
"""Charged for a batch that is not made, so that none is left out to save money."""
AFTER_MIN = 60 * 24 * 60
"""How long after the last free window the plan's horizon ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One item with the need for it and what was quoted."""

    need: Need
    process: ProcessPlan
    quotes: tuple[Quote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be planned: the items, how many by when, and from which moment on."""

    items: tuple[Item, ...]
    periods: tuple[Period, ...]
    weights: Weights
    now: datetime
    batches: tuple[int, ...] = ()
    """Of each period; empty = as the windows want it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """A product as a problem, with what its numbers stand for."""

    problem: Problem
    origin: datetime
    items: tuple[Item, ...]
    """Each after what it is made of."""
    instances: tuple[Instance, ...]
    """Of each item."""
    machines: tuple[tuple[str, str], ...]
    """Provider and resource by index."""
    places: tuple[Place, ...]
    """Of each machine."""
    names: tuple[str, ...]
    demands: tuple[tuple[int, int], ...]
    """Period and batch by index."""
    activities: tuple[tuple[int, int, int], ...]
    """Demand, item and operation by index."""
    options: tuple[tuple[Option, ...], ...]
    """Of each activity, in the order of its modes."""
    batches: tuple[int, ...]
    sizes: tuple[tuple[int, ...], ...]
    """Of each demand: pieces of each item."""

    def moment(self, minute: int) -> datetime:
        """Tell the moment a minute of the problem stands for."""
        return self.origin + timedelta(minutes=minute)


def bridge(wanted: Wanted, sources: Mapping[str, Source]) -> Web:
    """Write a product over its quotes down as a problem; NoPlan where an operation was quoted by nobody."""
    items = tuple(ordered(wanted.items))
    instances = tuple(_instance(sources[each.key], wanted) for each in items)
    _refuse_unquoted(items, instances)
    count = pieces(items)
    batches = wanted.batches or tuple(_batches(each, items, instances, count) for each in wanted.periods)
    draft = _Draft(items, instances)
    for number, period in enumerate(wanted.periods):
        for batch, size in enumerate(split(period.quantity, batches[number])):
            draft.add(number, batch, period, {each.key: size * count[each.key] for each in items}, wanted.weights)
    if len(draft.activities) > ACTIVITIES_MAX:
        raise LimitReached(
            f"The product comes to {len(draft.activities)} operations over all batches; {ACTIVITIES_MAX} are planned.",
            remedy="Plan fewer periods at a time.",
        )
    return draft.web(wanted, batches)


def _instance(source: Source, wanted: Wanted) -> Instance:
    return without_budget(prepare(source.need, source.process, source.quotes, wanted.weights, wanted.now))


def _refuse_unquoted(items: Sequence[Item], instances: Sequence[Instance]) -> None:
    bare = [
        f"{item.title}: nobody quoted {operation.name}."
        for item, instance in zip(items, instances, strict=True)
        for operation, options in zip(instance.operations, instance.options, strict=True)
        if not options
    ]
    if bare:
        said = [each.text for instance in instances for each in instance.ignored]
        raise NoPlan(
            f"{len(bare)} operations of the product were quoted by nobody.",
            reasons=tuple(dict.fromkeys((*bare, *said))),
            remedy="See the gaps of its needs, relax a requirement, or plan it as an emergency with lead times.",
        )


def _batches(period: Period, items: Sequence[Item], instances: Sequence[Instance], count: Mapping[str, int]) -> int:
    """Find the fewest batches of which every operation fits a free window, and none takes too long."""
    most = min(BATCHES_MAX, period.quantity)
    for batches in range(1, most):
        size = split(period.quantity, batches)[0]
        lots = [
            (options, size * count[item.key])
            for item, instance in zip(items, instances, strict=True)
            for options in instance.options
        ]
        if all(any(_fits(option, lot) for option in options) for options, lot in lots) and all(
            min(option.figures(lot).minutes for option in options) <= BATCH_MIN for options, lot in lots
        ):
            return batches
    return most


def _fits(option: Option, size: int) -> bool:
    return bool(option.starts(option.figures(size).minutes))


class _Draft:
    """A problem as it is put together."""

    def __init__(self, items: tuple[Item, ...], instances: tuple[Instance, ...]) -> None:
        self.items, self.instances = items, instances
        self.machines: dict[tuple[str, str], int] = {}
        self.names: list[str] = []
        self.places: list[Place] = []
        self.windows: list[tuple[Window, ...]] = []
        self.sites: dict[tuple[float, float, str], int] = {}
        self.stands: list[Place] = []
        self.demands: list[Demand] = []
        self.batches: list[tuple[int, int]] = []
        self.sizes: list[tuple[int, ...]] = []
        self.activities: list[Activity] = []
        self.keys: list[tuple[int, int, int]] = []
        self.listed: list[tuple[Option, ...]] = []
        for instance in instances:
            for option in (one for listed in instance.options for one in listed):
                self._machine(option)
        goal = instances[-1].need.deliver_to
        self.home = -1 if goal == Place() else self._site(goal)

    def _machine(self, option: Option) -> int:
        key = (option.mode.provider, option.mode.resource)
        if key not in self.machines:
            self.machines[key] = len(self.machines)
            self.names.append(f"{option.mode.resource_name}, {option.mode.provider_name}")
            self.places.append(option.mode.place)
            self.windows.append(option.windows)
            self._site(option.mode.place)
        at = self.machines[key]
        self.windows[at] = tuple(sorted({*self.windows[at], *option.windows}))
        return at

    def _site(self, place: Place) -> int:
        key = (place.latitude, place.longitude, place.city)
        if key not in self.sites:
            self.sites[key] = len(self.sites)
            self.stands.append(place)
        return self.sites[key]

    def add(self, period: int, batch: int, wanted: Period, sizes: Mapping[str, int], weights: Weights) -> None:
        """Add one batch of one period: a demand with an activity per operation of every item."""
        origin = self.instances[0].origin
        self.demands.append(
            Demand(
                id=f"{period + 1}.{batch + 1}",
                due=max(0, int((wanted.due - origin).total_seconds() // 60)),
                late_per_unit=weights.late_eur_per_h / 60,
                target=self.home,
                unserved=UNSERVED_EUR,
            )
        )
        self.batches.append((period, batch))
        self.sizes.append(tuple(sizes[item.key] for item in self.items))
        ends: dict[str, list[int]] = {}
        for number, (item, instance) in enumerate(zip(self.items, self.instances, strict=True)):
            first = len(self.activities)
            before = [end for part in item.made_of for end in ends[part.item]]
            for operation in range(len(instance.operations)):
                links = [Link(first + one) for one in instance.before[operation]]
                self._activity((number, operation), sizes[item.key], links or [Link(one) for one in before])
            ends[item.key] = [first + last for last in instance.last]

    def _activity(self, which: tuple[int, int], size: int, after: Sequence[Link]) -> None:
        item, operation = which
        instance = self.instances[item]
        able = tuple(one for one in instance.options[operation] if _fits(one, size)) or instance.options[operation]
        self.activities.append(
            Activity(
                demand=len(self.demands) - 1,
                modes=tuple(self._mode(one, size) for one in able),
                after=tuple(after),
                name=f"{self.items[item].title}: {instance.operations[operation].name}",
            )
        )
        self.keys.append((len(self.demands) - 1, item, operation))
        self.listed.append(able)

    def _mode(self, option: Option, size: int) -> Mode:
        figures = option.figures(size)
        return Mode(
            uses=((self.machines[option.mode.provider, option.mode.resource], 1),),
            duration=figures.minutes,
            price=figures.cents / 100,
            energy=figures.watt_hours / 1000,
            co2=figures.grams / 1000,
            site=self._site(option.mode.place),
        )

    def web(self, wanted: Wanted, batches: tuple[int, ...]) -> Web:
        """Close the problem."""
        horizon = max((end for each in self.windows for _, end in each), default=0)
        resources = tuple(
            Resource(id=resource, owner=provider, closed=closed_of(self.windows[at], horizon))
            for (provider, resource), at in self.machines.items()
        )
        problem = Problem(
            name="product",
            kind=Kind.NETWORK,
            demands=tuple(self.demands),
            activities=tuple(self.activities),
            resources=resources,
            tariff=Tariff(co2=wanted.weights.co2_eur_per_kg),
            horizon=horizon + AFTER_MIN,
            transport=_transport(self.stands, wanted.weights),
            minutes_per_unit=1,
            source="needs and quotes held at this node",
        )
        return Web(
            problem=problem,
            origin=self.instances[0].origin,
            items=self.items,
            instances=self.instances,
            machines=tuple(self.machines),
            places=tuple(self.places),
            names=tuple(self.names),
            demands=tuple(self.batches),
            activities=tuple(self.keys),
            options=tuple(self.listed),
            batches=batches,
            sizes=tuple(self.sizes),
        )


def _transport(stands: Sequence[Place], weights: Weights) -> Transport:
    """Reckon carriage between every two sites; within a site nothing is carried."""
    routes = [[None if a is b else route(a, b, weights) for b in stands] for a in stands]
    return Transport(
        time=tuple(tuple(each.minutes if each else 0 for each in row) for row in routes),
        price=tuple(tuple(each.cents / 100 if each else 0.0 for each in row) for row in routes),
        co2=tuple(tuple(each.grams / 1000 if each else 0.0 for each in row) for row in routes),
    )
