"""Instances for the allocation benches: files of others where they are on this machine, drawn ones everywhere."""

import os
import random
from pathlib import Path

import numpy as np

from interwork.allocation.assign import Arcs
from interwork.allocation.problem import Problem, read
from interwork.allocation.problem.best import read_best
from interwork.allocation.problem.reading import parse

SHARED = Path(os.environ.get("INTERWORK_SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data") / "allocation"


def known(*names: str) -> list[tuple[Problem, float]]:
    """Read instances with their best-known values; none where the files are not on this machine."""
    files = [SHARED / name for name in names]
    if not all(each.is_file() for each in files):
        return []
    best = read_best(str(SHARED / "SOURCES.md"), [each.stem for each in files])
    return [(read(each), best[each.stem]) for each in files]


def shop(jobs: int, machines: int, seed: int) -> Problem:
    """Draw a flexible job shop as Brandimarte did: 10 to 14 steps, up to 5 machines each, 5 to 20 long."""
    chance = random.Random(seed)
    lines = [f"{jobs} {machines}"]
    for _ in range(jobs):
        steps = []
        for _ in range(chance.randint(10, 14)):
            able = chance.sample(range(machines), chance.randint(1, 5))
            steps.append(f"{len(able)} " + " ".join(f"{m} {chance.randint(5, 20)}" for m in able))
        lines.append(f"{len(steps)} " + " ".join(steps))
    return parse("\n".join(lines), f"shop-{jobs}-{machines}-{seed}")


def project(count: int, seed: int) -> Problem:
    """Draw a project of four scarce resources in Patterson's form."""
    chance = random.Random(seed)
    lines = [f"{count} 4", "20 20 20 20"]
    for number in range(1, count + 1):
        span = range(number + 1, min(count, number + 12) + 1)
        later = sorted(chance.sample(span, min(len(span), chance.randint(1, 3))))
        demands = " ".join(str(chance.randint(0, 10)) for _ in range(4))
        lines.append(f"{chance.randint(1, 10)} {demands} {len(later)} " + " ".join(map(str, later)))
    return parse("\n".join(lines), f"project-{count}-{seed}")


def assignment(agents: int, items: int, seed: int, kind: str = "d") -> Problem:
    """Draw an assignment of Yagiura's type d or e."""
    rng = np.random.default_rng(seed)
    if kind == "d":
        sizes = rng.integers(1, 101, (agents, items))
        costs = 111 - sizes + rng.integers(-10, 11, (agents, items))
    else:
        sizes = np.maximum(1, (1 - 10 * np.log(1 - rng.random((agents, items)))).astype(int))
        costs = (1000 / sizes - 10 * rng.random((agents, items))).astype(int)
    capacities = (0.8 * sizes.sum(axis=1) / agents).astype(int)
    rows = [[agents, items], *costs.tolist(), *sizes.tolist(), capacities.tolist()]
    return parse("\n".join(" ".join(map(str, row)) for row in rows), f"{kind}-{agents}-{items}-{seed}")


def candidates(needs: int, resources: int, each: int, seed: int) -> Arcs:
    """Draw candidates: places that attract unequally, 90 % loaded, with a full assignment hidden among them."""
    rng = np.random.default_rng(seed)
    pull = rng.pareto(2.0, resources) + 0.3
    named = rng.choice(resources, needs * each, p=pull / pull.sum())
    hidden = rng.permutation(np.repeat(np.arange(resources), -(-needs // resources)))[:needs]
    named[::each] = hidden
    capacities = np.bincount(hidden, minlength=resources)
    extra = rng.choice(resources, needs // 9, p=pull / pull.sum())
    return Arcs(
        needs=np.repeat(np.arange(needs), each),
        resources=named,
        costs=rng.integers(50, 300, needs * each),
        capacities=capacities + np.bincount(extra, minlength=resources),
        count=needs,
        penalty=1000,
    )
