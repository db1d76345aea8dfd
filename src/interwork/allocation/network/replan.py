"""Plan again after an event: what is started or frozen stays, what is hit is put back, the rest may be polished.

First the hit demands alone are taken out and put back by the beam, which takes milliseconds; then, if rounds are given,
ruin and recreate goes on under the same price of stability. Every change is told with its cause and its cost, and the
plan before is kept with it, so that the proposal can be undone.
"""

import time
from collections.abc import Sequence

import msgspec

from interwork.allocation.engine.account import objective
from interwork.allocation.engine.limits import Clock, Limits
from interwork.allocation.network.insertion import BEAM, Pinned, insert
from interwork.allocation.network.ruin import Search, route_cost
from interwork.allocation.network.rules import Routes
from interwork.allocation.network.solving import written
from interwork.allocation.network.table import Step, Table, placements, steps, tabulate
from interwork.allocation.network.timeline import Timeline
from interwork.allocation.problem.model import Placement, Problem, Solution


class Outage(msgspec.Struct, frozen=True):
    """A resource that is down from a moment until another."""

    resource: int
    since: int
    until: int


class Stability(msgspec.Struct, frozen=True, kw_only=True):
    """What moving published work is charged, in euro; it is not part of the plan's objective."""

    per_mode: float = 60.0
    per_unit: float = 0.5


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One activity that moves: from where to where, why, and its demand's change of cost shared over its changes."""

    activity: int
    demand: int
    was: Placement | None
    now: Placement | None
    cause: str
    cost: float


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A plan after an event, beside the one before."""

    problem: Problem
    """With the outages as closed windows: what the referee checks the plan against."""
    before: Solution
    after: Solution
    changes: tuple[Change, ...]
    kept: tuple[int, ...]
    """Activities that were started or frozen."""
    hit: tuple[int, ...]
    seconds: float

    @property
    def cost(self) -> float:
        """Tell what the event costs: the plan after less the plan before."""
        return self.after.objective - self.before.objective


def with_outages(problem: Problem, outages: Sequence[Outage]) -> Problem:
    """Close the resources of a problem for their outages; the same outages in any order give the same problem."""
    extra: dict[int, set[tuple[int, int]]] = {}
    for each in outages:
        extra.setdefault(each.resource, set()).add((each.since, each.until))
    resources = tuple(
        msgspec.structs.replace(r, closed=tuple(sorted({*r.closed, *extra[n]}))) if n in extra else r
        for n, r in enumerate(problem.resources)
    )
    return msgspec.structs.replace(problem, resources=resources)


def replan(
    problem: Problem,
    published: Solution,
    outages: Sequence[Outage],
    *,
    now: int,
    frozen_until: int = 0,
    stability: Stability | None = None,
    limits: Limits | None = None,
) -> Proposal:
    """Propose a plan after outages: started work and work that starts before `frozen_until` stays where it is.

    Without limits only what is hit is put back. With limits the whole plan is polished as long as they allow, still at
    the price of stability. Work that an outage interrupts is hit, started or not, and is done again from its beginning.
    """
    began = time.monotonic()
    price = stability or Stability()
    changed = with_outages(problem, outages)
    table = tabulate(changed)
    routes = steps(table, published.placements)
    hit = _hit(changed, published)
    pinned = _pinned(table, routes, hit, (now, max(now, frozen_until)), price)
    search = _repaired(table, routes, hit, pinned, limits or Limits())
    if limits is not None:
        clock = Clock(limits, began=began)
        search.run(clock, clock.deadline)
    after = written(changed, search.best, -float("inf"), "insertion repair" if limits is None else "stable polish")
    after = msgspec.structs.replace(after, bound=0.0)
    before = msgspec.structs.replace(published, objective=objective(problem, published.placements, published.unserved))
    return Proposal(
        problem=changed,
        before=before,
        after=after,
        changes=_changes(table, routes, search.best, hit, polished=limits is not None),
        kept=tuple(sorted(pinned.fixed)),
        hit=tuple(sorted(hit)),
        seconds=time.monotonic() - began,
    )


def _hit(problem: Problem, published: Solution) -> set[int]:
    """Find the activities that stand in a closed window now."""
    found = set()
    for each in published.placements:
        for resource, _ in problem.activities[each.activity].modes[each.mode].uses:
            if any(each.start < end and start < each.end for start, end in problem.resources[resource].closed):
                found.add(each.activity)
    return found


def _pinned(table: Table, routes: Routes, hit: set[int], moments: tuple[int, int], price: Stability) -> Pinned:
    now, frozen = moments
    pinned = Pinned(now=now, per_mode=price.per_mode, per_unit=price.per_unit)
    for route in routes:
        is_whole = True
        for step in route or ():
            pinned.published[step[0]] = (step[1], step[3])
            is_whole = is_whole and step[0] not in hit
            # What follows something that must be done again cannot stay frozen.
            if is_whole and (step[3] < now or step[3] < frozen):
                pinned.fixed[step[0]] = step
    assert len(table.chains) == len(routes)
    return pinned


def _repaired(table: Table, routes: Routes, hit: set[int], pinned: Pinned, limits: Limits) -> Search:
    """Take the demands that are hit out and put them back, those that lateness costs most first."""
    demands = {table.problem.activities[a].demand for a in hit}
    timeline = Timeline(table)
    new: Routes = list(routes)
    for demand, route in enumerate(routes):
        for step in route or ():
            if demand not in demands or step[0] in pinned.fixed:
                timeline.take(step)
    for demand in sorted(demands, key=lambda d: (-table.late[d], table.due[d], d)):
        found = insert(table, timeline, demand, BEAM, pinned)
        new[demand] = found[1] if found else None
        for step in new[demand] or ():
            if step[0] not in pinned.fixed:
                timeline.take(step)
    return Search(table, new, limits.seed, pinned)


def _changes(table: Table, before: Routes, after: Routes, hit: set[int], *, polished: bool) -> tuple[Change, ...]:
    found: list[Change] = []
    for demand, (was, now) in enumerate(zip(before, after, strict=True)):
        if was == now:
            continue
        old, new = ({step[0]: step for step in route or ()} for route in (was, now))
        moved = [a for a in table.chains[demand] if old.get(a) != new.get(a)]
        is_hit = any(a in hit for a in table.chains[demand])
        share = (_cost(table, demand, now) - _cost(table, demand, was)) / max(1, len(moved))
        for activity in moved:
            follows = "it follows work that the outage hit" if is_hit else "it makes room, or is better placed so"
            cause = "its resource is down" if activity in hit else follows
            found.append(
                Change(
                    activity=activity,
                    demand=demand,
                    was=_placement(old.get(activity)),
                    now=_placement(new.get(activity)),
                    cause=cause,
                    cost=share,
                )
            )
    assert polished or all(table.problem.activities[c.activity].demand == c.demand for c in found)
    return tuple(found)


def _cost(table: Table, demand: int, route: list[Step] | None) -> float:
    return route_cost(table, demand, route) if route is not None else table.problem.demands[demand].unserved or 0.0


def _placement(step: Step | None) -> Placement | None:
    return Placement(step[0], step[1], step[3], step[4]) if step is not None else None


def right_shift(problem: Problem, published: Solution, outages: Sequence[Outage], *, now: int) -> Solution:
    """Move everything later on the machines it is on, in the order it has: what tools without an engine do."""
    changed = with_outages(problem, outages)
    table = tabulate(changed)
    timeline = Timeline(table)
    old = steps(table, published.placements)
    hit = _hit(changed, published)
    done: dict[int, tuple[int, int]] = {}
    queues: dict[int, int] = {}
    new: Routes = [[] if route is not None else None for route in old]
    for step in sorted((s for route in old for s in route or ()), key=lambda s: (s[3], s[4])):
        activity, mode, resource, start, end = step
        if start < now and activity not in hit:
            moved = step
        else:
            ready = max(_ready(table, step, done), start, queues.get(resource, 0), now)
            begin = _gap(timeline, resource, ready, end - start)
            moved = (activity, mode, resource, begin, begin + end - start)
        site = next(o[3] for o in table.options[activity] if o[4] == mode)
        done[activity] = (moved[4], site)
        queues[resource] = moved[4]
        route = new[changed.activities[activity].demand]
        assert route is not None
        route.append(moved)
    return msgspec.structs.replace(
        published,
        objective=objective(changed, placements(new), published.unserved),
        bound=0.0,
        placements=placements(new),
        solver="right shift",
    )


def _ready(table: Table, step: Step, done: dict[int, tuple[int, int]]) -> int:
    site = next(o[3] for o in table.options[step[0]] if o[4] == step[1])
    moments = [end + lag + table.time[there][site] for b, lag in table.links[step[0]] for end, there in (done[b],)]
    return max(moments, default=0)


def _gap(timeline: Timeline, resource: int, ready: int, duration: int) -> int:
    for start, end in zip(timeline.starts[resource], timeline.ends[resource], strict=True):
        if start < ready + duration and ready < end:
            ready = end
    return ready
