"""The shared log: batches on the subjects of a JetStream stream, each acknowledged when its replicas have synced it.

A signal always goes to the same subject (its number modulo the partitions), so its readings stay in order. Publishing
holds a bounded number of messages in flight and tries again over leader elections, under the same message id, which
the stream keeps once. A full log refuses, the caller waits, and so the source slows: nothing is dropped here.
"""

import hashlib
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import anyio
import nats
import nats.errors
import nats.js.errors
import pyarrow as pa
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext, api

from interwork.core.errors import BadInput, Conflict, LimitReached, PeerUnreachable, Unusable
from interwork.core.resource import Batch
from interwork.core.settings import Scale
from interwork.stream.columns import Columns, columns_of, table_of, take
from interwork.stream.origin import Origin

log = structlog.get_logger()
IN_FLIGHT = 32
"""Messages published and not acknowledged yet, at the most."""
PUBLISH_S = 20.0
"""How long publishing is tried before the caller is told; an election takes about 5 s."""
ASK_S = 3.0
"""How long one try of a publish waits for its acknowledgement."""
ADMIN_S = 10.0
"""How long any other question waits: nothing is published meanwhile, and a busy server is not away."""
GATHER_S = 10.0
"""How long a stream may find too few servers to be placed on: those of a cluster just started learn of each other."""
BACK_OFF_S = (0.05, 1.0)
DUPLICATES_S = 120.0
"""How long the stream knows a message id."""
ORIGIN_ID = 32
"""Length of the id of a message whose sender has an origin; others have shorter ones."""
ROWS_MAX = 50_000
"""Readings in one message at the most: below 2**20, see `place.ROW_BITS`, and below the servers' max_payload."""
FULL = {10077, 10047, 10023}
"""Error codes of JetStream for a stream, or a store, that is full."""
NO_PLACE = 10005
"""Its code when too few servers are there to hold the replicas."""
NAME_TAKEN = 10058
"""Its code when there is a stream of the name, with other settings."""
_AWAY = (
    nats.errors.Error,
    nats.js.errors.ServiceUnavailableError,
    nats.js.errors.ServerError,
    OSError,
    TimeoutError,
)


class Message(NamedTuple):
    """A part of a batch on its way: one partition's rows as an Arrow IPC stream (lz4)."""

    id: str
    part: int
    rows: int
    body: bytes


class Arrived(NamedTuple):
    """A message as a sink reads it."""

    sequence: int
    part: int
    body: bytes


@dataclass(slots=True, kw_only=True)
class Counts:
    """What happened to messages since the start."""

    published: int = 0
    repeated: int = 0
    """Publishes the stream had already."""
    retried: int = 0
    refused_full: int = 0
    failed: int = 0
    """Messages given back to the caller, who keeps them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the stream stands."""

    first: int
    last: int
    messages: int
    bytes: int
    replicas: int
    current: int
    """Replicas that are up to date, the leader among them."""
    leader: str


