"""The whole state as lines of JSON, table by table, and back into an empty store.

The first line says what wrote the export and whether secrets are in it. Without secrets an export can be read by
people and programs but not loaded: a node without its tokens and passwords would look like one and not be one.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, func, insert, select
from sqlalchemy.exc import IntegrityError

from interwork.core.errors import BadInput, Refused, WrongState
from interwork.core.event import Event
from interwork.store import chain
from interwork.store.change import Append
from interwork.store.words import CHAIN, EVENTS, METADATA, ONCE, WORDS, Word

BATCH = 500
"""Rows read or written at a time."""
FORMAT = 1
Line = tuple[str, bytes]
"""Table name and one JSON document."""


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line of an export."""

    format: int
    has_secrets: bool
    events: int
    digest: str
    """The newest event's; an export cut short does not reach it."""


class _Once(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    at: str


def lines(connection: Connection, *, secrets: bool) -> Iterator[list[Line]]:
    """Read everything in batches: the header, each word's rows by id, the keys of changes made once, the events."""
    head = chain.newest(connection)  # the first thing read: from here on this connection sees one moment
    header = Header(format=FORMAT, has_secrets=secrets, events=head.sequence, digest=head.digest)
    yield [("export", msgspec.json.encode(header))]
    for word in WORDS:
        if secrets or not word.is_private:
            for rows in _batches(connection, word.table, "id"):
                yield [(word.table_name, _body(word, row.id, row.body, secrets=secrets)) for row in rows]
    for rows in _batches(connection, ONCE, "key"):
        yield [("once", msgspec.json.encode(_Once(key=row.key, at=row.at))) for row in rows]
    for rows in _batches(connection, EVENTS, "sequence"):
        yield [("events", msgspec.json.encode(chain.event_of(row))) for row in rows]


def _batches(connection: Connection, table: Table, key: str) -> Iterator[Sequence[Any]]:
    column = table.c[key]
    query = select(table).order_by(column).limit(BATCH)
    rows = connection.execute(query).all()
    while rows:
        yield rows
        rows = connection.execute(query.where(column > getattr(rows[-1], key))).all()


def _body(word: Word[Any], identifier: str, body: str, *, secrets: bool) -> bytes:
    value = word.read(identifier, body)
    if not secrets and word.secrets:
        value = msgspec.structs.replace(value, **dict.fromkeys(word.secrets, ""))
    return msgspec.json.encode(value)


class Loading:
    """Takes the lines of an export into an empty store, in the order they were written."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._words = {word.table_name: word for word in WORDS}
        self._head = chain.lock(connection)
        self._goal: chain.Head | None = None
        for table in METADATA.sorted_tables:
            if table is not CHAIN and connection.execute(select(func.count()).select_from(table)).scalar_one():
                raise WrongState(f"The store has {table.name} already.", remedy="Load an export into an empty store.")

    def take(self, batch: Sequence[Line]) -> None:
        """Write a batch of lines; BadInput naming the table for one that is none of ours."""
        for name, line in batch:
            try:
                self._take(name, line)
            except (msgspec.MsgspecError, ValueError) as fault:
                raise BadInput(f"A line of {name} in the export does not read: {fault}.") from fault
            except IntegrityError as fault:
                raise BadInput(f"A line of {name} is in the export twice: {line[:80].decode()}…") from fault

    def finish(self) -> int:
        """Write down the head of the chain and count the events."""
        if self._head != self._goal:
            goal = self._goal.sequence if self._goal else "its first line"
            raise BadInput(f"The export is cut short after event {self._head.sequence}, before {goal}.")
        chain.move(self._connection, self._head)
        return self._head.sequence

    def _take(self, name: str, line: bytes) -> None:
        if self._goal is None:
            self._open(name, line)
        elif name in self._words:
            word = self._words[name]
            self._connection.execute(insert(word.table), word.row(word.decoder.decode(line)))
        elif name == "once":
            self._connection.execute(insert(ONCE), msgspec.to_builtins(msgspec.json.decode(line, type=_Once)))
        elif name == "events":
            self._link(msgspec.json.decode(line, type=Event))
        else:
            raise BadInput(f"The export has a table {name!r}, which this version does not know.")

    def _open(self, name: str, line: bytes) -> None:
        header = msgspec.json.decode(line, type=Header) if name == "export" else None
        if header is None or header.format != FORMAT:
            raise BadInput(f"The export does not begin as one of format {FORMAT}.")
        if not header.has_secrets:
            raise Refused(
                "The export was made without secrets and cannot become a node.",
                rule="a node is loaded whole",
                remedy="Export it again with its secrets.",
            )
        self._goal = chain.Head(header.events, header.digest)

    def _link(self, event: Event) -> None:
        chain.follow(self._head, event)
        step = Append(event.tag, event.subject, event.detail)
        self._head = chain.append(self._connection, self._head, [step], event.actor, event.at)
