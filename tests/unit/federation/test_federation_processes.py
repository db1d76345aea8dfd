"""Both protocols over real HTTP with a scripted peer: right answers, typed errors, nothing done twice."""

import io
import itertools

import anyio
import msgspec
import pytest
from loopback_nodes import about, eventually, loopback_node, only, request_message

from interwork.core.clock import now
from interwork.core.event import Tag
from interwork.core.exchange import (
    Agreement,
    AgreementState,
    DatasetKind,
    Negotiation,
    NegotiationState,
    Outgoing,
    Side,
    Transfer,
    TransferState,
)
from interwork.core.ids import derived_id
from interwork.federation import Identity, negotiation, transfer, wire
from interwork.store import Change

OFFER = derived_id("offer", "dataset-one")
CONSUMER = "urn:uuid:consumer-1"
N, T = "/negotiations", "/transfers"


async def begin(peer, alpha, **changes):
    """Ask for the one dataset and give the provider's pid."""
    status, body = await peer.post(alpha, f"{N}/request", request_message(peer, OFFER, "dataset-one", **changes))
    assert (status, body["@type"], body["state"]) == (201, "ContractNegotiation", "REQUESTED")
    return body["providerPid"]


async def agreed(peer, alpha):
    """Come to a finalised agreement as a scripted consumer and give its id."""
    await alpha.publish()
    pid = await begin(peer, alpha)
    message = await peer.told("ContractAgreementMessage")
    verification = about("ContractAgreementVerificationMessage", CONSUMER, pid)
    assert (await peer.post(alpha, f"{N}/{pid}/agreement/verification", verification))[0] == 200
    await peer.told("ContractNegotiationEventMessage")
    return pid, message["agreement"]["@id"]


async def started(peer, alpha):
    """Start a transfer as a scripted consumer and give its pid and its token."""
    _, agreement = await agreed(peer, alpha)
    request = transfer_request(peer, agreement)
    _, body = await peer.post(alpha, f"{T}/request", request)
    start = await peer.told("TransferStartMessage")
    return body["providerPid"], wire.read_address(start)


def transfer_request(peer, agreement, **changes):
    message = wire.compose("TransferRequestMessage", consumerPid="transfer-1", agreementId=agreement)
    return {**message, "format": wire.PULL, "callbackAddress": f"{peer.root}/", **changes}


async def test_a_negotiation_runs_from_request_to_finalized(peer, alpha):
    pid, identifier = await agreed(peer, alpha)
    paths = [path for path, _ in peer.received]
    assert paths == [f"/negotiations/{CONSUMER}/agreement", f"/negotiations/{CONSUMER}/events"]
    assert await peer.state(alpha, f"{N}/{pid}") == "FINALIZED"
    held = await alpha.store.get(Agreement, identifier)
    assert (held.state, held.consumer, held.dataset) == (AgreementState.ACTIVE, peer.did, "dataset-one")
    assert {"assigner", "assignee", "target", "timestamp"} <= held.policy.keys()


async def test_every_message_we_send_is_valid(peer, alpha):
    pid, _ = await started(peer, alpha)
    end = about("TransferTerminationMessage", "transfer-1", pid, reason=["done"])
    await peer.post(alpha, f"{T}/{pid}/termination", end)
    for _, message in peer.received:
        wire.check(message, message["@type"])


async def test_the_first_callback_comes_after_the_answer(tmp_path, peer, alpha):
    await alpha.publish()
    alpha.federation._outbox._margin_s = 0.3
    await begin(peer, alpha)
    assert peer.received == []
    await peer.told("ContractAgreementMessage")


async def test_a_policy_that_says_no_terminates_with_clause_and_remedy(peer, alpha):
    await alpha.publish(odrl=only("membership", "eq", "did:web:institute.example"))
    terms = only("membership", "eq", "did:web:institute.example")
    offer = {"@id": OFFER, "@type": "Offer", "target": "dataset-one", **terms}
    pid = await begin(peer, alpha, offer=offer)
    message = await peer.told("ContractNegotiationTerminationMessage")
    assert "Clause one." in message["reason"][1]
    assert message["reason"][2] == "Remedy: Present a membership credential of did:web:institute.example."
    assert await peer.state(alpha, f"{N}/{pid}") == "TERMINATED"


