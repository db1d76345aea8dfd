"""The SIMULATED people of a plant: they press Start on the panels and measure parts, and say they are simulated.

Each second the operator asks the node for its runs. A RELEASED run whose machine is READY and has no other run is
started at the node first, so that the node notes counters at rest, then on the panel. A STARTED run that a panel has
not been told of (either side restarted in between) is pressed again: panels make the same run once. MADE runs are
measured, with the same figures for the same run however often it is asked.

At a bench that is not connected the work itself is simulated: it takes its setup and its planned time per part at the
run's own time scale, and is then reported as finished. Runs of other resources are left to other people.
"""

from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any, TypeVar

import aiohttp
import anyio
import msgspec
import structlog

from interwork.core.clock import now
from interwork.core.errors import BadInput, InterworkError, NotSignedIn, PeerError, PeerUnreachable, WrongState
from interwork.core.making import Measurement, Run, RunState
from interwork.simulate.serving import announce

T = TypeVar("T")
BY_HAND = "by hand"
"""Stands where a panel's address would: work at a bench that is not connected to anything."""
POLL_S = 1.0
_ANSWER_S = 5.0
_CHARACTERISTICS = ("length", "width", "height")
_MOST_PARTS = 5
_BY_EYE = Measurement(characteristic="as described", part=1, nominal_mm=1, lower_mm=1, upper_mm=1, actual_mm=1)
"""An attribute check, 1 = as described."""
_TOLERANCE_MM = 0.1
"""Where the run states none."""


class _Listed(Run, frozen=True, kw_only=True):
    """A run as the node lists it, with its machine's name where the node says it."""

    resource_name: str = ""


class _Runs(msgspec.Struct, frozen=True):
    runs: list[_Listed]


class _Rates(msgspec.Struct, frozen=True):
    setup_s: float


