"""The protocol faces of a simulated machine: the same state in each protocol's words, and each says simulated."""

import pkgutil
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from interwork.core.errors import BadInput
from interwork.simulate.model import State
from interwork.simulate.profiles import Profile
from interwork.simulate.signals import Variable


class Plate(msgspec.Struct, frozen=True, kw_only=True):
    """What is written on the machine's nameplate."""

    name: str
    profile: Profile
    variables: tuple[Variable, ...]
    seed: int
    speed: float

    def description(self) -> str:
        """Say in one sentence that, and what, it is."""
        return (
            f"SIMULATED {self.profile.title} {self.name!r}: all values come from a physics model "
            f"(seed {self.seed}, {self.speed:g} simulated seconds per second)."
        )


class Face(Protocol):
    """A machine's protocol side: an async context manager that serves while it is open."""

    @property
    def endpoint(self) -> str:
        """Where a connector finds the machine."""
        ...

    async def __aenter__(self) -> Self:
        """Begin to serve; raise PortInUse where the port is taken."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving, within a second."""
        ...

    async def show(self, state: State) -> None:
        """Show the machine's present state to whoever is connected."""
        ...


FACES = {
    "opcua": "interwork.simulate.faces.opcua:OpcUaFace",
    "sparkplug": "interwork.simulate.faces.sparkplug:SparkplugFace",
    "mtconnect": "interwork.simulate.faces.mtconnect:MTConnectFace",
    "modbus": "interwork.simulate.faces.modbus:ModbusFace",
}
"""By kind. Named, not imported: a process pays only for the protocol library it uses."""


def open_face(kind: str, plate: Plate, *, host: str, port: int, options: Mapping[str, Any]) -> Face:
    """Make the face of a kind; it serves once entered."""
    if kind not in FACES:
        raise BadInput(f"There is no simulated machine for {kind!r}.", remedy=f"Use one of {', '.join(FACES)}.")
    face: Face = pkgutil.resolve_name(FACES[kind])(plate, host, port, options)
    return face
