"""Two nodes in processes of their own over real HTTP: kill -9 anywhere, nothing lost and nothing done twice."""

import os
import signal
import statistics
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from loopback_nodes import eventually, loopback_node
from machines.running import free_port

from interwork.core.errors import PeerUnreachable
from interwork.core.event import Tag
from interwork.core.exchange import Agreement, AgreementState, Negotiation, Receipt, Transfer, TransferState
from interwork.store import Store

SCRIPT = Path(__file__).parents[1] / "loopback_nodes.py"
SOURCE = Path(__file__).parents[2] / "src"
pytestmark = pytest.mark.peer


@asynccontextmanager
async def process(folder, name, port, *, margin_s=0.01):
    """Run a node as a process of its own and kill it without warning at the end."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, str(SCRIPT), str(folder), name, str(port), str(margin_s)]
    running = await anyio.open_process(command, env=environment, stderr=None)
    try:
        with anyio.fail_after(60):
            said = b""
            while b"ready" not in said:
                said += await running.stdout.receive()
        yield running
    finally:
        running.send_signal(signal.SIGKILL)
        await running.wait()
        await running.aclose()


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
async def consumer(tmp_path):
    async with loopback_node(tmp_path, "Consumer") as node:
        yield node


def did_of(port):
    return f"did:web:localhost%3A{port}"


async def test_a_provider_killed_before_its_first_callback_completes_exactly_once(tmp_path, port, consumer):
    async with process(tmp_path, "Provider", port, margin_s=60):
        with pytest.raises(PeerUnreachable):
            await consumer.federation.negotiate(did_of(port), "dataset-one", key="k", timeout_s=1)
    async with process(tmp_path, "Provider", port):
        agreement = await consumer.federation.negotiate(did_of(port), "dataset-one", key="k")
        transfer = await consumer.federation.transfer(agreement, key="k")
        assert (await consumer.federation.fetch(transfer)).content == b"hello "
    async with await Store.open(f"sqlite:///{tmp_path / 'Provider' / 'state.db'}") as store:
        assert [await store.count(kind) for kind in (Negotiation, Agreement, Transfer, Receipt)] == [1, 1, 1, 1]
        assert len(await store.events(tag=Tag.AGREEMENT_MADE)) == 1
        assert await store.verify() > 5


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05, 0.1, 0.2])
async def test_a_provider_killed_at_any_moment_finishes_after_it_is_back(tmp_path, port, consumer, after_s):
    agreements, is_done = [], anyio.Event()

    async def ask():
        while not agreements:
            try:
                agreements.append(
                    await consumer.federation.negotiate(did_of(port), "dataset-one", key="k", timeout_s=20)
                )
            except PeerUnreachable:
                await anyio.sleep(0.2)
        is_done.set()

    async with anyio.create_task_group() as tasks:
        async with process(tmp_path, "Provider", port):
            tasks.start_soon(ask)
            await anyio.sleep(after_s)
        async with process(tmp_path, "Provider", port):
            with anyio.fail_after(60):
                await is_done.wait()
    for store_of in (consumer.store, await Store.open(f"sqlite:///{tmp_path / 'Provider' / 'state.db'}")):
        assert len(await store_of.events(tag=Tag.AGREEMENT_MADE)) == 1
        assert [one.id for one in await store_of.find(Agreement, state=AgreementState.ACTIVE)] == [agreements[0].id]
    await store_of.close()


async def test_an_end_told_while_the_peer_is_down_reaches_it_when_it_is_back(tmp_path, port, consumer):
    async with process(tmp_path, "Provider", port):
        agreement = await consumer.federation.negotiate(did_of(port), "dataset-one", key="k")
        await consumer.federation.transfer(agreement, key="k")
    await consumer.federation.terminate(agreement.id, reason="Enough.", actor="account-1")
    async with (
        process(tmp_path, "Provider", port),
        await Store.open(f"sqlite:///{tmp_path / 'Provider' / 'state.db'}") as store,
    ):
        held = await eventually(
            lambda: store.get(Agreement, agreement.id), lambda one: one.state is AgreementState.TERMINATED, within_s=40
        )
        (transfer,) = await store.find(Transfer)
    assert (held.reason, held.ended_by, transfer.state) == ("Enough.", consumer.did, TransferState.TERMINATED)


async def test_an_agreement_and_its_transfer_take_a_fraction_of_a_second(tmp_path, port, consumer):
    took = []
    async with process(tmp_path, "Provider", port):
        while len(took) < 12 or (statistics.median(took[-12:]) >= 1.0 and len(took) < 60):  # the computer may be busy
            began = time.monotonic()
            agreement = await consumer.federation.negotiate(did_of(port), "dataset-one", key=str(len(took)))
            await consumer.federation.transfer(agreement, key=str(len(took)))
            took.append(time.monotonic() - began)
    print(f"negotiation and transfer: median {statistics.median(took[-12:]) * 1000:.0f} ms")
    assert statistics.median(took[-12:]) < 1.0


async def test_many_consumers_at_once_lose_and_double_nothing(tmp_path, port, consumer):
    done = []

    async def ask(number):
        agreement = await consumer.federation.negotiate(did_of(port), "dataset-one", key=str(number), timeout_s=60)
        transfer = await consumer.federation.transfer(agreement, key=str(number), timeout_s=60)
        done.append((await consumer.federation.fetch(transfer)).content)

    async with process(tmp_path, "Provider", port), anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(ask, number)
    assert done == [b"hello "] * 40
    async with await Store.open(f"sqlite:///{tmp_path / 'Provider' / 'state.db'}") as store:
        for held in (store, consumer.store):
            assert [await held.count(kind) for kind in (Negotiation, Agreement, Transfer, Receipt)] == [40] * 4
