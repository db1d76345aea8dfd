"""The child process that runs somebody's Python function, and what it shares with the one for FMUs.

Run as `python -m interwork.design.models.runner SECONDS` with a task (MessagePack) on standard input; the answer goes
to standard output and whatever the model prints to standard error. It starts with an empty environment in a folder of
its own, limits itself and puts up its walls before it reads a byte; a wall the kernel refuses is told in the answer. A
node runs only what somebody it trusts has signed all the same. What a model raises ends the process; the last line of
the trace is what its user reads.
"""

import ast
import math
import os
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from interwork.core.design import Course, Port
from interwork.core.errors import BadInput
from interwork.design import walls
from interwork.design.child import set_limits
from interwork.design.models.running import Described, Outcome, Reply, Task

PORTS_MAX = 500
Keep = Callable[[Sequence[float], Mapping[str, Sequence[float]]], None]
"""Takes the moments of a run in seconds and what each output was at them."""
Evaluate = Callable[[Mapping[str, float], float, Keep | None], dict[str, float]]
"""Given inputs and a step in seconds, gives the outputs at the end; tells `Keep` how they went, where asked."""


class _Declared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of INPUTS or OUTPUTS."""

    unit: str = "1"
    low: float | None = None
    high: float | None = None
    default: float | None = None
    text: str = ""


def describe_python(content: bytes) -> Described:
    """Read INPUTS and OUTPUTS of a module without running it."""
    try:
        module = ast.parse(content.decode())
    except (SyntaxError, ValueError, RecursionError) as fault:
        raise BadInput(f"it is no Python: {fault}.") from fault
    found: dict[str, tuple[Port, ...]] = {}
    for statement in module.body:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            continue
        if statement.targets[0].id in ("INPUTS", "OUTPUTS"):
            found[statement.targets[0].id] = _ports(statement.value)
    functions = [one.name for one in module.body if isinstance(one, ast.FunctionDef)]
    if "run" not in functions or not found.get("OUTPUTS"):
        raise BadInput(
            "it is no model.",
            remedy='Give INPUTS = {"speed": {"unit": "{rpm}"}}, OUTPUTS likewise, and def run(speed) returning them.',
        )
    return Described(
        inputs=found.get("INPUTS", ()), outputs=found["OUTPUTS"], text=(ast.get_docstring(module) or "")[:2000]
    )


def _ports(value: ast.expr) -> tuple[Port, ...]:
    try:
        said = msgspec.convert(ast.literal_eval(value), type=dict[str, _Declared])
    except (ValueError, TypeError, msgspec.ValidationError) as fault:
        raise BadInput(f"its interface cannot be read: {fault}.", remedy="Write it as plain values.") from fault
    return tuple(Port(name=name, **msgspec.to_builtins(one)) for name, one in list(said.items())[:PORTS_MAX])


def number(text: Any) -> float | None:  # noqa: ANN401 - attributes of XML
    """Read a finite number; None for anything else."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def open_python(task: Task) -> Evaluate:
    """Load a Python function."""
    Path("model.py").write_bytes(task.content)
    function = runpy.run_path("model.py", run_name="model").get("run")
    if not callable(function):
        raise BadInput("its `run` is no function.")

    def evaluate(inputs: Mapping[str, float], _step_s: float, _keep: Keep | None) -> dict[str, float]:
        gave = function(**inputs)
        if not isinstance(gave, Mapping):
            raise BadInput(f"it gave {type(gave).__name__}, not its outputs by name.")
        return outputs_of(gave, task)

    return evaluate


def outputs_of(gave: Mapping[str, Any], task: Task) -> dict[str, float]:
    """Take the outputs a task wants, each a finite number."""
    found = {name: number(gave.get(name)) for name in task.outputs}
    missing = [name for name, value in found.items() if value is None]
    if missing:
        raise BadInput(f"it gave no finite {', '.join(missing)}.")
    return {name: value for name, value in found.items() if value is not None}


def main(arguments: list[str], describe: Callable[[bytes], Described], prepare: Callable[[Task], Evaluate]) -> int:
    """Take a task from standard input and answer on standard output."""
    set_limits(int(arguments[0]))
    missing = walls.put_up(Path.cwd())
    answer_to = os.dup(1)
    os.dup2(2, 1)
    try:
        reply = _work(msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Task), describe, prepare)
    except MemoryError:
        reply = Reply(refusal="it needs more memory than allowed.")
    except BadInput as refusal:
        reply = Reply(refusal=refusal.message, remedy=refusal.remedy)
    with os.fdopen(answer_to, "wb") as out:
        out.write(msgspec.msgpack.encode(msgspec.structs.replace(reply, missing=missing)))
    return 0


def _work(task: Task, describe: Callable[[bytes], Described], prepare: Callable[[Task], Evaluate]) -> Reply:
    if task.act == "describe":
        return Reply(described=describe(task.content))
    evaluate = prepare(task)
    courses: list[Course] = []

    def keep(times_s: Sequence[float], values: Mapping[str, Sequence[float]]) -> None:
        courses.append(thinned(len(courses), times_s, values, task.samples))

    outputs = tuple(
        evaluate(point, task.step_s, keep if number < task.followed else None)
        for number, point in enumerate(task.points)
    )
    finer = {index: evaluate(task.points[index], task.step_s / 2, None) for index in task.checked}
    return Reply(outcome=Outcome(outputs=outputs, courses=tuple(courses), finer=finer))


def thinned(point: int, times_s: Sequence[float], values: Mapping[str, Sequence[float]], most: int) -> Course:
    """Keep each so-many-th moment and the last, so that at most about `most` stand in the record."""
    every = max(1, -(-len(times_s) // max(2, most)))
    last = len(times_s) - 1
    kept = [*range(0, last, every), last]
    for name, row in values.items():
        if not all(math.isfinite(row[at]) for at in kept):
            raise BadInput(f"its {name} is not finite all the way.", remedy="Take a smaller step, or other inputs.")
    return Course(
        point=point,
        times_s=tuple(float(times_s[at]) for at in kept),
        values={name: tuple(float(row[at]) for at in kept) for name, row in values.items()},
        every=every,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], describe_python, open_python))
