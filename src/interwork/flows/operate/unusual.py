"""What is unusual: normal is learnt from each machine's history now and then, and the present is held against it."""

from array import array
from dataclasses import dataclass

import numpy as np

from interwork.core.clock import from_us, to_us
from interwork.core.operating import Normal
from interwork.core.resource import Batch, Meaning, Resource, Signal
from interwork.flows.node import Node
from interwork.flows.operate.inputs import Inputs, gather, machines
from interwork.store import Change
from interwork.stream import batch_of
from interwork.stream.insight import Unusual
from interwork.stream.insight.anomaly import STEP_US, judge, learn, minutes_of, ranked
from interwork.stream.insight.facts import Span

LEARN_STEPS, JUDGE_STEPS = 1440, 60
"""Steps that are learnt from, and steps that are looked at now; a step is a minute of the machine's own time."""
GUARD_STEPS = 60
"""Steps before now that are not learnt from, so that what goes wrong is not learnt as normal."""
STEP_MIN_US = 1_000_000
TOTALS = frozenset({Meaning.PART_COUNT, Meaning.ENERGY, Meaning.WATER})
SIGNALS_MAX = 400
"""Signals of one machine that are watched for the unusual."""


def step_of(resource: Resource) -> int:
    """Tell how long a minute of the machine's own time is, in real µs."""
    return max(STEP_MIN_US, int(STEP_US / resource.time_scale))


async def learn_normals(node: Node) -> int:
    """Learn what is normal for every number of every machine; count the signals learnt."""
    learnt = 0
    for resource in await machines(node):
        step = step_of(resource)
        end = to_us(node.clock()) // step * step - GUARD_STEPS * step
        span = (end - LEARN_STEPS * step, end)
        inputs = await gather(node, resource, span, ())
        change = Change()
        for signal in _watched(inputs.signals):
            states = learn(minutes_of(await _steps(node, signal, span), inputs.states, span, step_us=step))
            if states:
                learnt += 1
                change.put(
                    Normal(
                        id=signal.id,
                        resource=resource.id,
                        states=states,
                        start=from_us(span[0]),
                        end=from_us(span[1]),
                        at=node.clock(),
                    )
                )
        if change.steps:
            await node.store.commit(change)
    return learnt


def _watched(signals: tuple[Signal, ...]) -> list[Signal]:
    """Choose the numbers that can be unusual: counters only ever grow."""
    return _numbers(signals)[:SIGNALS_MAX]


def _numbers(signals: tuple[Signal, ...]) -> list[Signal]:
    return [one for one in signals if not one.is_text and one.is_read and one.meaning not in TOTALS]


async def _steps(node: Node, signal: Signal, span: Span) -> Batch:
    """Read a signal's mean per step, as readings; the historian answers from its roll-ups where it has them."""
    trend = await node.historian.trend(signal.number, *span, points=LEARN_STEPS)
    times = np.frombuffer(trend.time_us, np.int64) if len(trend.time_us) else np.zeros(0, np.int64)
    rows = len(times)
    values = np.frombuffer(trend.mean, np.float64) if rows else np.zeros(0)
    return batch_of(np.full(rows, signal.number), times, values, np.zeros(rows))


async def unusual(node: Node, resource: Resource) -> list[tuple[Signal, Unusual]]:
    """Rank what is unusual at one machine now."""
    normals = {one.id: one for one in await node.store.find(Normal, resource=resource.id, limit=5000)}
    if not normals:
        return []
    signals = _numbers(tuple(await node.store.find(Signal, id=sorted(normals), limit=5000)))
    step = step_of(resource)
    end = to_us(node.clock()) // step * step
    span = (end - JUDGE_STEPS * step, end)
    inputs = await gather(node, resource, span, (), signals)
    return _ranked(inputs, signals, normals, step)


def _ranked(
    inputs: Inputs, signals: list[Signal], normals: dict[str, Normal], step: int
) -> list[tuple[Signal, Unusual]]:
    nothing = Batch(signal=array("i"), time_us=array("q"), value=array("d"), quality=array("I"))
    found = {}
    for signal in signals:
        batch = inputs.columns.get(signal.number, nothing)
        told = judge(
            signal.number,
            normals[signal.id].states,
            minutes_of(batch, inputs.states, inputs.span, step_us=step),
        )
        if told is not None:
            found[signal.number] = (signal, told)
    return [found[one.number] for one in ranked([told for _, told in found.values()])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """How much of a plant can be called unusual at all."""

    learnt: int
    """Signals whose normal is known."""
    signals: int

    @property
    def is_whole(self) -> bool:
        """Tell whether the normal of every signal is known."""
        return self.learnt >= self.signals


async def watched(node: Node) -> Watched:
    """Count the numbers of all machines, and those whose normal has been learnt."""
    own = [one.id for one in await machines(node)]
    if not own:
        return Watched(learnt=0, signals=0)
    normals = {one.id for one in await node.store.find(Normal, resource=own, limit=100_000)}
    found = [one.id for one in _numbers(tuple(await node.store.find(Signal, resource=own, limit=100_000)))]
    return Watched(learnt=sum(one in normals for one in found), signals=len(found))


async def plant_unusual(node: Node, *, most: int = 20) -> list[tuple[Resource, Signal, Unusual]]:
    """Rank what is unusual over all machines of this node, the most unusual first."""
    found = [
        (resource, signal, told) for resource in await machines(node) for signal, told in await unusual(node, resource)
    ]
    found.sort(key=lambda one: (-round(abs(one[2].score), 1), one[2].since_us))
    return found[:most]
