from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from interwork.consortium import Application, check_award, decide, disburse, move, read_directory, track_record
from interwork.core.errors import BadInput, Refused
from interwork.core.making import Evidence
from interwork.core.organisation import MembershipState, OrganisationKind
from interwork.core.programme import Award, Call, CostShare, Milestone, Project, Technology

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def application(kind=OrganisationKind.SMALL_MANUFACTURER, tier="small"):
    return Application(organisation="org-1", name="Elm", kind=kind, tier=tier, root="http://localhost:1")


def decided(asked, tiers=("small", "full")):
    return decide(asked, did="did:web:elm", institute="did:web:inst", open_tiers=tiers, at=AT)


def evidence(name="e1", provider="did:web:elm", **changes):
    facts = {
        "id": name, "run": "run-1", "order": "order-1", "job": "job-1", "provider": provider, "provider_name": "Elm",
        "resource": "r", "resource_name": "Mill", "operation_name": "milling", "started_at": AT,
        "ended_at": AT + timedelta(hours=1), "quantity": 10, "good": 10, "scrap": 0, "planned_energy_kwh": 5.0,
        "energy_kwh": 6.0, "planned_s": 3600.0, "observed_s": 4000.0, "readings": 100, "coverage": 1.0,
        "inspection": None, "cpk": 1.5, "is_simulated": True, "time_scale": 1.0, "digest": "d", "signature": "s",
        "due": AT + timedelta(hours=2),
    }  # fmt: skip
    return Evidence(**{**facts, **changes})


def technology(trl=4, entries=()):
    return Technology(id="t", name="T", holder="did:web:lab", summary="", trl_start=4, trl=trl, mrl=4, evidence=entries)


def test_a_fitting_tier_that_is_open_is_granted_for_a_year():
    member = decided(application())
    assert (member.state, member.ends_at) == (MembershipState.GRANTED, AT + timedelta(days=365))


def test_a_tier_for_other_bodies_is_refused_with_the_tier_to_ask_for():
    member = decided(application(kind=OrganisationKind.LARGE_MANUFACTURER))
    assert member.state is MembershipState.REFUSED
    assert "«full»" in member.reason


def test_a_tier_that_is_not_open_waits_for_a_person():
    assert decided(application(), tiers=()).state is MembershipState.REQUESTED


def test_evidence_from_another_organisation_raises_trl_4_to_5_once():
    moved = move(technology(), evidence())
    assert (moved.trl, len(moved.evidence)) == (5, 1)
    assert move(moved, evidence()) is moved


def test_evidence_from_the_holder_itself_does_not_raise_trl_4():
    assert move(technology(), evidence(provider="did:web:lab")).trl == 4


def test_scrap_keeps_trl_5_where_it_is_and_a_second_clean_plant_raises_it():
    five = move(technology(), evidence())
    assert move(five, evidence("e2", "did:web:oak", good=9, scrap=1)).trl == 5
    assert move(five, evidence("e2", "did:web:oak")).trl == 6


CALL = Call(id="c", title="C", agency="A", institute="i", budget_eur=100.0, min_cost_share=1.0, opens=AT, closes=AT)
AWARD = Award(id="a", call="c", project="p", recipient="o", recipient_did="d", amount_eur=60.0, made_at=AT)
SHARE = CostShare(id="s", award="a", organisation="Elm", amount_eur=66.0, is_in_kind=True, at=AT)


def test_an_award_with_enough_cost_share_tells_the_ratio():
    assert check_award(CALL, AWARD, [SHARE], []) == pytest.approx(1.1)


def test_too_little_cost_share_is_refused_with_the_sum_that_is_missing():
    with pytest.raises(Refused, match="6 EUR more"):
        check_award(CALL, AWARD, [msgspec.structs.replace(SHARE, amount_eur=54.0)], [])


def test_an_award_over_what_is_left_of_the_budget_is_refused():
    other = msgspec.structs.replace(AWARD, id="b", amount_eur=50.0)
    with pytest.raises(Refused, match="50 EUR or less"):
        check_award(CALL, AWARD, [SHARE], [other])


def test_milestones_are_paid_in_order_and_once_per_evidence():
    stones = tuple(Milestone(name=name, due=AT, amount_eur=10.0) for name in ("one", "two"))
    project = Project(id="p", title="P", lead="o", lead_did="d", institute="i", starts=AT, ends=AT, milestones=stones)
    project, first = disburse(project, AWARD, "e1", AT)
    assert (first.milestone, disburse(project, AWARD, "e1", AT)) == ("one", None)
    assert disburse(project, AWARD, "e2", AT)[1].milestone == "two"


def test_a_track_record_sums_before_it_divides_and_leaves_the_unmetered_out():
    pieces = [evidence("e1"), evidence("e2", energy_kwh=None), evidence("e3", energy_kwh=3.0), evidence("e1")]
    record = track_record("did:web:elm", "Elm", [*pieces, evidence("x", "did:web:oak")], AT)
    assert (record.runs, record.parts, record.on_time) == (3, 30, 3)
    assert record.energy_ratio == pytest.approx(9 / 10)


def test_a_directory_row_that_cannot_be_read_is_named():
    text = "network,name,founding_year,lat,lon,hq_city,country\nN,A,2012,1,2,X,US\nN,B,soon,1,2,X,US\n"
    with pytest.raises(BadInput, match="Line 3"):
        read_directory(text, "facts.csv")


def test_a_tier_that_does_not_exist_is_refused_and_the_tiers_named():
    member = decided(application(tier="platinum"))
    assert member.state is MembershipState.REFUSED
    assert "academic" in member.reason
