"""One home for the benches that plan drawn instances beside plain CP-SAT, and known ones against their best values."""

import math

from bench.harness import Result
from bench.instances import known
from bench.instances.drawn import drawn
from bench.instances.plain import plain
from interwork.allocation import Limits, solve, verify
from interwork.allocation.problem import Problem, Solution


def planned(problem: Problem, seconds: float) -> Solution:
    """Plan within so many seconds; the referee must find nothing wrong."""
    plan = solve(problem, Limits(seconds=seconds))
    faults = verify(problem, plan)
    assert not faults, faults
    return plan


def beside(bench: str, families: tuple[str, ...], files: tuple[str, ...], seconds: float, goal: float) -> Result:
    """Plan an instance of each family as long as plain CP-SAT may; the figure is the mean of ours / its objective.

    Where plain CP-SAT finds no plan at all in that time, ours is counted as a tie, and the note says so.
    """
    ratios, notes = [], []
    for family in families:
        problem = drawn(family)
        plan = planned(problem, seconds)
        peer, bound = plain(problem, seconds)
        ratios.append(plan.objective / peer if math.isfinite(peer) else 1.0)
        other = f"{peer:.0f}" if math.isfinite(peer) else "none"
        notes.append(f"{problem.name} {plan.objective:.0f} beside {other}, bound {max(bound, plan.bound):.0f}")
    gaps = []
    for problem, best in known(*files):
        plan = planned(problem, seconds)
        gaps.append(plan.objective / best - 1)
        notes.append(f"{plan.problem} {plan.objective:.0f} of {best:.0f} known ({plan.status})")
    if gaps:
        notes.append(f"mean gap to the best known {100 * sum(gaps) / len(gaps):.2f} % in {seconds:.0f} s")
    return Result(
        bench=bench,
        ours=sum(ratios) / len(ratios),
        peer=1.0,
        peer_name=f"plain CP-SAT with the textbook model, {seconds:.0f} s each, on {len(families)} drawn instances",
        goal=goal,
        unit="mean of the objectives' ratios",
        better="lower",
        note="; ".join(notes),
    )
