"""A quote is reckoned from rates and calendar alone, declines what is not sure, and never asks for the geometry."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from allocation_samples import DAY, HOME, NOW, make_need, make_operation, make_plan
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from interwork.allocation import QuoteRequest, draft_request, quote
from interwork.allocation.parts.quoting import free_windows, machining_time
from interwork.core.design import Requirement
from interwork.core.errors import BadInput, UnknownMaterial
from interwork.core.planning import Window
from interwork.core.resource import Capability, Rates, Resource, ResourceKind

RATES = Rates(
    setup_s=1800,
    setup_price_eur=40,
    hourly_price_eur=72,
    removal_mm3_s=200,
    handling_s=30,
    base_power_kw=2,
    cutting_power_kw=6,
    co2_kg_per_kwh=0.5,
    water_l_per_h=3.6,
)


def machine(**changes):
    resource = Resource(
        id="resource-1",
        name="VMC-1",
        kind=ResourceKind.MACHINE,
        owner="organisation-1",
        place=HOME,
        capabilities=(Capability(process="milling", tolerance_mm=0.01),),
        rates=RATES,
    )
    return replace(resource, **changes)


def ask(resources=None, booked=None, *, need=None, plan=None, **changes):
    request = replace(draft_request(need or make_need(), plan or make_plan(1)), **changes)
    own = [machine()] if resources is None else resources
    return quote(
        request, own, booked or {}, provider="did:web:a", provider_name="Shop A", agreement="agreement-1", now=NOW
    )


def test_times_prices_and_footprint_follow_from_the_rates():
    (mode,) = ask().modes
    # 300 s on the reference, 100 s of it removing 10,000 mm³ of aluminium at 100 mm³/s; this machine removes at 200.
    assert mode.unit_s == 200 + 50 + 30
    assert mode.unit_price_eur == pytest.approx(72 * 280 / 3600)
    assert mode.unit_energy_kwh == pytest.approx((2 * 280 + 6 * 250) / 3600)
    assert mode.unit_co2_kg == pytest.approx(mode.unit_energy_kwh / 2)
    assert mode.unit_water_l == pytest.approx(0.28)
    assert (mode.setup_s, mode.setup_price_eur, mode.setup_energy_kwh) == (1800, 40, 1)


def test_harder_material_takes_longer_to_remove():
    steel = ask(material="steel-1045", plan=make_plan((make_operation(0, machining_s=600),))).modes[0]
    assert steel.unit_s == pytest.approx(600 - 10_000 / 35 + 10_000 / 70 + 30)


def test_an_operation_that_removes_nothing_keeps_its_time():
    assert machining_time(make_operation(removal_mm3=0.0), 1.0, RATES) == 300


def test_the_price_of_material_is_marked_as_an_assumption():
    given_quote = ask()
    assert given_quote.material_price_eur == 6.0
    assert "assumption" in given_quote.notes[0]


def test_without_a_material_none_is_charged_and_the_quote_says_so():
    given_quote = ask(material="")
    assert (given_quote.material_price_eur, given_quote.notes) == (0.0, ("No material is named: none is charged.",))


def test_closed_and_booked_time_is_not_offered():
    closed = ((NOW + timedelta(hours=10), NOW + timedelta(hours=20)),)
    booked = {"resource-1": [Window(start=NOW + timedelta(hours=5), end=NOW + timedelta(hours=12))]}
    (mode,) = ask([machine(closed=closed)], booked).modes
    spans = [(each.start - NOW, each.end - NOW) for each in mode.windows]
    assert spans == [(timedelta(0), timedelta(hours=5)), (timedelta(hours=20), 19 * DAY)]


def test_a_resource_without_time_for_one_part_is_declined():
    booked = {"resource-1": [Window(start=NOW, end=NOW + 60 * DAY)]}
    assert "no free time" in ask(booked=booked).declined[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"capabilities": (Capability(process="milling"),)}, "does it hold 0.05 mm?"),
        ({"capabilities": (Capability(process="turning", tolerance_mm=0.01),)}, "no resource offers milling"),
        ({"rates": None}, "no rates"),
        ({"rates": replace(RATES, removal_mm3_s=0)}, "no rates"),
    ],
)
def test_what_a_resource_does_not_state_or_cannot_do_is_declined_with_the_reason(changes, words):
    given_quote = ask([machine(**changes)])
    assert given_quote.modes == ()
    assert words in given_quote.declined[0]


def test_a_provider_without_resources_declines():
    assert ask([]).declined == ("Step 0: no resource offers milling.",)


def test_every_capable_resource_is_a_mode_and_the_others_are_not_declined_for():
    given_quote = ask([machine(), machine(id="resource-2", rates=None)])
    assert ([each.resource for each in given_quote.modes], given_quote.declined) == (["resource-1"], ())


def test_a_certificate_of_the_need_as_a_whole_is_held_against_every_resource():
    need = make_need(requirements=(Requirement(name="certificate", value="AS9100"),))
    assert "AS9100" in ask(need=need).declined[0]


def test_a_request_tells_the_demand_and_not_the_geometry():
    told = msgspec.json.decode(msgspec.json.encode(draft_request(make_need(), make_plan(1))))
    assert {"need", "operations", "quantity", "material", "due", "deliver_to"} <= set(told)
    assert not {"revision", "geometry", "stock_mm", "process_plan"} & set(told)


def test_a_request_survives_the_wire():
    request = draft_request(make_need(), make_plan(2), {"op-1"})
    assert [each.id for each in request.operations] == ["op-1"]
    assert msgspec.json.decode(msgspec.json.encode(request), type=QuoteRequest) == request


def test_a_quote_survives_the_wire():
    given_quote = ask()
    assert msgspec.json.decode(msgspec.json.encode(given_quote), type=type(given_quote)) == given_quote


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": 0},
        {"quantity": 10**9},
        {"operations": ()},
        {"stock_mass_kg": float("nan")},
        {"part_mass_kg": -1.0},
        {"due": NOW.replace(tzinfo=None)},
        {"operations": (make_operation(0, machining_s=-5.0),)},
        {"operations": tuple(make_operation(number) for number in range(300))},
    ],
)
def test_a_request_beyond_sense_is_refused(changes):
    with pytest.raises(BadInput):
        ask(**changes)


def test_a_material_outside_the_table_is_refused_by_name():
    with pytest.raises(UnknownMaterial, match="unobtainium"):
        ask(material="unobtainium")


def test_a_due_date_at_the_end_of_time_is_quoted_for_a_year_and_a_bit():
    (mode,) = ask(due=datetime.max.replace(tzinfo=UTC)).modes
    assert mode.windows[-1].end == NOW + timedelta(days=414)


@given(st.lists(st.tuples(st.floats(-50, 300), st.floats(0, 80)), max_size=8), st.floats(0, 20_000))
def test_free_windows_avoid_all_that_is_taken_and_leave_nothing_out(spans, shortest_s):
    hour = timedelta(hours=1)
    taken = [(NOW + start * hour, NOW + (start + length) * hour) for start, length in spans]
    free = free_windows(NOW, NOW + 240 * hour, taken, shortest_s=shortest_s)
    assert all(each.end <= start or end <= each.start for each in free for start, end in taken if start < end)
    assert all((each.end - each.start).total_seconds() >= shortest_s for each in free)
    if shortest_s == 0:
        covered = sum(((e.end - e.start) for e in free), timedelta(0)) + _union(taken, NOW, NOW + 240 * hour)
        assert covered == 240 * hour


def _union(taken, start, end):
    total, reached = timedelta(0), start
    for busy_from, busy_to in sorted(taken):
        low, high = max(busy_from, reached), min(busy_to, end)
        total += max(timedelta(0), high - low)
        reached = max(reached, high)
    return total
