import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.core.errors import BadInput, WrongState
from interwork.simulate.model import ALARMS, Cycle, Execution, Machine, Phase, Ripple, State
from interwork.simulate.profiles import PROFILES, make_profile

steps = st.lists(st.floats(0.001, 5000), min_size=1, max_size=60)
types = st.sampled_from(sorted(PROFILES))
seeds = st.integers(0, 2**32)


def cycle(quantity: int = 3, unit_s: float = 60, setup_s: float = 30, program: str = "O1") -> Cycle:
    return Cycle(program=program, quantity=quantity, unit_s=unit_s, setup_s=setup_s, run="r1")


def machine(type_: str = "mill", *, seed: int = 1, **figures: float) -> Machine:
    return Machine(make_profile(type_, **{"fault_every_h": 0.0} | figures), seed=seed)


def walk(one: Machine, dts: list[float]) -> list[State]:
    states = [one.state()]
    for dt_s in dts:
        one.step(dt_s)
        states.append(one.state())
    return states


@given(types, seeds, steps)
def test_counters_never_fall(type_, seed, dts):
    one = machine(type_, seed=seed, fault_every_h=0.5)
    one.start(cycle(50))
    states = walk(one, dts)
    for before, after in itertools.pairwise(states):
        assert after.energy_kwh >= before.energy_kwh
        assert after.part_count >= before.part_count
        assert after.water_l >= before.water_l


@given(types, seeds, steps)
def test_every_value_stays_within_its_bounds(type_, seed, dts):
    one = machine(type_, seed=seed, fault_every_h=0.5)
    low_kw, high_kw = one.power_limits_kw()
    one.start(cycle(50))
    for state in walk(one, dts):
        assert low_kw <= state.power_kw <= high_kw
        assert 0 <= state.tool_wear_pct <= 100
        assert 0 <= state.coolant_level_pct <= 100
        assert 0 <= state.spindle_speed_rpm <= one.profile.top_speed_rpm * 1.03
        assert 0 <= state.spindle_load_pct < 300
        assert state.feed_mm_min >= 0
        assert state.alarm in ALARMS
        assert bool(state.alarm) == (state.execution is Execution.FAULT)


@given(types, seeds, st.integers(1, 40), st.floats(1, 600), st.floats(0, 900))
def test_a_cycle_makes_exactly_its_quantity(type_, seed, quantity, unit_s, setup_s):
    one = machine(type_, seed=seed, fault_every_h=2)
    one.start(cycle(quantity, unit_s, setup_s))
    one.step(1e7)
    state = one.state()
    assert (state.made, state.part_count, state.execution) == (quantity, quantity, Execution.READY)


@settings(max_examples=50)
@given(types, seeds, st.lists(st.floats(0.001, 900), min_size=2, max_size=80))
def test_the_size_of_the_steps_makes_no_difference(type_, seed, dts):
    one, other = (machine(type_, seed=seed, fault_every_h=0.3) for _ in range(2))
    one.start(cycle(40))
    other.start(cycle(40))
    walk(one, dts)
    other.step(math.fsum(dts))
    a, b = one.state(), other.state()
    assert a.energy_kwh == pytest.approx(b.energy_kwh, rel=1e-6, abs=1e-9)
    assert a.tool_wear_pct == pytest.approx(b.tool_wear_pct, abs=1e-4)
    assert abs(a.part_count - b.part_count) <= 1
    assert a.coolant_temperature_cel == pytest.approx(b.coolant_temperature_cel, abs=1e-3)


def test_the_same_seed_gives_the_same_machine():
    one, other = machine("lathe", seed=7, fault_every_h=1), machine("lathe", seed=7, fault_every_h=1)
    one.start(cycle(200))
    other.start(cycle(200))
    assert walk(one, [13.7] * 500) == walk(other, [13.7] * 500)


def test_another_seed_gives_another_machine():
    assert machine(seed=1).state() != machine(seed=2).state()


def test_a_cycle_without_interruptions_takes_setup_plus_its_parts():
    one = machine(tool_life_min=0, water_l_per_h=0)
    one.start(cycle(3, 60, 30))
    one.step(30 + 3 * 60 - 0.01)
    assert one.state().made == 2
    one.step(0.02)
    assert (one.state().made, one.state().execution) == (3, Execution.READY)


def test_energy_is_the_integral_of_power():
    one = machine()
    one.start(cycle(2, 30, 5))
    one.step(1)
    start_kwh, kws = one.state().energy_kwh, 0.0
    for _ in range(60_000):
        one.step(0.0005)
        kws += one.state().power_kw * 0.0005
        one.step(0.0005)
    assert (one.state().energy_kwh - start_kwh) * 3600 == pytest.approx(kws * 2, rel=2e-3)


