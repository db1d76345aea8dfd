"""Having a model described or run by a limited child process: wall, processor time, memory and answer are bounded."""

import math
from collections.abc import Mapping, Sequence

import msgspec
import structlog

from interwork.core.design import Course, Model, Port
from interwork.core.errors import BadInput, LimitReached
from interwork.design import child
from interwork.design.models.interface import Steps

log = structlog.get_logger()

SECONDS = 30.0
"""Wall and processor time of one call, all of its points together."""
ANSWER_BYTES = 2 * 2**20
FILE_BYTES = 64 * 2**20
"""The largest model file."""
STEPS_MAX = 1_000_000
FOLLOWED_MAX = 8
"""Points of a sweep whose course in time is kept."""
SAMPLES_MAX = 1_000
KEPT_MAX = 20_000
"""Values of all courses of a run together: they stand in its record."""
CHECKED_MAX = 12
"""Points of a sweep that are run again at half the step."""
RUNNERS = {"fmu": "interwork.design.models.fmi", "python": "interwork.design.models.runner"}
"""What runs each kind of model."""
_WAIT_S = 25.0


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What a model says of its interface."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    step_s: float = 0.0
    stop_s: float = 0.0
    text: str = ""
    missing: dict[str, str] = {}
    """Walls that did not stand around the process that read it, and why."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What the child is asked."""

    act: str
    """`describe` or `run`."""
    kind: str
    content: bytes
    points: tuple[dict[str, float], ...] = ()
    outputs: tuple[str, ...] = ()
    step_s: float = 0.0
    stop_s: float = 0.0
    start_s: float = 0.0
    checked: tuple[int, ...] = ()
    """Points that are run again at half the step."""
    followed: int = 0
    """How many of the first points are followed in time."""
    samples: int = 0
    """How many moments of each are kept at most."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run: outputs per point, and those of the checked points at half the step."""

    outputs: tuple[dict[str, float], ...] = ()
    courses: tuple[Course, ...] = ()
    finer: dict[int, dict[str, float]] = {}
    missing: dict[str, str] = {}
    """Walls that did not stand around the process that ran it, and why."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the child answers."""

    described: Described | None = None
    outcome: Outcome | None = None
    refusal: str = ""
    remedy: str = ""
    missing: dict[str, str] = {}


def kind_of(content: bytes, file_name: str) -> str:
    """Tell what kind of model a file is; BadInput for anything else."""
    if len(content) > FILE_BYTES:
        raise BadInput(f"{file_name} has {len(content) >> 20} MiB; a model has at most {FILE_BYTES >> 20}.")
    if content.startswith(b"PK\x03\x04") and file_name.lower().endswith(".fmu"):
        return "fmu"
    if file_name.lower().endswith(".py"):
        return "python"
    raise BadInput(f"{file_name} is no model.", remedy="Give an FMU (.fmu), or a Python function (.py).")


async def describe(content: bytes, kind: str, name: str, *, seconds: float = SECONDS) -> Described:
    """Read a model's interface."""
    reply = await _ask(Task(act="describe", kind=kind, content=content), name, seconds)
    if reply.described is None:
        raise BadInput(f"«{name}» gave no description of itself.")
    return msgspec.structs.replace(reply.described, missing=reply.missing)


async def run(
    content: bytes, model: Model, points: Sequence[Mapping[str, float]], steps: Steps, *, seconds: float = SECONDS
) -> Outcome:
    """Run a model at every point, and some of them at half the step; LimitReached where it does not end in time."""
    _check(steps, model.name)
    followed = min(len(points), FOLLOWED_MAX) if steps.step_s else 0
    some = sorted({round(k * (len(points) - 1) / max(1, CHECKED_MAX - 1)) for k in range(CHECKED_MAX)})
    task = Task(
        act="run",
        kind=model.kind,
        content=content,
        points=tuple(dict(one) for one in points),
        outputs=tuple(port.name for port in model.outputs),
        step_s=steps.step_s,
        stop_s=steps.stop_s,
        start_s=steps.start_s,
        followed=followed,
        samples=min(SAMPLES_MAX, KEPT_MAX // max(1, followed * len(model.outputs))),
        checked=tuple(one for one in some if one < len(points)) if steps.step_s else (),
    )
    reply = await _ask(task, model.name, seconds)
    if reply.outcome is None or len(reply.outcome.outputs) != len(points):
        raise BadInput(f"«{model.name}» gave no result.")
    return msgspec.structs.replace(reply.outcome, missing=reply.missing)


def _check(steps: Steps, name: str) -> None:
    if steps == Steps():
        return
    span = steps.stop_s - steps.start_s
    if not (all(map(math.isfinite, (steps.step_s, span))) and steps.start_s >= 0 and 0 < steps.step_s <= span):
        raise BadInput(
            f"«{name}» cannot go from {steps.start_s:g} to {steps.stop_s:g} s in steps of {steps.step_s:g} s.",
            remedy="Give a step above 0, a start from 0, and an end at least one step after it.",
        )
    if span / steps.step_s > STEPS_MAX:
        raise BadInput(f"That is over {STEPS_MAX:,} steps.", remedy="Take a longer step or an earlier end.")


async def _ask(task: Task, name: str, seconds: float) -> Reply:
    words = [str(max(1, math.ceil(seconds)))]
    async with child.slot(f"«{name}»", wait_s=_WAIT_S):
        try:
            said = await child.ask(
                RUNNERS[task.kind],
                words,
                msgspec.msgpack.encode(task),
                seconds=seconds,
                answer_bytes=ANSWER_BYTES,
            )
        except TimeoutError as fault:
            log.warning("model.stopped", model=name, seconds=seconds)
            raise LimitReached(
                f"«{name}» was stopped: it did not end within {seconds:g} s.",
                remedy="Ask for fewer points, a longer step or an earlier end.",
            ) from fault
    return _understand(said, name)


def _understand(said: child.Said, name: str) -> Reply:
    if said.is_too_long:
        raise LimitReached(f"«{name}» answered with more than {ANSWER_BYTES >> 20} MiB.")
    if said.code != 0:
        cause = child.cause_of(said)
        log.warning("model.failed", model=name, cause=cause)
        kind = LimitReached if "than allowed" in cause or "memory" in cause else BadInput
        raise kind(f"«{name}» did not run: {cause}.", remedy="Try it outside, and publish it again.")
    try:
        reply = msgspec.msgpack.decode(said.answer, type=Reply)
    except msgspec.MsgspecError as fault:
        raise BadInput(f"«{name}» gave no whole answer.") from fault
    if reply.missing:
        log.warning("model.unwalled", model=name, missing=reply.missing)
    if reply.refusal:
        raise BadInput(f"«{name}»: {reply.refusal}", remedy=reply.remedy)
    return reply
