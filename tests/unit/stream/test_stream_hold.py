"""A device held to its blueprint: budget, ladder, marks in the data, meters, and every reading accounted for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.core.blueprint import Step, TrafficClass
from interwork.core.clock import now
from interwork.core.resource import BatchBuilder, Blueprint, Meaning, Signal, is_good
from interwork.stream.blueprint import REDUCED, At, Hold, Ladder, Meter, floor_of

SECOND = 1_000_000
ALARM, COUNT, VALUE, NICE = 1, 2, 3, 4
SIGNALS = [
    Signal(id="a", number=ALARM, resource="r", name="alarm", address="a", meaning=Meaning.ALARM, is_text=True),
    Signal(id="c", number=COUNT, resource="r", name="count", address="c", meaning=Meaning.PART_COUNT),
    Signal(id="v", number=VALUE, resource="r", name="value", address="v", meaning=Meaning.POWER, deadband=0.5),
    Signal(id="n", number=NICE, resource="r", name="nice", address="n", priority=TrafficClass.C3),
]


def blueprint(*, rate=1_000.0, per_day=1e9):
    return Blueprint(
        id="b", resource="r", protocol="mqtt", storage_bytes_per_day=per_day, storage_quota_bytes=per_day,
        retention_days=1, rated_power_kw=1, is_connected=True, traffic_samples_per_s=rate, burst_samples=int(rate),
        forecast="", admitted_at=now(),
    )  # fmt: skip


def batch(*readings):
    builder = BatchBuilder()
    for one in readings:
        builder.add(*one)
    return builder.take()


def second_of(at, *, per_s=100):
    """Make one second of a value that always moves, a count and something nice."""
    start = at * SECOND
    values = [(VALUE, start + step * SECOND // per_s, float((at * per_s + step) % 97)) for step in range(per_s)]
    return batch(*values, (COUNT, start, float(at)), (NICE, start, float(at)))


def kept_of(passed):
    return [pair for part in (passed.now, passed.later) for pair in zip(part.signal, part.quality, strict=True)]


def test_the_ladder_steps_down_and_back_and_each_step_shows_in_the_data():
    """machines 35: ladder steps down and back, each step told and flagged in the data."""
    hold = Hold(blueprint(per_day=50 * 5.5 * 86_400), SIGNALS, ladder=Ladder(down_s=2, back_s=4))
    moves, marks = [], {}
    for at in range(400):
        if at < 60 or at % 10 == 0:  # a minute of twice its promise, then a tenth of a reading a second
            passed = hold.carry(second_of(at, per_s=100 if at < 60 else 2), at * SECOND, link_bytes=0)
        else:
            passed = hold.idle(at * SECOND)
        for signal, quality in kept_of(passed):
            assert is_good(quality)
            if signal == VALUE:
                marks.setdefault(hold.step, set()).add(quality & REDUCED == REDUCED)
            if signal == COUNT:
                assert quality == 0
        move = hold.judge(at * SECOND)
        if move:
            moves.append((move.before, move.after))
    down = [after for before, after in moves if after > before]
    back = [after for before, after in moves if after < before]
    assert down[:6] == [Step(step) for step in range(1, 7)]
    assert back[-1] is Step.WHOLE
    assert all(abs(before - after) == 1 for before, after in moves)
    assert marks[Step.WHOLE] == {False}
    assert marks[Step.DEADBAND_2] == {True}


def test_the_ladder_does_not_swing_while_the_load_stays():
    ladder, moves = Ladder(down_s=1, back_s=2), 0
    for at in range(200):
        pressure = {Step.WHOLE: 1.6, Step.BIGGER_BATCHES: 1.5, Step.COMPRESSION: 1.4}.get(ladder.step, 0.7)
        moves += ladder.observe(at * SECOND, pressure, 100.0) is not None
    assert (moves, ladder.step) == (3, Step.DEADBAND_2)


def test_a_disk_that_fills_up_holds_a_step_and_lets_go_when_it_has_room():
    ladder = Ladder(down_s=1, back_s=1)
    assert [floor_of(fill) for fill in (0.5, 0.7, 0.9, 0.96)] == [
        Step.WHOLE, Step.AGGREGATE, Step.DROP_C3, Step.DROP_C2,
    ]  # fmt: skip
    assert ladder.observe(0, 0.1, 1.0, floor=Step.DROP_C3).after is Step.DROP_C3
    for at in range(1, 40):
        ladder.observe(at * SECOND, 0.1, 1.0, floor=Step.AGGREGATE)
    assert ladder.step is Step.AGGREGATE
    for at in range(40, 80):
        ladder.observe(at * SECOND, 0.1, 1.0)
    assert ladder.step is Step.WHOLE


@pytest.mark.parametrize(("step", "given_up"), [(Step.DROP_C3, {NICE}), (Step.DROP_C2, {NICE, VALUE})])
def test_the_last_steps_give_up_the_lowest_classes_and_count_each_reading(step, given_up):
    hold = Hold(blueprint(), SIGNALS)
    hold.judge(0, floor=step)
    passed = hold.carry(batch((ALARM, 1, "E-STOP"), (COUNT, 2, 1.0), (VALUE, 3, 1.0), (NICE, 4, 1.0)), 10, link_bytes=0)
    assert {ALARM, COUNT} <= {signal for signal, _ in kept_of(passed)}
    assert not given_up & {signal for signal, _ in kept_of(passed)}
    told = hold.untold()
    assert sum(loss.count for loss, _ in told.values()) == len(given_up)
    assert (hold.lost, hold.untold()) == (len(given_up), {})
    assert told[TrafficClass.C3][0].from_us == told[TrafficClass.C3][0].to_us == 4


def test_bigger_batches_wait_a_second_at_the_most_and_never_for_an_alarm():
    hold = Hold(blueprint(), SIGNALS)
    hold.ladder.step = Step.BIGGER_BATCHES
    assert len(hold.carry(batch((VALUE, 1, 1.0)), 1, link_bytes=0).now) == 0
    assert len(hold.carry(batch((ALARM, 2, "E-STOP")), 2, link_bytes=0).now) == 2
    assert len(hold.carry(batch((VALUE, 3, 9.0)), 3, link_bytes=0).now) == 0
    assert len(hold.idle(3 + SECOND).now) == 1


def test_store_only_sends_states_on_and_stores_process_values():
    hold = Hold(blueprint(), SIGNALS)
    hold.ladder.step = Step.STORE_ONLY
    hold.carry(batch((VALUE, 1, 1.0), (VALUE, 2, 5.0), (COUNT, 3, 1.0)), 3, link_bytes=0)
    passed = hold.idle(3 * SECOND)
    assert list(passed.now.signal) == [COUNT]
    assert {VALUE} == set(passed.later.signal)


def test_a_member_offered_ten_times_its_budget_gets_it_and_alarms_pass_at_once():
    """machines 34: offered 10x its traffic budget a member gets it +-5 %, others unaffected; alarms pass < 1 s."""
    greedy, modest = Hold(blueprint(rate=100.0), SIGNALS), Hold(blueprint(rate=100.0), SIGNALS)
    many = [Signal(id=f"m{number}", number=number, resource="r", name="m", address="m") for number in range(10, 110)]
    greedy = Hold(blueprint(rate=100.0), [*SIGNALS, *many])
    got = offered = 0
    for tick in range(600):
        at = tick * SECOND // 10
        alarm = [(ALARM, at, f"E{tick}")] if tick % 50 == 0 else []
        readings = batch(*[(number, at, float(tick)) for number in range(10, 110)], *alarm)
        offered += len(readings)
        passed = greedy.carry(readings, at, link_bytes=0)
        assert not alarm or ALARM in passed.now.signal
        got += len(passed.now)
        assert len(modest.carry(batch((VALUE, at, float(tick))), at, link_bytes=0).now) == 1
    assert got == pytest.approx(100 * 60, rel=0.05)
    told = greedy.untold()[TrafficClass.C2][0]
    assert told.count + greedy.bucket.waiting + got == offered


def test_what_waits_is_released_while_the_device_is_quiet():
    hold = Hold(blueprint(rate=1.0), SIGNALS)
    hold.carry(batch((VALUE, 1, 1.0)), 0, link_bytes=0)
    hold.carry(batch((VALUE, 2, 5.0)), 1, link_bytes=0)
    found = [*hold.idle(2 * SECOND).now.value]
    assert found == [5.0]


def test_nothing_that_waits_is_lost_when_the_device_is_left():
    hold = Hold(blueprint(rate=1.0), SIGNALS)
    came = [
        hold.carry(batch((VALUE, 1, 1.0), (NICE, 1, 1.0)), 0, link_bytes=0),
        hold.carry(batch((VALUE, 2, 5.0)), 1, link_bytes=0),
    ]
    left = hold.drain(2)
    assert sum(len(one.now) for one in came) + len(left) + hold.bucket.lost == 3
    assert len(hold.drain(3)) == 0


def test_samples_and_bytes_are_counted_by_class_at_each_point():
    hold = Hold(blueprint(), SIGNALS)
    for at in range(5):
        passed = hold.carry(second_of(at, per_s=10), at * SECOND, link_bytes=120.0)
        hold.kept(passed.now, at * SECOND)
    counts = hold.counts(5 * SECOND)
    assert counts[At.DEVICE].by_class == (0, 5, 50, 5)
    assert (counts[At.DEVICE].samples, counts[At.DEVICE].bytes) == (60, 600.0)
    assert counts[At.DEVICE].samples_per_s == pytest.approx(12)
    assert counts[At.DISK].samples == counts[At.BUFFER].samples
    assert counts[At.DISK].bytes == pytest.approx(counts[At.DISK].samples * 5.5)
    assert counts[At.UPLINK].samples == 0


def test_a_meter_that_nothing_passed_says_nothing():
    assert (Meter().read(5).samples, Meter().recent(5)) == (0, (0.0, 0.0))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Step)), st.lists(st.tuples(st.integers(1, 4), st.integers(0, 500_000)), max_size=15)
        ),
        max_size=12,
    )
)
@settings(deadline=None)
def test_states_and_counters_are_whole_at_every_step(rounds):
    hold, came, went = Hold(blueprint(rate=5.0), SIGNALS), [], []
    for turn, (step, readings) in enumerate(rounds):
        hold.ladder.step = step
        now_us = turn * SECOND
        made = [(signal, now_us + at, float(turn * 1_000 + row)) for row, (signal, at) in enumerate(readings)]
        came += [one[2] for one in made if one[0] == COUNT]
        passed = hold.carry(batch(*made), now_us, link_bytes=0)
        went += [
            value
            for part in (passed.now, passed.later)
            for signal, value in zip(part.signal, part.value, strict=True)
            if signal == COUNT
        ]
    left = hold.drain(1 << 40)
    went += [value for signal, value in zip(left.signal, left.value, strict=True) if signal == COUNT]
    assert sorted(went) == sorted(came)
