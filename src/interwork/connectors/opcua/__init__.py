"""OPC UA client: browses a server, subscribes to its variables, yields their changes as columns, and writes values.

Link loss is what raises: a closed socket at once, a frozen server within 15 s, be it after four missed keep-alives of
a subscription or after a read that is not answered. A point the server refuses, or whose node is gone, gets its status
code as quality and is asked for again alone, at first after 3 s and later every minute.

Options beside those of browsing, sampling and patience (`timeout_s`, `retry_s`, `roll_call_s`): `pki`, the folder of
the node's OPC UA certificates (see `pki.py`; the node gives its own, `keys/opcua` in its data folder); `security`,
which is best left out, for then the strongest that the server offers is used; `username` and `password`, the latter as
the reference `secret:name` in what is stored.
"""

import struct
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.lowlevel
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua import uaerrors
from asyncua.ua.uaerrors import UaError
from cryptography.exceptions import InvalidSignature

from interwork.connectors import ALIVE_S, BAD_UNKNOWN, Command, Found, Point
from interwork.connectors.endpoint import check_options, number_option, parse_endpoint, quiet, reason, text_option
from interwork.connectors.opcua.elements import BAD_NOT_SUPPORTED, ask, is_element
from interwork.connectors.opcua.inbox import Inbox, Wording
from interwork.connectors.opcua.limits import Limits, read_limits
from interwork.connectors.opcua.pace import Rates
from interwork.connectors.opcua.security import CarefulClient, Security
from interwork.connectors.opcua.session import FastSession, told_cancellation
from interwork.connectors.opcua.space import (
    Walk,
    browse_signals,
    node_of,
    read_nameplate,
    said_of_others,
    wording,
    write_values,
)
from interwork.connectors.opcua.subscribe import Subscriptions
from interwork.core.errors import BadInput, MachineUnreachable, Refused
from interwork.core.resource import Batch

_TIMEOUT_S = 7.0
"""For one answer. A server that leaves a read unanswered is lost after twice as long, where silence tells no sooner."""
_CONNECT_SHARE = 12 / 7
"""Of the time-out: channel, session and first reads together."""
_BROWSE_S = 300.0
_SUBSCRIBE_S = 60.0
_WRITE_S = 10.0
_LEAVE_S = 1.0
_RETRY_S, _RETRY_GROWTH = 3.0, 20.0
"""First wait before a refused point is asked for again, and how many times that it grows to."""
_ROLL_CALL_S = 10.0
_MESSAGE_MOST = 64 * 1024 * 1024
"""Octets of the largest answer the server is told we take."""
_LINK_FAULTS = (
    *(OSError, UaError, struct.error, ValueError, TypeError, LookupError, AttributeError, AssertionError),
    *(InvalidSignature, OverflowError, MemoryError),
)
"""What asyncua raises on a lost link and on answers that are not what OPC UA says."""
_USER_FAULTS = (uaerrors.BadUserAccessDenied, uaerrors.BadIdentityTokenRejected, uaerrors.BadIdentityTokenInvalid)
_CERTIFICATE_FAULTS = (
    uaerrors.BadSecurityChecksFailed,
    uaerrors.BadCertificateUntrusted,
    uaerrors.BadCertificateInvalid,
    uaerrors.BadCertificateUriInvalid,
    uaerrors.BadCertificateTimeInvalid,
)
_REMEDY = "Check that the server runs, that the endpoint is the one it names, and that it has a session left."


