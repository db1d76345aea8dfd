"""The federation of one node: the verbs its flows call, and the entry points its HTTP face calls.

A consumer's verbs are idempotent by key: what was begun under a key before a crash is found and waited for, never
begun twice. Waiting is for the store to tell of a change, not for a clock.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar
from urllib.parse import quote

import anyio
from msgspec.structs import replace

from interwork.core.clock import Clock, now
from interwork.core.errors import BadInput, NotFound, PeerError, PeerUnreachable, Refused
from interwork.core.event import Tag
from interwork.core.exchange import (
    Agreement,
    AgreementState,
    Dataset,
    Negotiation,
    NegotiationState,
    Outgoing,
    Peer,
    Policy,
    Side,
    Transfer,
    TransferState,
)
from interwork.core.ids import new_id
from interwork.federation import negotiation, policy, wire
from interwork.federation.catalog import KIND, Shelf
from interwork.federation.client import PeerClient
from interwork.federation.crawling import Reader
from interwork.federation.dataplane import DataPlane, DataSource
from interwork.federation.delivery import Locks, Outbox, Parts, anew
from interwork.federation.identity import NAME, Caller, Identity, Verifier, did_of, document_url
from interwork.federation.processes import TITLE, Processes, Reply, is_final, must_be_in_force
from interwork.federation.transfer import Step
from interwork.store import Change, Store

P = TypeVar("P", Negotiation, Transfer)
_WELL_KNOWN = "/.well-known/dspace-version"


class Federation:
    """One node among others."""

    def __init__(  # noqa: PLR0913 - the wiring hands over every part by its name
        self,
        *,
        store: Store,
        identity: Identity,
        client: PeerClient,
        root: str,
        name: str,
        trusted_issuers: Collection[str],
        claims: Callable[[], Awaitable[list[str]]],
        source: DataSource | None,
        clock: Clock = now,
        margin_s: float = 0.01,
        attempts: int = 10,
    ) -> None:
        if root.rstrip("/") != identity.root:
            raise BadInput(f"The node at {root} has the identity of {identity.root}.")
        parts = Parts(store=store, identity=identity, client=client, clock=clock, name=name, claims=claims)
        self._parts = parts
        self._store = store
        self._verifier = verifier = Verifier(identity, client, trusted_issuers, clock=clock)
        self._shelf = shelf = Shelf(parts)
        self._processes = processes = Processes(parts, shelf)
        self._data = data = DataPlane(parts, processes, source)
        self._outbox = Outbox(parts, processes, margin_s=margin_s, attempts=attempts)
        reader = Reader(parts)
        # What needs nothing but one of its parts is that part's own verb.
        self.authenticate, self.verify = verifier.caller, verifier.signature
        self.catalog, self.dataset = shelf.page, shelf.dataset
        self.receive, self.status = processes.receive, processes.status
        self.serve, self.fetch = data.serve, data.fetch
        self.browse, self.crawl = reader.browse, reader.crawl
        self._keys = Locks()

    @property
    def did(self) -> str:
        """Tell this node's decentralised identifier."""
        return self._parts.identity.did

    async def run(self) -> None:
        """Deliver messages and keep the catalog current, for ever."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._outbox.run)
            tasks.start_soon(self._shelf.watch)

    # What others ask, over HTTP.

    def did_document(self) -> dict[str, Any]:
        """Write who this node is."""
        return self._parts.identity.document(self._parts.name)

    def versions(self) -> dict[str, Any]:
        """Write which protocol versions this node speaks, and how callers prove who they are."""
        auth = {"protocol": wire.OURS + "auth/self-issued", "version": "1.0", "profile": ["vc20/jwt"]}
        service = {"serviceId": f"{self.did}#dsp", "identifierType": "did:web", "auth": auth}
        return {"protocolVersions": [{"version": wire.VERSION, "path": wire.PATH, "binding": "HTTPS", **service}]}

    async def agreement_ended(self, caller: Caller, identifier: str, message: wire.Message) -> Reply:
        """Take word from the other party that an agreement has ended."""
        wire.check(message, "AgreementTermination")
        agreement = await self._store.peek(Agreement, identifier)
        if agreement is None or caller.did not in (agreement.provider, agreement.consumer):
            raise NotFound(f"No agreement {identifier[:100]!r} is held here with {caller.did}.")
        lines = wire.reason_texts(message)
        await anew(lambda: self._processes.end_agreement(identifier, lines, by=caller.did, tell=False))
        return Reply(status=200, body={})

    def sent(self, reply: Reply) -> None:
        """Let go what follows from a message, now that its answer is on the wire."""
        self._outbox.release(reply.process)

    # What this node asks of others.

    async def meet(self, root: str) -> Peer:
        """Find out who is at an address and how to talk to them, and keep it."""
        url = document_url(did_of(root), allow_loopback=self._parts.client.allow_loopback)
        answer = await self._parts.client.request("GET", url)
        did = wire.decode(answer.expect(root).content, where=root).get("id")
        if not isinstance(did, str) or not did:
            raise PeerError(f"{url} is no DID document.")
        return await self._meet(did)

    async def _meet(self, did: str) -> Peer:
        if did == self.did:
            raise BadInput(f"{did} is this node itself.")
        document = await self._verifier.document(did)
        services = [one for one in document.get("service", []) if isinstance(one, dict)]
        addresses = [str(one.get("serviceEndpoint")) for one in services if one.get("type") == "DataService"]
        if not addresses or not addresses[0].endswith(_WELL_KNOWN):
            raise PeerError(f"{did} names no DataService.", remedy="Ask its operator to list one in its DID document.")
        root = addresses[0].removesuffix(_WELL_KNOWN)
        answer = await self._parts.client.request("GET", addresses[0])
        spoken = wire.parse(answer.expect(did).content, "VersionResponse", where=did)["protocolVersions"]
        paths = [one["path"] for one in spoken if one["version"] == wire.VERSION]
        if not paths:
            known = ", ".join(sorted({one["version"] for one in spoken}))
            raise PeerError(f"{did} speaks DSP {known}; this node speaks {wire.VERSION}.")
        name = document.get(NAME)
        name = name[:200] if isinstance(name, str) and name else did
        met = Peer(id=did, name=name, root=root, endpoint=root + paths[0].rstrip("/"))
        return await anew(lambda: self._keep(met))

    async def _keep(self, met: Peer) -> Peer:
        held = await self._store.peek(Peer, met.id)
        peer = replace(held or met, root=met.root, endpoint=met.endpoint)
        if peer != held:
            await self._store.commit(Change().put(peer, expect=held))
        return peer

    async def negotiate(self, peer_did: str, dataset_id: str, *, key: str, timeout_s: float = 30) -> Agreement:
        """Come to an agreement on a dataset; the same key finds the same one as long as it holds."""
        async with self._keys(f"negotiate {key}", timeout_s):
            held = await self._begun(peer_did, dataset_id, key) or await self._ask(peer_did, dataset_id, key)
        done = await self._until(held, lambda one: one.state in negotiation.FINAL, timeout_s)
        if done.state is NegotiationState.TERMINATED:
            raise wire.refusal(done.reason.split("\n"), where=peer_did)
        return await self._store.get(Agreement, done.agreement)

    async def _begun(self, peer_did: str, dataset_id: str, key: str) -> Negotiation | None:
        """Find the negotiation of a key that goes on, or whose agreement is in force."""
        for held in await self._store.find(Negotiation, side=Side.CONSUMER, key=key, newest=True, limit=20):
            if (held.peer, held.dataset) != (peer_did, dataset_id) or held.state is NegotiationState.TERMINATED:
                continue
            agreement = await self._store.peek(Agreement, held.agreement) if held.agreement else None
            if agreement is None or agreement.state is not AgreementState.TERMINATED:
                return held
        return None

    async def _ask(self, peer_did: str, dataset_id: str, key: str) -> Negotiation:
        peer = await self._store.peek(Peer, peer_did) or await self._meet(peer_did)
        answer = await self._parts.client.request(
            "GET",
            f"{peer.endpoint}/catalog/datasets/{quote(dataset_id, safe='')}",
            token=await self._parts.token(peer_did),
        )
        body = wire.parse(answer.expect(peer.name).content, "Dataset", where=peer.name)
        if body["@id"] != dataset_id:
            raise PeerError(f"{peer.name} answers with another dataset than {dataset_id}.")
        shown = {TITLE: body.get("dct:title", dataset_id), KIND: body.get(KIND, "")}
        held = Negotiation(
            id=new_id("negotiation"),
            side=Side.CONSUMER,
            peer=peer_did,
            peer_pid="",
            callback=peer.endpoint,
            state=NegotiationState.REQUESTED,
            dataset=dataset_id,
            offer={**body["hasPolicy"][0], **shown, "@type": "Offer", "target": dataset_id},
            key=key,
            updated_at=self._parts.clock(),
        )
        fields = {"consumerPid": held.id, "offer": wire.bare_offer(held.offer), "callbackAddress": self._parts.base}
        message = wire.compose(negotiation.Step.REQUEST, **fields)
        url = wire.url_of(held, negotiation.Step.REQUEST)
        change = Change().put(held).send(self._parts.letter(held.id, held.peer, url, message, is_reaction=False))
        await self._store.commit(change.event(Tag.NEGOTIATION_MOVED, held.id, was="", now=held.state, by=self.did))
        return held

    async def transfer(
        self,
        agreement: Agreement,
        *,
        key: str,
        format: str = wire.PULL,  # noqa: A002 - DSP's word
        timeout_s: float = 30,
    ) -> Transfer:
        """Open a transfer under an agreement; the same key finds the same one as long as it runs."""
        async with self._keys(f"transfer {key}", timeout_s):
            held = await anew(lambda: self._opened(agreement.id, key, format))
        done = await self._until(held, lambda one: one.state is TransferState.STARTED or is_final(one), timeout_s)
        if is_final(done):
            raise wire.refusal(done.reason.split("\n"), where=agreement.peer_name)
        if not done.endpoint:
            raise PeerError(f"{agreement.peer_name} started the transfer {done.id} without an address to pull from.")
        return done

    async def _opened(self, agreement_id: str, key: str, form: str) -> Transfer:
        """Find the running transfer of a key, or begin one under an agreement that is in force."""
        agreement = await self._store.get(Agreement, agreement_id)
        must_be_in_force(agreement)
        if agreement.side is not Side.CONSUMER:
            raise Refused(f"This node provides «{agreement.dataset_title}»; its consumer opens the transfer.")
        for one in await self._store.find(Transfer, side=Side.CONSUMER, agreement=agreement.id, key=key):
            if not is_final(one):
                return one
        made = await self._store.get(Negotiation, agreement.negotiation)
        held = Transfer(
            id=new_id("transfer"),
            side=Side.CONSUMER,
            peer=agreement.provider,
            peer_pid="",
            callback=made.callback,
            agreement=agreement.id,
            dataset=agreement.dataset,
            format=form,
            state=TransferState.REQUESTED,
            key=key,
            updated_at=self._parts.clock(),
        )
        fields = {"consumerPid": held.id, "agreementId": agreement.id, "format": form}
        message = wire.compose(Step.REQUEST, **fields, callbackAddress=self._parts.base)
        change = Change().put(agreement, expect=agreement)  # it may be ended this very moment
        url = wire.url_of(held, Step.REQUEST)
        change.put(held).send(self._parts.letter(held.id, held.peer, url, message, is_reaction=False))
        detail = {"was": "", "now": held.state, "by": self.did, "agreement": agreement.id}
        await self._store.commit(change.event(Tag.TRANSFER_MOVED, held.id, **detail))
        return held

    async def _until(self, held: P, is_done: Callable[[P], bool], timeout_s: float) -> P:
        """Wait until a process has got somewhere; PeerUnreachable says where it stands when time is up."""
        async with self._store.changes() as changes:
            with anyio.move_on_after(timeout_s):
                while True:
                    held = await self._store.get(type(held), held.id)
                    if is_done(held):
                        return held
                    with anyio.move_on_after(2.0):
                        while held.id not in await changes.receive():
                            pass
        waiting = await self._store.find(Outgoing, process=held.id, state="waiting", limit=1)
        fault = f" Last: {waiting[0].fault}" if waiting and waiting[0].fault else ""
        raise PeerUnreachable(
            f"{held.peer} has not answered within {timeout_s:.0f} s; {held.id} stands at {held.state}.{fault}",
            remedy="Ask again: it goes on where it stands.",
        )

    async def move(self, transfer_id: str, step: Step, *, reason: str = "") -> Transfer:
        """Suspend, resume, complete or terminate a transfer, and tell the peer."""
        return await anew(lambda: self._processes.move(transfer_id, step, reason))

    async def terminate(self, agreement_id: str, *, reason: str, actor: str) -> Agreement:
        """End an agreement here at once with all its transfers, and tell the peer."""
        end = self._processes.end_agreement
        return await anew(lambda: end(agreement_id, [reason], by=self.did, actor=actor, tell=True))

    # What this node offers.

    async def offer(self, dataset: Dataset) -> Dataset:
        """Offer a dataset under a policy that can be evaluated; BadInput names every fault of it."""
        for identifier in dict.fromkeys(one for one in (dataset.policy, dataset.access) if one):
            held = await self._store.peek(Policy, identifier)
            faults = policy.check_policy(held.odrl) if held else [f"policy {identifier} is not held here"]
            if faults:
                raise BadInput(f"«{dataset.title}» cannot be offered: {'; '.join(faults)}.", remedy="Mend the policy.")
        known = await self._store.peek(Dataset, dataset.id)
        if known is not None and replace(known, changed_at=dataset.changed_at) == dataset:
            return known
        change = Change().put(dataset, expect=known)
        detail = {"title": dataset.title, "kind": dataset.kind, "policy": dataset.policy}
        await self._store.commit(change.event(Tag.OFFER_PUBLISHED, dataset.id, **detail))
        return dataset

    async def withdraw(self, dataset_id: str, *, actor: str) -> Dataset:
        """Take a dataset out of the catalog; agreements made on it stay in force."""
        held = await self._store.get(Dataset, dataset_id)
        if held.is_withdrawn:
            return held
        gone = replace(held, is_withdrawn=True, changed_at=self._parts.clock())
        change = Change(actor).put(gone, expect=held).event(Tag.OFFER_WITHDRAWN, held.id, title=held.title)
        await self._store.commit(change)
        return gone
