"""Evidence: what the historian and the inspection say about a finished run, hashed and signed by its provider."""

import msgspec

from interwork.core.clock import to_us
from interwork.core.ids import derived_id, digest_of
from interwork.core.making import Evidence, Inspection, Order, Run
from interwork.core.resource import Batch, BatchBuilder, Meaning, Resource, Signal
from interwork.core.units import convert
from interwork.flows.fulfil.setting import as_run
from interwork.flows.node import Node
from interwork.stream import RunFacts, process_capability, run_facts

READINGS_MAX = 1_000_000
"""Readings of one signal read back for one run."""


async def prove(node: Node, run: Run, inspection: Inspection) -> tuple[Evidence, float | None]:
    """Compute a run's evidence from its readings and inspection; energy is None where no meter counts it."""
    assert run.started_at is not None
    assert run.ended_at is not None
    order = await node.store.get(Order, run.order)
    resource = await node.store.get(Resource, run.resource)
    signals = await node.store.find(Signal, resource=run.resource, limit=1000)
    told = await _facts(node, run, signals)
    everything = await node.historian.readings(
        [signal.number for signal in signals], to_us(run.started_at), to_us(run.ended_at), limit=READINGS_MAX
    )
    facts = Evidence(
        id="",
        run=run.id,
        order=order.id,
        job=order.job,
        provider=node.did,
        provider_name=node.settings.name,
        resource=run.resource,
        resource_name=resource.name,
        operation_name=run.operation_name,
        started_at=run.started_at,
        ended_at=run.ended_at,
        quantity=run.quantity,
        good=run.good,
        scrap=run.scrap,
        planned_energy_kwh=run.setup_energy_kwh + run.quantity * run.unit_energy_kwh,
        energy_kwh=told.energy_kwh,
        planned_s=run.setup_s + run.quantity * run.unit_s,
        observed_s=told.active_s if told.coverage else (run.ended_at - run.started_at).total_seconds() * run.time_scale,
        readings=len(everything),
        coverage=told.coverage,
        inspection=inspection,
        cpk=process_capability(inspection.measurements),
        is_simulated=run.is_simulated,
        time_scale=run.time_scale,
        digest="",
        signature="",
        due=next((line.end for line in order.lines if line.assignment == run.assignment), None),
        settings=as_run(run, signals, everything),
    )
    return seal(node, facts), told.energy_kwh


def seal(node: Node, facts: Evidence) -> Evidence:
    """Name evidence by its facts and sign the name."""
    digest = facts_digest(facts)
    return msgspec.structs.replace(
        facts, id=derived_id("evidence", digest), digest=digest, signature=node.identity.sign(digest)
    )


def facts_digest(evidence: Evidence) -> str:
    """Digest the facts of evidence: everything but id, digest and signature, as canonical JSON."""
    bare = msgspec.structs.asdict(msgspec.structs.replace(evidence, id="", digest="", signature=""))
    if evidence.settings == ():  # evidence sealed before settings travelled keeps its name
        del bare["settings"]
    return digest_of(msgspec.json.encode(bare, order="sorted"))


async def _facts(node: Node, run: Run, signals: list[Signal]) -> RunFacts:
    """Put together what the run's readings say."""
    assert run.started_at is not None
    assert run.ended_at is not None
    span = (to_us(run.started_at), to_us(run.ended_at))
    execution = next((one.number for one in signals if one.meaning is Meaning.EXECUTION), None)
    return run_facts(
        {} if execution is None else await node.historian.durations(execution, *span),
        span=span,
        energy=await counter(node, run, Meaning.ENERGY),
        time_scale=run.time_scale,
    )


async def counter(node: Node, run: Run, meaning: Meaning) -> Batch | None:
    """Read a counter over a run, beginning with what it stood at; energy in kWh whatever the machine counts in."""
    assert run.started_at is not None
    signals = await node.store.find(Signal, resource=run.resource, meaning=meaning, limit=1)
    if not signals:
        return None
    start_us, end_us = to_us(run.started_at), to_us(run.ended_at or node.clock())
    read = await node.historian.readings([signals[0].number], start_us + 1, end_us, limit=READINGS_MAX)
    factor = convert(1.0, signals[0].unit, "kW.h") if meaning is Meaning.ENERGY else 1.0
    base = run.energy_at_start_kwh if meaning is Meaning.ENERGY else run.count_at_start
    builder = BatchBuilder()
    if base is not None:
        builder.add(signals[0].number, start_us, base)
    for time_us, value, quality in zip(read.time_us, read.value, read.quality, strict=True):
        builder.add(signals[0].number, time_us, value * factor, quality)
    return builder.take()
