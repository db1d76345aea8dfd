"""An OPC UA machine on asyncua's server: `opcua_server.py PORT [JSON]`.

Commands: set|Name|value, add|Name|value, delete|Name, many|Name|count, burst|Name|count, null|Name, status|Name|code,
array|Name, get|Name. JSON: `limits` that are kept, `stated` limits (where they differ, the server lies), `keep_alive`
count it revises to, `policies` by asyncua's names with a `certificate` and `key`, `only` one mode of them, `user` and
`password`, `machinery`.
"""

import asyncio
import json
import sys
from pathlib import Path

from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_session import InternalSession
from asyncua.server.monitored_item_service import MonitoredItemService
from asyncua.server.subscription_service import SubscriptionService
from asyncua.server.user_managers import User, UserRole
from commands import serve_commands

VALUES = {
    "Execution": "READY",
    "PartCount": 0,
    "Power": 1.5,
    "Energy": 10.0,
    "SpindleSpeed": 0.0,
    "ToolWear": 12.5,
    "Program": "P1",
}
UNITS = {
    "Power": ("kW", 4937556),
    "Energy": ("kWh", 4937544),
    "SpindleSpeed": ("rpm", 5394509),
    "ToolWear": ("%", 20529),
}
STATED = {
    "read": "MaxNodesPerRead",
    "browse": "MaxNodesPerBrowse",
    "call": "MaxMonitoredItemsPerCall",
    "subscription": "MaxMonitoredItemsPerSubscription",
}


class Machine:
    def __init__(self, server, index, folder):
        self.server, self.index, self.folder, self.nodes = server, index, folder, {}

    async def add(self, name, value, **more):
        node = await self.folder.add_variable(ua.NodeId(name, self.index), name, value, **more)
        self.nodes[name] = node
        if name in UNITS:
            text, number = UNITS[name]
            unit = ua.EUInformation(UnitId=number, DisplayName=ua.LocalizedText(text))
            await node.add_property(self.index, "EngineeringUnits", unit)
        return node

    async def act(self, verb, name, value="0"):
        match verb:
            case "delete":
                await self.server.delete_nodes([self.nodes.pop(name)])
            case "add":
                await self.add(name, float(value))
            case "many":
                for number in range(int(value)):
                    await self.add(f"{name}{number}", 0.0)
            case "burst":
                for number in range(int(value)):
                    await self.nodes[name].write_value(float(number))
            case "null":
                bad = ua.DataValue(ua.Variant(None), ua.StatusCode(0x808B0000))
                await self.nodes[name].write_value(bad)
            case "status":
                await self.nodes[name].write_value(ua.DataValue(ua.Variant(1.0), ua.StatusCode(int(value))))
            case "array":
                await self.nodes[name].write_value(ua.DataValue(ua.Variant([1.5, 2.5], ua.VariantType.Double)))
            case _:
                await self.show(verb, name, value)

    async def show(self, verb, name, value):
        if verb == "get":
            print(await self.nodes[name].read_value(), flush=True)
        else:
            await self.nodes[name].write_value(type(VALUES.get(name, 0.0))(value))

    async def add_machinery(self):
        """Add what OPC 40001-1 and Part 8 describe: identification, item state, enumerations, a range."""
        plate = await self.folder.add_object(self.index, "Identification")
        await plate.add_property(self.index, "Manufacturer", ua.LocalizedText("Test works"))
        await plate.add_property(self.index, "Model", ua.LocalizedText("M 7"))
        await plate.add_property(self.index, "SerialNumber", "4711")
        await plate.add_property(self.index, "YearOfConstruction", 2020, ua.VariantType.UInt16)
        state = await self.folder.add_object(self.index, "MachineryItemState")
        await state.add_variable(self.index, "CurrentState", ua.LocalizedText("NotExecuting"))
        mode = await self.add("Mode", 1, varianttype=ua.VariantType.Int32)
        words = [ua.LocalizedText(word) for word in ("Manual", "Automatic", "Jog")]
        await mode.add_property(self.index, "EnumStrings", words)
        door = await self.add("Door", True)
        await door.add_property(self.index, "TrueState", ua.LocalizedText("open"))
        await door.add_property(self.index, "FalseState", ua.LocalizedText("closed"))
        kind = await self.server.nodes.enum_data_type.add_data_type(self.index, "MachineStatusKind")
        pairs = [ua.EnumValueType(Value=value, DisplayName=ua.LocalizedText(word)) for value, word in STATES]
        await kind.add_property(self.index, "EnumValues", pairs)
        await self.add("MachineStatus", 4, varianttype=ua.VariantType.Int32, datatype=kind.nodeid)
        grade = await self.server.nodes.enum_data_type.add_data_type(self.index, "GradeKind")
        fields = [ua.EnumField(Value=value, Name=word) for value, word in ((1, "Rough"), (2, "Fine"))]
        await grade.write_data_type_definition(ua.EnumDefinition(Fields=fields))
        await self.add("Grade", 2, varianttype=ua.VariantType.Int32, datatype=grade.nodeid)
        setpoint = await self.add("Setpoint", 5.0)
        await setpoint.add_property(self.index, "EURange", ua.Range(0.0, 100.0))
        whole = await self.add("Speed", 7, varianttype=ua.VariantType.Int16)
        text = await self.add("Job", "none")
        for node in (mode, door, setpoint, whole, text):
            await node.set_writable()


