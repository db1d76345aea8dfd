"""A provider's side of an order: placed → accepted → design fetched → runs released, observed, inspected, proven."""

from collections.abc import Sequence

import anyio
import msgspec
import structlog

from interwork.core.errors import BadInput, InterworkError, NotFound, PeerError, Refused, WrongState
from interwork.core.event import Tag
from interwork.core.exchange import Agreement, DatasetKind, Side
from interwork.core.ids import derived_id
from interwork.core.making import Inspection, Order, OrderLine, OrderState, Run, RunState
from interwork.core.planning import Mode, Quote
from interwork.core.resource import Meaning, Resource, Signal
from interwork.core.units import convert
from interwork.flows.fulfil.prove import counter, prove
from interwork.flows.node import Node
from interwork.flows.publish import Draft, publish_for
from interwork.store import Change
from interwork.stream import counter_delta

log = structlog.get_logger()
LOOK_EVERY_S = 1.0
"""How often started runs are held against what the machines say."""
FETCHES_MAX = 8
"""Designs fetched at once: a buyer that is away keeps its place for up to a minute, and holds up nobody else."""
AGAIN_S = 5.0
"""How long after a design could not be had, or was not the one ordered by, it is asked for again."""


async def place(node: Node, agreement: Agreement, order: Order) -> Order:
    """Reserve an order's windows and offer its readings; the same order placed twice is one order."""
    async with node.booking:
        known = await node.store.peek(Order, order.id)
        if known is None:
            await _check(node, agreement, order)
            return await _book(node, agreement, order)
    if known.consumer != agreement.consumer:
        raise Refused(
            f"The order id {order.id} is not free.",
            rule="an order belongs to whoever placed it first",
            remedy="Plan again: a new plan gives new order ids.",
        )
    return known


async def _book(node: Node, agreement: Agreement, order: Order) -> Order:
    dataset = await publish_for(
        node,
        Draft(
            kind=DatasetKind.READINGS,
            subject=order.id,
            title=f"Readings of runs: {order.quantity} × {order.part} at {node.settings.name}",
            description=f"Live readings of {order.part}, from start to end of each run.",
            properties={"order": order.id, "is_sample": node.settings.is_sample},
        ),
        did=agreement.consumer,
        name=agreement.peer_name,
    )
    held = msgspec.structs.replace(
        order,
        side=Side.PROVIDER,
        provider=node.did,
        consumer=agreement.consumer,
        peer_name=agreement.peer_name,
        agreement=agreement.id,
        state=OrderState.PLACED,
        placed_at=node.clock(),
        readings_dataset=dataset.id,
    )
    await node.store.commit(
        Change(agreement.consumer, once=f"order:{order.id}")
        .put(held)
        .event(Tag.ORDER_PLACED, order.id, price_eur=order.price_eur, quantity=order.quantity)
    )
    return held


async def _check(node: Node, agreement: Agreement, order: Order) -> None:
    """Hold an order against the quotes its buyer was given and against the windows already taken."""
    given = await node.store.find(Quote, need=order.need, provider=node.did, limit=20)
    quotes = [one for one in given if one.agreement == agreement.id and one.valid_until > node.clock()]
    if not quotes:
        raise Refused(
            f"{node.settings.name} holds no valid quote for need {order.need}.",
            rule="orders rest on a quote that is still valid",
            remedy="Ask for a new quote and plan again.",
        )
    live = [OrderState.PLACED, OrderState.ACCEPTED, OrderState.IN_WORK]
    others = await node.store.find(Order, side=Side.PROVIDER, state=live, limit=1000)
    taken = [(one.resource, one.start, one.end) for other in others for one in other.lines]
    for line in order.lines:
        _check_line(line, quotes, agreement)
        resource = await node.store.get(Resource, line.resource)
        for name, start, end in [*taken, *((resource.id, *closed) for closed in resource.closed)]:
            if name == line.resource and start < line.end and line.start < end:
                raise Refused(
                    f"{resource.name} is taken from {start:%d %b %H:%M} to {end:%H:%M} UTC.",
                    rule="a window is given to the first order placed",
                    remedy="Ask for a new quote and plan again.",
                )
        taken.append((line.resource, line.start, line.end))


def _check_line(line: OrderLine, quotes: Sequence[Quote], agreement: Agreement) -> None:
    ways = [
        (mode, 0.0 if line.after else quote.material_price_eur)
        for quote in quotes
        for mode in quote.modes
        if (mode.operation, mode.resource) == (line.operation, line.resource)
    ]
    if not ways:
        raise BadInput(f"{line.operation_name} on {line.resource} was not quoted.", where=agreement.peer_name)
    if not any(_is_as_quoted(line, mode, material) for mode, material in ways):
        raise BadInput(
            f"{line.operation_name}, {line.quantity} parts for {line.price_eur:.2f} EUR from {line.start:%d %b %H:%M} "
            f"to {line.end:%d %b %H:%M} UTC, is not what was quoted.",
            where=agreement.peer_name,
            remedy="Order at the quoted times and price, or ask for a new quote.",
        )


