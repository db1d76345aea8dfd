"""Operators' pages and API: each answers, holds its numbers without scripts, is a permalink, and asks who may act."""

import json
import re
import shutil
from datetime import timedelta

import anyio
import plant_world
import pytest
import world
from asgi import Browser
from plant_world import LATHE

from interwork.core.clock import now, rfc3339
from interwork.core.event import Tag
from interwork.core.operating import Alarm, AlarmState, Baseline, SpcChart
from interwork.core.organisation import Role
from interwork.flows.operate import space
from interwork.stream.historian import service
from interwork.web import create_app
from interwork.web.access import issue_token

PAGES = {
    "/plant": "Coolant too warm",
    f"/machines/{LATHE}/performance": "Unplanned stops",
    f"/signals?signals={plant_world.COOLANT},{plant_world.EXECUTION}&last=8h": "Lathe 2",
    "/energy?last=8h": "By parts",
    "/alarms": "Known: dull insert",
    "/charts": "Power per part",
}


LISTS = (
    "/api/unusual",
    "/api/alarms",
    "/api/alarm-rules",
    "/api/calendars",
    "/api/energy?last=8h",
    "/api/baselines",
    "/api/charts",
    "/api/comparisons",
    "/api/views",
    f"/api/machines/{LATHE}/stops",
    f"/api/machines/{LATHE}/shifts",
    f"/api/machines/{LATHE}/unit",
)


async def _furnish(folder):
    node = await world.reopen(folder)
    async with node.running():
        await plant_world.furnish(node)


@pytest.fixture(scope="module")
def furnished(seeded, tmp_path_factory):
    folder = shutil.copytree(seeded, tmp_path_factory.mktemp("plant") / "world")
    anyio.run(_furnish, folder)
    return folder


@pytest.fixture
async def plant(furnished, tmp_path):
    opened = await world.reopen(shutil.copytree(furnished, tmp_path / "plant"))
    async with opened.running():
        yield opened


async def browser_of(node, role=Role.OWNER):
    return Browser(create_app(node), token=await issue_token(node.store, "test", role))


async def say(browser, address, body):
    return await browser.send("POST", address, json.dumps(body).encode(), content_type="application/json")


async def test_every_page_of_the_plant_answers_and_holds_its_numbers_without_scripts(plant):
    """portal 13: tables behind every drawing, read here without a browser."""
    browser = await browser_of(plant)
    for path, words in PAGES.items():
        answer = await browser.get(path)
        assert answer.status == 200, (path, answer.text[:800])
        assert words in answer.text, path
        assert "<table" in answer.text, path
        assert " style=" not in answer.text, path


async def test_every_page_of_the_plant_speaks_chinese(plant):
    """portal 14: nothing of these pages is left in English but what people typed and the node's own English."""
    browser = await browser_of(plant)
    for path in PAGES:
        text = (await browser.get(path + ("&" if "?" in path else "?") + "lang=zh")).text
        assert 'lang="zh-Hans"' in text
        visible = re.sub(r"<script.*?</script>|<[^>]+>", " ", text, flags=re.DOTALL)
        for english in ("Earlier", "Coverage", "Needs somebody", "Acknowledge", "Numerator", "Availability"):
            assert english not in visible, (path, english)


async def test_pages_answer_on_a_node_that_holds_nothing(empty):
    browser = await browser_of(empty)
    for path in ("/plant", "/signals", "/energy", "/alarms", "/charts"):
        answer = await browser.get(path)
        assert answer.status == 200, (path, answer.text[:800])


async def test_room_for_readings_is_an_event_once_per_change_and_on_the_overview(plant, monkeypatch):
    """streams 6: a disk that fills up is told early, in the chain and to people."""
    monkeypatch.setattr(service.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100_000, 96_000, 4_000))
    known = await space.look(plant, await space.look(plant, (space.OK, False)))
    events = await plant.store.events(tag=Tag.READINGS_SPACE)
    assert [(one.detail["level"], one.detail["free_bytes"]) for one in events] == [("full", 4_000)]
    told = (await (await browser_of(plant)).get("/plant")).text
    assert re.search(r"The disk for readings is 96\s?% full", told)
    monkeypatch.setattr(service.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 0, 10**12))
    assert await space.look(plant, known) == (space.OK, False)
    assert len(await plant.store.events(tag=Tag.READINGS_SPACE)) == 2
    assert await space.trouble(plant) is None


