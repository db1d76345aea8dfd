"""Machines: what is connected, what each signal says now and has said, and what the machine may be asked for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.clock import now, to_us
from interwork.core.errors import BadInput, Refused
from interwork.core.event import Event, Tag
from interwork.core.exchange import Dataset
from interwork.core.ids import new_id
from interwork.core.making import Inspection, Measurement, Order, Run
from interwork.core.resource import Blueprint, Meaning, Resource, ResourceKind, Signal
from interwork.flows import ingest, look
from interwork.flows.fulfil import perform
from interwork.flows.ingest import MachineStatus
from interwork.flows.node import Node
from interwork.web.access import MAY, node_of, require
from interwork.web.live import Sample, sample_of
from interwork.web.pages.telling import Told, tell
from interwork.web.render import render, sparkline, tongue_of
from interwork.web.words import Tongue

KINDS = (ResourceKind.MACHINE, ResourceKind.INSTRUMENT)
MINUTES = (5, 15, 60, 480)
POINTS = 300
# fmt: off
CHARTED = (
    Meaning.SPINDLE_LOAD, Meaning.POWER, Meaning.SPINDLE_SPEED, Meaning.FEED_RATE, Meaning.TEMPERATURE,
    Meaning.COOLANT_LEVEL, Meaning.TOOL_WEAR, Meaning.PART_COUNT, Meaning.ENERGY, Meaning.WATER,
)
# fmt: on
"""Which numbers get a chart, the most telling first."""
CHARTS_MAX = 6
LISTED_MAX, RUNS_MAX, SPARKS_MAX = 200, 20, 24
EVENTS_READ, HISTORY_MAX = 200, 20
LINKED = frozenset(
    {
        Tag.MACHINE_CONNECTED, Tag.MACHINE_LOST, Tag.MACHINE_FAILED, Tag.MACHINE_SILENT, Tag.MACHINE_SWITCHED,
        Tag.READINGS_LOST, Tag.BLUEPRINT_STEPPED,
    }
)  # fmt: skip
"""What is told of a connection."""
SILENT_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRow:
    """One machine in a list."""

    resource: Resource
    protocol: str
    execution: str
    seen: datetime | None
    facts: tuple[Sample, ...]
    spark: str = ""
    agreement: str = ""
    """The agreement another organisation's readings come under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineView:
    """One machine with everything known of it."""

    row: MachineRow
    samples: tuple[Sample, ...]
    charts: tuple[Sample, ...]
    blueprint: Blueprint | None
    runs: tuple[Run, ...]
    designs: frozenset[str]
    """Orders of these runs whose design is here."""
    datasets: tuple[Dataset, ...]
    minutes: int
    state: int
    """The number of the execution signal; 0 where there is none."""
    refused: str
    """Why its readings may not be seen."""
    link: MachineStatus | None
    """How its connection stands; None where it has none here."""
    nameplate: dict[str, str]
    history: tuple[Told, ...]
    """What happened to the connection, the newest first."""


def _row(resource: Resource, samples: Sequence[Sample], spark: str = "") -> MachineRow:
    wanted = (Meaning.SPINDLE_LOAD, Meaning.POWER, Meaning.PART_COUNT)
    seen = max((one.at for one in samples if one.at), default=None)
    return MachineRow(
        resource=resource,
        protocol=urlsplit(resource.endpoint).scheme,
        execution=_execution(resource, samples, seen),
        seen=seen,
        facts=tuple(one for meaning in wanted for one in samples if one.signal.meaning is meaning)[:3],
        spark=spark,
        agreement=resource.options.get("agreement", ""),
    )


def _execution(resource: Resource, samples: Sequence[Sample], seen: datetime | None) -> str:
    """Tell how a machine stands, in the words of core.

    One of ours that nothing is heard from has no connection; another organisation's speaks only while it works for us.
    """
    if resource.options.get("agreement") and (seen is None or now() - seen > SILENT_AFTER):
        return "silent"
    if not resource.endpoint and not samples:
        return "unconnected"
    state = next((one for one in samples if one.signal.meaning is Meaning.EXECUTION), None)
    if state is None:
        return "ready" if any(one.is_usable for one in samples) else "unavailable"
    return state.text.lower() if state.text and state.quality == "good" else "unavailable"


