"""The only wiring: reads the settings, opens the parts of one node, starts its tasks, hands things over."""

import hashlib
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

import anyio
import structlog
from anyio.abc import TaskGroup

from interwork.core.errors import DiskFull, InterworkError, NotFound
from interwork.core.event import Tag
from interwork.core.organisation import Account, Membership, MembershipState, Organisation, Setting
from interwork.core.settings import Settings
from interwork.federation import DataRequest, DataResponse, Federation, Identity, PeerClient
from interwork.flows import crawl, designing, ingest, make_part, operate, republish, write_back
from interwork.flows.fulfil import perform
from interwork.flows.fulfil.provide import answer
from interwork.flows.node import Node as Parts
from interwork.flows.publish import publish_membership
from interwork.store import Change, Files, Store
from interwork.store.settings import read_settings
from interwork.stream import Historian, Live
from interwork.stream.scale import Scaled
from interwork.stream.scale.opening import lake_of

log = structlog.get_logger()
AGAIN_S, STEADY_S = (1.0, 30.0), 60.0
"""First and longest wait before work that failed begins anew; work that held so long waits the first time again."""
CLOSE_S = 10.0
"""Longest time the parts are given to close."""


class _Source:
    """Hands calls under an agreement to the provider's story; filled once the node is whole."""

    def __init__(self) -> None:
        self.node: Node | None = None

    async def answer(self, request: DataRequest) -> DataResponse:
        """Answer one call the federation has let through."""
        if self.node is None:
            raise NotFound("This node is still starting.", remedy="Try again in a moment.")
        return await answer(self.node, request)


@dataclass(frozen=True, kw_only=True)
class Node(Parts):
    """One organisation's node with its running tasks."""

    client: PeerClient

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Run the node's tasks until the block is left; cancelling is the shutdown."""
        if not self.settings.is_reader:
            await self.store.commit(Change().event(Tag.NODE_STARTED, self.did, name=self.settings.name))
        async with self.client, anyio.create_task_group() as tasks:
            tasks.start_soon(self.historian.run)
            if self.settings.is_reader:
                tasks.start_soon(ingest.mirror, self)
            else:
                await self._begin(tasks)
            yield
            tasks.cancel_scope.cancel()
        with anyio.move_on_after(CLOSE_S, shield=True):
            await self.historian.close()
            await self.store.close()

    async def _begin(self, tasks: TaskGroup) -> None:
        """Start what a node does of itself; a reader of shared readings only answers."""
        tasks.start_soon(_kept_up, "federation", self.federation.run)
        tasks.start_soon(_kept_up, "ingest", partial(ingest.work, self))
        tasks.start_soon(_kept_up, "write_back", partial(write_back.work, self))
        tasks.start_soon(_kept_up, "operate", partial(operate.work, self))
        tasks.start_soon(_kept_up, "perform", partial(perform.work, self))
        tasks.start_soon(_kept_up, "make_part", partial(make_part.work, self))
        tasks.start_soon(_kept_up, "designing", partial(designing.work, self))
        if self.settings.sparkplug_edge:
            tasks.start_soon(_kept_up, "republish", partial(republish.work, self))
        if "portal" in self.settings.roles:
            tasks.start_soon(_kept_up, "crawl", partial(crawl.work, self))
        if self.has_institute:
            await publish_membership(self)


