"""Benchmark instances written by others: read, planned within a few seconds, and held against the best known."""

import os
from pathlib import Path

import pytest

from interwork.allocation import Limits, read, solve, verify
from interwork.allocation.problem import Kind
from interwork.allocation.problem.best import read_best

SHARED = Path(os.environ.get("INTERWORK_SHARED_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
FILES = SHARED / "allocation"
pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="the shared test data is not on this machine")
SHOPS = sorted((FILES / "fjsp").rglob("*.txt")) + sorted((FILES / "fjsp_transport").glob("MK*.txt"))
PROJECTS = sorted((FILES / "rcpsp").glob("*.rcp"))
KNOWN = (
    ("fjsp/brandimarte/mk01.txt", 0.0),
    ("fjsp/brandimarte/mk03.txt", 0.0),
    ("fjsp/hurink-edata/la01.txt", 0.0),
    ("fjsp/hurink-edata/la05.txt", 0.0),
    ("rcpsp/j30_1_1.rcp", 0.0),
    ("rcpsp/j60_9_1.rcp", 0.06),
    ("gap/e05100", 0.01),
)


@pytest.mark.parametrize("path", [*SHOPS, *PROJECTS], ids=lambda path: path.stem)
def test_every_shop_and_project_is_read_and_planned_by_a_rule_at_once(path):
    """allocation 31: every instance is read; its plan passes the referee."""
    problem = read(path)
    plan = solve(problem, Limits(seconds=0.0))
    assert verify(problem, plan) == []


@pytest.mark.parametrize(("name", "gap"), KNOWN, ids=[name for name, _ in KNOWN])
def test_an_instance_comes_near_its_best_known_value_in_two_seconds(name, gap):
    """allocation 31: the gap to the best known is small, and the bound is not above it."""
    path = FILES / name
    best = read_best(str(FILES / "SOURCES.md")).of(path, path.stem, 0)
    problem = read(path)
    plan = solve(problem, Limits(seconds=2.0))
    assert verify(problem, plan) == []
    assert plan.bound <= best <= plan.objective <= best * (1 + gap)


@pytest.mark.parametrize(("name", "tasks"), [("MPLIB1_Set3_0", 1488), ("MPLIB1_Set3_1000", 1488)])
def test_many_projects_at_once_are_read_and_planned(name, tasks):
    """allocation 31: MPLIB is read with its projects and shared resources."""
    problem = read(FILES / "rcmpsp" / f"{name}.txt")
    assert (problem.kind, len(problem.activities), len(problem.demands)) == (Kind.PROJECT, tasks, 24)
    assert verify(problem, solve(problem, Limits(seconds=0.0))) == []
