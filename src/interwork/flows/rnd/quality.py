"""Quality: results come in → figures per characteristic → what does not conform is worked off → the design hears of it.

The characteristics and their limits are the design's, the charts and indices are the stream's; they meet here.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

import msgspec

from interwork.core.design import Characteristic, EdgeKind, ProcessPlan, Revision
from interwork.core.errors import BadInput
from interwork.core.event import Tag
from interwork.core.ids import derived_id, digest_of, new_id
from interwork.core.making import (
    Evidence,
    GaugeStudy,
    Inspection,
    MeasuredSeries,
    Nonconformance,
    Order,
    QualityRecord,
    Run,
)
from interwork.design import quality, read_file
from interwork.design.quality import FirstArticle, Gauge, Raised, Worked
from interwork.flows.node import Node
from interwork.flows.weave import Knot, knot, tie
from interwork.store import Change
from interwork.stream.insight import WESTERN_ELECTRIC, Capability, Chart, capability, draw, runs
from interwork.stream.insight import Run as Signal

KNOTS_MAX = 500
RECORDS_MAX = 200


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One characteristic as it was measured: how it lies, how capable, what the chart signals."""

    series: MeasuredSeries
    mean: float
    deviation: float | None
    capability: Capability | None
    """None where no limit is stated or there is one value only."""
    chart: Chart | None
    signals: tuple[Signal, ...]
    outside: tuple[tuple[str, float], ...]
    """Parts beyond a limit, with their value."""


class AsMade(msgspec.Struct, frozen=True, kw_only=True):
    """One characteristic of a revision: as designed, and as made."""

    name: str
    kind: str
    nominal: float | None
    lower: float | None
    upper: float | None
    unit: str
    made: Judged | None
    """None = never measured."""
    is_stated: bool = True
    """Whether the design file states it; otherwise it is of the inspection plan, or of a results file."""
    shift: float | None = None
    """Mean minus the middle of the limits, as a share of half their width; 0 is centred, ±1 is at a limit."""


class GaugeDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Readings of a gauge study: operator, part, repeat."""

    name: str
    unit: str
    readings: tuple[tuple[tuple[float, ...], ...], ...]
    tolerance: float | None = None
    people: tuple[str, ...] = ()
    pieces: tuple[str, ...] = ()


async def record_results(
    node: Node, content: bytes, file_name: str, *, actor: str, revision: str = ""
) -> QualityRecord:
    """Take the results of an inspection file (QIF), read in a child process, and put them on the thread."""
    known = await node.store.peek(QualityRecord, derived_id("quality", digest_of(content), revision))
    if known is not None:
        return known
    designed = await node.store.get(Revision, revision) if revision else None
    reading = await read_file(content, file_name)
    if reading.quality is None or not reading.quality.results:
        raise BadInput(f"{file_name} holds no inspection results.", remedy="Send a QIF 2 or 3 results file.")
    stated = designed.characteristics if designed else ()
    wanted = {name: each[0].id for name, each in quality.by_word(stated).items() if len(each) == 1}
    series = tuple(
        msgspec.structs.replace(one, characteristic=wanted.get(one.name, one.characteristic))
        for one in quality.series_of(reading.quality)
    )
    digest = node.files.put(content)
    held = QualityRecord(
        id=derived_id("quality", digest, revision),
        digest=digest,
        file_name=file_name.rpartition("/")[2][:200],
        revision=revision,
        product=reading.quality.product,
        application=reading.quality.application,
        series=series,
        by=actor,
        at=node.clock(),
    )
    return await keep_record(node, held, actor=actor)


async def keep_record(node: Node, held: QualityRecord, *, actor: str) -> QualityRecord:
    """Keep a record of results and put it on the thread; the same record twice is one."""
    known = await node.store.peek(QualityRecord, held.id)
    if known is None:
        await node.store.commit(_woven(node, held, actor))
    return known or held


def _woven(node: Node, held: QualityRecord, actor: str) -> Change:
    change = Change(actor).put(held)
    count = sum(len(one.values) for one in held.series)
    change.event(Tag.RESULTS_RECORDED, held.id, file=held.file_name, digest=held.digest, values=count)
    label = f"{held.file_name}: {count} values"
    knot(node, change, Knot(id=held.id, kind="inspection", label=label, digest=held.digest))
    for one in held.series[:KNOTS_MAX]:
        if one.characteristic:
            knot(node, change, Knot(id=one.characteristic, kind="characteristic", label=one.name))
            tie(node, change, one.characteristic, EdgeKind.MEASURES, held.id)
            if held.revision:
                tie(node, change, held.revision, EdgeKind.CONTAINS, one.characteristic)
    return change


def judge(series: MeasuredSeries, rules: Sequence[str] = WESTERN_ELECTRIC) -> Judged:
    """Tell what a series of values says."""
    values, count = series.values, len(series.values)
    mean = sum(values) / max(1, count)
    has_limits = series.lower is not None or series.upper is not None
    chart = draw("i-mr", values) if count > 1 else None
    return Judged(
        series=series,
        mean=mean,
        deviation=(sum((one - mean) ** 2 for one in values) / (count - 1)) ** 0.5 if count > 1 else None,
        capability=capability(values, series.lower, series.upper) if has_limits and count > 1 else None,
        chart=chart,
        signals=tuple(runs(chart.location.z, rules)) if chart else (),
        outside=tuple(quality.outside(series)),
    )


async def judged(node: Node, identifier: str) -> tuple[QualityRecord, tuple[Judged, ...]]:
    """Judge every characteristic of a record, the least capable first."""
    held = await node.store.get(QualityRecord, identifier)
    found = [judge(one) for one in held.series]
    return held, tuple(sorted(found, key=_worst_first))


def _worst_first(one: Judged) -> float:
    value = one.capability.ppk.value if one.capability else None
    return float("inf") if value is None else value


async def as_made(node: Node, revision: Revision) -> tuple[AsMade, ...]:
    """Put what a revision requires beside what was measured on its parts, in records and after runs."""
    found = await measured_of(node, revision)
    by_id = {one.characteristic: one for one in found if one.characteristic}
    named = Counter(one.name for one in revision.characteristics)
    by_name = {one.name: one for one in found if named[one.name] == 1}  # of nine called «diameter», none is meant
    rows, used = [], set()
    for wanted in revision.characteristics:
        series = by_id.get(wanted.id) or by_name.get(wanted.name)
        used.add(id(series))
        rows.append(_beside(wanted, series))
    rows += [_beside(None, one) for one in found if id(one) not in used]
    return tuple(rows)


def _beside(wanted: Characteristic | None, series: MeasuredSeries | None) -> AsMade:
    lower, upper = quality.limits_of(wanted) if wanted else (series.lower, series.upper) if series else (None, None)
    made = None
    if series is not None:
        made = judge(msgspec.structs.replace(series, lower=lower, upper=upper))
    told = wanted or series
    assert told is not None
    return AsMade(
        name=told.name,
        kind=told.kind,
        nominal=told.nominal,
        lower=lower,
        upper=upper,
        unit=told.unit,
        made=made,
        is_stated=wanted is not None,
        shift=_shift(made.mean, lower, upper) if made else None,
    )


def _shift(mean: float, lower: float | None, upper: float | None) -> float | None:
    if lower is None or upper is None or not lower < upper:
        return None
    return (mean - (lower + upper) / 2) / ((upper - lower) / 2)


async def measured_of(node: Node, revision: Revision) -> list[MeasuredSeries]:
    """Collect all that was measured on parts of a revision: files, runs made here, evidence others gave of theirs."""
    found: dict[str, MeasuredSeries] = {}
    records = await node.store.find(QualityRecord, revision=revision.id, limit=RECORDS_MAX)
    for one in (series for record in sorted(records, key=lambda each: each.at) for series in record.series):
        before = found.get(one.name)
        found[one.name] = _joined(before, one) if before else one
    for one in await _of_runs(node, revision):
        before = found.get(one.name)
        found[one.name] = _joined(before, one) if before else one
    return list(found.values())


def _joined(one: MeasuredSeries, other: MeasuredSeries) -> MeasuredSeries:
    parts, values = (*one.parts, *other.parts), (*one.values, *other.values)
    is_simulated = one.is_simulated or other.is_simulated
    return msgspec.structs.replace(one, parts=parts, values=values, is_simulated=is_simulated)


async def _of_runs(node: Node, revision: Revision) -> list[MeasuredSeries]:
    orders = [one for one in await node.store.find(Order, limit=1000, newest=True) if one.revision == revision.id]
    if not orders:
        return []
    ids, jobs = [one.id for one in orders], {one.id: one.job for one in orders}
    made = {one.id: one for one in await node.store.find(Run, order=ids, limit=1000)}
    told = [
        (piece.job, piece.operation_name, piece.inspection)
        for piece in await node.store.find(Evidence, order=ids, limit=1000)
        if piece.inspection is not None
    ]
    local = await node.store.find(Inspection, run=list(made), limit=1000) if made else []
    told += [(jobs[made[one.run].order], made[one.run].operation_name, one) for one in local]
    return series_of_inspections(_finished(told))


def _finished(told: Sequence[tuple[str, str, Inspection]]) -> list[Inspection]:
    """Keep of each job what was measured after its last operation, in every lot: the part as it was delivered."""
    last: dict[str, tuple[datetime, str]] = {}
    for job, operation, one in told:
        last[job] = max(last.get(job, (one.at, operation)), (one.at, operation))
    return list({one.id: one for job, operation, one in told if operation == last[job][1]}.values())


def series_of_inspections(inspections: Sequence[Inspection]) -> list[MeasuredSeries]:
    """Put the measurements of runs in series per characteristic, in order of time and part."""
    rows = defaultdict(list)
    for inspection in sorted(inspections, key=lambda one: one.at):
        for one in sorted(inspection.measurements, key=lambda each: each.part):
            rows[one.characteristic].append((f"{inspection.run} #{one.part}", one))
    return [
        MeasuredSeries(
            characteristic="",
            name=name,
            kind="linear_distance",
            nominal=ones[-1][1].nominal_mm,
            lower=ones[-1][1].lower_mm,
            upper=ones[-1][1].upper_mm,
            parts=tuple(part for part, _ in ones),
            values=tuple(one.actual_mm for _, one in ones),
            is_simulated=any(one.is_simulated for one in inspections),
        )
        for name, ones in rows.items()
    ]


async def study_gauge(node: Node, draft: GaugeDraft, *, actor: str) -> tuple[GaugeStudy, Gauge]:
    """Record a gauge study and analyse it; one that cannot be analysed is not recorded."""
    held = GaugeStudy(
        id=new_id("gauge"),
        name=draft.name.strip()[:200] or "gauge",
        unit=draft.unit,
        tolerance=draft.tolerance,
        readings=draft.readings,
        by=actor,
        at=node.clock(),
        people=draft.people,
        pieces=draft.pieces,
    )
    found = quality.study(held)
    change = Change(actor).put(held).event(Tag.GAUGE_STUDIED, held.id, name=held.name, verdict=found.verdict)
    knot(node, change, Knot(id=held.id, kind="gauge-study", label=f"{held.name}: {found.verdict}"))
    await node.store.commit(change)
    return held, found


async def raise_nonconformance(node: Node, raised: Raised, *, actor: str, by: str) -> Nonconformance:
    """Open a nonconformance and hang it on what it was found in."""
    held = quality.open_nonconformance(raised, by=by, at=node.clock())
    change = Change(actor).put(held)
    change.event(Tag.NONCONFORMANCE_MOVED, held.id, state=held.state.value, what=held.what[:200])
    knot(node, change, Knot(id=held.id, kind="nonconformance", label=held.what[:100]))
    for cause in (held.found_in, held.revision):
        if cause:
            tie(node, change, cause, EdgeKind.DERIVES, held.id)
    await node.store.commit(change)
    return held


async def work_on(node: Node, identifier: str, worked: Worked, *, actor: str, by: str) -> Nonconformance:
    """Take the next step of a nonconformance."""
    held = await node.store.get(Nonconformance, identifier)
    moved = quality.advance(held, worked, by=by, at=node.clock())
    change = Change(actor).put(moved, expect=held)
    change.event(Tag.NONCONFORMANCE_MOVED, held.id, state=moved.state.value, text=worked.text[:500])
    await node.store.commit(change)
    return moved


async def first_article(node: Node, identifier: str, *, by: str) -> FirstArticle:
    """Fill the forms of a first article from what is held of a revision."""
    revision = await node.store.get(Revision, identifier)
    plans = await node.store.find(ProcessPlan, revision=revision.id, limit=200)
    return quality.first_article(
        revision,
        max(plans, key=lambda one: one.created_at, default=None),
        await measured_of(node, revision),
        await node.store.find(Nonconformance, revision=revision.id, limit=1000),
        organisation=node.settings.name,
        by=by,
        at=node.clock(),
    )
