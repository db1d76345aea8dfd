"""The verb `bench`: solve benchmark files of the allocation field, a checked line for each."""

import argparse
import json
import math
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interwork.allocation import Limits, read, solve, verify
from interwork.allocation.engine import Interrupt, Step, Watch
from interwork.allocation.problem import Problem, Size, Solution, generate, write
from interwork.allocation.problem.best import read_best
from interwork.allocation.problem.reading import name_of
from interwork.core.errors import BadInput, InterworkError

FORMATS = """\
formats, recognised by content, also compressed by gzip:
  flexible job shop text (Brandimarte, Hurink, ...), also with arcs and times between machines
  plain job shop text (machine and duration one after another)
  PSPLIB .sm and .mm, Patterson .rcp, MPLIB multi-project text
  generalised assignment text (minimum cost)
  JSON of the model, as --generate writes it

Each line says instance, kind, objective, bound (a proved lower bound), gap_to_best ((objective - best) / best),
seconds, status (optimal only with proof) and checked: what the independent referee says of the plan. A file that cannot
be read has a line with error and remedy; the others are solved, and the exit code is 1.
A first Ctrl-C ends the search with the best plan so far, a second one ends the program.
"""
Row = dict[str, Any]


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verb and its one subject."""
    verb = verbs.add_parser("bench", help="solve benchmark instances of the field and check the plans")
    subjects = verb.add_subparsers(dest="subject", metavar="SUBJECT", required=True)
    subject = subjects.add_parser(
        "allocation",
        help="job shops, projects, assignments, networks",
        description="Solve allocation benchmark files, each within its time, and print a checked line for each.",
        epilog=FORMATS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subject.add_argument("files", type=Path, nargs="*", metavar="FILE", help="benchmark files")
    subject.add_argument("--seconds", type=float, default=30.0, help="for each file, reading included (%(default)s)")
    subject.add_argument("--best", metavar="V|FILE", help="best-known value(s), with commas, or a table of them")
    subject.add_argument("--seed", type=int, default=1, help="of every random choice (%(default)s)")
    subject.add_argument(
        "--effort",
        type=int,
        default=0,
        help="a fixed amount of work instead of the clock: the same plan on any machine (1 is about a second)",
    )
    subject.add_argument("--generate", metavar="NEEDS,MACHINES,SITES,SEED", help="write a network of the benchmark")
    subject.add_argument("-o", "--output", type=Path, help="where --generate writes; standard output if not given")
    subject.add_argument(
        "--progress", action="store_true", help="tell each better plan and bound as it comes, on the error stream"
    )
    subject.add_argument("--json", action="store_true", help="a JSON object a line")
    subject.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Solve the files or write a network; 0 where every plan was found and checked."""
    if arguments.generate:
        return _generate(arguments.generate, arguments.output)
    if not arguments.files:
        raise BadInput("Which files?", remedy="Give benchmark files, or --generate NEEDS,MACHINES,SITES,SEED.")
    if not 0.1 <= arguments.seconds <= 86_400 or not 0 <= arguments.seed < 2**31 or not 0 <= arguments.effort <= 10**6:
        raise BadInput(
            f"{arguments.seconds} s with seed {arguments.seed} and effort {arguments.effort} is no search.",
            remedy="Give 0.1 to 86400 s, a seed from 0 and an effort from 0.",
        )
    best = read_best(arguments.best, [name_of(each) for each in arguments.files]) if arguments.best else {}
    limits = Limits(seconds=arguments.seconds, seed=arguments.seed, effort=arguments.effort)
    interrupt = Interrupt()

    def end(*_: object) -> None:
        if interrupt.is_set:
            raise KeyboardInterrupt
        interrupt.set()

    previous = signal.signal(signal.SIGINT, end)
    try:
        return _run_all(arguments, limits, best, interrupt)
    finally:
        signal.signal(signal.SIGINT, previous)


def _run_all(arguments: argparse.Namespace, limits: Limits, best: dict[str, float], interrupt: Interrupt) -> int:
    failed = 0
    if not arguments.json:
        print(_line(None))
    for path in arguments.files:
        if interrupt.is_set:
            failed += 1
            print(f"interwork: {path} was not begun", file=sys.stderr)
            continue
        watch = Watch(_teller(name_of(path), as_json=arguments.json)) if arguments.progress else None
        row = measure(path, limits, best.get(name_of(path)), interrupt, watch)
        failed += row["checked"] != "ok"
        print(json.dumps(row, ensure_ascii=False) if arguments.json else _line(row), flush=True)
    return min(1, failed)


