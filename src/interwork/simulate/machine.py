"""Runs one simulated machine: its physics in step with the clock, its protocol face, its operator panel."""

import time
from collections.abc import Mapping
from typing import Any

import anyio
import structlog

from interwork.core.errors import BadInput
from interwork.simulate.faces import Plate, open_face
from interwork.simulate.model import Machine
from interwork.simulate.panel import Panel
from interwork.simulate.profiles import LIMITS, make_profile
from interwork.simulate.serving import announce
from interwork.simulate.signals import variables_of

TICK_S = 0.2
"""Values change five times a second of real time, whatever the speed."""


async def run_machine(  # noqa: PLR0913 - a machine is these facts, all by name
    kind: str,
    *,
    host: str = "127.0.0.1",
    port: int,
    panel_port: int = 0,
    name: str = "Simulated machine",
    seed: int = 1,
    speed: float = 1.0,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Serve a simulated machine until cancelled; print one line on standard output when it serves.

    `kind` is opcua, sparkplug, mtconnect or modbus. `options`: `type` (mill, lathe, …), the figures of
    `profiles.LIMITS`, and what the face takes (sparkplug: group, edge, device).
    """
    chosen = dict(options or {})
    if not 0.01 <= speed <= 10_000:
        raise BadInput(f"A speed of {speed:g} was asked for.", remedy="Use 0.01 to 10000 simulated seconds a second.")
    changes = {key: float(chosen.pop(key)) for key in LIMITS if chosen.get(key) is not None}
    profile = make_profile(str(chosen.pop("type", "mill")), **changes)
    machine = Machine(profile, seed=seed)
    plate = Plate(name=name, profile=profile, variables=variables_of(profile), seed=seed, speed=speed)
    log = structlog.get_logger().bind(machine=name, protocol=kind)
    async with (
        Panel(plate, kind, machine, host="127.0.0.1", port=panel_port) as panel,
        open_face(kind, plate, host=host, port=port, options=chosen) as face,
    ):
        await face.show(machine.state())
        announce(face.endpoint, panel.url)
        log.info("machine.serving", endpoint=face.endpoint, panel=panel.url, is_simulated=True)
        then = time.monotonic()
        while True:
            await anyio.sleep(TICK_S)
            elapsed_s, then = time.monotonic() - then, time.monotonic()
            machine.step(elapsed_s * speed)
            await face.show(machine.state())
