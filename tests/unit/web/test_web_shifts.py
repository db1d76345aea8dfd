"""The shift calendar on its page: made, changed, told where it is wrong, and left by a machine that is not ticked."""

import html
import json

from interwork.core.operating import ShiftCalendar
from interwork.core.organisation import Role
from interwork.flows.operate.inputs import machines, unit_of


async def save(owner, chosen, **fields):
    token = await owner.csrf("/plant/shifts")
    days = {f"day0-{day}": "on" for day in range(5)}
    typed = {"csrf": token, "name": "Two shifts", "zone": "Europe/Berlin", "name0": "Early", "start0": "06:00"}
    body = {**typed, "end0": "14:00", **days, **fields}
    return await owner.post("/plant/shifts", body | ({"machine": chosen} if chosen else {}))


async def test_a_calendar_is_made_and_changed_and_machines_follow_it(owner, node):
    first, second = (await machines(node))[:2]
    assert "all time is planned" in (await owner.get("/plant/shifts")).text
    assert (await save(owner, first.id, from0="09:00", to0="09:15", closed="2026-12-24 2026-12-25")).status == 303
    (made,) = await node.store.find(ShiftCalendar)
    assert (made.zone, made.shifts[0].days, len(made.shifts[0].breaks), len(made.closed)) == (
        "Europe/Berlin", (0, 1, 2, 3, 4), 1, 2
    )  # fmt: skip
    page = (await owner.get("/plant/shifts")).text
    assert "06:00–14:00" in page
    assert (await save(owner, second.id, end0="15:00")).status == 303
    assert [(await unit_of(node, one.id)).calendar for one in (first, second)] == ["", made.id]
    (changed,) = await node.store.find(ShiftCalendar)
    assert changed.shifts[0].end.hour == 15


async def test_what_is_wrong_with_a_calendar_is_named(owner, node):
    one = (await machines(node))[0].id
    for fields, said in (
        ({"start0": "6 am"}, "Shift 'Early': '6 am' is no time"),
        ({"closed": "christmas"}, "'christmas' is no day"),
        ({"zone": "Middle/Earth"}, "Middle/Earth"),
    ):
        answer = await save(owner, one, **fields)
        assert answer.status == 400
        assert said in html.unescape(answer.text)
    answer = await save(owner, "")
    assert "Tick at least one machine" in answer.text
    assert await node.store.count(ShiftCalendar) == 0


async def test_a_member_sees_the_calendar_and_changes_nothing(program):
    member = await program(Role.MEMBER)
    page = await member.get("/plant/shifts")
    assert page.status == 200
    assert '<form class="form wide-form"' not in page.text
    assert (await member.post("/plant/shifts", {"name": "x"})).status == 403


async def test_the_api_reads_times_of_day_as_people_write_them(program, node):
    operator = await program(Role.OPERATOR)

    async def send(name, **fields):
        shift = {"name": "Night", "start": "22:00", "end": "06:00:00", "breaks": [["01:30", "02:00"]], **fields}
        body = json.dumps({"name": name, "zone": "UTC", "shifts": [shift]}).encode()
        return await operator.send("POST", "/api/calendars", body, content_type="application/json")

    answer = await send("One")
    assert answer.status in (200, 201), answer.text
    (held,) = (await node.store.find(ShiftCalendar))[0].shifts
    assert [f"{one:%H:%M}" for one in (held.start, held.end, *held.breaks[0])] == ["22:00", "06:00", "01:30", "02:00"]
    for start in ("22:00Z", "22:00+01:00", "10 pm", "25:00", ""):
        answer = await send("Two", start=start)
        assert (answer.status, "is no time of day" in answer.text, "06:00" in answer.text) == (400, True, True)
    assert await node.store.count(ShiftCalendar) == 1
