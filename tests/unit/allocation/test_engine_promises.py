"""What the engine promises whatever the problem: units, seeds, limits, memory, no network, no clash of libraries."""

import json
import os
import subprocess
import sys

import msgspec
import pytest
from allocation_problems import ALL

from interwork.allocation import Limits, solve
from interwork.allocation.engine.exact import solver_of
from interwork.allocation.engine.limits import Clock
from interwork.allocation.problem import Kind, Link, Size, Status, generate
from interwork.allocation.problem.reading import parse
from interwork.core.errors import BadInput

ALONE = """
import json, socket, sys

def refuse(*_):
    raise OSError("no network here")

socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = refuse
from interwork.allocation import Limits, solve, verify
from interwork.allocation.problem.reading import parse

found = []
for name, text in json.load(sys.stdin).items():
    problem = parse(text, name)
    plan = solve(problem, Limits(seconds=20, effort=1, workers=2))
    found.append([name, plan.is_solved, verify(problem, plan)])
print(json.dumps({"plans": found, "named": sorted(each for each in sys.modules if each.startswith("highspy"))}))
"""
MANY = """
import json, re
from pathlib import Path
import numpy as np
from interwork.allocation.assign import Arcs, match_many

rng = np.random.default_rng(1)
needs, resources, each = 100_000, 10_000, 10
hidden = rng.permutation(np.repeat(np.arange(resources), needs // resources))
named = rng.integers(0, resources, needs * each)
named[::each] = hidden
arcs = Arcs(
    needs=np.repeat(np.arange(needs), each), resources=named, costs=rng.integers(50, 300, needs * each),
    capacities=np.bincount(hidden, minlength=resources), count=needs, penalty=1000,
)
matched = match_many(arcs)
peak = re.search(r"VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())  # ru_maxrss has the parent's in it
mib = int(peak[1]) / 1024
used = np.bincount(matched.of[matched.of >= 0], minlength=resources)
print(json.dumps([matched.unserved, mib, bool((used <= arcs.capacities).all())]))
"""


def scaled(problem, factor):
    """Count a problem's time in units that are a factor smaller; a power of two keeps every euro exact."""
    replace = msgspec.structs.replace

    def windows(each):
        return tuple((start * factor, end * factor) for start, end in each)

    def times(value):
        return None if value is None else value * factor

    return replace(
        problem,
        demands=tuple(
            replace(
                each,
                release=each.release * factor,
                due=times(each.due),
                deadline=times(each.deadline),
                late_per_unit=each.late_per_unit / factor,
            )
            for each in problem.demands
        ),
        activities=tuple(
            replace(
                each,
                modes=tuple(replace(mode, duration=mode.duration * factor) for mode in each.modes),
                after=tuple(Link(link.before, link.lag * factor) for link in each.after),
            )
            for each in problem.activities
        ),
        resources=tuple(
            replace(each, closed=windows(each.closed), breaks=windows(each.breaks)) for each in problem.resources
        ),
        horizon=problem.horizon * factor,
        transport=replace(
            problem.transport, time=tuple(tuple(t * factor for t in row) for row in problem.transport.time)
        ),
        minutes_per_unit=problem.minutes_per_unit // factor or 1,
    )


def test_a_network_counted_in_smaller_units_of_time_has_the_same_plan():
    """allocation 1: the same needs counted in hours or in quarters of an hour give the same plan and the same euro."""
    problem = generate(Size(needs=20, machines=24, sites=3, seed=4))
    limits = Limits(seconds=60, effort=1)
    one, other = solve(problem, limits), solve(scaled(problem, 4), limits)
    assert other.objective == pytest.approx(one.objective)
    assert [(p.activity, p.mode, 4 * p.start, 4 * p.end) for p in one.placements] == [
        (p.activity, p.mode, p.start, p.end) for p in other.placements
    ]


@pytest.mark.parametrize("name", ["fjsp", "arcs", "patterson", "mplib", "psplib", "gap"])
def test_one_seed_gives_one_plan_of_every_format_where_work_is_counted(name):
    """allocation 18: the same seed and effort give the same plan, of every kind of problem."""
    problem = parse(ALL[name][0], "x")
    one, other = (solve(problem, Limits(seconds=60, effort=1, seed=3)) for _ in range(2))
    assert one.placements == other.placements


def test_a_proof_makes_the_clock_and_the_machine_immaterial():
    """allocation 18: under the clock too, a proved objective is the same whatever the seed and the time."""
    problem = parse(ALL["psplib"][0], "x")
    plans = [solve(problem, Limits(seconds=seconds, seed=seed)) for seconds, seed in ((20, 1), (40, 2))]
    assert {(plan.status, plan.objective, plan.bound) for plan in plans} == {(Status.OPTIMAL, 6.0, 6.0)}


@pytest.mark.parametrize("name", ["fjsp", "patterson", "gap"])
def test_more_effort_never_gives_a_worse_plan_of_any_kind(name):
    """allocation 19: counted work goes over the same ground and then further."""
    problem = parse(ALL[name][0], "x")
    found = [solve(problem, Limits(seconds=60, effort=effort)).objective for effort in (1, 2, 3)]
    assert found == sorted(found, reverse=True)


def test_a_long_project_is_not_searched_for_what_no_limit_ends():
    """allocation 20: CP-SAT finds all precedences of a thousand steps before it looks at its clock, in each worker."""
    count = 700
    rows = "".join(f"1 1 1 {n + 2}\n" for n in range(count - 1))
    long, short = (parse(text, "x") for text in (f"{count} 1\n1\n{rows}1 1 0\n", ALL["patterson"][0]))
    told = [solver_of(each, Clock(Limits()), 1.0).parameters for each in (long, short)]
    assert [each.transitive_precedences_work_limit == 0 for each in told] == [True, False]


def test_every_kind_is_planned_without_network_and_without_the_library_that_clashes(tmp_path):
    """allocation 32: two workers, no network, no GPU; a highspy that dies when it is imported is never touched."""
    package = tmp_path / "highspy"
    package.mkdir()
    (package / "__init__.py").write_text('raise ImportError("undefined symbol, as with highspy 1.15 beside ortools")\n')
    assert subprocess.run([sys.executable, "-c", "import highspy"], env=beside(tmp_path), check=False).returncode
    texts = {name: text for name, (text, _) in ALL.items()}
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        input=json.dumps(texts),
        env=beside(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["named"] == []
    assert told["plans"] == [[name, True, []] for name in texts]


def beside(folder):
    """Give the environment of a program that finds a folder's packages first and no GPU."""
    return os.environ | {"PYTHONPATH": str(folder), "CUDA_VISIBLE_DEVICES": ""}


def test_a_hundred_thousand_needs_are_matched_within_a_gibibyte():
    """allocation 33: 100,000 needs by 10 candidates each on 10,000 resources, all served, in less than 1 GiB."""
    done = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, timeout=300, check=True)
    unserved, mib, is_within = json.loads(done.stdout)
    assert (unserved, is_within) == (0, True)
    assert mib < 1024


def test_a_problem_without_time_may_not_limit_instants():
    """allocation 3: an assignment with a machine that takes one at a time would not be checked; it is refused."""
    problem = parse(ALL["gap"][0], "x")
    assert problem.kind is Kind.ASSIGNMENT
    body = msgspec.json.encode(problem).replace(b'"bucketed"', b'"unary"')
    with pytest.raises(BadInput, match="limits instants"):
        parse(body.decode(), "x")
