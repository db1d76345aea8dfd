"""Instances for the allocation benches: files of others where they are on this machine, drawn ones everywhere."""

import os
from pathlib import Path

import numpy as np

from interwork.allocation.assign import Arcs
from interwork.allocation.problem import Problem, read
from interwork.allocation.problem.best import read_best

SHARED = Path(os.environ.get("INTERWORK_SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data") / "allocation"


def known(*names: str) -> list[tuple[Problem, float]]:
    """Read instances with their best-known values; none where the files are not on this machine."""
    files = [SHARED / name for name in names]
    if not all(each.is_file() for each in files):
        return []
    best = read_best(str(SHARED / "SOURCES.md"))
    return [(read(each), value) for each in files if (value := best.of(each, each.stem, 0)) is not None]


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
