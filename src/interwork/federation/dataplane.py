"""The data plane: bytes cross only while token, transfer, agreement and policy all say yes, and each call is counted.

Both sides keep one receipt per transfer and direction, brought up to date with every call, and an event when the
first bytes cross, at most every 30 seconds while more do, and at the end. A refusal says which rule and what would
satisfy it. What has been delivered is out of this node's hands, and nothing here pretends otherwise.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote, urlencode

import msgspec

from interwork.core.errors import NotFound, NotSignedIn, PeerError, Refused
from interwork.core.event import Tag
from interwork.core.exchange import Agreement, Dataset, Receipt, Side, Transfer, TransferState
from interwork.core.ids import derived_id, digest_of
from interwork.federation.delivery import Locks, Parts
from interwork.federation.processes import Processes
from interwork.store import Change

EVENT_EVERY_S = 30.0
FETCH_S = 60.0
FETCH_BYTES = 256 * 2**20
"""What one answer may have unless the caller says otherwise."""
ITEMS = "Interwork-Items"
"""Header that tells how many items an answer holds."""
_LISTED = 12
"""Kinds of things a receipt lists by name."""


class DataRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call under an agreement, after everything was checked."""

    agreement: Agreement
    transfer: Transfer
    dataset: Dataset
    method: str
    path: str
    query: dict[str, str] = {}
    body: bytes = b""


class DataResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a data source answers."""

    content: bytes
    status: int = 200
    media_type: str = "application/json"
    items: int = 1
    what: str = ""
    """What it is, in words and without a count."""
    headers: dict[str, str] = {}


class DataSource(Protocol):
    """What stands behind the datasets a node offers."""

    async def answer(self, request: DataRequest) -> DataResponse:
        """Answer one call."""


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider answered to a call of ours."""

    content: bytes
    media_type: str
    headers: Mapping[str, str]
    status: int


