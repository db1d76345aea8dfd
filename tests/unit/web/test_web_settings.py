"""Settings typed into the process plan: read, kept, changed, taken away; what cannot be read is named."""

from datetime import UTC, datetime

import pytest
from starlette.datastructures import FormData

from interwork.core.design import Operation, ProcessPlan, Setting
from interwork.core.errors import BadInput
from interwork.design.making.editing import edit_plan
from interwork.web.pages.designs.planning import read_edits
from interwork.web.pages.fields import number

AT = datetime(2031, 3, 3, tzinfo=UTC)
FEED = Setting(name="feed", value=900.0, unit="mm/min")


def plan_of(clock, *settings):
    operation = Operation(id="op-1", name="Mill", process="milling-3-axis", machining_s=60.0, settings=settings)
    return ProcessPlan(
        id="process-1", revision="rev-1", process_class="milled", reasons=(), material="al-6061", quantity=1,
        stock_mm=(1.0, 1.0, 1.0), part_mass_kg=0.1, stock_mass_kg=0.2, operations=(operation,), created_at=clock,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("held", "typed", "after"),
    [
        ((), "feed 900 mm/min", (FEED,)),
        (
            (),
            "feed 900 mm/min; spindle speed 8000 rpm",
            (FEED, Setting(name="spindle speed", value=8000, unit="{rpm}")),
        ),
        ((FEED,), "feed 750,5 mm/min", (Setting(name="feed", value=750.5, unit="mm/min"),)),
        ((FEED,), "coolant 6", (Setting(name="coolant", value=6.0),)),
        ((FEED,), "", ()),
    ],
)
def test_typed_settings_are_the_settings_of_the_next_version(held, typed, after):
    plan = plan_of(AT, *held)
    edits = read_edits(FormData({"settings-op-1": typed}), plan)
    made = edit_plan(plan, edits, by="Ada", why="trial", at=AT)
    assert made.operations[0].settings == after


@pytest.mark.parametrize("typed", ["feed 900.0 mm/min", "feed 900 mm/min"])
def test_settings_left_as_they_are_are_no_change(typed):
    assert read_edits(FormData({"settings-op-1": typed}), plan_of(AT, FEED)) == ()
    assert read_edits(FormData({}), plan_of(AT, FEED)) == ()


@pytest.mark.parametrize("typed", ["feed", "900", "feed fast", "feed 8,000 mm/min", "feed 1.2.3 mm"])
def test_a_setting_that_cannot_be_read_is_named(typed):
    with pytest.raises(BadInput):
        read_edits(FormData({"settings-op-1": typed}), plan_of(AT, FEED))


@pytest.mark.parametrize(
    ("text", "value"), [("0,5", 0.5), ("12.5", 12.5), ("-3", -3.0), ("12,34", 12.34), ("1e3", 1000)]
)
def test_a_number_may_have_a_decimal_comma(text, value):
    assert number(text, "feed") == value


@pytest.mark.parametrize("text", ["1,000", "12,000,000", "x", "", "nan", "inf", "1,2,3"])
def test_a_number_that_could_be_two_or_none_is_refused(text):
    with pytest.raises(BadInput):
        number(text, "feed")
