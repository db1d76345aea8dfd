"""Readings of a file brought in: what is ahead of the clock is refused, counted and listed; the rest is kept."""

import io
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flows_world import START, HeldClock, mill, opened, signal

from interwork.core.clock import rfc3339, to_us
from interwork.core.event import Tag
from interwork.core.resource import Meaning
from interwork.flows import readings
from interwork.flows.readings import carry
from interwork.store import Change


@pytest.fixture
async def shop(tmp_path):
    async with opened(tmp_path / "shop", clock=HeldClock()) as node:
        await node.store.commit(Change("test").put(mill()).put(signal(5, Meaning.OTHER)))
        yield node


def table(*seconds):
    lines = ["signal,time,value,text,quality"]
    lines += [f"signal-5,{rfc3339(START + timedelta(seconds=second))},{second}.0,,0" for second in seconds]
    return "\n".join(lines).encode()


async def test_readings_from_the_future_are_refused_and_listed_and_the_rest_is_kept(shop, monkeypatch):
    """streams 14: as the live path bounds them, but a file's have no moment of arrival that says anything."""
    monkeypatch.setattr(carry, "LISTED_MAX", 1)
    found = await readings.bring_in(shop, table(-60, 5, 6, 86_400), "csv", actor="ada")
    assert (found.readings, found.refused, len(found.listed)) == (2, 2, 1)
    assert found.listed[0].startswith("signal-5 at 2031-03-03T08:00:06")
    kept = await shop.historian.readings([5], 0, to_us(START) + 10**12)
    assert list(kept.value) == [-60.0, 5.0]
    told = (await shop.store.events(tag=Tag.READINGS_BROUGHT_IN))[0].detail
    assert (told["readings"], told["refused"]) == (2, 2)


async def test_stamps_before_the_year_1_are_refused_and_listed_and_the_rest_is_kept(shop):
    """A file may say any 64 bits of microseconds, and there would be no hour to keep them in."""
    sink = io.BytesIO()
    made = pa.table({
        "signal": ["signal-5"] * 2, "time": pa.array([-(1 << 63), to_us(START)]).cast(pa.timestamp("us", tz="UTC")),
        "value": [1.0, 2.0], "text": pa.nulls(2, pa.string()), "quality": pa.array([0, 0], pa.uint32()),
    })  # fmt: skip
    pq.write_table(made, sink)
    found = await readings.bring_in(shop, sink.getvalue(), "parquet")
    assert (found.readings, found.refused) == (1, 1)
    assert found.listed[0].endswith("is before the year 1")
    assert await shop.historian.seal() == 1


def test_a_time_beyond_the_calendar_is_told_as_a_number():
    assert carry.told(1 << 62).endswith("after 1970")
