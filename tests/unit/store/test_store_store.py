"""How commits share the writer, wait for it, and are given up."""

import sqlite3
from contextlib import aclosing, contextmanager

import anyio
import pytest
from sqlalchemy import event

from interwork.core.errors import LimitReached, Unusable
from interwork.core.event import Tag
from interwork.core.organisation import Setting
from interwork.store import Change, Store
from interwork.store import store as module


def note(key: str) -> Change:
    return Change().put(Setting(id=key, value="")).event(Tag.NODE_STARTED, key)


@contextmanager
def held_up(tmp_path):
    """Keep the writer waiting, as another program with a transaction open would."""
    other = sqlite3.connect(tmp_path / "node.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


async def commit_all(store, count):
    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(store.commit, note(f"n-{number:04}"))


async def ids(store):
    return [found.id for found in await store.find(Setting, limit=10_000)]


async def test_many_commits_share_few_transactions(store):
    commits = []
    event.listen(store._database.writer, "commit", commits.append)
    await commit_all(store, 500)
    assert len(commits) < 20
    assert await store.verify() == 500


async def test_more_commits_than_may_wait_are_let_in_one_after_the_other(store, monkeypatch):
    store._room = anyio.Semaphore(3)
    monkeypatch.setattr(module, "GROUP", 2)
    await commit_all(store, 50)
    assert await store.count(Setting) == 50


async def test_a_commit_cancelled_while_it_waits_is_not_made(store, tmp_path):
    async with anyio.create_task_group() as group:
        with held_up(tmp_path):
            group.start_soon(store.commit, note("leader"))
            await anyio.wait_all_tasks_blocked()
            with anyio.move_on_after(0.01):
                await store.commit(note("given-up"))
    assert await ids(store) == ["leader"]
    assert await store.commit(note("next")) is True


async def test_a_cancelled_leader_still_writes_for_itself_and_the_others(store, tmp_path):
    leader = anyio.CancelScope()

    async def lead():
        with leader:
            await store.commit(note("leader"))

    async with anyio.create_task_group() as group:
        with held_up(tmp_path):
            group.start_soon(lead)
            group.start_soon(store.commit, note("follower"))
            await anyio.wait_all_tasks_blocked()
            leader.cancel()
            await anyio.wait_all_tasks_blocked()
    assert await ids(store) == ["follower", "leader"]


async def test_whoever_waits_too_long_hears_that_the_store_is_overloaded(store, tmp_path, monkeypatch):
    async with anyio.create_task_group() as group:
        with held_up(tmp_path):
            group.start_soon(store.commit, note("leader"))
            await anyio.wait_all_tasks_blocked()
            monkeypatch.setattr(module, "PATIENCE_S", 0.02)
            with pytest.raises(LimitReached, match="did not finish a change"):
                await store.commit(note("late"))
            monkeypatch.undo()
    assert await ids(store) == ["leader"]


async def test_whoever_finds_no_reader_free_hears_of_it(store, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.02)
    store._few_readers.total_tokens = 1
    await store._few_readers.acquire_on_behalf_of("somebody else")
    with pytest.raises(LimitReached, match="No reader of the store was free"):
        await store.find(Setting)


async def test_a_writer_that_fails_in_an_unforeseen_way_leaves_nobody_waiting(store, monkeypatch):
    def fail(*_):
        raise MemoryError

    outcomes = []

    async def commit(key):
        try:
            outcomes.append(await store.commit(note(key)))
        except (MemoryError, Unusable) as fault:
            outcomes.append(type(fault))

    monkeypatch.setattr(module, "write", fail)
    async with anyio.create_task_group() as group:
        for key in ("a", "b", "c"):
            group.start_soon(commit, key)
    monkeypatch.undo()
    assert len(outcomes) == 3
    assert set(outcomes) <= {MemoryError, Unusable}
    assert await store.commit(note("d")) is True


async def test_closing_waits_for_the_commit_under_way(url, tmp_path):
    store = await Store.open(url)
    async with anyio.create_task_group() as group:
        with held_up(tmp_path):
            group.start_soon(store.commit, note("a"))
            await anyio.wait_all_tasks_blocked()
            group.start_soon(store.close)
            await anyio.wait_all_tasks_blocked()
    async with await Store.open(url) as again:
        assert await ids(again) == ["a"]


async def test_a_dump_left_early_gives_its_connection_back(store):
    await commit_all(store, 5)
    for _ in range(20):
        async with aclosing(store.dump()) as lines:
            await anext(lines)
    assert store._database.reader.pool.checkedout() == 0


async def test_a_subscriber_that_closed_its_end_does_not_disturb(store):
    async with store.changes() as changes:
        await changes.aclose()
        assert await store.commit(note("a")) is True
