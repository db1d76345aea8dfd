"""Time elements, OEE and the loss tree against hand calculations; shifts on the nights clocks change."""

import itertools
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.clock import to_us
from interwork.core.errors import BadInput
from interwork.core.operating import Shift, ShiftCalendar, StopKind
from interwork.stream.insight import (
    Interval,
    Uses,
    added,
    figures_of,
    loss_tree,
    oee,
    planned_spans,
    time_elements,
    with_quantities,
    worked,
)
from interwork.stream.insight.calendar import check
from interwork.stream.insight.elements import effectiveness, nee, teep

S = 1_000_000
NIGHT = ShiftCalendar(
    id="c", name="Nights", zone="Europe/Berlin", shifts=(Shift(name="Night", start=time(22), end=time(6), days=(5,)),)
)


def at(seconds):
    return seconds * S


def states(*parts):
    borders = list(itertools.accumulate((length for length, _ in parts), initial=0))
    return [
        Interval(at(start), at(end), state)
        for (start, end), (_, state) in zip(itertools.pairwise(borders), parts, strict=True)
    ]


DAY = states((600, "ACTIVE"), (100, "READY"), (60, "STOPPED"), (40, "unknown"), (120, "ACTIVE"), (80, "FAULT"))


def test_every_second_is_in_exactly_one_element():
    """machines 41: planned 900 of 1000 s; 40 unknown, 60 planned downtime, so PBT = 800."""
    held = time_elements(
        DAY, [(0, at(900))], [((at(700), at(760)), StopKind.PLANNED), ((at(600), at(700)), StopKind.SETUP)]
    )
    assert (held.pbt_s, held.apt_s, held.aust_s, held.adet_s) == (800, 700, 100, 0)
    assert (held.unknown_s, held.planned_down_s, held.unplanned_s, held.overtime_s) == (40, 60, 100, 20)
    assert held.calendar_s == 1000


def test_unavailable_time_is_a_bucket_of_its_own():
    """machines 41: UNAVAILABLE counts neither as a delay nor as planned busy time."""
    lost = time_elements(states((50, "ACTIVE"), (50, "UNAVAILABLE")), [(0, at(100))])
    assert (lost.pbt_s, lost.adet_s, lost.unknown_s) == (50, 0, 50)


def test_oee_follows_from_the_elements_as_calculated_by_hand():
    """machines 41: A = 700/960, E = 10·60/700, Q = 57/60, so OEE = 10·57/960."""
    time = time_elements(DAY, [(0, at(1000))])
    held = with_quantities(time, planned_item_s=10, produced=60, good=57)
    assert time.apt_s == 720
    assert oee(held) == pytest.approx(10 * 57 / 960)
    assert teep(held) == pytest.approx(10 * 57 / 1000)
    assert nee(held) == pytest.approx(oee(held))


def test_parts_nobody_judged_are_left_out_of_the_quality_ratio_and_told():
    held = with_quantities(time_elements(DAY, [(0, at(1000))]), planned_item_s=10, produced=60, good=19, judged=20)
    quality = next(one for one in figures_of(held, Uses(), (0, at(1000)), "m") if one.name == "quality-ratio")
    assert (quality.value, quality.coverage, quality.remark) == (0.95, pytest.approx(1 / 3), "not-judged")


@given(
    st.lists(
        st.tuples(st.integers(1, 500), st.sampled_from(["ACTIVE", "READY", "FAULT", "unknown"])),
        min_size=1,
        max_size=20,
    ),
    st.integers(0, 3000),
)
def test_the_loss_tree_adds_up_on_every_level(parts, planned_end):
    held = with_quantities(
        time_elements(states(*parts), [(0, at(planned_end))] if planned_end else []),
        planned_item_s=3, produced=11, good=7, judged=9,
    )  # fmt: skip
    rows = {one.name: one.seconds for one in loss_tree(held)}
    assert rows["calendar"] == pytest.approx(
        rows["outside-shifts"] + rows["not-known"] + rows["planned-downtime"] + rows["planned-busy"]
    )
    assert rows["planned-busy"] == pytest.approx(rows["delay"] + rows["setup"] + rows["production"])
    assert rows["production"] == pytest.approx(rows["speed-loss"] + rows["planned-run"])
    assert rows["planned-run"] == pytest.approx(rows["quality-loss"] + rows["not-inspected"] + rows["fully-productive"])


def test_a_roll_up_adds_elements_and_never_averages():
    """machines 41: a busy machine at 90 % and an idle one at 10 % of a tenth of the time are not 50 % together."""
    busy = with_quantities(
        time_elements(states((1000, "ACTIVE")), [(0, at(1000))]), planned_item_s=9, produced=100, good=100
    )
    idle = with_quantities(
        time_elements(states((100, "ACTIVE")), [(0, at(100))]), planned_item_s=1, produced=10, good=10
    )
    assert (oee(busy), oee(idle)) == (pytest.approx(0.9), pytest.approx(0.1))
    assert oee(added([busy, idle])) == pytest.approx(910 / 1100)


