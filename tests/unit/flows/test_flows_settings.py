"""Settings of a process plan travel with the order to the run, and come back in the evidence as they were run."""

from datetime import timedelta

import pytest
from flows_world import HOUR, START, evidence_of, inspection_of, line, mill, order_of, run_of, say, signal
from msgspec.structs import replace

from interwork.core.design import Setting
from interwork.core.exchange import Side
from interwork.core.making import Order, OrderState, Run, RunState
from interwork.core.part.plan import SettingRun
from interwork.core.resource import Meaning
from interwork.flows.fulfil import perform
from interwork.flows.fulfil.prove import facts_digest, prove
from interwork.flows.fulfil.setting import told_by
from interwork.store import Change

FEED, SPEED = 1, 2
SET = (Setting(name="feed", value=900, unit="mm/min"), Setting(name="spindle speed", value=8000, unit="{rpm}"))


async def worked(node, *signals, settings=SET):
    order = order_of(line("a-run-1"), side=Side.PROVIDER, state=OrderState.IN_WORK)
    run = run_of(state=RunState.COMPLETED, started_at=START, ended_at=START + HOUR, good=3, settings=settings)
    change = Change("test").put(mill()).put(order).put(run)
    for one in signals:
        change.put(one)
    await node.store.commit(change)
    return run


async def test_the_settings_ordered_are_the_settings_of_the_run(shop):
    """design 38: the plan's settings reach the machine."""
    order = order_of(line(settings=SET), side=Side.PROVIDER)
    await shop.store.commit(Change("test").put(mill()).put(order))
    await perform.confirm(shop, await shop.store.get(Order, order.id))
    (run,) = await shop.store.find(Run, order=order.id)
    assert run.settings == SET


async def test_evidence_tells_each_setting_as_planned_and_as_run(shop):
    """design 38: what was really set stands in the evidence, from the machine's own signals."""
    run = await worked(
        shop, signal(FEED, Meaning.FEED_RATE, unit="mm/s"), signal(SPEED, Meaning.SPINDLE_SPEED, unit="{rpm}")
    )
    tenth = HOUR / 10
    await say(shop, (FEED, START, 0.0), (FEED, START + tenth, 15.0), (FEED, START + 9 * tenth, 100.0))
    await say(shop, (SPEED, START + tenth, 7500.0), (SPEED, START + 8 * tenth, 8000.0))
    evidence, _ = await prove(shop, run, inspection_of())
    feed, speed = evidence.settings
    assert feed == SettingRun(
        name="feed", unit="mm/min", planned=900, likely=900, low=900, high=6000, signal="feed-rate"
    )
    assert (speed.planned, speed.likely, speed.low, speed.high) == (8000, 7500, 7500, 8000)


async def test_a_setting_no_signal_tells_is_said_to_be_untold(shop):
    run = await worked(shop, signal(FEED, Meaning.FEED_RATE, unit="mm/min"))
    feed, speed = (await prove(shop, run, inspection_of()))[0].settings
    assert (feed.likely, feed.signal) == (None, "feed-rate")
    assert (speed.likely, speed.signal) == (None, "")


async def test_bad_readings_and_standing_still_are_not_what_was_set(shop):
    run = await worked(shop, signal(FEED, Meaning.FEED_RATE, unit="mm/min"), settings=SET[:1])
    await say(shop, (FEED, START, 0.0), (FEED, START + timedelta(minutes=1), float("nan")))
    assert (await prove(shop, run, inspection_of()))[0].settings[0].likely is None


def test_two_signals_that_could_tell_a_setting_tell_nothing():
    x, y = signal(1, Meaning.TEMPERATURE, unit="Cel"), signal(2, Meaning.TEMPERATURE, unit="K")
    wanted = Setting(name="temperature", value=60, unit="Cel")
    assert told_by(wanted, [x]) is x
    assert told_by(wanted, [replace(x, name="bed temperature"), replace(y, name="room temperature")]) is None
    assert told_by(wanted, [x, replace(y, name="room temperature")]) is x


@pytest.mark.parametrize(
    ("said", "name", "is_it"),
    [
        ("feed", "FeedRate", True),
        ("Feed rate", "feed_rate", True),
        ("speed", "SpindleSpeed", True),
        ("rpm", "SpindleSpeed", False),
        ("fee", "FeedRate", False),
        ("!", "FeedRate", False),
        ("Power", "power", True),
    ],
)
def test_a_setting_is_known_by_its_name(said, name, is_it):
    assert Setting(name=said, value=1).is_called(name) is is_it


def test_a_unit_of_something_else_does_not_tell_a_setting():
    load = signal(1, Meaning.SPINDLE_LOAD, unit="%")
    speed = signal(2, Meaning.SPINDLE_SPEED, unit="{rpm}")
    assert told_by(Setting(name="spindle", value=8000, unit="{rpm}"), [load, speed]) is speed
    assert told_by(Setting(name="spindle", value=8000, unit="mm"), [load, speed]) is None


def test_evidence_without_settings_keeps_the_digest_it_had():
    """Evidence sealed before settings travelled must still verify."""
    assert facts_digest(evidence_of()) == "sha256:5dc8cf24b4b20badbdfc1d1ae6257a966fda95822f9cd9a64109e36c0ee6a0dd"
