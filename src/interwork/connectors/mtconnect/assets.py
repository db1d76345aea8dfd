"""An agent's assets as two signals: how many it keeps, and which one changed last.

Asked for when an ASSET_CHANGED or ASSET_REMOVED observation says so and every `assets_s` seconds besides; only where
a point wants them, and never so often that the stream would wait for them.
"""

from collections.abc import Mapping, Sequence

import anyio

from interwork.connectors import Found
from interwork.connectors.mtconnect.agent import Agent
from interwork.connectors.mtconnect.documents import open_document
from interwork.connectors.mtconnect.model import Assets, DataItem, MalformedDocument, Seen
from interwork.core.clock import now, to_us
from interwork.core.errors import MachineUnreachable
from interwork.core.resource import BAD_NO_DATA, GOOD, Batch, BatchBuilder

COUNT, CHANGED = "assets.count", "assets.changed"
_SOONEST_S = 1.0
_ASSET_EVENTS = frozenset({"ASSET_CHANGED", "ASSET_REMOVED", "ASSET_COUNT"})


class AssetWatch:
    """What is known of one agent's assets."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        """0 = never ask."""
        self._is_there = False
        self._told: Assets | None = None
        self._numbers: dict[str, list[int]] = {}
        self._next = 0.0
        self._events: frozenset[str] = frozenset()

    def follow(self, items: Mapping[str, DataItem]) -> None:
        """Note which data items tell of assets (MTConnect Part 4)."""
        self._events = frozenset(key for key, item in items.items() if item.type in _ASSET_EVENTS)

    async def open(self, agent: Agent) -> None:
        """Look whether the agent answers /assets at all."""
        if not self._every_s:
            return
        try:
            document = open_document(await agent.document("assets", {"count": "100"}))
            self._is_there = not document.errors() and document.assets().count >= 0
        except (MalformedDocument, MachineUnreachable):
            self._is_there = False  # an agent before 1.2, or one that serves devices only

    def found(self) -> list[Found]:
        """List the two signals where the agent has assets, named as no item is: many have an AssetCount."""
        if not self._is_there:
            return []
        return [
            Found(address=COUNT, name="AssetsKept", unit="1"),
            Found(address=CHANGED, name="NewestAsset", is_text=True),
        ]

    def addresses(self) -> set[str]:
        """Tell the addresses this watch answers for."""
        return {COUNT, CHANGED} if self._is_there else set()

    def ask(self, numbers: Mapping[str, list[int]]) -> None:
        """Take over which points want the assets."""
        self._numbers = {key: numbers[key] for key in (COUNT, CHANGED) if self._is_there and key in numbers}
        self._told, self._next = None, 0.0

    async def look(self, agent: Agent, seen: Sequence[Seen]) -> Batch | None:
        """Ask for the assets where it is time, and tell what is new."""
        if not self._numbers:
            return None
        clock = anyio.current_time()
        if clock < self._next and not (clock > self._next - self._every_s + _SOONEST_S and self._is_told(seen)):
            return None
        self._next = clock + self._every_s
        try:
            document = open_document(await agent.document("assets", {"count": "100"}))
            assets = None if document.errors() else document.assets()
        except (MalformedDocument, MachineUnreachable):
            assets = None  # the stream goes on; where the link itself is down, it says so
        return self._news(assets)

    def _news(self, assets: Assets | None) -> Batch | None:
        builder, time_us = BatchBuilder(), to_us(now())
        if assets is None:
            for number in (one for numbers in self._numbers.values() for one in numbers):
                builder.add(number, time_us, None, BAD_NO_DATA)
            self._told = None
            return builder.take()
        if assets == self._told:
            return None
        for number in self._numbers.get(COUNT, ()):
            builder.add(number, time_us, float(assets.count), GOOD)
        for number in self._numbers.get(CHANGED, ()):
            builder.add(number, assets.newest_us or time_us, assets.newest, GOOD)
        self._told = assets
        return builder.take()

    def _is_told(self, seen: Sequence[Seen]) -> bool:
        return not self._events.isdisjoint(one[1] for one in seen)
