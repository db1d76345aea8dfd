"""The catalog: what this node offers and what it crawled, as each caller may see it; and the reading of others'.

Offers are materialised when something changed and served page by page from memory, each with a stable offer id. What
an access policy hides from a caller is not in the catalog, not found by id and not negotiable. A crawling node nests
what it crawled under the original provider, whom the reader then negotiates with directly.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import msgspec
import structlog

from interwork.core.clock import rfc3339
from interwork.core.errors import BadInput, NotFound
from interwork.core.exchange import PROPERTIES, CatalogEntry, Dataset, Peer, Policy
from interwork.core.ids import derived_id
from interwork.core.taxonomy import subsumes
from interwork.federation import policy, terms, wire
from interwork.federation.delivery import Parts
from interwork.federation.identity import Caller, claims_at
from interwork.store import table_of

log = structlog.get_logger()

PAGE = 100
"""Datasets on one page."""
MOST = 100_000
OPERANDS = wire.OURS + "catalog/"
KIND, ACCESS = wire.OURS + "kind", wire.OURS + "access"
_TABLES = frozenset(table_of(kind) for kind in (Dataset, Policy, CatalogEntry, Peer))


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A dataset of this node with the terms it is offered under."""

    dataset: Dataset
    terms: dict[str, Any]
    """The ODRL rules, with the clause in words."""
    offer_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of the catalog as a caller sees it."""

    content: bytes
    etag: str
    links: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """One dataset, ready to be served."""

    provider: str
    provider_name: str
    endpoint: str
    identifier: str
    kind: str
    processes: frozenset[str]
    text: str
    access: str
    digest: str
    raw: msgspec.Raw


class Shelf:
    """What this node's catalog holds, materialised."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._items: tuple[_Item, ...] = ()
        self._policies: dict[str, Policy] = {}
        self._is_current = False
        self._is_watching = False

    async def watch(self) -> None:
        """Notice, for ever, when what is shown has changed."""
        async with self._parts.store.changes() as changes:
            self._is_watching, self._is_current = True, False
            try:
                async for names in changes:
                    if not _TABLES.isdisjoint(names):
                        self._is_current = False
            finally:
                self._is_watching = False

    async def page(self, caller: Caller, query: Sequence[Any], after: int = 0) -> Page:
        """Compose one page of what a caller may see, beginning after so many datasets."""
        tests = [_test_of(one) for one in query]
        await self._load()
        at = self._parts.clock()
        claims = claims_at(caller.kept(), at)
        allowed = {
            access: not access or _admits(self._policies.get(access), claims, at)
            for access in {item.access for item in self._items}
        }
        seen = [item for item in self._items if allowed[item.access] and all(holds(item) for holds in tests)]
        content = msgspec.json.encode(self._message(seen[after : after + PAGE]))
        digests = hashlib.sha256("".join(item.digest for item in seen).encode()).hexdigest()
        links = {}
        encoded = msgspec.json.encode(query).decode() if query else ""
        for name, start in (("previous", after - PAGE), ("next", after + PAGE)):
            if (name == "previous" and after > 0) or (name == "next" and start < len(seen)):
                asked = {"after": str(max(0, start)), **({"filter": encoded} if encoded else {})}
                links[name] = f"{self._parts.base}/catalog/request?{urlencode(asked)}"
        return Page(content=content, etag=f'"{digests[:32]}-{after}"', links=links)

    async def dataset(self, caller: Caller, identifier: str) -> bytes:
        """Compose the description of one dataset of this node."""
        offered = await self.offered(caller, identifier)
        return msgspec.json.encode({"@context": [wire.CONTEXT], **self._described(offered)})

    async def offered(self, caller: Caller, identifier: str) -> Offered:
        """Find what a caller may negotiate; NotFound also where its existence is not for the caller to know."""
        store, at = self._parts.store, self._parts.clock()
        dataset = await store.peek(Dataset, identifier)
        if dataset is not None and not dataset.is_withdrawn:
            access = await store.peek(Policy, dataset.access) if dataset.access else None
            if not dataset.access or _admits(access, claims_at(caller.kept(), at), at):
                return offer_of(dataset, await store.get(Policy, dataset.policy))
        raise NotFound(f"No dataset {identifier[:100]!r} is offered here to {caller.did}.")

    async def _load(self) -> None:
        """Materialise again if anything changed; without `watch` running, always."""
        if self._is_current:
            return
        self._is_current = self._is_watching
        store = self._parts.store
        self._policies = policies = {one.id: one for one in await store.find(Policy, limit=MOST)}
        own = [
            self._own(offer_of(dataset, policies[dataset.policy]))
            for dataset in await store.find(Dataset, is_withdrawn=False, limit=MOST)
            if dataset.policy in policies
        ]
        sources = {one.id for one in await store.find(Peer, is_crawled=True, limit=MOST)}
        crawled = [
            _crawled_item(entry)
            for entry in (await store.find(CatalogEntry, is_gone=False, limit=MOST) if sources else [])
            if entry.source in sources and entry.body.get(ACCESS) == "public"
        ]
        self._items = (*own, *sorted(crawled, key=lambda item: (item.provider, item.identifier)))

    def _own(self, offered: Offered) -> _Item:
        described = self._described(offered)
        dataset, identity = offered.dataset, self._parts.identity
        return _item(described, identity.did, self._parts.name, self._parts.base, dataset.access)

    def _described(self, offered: Offered) -> dict[str, Any]:
        dataset = offered.dataset
        return {
            "@id": dataset.id,
            "@type": "Dataset",
            "dct:title": dataset.title,
            "dct:description": dataset.description,
            "dct:modified": rfc3339(dataset.changed_at),
            KIND: dataset.kind.value,
            ACCESS: "restricted" if dataset.access else "public",
            PROPERTIES: dataset.properties,
            "hasPolicy": [{"@id": offered.offer_id, "@type": "Offer", **offered.terms}],
            "distribution": [{"@type": "Distribution", "format": wire.PULL, "accessService": self._service()["@id"]}],
        }

    def _service(self) -> dict[str, str]:
        return _service(self._parts.identity.did, self._parts.base)

    def _message(self, items: Sequence[_Item]) -> dict[str, Any]:
        identity = self._parts.identity
        by_provider: dict[str, list[_Item]] = {}
        for item in items:
            by_provider.setdefault(item.provider, []).append(item)
        own = by_provider.pop(identity.did, [])
        nested = [
            {
                "@id": f"{provider}#catalog",
                "@type": "Catalog",
                "participantId": provider,
                "dct:title": group[0].provider_name,
                "service": [_service(provider, group[0].endpoint)],
                "dataset": [item.raw for item in group],
            }
            for provider, group in by_provider.items()
        ]
        return wire.compose(
            "Catalog",
            **{"@id": f"{identity.did}#catalog", "dct:title": self._parts.name},
            participantId=identity.did,
            service=[self._service()],
            dataset=[item.raw for item in own],
            catalog=nested,
        )