async def test_what_was_proved_is_kept_with_the_agreement(peer, other, alpha):
    alpha.trusted.add(other.did)
    terms = only("membership", "isAnyOf", [other.did])
    await alpha.publish(odrl=terms)
    credential = other.identity.issue_membership(peer.did, {"tier": "full"})
    offer = {"@id": OFFER, "@type": "Offer", "target": "dataset-one", **terms}
    body = request_message(peer, OFFER, "dataset-one", offer=offer)
    await peer.post(alpha, f"{N}/request", body, credentials=[credential])
    await peer.told("ContractAgreementMessage")
    (held,) = await alpha.store.find(Agreement, side=Side.PROVIDER)
    assert held.claims["proofs"][0]["issuer"] == other.did


async def test_the_same_request_again_is_the_same_negotiation(peer, alpha):
    await alpha.publish()
    first = await begin(peer, alpha)
    await peer.told("ContractAgreementMessage")
    status, body = await peer.post(alpha, f"{N}/request", request_message(peer, OFFER, "dataset-one"))
    assert (status, body["providerPid"]) == (201, first)
    assert await alpha.store.count(Negotiation) == 1


async def test_many_equal_requests_at_once_make_one_negotiation(peer, alpha):
    await alpha.publish()
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(peer.post, alpha, f"{N}/request", request_message(peer, OFFER, "dataset-one"))
    await peer.told("ContractAgreementMessage")
    assert await alpha.store.count(Negotiation) == 1
    assert await alpha.store.count(Agreement) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {
            "offer": {
                "@id": "offer-unknown",
                "@type": "Offer",
                "target": "dataset-one",
                "permission": [{"action": "use"}],
            }
        },
        {"offer": {"@id": OFFER, "@type": "Offer", "target": "dataset-two", "permission": [{"action": "use"}]}},
        {"offer": {"@id": OFFER, "@type": "Offer", "permission": [{"action": "use"}]}},
        {"offer": {"@id": OFFER, "@type": "Offer", "target": "dataset-one", "permission": [{"action": "read"}]}},
        {"offer": {"@id": OFFER, "@type": "Offer", "target": "dataset-one"}},
        {"@context": wire.CONTEXT},
        {"@type": "ContractOfferMessage"},
        {"providerPid": "both"},
        {"consumerPid": 5},
        {"consumerPid": "x" * 2000},
        {"consumerPid": "a\0b"},
        {"callbackAddress": "http://169.254.169.254/"},
        {"callbackAddress": "file:///etc/passwd"},
        {"callbackAddress": "not an address"},
        {"callbackAddress": "https://nobody.invalid/"},
    ],
)
async def test_a_request_with_a_fault_gets_a_typed_error_and_begins_nothing(peer, alpha, changes):
    await alpha.publish()
    status, body = await peer.post(alpha, f"{N}/request", request_message(peer, OFFER, "dataset-one", **changes))
    assert status in (400, 403)
    wire.check(body, "ContractNegotiationError")
    assert body["reason"]
    assert await alpha.store.count(Negotiation) == await alpha.store.count(Agreement) == 0


async def test_the_error_names_the_pid_of_the_one_who_asked(peer, alpha):
    _, body = await peer.post(alpha, f"{N}/request", request_message(peer, "offer-unknown", "dataset-one"))
    assert (body["consumerPid"], body["providerPid"]) == (CONSUMER, wire.UNKNOWN_PID)


async def test_a_request_without_callback_cannot_begin(peer, alpha):
    message = request_message(peer, OFFER, "dataset-one", providerPid="x")
    del message["callbackAddress"]
    assert (await peer.post(alpha, f"{N}/request", message))[0] == 400