class _Resource(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator needs to know of a machine or bench."""

    id: str
    name: str
    rates: _Rates | None = None


class _Resources(msgspec.Struct, frozen=True):
    resources: list[_Resource]


class _PanelState(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator looks at on a panel."""

    execution: str
    instance: str
    tool_wear_pct: float


def measure(run: Run, wear_pct: float, *, seed: int = 1) -> list[Measurement]:
    """Measure up to five parts of a run against its box: normal scatter of a sixth of the tolerance, twice that worn.

    The scatter is drawn from the seed and the run's id. A run without a box has no dimensions: one check by eye.
    """
    if run.box_mm is None:
        return [_BY_EYE]
    random = Random(f"{seed}:{run.id}")
    tolerance_mm = run.tolerance_mm or _TOLERANCE_MM
    sigma_mm = tolerance_mm / 6 * (1 + wear_pct / 100)
    return [
        Measurement(
            characteristic=characteristic,
            part=part,
            nominal_mm=nominal_mm,
            lower_mm=round(nominal_mm - tolerance_mm, 6),
            upper_mm=round(nominal_mm + tolerance_mm, 6),
            actual_mm=round(random.gauss(nominal_mm, sigma_mm), 4),
        )
        for part in range(1, min(run.quantity, _MOST_PARTS) + 1)
        for characteristic, nominal_mm in zip(_CHARACTERISTICS, run.box_mm, strict=True)
    ]


class Operator:
    """Stands in for a plant's people at one node; `round` does what there is to do now."""

    def __init__(
        self, node: str, machines: Mapping[str, str], session: aiohttp.ClientSession, *, token: str, seed: int = 1
    ) -> None:
        self._node = node.rstrip("/")
        self._machines = {name: url.rstrip("/") for name, url in machines.items()}
        self._session, self._seed = session, seed
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._resources: dict[str, _Resource] = {}
        self._pressed: set[tuple[str, str]] = set()
        self._told: set[str] = set()
        self._log = structlog.get_logger().bind(node=self._node, is_simulated=True)

    async def round(self) -> None:
        """Start what is released, press again what a panel missed, measure what is made."""
        started = await self._runs(RunState.STARTED)
        busy = {run.resource for run in started}
        self._pressed = {key for key in self._pressed if key[0] in {run.id for run in started}}
        for run in started:
            await self._try(run, self._press)
        for run in await self._runs(RunState.RELEASED):
            if run.resource not in busy and await self._try(run, self._start):
                busy.add(run.resource)
        for run in await self._runs(RunState.MADE):
            await self._try(run, self._inspect)
        self._heard("node")

    async def _try(self, run: _Listed, act: Callable[[_Listed, str], Awaitable[bool]]) -> bool:
        """Do one thing for one run; what fails is said once and tried again next round."""
        try:
            panel = await self._panel_of(run)
            is_done = bool(panel) and await act(run, panel)
        except InterworkError as fault:
            self.tell(run.id, "run.waits", run=run.id, fault=str(fault))
            return False
        if panel:
            self._heard(run.id)
        return is_done

    async def _start(self, run: _Listed, panel: str) -> bool:
        """Start a released run where its machine is free; tell whether it was."""
        if panel == BY_HAND:
            await self._ask("POST", f"{self._node}/api/runs/{run.id}/start", {})
            return True
        state = await self._state(panel)
        if state.execution != "READY":
            return False
        await self._ask("POST", f"{self._node}/api/runs/{run.id}/start", {})
        await self._press(run, panel)
        return True

    async def _press(self, run: _Listed, panel: str) -> bool:
        """Press Start for a run, once for each time the machine was switched on."""
        if panel == BY_HAND:
            return await self._work(run)
        state = await self._state(panel)
        key = (run.id, state.instance)
        if key in self._pressed:
            return False
        order: dict[str, Any] = {
            "program": run.program or run.operation_name,
            "quantity": run.quantity,
            "unit_s": run.unit_s or None,
            "setup_s": await self._setup_s(run),
            "run": run.id,
        }
        if run.settings:
            order["settings"] = msgspec.to_builtins(run.settings)
        await self._ask("POST", f"{panel}/cycle-start", order)
        self._pressed.add(key)
        self._log.info("cycle.started", run=run.id, panel=panel, quantity=run.quantity)
        return True

    async def _work(self, run: _Listed) -> bool:
        """Do a bench's work: when its time has passed at the run's own time scale, say that the pieces are made."""
        work_s = (await self._setup_s(run) or 0.0) + run.unit_s * run.quantity
        if run.started_at is None or (now() - run.started_at).total_seconds() * run.time_scale < work_s:
            return False
        await self._ask("POST", f"{self._node}/api/runs/{run.id}/finish", {})
        self._log.info("work.finished", run=run.id, quantity=run.quantity)
        return True

    async def _inspect(self, run: _Listed, panel: str) -> bool:
        """Measure a run's parts and send the results."""
        wear_pct = 0.0 if panel == BY_HAND else (await self._state(panel)).tool_wear_pct
        measurements = measure(run, wear_pct, seed=self._seed)
        instrument = "Simulated CMM" if run.box_mm else "Simulated visual check (the run states no dimensions)"
        results = {
            "instrument": instrument,
            "measurements": msgspec.to_builtins(measurements),
            "is_simulated": True,
        }
        try:
            await self._ask("POST", f"{self._node}/api/runs/{run.id}/inspection", results)
        except WrongState:
            return False  # inspected meanwhile
        self._log.info("run.inspected", run=run.id, measurements=len(measurements))
        return True

    async def _resource(self, run: _Listed) -> _Resource:
        """Look up where a run is done."""
        if run.resource not in self._resources:
            listed = _convert(await self._ask("GET", f"{self._node}/api/resources"), _Resources)
            self._resources = {resource.id: resource for resource in listed.resources}
        return self._resources.get(run.resource) or _Resource(id=run.resource, name=run.resource_name or run.resource)

    async def _setup_s(self, run: _Listed) -> float | None:
        """Tell the setup time the owner plans with; None = as the machine sees fit."""
        rates = (await self._resource(run)).rates
        return rates.setup_s if rates else None

    async def _panel_of(self, run: _Listed) -> str:
        """Find the panel of a run's machine by the resource's name or id, or BY_HAND; empty where nobody gave one."""
        resource = await self._resource(run)
        panel = self._machines.get(resource.name) or self._machines.get(resource.id, "")
        if not panel:
            self.tell(
                f"panel of {resource.id}",
                "run.unattended",
                run=run.id,
                machine=resource.name,
                remedy="A person starts it, or give --machine NAME=URL or --bench NAME.",
            )
        return panel

    async def _runs(self, state: RunState) -> list[_Listed]:
        return _convert(await self._ask("GET", f"{self._node}/api/runs?state={state}"), _Runs).runs

    async def _state(self, panel: str) -> _PanelState:
        return _convert(await self._ask("GET", f"{panel}/state"), _PanelState)

    async def _ask(self, method: str, url: str, body: object = None) -> object:
        """Send one request and return the decoded answer; every failure is one of our errors, naming the address."""
        headers = self._headers if url.startswith(self._node) else {}
        try:
            async with self._session.request(method, url, json=body, headers=headers) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            why = getattr(fault, "strerror", None) or str(fault) or "no answer in time"
            raise PeerUnreachable(f"{url} does not answer: {why}.") from fault
        if answer.status in {401, 403}:
            raise NotSignedIn(f"{url} refuses the operator ({answer.status}).", remedy="Give a token with the scope.")
        if answer.status == 409:
            raise WrongState(f"{url} answers 409: {content[:300].decode(errors='replace')}")
        if answer.status >= 400:
            raise PeerError(f"{url} answers {answer.status}: {content[:300].decode(errors='replace')}")
        try:
            decoded: object = msgspec.json.decode(content) if content else None
        except msgspec.DecodeError as fault:
            raise PeerError(f"{url} answers what is not JSON: {fault}.") from fault
        return decoded

    def tell(self, key: str, event: str, **facts: str) -> None:
        """Log a standing trouble once, until it has passed."""
        if key not in self._told:
            self._told.add(key)
            self._log.warning(event, **facts)

    def _heard(self, key: str) -> None:
        if key in self._told:
            self._told.discard(key)
            self._log.info("trouble.passed", about=key)


def _convert(value: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as fault:
        raise PeerError(f"An answer is not what was asked for: {fault}.") from fault


async def run_operator(
    *, node: str, token: str, machines: Mapping[str, str], seed: int = 1, poll_s: float = POLL_S
) -> None:
    """Serve a node's people until cancelled; a node that restarts is waited for, and that is said once.

    `machines` maps the name (or id) of a machine at the node to its panel's URL, or to `BY_HAND` for a bench.
    """
    for url in (node, *(one for one in machines.values() if one != BY_HAND)):
        if not url.startswith(("http://", "https://")):
            raise BadInput(f"{url!r} is no http address.", remedy="Write http://127.0.0.1:8400.")
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        operator = Operator(node, machines, session, token=token, seed=seed)
        announce(node)
        while True:
            try:
                await operator.round()
            except InterworkError as fault:
                operator.tell("node", "node.waits", fault=str(fault), remedy="The operator tries again each second.")
            await anyio.sleep(poll_s)
