"""The agreeing, ordering and making arrows: design offered, orders placed, readings agreed and followed to the end."""

import shlex
from collections.abc import Collection, Sequence
from functools import partial

import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup

from interwork.core.design import EdgeKind, ProcessPlan, Revision
from interwork.core.errors import InterworkError, NoPlan, PeerError, Refused
from interwork.core.event import Tag
from interwork.core.exchange import Agreement, AgreementState, DatasetKind, Side, Transfer
from interwork.core.ids import derived_id
from interwork.core.making import Job, JobStep, Order, OrderLine, OrderState, Run, RunState
from interwork.core.planning import Assignment, Plan, Quote
from interwork.flows.make_part.replan import tell_withdrawn, without
from interwork.flows.make_part.watch import watch_readings
from interwork.flows.node import Node
from interwork.flows.publish import Draft, publish_for
from interwork.flows.records import OrderStatus, read_as
from interwork.flows.weave import Knot, knot, tie
from interwork.store import Change

log = structlog.get_logger()
CLOSE_S = 10.0
"""Longest wait for the watching of readings to end by itself."""
DESCRIBED = "text/plain; charset=utf-8"
"""What a shop gets of an item that is described in words and has no design file."""
MADE = (JobStep.EVIDENCE, JobStep.LEARN, JobStep.DONE)
"""Steps of a job whose parts are made."""
LOOK_EVERY_S = 1.0
"""How often an order's state is asked for."""


async def capacity_transfer(node: Node, agreement_id: str) -> Transfer:
    """Open (or find) the transfer under a provider's standing agreement, or under the one made since it ended."""
    agreement = await node.store.get(Agreement, agreement_id)
    if agreement.state is AgreementState.TERMINATED:
        newer = await node.store.find(
            Agreement, dataset=agreement.dataset, side=Side.CONSUMER, state=AgreementState.ACTIVE, newest=True, limit=1
        )
        if not newer:
            raise Refused(
                f"The agreement {agreement_id} with {agreement.peer_name} was ended; its orders cannot be followed.",
                rule="orders are followed under an agreement in force",
                remedy="Make a new one with `interwork plan PART`, then carry on with `interwork make --job ID`.",
            )
        agreement = newer[0]
    return await node.federation.transfer(agreement, key=f"capacity:{agreement.dataset}:{agreement.id}")


async def _post(node: Node, order: Order, path: str, body: bytes, what: str) -> bytes:
    transfer = await capacity_transfer(node, order.agreement)
    return (await node.federation.fetch(transfer, path=path, body=body, what=what)).content


async def agree(node: Node, job: Job) -> tuple[Job, str]:
    """Place each provider's order, and agree on its readings; a provider that refuses or is away is planned around."""
    plan = await node.store.get(Plan, job.plan)
    kept = [await node.store.get(Order, one) for one in job.orders]
    covered = {line.assignment for one in kept for line in one.lines}
    open_work = [one for one in plan.assignments if one.id not in covered]
    orders: list[Order] = []
    for provider in dict.fromkeys(one.provider for one in open_work):
        mine = [one for one in open_work if one.provider == provider]
        draft = await _draft(node, job, plan, mine)
        try:
            placed = await _place(node, draft)
            orders.append(placed)
            await _agree_readings(node, placed)
        except (Refused, PeerError) as fault:
            if kept:  # work goes on under them: planning from scratch would give it up
                raise
            return await without(node, job, orders, provider, fault)
    job = msgspec.structs.replace(job, orders=tuple(order.id for order in (*kept, *orders)))
    stay = f"{len(kept)} kept, " if kept else ""
    return job, f"{stay}{len(orders)} orders placed; {len(orders)} agreements on readings in force"