class Log:
    """A client of the log; it connects when it is first needed, and again by itself."""

    def __init__(self, scale: Scale, password: str = "") -> None:
        if not scale.log or scale.replicas not in {1, 3, 5}:
            raise BadInput(
                f"scale.log names {len(scale.log)} servers, scale.replicas is {scale.replicas}.",
                remedy="Name the NATS servers, and have 1, 3 or 5 replicas.",
            )
        self.counts = Counts()
        self._scale, self._password = scale, password
        self._client: Client | None = None
        self._stream: JetStreamContext | None = None
        self._connecting = anyio.Lock()
        self._flight = anyio.Semaphore(IN_FLIGHT)

    @property
    def stream(self) -> str:
        """Tell the stream's name."""
        return self._scale.stream

    async def close(self) -> None:
        """Close the connection."""
        client, self._client, self._stream = self._client, None, None
        if client is not None:
            with anyio.move_on_after(ASK_S, shield=True):
                await client.close()

    async def found(self, first: int) -> None:
        """Make the stream where there is none, its messages numbered from `first`, and check it where there is."""
        stream = await self.reach()
        scale = self._scale
        wanted = api.StreamConfig(
            name=scale.stream,
            subjects=[f"{scale.stream}.*"],
            retention=api.RetentionPolicy.LIMITS,
            discard=api.DiscardPolicy.NEW,
            max_bytes=int(scale.log_gb * 1e9),
            num_replicas=scale.replicas,
            duplicate_window=DUPLICATES_S,
            first_seq=first,
            allow_direct=True,
        )
        try:
            await self._place(stream, wanted)
        except nats.js.errors.BadRequestError as fault:
            if fault.err_code == NO_PLACE:
                raise PeerUnreachable(
                    f"The stream {scale.stream} finds no {scale.replicas} servers to be kept on: {fault.description}.",
                    remedy="Start the missing servers of the cluster, or give scale.replicas as many as there are.",
                ) from fault
            if fault.err_code != NAME_TAKEN:
                raise Unusable(f"The stream {scale.stream} cannot be made: {fault.description}.") from fault
        except _AWAY as fault:
            raise self.explain(fault) from fault
        else:
            return
        held = (await self._info()).config
        if held.discard != api.DiscardPolicy.NEW or held.num_replicas != scale.replicas:
            raise Conflict(
                f"The stream {scale.stream} has {held.num_replicas} replicas and discards {held.discard}; "
                f"{scale.replicas} and `new` are wanted.",
                remedy="Give scale.replicas as it is, or change the stream with `nats stream edit`.",
            )

    async def _place(self, stream: JetStreamContext, wanted: api.StreamConfig) -> None:
        """Make the stream, again and again while the cluster's servers do not know enough of each other."""
        ends = anyio.current_time() + GATHER_S
        while True:
            try:
                await stream.add_stream(wanted)
            except nats.js.errors.BadRequestError as fault:
                if fault.err_code != NO_PLACE or anyio.current_time() > ends:
                    raise
                await anyio.sleep(BACK_OFF_S[1])
            else:
                return

    async def publish(self, message: Message) -> int:
        """Publish one message; its sequence when the log has it durably. PeerUnreachable or LimitReached otherwise."""
        wait = BACK_OFF_S[0]
        said: Exception = TimeoutError()
        async with self._flight:
            with anyio.move_on_after(PUBLISH_S):
                while True:
                    try:
                        return await self._publish(message)
                    except nats.js.errors.APIError as fault:
                        said = fault
                        self.counts.refused_full += fault.err_code in FULL
                    except (*_AWAY, PeerUnreachable) as fault:
                        said = fault
                    self.counts.retried += 1
                    await anyio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                    wait = min(2 * wait, BACK_OFF_S[1])
        self.counts.failed += 1
        if isinstance(said, nats.js.errors.APIError) and said.err_code in FULL:
            raise LimitReached(
                f"The log {self.stream} is full: {said.description}.",
                remedy="Start more sinks, or raise scale.log_gb; publishing resumes by itself.",
            )
        raise self.explain(said)

    async def _publish(self, message: Message) -> int:
        stream = await self.reach()
        subject = f"{self.stream}.{message.part}"
        headers = {"Nats-Msg-Id": message.id}
        ack = await stream.publish(subject, message.body, timeout=ASK_S, headers=headers, stream=self.stream)
        self.counts.published += 1
        self.counts.repeated += bool(ack.duplicate)
        return int(ack.seq)

    async def standing(self) -> Standing:
        """Tell how the stream stands; PeerUnreachable during an election."""
        info = await self._info()
        cluster = info.cluster
        others = (cluster.replicas or []) if cluster else []
        return Standing(
            first=info.state.first_seq,
            last=info.state.last_seq,
            messages=info.state.messages,
            bytes=info.state.bytes,
            replicas=info.config.num_replicas or 1,
            current=1 + sum(bool(one.current) and not one.offline for one in others),
            leader=(cluster.leader if cluster else "") or "",
        )

    async def _info(self) -> api.StreamInfo:
        stream = await self.reach()
        try:
            return await stream.stream_info(self.stream)
        except nats.js.errors.NotFoundError as fault:
            raise PeerUnreachable(
                f"The log has no stream {self.stream}.", remedy="A node or a sink that starts makes it."
            ) from fault
        except _AWAY as fault:
            raise self.explain(fault) from fault

    async def last_of(self, part: int) -> int:
        """Tell the last message of a partition that the stream still has, as its leader knows; 0 where it has none."""
        stream = await self.reach()
        try:
            return int((await stream.get_last_msg(self.stream, f"{self.stream}.{part}")).seq or 0)
        except nats.js.errors.NotFoundError:
            return 0
        except _AWAY as fault:
            raise self.explain(fault) from fault

    async def follow(self, parts: Sequence[int], after: int) -> "Tail":
        """Read the messages of some partitions after a sequence, in order."""
        return Tail(self, parts, after)

    async def forget(self, part: int, upto: int) -> None:
        """Let go of a partition's messages up to a sequence: the lake has them."""
        stream = await self.reach()
        try:
            await stream.purge_stream(self.stream, subject=f"{self.stream}.{part}", seq=upto + 1)
        except _AWAY as fault:
            raise self.explain(fault) from fault

    async def reach(self) -> JetStreamContext:
        """Connect where that was not done yet."""
        if self._stream is not None:
            return self._stream
        async with self._connecting:
            if self._stream is None:
                options = {"user": self._scale.log_user, "password": self._password} if self._scale.log_user else {}
                try:
                    self._client = await nats.connect(
                        list(self._scale.log),
                        connect_timeout=2,
                        max_reconnect_attempts=-1,
                        reconnect_time_wait=0.2,
                        allow_reconnect=True,
                        error_cb=_tell,
                        **options,
                    )
                except _AWAY as fault:
                    raise self.explain(fault) from fault
                self._stream = self._client.jetstream(timeout=ADMIN_S)
        return self._stream

    def explain(self, fault: Exception) -> PeerUnreachable:
        """Say a fault of the client in our words."""
        if isinstance(fault, PeerUnreachable):
            return fault
        said = str(fault) or type(fault).__name__
        return PeerUnreachable(
            f"The log {self.stream} at {', '.join(self._scale.log)} does not answer: {said}.",
            remedy="It is tried again; what waits is kept.",
        )


