"""What a solution comes to, by the tariff of its problem; the solvers' side of the figures that `verify` re-reckons."""

from collections.abc import Iterable, Sequence

from interwork.allocation.problem.model import Demand, Mode, Placement, Problem, Solution, Status


def mode_cost(problem: Problem, mode: Mode) -> float:
    """Price a mode: money, energy, CO₂, water and material at the tariff, its value taken off."""
    tariff = problem.tariff
    return (
        tariff.money * mode.price
        + tariff.energy * mode.energy
        + tariff.co2 * mode.co2
        + tariff.water * mode.water
        + tariff.material * mode.material
        - tariff.value * mode.value
    )


def least(problem: Problem) -> float:
    """Bound what any plan can come to without looking at its rules: nothing charged, every value taken."""
    gains = sum(min(0.0, *(mode_cost(problem, mode) for mode in each.modes)) for each in problem.activities)
    return gains - problem.tariff.value * sum(max(0.0, each.value) for each in problem.synergies)


def carriage_costs(problem: Problem) -> list[list[float]]:
    """Price every carriage between sites, price and CO₂ at the tariff; empty where there is no transport."""
    transport = problem.transport
    if transport is None:
        return []
    count, tariff = len(transport.time), problem.tariff
    price = transport.price or ((0.0,) * count,) * count
    co2 = transport.co2 or ((0.0,) * count,) * count
    return [[tariff.money * price[a][b] + tariff.co2 * co2[a][b] for b in range(count)] for a in range(count)]


def carriage_time(problem: Problem, source: int, target: int) -> int:
    """Tell the time from site to site; 0 where one is not known."""
    if problem.transport is None or source < 0 or target < 0:
        return 0
    return problem.transport.time[source][target]


def is_makespan_only(problem: Problem) -> bool:
    """Tell whether a plan is charged for its makespan, one a unit, and for nothing else."""
    costs = carriage_costs(problem)
    return (
        problem.tariff.makespan == 1
        and not any(mode_cost(problem, mode) for each in problem.activities for mode in each.modes)
        and not any(each.due is not None and each.late_per_unit for each in problem.demands)
        and not any(map(any, costs))
        and not (problem.rows or problem.synergies or any(each.budget is not None for each in problem.demands))
    )


def setups_of(problem: Problem, resource: int) -> tuple[tuple[int, ...], ...]:
    """Tell the setups between families on a resource: its own, or those of the problem; empty where there are none."""
    return problem.resources[resource].setups or problem.setups


def has_setups(problem: Problem) -> bool:
    """Tell whether anything has to be set up."""
    return bool(problem.setups) or any(each.setups for each in problem.resources)


def last_activities(problem: Problem) -> list[bool]:
    """Tell of each activity whether nothing follows it."""
    is_last = [True] * len(problem.activities)
    for activity in problem.activities:
        for link in activity.after:
            is_last[link.before] = False
    return is_last


def objective(problem: Problem, placements: Sequence[Placement], unserved: Iterable[int] = ()) -> float:
    """Add up what a set of placements comes to."""
    refused = set(unserved)
    total = sum(mode_cost(problem, _mode(problem, each)) for each in placements)
    total += sum(problem.demands[each].unserved or 0.0 for each in refused)
    total += problem.tariff.makespan * max((each.end for each in placements), default=0)
    if problem.synergies:
        joint = sum(s.value for s in problem.synergies if s.one not in refused and s.other not in refused)
        total -= problem.tariff.value * joint
    return total + _carried(problem, placements) + _late(problem, placements)


def _mode(problem: Problem, placed: Placement) -> Mode:
    return problem.activities[placed.activity].modes[placed.mode]


def _carried(problem: Problem, placements: Sequence[Placement]) -> float:
    costs = carriage_costs(problem)
    if not costs:
        return 0.0
    site = {each.activity: _mode(problem, each).site for each in placements}
    is_last = last_activities(problem)
    total = 0.0
    for number, here in site.items():
        activity = problem.activities[number]
        demand: Demand = problem.demands[activity.demand]
        sources = [site.get(link.before, -1) for link in activity.after] or [demand.origin]
        total += sum(costs[source][here] for source in sources if source >= 0 and here >= 0)
        if is_last[number] and here >= 0 and demand.target >= 0:
            total += costs[here][demand.target]
    return total


def _late(problem: Problem, placements: Sequence[Placement]) -> float:
    ends: dict[int, int] = {}
    for each in placements:
        number = problem.activities[each.activity].demand
        demand = problem.demands[number]
        if demand.due is not None and demand.late_per_unit:
            end = each.end + carriage_time(problem, _mode(problem, each).site, demand.target)
            ends[number] = max(end, ends.get(number, 0))
    return sum(
        problem.demands[n].late_per_unit * max(0, end - (problem.demands[n].due or 0)) for n, end in ends.items()
    )


def better(problem: Problem, one: Solution | None, other: Solution | None) -> Solution:
    """Keep the better plan and the higher bound of two solutions of one problem."""
    found = [each for each in (one, other) if each is not None]
    if not found:
        return Solution(problem=problem.name, status=Status.UNKNOWN, objective=0.0, bound=0.0)
    solved = [each for each in found if each.is_solved]
    if not solved:
        return found[-1]
    best = min(solved, key=lambda each: each.objective)
    bound = min(best.objective, max(each.bound for each in found))
    near = 1e-6 * max(1.0, abs(best.objective))
    status = Status.OPTIMAL if bound >= best.objective - near else Status.FEASIBLE
    return Solution(
        problem=problem.name,
        status=status,
        objective=best.objective,
        bound=bound,
        placements=best.placements,
        unserved=best.unserved,
        solver=best.solver,
        seed=best.seed,
    )
