"""What happens in a process when a message comes, is delivered or cannot be: both protocols, both sides.

Every step is one transaction: the new state, the event that tells of it and the message that follows from it. A
message is judged by the protocol's table before anything else; one the table refuses changes nothing, unless it is
the very message accepted last, which is answered as before. Our own next step is taken at once and told afterwards.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from interwork.core.errors import BadInput, NotFound, Refused, WrongState
from interwork.core.event import Tag
from interwork.core.exchange import (
    Agreement,
    AgreementState,
    DatasetKind,
    Negotiation,
    NegotiationState,
    Outgoing,
    Peer,
    Receipt,
    Side,
    Transfer,
    TransferState,
)
from interwork.core.ids import new_id
from interwork.federation import negotiation, policy, terms, transfer, wire
from interwork.federation.catalog import KIND, Offered, Shelf
from interwork.federation.client import Answer
from interwork.federation.delivery import Locks, Parts, anew
from interwork.federation.identity import Caller, claims_at
from interwork.store import Change

P = TypeVar("P", bound=Negotiation | Transfer)
Step = wire.Step
KINDS: Mapping[str, type[Negotiation | Transfer]] = MappingProxyType(
    {"negotiations": Negotiation, "transfers": Transfer}
)
TITLE = wire.OURS + "title"
OTHER = {Side.CONSUMER: Side.PROVIDER, Side.PROVIDER: Side.CONSUMER}
LONGEST_PID = 500
_REASONED = frozenset({negotiation.Step.TERMINATE, transfer.Step.TERMINATE, transfer.Step.SUSPEND})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is answered to a message; what follows from it goes out once this is on the wire."""

    status: int
    body: dict[str, Any]
    process: str = ""


def is_final(held: Negotiation | Transfer) -> bool:
    """Tell whether a process has ended."""
    return held.state in negotiation.FINAL or held.state in transfer.FINAL


def refusal_of(decision: policy.Decision, what: str, notes: Sequence[str] = ()) -> Refused:
    """Say what a policy refused, by which clause, and what would satisfy it."""
    return Refused(what, rule=decision.rule, remedy=" ".join([decision.remedy, *notes]).strip())


def must_be_in_force(agreement: Agreement) -> None:
    """Refuse what needs an agreement in force."""
    if agreement.state is not AgreementState.ACTIVE:
        raise Refused(
            f"The agreement on «{agreement.dataset_title}» is {agreement.state}. {agreement.reason}".strip(),
            rule="data cross only while the agreement is in force",
            remedy="Negotiate a new agreement.",
        )


