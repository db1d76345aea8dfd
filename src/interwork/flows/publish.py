"""Publishing: a resource, a file or a record becomes an offer in the catalog, under a policy."""

from typing import Any

import msgspec

from interwork.consortium import common_policies, only_participant, open_to_all
from interwork.core.errors import BadInput, Refused
from interwork.core.event import Tag
from interwork.core.exchange import Dataset, DatasetKind, Policy
from interwork.core.ids import derived_id
from interwork.core.organisation import Membership, MembershipState
from interwork.core.resource import Resource
from interwork.flows.node import Node
from interwork.store import Change


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be offered."""

    kind: DatasetKind
    subject: str
    title: str
    description: str = ""
    properties: dict[str, Any] = {}


async def publish(node: Node, draft: Draft, policy: Policy, *, is_private: bool = False) -> Dataset:
    """Offer something under a policy; a private offer is seen only by those whom its policy lets use it."""
    dataset = Dataset(
        id=derived_id("dataset", node.did, draft.kind.value, draft.subject),
        kind=draft.kind,
        title=draft.title,
        description=draft.description,
        subject=draft.subject,
        policy=policy.id,
        access=policy.id if is_private else "",
        properties=draft.properties,
        changed_at=node.clock(),
    )
    await node.store.commit(
        Change().put(policy).event(Tag.POLICY_RECORDED, policy.id, name=policy.name, dataset=dataset.id)
    )
    return await node.federation.offer(dataset)


async def institute_of(node: Node) -> tuple[str, str]:
    """Tell the DID and name of the institute this node belongs to (itself, where it is one)."""
    if node.has_institute:
        return node.did, node.settings.name
    granted = await node.store.find(Membership, state=MembershipState.GRANTED, limit=1)
    if not granted:
        raise Refused(
            f"{node.settings.name} is a member of no institute.",
            rule="offers are made under an institute's common policies",
            remedy="Run `interwork join ADDRESS` first.",
        )
    for policy in await node.store.find(Policy, owner=granted[0].institute, limit=10):
        if policy.name == "Members only":
            return granted[0].institute, policy.text.removeprefix("Members of ").partition(" may ")[0]
    return granted[0].institute, granted[0].institute


async def publish_capacity(node: Node) -> Dataset:
    """Offer the right to ask for quotes and place orders on every resource that has rates."""
    own = await node.store.find(Resource, owner=node.settings.organisation, limit=1000)
    resources = [one for one in own if one.rates and one.capabilities]
    if not resources:
        raise BadInput(
            f"{node.settings.name} has no resource with capabilities and rates.",
            remedy="Run `interwork connect … --profile FILE` with a file that states them.",
        )
    institute, name = await institute_of(node)
    draft = Draft(
        kind=DatasetKind.CAPACITY,
        subject=node.settings.organisation,
        title=f"Quotes and orders at {node.settings.name}",
        description="Ask for a quote with times, price and footprint; place orders; follow them.",
        properties={
            "processes": sorted({ability.process for one in resources for ability in one.capabilities}),
            "resources": [_public(one) for one in resources],
            "organisation_kind": node.settings.kind.value,
            "is_sample": node.settings.is_sample,
        },
    )
    return await publish(node, draft, common_policies(institute, name)["quotes"])


def _public(resource: Resource) -> dict[str, Any]:
    """Tell of a resource what the catalog may: never its rates, its address or its calendar."""
    return {
        "id": resource.id,
        "name": resource.name,
        "maker": resource.maker,
        "model": resource.model,
        "place": msgspec.to_builtins(resource.place),
        "capabilities": msgspec.to_builtins(resource.capabilities),
        "is_simulated": resource.is_simulated,
    }


async def publish_for(node: Node, draft: Draft, *, did: str, name: str) -> Dataset:
    """Offer something to one named organisation only, while it is a member."""
    policy = only_participant(did, name, await institute_of(node), draft.title)
    return await publish(node, draft, policy, is_private=True)


async def publish_membership(node: Node) -> Dataset:
    """Offer everybody the right to apply for membership."""
    draft = Draft(
        kind=DatasetKind.MEMBERSHIP,
        subject=node.settings.organisation,
        title=f"Membership in {node.settings.name}",
        description=f"Apply for a tier: {', '.join(node.settings.tiers)}.",
        properties={"tiers": list(node.settings.tiers)},
    )
    return await publish(node, draft, open_to_all())