def _is_as_quoted(line: OrderLine, mode: Mode, material_eur: float) -> bool:
    work_s = mode.setup_s + line.quantity * mode.unit_s
    price = mode.setup_price_eur + line.quantity * (mode.unit_price_eur + material_eur)
    window_s = (line.end - line.start).total_seconds()
    return line.quantity > 0 and work_s - 0.001 <= window_s <= work_s + 60 and line.price_eur >= price - 0.01


async def confirm(node: Node, order: Order) -> Order:
    """Accept a placed order and plan its runs."""
    if order.state in (OrderState.CANCELLED, OrderState.REFUSED):
        raise WrongState(f"Order {order.id} is {order.state}.", remedy="Plan again; its windows were given back.")
    if order.state is not OrderState.PLACED:
        return order
    accepted = msgspec.structs.replace(order, state=OrderState.ACCEPTED)
    change = Change(order.consumer).put(accepted, expect=order).event(Tag.ORDER_ACCEPTED, order.id)
    for line in order.lines:
        resource = await node.store.get(Resource, line.resource)
        change.put(
            Run(
                id=derived_id("run", order.id, line.assignment),
                order=order.id,
                assignment=line.assignment,
                operation_name=line.operation_name,
                process=line.process,
                resource=line.resource,
                quantity=line.quantity,
                state=RunState.PLANNED,
                after=line.after,
                setup_s=line.setup_s,
                unit_s=line.unit_s,
                unit_energy_kwh=line.unit_energy_kwh,
                setup_energy_kwh=line.setup_energy_kwh,
                tolerance_mm=line.tolerance_mm,
                box_mm=line.box_mm,
                is_simulated=resource.is_simulated,
                time_scale=resource.time_scale,
                program=f"{order.part} / {line.operation_name}",
                settings=line.settings,
            )
        )
    await node.store.commit(change)
    return accepted


async def arrived(node: Node, order: Order, assignment: str) -> None:
    """Note that a lot from another provider has arrived, so that runs stop waiting for it."""
    for run in await node.store.find(Run, order=order.id, limit=200):
        if assignment in run.after:
            left = tuple(one for one in run.after if one != assignment)
            await node.store.commit(Change(order.consumer).put(msgspec.structs.replace(run, after=left), expect=run))


async def work(node: Node) -> None:
    """Move every accepted order on, for ever: fetch the design, release, observe; one bad order holds up no other."""
    fetching: set[str] = set()

    async def fetch(order: Order) -> None:
        try:
            digest = await _take_design(node, order)
            taken = msgspec.structs.replace(order, state=OrderState.IN_WORK, design_digest=digest)
            await node.store.commit(Change().put(taken, expect=order))
        except InterworkError as fault:
            log.warning("order.waits", order=order.id, fault=str(fault))
            await anyio.sleep(AGAIN_S)
        finally:
            fetching.discard(order.id)

    async with anyio.create_task_group() as tasks:
        while True:
            live = [OrderState.ACCEPTED, OrderState.IN_WORK]
            for order in await node.store.find(Order, side=Side.PROVIDER, state=live, limit=1000):
                if order.state is OrderState.IN_WORK:
                    await _advance(node, order)
                elif order.id not in fetching and len(fetching) < FETCHES_MAX:
                    fetching.add(order.id)
                    tasks.start_soon(fetch, order)
            await anyio.sleep(LOOK_EVERY_S)


async def _advance(node: Node, order: Order) -> None:
    """Release, observe and close the runs of one order; what fails is tried again at the next look."""
    try:
        runs = await node.store.find(Run, order=order.id, limit=200)
        for run in runs:
            if run.state is RunState.PLANNED and not run.after:
                await _release(node, run)
            elif run.state is RunState.STARTED:
                await _observe(node, run)
        if runs and all(run.state is RunState.COMPLETED for run in runs):
            done = msgspec.structs.replace(order, state=OrderState.DONE)
            await node.store.commit(Change().put(done, expect=order))
    except InterworkError as fault:
        log.warning("order.waits", order=order.id, fault=str(fault))


def has_design(order: Order) -> bool:
    """Tell whether the design of an order is here: at its buyer, and at a shop that has begun on it."""
    is_here = order.side is Side.CONSUMER or order.state in (OrderState.IN_WORK, OrderState.DONE)
    return bool(order.design_digest) and is_here


async def design_of(node: Node, order_id: str) -> tuple[Order, bytes]:
    """Read the design of an order, for the person who makes it; NotFound where this node does not have it yet."""
    order = await node.store.get(Order, order_id)
    if not has_design(order):
        raise NotFound(
            f"The design of order {order_id}, which is {order.state}, is not here.",
            remedy=f"It is fetched from {order.peer_name} once the order is accepted; see that its node answers.",
        )
    return order, node.files.get(order.design_digest)


