"""Two machines down for 72 h in a network of 150 needs (drawn): insertion repair against moving everything later.

Ours and the peer are what the breakdown costs beyond the plan before; both plans pass the referee.
"""

from bench.harness import Result
from interwork.allocation import Limits, solve, verify
from interwork.allocation.network import Outage, replan, right_shift
from interwork.allocation.network.replan import with_outages
from interwork.allocation.problem import Problem, Size, Solution, generate

UNITS_PER_H = 4


def run() -> Result:
    """Plan, break the two most loaded machines, repair and shift."""
    problem = generate(Size(needs=150, machines=48, sites=8, seed=1))
    plan = solve(problem, Limits(seconds=12))
    now = int(0.35 * max(each.release for each in problem.demands))
    outages = [Outage(number, now, now + 72 * UNITS_PER_H) for number in _busiest(problem, plan, now)]
    shifted = right_shift(problem, plan, outages, now=now)
    proposal = replan(problem, plan, outages, now=now)
    for each in (shifted, proposal.after):
        faults = verify(with_outages(problem, outages), each)
        assert not faults, faults
    moved = sum(a != b for a, b in zip(plan.placements, shifted.placements, strict=True))
    note = (
        f"proposal in {1000 * proposal.seconds:.0f} ms (goal 1000); moved {len(proposal.changes)} of "
        f"{len(plan.placements)} operations, by the shift {moved} (goal a quarter of it); "
        f"cost +{100 * proposal.cost / plan.objective:.2f} %"
    )
    return Result(
        bench="replan",
        ours=proposal.cost,
        peer=shifted.objective - plan.objective,
        peer_name="right shift: the same machines in the same order, later",
        goal=1 / 3,
        unit="EUR",
        better="lower",
        note=note,
    )


def _busiest(problem: Problem, plan: Solution, now: int) -> list[int]:
    load = dict.fromkeys(range(len(problem.resources)), 0)
    for each in plan.placements:
        if each.start >= now:
            load[problem.activities[each.activity].modes[each.mode].uses[0][0]] += each.end - each.start
    return sorted(load, key=lambda number: -load[number])[:2]
