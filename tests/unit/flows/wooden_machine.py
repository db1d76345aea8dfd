"""A connector for a machine of wood: it says what a test laid out for it, and its link drops where the test says so."""

from array import array

import anyio

from interwork.connectors import Found
from interwork.core.clock import now, to_us
from interwork.core.errors import InterworkError, MachineUnreachable
from interwork.core.resource import Batch, Meaning

SCRIPTS: dict[str, list[object]] = {}
"""By host: what happens at each opening. A number is read for ever, an error is raised, None drops after a reading,
"quiet" says one thing and is silent; "stands" says what has stood since STOOD_US, and drops at the first opening."""
STOOD_US = to_us(now()) - 3_600_000_000
OPTIONS: dict[str, dict[str, object]] = {}
"""By host: the options it was last opened with."""
WRITTEN: dict[str, list[object]] = {}
"""By host: the commands it was given."""
OPENED: dict[str, int] = {}


class WoodenMachine:
    """Opened as `wood://host`."""

    def __init__(self, endpoint, options):
        self.host = endpoint.partition("://")[2]
        self.options = OPTIONS[self.host] = dict(options)

    async def __aenter__(self):
        OPENED[self.host] = OPENED.get(self.host, 0) + 1
        return self

    async def __aexit__(self, *_):
        return None

    async def browse(self):
        return [
            Found(address="power", name="Power", unit="kW", meaning=Meaning.POWER),
            Found(address="parts", name="Parts", unit="1", meaning=Meaning.PART_COUNT),
        ]

    async def readings(self, points):
        script = SCRIPTS.get(self.host, [1.0])
        turn = script[min(OPENED[self.host] - 2, len(script) - 1)]  # the first opening was the look around
        if isinstance(turn, InterworkError):
            raise turn
        value = turn if isinstance(turn, float) else 5.0
        while True:
            yield batch(points, value, STOOD_US if turn == "stands" else None)
            if turn == "stands" and OPENED[self.host] == 2:
                raise MachineUnreachable(f"{self.host} went away.")
            if turn in ("quiet", "stands"):
                await anyio.sleep_forever()
            if turn is None:
                raise MachineUnreachable(f"{self.host} went away.")
            value += 1
            await anyio.sleep(0.02)


def batch(points, value, time_us=None):
    numbers = [one.number for one in points]
    time_us = to_us(now()) if time_us is None else time_us
    return Batch(
        signal=array("i", numbers),
        time_us=array("q", [time_us] * len(numbers)),
        value=array("d", [value] * len(numbers)),
        quality=array("I", [0] * len(numbers)),
    )
