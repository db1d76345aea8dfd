"""The interface of a model: named quantities with units, checked before it runs and bound to what came of it."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from interwork.core.design import Course, Port
from interwork.core.errors import BadInput
from interwork.core.ids import digest_of
from interwork.core.units import convert, symbol

CONVERGED = 0.01
"""A result is called converged where halving the step moves no output by more than this share."""


class Quantity(msgspec.Struct, frozen=True, kw_only=True):
    """A value with its unit; an empty unit is the port's own."""

    value: float
    unit: str = ""


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """How a model in time is stepped; all 0 for a model without time."""

    step_s: float = 0.0
    stop_s: float = 0.0
    start_s: float = 0.0


def take_in(ports: Sequence[Port], given: Mapping[str, Quantity], *, of: str) -> dict[str, float]:
    """Turn what was given into the units of a model's inputs; BadInput names every input that does not fit."""
    known = {port.name for port in ports}
    unknown = sorted(set(given) - known)
    faults = [f"{name[:60]!r} is no input" for name in unknown]
    taken: dict[str, float] = {}
    for port in ports:
        try:
            taken[port.name] = _value(port, given.get(port.name))
        except BadInput as fault:
            faults.append(fault.message.rstrip("."))
    if faults:
        raise BadInput(
            f"«{of}» cannot run with these inputs: {'; '.join(faults)}.",
            remedy=f"Its inputs are {', '.join(said(port) for port in ports) or 'none'}.",
        )
    return taken


def _value(port: Port, given: Quantity | None) -> float:
    if given is None:
        if port.default is None:
            raise BadInput(f"{port.name} is not given.")
        return port.default
    if not math.isfinite(given.value):
        raise BadInput(f"{port.name} is not finite.")
    value = float(convert(given.value, given.unit, port.unit) if given.unit else given.value)
    if (port.low is not None and value < port.low) or (port.high is not None and value > port.high):
        raise BadInput(f"{port.name} is {value:g} {symbol(port.unit)}, outside {_range(port)}.")
    return value


def _range(port: Port) -> str:
    low = "" if port.low is None else f"{port.low:g}"
    high = "" if port.high is None else f"{port.high:g}"
    return f"{low} – {high} {symbol(port.unit)}".strip()


def said(port: Port) -> str:
    """Tell a port in words: name, unit, range."""
    bounds = "" if port.low is None and port.high is None else f", {_range(port)}"
    return f"{port.name} [{port.unit}{bounds}]"


def canonical(model_digest: str, inputs: Sequence[Mapping[str, float]], steps: Steps) -> bytes:
    """Write what was asked of a model in the one way it is digested."""
    asked: dict[str, object] = {"model": model_digest, "inputs": [dict(one) for one in inputs]}
    asked |= {"step_s": steps.step_s, "stop_s": steps.stop_s}
    if steps.start_s:
        asked["start_s"] = steps.start_s
    return msgspec.json.encode(asked, order="sorted")


def result_digest(asked: bytes, outputs: Sequence[Mapping[str, float]], courses: Sequence[Course] = ()) -> str:
    """Bind outputs, and how they went, to what was asked."""
    went = msgspec.json.encode(list(courses), order="sorted") if courses else b""
    return digest_of(asked + msgspec.json.encode([dict(one) for one in outputs], order="sorted") + went)


def convergence(
    coarse: Sequence[Mapping[str, float]], fine: Mapping[int, Mapping[str, float]], step_s: float
) -> tuple[dict[str, float], str]:
    """Tell by what share each output moves when the step is halved, at the points that were run twice, and in words."""
    if not step_s or not fine:
        return {}, "The model has no time, so no step was chosen for it."
    change: dict[str, float] = {}
    for index, finer in fine.items():
        for name, value in coarse[index].items():
            scale = max(abs(value), abs(finer[name]), 1e-12)
            change[name] = max(change.get(name, 0.0), abs(value - finer[name]) / scale)
    worst = max(change, key=lambda name: change[name])
    verdict = "converged" if change[worst] <= CONVERGED else "NOT converged: take a smaller step"
    return change, f"At a step of {step_s:g} s; half of it moves {worst} by {change[worst]:.2%}: {verdict}."
