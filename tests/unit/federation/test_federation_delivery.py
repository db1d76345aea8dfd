"""The outbox: in order, held, tried again with pauses, given up with a reason, and alive after a crash."""

from datetime import timedelta

import anyio
import msgspec
import pytest
from loopback_nodes import about, bound_socket, eventually, loopback_node, request_message

from interwork.core.clock import now
from interwork.core.errors import LimitReached, PeerUnreachable
from interwork.core.exchange import Agreement, AgreementState, Negotiation, NegotiationState, Outgoing
from interwork.core.ids import derived_id
from interwork.federation.delivery import Locks
from interwork.store import Change

OFFER = derived_id("offer", "dataset-one")
N = "/negotiations"


async def begin(peer, alpha, **changes):
    await alpha.publish()
    _, body = await peer.post(alpha, f"{N}/request", request_message(peer, OFFER, "dataset-one", **changes))
    return body["providerPid"]


async def settled(alpha, pid, state):
    return await eventually(lambda: alpha.store.get(Negotiation, pid), lambda one: one.state is state, within_s=10)


@pytest.mark.parametrize("statuses", [[404, 404], [500], [503, 502], [429], [401], [408]])
async def test_a_peer_that_is_not_ready_is_told_again(peer, alpha, statuses):
    peer.statuses += statuses
    await begin(peer, alpha)
    await eventually(lambda: alpha.store.find(Outgoing, state="sent"), bool)
    assert len(peer.received) == len(statuses) + 1
    assert len({msgspec.json.encode(body) for _, body in peer.received}) == 1


@pytest.mark.parametrize("status", [400, 403, 409, 410])
async def test_a_refused_message_ends_its_process_with_the_reason(peer, alpha, status):
    peer.statuses.append(status)
    pid = await begin(peer, alpha)
    held = await settled(alpha, pid, NegotiationState.TERMINATED)
    assert held.reason == f"The peer answered {status}."
    assert (await alpha.store.get(Agreement, held.agreement)).state is AgreementState.TERMINATED
    await peer.told("ContractNegotiationTerminationMessage")


async def test_a_peer_that_never_answers_ends_the_process_after_the_limit(tmp_path, peer):
    async with loopback_node(tmp_path, "Patient", attempts=3) as node:
        with bound_socket() as nobody:
            address = f"http://localhost:{nobody.getsockname()[1]}"
            pid = await begin(peer, node, callbackAddress=address)
            held = await settled(node, pid, NegotiationState.TERMINATED)
        (dead,) = [one for one in await node.store.find(Outgoing) if one.state == "dead"]
    assert "could not be told after 3 attempts" in held.reason
    assert dead.attempts == 3


async def test_the_pauses_grow(tmp_path, peer):
    peer.statuses += [503, 503, 503, 503]
    at, pauses = [now()], []
    async with loopback_node(tmp_path, "Patient", clock=lambda: at[0]) as node:
        await begin(peer, node)
        for tried in (1, 2, 3):
            (found,) = await eventually(
                lambda: node.store.find(Outgoing), lambda all_, tried=tried: all_ and all_[0].attempts == tried
            )
            pauses.append((found.next_at - at[0]).total_seconds())
            at[0] = found.next_at
            node.federation._outbox.release("anything")
    assert [round(pause / 0.25 / 2**before, 3) for before, pause in enumerate(pauses)] == [
        pytest.approx(1, abs=0.201)
    ] * 3
    assert found.fault == "The peer answered 503."


async def test_messages_of_one_process_go_out_in_order(peer, alpha):
    parts = alpha.federation._parts
    change = Change()
    for number in range(5):
        change.send(
            parts.letter("process-1", peer.did, f"{peer.root}/x", about("X", "c", str(number)), is_reaction=False)
        )
    peer.statuses += [503]
    await alpha.store.commit(change)
    await eventually(lambda: alpha.store.find(Outgoing, state="sent"), lambda sent: len(sent) == 5)
    assert [body["providerPid"] for _, body in peer.received] == ["0", "0", "1", "2", "3", "4"]


async def test_a_peer_that_hangs_does_not_hold_up_the_others(peer, alpha):
    parts = alpha.federation._parts
    with bound_socket() as silent:
        silent.listen(50)
        change = Change()
        for number in range(20):
            url = f"http://localhost:{silent.getsockname()[1]}/x"
            change.send(parts.letter(f"slow-{number}", "did:web:slow", url, about("X", "c", "p"), is_reaction=False))
        change.send(parts.letter("quick", peer.did, f"{peer.root}/x", about("X", "c", "p"), is_reaction=False))
        await alpha.store.commit(change)
        with anyio.fail_after(4.5):  # a call of those that hang takes 5 s
            await peer.told("X")


