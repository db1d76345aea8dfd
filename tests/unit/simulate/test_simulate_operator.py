import statistics
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import anyio
import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from interwork.core.clock import now
from interwork.core.errors import BadInput, PeerError, PeerUnreachable
from interwork.core.making import Run, RunState
from interwork.simulate.operator import BY_HAND, Operator, measure, run_operator


def run(identifier: str = "run-1", **facts) -> Run:
    values = {
        "id": identifier,
        "order": "order-1",
        "assignment": "a-1",
        "operation_name": "Mill the top",
        "process": "milling",
        "resource": "resource-1",
        "quantity": 8,
        "state": RunState.RELEASED,
        "unit_s": 60.0,
        "tolerance_mm": 0.06,
        "box_mm": (80.0, 60.0, 20.0),
    }
    return Run(**(values | facts))


class Node:
    """A fake node: lists runs, notes what was posted, moves states as a real one does."""

    def __init__(self, *runs: Run) -> None:
        self.runs = {one.id: one for one in runs}
        self.resources = [{"id": "resource-1", "name": "Mill 1"}, {"id": "resource-2", "name": "Mill 2"}]
        self.inspections: dict[str, list] = {}
        self.tokens: set[str] = set()
        self.order: list[str] = []
        self.refuses_inspections = False

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._note])
        app.router.add_get("/api/runs", self._list)
        app.router.add_get("/api/resources", self._resources)
        app.router.add_post("/api/runs/{id}/start", self._start)
        app.router.add_post("/api/runs/{id}/finish", self._finish)
        app.router.add_post("/api/runs/{id}/inspection", self._inspection)
        return app

    @web.middleware
    async def _note(self, request, handler):
        self.tokens.add(request.headers.get("Authorization", ""))
        return await handler(request)

    async def _list(self, request):
        listed = [one for one in self.runs.values() if one.state == request.query["state"]]
        return web.json_response(msgspec.to_builtins({"runs": listed}))

    async def _resources(self, _):
        return web.json_response({"resources": self.resources})

    def move(self, identifier: str, state: RunState) -> None:
        self.runs[identifier] = msgspec.structs.replace(self.runs[identifier], state=state)

    async def _start(self, request):
        self.order.append(f"start {request.match_info['id']}")
        self.move(request.match_info["id"], RunState.STARTED)
        return web.json_response({})

    async def _finish(self, request):
        self.order.append(f"finish {request.match_info['id']}")
        self.move(request.match_info["id"], RunState.MADE)
        return web.json_response({})

    async def _inspection(self, request):
        if self.refuses_inspections:
            return web.json_response({"title": "conflict"}, status=409)
        self.inspections.setdefault(request.match_info["id"], []).append(await request.json())
        return web.json_response({})


class Panel:
    """A fake panel: notes cycle starts and shows what it is told to."""

    def __init__(self, node: Node, **state) -> None:
        self.node = node
        self.state = {"execution": "READY", "instance": "i-1", "tool_wear_pct": 0.0} | state
        self.cycles: list[dict] = []
        self.app = web.Application()
        self.app.router.add_get("/state", self._state)
        self.app.router.add_post("/cycle-start", self._cycle_start)

    async def _state(self, _):
        return web.json_response(self.state)

    async def _cycle_start(self, request):
        self.cycles.append(await request.json())
        self.node.order.append(f"press {self.cycles[-1]['run']}")
        self.state["execution"] = "ACTIVE"
        return web.json_response({"accepted": True})


@asynccontextmanager
async def serving(app: web.Application, port: int = 0):
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def plant(*runs: Run, names=("Mill 1",), **state):
    node = Node(*runs)
    panel = Panel(node, **state)
    async with serving(node.app()) as url, serving(panel.app) as panel_url, aiohttp.ClientSession() as session:
        yield node, panel, Operator(url, dict.fromkeys(names, panel_url), session, token="secret", seed=3)


async def test_a_released_run_is_started_at_the_node_then_pressed():
    async with plant(run()) as (node, panel, operator):
        await operator.round()
        assert node.order == ["start run-1", "press run-1"]
        assert panel.cycles == [
            {"program": "Mill the top", "quantity": 8, "unit_s": 60.0, "setup_s": None, "run": "run-1"}
        ]


