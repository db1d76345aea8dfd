"""Looking at a device before it is connected: what it has, what that seems to mean, and what it says, in bounded time.

A proposal is for a person to edit and confirm. Rate, bytes and noise are measured while its signals are read for some
seconds; a deadband is offered from the noise, and taken only where somebody says so.
"""

import math
from collections.abc import Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Any, NamedTuple

import anyio
import msgspec
import numpy as np
from anyio.to_thread import run_sync

from interwork.connectors import Connector, Found, Point, open_connector
from interwork.core.clock import to_us
from interwork.core.errors import BadInput, InterworkError, MachineUnreachable
from interwork.core.ids import derived_id
from interwork.core.resource import Batch, BatchBuilder, Meaning, Resource, Signal
from interwork.flows.ingest import wire
from interwork.flows.node import Node
from interwork.stream import Shaper, columns_of
from interwork.stream.columns import GOOD_BELOW

BROWSE_S = 30.0
WATCH_S, WATCH_MAX_S = 3.0, 120.0
"""How long a device's signals are read for a proposal, seconds."""
INBOX = "inbox"
"""The folder of a node that file:// machines may always be read from."""
SIGNALS_MAX = 5_000
HELD_MAX = 200_000
LONGEST_S = 60.0
"""A signal that does not change is kept so often all the same, where its device sends it."""
NOISE_MIN = 8
"""Changes a noise estimate needs at least."""
NOISE_BAND = 3.0
"""A deadband is offered at so many standard deviations of the noise."""
TOTALS = frozenset({Meaning.PART_COUNT, Meaning.ENERGY, Meaning.WATER})


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """One signal as it would be connected, for a person to edit and confirm."""

    address: str
    name: str
    unit: str
    meaning: Meaning
    is_text: bool
    sample: str = ""
    """What it said; empty where it said nothing in the time."""
    changes_per_s: float = 0.0
    kept_per_s: float = 0.0
    """What of that is kept with the deadband it has."""
    offered_kept_per_s: float = 0.0
    """What of that would be kept with the deadband offered."""
    noise: float | None = None
    """Standard deviation of its noise, from the differences of neighbouring values; None = too few to tell."""
    offered_deadband: float | None = None
    """An offer, never taken unless somebody says so."""
    is_known: bool = False
    """True where it is connected already."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What a device would be connected as."""

    endpoint: str
    signals: tuple[Proposed, ...]
    watched_s: float
    samples_per_s: float
    """Measured; 0 where nothing came in the time."""
    bytes_per_s: float
    """Received on its sockets, as the kernel counts; 0 where that cannot be told."""
    fault: str = ""
    """Why its signals could not be read, where they could not."""
    nameplate: dict[str, str] = {}
    """What the device says of itself, in the words of the nameplate submodel."""
    remarks: tuple[str, ...] = ()
    """What a person should know of the link: its security, its limits."""


class Looked(NamedTuple):
    """What a device was found to be."""

    found: list[Found]
    nameplate: dict[str, str]
    remarks: tuple[str, ...]


def options_of(node: Node, resource: Resource) -> dict[str, Any]:
    """Give the options to open a resource's connector with: secrets in place of their references."""
    return resolved(node, resource.endpoint, resource.options)


