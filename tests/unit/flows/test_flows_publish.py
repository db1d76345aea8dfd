import pytest
from flows_world import BUYER, INSTITUTE, START, mill
from msgspec.structs import replace

from interwork.consortium import only_participant
from interwork.core.errors import BadInput, Refused
from interwork.core.exchange import Dataset, DatasetKind, Policy
from interwork.core.organisation import Membership, MembershipState
from interwork.flows import publish
from interwork.flows.publish import Draft
from interwork.store import Change

DRAFT = Draft(kind=DatasetKind.RECORD, subject="award-1", title="Award for brackets")


def rules(policy):
    return {one["leftOperand"].rpartition("/")[2]: one["rightOperand"] for one in _constraints(policy)}


def _constraints(policy):
    return policy.odrl["permission"][0]["constraint"]


def test_an_offer_to_the_institute_itself_asks_for_no_membership():
    policy = only_participant(INSTITUTE, "Lakeside", (INSTITUTE, "Lakeside"), "Evidence")
    assert rules(policy) == {"participant": INSTITUTE}
    assert "member" not in policy.text


def test_an_offer_to_a_member_asks_for_its_membership():
    policy = only_participant(BUYER, "Buyer", (INSTITUTE, "Lakeside"), "Design")
    assert rules(policy) == {"participant": BUYER, "membership": [INSTITUTE]}
    assert "only while it is a member of Lakeside" in policy.text


async def test_an_offer_to_one_is_private_to_that_one(shop):
    offered = await publish.publish_for(shop, DRAFT, did=BUYER, name="Buyer")
    assert (offered.policy, offered.access) == (offered.policy, offered.policy)
    assert rules(await shop.store.get(Policy, offered.policy))["participant"] == BUYER


async def test_an_offer_made_again_is_the_same_offer(shop):
    first = await publish.publish_for(shop, DRAFT, did=BUYER, name="Buyer")
    assert await publish.publish_for(shop, DRAFT, did=BUYER, name="Buyer") == first
    assert await shop.store.count(Dataset) == 1


async def test_capacity_is_offered_without_rates_address_or_calendar(shop):
    secret = mill(endpoint="opc.tcp://10.0.0.9:4840", options={"user": "ada"}, closed=((START, START),))
    await shop.store.commit(Change("test").put(secret))
    offered = await publish.publish_capacity(shop)
    (told,) = offered.properties["resources"]
    assert told.keys() == {"id", "name", "maker", "model", "place", "capabilities", "is_simulated"}
    assert offered.properties["processes"] == ["milling-3-axis"]
    assert "10.0.0.9" not in str(offered.properties)


async def test_capacity_is_for_members_of_the_institute_and_the_institute_itself(shop):
    await shop.store.commit(Change("test").put(mill()))
    offered = await publish.publish_capacity(shop)
    policy = await shop.store.get(Policy, offered.policy)
    (either,) = _constraints(policy)
    assert {one["leftOperand"].rpartition("/")[2]: one["rightOperand"] for one in either["or"]} == {
        "membership": [INSTITUTE],
        "participant": INSTITUTE,
    }
    assert "quotes are not passed on" in policy.text


async def test_without_a_resource_that_can_be_quoted_there_is_no_capacity_to_offer(shop):
    await shop.store.commit(Change("test").put(mill(rates=None)))
    with pytest.raises(BadInput, match="no resource with capabilities and rates") as refused:
        await publish.publish_capacity(shop)
    assert refused.value.remedy


async def test_readings_of_another_organisation_are_not_offered_as_ones_own_capacity(shop):
    await shop.store.commit(Change("test").put(mill("resource-far", owner=BUYER)).put(mill()))
    offered = await publish.publish_capacity(shop)
    assert [one["id"] for one in offered.properties["resources"]] == ["resource-mill"]


async def test_a_node_of_no_institute_offers_nothing_under_common_policies(shop):
    (held,) = await shop.store.find(Membership)
    await shop.store.commit(Change("test").put(mill()).put(replace(held, state=MembershipState.ENDED)))
    with pytest.raises(Refused, match="member of no institute") as refused:
        await publish.publish_capacity(shop)
    assert "interwork join" in refused.value.remedy


async def test_an_institute_offers_under_its_own_membership(institute):
    assert await publish.institute_of(institute) == (institute.did, "Lakeside")


async def test_the_right_to_apply_is_open_to_everybody(institute):
    offered = await publish.publish_membership(institute)
    policy = await institute.store.get(Policy, offered.policy)
    assert _constraints(policy) == []
    assert (offered.kind, offered.access) == (DatasetKind.MEMBERSHIP, "")
