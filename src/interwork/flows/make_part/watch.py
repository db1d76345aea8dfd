"""Following another organisation's readings under an agreement: taken, kept, shown, and cut when it ends."""

import anyio
import msgspec
import structlog

from interwork.core.errors import InterworkError, PeerError, Refused
from interwork.core.exchange import Agreement, AgreementState, Transfer
from interwork.core.ids import derived_id
from interwork.core.making import Order
from interwork.core.organisation import Setting
from interwork.core.resource import Batch, Resource, Signal
from interwork.flows.ingest import next_number
from interwork.flows.node import Node
from interwork.flows.records import Description, read_as
from interwork.store import Change
from interwork.stream import decode_batch

log = structlog.get_logger()
LOOK_EVERY_S = 0.7
"""How often new readings are asked for while runs are on."""


async def watch_readings(
    node: Node, order_id: str, *, is_last: bool = False, enough: anyio.Event | None = None
) -> None:
    """Take readings of an order's runs until it is enough, refused, or (is_last) until none are left.

    Told that it is enough, it ends between two calls: one cut off half way would be counted at one end only.
    """
    order = await node.store.get(Order, order_id)
    numbers: dict[int, int] = {}
    enough = enough or anyio.Event()
    while not enough.is_set():
        try:
            transfer = await _transfer(node, order)
            numbers = numbers or await _describe(node, order, transfer)
            taken = await _take(node, transfer, numbers) if numbers else 0
        except Refused as fault:
            log.info("readings.cut", order=order_id, rule=fault.rule, fault=str(fault))
            return
        except InterworkError as fault:
            log.warning("readings.wait", order=order_id, fault=str(fault))
            taken = 0
        if is_last and taken == 0:
            return
        if taken == 0:
            with anyio.move_on_after(LOOK_EVERY_S):
                await enough.wait()


async def _transfer(node: Node, order: Order) -> Transfer:
    key = f"readings:{order.id}"
    found = await node.store.find(Agreement, dataset=order.readings_dataset, limit=5)
    if not found:
        raise Refused(f"No agreement on the readings of order {order.id}.", rule="readings cross under an agreement")
    agreement = found[-1]
    if agreement.state is not AgreementState.ACTIVE:
        raise Refused(f"The agreement {agreement.id} is {agreement.state.value}.", rule="the agreement is in force")
    return await node.federation.transfer(agreement, key=key)


async def _describe(node: Node, order: Order, transfer: Transfer) -> dict[int, int]:
    """Learn the signals and record them here as another organisation's; map its numbers to ours."""
    fetched = await node.federation.fetch(transfer, path="signals", what="the description of signals")
    told = read_as(Description, fetched.content, order.peer_name)
    machines = {one.id: one for one in told.resources}
    numbers: dict[int, int] = {}
    for signal in told.signals:
        if signal.resource not in machines:
            raise PeerError(f"{order.peer_name} describes the signal {signal.name} of a machine it does not describe.")
        mine = await _record(node, order, transfer, machines[signal.resource], signal)
        numbers[signal.number] = mine.number
    return numbers


async def _record(node: Node, order: Order, transfer: Transfer, machine: Resource, signal: Signal) -> Signal:
    resource_id = derived_id("resource", order.provider, signal.resource, order.id)
    if await node.store.peek(Resource, resource_id) is None:
        resource = msgspec.structs.replace(
            machine,
            id=resource_id,
            name=f"{machine.name} at {order.peer_name}",
            owner=order.provider,
            rates=None,
            endpoint="",
            options={"agreement": transfer.agreement, "order": order.id},
        )
        await node.store.commit(Change().put(resource))
    signal_id = derived_id("signal", resource_id, signal.id)
    known = await node.store.peek(Signal, signal_id)
    if known is not None:
        return known
    async with node.numbering:
        mine = msgspec.structs.replace(
            signal, id=signal_id, resource=resource_id, number=await next_number(node), address=""
        )
        await node.store.commit(Change().put(mine))
    return mine


async def _take(node: Node, transfer: Transfer, numbers: dict[int, int]) -> int:
    """Take what is new since the mark, keep it, then move the mark; taken twice it is stored once."""
    name = f"mark:{transfer.id}"
    held = await node.store.peek(Setting, name)
    mark = held.value if held else "0"
    fetched = await node.federation.fetch(transfer, query={"after": mark}, what="readings")
    reached = fetched.headers.get("Interwork-Mark", mark)
    if not fetched.content:
        return 0
    batch = renumber(decode_batch(fetched.content), numbers)
    if len(batch):
        await node.historian.append(batch)
        node.live.update(batch)
    if reached != mark:
        await node.store.commit(Change().put(Setting(id=name, value=reached)))
    return len(batch)


def renumber(batch: Batch, numbers: dict[int, int]) -> Batch:
    """Give a batch our own signal numbers; readings of signals that were not described are refused loudly."""
    unknown = set(batch.signal) - numbers.keys()
    if unknown:
        raise Refused(f"Readings of undescribed signals {sorted(unknown)} came.", rule="signals are described first")
    ours = batch.signal[:0]
    ours.extend(numbers[number] for number in batch.signal)
    return Batch(signal=ours, time_us=batch.time_us, value=batch.value, quality=batch.quality, text=batch.text)
