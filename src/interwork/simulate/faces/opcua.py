"""The OPC UA face: one object `Machine` with a variable per signal, units as EUInformation (Part 8).

The server's BuildInfo and ApplicationName say simulated, and so does the Boolean `Machine.Simulated`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import anyio
from asyncua import ua as annotated_ua
from asyncua.common.node import Node
from asyncua.server.server import Server

from interwork.core.clock import now
from interwork.core.units import symbol
from interwork.simulate.faces import Plate
from interwork.simulate.model import State
from interwork.simulate.serving import authority, check_port, port_error, slug
from interwork.simulate.signals import Changes, Value, Variable

ua: Any = annotated_ua
"""asyncua's words without its annotations, which want aliases of its own where int and str are meant."""

NAMESPACE = "urn:interwork:simulated-machine"
_UNECE = {"1": "C62", "kW": "KWT", "kW.h": "KWH", "{rpm}": "RPM", "%": "P1", "mm/min": "H81", "Cel": "CEL", "L": "LTR"}
"""UNECE Recommendation 20 codes, which OPC UA Part 8 (5.6.3) packs into the unitId."""
_BUILT = datetime(2026, 11, 1, tzinfo=UTC)


class OpcUaFace:
    """Serves a simulated machine at `opc.tcp://host:port/simulated`."""

    def __init__(self, plate: Plate, host: str, port: int, options: Mapping[str, Any]) -> None:
        del options
        self._plate, self._host, self._port = plate, host, port
        self._server = Server()
        self._nodes: dict[str, tuple[Any, Any]] = {}
        self._changes = Changes(plate.variables)

    @property
    def endpoint(self) -> str:
        """Where clients connect."""
        return f"opc.tcp://{authority(self._host, self._port)}/simulated"

    async def __aenter__(self) -> Self:
        """Build the address space and listen."""
        check_port(self._host, self._port)
        server = self._server
        await server.init()
        server.set_endpoint(self.endpoint)
        server.set_server_name(f"Simulated {self._plate.profile.title} {self._plate.name}")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        await server.set_application_uri(f"urn:interwork:simulated:{slug(self._plate.name)}")
        await server.set_build_info(
            NAMESPACE, "Interwork (simulated)", f"Simulated {self._plate.profile.title}", "1", "1", _BUILT
        )
        await self._build()
        try:
            await server.start()
        except OSError as fault:
            raise port_error(self._host, self._port, fault) from fault
        if server.bserver is not None:
            self._port = server.bserver.port
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening; sessions are cut."""
        with anyio.move_on_after(1, shield=True):
            await self._server.stop()

    async def show(self, state: State) -> None:
        """Write what has changed, with the present as source time."""
        moment = now().replace(tzinfo=None)
        for name, value in self._changes.take(state).items():
            node_id, type_ = self._nodes[name]
            await self._server.write_attribute_value(
                node_id, ua.DataValue(ua.Variant(value, type_), SourceTimestamp=moment, ServerTimestamp=moment)
            )

    async def _build(self) -> None:
        space = await self._server.register_namespace(NAMESPACE)
        machine = await self._server.nodes.objects.add_object(ua.NodeId("Machine", space), f"{space}:Machine")
        await machine.write_attribute(
            ua.AttributeIds.Description, ua.DataValue(ua.LocalizedText(self._plate.description()))
        )
        for variable in self._plate.variables:
            await self._add(machine, space, variable)

    async def _add(self, machine: Node, space: int, variable: Variable) -> None:
        node_id = ua.NodeId(f"Machine.{variable.name}", space)
        type_, first = _typed(variable)
        node = await machine.add_variable(node_id, f"{space}:{variable.name}", first, type_)
        await node.write_attribute(ua.AttributeIds.Description, ua.DataValue(ua.LocalizedText(variable.text)))
        if variable.unit:
            await node.add_property(
                ua.NodeId(f"Machine.{variable.name}.EngineeringUnits", space),
                "0:EngineeringUnits",
                _unit(variable.unit),
            )
        self._nodes[variable.name] = node_id, type_


def _typed(variable: Variable) -> tuple[Any, Value]:  # an OPC UA VariantType
    """Choose the OPC UA type of a variable, with a first value of it."""
    if variable.name == "Simulated":
        return ua.VariantType.Boolean, True
    if not variable.unit:
        return ua.VariantType.String, ""
    return (ua.VariantType.UInt32, 0) if variable.unit == "1" else (ua.VariantType.Double, 0.0)


def _unit(code: str) -> object:
    unece = _UNECE[code]
    return ua.EUInformation(
        NamespaceUri="http://www.opcfoundation.org/UA/units/un/cefact",
        UnitId=int.from_bytes(unece.encode(), "big"),
        DisplayName=ua.LocalizedText(symbol(code)),
        Description=ua.LocalizedText(code),
    )
