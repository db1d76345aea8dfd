"""Write-back: a value goes to a machine only where a point was permitted, every rule holds, and somebody watches.

asked → (confirmed by a second person) → checked again → sent once → read back → compared. Each step is a record before
it is an act, and an event with who and why; so is each refusal, with its rule and what would satisfy it. Nothing is
buffered: a command whose machine is not connected is refused, and one past its expiry is dropped. A command that was
being sent when the node stopped is told as unknown, never sent again.
"""

import math
from datetime import timedelta

import anyio
import msgspec
from msgspec.structs import replace

from interwork.connectors import Command, Writer
from interwork.core.blueprint import CommandState, Interlock, LinkState, WriteCommand, WritePoint
from interwork.core.errors import BadInput, Conflict, InterworkError, Refused, WrongState
from interwork.core.event import Tag
from interwork.core.ids import derived_id, new_id
from interwork.core.organisation import Role
from interwork.core.resource import Resource, Signal, is_good
from interwork.flows.links import Link
from interwork.flows.node import Node
from interwork.store import Change

READ_BACK_S = 10.0
"""Longest wait for the machine to show what was written."""
SWEEP_S = 1.0
SINGLE = 1e-6
"""Relative rounding of a value that a machine keeps in 32 bits."""
REASON_MAX = 500
EXPIRY_MAX_S = 86_400.0
SENT = (CommandState.VERIFIED, CommandState.DIFFERS, CommandState.FAILED, CommandState.SENDING)


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks or confirms: the id of an account or a program, and its role."""

    id: str
    role: Role | None


class PointDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a signal may be written."""

    low: float
    high: float
    max_change: float = 0.0
    min_interval_s: float = 1.0
    interlocks: tuple[Interlock, ...] = ()
    needs_second: bool = True
    expires_s: float = 60.0
    tolerance: float = 0.0
    roles: tuple[Role, ...] = (Role.OWNER, Role.ENGINEER)
    people: tuple[str, ...] = ()


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value somebody wants written."""

    value: float
    reason: str
    expires_s: float = 0.0
    """0 = the point's own."""


async def permit(node: Node, identifier: str, draft: PointDraft, *, actor: str) -> WritePoint:
    """Permit a signal to be written, under rules."""
    signal = await node.store.get(Signal, identifier)
    await _check_draft(node, signal, draft)
    point = WritePoint(
        id=derived_id("write-point", signal.id),
        signal=signal.id,
        resource=signal.resource,
        **{name: getattr(draft, name) for name in draft.__struct_fields__},
    )
    told = Change(actor).put(point).event(Tag.POINT_PERMITTED, signal.resource, signal=signal.name, rules=draft)
    await node.store.commit(told)
    return point


async def close(node: Node, identifier: str, *, actor: str) -> None:
    """Close a point: its signal is not written any more."""
    point = await node.store.get(WritePoint, derived_id("write-point", identifier))
    told = Change(actor).delete(WritePoint, point.id).event(Tag.POINT_CLOSED, point.resource, signal=identifier)
    await node.store.commit(told)


async def _check_draft(node: Node, signal: Signal, draft: PointDraft) -> None:
    if signal.is_text:
        raise BadInput(f"{signal.name} is a text; only numbers are written.", remedy="Permit a numeric signal.")
    numbers = (draft.low, draft.high, draft.max_change, draft.min_interval_s, draft.tolerance, draft.expires_s)
    if not all(math.isfinite(one) for one in numbers) or draft.low > draft.high or min(numbers[2:]) < 0:
        raise BadInput(
            f"{signal.name}: range {draft.low} to {draft.high}, change {draft.max_change}, interval "
            f"{draft.min_interval_s} s, expiry {draft.expires_s} s.",
            remedy="Give finite numbers, a range from low to high, and nothing below 0.",
        )
    if not 1 <= draft.expires_s <= EXPIRY_MAX_S or not draft.roles:
        raise BadInput(f"{signal.name}: expiry {draft.expires_s} s.", remedy="Give 1 s to a day, and a role.")
    for lock in draft.interlocks:
        other = await node.store.get(Signal, lock.signal)
        if not lock.is_text and lock.low is None and lock.high is None:
            raise BadInput(f"The interlock on {other.name} asks for nothing.", remedy="Give a text, or a range.")


