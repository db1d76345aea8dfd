"""Inbox and publishing: bounded, in order, holding the server back, telling silence and loss."""

import asyncio
import math

import anyio
import anyio.lowlevel
import pytest
from asyncua import ua
from asyncua.client.ua_client import UaClient
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_to_binary

from interwork.connectors import BAD_TYPE, FLUSH_READINGS, Point
from interwork.connectors.opcua.elements import BAD_INDEX_RANGE
from interwork.connectors.opcua.inbox import Inbox, Wording
from interwork.connectors.opcua.session import IN_FLIGHT, FastSession, told_cancellation
from interwork.connectors.opcua.value import EPOCH_TICKS, Changes
from interwork.core.clock import from_us
from interwork.core.resource import BAD_NO_DATA, GOOD

POINTS = [Point(number=11, address="a"), Point(number=12, address="b", is_text=True)]


def changes(*rows):
    made = Changes()
    for handle, value, status, time_us in rows:
        made.add(handle, value, status, time_us * 10 + EPOCH_TICKS)
    return made


def inbox_with(*rows, wording=None):
    inbox = Inbox(POINTS, wording)
    inbox.add(changes(*rows))
    return inbox


async def take(inbox, silence_s=1):
    return await inbox.take(silence_s, 5)


async def test_changes_come_out_as_columns_under_the_points_numbers():
    rows = (0, 2.5, GOOD, 7), (1, "Executing", GOOD, 8), (0, 3, 0x480, 9)
    inbox = inbox_with(*rows, wording=Wording(states=frozenset({1})))
    batch = await take(inbox)
    assert list(batch.signal) == [11, 12, 11]
    assert list(batch.time_us) == [7, 8, 9]
    assert batch.text == [None, "ACTIVE", None]


AXES = {2: [(0, 0), (2, 1)]}
"""An array's client handle: its first element is the number point, its third the text point."""


@pytest.mark.parametrize(
    ("value", "status", "number", "word"),
    [
        ([1.5, 2.5, "c"], GOOD, (1.5, GOOD), ("c", GOOD)),
        ([1.5, 2.5, 3.0], 0x40900000, (1.5, 0x40900000), ("3", 0x40900000)),
        ([True], GOOD, (1.0, GOOD), (None, BAD_INDEX_RANGE)),
        ([], GOOD, (None, BAD_INDEX_RANGE), (None, BAD_INDEX_RANGE)),
        ([float("nan"), 0, None], GOOD, (None, BAD_NO_DATA), (None, BAD_NO_DATA)),
        (["x", 0, 2**63], GOOD, (None, BAD_TYPE), (str(2**63), GOOD)),
        (4.0, GOOD, (None, BAD_TYPE), (None, BAD_TYPE)),
        ("[1.5,2.5,3.5]", GOOD, (None, BAD_TYPE), (None, BAD_TYPE)),
        (None, GOOD, (None, BAD_NO_DATA), (None, BAD_NO_DATA)),
        (None, 0x80340000, (None, 0x80340000), (None, 0x80340000)),
    ],
)
async def test_an_arrays_elements_come_out_as_their_points_and_a_missing_one_is_bad(value, status, number, word):
    inbox = Inbox(POINTS, None, AXES)
    inbox.add(changes((2, value, status, 7)))
    assert inbox.gone == ({2} if status == 0x80340000 else set())
    batch = await take(inbox)
    assert list(batch.signal) == [11, 12]
    assert list(batch.time_us) == [7, 7]
    first = None if math.isnan(batch.value[0]) else batch.value[0]
    assert (first, batch.quality[0]) == number
    assert ((batch.text or [None, None])[1], batch.quality[1]) == word


async def test_elements_are_read_alike_where_asyncua_decodes_the_message():
    inbox = Inbox(POINTS, None, AXES)
    items = [
        ua.MonitoredItemNotification(2, ua.DataValue(ua.Variant([1.5, 2.5, 3.5]))),
        ua.MonitoredItemNotification(9, ua.DataValue(ua.Variant(1.0))),
    ]
    inbox.take_in([ua.DataChangeNotification(items)])
    batch = await take(inbox)
    assert (list(batch.signal), batch.value[0], batch.text) == ([11, 12], 1.5, [None, "3.5"])
    assert inbox.counters["strays"] == 1


async def test_an_overflow_bit_is_counted_and_kept():
    """machines 8: the sampling queue's overflow bit is a counted loss."""
    inbox = inbox_with((0, 1.0, 0x480, 1), (0, 2.0, GOOD, 2))
    assert inbox.counters["overflows"] == 1
    assert list((await take(inbox)).quality) == [0x480, GOOD]


