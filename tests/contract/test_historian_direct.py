"""A trend read from the files themselves is the trend the database gives, whatever is sealed, merged, late or bad."""

import anyio
import numpy as np
import pytest
from historian_pool import Pool
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from interwork.core.errors import Damaged
from interwork.stream import batch_of
from interwork.stream.historian import direct, sealing
from interwork.stream.historian.direct import Direct
from interwork.stream.historian.keeping import Keeping

HOUR = 3_600_000_000
BASE = 1_789_948_800_000_000
BAD = 0x80310000


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    one = Pool(tmp_path_factory.mktemp("pool"))
    yield one
    one.close()


def noise(seed, signal, hours, every_s):
    chance = np.random.default_rng(seed)
    time_us = BASE + np.arange(0, hours * 3600, every_s) * 1_000_000 + chance.integers(0, 900_000)
    value = chance.integers(-640, 640, len(time_us)) / 64
    value[chance.random(len(value)) < 0.05] = np.nan
    value[chance.random(len(value)) < 0.02] = np.inf
    quality = np.where(chance.random(len(value)) < 0.1, BAD, 0)
    return batch_of(np.full(len(value), signal), time_us, value, quality)


def shown(found):
    return list(zip(found.time_us, found.low, found.mean, found.high, found.count, strict=True))


async def merge(held):
    await held._thread(Keeping(held._engine).merge, BASE + 24 * HOUR)


spans = st.tuples(st.integers(-60, 9 * 3600), st.integers(1, 9 * 3600), st.integers(1, 700))
steps = st.lists(st.sampled_from(["late", "seal", "early", "merge", "other"]), min_size=1, max_size=5)


@given(st.integers(0, 9), steps, st.lists(spans, min_size=3, max_size=6))
@settings(max_examples=8, deadline=None, database=None, phases=(Phase.explicit, Phase.generate))
def test_files_and_database_answer_the_same_trend(pool, seed, ways, asked):
    """streams 19: with roll-ups and without, over whole and broken cells, beside late and unsealed readings."""

    async def run():
        held = pool.fresh()
        await held.append(noise(seed, 1, 8, 7))
        await held.append(noise(seed, 2, 8, 60))
        does = {
            "late": lambda: held.append(noise(seed + 1, 1, 1, 50)),
            "seal": held.seal,
            "early": lambda: held._seal(lambda _: held._sequence, BASE + 6 * HOUR),
            "merge": lambda: merge(held),
            "other": lambda: held.append(noise(seed + 2, 2, 9, 600)),
        }
        for way in ways:
            await does[way]()
        for start, length, points in asked:
            span = BASE + start * 1_000_000, BASE + (start + length) * 1_000_000
            found = [shown(await held.trend(signal, *span, points=points)) for signal in (1, 2, 3)]
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Direct, "read", lambda *_: None)
                assert [shown(await held.trend(signal, *span, points=points)) for signal in (1, 2, 3)] == found

    anyio.run(run)


async def test_only_the_row_groups_that_hold_a_signal_are_read(pool, monkeypatch):
    """streams 19: a trend costs the same however many signals are beside it."""
    held = pool.fresh()
    monkeypatch.setattr(sealing, "ROW_GROUP", 2048)
    for signal in range(30):
        await held.append(noise(signal, signal, 2, 1))
    await held.seal()
    read, rows = [], direct._rows
    monkeypatch.setattr(direct, "_rows", lambda *given: read.append(rows(*given)) or read[-1])
    assert len((await held.trend(17, BASE, BASE + HOUR, points=60)).count) == 60
    assert [set(part.column_names) for part in read] == [{"time_us", "value", "signal", "quality"}]
    assert 3600 <= len(read[0]) < 20_000


async def test_a_question_too_large_for_memory_goes_to_the_database(pool, monkeypatch):
    held = pool.fresh()
    await held.append(noise(1, 1, 2, 1))
    await held.seal()
    wanted = shown(await held.trend(1, BASE, BASE + 2 * HOUR, points=9))
    monkeypatch.setattr(direct, "ROWS_MAX", 100)
    monkeypatch.setattr(direct, "_rows", None)
    assert shown(await held.trend(1, BASE, BASE + 2 * HOUR, points=9)) == wanted


async def test_footers_are_forgotten_before_they_take_much_memory(pool, monkeypatch):
    held = pool.fresh()
    await held.append(noise(1, 1, 6, 60))
    await held.seal()
    monkeypatch.setattr(direct, "GROUPS_KEPT", 2)
    held._engine.direct._footers.clear()
    for hour in range(6):
        assert len((await held.trend(1, BASE + hour * HOUR, BASE + (hour + 1) * HOUR, points=6)).count) == 6
    assert len(held._engine.direct._footers) <= 3


async def test_a_sealed_file_that_was_harmed_is_named_by_the_question_that_meets_it(pool):
    """streams 3: what cannot be read is said, with the file and what to do."""
    held = pool.fresh(is_clean=True)
    await held.append(noise(1, 1, 1, 1))
    await held.seal()
    path = next((held._folder / "lake/main/reading").glob("*.parquet"))
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(len(content) - 8) + content[-4:])
    held._engine.direct._footers.clear()
    with pytest.raises(Damaged, match=path.name):
        await held.trend(1, BASE, BASE + HOUR)
    path.write_bytes(content)