def resolved(node: Node, endpoint: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Put secrets, and what is the node's own word (its OPC UA certificates, the folders it reads files from), in."""
    made = node.secrets.resolve(options)
    if endpoint.startswith("file://"):
        made["folders"] = [str(node.folder / INBOX), *node.settings.file_folders]
    if endpoint.startswith("opc.tcp://"):
        made.setdefault("pki", str(node.folder / "keys" / "opcua"))
    return made


async def probe(endpoint: str, options: dict[str, Any]) -> list[Found]:
    """Ask a device what it has, in bounded time."""
    return (await look_at(endpoint, options)).found


async def look_at(endpoint: str, options: dict[str, Any]) -> Looked:
    """Ask a device what it has and who it is, in bounded time."""
    try:
        with anyio.fail_after(BROWSE_S):
            async with open_connector(endpoint, options) as connector:
                found = await connector.browse()
                plate = await _plate(connector)
                remarks = tuple(getattr(connector, "remarks", ()))
    except TimeoutError as fault:
        raise MachineUnreachable(
            f"{endpoint} did not describe itself within {BROWSE_S:.0f} s.", remedy="Check that it runs and answers."
        ) from fault
    return Looked(_few_enough(endpoint, found), plate, remarks)


async def _plate(connector: Connector) -> dict[str, str]:
    """Read the nameplate where there is one; a device that does not say who it is may be connected all the same."""
    ask = getattr(connector, "nameplate", None)
    if ask is None:
        return {}
    try:
        return dict(await ask())
    except InterworkError:
        return {}


def _few_enough(endpoint: str, found: list[Found]) -> list[Found]:
    if len(found) > SIGNALS_MAX:
        raise BadInput(
            f"{endpoint} has {len(found)} signals; {SIGNALS_MAX} are taken at the most.",
            remedy="Name the part you want with the option `root`.",
        )
    return found


async def propose(
    node: Node, name: str, endpoint: str, options: Mapping[str, Any], *, watch_s: float = WATCH_S
) -> Proposal:
    """Look at a device and read it for some seconds; a device that can be described but not read says why."""
    if not 0 <= watch_s <= WATCH_MAX_S:
        raise BadInput(f"watch_s is {watch_s}.", remedy=f"Give 0 to {WATCH_MAX_S:.0f} seconds.")
    if not endpoint:
        return Proposal(endpoint="", signals=(), watched_s=0.0, samples_per_s=0.0, bytes_per_s=0.0)
    opened = resolved(node, endpoint, options)
    looked = await look_at(endpoint, opened)
    found = looked.found
    heard = _Heard()
    fault = ""
    began = anyio.current_time()
    if found and watch_s:
        try:
            await _listen(endpoint, opened, found, heard, watch_s)
        except InterworkError as said:
            fault = str(said)
    watched = anyio.current_time() - began
    resource = derived_id("resource", node.did, name)
    known = {one.address: one for one in await node.store.find(Signal, resource=resource, limit=SIGNALS_MAX)}
    signals = [
        await _proposed(node, one, heard, number, known.get(one.address)) for number, one in enumerate(found, start=1)
    ]
    span = heard.span_s
    return Proposal(
        endpoint=endpoint,
        signals=tuple(signals),
        watched_s=round(watched, 1),
        samples_per_s=heard.samples / span if span else 0.0,
        bytes_per_s=heard.bytes / span if span else 0.0,
        fault=fault,
        nameplate=looked.nameplate,
        remarks=tuple(dict.fromkeys((*looked.remarks, *heard.remarks))),
    )


class _Heard:
    """What was read while looking; the first values, which a server sends all at once, are not part of the rate."""

    def __init__(self) -> None:
        self.values: dict[int, list[float]] = {}
        self.texts: dict[int, str] = {}
        self.text_changes: dict[int, int] = {}
        self.changes: dict[int, int] = {}
        self.samples = 0
        self.bytes = 0
        self.held = 0
        self.span_s = 0.0
        self.remarks: tuple[str, ...] = ()
        """What the link said of itself when it had been read."""

    def take(self, batch: Batch, *, is_first: bool) -> None:
        """Take a batch in, as long as there is room."""
        columns = columns_of(batch)
        self.samples += 0 if is_first else len(batch)
        for row, number in enumerate(columns.signal.tolist()):
            if self.held >= HELD_MAX:
                return
            text = columns.text[row] if columns.text else None
            if text is not None:
                if not is_first and self.texts.get(number, text) != text:
                    self.text_changes[number] = self.text_changes.get(number, 0) + 1
                self.texts[number] = text
            elif int(columns.quality[row]) < GOOD_BELOW and math.isfinite(columns.value[row]):
                self.values.setdefault(number, []).append(float(columns.value[row]))
                self.held += 1
            self.changes[number] = self.changes.get(number, 0) + (0 if is_first else 1)


async def _listen(endpoint: str, options: dict[str, Any], found: list[Found], heard: _Heard, watch_s: float) -> None:
    points = [Point(number=at, address=one.address, is_text=one.is_text) for at, one in enumerate(found, start=1)]
    target = wire.target_of(endpoint)
    with anyio.move_on_after(watch_s + BROWSE_S):
        async with (
            open_connector(endpoint, options) as connector,
            aclosing(connector.readings(points)) as batches,
        ):
            began: float | None = None
            bytes_before = 0
            deadline = anyio.current_time() + watch_s
            with anyio.move_on_at(deadline) as watching:
                async for batch in batches:
                    settled = anyio.current_time() - (deadline - watch_s) > min(1.0, watch_s / 3)
                    if began is None and settled:
                        began, bytes_before = anyio.current_time(), await _bytes_of(target)
                        watching.deadline = began + watch_s
                        heard.take(batch, is_first=True)
                        continue
                    heard.take(batch, is_first=began is None)
            heard.remarks = tuple(getattr(connector, "remarks", ()))
            if began is not None:
                heard.span_s = anyio.current_time() - began
                heard.bytes = max(0, await _bytes_of(target) - bytes_before)


async def _bytes_of(target: tuple[str, int] | None) -> int:
    if target is None:
        return 0
    known = await run_sync(wire.addresses, target[0])
    totals = await run_sync(wire.received, {target[1]})
    return sum(count for (host, port), count in totals.items() if port == target[1] and host in known)


async def _proposed(node: Node, found: Found, heard: _Heard, number: int, known: Signal | None) -> Proposed:
    values = heard.values.get(number, [])
    history = await _history(node, known) if known is not None else []
    noise = None if found.is_text or found.meaning in TOTALS else noise_of(history if len(history) > 30 else values)
    offered = None if not noise else float(f"{NOISE_BAND * noise:.2g}")
    rate = heard.changes.get(number, 0) / heard.span_s if heard.span_s else 0.0
    band = known.deadband if known else 0.0
    least = min(rate, 1 / LONGEST_S)
    texts = heard.text_changes.get(number, 0) / heard.span_s if heard.span_s else 0.0
    return Proposed(
        address=found.address,
        name=known.name if known else found.name,
        unit=known.unit if known else found.unit,
        meaning=known.meaning if known else found.meaning,
        is_text=found.is_text,
        sample=heard.texts.get(number) or (f"{values[-1]:.6g}" if values else ""),
        changes_per_s=round(rate, 4),
        kept_per_s=round(max(rate * kept_share(values, band) + texts, least), 4),
        offered_kept_per_s=round(max(rate * kept_share(values, offered or band) + texts, least), 4),
        noise=noise,
        offered_deadband=offered,
        is_known=known is not None,
    )


def kept_share(values: list[float], deadband: float) -> float:
    """Tell the share of neighbouring values that a deadband keeps, the first left out; 0 where there are none."""
    if len(values) < 2:
        return 0.0
    builder = BatchBuilder()
    for step, value in enumerate(values):
        builder.add(0, step, value)
    return (len(Shaper({0: deadband}).shape(builder.take())) - 1) / (len(values) - 1)


async def _history(node: Node, known: Signal) -> list[float]:
    end = to_us(node.clock())
    start = to_us(node.clock() - timedelta(hours=1))
    found = columns_of(await node.historian.readings([known.number], start, end, limit=2_000))
    return [float(value) for value in found.value[(found.quality < GOOD_BELOW) & np.isfinite(found.value)]]


def noise_of(values: list[float]) -> float | None:
    """Estimate the standard deviation of the noise on a signal, robust against steps and slow drift; None = too few.

    The median absolute difference of neighbours over 0.6745 times the root of 2, for values that did change.
    """
    series = np.asarray(values, np.float64)
    steps = np.diff(series)
    if len(steps) < NOISE_MIN:
        return None
    return float(np.median(np.abs(steps)) / (0.6745 * math.sqrt(2.0)))