async def machine_rows(node: Node, *, limit: int = LISTED_MAX, with_sparks: bool = False) -> list[MachineRow]:
    """List the machines as they stand now, this node's own first."""
    resources = await node.store.find(Resource, kind=KINDS, limit=limit)
    resources.sort(key=lambda one: (one.owner != node.settings.organisation, one.name.lower()))
    signals: dict[str, list[Signal]] = {}
    if resources:
        for signal in await node.store.find(Signal, resource=[one.id for one in resources], limit=10_000):
            signals.setdefault(signal.resource, []).append(signal)
    rows: list[MachineRow] = []
    for resource in resources:
        refused = await _refused(node, resource)
        samples = [] if refused else [sample_of(node.live, signal) for signal in signals.get(resource.id, [])]
        spark = await _spark(node, samples) if with_sparks and len(rows) < SPARKS_MAX else ""
        rows.append(_row(resource, samples, spark))
    return rows


async def _refused(node: Node, resource: Resource) -> str:
    try:
        await look.may_look(node, resource)
    except Refused as fault:
        return str(fault)
    return ""


async def _spark(node: Node, samples: Sequence[Sample]) -> str:
    power = next((one.signal for one in samples if one.signal.meaning is Meaning.POWER), None)
    if power is None:
        return ""
    end = now()
    trend = await node.historian.trend(power.number, to_us(end - timedelta(minutes=15)), to_us(end), points=60)
    return sparkline(trend.mean)


async def index(request: Request) -> Response:
    """Show every machine of this node."""
    await require(request, *MAY["read"])
    rows = await machine_rows(node_of(request), with_sparks=True)
    return await render(request, "machines.html", rows=rows)


async def machine_view(node: Node, tongue: Tongue, identifier: str, minutes: int) -> MachineView:
    """Collect what is known of one machine."""
    resource = await node.store.get(Resource, identifier)
    refused = await _refused(node, resource)
    signals = [] if refused else await node.store.find(Signal, resource=resource.id, limit=1000)
    signals.sort(key=lambda one: (list(Meaning).index(one.meaning), one.name))
    samples = tuple(sample_of(node.live, signal) for signal in signals)
    order = {meaning: index for index, meaning in enumerate(CHARTED)}
    charted = sorted(
        (one for one in samples if one.signal.meaning in order and one.is_usable),
        key=lambda one: order[one.signal.meaning],
    )
    is_ours = bool(resource.endpoint) and not resource.options.get("agreement")
    blueprints = await node.store.find(Blueprint, resource=resource.id, limit=20)
    runs = await node.store.find(Run, resource=resource.id, limit=1000)
    runs.sort(key=lambda one: (one.ended_at is not None, -(one.released_at or now()).timestamp()))
    orders = await node.store.find(Order, id=list({one.order for one in runs[:RUNS_MAX]}), limit=RUNS_MAX)
    return MachineView(
        row=_row(resource, samples),
        samples=samples,
        charts=tuple(charted[:CHARTS_MAX]),
        blueprint=max(blueprints, key=lambda one: one.admitted_at, default=None),
        runs=tuple(runs[:RUNS_MAX]),
        designs=frozenset(one.id for one in orders if perform.has_design(one)),
        datasets=tuple(await node.store.find(Dataset, subject=resource.id, is_withdrawn=False, limit=20)),
        minutes=minutes,
        state=next((one.signal.number for one in samples if one.signal.meaning is Meaning.EXECUTION), 0),
        refused=refused,
        link=await ingest.machine_state(node, resource) if is_ours else None,
        nameplate=await ingest.nameplate(node, resource.id) if is_ours else {},
        history=await tell(node, tongue, await _history(node, resource)) if is_ours else (),
    )


async def _history(node: Node, resource: Resource) -> list[Event]:
    found = await node.store.events(subject=resource.id, newest=True, limit=EVENTS_READ)
    return [one for one in found if one.tag in LINKED][:HISTORY_MAX]


