"""The hash chain of events in the database: linking new ones, checking all of them.

The newest link's sequence and digest stand in a row of their own. Every writer locks that row before anything else,
so that two processes on one database write one after the other, and a chain that was cut off at its end is noticed.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from anyio.from_thread import check_cancelled
from sqlalchemy import Connection, Row, insert, select, update

from interwork.core.errors import Damaged
from interwork.core.event import GENESIS, Event, event_digest
from interwork.store.change import Append
from interwork.store.words import CHAIN, EVENTS

BATCH = 1000
"""Events read at a time while checking."""
_REMEDY = "Restore the database from a backup made before; the records themselves are untouched by this check."
_NEWEST = select(CHAIN.c.sequence, CHAIN.c.digest).where(CHAIN.c.id == 1)
_INSERT = insert(EVENTS)


class Head(NamedTuple):
    """The newest link of the chain."""

    sequence: int
    digest: str


START = Head(0, GENESIS)


def newest(connection: Connection) -> Head:
    """Find the newest link as it was written down; Damaged where that row is missing."""
    return _head(connection.execute(_NEWEST).first())


def lock(connection: Connection) -> Head:
    """Find the newest link and keep other writers away until the transaction ends."""
    return _head(connection.execute(_NEWEST.with_for_update()).first())


def _head(row: Row[Any, Any] | None) -> Head:
    if row is None:
        raise Damaged("The row that names the newest event is missing.", remedy=_REMEDY)
    return Head(row.sequence, row.digest)


def append(connection: Connection, head: Head, steps: Sequence[Append], actor: str, at: datetime) -> Head:
    """Link events to the chain and tell its new head."""
    rows = []
    for step in steps:
        sequence = head.sequence + 1
        digest = event_digest(
            sequence=sequence,
            at=at,
            tag=step.tag,
            subject=step.subject,
            actor=actor,
            detail=step.detail,
            previous=head.digest,
        )
        rows.append(
            {
                "sequence": sequence,
                "at": msgspec.to_builtins(at),
                "tag": step.tag.value,
                "subject": step.subject,
                "actor": actor,
                "detail": msgspec.json.encode(step.detail, order="sorted").decode(),
                "previous": head.digest,
                "digest": digest,
            }
        )
        head = Head(sequence, digest)
    if rows:
        connection.execute(_INSERT, rows)
    return head


def move(connection: Connection, head: Head) -> None:
    """Write down which link is now the newest."""
    connection.execute(update(CHAIN).where(CHAIN.c.id == 1).values(sequence=head.sequence, digest=head.digest))


def event_of(row: Row[Any]) -> Event:
    """Turn a row into an event; Damaged naming the sequence where it does not read."""
    try:
        fields = {name: getattr(row, name) for name in Event.__struct_fields__}
        return msgspec.convert({**fields, "detail": msgspec.json.decode(row.detail)}, Event)
    except (msgspec.MsgspecError, TypeError, ValueError) as fault:
        raise Damaged(f"Event {row.sequence} of the chain does not read: {fault}.", remedy=_REMEDY) from fault


def follow(head: Head, event: Event) -> Head:
    """Check that an event is the next link after `head`; Damaged naming the sequence where it is not."""
    digest = event_digest(
        sequence=event.sequence,
        at=event.at,
        tag=event.tag,
        subject=event.subject,
        actor=event.actor,
        detail=event.detail,
        previous=event.previous,
    )
    if event.sequence != head.sequence + 1:
        raise Damaged(f"Event {head.sequence + 1} of the chain is missing.", remedy=_REMEDY)
    if event.previous != head.digest:
        raise Damaged(f"Event {event.sequence} of the chain does not follow the one before it.", remedy=_REMEDY)
    if event.digest != digest:
        raise Damaged(f"Event {event.sequence} of the chain was changed after it was written.", remedy=_REMEDY)
    return Head(event.sequence, digest)


def walk(connection: Connection) -> Iterator[Event]:
    """Read all events in order."""
    after = 0
    while True:
        query = select(EVENTS).where(EVENTS.c.sequence > after).order_by(EVENTS.c.sequence).limit(BATCH)
        rows = connection.execute(query).all()
        yield from map(event_of, rows)
        if len(rows) < BATCH:
            return
        after = rows[-1].sequence


def verify(connection: Connection) -> int:
    """Check every link and the head, and count the events; runs in a worker thread and can be cancelled."""
    head = START
    for event in walk(connection):
        head = follow(head, event)
        if head.sequence % BATCH == 0:
            check_cancelled()
    written = newest(connection)
    if written != head:
        raise Damaged(
            f"The chain ends after event {head.sequence}, but {written.sequence} events were written to it.",
            remedy=_REMEDY,
        )
    return head.sequence
