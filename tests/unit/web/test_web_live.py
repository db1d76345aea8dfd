"""Live values: what a frame holds, who may listen, and that words, silence and an ended agreement reach the page."""

import json
import math
import struct
from array import array
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest
import world
import world_records as records

from interwork.core.blueprint import LinkState
from interwork.core.clock import now, to_us
from interwork.core.exchange import Agreement, AgreementState
from interwork.core.resource import BAD_DEVICE_FAILURE, BAD_NO_DATA, GOOD, UNCERTAIN_LAST_USABLE, Batch, Signal
from interwork.flows.links import Link
from interwork.store import Change
from interwork.web import live
from interwork.web.live import HEARD, SILENT, Frames, bits_of, frame_of, quality_of, sample_of


def signal(number=1, **more):
    return Signal(id=f"signal-{number}", number=number, resource="r", name="Load", address="a", **more)


class Socket:
    """The page's end of a WebSocket."""

    def __init__(self) -> None:
        self.sent: list[dict] = []
        self.news, self.closing = anyio.Event(), anyio.Event()
        self.is_opened = False

    async def receive(self):
        if not self.is_opened:
            self.is_opened = True
            return {"type": "websocket.connect"}
        await self.closing.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(self, message):
        self.sent.append(message)
        self.news.set()
        self.news = anyio.Event()

    async def until(self, found):
        with anyio.fail_after(30):
            while not (hits := [one for one in self.sent if found(one)]):
                await self.news.wait()
        return hits[0]


@asynccontextmanager
async def listening(browser, address, **headers):
    """Open a socket and close it as a page does that is left."""
    socket = Socket()
    scope = browser.scope("websocket", address, {"origin": f"http://{browser.host}", **headers})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(browser.app, scope, socket.receive, socket.send)
        with anyio.fail_after(30):
            yield socket
        socket.closing.set()


def is_frame(message):
    return "bytes" in message


def is_closed(message):
    return message["type"] == "websocket.close"


async def test_a_frame_holds_times_values_and_qualities(node):
    node.live.update(world.reading_batch(at := now()))
    frame = frame_of(node.live, (2, 9999)).packed()
    stamps = struct.unpack_from("<5d", frame)
    assert len(frame) == 8 + 2 * 17
    assert stamps[1] == pytest.approx(at.timestamp() * 1000, abs=0.01)
    assert (stamps[3] > 0, math.isnan(stamps[2]), math.isnan(stamps[4]), list(frame[-2:])) == (True, True, True, [0, 3])


async def test_a_counter_beyond_a_million_keeps_its_last_digit(node):
    """A value is sent as it is, not rounded to single precision."""
    node.live.update(Batch(signal=array("i", [2]), time_us=array("q", [to_us(now())]), value=array("d", [2.0**53 - 1]),
                           quality=array("I", [GOOD])))  # fmt: skip
    assert struct.unpack_from("<d", frame_of(node.live, (2,)).packed(), 16)[0] == 2.0**53 - 1


async def test_the_same_frame_in_json_has_no_value_where_there_is_none(node):
    spelled = json.loads(frame_of(node.live, (9999,)).spelled())
    assert (spelled["value"], spelled["time"], spelled["quality"]) == ([None], [None], [3])


async def test_beside_a_quality_stands_whether_its_machine_is_heard_and_whether_it_fell_silent(node):
    """A value that stands still on a link that is up is no stale one; that the machine says nothing is."""
    node.live.update(world.reading_batch(now()))
    link = Link(resource="r", name="Mill", endpoint="opc.tcp://mill", state=LinkState.CONNECTED)
    told, frames = [], Frames()
    for state in (None, LinkState.CONNECTED, LinkState.DEGRADED, LinkState.BACKOFF):
        if state:
            link.stand(state, now())
            node.links.by_resource["r"] = link
        told.append(frames.at(node.live, (2,), bits_of(node.links, [signal(2)]))[1][-1])
    assert told == [0, HEARD, HEARD | SILENT, 0]