async def show(request: Request) -> Response:
    """Show one machine, live."""
    await require(request, *MAY["read"])
    minutes = _minutes(request)
    view = await machine_view(node_of(request), tongue_of(request), request.path_params["id"], minutes)
    return await render(request, "machine.html", view=view, choices=MINUTES)


async def series(request: Request) -> Response:
    """Answer the history of one machine's signals as columns, for its charts."""
    await require(request, *MAY["read"])
    node = node_of(request)
    resource = await node.store.get(Resource, request.path_params["id"])
    await look.may_look(node, resource)
    asked = request.query_params.get("signals", "")
    wanted = {int(part) for part in asked.split(",")[:50] if part.isdecimal() and len(part) < 10}
    signals = [one for one in await node.store.find(Signal, resource=resource.id, limit=1000) if one.number in wanted]
    if not signals:
        raise BadInput(f"{asked[:80]!r} names no signal of {resource.name}.", remedy="Give ?signals=1,2 of this page.")
    end = to_us(now())
    start = end - _minutes(request) * 60_000_000
    found: list[dict[str, object]] = []
    with anyio.fail_after(20):
        for signal in signals:
            trend = await node.historian.trend(signal.number, start, end, points=POINTS)
            columns = {"low": trend.low, "mean": trend.mean, "high": trend.high}
            found.append(
                {
                    "number": signal.number,
                    "name": signal.name,
                    "unit": signal.unit,
                    "time": [round(stamp / 1e6, 1) for stamp in trend.time_us],
                    **{name: [float(f"{value:.5g}") for value in column] for name, column in columns.items()},
                }
            )
    body = msgspec.json.encode({"start": start / 1e6, "end": end / 1e6, "series": found})
    return Response(body, media_type="application/json")


def _minutes(request: Request) -> int:
    text = request.query_params.get("minutes", "15")
    if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= 1440:
        raise BadInput(f"minutes={text[:20]!r} is not a range to show.", remedy="Give 1 to 1440.")
    return int(text)


async def work_run(request: Request) -> Response:
    """Note what a person did at the machine: started a run, made all its parts, inspected them."""
    visitor = await require(request, *MAY["operate"])
    node, run_id = node_of(request), request.path_params["run"]
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    act = form.get("act")
    if act == "start":
        await perform.start(node, run_id, visitor.id)
    elif act == "finish":
        await perform.finish(node, run_id, visitor.id)
    elif act == "inspect":
        inspection = Inspection(
            id=new_id("inspection"),
            run=run_id,
            inspector=visitor.name,
            instrument=form.get("instrument", "")[:200],
            at=node.clock(),
            measurements=read_measurements(form.get("rows", "")),
        )
        await perform.inspect(node, run_id, inspection, visitor.id)
    else:
        raise BadInput(f"{str(act)[:40]!r} is nothing a run can have done.", remedy="Use the buttons of the page.")
    return RedirectResponse(f"/machines/{request.path_params['id']}#runs", status_code=303)


def read_measurements(text: str) -> tuple[Measurement, ...]:
    """Read one measurement per line: characteristic, part, nominal, lower, upper, actual; BadInput names the line."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        parts = [part.strip() for part in line.replace("\t", ",").replace(";", ",").split(",")]
        try:
            name, part, *lengths = parts
            nominal, lower, upper, actual = (_length(text) for text in lengths)
            piece = int(part)
        except ValueError as fault:
            raise BadInput(
                f"Line {number} is no measurement: {line[:80]!r}.",
                remedy="Write: characteristic, part, nominal, lower, upper, actual (mm).",
            ) from fault
        found.append(
            Measurement(
                characteristic=name, part=piece, nominal_mm=nominal, lower_mm=lower, upper_mm=upper, actual_mm=actual
            )
        )
    if not found:
        raise BadInput("No measurement was given.", remedy="Give at least one line.")
    return tuple(found)


def _length(text: str) -> float:
    length = float(text)
    if not math.isfinite(length):
        raise ValueError(text)
    return length