async def _draft(node: Node, job: Job, plan: Plan, mine: Sequence[Assignment]) -> Order:
    provider = mine[0].provider
    quotes = [await node.store.get(Quote, one) for one in job.quotes]
    own = [one for one in quotes if one.provider == provider]
    quote = own[0]
    revision = await node.store.get(Revision, job.revision) if job.revision else None
    process = await node.store.get(ProcessPlan, job.process_plan)
    order_id = derived_id("order", plan.id, provider)
    digest = revision.file_digest if revision else job.facts["digest"]
    design = await publish_for(
        node,
        Draft(
            kind=DatasetKind.FILE,
            subject=f"{job.revision or job.id}:{provider}",
            title=f"Design {job.facts['file_name']} for {quote.provider_name}",
            properties={
                "digest": digest,
                "media_type": revision.media_type if revision else DESCRIBED,
                "order": order_id,
            },
        ),
        did=provider,
        name=quote.provider_name,
    )
    return Order(
        id=order_id,
        side=Side.CONSUMER,
        job=job.id,
        need=job.need,
        plan=plan.id,
        agreement=quote.agreement,
        provider=provider,
        consumer=node.did,
        peer_name=quote.provider_name,
        part=job.title,
        material=job.material,
        quantity=job.quantity,
        design_dataset=design.id,
        design_name=job.facts["file_name"],
        design_digest=digest,
        revision=job.revision,
        lines=tuple(_line(one, plan, process, own, revision=revision, job=job) for one in mine),
        price_eur=round(sum(one.price_eur for one in mine), 2),
        state=OrderState.PLACED,
        placed_at=node.clock(),
    )


def _line(
    one: Assignment, plan: Plan, process: ProcessPlan, own: Sequence[Quote], *, revision: Revision | None, job: Job
) -> OrderLine:
    operation = next(step for step in process.operations if step.id == one.operation)
    ways = [way for quote in own for way in quote.modes]
    mode = next(way for way in ways if way.operation == one.operation and way.resource == one.resource)
    before = [other.id for other in plan.assignments if other.lot == one.lot and other.operation in operation.after]
    before += waits_of(job, [other.id for other in plan.assignments], one.id, is_first=not operation.after)
    return OrderLine(
        assignment=one.id,
        operation=one.operation,
        operation_name=one.operation_name,
        process=operation.process,
        lot=one.lot,
        quantity=one.quantity,
        resource=one.resource,
        resource_name=one.resource_name,
        start=one.start,
        end=one.end,
        unit_s=mode.unit_s,
        unit_energy_kwh=mode.unit_energy_kwh,
        setup_s=mode.setup_s,
        setup_energy_kwh=mode.setup_energy_kwh,
        price_eur=one.price_eur,
        after=tuple(before),
        tolerance_mm=job.tolerance_mm,
        box_mm=revision.geometry.box_mm if revision else None,
        settings=operation.settings,
    )


def waits_of(job: Job, planned: Collection[str], assignment: str, *, is_first: bool) -> list[str]:
    """List what an assignment waits for under jobs of other parts; planned anew, its first work waits for them all."""
    waits: dict[str, list[str]] = job.facts.get("after", {})
    if assignment in waits:
        return waits[assignment]
    if not is_first or any(one in waits for one in planned):
        return []
    return sorted({before for listed in waits.values() for before in listed})


async def _place(node: Node, draft: Order) -> Order:
    known = await node.store.peek(Order, draft.id)
    if known is not None:
        return known
    content = await _post(node, draft, "orders", msgspec.json.encode(draft), "an order")
    answered = read_as(Order, content, draft.peer_name)
    placed = msgspec.structs.replace(draft, readings_dataset=answered.readings_dataset)
    change = Change().put(placed).event(Tag.ORDER_PLACED, placed.id, provider=placed.provider, price=placed.price_eur)
    label = f"order at {placed.peer_name}, {placed.price_eur:,.2f} EUR"
    knot(node, change, Knot(id=placed.id, kind="order", label=label, holder=placed.provider))
    tie(node, change, placed.plan, EdgeKind.PERFORMS, placed.id)
    await node.store.commit(change)
    return placed