def _service(did: str, endpoint: str) -> dict[str, str]:
    return {"@id": f"{did}#dsp", "@type": "DataService", "endpointURL": endpoint}


def _admits(access: Policy | None, claims: policy.Claims, at: datetime) -> bool:
    return access is not None and policy.evaluate(access.odrl, claims, now=at).is_yes


def offer_of(dataset: Dataset, held: Policy) -> Offered:
    """Make the one offer of a dataset; its id stays the same as long as the dataset does."""
    terms = {**held.odrl, **({policy.TEXT: held.text} if held.text else {})}
    return Offered(dataset=dataset, terms=terms, offer_id=derived_id("offer", dataset.id))


def _item(body: Mapping[str, Any], provider: str, name: str, endpoint: str, access: str) -> _Item:
    raw = msgspec.json.encode(body)
    facts = body.get(PROPERTIES)
    facts = facts if isinstance(facts, dict) else {}  # a crawled one is what somebody wrote
    able = [one.get("process") for one in terms.many(facts.get("capabilities")) if isinstance(one, dict)]
    processes = {one for one in (*terms.many(facts.get("processes")), *able) if isinstance(one, str)}
    words = [body.get("dct:title"), body.get("dct:description"), name, msgspec.json.encode(facts).decode()]
    return _Item(
        provider=provider,
        provider_name=name,
        endpoint=endpoint,
        identifier=str(body["@id"]),
        kind=str(body.get(KIND, "")),
        processes=frozenset(processes),
        text=" ".join(word for word in words if isinstance(word, str)).casefold(),
        access=access,
        digest=hashlib.sha256(raw).hexdigest(),
        raw=msgspec.Raw(raw),
    )


def _crawled_item(entry: CatalogEntry) -> _Item:
    return _item(entry.body, entry.provider, entry.provider_name, entry.endpoint, "")


_FILTERS: Mapping[str, Callable[[_Item, str], bool]] = MappingProxyType(
    {
        "kind": lambda item, wanted: item.kind == wanted,
        "process": lambda item, wanted: any(subsumes(offered, wanted) for offered in item.processes),
        "text": lambda item, wanted: wanted.casefold() in item.text,
        "provider": lambda item, wanted: item.provider == wanted,
    }
)
"""What a catalog request may ask for: whether a dataset is one of those wanted."""


def _test_of(condition: object) -> Callable[[_Item], bool]:
    """Read one condition; BadInput for whatever this catalog cannot filter by."""
    asked = condition if isinstance(condition, dict) else {}
    left, right = str(asked.get("leftOperand")), asked.get("rightOperand")
    holds = _FILTERS.get(left.removeprefix(OPERANDS)) if left.startswith(OPERANDS) else None
    given = right if isinstance(right, list) else [right]
    wanted = [one for one in given if isinstance(one, str)]
    if holds is None or asked.get("operator") not in ("eq", "isAnyOf") or len(wanted) != len(given):
        known = ", ".join(OPERANDS + name for name in _FILTERS)
        raise BadInput(
            f"The filter {str(condition)[:200]} is not supported.", remedy=f"Use eq or isAnyOf with texts on {known}."
        )
    return lambda item: any(holds(item, one) for one in wanted)
