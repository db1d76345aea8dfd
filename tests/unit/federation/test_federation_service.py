"""The verbs of a federation: meeting, agreeing once per key, going on after a restart."""

import anyio
import msgspec
import pytest
from loopback_nodes import eventually, loopback_node, only
from msgspec.structs import replace

from interwork.core.errors import BadInput, NotFound, PeerError, PeerUnreachable, Refused
from interwork.core.event import Tag
from interwork.core.exchange import Agreement, AgreementState, Negotiation, Peer, Transfer
from interwork.federation import Federation, wire
from interwork.store import Change


async def test_well_known_documents_need_no_credential_and_are_valid(alpha):
    version = await alpha.client.request("GET", f"{alpha.root}/.well-known/dspace-version")
    document = await alpha.client.request("GET", f"{alpha.root}/.well-known/did.json")
    spoken = wire.parse(version.content, "VersionResponse")["protocolVersions"][0]
    assert (spoken["version"], spoken["binding"], alpha.root + spoken["path"]) == ("2025-1", "HTTPS", alpha.base)
    assert msgspec.json.decode(document.content)["id"] == alpha.did


async def test_meeting_finds_name_address_and_identity_and_keeps_them(alpha, beta):
    peer = await beta.federation.meet(alpha.root + "/")
    assert (peer.id, peer.name, peer.root, peer.endpoint) == (alpha.did, "Alpha", alpha.root, alpha.base)
    assert await beta.store.get(Peer, alpha.did) == peer


async def test_meeting_under_another_name_of_the_address_finds_the_same_node(alpha, beta):
    peer = await beta.federation.meet(alpha.root.replace("localhost", "127.0.0.1"))
    assert (peer.id, peer.root) == (alpha.did, alpha.root)


async def test_meeting_again_keeps_what_was_noted_of_a_peer(alpha, beta):
    peer = replace(await beta.federation.meet(alpha.root), is_crawled=True, name="Acme")
    await beta.store.commit(Change().put(peer))
    assert await beta.federation.meet(alpha.root) == peer


async def test_a_node_does_not_meet_itself(alpha):
    with pytest.raises(BadInput, match="this node itself"):
        await alpha.federation.meet(alpha.root)


@pytest.mark.parametrize("root", ["http://localhost:1", "https://nobody.invalid"])
async def test_nobody_there_is_unreachable(beta, root):
    with pytest.raises((PeerUnreachable, Refused)):
        await beta.federation.meet(root)


async def test_an_identity_of_another_address_is_refused(alpha):
    with pytest.raises(BadInput, match="has the identity of"):
        Federation(
            store=alpha.store,
            identity=alpha.identity,
            client=alpha.client,
            root="http://localhost:1",
            name="x",
            trusted_issuers=(),
            claims=list,
            source=None,
        )


async def test_a_peer_without_a_common_version_is_told_so(beta, peer, monkeypatch):
    async def other(_):
        spoken = [{"version": "0.8", "path": "/", "binding": "HTTPS"}]
        return msgspec.json.encode({"protocolVersions": spoken})

    original = beta.client.request

    async def request(method, url, **more):
        answer = await original(method, url, **more)
        if not url.endswith("dspace-version"):
            return answer
        return type(answer)(url=url, status=200, headers=answer.headers, content=await other(None))

    monkeypatch.setattr(beta.client, "request", request)
    with pytest.raises(PeerError, match=r"speaks DSP 0\.8"):
        await beta.federation.meet(peer.root)


async def test_the_same_key_finds_the_same_agreement_and_transfer(alpha, beta):
    dataset = await alpha.publish()
    outcomes = []

    async def ask():
        agreement = await beta.federation.negotiate(alpha.did, dataset.id, key="k")
        outcomes.append((agreement, await beta.federation.transfer(agreement, key="k")))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
    assert len({agreement.id for agreement, _ in outcomes}) == len({transfer.id for _, transfer in outcomes}) == 1
    for node in (alpha, beta):
        assert await node.store.count(Negotiation) == await node.store.count(Transfer) == 1


async def test_another_key_makes_another_agreement(alpha, beta):
    dataset = await alpha.publish()
    first = await beta.federation.negotiate(alpha.did, dataset.id, key="a")
    second = await beta.federation.negotiate(alpha.did, dataset.id, key="b")
    assert first.id != second.id


async def test_after_an_agreement_ended_the_key_makes_a_new_one(alpha, beta):
    dataset = await alpha.publish()
    first = await beta.federation.negotiate(alpha.did, dataset.id, key="k")
    await beta.federation.terminate(first.id, reason="Enough.", actor="a")
    second = await beta.federation.negotiate(alpha.did, dataset.id, key="k")
    assert (second.id != first.id, second.state) == (True, AgreementState.ACTIVE)


async def test_a_refusal_carries_clause_and_remedy_and_can_be_mended(tmp_path, alpha, beta):
    async with loopback_node(tmp_path, "Institute") as institute:
        alpha.trusted.add(institute.did)
        dataset = await alpha.publish(odrl=only("membership", "isAnyOf", [institute.did]))
        with pytest.raises(Refused, match="Alpha does not agree on «Bracket»") as caught:
            await beta.federation.negotiate(alpha.did, dataset.id, key="k")
        assert "Clause one." in caught.value.rule
        assert caught.value.remedy == f"Present a membership credential of {institute.did}."
        beta.credentials.append(institute.identity.issue_membership(beta.did, {"tier": "small"}))
        assert (await beta.federation.negotiate(alpha.did, dataset.id, key="k")).state is AgreementState.ACTIVE


