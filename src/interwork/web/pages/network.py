"""Network: who takes part, where, what each offers; the map and the same as a table."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from interwork.core.exchange import Agreement, AgreementState, CatalogEntry, Peer
from interwork.core.organisation import Membership, Organisation, OrganisationKind
from interwork.core.programme import Project, Technology, TrackRecord
from interwork.flows.node import Node
from interwork.web.access import node_of
from interwork.web.render import render

LISTED_MAX = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkView:
    """The directory, filtered, and the ties between its bodies."""

    bodies: tuple[Organisation, ...]
    all: int
    ties: tuple[tuple[str, str, str], ...]
    """(organisation id, organisation id, kind of tie)"""
    here: str
    kinds: tuple[OrganisationKind, ...]
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyView:
    """One organisation with what it offers and what it has shown."""

    body: Organisation
    peer: Peer | None
    memberships: tuple[Membership, ...]
    members: tuple[Membership, ...]
    offers: tuple[CatalogEntry, ...]
    technologies: tuple[Technology, ...]
    projects: tuple[Project, ...]
    track: TrackRecord | None


async def network_view(node: Node, kind: str, text: str) -> NetworkView:
    """Collect the directory and filter it by kind and words."""
    bodies = await node.store.find(Organisation, limit=LISTED_MAX)
    words = text.lower().split()
    kept = tuple(
        body for body in bodies if (not kind or body.kind == kind) and all(word in _text_of(body) for word in words)
    )
    return NetworkView(
        bodies=tuple(sorted(kept, key=lambda body: (body.acronym or body.name).lower())),
        all=len(bodies),
        ties=tuple(sorted(await _ties(node, {body.did: body.id for body in bodies if body.did}))),
        here=node.settings.organisation,
        kinds=tuple(sorted({body.kind for body in bodies})),
        kind=kind,
        text=text,
    )


def _text_of(body: Organisation) -> str:
    place = body.place
    parts = (body.name, body.acronym, body.focus, body.lead_agency, place.city, place.region, place.country)
    return " ".join(parts).lower()


async def _ties(node: Node, by_did: dict[str, str]) -> set[tuple[str, str, str]]:
    ties = set()
    for one in await node.store.find(Membership, state="GRANTED", limit=LISTED_MAX):
        if one.institute in by_did:
            ties.add((one.organisation, by_did[one.institute], "membership"))
    for agreement in await node.store.find(Agreement, state=AgreementState.ACTIVE, limit=LISTED_MAX):
        if agreement.provider in by_did and agreement.consumer in by_did:
            ties.add((by_did[agreement.consumer], by_did[agreement.provider], "agreement"))
    return {tie for tie in ties if tie[0] != tie[1]}


async def index(request: Request) -> Response:
    """Show the directory as a map and a table."""
    query = request.query_params
    view = await network_view(node_of(request), query.get("kind", "")[:40], query.get("q", "")[:200])
    return await render(request, "network.html", view=view)


async def show(request: Request) -> Response:
    """Show one organisation."""
    store = node_of(request).store
    body = await store.get(Organisation, request.path_params["id"])
    peer = await store.peek(Peer, body.did) if body.did else None
    view = BodyView(
        body=body,
        peer=peer,
        memberships=tuple(one for one in await store.find(Membership, limit=LISTED_MAX) if one.organisation == body.id),
        members=tuple(await store.find(Membership, institute=body.did, limit=500)) if body.did else (),
        offers=tuple(await store.find(CatalogEntry, provider=body.did, is_gone=False, limit=200)) if body.did else (),
        technologies=tuple(await store.find(Technology, holder=[body.id, body.did], limit=100)),
        projects=tuple(one for one in await store.find(Project, limit=1000) if one.lead == body.id),
        track=await store.peek(TrackRecord, body.did) if body.did else None,
    )
    return await render(request, "organisation.html", view=view)
