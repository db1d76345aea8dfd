"""Sealed files: sorted, deduplicated, durable before they are named, and freed when they are dropped."""

import os
import shutil
import subprocess
import sys
from datetime import timedelta

import pyarrow.parquet as pq
import pytest

from interwork.core.errors import Damaged, DiskFull
from interwork.stream import batch_of
from interwork.stream.historian import sealing as lake
from interwork.stream.historian.engine import Engine
from interwork.stream.historian.keeping import Keeping
from interwork.stream.historian.lake import HOUR_US
from interwork.stream.historian.sealing import Lake

BASE = 497_222 * HOUR_US


@pytest.fixture
def opened(tmp_path):
    engine = Engine.open(tmp_path)
    yield Lake(engine)
    engine.close()


def put(opened, times, *, signal=1, first=None):
    count = len(times)
    first = opened.engine.last_sequence() + 1 if first is None else first
    opened.engine.insert([batch_of([signal] * count, times, [float(first)] * count, [0] * count)], first)


def seal(opened):
    sealed = opened.seal(opened.engine.last_sequence())
    opened.engine.trim()
    return sealed


def files(opened):
    return sorted(opened.folder.glob("*.parquet"))


def test_a_sealed_file_is_sorted_by_signal_and_time_with_each_once_the_newest(opened):
    for signal in (2, 1):
        put(opened, [BASE + 5, BASE + 1, BASE + 5], signal=signal)
    assert seal(opened) == 6
    table = pq.read_table(files(opened)[0])
    assert table["signal"].to_pylist() == [1, 1, 2, 2]
    assert table["time_us"].to_pylist() == [BASE + 1, BASE + 5] * 2
    assert table["seq"].to_pylist() == [5, 6, 2, 3]


def test_readings_are_cut_into_one_file_per_hour_with_row_groups_of_bounded_size(opened, monkeypatch):
    monkeypatch.setattr(lake, "ROW_GROUP", 2048)
    put(opened, [BASE + step for step in range(5000)])
    put(opened, [BASE + HOUR_US])
    seal(opened)
    groups = sorted(pq.read_metadata(path).num_row_groups for path in files(opened))
    assert (len(files(opened)), groups[0], groups[1] >= 2) == (2, 1, True)
    assert sum(pq.read_metadata(path).num_rows for path in files(opened)) == 5001


def test_a_duplicate_at_the_border_of_two_row_groups_is_kept_once(opened, monkeypatch):
    monkeypatch.setattr(lake, "ROW_GROUP", 2048)
    put(opened, sorted([BASE + step for step in range(4096)] * 2))
    seal(opened)
    assert [pq.read_metadata(path).num_rows for path in files(opened)] == [4096]


def test_sealed_readings_take_less_than_the_forecast_says(opened):
    count = 50_000
    put(opened, [BASE + step * 50_000 for step in range(count)])
    seal(opened)
    assert opened.bytes() / count < 5.5


def test_files_no_catalog_names_are_removed_and_others_left_alone(opened):
    put(opened, [BASE])
    seal(opened)
    kept = files(opened)
    for name in ("hour1-2-aa.parquet", "hour1-2-bb.tmp", "notes.txt"):
        (opened.folder / name).write_bytes(b"x")
    assert (opened.sweep(), files(opened), (opened.folder / "notes.txt").exists()) == (2, kept, True)


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-9])])
def test_a_file_the_catalog_names_that_is_gone_or_cut_short_is_named_at_start(opened, harm):
    put(opened, [BASE])
    seal(opened)
    harm(files(opened)[0])
    with pytest.raises(Damaged, match="hour497222"):
        opened.sweep()


def test_dropping_old_hours_frees_their_disk_space(opened):
    put(opened, [BASE + hour * HOUR_US for hour in range(5)])
    seal(opened)
    assert Keeping(opened.engine).drop_before(BASE + 3 * HOUR_US + 5)
    Keeping(opened.engine).free(grace=timedelta(0))
    assert (len(files(opened)), opened.rows(opened.engine.sealing)) == (2, 2)
    assert not Keeping(opened.engine).drop_before(BASE + 3 * HOUR_US)