async def _take_design(node: Node, order: Order) -> str:
    """Fetch the design from the requester under an agreement of its own and name it: no shop can work without it."""
    key = f"design:{order.id}"
    agreement = await node.federation.negotiate(order.consumer, order.design_dataset, key=key)
    transfer = await node.federation.transfer(agreement, key=key)
    fetched = await node.federation.fetch(transfer, what=f"the design of {order.part}")
    digest = node.files.put(fetched.content)
    if order.design_digest not in ("", digest):
        raise PeerError(
            f"{order.peer_name} ordered by the design {order.design_digest} and sent {digest}.",
            remedy="Ask them which one is meant; nothing is made by another design than the one ordered.",
        )
    return digest


async def _release(node: Node, run: Run) -> None:
    busy = await node.store.count(Run, resource=run.resource, state=[RunState.RELEASED, RunState.STARTED])
    if busy:
        return
    released = msgspec.structs.replace(run, state=RunState.RELEASED, released_at=node.clock())
    await node.store.commit(
        Change().put(released, expect=run).event(Tag.RUN_RELEASED, run.id, resource=run.resource, program=run.program)
    )


async def start(node: Node, run_id: str, actor: str) -> Run:
    """Note that a person started a run at the machine."""
    run = await node.store.get(Run, run_id)
    if run.state is RunState.STARTED:
        return run
    if run.state is not RunState.RELEASED:
        raise WrongState(f"Run {run_id} is {run.state}.", remedy="Only a RELEASED run is started.")
    started = msgspec.structs.replace(
        run,
        state=RunState.STARTED,
        started_at=node.clock(),
        count_at_start=await _now_at(node, run, Meaning.PART_COUNT),
        energy_at_start_kwh=await _now_at(node, run, Meaning.ENERGY),
    )
    await node.store.commit(
        Change(actor).put(started, expect=run).event(Tag.RUN_STARTED, run.id, resource=run.resource)
    )
    return started


async def _now_at(node: Node, run: Run, meaning: Meaning) -> float | None:
    """Read a counter of the run's machine as it stands; None where there is none or it does not tell."""
    for signal in await node.store.find(Signal, resource=run.resource, meaning=meaning, limit=1):
        reading = node.live.value(signal.number)
        if reading is not None and reading.value is not None:
            return convert(reading.value, signal.unit, "kW.h") if meaning is Meaning.ENERGY else reading.value
    return None


async def _observe(node: Node, run: Run) -> None:
    """Hold a started run against the machine's own part count; it is made when the count says so."""
    counts = await counter(node, run, Meaning.PART_COUNT)
    if counts is not None and counter_delta(counts) >= run.quantity:
        await finish(node, run.id, "node")


async def finish(node: Node, run_id: str, actor: str) -> Run:
    """Note that all parts of a run are made; inspection is awaited."""
    run = await node.store.get(Run, run_id)
    if run.state is RunState.MADE:
        return run
    if run.state is not RunState.STARTED:
        raise WrongState(f"Run {run_id} is {run.state}.", remedy="Only a STARTED run is finished.")
    made = msgspec.structs.replace(run, state=RunState.MADE, ended_at=node.clock())
    await node.store.commit(Change(actor).put(made, expect=run))
    return made


async def inspect(node: Node, run_id: str, inspection: Inspection, actor: str) -> Run:
    """Record inspection results, prove the run, and let the runs after it go."""
    run = await node.store.get(Run, run_id)
    if run.state is RunState.COMPLETED:
        return run
    if run.state is not RunState.MADE:
        raise WrongState(f"Run {run_id} is {run.state}.", remedy="Only a MADE run is inspected.")
    if not inspection.measurements:
        raise BadInput(
            f"The inspection of run {run_id} measured nothing.",
            remedy="Give at least one measurement, or one attribute check as 0 or 1 within 1 to 1.",
        )
    if any(not 1 <= one.part <= run.quantity for one in inspection.measurements):
        raise BadInput(f"Run {run_id} made {run.quantity} parts.", remedy=f"Number the parts 1 to {run.quantity}.")
    bad = {one.part for one in inspection.measurements if not one.is_within()}
    done = msgspec.structs.replace(run, state=RunState.COMPLETED, scrap=len(bad), good=run.quantity - len(bad))
    evidence, energy = await prove(node, done, inspection)
    done = msgspec.structs.replace(done, energy_kwh=energy)
    change = (
        Change(actor, once=f"inspected:{run.id}")
        .put(done, expect=run)
        .put(inspection)
        .put(evidence)
        .event(Tag.INSPECTION_RECORDED, inspection.id, run=run.id, measurements=len(inspection.measurements))
        .event(Tag.RUN_COMPLETED, run.id, good=done.good, scrap=done.scrap)
        .event(Tag.EVIDENCE_RECORDED, evidence.id, digest=evidence.digest)
    )
    for other in await node.store.find(Run, order=run.order, limit=200):
        if run.assignment in other.after:
            left = tuple(one for one in other.after if one != run.assignment)
            change.put(msgspec.structs.replace(other, after=left), expect=other)
    await node.store.commit(change)
    return done
