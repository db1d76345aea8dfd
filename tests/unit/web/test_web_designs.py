"""The pages and the API of designs: measured, drafted, changed, kept, compared."""

import msgspec
import pytest
import world_records as records

from interwork.core.design import PlanTemplate, ProcessPlan, Study
from interwork.design.solid import samples

PAGE = f"/designs/{records.REVISION}"


async def drafted(owner, node):
    token = await owner.csrf(PAGE)
    fields = {"csrf": token, "material": "al-6061", "quantity": "2", "tolerance_mm": "0.1"}
    answer = await owner.post(f"{PAGE}/plans", fields)
    assert answer.status == 303, answer.text
    return await node.store.get(ProcessPlan, answer.headers["location"].partition("#")[2])


async def test_a_file_is_only_measured_where_that_is_asked(owner, node):
    fields = {"csrf": await owner.csrf("/designs")}
    answer = await owner.upload("/designs/studies", fields, "bracket.step", samples()["bracket.step"])
    assert answer.status == 303
    (study,) = await node.store.find(Study, limit=10)
    page = await owner.get("/designs")
    assert "bracket.step" in page.text
    assert "Stop it" in page.text
    await owner.post(f"/designs/studies/{study.id}/cancel", fields)
    assert (await node.store.get(Study, study.id)).state == "cancelled"


async def test_a_plan_is_drafted_changed_and_kept_on_the_page(owner, node):
    plan = await drafted(owner, node)
    first, last = plan.operations[0], plan.operations[-1]
    token = await owner.csrf(PAGE)
    fields = {f"place-{one.id}": str(number) for number, one in enumerate(plan.operations, 1)}
    fields |= {f"seconds-{first.id}": "777.0", f"remove-{plan.operations[1].id}": "1", "why": "our fixture"}
    fields |= {f"place-{last.id}": "1", "new-name": "Wash", "new-process": "deburring", "new-seconds": "30"}
    fields |= {"new-after": first.id, "csrf": token}
    answer = await owner.post(f"{PAGE}/plans/{plan.id}", fields)
    assert answer.status == 303, answer.text
    made = await node.store.get(ProcessPlan, answer.headers["location"].partition("#")[2])
    assert made.operations[0].name == last.name
    assert [one.name for one in made.operations[1:3]] == [first.name, "Wash"]
    assert made.operations[1].machining_s == 777.0
    page = await owner.get(f"{PAGE}?fit={made.id}")
    assert "our fixture" in page.text
    assert "Does not fit, and why" in page.text
    kept = await owner.post(f"{PAGE}/plans/{made.id}", {"csrf": token, "act": "keep", "name": "Brackets"})
    assert kept.status == 303
    assert (await node.store.find(PlanTemplate, limit=5))[0].name == "Brackets"


async def test_a_change_without_a_difference_is_told_so(owner, node):
    plan = await drafted(owner, node)
    answer = await owner.post(f"{PAGE}/plans/{plan.id}", {"csrf": await owner.csrf(PAGE), "why": "none"})
    assert answer.status == 400
    assert "Nothing is to be changed" in answer.text


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_page_of_a_design_opens_in_both_languages(owner, node, language):
    await drafted(owner, node)
    page = await owner.get(f"{PAGE}?lang={language}")
    assert page.status == 200
    assert "marks=" in page.text


async def test_marks_are_plain_json_of_places(owner):
    text = (await owner.get(PAGE)).text.partition('marks="')[2].partition('"')[0].replace("&#34;", '"')
    marks = msgspec.json.decode(text)
    assert all(len(one["at"]) == 3 and one["text"] for one in marks)