def test_dropped_files_stay_a_while_for_queries_that_still_read_them(opened):
    put(opened, [BASE])
    seal(opened)
    Keeping(opened.engine).drop_before(BASE + HOUR_US)
    Keeping(opened.engine).free()
    assert len(files(opened)) == 1


def test_the_oldest_hours_go_until_the_rest_fits_the_quota(opened):
    put(opened, [BASE + hour * HOUR_US for hour in range(10)])
    seal(opened)
    each = opened.bytes() / 10
    assert Keeping(opened.engine).drop_to_fit(4.5 * each)
    assert opened.rows(opened.engine.sealing) == 4
    assert not Keeping(opened.engine).drop_to_fit(4.5 * each)


def test_a_seal_that_meets_a_full_disk_leaves_no_file_and_is_done_later(opened, monkeypatch):
    put(opened, [BASE, BASE + HOUR_US])

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(lake, "_sync", full)
        with pytest.raises(DiskFull):
            seal(opened)
    assert (files(opened), list(opened.folder.glob("*.tmp"))) == ([], [])
    assert (seal(opened), len(files(opened))) == (2, 2)


def test_a_seal_whose_registration_fails_leaves_no_file_and_is_done_later(opened, monkeypatch):
    put(opened, [BASE])

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "_sync_new", full)
        with pytest.raises(DiskFull):
            seal(opened)
    assert (files(opened), opened.engine.mark, seal(opened)) == ([], 0, 1)


def test_lists_of_dropped_rows_are_durable_before_the_catalog_names_them(opened, monkeypatch):
    put(opened, [BASE + step for step in range(1000)])
    seal(opened)
    put(opened, [BASE + step for step in range(0, 200, 2)])
    synced, sync = [], lake._sync
    monkeypatch.setattr(lake, "_sync", lambda path: (synced.append(path.name), sync(path)))
    seal(opened)
    dropped = [path.name for path in opened.folder.glob("*delete*")]
    assert (len(dropped), set(dropped) <= set(synced)) == (1, True)
    assert opened.rows(opened.engine.sealing) == 1000


PROGRAM = """
import sys; from pathlib import Path; from interwork.stream import batch_of
from interwork.stream.historian.engine import Engine; from interwork.stream.historian.sealing import Lake
engine = Engine.open(Path(sys.argv[1]))
print("A", file=sys.stderr, flush=True)
engine.insert([batch_of([1], [1], [1.0], [0])], 1)
print("B", file=sys.stderr, flush=True)
Lake(engine).seal(1)
engine.close()
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_log_is_synced_before_an_append_returns_and_file_and_folder_before_the_catalog(tmp_path):
    """streams 4: seen by strace."""
    trace = tmp_path / "trace"
    command = [
        "strace",
        "-f",
        "-y",
        "-e",
        "trace=fsync,fdatasync,rename,write",
        "-o",
        trace,
        sys.executable,
        "-c",
        PROGRAM,
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([*command, tmp_path / "data"], check=True, env=environment, timeout=100, capture_output=True)
    lines = trace.read_text(errors="replace").splitlines()
    append = [line for line in between(lines, '"A', '"B') if "sync(" in line]
    sealed = [line for line in between(lines, '"B', "\0") if "sync(" in line or "rename(" in line]
    assert any("hot.duckdb.wal" in line for line in append)
    order = [first(sealed, part) for part in (".tmp>", "rename(", "main/reading>", "catalog.sqlite3")]
    assert order == sorted(order)


def between(lines, start, end):
    marks = [index for index, line in enumerate(lines) if "write(2" in line and start in line]
    ends = [index for index, line in enumerate(lines) if "write(2" in line and end in line]
    return lines[marks[0] : ends[0] if ends else None]


def first(lines, part):
    return next(index for index, line in enumerate(lines) if part in line)