async def _kept_up(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do a node's work; a fault of its database or its disk ends no node: it is told, and the work begins anew."""
    wait = AGAIN_S[0]
    while True:
        began = anyio.current_time()
        try:
            await work()
        except* InterworkError as faults:
            told = [str(fault) for fault in _leaves(faults)]
            log.warning("task.begins_anew", work=name, faults=told[:3], after_s=round(wait, 1))
        else:
            return
        wait = AGAIN_S[0] if anyio.current_time() - began > STEADY_S else min(2 * wait, AGAIN_S[1])
        await anyio.sleep(wait)


def _leaves(group: BaseExceptionGroup[InterworkError]) -> list[InterworkError]:
    """List the faults of a group, however deep they are."""
    parts = [_leaves(one) if isinstance(one, BaseExceptionGroup) else [one] for one in group.exceptions]
    return [fault for part in parts for fault in part]


async def open_node(folder: Path) -> Node:
    """Open one node's parts; nothing runs yet."""
    settings = read_settings(folder)
    try:
        (folder / "files").mkdir(exist_ok=True)
        (folder / "readings").mkdir(exist_ok=True)
        (folder / "keys").mkdir(mode=0o700, exist_ok=True)
    except OSError as fault:
        raise DiskFull(
            f"{folder} cannot be written: {fault}.", remedy="Free space, or mend the permissions."
        ) from fault
    store = await Store.open(settings.database or f"sqlite:///{folder / 'state.sqlite3'}")
    identity = Identity.open(folder / "keys", settings.root())
    client = PeerClient(allow_loopback=settings.allow_loopback_peers)
    source = _Source()

    async def credentials() -> list[str]:
        held = await store.find(Membership, did=identity.did, state=MembershipState.GRANTED, limit=20)
        return [one.credential for one in held if one.credential]

    issuers = await _issuers(settings, identity, store)
    federation = Federation(
        store=store,
        identity=identity,
        client=client,
        root=settings.root(),
        name=settings.name,
        trusted_issuers=issuers,
        claims=credentials,
        source=source,
    )
    node = Node(
        folder=folder,
        settings=settings,
        store=store,
        files=Files(folder / "files"),
        historian=await _historian(folder, settings),
        live=Live(),
        identity=identity,
        federation=federation,
        client=client,
        issuers=issuers,
    )
    source.node = node
    if not settings.is_reader:
        await _first_start(node)
    return node


async def _historian(folder: Path, settings: Settings) -> Historian:
    """Open the readings: this machine's own, or the shared ones of `[scale]`."""
    if settings.scale is None:
        return await Historian.open(folder / "readings", limits=settings.limits)
    place, source = lake_of(folder, settings.scale)
    held = int(settings.limits.spool_mb * 2**20)
    return await Scaled.reach(folder / "readings", place, None if settings.is_reader else source, held_bytes=held)


async def _issuers(settings: Settings, identity: Identity, store: Store) -> set[str]:
    """Collect whose membership credentials count: those configured, the institutes joined, and an institute itself."""
    joined = await store.find(Membership, did=identity.did, state=MembershipState.GRANTED, limit=100)
    own = {identity.did} if "institute" in settings.roles else set()
    return {*settings.trusted_issuers, *own, *(one.institute for one in joined)}


async def _first_start(node: Node) -> None:
    """Record who this node is, and the public directory where it is a portal; once."""
    settings = node.settings
    body = Organisation(
        id=settings.organisation,
        name=settings.name,
        kind=settings.kind,
        place=settings.place,
        did=node.did,
        focus=settings.focus,
        is_sample=settings.is_sample,
        source="this node's own settings",
    )
    await node.store.commit(
        Change(once=f"organisation:{node.did}").put(body).event(Tag.NODE_CREATED, node.did, name=settings.name)
    )
    if "portal" in settings.roles:
        facts = resources.files("interwork").joinpath("samples", "institutes.csv").read_text(encoding="utf-8")
        source = "institutes.csv: Manufacturing USA and HVM Catapult public pages, November 2026"
        await crawl.fill_directory(node, facts, source)


async def owner_link(node: Node) -> str:
    """Make a fresh one-time link for the owner's account; empty once an account exists, and on a reader."""
    if node.settings.is_reader or await node.store.count(Account):
        return ""
    secret = secrets.token_urlsafe(24)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    await node.store.commit(Change().put(Setting(id="owner-claim", value=digest)))
    return f"{node.settings.root()}/claim/{secret}"
