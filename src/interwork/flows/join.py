"""Joining: application under an agreement → decision by rule → membership credential → crawled by the portal."""

import msgspec

from interwork.consortium import Application, common_policies, decide
from interwork.core.errors import BadInput, NotFound, Refused
from interwork.core.event import Tag
from interwork.core.exchange import DatasetKind, Peer, Policy
from interwork.core.ids import derived_id
from interwork.core.organisation import Membership, MembershipState, Organisation, Setting
from interwork.federation import DataRequest, DataResponse
from interwork.flows.node import Node
from interwork.flows.records import read_as
from interwork.store import Change

DIRECTORY_MAX = 5_000
"""Organisations told to a new member."""


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """What an institute answers to an application."""

    membership: Membership
    institute_name: str
    policies: tuple[Policy, ...]
    directory: tuple[Organisation, ...] = ()
    """Who else is known: public facts of institutes, and what members said of themselves."""


async def join(node: Node, address: str, tier: str) -> Membership:
    """Apply for membership at an institute and keep what it answers."""
    peer = await node.federation.meet(address)
    offers = await node.federation.browse(peer)
    doors = [entry for entry in offers if entry.kind is DatasetKind.MEMBERSHIP and entry.provider == peer.id]
    if not doors:
        raise NotFound(f"{peer.name} at {address} offers no membership.", remedy="Give the address of an institute.")
    agreement = await node.federation.negotiate(peer.id, doors[0].dataset, key=f"join:{peer.id}")
    transfer = await node.federation.transfer(agreement, key=f"join:{peer.id}")
    application = Application(
        organisation=node.settings.organisation,
        name=node.settings.name,
        kind=node.settings.kind,
        tier=tier,
        root=node.settings.root(),
        place=node.settings.place,
        focus=node.settings.focus,
        is_sample=node.settings.is_sample,
    )
    fetched = await node.federation.fetch(
        transfer, body=msgspec.json.encode(application), what="an application for membership"
    )
    welcome = read_as(Welcome, fetched.content, peer.name)
    return await _keep(node, peer, address, welcome)


async def _keep(node: Node, peer: Peer, address: str, welcome: Welcome) -> Membership:
    membership = welcome.membership
    node.issuers.add(peer.id)
    change = Change().put(membership).put(Setting(id="portal", value=address))
    for policy in welcome.policies:
        change.put(policy)
    for body in welcome.directory:
        if body.did != node.did:
            change.put(body)
    if membership.state is MembershipState.GRANTED:
        change.event(Tag.MEMBERSHIP_GRANTED, membership.id, institute=peer.id, tier=membership.tier)
    elif membership.state is MembershipState.REFUSED:
        raise Refused(
            f"{welcome.institute_name} refused the membership.",
            rule=membership.reason,
            remedy="Ask for another tier with `--tier`.",
        )
    else:
        change.event(Tag.MEMBERSHIP_REQUESTED, membership.id, institute=peer.id, tier=membership.tier)
    await node.store.commit(change)
    return membership


async def receive_application(node: Node, request: DataRequest) -> DataResponse:
    """Decide an application at the institute, record the body, and issue the credential."""
    did = request.agreement.consumer
    try:
        application = msgspec.json.decode(request.body, type=Application)
    except msgspec.MsgspecError as fault:
        raise BadInput(f"The application cannot be read: {fault}.", where=did) from fault
    policies = common_policies(node.did, node.settings.name)
    membership = await node.store.peek(Membership, derived_id("member", node.did, did))
    if membership is None or membership.state is not MembershipState.GRANTED:
        peer = await node.federation.meet(application.root)
        if peer.id != did:
            raise Refused(
                f"{application.root} is the node of {peer.id}, not of {did}.",
                rule="an application names the applicant's own node",
                remedy="Apply from the node at that address.",
            )
        membership = decide(application, did=did, institute=node.did, open_tiers=node.settings.tiers, at=node.clock())
        membership = _credentialed(node, membership, application)
        await node.store.commit(_admission(membership, application, peer))
    welcome = Welcome(
        membership=membership,
        institute_name=node.settings.name,
        policies=tuple(policies.values()),
        directory=tuple(await node.store.find(Organisation, limit=DIRECTORY_MAX)),
    )
    return DataResponse(content=msgspec.json.encode(welcome), items=1, what="the decision on an application")


def _credentialed(node: Node, membership: Membership, application: Application) -> Membership:
    if membership.state is not MembershipState.GRANTED:
        return membership
    credential = node.identity.issue_membership(
        subject=membership.did,
        facts={
            "membership": node.did,
            "tier": membership.tier,
            "organisationKind": application.kind.value,
            "country": application.place.country,
            "name": application.name,
        },
        expires=membership.ends_at,
    )
    return msgspec.structs.replace(membership, credential=credential)


def _admission(membership: Membership, application: Application, peer: Peer) -> Change:
    body = Organisation(
        id=application.organisation,
        name=application.name,
        kind=application.kind,
        place=application.place,
        did=membership.did,
        focus=application.focus,
        is_sample=application.is_sample,
        source="its own application for membership",
    )
    granted = membership.state is MembershipState.GRANTED
    tags = {
        MembershipState.GRANTED: Tag.MEMBERSHIP_GRANTED,
        MembershipState.REFUSED: Tag.MEMBERSHIP_REFUSED,
        MembershipState.REQUESTED: Tag.MEMBERSHIP_REQUESTED,
    }
    return (
        Change(membership.institute)
        .put(membership)
        .put(body)
        .put(msgspec.structs.replace(peer, is_crawled=granted, organisation=body.id, name=application.name))
        .event(Tag.ORGANISATION_RECORDED, body.id, name=body.name)
        .event(tags[membership.state], membership.id, tier=membership.tier, reason=membership.reason)
    )
