"""Figures from real plants' data, written by others, held against what can be calculated from the files by hand."""

import csv
import math
import os
import random
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from interwork.core.clock import to_us
from interwork.core.resource import GOOD, BatchBuilder
from interwork.stream.columns import batch_of
from interwork.stream.insight import compare, fit, hold_against, intervals, oee, time_elements, with_quantities
from interwork.stream.insight.anomaly import judge, learn, minutes_of, ranked
from interwork.stream.insight.facts import Interval, integral, seconds_of
from interwork.stream.insight.resources import balance, power_factor, quarter_peak

SHARED = Path(os.environ.get("INTERWORK_SHARED_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
FILES = SHARED / "plant"
pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="the shared test data is not on this machine")
MINUTE = 60_000_000


def steel():
    with (FILES / "steel-energy" / "Steel_industry_data.csv").open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def quarters():
    return steel()


def column(rows, name):
    return [float(row[name]) for row in rows]


def mtconnect(name, item):
    """Read one item of an SHDR-like log: (µs, text) in order."""
    rows = []
    for line in (FILES / "nist-sms" / name).read_text(encoding="utf-8", errors="replace").splitlines():
        at, key, value, *_ = [*line.split("|"), "", ""]
        if key == item:
            rows.append((to_us(datetime.fromisoformat(at)), value))
    return sorted(rows)


def test_the_steel_works_quarter_hour_peak_is_its_highest_row(quarters):
    use = column(quarters, "Usage_kWh")
    borders = [MINUTE * 15 * index for index in range(len(use) + 1)]
    peak = quarter_peak(use, borders)
    assert peak.power_kw == pytest.approx(4 * max(use))
    assert peak.at_us == borders[use.index(max(use))]


def test_power_factors_are_those_the_steel_works_recorded(quarters):
    rows = [one for one in quarters if float(one["Usage_kWh"]) > 1][:2000]
    lagging = "Lagging_Current_Reactive.Power_kVarh"
    for one in rows:
        found = power_factor(float(one["Usage_kWh"]), float(one[lagging]))
        assert 100 * found == pytest.approx(float(one["Lagging_Current_Power_Factor"]), abs=0.35)


def test_a_baseline_of_the_first_half_year_is_reproducible_on_the_second(quarters):
    """machines 42: energy by reactive power and load hours; residuals and CUSUM equal an independent calculation."""
    use, driver = column(quarters, "Usage_kWh"), column(quarters, "Lagging_Current_Reactive.Power_kVarh")
    half = len(use) // 2
    learnt = fit(use[:half], {"reactive": driver[:half]})
    slope, intercept = np.polyfit(driver[:half], use[:half], 1)
    assert learnt.coefficients == pytest.approx((intercept, slope))
    assert learnt.r2 > 0.7
    held = hold_against(learnt, use[half:], [driver[half:]])
    off = [actual - intercept - slope * one for actual, one in zip(use[half:], driver[half:], strict=True)]
    inside = [
        one for one, at in zip(off, driver[half:], strict=True) if learnt.ranges[0][0] <= at <= learnt.ranges[0][1]
    ]
    assert held.saving == pytest.approx(-math.fsum(inside), rel=1e-6)
    assert [one for one in held.cusum if one is not None][-1] == pytest.approx(math.fsum(inside), rel=1e-6)


def test_weekend_quarters_of_the_steel_works_use_clearly_less(quarters):
    light = [float(one["Usage_kWh"]) for one in quarters if one["WeekStatus"] == "Weekend"]
    work = [float(one["Usage_kWh"]) for one in quarters if one["WeekStatus"] == "Weekday"]
    found = compare(work, light)
    assert found.is_clear
    assert found.interval[1] < -5
    assert found.effective[0] < len(work) / 5  # quarters resemble their neighbours, and that is counted


def test_a_day_of_the_mazak_adds_up_with_unavailable_in_its_own_bucket():
    """machines 41: the day of 29 November 2016 from the NIST test bed, counted a second way."""
    rows = mtconnect("Mazak01-20161129-20161130.txt", "execution")
    start, end = (to_us(datetime(2016, 11, 29, hour, tzinfo=UTC)) for hour in (9, 15))
    builder = BatchBuilder()
    for at, text in rows:
        builder.add(1, at, text, GOOD)
    states = intervals(builder.take(), (start, end))
    counted = dict.fromkeys({*(text for _, text in rows), "unknown"}, 0)
    for (at, text), (until, _) in zip(rows, [*rows[1:], (end, "")], strict=True):
        counted[text] += max(0, min(until, end) - max(at, start))
    counted["unknown"] = counted.pop("UNAVAILABLE", 0) + max(0, rows[0][0] - start)
    assert seconds_of(states) == pytest.approx({state: us / 1e6 for state, us in counted.items() if us})
    held = with_quantities(time_elements(states, [(start, end)]), planned_item_s=60, produced=100, good=98)
    assert held.unknown_s == pytest.approx(counted["unknown"] / 1e6)
    assert held.pbt_s == pytest.approx(6 * 3600 - counted["unknown"] / 1e6)
    assert oee(held) == pytest.approx(98 * 60 / held.pbt_s)


def test_the_mazak_s_axis_position_integrates_as_a_sum_by_hand():
    rows = [(at, float(value)) for at, value in mtconnect("Mazak01-20161129-20161130.txt", "Xabs") if _is_number(value)]
    builder = BatchBuilder()
    for at, value in rows:
        builder.add(1, at, value, GOOD)
    energy, covered = integral(builder.take(), rows[0][0], rows[-1][0])
    by_hand = math.fsum(value * (until - at) / 3.6e9 for (at, value), (until, _) in pairwise(rows))
    assert (energy, covered) == (pytest.approx(by_hand), pytest.approx(1.0))


def _is_number(text):
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def water():
    text = (FILES / "water-treatment" / "water-treatment.data").read_text()
    days = [day.replace("\n", "").split(",") for day in text.split("D-") if day.strip()]
    return np.array([[float(one) if one.strip() != "?" else math.nan for one in day[1:39]] for day in days])


def test_the_water_plant_s_days_without_an_inflow_are_left_out_of_its_baseline():
    table = water()
    inflow, solids = table[:, 0], table[:, 5]
    learnt = fit(solids.tolist(), {"inflow": inflow.tolist()})
    whole = int((np.isfinite(inflow) & np.isfinite(solids)).sum())
    assert (learnt.intervals, len(table)) == (whole, 527)
    held = hold_against(learnt, solids.tolist(), [inflow.tolist()])
    assert held.covered == pytest.approx(whole / 527)
    assert held.saving == pytest.approx(0, abs=1e-6)  # least squares leave no sum of residuals


def test_a_balance_over_the_water_plant_names_what_left_through_no_outlet():
    lost, share = balance(100_000.0, [72_000.0, 25_000.0])
    assert (lost, share) == (3_000.0, 0.03)


def tool_wear():
    with (FILES / "tool-wear" / "Dataset_Machine_tool_wear.csv").open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_a_worn_tool_is_found_among_the_signals_that_a_person_would_name():
    """Learnt from sharp tools' segments, judged on a worn one: forces and torques rank, set speeds do not."""
    rows = [one for one in tool_wear() if one["tool"]]
    tools = sorted({one["tool"] for one in rows}, key=float)
    names = [name for name in rows[0] if name.endswith(("_RMS", "_MEAN")) and name not in ("tool", "Vb")]
    sharp = [one for one in rows if float(one["Vb"]) <= 60]
    tool = max(tools, key=lambda one: max(float(row["Vb"]) for row in rows if row["tool"] == one))
    worn = sorted((one for one in rows if one["tool"] == tool), key=lambda one: float(one["Vb"]))[-10:]
    random.Random(1).shuffle(sharp)
    found = []
    for number, name in enumerate(names, start=1):
        normal, now = (_minutes(number, [float(one[name]) for one in part]) for part in (sharp, worn))
        told = judge(number, learn(normal), now)
        if told is not None:
            found.append(told)
    ranking = [names[one.number - 1] for one in ranked(found)]
    assert ranking, "nothing was found unusual on the most worn tool"
    physical = ("F_", "TV", "CV3", "Iu_s", "Iv_s", "Iu_x", "Iv_x", "AE", "Ax", "Ay", "Az", "Micro")
    assert any(name.startswith(physical) for name in ranking[:3]), ranking[:10]
    assert len(ranking) < len(names) / 2  # calm: most signals of a worn tool are as they were


def _minutes(number, values):
    times = np.arange(len(values), dtype=np.int64) * MINUTE
    batch = batch_of(np.full(len(values), number), times, np.array(values), np.zeros(len(values)))
    span = (0, len(values) * MINUTE)
    return minutes_of(batch, [Interval(*span, "ACTIVE")], span)
