"""Results come in, are judged, and lead to first articles, corrective actions and what the design hears of them."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from flows_world import START, evidence_of, inspection_of, order_of
from msgspec.structs import replace

from interwork.core.design import EdgeKind, Geometry, Operation, ProcessPlan, Requirement, Revision, ThreadEdge
from interwork.core.errors import BadInput, WrongState
from interwork.core.making import GaugeStudy, NonconformanceState
from interwork.design import quality as craft
from interwork.design.files import qif
from interwork.design.quality import Raised, Worked
from interwork.flows.rnd import quality
from interwork.store import Change

SHARED = Path(os.environ.get("INTERWORK_SHARED_DATA") or Path(__file__).parents[3].parent / "shared" / "data")
RESULTS = SHARED / "design" / "qif" / "sheetmetal_results_6_samples.qif"
PLAN = SHARED / "design" / "qif" / "sheetmetal_plan.qif"
held_here = pytest.mark.skipif(not RESULTS.is_file(), reason="the shared test data is not on this machine")

# The worked example of the AIAG's manual: three appraisers, ten parts, three trials.
APPRAISERS = """
0.29 -0.56 1.34 0.47 -0.80 0.02 0.59 -0.31 2.26 -1.36
0.41 -0.68 1.17 0.50 -0.92 -0.11 0.75 -0.20 1.99 -1.25
0.64 -0.58 1.27 0.64 -0.84 -0.21 0.66 -0.17 2.01 -1.31

0.08 -0.47 1.19 0.01 -0.56 -0.20 0.47 -0.63 1.80 -1.68
0.25 -1.22 0.94 1.03 -1.20 0.22 0.55 0.08 2.12 -1.62
0.07 -0.68 1.34 0.20 -1.28 0.06 0.83 -0.34 2.19 -1.50

0.04 -1.38 0.88 0.14 -1.46 -0.29 0.02 -0.46 1.77 -1.49
-0.11 -1.13 1.09 0.20 -1.07 -0.67 0.01 -0.56 1.45 -1.77
-0.15 -0.96 0.67 0.11 -1.45 -0.49 0.21 -0.49 1.87 -2.16
"""


def readings():
    blocks = [
        [list(map(float, line.split())) for line in block.split("\n")] for block in APPRAISERS.strip().split("\n\n")
    ]
    return tuple(tuple(zip(*block, strict=True)) for block in blocks)


def gauge(**changes):
    fields = {"id": "gauge-1", "name": "calliper", "unit": "mm", "readings": readings(), "by": "t", "tolerance": None}
    from interwork.core.clock import now

    return GaugeStudy(**{**fields, "at": now(), **changes})


def test_a_gauge_study_reproduces_the_published_example():
    """design 41: sums of squares, EV, AV, PV, %GRR and ndc of the AIAG's worked example, by analysis of variance."""
    found = craft.study(gauge())
    squares = {one.name: round(one.squares, 4) for one in found.sources}
    assert squares["parts"] == pytest.approx(88.3619, abs=2e-4)
    assert squares["operators"] == pytest.approx(3.1673, abs=2e-4)
    assert squares["interaction"] == pytest.approx(0.3590, abs=2e-4)
    assert squares["total"] == pytest.approx(94.6471, abs=2e-4)
    assert found.is_pooled
    assert found.part("repeatability").deviation == pytest.approx(0.19993, abs=1e-4)
    assert found.part("reproducibility").deviation == pytest.approx(0.22684, abs=1e-4)
    assert found.part("parts").deviation == pytest.approx(1.04233, abs=1e-4)
    assert found.part("gauge").study == pytest.approx(0.2786, abs=1e-4)
    assert found.part("gauge").contribution == pytest.approx(0.0776, abs=1e-4)
    assert found.categories == 4
    assert found.verdict == "conditional"


def test_a_gauge_is_judged_against_the_tolerance_where_there_is_one():
    found = craft.study(gauge(tolerance=8.0))
    assert found.part("gauge").tolerance == pytest.approx(6 * 0.30237 / 8, abs=1e-4)
    perfect = tuple(tuple((float(part), float(part)) for part in range(3)) for _ in range(2))
    assert craft.study(gauge(readings=perfect)).verdict == "good"


