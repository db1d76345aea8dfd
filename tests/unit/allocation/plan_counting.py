"""A second checker of plans for the tests: it looks at every moment, and shares nothing with the referee."""

from itertools import pairwise

from interwork.allocation.problem import ResourceKind

TIMED = (ResourceKind.UNARY, ResourceKind.CUMULATIVE)


def counted(problem, placed):
    """Tell whether a plan holds, by looking at every moment of it."""
    modes = {each.activity: problem.activities[each.activity].modes[each.mode] for each in placed}
    of = {each.activity: each for each in placed}
    return (
        all(_is_timed(problem, each, modes[each.activity]) for each in placed)
        and all(each.start >= _ready(problem, each, of, modes) for each in placed)
        and _has_room(problem, placed, modes)
        and all(_is_set_up(problem, r, placed, modes) for r in range(len(problem.resources)))
        and _is_paid(problem, placed, of, modes)
    )


def _is_timed(problem, each, mode):
    demand = problem.demands[problem.activities[each.activity].demand]
    timed = [r for r, _ in mode.uses if problem.resources[r].kind in TIMED]
    stops = {m for r in timed for a, b in problem.resources[r].breaks for m in range(a, b)}
    shut = {m for r in timed for a, b in problem.resources[r].closed for m in range(a, b)}
    moments = range(each.start, each.end)
    back = _way(problem.transport.time, mode.site, demand.target)
    return (
        sum(m not in stops for m in moments) == mode.duration
        and not shut.intersection(moments)
        and each.start >= demand.release
        and (not problem.horizon or each.end <= problem.horizon)
        and not {r for r, _ in mode.uses} & set(demand.excluded)
        and (demand.deadline is None or each.end + back <= demand.deadline)
    )


def _way(matrix, source, target):
    return matrix[source][target] if source >= 0 and target >= 0 else 0


def _ready(problem, each, of, modes):
    activity, site = problem.activities[each.activity], modes[each.activity].site
    demand, time = problem.demands[activity.demand], problem.transport.time
    if not activity.after:
        return demand.release + _way(time, demand.origin, site)
    return max(of[link.before].end + link.lag + _way(time, modes[link.before].site, site) for link in activity.after)


def _has_room(problem, placed, modes):
    load = {}
    for each in placed:
        for r, amount in modes[each.activity].uses:
            resource = problem.resources[r]
            slots = range(each.start, each.end)
            if resource.kind not in TIMED:
                slots = [each.start // resource.bucket if resource.bucket else 0]
            for slot in slots:
                load[r, slot] = load.get((r, slot), 0) + amount
    most = [1 if each.kind is ResourceKind.UNARY else each.capacity for each in problem.resources]
    return all(used <= most[r] for (r, _), used in load.items())


def _is_set_up(problem, r, placed, modes):
    if problem.resources[r].kind is not ResourceKind.UNARY or not problem.setups:
        return True
    users = [each for each in placed if r in {number for number, _ in modes[each.activity].uses}]
    on = sorted((each.start, each.end, problem.activities[each.activity].family) for each in users)
    return all(min(f, g) < 0 or start >= end + problem.setups[f][g] for (_, end, f), (start, _, g) in pairwise(on))


def _is_paid(problem, placed, of, modes):
    spent = [0.0] * len(problem.demands)
    followed = {link.before for each in problem.activities for link in each.after}
    price = problem.transport.price
    for each in placed:
        activity, mode = problem.activities[each.activity], modes[each.activity]
        demand = problem.demands[activity.demand]
        sources = [modes[link.before].site for link in activity.after if link.before in of]
        sources = sources if activity.after else [demand.origin]
        spent[activity.demand] += mode.price + sum(_way(price, source, mode.site) for source in sources)
        if each.activity not in followed:
            spent[activity.demand] += _way(price, mode.site, demand.target)
    budgets = [each.budget for each in problem.demands]
    return all(b is None or euro <= b + 1e-6 * max(1.0, b) for b, euro in zip(budgets, spent, strict=True))
