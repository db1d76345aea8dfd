"""The API of machines: how connections stand, connecting, write-back, the blueprint's figures and its certificates."""

from typing import Any, Literal

import msgspec
from starlette.requests import Request

from interwork.core.blueprint import CommandState, Keeping, TrafficClass, WriteCommand, WritePoint
from interwork.core.errors import BadInput
from interwork.core.resource import Meaning, Resource, Signal
from interwork.flows import ingest, write_back
from interwork.flows.ingest import conformance, figures, trusting
from interwork.flows.ingest.figures import HOURS
from interwork.web.access import Visitor, node_of
from interwork.web.api.reading import LIST_MAX, Entry, body_of, limit_of


class Switch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a machine's connection is on."""

    is_on: bool


class Look(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which device to look at, and for how long."""

    connection: ingest.Connection
    watch_s: float = 3.0


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is decided of an OPC UA server's certificate."""

    act: Literal["trust", "distrust", "forget"]


class Try(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which device to check for conformance, and how long to read it."""

    endpoint: str
    options: dict[str, Any] = {}
    watch_s: float = conformance.WATCH_S


def hours_of(request: Request) -> float:
    """Read `hours` of the query."""
    text = request.query_params.get("hours", f"{HOURS:g}")
    try:
        return float(text)
    except ValueError as fault:
        raise BadInput(f"hours={text[:20]!r} is no span.", remedy="Give a number of hours.") from fault


async def _machines(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401 - any JSON
    node = node_of(request)
    return {"machines": await ingest.machine_states(node), "uplink": ingest.uplink_state(node)}


async def _switch(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    node, identifier = node_of(request), request.path_params["id"]
    await node.store.get(Resource, identifier)
    asked = await body_of(request, Switch)
    return await ingest.switch(node, identifier, is_on=asked.is_on, actor=visitor.id)


async def _retry(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    link = await ingest.retry(node_of(request), request.path_params["id"])
    return {"resource": link.resource, "state": link.state}


async def _propose(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    node, asked = node_of(request), await body_of(request, Look)
    wanted = asked.connection
    found = await ingest.propose(node, wanted.name, wanted.endpoint, wanted.options, watch_s=asked.watch_s)
    measured = ingest.measured(wanted, found, wanted.signals or ingest.mapping_of(found.signals))
    coming = await ingest.foresee(node, measured, len(found.signals))
    return {
        "proposal": found,
        "connection": measured,
        "forecast": coming.sentence,
        "broken": [msgspec.to_builtins(one) for one in coming.broken],
        "policy": node.settings.limits.admission,
    }


async def _probe(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    """Answer at once what a device is found to have; its signals are not read, so no rate is known."""
    node, asked = node_of(request), await body_of(request, ingest.Connection)
    found = await ingest.propose(node, asked.name, asked.endpoint, asked.options, watch_s=0.0)
    mapped = msgspec.structs.replace(asked, signals=asked.signals or ingest.mapping_of(found.signals))
    coming = await ingest.foresee(node, mapped, len(found.signals))
    return {
        "found": found.signals,
        "nameplate": found.nameplate,
        "remarks": found.remarks,
        "connection": mapped,
        "forecast": coming.sentence,
        "broken": [msgspec.to_builtins(one) for one in coming.broken],
        "policy": node.settings.limits.admission,
    }


async def _certificates(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await trusting.certificates(node_of(request))


async def _decide(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    asked = await body_of(request, Decision)
    decide = {"trust": trusting.trust, "distrust": trusting.distrust, "forget": trusting.forget}[asked.act]
    return await decide(node_of(request), request.path_params["thumbprint"], actor=visitor.id)


async def _foresee(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    node, asked = node_of(request), await body_of(request, ingest.Connection)
    coming = await ingest.foresee(node, asked, sum(1 for one in asked.signals if one.read))
    broken = [msgspec.to_builtins(one) for one in coming.broken]
    return {"forecast": coming.sentence, "broken": broken, "policy": node.settings.limits.admission}


async def _map(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    node, identifier = node_of(request), request.path_params["id"]
    signal = await node.store.get(Signal, identifier)
    said = await body_of(request, _Said)
    mapped = ingest.Mapped(address=signal.address, **{name: getattr(said, name) for name in said.__struct_fields__})
    return await ingest.change_signal(node, identifier, mapped, actor=visitor.id)


class _Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str = ""
    unit: str | None = None
    meaning: Meaning | None = None
    deadband: float | None = None
    keeping: Keeping | None = None
    period_s: float | None = None
    priority: TrafficClass | None = None
    read: bool = True


async def _blueprint(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await figures.plant(node_of(request), hours=hours_of(request))


async def _check(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    asked = await body_of(request, Try)
    node = node_of(request)
    return await conformance.check(node, asked.endpoint, asked.options, watch_s=asked.watch_s, actor=visitor.id)


async def _verify(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return await conformance.verify(node_of(request), await body_of(request, conformance.Certificate))


async def _secrets(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"names": node_of(request).secrets.names()}


def _person(visitor: Visitor) -> write_back.Person:
    return write_back.Person(id=visitor.id, role=visitor.role)


async def _points(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    return {"points": await node_of(request).store.find(WritePoint, limit=LIST_MAX)}


async def _permit(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    node, identifier = node_of(request), request.path_params["id"]
    await node.store.get(Signal, identifier)
    return await write_back.permit(node, identifier, await body_of(request, write_back.PointDraft), actor=visitor.id)


async def _close(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    await write_back.close(node_of(request), request.path_params["id"], actor=visitor.id)
    return {"closed": request.path_params["id"]}


async def _ask(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    node, identifier = node_of(request), request.path_params["id"]
    await node.store.get(Signal, identifier)
    return await write_back.ask(node, identifier, await body_of(request, write_back.Ask), _person(visitor))


async def _commands(request: Request, _visitor: Visitor) -> Any:  # noqa: ANN401
    store, limit = node_of(request).store, limit_of(request)
    wanted = request.query_params.get("state") or [one.value for one in CommandState]
    return {"commands": await store.find(WriteCommand, limit=limit, newest=True, state=wanted)}


async def _confirm(request: Request, visitor: Visitor) -> Any:  # noqa: ANN401
    return await write_back.confirm(node_of(request), request.path_params["id"], _person(visitor))


ROUTES: tuple[Entry, ...] = (
    ("GET", "/machines", "read", _machines),
    ("POST", "/machines/{id}/switch", "operate", _switch),
    ("POST", "/machines/{id}/retry", "operate", _retry),
    ("POST", "/probe", "operate", _probe),
    ("POST", "/propose", "operate", _propose),
    ("GET", "/certificates", "read", _certificates),
    ("POST", "/certificates/{thumbprint}", "administer", _decide),
    ("POST", "/foresee", "operate", _foresee),
    ("POST", "/signals/{id}/mapping", "operate", _map),
    ("GET", "/blueprint", "read", _blueprint),
    ("POST", "/blueprint/check", "operate", _check),
    ("POST", "/blueprint/verify", "read", _verify),
    ("GET", "/secrets", "administer", _secrets),
    ("GET", "/write-points", "read", _points),
    ("POST", "/signals/{id}/write-point", "administer", _permit),
    ("POST", "/signals/{id}/write-point/close", "administer", _close),
    ("POST", "/signals/{id}/write", "operate", _ask),
    ("GET", "/commands", "read", _commands),
    ("POST", "/commands/{id}/confirm", "operate", _confirm),
)
