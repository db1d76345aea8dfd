"""What a member answers to a call to plan together, at one real node: whatever comes from outside is judged first."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from flows_world import capacity_agreement
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planned_job import planned

from interwork.core.errors import BadInput, InterworkError, LimitReached, NotFound, Refused
from interwork.core.exchange import Dataset, DatasetKind, Side, Transfer, TransferState
from interwork.core.ids import derived_id
from interwork.core.network.together import Coordination, Hours, HoursAnswer, HoursCall, Settled
from interwork.federation import DataRequest
from interwork.flows import together
from interwork.flows.together.own import STRETCHES_MAX, refuse_unsound

BUYER = "did:web:localhost%3A1"


def request(node, path, body, *, consumer=BUYER):
    agreement = capacity_agreement(node, consumer=consumer, dataset_kind=DatasetKind.COORDINATION)
    at = node.clock()
    dataset = Dataset(id="dataset-c", kind=DatasetKind.COORDINATION, title="Planning", policy="p", changed_at=at)
    transfer = Transfer(
        id="transfer-1", side=Side.PROVIDER, peer=consumer, peer_pid="", callback="", agreement=agreement.id,
        dataset=dataset.id, format="", state=TransferState.STARTED, updated_at=at,
    )  # fmt: skip
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return DataRequest(agreement=agreement, transfer=transfer, dataset=dataset, method="POST", path=path, body=content)


async def answered(node, call, **more):
    told = await together.answer_call(node, request(node, "answers", call, **more))
    return msgspec.json.decode(told.content, type=HoursAnswer)


async def test_a_member_plans_around_hours_that_others_hold(shop):
    """allocation 34: what others hold is left to them; the member's sum says what that costs it."""
    await planned(shop)
    free = await answered(shop, HoursCall(coordination="c", round=0))
    assert free.hours
    held = tuple(Hours(machine=one.machine, taken=one.taken) for one in free.hours)
    around = await answered(shop, HoursCall(coordination="c", round=1, hours=held))
    assert around.sum_eur >= free.sum_eur - 0.01
    for one in around.hours:
        others = next((each.taken for each in held if each.machine == one.machine), ())
        assert all(end <= start or stop <= begin for begin, end in one.taken for start, stop in others)


async def test_a_settled_round_becomes_plans_once_and_nothing_is_answered_any_more(shop):
    job = await planned(shop)
    await answered(shop, HoursCall(coordination="c", round=0))
    for _ in range(2):
        await together.answer_call(shop, request(shop, "settled", Settled(coordination="c", round=0)))
    held = await shop.store.get(Coordination, derived_id("coordination", BUYER, "c"))
    assert (held.state, len(held.plans), held.best) == ("settled", 1, 0)
    with pytest.raises(Refused, match="settled"):
        await answered(shop, HoursCall(coordination="c", round=1))
    (moved,) = await together.take(shop, held.id, actor="test", by="Ada")
    assert (moved.id, moved.plan) == (job.id, held.plans[0])


async def test_nobody_speaks_in_a_coordination_of_somebody_else(shop):
    await planned(shop)
    await answered(shop, HoursCall(coordination="c", round=0))
    with pytest.raises(NotFound):
        await together.answer_call(
            shop, request(shop, "settled", Settled(coordination="c", round=0), consumer="did:web:localhost%3A7")
        )


async def test_a_member_without_needs_takes_no_hours(shop):
    assert await answered(shop, HoursCall(coordination="c", round=0)) == HoursAnswer()


def stretch(start, hours):
    return start, start + timedelta(hours=hours)


NOON = datetime(2031, 3, 3, 12, tzinfo=UTC)
UNSOUND = (
    (HoursCall(coordination="c", round=-1), BadInput),
    (HoursCall(coordination="c", round=0, hours=(Hours(machine="m", eur_per_h=-1.0),)), BadInput),
    (HoursCall(coordination="c", round=0, hours=(Hours(machine="m", taken=(stretch(NOON, -1),)),)), BadInput),
    (
        HoursCall(
            coordination="c", round=0, hours=(Hours(machine="m", taken=(stretch(NOON.replace(tzinfo=None), 1),)),)
        ),
        BadInput,
    ),
    (
        HoursCall(
            coordination="c", round=0, hours=(Hours(machine="m", taken=(stretch(NOON, 1),) * (STRETCHES_MAX + 1)),)
        ),
        LimitReached,
    ),
)


@pytest.mark.parametrize(("call", "error"), UNSOUND)
def test_a_call_that_cannot_be_reckoned_with_is_refused(call, error):
    with pytest.raises(error):
        refuse_unsound(call)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(body=st.binary(max_size=60) | st.recursive(
    st.none() | st.integers(-5, 5) | st.text(max_size=4), lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(("coordination", "round", "hours", "machine", "taken", "doubled")), inner,
                      max_size=4), max_leaves=8,
).map(msgspec.json.encode), path=st.sampled_from(("answers", "settled", "", "else")))  # fmt: skip
async def test_whatever_is_sent_is_answered_or_refused_and_never_crashes(shop, body, path):
    with suppress(InterworkError):
        assert (await together.answer_call(shop, request(shop, path, body))).content