async def test_a_pid_used_before_for_something_else_is_refused(peer, alpha):
    await alpha.publish()
    await alpha.publish(name="two")
    await begin(peer, alpha)
    again = request_message(peer, derived_id("offer", "dataset-two"), "dataset-two")
    assert (await peer.post(alpha, f"{N}/request", again))[0] == 400


async def test_equal_terms_in_another_form_are_accepted(peer, alpha):
    await alpha.publish(odrl=only("participant", "isAnyOf", ["did:web:x", peer.did]))
    constraint = {
        "rightOperand": [peer.did, {"@value": "did:web:x"}],
        "operator": "isAnyOf",
        "leftOperand": "https://w3id.org/interwork/policy/participant",
    }
    rules = {"permission": [{"constraint": [constraint], "action": "odrl:use"}]}
    await begin(peer, alpha, offer={"@id": OFFER, "@type": "Offer", "target": "dataset-one", **rules})
    await peer.told("ContractAgreementMessage")


async def test_a_node_makes_no_agreement_with_itself(alpha):
    dataset = await alpha.publish()
    message = {**request_message(alpha, OFFER, dataset.id), "callbackAddress": alpha.base}
    answer = await alpha.client.request(
        "POST",
        f"{alpha.base}{N}/request",
        token=alpha.identity.mint(alpha.did),
        body=msgspec.json.encode(message),
    )
    assert answer.status == 400


@pytest.mark.parametrize("path", ["", "/termination", "/agreement/verification", "/events", "/request"])
async def test_a_third_party_finds_nothing(peer, other, alpha, path):
    pid, _ = await agreed(peer, alpha)
    body = about("ContractNegotiationTerminationMessage", CONSUMER, pid)
    bodies = {
        "/agreement/verification": about("ContractAgreementVerificationMessage", CONSUMER, pid),
        "/events": about("ContractNegotiationEventMessage", CONSUMER, pid, eventType="ACCEPTED"),
        "/request": request_message(other, OFFER, "dataset-one"),
    }
    answer = await other.say(
        alpha, "POST" if path else "GET", f"{N}/{pid}{path}", bodies.get(path, body) if path else None
    )
    assert answer.status == 404
    assert await peer.state(alpha, f"{N}/{pid}") == "FINALIZED"


@pytest.mark.parametrize("token", ["", "junk", "a.b.c"])
async def test_without_a_usable_credential_everything_is_401(peer, alpha, token):
    for method, path in (("POST", "/catalog/request"), ("GET", f"{N}/x"), ("POST", f"{T}/request")):
        answer = await peer.say(alpha, method, path, {} if method == "POST" else None, token=token)
        assert answer.status == 401
        wire.check(msgspec.json.decode(answer.content), msgspec.json.decode(answer.content)["@type"])


async def test_a_token_sent_twice_is_refused(peer, alpha):
    token = peer.identity.mint(alpha.did)
    answers = [await peer.say(alpha, "GET", f"{N}/x", token=token) for _ in range(2)]
    assert [one.status for one in answers] == [404, 401]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b'{"a":' * 50_000, "application/json", 400),
        (b'"' + b"x" * 2_000_000 + b'"', "application/json", 413),
    ],
)
@pytest.mark.parametrize("path", [f"{N}/request", f"{T}/request", "/catalog/request"])
async def test_a_body_nobody_can_read_is_a_typed_client_error(peer, alpha, path, body, kind, status):
    token = peer.identity.mint(alpha.did)
    headers = {"Content-Type": kind, "Authorization": f"Bearer {token}"}
    async with alpha.client._session.post(alpha.base + path, data=io.BytesIO(body), headers=headers) as response:
        content = msgspec.json.decode(await response.read())
        assert response.status == status
    wire.check(content, content["@type"])


async def test_a_path_of_no_message_is_404(peer, alpha):
    for path in (f"{N}/explode", f"{N}/x/explode", f"{T}/start", f"{T}/x/explode", f"{N}/agreement"):
        assert (await peer.post(alpha, path, about("X", "a", "b")))[0] in (400, 404)


