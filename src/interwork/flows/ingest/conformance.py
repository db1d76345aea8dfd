"""Conformance: what a node expects of any device, tried at a real one, reported check by check, and signed.

Only reading is tried. A check that cannot be made says so and why; nothing that was not tried is called passed. The
certificate is the report, its digest, and a JWS over the digest by the node's own key: whoever has the node's DID
document checks it without asking the node.
"""

import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import anyio
import msgspec
from anyio.abc import SocketAttribute, SocketStream

from interwork.connectors import Found, Point, open_connector
from interwork.core.clock import to_us
from interwork.core.errors import BadInput, InterworkError, PeerError
from interwork.core.event import Tag
from interwork.core.ids import digest_of
from interwork.core.resource import Batch, Meaning, is_good
from interwork.core.units import known_units
from interwork.flows.ingest import wire
from interwork.flows.ingest.probing import BROWSE_S, probe, resolved
from interwork.flows.node import Node
from interwork.store import Change
from interwork.stream import columns_of

WATCH_S, WATCH_MAX_S = 5.0, 300.0
FIRST_S = 20.0
"""Longest wait for a first value, and for a cut to be noticed, seconds."""
SETTLE_S = 1.0
"""What a device sends in the first second is what it has, not what changes."""
AHEAD_S, BEHIND_S = 5.0, 60.0
MISSING = "interwork-no-such-point"
NAMED = 5
"""Signals named in a message at the most."""


class Verdict(StrEnum):
    """What came of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_TESTED = "not-tested"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One expectation, and how the device met it."""

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found at one device."""

    endpoint: str
    protocol: str
    checked_at: datetime
    issuer: str
    """The DID of the node that checked."""
    issuer_name: str
    signals: int
    samples_per_s: float
    watched_s: float
    checks: tuple[Check, ...]
    is_conformant: bool
    """True where nothing failed."""


class Certificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signed report."""

    report: Report
    digest: str
    """SHA-256 over the report as canonical JSON (sorted keys, no spaces)."""
    jws: str
    """Detached JWS over the digest by the issuer's key."""


class _Watched(msgspec.Struct, kw_only=True):
    """What reading a device for some seconds showed."""

    samples: int = 0
    rate: float = 0.0
    span_s: float = 0.0
    heard: set[int] = set()
    ahead_s: float = -math.inf
    behind_s: float = -math.inf
    backwards: int = 0


async def check(
    node: Node, endpoint: str, options: Mapping[str, Any], *, watch_s: float = WATCH_S, actor: str = "node"
) -> Certificate:
    """Try a device against what a node expects, and sign what was found; the device is only read."""
    if not 1 <= watch_s <= WATCH_MAX_S:
        raise BadInput(f"watch_s is {watch_s}.", remedy=f"Give 1 to {WATCH_MAX_S:.0f} seconds.")
    opened = resolved(node, endpoint, options)
    checks: list[Check] = []
    found, watched = await _describe(endpoint, opened, checks), _Watched()
    if found:
        watched = await _watch(node, endpoint, opened, found, checks=checks, watch_s=watch_s)
        checks.append(await _bad_point(endpoint, opened, found))
        checks.append(await _cut(endpoint, opened, found))
    else:
        skipped = ("values", "times", "rate", "bad point", "reconnect")
        checks += [_skipped(name, "The device could not be read.") for name in skipped]
    checks.append(_skipped("write", "A check never writes to a device."))
    report = Report(
        endpoint=endpoint,
        protocol=urlsplit(endpoint).scheme,
        checked_at=node.clock(),
        issuer=node.did,
        issuer_name=node.settings.name,
        signals=len(found),
        samples_per_s=round(watched.rate, 3),
        watched_s=round(watched.span_s, 1),
        checks=tuple(checks),
        is_conformant=all(one.verdict is not Verdict.FAILED for one in checks),
    )
    digest = _digest(report)
    detail = {"endpoint": endpoint, "digest": digest, "is_conformant": report.is_conformant}
    await node.store.commit(Change(actor).event(Tag.BLUEPRINT_CHECKED, node.did, **detail))
    return Certificate(report=report, digest=digest, jws=node.identity.sign(digest))


async def verify(node: Node, certificate: Certificate) -> Report:
    """Check a certificate's digest and signature; PeerError says which does not hold."""
    if _digest(certificate.report) != certificate.digest:
        raise PeerError("The report is not the one that was signed: its digest differs.")
    await node.federation.verify(certificate.report.issuer, certificate.digest, certificate.jws)
    return certificate.report


def _digest(report: Report) -> str:
    return digest_of(msgspec.json.encode(report, order="sorted"))


def _passed(name: str, found: str) -> Check:
    return Check(name=name, verdict=Verdict.PASSED, found=found)


def _failed(name: str, found: str, remedy: str) -> Check:
    return Check(name=name, verdict=Verdict.FAILED, found=found, remedy=remedy)


def _skipped(name: str, why: str) -> Check:
    return Check(name=name, verdict=Verdict.NOT_TESTED, found=why)