async def test_what_was_told_long_ago_is_swept_out(tmp_path, peer):
    late = [timedelta(0)]
    async with loopback_node(tmp_path, "Tidy", clock=lambda: now() + late[0]) as node:
        await begin(peer, node)
        await eventually(lambda: node.store.find(Outgoing, state="sent"), bool)
        late[0] = timedelta(days=8)
        node.federation._outbox.release("anything")
        await eventually(lambda: node.store.find(Outgoing, state="sent"), lambda sent: not sent)


async def test_an_address_that_may_not_be_used_ends_the_process_at_once(peer, alpha):
    pid = await begin(peer, alpha)
    await eventually(lambda: alpha.store.find(Outgoing, state="sent"), bool)
    held = await alpha.store.get(Negotiation, pid)
    letter = alpha.federation._parts.letter(pid, peer.did, "http://169.254.169.254/", about("X", "c", "p"))
    await alpha.store.commit(Change().put(held).send(letter))
    alpha.federation._outbox.release(pid)
    await settled(alpha, pid, NegotiationState.TERMINATED)


async def test_a_reaction_that_was_never_released_goes_out_by_itself(tmp_path, peer):
    async with loopback_node(tmp_path, "Node", is_running=False) as node:
        await begin(peer, node)
        assert peer.received == []
    async with loopback_node(tmp_path, "Node"):
        await peer.told("ContractAgreementMessage")


async def test_what_waits_for_a_peer_that_terminated_is_withdrawn(peer, alpha):
    peer.statuses += [503] * 4
    pid = await begin(peer, alpha)
    await eventually(lambda: alpha.store.find(Outgoing), lambda found: found and found[0].attempts > 0)
    body = about("ContractNegotiationTerminationMessage", "urn:uuid:consumer-1", pid, reason=["Never mind."])
    assert (await peer.post(alpha, f"{N}/{pid}/termination", body))[0] == 200
    assert [one.state for one in await alpha.store.find(Outgoing)] == ["dead"]


async def test_a_final_message_that_is_refused_ends_the_agreement(peer, alpha):
    pid = await begin(peer, alpha)
    await peer.told("ContractAgreementMessage")
    peer.statuses.append(400)
    body = about("ContractAgreementVerificationMessage", "urn:uuid:consumer-1", pid)
    await peer.post(alpha, f"{N}/{pid}/agreement/verification", body)
    await eventually(lambda: alpha.store.find(Agreement), lambda found: found[0].state is AgreementState.TERMINATED)


async def test_a_consumer_whose_provider_goes_away_hears_that(tmp_path, peer):
    peer.statuses += [503] * 9
    async with loopback_node(tmp_path, "Consumer", attempts=3) as node:
        with pytest.raises(PeerUnreachable, match="could not be told after 3 attempts"):
            await node.federation.negotiate(peer.did, "d", key="k")


async def test_a_consumer_does_not_wait_longer_than_told_and_goes_on_later(tmp_path, peer, alpha):
    with pytest.raises(PeerUnreachable, match="stands at REQUESTED"):
        await alpha.federation.negotiate(peer.did, "d", key="k", timeout_s=0.3)
    with pytest.raises(PeerUnreachable):
        await alpha.federation.negotiate(peer.did, "d", key="k", timeout_s=0.3)
    assert await alpha.store.count(Negotiation) == 1


async def test_an_answer_that_names_no_pid_ends_the_negotiation(peer, alpha, monkeypatch):
    peer.statuses.append(200)
    original = about
    monkeypatch.setattr("loopback_nodes.about", lambda *args, **more: {**original(*args, **more), "providerPid": ""})
    with pytest.raises(Exception, match="names no providerPid"):
        await alpha.federation.negotiate(peer.did, "d", key="k", timeout_s=30)


async def test_a_lock_is_waited_for_in_bounded_time_and_forgotten():
    locks, is_held = Locks(), anyio.Event()

    async def hold():
        async with locks("a"):
            is_held.set()
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hold)
        await is_held.wait()
        with pytest.raises(LimitReached):
            async with locks("a", 0.05):
                pass
        tasks.cancel_scope.cancel()
    async with locks("b"):
        assert list(locks._locks) == ["b"]


async def test_a_message_whose_own_records_are_at_fault_dies_and_stops_nothing_else(peer, alpha):
    pid = await begin(peer, alpha)
    await eventually(lambda: alpha.store.find(Outgoing, state="sent"), bool)
    held = await alpha.store.get(Negotiation, pid)
    parts, change = alpha.federation._parts, Change().delete(Agreement, held.agreement)
    url = f"{peer.root}/x"
    peer.statuses.append(400)
    change.send(parts.letter(pid, peer.did, url, about("X", "c", "p"), is_reaction=False))
    await alpha.store.commit(change)
    await eventually(lambda: alpha.store.find(Outgoing, state="dead"), bool)
    await alpha.store.commit(Change().send(parts.letter("p", peer.did, url, about("Y", "c", "p"), is_reaction=False)))
    await peer.told("Y")
