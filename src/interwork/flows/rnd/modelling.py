"""Models: vouched for → admitted → offered → taken under an agreement; the inside never leaves its holder."""

from collections.abc import Sequence

import msgspec

from interwork.consortium import common_policies
from interwork.core.design import Model, Port
from interwork.core.errors import BadInput, InterworkError, PeerError, Refused
from interwork.core.event import Tag
from interwork.core.exchange import Dataset, DatasetKind
from interwork.core.ids import derived_id, digest_of
from interwork.core.organisation import Membership, MembershipState
from interwork.core.units import known_units
from interwork.design import models, walls
from interwork.design.models.running import kind_of
from interwork.federation import DataRequest
from interwork.flows.node import Node
from interwork.flows.publish import Draft, institute_of, publish, publish_for
from interwork.flows.records import read_as
from interwork.flows.weave import Knot, knot
from interwork.store import Change

RULE = "a model runs only where this node or one of its members vouches for it"


class Vouching(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who vouches for a model file: the signer's JWS over the file's digest."""

    signer: str = ""
    signature: str = ""


class Publication(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person says of a model: its name, and what its file leaves open."""

    name: str
    vouching: Vouching
    text: str = ""
    units: dict[str, str] = {}
    """UCUM codes of ports whose file states none, or another name."""
    step_s: float = 0.0
    stop_s: float = 0.0


def vouch(node: Node, content: bytes) -> Vouching:
    """Sign a model file with this node's key."""
    return Vouching(signer=node.did, signature=node.identity.sign(digest_of(content)))


async def admit(node: Node, content: bytes, file_name: str, said: Publication, *, actor: str) -> Model:
    """Take a model in: the signature first, then its interface, read in a limited child process."""
    digest, kind = digest_of(content), kind_of(content, file_name)
    await _check_signature(node, digest, said.vouching, actor)
    found = await models.describe(content, kind, said.name or file_name)
    _check_units(said, (*found.inputs, *found.outputs))
    model = Model(
        id=derived_id("model", node.did, digest),
        name=said.name.strip()[:200] or file_name,
        kind=kind,
        digest=node.files.put(content),
        inputs=_with_units(found.inputs, said),
        outputs=_with_units(found.outputs, said),
        step_s=(said.step_s or found.step_s) if found.stop_s else 0.0,
        stop_s=(said.stop_s or found.stop_s) if found.stop_s else 0.0,
        text=said.text[:2000] or found.text,
        signer=said.vouching.signer,
        signature=said.vouching.signature,
        holder=node.did,
        holder_name=node.settings.name,
        walls=walls.told(found.missing),
        by=actor,
        at=node.clock(),
    )
    known = await node.store.peek(Model, model.id)
    if known is not None:
        model = msgspec.structs.replace(model, dataset=known.dataset, at=known.at)
    change = Change(actor).put(model)
    change.event(Tag.MODEL_RECORDED, model.id, name=model.name, digest=digest, signer=model.signer)
    knot(node, change, Knot(id=model.id, kind="model", label=model.name, digest=digest))
    await node.store.commit(change)
    return model


async def _check_signature(node: Node, digest: str, given: Vouching, actor: str) -> None:
    try:
        await must_be_vouched(node, digest, given)
    except Refused as fault:
        await node.store.commit(Change(actor).event(Tag.MODEL_REFUSED, digest, signer=given.signer, why=fault.message))
        raise


async def must_be_vouched(node: Node, digest: str, given: Vouching) -> None:
    """Refuse what is unsigned, signed by somebody who does not count here, or not signed by whom it says."""
    if not given.signature or not given.signer:
        raise Refused(
            "The model is not signed.", rule=RULE, remedy="Sign it with `interwork model sign FILE` at a member's node."
        )
    if given.signer not in await trusted(node):
        raise Refused(
            f"The model is signed by {given.signer}, who is neither this node nor a member known here.",
            rule=RULE,
            remedy="Let a member vouch for it, or sign it here after looking at it.",
        )
    try:
        await node.federation.verify(given.signer, digest, given.signature)
    except PeerError as fault:
        raise Refused(
            f"The signature is not one of {given.signer} over this file: {fault.message}",
            rule=RULE,
            remedy="Sign the file as it is now.",
        ) from fault


async def trusted(node: Node) -> set[str]:
    """List whose signature counts: this node, the institutes it is a member of, and the members it knows."""
    granted = await node.store.find(Membership, state=MembershipState.GRANTED, limit=10_000)
    return {node.did, *node.issuers, *(one.did for one in granted)}


def _check_units(said: Publication, ports: Sequence[Port]) -> None:
    """Refuse a unit that is stated of nothing, or left out: it would be dropped."""
    names = [one.name for one in ports]
    strange = sorted(name for name, unit in said.units.items() if name not in names or not unit)
    if strange:
        first, every = names[0] if names else "power", ", ".join(names)[:500] or "none"
        raise BadInput(
            f"A unit is stated of {', '.join(strange)[:200]}: that is no port with its unit.",
            where="units",
            remedy=f"Write each as {first}=kW. Its ports are {every}.",
        )


def _with_units(ports: tuple[Port, ...], said: Publication) -> tuple[Port, ...]:
    made = tuple(msgspec.structs.replace(one, unit=said.units.get(one.name, one.unit) or "1") for one in ports)
    unknown = sorted({one.unit for one in made if one.unit not in known_units()})
    if unknown:
        raise BadInput(
            f"The units {', '.join(unknown)[:200]} are not known here.",
            where="units",
            remedy="State the UCUM code of each such port, as in temperature=Cel.",
        )
    return made


async def offer(node: Node, identifier: str, *, to: str = "", name: str = "", actor: str = "node") -> Dataset:
    """Offer the right to run a model: to one named node, or to the members of the institute."""
    model = await node.store.get(Model, identifier)
    if model.holder != node.did:
        raise BadInput(f"«{model.name}» is held by {model.holder_name or model.holder}.", remedy="Offer your own.")
    draft = Draft(
        kind=DatasetKind.MODEL,
        subject=model.id,
        title=model.name,
        description=model.text[:500] or "A model to run; inputs and outputs have units.",
        properties={"model": public(model), "is_sample": node.settings.is_sample},
    )
    if to:
        dataset = await publish_for(node, draft, did=to, name=name or to)
    else:
        institute, institute_name = await institute_of(node)
        dataset = await publish(node, draft, common_policies(institute, institute_name)["members"])
    offered = msgspec.structs.replace(model, dataset=dataset.id)
    await node.store.commit(Change(actor).put(offered, expect=model))
    return dataset


def public(model: Model) -> dict[str, object]:
    """Tell of a model what the catalog may: interface and digest, never where its file is."""
    ports = {"inputs": msgspec.to_builtins(model.inputs), "outputs": msgspec.to_builtins(model.outputs)}
    return {"kind": model.kind, "digest": model.digest, "step_s": model.step_s, "stop_s": model.stop_s, **ports}


async def take(node: Node, provider: str, dataset: str, *, actor: str) -> Model:
    """Agree to run another node's model, and keep its interface here."""
    key = f"model:{dataset}"
    agreement = await node.federation.negotiate(provider, dataset, key=key)
    transfer = await node.federation.transfer(agreement, key=key)
    fetched = await node.federation.fetch(transfer, what="the interface of a model")
    told = read_as(Model, fetched.content, agreement.peer_name)
    if told.holder != provider or told.id != derived_id("model", provider, told.digest):
        raise PeerError(f"{agreement.peer_name} told of a model that is not its own.")
    model = msgspec.structs.replace(told, dataset=dataset, holder_name=agreement.peer_name, by=actor, at=node.clock())
    change = Change(actor).put(model).event(Tag.MODEL_RECORDED, model.id, name=model.name, holder=provider)
    knot(node, change, Knot(id=model.id, kind="model", label=model.name, holder=provider, digest=model.digest))
    await node.store.commit(change)
    return model


async def told_of(node: Node, request: DataRequest) -> Model:
    """Tell another node of a model: the interface alone."""
    model = await node.store.get(Model, request.dataset.subject)
    return msgspec.structs.replace(model, by="", holder_name=node.settings.name)


async def faults(node: Node, model: Model) -> str:
    """Tell why a model of this node could not run now; empty = it could."""
    if model.holder != node.did:
        return ""
    try:
        await must_be_vouched(node, model.digest, Vouching(signer=model.signer, signature=model.signature))
    except InterworkError as fault:
        return fault.message
    return ""