async def ask(node: Node, identifier: str, asked: Ask, person: Person) -> WriteCommand:
    """Ask for a value to be written: sent at once, or kept for a second person; Refused names the rule."""
    signal = await node.store.get(Signal, identifier)
    if not asked.reason.strip() or len(asked.reason) > REASON_MAX:
        raise BadInput("A command needs a reason of 1 to 500 characters.", remedy="Say why, with --reason.")
    point = await node.store.peek(WritePoint, derived_id("write-point", identifier))
    life = asked.expires_s or (point.expires_s if point else 60.0)
    if not 0 < life <= EXPIRY_MAX_S:
        raise BadInput(f"expires_s is {asked.expires_s}.", remedy="Give 1 s to a day.")
    command = WriteCommand(
        id=new_id("command"),
        signal=signal.id,
        resource=signal.resource,
        value=asked.value if math.isfinite(asked.value) else 0.0,
        reason=asked.reason.strip(),
        asked_by=person.id,
        asked_at=node.clock(),
        expires_at=node.clock() + timedelta(seconds=life),
        state=CommandState.ASKED,
    )
    try:
        await _check(node, signal, point, asked.value, person)
    except Refused as fault:
        await _refuse(node, command, signal, fault, person)
        raise
    assert point is not None
    detail = {"signal": signal.name, "value": command.value, "reason": command.reason, "command": command.id}
    told = Change(person.id).put(command).event(Tag.WRITE_ASKED, signal.resource, **detail, second=point.needs_second)
    await node.store.commit(told)
    return command if point.needs_second else await _send(node, command, point, person)


async def confirm(node: Node, identifier: str, person: Person) -> WriteCommand:
    """Confirm what another person asked for, and send it."""
    command = await node.store.get(WriteCommand, identifier)
    if command.state is not CommandState.ASKED:
        raise WrongState(f"The command is {command.state.value}.", remedy="Ask for a new one.")
    if node.clock() >= command.expires_at:
        await _expire(node, command)
        raise Refused(
            "The command is past its expiry; it was not sent.",
            rule="a command is sent before its expiry or never",
            remedy="Ask for it again if it is still wanted.",
        )
    signal = await node.store.get(Signal, command.signal)
    point = await node.store.peek(WritePoint, derived_id("write-point", command.signal))
    if person.id == command.asked_by:
        fault = Refused(
            "Who asked for a command cannot confirm it.",
            rule="a second person confirms",
            remedy="Let a colleague who may write this point confirm it.",
        )
        await _note(node, command, Tag.WRITE_REFUSED, person.id, rule=fault.rule, remedy=fault.remedy)
        raise fault
    try:
        await _check(node, signal, point, command.value, person)
    except Refused as fault:
        await _refuse(node, command, signal, fault, person)
        raise
    assert point is not None
    confirmed = replace(command, confirmed_by=person.id)
    told = Change(person.id).put(confirmed, expect=command)
    told.event(Tag.WRITE_CONFIRMED, command.resource, command=command.id, value=command.value)
    await node.store.commit(told)
    return await _send(node, confirmed, point, person)


async def work(node: Node) -> None:
    """Drop what expires, for ever; what was being sent when the node last stopped is told as unknown."""
    for command in await node.store.find(WriteCommand, state=CommandState.SENDING, limit=1_000):
        await _end(node, command, CommandState.FAILED, "The node stopped while it was sent; look at the machine.")
    while True:
        for command in await node.store.find(WriteCommand, state=CommandState.ASKED, limit=1_000):
            if node.clock() >= command.expires_at:
                await _expire(node, command)
        await anyio.sleep(SWEEP_S)


