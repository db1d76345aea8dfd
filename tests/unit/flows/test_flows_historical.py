"""Readings that their sender calls historical go to the history and never to the live state."""

from datetime import timedelta

from flows_world import START, opened, readings, signal

from interwork.core.resource import Batch, BatchBuilder, Blueprint, Meaning
from interwork.flows.ingest.carrying import carry
from interwork.flows.links import Link
from interwork.stream.blueprint import Hold


def a_link():
    blueprint = Blueprint(
        id="b",
        resource="resource-mill",
        protocol="mqtt",
        storage_bytes_per_day=1e9,
        storage_quota_bytes=1e9,
        retention_days=1,
        rated_power_kw=1,
        is_connected=True,
        traffic_samples_per_s=1000,
        burst_samples=1000,
        forecast="",
        admitted_at=START,
    )
    signals = [signal(1, Meaning.POWER, deadband=0.5)]
    return Link(resource="resource-mill", name="Mill", endpoint="mqtt://h/g/e", hold=Hold(blueprint, signals))


async def test_a_historical_batch_is_kept_whole_and_moves_nothing_live(tmp_path):
    """machines 21: H9, is_historical goes to history only, not shaped by what is live."""
    async with opened(tmp_path) as node:
        link = a_link()
        await carry(node, link, readings((1, START, 10.0)))
        builder = BatchBuilder()
        for second in range(1, 4):
            at = START + timedelta(seconds=second)
            builder.add(1, int(at.timestamp() * 1e6), 10.0 + second / 100)
        old = builder.take(is_historical=True)
        assert isinstance(old, Batch)
        assert old.is_historical
        assert not builder.take().is_historical
        await carry(node, link, old)
        assert node.live.value(1).value == 10.0
        assert (await node.historian.usage()).rows == 4


def test_good_numbers_in_columns_are_what_they_are_one_by_one():
    one, other = BatchBuilder(), BatchBuilder()
    for builder in (one, other):
        builder.add(7, 1, "text")
    one.extend([1, 2], [10, 20], [1.5, 2.0])
    other.add(1, 10, 1.5)
    other.add(2, 20, 2.0)
    first, second = one.take(), other.take()
    assert first.text == second.text
    for column in ("signal", "time_us", "quality"):
        assert list(getattr(first, column)) == list(getattr(second, column))
    assert list(first.value)[1:] == [1.5, 2.0]
