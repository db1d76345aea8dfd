"""The verb `bench`: solve benchmark files of the allocation field, a checked line for each."""

import argparse
import json
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from interwork.allocation import Limits, solve, verify
from interwork.allocation.engine import Interrupt, Step, Watch
from interwork.allocation.problem import Kind, Problem, Size, Solution, generate, write
from interwork.allocation.problem.assignment import is_maximum, maximised
from interwork.allocation.problem.best import Best, read_best
from interwork.allocation.problem.reading import name_of, read_all
from interwork.core.errors import BadInput, InterworkError

FORMATS = """\
formats, recognised by content, also compressed by gzip:
  flexible job shop text (Brandimarte, Hurink, ...), also with arcs and times between machines
  plain job shop text (machine and duration one after another)
  PSPLIB .sm and .mm, Patterson .rcp, MPLIB multi-project text
  job shop text with setups below the jobs: a square for each machine, between operations or between jobs
  generalised assignment text, also OR-Library's files of several problems (--sense tells least cost or most value)
  JSON of the model, as --generate writes it

Each line says instance, kind, objective, bound (proved: no plan can be better), gap_to_best ((objective - best) / best,
turned round where the most is asked for), seconds, status (optimal only with proof) and checked: what the independent
referee says of the plan. A file of several problems has a line for each, and each gets the seconds. A best value that
the bound proves to be of another problem is told in a note. A file that cannot be read has a line with error and
remedy; the others are solved, and the exit code is 1.

A table for --best has lines `instance value`, or columns with a head. Sets share names, so a name with a folder, as
hurink-edata/la01, counts for a file in such a folder alone.
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
    subject.add_argument(
        "--sense",
        choices=("auto", "min", "max"),
        default="auto",
        help="of assignments: least cost, most value, or most for OR-Library's gap1 to gap12 alone (%(default)s)",
    )
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
    best = read_best(arguments.best) if arguments.best else Best()
    if len(best.values) > 1:
        _refuse_misfit(len(best.values), arguments.files)
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


def _refuse_misfit(values: int, files: list[Path]) -> None:
    """Refuse as many best values as there are no problems; a file that cannot be read has one line too."""
    problems = 0
    for path in files:
        try:
            problems += len(read_all(path))
        except InterworkError:
            problems += 1
    if values != problems:
        raise BadInput(f"{values} best values for {problems} problems.", remedy="Give one, one each, or a table.")


def _run_all(arguments: argparse.Namespace, limits: Limits, best: Best, interrupt: Interrupt) -> int:
    failed = position = 0
    if not arguments.json:
        print(_line(None))
    for path in arguments.files:
        if interrupt.is_set:
            failed += 1
            print(f"interwork: {path} was not begun", file=sys.stderr)
            continue
        for row in measure(
            path, arguments.sense, limits, interrupt, is_told=arguments.progress, as_json=arguments.json
        ):
            _compare(row, path, best, position)
            position += 1
            failed += row["checked"] != "ok"
            print(json.dumps(row, ensure_ascii=False) if arguments.json else _line(row), flush=True)
    return min(1, failed)


def _compare(row: Row, path: Path, best: Best, position: int) -> None:
    """Hold a row against the best-known value; what the bound proves impossible is none of this problem."""
    value = best.of(path, row["instance"], position)
    row["best"] = value
    if value is None:
        other = best.elsewhere(row["instance"])
        row |= {"note": f"The table has {other}, which is in another folder."} if other else {}
    elif row["objective"] is not None:
        sign = -1 if row["sense"] == "max" else 1
        if sign * value < sign * row["bound"] - 1e-6 * max(1.0, abs(value)):
            row["note"] = f"No plan of this problem comes to {value:.10g}: that best value is of another one."
        row["gap_to_best"] = round(sign * (row["objective"] - value) / max(1e-9, abs(value)), 6) + 0.0


def _teller(problem: Problem, *, as_json: bool) -> Callable[[Step], None]:
    name, sign = problem.name, -1 if problem.is_maximum else 1

    def tell(step: Step) -> None:
        objective = round(sign * step.objective, 4) if math.isfinite(step.objective) else None
        bound = round(sign * step.bound, 4) if math.isfinite(step.bound) else None
        if as_json:
            row = {"instance": name, "seconds": step.seconds, "objective": objective, "bound": bound}
            line = json.dumps(row | {"solver": step.solver})
        else:
            figures = " ".join("-".rjust(14) if each is None else f"{each:>14.10g}" for each in (objective, bound))
            line = f"{name:<22} {figures} {'':>11} {step.seconds:>8.2f}  {step.solver}"
        print(line, file=sys.stderr, flush=True)

    return tell


def measure(
    path: Path, sense: str, limits: Limits, interrupt: Interrupt, *, is_told: bool = False, as_json: bool = False
) -> Iterator[Row]:
    """Read, solve and check the problems of one file; what is wrong with it is said in its row."""
    began = time.monotonic()
    try:
        problems = [_in_sense(each, sense, path) for each in read_all(path)]
    except InterworkError as fault:
        yield _not_read(path, fault, began)
        return
    for problem in problems:
        watch = Watch(_teller(problem, as_json=as_json)) if is_told else None
        try:
            solution = solve(problem, limits, interrupt=interrupt, began=began, watch=watch)
        except InterworkError as fault:
            yield _not_read(path, fault, began)
        else:
            seconds = _since(began)
            yield _told(path, problem, solution) | {"seconds": seconds}
        began = time.monotonic()


def _in_sense(problem: Problem, sense: str, path: Path) -> Problem:
    """Ask for the least or the most, as told; an assignment of OR-Library's gap1 to gap12 for the most."""
    if problem.kind is not Kind.ASSIGNMENT or problem.is_maximum:
        if sense == "max" and not problem.is_maximum:
            raise BadInput(
                f"{path} is a {problem.kind.value}, of which the least is asked for.", remedy="Leave --sense."
            )
        return problem
    return maximised(problem) if sense == "max" or (sense == "auto" and is_maximum(name_of(path))) else problem


