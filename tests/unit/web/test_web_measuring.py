"""The pages where people type what they measured, and what they want."""

import pytest

from interwork.core.clock import now
from interwork.core.exchange import PROPERTIES, CatalogEntry, DatasetKind
from interwork.core.making import GaugeStudy, QualityRecord
from interwork.core.planning import Need
from interwork.store import Change

STUDY = "\n".join(
    f"{who}, {part}, {part + offset + turn / 50}"
    for offset, who in ((0.0, "Ann"), (0.01, "Bob"))
    for part in range(1, 6)
    for turn in range(2)
)


async def test_a_gauge_is_studied_on_the_page_and_its_analysis_shown(owner, node):
    """design 41: the form, the components of the variation and the analysis of variance."""
    fields = {"csrf": await owner.csrf("/quality"), "name": "Caliper", "unit": "mm", "tolerance": "2"}
    answer = await owner.post("/gauges", {**fields, "readings": STUDY})
    assert answer.status == 303, answer.text
    (held,) = await node.store.find(GaugeStudy)
    page = await owner.get(answer.headers["location"])
    for said in ("Caliper", "Reproducibility", "Sum of squares", "Ann", "2 mm wide", "below 10 % is good"):
        assert said in page.text
    assert f"/gauges/{held.id}" in (await owner.get("/quality")).text
    for wrong in ("", "Ann, 1, 2", "Ann, 1, x"):
        assert (await owner.post("/gauges", {**fields, "readings": wrong})).status == 400
    refused = await owner.post("/gauges", {**fields, "tolerance": "1,000", "readings": STUDY})
    assert "1000 or 1.000?" in refused.text
    assert await node.store.count(GaugeStudy) == 1


async def test_results_are_typed_in_on_the_page_and_judged(owner, node):
    """design 40: results without a file."""
    fields = {"csrf": await owner.csrf("/quality"), "title": "Lot 7"}
    rows = "\n".join(f"length, {part}, {80 + part / 100}, 79.9, 80.03" for part in range(1, 6))
    answer = await owner.post("/quality/typed", {**fields, "rows": rows})
    assert answer.status == 303, answer.text
    page = await owner.get(answer.headers["location"])
    assert "Lot 7 (typed)" in page.text
    assert '<strong class="alarmed">2</strong>' in page.text
    assert (await owner.post("/quality/typed", {**fields, "rows": "length, 1"})).status == 400
    assert await node.store.count(QualityRecord) == 1


async def test_a_need_is_recorded_on_its_page_and_seen_among_the_needs(owner, node):
    fields = {"csrf": await owner.csrf("/needs"), "act": "record", "title": "Climate test", "kind": "test"}
    fields |= {"due": "2099-01-01", "quantity": "2", "minutes": "90", "budget": "900", "certificate": "ISO17025"}
    answer = await owner.post("/needs", fields)
    assert answer.status == 303, answer.text
    need = await node.store.get(Need, answer.headers["location"].rpartition("/")[2])
    assert (need.quantity, need.budget_eur, need.requirements[0].value) == (2, 900.0, "ISO17025")
    assert "Climate test" in (await owner.get(answer.headers["location"])).text
    listed = (await owner.get("/needs")).text
    assert "Climate test" in listed
    assert "Nobody has told this node" in listed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"title": ""}, "title"),
        ({"kind": "part"}, "A need of the kind part has no usual process"),
        ({"kind": "wish"}, "no kind of need"),
        ({"quantity": "1.5"}, "no whole number"),
        ({"due": "2001-01-01"}, "later than now"),
        ({"minutes": "nan"}, "not finite"),
        ({"budget": "-5"}, "budget"),
        ({"act": "dance"}, "Use the buttons"),
        ({"act": "publish", "need": "need-none"}, "need-none"),
        ({"title": "x" * 200_000}, "at most"),
    ],
)
async def test_a_need_that_is_none_is_refused_with_the_reason(owner, node, change, says):
    fields = {"csrf": await owner.csrf("/needs"), "act": "record", "title": "Test", "kind": "test"}
    fields |= {"due": "2099-01-01", "quantity": "2"}
    before = await node.store.count(Need)
    answer = await owner.post("/needs", {**fields, **change})
    assert answer.status in (400, 404, 413)
    assert says in answer.text
    assert await node.store.count(Need) == before


async def test_an_outcome_that_cannot_be_told_names_the_plan(owner):
    answer = await owner.post("/plans/plan-none/tell", {"csrf": await owner.csrf("/needs")})
    assert answer.status == 404


async def test_fetching_what_others_published_says_what_came_even_where_nothing_did(owner, node):
    """Nothing published, something, and what could not be fetched: each is told on the page."""
    fields = {"csrf": await owner.csrf("/needs"), "act": "collect"}
    answer = await owner.post("/needs", fields)
    assert answer.status == 303
    assert "Others have published no need at the moment." in (await owner.get(answer.headers["location"])).text
    assert "published no need" not in (await owner.get("/needs")).text
    assert "1 need that others published is listed here." in (await owner.get("/needs?fetched=1")).text
    assert (await owner.get("/needs?fetched=many")).status == 200

    entry = CatalogEntry(
        id="entry-1", provider="did:web:nobody.example", provider_name="Nobody", endpoint="", dataset="dataset-1",
        kind=DatasetKind.RECORD, title="Milling", body={PROPERTIES: {"record": "need"}}, digest="", first_seen=now(),
        seen=now(), changed=now(),
    )  # fmt: skip
    await node.store.commit(Change("test").put(entry))
    answer = await owner.post("/needs", fields)
    assert answer.status == 502, answer.text
    assert "0 needs were fetched; not fetched: Milling: " in answer.text
