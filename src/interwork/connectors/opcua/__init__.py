"""OPC UA client: browses a server, subscribes to its variables and yields their changes as columns.

Link loss is what raises: a closed socket at once, a frozen server after four missed keep-alives (12 s), for asyncua's
own watchdog drops healthy but slow servers when it is tight. A point the server refuses gets its status code as
quality and is asked for again every half minute.
"""

import struct
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

import anyio
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.uaerrors import UaError

from interwork.connectors import BAD_UNKNOWN, Found, Point
from interwork.connectors.endpoint import check_options, number_option, parse_endpoint, quiet, text_option
from interwork.connectors.opcua.browse import browse_signals
from interwork.connectors.opcua.session import FastSession, Inbox, told_cancellation
from interwork.connectors.opcua.subscribe import create_subscription, monitor, state_handles
from interwork.connectors.opcua.wire import node_of
from interwork.core.errors import BadInput, MachineUnreachable
from interwork.core.resource import Batch

_REQUEST_S = 4.0
_CONNECT_S = 12.0
_BROWSE_S = 120.0
_WATCHDOG_S = 10.0
_SUBSCRIBE_S = 60.0
_KEEP_ALIVE_S = 3.0
_SILENCE_S = 12.0
_RETRY_S = 30.0
_POLICIES = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
_SECURITY = ("certificate", "private_key", "server_certificate")
_LINK_FAULTS = (OSError, UaError, struct.error, ValueError, LookupError)
_REMEDY = "Check that the server runs, that the endpoint is the one it names, and that it has a session left."