async def _agree_readings(node: Node, order: Order) -> Agreement:
    agreement = await node.federation.negotiate(order.provider, order.readings_dataset, key=f"readings:{order.id}")
    change = Change()
    label = f"agreement on readings with {order.peer_name}"
    knot(node, change, Knot(id=agreement.id, kind="agreement", label=label, holder=order.provider))
    tie(node, change, agreement.id, EdgeKind.GOVERNS, order.id)
    await node.store.commit(change)
    return agreement


async def order(node: Node, job: Job) -> tuple[Job, str]:
    """Confirm the orders; from now on the providers work."""
    for order_id in job.orders:
        placed = await node.store.get(Order, order_id)
        if placed.state is not OrderState.PLACED:  # kept from the plan before
            continue
        content = await _post(node, placed, f"orders/{order_id}/confirm", b"{}", "a confirmation")
        answered = read_as(Order, content, placed.peer_name)
        await node.store.commit(
            Change(once=f"confirmed:{order_id}")
            .put(msgspec.structs.replace(placed, state=answered.state))
            .event(Tag.ORDER_ACCEPTED, order_id, provider=placed.provider)
        )
    return job, f"{len(job.orders)} orders accepted"


async def make(node: Node, job: Job) -> tuple[Job, str]:
    """Follow the runs to their end: states under the standing agreements, readings under their own."""
    statuses: dict[str, OrderStatus] = {}
    away: list[str] = []
    enough = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for order_id in job.orders:
            tasks.start_soon(partial(watch_readings, enough=enough), node, order_id)
        while True:
            current = await node.store.get(Job, job.id)
            if current.plan == job.plan:
                away = await _ask_all(node, job, statuses)
                # Read after the answers: an order withdrawn for a new plan was withdrawn once that plan was kept.
                current = await node.store.get(Job, job.id)
            if current.plan != job.plan:
                _close(tasks, enough)
                return current, "planned again; the work goes on under the new plan"
            await _check_going(node, job, statuses)
            await tell_withdrawn(node, job.id)
            await _tell_arrivals(node, job, statuses)
            await _show(node, job, statuses, away)
            if len(statuses) == len(job.orders) and all(
                one.order.state is OrderState.DONE for one in statuses.values()
            ):
                break
            await anyio.sleep(LOOK_EVERY_S)
        _close(tasks, enough)
    await _last_readings(node, job)
    runs = [run for one in statuses.values() for run in one.runs]
    good, scrap = sum(run.good for run in runs), sum(run.scrap for run in runs)
    return job, f"{len(runs)} runs finished; {good} pieces of work good, {scrap} not"


def _close(tasks: TaskGroup, enough: anyio.Event) -> None:
    """Let the watching end between two calls, so that both ends count the same; not for ever."""
    enough.set()
    tasks.cancel_scope.deadline = anyio.current_time() + CLOSE_S


async def look(node: Node, job: Job) -> list[str]:
    """Ask every provider how its order stands now and keep it; name those who did not tell, with the reason."""
    statuses: dict[str, OrderStatus] = {}
    untold: list[str] = []
    for order_id in job.orders:
        held = await node.store.get(Order, order_id)
        try:
            statuses[order_id] = await _status(node, held)
        except InterworkError as fault:
            untold.append(f"{held.peer_name}: {fault.message}")
    await _show(node, job, statuses, [])
    return untold


async def _check_going(node: Node, job: Job, statuses: dict[str, OrderStatus]) -> None:
    """Say aloud that a provider stopped its order; there is nothing left to wait for."""
    for order_id, one in statuses.items():
        if one.order.state is OrderState.CANCELLED:
            name = (await node.store.get(Order, order_id)).peer_name  # the provider's own record names this node
            good = sum(run.good for run in one.runs)
            raise NoPlan(
                f"{name} stopped its order {order_id}: {one.order.reason or 'no reason given'}.",
                reasons=(f"{good} pieces of work were good before that",),
                remedy=f"Plan around it: `interwork replan {job.id} --event away --provider {shlex.quote(name)}`; "
                "the other providers' orders stand.",
            )


