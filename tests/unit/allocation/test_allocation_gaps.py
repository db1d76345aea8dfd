"""Gaps tell apart what nobody can do, what only one can, and what only a rule forbids; advice was tried."""

import pytest
from allocation_samples import BRNO, HOME, NOW, make_need, make_operation, make_plan
from msgspec.structs import replace

from interwork.allocation import CapacityOffer, Cause, gaps, match, unmet
from interwork.core.design import Requirement
from interwork.core.programme import GapKind
from interwork.core.resource import Capability


def offer(letter="a", place=HOME, **stated):
    capability = Capability(**({"process": "milling", "tolerance_mm": 0.02} | stated))
    return CapacityOffer(
        provider=f"did:web:{letter}",
        provider_name=f"Shop {letter.upper()}",
        dataset="dataset-1",
        resource=f"resource-{letter}",
        resource_name="VMC",
        place=place,
        capabilities=(capability,),
    )


def find(offers, need=None, plan=None):
    need, plan = need or make_need(), plan or make_plan(1)
    return gaps(need, plan, match(need, plan, offers), NOW)


def wanting(**values):
    return make_plan((make_operation(0, requirements=tuple(Requirement(name=n, value=v) for n, v in values.items())),))


def test_what_two_can_do_is_no_gap():
    assert find([offer("a"), offer("b")]) == []


def test_nobody_is_a_technology_gap_with_the_nearest_and_its_distance():
    (gap,) = find([offer("a", tolerance_mm=0.5), offer("b", tolerance_mm=0.08), offer("c", process="turning")])
    assert (gap.kind, gap.capable) == (GapKind.TECHNOLOGY, 0)
    assert gap.nearest == "VMC at Shop B holds 0.08 mm where 0.05 mm is wanted: 0.03 mm too coarse."
    assert gap.requirement == "tolerance_mm 0.05 mm"


def test_only_one_provider_is_a_capacity_gap_that_names_it_and_who_is_next():
    (gap,) = find([offer("a"), offer("b", tolerance_mm=0.1)])
    assert (gap.kind, gap.capable) == (GapKind.CAPACITY, 1)
    assert gap.title == "Only Shop A can do Step 0 for Bracket"
    assert "Shop B" in gap.nearest


def test_two_machines_of_one_provider_are_still_a_single_point():
    (gap,) = find([offer("a"), replace(offer("a"), resource="resource-second")])
    assert gap.kind is GapKind.CAPACITY
    assert gap.nearest == "No other provider offers a resource."


def test_a_certificate_nobody_holds_is_a_policy_gap():
    plan = wanting(certificate="AS9100")
    (gap,) = find([offer("a", certificates=("ISO 9001",)), offer("b", certificates=("ISO 9001",))], plan=plan)
    assert gap.kind is GapKind.POLICY


def test_an_empty_network_says_so():
    (gap,) = find([])
    assert gap.nearest == "Nobody in the network offers a resource."


def test_a_gap_found_again_has_the_same_id():
    assert find([])[0].id == find([offer("c", process="turning")])[0].id


def test_a_need_that_can_be_met_is_not_unmet():
    assert unmet(make_need(), make_plan(2), [offer()]) is None


def test_an_unmet_need_names_the_cause_the_nearest_and_the_smallest_tolerance_that_would_do():
    fault = unmet(make_need(), make_plan(1), [offer("a", tolerance_mm=0.5), offer("b", tolerance_mm=0.08)])
    assert fault.reasons[0].startswith(f"Step 0: {Cause.NO_CAPABLE_RESOURCE}. Nearest: VMC at Shop B")
    assert fault.remedy == "Step 0: allow 0.08 mm instead of 0.05 mm; then 1 provider could."


def test_the_advised_tolerance_makes_the_need_meetable():
    offers = [offer("a", tolerance_mm=0.5), offer("b", tolerance_mm=0.08)]
    assert "0.08 mm" in unmet(make_need(), make_plan(1), offers).remedy
    assert unmet(make_need(), wanting(tolerance_mm=0.08), offers) is None


def test_a_region_nobody_is_in_is_its_own_cause_and_advice():
    need = make_need(requirements=(Requirement(name="region", value="FR"),))
    fault = unmet(need, make_plan(1), [offer("a"), offer("b", BRNO)])
    assert Cause.CERTIFICATE_OR_REGION in fault.reasons[0]
    assert "do without region FR; then 2 providers could." in fault.remedy


def test_two_relaxations_are_advised_where_one_is_not_enough():
    plan = wanting(tolerance_mm=0.001, certificate="AS9100")
    fault = unmet(make_need(), plan, [offer("a", certificates=("ISO 9001",))])
    assert "allow 0.02 mm instead of 0.001 mm and do without certificate AS9100" in fault.remedy


@pytest.mark.parametrize("offers", [[], [offer("a", process="turning")]])
def test_no_relaxation_is_invented(offers):
    assert "bring in a provider" in unmet(make_need(), make_plan(1), offers).remedy