@pytest.mark.parametrize("broken", [(), readings()[:1], (readings()[0], readings()[1][:4]), (((1.0,),) * 3,) * 2])
def test_a_study_that_is_not_crossed_is_refused(broken):
    with pytest.raises(BadInput, match="not crossed"):
        craft.study(gauge(readings=broken))


async def test_a_gauge_study_is_recorded(shop):
    draft = quality.GaugeDraft(name="calliper 7", unit="mm", readings=readings())
    held, found = await quality.study_gauge(shop, draft, actor="t")
    assert (await shop.store.get(GaugeStudy, held.id)).readings == readings()
    assert found.verdict == "conditional"


@held_here
async def test_sheet_metal_results_are_judged_with_their_chart(shop):
    """design 40: 126 values of 21 characteristics on 6 parts; Ppk of W1RHSMRA06V 0.23 with its interval; signals."""
    held = await quality.record_results(shop, RESULTS.read_bytes(), RESULTS.name, actor="t")
    assert len(held.series) == 21
    assert {len(one.values) for one in held.series} == {6}
    assert sum(len(one.values) for one in held.series) == 126
    record, found = await quality.judged(shop, held.id)
    worst = {one.series.name: one for one in found}
    hot = worst["W1RHSMRA06V"]
    assert (hot.series.lower, hot.series.upper) == (-0.75, 0.75)
    assert hot.capability.ppk.value == pytest.approx(0.23, abs=0.005)
    assert hot.capability.ppk.low < 0.23 < hot.capability.ppk.high
    assert hot.capability.ppk.high - hot.capability.ppk.low > 0.5
    assert worst["W1RISMRA09V"].capability.ppk.value == pytest.approx(0.50, abs=0.01)
    assert [part for part, _ in hot.outside] == ["SN5802806"]
    assert all(one.chart is not None for one in found)
    assert found[0].capability.ppk.value == min(one.capability.ppk.value for one in found)
    assert (await quality.record_results(shop, RESULTS.read_bytes(), RESULTS.name, actor="u")) == record
    assert await shop.store.count(ThreadEdge, target=held.id, kind=EdgeKind.MEASURES) == 21


def revision(clock, characteristics):
    shape = Geometry(
        analyser="t", unit="mm", bodies=1, box_mm=(1, 1, 1), volume_mm3=1, area_mm2=6, triangles=12, is_closed=True
    )
    return Revision(
        id="rev-mirror000001",
        design="design-mirror0001",
        file_name="mirror.step",
        file_digest="sha256:" + "0" * 64,
        media_type="model/step",
        created_at=clock(),
        geometry=shape,
        characteristics=characteristics,
    )


@held_here
async def test_as_made_stands_beside_as_designed_and_a_first_article_accounts_for_all(shop, clock):
    """design 40: the plan's characteristics beside what was measured; AS9102 forms 1 to 3 from the same records."""
    designed = revision(clock, qif.read(PLAN.read_bytes()).characteristics)
    await shop.store.commit(Change("t").put(designed))
    await quality.record_results(shop, RESULTS.read_bytes(), RESULTS.name, actor="t", revision=designed.id)
    rows = await quality.as_made(shop, designed)
    measured = [one for one in rows if one.made is not None]
    assert len(measured) == 21
    hot = next(one for one in measured if one.name == "W1RHSMRA06V")
    assert hot.shift == pytest.approx(0.70 / 0.75, abs=0.01)
    raised = Raised(what="W1RHSMRA06V beyond 0.75 mm", characteristic="W1RHSMRA06V", revision=designed.id)
    ncr = await quality.raise_nonconformance(shop, raised, actor="t", by="Ada")
    article = await quality.first_article(shop, designed.id, by="Ada")
    assert article.form1.revision == designed.id
    assert len(article.form1.serial_numbers) == 6
    assert not article.is_accepted
    line = next(one for one in article.form3 if "W1RHSMRA06V" in one.requirement)
    assert (line.verdict, line.nonconformance, len(line.results)) == ("does not conform", ncr.id, 6)
    assert line.requirement.endswith("-0.75 to 0.75 mm")
    assert [one.number for one in article.form3] == list(range(1, len(article.form3) + 1))


