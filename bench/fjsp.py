"""Flexible job shops: the makespans of five Brandimarte instances, 5 s each, against the best known.

Where the files are not on the machine, a drawn shop of 240 operations is held against the best of fifteen dispatch
rules. The full figure is for 30 s each: `interwork bench allocation FILE… --seconds 30 --best TABLE`.
"""

from bench.harness import Result
from bench.instances import known, shop
from interwork.allocation import Limits, solve, verify
from interwork.allocation.problem import Problem, Solution
from interwork.allocation.shop.solving import best_rule, makespan
from interwork.allocation.shop.table import tabulate

SECONDS = 5.0
FILES = tuple(f"fjsp/brandimarte/mk0{number}.txt" for number in range(1, 6))


def run() -> Result:
    """Plan every shop there is."""
    instances = known(*FILES)
    if not instances:
        problem = shop(20, 15, 1)
        table = tabulate(problem)
        rule = makespan(table, best_rule(table)[0])
        plan = _plan(problem, 4 * SECONDS)
        return _result(plan.objective / rule, "the best of fifteen dispatch rules on a drawn shop", 0.95, "drawn")
    plans = [_plan(problem, SECONDS) for problem, _ in instances]
    ratios = [plan.objective / best for plan, (_, best) in zip(plans, instances, strict=True)]
    note = ", ".join(f"{plan.problem} {plan.objective:.0f} ({plan.status})" for plan in plans)
    return _result(sum(ratios) / len(ratios), "best-known makespans, mean of mk01 to mk05", 1.02, note)


def _plan(problem: Problem, seconds: float) -> Solution:
    plan = solve(problem, Limits(seconds=seconds))
    faults = verify(problem, plan)
    assert not faults, faults
    return plan


def _result(ratio: float, peer: str, goal: float, note: str) -> Result:
    return Result(
        bench="fjsp", ours=ratio, peer=1.0, peer_name=peer, goal=goal, unit="of the peer", better="lower", note=note
    )