async def test_a_period_that_is_none_is_told(plant):
    browser = await browser_of(plant)
    edges = ("start=0001-01-01T00:00Z&end=0001-01-02T00:00Z", "start=9999-12-31T22:00Z&end=9999-12-31T23:00Z")
    for query in ("last=8x", "last=9999999d", "start=2031-01-02&end=2031-01-01", "start=yesterday", *edges):
        assert (await browser.get(f"/plant?{query}")).status == 400, query


async def test_rows_of_steps_below_a_minute_tell_their_second(plant):
    browser = await browser_of(plant)
    for address, is_told in (("/energy?last=5m", True), ("/energy?last=8h&step=3600", False)):
        rows = re.findall(
            r"<th scope=\"row\"><time[^>]*>[^<]*(<small>\d\d:\d\d:\d\d</small>)?", (await browser.get(address)).text
        )
        assert (len(rows) > 3, all(rows), any(rows)) == (True, is_told, is_told), address


async def test_a_state_that_has_stood_for_an_hour_is_drawn_over_the_last_minutes(plant):
    """streams 20: what a signal said long before a range still holds in it."""
    address = f"/signals/signal-{plant_world.EXECUTION:08}/series.json?last=5m"
    told = (await (await browser_of(plant)).get(address)).json()
    assert (told["text"], told["readings"], told["time"]) == (["ACTIVE"] * 2, 0, [told["start"], told["end"]])


async def test_picks_of_a_form_become_one_address(plant):
    """portal 15: what is shown stands in the address."""
    browser = await browser_of(plant)
    answer = await browser.get("/signals?q=coolant&last=1h&pick=1005&pick=1004")
    assert (answer.status, answer.headers["location"]) == (303, "/signals?q=coolant&last=1h&signals=1005%2C1004")


async def test_a_short_range_shows_single_readings_and_a_long_one_steps(plant, monkeypatch):
    browser = await browser_of(plant)
    address = f"/signals/signal-{plant_world.POWER:08}/series.json"
    short = (await browser.get(f"{address}?last=30m")).json()
    assert (short["raw"], 20 < short["readings"] < 80) == (True, True)
    monkeypatch.setattr("interwork.web.pages.plant.explorer.RAW_MAX", 100)
    long = (await browser.get(f"{address}?last=8h")).json()
    assert (long["raw"], long["readings"] > 900, len(long["time"]) <= 600) == (False, True, True)


async def test_means_are_told_as_those_of_readings_and_of_many_words_the_longest_are_listed(plant, monkeypatch):
    """Kept is what moved: such a mean is not that of the time. And a signal may say a million different words."""
    browser = await browser_of(plant)
    address = f"/signals?signals={plant_world.COOLANT},{plant_world.EXECUTION}&last=8h"
    whole = (await browser.get(address)).text
    assert ("mean of readings" in whole, " more</th>" in whole) == (True, False)
    monkeypatch.setattr("interwork.web.pages.plant.explorer.WORDS_MAX", 1)
    assert re.search(r"and [1-9]\d* more</th>", (await browser.get(address)).text)
    told = (await browser.get(f"/api/signals/signal-{plant_world.COOLANT:08}/series")).json()
    assert told["is_time_weighted"] is False


async def test_the_export_asks_for_exactly_what_is_shown(plant):
    """portal 17: the same signals and the same period as the charts above the buttons."""
    address = "/signals?signals=1005,1004&start=2031-01-01T00:00Z&end=2031-01-02T00:00Z"
    text = (await (await browser_of(plant)).get(address)).text
    found = re.findall(r'href="(/api/readings\?[^"]+)"', text)
    assert [one.rpartition("=")[2] for one in found] == ["csv", "parquet", "arrow"]
    assert "signal-00001005%2Csignal-00001004" in found[0]
    assert "start=2031-01-01T00:00:00.000Z" in found[0]
    moving = (await (await browser_of(plant)).get("/signals?signals=1005&last=8h")).text
    assert "&amp;end=" in re.search(r'href="(/api/readings[^"]+)"', moving)[1]


