"""What the store promises, on SQLite and on PostgreSQL alike."""

import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import anyio
import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres_server import CannotStart, running_postgres

from interwork.core.errors import BadInput, Conflict, Damaged, NewerData, NotFound, Refused, Unusable, WrongState
from interwork.core.event import GENESIS, Tag
from interwork.core.exchange import Outgoing, Peer
from interwork.core.organisation import Account, Organisation, OrganisationKind, Place, Role, Session, Setting
from interwork.core.resource import Meaning, Resource, ResourceKind, Signal
from interwork.store import Change, Store, database, table_of
from interwork.store.words import METADATA

NOON = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(scope="session")
def postgres():
    """Give the socket folder of a PostgreSQL of its own."""
    try:
        with running_postgres() as folder:
            yield folder
    except CannotStart as fault:
        pytest.skip(str(fault))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def new_url(request, tmp_path):
    """Give the URL of a new database each time it is called."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path}/{uuid.uuid4().hex}.db"
    folder = request.getfixturevalue("postgres")

    def create() -> str:
        name = f"node_{uuid.uuid4().hex}"
        with psycopg.connect(f"host={folder} user=postgres dbname=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://postgres@/{name}?host={folder}"

    return create


@pytest.fixture
def url(new_url):
    return new_url()


@pytest.fixture
async def store(url):
    async with await Store.open(url) as opened:
        yield opened


def tamper(url: str, statement: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def note(key: str, value: str = "") -> Setting:
    return Setting(id=key, value=value)


def machine(key: str = "resource-1", *, owner: str = "org-a", kind: ResourceKind = ResourceKind.MACHINE) -> Resource:
    return Resource(id=key, name="Mill 1", kind=kind, owner=owner, place=Place(city="Aachen", latitude=50.77))


def signal_of(number: int) -> Signal:
    return Signal(id=f"signal-{number}", number=number, resource="resource-1", name="load", address="ns=2;i=1")


def peer(key: str, *, is_crawled: bool) -> Peer:
    return Peer(id=key, name=key, root="", endpoint="", is_crawled=is_crawled, crawled_at=NOON)


def message(key: str) -> Outgoing:
    return Outgoing(id=key, process="p", peer="did:web:b", url="u", body={"a": [1]}, created_at=NOON, next_at=NOON)


# --- values


async def test_what_was_put_is_read_back_as_it_was(store):
    value = peer("did:web:a", is_crawled=True)
    assert await store.commit(Change().put(value)) is True
    assert await store.get(Peer, "did:web:a") == value


async def test_the_outbox_row_is_written_with_the_change_it_tells_of(store):
    await store.commit(Change().put(note("a")).send(message("outgoing-1")))
    assert await store.find(Outgoing, state="waiting") == [message("outgoing-1")]


async def test_an_unknown_id_is_not_found(store):
    assert await store.peek(Setting, "nowhere") is None
    with pytest.raises(NotFound, match="Setting nowhere is not held here"):
        await store.get(Setting, "nowhere")


async def test_the_later_put_of_an_id_replaces_the_earlier_and_its_columns(store):
    await store.commit(Change().put(machine(owner="org-a")))
    await store.commit(Change().put(machine(owner="org-b")))
    assert await store.find(Resource, owner="org-a") == []
    assert await store.find(Resource, owner="org-b") == [machine(owner="org-b")]


async def test_a_delete_removes_and_a_second_delete_changes_nothing(store):
    await store.commit(Change().put(note("a")))
    for _ in range(2):
        assert await store.commit(Change().delete(Setting, "a")) is True
    assert await store.peek(Setting, "a") is None


async def test_text_of_any_script_and_an_escaped_nul_in_a_body_survive(store):
    value = note("名-ß-😀", "a\0b\u2028é")
    await store.commit(Change().put(value))
    assert await store.get(Setting, "名-ß-😀") == value


async def test_a_row_that_does_not_read_is_damaged_by_table_and_id(store, url):
    await store.commit(Change().put(note("a")))
    tamper(url, """UPDATE settings SET body = '{"id":"a"}' WHERE id = 'a'""")
    with pytest.raises(Damaged, match="Row a of table settings"):
        await store.get(Setting, "a")
    with pytest.raises(Damaged, match="Row a of table settings"):
        await store.find(Setting)


# --- finding


async def test_find_takes_equality_on_text_enum_number_and_fact(store):
    change = Change().put(machine("r-1")).put(machine("r-2", kind=ResourceKind.EXPERT))
    await store.commit(change.put(signal_of(7)).put(peer("p-1", is_crawled=True)).put(peer("p-2", is_crawled=False)))
    assert await store.find(Resource, kind=ResourceKind.EXPERT, owner="org-a") == [
        machine("r-2", kind=ResourceKind.EXPERT)
    ]
    assert await store.find(Signal, number=7, meaning="other") == [signal_of(7)]
    assert [found.id for found in await store.find(Peer, is_crawled=False)] == ["p-2"]


async def test_find_takes_several_values_of_a_field(store):
    await store.commit(Change().put(signal_of(1)).put(signal_of(2)).put(signal_of(3)))
    for wanted in ([1, 3], (1, 3), {1, 3}, frozenset({1, 3})):
        assert await store.find(Signal, number=wanted) == [signal_of(1), signal_of(3)]
    assert await store.find(Signal, number=[]) == []
    assert await store.count(Signal, meaning=list(Meaning), id=["signal-1", "signal-x"]) == 1


async def test_find_orders_by_the_bytes_of_the_id_and_stops_at_the_limit(store):
    names = ["Zeta", "alpha", "_x", "épi", "Beta", "a-2", "a1"]
    await store.commit(Change().put(note("seed")).delete(Setting, "seed"))
    for name in names:
        await store.commit(Change().put(note(name)))
    ordered = sorted(names, key=str.encode)
    assert [found.id for found in await store.find(Setting)] == ordered
    assert [found.id for found in await store.find(Setting, newest=True, limit=3)] == ordered[:-4:-1]


async def test_find_refuses_what_is_no_index_and_what_is_no_bound(store):
    with pytest.raises(BadInput, match="Use one of id, kind, owner"):
        await store.find(Resource, maker="DMG")
    with pytest.raises(BadInput, match="whole number"):
        await store.find(Signal, number="7")
    with pytest.raises(BadInput, match="is a text"):
        await store.find(Resource, owner=None)
    for limit in (0, -1, 100_001):
        with pytest.raises(BadInput, match="The limit is"):
            await store.find(Setting, limit=limit)


async def test_count_counts_what_find_would_find(store):
    for number in range(5):
        await store.commit(Change().put(machine(f"r-{number}", owner=f"org-{number % 2}")))
    assert await store.count(Resource) == 5
    assert await store.count(Resource, owner="org-1") == 2


# --- changes


async def test_expect_lets_through_whoever_read_last(store):
    await store.commit(Change().put(peer("a", is_crawled=False)))
    read = await store.get(Peer, "a")
    assert await store.commit(Change().put(peer("a", is_crawled=True), expect=read)) is True


async def test_a_conflict_writes_nothing_of_its_change(store):
    await store.commit(Change().put(note("a", "1")))
    change = Change(once="k").put(note("b")).event(Tag.NODE_STARTED, "b").put(note("a", "3"), expect=note("a", "0"))
    with pytest.raises(Conflict, match="Setting a was changed since it was read"):
        await store.commit(change)
    assert [found.value for found in await store.find(Setting)] == ["1"]
    assert await store.events() == []
    assert await store.commit(Change(once="k")) is True


async def test_a_value_that_was_deleted_meanwhile_is_a_conflict(store):
    with pytest.raises(Conflict, match="no longer there"):
        await store.commit(Change().put(note("a", "2"), expect=note("a", "1")))


async def test_a_conflict_leaves_its_neighbours_in_the_group(store):
    outcomes = {}

    async def commit(number: int) -> None:
        expect = note("x", "never") if number % 3 == 0 else None
        try:
            outcomes[number] = await store.commit(
                Change().event(Tag.NODE_STARTED, f"e-{number}").put(note(f"n-{number}")).put(note("x"), expect=expect)
            )
        except Conflict:
            outcomes[number] = "conflict"

    async with anyio.create_task_group() as group:
        for number in range(30):
            group.start_soon(commit, number)
    assert {number for number, outcome in outcomes.items() if outcome == "conflict"} == set(range(0, 30, 3))
    assert await store.count(Setting) == 21
    assert await store.verify() == 20


async def test_of_many_changes_with_one_key_exactly_one_is_made(store):
    made = []

    async def commit(number: int) -> None:
        made.append(await store.commit(Change(once="order-1").put(note(f"n-{number}"))))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(commit, number)
    assert sorted(made) == [False] * 19 + [True]
    assert await store.count(Setting) == 1


async def test_a_key_is_remembered_after_reopening(url):
    for expected in (True, False):
        async with await Store.open(url) as store:
            assert await store.commit(Change(once="k").event(Tag.NODE_STARTED, "n")) is expected
            assert await store.verify() == 1


# --- events


async def test_events_form_a_chain_with_actor_time_and_detail(store):
    await store.commit(Change("did:web:a").event(Tag.NODE_CREATED, "n", at=NOON, list=(1, 2.5), kind=Role.OWNER))
    await store.commit(Change().event(Tag.NODE_STARTED, "n").event(Tag.NODE_STARTED, "m"))
    first, second, third = await store.events()
    assert (first.sequence, second.sequence, third.sequence, first.previous) == (1, 2, 3, GENESIS)
    assert (second.previous, third.previous) == (first.digest, second.digest)
    assert (first.actor, second.actor) == ("did:web:a", "node")
    assert first.detail == {"at": "2026-06-01T12:00:00.123456Z", "list": [1, 2.5], "kind": "owner"}
    assert abs((datetime.now(UTC) - first.at).total_seconds()) < 60


async def test_events_are_found_after_a_sequence_by_subject_by_tag_and_newest_first(store):
    for number in range(6):
        tag = Tag.NODE_STARTED if number % 2 else Tag.NODE_CREATED
        await store.commit(Change().event(tag, f"s-{number % 3}"))
    assert [event.sequence for event in await store.events(after=2, limit=2)] == [3, 4]
    assert [event.sequence for event in await store.events(subject="s-1")] == [2, 5]
    assert [event.sequence for event in await store.events(tag=Tag.NODE_CREATED, newest=True)] == [5, 3, 1]


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("""UPDATE events SET detail = '{"n":9}' WHERE sequence = 3""", "Event 3 of the chain was changed"),
        ("UPDATE events SET actor = 'nobody' WHERE sequence = 1", "Event 1 of the chain was changed"),
        ("UPDATE events SET detail = 'x' WHERE sequence = 2", "Event 2 of the chain does not read"),
        ("UPDATE events SET tag = 'a:b:c' WHERE sequence = 2", "Event 2 of the chain does not read"),
        ("UPDATE events SET previous = digest WHERE sequence = 4", "Event 4 of the chain does not follow"),
        ("DELETE FROM events WHERE sequence = 2", "Event 2 of the chain is missing"),
        ("DELETE FROM events WHERE sequence = 5", "ends after event 4, but 5 events were written"),
        ("DELETE FROM events", "ends after event 0, but 5 events were written"),
        ("DELETE FROM chain", "names the newest event is missing"),
    ],
)
async def test_whatever_is_done_to_the_chain_shows(store, url, statement, complaint):
    for number in range(5):
        await store.commit(Change().event(Tag.NODE_STARTED, "n", n=number))
    assert await store.verify() == 5
    tamper(url, statement)
    with pytest.raises(Damaged, match=complaint):
        await store.verify()


async def test_a_chain_without_its_head_takes_no_more_changes(store, url):
    tamper(url, "DELETE FROM chain")
    with pytest.raises(Damaged, match="names the newest event is missing"):
        await store.commit(Change().put(note("a")))


# --- subscriptions


async def test_a_subscriber_hears_the_ids_and_tables_of_a_commit(store):
    async with store.changes() as changes:
        await store.commit(Change().put(note("a")).event(Tag.NODE_STARTED, "n").delete(Peer, "p"))
        with anyio.fail_after(30):
            assert await changes.receive() == {"a", "settings", "n", "events", "p", table_of(Peer)}


async def test_a_change_that_was_not_made_is_not_told(store):
    async with store.changes() as changes:
        with pytest.raises(Conflict):
            await store.commit(Change().put(note("a"), expect=note("a", "x")))
        await store.commit(Change(once="k").put(note("b")))
        await store.commit(Change(once="k").put(note("c")))
        assert changes.statistics().current_buffer_used == 1
        assert "b" in await changes.receive()


async def test_a_subscriber_that_sleeps_loses_old_ids_but_no_table_name(store):
    async with store.changes() as changes:
        await store.commit(Change().put(peer("p", is_crawled=True)))
        for number in range(300):
            await store.commit(Change().put(note(f"n-{number}")))
        heard = frozenset().union(*(changes.receive_nowait() for _ in range(256)))
    assert {"peers", "settings", "n-299"} <= heard
    assert not {"p", "n-0"} & heard


async def test_closing_the_store_ends_its_subscriptions_and_refuses_the_rest(store):
    async with store.changes() as changes:
        await store.close()
        with pytest.raises(anyio.EndOfStream):
            await changes.receive()
    with pytest.raises(Unusable, match="closed"):
        await store.commit(Change().put(note("a")))
    with pytest.raises(Unusable, match="closed"):
        await store.get(Setting, "a")


# --- exports


async def filled(store: Store) -> None:
    account = Account(id="account-1", name="Ada", role=Role.OWNER, password_hash="$argon2id$x", created_at=NOON)
    session = Session(id="s" * 64, account="account-1", csrf="c", expires_at=NOON)
    await store.commit(
        Change(once="k").put(account).put(session).put(note("a")).event(Tag.ACCOUNT_CREATED, "account-1")
    )
    body = Organisation(id="org-1", name="A", kind=OrganisationKind.COLLEGE)
    await store.commit(Change().put(body).send(message("outgoing-1")).event(Tag.ORGANISATION_RECORDED, "org-1", n=1.5))


async def test_a_dump_loads_into_an_empty_store_and_dumps_the_same(store, new_url):
    await filled(store)
    lines = [line async for line in store.dump(secrets=True)]
    async with await Store.open(new_url()) as other:
        assert await other.load(store.dump(secrets=True)) == 2
        assert [line async for line in other.dump(secrets=True)] == lines
        assert await other.verify() == 2
        assert await other.commit(Change(once="k").put(note("again"))) is False


async def test_a_dump_has_no_secrets_unless_told_and_then_does_not_load(store, new_url):
    await filled(store)
    lines = [line async for line in store.dump()]
    assert [name for name, _ in lines] == ["export", "organisations", "accounts", "once", "events", "events"]
    assert b"argon2id" not in b"".join(line for _, line in lines)
    async with await Store.open(new_url()) as other:
        with pytest.raises(Refused, match="without secrets"):
            await other.load(store.dump())


async def test_a_dump_shows_one_moment_though_writing_goes_on(store):
    for number in range(3):
        await store.commit(Change().put(note(f"n-{number}")).event(Tag.NODE_STARTED, "n"))
    lines = store.dump(secrets=True)
    seen = [await anext(lines)]
    await store.commit(Change().put(note("late")).event(Tag.NODE_STARTED, "late"))
    seen += [line async for line in lines]
    assert [name for name, _ in seen] == ["export", *["settings"] * 3, *["events"] * 3]


async def test_a_changed_export_loads_nothing(store, new_url):
    await filled(store)

    async def changed():
        async for name, line in store.dump(secrets=True):
            yield name, line.replace(b'"n":1.5', b'"n":1.6') if name == "events" else line

    async with await Store.open(new_url()) as other:
        with pytest.raises(Damaged, match="Event 2 of the chain was changed"):
            await other.load(changed())
        assert await other.count(Organisation) == 0
        assert await other.verify() == 0


async def test_an_export_is_loaded_only_where_nothing_is(store):
    await filled(store)
    with pytest.raises(WrongState, match="has accounts already"):
        await store.load(store.dump(secrets=True))


# --- opening


async def test_reopening_finds_everything(url):
    async with await Store.open(url) as store:
        await store.commit(Change().put(note("a", "1")).event(Tag.NODE_CREATED, "a"))
    async with await Store.open(url) as store:
        assert await store.get(Setting, "a") == note("a", "1")
        await store.commit(Change().event(Tag.NODE_STARTED, "a"))
        assert await store.verify() == 2


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(url):
    async with await Store.open(url) as store:
        await store.commit(Change().put(note("a")))
    tamper(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerData, match=r"written by a newer version of Interwork \(revision 9999\)"):
        await Store.open(url)
    tamper(url, "UPDATE alembic_version SET version_num = '0002'")
    async with await Store.open(url) as store:
        assert await store.count(Setting) == 1


def move_to(url, revision):
    """Move the tables of a database to a revision, as Alembic's own command does."""
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    engine.dispose()


