"""Read job shops: the text of Brandimarte and Hurink, the one with arcs and times between machines, and the plain one.

In the first form machines are counted from 0 or from 1 as the file itself shows, and what follows on the first line
(the mean number of machines an operation can go to) is passed over, as everybody does. Below the jobs may stand setups,
a square of times for each machine: from operation to operation, or from job to job; the diagonal of the first kind and
what no machine can do mean nothing. In the plain form every job has one machine and duration after another, as in
Lawrence's and Taillard's shops.
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from interwork.allocation.problem.model import (
    Activity,
    Demand,
    Kind,
    Link,
    Mode,
    Problem,
    Resource,
    Tariff,
    Transport,
)
from interwork.allocation.problem.tokens import Tokens

MOST = 100_000
Choice = list[tuple[int, int]]
"""Pairs of machine and duration."""


def read_jobs(text: str, name: str) -> Problem:
    """Read the standard text: jobs, machines; a line per job with its operations."""
    tokens = Tokens(text, name)
    jobs = tokens.integer("the number of jobs", 1, MOST)
    machines = tokens.integer("the number of machines", 1, MOST)
    while not tokens.is_done and tokens.lines[tokens.at] == tokens.lines[0]:
        tokens.number("the flexibility")
    read: list[list[Choice]] = []
    for _ in range(jobs):
        count = tokens.integer("the number of operations of a job", 1, MOST)
        read.append([_choice(tokens, machines, machines) for _ in range(count)])
    setups, is_by_job = _setups(tokens, read, machines)
    tokens.done()
    problem = _chained(tokens, name, read, machines)
    return problem if not setups else _set_up(problem, setups, is_by_job=is_by_job)


Matrix = tuple[tuple[int, ...], ...]


def _setups(tokens: Tokens, read: list[list[Choice]], machines: int) -> tuple[list[Matrix], bool]:
    """Read a square of setup times for each machine where as many numbers follow as that takes."""
    left = len(tokens.words) - tokens.at
    for count, is_by_job in ((sum(map(len, read)), False), (len(read), True)):
        if left == machines * count * count:
            squares = range(machines)
            return [tuple(tuple(tokens.integers(count, "a setup")) for _ in range(count)) for _ in squares], is_by_job
    return [], False


def _set_up(problem: Problem, setups: list[Matrix], *, is_by_job: bool) -> Problem:
    families = (each.demand if is_by_job else number for number, each in enumerate(problem.activities))
    pairs = zip(problem.activities, families, strict=True)
    return msgspec.structs.replace(
        problem,
        activities=tuple(msgspec.structs.replace(each, family=family) for each, family in pairs),
        resources=tuple(
            msgspec.structs.replace(each, setups=matrix) for each, matrix in zip(problem.resources, setups, strict=True)
        ),
        source=f"flexible job shop text with setups between {'jobs' if is_by_job else 'operations'}",
    )


def is_grid(lines: Sequence[Sequence[str]]) -> bool:
    """Tell whether the lines are jobs, machines, the operations of each job, and a row of durations per operation."""
    if [len(each) for each in lines[:2]] != [1, 1] or len(lines) < 4:
        return False
    numbers = [int(each) if each.isdecimal() and len(each) < 7 else -1 for each in (*lines[0], *lines[1], *lines[2])]
    jobs, machines, counts = numbers[0], numbers[1], numbers[2:]
    return len(counts) == jobs and len(lines) == 3 + sum(counts) and all(len(each) == machines for each in lines[3:])


def read_grid(text: str, name: str) -> Problem:
    """Read jobs, machines and operations of each job; a row per operation, 0 or less where a machine cannot."""
    tokens = Tokens(text, name)
    jobs = tokens.integer("the number of jobs", 1, MOST)
    machines = tokens.integer("the number of machines", 1, MOST)
    read: list[list[Choice]] = []
    for count in tokens.integers(jobs, "the number of operations of a job"):
        rows = [tokens.integers(machines, "a duration", -1) for _ in range(count)]
        read.append([[(machine, duration) for machine, duration in enumerate(row) if duration > 0] for row in rows])
        if not all(read[-1]):
            tokens.fail(f"an operation of job {len(read)} can go to no machine")
    tokens.done()
    return _chained(tokens, name, read, machines)


def read_plain_jobs(text: str, name: str) -> Problem:
    """Read a shop without flexibility: jobs, machines; of each job, machine and duration of one step after another."""
    tokens = Tokens(text, name)
    jobs = tokens.integer("the number of jobs", 1, MOST)
    machines = tokens.integer("the number of machines", 1, MOST)
    read = [
        [[(tokens.integer("a machine", 0, machines), tokens.integer("a duration"))] for _ in range(machines)]
        for _ in range(jobs)
    ]
    tokens.done()
    return _chained(tokens, name, read, machines)


def _chained(tokens: Tokens, name: str, read: list[list[Choice]], machines: int) -> Problem:
    first = _first_machine(tokens, read, machines)
    demands = [Demand(id=f"job-{number + 1}") for number in range(len(read))]
    activities: list[Activity] = []
    for job, operations in enumerate(read):
        for position, choice in enumerate(operations):
            after = (Link(len(activities) - 1),) if position else ()
            activities.append(_activity(choice, first, job, after, position))
    return _shop(name, demands, activities, machines, None)


def _choice(tokens: Tokens, machines: int, last: int) -> Choice:
    count = tokens.integer("the number of machines of an operation", 1, machines)
    return [(tokens.integer("a machine", 0, last), tokens.integer("a duration", 0)) for _ in range(count)]


def _first_machine(tokens: Tokens, read: list[list[Choice]], machines: int) -> int:
    named = {machine for job in read for choice in job for machine, _ in choice}
    if 0 in named and machines in named:
        tokens.fail(f"machines 0 and {machines} are both named, where there are {machines}")
    return 0 if 0 in named or machines not in named else 1


def _activity(choice: Choice, first: int, demand: int, after: tuple[Link, ...], position: int) -> Activity:
    least: dict[int, int] = {}
    for machine, duration in choice:
        least[machine - first] = min(duration, least.get(machine - first, duration))
    modes = tuple(Mode(uses=((m, 1),), duration=d, site=m) for m, d in least.items())
    return Activity(demand=demand, modes=modes, after=after, name=f"{demand + 1}.{position + 1}")


def _shop(
    name: str, demands: list[Demand], activities: list[Activity], machines: int, transport: Transport | None
) -> Problem:
    return Problem(
        name=name,
        kind=Kind.SHOP,
        demands=tuple(demands),
        activities=tuple(activities),
        resources=tuple(Resource(id=f"machine-{number}", site=number) for number in range(machines)),
        tariff=Tariff(makespan=1.0, money=0.0),
        transport=transport,
        minutes_per_unit=1,
        source="flexible job shop text",
    )


def is_arcs(lines: Sequence[Sequence[str]]) -> bool:
    """Tell whether the lines have operations with arcs: `U V Jn`, or as many `U V` or `U V n` as the head says."""
    if len(lines) < 2 or len(lines[0]) != 3:
        return False
    width = len(lines[1])
    if width == 3 and not lines[1][2].isdecimal():
        return True
    count, arcs, machines = (int(each) if each.isdecimal() and len(each) < 7 else 0 for each in lines[0])
    is_counted = width == 2 or (width == 3 and len(lines) - 1 - arcs - count in (0, machines))
    return is_counted and 0 < arcs < len(lines) - count and all(len(line) == width for line in lines[1 : 1 + arcs])


def read_arcs(text: str, name: str) -> Problem:
    """Read operations, arcs and machines, then the operations, then the times from machine to machine."""
    tokens = Tokens(text, name)
    count = tokens.integer("the number of operations", 1, MOST)
    arcs = tokens.integer("the number of arcs", 0, MOST)
    machines = tokens.integer("the number of machines", 1, MOST)
    before: list[list[int]] = [[] for _ in range(count)]
    for _ in range(arcs):
        one, other = (tokens.integer("an operation of an arc", 0, count - 1) for _ in range(2))
        if one == other:
            tokens.fail(f"operation {one} should come before itself")
        before[other].append(one)
        if tokens.is_in_line:
            tokens.word("the job of an arc")
    choices = [_choice(tokens, machines, machines - 1) for _ in range(count)]
    transport = None
    if not tokens.is_done:
        rows = tuple(tuple(tokens.integers(machines, "a time between machines")) for _ in range(machines))
        transport = Transport(time=rows)
    tokens.done()
    job = _jobs(tokens, before)
    activities = [
        _activity(choices[number], 0, job[number], tuple(Link(each) for each in before[number]), number)
        for number in range(count)
    ]
    return _shop(name, [Demand(id=f"job-{n + 1}") for n in range(max(job) + 1)], activities, machines, transport)


def _jobs(tokens: Tokens, before: list[list[int]]) -> list[int]:
    """Tell the connected groups of operations; refuse a circle of arcs."""
    count = len(before)
    after: list[list[int]] = [[] for _ in range(count)]
    for number, earlier in enumerate(before):
        for each in earlier:
            after[each].append(number)
    waiting = [len(each) for each in before]
    ready = deque(number for number in range(count) if not waiting[number])
    seen = 0
    while ready:
        each = ready.popleft()
        seen += 1
        for later in after[each]:
            waiting[later] -= 1
            if not waiting[later]:
                ready.append(later)
    if seen < count:
        tokens.fail("the arcs run in a circle")
    job, jobs = [-1] * count, 0
    for start in range(count):
        if job[start] < 0:
            _spread(start, jobs, job, before, after)
            jobs += 1
    return job


def _spread(start: int, mark: int, job: list[int], before: list[list[int]], after: list[list[int]]) -> None:
    stack = [start]
    while stack:
        each = stack.pop()
        if job[each] < 0:
            job[each] = mark
            stack += before[each]
            stack += after[each]
