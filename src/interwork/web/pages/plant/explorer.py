"""Signals explorer: find signals among hundreds, watch them live, look at their past down to the single reading.

Everything shown stands in the address (filter, picks, range), so a copied address shows the same.
"""

import math
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.clock import to_us
from interwork.core.errors import BadInput, Refused
from interwork.core.operating import SavedView
from interwork.core.resource import Batch, Resource, Signal, is_good
from interwork.flows import look
from interwork.flows.node import Node
from interwork.flows.operate import calendars
from interwork.stream import Trend
from interwork.web.access import MAY, node_of, require
from interwork.web.live import Sample, sample_of
from interwork.web.period import Period, period_of
from interwork.web.render import render

SHOWN_MAX = 500
"""Signals one page shows live."""
PICKED_MAX = 8
POINTS, RAW_MAX, TABLE_ROWS = 600, 5000, 24
"""A range with so few readings is shown reading by reading; a longer one in POINTS steps of low, mean and high."""
WORDS_MAX = 100
RANGES = ("5m", "15m", "1h", "8h", "24h", "7d")
FORMATS = ("csv", "parquet", "arrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The seconds of each word a signal said: of many the longest, and how many more there are and how long."""

    longest: tuple[tuple[str, float], ...]
    more: int
    rest_s: float

    @classmethod
    def of(cls, seconds: dict[str, float]) -> Self:
        """Choose the longest."""
        longest = tuple(sorted(seconds.items(), key=lambda one: -one[1])[:WORDS_MAX])
        rest_s = math.fsum(seconds.values()) - math.fsum(one[1] for one in longest)
        return cls(longest=longest, more=len(seconds) - len(longest), rest_s=max(0.0, rest_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Explorer:
    """What the page shows."""

    period: Period
    rows: tuple[tuple[Resource, Sample], ...]
    found: int
    """How many fit the filter, of which SHOWN_MAX are shown."""
    picked: tuple[Sample, ...]
    names: dict[str, Resource]
    resources: tuple[Resource, ...]
    query: str
    resource: str
    keep: str
    """The address without its range."""
    export: str
    views: tuple[SavedView, ...]
    tables: dict[int, Trend | Words]
    """Behind each picked signal's chart: steps of a number, or the seconds of each word."""


def _numbers(request: Request) -> list[int]:
    """Read the picked signals: repeated `pick` of a form, or `signals=1,2` of a link."""
    query = request.query_params
    texts = [*query.getlist("pick"), *query.get("signals", "").split(",")]
    found = list(dict.fromkeys(int(one) for one in texts if one.isdecimal() and len(one) < 10))
    return found[:PICKED_MAX]


async def _visible(node: Node) -> dict[str, Resource]:
    """Find the resources whose readings may be seen now."""
    found = {}
    for resource in await node.store.find(Resource, limit=10_000):
        try:
            await look.may_look(node, resource)
        except Refused:
            continue
        found[resource.id] = resource
    return found


async def index(request: Request) -> Response:
    """Show the explorer; a form's picks become one short address."""
    visitor = await require(request, *MAY["read"])
    query = request.query_params
    if query.getlist("pick"):
        kept = {name: value for name, value in query.items() if name not in ("pick", "signals") and value}
        kept["signals"] = ",".join(map(str, _numbers(request)))
        return RedirectResponse(f"/signals?{urlencode(kept)}", status_code=303)
    node, period = node_of(request), period_of(request, default="15m")
    resources = await _visible(node)
    text, wanted = query.get("q", "").strip().lower()[:100], query.get("resource", "")
    fitting = [one for one in await _signals(node, resources, wanted) if _fits(one, resources, text)]
    numbers = _numbers(request)
    picked = {one.number: one for one in await node.store.find(Signal, number=numbers, limit=50)} if numbers else {}
    shown = [
        sample_of(node.live, picked[one]) for one in numbers if one in picked and picked[one].resource in resources
    ]
    kept = {name: query[name] for name in ("q", "resource", "signals") if query.get(name)}
    view = Explorer(
        period=period,
        rows=tuple((resources[one.resource], sample_of(node.live, one)) for one in fitting[:SHOWN_MAX]),
        found=len(fitting),
        picked=tuple(shown),
        names=resources,
        resources=tuple(sorted(resources.values(), key=lambda one: one.name.lower())),
        query=query.get("q", ""),
        resource=wanted,
        keep=urlencode(kept),
        export=urlencode({"signals": ",".join(one.signal.id for one in shown)}),
        views=tuple(await calendars.views_of(node, visitor.id)),
        tables={one.signal.number: await _table(node, one.signal, period) for one in shown},
    )
    return await render(request, "plant/explorer.html", view=view, ranges=RANGES, formats=FORMATS, most=PICKED_MAX)


async def _table(node: Node, signal: Signal, period: Period) -> Trend | Words:
    if signal.is_text:
        return Words.of(await node.historian.durations(signal.number, period.start_us, period.end_us))
    return await node.historian.trend(signal.number, period.start_us, period.end_us, points=TABLE_ROWS)


async def _signals(node: Node, resources: dict[str, Resource], wanted: str) -> list[Signal]:
    found = await (
        node.store.find(Signal, resource=wanted, limit=10_000) if wanted else node.store.find(Signal, limit=10_000)
    )
    kept = [one for one in found if one.resource in resources]
    return sorted(kept, key=lambda one: (resources[one.resource].name.lower(), one.name.lower()))


def _fits(signal: Signal, resources: dict[str, Resource], text: str) -> bool:
    """Tell whether every word of a filter is in the signal's names."""
    where = f"{resources[signal.resource].name} {signal.name} {signal.meaning} {signal.address} {signal.unit}".lower()
    return all(word in where for word in text.split())


async def series(request: Request) -> Response:
    """Answer one signal over a period as columns: single readings where they are few, else steps."""
    await require(request, *MAY["read"])
    node, period = node_of(request), period_of(request, default="15m")
    signal = await node.store.get(Signal, request.path_params["id"])
    await look.may_look(node, await node.store.get(Resource, signal.resource))
    span = (period.start_us, period.end_us)
    with anyio.fail_after(25):
        raw = await node.historian.readings([signal.number], *span, limit=RAW_MAX + 1)
        if len(raw) > RAW_MAX:
            columns = await _steps(node, signal, span)
        else:
            columns = _raw(await node.historian.latest([signal.number], span[0]), raw, span, node)
    body = {
        "start": span[0] / 1e6, "end": span[1] / 1e6, "name": signal.name, "unit": signal.unit, **columns,
    }  # fmt: skip
    return Response(msgspec.json.encode(body), media_type="application/json")


def _raw(before: Batch, batch: Batch, span: tuple[int, int], node: Node) -> dict[str, object]:
    """Write single readings, with what held at the start, however long since, and, up to now, at the end."""
    held, inside = _rows(before), _rows(batch)
    shown = [*((span[0], *row[1:]) for row in held), *inside]
    end = min(span[1], to_us(node.clock()))
    if shown and shown[-1][0] < end:
        shown = [*shown, (end, *shown[-1][1:])]
    values = [row[1] for row in shown]
    return {
        "raw": True, "time": [row[0] / 1e6 for row in shown], "low": values, "mean": values, "high": values,
        "text": [row[2] for row in shown], "readings": len(inside),
    }  # fmt: skip


def _rows(batch: Batch) -> list[tuple[int, float | None, str | None]]:
    """Write readings as time, number and text; of a bad one neither is known."""
    columns = zip(batch.time_us, batch.value, batch.quality, batch.text or [None] * len(batch), strict=True)
    return [
        (at, value if is_good(quality) and math.isfinite(value) else None, text if is_good(quality) else None)
        for at, value, quality, text in columns
    ]


async def _steps(node: Node, signal: Signal, span: tuple[int, int]) -> dict[str, object]:
    trend = await node.historian.trend(signal.number, *span, points=POINTS)
    return {
        "raw": False,
        "step_s": (span[1] - span[0]) / POINTS / 1e6,
        "time": [at / 1e6 for at in trend.time_us],
        "low": list(trend.low),
        "mean": list(trend.mean),
        "high": list(trend.high),
        "readings": sum(trend.count),
    }


async def save(request: Request) -> Response:
    """Keep the address of a view under a name, or remove one."""
    visitor = await require(request, *MAY["read"])
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    if form.get("act") == "remove":
        await calendars.remove_view(node_of(request), form.get("id", ""), owner=visitor.id)
        return RedirectResponse("/signals", status_code=303)
    address = form.get("address", "")
    if not address.startswith("/signals"):
        raise BadInput("Only a view of this page can be saved here.")
    await calendars.save_view(
        node_of(request), form.get("name", ""), address, owner=visitor.id, is_shared=form.get("shared") == "yes"
    )
    return RedirectResponse(address, status_code=303)
