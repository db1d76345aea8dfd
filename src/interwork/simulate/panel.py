"""The operator panel of a simulated machine: a tiny HTTP face on loopback, because a person presses Start.

POST /cycle-start begins a cycle (the same `run` twice is answered alike and made once), POST /reset clears a fault,
GET /state shows the machine. A request that a web page of another origin sends is refused.
"""

import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

from interwork.core.clock import now, rfc3339
from interwork.core.errors import BadInput, InterworkError, Refused
from interwork.core.part.plan import Setting
from interwork.core.units import convert
from interwork.simulate.faces import Plate
from interwork.simulate.model import Cycle, Machine
from interwork.simulate.serving import authority, port_error

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_MOST_BYTES = 16_384
_MOST_RUNS = 1000
"""Answers remembered, so that a repeated cycle start finds its first one."""

SET_AT_START = ("SpindleSpeed", "FeedRate")
"""What a person sets on the machine before the start."""
SET_MOST = 1e6
"""More is no speed or feed; the program's own stays."""

_HELP = """{description}

Operator panel:
  GET  /state         what the machine shows
  POST /cycle-start   {{"program": "P1", "quantity": 5, "unit_s": 240, "setup_s": 600, "run": "optional id",
                       "settings": [{{"name": "feed rate", "value": 900, "unit": "mm/min"}}]}}
  POST /reset         clear a fault
"""


class CycleStart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the panel's Start button is told."""

    program: str
    quantity: int
    unit_s: float | None = None
    """None or 0 = the machine's own."""
    setup_s: float | None = None
    """None = the machine's own."""
    run: str = ""
    settings: tuple[Setting, ...] = ()
    """Of these, spindle speed and feed are set on the machine; the answer says which were."""


class Panel:
    """Serves the operator panel of one machine."""

    def __init__(self, plate: Plate, kind: str, machine: Machine, *, host: str, port: int) -> None:
        self._plate, self._kind, self._machine = plate, kind, machine
        self._host, self._port = host, port
        self._instance = f"{time.time_ns():x}"
        self._answers: dict[str, bytes] = {}
        application = web.Application(client_max_size=_MOST_BYTES, middlewares=[_edge])
        application.router.add_get("/", self._help)
        application.router.add_get("/state", self._state)
        application.router.add_post("/cycle-start", self._cycle_start)
        application.router.add_post("/reset", self._reset)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)

    @property
    def url(self) -> str:
        """Where the panel answers."""
        return f"http://{authority(self._host, self._port)}"

    async def __aenter__(self) -> Self:
        """Begin to listen; port 0 takes any free one."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as fault:
            await self._runner.cleanup()
            raise port_error(self._host, self._port, fault, option="--panel-port") from fault
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _help(self, _: web.Request) -> web.Response:
        return web.Response(text=_HELP.format(description=self._plate.description()))

    async def _state(self, _: web.Request) -> web.Response:
        return _answer(msgspec.json.encode(self._shown()))

    async def _cycle_start(self, request: web.Request) -> web.Response:
        try:
            wanted = msgspec.json.decode(await request.read(), type=CycleStart)
        except msgspec.DecodeError as fault:
            raise BadInput(
                f"The cycle start is not understood: {fault}.", remedy='Send {"program": "P1", "quantity": 1}.'
            ) from fault
        if wanted.run in self._answers:
            return _answer(self._answers[wanted.run])
        profile = self._plate.profile
        before = self._machine.state()
        taken = self._taken(wanted.settings)
        self._machine.start(
            Cycle(
                program=wanted.program[:128],
                quantity=wanted.quantity,
                unit_s=wanted.unit_s or profile.unit_s,
                setup_s=profile.setup_s if wanted.setup_s is None else wanted.setup_s,
                run=wanted.run[:128],
                speed_rpm=taken.get("SpindleSpeed"),
                feed_mm_min=taken.get("FeedRate"),
            )
        )
        body = msgspec.json.encode(
            {
                "accepted": True,
                "run": wanted.run,
                "program": wanted.program,
                "quantity": wanted.quantity,
                "part_count": before.part_count,
                "energy_kwh": before.energy_kwh,
                "settings": taken,
                "at": rfc3339(now()),
            }
        )
        if wanted.run:
            self._remember(wanted.run, body)
        return _answer(body)

    def _taken(self, settings: tuple[Setting, ...]) -> dict[str, float]:
        """Give the settings this machine has, by its own name for them and in its own unit."""
        own = [one for one in self._plate.variables if one.name in SET_AT_START]
        pairs = [(one, setting) for one in own for setting in settings if setting.is_called(one.name)]
        values = {one.name: _in_unit(setting, one.unit) for one, setting in pairs}
        return {name: value for name, value in values.items() if value is not None and 0 < value <= SET_MOST}

    def _remember(self, run: str, body: bytes) -> None:
        self._answers[run] = body
        while len(self._answers) > _MOST_RUNS:
            del self._answers[next(iter(self._answers))]

    async def _reset(self, _: web.Request) -> web.Response:
        return _answer(msgspec.json.encode({"cleared": self._machine.reset()}))

    def _shown(self) -> dict[str, Any]:
        plate = self._plate
        return {
            "name": plate.name,
            "protocol": self._kind,
            "type": plate.profile.type,
            "is_simulated": True,
            "seed": plate.seed,
            "speed": plate.speed,
            "instance": self._instance,
            **msgspec.to_builtins(self._machine.state()),
        }


def _in_unit(setting: Setting, unit: str) -> float | None:
    """Give a setting in the machine's unit; None where it measures something else, as a feed per tooth."""
    try:
        return convert(setting.value, setting.unit or unit, unit)
    except BadInput:
        return None


def _answer(body: bytes, *, status: int = 200, content_type: str = "application/json") -> web.Response:
    return web.Response(body=body, status=status, content_type=content_type)


def _check_origin(request: web.Request) -> None:
    """Refuse what a web page elsewhere sends, also under a name that was made to resolve to this computer."""
    origin = request.headers.get("Origin")
    if request.url.host not in _LOOPBACK or (origin and origin != f"http://{request.host}"):
        raise Refused("The request comes from a page of another origin.", rule="same-origin")


@web.middleware
async def _edge(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse other origins, and render our errors as RFC 9457 problem details."""
    try:
        _check_origin(request)
        response = await handler(request)
    except InterworkError as fault:
        problem = {"title": fault.code, "status": fault.status, "detail": fault.message, "remedy": fault.remedy}
        return _answer(msgspec.json.encode(problem), status=fault.status, content_type="application/problem+json")
    return response