class OpcUaConnector:
    """Reads `opc.tcp://host:port/path`."""

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        known = ("root", "max_nodes", "publishing_ms", "sampling_ms", "username", "password", "security", *_SECURITY)
        check_options(options, known)
        self._endpoint = parse_endpoint(endpoint, "opc.tcp", 4840)
        self._root = text_option(options, "root", "i=85")
        node_of(self._root, ())
        self._most_nodes = int(number_option(options, "max_nodes", 10_000, low=1, high=1_000_000))
        self._publishing_ms = number_option(options, "publishing_ms", 100, low=10, high=3_000)
        self._sampling_ms = number_option(options, "sampling_ms", 100, low=0, high=3_600_000)
        self._user = text_option(options, "username"), text_option(options, "password")
        self._security = _security_string(options)
        self._client: Client | None = None
        self._namespaces: list[str] = []
        self._inbox: Inbox | None = None

    async def __aenter__(self) -> Self:
        """Open channel and session."""
        quiet("asyncua")
        client = Client(self._endpoint.text, timeout=_REQUEST_S, watchdog_intervall=_WATCHDOG_S)
        client.application_uri = "urn:interwork:node"
        client.uaclient.session = FastSession(client.uaclient, self._on_fault)
        client.connection_lost_callback = self._on_lost
        if self._user[0]:
            client.set_user(self._user[0])
            client.set_password(self._user[1])
        try:
            with self._link("does not let us in"), anyio.fail_after(_CONNECT_S):
                async with told_cancellation():
                    if self._security:
                        await client.set_security_string(self._security)
                    await client.connect()
                    self._namespaces = [str(uri) for uri in await client.get_namespace_array()]
        except BaseException:
            await self._close(client)
            raise
        self._client = client
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close session, channel and socket."""
        if self._client:
            await self._close(self._client)

    async def _close(self, client: Client) -> None:
        """Leave politely if that takes less than a second, and close the socket in any case."""
        self._on_fault("was left")
        try:
            with anyio.move_on_after(1, shield=True), suppress(*_LINK_FAULTS):
                async with told_cancellation():
                    await client.disconnect()
        finally:
            client.disconnect_socket()

    async def _on_lost(self, fault: Exception) -> None:
        self._on_fault(f"is gone ({_reason(fault)})")

    def _on_fault(self, state: str) -> None:
        if self._inbox:
            self._inbox.fail(state)

    def _unreachable(self, state: str, fault: Exception | None = None) -> MachineUnreachable:
        return self._endpoint.unreachable(f"{state}: {_reason(fault)}." if fault else f"{state}.", _REMEDY)

    def _session(self) -> FastSession:
        session = self._client.uaclient.session if self._client else None
        if not isinstance(session, FastSession):
            raise self._endpoint.unreachable("was not opened.", "Enter the connector first.")
        return session

    async def browse(self) -> list[Found]:
        """List the scalar variables below the option root (default: the Objects folder)."""
        root = node_of(self._root, self._namespaces)
        if root is None:
            raise BadInput(f"The server has no namespace of {self._root!r}.", remedy="Mend the option root.")
        with self._link("could not be browsed"), anyio.fail_after(_BROWSE_S):
            async with told_cancellation():
                return await browse_signals(self._session(), root, self._namespaces, self._most_nodes)

    async def readings(self, points: Sequence[Point]) -> AsyncGenerator[Batch, None]:
        """Subscribe to the points and yield their changes."""
        inbox, subscription, refused = await self._subscribe(points)
        retry_at = anyio.current_time() + _RETRY_S
        try:
            while True:
                batch = await inbox.take(_SILENCE_S)
                if len(batch):
                    yield batch
                if inbox.fault:
                    raise self._unreachable(inbox.fault)
                if refused and anyio.current_time() >= retry_at:
                    with self._link("does not take our subscription"), anyio.fail_after(_SUBSCRIBE_S):
                        still = await self._monitor(subscription, refused)
                    refused = {handle: refused[handle] for handle in still}
                    retry_at = anyio.current_time() + _RETRY_S
        finally:
            await self._unsubscribe(inbox, subscription)

    async def _unsubscribe(self, inbox: Inbox, subscription: int) -> None:
        """Delete the subscription where the link still stands, in less than a second."""
        is_lost = bool(inbox.fault)
        inbox.fail("was left")
        if not is_lost and self._client:
            with anyio.move_on_after(1, shield=True), suppress(*_LINK_FAULTS):
                async with told_cancellation():
                    await self._session().delete_subscriptions([subscription])

    async def _monitor(self, subscription: int, nodes: Mapping[int, ua.NodeId]) -> dict[int, int]:
        async with told_cancellation():
            return await monitor(self._session(), subscription, nodes, self._sampling_ms)

    async def _subscribe(self, points: Sequence[Point]) -> tuple[Inbox, int, dict[int, ua.NodeId]]:
        """Create subscription and monitored items; tell which items the server refused."""
        session = self._session()
        nodes = {handle: self._node(point.address) for handle, point in enumerate(points)}
        known = {handle: node for handle, node in nodes.items() if node is not None}
        with self._link("does not take our subscription"), anyio.fail_after(_SUBSCRIBE_S):
            async with told_cancellation():
                inbox = self._inbox = Inbox(points, await state_handles(session, points, known))
                subscription = await create_subscription(session, inbox, self._publishing_ms, _KEEP_ALIVE_S)
            refused = await self._monitor(subscription, known)
        inbox.add_bad({handle: BAD_UNKNOWN for handle, node in nodes.items() if node is None} | refused)
        return inbox, subscription, {handle: known[handle] for handle in refused}

    def _node(self, address: str) -> ua.NodeId | None:
        """Find a point's node; an address that is none costs only its own point."""
        try:
            return node_of(address, self._namespaces)
        except BadInput:
            return None

    @contextmanager
    def _link(self, state: str) -> Iterator[None]:
        """Map what asyncua raises on a lost or broken link to ours."""
        try:
            yield
        except _LINK_FAULTS as fault:
            raise self._unreachable(state, fault) from fault


def _security_string(options: Mapping[str, Any]) -> str:
    """Join the security options as asyncua wants them; the server's certificate must be named, never just accepted."""
    security = text_option(options, "security")
    files = [text_option(options, name) for name in _SECURITY]
    if not security and not any(files):
        return ""
    policy, _, mode = security.partition(",")
    is_whole = policy in _POLICIES and mode in ("Sign", "SignAndEncrypt") and all(files)
    if not is_whole or any("," in file for file in files):
        raise BadInput(
            "The OPC UA security options are not complete.",
            remedy=f"Give security ({_POLICIES[0]},SignAndEncrypt) and the files {', '.join(_SECURITY)}.",
        )
    return ",".join((policy, mode, *files))


def _reason(fault: Exception) -> str:
    return str(fault)[:160] or type(fault).__name__