async def test_a_credential_that_does_not_count_is_named_in_the_refusal(tmp_path, alpha, beta):
    dataset = await alpha.publish(odrl=only("membership", "eq", "did:web:big.example"))
    beta.credentials.append(beta.identity.issue_membership(beta.did, {"tier": "small"}))
    with pytest.raises(Refused) as caught:
        await beta.federation.negotiate(alpha.did, dataset.id, key="k")
    assert "is not trusted here" in caught.value.remedy


async def test_a_purpose_is_agreed_to_by_agreeing(alpha, beta):
    dataset = await alpha.publish(odrl=only("purpose", "eq", "repair"))
    agreement = await beta.federation.negotiate(alpha.did, dataset.id, key="k")
    held = await alpha.store.get(Agreement, agreement.id)
    assert held.claims["https://w3id.org/interwork/policy/purpose"] == ["repair"]
    transfer = await beta.federation.transfer(agreement, key="k")
    assert (await beta.federation.fetch(transfer)).status == 200


async def test_what_is_not_offered_is_refused_at_once(alpha, beta):
    with pytest.raises(Refused, match="No dataset 'nothing'"):
        await beta.federation.negotiate(alpha.did, "nothing", key="k")
    assert await beta.store.count(Negotiation) == 0


async def test_a_provider_cannot_open_a_transfer_of_its_own_data(alpha, beta):
    dataset = await alpha.publish()
    agreement = await beta.federation.negotiate(alpha.did, dataset.id, key="k")
    with pytest.raises(Refused):
        await alpha.federation.transfer(await alpha.store.get(Agreement, agreement.id), key="k")


async def test_a_format_nobody_offers_is_refused(alpha, beta):
    dataset = await alpha.publish()
    agreement = await beta.federation.negotiate(alpha.did, dataset.id, key="k")
    with pytest.raises(Refused, match="is not offered"):
        await beta.federation.transfer(agreement, key="k", format="HttpData-PUSH")


async def test_unknown_records_are_not_found(alpha):
    with pytest.raises(NotFound):
        await alpha.federation.terminate("agreement-unknown", reason="x", actor="a")
    with pytest.raises(NotFound):
        await alpha.federation.withdraw("dataset-unknown", actor="account-1")


async def test_a_consumer_that_restarts_goes_on_with_the_same_negotiation(tmp_path, alpha):
    dataset = await alpha.publish()
    async with loopback_node(tmp_path, "Consumer", is_running=False) as consumer:
        with pytest.raises(PeerUnreachable):
            await consumer.federation.negotiate(alpha.did, dataset.id, key="k", timeout_s=0.1)
        port = int(consumer.root.rpartition(":")[2])
    async with loopback_node(tmp_path, "Consumer", port=port) as consumer:
        agreement = await consumer.federation.negotiate(alpha.did, dataset.id, key="k")
        assert agreement.state is AgreementState.ACTIVE
        assert await consumer.store.count(Negotiation) == 1


async def test_a_provider_that_restarts_finishes_what_it_began_once(tmp_path, beta):
    async with loopback_node(tmp_path, "Provider", margin_s=60) as provider:
        dataset = await provider.publish()
        port = int(provider.root.rpartition(":")[2])
        with pytest.raises(PeerUnreachable):
            await beta.federation.negotiate(provider.did, dataset.id, key="k", timeout_s=0.5)
    async with loopback_node(tmp_path, "Provider", port=port) as provider:
        agreement = await beta.federation.negotiate(provider.did, dataset.id, key="k")
        transfer = await beta.federation.transfer(agreement, key="k")
        assert (await beta.federation.fetch(transfer)).status == 200
        assert await provider.store.count(Negotiation) == await provider.store.count(Agreement) == 1
        await eventually(lambda: provider.store.events(tag=Tag.AGREEMENT_MADE), lambda made: len(made) == 1)
    for tag in (Tag.AGREEMENT_MADE,):
        assert len(await beta.store.events(tag=tag)) == 1


async def test_signatures_of_another_node_are_checked_with_its_published_key(alpha, beta):
    signature = alpha.identity.sign("sha256:1")
    await beta.federation.verify(alpha.did, "sha256:1", signature)
    with pytest.raises(PeerError):
        await beta.federation.verify(alpha.did, "sha256:2", signature)


async def test_the_chain_of_both_nodes_holds_and_no_token_is_in_it(alpha, beta):
    dataset = await alpha.publish()
    agreement = await beta.federation.negotiate(alpha.did, dataset.id, key="k")
    transfer = await beta.federation.transfer(agreement, key="k")
    await beta.federation.fetch(transfer)
    for node in (alpha, beta):
        assert await node.store.verify() > 5
        assert transfer.token not in msgspec.json.encode(await node.store.events(limit=1000)).decode()
