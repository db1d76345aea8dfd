"""An export says what it is, comes whole or not at all, and names what it cannot take."""

import msgspec
import pytest

from interwork.core.errors import BadInput, Refused
from interwork.core.event import Tag
from interwork.core.organisation import Setting
from interwork.store import Change, Store
from interwork.store.export import BATCH


@pytest.fixture
async def lines(store):
    for number in range(3):
        await store.commit(Change().put(Setting(id=f"s-{number}", value="")).event(Tag.NODE_STARTED, "n", n=number))
    return [line async for line in store.dump(secrets=True)]


@pytest.fixture
async def empty(tmp_path):
    async with await Store.open(f"sqlite:///{tmp_path}/empty.db") as opened:
        yield opened


async def stream(lines):
    for line in lines:
        yield line


async def test_the_first_line_tells_how_far_the_chain_goes(lines):
    assert lines[0][0] == "export"
    header = msgspec.json.decode(lines[0][1])
    assert (header["format"], header["has_secrets"], header["events"]) == (1, True, 3)
    assert header["digest"] == msgspec.json.decode(lines[-1][1])["digest"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda lines: [], "cut short after event 0, before its first line"),
        (lambda lines: lines[1:], "does not begin as one of format 1"),
        (lambda lines: [("export", b'{"format":2}'), *lines[1:]], "A line of export in the export does not read"),
        (lambda lines: lines[:-1], "cut short after event 2, before 3"),
        (lambda lines: [*lines, ("spaceships", b"{}")], "has a table 'spaceships'"),
        (lambda lines: [*lines, ("settings", b"{}")], "A line of settings in the export does not read"),
        (lambda lines: [*lines, lines[1]], "A line of settings is in the export twice"),
    ],
)
async def test_what_is_no_whole_export_loads_nothing(lines, empty, change, complaint):
    with pytest.raises(BadInput, match=complaint):
        await empty.load(stream(change(lines)))
    assert await empty.count(Setting) == 0
    assert await empty.commit(Change().event(Tag.NODE_STARTED, "n")) is True


async def test_an_export_of_another_format_is_refused(lines, empty):
    other = lines[0][1].replace(b'"format":1', b'"format":2')
    with pytest.raises(BadInput, match="does not begin as one of format 1"):
        await empty.load(stream([("export", other), *lines[1:]]))


async def test_an_export_without_secrets_says_so(store, lines, empty):
    with pytest.raises(Refused) as caught:
        await empty.load(store.dump())
    assert caught.value.rule == "a node is loaded whole"


async def test_an_export_longer_than_a_batch_is_loaded_whole(store, empty):
    change = Change()
    for number in range(2 * BATCH + 1):
        change.put(Setting(id=f"s-{number:06}", value="")).event(Tag.NODE_STARTED, "n")
    await store.commit(change)
    assert await empty.load(store.dump(secrets=True)) == 2 * BATCH + 1
    assert await empty.find(Setting, limit=5000) == await store.find(Setting, limit=5000)
