"""Reading the catalogs of other nodes: page by page when somebody searches, and kept up to date where this node crawls.

A crawl keeps ids stable, marks what a silent node offered as stale instead of losing it, and buries what is gone; one
that finds nothing changed changes nothing.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

import msgspec
import structlog
from msgspec.structs import replace

from interwork.core.errors import BadInput, PeerError, Refused
from interwork.core.event import Tag
from interwork.core.exchange import CatalogEntry, DatasetKind, Peer
from interwork.core.ids import derived_id
from interwork.core.organisation import Setting
from interwork.federation import wire
from interwork.federation.catalog import KIND, MOST
from interwork.federation.client import Answer
from interwork.federation.delivery import Parts, anew
from interwork.store import Change

log = structlog.get_logger()

PAGES_MAX = 1_000
"""Pages of one catalog that are read at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawled:
    """What a crawl changed."""

    added: int = 0
    changed: int = 0
    gone: int = 0
    unchanged: int = 0


class Reader:
    """Reads the catalogs of other nodes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def browse(self, peer: Peer, *, query: Sequence[dict[str, Any]] = ()) -> list[CatalogEntry]:
        """Read every page of a peer's catalog, nested catalogs and all; nothing is kept."""
        entries, _ = await self._read(peer, query, "")
        return list(entries.values())

    async def _read(
        self, peer: Peer, query: Sequence[dict[str, Any]], etag: str
    ) -> tuple[dict[str, CatalogEntry], str | None]:
        """Read a catalog and its ETag; None instead of the ETag where it is still the one given."""
        body = msgspec.json.encode(wire.compose("CatalogRequestMessage", filter=list(query)))
        first = url = f"{peer.endpoint}/catalog/request"
        entries: dict[str, CatalogEntry] = {}
        found = ""
        for count in range(PAGES_MAX):
            answer = await self._parts.client.request(
                "GET" if count else "POST",
                url,
                token=await self._parts.token(peer.id),
                body=None if count else body,
                headers={"If-None-Match": etag} if etag and not count else {},
            )
            if answer.status == 304 and etag and not count:
                return {}, None
            answer.expect(peer.name)
            message = wire.parse(answer.content, "Catalog", where=peer.name)
            if message["participantId"] != peer.id:
                raise PeerError(f"{peer.endpoint} answers with the catalog of {message['participantId'][:100]!r}.")
            for entry in self._entries(message, peer):
                entries.setdefault(entry.id, entry)
            found = found or answer.headers.get("ETag", "")
            following = _next(answer)
            if not following:
                return entries, found
            url = urljoin(first, following)
        raise PeerError(f"{peer.name} serves a catalog of more than {PAGES_MAX} pages.")

    def _entries(self, message: Mapping[str, Any], peer: Peer, depth: int = 0) -> Iterator[CatalogEntry]:
        """Flatten a catalog: nested ones belong to the provider they name."""
        provider = message.get("participantId") if depth else peer.id
        services = message.get("service", [])
        endpoint = services[0]["endpointURL"].rstrip("/") if services else ("" if depth else peer.endpoint)
        title = message.get("dct:title")
        name = title if isinstance(title, str) and title else (peer.name if not depth else str(provider))
        if not isinstance(provider, str) or not endpoint or len(provider) > 500:
            log.warning("catalog.nested-unread", peer=peer.id, provider=str(provider)[:100], endpoint=endpoint)
        elif provider != self._parts.identity.did:
            for body in message.get("dataset", []):
                yield self._entry(body, (provider, name, endpoint), peer)
        for nested in message.get("catalog", []) if depth < 4 else []:
            yield from self._entries(nested, peer, depth + 1)

    def _entry(self, body: dict[str, Any], who: tuple[str, str, str], peer: Peer) -> CatalogEntry:
        provider, name, endpoint = who
        at = self._parts.clock()
        kind, title = body.get(KIND), body.get("dct:title", body.get("title"))
        return CatalogEntry(
            id=derived_id("entry", provider, body["@id"]),
            provider=provider,
            provider_name=name,
            endpoint=endpoint,
            dataset=body["@id"],
            kind=DatasetKind(kind) if kind in set(DatasetKind) else DatasetKind.RECORD,
            title=title if isinstance(title, str) else body["@id"],
            body=body,
            digest=hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest(),
            first_seen=at,
            seen=at,
            changed=at,
            source=peer.id,
        )

    async def crawl(self, peer: Peer) -> Crawled:
        """Bring what is kept of a peer's catalog up to date; a catalog that did not change changes nothing."""
        store, name = self._parts.store, f"crawl:{peer.id}"
        setting = await store.peek(Setting, name)
        mark = msgspec.json.decode(setting.value, type=_Mark) if setting else _Mark()
        try:
            entries, etag = await self._read(peer, (), mark.etag)
        except (PeerError, Refused, BadInput) as fault:
            await self._stale(peer, mark, str(fault))
            raise
        providers = sorted({*mark.providers, *(one.provider for one in entries.values())})
        known = {one.id: one for one in await store.find(CatalogEntry, provider=providers, limit=MOST)}
        held = {key: one for key, one in known.items() if one.source == peer.id}
        others = {key for key, one in known.items() if one.source != peer.id and not (one.is_gone or one.is_stale)}
        if etag is None:
            entries = {key: one for key, one in held.items() if not one.is_gone}
        change, counts = Change(peer.id), {"added": 0, "changed": 0, "gone": 0, "unchanged": 0}
        for key in sorted(entries.keys() - others):
            _merge(change, counts, known.get(key), entries[key])
        for key, one in held.items():
            if key not in entries and not one.is_gone:
                counts["gone"] += 1
                change.put(replace(one, is_gone=True, changed=self._parts.clock()))
        following = mark
        if etag is not None:  # what another node told of first is asked for again: it may be gone there next time
            following = _Mark(etag="" if entries.keys() & others else etag, providers=providers)
        if following != mark:
            change.put(Setting(id=name, value=msgspec.json.encode(following).decode()))
        if counts["added"] or counts["changed"] or counts["gone"]:
            change.event(Tag.CATALOG_CRAWLED, peer.id, **counts)
        await store.commit(change)
        await self._note(peer, self._parts.clock(), "")
        return Crawled(**counts)

    async def _stale(self, peer: Peer, mark: "_Mark", fault: str) -> None:
        """Mark what is kept of a peer that does not answer: it is shown with its age, and not lost."""
        change = Change(peer.id)
        for one in await self._parts.store.find(CatalogEntry, provider=mark.providers, is_gone=False, limit=MOST):
            if one.source == peer.id and not one.is_stale:
                change.put(replace(one, is_stale=True))
        await self._parts.store.commit(change)
        await self._note(peer, None, fault)

    async def _note(self, peer: Peer, at: datetime | None, fault: str) -> None:
        """Write when a peer was crawled and what went wrong."""

        async def note() -> None:
            held = await self._parts.store.peek(Peer, peer.id)
            noted = replace(held or peer, crawled_at=at or (held or peer).crawled_at, fault=fault)
            await self._parts.store.commit(Change().put(noted, expect=held))

        await anew(note)


class _Mark(msgspec.Struct, frozen=True):
    """What the last crawl of a peer left: the ETag of its catalog and the providers in it."""

    etag: str = ""
    providers: list[str] = []


def _merge(change: Change, counts: dict[str, int], known: CatalogEntry | None, one: CatalogEntry) -> None:
    if known is None:
        counts["added"] += 1
        change.put(one)
    elif known.is_gone or known.digest != one.digest or known.endpoint != one.endpoint:
        counts["changed"] += 1
        change.put(replace(one, first_seen=known.first_seen))
    else:
        counts["unchanged"] += 1
        if known.is_stale:
            change.put(replace(known, is_stale=False, seen=one.seen))


def _next(answer: Answer) -> str:
    """Read the address of the next page from the Link header (RFC 8288)."""
    for part in answer.headers.get("Link", "").split(","):
        address, *parameters = part.split(";")
        if any(one.strip().replace('"', "").lower() == "rel=next" for one in parameters):
            return address.strip().removeprefix("<").removesuffix(">")
    return ""