def _judged(name: str, is_met: bool, found: str, remedy: str) -> Check:
    return _passed(name, found) if is_met else _failed(name, found, remedy)


async def _describe(endpoint: str, options: dict[str, Any], checks: list[Check]) -> list[Found]:
    """Check that it answers, describes itself, and says what its signals mean."""
    began = anyio.current_time()
    try:
        found = await probe(endpoint, options)
    except InterworkError as fault:
        checks.append(_failed("answers", fault.message, fault.remedy))
        rest = ("describes itself", "units", "meanings")
        checks += [_skipped(name, "The device did not answer.") for name in rest]
        return []
    took = anyio.current_time() - began
    checks.append(_passed("answers", f"Answered and was browsed in {took:.1f} s."))
    checks.append(
        _judged("describes itself", bool(found), f"{len(found)} signals.", "Show signals where a client browses.")
    )
    numbers = [one for one in found if not one.is_text]
    unknown = [one.name for one in numbers if one.unit not in known_units() and not _is_plain_count(one)]
    share = f"{len(numbers) - len(unknown)} of {len(numbers)} numbers have a unit of UCUM"
    checks.append(
        _judged(
            "units",
            not unknown,
            share + (f"; without: {', '.join(unknown[:NAMED])}." if unknown else "."),
            "Give EngineeringUnits, a units attribute, or a unit in the register map; `1` for plain counts.",
        )
        if found
        else _skipped("units", "There are no signals.")
    )
    known = {one.meaning for one in found}
    wanted = {Meaning.EXECUTION, Meaning.PART_COUNT}
    energy = known & {Meaning.POWER, Meaning.ENERGY}
    missing = [one.value for one in wanted - known] + ([] if energy else ["power or energy"])
    checks.append(
        _judged(
            "meanings",
            not missing,
            f"Recognised: {', '.join(sorted(known - {Meaning.OTHER})) or 'none'}."
            + (f" Missing: {', '.join(sorted(missing))}." if missing else ""),
            "Name signals as their standard does, or say the meanings in a mapping.",
        )
        if found
        else _skipped("meanings", "There are no signals.")
    )
    return found


def _is_plain_count(found: Found) -> bool:
    return found.meaning is Meaning.PART_COUNT and not found.unit


def _points(found: list[Found]) -> list[Point]:
    return [Point(number=at, address=one.address, is_text=one.is_text) for at, one in enumerate(found, start=1)]


async def _watch(
    node: Node, endpoint: str, options: dict[str, Any], found: list[Found], *, checks: list[Check], watch_s: float
) -> _Watched:
    watched = _Watched()
    try:
        await _read_for(node, endpoint, options, found, watch_s=watch_s, watched=watched)
    except InterworkError as fault:
        checks.append(_failed("values", fault.message, fault.remedy))
    silent = [one.name for at, one in enumerate(found, start=1) if at not in watched.heard]
    said = f"{len(watched.heard)} of {len(found)} signals said something"
    if not any(one.name == "values" for one in checks):
        checks.append(
            _judged(
                "values",
                not silent,
                said + (f"; silent: {', '.join(silent[:NAMED])}." if silent else ", all at once in one session."),
                "Send the present value of every signal when a client subscribes, within the limits you announce.",
            )
        )
    checks.append(_times(watched))
    left = node.settings.limits.samples_per_s
    checks.append(
        _judged(
            "rate",
            watched.rate <= left,
            f"{watched.rate:.1f} samples/s over {watched.span_s:.1f} s; this node admits {left:g}.",
            "Sample it more slowly, or raise limits.samples_per_s.",
        )
        if watched.span_s
        else _skipped("rate", "It could not be read long enough.")
    )
    return watched


def _times(watched: _Watched) -> Check:
    if not watched.samples:
        return _skipped("times", "Nothing was read.")
    faults = []
    if watched.ahead_s > AHEAD_S:
        faults.append(f"{watched.ahead_s:.1f} s ahead of this node's clock")
    if watched.behind_s > BEHIND_S:
        faults.append(f"{watched.behind_s:.0f} s behind when they came")
    if watched.backwards:
        faults.append(f"{watched.backwards} went back in time")
    found = f"Source times: {'; '.join(faults)}." if faults else f"Source times of {watched.samples} readings are sane."
    return _judged("times", not faults, found, "Set the device's clock (NTP), and stamp each change when it happens.")


async def _read_for(
    node: Node, endpoint: str, options: dict[str, Any], found: list[Found], *, watch_s: float, watched: _Watched
) -> None:
    newest: dict[int, int] = {}
    late = 0
    began: float | None = None
    with anyio.move_on_after(BROWSE_S + watch_s):
        async with open_connector(endpoint, options) as link, aclosing(link.readings(_points(found))) as batches:
            with anyio.move_on_after(FIRST_S) as scope:
                async for batch in batches:
                    if began is None:
                        began = anyio.current_time()
                        scope.deadline = began + SETTLE_S + watch_s
                    watched.span_s = max(0.0, anyio.current_time() - began - SETTLE_S)
                    late += len(batch) if watched.span_s else 0
                    _note(watched, batch, newest, to_us(node.clock()))
            if began is not None:
                watched.span_s = max(0.0, anyio.current_time() - began - SETTLE_S)
    watched.rate = late / watched.span_s if watched.span_s else 0.0