def test_mean_power_when_cutting_with_a_fresh_tool_is_base_plus_cutting():
    one = machine("printer", base_power_kw=1, cutting_power_kw=2)
    one.start(cycle(1, 1000, 0))
    one.step(45)
    start_kwh = one.state().energy_kwh
    one.step(955)
    assert (one.state().energy_kwh - start_kwh) * 3600 / 955 == pytest.approx(3, rel=0.01)


def test_a_worn_tool_is_changed_and_the_part_goes_on():
    one = machine(tool_life_min=3)
    one.start(cycle(100))
    seen = {state.phase for state in walk(one, [5.0] * 400)}
    assert Phase.TOOL_CHANGE in seen
    assert one.state().part_count > 10


def test_a_worn_tool_needs_more_power_than_a_fresh_one():
    fresh, worn = machine(tool_life_min=100_000, seed=1), machine(tool_life_min=100_000, seed=1)
    fresh._wear_pct, worn._wear_pct = 0.0, 99.0
    for one in (fresh, worn):
        one.start(cycle(10))
        one.step(500)
    assert worn.state().energy_kwh > fresh.state().energy_kwh * 1.05


def test_a_tool_change_stops_the_machine():
    one = machine(tool_life_min=3)
    one.start(cycle(100))
    stopped = [state for state in walk(one, [5.0] * 400) if state.phase is Phase.TOOL_CHANGE]
    assert {state.execution for state in stopped} == {Execution.STOPPED}


def faulted() -> Machine:
    one = machine(fault_every_h=0.05)
    one.start(cycle(1000))
    while one.state().phase is not Phase.FAULT:
        one.step(5)
    return one


def test_a_fault_clears_by_itself():
    assert Execution.ACTIVE in {state.execution for state in walk(faulted(), [1.0] * 901)}


def test_reset_clears_a_fault_at_once_and_the_cycle_goes_on():
    one = faulted()
    assert one.reset()
    assert (one.state().execution, one.state().alarm) == (Execution.ACTIVE, "")


def test_reset_without_a_fault_does_nothing():
    one = machine()
    assert not one.reset()
    assert one.state().execution is Execution.READY


def test_coolant_is_filled_up_and_counted():
    one = machine(water_l_per_h=60)
    one.start(cycle(1000))
    levels = [state.coolant_level_pct for state in walk(one, [60.0] * 600)]
    assert min(levels) > 19
    assert one.state().water_l > 100


def test_a_failed_refill_is_a_fault_that_ends_in_a_refill():
    one = machine(water_l_per_h=1000, fault_every_h=100_000, tool_life_min=0)
    one.start(cycle(100_000))
    seen = walk(one, [60.0] * 5000)
    assert "Coolant level low" in {state.alarm for state in seen}
    assert seen[-1].part_count > 1000


def test_a_machine_without_faults_never_has_one():
    one = machine(fault_every_h=0)
    one.start(cycle(100_000))
    assert {state.alarm for state in walk(one, [600.0] * 2000)} == {""}


def test_a_busy_machine_does_not_start_another_cycle():
    one = machine()
    one.start(cycle())
    with pytest.raises(WrongState, match="ACTIVE"):
        one.start(cycle())


@pytest.mark.parametrize(
    "wrong",
    [
        {"quantity": 0},
        {"quantity": 100_001},
        {"unit_s": 0.0},
        {"unit_s": math.nan},
        {"unit_s": math.inf},
        {"setup_s": -1.0},
        {"setup_s": math.nan},
        {"program": "a\0b"},
    ],
)
def test_a_cycle_no_machine_could_make_is_refused(wrong):
    with pytest.raises(BadInput):
        machine().start(cycle(**wrong))


@given(seeds, st.floats(0, 1e6), st.floats(0, 1e3))
def test_a_ripple_stays_within_its_peak_and_its_integral_is_exact(seed, start_s, span_s):
    from random import Random

    ripple = Ripple(Random(seed), ((0.1, 3.0), (0.05, 11.0)))
    half = start_s + span_s / 2
    parts = ripple.integral(start_s, half) + ripple.integral(half, start_s + span_s)
    assert abs(ripple.at(start_s)) <= ripple.peak + 1e-12
    assert ripple.integral(start_s, start_s + span_s) == pytest.approx(parts, abs=1e-9)