class Processes:
    """The negotiations and transfers of a node, and the agreements they made."""

    def __init__(self, parts: Parts, shelf: Shelf) -> None:
        self._parts = parts
        self._shelf = shelf
        self.locks = Locks()
        self._reactions: Mapping[tuple[Side, Step], Callable[[Change, Any, wire.Message, Caller], Awaitable[Any]]] = {
            (Side.PROVIDER, negotiation.Step.REQUEST): self._weigh_request,
            (Side.PROVIDER, negotiation.Step.ACCEPT): self._weigh_accepted,
            (Side.PROVIDER, negotiation.Step.VERIFY): self._finalize,
            (Side.CONSUMER, negotiation.Step.OFFER): self._weigh_offer,
            (Side.CONSUMER, negotiation.Step.AGREE): self._weigh_agreement,
            (Side.CONSUMER, negotiation.Step.FINALIZE): self._conclude,
            (Side.CONSUMER, transfer.Step.START): self._started,
        }
        self._beginnings: Mapping[Step, Callable[[Caller, wire.Message], Awaitable[Any]]] = {
            negotiation.Step.REQUEST: self._requested,
            negotiation.Step.OFFER: self._offered,
            transfer.Step.REQUEST: self._transfer_requested,
        }

    # What the table says, written down.

    def step(self, change: Change, held: P, step: Step, sender: Side, digest: str = "") -> P:
        """Take one step of a protocol in a change; WrongState where its table refuses."""
        by = self._parts.identity.did if sender is held.side else held.peer
        detail: dict[str, str] = {"was": held.state, "by": by, "digest": digest}
        state: NegotiationState | TransferState
        if isinstance(held, Negotiation):
            state = negotiation.move(held.state, sender, negotiation.Step(step))
            change.event(Tag.NEGOTIATION_MOVED, held.id, now=state, **detail)
        else:
            state = transfer.move(held.state, sender, transfer.Step(step))
            change.event(Tag.TRANSFER_MOVED, held.id, now=state, agreement=held.agreement, **detail)
        return replace(held, state=state, updated_at=self._parts.clock())

    def tell(self, change: Change, held: P, step: Step, *, is_reaction: bool = True, **fields: object) -> P:
        """Take our own step and put the message that tells of it into the outbox."""
        moved = self.step(change, held, step, held.side)
        body = wire.step_message(step, held, **fields)
        change.send(self._parts.letter(held.id, held.peer, wire.url_of(held, step), body, is_reaction=is_reaction))
        return moved

    async def end(self, change: Change, held: P, lines: Sequence[str], *, tell: bool, is_reaction: bool = True) -> P:
        """Terminate a process from our side, with the reason; what still waits for its peer is withdrawn."""
        await self._withdraw(change, held.id)
        stop: Step = negotiation.Step.TERMINATE if isinstance(held, Negotiation) else transfer.Step.TERMINATE
        if tell and held.peer_pid:
            moved = self.tell(change, held, stop, is_reaction=is_reaction, reason=list(lines))
        else:
            moved = self.step(change, held, stop, held.side)
        await self._closed(change, moved, self._parts.identity.did, lines)
        return replace(moved, reason="\n".join(lines))

    async def _withdraw(self, change: Change, process: str) -> None:
        for one in await self._parts.store.find(Outgoing, process=process, state="waiting"):
            change.put(replace(one, state="dead", fault="its process ended"), expect=one)

    async def _closed(self, change: Change, held: Negotiation | Transfer, by: str, lines: Sequence[str]) -> None:
        """End what rested on a process that ended."""
        if isinstance(held, Transfer):
            for one in await self._parts.store.find(Receipt, transfer=held.id):
                tag = Tag.DATA_SENT if one.direction == "sent" else Tag.DATA_RECEIVED
                change.event(tag, held.agreement, transfer=held.id, items=one.items, bytes=one.bytes, is_end=True)
        elif held.agreement:
            agreement = await self._parts.store.get(Agreement, held.agreement)
            if agreement.state is not AgreementState.TERMINATED:
                self._mark_ended(change, agreement, by, lines)

    def _mark_ended(self, change: Change, agreement: Agreement, by: str, lines: Sequence[str]) -> Agreement:
        ended = replace(
            agreement,
            state=AgreementState.TERMINATED,
            ended_at=self._parts.clock(),
            ended_by=by,
            reason="\n".join(lines),
        )
        change.put(ended, expect=agreement).event(Tag.AGREEMENT_TERMINATED, agreement.id, by=by, reason=list(lines))
        return ended

    # What comes from peers.

    async def receive(self, caller: Caller, family: str, pid: str, path: str, message: wire.Message) -> Reply:
        """Take a message of the negotiation or transfer protocol; without a pid it begins a process."""
        step = wire.step_of(family, path, message)
        if pid:
            return await anew(lambda: self._message(caller, KINDS[family], pid, step, message))
        if step not in self._beginnings:
            raise NotFound(f"There is no {family}/{path}.")
        if "callbackAddress" not in message:
            raise BadInput("A message that begins a negotiation has a callbackAddress.")
        return await self._begin(caller, KINDS[family], step, message)

    async def status(self, caller: Caller, family: str, pid: str) -> Reply:
        """Tell one of its two parties where a process stands."""
        return Reply(status=200, body=wire.process(await self._held(caller, KINDS[family], pid)))

    async def _begin(self, caller: Caller, kind: type[P], step: Step, message: wire.Message) -> Reply:
        """Begin a process once; the same peer asking again under the same pid finds the first."""
        if caller.did == self._parts.identity.did:
            raise BadInput("A node makes no agreement with itself.")
        side = Side.CONSUMER if step is negotiation.Step.OFFER else Side.PROVIDER
        pid = message["providerPid" if side is Side.CONSUMER else "consumerPid"]
        async with self.locks(f"{caller.did} {pid}"):
            known = await self._parts.store.find(kind, side=side, peer=caller.did, peer_pid=pid, limit=1)
            if known:
                return await self._again(known[0], message)
            await self._parts.client.check(message["callbackAddress"])
            held = await self._beginnings[step](caller, message)
        first = NegotiationState.OFFERED if side is Side.CONSUMER else NegotiationState.REQUESTED
        return Reply(status=201, body=wire.process(held, first), process=held.id)

    async def _again(self, known: P, message: wire.Message) -> Reply:
        asked = message["offer"].get("target") if isinstance(known, Negotiation) else message["agreementId"]
        if asked != (known.dataset if isinstance(known, Negotiation) else known.agreement):
            raise BadInput(f"{known.peer_pid} was used before for something else.")
        if isinstance(known, Transfer) and known.state is TransferState.STARTED:
            await self._parts.store.commit(Change().send(self._start_letter(known)))
        return Reply(status=201, body=wire.process(known), process=known.id)

    async def _message(self, caller: Caller, kind: type[P], pid: str, step: Step, message: wire.Message) -> Reply:
        async with self.locks(pid):
            held = await self._held(caller, kind, pid)
            _must_name(held, message)
            digest = hashlib.sha256(msgspec.json.encode(message, order="sorted")).hexdigest()
            change = Change(caller.did)
            try:
                moved = self.step(change, held, step, OTHER[held.side], digest)
            except WrongState:
                if await self._was_last(held, caller, digest):
                    return Reply(status=200, body=wire.process(held), process=held.id)
                raise
            reached = moved.state
            if not moved.peer_pid:
                moved = replace(moved, peer_pid=message["providerPid"])
            lines = wire.reason_texts(message) if step in _REASONED else []
            moved = replace(moved, reason="\n".join(lines))
            if is_final(moved) and step is not negotiation.Step.FINALIZE:
                await self._withdraw(change, held.id)
                await self._closed(change, moved, caller.did, lines)
            elif react := self._reactions.get((held.side, step)):
                moved = await react(change, moved, message, caller)
            await self._parts.store.commit(change.put(moved, expect=held))
        return Reply(status=200, body=wire.process(moved, reached), process=held.id)

    async def _held(self, caller: Caller, kind: type[P], pid: str) -> P:
        """Find a process for one of its two parties; nobody else learns that it exists."""
        held = await self._parts.store.peek(kind, pid)
        if held is None or held.peer != caller.did:
            raise NotFound(f"No {kind.__name__.lower()} {pid[:100]!r} is held here with {caller.did}.")
        return held

    async def _was_last(self, held: Negotiation | Transfer, caller: Caller, digest: str) -> bool:
        """Tell whether a message is the one of this peer that was accepted last."""
        for event in await self._parts.store.events(subject=held.id, newest=True, limit=20):
            if event.detail.get("by") == caller.did:
                return bool(event.detail.get("digest") == digest)
        return False

    # Negotiation, this node as provider.

    async def _requested(self, caller: Caller, message: wire.Message) -> Negotiation:
        held = self._opened(Side.PROVIDER, caller, message, message["consumerPid"])
        change = Change(caller.did)
        change.event(Tag.NEGOTIATION_MOVED, held.id, was="", now=held.state, by=caller.did, dataset=held.dataset)
        moved = await self._weigh_request(change, held, message, caller)
        await self._parts.store.commit(change.put(moved))
        return held

    def _opened(self, side: Side, caller: Caller, message: wire.Message, peer_pid: str) -> Negotiation:
        return Negotiation(
            id=new_id("negotiation"),
            side=side,
            peer=caller.did,
            peer_pid=peer_pid,
            callback=message["callbackAddress"].rstrip("/"),
            state=NegotiationState.REQUESTED if side is Side.PROVIDER else NegotiationState.OFFERED,
            dataset=message["offer"].get("target", ""),
            offer=message["offer"],
            claims=caller.kept(terms.declared_purposes(message["offer"])),
            updated_at=self._parts.clock(),
        )

    async def _weigh_request(
        self, change: Change, held: Negotiation, message: wire.Message, caller: Caller
    ) -> Negotiation:
        """Agree to what was offered if its policy says yes to this consumer; terminate with the clause otherwise."""
        offer = message["offer"]
        if offer.get("target", held.dataset) != held.dataset or not held.dataset:
            raise BadInput("The offer names no target, or another one than before.")
        try:
            offered = await self._shelf.offered(caller, held.dataset)
        except NotFound as fault:
            raise BadInput(fault.message, remedy="Read the catalog again.") from fault
        if offer["@id"] != offered.offer_id or not terms.same_terms(offer, offered.terms):
            raise BadInput(
                f"The offer {offer['@id'][:100]!r} is not the one made for {held.dataset}.",
                remedy="Read the catalog again and send its offer unchanged.",
            )
        held = replace(held, offer=offer, claims=caller.kept(terms.declared_purposes(offer)))
        at = self._parts.clock()
        decision = policy.evaluate(offered.terms, claims_at(held.claims, at), now=at)
        if decision.is_yes:
            return await self._agree(change, held, offered, caller)
        what = f"{self._parts.name} does not agree on «{offered.dataset.title}» with {caller.did}."
        return await self.end(change, held, wire.reasons(refusal_of(decision, what, caller.notes)), tell=True)

    async def _weigh_accepted(self, change: Change, held: Negotiation, _: wire.Message, caller: Caller) -> Negotiation:
        return await self._weigh_request(change, held, {"offer": held.offer}, caller)

    async def _agree(self, change: Change, held: Negotiation, offered: Offered, caller: Caller) -> Negotiation:
        dataset, parties = offered.dataset, (self._parts.identity.did, held.peer)
        odrl = wire.odrl_agreement(new_id("agreement"), offered.terms, dataset.id, parties, self._parts.clock())
        made = await self._pending(held, odrl, caller)
        change.put(replace(made, dataset_title=dataset.title, dataset_kind=dataset.kind, claims=held.claims))
        return replace(self.tell(change, held, negotiation.Step.AGREE, agreement=odrl), agreement=made.id)

    async def _pending(self, held: Negotiation, odrl: wire.Message, caller: Caller) -> Agreement:
        """Write down what was agreed; it is in force when the negotiation is FINALIZED."""
        peer = await self._parts.store.peek(Peer, held.peer)
        kind = held.offer.get(KIND)
        return Agreement(
            id=odrl["@id"],
            side=held.side,
            provider=odrl["assigner"],
            consumer=odrl["assignee"],
            peer_name=peer.name if peer else caller.name or held.peer,
            dataset=held.dataset,
            dataset_title=str(held.offer.get(TITLE, held.dataset)),
            dataset_kind=DatasetKind(kind) if kind in set(DatasetKind) else DatasetKind.RECORD,
            policy=odrl,
            state=AgreementState.PENDING,
            agreed_at=self._parts.clock(),
            negotiation=held.id,
        )

    async def _finalize(self, change: Change, held: Negotiation, _: wire.Message, __: Caller) -> Negotiation:
        await self._in_force(change, held)
        return self.tell(change, held, negotiation.Step.FINALIZE)

    async def _in_force(self, change: Change, held: Negotiation) -> None:
        agreement = await self._parts.store.get(Agreement, held.agreement)
        change.put(replace(agreement, state=AgreementState.ACTIVE), expect=agreement)
        change.event(Tag.AGREEMENT_MADE, agreement.id, dataset=agreement.dataset_title, peer=held.peer)

    # Negotiation, this node as consumer.

    async def _offered(self, caller: Caller, message: wire.Message) -> Negotiation:
        """Keep an offer nobody asked for; accepting it is a person's decision."""
        held = self._opened(Side.CONSUMER, caller, message, message["providerPid"])
        change = Change(caller.did).put(held)
        change.event(Tag.NEGOTIATION_MOVED, held.id, was="", now=held.state, by=caller.did, dataset=held.dataset)
        await self._parts.store.commit(change)
        return held

    async def _weigh_offer(self, change: Change, held: Negotiation, message: wire.Message, _: Caller) -> Negotiation:
        """Accept a provider's offer of what was asked for; terms that nobody here has seen are not accepted."""
        offer = message["offer"]
        if offer["target"] == held.dataset and terms.same_terms(offer, held.offer):
            kept = {key: value for key, value in held.offer.items() if key.startswith(wire.OURS)}
            return self.tell(change, replace(held, offer={**kept, **offer}), negotiation.Step.ACCEPT)
        lines = ["The provider offers other terms than its catalog.", "Remedy: Read the catalog again."]
        return await self.end(change, held, lines, tell=True)

    async def _weigh_agreement(
        self, change: Change, held: Negotiation, message: wire.Message, caller: Caller
    ) -> Negotiation:
        """Verify an agreement that says what was asked for, between the two who negotiated; terminate any other."""
        odrl, own = message["agreement"], self._parts.identity.did
        parties = (odrl["target"], odrl["assigner"], odrl["assignee"])
        fault = ""
        if parties != (held.dataset, held.peer, own) or not terms.same_terms(odrl, held.offer):
            fault = "The agreement differs from the offer that was asked for."
        elif await self._parts.store.peek(Agreement, odrl["@id"]) is not None:
            fault = "The agreement has the id of another one."
        if fault:
            return await self.end(change, held, [fault], tell=True)
        change.put(await self._pending(held, odrl, caller))
        return self.tell(change, replace(held, agreement=odrl["@id"]), negotiation.Step.VERIFY)

    async def _conclude(self, change: Change, held: Negotiation, _: wire.Message, __: Caller) -> Negotiation:
        await self._in_force(change, held)
        return held

    # Transfers.

    async def _transfer_requested(self, caller: Caller, message: wire.Message) -> Transfer:
        """Begin and start a pull under an agreement in force whose policy still says yes."""
        agreement = await self._parts.store.peek(Agreement, message["agreementId"])
        if agreement is None or agreement.side is not Side.PROVIDER or agreement.consumer != caller.did:
            raise NotFound(f"No agreement {message['agreementId'][:100]!r} is held here with {caller.did}.")
        if message["format"] != wire.PULL:
            raise BadInput(f"{message['format'][:100]!r} is not offered.", remedy=f"Ask for {wire.PULL}.")
        self.must_hold(agreement)
        identifier = new_id("transfer")
        held = Transfer(
            id=identifier,
            side=Side.PROVIDER,
            peer=caller.did,
            peer_pid=message["consumerPid"],
            callback=message["callbackAddress"].rstrip("/"),
            agreement=agreement.id,
            dataset=agreement.dataset,
            format=wire.PULL,
            state=TransferState.REQUESTED,
            updated_at=self._parts.clock(),
        )
        change = Change(caller.did).put(agreement, expect=agreement)  # it may be ended this very moment
        change.event(Tag.TRANSFER_MOVED, held.id, was="", now=held.state, by=caller.did, agreement=agreement.id)
        await self._parts.store.commit(change.put(self._start(change, held)))
        return held

    def _start(self, change: Change, held: Transfer, *, is_reaction: bool = True) -> Transfer:
        """Let data flow: from now on the token counts that the start message carries."""
        token = hashlib.sha256(self._parts.identity.data_token(held.id).encode()).hexdigest()
        change.send(self._start_letter(held, is_reaction=is_reaction))
        return replace(self.step(change, held, transfer.Step.START, held.side), token=token, reason="")

    def _start_letter(self, held: Transfer, *, is_reaction: bool = True) -> Outgoing:
        address = wire.data_address(f"{self._parts.identity.root}/data/{held.id}", "")
        body = wire.step_message(transfer.Step.START, held, dataAddress=address)
        url = wire.url_of(held, transfer.Step.START)
        return self._parts.letter(held.id, held.peer, url, body, is_reaction=is_reaction)

    async def _started(self, _: Change, held: Transfer, message: wire.Message, __: Caller) -> Transfer:
        endpoint, token = wire.read_address(message)
        return replace(held, endpoint=endpoint, token=token) if endpoint else held

    def must_hold(self, agreement: Agreement) -> None:
        """Refuse unless an agreement is in force and its policy says yes now to what the consumer proved."""
        must_be_in_force(agreement)
        at = self._parts.clock()
        decision = policy.evaluate(agreement.policy, claims_at(agreement.claims, at), now=at)
        if not decision.is_yes:
            raise refusal_of(
                decision, f"The policy of the agreement on «{agreement.dataset_title}» does not say yes now."
            )

    async def end_agreement(
        self, identifier: str, lines: Sequence[str], *, by: str, actor: str = "", tell: bool
    ) -> Agreement:
        """End an agreement and everything under it, once; with `tell`, the peer hears of it."""
        store = self._parts.store
        agreement = await store.get(Agreement, identifier)
        if agreement.state is AgreementState.TERMINATED:
            return agreement
        change = Change(actor or by)
        made = await store.get(Negotiation, agreement.negotiation)
        ended = self._mark_ended(change, agreement, by, lines)
        for held in await store.find(Transfer, agreement=agreement.id, limit=10_000):
            if not is_final(held):
                change.put(await self.end(change, held, lines, tell=tell, is_reaction=False), expect=held)
        if not is_final(made):
            moved = await self.end(change, replace(made, agreement=""), lines, tell=tell, is_reaction=False)
            change.put(replace(moved, agreement=agreement.id), expect=made)
        if tell:
            url = f"{made.callback}/agreements/{agreement.id}/termination"
            change.send(
                self._parts.letter(agreement.id, made.peer, url, wire.terminated(agreement, lines), is_reaction=False)
            )
        await store.commit(change)
        return ended

    async def move(self, identifier: str, step: transfer.Step, reason: str) -> Transfer:
        """Suspend, resume, complete or terminate a transfer from our side."""
        held = await self._parts.store.get(Transfer, identifier)
        change = Change()
        if step is transfer.Step.TERMINATE:
            moved = await self.end(change, held, [reason or "ended"], tell=True, is_reaction=False)
        elif step is transfer.Step.START and held.side is Side.PROVIDER:
            moved = self._start(change, held, is_reaction=False)
        else:
            told = [reason] if reason and step is transfer.Step.SUSPEND else []
            moved = replace(self.tell(change, held, step, is_reaction=False, reason=told), reason=reason)
            if is_final(moved):
                await self._closed(change, moved, self._parts.identity.did, [reason])
        await self._parts.store.commit(change.put(moved, expect=held))
        return moved

    # What becomes of our own messages.

    async def delivered(self, sent: Outgoing, answer: Answer) -> None:
        """Take note that a peer acknowledged a message, and of the pid it gave the process."""
        async with self.locks(sent.process):
            held = await self._process(sent)
            change = Change()
            if held is not None and not held.peer_pid:
                try:
                    pid = wire.decode(answer.content).get("providerPid")
                except BadInput:
                    pid = None
                if not isinstance(pid, str) or not 0 < len(pid.encode()) <= LONGEST_PID:
                    await self._give_up(sent, held, ["The peer's answer names no providerPid."])
                    return
                change.put(replace(held, peer_pid=pid), expect=held)
            await self._settle(change, sent, "sent", "")

    async def undeliverable(self, sent: Outgoing, lines: list[str]) -> None:
        """End the process of a message that a peer refused or cannot be told."""
        async with self.locks(sent.process):
            await self._give_up(sent, await self._process(sent), lines)

    async def _give_up(self, sent: Outgoing, held: Negotiation | Transfer | None, lines: list[str]) -> None:
        change = Change(sent.peer)
        if held is not None and not is_final(held):
            change.put(await self.end(change, held, lines, tell=True, is_reaction=False), expect=held)
        elif isinstance(held, Negotiation) and sent.body.get("eventType") == "FINALIZED":
            await self._closed(change, held, sent.peer, ["The consumer did not acknowledge the agreement.", *lines])
        is_moot = held is not None and held.state in (NegotiationState.TERMINATED, TransferState.TERMINATED)
        is_stop = sent.body.get("@type") in (negotiation.Step.TERMINATE, transfer.Step.TERMINATE)
        await self._settle(change, sent, "sent" if is_moot and is_stop else "dead", " ".join(lines)[:1000])

    async def _process(self, sent: Outgoing) -> Negotiation | Transfer | None:
        store = self._parts.store
        return await store.peek(Negotiation, sent.process) or await store.peek(Transfer, sent.process)

    async def _settle(self, change: Change, sent: Outgoing, state: str, fault: str) -> None:
        await self._parts.store.commit(change.put(replace(sent, state=state, fault=fault, attempts=sent.attempts + 1)))


def _must_name(held: Negotiation | Transfer, message: wire.Message) -> None:
    """Refuse a message whose pids are not those of the process it was sent to."""
    expected = wire.pids(held)
    if not held.peer_pid:
        expected = {name: pid for name, pid in expected.items() if pid == held.id}
    for name, pid in expected.items():
        if message.get(name) != pid:
            raise BadInput(f"{name} {str(message.get(name))[:100]!r} is not the one of this process.")