async def _check(node: Node, signal: Signal, point: WritePoint | None, value: float, person: Person) -> None:
    """Hold a command against every rule of its point; Refused names the first that is broken."""
    if point is None:
        raise Refused(
            f"{signal.name} is not permitted to be written.",
            rule="a signal is read-only unless a point is permitted",
            remedy="Let the owner permit it, with its range and its interlocks.",
        )
    if person.role not in point.roles or (point.people and person.id not in point.people):
        raise Refused(
            f"{signal.name} may not be written by you.",
            rule=f"written by {', '.join(point.roles)}" + (" who are named" if point.people else ""),
            remedy="Ask somebody who may, or let the owner change the point.",
        )
    if not point.low <= value <= point.high:
        raise Refused(
            f"{value:g} is outside {point.low:g} to {point.high:g}{f' {signal.unit}' if signal.unit else ''}.",
            rule="the value lies in the point's range",
            remedy=f"Give {point.low:g} to {point.high:g}.",
        )
    _check_change(node, signal, point, value)
    await _check_interval(node, signal, point)
    for lock in point.interlocks:
        await _check_interlock(node, lock)


def _check_change(node: Node, signal: Signal, point: WritePoint, value: float) -> None:
    if not point.max_change:
        return
    present = node.live.value(signal.number)
    if present is None or not is_good(present.quality) or not math.isfinite(present.value):
        raise Refused(
            f"What {signal.name} says now is not known, so the change cannot be held against its bound.",
            rule="the change from the present value is bounded",
            remedy="Wait until the machine is read again.",
        )
    if abs(value - present.value) > point.max_change:
        raise Refused(
            f"From {present.value:g} to {value:g} is more than {point.max_change:g} in one command.",
            rule="the change from the present value is bounded",
            remedy=f"Go in steps of {point.max_change:g} or less.",
        )


async def _check_interval(node: Node, signal: Signal, point: WritePoint) -> None:
    last = await node.store.find(WriteCommand, signal=signal.id, state=list(SENT), limit=1, newest=True)
    since = (node.clock() - (last[0].ended_at or last[0].asked_at)).total_seconds() if last else math.inf
    if since < point.min_interval_s:
        raise Refused(
            f"{signal.name} was written {since:.1f} s ago.",
            rule=f"at least {point.min_interval_s:g} s lie between two commands",
            remedy=f"Wait {point.min_interval_s - since:.1f} s.",
        )


async def _check_interlock(node: Node, lock: Interlock) -> None:
    signal = await node.store.get(Signal, lock.signal)
    reading = node.live.value(signal.number)
    if reading is None or not is_good(reading.quality):
        raise Refused(
            f"What {signal.name} says is not known, and it is an interlock.",
            rule="an interlock is known to hold",
            remedy="Wait until its machine is read again.",
        )
    if lock.is_text and reading.text != lock.is_text:
        raise Refused(
            f"{signal.name} says {reading.text or reading.value!r}, not {lock.is_text}.",
            rule="the interlock holds",
            remedy=f"Bring {signal.name} to {lock.is_text} first.",
        )
    low = -math.inf if lock.low is None else lock.low
    high = math.inf if lock.high is None else lock.high
    if not lock.is_text and not low <= reading.value <= high:
        raise Refused(
            f"{signal.name} is {reading.value:g}, not within {low:g} to {high:g}.",
            rule="the interlock holds",
            remedy=f"Bring {signal.name} into its range first.",
        )


async def _send(node: Node, command: WriteCommand, point: WritePoint, person: Person) -> WriteCommand:
    """Send a command once, within its life, and read it back."""
    signal = await node.store.get(Signal, command.signal)
    link = node.links.by_resource.get(command.resource)
    writer = None if link is None or link.state is not LinkState.CONNECTED else link.connector
    if link is None or writer is None:
        name = (await node.store.get(Resource, command.resource)).name
        fault = Refused(
            f"{name} is not connected; a command is never kept for later.",
            rule="a command is sent at once or not at all",
            remedy="Ask again when the machine is connected.",
        )
        await _refuse(node, command, signal, fault, person)
        raise fault
    if not hasattr(writer, "write"):
        fault = Refused(
            f"{link.name} is read over a protocol that takes no values.",
            rule="the protocol can write",
            remedy="Connect the machine by OPC UA, Modbus, Sparkplug or S7.",
        )
        await _refuse(node, command, signal, fault, person)
        raise fault
    async with link.writing:
        await _check_interval(node, signal, point)
        sending = replace(command, state=CommandState.SENDING)
        told = Change(person.id).put(sending, expect=command)
        await node.store.commit(told.event(Tag.WRITE_SENT, command.resource, command=command.id, value=command.value))
        return await _write(node, link, writer, sending, signal=signal, point=point)  # type: ignore[arg-type]  # it has `write`


