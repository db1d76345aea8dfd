"""The token bucket: a device gets its budget, newest first, and every reading thinned out is counted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.core.clock import now
from interwork.core.errors import BadInput
from interwork.core.resource import BatchBuilder, Blueprint, Meaning, Signal
from interwork.stream import TokenBucket
from interwork.stream.blueprint import bucket


def batch(*readings):
    builder = BatchBuilder()
    for one in readings:
        builder.add(*one)
    return builder.take()


def test_what_fits_the_burst_passes_untouched():
    given_batch = batch((1, 1, 1.0), (1, 2, 2.0))
    assert TokenBucket(10, 2).throttle(given_batch, 0) is given_batch


def test_over_the_burst_each_signals_newest_passes_and_the_rest_is_counted():
    held = TokenBucket(10, 4)
    passed = held.throttle(batch(*[(1 + step % 2, step, float(step)) for step in range(10)]), 0)
    assert (sorted(passed.value), held.lost) == ([8.0, 9.0], 8)
    assert [(loss.from_us, loss.to_us, loss.count) for loss in held.losses] == [(0, 7, 8)]


def test_texts_and_counters_pass_whatever_the_budget():
    held = TokenBucket(1, 1, always=[7])
    passed = held.throttle(
        batch(*[(7, step, 1.0) for step in range(5)], *[(8, step, "ACTIVE") for step in range(5)]), 0
    )
    assert (len(passed), held.lost) == (10, 0)


def test_a_device_that_sends_ten_times_its_budget_gets_its_budget():
    held, passed = TokenBucket(100, 100), 0
    for tick in range(600):
        batch_now = batch(*[(signal, tick * 100_000, float(tick)) for signal in range(100)])
        passed += len(held.throttle(batch_now, tick * 100_000))
    assert passed == pytest.approx(6_000, rel=0.05)
    assert held.lost + held.waiting + passed == 60_000


def test_every_signal_gets_its_turn_under_a_budget_that_is_too_small():
    held, seen = TokenBucket(10, 10), set()
    for tick in range(200):
        seen |= set(held.throttle(batch(*[(signal, tick, 1.0) for signal in range(50)]), tick * 100_000).signal)
    assert seen == set(range(50))


def test_what_waits_passes_when_the_device_is_quiet():
    held = TokenBucket(10, 1)
    held.throttle(batch((1, 1, 1.0), (2, 1, 2.0), (3, 1, 3.0)), 0)
    assert (held.waiting, len(held.release(1_000_000)), len(held.release(1_100_000))) == (2, 1, 1)


def test_a_late_reading_does_not_replace_a_newer_one_that_waits():
    held = TokenBucket(1, 1)
    held.throttle(batch((1, 5, 5.0), (2, 5, 5.0)), 0)
    held.throttle(batch((1, 4, 4.0), (2, 4, 4.0)), 0)
    assert (list(held.release(2_000_000).value), held.lost) == ([5.0], 1)


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 10**9)), max_size=20), max_size=12))
@settings(deadline=None)
def test_every_reading_passes_waits_or_is_counted(rounds):
    held, came, passed = TokenBucket(3, 2), 0, 0
    for tick, readings in enumerate(rounds):
        came += len(readings)
        passed += len(held.throttle(batch(*[(*one, 1.0) for one in readings]), tick * 1_000_000))
    assert came == passed + held.waiting + held.lost


def test_the_record_of_losses_is_bounded_and_forgets_none(monkeypatch):
    monkeypatch.setattr(bucket, "LOSSES_MAX", 3)
    held = TokenBucket(1, 1)
    for minute in range(10):
        at = minute * 60_000_000
        held.throttle(batch(*[(1, at + step, 1.0) for step in range(5)]), 0)
    assert (len(held.losses) <= 3, held.lost + held.waiting) == (True, 49)


def test_what_waited_passes_with_the_new_in_order_of_time():
    held = TokenBucket(10, 3, always=[9])
    held.throttle(batch(*[(signal, signal, 1.0) for signal in range(1, 5)]), 0)
    passed = held.throttle(batch((9, 9, 1.0), (8, 5, 1.0)), 5_000_000)
    assert list(passed.time_us) == [4, 5, 9]


def test_a_bucket_is_made_of_a_blueprint_with_its_counters_always_passing():
    blueprint = Blueprint(
        id="b", resource="r", protocol="mqtt", storage_bytes_per_day=1, storage_quota_bytes=1, retention_days=1,
        rated_power_kw=1, is_connected=True, traffic_samples_per_s=1, burst_samples=1, forecast="", admitted_at=now(),
    )  # fmt: skip
    count = Signal(id="s", number=4, resource="r", name="parts", address="p", meaning=Meaning.PART_COUNT)
    held = TokenBucket.of(blueprint, [count])
    assert len(held.throttle(batch((4, 1, 1.0), (4, 2, 2.0), (4, 3, 3.0)), 0)) == 3


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0), (float("nan"), 1)])
def test_a_budget_that_lets_nothing_pass_is_bad_input(rate, burst):
    with pytest.raises(BadInput, match="traffic budget"):
        TokenBucket(rate, burst)
