from contextlib import asynccontextmanager

import aiohttp
import pytest

from interwork.core.errors import PortInUse
from interwork.simulate.faces import Plate
from interwork.simulate.model import Machine
from interwork.simulate.panel import Panel
from interwork.simulate.profiles import make_profile
from interwork.simulate.signals import variables_of

START = {"program": "O1", "quantity": 2, "unit_s": 60, "setup_s": 10, "run": "run-1"}


@asynccontextmanager
async def panel(**figures: float):
    profile = make_profile("mill", **{"fault_every_h": 0.0} | figures)
    machine = Machine(profile)
    plate = Plate(name="Mill 1", profile=profile, variables=variables_of(profile), seed=1, speed=60)
    async with (
        Panel(plate, "opcua", machine, host="127.0.0.1", port=0) as served,
        aiohttp.ClientSession(served.url) as session,
    ):
        yield machine, session


async def call(session, method, path, **more):
    async with session.request(method, path, **more) as answer:
        return answer.status, await answer.json()


async def test_the_state_says_what_the_machine_is_and_does():
    async with panel() as (_, session):
        status, state = await call(session, "GET", "/state")
        assert (status, state["name"], state["execution"], state["is_simulated"]) == (200, "Mill 1", "READY", True)
        assert (state["part_count"], state["speed"]) == (0, 60)


async def test_the_front_page_says_what_can_be_done():
    async with panel() as (_, session), session.get("/") as answer:
        text = await answer.text()
        assert "SIMULATED milling machine" in text
        assert "POST /cycle-start" in text


async def test_a_cycle_start_starts_the_machine():
    async with panel() as (machine, session):
        status, answer = await call(session, "POST", "/cycle-start", json=START)
        machine.step(200)
        assert (status, answer["accepted"], answer["run"], answer["part_count"]) == (200, True, "run-1", 0)
        assert machine.state().made == 2


async def test_the_same_run_is_answered_alike_and_made_once():
    async with panel() as (machine, session):
        first = await call(session, "POST", "/cycle-start", json=START)
        machine.step(1000)
        assert await call(session, "POST", "/cycle-start", json=START) == first
        assert (machine.state().execution, machine.state().part_count) == ("READY", 2)


async def test_a_busy_machine_refuses_another_run_with_a_remedy():
    async with panel() as (_, session):
        await call(session, "POST", "/cycle-start", json=START)
        status, problem = await call(session, "POST", "/cycle-start", json=START | {"run": "run-2"})
        assert (status, problem["title"]) == (409, "wrong-state")
        assert problem["remedy"]


async def test_a_refused_run_can_be_started_later():
    async with panel() as (machine, session):
        await call(session, "POST", "/cycle-start", json=START)
        await call(session, "POST", "/cycle-start", json=START | {"run": "run-2"})
        machine.step(1000)
        status, _ = await call(session, "POST", "/cycle-start", json=START | {"run": "run-2"})
        assert (status, machine.state().run) == (200, "run-2")


async def test_what_is_not_said_is_taken_from_the_machine():
    async with panel(unit_s=30, setup_s=5) as (machine, session):
        await call(session, "POST", "/cycle-start", json={"program": "O1", "quantity": 1})
        machine.step(35.1)
        assert machine.state().made == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"program": "O1"}', b'{"program": "O1", "quantity": 0}', b'{"program": 1, "quantity": 1}'],
)
async def test_a_cycle_start_that_is_not_understood_is_a_bad_request(body):
    async with panel() as (machine, session):
        status, problem = await call(session, "POST", "/cycle-start", data=body)
        assert (status, problem["title"], machine.state().execution) == (400, "bad-input", "READY")


async def test_a_huge_cycle_start_is_refused():
    async with panel() as (_, session), session.post("/cycle-start", data=b" " * 100_000) as answer:
        assert answer.status == 413


async def test_reset_says_whether_there_was_a_fault():
    async with panel(fault_every_h=0.05) as (machine, session):
        await call(session, "POST", "/cycle-start", json=START | {"quantity": 1000})
        while machine.state().execution != "FAULT":
            machine.step(5)
        assert await call(session, "POST", "/reset") == (200, {"cleared": True})
        assert await call(session, "POST", "/reset") == (200, {"cleared": False})


@pytest.mark.parametrize("headers", [{"Origin": "http://elsewhere.example"}, {"Host": "elsewhere.example"}])
async def test_a_page_of_another_origin_cannot_press_start(headers):
    async with panel() as (machine, session):
        status, _ = await call(session, "POST", "/cycle-start", json=START, headers=headers)
        assert (status, machine.state().execution) == (403, "READY")


async def test_a_taken_panel_port_is_named():
    async with panel() as (machine, session):
        port = session._base_url.port
        profile = machine.profile
        plate = Plate(name="2", profile=profile, variables=variables_of(profile), seed=1, speed=1)
        with pytest.raises(PortInUse, match="--panel-port"):
            async with Panel(plate, "opcua", machine, host="127.0.0.1", port=port):
                pass


async def test_only_so_many_answers_are_remembered(monkeypatch):
    monkeypatch.setattr("interwork.simulate.panel._MOST_RUNS", 2)
    async with panel() as (machine, session):
        for run in ("a", "b", "c", "a"):
            await call(session, "POST", "/cycle-start", json=START | {"run": run})
            machine.step(1000)
        assert machine.state().part_count == 8


async def test_speed_and_feed_of_the_order_are_set_before_the_start():
    """design 38: what the process plan sets is what the machine then shows."""
    wanted = [
        {"name": "feed", "value": 15, "unit": "mm/s"},
        {"name": "spindle speed", "value": 99_000},
        {"name": "feed per tooth", "value": 0.1, "unit": "mm"},
        {"name": "coolant", "value": 6},
    ]
    async with panel() as (machine, session):
        status, answer = await call(session, "POST", "/cycle-start", json={**START, "settings": wanted})
        assert (status, answer["settings"]) == (200, {"SpindleSpeed": 99_000, "FeedRate": 900})
        shown = set()
        for _ in range(600):
            machine.step(0.2)
            state = machine.state()
            if state.phase == "cutting":
                shown.add((round(state.feed_mm_min, -2), round(state.spindle_speed_rpm, -3)))
        assert (900.0, 12_000.0) in shown
        assert {feed for feed, _ in shown} <= {800.0, 900.0, 1000.0, *range(5500, 6600, 100)}


@pytest.mark.parametrize("value", [0, -5, 1e9])
async def test_a_feed_no_machine_has_leaves_the_programs_own(value):
    async with panel() as (_, session):
        sent = {**START, "settings": [{"name": "feed", "value": value, "unit": "mm/min"}]}
        status, answer = await call(session, "POST", "/cycle-start", json=sent)
        assert (status, answer["settings"]) == (200, {})
