"""Instances drawn by the published rules of the field's benchmark families; none of them is a published instance.

Each function writes the text of the family's own format, so that the readers are measured as well. Names say `drawn`.
The rules: Brandimarte 1993 (sizes, steps, machines per step, durations), Hurink, Jurisch and Thole 1994 (Lawrence's
shops with 1.15, 2 or half of the machines per step), Dauzère-Pérès and Paulli 1997, Chambers and Barnes 1996
(copies of busy machines), Behnke and Geiger 2012 (work centres), Kacem 2002 (every machine can), Fattahi 2007,
ProGen of Kolisch and Sprecher 1996 (network complexity, resource factor and strength), and the classes a to e of
generalised assignment (Martello and Toth; Chu and Beasley; Laguna; Yagiura).
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from interwork.allocation.problem import Problem
from interwork.allocation.problem.reading import parse

Step = list[tuple[int, int]]
"""Pairs of machine and duration."""

BRANDIMARTE = {
    "mk01": (10, 6, (5, 7), 3, (1, 7)),
    "mk02": (10, 6, (5, 7), 6, (1, 7)),
    "mk03": (15, 8, (10, 10), 5, (1, 20)),
    "mk04": (15, 8, (3, 10), 3, (1, 10)),
    "mk05": (15, 4, (5, 10), 2, (5, 10)),
    "mk06": (10, 15, (15, 15), 5, (1, 10)),
    "mk07": (20, 5, (5, 5), 5, (1, 20)),
    "mk08": (20, 10, (10, 15), 2, (5, 20)),
    "mk09": (20, 10, (10, 15), 5, (5, 20)),
    "mk10": (20, 15, (10, 15), 5, (5, 20)),
    "mk11": (30, 5, (5, 8), 2, (10, 30)),
    "mk12": (30, 10, (5, 10), 2, (10, 30)),
    "mk13": (30, 10, (5, 10), 5, (10, 30)),
    "mk14": (30, 15, (8, 12), 2, (10, 30)),
    "mk15": (30, 15, (8, 12), 5, (10, 30)),
}
"""Jobs, machines, steps per job, most machines per step, durations."""


def shop_text(jobs: Sequence[Sequence[Step]], machines: int) -> str:
    """Write jobs in the standard text, machines counted from 1, mean flexibility in the head."""
    steps = [step for job in jobs for step in job]
    lines = [f"{len(jobs)} {machines} {sum(map(len, steps)) / len(steps):.2f}"]
    for job in jobs:
        words = [str(len(job))]
        for step in job:
            words += [str(len(step)), *(f"{machine + 1} {duration}" for machine, duration in step)]
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


def brandimarte(name: str, seed: int) -> str:
    """Draw a shop with the numbers of one of mk01 to mk15."""
    jobs, machines, (fewest, most), able, durations = BRANDIMARTE[name]
    chance = random.Random(f"brandimarte:{name}:{seed}")

    def step() -> Step:
        chosen = chance.sample(range(machines), chance.randint(1, min(able, machines)))
        return [(machine, chance.randint(*durations)) for machine in chosen]

    return shop_text([[step() for _ in range(chance.randint(fewest, most))] for _ in range(jobs)], machines)


def hurink(jobs: int, machines: int, kind: str, seed: int) -> str:
    """Draw Lawrence's shop (every machine once, 5 to 99 long) and let others do the steps: edata, rdata or vdata."""
    chance = random.Random(f"hurink:{jobs}:{machines}:{kind}:{seed}")
    mean = {"edata": 1.15, "rdata": 2.0, "vdata": machines / 2}[kind]
    most = {"edata": 2 if machines <= 6 else 3, "rdata": 3, "vdata": math.ceil(0.8 * machines)}[kind]
    drawn = []
    for _ in range(jobs):
        job = []
        for machine in chance.sample(range(machines), machines):
            extra = sum(chance.random() < (mean - 1) / max(1, most - 1) for _ in range(most - 1))
            others = chance.sample([m for m in range(machines) if m != machine], min(extra, machines - 1))
            duration = chance.randint(5, 99)
            job.append([(m, duration) for m in sorted([machine, *others])])
        drawn.append(job)
    return shop_text(drawn, machines)


