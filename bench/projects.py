"""Projects: the makespans of three hard PSPLIB instances of 60 activities, 8 s each, against the best known.

Where the files are not on the machine, a drawn project of 120 activities is held against latest finish first.
The full figure is for 30 s each, and 60 s for the projects of MPLIB.
"""

from bench.harness import Result
from bench.instances import known, project
from interwork.allocation import Limits, solve, verify
from interwork.allocation.problem import Problem, Solution
from interwork.allocation.project.genetic import Search
from interwork.allocation.project.serial import tabulate

SECONDS = 8.0
FILES = ("rcpsp/j60_9_1.rcp", "rcpsp/j60_13_3.rcp", "rcpsp/j60_25_2.rcp")


def run() -> Result:
    """Plan every project there is."""
    instances = known(*FILES)
    if not instances:
        problem = project(120, 1)
        plan = _plan(problem, 3 * SECONDS)
        rule = Search(tabulate(problem), 1).best_span
        return _result(plan.objective / rule, "latest finish first on a drawn project", 0.95, "drawn")
    plans = [_plan(problem, SECONDS) for problem, _ in instances]
    ratios = [plan.objective / best for plan, (_, best) in zip(plans, instances, strict=True)]
    note = ", ".join(f"{plan.problem} {plan.objective:.0f}, bound {plan.bound:.0f}" for plan in plans)
    return _result(sum(ratios) / len(ratios), "best-known makespans, mean of three of j60", 1.04, note)


def _plan(problem: Problem, seconds: float) -> Solution:
    plan = solve(problem, Limits(seconds=seconds))
    faults = verify(problem, plan)
    assert not faults, faults
    return plan


def _result(ratio: float, peer: str, goal: float, note: str) -> Result:
    return Result(
        bench="projects", ours=ratio, peer=1.0, peer_name=peer, goal=goal, unit="of the peer", better="lower", note=note
    )
