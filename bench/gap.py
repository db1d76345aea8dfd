"""Assignments with sizes: drawn instances of Yagiura's types d and e, 10 s each, against their proved lower bound.

A bound is a harder peer than the best known value, which lies above it. The full figure is for 60 s.
"""

from bench.harness import Result
from bench.instances import assignment
from interwork.allocation import Limits, solve, verify

SECONDS = 10.0


def run() -> Result:
    """Assign two instances of 10 agents and 200 items."""
    ratios, notes = [], []
    for kind in ("d", "e"):
        problem = assignment(10, 200, 7, kind)
        plan = solve(problem, Limits(seconds=SECONDS))
        faults = verify(problem, plan)
        assert not faults, faults
        ratios.append(plan.objective / plan.bound)
        notes.append(f"{problem.name} {plan.objective:.0f}, bound {plan.bound:.0f}")
    return Result(
        bench="gap",
        ours=sum(ratios) / len(ratios),
        peer=1.0,
        peer_name="the proved lower bound, mean of two instances",
        goal=1.007,
        unit="of the bound",
        better="lower",
        note="; ".join(notes),
    )
