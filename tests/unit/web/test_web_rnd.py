"""The pages and the API of models, trials and quality."""

import html

import msgspec
import pytest
import world_records as records

from interwork.core.design import Model
from interwork.core.making import Campaign, Nonconformance, QualityRecord
from interwork.core.organisation import Role
from interwork.flows.rnd import modelling

SPINDLE = b"""
INPUTS = {"speed": {"unit": "{rpm}", "low": 100, "high": 12000, "default": 4000}}
OUTPUTS = {"power": {"unit": "W"}}
def run(speed):
    return {"power": speed / 4}
"""
QIF = b"""<QIFDocument xmlns="http://qifstandards.org/xsd/qif3" versionQIF="3.0.0"><FileUnits><PrimaryUnits>
<LinearUnit><SIUnitName>meter</SIUnitName><UnitName>mm</UnitName><UnitConversion><Factor>0.001</Factor></UnitConversion>
</LinearUnit></PrimaryUnits></FileUnits><Characteristics><CharacteristicDefinitions>
<LengthCharacteristicDefinition id="1"><Name>w</Name><Tolerance><MaxValue>0.1</MaxValue><MinValue>-0.1</MinValue>
</Tolerance></LengthCharacteristicDefinition></CharacteristicDefinitions><CharacteristicNominals>
<LengthCharacteristicNominal id="2"><CharacteristicDefinitionId>1</CharacteristicDefinitionId>
<TargetValue>40</TargetValue>
</LengthCharacteristicNominal></CharacteristicNominals><CharacteristicItems><LengthCharacteristicItem id="3">
<Name>width</Name><CharacteristicNominalId>2</CharacteristicNominalId></LengthCharacteristicItem></CharacteristicItems>
</Characteristics><MeasurementsResults>%s</MeasurementsResults></QIFDocument>"""
RESULT = (
    "<MeasurementResults id='%d'><MeasuredCharacteristics><CharacteristicMeasurements><LengthCharacteristicMeasurement>"
    "<CharacteristicItemId>3</CharacteristicItemId><Value>%s</Value></LengthCharacteristicMeasurement>"
    "</CharacteristicMeasurements></MeasuredCharacteristics></MeasurementResults>"
)


async def test_a_model_is_published_run_and_swept_on_its_pages(owner, node):
    """design 42: list, form with typed inputs and units, result and sweep chart."""
    fields = {"csrf": await owner.csrf("/models"), "name": "Spindle"}
    answer = await owner.upload("/models", fields, "spindle.py", SPINDLE)
    assert answer.status == 303, answer.text
    (model,) = await node.store.find(Model)
    page = await owner.get(f"/models/{model.id}")
    assert "in.speed" in page.text
    assert "12,000" in page.text
    typed = {"csrf": fields["csrf"], "in.speed": "2000", "unit.speed": "{rpm}"}
    answer = await owner.post(f"/models/{model.id}/runs", typed)
    result = await owner.get(answer.headers["location"])
    assert "500" in result.text
    swept = {"csrf": fields["csrf"], "vary": "speed", "low": "1000", "high": "9000", "count": "5"}
    answer = await owner.post(f"/models/{model.id}/runs", swept)
    result = await owner.get(answer.headers["location"])
    assert '<figure class="spc">' in result.text
    assert result.text.count("<circle") == 5
    wrong = await owner.post(f"/models/{model.id}/runs", {**typed, "unit.speed": "kW"})
    assert wrong.status == 400
    assert "measures power" in wrong.text
    assert model.name in (await owner.get("/models")).text
    assert (await owner.get(f"/thread/{model.id}/{model.id}")).status == 200


async def test_a_unit_of_nothing_and_half_a_point_are_refused_and_not_dropped(owner, node):
    fields = {"csrf": await owner.csrf("/models"), "name": "Spindle"}
    for units, says in (("speed {rpm}", "speed, {rpm}"), ("spede={rpm}", "spede")):
        answer = await owner.upload("/models", {**fields, "units": units}, "spindle.py", SPINDLE)
        assert answer.status == 400
        assert f"A unit is stated of {says}: " in html.unescape(answer.text)
        assert "Its ports are speed, power" in answer.text
    assert await node.store.count(Model) == 0
    await owner.upload("/models", {**fields, "units": "speed={rpm}"}, "spindle.py", SPINDLE)
    (model,) = await node.store.find(Model)
    swept = {"csrf": fields["csrf"], "vary": "speed", "low": "1000", "high": "9000", "count": "2.5"}
    answer = await owner.post(f"/models/{model.id}/runs", swept)
    assert (answer.status, "count is 2.5, which is no whole number" in answer.text) == (400, True)