async def test_pages_of_the_same_signals_share_a_frame_until_something_changes(node):
    """portal 6: fifty visitors of one page cost one packing."""
    frames = Frames()
    first = frames.at(node.live, (1, 2))
    assert frames.at(node.live, (1, 2)) is not None
    assert frames.at(node.live, (1, 2))[1] is first[1]
    node.live.update(world.reading_batch(now()))
    assert frames.at(node.live, (1, 2))[1] is not first[1]


@pytest.mark.parametrize(
    ("code", "has_value", "word"),
    [
        (GOOD, True, "good"),
        (GOOD, False, "none"),
        (UNCERTAIN_LAST_USABLE, True, "uncertain"),
        (BAD_DEVICE_FAILURE, True, "bad"),
        (BAD_NO_DATA, False, "none"),
    ],
)
def test_quality_is_named_by_its_severity(code, has_value, word):
    assert quality_of(code, has_value=has_value) == word


async def test_a_lost_machine_s_values_are_uncertain_not_zero(node):
    node.live.mark_lost([2], to_us(now()))
    sample = sample_of(node.live, signal(2))
    assert sample.quality == "uncertain"
    assert sample.value > 0


async def test_words_are_kept_apart_from_numbers(node):
    node.live.update(world.reading_batch(now()))
    assert frame_of(node.live, (1, 2)).words == {"1": "ACTIVE"}


async def test_a_page_hears_of_its_signals_and_of_each_change(owner, node):
    async with listening(owner, "/live?signals=2,1") as socket:
        await socket.until(is_frame)
        before = sum(map(is_frame, socket.sent))
        node.live.update(world.reading_batch(now()))
        await socket.until(lambda _: sum(map(is_frame, socket.sent)) > before)
    texts = [json.loads(one["text"]) for one in socket.sent if one.get("text")]
    assert texts[0] == {"signals": [2, 1]}
    assert {"words": {"1": "ACTIVE"}} in texts


async def test_a_busy_machine_sends_no_more_frames_than_a_page_can_paint(owner, node):
    async with listening(owner, "/live?signals=2") as socket:
        await socket.until(is_frame)
        began = anyio.current_time()
        while anyio.current_time() - began < 1.0:
            node.live.update(world.reading_batch(now()))
            await anyio.sleep(0.01)
        passed_s = anyio.current_time() - began
    assert sum(map(is_frame, socket.sent)) <= passed_s / live.TICK_S + 3


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"origin": ""}])
async def test_a_page_of_another_origin_may_not_listen(owner, headers):
    async with listening(owner, "/live?signals=2", **headers) as socket:
        assert await socket.until(is_closed)
    assert not any(map(is_frame, socket.sent))


async def test_a_stranger_may_not_listen(stranger):
    async with listening(stranger, "/live?signals=2") as socket:
        assert await socket.until(is_closed)


@pytest.mark.parametrize("signals", ["", "x", "1,,2", "1;2", ",".join(["1"] * 501)])
async def test_a_page_that_asks_for_no_signals_is_told_so(owner, signals):
    answer = await owner.get(f"/live/events?signals={signals}")
    assert (answer.status, answer.json()["code"]) == (400, "bad-input")


async def test_listening_ends_with_the_agreement(owner, node, monkeypatch):
    monkeypatch.setattr(live, "BEAT_S", 0.1)
    async with listening(owner, "/live?signals=201") as socket:
        await socket.until(is_frame)
        agreement = await node.store.get(Agreement, records.READINGS)
        await node.store.commit(Change().put(msgspec.structs.replace(agreement, state=AgreementState.TERMINATED)))
        closed = await socket.until(is_closed)
    assert closed["code"] == 1008


async def test_events_say_the_same_where_sockets_are_blocked(owner, node, monkeypatch):
    monkeypatch.setattr(live, "BEAT_S", 0.05)
    seen = []

    async def frames(_connection, signals):
        frame = frame_of(node.live, [one.number for one in signals])
        yield frame, frame.packed()

    monkeypatch.setattr(live, "frames", frames)
    answer = await owner.get("/live/events?signals=2,1")
    seen = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data")]
    assert seen[0] == {"signals": [2, 1]}
    assert seen[1] == {"words": {"1": "ACTIVE"}}
    assert seen[2]["quality"] == [0, 0]