class DataPlane:
    """Serves and fetches under agreements, and keeps the receipts."""

    def __init__(self, parts: Parts, processes: Processes, source: DataSource | None) -> None:
        self._parts = parts
        self._processes = processes
        self._source = source
        self._told: dict[str, float] = {}
        self._locks = Locks()

    async def serve(
        self, transfer_id: str, bearer: str, *, method: str, path: str, query: Mapping[str, str], body: bytes = b""
    ) -> DataResponse:
        """Answer one call of a consumer, if everything says yes now and still does when the answer is ready."""
        if not bearer:
            raise NotSignedIn("No bearer token was given.", remedy="Send the token of the transfer.")
        held = await self._parts.store.peek(Transfer, transfer_id)
        if held is None or held.side is not Side.PROVIDER or not self._is_token(held, bearer):
            raise Refused(
                "The token is not the one of this transfer.",
                rule="data cross only with the token of their own transfer",
                remedy="Use the token of the transfer's start message.",
            )
        agreement, dataset = await self._admitted(held)
        if self._source is None:
            raise NotFound(f"Nothing stands behind «{dataset.title}» at this node.")
        request = DataRequest(
            agreement=agreement,
            transfer=held,
            dataset=dataset,
            method=method,
            path=path,
            query=dict(query),
            body=body,
        )
        response = await self._source.answer(request)
        await self._admitted(held)
        await self._count(held, response.content, response.items, response.what or dataset.title)
        return msgspec.structs.replace(response, headers={**response.headers, ITEMS: str(response.items)})

    def _is_token(self, held: Transfer, bearer: str) -> bool:
        """Tell whether it is the token the transfer began with, or the one a start sent after a key change carries."""
        given = hashlib.sha256(bearer.encode()).hexdigest()
        now = self._parts.identity.data_token(held.id)
        return hmac.compare_digest(held.token, given) or hmac.compare_digest(now.encode(), bearer.encode())

    async def _admitted(self, held: Transfer) -> tuple[Agreement, Dataset]:
        store = self._parts.store
        held = await store.get(Transfer, held.id)
        agreement = await store.get(Agreement, held.agreement)
        try:
            _must_be_started(held)
            self._processes.must_hold(agreement)
        except Refused as fault:
            if self._is_due(f"refused {held.id}"):
                detail = {"transfer": held.id, "reason": fault.message, "rule": fault.rule}
                await store.commit(Change(held.peer).event(Tag.ACCESS_REFUSED, agreement.id, **detail))
            raise
        return agreement, await store.get(Dataset, held.dataset)

    async def fetch(
        self,
        transfer: Transfer,
        *,
        path: str = "",
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        what: str = "",
        limit_bytes: int = FETCH_BYTES,
    ) -> Fetched:
        """Call the provider under a transfer: read, or send a body; Refused with its rule where it says no."""
        held = await self._parts.store.get(Transfer, transfer.id)
        agreement = await self._parts.store.get(Agreement, held.agreement)
        _must_be_started(held)
        if held.side is not Side.CONSUMER or not held.endpoint:
            raise PeerError(f"The transfer {held.id} with {agreement.peer_name} has no address to fetch from.")
        url = held.endpoint.rstrip("/") + (f"/{quote(path.strip('/'))}" if path.strip("/") else "")
        if query:
            url += ("&" if "?" in url else "?") + urlencode(query)
        answer = await self._parts.client.request(
            "GET" if body is None else "POST",
            url,
            token=held.token,
            body=body,
            limit_bytes=limit_bytes,
            timeout_s=FETCH_S,
        )
        answer.expect(agreement.peer_name)
        items = answer.headers.get(ITEMS, "1")
        count = int(items) if items.isdecimal() and len(items) < 12 else 1
        await self._count(held, answer.content, count, what or agreement.dataset_title)
        return Fetched(
            content=answer.content, media_type=answer.media_type, headers=answer.headers, status=answer.status
        )

    async def _count(self, held: Transfer, content: bytes, items: int, what: str) -> None:
        """Bring the receipt of a transfer up to date."""
        direction = "sent" if held.side is Side.PROVIDER else "received"
        identifier, at, digest = derived_id("receipt", held.id, direction), self._parts.clock(), digest_of(content)
        async with self._locks(identifier):
            known = await self._parts.store.peek(Receipt, identifier)
            named = known.what.split("; ") if known else []
            receipt = Receipt(
                id=identifier,
                agreement=held.agreement,
                transfer=held.id,
                direction=direction,
                what="; ".join([*named, what] if what not in named and len(named) < _LISTED else named),
                items=items + (known.items if known else 0),
                bytes=len(content) + (known.bytes if known else 0),
                first_at=known.first_at if known else at,
                last_at=at,
                digest=digest_of((known.digest + digest).encode()) if known else digest,
            )
            change = Change(held.peer).put(receipt)
            if self._is_due(identifier):
                tag = Tag.DATA_SENT if direction == "sent" else Tag.DATA_RECEIVED
                detail = {"transfer": held.id, "what": receipt.what, "items": receipt.items, "bytes": receipt.bytes}
                change.event(tag, held.agreement, **detail)
            await self._parts.store.commit(change)

    def _is_due(self, name: str) -> bool:
        """Tell whether an event of this name may be written again."""
        at = time.monotonic()
        if at - self._told.get(name, at - EVENT_EVERY_S) < EVENT_EVERY_S:
            return False
        if len(self._told) > 10_000:
            self._told = {one: told for one, told in self._told.items() if at - told < EVENT_EVERY_S}
        self._told[name] = at
        return True


def _must_be_started(held: Transfer) -> None:
    if held.state is not TransferState.STARTED:
        raise Refused(
            f"The transfer is {held.state}. {held.reason}".strip(),
            rule="data cross only while their transfer is STARTED",
            remedy="Wait until it is resumed." if held.state is TransferState.SUSPENDED else "Ask for a new transfer.",
        )