def dauzere(jobs: int, machines: int, share: float, seed: int) -> str:
    """Draw jobs of 15 to 25 steps, 10 to 100 long, a share of the machines for each."""
    chance = random.Random(f"dauzere:{jobs}:{machines}:{share}:{seed}")
    drawn = []
    for _ in range(jobs):
        job = []
        for _ in range(chance.randint(15, 25)):
            chosen = [m for m in range(machines) if chance.random() < share] or [chance.randrange(machines)]
            mean = chance.randint(10, 100)
            job.append([(m, max(1, mean + chance.randint(-mean // 10, mean // 10))) for m in chosen])
        drawn.append(job)
    return shop_text(drawn, machines)


def barnes(jobs: int, machines: int, copies: int, seed: int) -> str:
    """Draw a job shop and copy its busiest machines."""
    chance = random.Random(f"barnes:{jobs}:{machines}:{copies}:{seed}")
    plain = [[(m, chance.randint(5, 99)) for m in chance.sample(range(machines), machines)] for _ in range(jobs)]
    load = [sum(d for job in plain for m, d in job if m == machine) for machine in range(machines)]
    busy = sorted(range(machines), key=lambda m: -load[m])[:copies]
    copy = {machine: machines + number for number, machine in enumerate(busy)}
    jobs_drawn = [[[(m, d), (copy[m], d)] if m in copy else [(m, d)] for m, d in job] for job in plain]
    return shop_text(jobs_drawn, machines + copies)


def behnke(jobs: int, machines: int, seed: int, centres: int = 5) -> str:
    """Draw jobs of five steps over work centres; every machine of a centre can, the first and last centre are given."""
    chance = random.Random(f"behnke:{jobs}:{machines}:{seed}")
    groups = [[m for m in range(machines) if m % centres == c] for c in range(centres)]
    drawn = []
    for _ in range(jobs):
        route = [0, *(chance.randrange(1, centres - 1) for _ in range(3)), centres - 1]
        drawn.append([[(m, chance.randint(10, 30)) for m in groups[c]] for c in route])
    return shop_text(drawn, machines)


def kacem(jobs: int, machines: int, seed: int) -> str:
    """Draw two to four steps a job, each on every machine, 1 to 20 long."""
    chance = random.Random(f"kacem:{jobs}:{machines}:{seed}")
    drawn = [
        [[(m, chance.randint(1, 20)) for m in range(machines)] for _ in range(chance.randint(2, 4))]
        for _ in range(jobs)
    ]
    return shop_text(drawn, machines)


def fattahi(jobs: int, machines: int, seed: int) -> str:
    """Draw three or four steps a job on one to three machines, 30 to 250 long."""
    chance = random.Random(f"fattahi:{jobs}:{machines}:{seed}")
    drawn = []
    for _ in range(jobs):
        steps = [chance.sample(range(machines), chance.randint(1, min(3, machines))) for _ in range(3)]
        drawn.append([[(m, chance.randint(30, 250)) for m in sorted(step)] for step in steps])
    return shop_text(drawn, machines)


@dataclass(frozen=True, slots=True)
class Net:
    """The parameters of ProGen: activities, modes, network complexity, resource factor and strength."""

    count: int
    complexity: float = 1.8
    factor: float = 1.0
    strength: float = 0.2
    modes: int = 1
    stocks: int = 0
    stock_strength: float = 0.5
    kinds: int = 4


def _arcs(chance: random.Random, count: int, complexity: float) -> list[list[int]]:
    """Draw successors: three starts and three ends, then arcs until the complexity is reached; 0 and the last wrap."""
    last = count + 1
    later: list[set[int]] = [set() for _ in range(count + 2)]
    first = set(range(1, 4))
    for number in range(4, count + 1):
        later[chance.randrange(max(1, number - 12), number)].add(number)
    for number in range(1, count - 2):
        if not later[number]:
            later[number].add(chance.randrange(number + 1, min(count, number + 12) + 1))
    while sum(map(len, later)) < complexity * count:
        number = chance.randrange(1, count - 3)
        if len(later[number]) < 3:
            later[number].add(chance.randrange(max(4, number + 1), min(count, number + 15) + 1))
    named = set().union(*later)
    later[0] = first | {n for n in range(1, count + 1) if n not in named}
    for number in range(1, count + 1):
        if not later[number]:
            later[number].add(last)
    return [sorted(each) for each in later]


def _peak(net: Net, later: list[list[int]], modes: list[list[tuple[int, list[int]]]], kind: int) -> int:
    """Tell the most of a resource in use where everything starts at once and takes the mode that wants most of it."""
    start = [0] * (net.count + 2)
    chosen = [max(each, key=lambda mode: mode[1][kind]) for each in modes]
    for number in range(net.count + 2):
        for each in later[number]:
            start[each] = max(start[each], start[number] + chosen[number][0])
    horizon = max(s + c[0] for s, c in zip(start, chosen, strict=True))
    used = [0] * (horizon + 1)
    for s, (duration, amounts) in zip(start, chosen, strict=True):
        for moment in range(s, s + duration):
            used[moment] += amounts[kind]
    return max(used)


@dataclass(frozen=True, slots=True)
class _Drawn:
    later: list[list[int]]
    modes: list[list[tuple[int, list[int]]]]
    capacities: list[int]


def _progen(net: Net, chance: random.Random) -> _Drawn:
    later = _arcs(chance, net.count, net.complexity)
    kinds = net.kinds + net.stocks
    modes: list[list[tuple[int, list[int]]]] = [[(0, [0] * kinds)]]
    for _ in range(net.count):
        used = [chance.random() < net.factor for _ in range(kinds)]
        durations = sorted(chance.randint(1, 10) for _ in range(net.modes))
        # A longer mode asks for less.
        amounts = [sorted((chance.randint(1, 10) for _ in durations), reverse=True) for _ in range(kinds)]
        modes.append([(d, [amounts[k][m] if used[k] else 0 for k in range(kinds)]) for m, d in enumerate(durations)])
    modes.append([(0, [0] * kinds)])
    capacities = []
    for kind in range(kinds):
        if kind < net.kinds:
            least = max(min(mode[1][kind] for mode in each) for each in modes)
            most, strength = _peak(net, later, modes, kind), net.strength
        else:
            least = sum(min(mode[1][kind] for mode in each) for each in modes)
            most, strength = sum(max(mode[1][kind] for mode in each) for each in modes), net.stock_strength
        capacities.append(least + round(strength * (max(most, least) - least)))
    return _Drawn(later, modes, capacities)


def patterson(net: Net, seed: int) -> str:
    """Draw a single-mode project and write it as Patterson's `.rcp`."""
    drawn = _progen(net, random.Random(f"progen:{net}:{seed}"))
    lines = [f"{net.count + 2} {net.kinds}", " ".join(map(str, drawn.capacities))]
    for later, modes in zip(drawn.later, drawn.modes, strict=True):
        duration, amounts = modes[0]
        lines.append(" ".join(map(str, [duration, *amounts, len(later), *(each + 1 for each in later)])))
    return "\n".join(lines) + "\n"


def psplib(net: Net, seed: int) -> str:
    """Draw a project of several modes and write it as PSPLIB's `.mm` (one mode: `.sm`)."""
    drawn = _progen(net, random.Random(f"progen:{net}:{seed}"))
    stars, count = "*" * 72, net.count + 2
    names = [f"R {n + 1}" for n in range(net.kinds)] + [f"N {n + 1}" for n in range(net.stocks)]
    lines = [
        stars,
        f"file with basedata            : drawn_{seed}.bas",
        f"initial value random generator: {seed}",
        stars,
    ]
    lines += ["projects                      :  1", f"jobs (incl. supersource/sink ):  {count}"]
    lines += [f"horizon                       :  {sum(max(d for d, _ in each) for each in drawn.modes)}", "RESOURCES"]
    lines += [f"  - renewable                 :  {net.kinds}   R", f"  - nonrenewable              :  {net.stocks}   N"]
    lines += ["  - doubly constrained        :  0   D", stars, "PROJECT INFORMATION:"]
    lines += [
        "pronr.  #jobs rel.date duedate tardcost  MPM-Time",
        f"    1     {net.count}      0       0        0        0",
    ]
    lines += [stars, "PRECEDENCE RELATIONS:", "jobnr.    #modes  #successors   successors"]
    for number, (later, modes) in enumerate(zip(drawn.later, drawn.modes, strict=True), 1):
        lines.append(f"  {number:>3} {len(modes):>8} {len(later):>10}     " + " ".join(f"{n + 1:>4}" for n in later))
    lines += [stars, "REQUESTS/DURATIONS:", "jobnr. mode duration  " + "  ".join(names), "-" * 72]
    for number, modes in enumerate(drawn.modes, 1):
        for mode, (duration, amounts) in enumerate(modes, 1):
            head = f"{number:>3}" if mode == 1 else "   "
            lines.append(f"{head} {mode:>6} {duration:>5}   " + " ".join(f"{n:>4}" for n in amounts))
    lines += [stars, "RESOURCEAVAILABILITIES:", "  " + "  ".join(names)]
    lines += ["  " + " ".join(f"{n:>4}" for n in drawn.capacities), stars]
    return "\n".join(lines) + "\n"


def mplib(projects: int, net: Net, seed: int, last_release: int = 0) -> str:
    """Draw projects that share resources and write them in MPLIB's form; `last_release` spreads their beginnings."""
    chance = random.Random(f"mplib:{projects}:{net}:{seed}")
    drawn = [_progen(net, chance) for _ in range(projects)]
    capacities = [max(each.capacities[kind] for each in drawn) for kind in range(net.kinds)]
    lines = [str(projects), str(net.kinds), " ".join(map(str, capacities))]
    for number, each in enumerate(drawn, 1):
        lines += ["", f"{net.count + 2} {chance.randint(0, last_release)}", " ".join(["1"] * net.kinds)]
        for later, modes in zip(each.later, each.modes, strict=True):
            duration, amounts = modes[0]
            words = [duration, *amounts, len(later), *(f"{number}:{n + 1}" for n in later)]
            lines.append(" ".join(map(str, words)))
    return "\n".join(lines) + "\n"


def assignment(kind: str, agents: int, items: int, seed: int) -> str:
    """Draw an assignment of one of the classes a to e, in the form of minimum cost."""
    rng = np.random.default_rng([ord(kind), agents, items, seed])
    shape = (agents, items)
    if kind in "abc":
        sizes, costs = rng.integers(5, 26, shape), rng.integers(10, 51, shape)
    elif kind == "d":
        sizes = rng.integers(1, 101, shape)
        costs = 111 - sizes + rng.integers(-10, 11, shape)
    else:
        sizes = np.maximum(1, (1 - 10 * np.log(1 - rng.random(shape))).astype(int))
        costs = (1000 / sizes - 10 * rng.random(shape)).astype(int)
    if kind in "ab":
        cheapest = costs.argmin(axis=0)
        most = max(int(sizes[agent][cheapest == agent].sum()) for agent in range(agents))
        loose = 0.6 * items / agents * 15 + 0.4 * most
        capacities = np.full(agents, int(loose if kind == "a" else 0.7 * loose))
    else:
        capacities = (0.8 * sizes.sum(axis=1) / agents).astype(int)
    rows = [[agents, items], *costs.tolist(), *sizes.tolist(), capacities.tolist()]
    return "\n".join(" ".join(map(str, row)) for row in rows) + "\n"


J60, J120 = Net(60, 1.5, 1.0, 0.2), Net(120, 1.5, 1.0, 0.2)
MODES_30 = Net(30, 1.8, 0.75, 0.25, modes=3, stocks=2, stock_strength=0.5, kinds=2)
MODES_50 = Net(50, 1.8, 1.0, 0.25, modes=3, stocks=2, stock_strength=0.4, kinds=2)

FAMILIES: dict[str, Callable[[int], str]] = {
    **{f"brandimarte-{name}": lambda seed, name=name: brandimarte(name, seed) for name in BRANDIMARTE},  # type: ignore[misc] # mypy does not take the default of a lambda
    "hurink-edata-15x10": lambda seed: hurink(15, 10, "edata", seed),
    "hurink-rdata-15x10": lambda seed: hurink(15, 10, "rdata", seed),
    "hurink-vdata-15x10": lambda seed: hurink(15, 10, "vdata", seed),
    "hurink-edata-15x15": lambda seed: hurink(15, 15, "edata", seed),
    "hurink-rdata-15x15": lambda seed: hurink(15, 15, "rdata", seed),
    "hurink-vdata-30x10": lambda seed: hurink(30, 10, "vdata", seed),
    "dauzere-10x5": lambda seed: dauzere(10, 5, 0.3, seed),
    "dauzere-20x10": lambda seed: dauzere(20, 10, 0.3, seed),
    "barnes-15x10": lambda seed: barnes(15, 10, 3, seed),
    "behnke-20x20": lambda seed: behnke(20, 20, seed),
    "behnke-50x20": lambda seed: behnke(50, 20, seed),
    "behnke-50x40": lambda seed: behnke(50, 40, seed),
    "behnke-100x60": lambda seed: behnke(100, 60, seed),
    "kacem-15x10": lambda seed: kacem(15, 10, seed),
    "fattahi-12x8": lambda seed: fattahi(12, 8, seed),
    "j30": lambda seed: patterson(Net(30), seed),
    "j60": lambda seed: patterson(J60, seed),
    "j90": lambda seed: patterson(Net(90, 1.8, 1.0, 0.2), seed),
    "j120": lambda seed: psplib(J120, seed),
    "j30-modes": lambda seed: psplib(MODES_30, seed),
    "j50-modes": lambda seed: psplib(MODES_50, seed),
    "projects-24": lambda seed: mplib(24, Net(60, 1.5, 0.8, 0.4), seed, 200),
    **{
        f"gap-{kind}-{agents}x{items}": lambda seed, a=agents, i=items, k=kind: assignment(k, a, i, seed)  # type: ignore[misc] # as above
        for kind, agents, items in (
            ("a", 20, 200),
            ("b", 20, 200),
            ("c", 20, 200),
            ("d", 20, 200),
            ("e", 20, 400),
            ("d", 80, 400),
            ("e", 80, 1600),
            ("d", 80, 1600),
        )
    },
}


def drawn(family: str, seed: int = 1) -> Problem:
    """Draw one problem of a family, through the reader of its format."""
    return parse(FAMILIES[family](seed), f"drawn-{family}-{seed}")