STEPS = {
    negotiation.Step.REQUEST: {"offer": {"@id": OFFER, "@type": "Offer", "target": "dataset-one"}},
    negotiation.Step.OFFER: {"offer": {"@id": OFFER, "@type": "Offer", "target": "dataset-one"}},
    negotiation.Step.AGREE: {
        "agreement": {"@id": "a", "@type": "Agreement", "target": "t", "assigner": "x", "assignee": "y"}
    },
    negotiation.Step.ACCEPT: {"eventType": "ACCEPTED"},
    negotiation.Step.FINALIZE: {"eventType": "FINALIZED"},
}
for _fields in STEPS.values():
    for _name in ("offer", "agreement"):
        if _name in _fields:
            _fields[_name]["permission"] = [{"action": "use"}]


def put_negotiation(peer, side, state):
    return Negotiation(
        id="negotiation-x",
        side=side,
        peer=peer.did,
        peer_pid="theirs",
        callback=peer.root,
        state=state,
        dataset="dataset-one",
        offer={"permission": [{"action": "use"}]},
        updated_at=now(),
    )


def refused_steps():
    for side, state, step in itertools.product(Side, NegotiationState, negotiation.Step):
        sender = Side.PROVIDER if side is Side.CONSUMER else Side.CONSUMER
        if (state, sender, step) not in negotiation.TABLE:
            yield side, state, step


async def test_every_illegal_step_of_the_matrix_is_400_and_changes_nothing(peer, alpha):
    cells = list(refused_steps())
    assert len(cells) > 70
    for side, state, step in cells:
        held = put_negotiation(peer, side, state)
        await alpha.store.commit(Change().put(held))
        body = {**wire.step_message(step, held), **STEPS.get(step, {})}
        status, answer = await peer.post(alpha, f"{N}/{held.id}/{wire.PATHS[step]}", body)
        assert (status, answer["@type"]) == (400, "ContractNegotiationError"), (side, state, step, answer)
        assert await alpha.store.get(Negotiation, held.id) == held


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("state", sorted(set(NegotiationState) - negotiation.FINAL))
async def test_either_side_may_terminate_in_every_state_that_is_not_final(peer, alpha, side, state):
    held = put_negotiation(peer, side, state)
    await alpha.store.commit(Change().put(held))
    body = wire.step_message(negotiation.Step.TERMINATE, held, reason=["Enough."])
    assert (await peer.post(alpha, f"{N}/{held.id}/termination", body))[0] == 200
    assert (await peer.post(alpha, f"{N}/{held.id}/termination", body))[0] == 200
    other = wire.step_message(negotiation.Step.TERMINATE, held, reason=["Another word."])
    assert (await peer.post(alpha, f"{N}/{held.id}/termination", other))[0] == 400
    assert (await alpha.store.get(Negotiation, held.id)).reason == "Enough."


async def test_a_message_with_other_pids_than_the_process_has_is_refused(peer, alpha):
    await alpha.publish()
    pid = await begin(peer, alpha)
    for consumer, provider in ((CONSUMER, "other"), ("other", pid)):
        body = about("ContractNegotiationTerminationMessage", consumer, provider)
        assert (await peer.post(alpha, f"{N}/{pid}/termination", body))[0] == 400


async def test_the_last_message_repeated_is_answered_as_before_and_done_once(peer, alpha):
    pid, _ = await agreed(peer, alpha)
    again = about("ContractAgreementVerificationMessage", CONSUMER, pid)
    status, body = await peer.post(alpha, f"{N}/{pid}/agreement/verification", again)
    assert (status, body["state"]) == (200, "FINALIZED")
    assert len(await alpha.store.events(tag=Tag.AGREEMENT_MADE)) == 1


# This node as consumer of a scripted provider.


async def asking(peer, alpha, tasks):
    """Let alpha ask the scripted provider, and give its negotiation."""

    async def ask():
        outcomes.append(await alpha.federation.negotiate(peer.did, "d", key="k", timeout_s=20))

    outcomes = []
    tasks.start_soon(ask)
    message = await peer.told("ContractRequestMessage")
    own, theirs = message["consumerPid"], f"provider of {message['consumerPid']}"
    await eventually(lambda: alpha.store.find(Negotiation), lambda found: any(one.peer_pid == theirs for one in found))
    return own, theirs, outcomes


