"""The contract every machine connector keeps: browse, read as column batches, and raise when the link drops.

A connector is an async context manager made from an endpoint and options. It never retries, logs, stores or
converts units: the ingest flow does that once for all. Every buffer is bounded: when the reader is slow the source
is slowed, and where it cannot be slowed the link is given up aloud. One bad signal never stops the others: it gets a
bad quality. A reading generator must be closed (`contextlib.aclosing`) or run to its end.
"""

import importlib.metadata
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, cast, runtime_checkable

import msgspec

from interwork.core.errors import BadInput
from interwork.core.resource import Batch, Meaning

GROUP = "interwork.connectors"
"""The entry-point group connectors are found in: endpoint scheme = class."""

FLUSH_READINGS = 5_000
"""A batch is handed over at this many readings at the latest."""

FLUSH_S = 0.1
"""A batch is handed over at this age, in seconds, at the latest."""

ALIVE_S = 2.0
"""A quiet machine that is known to be there says so, by an empty batch, so often at the most, in seconds."""

BAD = 0x8000_0000
BAD_DECODING = 0x8007_0000
BAD_TIMEOUT = 0x800A_0000
BAD_UNKNOWN = 0x8034_0000
BAD_OUT_OF_RANGE = 0x803C_0000
BAD_TYPE = 0x8074_0000


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A signal a machine was found to have, with what is proposed for it."""

    address: str
    name: str
    unit: str = ""
    """UCUM code, or the maker's own text in braces where none is known."""
    meaning: Meaning = Meaning.OTHER
    is_text: bool = False


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """What to read: the number the columns carry and where the connector finds it."""

    number: int
    address: str
    is_text: bool = False


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A value to be written to a machine's point."""

    address: str
    value: float | str | bool


class Connector(Protocol):
    """One machine's link: entered, browsed, read, left."""

    async def __aenter__(self) -> Self:
        """Open the link; raise MachineUnreachable where nobody answers in time."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the link and its sockets promptly, also while being cancelled."""
        ...

    async def browse(self) -> list[Found]:
        """List the machine's signals with proposed units and meanings."""
        ...

    def readings(self, points: Sequence[Point]) -> AsyncGenerator[Batch, None]:
        """Yield column batches until closed; raise MachineUnreachable when the link drops.

        An empty one is a sign of life: the machine, or who speaks for it, was heard and had nothing new.
        """
        ...


class Writer(Protocol):
    """What a connector has beside `Connector` where its machine takes values; a flow decides who may write what."""

    async def write(self, commands: Sequence[Command]) -> list[int]:
        """Send values once, never again later; return one OPC UA status code per command."""
        ...


class Telling(Protocol):
    """What a connector may have beside `Connector` for whoever shows its health."""

    @property
    def counters(self) -> Mapping[str, int]:
        """Count what went otherwise than it should, by reason; `overflows` are values lost at the source."""
        ...

    @property
    def remarks(self) -> Sequence[str]:
        """Say in sentences what a person should know of the link: its security, its limits."""
        ...


@runtime_checkable
class Slowing(Protocol):
    """What a connector has beside `Connector` where its machine itself can be asked to be sampled more rarely."""

    def slow(self, factor: float) -> None:
        """Have it sampled so many times more slowly than the options say, 1 = as they say, from the next moment on.

        What came of it is told by `remarks`; a connector entered or read anew keeps the factor.
        """
        ...


class Identifying(Protocol):
    """What a connector has beside `Connector` where its machine says who it is."""

    async def nameplate(self) -> dict[str, str]:
        """Read maker, model, serial number and their like in the words of the nameplate submodel."""
        ...


@runtime_checkable
class Resuming(Protocol):
    """What a connector has beside `Connector` where its machine keeps what nobody read, so that it can go on there.

    Entered again after a lost link it does so by itself; made anew, by the place it is given before it is entered.
    Once what it reads follows without a hole it says so at once, with an empty batch where nothing changed; a hole
    is told as bad readings and counted in `counters["gaps"]` and `counters["gap_observations"]`.
    """

    resumes: bool

    def place(self) -> str:
        """Tell the place up to which everything was taken; empty where there is none yet."""
        ...

    def go_on(self, place: str) -> None:
        """Read on from a place another one told; BadInput where it is none."""
        ...


def schemes() -> tuple[str, ...]:
    """List the endpoint schemes that an installed connector answers to."""
    return tuple(sorted({entry.name for entry in importlib.metadata.entry_points(group=GROUP)}))


def open_connector(endpoint: str, options: Mapping[str, Any]) -> Connector:
    """Make the connector for an endpoint by its scheme; raise BadInput for what no connector can reach."""
    scheme, separator, _ = endpoint.partition("://")
    found = importlib.metadata.entry_points(group=GROUP, name=scheme) if separator else ()
    for entry in found:
        return cast("Connector", entry.load()(endpoint, options))
    known = ", ".join(f"{name}://" for name in schemes()) or "none: the program is not installed"
    raise BadInput(f"{endpoint!r} is no machine endpoint.", remedy=f"Start it with a known scheme ({known}).")