def test_every_figure_names_its_numerator_denominator_period_boundary_and_coverage():
    held = with_quantities(time_elements(DAY, [(0, at(1000))]), planned_item_s=10, produced=60, good=57)
    uses = Uses(
        energy_kwh=114.0,
        idle_kwh=20.0,
        water_l=57.0,
        input_kg=120,
        product_kg=90,
        energy_coverage=0.9,
        water_coverage=1,
    )
    found = {one.name: one for one in figures_of(held, uses, (0, at(1000)), "Mill 1")}
    energy = found["energy-per-part"]
    assert (energy.value, energy.numerator.amount, energy.denominator.what, energy.coverage) == (2.0, 114.0, "GQ", 0.9)
    assert (energy.start_us, energy.end_us, energy.boundary) == (0, at(1000), "Mill 1")
    assert (found["water-per-part"].value, found["material-yield"].value) == (1.0, 0.75)
    assert found["idle-energy"].value == pytest.approx(20 / 114)
    assert found["availability"].coverage == pytest.approx(0.96)


def test_what_was_never_planned_or_metered_has_no_figure_instead_of_0():
    found = figures_of(time_elements(DAY, []), Uses(), (0, at(1000)), "m")
    assert {one.name: one.value for one in found if one.name in ("oee", "availability", "energy-per-part")} == {
        "oee": None, "availability": None, "energy-per-part": None
    }  # fmt: skip


def test_a_figure_without_a_value_says_why():
    found = {one.name: one for one in figures_of(time_elements(DAY, []), Uses(), (0, at(1000)), "m")}
    assert (found["oee"].remark, found["availability"].remark) == ("no-planned-time", "no-planned-time")
    assert (found["energy-per-part"].remark, found["material-yield"].remark) == ("not-metered", "no-parts")
    good = [one for one in DAY if one.state not in ("FAULT", "ABORTED")]
    made = with_quantities(time_elements(good, [(0, at(1000))]), planned_item_s=0, produced=60, good=0, judged=0)
    found = {one.name: one for one in figures_of(made, Uses(energy_kwh=1.0), (0, at(1000)), "m")}
    assert (found["mttr"].value, found["mttr"].remark) == (None, "no-failure")
    assert (found["mtbf"].value, found["mtbf"].remark) == (made.apt_s, "no-failure-yet")
    assert (found["effectiveness"].remark, found["oee"].remark) == ("no-cycle-time", "no-cycle-time")
    assert found["quality-ratio"].remark == "none-inspected"


def test_production_of_items_nobody_planned_a_time_for_is_no_speed_loss():
    timed = with_quantities(time_elements(DAY, [(0, at(1000))]), planned_item_s=1, produced=60, good=60)
    untimed = with_quantities(time_elements(DAY, [(0, at(1000))]), planned_item_s=0, produced=60, good=60)
    losses = {one.name: one.seconds for one in loss_tree(added([timed, untimed]))}
    assert losses["no-cycle-time"] == untimed.apt_s
    assert losses["speed-loss"] == pytest.approx(timed.apt_s - timed.ideal_s)
    assert effectiveness(added([timed, untimed])) == pytest.approx(effectiveness(timed))


def hours_of(calendar, day):
    start = datetime.combine(day, time(12), UTC)
    shift = worked(calendar, start, start + timedelta(days=1))
    return sum(((one.end - one.start) for one in shift), timedelta()) / timedelta(hours=1)


@pytest.mark.parametrize(
    ("saturday", "hours"), [(date(2026, 3, 28), 7), (date(2026, 10, 24), 9), (date(2026, 6, 6), 8)]
)
def test_a_night_shift_is_an_hour_shorter_or_longer_when_clocks_change(saturday, hours):
    """machines 41: 22:00 to 06:00 in Berlin on the nights of 29 March and 25 October 2026."""
    assert hours_of(NIGHT, saturday) == hours


def test_breaks_and_closed_days_are_not_planned():
    early = Shift(name="Early", start=time(6), end=time(14), breaks=((time(9), time(9, 30)),))
    calendar = ShiftCalendar(id="c", name="C", zone="UTC", shifts=(early,), closed=(date(2026, 6, 2),))
    start = datetime(2026, 6, 1, tzinfo=UTC)
    spans = planned_spans(calendar, (to_us(start), to_us(start + timedelta(days=2))))
    assert sum(end - begin for begin, end in spans) == 7.5 * 3600 * S


def test_shifts_that_overlap_are_refused_with_their_names():
    shifts = (Shift(name="Early", start=time(6), end=time(14)), Shift(name="Late", start=time(13), end=time(22)))
    with pytest.raises(BadInput, match=r"Late.*13:00.*Early.*14:00"):
        check(ShiftCalendar(id="c", name="C", zone="UTC", shifts=shifts))


def test_an_unknown_time_zone_is_refused():
    with pytest.raises(BadInput, match="no time zone"):
        check(ShiftCalendar(id="c", name="C", zone="Mars/Olympus", shifts=NIGHT.shifts))