def _teller(name: str, *, as_json: bool) -> Callable[[Step], None]:
    def tell(step: Step) -> None:
        objective = round(step.objective, 4) if math.isfinite(step.objective) else None
        bound = round(step.bound, 4) if math.isfinite(step.bound) else None
        if as_json:
            row = {"instance": name, "seconds": step.seconds, "objective": objective, "bound": bound}
            line = json.dumps(row | {"solver": step.solver})
        else:
            figures = " ".join("-".rjust(14) if each is None else f"{each:>14.10g}" for each in (objective, bound))
            line = f"{name:<22} {figures} {'':>11} {step.seconds:>8.2f}  {step.solver}"
        print(line, file=sys.stderr, flush=True)

    return tell


def measure(path: Path, limits: Limits, best: float | None, interrupt: Interrupt, watch: Watch | None = None) -> Row:
    """Read, solve and check one file; what is wrong with it is said in its row."""
    began = time.monotonic()
    try:
        problem = read(path)
        solution = solve(problem, limits, interrupt=interrupt, began=began, watch=watch)
    except InterworkError as fault:
        nothing = dict.fromkeys(("kind", "objective", "bound", "gap_to_best", "gap", "solver"))
        row = {"instance": name_of(path), "error": fault.message, "remedy": fault.remedy, "best": best}
        return row | nothing | {"status": "not read", "checked": "not read", "seconds": _since(began)}
    seconds = _since(began)
    return _told(name_of(path), problem, solution, best) | {"seconds": seconds}


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def _told(name: str, problem: Problem, solution: Solution, best: float | None) -> Row:
    faults = verify(problem, solution)
    is_solved = solution.is_solved
    is_compared = is_solved and best is not None
    checked = ("ok" if not faults else f"{len(faults)} faults: {faults[0]}") if is_solved else "no plan"
    gap = round((solution.objective - (best or 0.0)) / max(1e-9, abs(best or 0.0)), 6) if is_compared else None
    return {
        "instance": name,
        "kind": problem.kind.value,
        "activities": len(problem.activities),
        "objective": round(solution.objective, 4) if is_solved else None,
        "bound": round(solution.bound, 4),
        "best": best,
        "gap_to_best": gap,
        "gap": round(solution.gap, 6) if is_solved else None,
        "status": solution.status.value,
        "solver": solution.solver,
        "seed": solution.seed,
        "checked": checked,
    }


def _line(row: Row | None) -> str:
    """Write a row, or the heads of the columns, for people."""
    if row is None:
        heads = f"{'instance':<22} {'objective':>14} {'bound':>14} {'gap_to_best':>11} {'seconds':>8}  status"
        return f"{heads}    checked"
    if "error" in row:
        return f"{row['instance']:<22} {row['error']} {row['remedy']}"
    gap = "-" if row["gap_to_best"] is None else f"{100 * row['gap_to_best']:.2f} %"
    objective = "-" if row["objective"] is None else f"{row['objective']:.10g}"
    figures = f"{objective:>14} {row['bound']:>14.10g} {gap:>11} {row['seconds']:>8.2f}"
    return f"{row['instance']:<22} {figures}  {row['status']:<9} {row['checked']}  ({row['kind']}, {row['solver']})"


def _generate(asked: str, output: Path | None) -> int:
    words = asked.split(",")
    if len(words) != 4 or not all(each.strip().isdigit() for each in words):
        raise BadInput(
            f"{asked!r} is no size.", remedy="Give --generate NEEDS,MACHINES,SITES,SEED, such as 400,96,12,1."
        )
    needs, machines, sites, seed = (int(each) for each in words)
    body = write(generate(Size(needs=needs, machines=machines, sites=sites, seed=seed)))
    if output is None:
        sys.stdout.write(body.decode() + "\n")
        return 0
    try:
        output.write_bytes(body)
    except OSError as fault:
        raise BadInput(f"{output} cannot be written: {fault.strerror}.", remedy="Give another path.") from fault
    return 0
