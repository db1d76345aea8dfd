import json
from contextlib import asynccontextmanager

import aiohttp
import anyio
import pytest

from interwork.core.errors import BadInput
from interwork.simulate import run_broker, run_machine
from interwork.simulate.faces import FACES

CYCLE = {"program": "O1", "quantity": 2, "unit_s": 60, "setup_s": 10, "run": "run-1"}


async def until(find):
    """Poll until something is found and return it."""
    with anyio.fail_after(30):
        while not (found := await find()):  # noqa: ASYNC110 - the machine's own clock is waited for
            await anyio.sleep(0.02)
        return found


async def ready(capsys) -> dict:
    """Wait for the ready line."""
    lines: list[str] = []

    async def find() -> list[str]:
        lines.extend(capsys.readouterr().out.splitlines())
        return [line for line in lines if line.startswith("{")]

    return json.loads((await until(find))[0])


@asynccontextmanager
async def serving(capsys, function, *words, **facts):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: function(*words, **facts))
        yield await ready(capsys)
        tasks.cancel_scope.cancel()


async def panel_state(url: str) -> dict:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/state") as answer:
        return await answer.json()


async def state_where(url: str, holds) -> dict | None:
    state = await panel_state(url)
    return state if holds(state) else None


async def make(url: str) -> dict:
    """Press Start and wait until the cycle is over."""
    async with aiohttp.ClientSession() as session, session.post(f"{url}/cycle-start", json=CYCLE) as answer:
        assert answer.status == 200
    return await until(lambda: state_where(url, lambda state: state["execution"] == "READY"))


@pytest.mark.parametrize("kind", ["opcua", "mtconnect", "modbus"])
async def test_a_machine_of_each_kind_serves_makes_and_ends(kind, capsys):
    facts = {"port": 0, "speed": 1000.0, "options": {"type": "lathe", "fault_every_h": 0}}
    async with serving(capsys, run_machine, kind, **facts) as line:
        state = await make(line["panel"])
        assert (state["type"], state["protocol"], state["part_count"]) == ("lathe", kind, 2)
        assert "127.0.0.1" in line["endpoint"]


async def test_a_sparkplug_machine_serves_once_its_broker_does(capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")  # else this very process would become mosquitto
    async with serving(capsys, run_broker, port=0) as broker:
        port = int(broker["endpoint"].rpartition(":")[2])
        async with serving(capsys, run_machine, "sparkplug", port=port, speed=1000.0, options={"group": "g"}) as line:
            assert line["endpoint"] == f"mqtt://127.0.0.1:{port}/g/simulated-machine/machine"
            assert (await make(line["panel"]))["made"] == 2


async def test_simulated_time_runs_at_the_speed_asked_for(capsys):
    async with serving(capsys, run_machine, "modbus", port=0, speed=100.0) as line:
        for _ in range(5):  # the computer itself may be held up between the two clocks
            start, started = await panel_state(line["panel"]), anyio.current_time()
            end_s = start["time_s"] + 50
            state = await until(lambda end_s=end_s: state_where(line["panel"], lambda told: told["time_s"] > end_s))
            simulated_s, passed_s = state["time_s"] - start["time_s"], anyio.current_time() - started
            if simulated_s == pytest.approx(passed_s * 100, abs=60):
                return
        pytest.fail(f"{simulated_s} simulated seconds passed in {passed_s} s")


@pytest.mark.parametrize("speed", [0, -1, 1e9, float("nan")])
async def test_a_speed_no_clock_can_keep_is_refused(speed):
    with pytest.raises(BadInput, match="speed"):
        await run_machine("modbus", port=0, speed=speed)


async def test_an_unknown_kind_is_refused_naming_the_known_ones():
    with pytest.raises(BadInput, match=", ".join(FACES)):
        await run_machine("telegraph", port=0)