class Tail:
    """Messages in order from one point on; a consumer that is lost, or skips, is made anew behind the last message."""

    def __init__(self, owner: Log, parts: Sequence[int], after: int) -> None:
        self._log, self._parts, self.last = owner, list(parts), after
        self._pull: JetStreamContext.PullSubscription | None = None
        self._count = 0

    async def fetch(self, count: int, wait_s: float) -> list[Arrived]:
        """Take the next messages, as many as are there within a time; none where there are none."""
        try:
            if self._pull is None:
                self._pull = await self._begin()
            found = await self._pull.fetch(count, timeout=max(wait_s, 0.05))
        except TimeoutError:  # the client's own, and where it is late to notice it, the event loop's
            return []
        except _AWAY as fault:
            await self.drop()
            raise self._log.explain(fault) from fault
        arrived = []
        for one in found:
            if one.metadata.sequence.consumer != self._count + 1:
                await self.drop()
                break
            self._count += 1
            self.last = one.metadata.sequence.stream
            arrived.append(Arrived(self.last, int(one.subject.rpartition(".")[2]), one.data))
        return arrived

    async def check(self) -> None:
        """Make sure the consumer is there, and sent no more than arrived: else the log would only look quiet."""
        if self._pull is not None:
            try:
                sent = (await self._pull.consumer_info()).delivered
                if sent is not None and sent.consumer_seq != self._count:
                    await self.drop()  # what was sent and did not arrive is read again
            except _AWAY as fault:
                await self.drop()
                raise self._log.explain(fault) from fault

    async def drop(self) -> None:
        """Let the consumer go; the next fetch makes another."""
        pull, self._pull, self._count = self._pull, None, 0
        if pull is not None:
            with anyio.move_on_after(1.0, shield=True):
                try:
                    await pull.unsubscribe()
                except nats.errors.Error as fault:
                    log.debug("log.unsubscribe_failed", fault=str(fault))

    async def _begin(self) -> JetStreamContext.PullSubscription:
        stream = await self._log.reach()
        name = f"sink-{secrets.token_hex(6)}"
        wanted = api.ConsumerConfig(
            name=name,
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self.last + 1,
            ack_policy=api.AckPolicy.NONE,
            filter_subjects=[f"{self._log.stream}.{part}" for part in self._parts],
            inactive_threshold=60.0,
            num_replicas=1,
            mem_storage=True,
        )
        await stream.add_consumer(self._log.stream, wanted)
        self._count = 0
        return await stream.pull_subscribe_bind(consumer=name, stream=self._log.stream)


def cut(batch: Batch, partitions: int, origin: Origin | None = None) -> list[Message]:
    """Cut a batch into messages: by partition, in order, none of more than ROWS_MAX readings.

    Those of an origin have the same ids each time it is sent, so that the log keeps them once.
    """
    columns = columns_of(batch)
    made = []
    for part in range(partitions):
        rows = (columns.signal % partitions == part).nonzero()[0]
        for at in range(0, len(rows), ROWS_MAX):
            name = secrets.token_hex(8) if origin is None else _named(origin, part, at)
            made.append(_message(columns, part, rows[at : at + ROWS_MAX], name))
    return made


def _named(origin: Origin, part: int, at: int) -> str:
    return hashlib.sha256(f"{origin.source} {origin.number} {part} {at}".encode()).hexdigest()[:ORIGIN_ID]


def _message(columns: Columns, part: int, rows: object, name: str) -> Message:
    batch = take(columns, rows)  # type: ignore[arg-type]  # an array of indices, whatever its width
    return Message(name, part, len(batch), encode(batch))


def encode(batch: Batch) -> bytes:
    """Write a batch as an Arrow IPC stream, compressed by lz4."""
    sink = pa.BufferOutputStream()
    table = table_of(batch)
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


async def _tell(fault: Exception) -> None:
    log.warning("log.link", fault=str(fault) or type(fault).__name__)