def _note(watched: _Watched, batch: Batch, newest: dict[int, int], now_us: int) -> None:
    columns = columns_of(batch)
    watched.samples += len(batch)
    for number, time_us in zip(columns.signal.tolist(), columns.time_us.tolist(), strict=True):
        watched.backwards += newest.get(number, time_us) > time_us
        newest[number] = time_us
        watched.heard.add(number)
        watched.ahead_s = max(watched.ahead_s, (time_us - now_us) / 1e6)
        if watched.span_s:  # a first value may be as old as its last change
            watched.behind_s = max(watched.behind_s, (now_us - time_us) / 1e6)


async def _bad_point(endpoint: str, options: dict[str, Any], found: list[Found]) -> Check:
    """Read everything and one point that is not there: the others must go on."""
    name = "bad point"
    points = [*_points(found), Point(number=len(found) + 1, address=_missing(endpoint, found), is_text=False)]
    heard: set[int] = set()
    said: int | None = None
    try:
        with anyio.move_on_after(FIRST_S):
            async with open_connector(endpoint, options) as connector, aclosing(connector.readings(points)) as batches:
                async for batch in batches:
                    columns = columns_of(batch)
                    heard |= set(columns.signal.tolist())
                    here = (columns.signal == len(found) + 1).nonzero()[0]
                    said = int(columns.quality[here[-1]]) if len(here) else said
                    if said is not None and len(heard) > 1:
                        break
    except InterworkError as fault:
        return _failed(name, f"One missing point ended the reading: {fault.message}", "Answer each item by itself.")
    others = len(heard - {len(found) + 1})
    if said is None:
        return _skipped(name, f"{others} signals were read on; the protocol tells nothing of a point that is missing.")
    is_met = others > 0 and not is_good(said)
    told = f"A point that is missing was told with status {said:#010x}; {others} others were read."
    return _judged(name, is_met, told, "Answer each item by itself, with a status of its own.")


def _missing(endpoint: str, found: list[Found]) -> str:
    """Make an address like the device's own that it does not have."""
    if endpoint.startswith("opc.tcp"):
        head = found[0].address.partition(";")[0] if ";" in found[0].address else "ns=1"
        return f"{head};s={MISSING}"
    return MISSING


async def _cut(endpoint: str, options: dict[str, Any], found: list[Found]) -> Check:
    """Cut the link on the way to the device and see that it is noticed, and that the device can be read again."""
    name = "reconnect"
    target = wire.target_of(endpoint)
    if target is None:
        return _skipped(name, "The endpoint is no host and port, so the link cannot be cut.")
    async with _relay(*target) as (port, cut):
        parts = urlsplit(endpoint)
        through = parts._replace(netloc=f"127.0.0.1:{port}").geturl()
        if not await _first_value(through, options, found):
            return _skipped(name, "The device does not answer under another address, so the link cannot be cut.")
        began = anyio.current_time()
        noticed = False
        try:
            with anyio.move_on_after(FIRST_S):
                async with open_connector(through, options) as link, aclosing(link.readings(_points(found))) as batches:
                    async for _ in batches:
                        noticed = bool(getattr(link, "counters", {}).get("reopened"))  # met anew without being given up
                        if noticed:
                            break
                        await cut()
        except InterworkError:
            noticed = True
        took = anyio.current_time() - began
        if not noticed:
            return _failed(name, f"A cut link was not noticed within {FIRST_S:.0f} s.", "Close dropped connections.")
        if not await _first_value(endpoint, options, found):
            return _failed(name, "After a cut it was not read again.", "Free sessions whose link is gone.")
        return _passed(name, f"A cut link was noticed within {took:.1f} s and the device was read again.")


async def _first_value(endpoint: str, options: dict[str, Any], found: list[Found]) -> bool:
    with suppress(InterworkError), anyio.move_on_after(FIRST_S):
        async with open_connector(endpoint, options) as link, aclosing(link.readings(_points(found))) as batches:
            async for batch in batches:
                if len(batch):
                    return True
    return False


@asynccontextmanager
async def _relay(host: str, port: int) -> AsyncGenerator[tuple[int, Any], None]:
    """Carry TCP connections to a device through this machine, until they are cut."""
    open_streams: list[SocketStream] = []

    async def cut() -> None:
        for stream in open_streams:
            await stream.aclose()
        open_streams.clear()

    async def pump(source: SocketStream, sink: SocketStream) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                await sink.send(await source.receive())
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            await sink.aclose()

    async def carry(client: SocketStream) -> None:
        try:
            device = await anyio.connect_tcp(host, port)
        except OSError:
            await client.aclose()
            return
        open_streams.extend((client, device))
        async with client, device, anyio.create_task_group() as both:
            both.start_soon(pump, client, device)
            both.start_soon(pump, device, client)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, carry)
        yield int(listener.extra_attributes[SocketAttribute.local_port]()), cut
        await cut()
        tasks.cancel_scope.cancel()