async def test_what_is_exported_is_what_is_charted(plant):
    """portal 17: as many readings in the CSV as the chart of the period says."""
    browser, name = await browser_of(plant), f"signal-{plant_world.POWER:08}"
    end = now().replace(microsecond=0)
    span = f"start={rfc3339(end - timedelta(hours=2))}&end={rfc3339(end)}"
    shown = (await browser.get(f"/signals/{name}/series.json?{span}")).json()["readings"]
    lines = (await browser.get(f"/api/readings?signals={name}&{span}&format=csv")).text.strip().splitlines()
    assert len([line for line in lines if not line.startswith("#")]) - 1 == shown


async def test_the_api_tells_figures_with_everything_they_rest_on(plant):
    browser = await browser_of(plant)
    told = (await browser.get(f"/api/machines/{LATHE}/figures?last=8h")).json()
    oee = next(one for one in told["figures"] if one["name"] == "oee")
    assert oee["value"] == pytest.approx(oee["numerator"]["amount"] / oee["denominator"]["amount"])
    assert (oee["boundary"], oee["definition"]) == ("Lathe 2", "ISO 22400-2")
    whole = (await browser.get("/api/plant?last=8h")).json()
    assert len(whole["machines"]) > 1
    assert (await browser.get("/api/plant/machines?last=8h")).json()["machines"]


async def test_every_list_of_the_api_answers(plant):
    browser = await browser_of(plant)
    for path in LISTS:
        answer = await browser.get(path)
        assert answer.status == 200, (path, answer.text)
        assert answer.json(), path


async def test_charts_and_baselines_answer_over_a_period(plant):
    browser = await browser_of(plant)
    [chart], [baseline] = await plant.store.find(SpcChart), await plant.store.find(Baseline)
    shown = (await browser.get(f"/api/charts/{chart.id}?last=8h")).json()
    assert len(shown["series"]["values"]) > 300
    assert (await browser.get(f"/charts/{chart.id}?last=8h")).status == 200
    held = (await browser.get(f"/api/baselines/{baseline.id}?last=8h")).json()
    assert held["residuals"]["covered"] > 0.5
    frozen = await say(browser, f"/api/charts/{chart.id}/freeze?last=8h", {})
    assert frozen.json()["frozen_at"]


async def test_an_alarm_is_handled_over_the_api_by_those_who_may(plant):
    """portal 23: a member may look and not act; an operator gives reason and hours, or is told what is missing."""
    alarm = next(one for one in await plant.store.find(Alarm) if one.state is AlarmState.UNACKNOWLEDGED)
    member, operator = await browser_of(plant, Role.MEMBER), await browser_of(plant, Role.OPERATOR)
    assert (await say(member, f"/api/alarms/{alarm.id}/acknowledge", {})).status == 403
    assert (await say(operator, f"/api/alarms/{alarm.id}/acknowledge", {})).json()["state"] == "acknowledged"
    missing = await say(operator, f"/api/alarms/{alarm.id}/shelve", {"hours": 2, "reason": ""})
    assert (missing.status, missing.json()["code"]) == (400, "bad-input")
    shelved = await say(operator, f"/api/alarms/{alarm.id}/shelve", {"hours": 2, "reason": "being mended"})
    assert shelved.json()["shelved_until"]
    journal = (await member.get(f"/api/alarms/{alarm.id}/journal")).json()["events"]
    assert journal[0]["tag"] == "stream:alarm:shelved"
    assert (await say(operator, f"/api/alarms/{alarm.id}/dance", {})).status == 400


async def test_a_view_is_saved_and_shown_to_others_when_shared(plant):
    """portal 16: created and shared by one person, listed for another role."""
    owner, member = await browser_of(plant), await browser_of(plant, Role.MEMBER)
    body = {"name": "Coolant of the lathe", "address": "/signals?signals=1005", "is_shared": True}
    assert (await say(owner, "/api/views", body)).status == 200
    assert [one["name"] for one in (await member.get("/api/views")).json()["views"]] == ["Coolant of the lathe"]
    assert "Coolant of the lathe" in (await member.get("/signals")).text


async def test_the_overview_says_what_is_not_known_instead_of_calling_it_usual(empty):
    page = Browser(create_app(empty), token=await issue_token(empty.store, "test", Role.OWNER))
    said = (await page.get("/plant")).text
    assert "No alarm is active." in said
    assert "every signal is within its usual range" not in said