@pytest.mark.parametrize(
    ("value", "status", "outcome"),
    [
        (2, GOOD, (2.0, GOOD)),
        ("a", GOOD, (None, BAD_TYPE)),
        (None, GOOD, (None, BAD_NO_DATA)),
        (float("nan"), GOOD, (None, BAD_NO_DATA)),
        (float("-inf"), GOOD, (None, BAD_NO_DATA)),
        (None, 0x808B0000, (None, 0x808B0000)),
        (5.0, 0x40900000, (5.0, 0x40900000)),
        ("a", 0x808B0000, (None, 0x808B0000)),
    ],
)
async def test_a_number_point_gets_a_number_or_a_reason_why_not(value, status, outcome):
    batch = await take(inbox_with((0, value, status, 1)))
    number = batch.value[0]
    assert (None if number != number else number, batch.quality[0]) == outcome  # noqa: PLR0124 - NaN


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (2.5, "2.5"), (3.0, "RUN"), (4, "4"), (1e300, "1e+300"), (2**63, str(2**63))]
)
async def test_a_text_point_gets_words_and_digits(value, text):
    batch = await take(inbox_with((1, value, GOOD, 1), wording=Wording(words={1: {3: "RUN"}})))
    assert batch.text == [text]
    assert batch.quality[0] == GOOD


async def test_a_counter_beyond_two_to_the_53_is_rounded_and_counted():
    inbox = inbox_with((0, 2**53 + 1, GOOD, 1), (0, 7, GOOD, 2))
    assert list((await take(inbox)).value) == [float(2**53), 7.0]
    assert inbox.counters["rounded"] == 1


async def test_an_impossible_time_is_counted_and_replaced():
    made = Changes()
    made.add(0, 1.0, GOOD, 2**63 - 1)
    inbox = Inbox(POINTS)
    inbox.add(made)
    assert from_us((await take(inbox)).time_us[0]).year < 3000
    assert inbox.counters["impossible_times"] == 1


async def test_a_full_inbox_holds_asyncuas_loop_back_until_it_is_taken():
    inbox = Inbox(POINTS)
    result = ua.PublishResult()
    item = ua.MonitoredItemNotification(0, ua.DataValue(ua.Variant(1.0)))
    result.NotificationMessage.NotificationData = [ua.DataChangeNotification([item] * FLUSH_READINGS)]
    async with anyio.create_task_group() as group:
        group.start_soon(inbox.deliver, result)
        group.start_soon(inbox.deliver, result)
        await anyio.wait_all_tasks_blocked()
        assert inbox.is_full
        taken = len(await take(inbox))
    assert taken == 2 * FLUSH_READINGS


async def test_silence_beyond_the_limit_is_a_fault():
    inbox = Inbox(POINTS)
    inbox.expect(1)
    for _ in range(3):
        assert len(await take(inbox, 0.01)) == 0
    assert "silent" in inbox.fault


async def test_one_silent_subscription_among_several_is_a_fault():
    inbox = Inbox(POINTS)
    inbox.expect(1)
    inbox.expect(2)
    with anyio.fail_after(30):
        while not inbox.fault:
            inbox.hear(1)
            await take(inbox, 0.01)
            await anyio.sleep(0.05)
    assert "silent" in inbox.fault


async def test_a_keep_alive_is_no_reading_and_no_fault():
    inbox = Inbox(POINTS)
    await inbox.deliver(ua.PublishResult())
    assert len(await take(inbox)) == 0
    assert inbox.fault == ""


async def test_what_came_before_a_loss_is_still_handed_over():
    inbox = inbox_with((0, 1.0, GOOD, 1))
    inbox.fail("is gone")
    assert len(await take(inbox)) == 1
    assert inbox.fault == "is gone"


async def test_the_end_of_the_subscription_is_a_fault():
    inbox = Inbox(POINTS)
    inbox.take_in([ua.StatusChangeNotification(Status=ua.StatusCode(0x800A0000))])
    assert "BadTimeout" in inbox.fault


async def test_a_handle_that_was_never_created_is_counted_and_no_crash():
    inbox = inbox_with((7, 1.0, GOOD, 1), (0, 2.0, GOOD, 1))
    assert list((await take(inbox)).value) == [2.0]
    assert inbox.counters["strays"] == 1


async def test_refused_points_get_their_status_as_quality():
    inbox = Inbox(POINTS)
    inbox.add_bad({1: 0x80340000})
    batch = await take(inbox)
    assert (list(batch.signal), list(batch.quality)) == ([12], [0x80340000])
    assert inbox.gone == set()