async def _ask_all(node: Node, job: Job, statuses: dict[str, OrderStatus]) -> list[str]:
    """Ask for each order's state; return the names of those who did not answer, they are asked again."""
    away: list[str] = []
    for order_id in job.orders:
        held = await node.store.get(Order, order_id)
        if held.state is OrderState.DONE and order_id in statuses:
            continue
        try:
            status = await _status(node, held)
        except InterworkError as fault:
            if not fault.retryable:
                raise
            log.warning("order.unanswered", order=order_id, fault=str(fault))
            away.append(held.peer_name)
            continue
        statuses[order_id] = status
        if status.order.state is not held.state:
            await node.store.commit(Change().put(msgspec.structs.replace(held, state=status.order.state)))
    return away


async def _status(node: Node, held: Order) -> OrderStatus:
    transfer = await capacity_transfer(node, held.agreement)
    fetched = await node.federation.fetch(transfer, path=f"orders/{held.id}", what="the state of an order")
    return read_as(OrderStatus, fetched.content, held.peer_name)


async def made_under(node: Node, job: Job, awaited: Collection[str]) -> set[str]:
    """Tell what is awaited of jobs of other parts that are made, also where they were planned anew meanwhile."""
    parts: dict[str, str] = job.facts.get("parts", {})
    found = set()
    for before in awaited:
        other = await node.store.peek(Job, parts[before]) if before in parts else None
        if other is not None and other.step in MADE:
            found.add(before)
    return found


async def _tell_arrivals(node: Node, job: Job, statuses: dict[str, OrderStatus]) -> None:
    """Tell a provider that what it waits for has been made: at another one, or under the job of another part."""
    runs = [run for one in statuses.values() for run in one.runs]
    awaited = {before for run in runs for before in run.after} - {run.assignment for run in runs}
    elsewhere = await node.store.find(Run, assignment=sorted(awaited), limit=500) if awaited else []
    done = {run.assignment for run in (*runs, *elsewhere) if run.state is RunState.COMPLETED}
    done |= await made_under(node, job, awaited - done)
    for order_id, status in statuses.items():
        own = {run.assignment for run in status.runs}
        for assignment in sorted({before for run in status.runs for before in run.after}):
            if assignment in done and assignment not in own:
                held = await node.store.get(Order, order_id)
                body = msgspec.json.encode({"assignment": assignment})
                try:
                    await _post(node, held, f"orders/{order_id}/arrived", body, "word of an arrival")
                except PeerError as fault:
                    log.warning("arrival.untold", order=order_id, fault=str(fault))


async def _show(node: Node, job: Job, statuses: dict[str, OrderStatus], away: list[str]) -> None:
    """Save the runs as last seen, so that pages and a restart show them; only when something moved."""
    change = Change()
    moved = False
    for status in statuses.values():
        for run in status.runs:
            if await node.store.peek(Run, run.id) != run:
                moved = True
                change.put(run)
                label = f"{run.operation_name}, {run.quantity} pieces: {run.state.value.lower()}"
                knot(node, change, Knot(id=run.id, kind="run", label=label, holder=status.order.provider))
                tie(node, change, run.order, EdgeKind.EXECUTES, run.id)
    runs = [run for status in statuses.values() for run in status.runs]
    finished = sum(run.state is RunState.COMPLETED for run in runs)
    text = f"{finished} of {len(runs)} runs finished" + (f"; no answer from {', '.join(away)}" if away else "")
    current = await node.store.get(Job, job.id)
    if moved or text != current.message:
        change.put(msgspec.structs.replace(current, message=text, updated_at=node.clock()))
        await node.store.commit(change)


async def _last_readings(node: Node, job: Job) -> None:
    """Take what the runs left behind after the last look, bounded."""
    for order_id in job.orders:
        with anyio.move_on_after(10):
            await watch_readings(node, order_id, is_last=True)