async def test_tables_go_a_revision_back_and_up_again_with_their_data_and_the_chain_verifies(url):
    """streams 29: what the older revision knows is kept both ways; what only the newer one knows goes."""
    async with await Store.open(url) as store:
        await filled(store)
        await store.commit(Change().put(note("kept", "1")).event(Tag.NODE_CREATED, "a"))
        held, chain = await store.count(Setting), await store.verify()
    move_to(url, "0001")
    async with await Store.open(url) as store:
        assert (await store.count(Setting), await store.get(Setting, "kept")) == (held, note("kept", "1"))
        assert await store.verify() == chain
        await store.commit(Change().event(Tag.NODE_STARTED, "a"))
        assert await store.verify() == chain + 1
    move_to(url, "base")
    async with await Store.open(url) as store:
        assert await store.count(Setting) == 0


async def test_the_migrations_make_exactly_the_tables_of_the_words(store, url):
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA) == []
    engine.dispose()


async def test_two_programs_on_one_database_write_one_chain(store, url):
    async def write(to: Store, name: str) -> None:
        for number in range(20):
            await to.commit(Change(name).event(Tag.NODE_STARTED, "n", n=number))

    async with await Store.open(url) as other:
        async with anyio.create_task_group() as group:
            group.start_soon(write, store, "a")
            group.start_soon(write, other, "b")
        assert await other.verify() == await store.verify() == 40