async def test_a_node_that_is_said_to_be_gone_is_noted_for_another_try():
    assert inbox_with((0, None, 0x80340000, 1), (1, None, 0x808B0000, 1)).gone == {0}


class Wire:
    """Stands for asyncua's socket protocol: keeps the futures of the requests sent."""

    authentication_token = None

    def __init__(self):
        self.sent = []

    def _send_request(self, request, timeout):
        assert timeout == 0
        self.sent.append((request, asyncio.get_running_loop().create_future()))
        return self.sent[-1][1]

    def check_answer(self, data, context):
        return True

    def answer(self, at, response):
        self.sent[at][1].set_result(Buffer(bytes(struct_to_binary(response))))


def published(subscription, sequence, count=1):
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = subscription
    message = response.Parameters.NotificationMessage
    message.SequenceNumber = sequence
    item = ua.MonitoredItemNotification(0, ua.DataValue(ua.Variant(1.0)))
    message.NotificationData = [ua.DataChangeNotification([item] * count)] if count else []
    return response


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def session(wire):
    client = UaClient()
    client.protocol = wire
    return FastSession(client)


async def test_several_publish_requests_are_in_flight_and_each_answer_sends_the_next(session, wire):
    inbox = Inbox(POINTS)
    session.attach(5, inbox)
    assert len(wire.sent) == IN_FLIGHT
    wire.answer(0, published(5, 1))
    await anyio.wait_all_tasks_blocked()
    await anyio.lowlevel.checkpoint()
    assert len(wire.sent) == IN_FLIGHT + 1
    acknowledged = wire.sent[-1][0].Parameters.SubscriptionAcknowledgements
    assert [(one.SubscriptionId, one.SequenceNumber) for one in acknowledged] == [(5, 1)]
    assert len(await take(inbox)) == 1


async def test_no_request_is_sent_while_the_inbox_is_full(session, wire):
    inbox = Inbox(POINTS)
    session.attach(5, inbox)
    for at in range(IN_FLIGHT):
        wire.answer(at, published(5, at + 1, FLUSH_READINGS))
    await anyio.lowlevel.checkpoint()
    await anyio.lowlevel.checkpoint()
    assert len(wire.sent) == IN_FLIGHT
    assert len(await take(inbox)) == IN_FLIGHT * FLUSH_READINGS
    assert len(wire.sent) == 2 * IN_FLIGHT


async def test_a_missing_notification_is_counted(session, wire):
    session.attach(5, Inbox(POINTS))
    for at, sequence in enumerate((1, 4)):
        wire.answer(at, published(5, sequence))
    await anyio.lowlevel.checkpoint()
    assert session.counters["missing_notifications"] == 2


async def test_a_refused_publish_request_is_not_asked_again_for_ever(session, wire):
    inbox = Inbox(POINTS)
    session.attach(5, inbox)
    fault = ua.PublishResponse()
    fault.ResponseHeader.ServiceResult = ua.StatusCode(0x80780000)
    for at in range(20):
        if at < len(wire.sent):
            wire.answer(at, fault)
            await anyio.lowlevel.checkpoint()
    assert "BadTooManyPublishRequests" in inbox.fault
    assert len(wire.sent) < 15


async def test_octets_that_are_no_answer_end_the_link_and_are_counted(session, wire):
    inbox = Inbox(POINTS)
    session.attach(5, inbox)
    wire.sent[0][1].set_result(Buffer(b"\x01\x00\x3d\x03" + bytes(9)))
    await anyio.lowlevel.checkpoint()
    assert "cannot be decoded" in inbox.fault
    assert session.counters["undecodable_messages"] == 1


async def test_a_lost_socket_is_told_at_once(session, wire):
    inbox = Inbox(POINTS)
    session.attach(5, inbox)
    for _, future in wire.sent:
        future.set_exception(ConnectionError("connection lost"))
    await anyio.lowlevel.checkpoint()
    assert inbox.fault == "is gone (connection lost)"


async def bare_cancellation():
    """Wait as asyncua does: cancelled, it raises another CancelledError than the one it got."""
    try:
        await anyio.sleep(5)
    except anyio.get_cancelled_exc_class():
        raise anyio.get_cancelled_exc_class() from None


async def test_a_bare_cancellation_inside_a_time_out_stays_that_time_out():
    with anyio.move_on_after(0.01) as scope:
        async with told_cancellation():
            await bare_cancellation()
    assert scope.cancelled_caught
