"""Read projects: PSPLIB `.sm` and `.mm`, Patterson `.rcp`, and MPLIB with many projects and shared resources."""

import re

from interwork.allocation.problem.model import (
    Activity,
    Demand,
    Kind,
    Link,
    Mode,
    Problem,
    Resource,
    ResourceKind,
    Tariff,
)
from interwork.allocation.problem.tokens import Tokens

MOST = 100_000
LINKED = re.compile(r"^(\d+):(\d+)$")
RULE = re.compile(r"^[*\-\s]*$")
SECTIONS = ("PRECEDENCERELATIONS", "REQUESTS/DURATIONS", "RESOURCEAVAILABILITIES")
"""Titles without their spaces: PSPLIB and MMLIB set them differently."""


def _project(
    name: str, demands: list[Demand], activities: list[Activity], resources: list[Resource], source: str
) -> Problem:
    return Problem(
        name=name,
        kind=Kind.PROJECT,
        demands=tuple(demands),
        activities=tuple(activities),
        resources=tuple(resources),
        tariff=Tariff(makespan=1.0, money=0.0),
        minutes_per_unit=1440,
        source=source,
    )


def _renewable(capacities: list[int]) -> list[Resource]:
    return [
        Resource(id=f"R{number + 1}", kind=ResourceKind.CUMULATIVE, capacity=capacity)
        for number, capacity in enumerate(capacities)
    ]


def _mode(tokens: Tokens, duration: int, used: list[int], resources: list[Resource]) -> Mode:
    for amount, resource in zip(used, resources, strict=True):
        if amount > resource.capacity:
            tokens.fail(f"an activity asks for {amount} of {resource.id}, which has {resource.capacity}")
    return Mode(uses=tuple((r, amount) for r, amount in enumerate(used) if amount), duration=duration)


def _linked(tokens: Tokens, successors: list[list[int]]) -> list[tuple[Link, ...]]:
    """Turn successors into links; refuse a circle."""
    before: list[list[int]] = [[] for _ in successors]
    for number, later in enumerate(successors):
        for each in sorted(set(later)):
            before[each].append(number)
    waiting = [len(each) for each in before]
    ready = [number for number, count in enumerate(waiting) if not count]
    seen = 0
    while ready:
        each = ready.pop()
        seen += 1
        for later_one in set(successors[each]):
            waiting[later_one] -= 1
            if not waiting[later_one]:
                ready.append(later_one)
    if seen < len(successors):
        tokens.fail("the precedence relations run in a circle")
    return [tuple(Link(one) for one in each) for each in before]


def read_patterson(text: str, name: str) -> Problem:
    """Read Patterson's `.rcp`: jobs and resources; capacities; a row per job."""
    tokens = Tokens(text, name)
    count = tokens.integer("the number of jobs", 1, MOST)
    kinds = tokens.integer("the number of resources", 0, 1000)
    resources = _renewable(tokens.integers(kinds, "a capacity"))
    modes, successors = [], []
    for _ in range(count):
        duration = tokens.integer("a duration")
        modes.append(_mode(tokens, duration, tokens.integers(kinds, "a demand"), resources))
        later = tokens.integer("the number of successors", 0, count)
        successors.append([tokens.integer("a successor", 1, count) - 1 for _ in range(later)])
    tokens.done()
    links = _linked(tokens, successors)
    activities = [
        Activity(demand=0, modes=(mode,), after=after, name=str(number + 1))
        for number, (mode, after) in enumerate(zip(modes, links, strict=True))
    ]
    return _project(name, [Demand(id="project")], activities, resources, "Patterson .rcp")


def read_mplib(text: str, name: str) -> Problem:
    """Read MPLIB: projects that share resources, some with due dates; tasks with successors `project:task`."""
    tokens = Tokens(text, name)
    projects = tokens.integer("the number of projects", 1, 10_000)
    kinds = tokens.integer("the number of resources", 0, 1000)
    resources = _renewable(tokens.integers(kinds, "a capacity"))
    demands: list[Demand] = []
    modes: list[tuple[int, Mode]] = []
    wanted: list[list[tuple[int, int]]] = []
    first: list[int] = []
    for project in range(projects):
        count = tokens.integer("the number of tasks", 1, MOST)
        demands.append(Demand(id=f"project-{project + 1}", release=tokens.integer("a release date"), due=_due(tokens)))
        tokens.integers(kinds, "whether a resource is used")
        first.append(len(modes))
        for _ in range(count):
            duration = tokens.integer("a duration")
            modes.append((project, _mode(tokens, duration, tokens.integers(kinds, "a demand"), resources)))
            later = tokens.integer("the number of successors", 0, MOST)
            wanted.append([_pair(tokens, projects) for _ in range(later)])
    tokens.done()
    ends = [*first[1:], len(modes)]
    successors = [[_resolve(tokens, each, first, ends) for each in later] for later in wanted]
    links = _linked(tokens, successors)
    activities = [
        Activity(demand=project, modes=(mode,), after=after, name=f"{project + 1}:{number - first[project] + 1}")
        for number, ((project, mode), after) in enumerate(zip(modes, links, strict=True))
    ]
    return _project(name, demands, activities, resources, "MPLIB")


