"""Mend one need's plan after events: what has begun stays, what is hit is put back, each change has its cause.

Several plans are made, at several prices of moving published work, among them the one where everything waits on its own
machine. The one taken is the least of objective and price of its moves: so a higher weight of stability never gives
more moves, nor a lower cost.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from interwork.allocation.engine.limits import Clock, Limits
from interwork.allocation.learning.asking import minute_of
from interwork.allocation.learning.viewing import View, placements, schedule_of, view
from interwork.allocation.network.insertion import BEAM, Pinned, insert
from interwork.allocation.network.replan import Outage, right_shift, with_outages
from interwork.allocation.network.ruin import Search
from interwork.allocation.network.rules import Routes
from interwork.allocation.network.table import Table, steps, tabulate
from interwork.allocation.network.table import placements as placed_of
from interwork.allocation.network.timeline import Timeline
from interwork.allocation.parts.instance import UNITS_PER_EUR, Instance
from interwork.allocation.parts.schedule import Placed, Schedule, is_within_budget, weigh
from interwork.allocation.problem.model import Placement, Solution, Status
from interwork.core.planning import Disturbance, DisturbanceKind

PER_MACHINE = 60.0
PER_MINUTE = 2.0 / 60
"""Euro that a changed machine and a minute moved are charged at a stability of 1; not part of the objective."""
WEIGHTS = (0.0, 1.0, 20.0)
"""Stabilities that plans are made at."""
ROUNDS = 2
"""Effort of the polish."""
Cell = tuple[int, int]
"""Lot and operation."""


@dataclass(frozen=True, slots=True)
class Closure:
    """A machine that is not to be had from a minute to another, and why."""

    provider: str
    resource: str
    since: int
    until: int
    cause: str


@dataclass(frozen=True, slots=True)
class Mended:
    """A schedule after closures beside the one before."""

    schedule: Schedule
    shifted: Schedule | None
    """Where everything waits on its own machine."""
    causes: dict[Cell, str]
    """Of every place that changed."""


def closures(
    told: Sequence[Disturbance], machines: Sequence[tuple[str, str]], instance: Instance, horizon: int
) -> list[Closure]:
    """Turn disturbances into closed stretches of each machine; the order they were recorded in does not matter."""
    found: list[Closure] = []

    def minute(at: datetime) -> int:
        return max(0, min(horizon, minute_of(instance, at)))

    for provider, resource in machines:
        own = [d for d in told if d.provider == provider and d.resource in ("", resource)]
        backs = sorted(d.since for d in own if d.kind is DisturbanceKind.BACK)
        for each in sorted(own, key=lambda d: (d.since, d.kind, d.id)):
            since = minute(each.since)
            until = horizon if each.until is None else minute(each.until)
            if each.kind is DisturbanceKind.BACK:
                continue
            if each.kind is not DisturbanceKind.RUSH:
                until = min([until, *(minute(back) for back in backs if back >= each.since)])
            if until > since:
                found.append(Closure(provider, resource, since, until, _cause(each)))
    return sorted(set(found), key=lambda c: (c.provider, c.resource, c.since, c.until, c.cause))


def _cause(each: Disturbance) -> str:
    said = {
        DisturbanceKind.DOWN: "its machine is down",
        DisturbanceKind.AWAY: "its provider is away",
        DisturbanceKind.RUSH: "a rush order takes its machine",
    }
    return f"{said[each.kind]}{f' ({each.note})' if each.note else ''}"


def mend(
    instance: Instance,
    schedule: Schedule,
    closed: Sequence[Closure],
    *,
    fixed: frozenset[Cell],
    now: int,
    stability: float = 1.0,
    seconds: float = 2.0,
) -> Mended | None:
    """Put what closures hit elsewhere or later; None where the quoted windows have no room. Fixed places never move."""
    seen = view([instance], [schedule.lots])
    outages = _outages(seen, schedule, closed, fixed)
    published = placements(seen, 0, schedule)
    changed = with_outages(seen.problem, outages)
    table = tabulate(changed)
    routes = steps(table, published)
    found = [schedule] if not _hit(seen, routes, outages, fixed) else []
    for weight in WEIGHTS:
        tried = _mended(table, routes, (seen, outages, fixed), now=now, weight=weight, seconds=seconds)
        found += [schedule_of(seen, 0, placed_of(mended), schedule.lots) for mended in tried]
    shifted = _shifted(seen, published, outages, schedule, fixed=fixed, now=now)
    found += [shifted] if shifted else []
    if not found:
        return None
    within = [each for each in found if is_within_budget(instance, weigh(instance, each))] or found
    chosen = min(within, key=lambda each: _charge(instance, schedule, each, stability))
    return Mended(chosen, shifted, _causes(instance, schedule, chosen, closed))


def moves(before: Schedule, after: Schedule) -> list[tuple[Placed, Placed]]:
    """Pair the places that differ, lot by lot."""
    return [(was, now) for was, now in zip(before.placed, after.placed, strict=True) if _place(was) != _place(now)]


def _place(each: Placed) -> tuple[str, str, int]:
    return each.option.mode.provider, each.option.mode.resource, each.start


def _charge(instance: Instance, before: Schedule, after: Schedule, stability: float) -> tuple[float, int]:
    changed = moves(before, after)
    price = sum(PER_MACHINE * (_place(was)[:2] != _place(now)[:2]) for was, now in changed)
    price += sum(PER_MINUTE * abs(was.start - now.start) for was, now in changed)
    return weigh(instance, after).objective / UNITS_PER_EUR + stability * price, len(changed)


def _outages(seen: View, schedule: Schedule, closed: Sequence[Closure], fixed: frozenset[Cell]) -> list[Outage]:
    """Write closures as outages; where work that has begun stands in one, it counts from the end of that work."""
    number = {key: at for at, key in enumerate(seen.resources)}
    found = []
    for each in closed:
        since = each.since
        for placed in schedule.placed:
            key = (placed.option.mode.provider, placed.option.mode.resource)
            own = (placed.lot, placed.operation) in fixed and key == (each.provider, each.resource)
            if own and placed.start < each.until and since < placed.end:
                since = placed.end
        if (each.provider, each.resource) in number and since < each.until:
            found.append(Outage(number[each.provider, each.resource], since, each.until))
    return found


def _hit(seen: View, routes: Routes, outages: Sequence[Outage], fixed: frozenset[Cell]) -> set[int]:
    """Find the demands with work that may move in a closed stretch."""
    hit = set()
    for demand, route in enumerate(routes):
        for activity, _, resource, start, end in route or ():
            cell = seen.activities[activity][1:]
            down = any(o.resource == resource and start < o.until and o.since < end for o in outages)
            if down and cell not in fixed:
                hit.add(demand)
    return hit


def _mended(
    table: Table,
    routes: Routes,
    known: tuple[View, Sequence[Outage], frozenset[Cell]],
    *,
    now: int,
    weight: float,
    seconds: float,
) -> Iterator[Routes]:
    """Insert what is hit anew at one price of moving; then polish the whole at the same price."""
    seen, outages, fixed = known
    hit = _hit(seen, routes, outages, fixed)
    pinned = Pinned(now=now, per_mode=PER_MACHINE * weight, per_unit=PER_MINUTE * weight)
    timeline = Timeline(table)
    new: Routes = list(routes)
    for demand, route in enumerate(routes):
        for step in route or ():
            pinned.published[step[0]] = (step[1], step[3])
            is_fixed = seen.activities[step[0]][1:] in fixed
            if is_fixed:
                pinned.fixed[step[0]] = step
            if is_fixed or demand not in hit:
                timeline.take(step)
    for demand in sorted(hit):
        found = insert(table, timeline, demand, BEAM, pinned)
        if found is None:
            return
        new[demand] = found[1]
        for step in found[1]:
            if step[0] not in pinned.fixed:
                timeline.take(step)
    yield new
    clock = Clock(Limits(seconds=seconds / len(WEIGHTS), effort=ROUNDS))
    search = Search(table, new, 1, pinned)
    search.run(clock, clock.deadline)
    if all(route is not None for route in search.best):
        yield search.best


def _shifted(
    seen: View,
    published: tuple[Placement, ...],
    outages: Sequence[Outage],
    schedule: Schedule,
    *,
    fixed: frozenset[Cell],
    now: int,
) -> Schedule | None:
    """Let everything wait on its own machine; None where that would move what has begun."""
    plan = Solution(problem="", status=Status.FEASIBLE, objective=0.0, bound=0.0, placements=published)
    moved = right_shift(seen.problem, plan, outages, now=now)
    shifted = schedule_of(seen, 0, moved.placements, schedule.lots)
    if any((was.lot, was.operation) in fixed for was, _ in moves(schedule, shifted)):
        return None
    return shifted if all(_is_open(each) for each in shifted.placed) else None


def _is_open(each: Placed) -> bool:
    return any(start <= each.start and each.end <= end for start, end in each.option.windows)


def _causes(instance: Instance, before: Schedule, after: Schedule, closed: Sequence[Closure]) -> dict[Cell, str]:
    causes: dict[Cell, str] = {}
    for was, _ in moves(before, after):
        own = [
            each.cause
            for each in closed
            if (each.provider, each.resource) == (was.option.mode.provider, was.option.mode.resource)
            and was.start < each.until
            and each.since < was.end
        ]
        earlier = [instance.operations[o].name for o in instance.before[was.operation] if (was.lot, o) in causes]
        follows = f"it follows {', '.join(earlier)}" if earlier else "it makes room, or is better placed so"
        causes[was.lot, was.operation] = own[0] if own else follows
    return causes
