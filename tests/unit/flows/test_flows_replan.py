import pytest
from flows_world import capacity_agreement, job_of, order_of
from msgspec.structs import replace

from interwork.core.errors import NoPlan, PeerUnreachable, Refused
from interwork.core.exchange import AgreementState, Side
from interwork.core.making import JobStep, Order, OrderState
from interwork.flows.make_part import replan
from interwork.flows.make_part.replan import REPLANS_MAX, without
from interwork.store import Change

PLANT = "did:web:localhost%3A9"
AWAY, NO = PeerUnreachable("It is away."), Refused("The window is taken.")


def planned(**facts):
    job = job_of(step=JobStep.AGREE, plan="plan-1", quotes=("quote-1",), orders=("order-1",))
    return replace(job, facts={**job.facts, **facts})


async def test_a_job_goes_back_to_the_quotes_and_keeps_nothing_of_the_old_plan(shop):
    job, message = await without(shop, planned(), [], PLANT, NO)
    assert (job.step, job.quotes, job.plan, job.orders) == (JobStep.QUOTE, (), "", ())
    assert PLANT in message
    assert "window is taken" in message


async def test_a_provider_that_was_away_is_left_out_of_the_next_plan(shop):
    job, _ = await without(shop, planned(excluded=["did:web:other"]), [], PLANT, AWAY)
    assert job.facts["excluded"] == [PLANT, "did:web:other"]


async def test_a_provider_that_refused_is_asked_anew(shop):
    job, _ = await without(shop, planned(), [], PLANT, NO)
    assert job.facts["excluded"] == []


async def test_planning_again_is_bounded_and_the_end_says_why(shop):
    job = planned()
    for _ in range(REPLANS_MAX):
        job, _ = await without(shop, job, [], PLANT, NO)
    with pytest.raises(NoPlan, match="window is taken") as refused:
        await without(shop, job, [], PLANT, NO)
    assert refused.value.remedy


async def test_what_was_placed_is_given_back_even_where_its_provider_cannot_be_told(shop):
    ended = capacity_agreement(shop, side=Side.CONSUMER, state=AgreementState.TERMINATED)
    placed = order_of()
    await shop.store.commit(Change("test").put(ended).put(placed))
    await without(shop, planned(), [placed], PLANT, NO)
    assert (await shop.store.get(Order, placed.id)).state is OrderState.CANCELLED


async def test_what_was_placed_is_given_back_also_when_the_last_plan_has_failed(shop):
    ended = capacity_agreement(shop, side=Side.CONSUMER, state=AgreementState.TERMINATED)
    placed = order_of()
    await shop.store.commit(Change("test").put(ended).put(placed))
    with pytest.raises(NoPlan):
        await without(shop, planned(replans=REPLANS_MAX), [placed], PLANT, NO)
    assert (await shop.store.get(Order, placed.id)).state is OrderState.CANCELLED


async def test_all_are_asked_anew_where_one_that_was_away_may_make_the_plan(monkeypatch):
    monkeypatch.setattr(replan, "AGAIN_S", 0.0)
    job, message = await replan.again(planned(away=["Alder: no answer"]), NoPlan("nobody can mill"))
    assert (job.step, job.quotes, job.facts["replans"]) == (JobStep.QUOTE, (), 1)
    assert "Alder: no answer" in message


async def test_a_plan_nobody_was_missing_from_stays_impossible():
    with pytest.raises(NoPlan, match="nobody can mill"):
        await replan.again(planned(), NoPlan("nobody can mill"))
