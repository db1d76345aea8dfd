"""Certificates that run out are rejected with that reason; what is not stated is asked, never taken for a yes."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from allocation_samples import HOME, NOW, make_need, make_operation, make_plan
from msgspec.structs import replace

from interwork.allocation import CapacityOffer, allocate, draft_request, match, quote
from interwork.allocation.parts.matching import certificate_of, lapse
from interwork.core.design import Requirement
from interwork.core.errors import NoPlan
from interwork.core.planning import Verdict, Weights
from interwork.core.resource import Capability, Rates, Resource, ResourceKind
from interwork.core.units import convert

WANTED = Requirement(name="certificate", value="AS9100")
TODAY = NOW.date()


def machine(*certificates):
    return Resource(
        id="resource-1",
        name="VMC-1",
        kind=ResourceKind.MACHINE,
        owner="organisation-1",
        place=HOME,
        capabilities=(Capability(process="milling", tolerance_mm=0.01, certificates=certificates),),
        rates=Rates(setup_s=60, setup_price_eur=4, hourly_price_eur=72, removal_mm3_s=200, handling_s=30),
    )


def held(*certificates):
    """Hold one operation that demands AS9100 against a machine with these certificates."""
    offer = CapacityOffer(
        provider="did:web:a",
        provider_name="Shop A",
        dataset="dataset-a",
        resource="resource-1",
        resource_name="VMC-1",
        place=HOME,
        capabilities=machine(*certificates).capabilities,
    )
    (one,) = match(make_need(), make_plan((make_operation(0, requirements=(WANTED,)),)), [offer])
    return one, next(each for each in one.reasons if each.requirement == "certificate")


def quoted(*certificates):
    need, plan = make_need(), make_plan((make_operation(0, requirements=(WANTED,)),))
    answer = quote(
        draft_request(need, plan),
        [machine(*certificates)],
        {},
        provider="did:web:a",
        provider_name="Shop A",
        agreement="agreement-1",
        now=NOW,
    )
    return need, plan, answer


def test_a_certificate_that_ran_out_is_rejected_and_the_reason_says_when():
    """allocation 9: expired on the day of the need: violated, with the day."""
    one, reason = held(f"AS9100 until {TODAY - timedelta(days=1)}")
    assert not one.is_feasible
    assert reason.verdict is Verdict.VIOLATED
    assert f"until {TODAY - timedelta(days=1):%d %b %Y}" in reason.text
    assert "has run out" in reason.text
    _, _, answer = quoted(f"AS9100 until {TODAY - timedelta(days=1)}")
    assert answer.modes == ()
    assert "has run out" in answer.declined[0]


@pytest.mark.parametrize("stated", ["AS9100", f"AS9100 until {TODAY}", "AS9100:2016 until 2031-01-31"])
def test_a_certificate_that_holds_is_held(stated):
    assert held(stated)[1].verdict is Verdict.SATISFIED


def test_no_operation_is_offered_or_planned_after_its_certificate_ends():
    """allocation 9: at the operation's date: free windows end with the last day of the certificate."""
    last = TODAY + timedelta(days=1)
    end = datetime.combine(last + timedelta(days=1), time(), UTC)
    need, plan, answer = quoted(f"AS9100 until {last}")
    assert max(window.end for mode in answer.modes for window in mode.windows) == end
    assert all(each.end <= end for each in allocate(need, plan, [answer], weights=Weights(), now=NOW).assignments)
    huge = replace(need, quantity=2000)
    with pytest.raises(NoPlan):
        allocate(huge, replace(plan, quantity=2000), [replace(answer, need=huge.id)], weights=Weights(), now=NOW)


def test_the_shortest_of_the_certificates_that_are_demanded_counts():
    both = (WANTED, Requirement(name="certificate", value="ISO 9001"))
    stated = ("AS9100 until 2030-05-01", "ISO 9001:2015 until 2029-01-31", "ISO 9001:2015 until 2028-01-31")
    assert lapse(both, (Capability(process="milling", certificates=stated),)) == date(2029, 1, 31)
    assert lapse(both, (Capability(process="milling", certificates=("AS9100", "ISO 9001")),)) is None


def test_a_day_that_is_in_no_calendar_makes_no_certificate():
    assert certificate_of("AS9100 until 2027-02-30") == ("AS9100 until 2027-02-30", None)
    assert held("AS9100 until 2027-02-30")[1].verdict is Verdict.VIOLATED


def test_what_a_machine_does_not_state_is_a_question_to_its_provider_and_no_quote():
    """allocation 8: unknown is listed as a question, is no match, and is not quoted."""
    one, reason = held()
    assert (one.is_feasible, reason.verdict) == (False, Verdict.UNKNOWN)
    assert reason.text == "VMC-1 at Shop A states no certificate: does it hold AS9100?"
    _, _, answer = quoted()
    assert answer.modes == ()
    assert "does it hold AS9100?" in answer.declined[0]


@pytest.mark.parametrize("value", [0.005, 0.01, 0.02])
def test_the_same_tolerance_given_in_another_unit_is_held_the_same(value):
    """allocation 1: a tolerance in inches or micrometres, converted as designs are read, has the same verdict."""
    offer = CapacityOffer(
        provider="did:web:a",
        provider_name="Shop A",
        dataset="dataset-a",
        resource="resource-1",
        resource_name="VMC-1",
        place=HOME,
        capabilities=machine().capabilities,
    )
    verdicts = []
    for unit in ("mm", "um", "[in_i]", "m"):
        there = convert(value, "mm", unit)
        back = Requirement(name="tolerance_mm", value=convert(there, unit, "mm"))
        (one,) = match(make_need(), make_plan((make_operation(0, requirements=(back,)),)), [offer])
        verdicts.append(one.is_feasible)
    assert verdicts == [value >= 0.01] * 4
