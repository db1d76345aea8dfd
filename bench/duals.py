"""Shadow prices: what the route LP predicts for one machine open 1 % longer, against solving it again so.

The network (drawn) has 400 needs on 96 machines, loaded three times over, so that hours are scarce.
"""

import time

from bench.harness import Result
from interwork.allocation import Limits
from interwork.allocation.engine import Clock
from interwork.allocation.network import price
from interwork.allocation.problem import Size, generate

MACHINES = 5


def run() -> Result:
    """Price the network, then again with each of the dearest machines widened."""
    problem = generate(Size(needs=400, machines=96, sites=12, seed=1, load=3.0))
    began = time.perf_counter()
    prices = price(problem, Clock(Limits(seconds=60)))
    seconds = time.perf_counter() - began
    gains = {number: prices.gain(number, 0.01) for number in range(len(problem.resources))}
    errors, notes = [], []
    for number in sorted(gains, key=lambda each: -gains[each])[:MACHINES]:
        again = price(problem, Clock(Limits(seconds=60)), scale={number: 1.01})
        real = prices.relaxed - again.relaxed
        errors.append(abs(gains[number] - real) / real)
        notes.append(f"{gains[number]:.1f} predicted, {real:.1f} found")
    note = f"LP of {prices.columns} routes proved in {seconds:.1f} s; " + "; ".join(notes)
    return Result(
        bench="duals",
        ours=1 + sum(errors) / len(errors),
        peer=1.0,
        peer_name="the change found by solving again; mean over the five dearest machines",
        goal=1.01,
        unit="1 + relative error",
        better="lower",
        note=note,
    )