async def test_programs_that_open_a_new_database_at_the_same_time_all_succeed(url):
    opened = []

    async def open_one() -> None:
        opened.append(await Store.open(url))

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(open_one)
    for number, store in enumerate(opened):
        assert await store.commit(Change().event(Tag.NODE_STARTED, "n")) is True
        assert await store.verify() == number + 1
    for store in opened:
        await store.close()


@pytest.mark.postgres
@pytest.mark.parametrize("new_url", ["postgres"], indirect=True)
async def test_a_server_that_dropped_its_connections_is_found_again(store, url):
    await store.commit(Change().put(note("a")))
    await store.find(Setting)
    tamper(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    assert await store.find(Setting) == [note("a")]
    assert await store.commit(Change().put(note("b"))) is True


WRITER = """
import sys, anyio
from interwork.core.event import Tag
from interwork.core.organisation import Setting
from interwork.store import Change, Store

async def main():
    store = await Store.open(sys.argv[1])
    async def lane(name):
        for number in range(1_000_000):
            key = f"{name}-{number}"
            await store.commit(Change().put(Setting(id=key, value="")).event(Tag.NODE_STARTED, key))
            sys.stdout.write(key + "\\n")
            sys.stdout.flush()
    async with anyio.create_task_group() as group:
        for name in "abcdefgh":
            group.start_soon(lane, name)

anyio.run(main)
"""


def killed_while_writing(url: str) -> set[str]:
    """Kill a process in the middle of its writing and tell what it had heard was safe."""
    with subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True) as child:
        acknowledged = [child.stdout.readline().strip() for _ in range(200)]
        child.send_signal(signal.SIGKILL)
        return {*acknowledged, *child.stdout.read().split("\n")[:-1]}