def agreement_message(peer, alpha, own, theirs, **changes):
    body = wire.odrl_agreement("agreement-1", {"permission": [{"action": "use"}]}, "d", (peer.did, alpha.did), now())
    return about("ContractAgreementMessage", own, theirs, agreement={**body, **changes})


async def test_a_consumer_verifies_and_concludes(peer, alpha):
    async with anyio.create_task_group() as tasks:
        own, theirs, outcomes = await asking(peer, alpha, tasks)
        message = agreement_message(peer, alpha, own, theirs)
        assert (await peer.post(alpha, f"{N}/{own}/agreement", message))[0] == 200
        await peer.told("ContractAgreementVerificationMessage")
        final = about("ContractNegotiationEventMessage", own, theirs, eventType="FINALIZED")
        assert (await peer.post(alpha, f"{N}/{own}/events", final))[0] == 200
    assert outcomes[0].id == "agreement-1"
    assert outcomes[0].state is AgreementState.ACTIVE
    assert await peer.state(alpha, f"{N}/{own}") == "FINALIZED"


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "other"},
        {"assigner": "did:web:x"},
        {"assignee": "did:web:x"},
        {"permission": [{"action": "read"}]},
        {"prohibition": [{"action": "use"}]},
    ],
)
async def test_a_consumer_terminates_an_agreement_it_did_not_ask_for(peer, alpha, changes):
    with pytest.RaisesGroup(pytest.RaisesExc(Exception, match="differs from the offer")):
        async with anyio.create_task_group() as tasks:
            own, theirs, _ = await asking(peer, alpha, tasks)
            await peer.post(alpha, f"{N}/{own}/agreement", agreement_message(peer, alpha, own, theirs, **changes))
            await peer.told("ContractNegotiationTerminationMessage")
    assert await alpha.store.count(Agreement) == 0


async def test_an_agreement_cannot_take_the_place_of_another(peer, other, alpha):
    held = Agreement(
        id="agreement-1",
        side=Side.PROVIDER,
        provider=alpha.did,
        consumer=other.did,
        peer_name="",
        dataset="d",
        dataset_title="",
        dataset_kind=DatasetKind.FILE,
        policy={},
        state=AgreementState.ACTIVE,
        agreed_at=now(),
        negotiation="n",
    )
    await alpha.store.commit(Change().put(held))
    with pytest.RaisesGroup(pytest.RaisesExc(Exception, match="id of another")):
        async with anyio.create_task_group() as tasks:
            own, theirs, _ = await asking(peer, alpha, tasks)
            await peer.post(alpha, f"{N}/{own}/agreement", agreement_message(peer, alpha, own, theirs))
    assert (await alpha.store.get(Agreement, "agreement-1")).consumer == other.did


async def test_an_equal_counter_offer_is_accepted(peer, alpha):
    offer = {"@id": "o2", "@type": "Offer", "target": "d", "permission": [{"action": "use", "constraint": []}]}
    async with anyio.create_task_group() as tasks:
        own, theirs, _ = await asking(peer, alpha, tasks)
        assert (await peer.post(alpha, f"{N}/{own}/offers", about("ContractOfferMessage", own, theirs, offer=offer)))[
            0
        ] == 200
        event = await peer.told("ContractNegotiationEventMessage")
        tasks.cancel_scope.cancel()
    assert event["eventType"] == "ACCEPTED"
    assert await peer.state(alpha, f"{N}/{own}") == "ACCEPTED"


async def test_a_counter_offer_of_other_terms_is_not_accepted(peer, alpha):
    offer = {"@id": "o2", "@type": "Offer", "target": "d", "prohibition": [{"action": "use"}]}
    with pytest.RaisesGroup(pytest.RaisesExc(Exception, match="other terms")):
        async with anyio.create_task_group() as tasks:
            own, theirs, _ = await asking(peer, alpha, tasks)
            await peer.post(alpha, f"{N}/{own}/offers", about("ContractOfferMessage", own, theirs, offer=offer))