class OpcUaConnector:
    """Reads and writes `opc.tcp://host:port/path`; the option `pki` names the folder of the node's certificates."""

    def __init__(self, endpoint: str, options: Mapping[str, Any]) -> None:
        known = ("root", "max_nodes", "publishing_ms", "sampling_ms", "username", "password", "security", "pki")
        check_options(options, (*known, "allow_expired", "timeout_s", "retry_s", "roll_call_s"))
        self._endpoint = parse_endpoint(endpoint, "opc.tcp", 4840)
        self._root = text_option(options, "root", "i=85")
        node_of(self._root, ())
        self._most_nodes = int(number_option(options, "max_nodes", 10_000, low=1, high=1_000_000))
        self._publishing_ms = number_option(options, "publishing_ms", 100, low=10, high=3_000)
        self._sampling_ms = number_option(options, "sampling_ms", 100, low=0, high=3_600_000)
        self._timeout_s = number_option(options, "timeout_s", _TIMEOUT_S, low=0.2, high=60)
        self._retry_s = number_option(options, "retry_s", _RETRY_S, low=0.1, high=3_600)
        self._roll_call_s = number_option(options, "roll_call_s", _ROLL_CALL_S, low=0.1, high=3_600)
        self._security = Security(self._endpoint, options)
        self._client: Client | None = None
        self._limits = Limits()
        self._namespaces: list[str] = []
        self._remarks: list[str] = []
        self._inbox: Inbox | None = None
        self._subscriptions: Subscriptions | None = None
        self._pace = 1.0
        self._past: Counter[str] = Counter()

    @property
    def counters(self) -> dict[str, int]:
        """Count what went otherwise than it should: `overflows` are values lost in the server's queues."""
        counted = self._past + (self._inbox.counters if self._inbox else Counter())
        return dict(counted + (self._session().counters if self._client else Counter()))

    @property
    def remarks(self) -> list[str]:
        """Say in sentences what a person should know of this link: its security, the server's limits."""
        return self._remarks + (self._subscriptions.remarks if self._subscriptions else [])

    def slow(self, factor: float) -> None:
        """Have the server sample and publish so many times more slowly."""
        if factor == self._pace:
            return
        self._pace = factor
        if self._subscriptions and self._inbox:
            self._subscriptions.slow(factor)
            self._inbox.wake()

    async def __aenter__(self) -> Self:
        """Open channel and session on the strongest endpoint that is allowed."""
        quiet("asyncua")
        client = self._make_client()
        try:
            with self._link("does not let us in"), anyio.fail_after(self._timeout_s * _CONNECT_SHARE):
                async with told_cancellation():
                    secured = await self._security.apply(client, self._make_client())
                    await client.connect()
                    self._namespaces = [str(uri) for uri in await client.get_namespace_array()]
                    self._limits = await read_limits(client.uaclient.session)
        except BaseException:
            await self._close(client)
            raise
        self._remarks = list(secured.remarks)
        self._client = client
        return self

    def _make_client(self) -> CarefulClient:
        client = CarefulClient(self._endpoint.text, timeout=self._timeout_s, watchdog_intervall=self._timeout_s)
        client.name = client.description = "Interwork"
        client.application_uri = "urn:interwork:node"
        client.max_messagesize = _MESSAGE_MOST
        client.uaclient.session = FastSession(client.uaclient)
        client.connection_lost_callback = self._on_lost
        return client

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close session, channel and socket."""
        if self._client:
            await self._close(self._client)

    async def _close(self, client: Client) -> None:
        """Leave politely if that takes less than a second, and close the socket in any case."""
        if self._inbox:
            self._inbox.fail("was left")
        protocol = client.uaclient.protocol
        try:
            with anyio.move_on_after(_LEAVE_S, shield=True), suppress(*_LINK_FAULTS):
                async with told_cancellation():
                    await client.disconnect()
        finally:
            client.disconnect_socket()
            # asyncua leaves the socket of a server that froze open: it takes the link for closed already.
            if protocol is not None and protocol.transport is not None:
                protocol.transport.abort()
                with anyio.CancelScope(shield=True):
                    await anyio.lowlevel.checkpoint()

    async def _on_lost(self, fault: Exception) -> None:
        if self._inbox:
            self._inbox.fail(f"is gone ({reason(fault)})")

    def _unreachable(self, state: str, fault: Exception | None = None) -> MachineUnreachable:
        return self._endpoint.unreachable(f"{state}: {reason(fault)}." if fault else f"{state}.", _REMEDY)

    def _session(self) -> FastSession:
        session = self._client.uaclient.session if self._client else None
        if not isinstance(session, FastSession):
            raise self._endpoint.unreachable("was not opened.", "Enter the connector first.")
        return session

    def _walk(self, most: int = 100_000) -> Walk:
        return Walk(session=self._session(), limits=self._limits, most=most)

    async def browse(self) -> list[Found]:
        """List the scalars and elements of short arrays below the option root (default: the Objects folder)."""
        walk = self._walk()
        with self._link("could not be browsed"), anyio.fail_after(_BROWSE_S):
            async with told_cancellation():
                found = await browse_signals(walk, self._root_node(), self._namespaces, self._most_nodes)
        if walk.refused:
            node, why = next(iter(walk.refused.items()))
            self._remarks.append(f"{len(walk.refused)} nodes could not be browsed, the first {node}: {why}.")
        if walk.passed_over:
            self._remarks.append(said_of_others(walk.passed_over))
        return found

    async def nameplate(self) -> dict[str, str]:
        """Read the machine's identification (OPC 40001-1, DI) in the words of the nameplate submodel; empty if none."""
        with self._link("could not be browsed"), anyio.fail_after(_BROWSE_S):
            async with told_cancellation():
                return await read_nameplate(self._walk(), self._root_node(), self._most_nodes)

    def _root_node(self) -> ua.NodeId:
        root = node_of(self._root, self._namespaces)
        if root is None:
            raise BadInput(f"The server has no namespace of {self._root!r}.", remedy="Mend the option root.")
        return root

    async def write(self, commands: Sequence[Command]) -> list[int]:
        """Write each value as its node declares it; return one status code per command."""
        nodes = [self._node(command.address) for command in commands]
        with self._link("did not take the values"), anyio.fail_after(_WRITE_S):
            async with told_cancellation():
                codes = await write_values(self._walk(), nodes, commands)
        pairs = zip(commands, codes, strict=True)
        return [BAD_NOT_SUPPORTED if is_element(command.address) else code for command, code in pairs]

    async def readings(self, points: Sequence[Point]) -> AsyncGenerator[Batch, None]:
        """Subscribe to the points and yield their changes; an empty batch tells that the server lives and is quiet."""
        inbox, subscriptions = await self._subscribe(points)
        told = anyio.current_time()
        try:
            while True:
                batch = await inbox.take(subscriptions.silence_s, subscriptions.patience_s)
                is_alive = inbox.has_spoken() and anyio.current_time() - told >= ALIVE_S
                if is_alive or len(batch):
                    told = anyio.current_time()
                    yield batch
                if inbox.fault:
                    raise self._unreachable(inbox.fault)
                if inbox.gone or subscriptions.patience_s <= 0:
                    with self._link("does not take our subscription"), anyio.fail_after(_SUBSCRIBE_S):
                        async with told_cancellation():
                            await subscriptions.tend()
        finally:
            await self._unsubscribe(inbox, subscriptions)

    async def _subscribe(self, points: Sequence[Point]) -> tuple[Inbox, Subscriptions]:
        """Create subscriptions and monitored items; points the server refuses are told to the inbox."""
        nodes, elements, homes = ask(points, self._node)
        known = {handle: node for handle, node in nodes.items() if node is not None}
        rates = Rates(
            self._publishing_ms,
            self._sampling_ms,
            (self._retry_s, self._retry_s * _RETRY_GROWTH),
            self._roll_call_s,
        )
        with self._link("does not take our subscription"), anyio.fail_after(_SUBSCRIBE_S):
            async with told_cancellation():
                texts = {at: node for at, node in enumerate(homes) if node is not None and points[at].is_text}
                inbox = Inbox(points, await wording(self._walk(), texts) if texts else Wording(), elements)
                subscriptions = Subscriptions(self._session(), inbox, known, self._limits, rates)
                self._inbox, self._subscriptions = inbox, subscriptions
                subscriptions.slow(self._pace)
                inbox.add_bad({handle: BAD_UNKNOWN for handle, node in nodes.items() if node is None})
                await subscriptions.open()
        return inbox, subscriptions

    async def _unsubscribe(self, inbox: Inbox, subscriptions: Subscriptions) -> None:
        """Delete the subscriptions where the link still stands, in less than a second."""
        is_lost = bool(inbox.fault)
        inbox.fail("was left")
        self._past += inbox.counters
        inbox.counters.clear()
        if is_lost or not self._client:
            subscriptions.abandon()
            return
        with anyio.move_on_after(_LEAVE_S, shield=True), suppress(*_LINK_FAULTS):
            async with told_cancellation():
                await subscriptions.delete()

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
        except _USER_FAULTS as fault:
            raise self._refused("opcua.user", f"{state}: {reason(fault)}", "Check user name and password.") from fault
        except _CERTIFICATE_FAULTS as fault:
            raise self._refused("opcua.certificate", f"{state}: {reason(fault)}", self._security.remedy()) from fault
        except OSError as fault:
            raise self._unreachable("does not answer as an OPC UA server", fault) from fault
        except _LINK_FAULTS as fault:
            raise self._unreachable(state, fault) from fault

    def _refused(self, rule: str, what: str, remedy: str) -> Refused:
        place = f"{self._endpoint.host}:{self._endpoint.port}"
        return Refused(f"{place} {what}.", rule=rule, remedy=remedy, where=self._endpoint.text)
