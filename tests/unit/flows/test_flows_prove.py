from datetime import datetime, timedelta

import pytest
from flows_world import (
    HOUR,
    START,
    evidence_of,
    inspection_of,
    line,
    mill,
    order_of,
    run_of,
    say,
    signal,
)
from msgspec.structs import fields, replace

from interwork.core.errors import InterworkError, PeerError
from interwork.core.exchange import Side
from interwork.core.making import Evidence, OrderState, RunState
from interwork.core.resource import Meaning
from interwork.flows.fulfil.prove import facts_digest, prove, seal
from interwork.flows.make_part.learn import verify
from interwork.store import Change

ENERGY, EXECUTION = 1, 2
NOT_FACTS = {"id", "digest", "signature"}


def other_than(value):
    """Make a value of the same kind that is another one."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case datetime():
            return value + timedelta(seconds=1)
        case _:
            return None


async def finished(node, *signals, **changes):
    """Record a run that took the hour after START, with the signals of its machine."""
    order = order_of(line("a-run-1"), side=Side.PROVIDER, state=OrderState.IN_WORK)
    run = replace(run_of(state=RunState.COMPLETED, started_at=START, ended_at=START + HOUR, good=3), **changes)
    change = Change("test").put(mill()).put(order).put(run)
    for one in signals:
        change.put(one)
    await node.store.commit(change)
    return run


@pytest.mark.parametrize("name", [one.name for one in fields(Evidence) if one.name not in NOT_FACTS])
def test_the_digest_changes_with_any_fact(name):
    facts = evidence_of()
    changed = replace(facts, **{name: other_than(getattr(facts, name))})
    assert facts_digest(changed) != facts_digest(facts)


def test_the_digest_changes_with_a_single_measurement():
    changed = evidence_of(inspection=inspection_of(actual=(80.01, 80.02, 80.04)))
    assert facts_digest(changed) != facts_digest(evidence_of())


async def test_sealed_evidence_verifies_and_names_nothing_but_its_facts(shop):
    sealed = seal(shop, evidence_of(shop.did))
    await verify(shop, sealed)
    assert facts_digest(sealed) == sealed.digest == facts_digest(evidence_of(shop.did))
    assert seal(shop, evidence_of(shop.did)).id == sealed.id


async def test_evidence_whose_facts_were_changed_does_not_verify(shop):
    with pytest.raises(PeerError, match="does not have the digest"):
        await verify(shop, replace(seal(shop, evidence_of(shop.did)), good=99))


async def test_changed_facts_with_their_own_digest_do_not_verify_under_the_old_signature(shop):
    sealed = seal(shop, evidence_of(shop.did))
    forged = replace(sealed, good=99)
    with pytest.raises(InterworkError, match="verify"):
        await verify(shop, replace(forged, digest=facts_digest(forged)))


@pytest.mark.parametrize(("unit", "per_kwh"), [("kW.h", 1), ("W.h", 1000), ("J", 3.6e6)])
async def test_energy_is_in_kwh_whatever_the_meter_counts_in(shop, unit, per_kwh):
    run = await finished(shop, signal(ENERGY, Meaning.ENERGY, unit=unit), energy_at_start_kwh=100.0)
    quarter = timedelta(minutes=15)
    await say(shop, (ENERGY, START + quarter, 100.5 * per_kwh), (ENERGY, START + 3 * quarter, 102.25 * per_kwh))
    evidence, energy = await prove(shop, run, inspection_of())
    assert energy == pytest.approx(2.25)
    assert evidence.energy_kwh == energy


async def test_energy_before_and_after_a_run_is_not_the_runs(shop):
    run = await finished(shop, signal(ENERGY, Meaning.ENERGY, unit="kW.h"))
    before, after = START - HOUR, START + 2 * HOUR
    await say(shop, (ENERGY, before, 1.0), (ENERGY, START + HOUR / 2, 5.0), (ENERGY, START + 0.9 * HOUR, 6.0))
    await say(shop, (ENERGY, after, 50.0))
    assert (await prove(shop, run, inspection_of()))[1] == 1.0


async def test_a_meter_that_began_anew_is_no_negative_energy(shop):
    run = await finished(shop, signal(ENERGY, Meaning.ENERGY, unit="kW.h"), energy_at_start_kwh=900.0)
    await say(shop, (ENERGY, START + HOUR / 4, 901.0), (ENERGY, START + HOUR / 2, 0.5), (ENERGY, START + HOUR, 1.5))
    assert (await prove(shop, run, inspection_of()))[1] >= 1.0


async def test_energy_nobody_meters_is_said_to_be_unmetered(shop):
    run = await finished(shop)
    evidence, energy = await prove(shop, run, inspection_of())
    assert (energy, evidence.energy_kwh, evidence.readings) == (None, None, 0)


async def test_time_at_work_is_what_the_execution_signal_says(shop):
    run = await finished(shop, signal(EXECUTION, Meaning.EXECUTION, is_text=True))
    await say(shop, (EXECUTION, START, "ACTIVE"), (EXECUTION, START + HOUR / 2, "STOPPED"))
    evidence, _ = await prove(shop, run, inspection_of())
    assert evidence.observed_s == pytest.approx(1800)
    assert evidence.coverage == pytest.approx(1.0)


async def test_time_at_work_is_start_to_end_where_no_signal_tells(shop):
    run = await finished(shop, time_scale=10.0)
    evidence, _ = await prove(shop, run, inspection_of())
    assert evidence.observed_s == 36_000.0


async def test_a_machine_that_stood_the_whole_run_did_not_work(shop):
    run = await finished(shop, signal(EXECUTION, Meaning.EXECUTION, is_text=True))
    await say(shop, (EXECUTION, START - HOUR, "STOPPED"))
    evidence, _ = await prove(shop, run, inspection_of())
    assert (evidence.observed_s, evidence.coverage) == (0.0, 1.0)


async def test_evidence_names_plan_inspection_and_due_time(shop):
    run = await finished(shop)
    evidence, _ = await prove(shop, run, inspection_of())
    assert evidence.planned_energy_kwh == pytest.approx(0.2 + 3 * 0.1)
    assert evidence.planned_s == 600 + 3 * 60
    assert evidence.due == START + timedelta(seconds=780)
    assert evidence.cpk is not None
    assert (evidence.job, evidence.provider) == ("job-1", shop.did)


async def test_evidence_of_a_simulated_machine_says_so(shop):
    run = await finished(shop, is_simulated=True)
    assert (await prove(shop, run, inspection_of()))[0].is_simulated
