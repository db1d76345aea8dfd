from datetime import timedelta

from flows_world import START, capacity_agreement, evidence_of, job_of, order_of
from msgspec.structs import replace

from interwork.core.exchange import DatasetKind, Receipt
from interwork.core.making import JobStep
from interwork.flows.make_part.summary import summarise
from interwork.store import Change


def receipt(agreement, number, size):
    return Receipt(
        id=f"receipt-{agreement}-{number}",
        agreement=agreement,
        transfer=f"transfer-{number}",
        direction="received",
        what="readings",
        items=3,
        bytes=size,
        first_at=START,
        last_at=START,
    )


async def test_a_job_just_begun_has_no_figures_and_invents_none(shop):
    await shop.store.commit(Change("test").put(job_of()))
    told = await summarise(shop, "job-1")
    assert (told.price_eur, told.objective_eur, told.energy_metered_kwh, told.co2_kg, told.finish) == (None,) * 5
    assert (told.shares, told.rivals, told.crossings, told.track, told.gaps) == ((),) * 5
    assert (told.good, told.scrap, told.is_simulated, told.time_scale) == (0, 0, False, 1.0)


async def test_a_job_that_failed_is_summed_up_with_its_message(shop):
    failed = job_of(step=JobStep.MATCH, state="failed", message="Nobody can.", remedy="Relax.")
    await shop.store.commit(Change("test").put(failed))
    assert (await summarise(shop, "job-1")).job == failed


async def test_parts_delivered_are_those_of_the_last_operation(shop):
    first = evidence_of(identifier="e-1", operation_name="Mill", good=3, ended_at=START)
    last = evidence_of(identifier="e-2", operation_name="Inspect", good=2, scrap=1, ended_at=START + timedelta(hours=1))
    change = Change("test").put(first).put(last).put(job_of(step=JobStep.LEARN, evidence=("e-1", "e-2")))
    await shop.store.commit(change)
    told = await summarise(shop, "job-1")
    assert (told.good, told.scrap) == (2, 1)


async def test_energy_is_summed_over_what_was_metered_only(shop):
    pieces = [evidence_of(identifier=f"e-{one}", energy_kwh=energy) for one, energy in enumerate((0.4, None, 0.5))]
    change = Change("test").put(job_of(evidence=("e-0", "e-1", "e-2")))
    for piece in pieces:
        change.put(piece)
    await shop.store.commit(change)
    assert abs((await summarise(shop, "job-1")).energy_metered_kwh - 0.9) < 1e-9


async def test_evidence_of_a_simulated_machine_makes_the_job_a_simulated_one(shop):
    piece = replace(evidence_of(), is_simulated=True, time_scale=600.0)
    await shop.store.commit(Change("test").put(piece).put(job_of(evidence=(piece.id,))))
    told = await summarise(shop, "job-1")
    assert (told.is_simulated, told.time_scale) == (True, 600.0)


async def test_what_crossed_is_told_for_each_agreement_once(shop):
    standing = capacity_agreement(shop)
    readings = capacity_agreement(
        shop, identifier="agreement-2", dataset="dataset-readings", dataset_kind=DatasetKind.READINGS
    )
    orders = [order_of(identifier=f"order-{one}", readings_dataset="dataset-readings") for one in (1, 2)]
    change = Change("test").put(job_of(orders=("order-1", "order-2"))).put(standing).put(readings)
    for one in [*orders, receipt("agreement-1", 1, 100), receipt("agreement-2", 2, 50), receipt("agreement-9", 3, 1)]:
        change.put(one)
    await shop.store.commit(change)
    told = await summarise(shop, "job-1")
    assert sorted((one.agreement, one.bytes) for one in told.crossings) == [("agreement-1", 100), ("agreement-2", 50)]
