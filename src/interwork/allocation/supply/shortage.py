"""What comes of it if machines are missing: the plan put back around them in milliseconds, then polished a little.

What is missing is closed for as long as it is away; everything that stood on it is taken out and put back where it
costs least. What nobody takes is not made, and said so.
"""

import time
from collections.abc import Collection, Sequence

from interwork.allocation.engine.limits import Limits
from interwork.allocation.network.replan import Outage, replan
from interwork.allocation.network.solving import first_plan
from interwork.allocation.problem.model import Placement, Solution
from interwork.allocation.supply.bridging import Web
from interwork.allocation.supply.planning import delivered, money
from interwork.core.network.supply import Resourced, ShortageCase

EFFORT = 1
"""Fixed pieces of polish after the repair, so that the same question has the same answer."""


def missing(web: Web, plan: Solution, gone: Collection[int], *, since: int, until: int) -> ShortageCase:
    """Plan around machines that are gone from a minute until another."""
    began = time.monotonic()
    outages = [Outage(resource, since, until) for resource in sorted(gone)]
    found = replan(web.problem, plan, outages, now=since, limits=Limits(seconds=3.0, effort=EFFORT))
    after = found.after
    lost = set(after.unserved) - set(plan.unserved)
    if lost:  # what could not be put back among the rest may go in where everything starts anew
        anew = first_plan(found.problem)
        after = anew if len(anew.unserved) < len(after.unserved) else after
        lost = set(after.unserved) - set(plan.unserved)
    return ShortageCase(
        missing=tuple(web.names[resource] for resource in sorted(gone)),
        cost_eur=after.objective - found.before.objective,
        price_eur=money(web, after) - money(web, plan),
        late_h=_later(web, plan, after),
        unserved=sum(web.sizes[demand][-1] for demand in lost),
        resourced=_resourced(web, plan, after),
        seconds=round(time.monotonic() - began, 4),
    )


def _later(web: Web, before: Solution, after: Solution) -> float:
    """Tell by how many hours the latest delivery moves; batches that are not made any more are left aside."""
    ends = [max(delivered(web, each).values(), default=0) for each in (before, after)]
    return max(0, ends[1] - ends[0]) / 60


def _resourced(web: Web, before: Solution, after: Solution) -> tuple[Resourced, ...]:
    """List the operations that go to another machine, each pair of machines once with its pieces."""
    now = {each.activity: each for each in after.placements}
    counts: dict[tuple[str, str, str, str], int] = {}
    for was in before.placements:
        to = now.get(was.activity)
        machine, other = _machine(web, was), _machine(web, to) if to else -1
        if machine == other:
            continue
        demand, item, operation = web.activities[was.activity]
        name = web.instances[item].operations[operation].name
        key = (web.items[item].key, name, web.names[machine], web.names[other] if to else "")
        counts[key] = counts.get(key, 0) + web.sizes[demand][item]
    return tuple(
        Resourced(item=item, operation_name=name, was=was, now=to, quantity=quantity)
        for (item, name, was, to), quantity in sorted(counts.items())
    )


def _machine(web: Web, placed: Placement) -> int:
    return web.problem.activities[placed.activity].modes[placed.mode].uses[0][0]


def providers_in(web: Web, plan: Solution) -> tuple[str, ...]:
    """Name the providers a plan uses, the most used first."""
    counts: dict[str, int] = {}
    for each in plan.placements:
        provider = web.machines[_machine(web, each)][0]
        counts[provider] = counts.get(provider, 0) + 1
    return tuple(sorted(counts, key=lambda one: (-counts[one], one)))


def machines_named(web: Web, names: Sequence[str]) -> list[int]:
    """Find the machines meant by names or ids of machines or providers, by cities or countries."""
    wanted = {name.casefold() for name in names}
    found = []
    for number, (provider, resource) in enumerate(web.machines):
        machine, _, owner = web.names[number].rpartition(", ")
        place = web.places[number]
        own = {provider, resource, web.names[number], machine, owner, place.city, place.country}
        if wanted & {one.casefold() for one in own if one}:
            found.append(number)
    return found


def ordered_cases(cases: Sequence[ShortageCase]) -> tuple[ShortageCase, ...]:
    """Put the worst first: what cannot be made any more, then what costs most."""
    return tuple(sorted(cases, key=lambda each: (-each.unserved, -each.cost_eur, each.missing)))
