"""A subscription's inbox: bounded, in order, holding the server back, telling silence and loss."""

import anyio
from asyncua import ua

from interwork.connectors import FLUSH_READINGS, Point
from interwork.connectors.opcua.session import Inbox, told_cancellation
from interwork.connectors.opcua.wire import Publication
from interwork.core.resource import GOOD

POINTS = [Point(number=11, address="a"), Point(number=12, address="b", is_text=True)]


def published(*changes):
    result = ua.PublishResult()
    result.NotificationMessage.NotificationData = [Publication(1, 1, list(changes))]
    return result


async def test_changes_come_out_as_columns_under_the_points_numbers():
    inbox = Inbox(POINTS, frozenset({1}))
    await inbox.deliver(published((0, 2.5, GOOD, 7), (1, "Executing", GOOD, 8), (0, 3, 0x480, 9)))
    batch = await inbox.take(1)
    assert list(batch.signal) == [11, 12, 11]
    assert list(batch.time_us) == [7, 8, 9]
    assert batch.text == [None, "ACTIVE", None]
    assert inbox.overflows == 1


async def test_a_full_inbox_holds_the_server_back_until_it_is_taken():
    inbox = Inbox(POINTS)
    changes = [(0, float(number), GOOD, 1) for number in range(FLUSH_READINGS)]
    async with anyio.create_task_group() as group:
        group.start_soon(inbox.deliver, published(*changes))
        group.start_soon(inbox.deliver, published(*changes))
        await anyio.wait_all_tasks_blocked()
        held = len(inbox._builder)
        taken = len(await inbox.take(1)) + len(await inbox.take(1))
    assert held <= 2 * FLUSH_READINGS
    assert taken == 2 * FLUSH_READINGS


async def test_silence_beyond_the_limit_is_a_fault():
    inbox = Inbox(POINTS)
    assert len(await inbox.take(0.01)) == 0
    assert "silent" in inbox.fault


async def test_a_keep_alive_is_no_reading_and_no_fault():
    inbox = Inbox(POINTS)
    await inbox.deliver(ua.PublishResult())
    assert len(await inbox.take(1)) == 0
    assert inbox.fault == ""


async def test_what_came_before_a_loss_is_still_handed_over():
    inbox = Inbox(POINTS)
    await inbox.deliver(published((0, 1.0, GOOD, 1)))
    inbox.fail("is gone")
    assert len(await inbox.take(1)) == 1
    assert inbox.fault == "is gone"


async def test_the_end_of_the_subscription_is_a_fault():
    inbox = Inbox(POINTS)
    result = ua.PublishResult()
    result.NotificationMessage.NotificationData = [ua.StatusChangeNotification(Status=ua.StatusCode(0x800A0000))]
    await inbox.deliver(result)
    assert "BadTimeout" in inbox.fault


async def test_a_handle_that_was_never_created_is_a_fault_and_no_crash():
    inbox = Inbox(POINTS)
    await inbox.deliver(published((7, 1.0, GOOD, 1)))
    assert "did not create" in inbox.fault


async def test_refused_points_get_their_status_as_quality():
    inbox = Inbox(POINTS)
    inbox.add_bad({1: 0x80340000})
    batch = await inbox.take(1)
    assert (list(batch.signal), list(batch.quality)) == ([12], [0x80340000])


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