async def test_the_api_refuses_an_unsigned_model_and_runs_a_signed_one(program, node):
    engineer = await program(Role.ENGINEER)
    refused = await engineer.send("POST", "/api/models?file=spindle.py", SPINDLE)
    assert refused.status == 403
    assert "not signed" in refused.json()["detail"]
    assert (await engineer.send("POST", "/api/models/sign", SPINDLE)).status == 403
    said = modelling.vouch(node, SPINDLE)
    query = f"file=spindle.py&signer={said.signer}&signature={said.signature}"
    made = await engineer.send("POST", f"/api/models?{query.replace('%', '%25')}", SPINDLE)
    assert made.status == 200, made.text
    body = {"steps": [{"model": made.json()["id"], "inputs": {"speed": {"value": 2, "unit": "{rpm}"}}}]}
    assert (await engineer.send("POST", "/api/model-runs", msgspec.json.encode(body))).status == 400
    body["steps"][0]["inputs"]["speed"]["value"] = 200
    answer = await engineer.send("POST", "/api/model-runs", msgspec.json.encode(body))
    assert answer.json()["runs"][0]["outputs"] == [{"power": 50.0}]


async def test_a_campaign_is_begun_asked_told_and_decided_on_its_page(owner, node):
    """design 43: the campaign is a record with a page."""
    token = await owner.csrf("/trials")
    form = {"csrf": token, "title": "Less energy", "settings": "feed 200 900 mm/min", "goals": "energy"}
    answer = await owner.post("/trials", form)
    assert answer.status == 303, answer.text
    page = answer.headers["location"]
    await owner.post(page, {"csrf": token, "act": "ask"})
    assert "What to try next" in (await owner.get(page)).text
    await owner.post(page, {"csrf": token, "act": "tell", "trial": "1", "m.energy": "0.3"})
    answer = await owner.post(page, {"csrf": token, "act": "decide", "trial": "1", "why": "it is enough"})
    assert answer.status == 303, answer.text
    (held,) = await node.store.find(Campaign)
    assert held.chosen == 1
    assert "Decision" in (await owner.get(page)).text
    assert held.title in (await owner.get("/trials")).text
    assert (await owner.get(f"/thread/{held.decision}")).status == 200
    assert (await owner.post(page, {"csrf": token, "act": "dance"})).status == 400


@pytest.mark.parametrize(
    ("settings", "goals"),
    [
        ("feed 200", "energy"),
        ("feed 200 900 mm/min 50", "energy"),
        ("feed 200 900", "energy 0.1"),
        ("feed 200 900", "energy 0.1 0.2 0.3"),
        ("feed 1,000 2,000", "energy"),
    ],
)
async def test_a_word_too_many_or_too_few_in_a_campaign_is_refused_and_not_dropped(owner, node, settings, goals):
    form = {"csrf": await owner.csrf("/trials"), "title": "x", "settings": settings, "goals": goals}
    answer = await owner.post("/trials", form)
    assert answer.status == 400, answer.text
    assert await node.store.count(Campaign) == 0


async def test_results_are_judged_and_a_nonconformance_worked_off_on_the_pages(owner, node):
    """design 40: capability, chart, nonconformance and its steps on the page Quality."""
    results = "".join(RESULT % (at, value) for at, value in enumerate([40.0, 40.05, 39.98, 40.3], 10))
    fields = {"csrf": await owner.csrf("/quality")}
    answer = await owner.upload("/quality", fields, "lot.qif", QIF % results.encode())
    assert answer.status == 303, answer.text
    (held,) = await node.store.find(QualityRecord)
    page = await owner.get(f"/quality/{held.id}")
    assert "width" in page.text
    assert page.text.count("<circle") == 4
    raised = {**fields, "what": "width too large", "found_in": held.id, "characteristic": "width"}
    answer = await owner.post("/nonconformances", raised)
    step = {**fields, "state": "contained", "disposition": "rework", "text": "lot set apart"}
    answer = await owner.post(answer.headers["location"], step)
    assert "Rework" in (await owner.get(answer.headers["location"])).text
    assert (await node.store.find(Nonconformance))[0].state == "contained"
    assert "width too large" in (await owner.get("/quality")).text


async def test_a_first_article_is_a_page_to_print(owner):
    """design 40: AS9102 forms 1 to 3 as a page."""
    page = await owner.get(f"/designs/{records.REVISION}/first-article")
    assert page.status == 200
    assert all(f"Form {number}" in page.text for number in (1, 2, 3))


@pytest.mark.parametrize(("form", "media"), [("prov-o", "application/ld+json"), ("prov", "application/json")])
async def test_the_thread_is_exported_both_ways(program, form, media):
    """design 39: /api/thread?form=prov-o."""
    member = await program(Role.MEMBER)
    answer = await member.get(f"/api/thread?form={form}")
    assert answer.headers["content-type"].startswith(media)
    assert ("@graph" in answer.json()) == (form == "prov-o")
    assert (await member.get("/api/thread?form=xml")).status == 400
