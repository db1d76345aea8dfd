"""What a node keeps for the lake, cuts for the log and says of its addresses: all without a server."""

import os
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.errors import BadInput, DiskFull, LimitReached
from interwork.core.resource import BatchBuilder
from interwork.core.settings import Scale
from interwork.stream import decode_batch
from interwork.stream.historian.lake import File, Sealed
from interwork.stream.origin import Origin
from interwork.stream.scale import Log, Place
from interwork.stream.scale.held import Held
from interwork.stream.scale.log import Message, cut

HOUR = 3_600_000_000
SCALE = Scale(
    catalog="host=db", store="s3://bucket/plant", log=("nats://localhost:1",), key="k", secret="deep", partitions=3
)


def message(name, part=0, size=10):
    return Message(name, part, 5, b"x" * size)


def test_what_was_not_acknowledged_is_found_again_after_a_start_and_what_was_is_not_sent_again(tmp_path):
    held = Held(tmp_path, 1000)
    for name in ("a", "b", "c"):
        held.keep([message(name)])
    held.acknowledge("a", 7)
    held.give_back(["c"])
    (tmp_path / "torn.part").write_bytes(b"half")
    again = Held(tmp_path, 1000)
    assert [one.id for one in again.unsent(())] == ["b"]
    assert (len(again), again.rows, again.bytes, again.highest) == (2, 10, 20, 7)
    assert [path.suffix for path in tmp_path.iterdir()] == [".arrow", ".arrow"]


def test_a_message_stays_until_the_lake_is_past_it_in_its_own_partition(tmp_path):
    held = Held(tmp_path, 1000)
    for name, part, sequence in (("a", 0, 3), ("b", 1, 4), ("c", 0, 9)):
        held.keep([message(name, part)])
        held.acknowledge(name, sequence)
    assert held.release({0: 5, 1: 3}) == 1
    assert [one.id for one in held.lost(last=3, known=8)] == ["b"]
    assert held.release({0: 9, 1: 9}) == 2
    assert not list(tmp_path.iterdir())


def test_an_edge_that_is_full_refuses_and_names_the_setting(tmp_path):
    held = Held(tmp_path, 25)
    for name in ("a", "b"):
        held.keep([message(name)])
    with pytest.raises(LimitReached, match="spool_mb"):
        held.keep([message("c")])
    held.give_back(["a"])
    held.keep([message("c")])


def test_messages_are_on_the_disk_with_their_folder_before_they_are_published(tmp_path, monkeypatch):
    """streams 4: what is kept at the edge survives a power cut: each file is synced, then renamed, then the folder."""
    done = []
    for name in ("fsync", "rename"):
        act = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *words, act=act, name=name: (done.append((name, words)), act(*words))[1])
    Held(tmp_path, 1000).keep([message("a"), message("b", 1)])
    assert [name for name, _ in done] == ["fsync", "fsync", "rename", "rename", "fsync"]


def test_a_disk_that_is_full_keeps_none_of_the_messages_of_an_append(tmp_path, monkeypatch):
    """streams 5: all or none, so that the caller may send all of them again."""
    held, count = Held(tmp_path, 1000), 0

    def full(_handle):
        nonlocal count
        count += 1
        if count == 2:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DiskFull, match="No space left"):
            held.keep([message("a"), message("b", 1)])
    assert (len(held), held.bytes, list(tmp_path.iterdir())) == (0, 0, [])
    held.keep([message("a")])
    assert len(Held(tmp_path, 1000)) == 1


def test_what_a_sender_was_told_is_kept_and_its_messages_have_the_same_ids_each_time(tmp_path):
    """streams 12: a batch that is sent again has the ids it had, and is known once all of it was acknowledged."""
    builder = BatchBuilder()
    for signal in range(4):
        builder.add(signal, 1, 1.0)
    batch, origin = builder.take(), Origin("spool:a:C2", 7)
    ids = [[one.id for one in cut(batch, 2, origin)] for _ in range(2)]
    assert (ids[0], len({*ids[0], *(one.id for one in cut(batch, 2))})) == (ids[1], 4)
    held = Held(tmp_path, 9000)
    held.keep(cut(batch, 2, origin))
    for number, name in enumerate(ids[0], start=5):
        held.acknowledge(name, number)
    again = Held(tmp_path, 9000)
    assert again.release({0: 99, 1: 99}, again.found) == 0
    again.keep(cut(batch, 2, origin))
    assert [again.sequence_of(name) for name in ids[0]] == [5, 6]
    again.note(origin)
    again.unlisted()
    assert again.release({0: 99, 1: 99}, again.found) == 2
    known = Held(tmp_path, 1000).taken
    assert [Origin("spool:a:C2", number).is_in(known) for number in (6, 7, 8)] == [True, True, False]
    assert not Origin("spool:b:C2", 1).is_in(known)


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 5))
def test_cutting_keeps_every_reading_once_and_each_signal_in_order(signals, partitions):
    builder = BatchBuilder()
    for index, signal in enumerate(signals):
        builder.add(signal, index, float(index))
    parts = [(one.part, decode_batch(one.body)) for one in cut(builder.take(), partitions)]
    assert all(signal % partitions == part for part, batch in parts for signal in batch.signal)
    found = [
        (signal, time_us) for _, batch in parts for signal, time_us in zip(batch.signal, batch.time_us, strict=True)
    ]
    assert sorted(found) == sorted((signal, index) for index, signal in enumerate(signals))
    for one in set(signals):
        times = [time_us for signal, time_us in found if signal == one]
        assert times == sorted(times)


def test_a_place_does_not_show_its_secrets_and_addresses_that_cannot_be_are_refused():
    place = Place.of(SCALE, str)
    assert "deep" not in repr(place)
    assert place.file("reading", "a.parquet") == "s3://bucket/plant/lake/main/reading/a.parquet"
    for wrong in ({"store": "/folder"}, {"partitions": 0}, {"partitions": 65}):
        with pytest.raises(BadInput):
            Place.of(msgspec.structs.replace(SCALE, **wrong), str)
    for wrong in ({"log": ()}, {"replicas": 2}):
        with pytest.raises(BadInput, match="replicas"):
            Log(msgspec.structs.replace(SCALE, **wrong))


def test_hours_of_files_without_roll_ups_are_told_and_shared_files_are_asked_for_by_address(tmp_path):
    fresh = File("reading", "fresh-9-p0-a.parquet", HOUR + 5, 2 * HOUR + 5, 1, 1, False)
    sealed = Sealed(tmp_path, 1, (fresh, replace_name(fresh, "hour0-9-p0-b.parquet")), "s3://bucket/")
    assert sealed.unrolled(0, 9 * HOUR) == {HOUR, 2 * HOUR}
    assert sealed.unrolled(0, 2 * HOUR) == {HOUR}
    assert "s3://bucket/lake/main/reading/fresh-9-p0-a.parquet" in sealed.source("reading", [(0, 9 * HOUR)])
    assert replace(sealed, store="").place(fresh) == str(tmp_path / "lake/main/reading/fresh-9-p0-a.parquet")


def replace_name(file, name):
    return file._replace(name=name)
