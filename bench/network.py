"""A network of 400 needs, 96 machines and 12 sites (drawn) planned in 20 s, against the best greedy insertion.

Both plans pass the referee; the objective is euro with transport, CO₂ and lateness. The full figure is for 60 s.
"""

from bench.harness import Result
from interwork.allocation import Limits, solve, verify
from interwork.allocation.network import RULES, by_rule
from interwork.allocation.network.solving import cost
from interwork.allocation.network.table import tabulate
from interwork.allocation.problem import Size, generate

SECONDS = 20.0


def run() -> Result:
    """Plan once by every rule and once by the engine."""
    problem = generate(Size(needs=400, machines=96, sites=12, seed=1))
    table = tabulate(problem)
    rules = {rule: cost(table, by_rule(table, rule)[0]) for rule in RULES}
    plan = solve(problem, Limits(seconds=SECONDS))
    faults = verify(problem, plan)
    assert not faults, faults
    best = min(value for rule, value in rules.items() if rule.startswith("insertion"))
    nearest = rules["nearest, first come first served"]
    note = (
        f"{SECONDS:.0f} s; {plan.objective / nearest:.3f} of nearest first come first served (goal 0.75); "
        f"bound {plan.bound:.0f}, gap {100 * plan.gap:.1f} % (goal 15)"
    )
    return Result(
        bench="network",
        ours=plan.objective,
        peer=best,
        peer_name="the best of four greedy insertions",
        goal=0.92,
        unit="EUR",
        better="lower",
        note=note,
    )
