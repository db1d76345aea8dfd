"""What a provider's node answers under an agreement: quotes, orders, files, records, readings, memberships."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from interwork.allocation import QuoteRequest, quote
from interwork.core.clock import to_us
from interwork.core.errors import BadInput, NotFound
from interwork.core.event import Tag
from interwork.core.exchange import DatasetKind
from interwork.core.making import Evidence, Order, OrderState, Run
from interwork.core.planning import Window
from interwork.core.resource import Resource, Signal
from interwork.federation import DataRequest, DataResponse
from interwork.flows.fulfil import perform, stop
from interwork.flows.insight.telling import heard
from interwork.flows.join import receive_application
from interwork.flows.node import Node
from interwork.flows.records import Description, OrderStatus, Outcome, answer_record
from interwork.flows.rnd.simulating import answer_model
from interwork.flows.together import answer_call
from interwork.store import Change
from interwork.stream import encode_batch

T = TypeVar("T")
READINGS_MAX = 20_000
"""Readings answered in one call."""


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """Word from the requester that a lot has arrived from the operation before."""

    assignment: str


async def answer(node: Node, request: DataRequest) -> DataResponse:
    """Serve one call under an agreement; the federation has checked token, state and policy."""
    handlers: dict[DatasetKind, Callable[[Node, DataRequest], Awaitable[DataResponse]]] = {
        DatasetKind.CAPACITY: _capacity,
        DatasetKind.FILE: _file,
        DatasetKind.RECORD: answer_record,
        DatasetKind.READINGS: _readings,
        DatasetKind.MODEL: answer_model,
        DatasetKind.MEMBERSHIP: receive_application,
        DatasetKind.COORDINATION: answer_call,
    }
    return await handlers[request.dataset.kind](node, request)


async def _capacity(node: Node, request: DataRequest) -> DataResponse:
    parts = request.path.strip("/").split("/")
    if parts == ["quotes"] and request.method == "POST":
        return await _quote(node, request)
    if parts == ["outcomes"] and request.method == "POST":
        return _json(await heard(node, request.agreement, _read(request.body, Outcome)), "what became of a quote")
    if parts[0] != "orders":
        raise NotFound(
            f"There is no {request.path!r} under a capacity agreement.", remedy="Use quotes, outcomes or orders."
        )
    if len(parts) == 1:
        return _json(await perform.place(node, request.agreement, _read(request.body, Order)), "an order placed")
    order = await node.store.get(Order, parts[1])
    if order.consumer != request.agreement.consumer:
        raise NotFound(f"No order {parts[1]} is held here for {request.agreement.consumer}.")
    verb = parts[2] if len(parts) > 2 else "status"
    if verb == "confirm":
        return _json(await perform.confirm(node, order), "an order confirmed")
    if verb == "cancel":
        return _json(await stop.cancel(node, order), "an order cancelled")
    if verb == "arrived":
        await perform.arrived(node, order, _read(request.body, Arrival).assignment)
    return _json(await status(node, order), "the state of an order")


async def status(node: Node, order: Order) -> OrderStatus:
    """Tell how an order stands."""
    runs = await node.store.find(Run, order=order.id, limit=200)
    evidence = await node.store.find(Evidence, order=order.id, limit=200)
    fresh = await node.store.get(Order, order.id)
    return OrderStatus(order=fresh, runs=tuple(runs), evidence=tuple(evidence))


async def _quote(node: Node, request: DataRequest) -> DataResponse:
    asked = _read(request.body, QuoteRequest)
    resources = await node.store.find(Resource, owner=node.settings.organisation, limit=1000)
    given = quote(
        asked,
        resources,
        await booked(node),
        provider=node.did,
        provider_name=node.settings.name,
        agreement=request.agreement.id,
        now=node.clock(),
    )
    await node.store.commit(
        Change(request.agreement.consumer)
        .put(given)
        .event(Tag.QUOTE_GIVEN, given.id, need=asked.need, modes=len(given.modes), declined=list(given.declined))
    )
    return _json(given, "a quote")


async def booked(node: Node) -> dict[str, list[Window]]:
    """List, per resource, the windows taken by orders that are placed, accepted or in work."""
    taken: dict[str, list[Window]] = {}
    live = [OrderState.PLACED, OrderState.ACCEPTED, OrderState.IN_WORK]
    for order in await node.store.find(Order, side="provider", state=live, limit=1000):
        for line in order.lines:
            taken.setdefault(line.resource, []).append(Window(start=line.start, end=line.end))
    return taken


async def _file(node: Node, request: DataRequest) -> DataResponse:
    digest = request.dataset.properties.get("digest", "")
    content = node.files.get(digest)
    return DataResponse(
        content=content,
        media_type=request.dataset.properties.get("media_type", "application/octet-stream"),
        items=1,
        what=request.dataset.title,
    )


async def _readings(node: Node, request: DataRequest) -> DataResponse:
    """Serve readings of the runs of one order, only while they run; `signals` describes the columns."""
    runs = [one for one in await node.store.find(Run, order=request.dataset.subject, limit=200) if one.started_at]
    resources = sorted({run.resource for run in runs})
    signals = await node.store.find(Signal, resource=resources, limit=1000) if resources else []
    if request.path.strip("/") == "signals":
        return _json(await _described(node, resources, signals), "the description of signals")
    numbers = [signal.number for signal in signals]
    mark = _mark(request)
    starts = [run.started_at for run in runs if run.started_at]
    if not starts or not numbers:
        return DataResponse(content=b"", items=0, what="no readings yet", headers={"Interwork-Mark": str(mark)})
    ends = [run.ended_at or node.clock() for run in runs]
    batch, reached = await node.historian.after(mark, numbers, to_us(min(starts)), to_us(max(ends)), limit=READINGS_MAX)
    return DataResponse(
        content=encode_batch(batch),
        media_type="application/vnd.apache.arrow.stream",
        items=len(batch),
        what="readings",
        headers={"Interwork-Mark": str(reached)},
    )


async def _described(node: Node, resources: list[str], signals: list[Signal]) -> Description:
    """Tell what machines are, not what they cost, where they answer or when they are closed."""
    held = [await node.store.get(Resource, one) for one in resources]
    bare = [msgspec.structs.replace(one, rates=None, endpoint="", options={}, closed=()) for one in held]
    return Description(
        resources=tuple(bare), signals=tuple(msgspec.structs.replace(one, address="") for one in signals)
    )


def _mark(request: DataRequest) -> int:
    text = request.query.get("after", "0")
    if not text.isdecimal():
        raise BadInput(f"after={text!r} is not a mark.", remedy="Give the Interwork-Mark of the answer before, or 0.")
    return int(text)


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as fault:
        raise BadInput(f"The body is not a {kind.__name__}: {fault}.") from fault


def _json(value: object, what: str) -> DataResponse:
    return DataResponse(content=msgspec.json.encode(value), items=1, what=what)