async def test_the_token_goes_to_the_node():
    async with plant() as (node, _, operator):
        await operator.round()
        assert node.tokens == {"Bearer secret"}


async def test_a_run_is_pressed_once_however_many_rounds_there_are():
    async with plant(run()) as (_, panel, operator):
        for _ in range(5):
            await operator.round()
        assert len(panel.cycles) == 1


async def test_one_run_at_a_time_is_started_on_a_machine():
    async with plant(run("run-1"), run("run-2")) as (node, panel, operator):
        await operator.round()
        panel.state["execution"] = "READY"
        await operator.round()
        assert node.order == ["start run-1", "press run-1"]


async def test_the_next_run_starts_when_the_first_is_made():
    async with plant(run("run-1"), run("run-2")) as (node, panel, operator):
        await operator.round()
        panel.state["execution"] = "READY"
        node.move("run-1", RunState.MADE)
        await operator.round()
        assert node.order[-2:] == ["start run-2", "press run-2"]


async def test_a_machine_that_is_not_ready_is_not_started():
    async with plant(run(), execution="FAULT") as (node, _, operator):
        await operator.round()
        assert node.order == []


async def test_a_started_run_is_pressed_again_after_the_machine_was_switched_off_and_on():
    async with plant(run()) as (_, panel, operator):
        await operator.round()
        panel.state["instance"] = "i-2"
        await operator.round()
        await operator.round()
        assert [cycle["run"] for cycle in panel.cycles] == ["run-1", "run-1"]


async def test_a_run_that_was_started_but_never_pressed_is_pressed():
    async with plant(run(state=RunState.STARTED)) as (node, _, operator):
        await operator.round()
        assert node.order == ["press run-1"]


async def test_a_machine_may_be_given_by_its_id():
    async with plant(run(), names=("resource-1",)) as (node, _, operator):
        await operator.round()
        assert node.order == ["start run-1", "press run-1"]


async def test_a_run_on_a_machine_without_a_panel_is_left_alone_and_told_once():
    with capture_logs() as logs:
        async with plant(run(), run("run-2", state=RunState.MADE), names=("Other",)) as (node, _, operator):
            await operator.round()
            await operator.round()
            assert (node.order, node.inspections) == ([], {})
    assert [entry["machine"] for entry in logs] == ["Mill 1"]


async def test_the_setup_time_is_the_one_the_owner_plans_with():
    async with plant(run()) as (node, panel, operator):
        node.resources[0]["rates"] = {"setup_s": 600, "setup_price_eur": 5}
        await operator.round()
        assert panel.cycles[0]["setup_s"] == 600


def worked(seconds: float) -> Run:
    started_at = now() - timedelta(seconds=seconds)
    return run(state=RunState.STARTED, started_at=started_at, quantity=2, unit_s=30, time_scale=60)


@asynccontextmanager
async def bench(*runs: Run):
    async with plant(*runs) as (node, panel, operator):
        operator._machines["Mill 1"] = BY_HAND
        node.resources[0]["rates"] = {"setup_s": 120}
        yield node, panel, operator


async def test_hand_work_is_started_at_the_node_only():
    async with bench(run()) as (node, panel, operator):
        await operator.round()
        await operator.round()
        assert (node.order, panel.cycles) == (["start run-1"], [])


async def test_hand_work_whose_time_is_up_is_finished_and_measured():
    async with bench(worked(3.1)) as (node, _, operator):
        await operator.round()
        assert node.order == ["finish run-1"]
        assert node.inspections["run-1"][0]["is_simulated"] is True


async def test_hand_work_whose_time_is_not_up_goes_on():
    async with bench(worked(2)) as (node, _, operator):
        await operator.round()
        assert node.order == []


async def test_a_made_run_is_measured_and_says_it_is_simulated():
    async with plant(run(state=RunState.MADE)) as (node, _, operator):
        await operator.round()
        (results,) = node.inspections["run-1"]
        assert (results["instrument"], results["is_simulated"]) == ("Simulated CMM", True)
        assert [(m["part"], m["characteristic"]) for m in results["measurements"]][:4] == [
            (1, "length"),
            (1, "width"),
            (1, "height"),
            (2, "length"),
        ]