async def test_an_offer_nobody_asked_for_is_kept_and_waits_for_a_person(peer, alpha):
    offer = {"@id": "o", "@type": "Offer", "target": "d", "permission": [{"action": "use"}]}
    message = wire.compose("ContractOfferMessage", providerPid="p", offer=offer, callbackAddress=peer.root)
    status, body = await peer.post(alpha, f"{N}/offers", message)
    assert (status, body["state"], body["providerPid"]) == (201, "OFFERED", "p")
    assert await peer.post(alpha, f"{N}/offers", message) == (status, body)
    assert await alpha.store.count(Outgoing) == 0


async def test_a_consumer_learns_why_a_provider_terminated(peer, alpha):
    lines = ["Not you.", "Rule: friends only", "Remedy: Become a friend."]
    with pytest.RaisesGroup(
        pytest.RaisesExc(Exception, match="Not you", check=lambda fault: fault.rule == "friends only")
    ):
        async with anyio.create_task_group() as tasks:
            own, theirs, _ = await asking(peer, alpha, tasks)
            body = about("ContractNegotiationTerminationMessage", own, theirs, reason=lines)
            await peer.post(alpha, f"{N}/{own}/termination", body)


# Transfers.


async def test_a_transfer_starts_with_an_address_and_a_token_of_its_own(peer, alpha):
    pid, (endpoint, token) = await started(peer, alpha)
    assert endpoint == f"{alpha.root}/data/{pid}"
    assert len(token) > 40
    assert await peer.state(alpha, f"{T}/{pid}") == "STARTED"
    sent = [one for one in await alpha.store.find(Outgoing) if one.body["@type"] == "TransferStartMessage"]
    assert token not in msgspec.json.encode(sent[0]).decode()
    assert token not in msgspec.json.encode(await alpha.store.get(Transfer, pid)).decode()


async def test_the_same_transfer_request_again_is_the_same_transfer_started_again(peer, alpha):
    pid, _ = await started(peer, alpha)
    agreement = (await alpha.store.get(Transfer, pid)).agreement
    peer.received.clear()
    status, body = await peer.post(alpha, f"{T}/request", transfer_request(peer, agreement))
    assert (status, body["providerPid"], body["state"]) == (201, pid, "STARTED")
    await peer.told("TransferStartMessage")
    assert await alpha.store.count(Transfer) == 1


async def test_a_start_sent_again_after_a_key_change_carries_a_token_that_counts_and_the_first_still_does(
    tmp_path, peer
):
    async with loopback_node(tmp_path, "Gamma") as node:
        pid, (_, first) = await started(peer, node)
        agreement, port = (await node.store.get(Transfer, pid)).agreement, int(node.root.rpartition(":")[2])
    Identity.rotate(tmp_path / "Gamma")
    peer.received.clear()
    async with loopback_node(tmp_path, "Gamma", port=port) as node:
        assert (await peer.post(node, f"{T}/request", transfer_request(peer, agreement)))[0] == 201
        endpoint, second = wire.read_address(await peer.told("TransferStartMessage"))
        given = [(await peer.client.request("GET", endpoint, token=one)).status for one in (first, second, first + "x")]
    assert (first != second, given) == (True, [200, 200, 403])


@pytest.mark.parametrize("changes", [{"agreementId": "unknown"}, {"format": "HttpData-PUSH"}, {"callbackAddress": "x"}])
async def test_a_transfer_request_with_a_fault_gets_a_typed_error(peer, alpha, changes):
    _, agreement = await agreed(peer, alpha)
    status, body = await peer.post(alpha, f"{T}/request", transfer_request(peer, agreement, **changes))
    assert status in (400, 403, 404)
    wire.check(body, "TransferError")
    assert await alpha.store.count(Transfer) == 0