async def _write(
    node: Node, link: Link, writer: Writer, command: WriteCommand, *, signal: Signal, point: WritePoint
) -> WriteCommand:
    left = (command.expires_at - node.clock()).total_seconds()
    try:
        with anyio.fail_after(max(0.0, left)):
            codes = await writer.write([Command(address=signal.address, value=command.value)])
    except TimeoutError:
        return await _end(
            node, command, CommandState.FAILED, "It was not answered before its expiry; look at the machine."
        )
    except InterworkError as fault:
        return await _end(node, command, CommandState.FAILED, f"It is not known whether it arrived: {fault}")
    if not codes or not is_good(codes[0]):
        code = codes[0] if codes else 0
        return await _end(node, command, CommandState.FAILED, f"{link.name} refused it with status {code:#010x}.")
    seen = await _read_back(node, signal, command.value, point.tolerance)
    if seen is not None and _is_equal(seen, command.value, point.tolerance):
        return await _end(node, command, CommandState.VERIFIED, "Read back and equal.", seen)
    said = "Nothing was read back." if seen is None else f"{seen:g} was read back."
    return await _end(node, command, CommandState.DIFFERS, said, seen)


async def _read_back(node: Node, signal: Signal, value: float, tolerance: float) -> float | None:
    """Wait until the machine shows the value; give what it shows last."""
    seen: float | None = None
    with anyio.move_on_after(READ_BACK_S):
        async with node.live.subscribe([signal.number]) as changes:
            while True:
                await changes.receive()
                reading = node.live.value(signal.number)
                if reading is not None and is_good(reading.quality) and math.isfinite(reading.value):
                    seen = reading.value
                    if _is_equal(seen, value, tolerance):
                        return seen
    return seen


def _is_equal(seen: float, value: float, tolerance: float) -> bool:
    """Compare as far as the point says, and never finer than a 32-bit number can hold."""
    return abs(seen - value) <= max(tolerance, SINGLE * abs(value))


async def _refuse(node: Node, command: WriteCommand, signal: Signal, fault: Refused, person: Person) -> None:
    ended = replace(command, state=CommandState.REFUSED, said=str(fault), ended_at=node.clock())
    detail = {"signal": signal.name, "value": command.value, "command": command.id}
    told = Change(person.id).put(ended)
    told.event(Tag.WRITE_REFUSED, command.resource, **detail, said=fault.message, rule=fault.rule, remedy=fault.remedy)
    await node.store.commit(told)


async def _expire(node: Node, command: WriteCommand) -> None:
    ended = replace(command, state=CommandState.EXPIRED, ended_at=node.clock(), said="Nobody confirmed it in time.")
    told = Change().put(ended, expect=command)
    try:
        await node.store.commit(told.event(Tag.WRITE_EXPIRED, command.resource, command=command.id))
    except Conflict:
        return  # somebody confirmed it in this very moment, or it was dropped already


async def _end(
    node: Node, command: WriteCommand, state: CommandState, said: str, seen: float | None = None
) -> WriteCommand:
    ended = replace(command, state=state, said=said, read_back=seen, ended_at=node.clock())
    tag = Tag.WRITE_VERIFIED if state is CommandState.VERIFIED else Tag.WRITE_FAILED
    told = Change(command.confirmed_by or command.asked_by).put(ended)
    await node.store.commit(told.event(tag, command.resource, command=command.id, said=said, read_back=seen))
    return ended


async def _note(node: Node, command: WriteCommand, tag: Tag, actor: str, **detail: str) -> None:
    await node.store.commit(Change(actor).event(tag, command.resource, command=command.id, **detail))