async def test_a_run_inspected_meanwhile_is_no_trouble():
    with capture_logs() as logs:
        async with plant(run(state=RunState.MADE)) as (node, _, operator):
            node.refuses_inspections = True
            await operator.round()
    assert logs == []


async def test_a_panel_that_does_not_answer_stops_no_other_machine():
    other = run("run-2", resource="resource-2")
    async with plant(run(), other, names=("Mill 2",)) as (node, _, operator):
        operator._machines["Mill 1"] = "http://127.0.0.1:1"
        await operator.round()
        assert node.order == ["start run-2", "press run-2"]


async def test_a_node_that_is_down_is_unreachable():
    async with aiohttp.ClientSession() as session:
        with pytest.raises(PeerUnreachable, match="does not answer"):
            await Operator("http://127.0.0.1:1", {}, session, token="").round()


async def answering(**answer) -> None:
    app = web.Application()

    async def answered(_):
        return web.Response(**answer)

    app.router.add_get("/api/runs", answered)
    async with serving(app) as url, aiohttp.ClientSession() as session:
        await Operator(url, {}, session, token="").round()


@pytest.mark.parametrize("answer", [{"text": "<html>"}, {"text": "{}"}, {"status": 500}, {"text": ""}, {"status": 404}])
async def test_a_wrong_answer_is_the_nodes_error(answer):
    with pytest.raises(PeerError):
        await answering(**answer)


async def test_an_operator_waits_for_a_node_that_restarts_and_says_so_once():
    node = Node(run())
    panel = Panel(node)
    async with serving(node.app()) as url:
        port = int(url.rpartition(":")[2])
    with capture_logs() as logs:
        async with serving(panel.app) as panel_url, anyio.create_task_group() as tasks:
            people = {"node": url, "token": "t", "machines": {"Mill 1": panel_url}, "poll_s": 0.02}
            tasks.start_soon(lambda: run_operator(**people))
            await until(lambda: logs)
            async with serving(node.app(), port):
                await until(lambda: panel.cycles)
            tasks.cancel_scope.cancel()
    assert [entry["event"] for entry in logs].count("node.waits") == 1


async def until(holds) -> None:
    with anyio.fail_after(30):
        while not holds():  # noqa: ASYNC110 - what is waited for is in another process or a list
            await anyio.sleep(0.01)


async def test_an_address_that_is_no_address_is_refused():
    with pytest.raises(BadInput, match="http"):
        await run_operator(node="127.0.0.1:8400", token="", machines={})


def test_measurements_are_within_reach_of_their_nominals():
    measurements = measure(run(), 0)
    assert len(measurements) == 15
    assert {m.nominal_mm for m in measurements} == {80, 60, 20}
    assert all(m.upper_mm - m.nominal_mm == pytest.approx(0.06) for m in measurements)
    assert all(abs(m.actual_mm - m.nominal_mm) < 0.06 for m in measurements)


def test_fewer_parts_than_five_are_all_measured():
    assert {m.part for m in measure(run(quantity=2), 0)} == {1, 2}


def test_the_same_run_measures_the_same_twice():
    assert measure(run(), 40, seed=2) == measure(run(), 40, seed=2) != measure(run("run-2"), 40, seed=2)


def test_a_worn_tool_scatters_more():
    fresh, worn = (
        statistics.stdev(m.actual_mm - m.nominal_mm for n in range(80) for m in measure(run(f"r{n}"), wear))
        for wear in (0, 100)
    )
    assert fresh == pytest.approx(0.01, rel=0.1)
    assert worn == pytest.approx(0.02, rel=0.1)


def test_a_run_without_a_tolerance_is_measured_to_a_tenth():
    assert measure(run(tolerance_mm=None), 0)[0].upper_mm == pytest.approx(80.1)


def test_a_run_without_dimensions_is_checked_by_eye():
    (check,) = measure(run(box_mm=None), 0)
    assert (check.characteristic, check.part, check.is_within()) == ("as described", 1, True)