async def test_somebody_elses_agreement_is_not_found(peer, other, alpha):
    _, agreement = await agreed(peer, alpha)
    assert (await other.post(alpha, f"{T}/request", transfer_request(other, agreement)))[0] == 404


async def test_an_agreement_that_is_not_in_force_opens_no_transfer(peer, alpha):
    _, agreement = await agreed(peer, alpha)
    await alpha.federation.terminate(agreement, reason="Enough.", actor="account-1")
    status, body = await peer.post(alpha, f"{T}/request", transfer_request(peer, agreement))
    assert status == 403
    assert "Enough." in body["reason"][0]


@pytest.mark.parametrize("side", list(Side))
async def test_every_illegal_step_of_a_transfer_is_400_and_changes_nothing(peer, alpha, side):
    sender = Side.PROVIDER if side is Side.CONSUMER else Side.CONSUMER
    for state, step in itertools.product(TransferState, set(transfer.Step) - {transfer.Step.REQUEST}):
        if (state, sender, step) in transfer.TABLE:
            continue
        held = put_transfer(peer, side, state)
        await alpha.store.commit(Change().put(held))
        status, answer = await peer.post(alpha, f"{T}/{held.id}/{wire.PATHS[step]}", wire.step_message(step, held))
        assert (status, answer["@type"]) == (400, "TransferError"), (state, step)
        assert await alpha.store.get(Transfer, held.id) == held


def put_transfer(peer, side, state):
    return Transfer(
        id="transfer-x",
        side=side,
        peer=peer.did,
        peer_pid="theirs",
        callback=peer.root,
        agreement="agreement-x",
        dataset="d",
        format=wire.PULL,
        state=state,
        updated_at=now(),
    )


@pytest.mark.parametrize("side", list(Side))
async def test_a_transfer_is_suspended_resumed_and_completed_by_the_peer(peer, alpha, side):
    held = put_transfer(peer, side, TransferState.STARTED)
    await alpha.store.commit(Change().put(held))
    for step, state in (("SUSPEND", "SUSPENDED"), ("START", "STARTED"), ("SUSPEND", "SUSPENDED"), ("START", "STARTED")):
        message = wire.step_message(transfer.Step[step], held)
        assert (await peer.post(alpha, f"{T}/{held.id}/{wire.PATHS[transfer.Step[step]]}", message))[0] == 200
        assert await peer.state(alpha, f"{T}/{held.id}") == state
    done = wire.step_message(transfer.Step.COMPLETE, held)
    assert (await peer.post(alpha, f"{T}/{held.id}/completion", done))[0] == 200
    assert (await alpha.store.get(Transfer, held.id)).reason == ""


async def test_a_start_repeated_after_the_end_is_refused(peer, alpha):
    held = put_transfer(peer, Side.CONSUMER, TransferState.REQUESTED)
    await alpha.store.commit(Change().put(held))
    start, stop = (wire.step_message(transfer.Step[name], held) for name in ("START", "TERMINATE"))
    statuses = [
        (await peer.post(alpha, f"{T}/{held.id}/{path}", body))[0]
        for path, body in (("start", start), ("start", start), ("termination", stop), ("start", start))
    ]
    assert statuses == [200, 200, 200, 400]


async def test_the_other_party_ends_an_agreement_and_everything_under_it(peer, other, alpha):
    pid, _ = await started(peer, alpha)
    agreement = (await alpha.store.get(Transfer, pid)).agreement
    body = wire.compose(wire.AGREEMENT_TERMINATION, agreementId=agreement, reason=["Enough."])
    path = f"/agreements/{agreement}/termination"
    assert (await other.post(alpha, path, body))[0] == 404
    assert [(await peer.post(alpha, path, body))[0] for _ in range(2)] == [200, 200]
    ended = await alpha.store.get(Agreement, agreement)
    assert (ended.state, ended.ended_by, ended.reason) == (AgreementState.TERMINATED, peer.did, "Enough.")
    assert await peer.state(alpha, f"{T}/{pid}") == "TERMINATED"
    assert len(await alpha.store.events(tag=Tag.AGREEMENT_TERMINATED)) == 1