def _not_read(path: Path, fault: InterworkError, began: float) -> Row:
    nothing = dict.fromkeys(("kind", "sense", "objective", "bound", "best", "gap_to_best", "gap", "solver"))
    row = {"instance": name_of(path), "file": str(path), "error": fault.message, "remedy": fault.remedy}
    return row | nothing | {"status": "not read", "checked": "not read", "seconds": _since(began)}


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def _told(path: Path, problem: Problem, solution: Solution) -> Row:
    faults = verify(problem, solution)
    is_solved = solution.is_solved
    sign = -1 if problem.is_maximum else 1
    return {
        "instance": problem.name,
        "file": str(path),
        "kind": problem.kind.value,
        "sense": "max" if problem.is_maximum else "min",
        "activities": len(problem.activities),
        "objective": round(sign * solution.objective, 4) if is_solved else None,
        "bound": round(sign * solution.bound, 4) if math.isfinite(solution.bound) else None,
        "best": None,
        "gap_to_best": None,
        "gap": round(solution.gap, 6) if is_solved else None,
        "status": solution.status.value,
        "solver": solution.solver,
        "seed": solution.seed,
        "checked": ("ok" if not faults else f"{len(faults)} faults: {faults[0]}") if is_solved else "no plan",
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
    bound = "-" if row["bound"] is None else f"{row['bound']:.10g}"
    figures = f"{objective:>14} {bound:>14} {gap:>11} {row['seconds']:>8.2f}"
    said = f"{row['kind']}{', most' if row['sense'] == 'max' else ''}, {row['solver']}"
    return (
        f"{row['instance']:<22} {figures}  {row['status']:<9} {row['checked']}  ({said}) {row.get('note', '')}".rstrip()
    )


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
