from datetime import timedelta

import pytest
from flows_world import START, capacity_agreement, mill, say, signal

from interwork.core.clock import to_us
from interwork.core.errors import NotFound, Refused
from interwork.core.exchange import AgreementState
from interwork.core.resource import Meaning
from interwork.flows import look
from interwork.store import Change

FAR = mill(options={"agreement": "agreement-1", "order": "order-1"})
SPAN = to_us(START), to_us(START + timedelta(minutes=10))


async def followed(node, **agreement):
    """Record a far machine whose power came under an agreement, with two readings of it."""
    change = Change("test").put(FAR).put(signal(1, Meaning.POWER, unit="kW"))
    await node.store.commit(change.put(capacity_agreement(node, **agreement)))
    await say(node, (1, START + timedelta(minutes=1), 2.0), (1, START + timedelta(minutes=2), 4.0))


async def test_ones_own_machine_may_always_be_looked_at(shop):
    await look.may_look(shop, mill())


async def test_readings_are_seen_while_their_agreement_is_in_force(shop):
    await followed(shop)
    series = await look.series(shop, "signal-1", *SPAN)
    assert (series.unit, sum(series.count), min(series.low), max(series.high)) == ("kW", 2, 2.0, 4.0)


async def test_an_agreement_that_ended_cuts_the_view_and_says_when_and_by_whom(shop):
    await followed(shop, state=AgreementState.TERMINATED, ended_at=START, ended_by="did:web:plant")
    with pytest.raises(Refused) as refused:
        await look.series(shop, "signal-1", *SPAN)
    assert "2031-03-03T08:00:00.000Z by did:web:plant" in refused.value.message
    assert refused.value.rule
    assert "Buyer" in refused.value.remedy


@pytest.mark.parametrize("state", [one for one in AgreementState if one is not AgreementState.ACTIVE])
async def test_only_an_agreement_in_force_lets_anybody_look(shop, state):
    await followed(shop, state=state)
    with pytest.raises(Refused):
        await look.may_look(shop, FAR)


async def test_readings_whose_agreement_is_not_held_here_are_not_shown(shop):
    with pytest.raises(NotFound, match="agreement-1"):
        await look.may_look(shop, FAR)
