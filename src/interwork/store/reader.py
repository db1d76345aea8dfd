"""Reading the state: rows into values, each query with a bound on what it may bring."""

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select

from interwork.core.errors import BadInput, NotFound
from interwork.core.event import Event, Tag
from interwork.store.chain import event_of
from interwork.store.words import EVENTS, T, Word, key_text

MOST_ROWS = 100_000
"""Values one query may bring."""
MOST_VALUES = 10_000
"""Values one query may compare with."""


def fetch(connection: Connection, word: Word[T], identifier: str) -> T | None:
    """Read the value of an id, or None."""
    table = word.table
    key = key_text(f"the id of {word.kind.__name__}", identifier)
    body = connection.execute(select(table.c.body).where(table.c.id == key)).scalar_one_or_none()
    return None if body is None else word.read(identifier, body)


def missing(kind: type[msgspec.Struct], identifier: str) -> NotFound:
    """Say that an id is not held here."""
    return NotFound(f"{kind.__name__} {identifier} is not held here.", remedy="Check the id; see the list of them.")


def find(connection: Connection, word: Word[T], equals: Mapping[str, object], *, limit: int, newest: bool) -> list[T]:
    """Read the values whose indexed fields equal what is given, by id, oldest or newest first."""
    table = word.table
    order = table.c.id.desc() if newest else table.c.id
    query = select(table.c.id, table.c.body).where(*_conditions(word, equals)).order_by(order)
    rows = connection.execute(query.limit(_bounded(limit)))
    return [word.read(row.id, row.body) for row in rows]


def count(connection: Connection, word: Word[T], equals: Mapping[str, object]) -> int:
    """Count the values whose indexed fields equal what is given."""
    query = select(func.count()).select_from(word.table).where(*_conditions(word, equals))
    return int(connection.execute(query).scalar_one())


def events(
    connection: Connection, *, after: int, subject: str, tag: Tag | None, limit: int, newest: bool
) -> list[Event]:
    """Read events of the chain after a sequence, oldest or newest first."""
    columns = EVENTS.c
    query = select(EVENTS).where(columns.sequence > after)
    if subject:
        query = query.where(columns.subject == key_text("the subject of an event", subject))
    if tag is not None:
        query = query.where(columns.tag == tag.value)
    query = query.order_by(columns.sequence.desc() if newest else columns.sequence)
    return [event_of(row) for row in connection.execute(query.limit(_bounded(limit)))]


def _conditions(word: Word[T], equals: Mapping[str, object]) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for name, wanted in equals.items():
        if name != "id" and name not in word.fields:
            known = ", ".join(("id", *word.fields))
            raise BadInput(f"{word.kind.__name__} is not found by {name!r}.", remedy=f"Use one of {known}.")
        column = word.table.c[name]
        if isinstance(wanted, list | tuple | set | frozenset):
            conditions.append(column.in_(_values(word, name, list(wanted))))
        else:
            conditions.append(column == word.column(name, wanted))
    return conditions


def _values(word: Word[T], name: str, wanted: Sequence[object]) -> list[str | int]:
    if len(wanted) > MOST_VALUES:
        raise BadInput(
            f"{len(wanted)} values of {word.kind.__name__}.{name} are asked for at once; {MOST_VALUES} may be.",
            remedy="Ask for them in parts.",
        )
    return [word.column(name, value) for value in wanted]


def _bounded(limit: int) -> int:
    if not 0 < limit <= MOST_ROWS:
        raise BadInput(f"The limit is {limit}; it may be 1 to {MOST_ROWS}.")
    return limit