STATES = ((2, "Idle"), (4, "Running"), (8, "Error"))


def keep_limits(limits):
    """Make asyncua's server refuse what is beyond a limit, which it does not do by itself."""
    read, browse = InternalSession.read, InternalSession.browse
    create, subscribe = MonitoredItemService.create_monitored_items, SubscriptionService.create_subscription

    def check(name, count):
        if count > limits.get(name, count):
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)

    async def limited_read(self, params):
        check("read", len(params.NodesToRead))
        return await read(self, params)

    async def limited_browse(self, params):
        check("browse", len(params.NodesToBrowse))
        return await browse(self, params)

    async def limited_create(self, params):
        check("call", len(params.ItemsToCreate))
        room = limits.get("subscription", 1 << 31) - len(self._monitored_items)
        taken, refused = params.ItemsToCreate[: max(room, 0)], params.ItemsToCreate[max(room, 0) :]
        params.ItemsToCreate = taken
        full = ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadTooManyMonitoredItems))
        if refused and limits.get("whole"):
            raise ServiceError(ua.StatusCodes.BadTooManyMonitoredItems)
        return await create(self, params) + [full for _ in refused]

    async def limited_subscribe(self, params, *more, **named):
        if len(self.subscriptions) >= limits.get("subscriptions", 1 << 31):
            raise ServiceError(ua.StatusCodes.BadTooManySubscriptions)
        return await subscribe(self, params, *more, **named)

    InternalSession.read, InternalSession.browse = limited_read, limited_browse
    MonitoredItemService.create_monitored_items = limited_create
    SubscriptionService.create_subscription = limited_subscribe


async def state_limits(server, stated):
    for name, value in stated.items():
        inner = "OperationLimits_" if name in ("read", "browse", "call") else ""
        identifier = getattr(ua.ObjectIds, f"Server_ServerCapabilities_{inner}{STATED[name]}")
        node = server.get_node(ua.NodeId(identifier))
        try:
            await node.write_value(ua.Variant(value, ua.VariantType.UInt32))
        except ua.UaError:
            capabilities = server.get_node(ua.NodeId(ua.ObjectIds.Server_ServerCapabilities))
            await capabilities.add_property(
                ua.NodeId(identifier), STATED[name], ua.Variant(value, ua.VariantType.UInt32)
            )


class Users:
    def __init__(self, name, password):
        self.name, self.password = name, password

    def get_user(self, iserver, username=None, password=None, certificate=None):
        is_known = (username, password) == (self.name, self.password)
        return User(role=UserRole.Admin) if is_known else None


def only(endpoint, mode):
    return endpoint.SecurityMode == ua.MessageSecurityMode[mode]


async def main(port, options):
    server = Server(user_manager=Users(options["user"], options["password"]) if "user" in options else None)
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/machine")
    policies = options.get("policies", ["NoSecurity"])
    server.set_security_policy([ua.SecurityPolicyType[name] for name in policies])
    if "user" in options:
        server.set_identity_tokens([ua.UserNameIdentityToken])
    if "certificate" in options:
        await server.set_application_uri("urn:test:server")
        await server.load_certificate(Path(options["certificate"]))
        await server.load_private_key(Path(options["key"]))
    if "keep_alive" in options:
        server.iserver.max_keep_alive_count = options["keep_alive"]
    index = await server.register_namespace("urn:test:machine")
    machine = Machine(server, index, await server.nodes.objects.add_object(index, "Machine"))
    for name, value in VALUES.items():
        await machine.add(name, value)
    await machine.folder.add_variable(index, "Samples", [1.0] * 65)
    await machine.folder.add_property(index, "SerialNumber", "4711")
    if options.get("machinery"):
        await machine.add_machinery()
    await state_limits(server, options.get("stated", {}))
    async with server:
        if "only" in options:  # as controllers do whose channel is open and whose users' passwords are encrypted
            server.iserver.endpoints[:] = [one for one in server.iserver.endpoints if only(one, options["only"])]
        keep_limits(options.get("limits", {}))
        await serve_commands(machine.act)


asyncio.run(main(int(sys.argv[1]), json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}))
