"""What a story is told with: the opened parts of one node, handed in by `app.py`."""

from dataclasses import dataclass, field
from pathlib import Path

import anyio

from interwork.connectors.sparkplug.edge_node import EdgeStatus
from interwork.core.clock import Clock, now
from interwork.core.errors import NotFound, Refused
from interwork.core.exchange import Peer
from interwork.core.organisation import Setting
from interwork.core.settings import Settings
from interwork.federation import Federation, Identity
from interwork.flows.links import Links
from interwork.store import Files, Store
from interwork.store.secrets import Secrets
from interwork.stream import Historian, Live


@dataclass(frozen=True, kw_only=True)
class Node:
    """One organisation's node, opened."""

    folder: Path
    settings: Settings
    store: Store
    files: Files
    historian: Historian
    live: Live
    identity: Identity
    federation: Federation
    issuers: set[str] = field(default_factory=set)
    """DIDs of the institutes whose membership credentials count here; joining one adds it."""
    clock: Clock = field(default=now)
    edge: EdgeStatus = field(default_factory=EdgeStatus)
    """How this node stands as a Sparkplug edge node; filled by `republish`."""
    links: Links = field(default_factory=Links)
    """How each machine's connection stands; filled by the machine line."""
    numbering: anyio.Lock = field(default_factory=anyio.Lock)
    """Held while a signal is given its number."""
    booking: anyio.Lock = field(default_factory=anyio.Lock)
    """Held while an order is held against the windows already taken."""
    planning: anyio.Lock = field(default_factory=anyio.Lock)
    """Held while this node plans its needs for somebody it plans together with."""

    @property
    def did(self) -> str:
        """Tell this node's decentralised identifier."""
        return self.identity.did

    @property
    def secrets(self) -> Secrets:
        """Open the secrets kept in this node's keys folder."""
        return Secrets(self.folder / "keys")

    @property
    def has_institute(self) -> bool:
        """Tell whether this node runs memberships and projects."""
        return "institute" in self.settings.roles

    async def portal(self) -> Peer:
        """Find the portal this node joined; Refused where it joined none."""
        joined = await self.store.peek(Setting, "portal")
        address = self.settings.portal or (joined.value if joined else "")
        if not address:
            raise Refused(
                f"{self.settings.name} has joined no portal.",
                rule="needs are searched in a portal's catalog",
                remedy="Run `interwork join ADDRESS` first.",
            )
        return await self.federation.meet(address)

    async def peer(self, did: str) -> Peer:
        """Find a node this one has met."""
        known = await self.store.peek(Peer, did)
        if known is None:
            raise NotFound(f"{self.settings.name} has not met {did}.", remedy="Join the portal both are members of.")
        return known
