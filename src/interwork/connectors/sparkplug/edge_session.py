"""One session of a node of ours as a Sparkplug edge node: will, subscriptions, births and data over a broker.

The order is the standard's: CONNECT with the NDEATH of this session's bdSeq as will, subscribe, then births, or none
before the primary host is there. It lives once; the flow opens the next one, maybe at the next server.
"""

import re
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from interwork.connectors.mqtt.broker import Broker
from interwork.connectors.mqtt.session import Session, Will
from interwork.connectors.sparkplug.edge_node import EdgeNode, Outgoing
from interwork.core.clock import now, to_us

MOST_UNSENT = 4 * 1024 * 1024
"""Octets that wait for the socket; beyond this the broker is given time to take them."""
_PATIENCE_S = 10.0


class EdgeSession:
    """A link of an edge node to a broker, from entering to leaving."""

    def __init__(self, node: EdgeNode, broker: Broker) -> None:
        self._node, self._broker = node, broker
        self._session: Session | None = None
        self._early: list[tuple[str, bytes]] = []

    async def __aenter__(self) -> Self:
        """Connect with this session's death as will, subscribe, and send births where none needs be waited for."""
        node = self._node
        death = node.connect(self._broker.endpoint.text, now_ms())
        name = re.sub(r"[^A-Za-z0-9-]", "-", f"{node.group}-{node.edge}")[:40]
        will = Will(death.topic, death.content, 1, is_retained=False)
        self._session = Session(self._broker, name=name, will=will, interrupt=self._heard, leaves_with_will=True)
        try:
            await self._session.open(node.filters)
        except BaseException:
            node.disconnected()
            raise
        await self.send(node.connected(now_ms()))
        for topic, content in self._early:
            self._heard(topic, content)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say the death, then disconnect; where the link is lost the broker says it for us."""
        session = self._session
        if session is None:
            return
        if not session.is_lost:
            self._hand_over(self._node.leave(now_ms()))
        self._node.disconnected(str(fault) if isinstance(fault, Exception) else "")
        await session.close()

    def _heard(self, topic: str, content: bytes) -> bool:
        """Act on what is heard at once; what comes before we are ready waits for it."""
        if self._session is not None and self._session.is_open:
            self._hand_over(self._node.receive(topic, content, now_ms()))
        elif len(self._early) < 100:
            self._early.append((topic, content))
        return True

    def _hand_over(self, messages: Iterable[Outgoing]) -> None:
        for message in messages:
            if self._session is not None:
                self._session.publish(message.topic, message.content, qos=message.qos)

    async def send(self, messages: Iterable[Outgoing]) -> None:
        """Hand over messages in the order of their numbers, then wait until the broker has taken most of them.

        Raise MachineUnreachable where it takes none.
        """
        self._hand_over(messages)
        while self._session is not None and self._session.unsent > MOST_UNSENT:
            await self._session.flush(_PATIENCE_S)

    async def stay(self) -> None:
        """Wait until the primary host has gone; raise MachineUnreachable when the link is lost."""
        session = self._session
        while session is not None and not self._node.must_leave:
            if session.is_lost:
                raise session.lost()
            await session.wait(0.2)


def now_ms() -> int:
    """Tell the present moment in milliseconds since 1970."""
    return to_us(now()) // 1000
