"""Requirements are held one by one against what is stated; what is not stated is a question, never a yes."""

from itertools import permutations

import pytest
from allocation_samples import BRNO, HOME, make_need, make_operation, make_plan
from hypothesis import given
from hypothesis import strategies as st

from interwork.allocation import CapacityOffer, match
from interwork.allocation.parts.matching import hold
from interwork.core.design import Requirement
from interwork.core.organisation import Place
from interwork.core.planning import Verdict
from interwork.core.resource import Capability

FULL = Capability(
    process="milling-5-axis",
    materials=("aluminium", "steel-1045"),
    envelope_mm=(500, 400, 300),
    tolerance_mm=0.02,
    axes=5,
    max_mass_kg=100,
    certificates=("ISO 9001:2015",),
)


def judge(name, value, capability=FULL, place=HOME):
    return hold(Requirement(name=name, value=value), capability, place, "VMC-1 at Shop A")


def offer(*capabilities, provider="a", place=HOME):
    return CapacityOffer(
        provider=f"did:web:{provider}",
        provider_name=f"Shop {provider.upper()}",
        dataset=f"dataset-{provider}",
        resource=f"resource-{provider}",
        resource_name="VMC-1",
        place=place,
        capabilities=capabilities or (FULL,),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("process", "milling-5-axis"),
        ("process", "milling"),
        ("process", "machining"),
        ("material", "al-6061"),
        ("material", "Aluminium 7075-T6"),
        ("material", "steel-1045"),
        ("material", "steel"),
        ("envelope_mm", (300.0, 500.0, 400.0)),
        ("tolerance_mm", 0.02),
        ("axes", 3.0),
        ("mass_kg", 100),
        ("certificate", "iso 9001"),
        ("certificate", "ISO 9001:2015"),
        ("region", "de"),
        ("region", "Stuttgart"),
    ],
)
def test_what_is_stated_wide_enough_satisfies(name, value):
    assert judge(name, value).verdict is Verdict.SATISFIED


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("process", "turning", "milling-5-axis"),
        ("material", "ti-6al4v", "ti-6al4v"),
        ("material", "unobtainium", "unobtainium"),
        ("envelope_mm", (501.0, 10.0, 10.0), "1 mm too long"),
        ("tolerance_mm", 0.005, "0.015 mm too coarse"),
        ("axes", 6, "1 axes short"),
        ("mass_kg", 120, "20 kg short"),
        ("certificate", "AS9100", "not AS9100"),
        ("region", "FR", "not in FR"),
    ],
)
def test_what_falls_short_is_violated_with_the_number(name, value, number):
    reason = judge(name, value)
    assert reason.verdict is Verdict.VIOLATED
    assert number in reason.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("material", "al-6061"),
        ("envelope_mm", (1.0, 1.0, 1.0)),
        ("tolerance_mm", 1.0),
        ("axes", 3),
        ("mass_kg", 1.0),
        ("certificate", "ISO 9001"),
        ("region", "DE"),
    ],
)
def test_what_is_not_stated_is_a_question(name, value):
    reason = judge(name, value, Capability(process="milling"), Place())
    assert reason.verdict is Verdict.UNKNOWN
    assert reason.text.endswith("?")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tolerance_mm", "fine"),
        ("tolerance_mm", float("nan")),
        ("envelope_mm", 5.0),
        ("axes", "many"),
        ("mass_kg", float("inf")),
        ("surface", 0.8),
    ],
)
def test_a_requirement_that_cannot_be_held_against_anything_never_satisfies(name, value):
    assert judge(name, value).verdict is Verdict.UNKNOWN


def test_a_certificate_without_its_edition_leaves_the_question_which():
    reason = judge("certificate", "ISO 9001:2015", Capability(process="milling", certificates=("ISO 9001",)))
    assert reason.verdict is Verdict.UNKNOWN
    assert "edition" in reason.text


def test_one_alloy_does_not_stand_for_another_of_its_family():
    reason = judge("material", "al-7075", Capability(process="milling", materials=("al-6061",)))
    assert reason.verdict is Verdict.VIOLATED


@given(st.tuples(*[st.floats(1, 700)] * 3), st.sampled_from(list(permutations(range(3)))))
def test_an_envelope_is_judged_the_same_in_any_orientation(box, order):
    turned = tuple(box[index] for index in order)
    assert judge("envelope_mm", box).verdict is judge("envelope_mm", turned).verdict


@given(st.floats(1e-4, 1), st.floats(1e-4, 1))
def test_a_coarser_tolerance_never_loses_a_match(one, other):
    fine, coarse = sorted((one, other))
    assert judge("tolerance_mm", fine).verdict is not Verdict.SATISFIED or (
        judge("tolerance_mm", coarse).verdict is Verdict.SATISFIED
    )


def test_every_operation_is_held_against_every_offer():
    matches = match(make_need(), make_plan(3), [offer(provider="a"), offer(provider="b")])
    assert [(each.operation, each.provider_name) for each in matches] == [
        (f"op-{number}", shop) for number in range(3) for shop in ("Shop A", "Shop B")
    ]


def test_a_match_is_feasible_only_when_nothing_is_missing():
    good, bad = match(make_need(), make_plan(1), [offer(), offer(Capability(process="turning"), provider="b")])
    assert (good.is_feasible, good.missing) == (True, 0)
    assert (bad.is_feasible, bad.missing) == (False, 2)


def test_the_process_comes_first_even_where_the_operation_only_names_it():
    (held,) = match(make_need(), make_plan((make_operation(0, requirements=()),)), [offer()])
    assert [each.requirement for each in held.reasons] == ["process"]


def test_a_process_among_the_requirements_is_not_held_twice():
    steps = (make_operation(0, requirements=(Requirement(name="process", value="milling"),)),)
    (held,) = match(make_need(), make_plan(steps), [offer()])
    assert len(held.reasons) == 1


def test_what_the_need_demands_as_a_whole_holds_for_every_operation():
    need = make_need(requirements=(Requirement(name="region", value="CZ"), Requirement(name="budget", value=10.0)))
    matches = match(need, make_plan(2), [offer(), offer(provider="b", place=BRNO)])
    assert [each.is_feasible for each in matches] == [False, True, False, True]


def test_of_several_capabilities_the_one_that_misses_fewest_is_told():
    coarse, fine = Capability(process="milling", tolerance_mm=0.5), Capability(process="milling", tolerance_mm=0.01)
    (held,) = match(make_need(), make_plan(1), [offer(Capability(process="turning"), coarse, fine)])
    assert held.is_feasible


def test_a_resource_that_states_nothing_is_asked_everything():
    (held,) = match(make_need(), make_plan(1), [offer().__class__(**_bare())])
    assert {each.verdict for each in held.reasons} == {Verdict.UNKNOWN}


def _bare():
    return {
        name: getattr(offer(), name) for name in ("provider", "provider_name", "dataset", "resource", "resource_name")
    }


def test_the_same_match_has_the_same_id_whatever_else_is_offered():
    alone = match(make_need(), make_plan(1), [offer()])[0]
    among = match(make_need(), make_plan(1), [offer(provider="b"), offer()])[1]
    assert alone.id == among.id
