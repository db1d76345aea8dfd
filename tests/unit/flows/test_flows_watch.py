import pytest
from flows_world import START, mill, order_of, readings, signal
from msgspec.structs import replace

from interwork.core.errors import InterworkError, Refused
from interwork.core.exchange import Side, Transfer, TransferState
from interwork.core.resource import Meaning, Resource
from interwork.flows.make_part import watch
from interwork.store import Change

TRANSFER = Transfer(
    id="transfer-1",
    side=Side.CONSUMER,
    peer="did:web:localhost%3A9",
    peer_pid="p",
    callback="c",
    agreement="agreement-1",
    dataset="d",
    format="f",
    state=TransferState.STARTED,
    updated_at=START,
)


def test_readings_get_our_own_numbers_and_keep_everything_else():
    theirs = readings((7, START, 1.5), (9, START, "ACTIVE"), (7, START, 2.5))
    ours = watch.renumber(theirs, {7: 101, 9: 102, 11: 103})
    assert list(ours.signal) == [101, 102, 101]
    assert (ours.time_us, ours.quality, ours.text) == (theirs.time_us, theirs.quality, theirs.text)
    assert list(ours.value[::2]) == [1.5, 2.5]


def test_readings_of_a_signal_nobody_described_are_refused_by_number():
    with pytest.raises(Refused, match=r"\[8, 9\]") as refused:
        watch.renumber(readings((7, START, 1.0), (9, START, 1.0), (8, START, 1.0)), {7: 1})
    assert "described first" in refused.value.rule


def test_no_readings_are_no_readings():
    assert len(watch.renumber(readings(), {})) == 0


async def test_a_machine_followed_is_never_connected_to_nor_offered(shop):
    told = mill(endpoint="opc.tcp://10.0.0.9:4840", options={"root": "x"})
    mine = await watch._record(shop, order_of(), TRANSFER, told, signal(7, Meaning.POWER, unit="kW"))
    kept = await shop.store.get(Resource, mine.resource)
    assert (kept.endpoint, kept.rates, kept.owner) == ("", None, "did:web:localhost%3A9")
    assert kept.options == {"agreement": "agreement-1", "order": "order-1"}


async def test_two_signals_of_one_name_stay_two(shop):
    first, second = signal(7, Meaning.TEMPERATURE), replace(signal(8, Meaning.TEMPERATURE), name="temperature")
    mine = [await watch._record(shop, order_of(), TRANSFER, mill(), one) for one in (first, second)]
    assert len({one.number for one in mine}) == 2


async def test_a_signal_described_again_keeps_its_number(shop):
    mine = [await watch._record(shop, order_of(), TRANSFER, mill(), signal(7, Meaning.POWER)) for _ in range(2)]
    assert mine[0] == mine[1]


async def test_numbers_of_followed_signals_do_not_meet_our_own(shop):
    await shop.store.commit(Change("test").put(signal(1, Meaning.POWER)))
    mine = await watch._record(shop, order_of(), TRANSFER, mill("resource-far"), signal(1, Meaning.POWER))
    assert mine.number == 2


async def test_following_stops_at_once_where_there_is_no_agreement(shop):
    await shop.store.commit(Change("test").put(order_of(readings_dataset="dataset-readings")))
    await watch.watch_readings(shop, "order-1")


async def test_following_an_order_nobody_knows_is_said(shop):
    with pytest.raises(InterworkError, match="order-9"):
        await watch.watch_readings(shop, "order-9")