def test_form_2_says_what_an_operation_needs_as_a_form_does(clock):
    needs = (
        Requirement(name="envelope_mm", value=(124.0, 84.0, 29.0)),
        Requirement(name="mass_kg", value=0.81563),
        Requirement(name="material", value="al-6061"),
    )
    mill = Operation(id="op-1", name="Mill", process="milling-3-axis", requirements=needs)
    plan = ProcessPlan(
        id="process-1",
        revision="rev-1",
        process_class="milled",
        reasons=(),
        material="al-6061",
        quantity=1,
        stock_mm=(124.0, 84.0, 29.0),
        part_mass_kg=0.5,
        stock_mass_kg=0.8,
        operations=(mill,),
        created_at=START,
    )
    made = craft.first_article(revision(clock, ()), plan, (), (), organisation="Lab", by="Ada", at=START)
    assert [line.specification for line in made.form2] == [
        "stock 124 × 84 × 29 mm",
        "envelope 124 × 84 × 29 mm, mass 0.81563 kg, material al-6061",
    ]


async def test_what_others_measured_on_the_parts_they_delivered_comes_in_with_their_evidence(shop, clock):
    """design 40: the buyer sees as made what the last operation's inspection told, not what stood between."""
    designed = revision(clock, ())
    change = Change("t").put(designed).put(order_of(revision=designed.id))
    for number, name in enumerate(("Mill the top", "Inspect")):
        held = replace(inspection_of(f"run-{number}"), at=START + timedelta(hours=number))
        piece = evidence_of(identifier=f"evidence-{number}", operation_name=name, inspection=held)
        change.put(piece)
    await shop.store.commit(change)
    rows = await quality.as_made(shop, designed)
    assert rows
    assert all(part.startswith("run-1") for one in rows for part in one.made.series.parts)
    counts = {len(one.made.series.values) for one in rows}
    assert counts == {len({each.part for each in held.measurements})}
    assert not any(one.is_stated for one in rows)


async def test_a_file_without_results_is_refused(shop):
    with pytest.raises(BadInput):
        await quality.record_results(shop, b"<x/>", "x.qif", actor="t")


async def test_a_nonconformance_is_worked_off_in_order(shop):
    """design 40: nonconformance → containment → cause → corrective action → verified, each step with who and when."""
    held = await quality.raise_nonconformance(shop, Raised(what="burr", part="7"), actor="t", by="Ada")
    state = NonconformanceState
    with pytest.raises(WrongState, match="Next is contained"):
        await quality.work_on(shop, held.id, Worked(state=state.CLOSED, text="done"), actor="t", by="Ada")
    with pytest.raises(BadInput, match="becomes of the parts"):
        await quality.work_on(shop, held.id, Worked(state=state.CONTAINED, text="set apart"), actor="t", by="Ada")
    for step in (
        Worked(state=state.CONTAINED, text="lot 7 set apart", disposition="rework"),
        Worked(state=state.ANALYSED, text="worn deburring tool"),
        Worked(state=state.CORRECTED, text="tool life halved"),
        Worked(state=state.ANALYSED, text="also wrong speed"),
        Worked(state=state.CORRECTED, text="speed lowered"),
        Worked(state=state.CLOSED, text="30 parts without burr"),
    ):
        held = await quality.work_on(shop, held.id, step, actor="t", by="Bo")
    assert (held.disposition, held.cause, held.action) == ("rework", "also wrong speed", "speed lowered")
    assert len(held.log) == 7
    with pytest.raises(BadInput):
        await quality.raise_nonconformance(shop, Raised(what=" "), actor="t", by="Ada")
    for raised in (Raised(what="x" * 2001), Raised(what="x", part="7" * 501)):
        with pytest.raises(BadInput, match="letters"):  # refused, and not cut
            await quality.raise_nonconformance(shop, raised, actor="t", by="Ada")
