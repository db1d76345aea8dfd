"""How each machine's connection stands, for the page, the API and the command line, and what a person may do to it."""

from datetime import datetime

import anyio
import msgspec
from msgspec.structs import replace

from interwork.core.blueprint import LinkState, Step
from interwork.core.clock import to_us
from interwork.core.errors import InterworkError, NotFound, WrongState
from interwork.core.event import Tag
from interwork.core.resource import Blueprint, Resource
from interwork.flows.links import Link
from interwork.flows.node import Node
from interwork.store import Change
from interwork.stream.blueprint import Count, Loss
from interwork.stream.spool import Fill

NAMEPLATE_S = 3.0
"""How long a machine may take to say who it is."""


class MachineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One machine's connection."""

    id: str
    name: str
    endpoint: str
    state: LinkState
    since: datetime | None = None
    said: str = ""
    remedy: str = ""
    tries: int = 0
    """Attempts that failed since it was last connected."""
    connects: int = 0
    next_try: datetime | None = None
    heard_at: datetime | None = None
    data_age_s: float | None = None
    step: Step = Step.WHOLE
    counts: dict[str, Count] = {}
    losses: tuple[Loss, ...] = ()
    lost: int = 0
    is_simulated: bool = False
    tells: dict[str, int] = {}
    """What its connector counted otherwise than it should be, by reason."""
    remarks: tuple[str, ...] = ()
    """What a person should know of the link: its security, its limits."""


class UplinkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where kept readings go, and what waits."""

    is_away: bool
    since: datetime | None
    said: str
    append_s: float
    refused: int
    fill: Fill | None


async def machine_states(node: Node) -> list[MachineStatus]:
    """Tell how the connection of every device of this node stands, by name."""
    own = await node.store.find(Resource, owner=node.settings.organisation, limit=10_000)
    held = {one.resource for one in await node.store.find(Blueprint, limit=10_000)}
    states = [_state(node, one) for one in own if one.endpoint or one.id in held]
    return sorted(states, key=lambda one: one.name.lower())


def _state(node: Node, resource: Resource) -> MachineStatus:
    link = node.links.by_resource.get(resource.id)
    if link is None or not resource.endpoint:
        said = "Another node reads it." if node.settings.is_reader else ""
        said = said if resource.endpoint else "It has no connection."
        return MachineStatus(
            id=resource.id, name=resource.name, endpoint=resource.endpoint, state=LinkState.STOPPED, said=said
        )
    hold = link.hold
    is_up = link.state in (LinkState.CONNECTED, LinkState.DEGRADED)
    return MachineStatus(
        id=resource.id,
        name=resource.name,
        endpoint=resource.endpoint,
        state=link.state,
        since=link.since,
        said=link.said,
        remedy=link.remedy,
        tries=link.tries,
        connects=link.reconnects,
        next_try=link.next_try,
        heard_at=link.heard_at,
        data_age_s=round(anyio.current_time() - link.heard, 1) if is_up else None,
        step=Step.WHOLE if hold is None else hold.step,
        counts={} if hold is None else hold.counts(to_us(node.clock())),
        losses=() if hold is None else hold.losses[-20:],
        lost=0 if hold is None else hold.lost,
        is_simulated=resource.is_simulated,
        tells=dict(getattr(link.connector, "counters", {})),
        remarks=tuple(getattr(link.connector, "remarks", ())),
    )


async def machine_state(node: Node, resource: Resource) -> MachineStatus:
    """Tell how the connection of one device stands."""
    return _state(node, resource)


async def nameplate(node: Node, identifier: str) -> dict[str, str]:
    """Tell what a connected machine says of itself, in the words of the nameplate submodel; asked once a connection."""
    link = node.links.by_resource.get(identifier)
    ask = None if link is None else getattr(link.connector, "nameplate", None)
    if link is None or ask is None:
        return {} if link is None or link.plate is None else link.plate
    if link.plate is None:
        try:
            with anyio.fail_after(NAMEPLATE_S):
                link.plate = dict(await ask())
        except (InterworkError, TimeoutError):  # it is busy or has just gone; it is asked again when looked at again
            return {}
    return link.plate


def uplink_state(node: Node) -> UplinkStatus:
    """Tell whether readings are kept at once, and what waits to be."""
    uplink = node.links.uplink
    return UplinkStatus(
        is_away=uplink.is_away,
        since=uplink.since if uplink.is_away else None,
        said=uplink.said,
        append_s=round(uplink.append_s, 4),
        refused=uplink.refused,
        fill=None if uplink.spool is None else uplink.spool.fill(),
    )


async def switch(node: Node, identifier: str, *, is_on: bool, actor: str) -> Resource:
    """Switch a machine's connection off or on; its records stay."""
    resource = await _own(node, identifier)
    if resource.is_disabled == (not is_on):
        return resource
    changed = replace(resource, is_disabled=not is_on)
    told = Change(actor).put(changed).event(Tag.MACHINE_SWITCHED, resource.id, is_on=is_on)
    await node.store.commit(told)
    return changed


async def retry(node: Node, identifier: str) -> Link:
    """Try a machine that is waited for at once."""
    resource = await _own(node, identifier)
    link = node.links.by_resource.get(resource.id)
    if link is None or link.state not in (LinkState.BACKOFF, LinkState.FAILED):
        said = "stopped" if link is None else link.state.value
        raise WrongState(f"{resource.name} is {said}; it is not waited for.", remedy="Nothing needs to be done.")
    link.kick.set()
    return link


async def _own(node: Node, identifier: str) -> Resource:
    resource = await node.store.get(Resource, identifier)
    if not resource.endpoint:
        raise NotFound(f"{resource.name} has no connection.", remedy="Connect it with `interwork connect`.")
    return resource
