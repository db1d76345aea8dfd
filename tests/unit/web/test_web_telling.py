"""Events as sentences: every tag has one, in both languages, with names and links instead of ids."""

import re
from datetime import UTC

from interwork.core.event import Tag
from interwork.core.making import Run
from interwork.core.operating import Alarm, AlarmRule, AlarmState, Condition, Priority
from interwork.store import Change
from interwork.web.pages.telling import SENTENCES, TURNED, tell
from interwork.web.words import Tongue, catalogue

MILL = "resource-mill000000"


def tongue(language):
    return Tongue(language=language, zone=UTC, texts=catalogue(language))


def test_everything_that_can_happen_has_a_sentence():
    assert set(SENTENCES) == set(Tag)
    assert {tag for tag, _ in TURNED} <= set(Tag)


async def told(node, language, *events):
    for tag, subject, detail in events:
        await node.store.commit(Change().event(tag, subject, **detail))
    found = await node.store.events(limit=len(events), newest=True)
    return [one.said for one in await tell(node, tongue(language), found)][::-1]


async def test_a_sentence_names_things_and_links_to_them_in_the_reader_s_language(node):
    happened = ((Tag.MACHINE_CONNECTED, MILL, {"endpoint": "opc.tcp://m"}), (Tag.NODE_STARTED, node.did, {}))
    english = await told(node, "en", *happened)
    assert re.fullmatch(rf'<a href="/machines/{MILL}">[^<]+</a> is connected', english[0])
    assert english[1] == "The node started"
    chinese = await told(node, "zh", *happened)
    assert chinese[0].endswith("</a> 已连接")
    assert chinese[1] == "节点已启动"


async def test_an_alarm_is_named_by_its_machine_and_its_rule(node):
    rule = AlarmRule(
        id="alarmrule-hot00000", name="Too hot", resource=MILL, signal="s", condition=Condition.ABOVE,
        priority=Priority.HIGH, at=node.clock(),
    )  # fmt: skip
    alarm = Alarm(
        id="alarm-hot0000000", rule=rule.id, resource=MILL, state=AlarmState.NORMAL, changed_at=node.clock(),
        priority=Priority.HIGH,
    )  # fmt: skip
    await node.store.commit(Change("test").put(rule).put(alarm))
    (said,) = await told(node, "en", (Tag.ALARM_RAISED, alarm.id, {"rule": rule.id, "resource": MILL}))
    assert said.startswith(f'Alarm: <a href="/alarms#{alarm.id}">')
    assert said.endswith(": Too hot</a>")


async def test_what_others_typed_is_shown_and_never_becomes_part_of_the_page(node):
    (said,) = await told(node, "en", (Tag.BLUEPRINT_REFUSED, "resource-none000000", {"name": "<script>x</script>"}))
    assert said.startswith("&lt;script&gt;")
    (old,) = await told(node, "en", (Tag.RUN_COMPLETED, "run-unknown00000", {}))
    assert old.endswith("is complete: – good, – scrap")


async def test_home_tells_what_happened_in_words(owner, node):
    page = (await owner.get("/")).text
    lately = page[page.index("Lately") :]
    assert not any(tag.value in lately for tag in Tag)
    (newest,) = await node.store.events(limit=1, newest=True)
    assert f"<code>{newest.tag.value}</code>" in (await owner.get("/admin")).text


async def test_home_leaves_the_steps_of_the_exchange_to_the_whole_chain(owner, node):
    for state in ("REQUESTED", "AGREED", "FINALIZED"):
        await node.store.commit(Change().event(Tag.NEGOTIATION_MOVED, "negotiation-x0000000", was="", now=state))
    assert "A negotiation is now" not in (await owner.get("/")).text
    assert "A negotiation is now" in (await owner.get("/admin")).text


async def test_what_has_no_name_of_its_own_is_named_by_its_run(node):
    run = (await node.store.find(Run, limit=1))[0]
    (said,) = await told(node, "en", (Tag.INSPECTION_RECORDED, "inspection-none0000", {"run": run.id}))
    assert run.operation_name in said