def _due(tokens: Tokens) -> int | None:
    """Read a due date, which stands in the line of the release date where a project has one."""
    return tokens.integer("a due date") if tokens.is_in_line else None


def _pair(tokens: Tokens, projects: int) -> tuple[int, int]:
    word = tokens.word("a successor")
    found = LINKED.match(word)
    if not found or not 1 <= int(found[1]) <= projects:
        tokens.at -= 1
        tokens.fail(f"a successor should be `project:task`, not {word[:20]!r}")
    return int(found[1]) - 1, int(found[2]) - 1


def _resolve(tokens: Tokens, pair: tuple[int, int], first: list[int], ends: list[int]) -> int:
    project, task = pair
    if not 0 <= task < ends[project] - first[project]:
        tokens.fail(f"project {project + 1} has no task {task + 1}")
    return first[project] + task


def read_psplib(text: str, name: str) -> Problem:
    """Read PSPLIB's `.sm` and `.mm`: precedence, modes with durations and demands, capacities."""
    parts, begins = _sections(text, name)
    count = _count_of(parts["head"], name, r"jobs.*?:\s*(\d+)")
    renewable = _count_of(parts["head"], name, r"-\s*renewable\s*:\s*(\d+)")
    stocks = _count_of(parts["head"], name, r"-\s*nonrenewable\s*:\s*(\d+)", 0)
    kinds = renewable + stocks
    tokens = Tokens(parts[SECTIONS[2]], name, first_line=begins[SECTIONS[2]])
    resources = [
        Resource(
            id=f"R{r + 1}" if r < renewable else f"N{r - renewable + 1}",
            kind=ResourceKind.CUMULATIVE if r < renewable else ResourceKind.CONSUMABLE,
            capacity=capacity,
        )
        for r, capacity in enumerate(tokens.integers(kinds, "a capacity"))
    ]
    tokens.done()
    tokens = Tokens(parts[SECTIONS[0]], name, first_line=begins[SECTIONS[0]])
    modes, successors = [0] * count, [[] for _ in range(count)]  # type: list[int], list[list[int]]
    for number in range(count):
        tokens.integer("the number of the job", number + 1, number + 1)
        modes[number] = tokens.integer("the number of modes", 1, 1000)
        later = tokens.integer("the number of successors", 0, count)
        successors[number] = [tokens.integer("a successor", 1, count) - 1 for _ in range(later)]
    tokens.done()
    links = _linked(tokens, successors)
    tokens = Tokens(parts[SECTIONS[1]], name, first_line=begins[SECTIONS[1]])
    activities = [
        Activity(demand=0, modes=_modes(tokens, n, modes[n], resources), after=links[n], name=str(n + 1))
        for n in range(count)
    ]
    tokens.done()
    return _project(name, [Demand(id="project")], activities, resources, "PSPLIB")


def _modes(tokens: Tokens, number: int, count: int, resources: list[Resource]) -> tuple[Mode, ...]:
    tokens.integer("the number of the job", number + 1, number + 1)
    found = []
    for mode in range(count):
        tokens.integer("the number of the mode", mode + 1, mode + 1)
        duration = tokens.integer("a duration")
        used = tokens.integers(len(resources), "a demand")
        found.append(Mode(uses=tuple((r, amount) for r, amount in enumerate(used) if amount), duration=duration))
    able = tuple(m for m in found if all(amount <= resources[r].capacity for r, amount in m.uses))
    if not able:
        tokens.fail(f"no mode of job {number + 1} fits the capacities")
    return able


def _sections(text: str, name: str) -> tuple[dict[str, str], dict[str, int]]:
    """Cut the file at its section titles; the titles of columns and the rules of stars and dashes are taken out."""
    parts: dict[str, list[str]] = {"head": []}
    begins = {"head": 1}
    current = "head"
    for number, line in enumerate(text.splitlines(), 1):
        bare = "".join(line.split()).upper()
        title = next((each for each in SECTIONS if bare.startswith(each)), None)
        if title:
            current, parts[title] = title, []
            begins[title] = number + 1
        elif current != "head" and (RULE.match(line) or (not any(parts[current]) and not _is_row(line, current))):
            parts[current].append("")
        else:
            parts[current].append(line)
    missing = [each for each in SECTIONS if each not in parts]
    if missing:
        Tokens(text, name, comment="").fail(f"the section {missing[0]} is missing")
    return {title: "\n".join(lines) for title, lines in parts.items()}, begins


def _is_row(line: str, section: str) -> bool:
    """Tell a row of numbers from the title above it; capacities stand under names such as `R 1`."""
    words = line.split()
    return bool(words) and words[0].isdecimal() and (section != SECTIONS[2] or all(word.isdecimal() for word in words))


def _count_of(head: str, name: str, pattern: str, otherwise: int | None = None) -> int:
    found = re.search(pattern, head, re.IGNORECASE)
    if found and int(found[1]) <= MOST:
        return int(found[1])
    if otherwise is None or found:
        Tokens(head, name).fail("the head should tell how many jobs and resources there are")
    return otherwise