async def test_a_writer_killed_in_the_middle_loses_nothing_acknowledged(url):
    acknowledged = await anyio.to_thread.run_sync(killed_while_writing, url)
    async with await Store.open(url) as store:
        kept = {found.id for found in await store.find(Setting, limit=100_000)}
        assert acknowledged <= kept
        assert await store.verify() == len(kept)


# --- whatever is done, in whatever order

KEYS = st.sampled_from(["a", "b", "c"])
STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.text(max_size=5)),
    st.tuples(st.just("delete"), KEYS, st.just("")),
    st.tuples(st.just("event"), KEYS, st.text(max_size=5)),
    st.tuples(st.just("expect"), KEYS, st.text(max_size=5)),
)
CHANGES = st.lists(st.tuples(st.lists(STEPS, max_size=4), st.sampled_from(["", "", "k1", "k2"])), max_size=12)


def change_of(steps: list[tuple[str, str, str]], once: str) -> Change:
    change = Change(once=once)
    for verb, key, text in steps:
        match verb:
            case "put":
                change.put(note(key, text))
            case "delete":
                change.delete(Setting, key)
            case "expect":
                change.put(note(key, text), expect=note(key, text))
            case "event":
                change.event(Tag.NODE_STARTED, key, text=text)
    return change


async def keeps_one_chain(new_url, plan) -> None:
    linked = []

    async def commit(steps: list[tuple[str, str, str]], once: str) -> None:
        try:
            if await store.commit(change_of(steps, once)):
                linked.extend(step for step in steps if step[0] == "event")
        except Conflict:
            assert any(step[0] == "expect" for step in steps)

    async with await Store.open(new_url()) as store, await Store.open(new_url()) as other:
        async with anyio.create_task_group() as group:
            for steps, once in plan:
                group.start_soon(commit, steps, once)
        assert await store.verify() == len(linked)
        assert await other.load(store.dump(secrets=True)) == len(linked)
        assert [e async for e in other.dump(secrets=True)] == [e async for e in store.dump(secrets=True)]


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(plan=CHANGES)
def test_any_changes_in_any_order_make_one_chain_that_survives_an_export(new_url, plan):
    anyio.run(keeps_one_chain, new_url, plan)
