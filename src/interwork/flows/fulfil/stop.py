"""An order that is not carried on: withdrawn by its buyer before work begins, or stopped by its provider."""

import msgspec

from interwork.core.errors import BadInput, WrongState
from interwork.core.event import Tag
from interwork.core.exchange import Side
from interwork.core.making import Order, OrderState, Run, RunState
from interwork.flows.node import Node
from interwork.store import Change

WAITING = (RunState.PLANNED, RunState.RELEASED)
ENDED = (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED)


async def cancel(node: Node, order: Order, *, reason: str = "withdrawn by its buyer") -> Order:
    """Give an order's windows back, with the runs that wait for them; once a run was started it is the provider's."""
    if order.state is OrderState.CANCELLED:
        return order
    runs = await node.store.find(Run, order=order.id, limit=200)
    if order.state is OrderState.DONE or any(run.state not in (*WAITING, RunState.CANCELLED) for run in runs):
        raise WrongState(f"Order {order.id} is {order.state}; work has begun.", remedy="Talk to the provider.")
    return await _end(node, order, runs, reason, order.consumer)


async def stop(node: Node, order_id: str, reason: str, actor: str) -> Order:
    """Stop an order in the shop: its machines are free, what was begun counts as failed, the buyer is told why."""
    order = await node.store.get(Order, order_id)
    if order.side is not Side.PROVIDER:
        raise WrongState(f"Order {order_id} was placed by this node.", remedy="Cancel its job instead.")
    if order.state in (OrderState.DONE, OrderState.CANCELLED, OrderState.REFUSED):
        raise WrongState(f"Order {order_id} is {order.state} already.")
    if not reason.strip():
        raise BadInput("Stopping an order needs a reason; its buyer reads it.", where="reason")
    return await _end(node, order, await node.store.find(Run, order=order_id, limit=200), reason.strip(), actor)


async def _end(node: Node, order: Order, runs: list[Run], reason: str, actor: str) -> Order:
    ended = msgspec.structs.replace(order, state=OrderState.CANCELLED, reason=reason)
    change = Change(actor).put(ended, expect=order).event(Tag.ORDER_CANCELLED, order.id, reason=reason)
    for run in runs:
        if run.state not in ENDED:
            state = RunState.CANCELLED if run.state in WAITING else RunState.FAILED
            change.put(msgspec.structs.replace(run, state=state, ended_at=node.clock(), note=reason), expect=run)
    await node.store.commit(change)
    return ended
