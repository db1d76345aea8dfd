"""Applying changes: a group of them in one transaction, each of them wholly or not at all.

One commit is one fsync, and an fsync costs more than everything else here together; so whatever waits is written
with the next one. A change that cannot be made is rolled back to its own savepoint and does not touch its neighbours.
"""

from collections.abc import Sequence
from functools import cache

import msgspec
from sqlalchemy import Connection, Insert, Table, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, SQLAlchemyError

from interwork.core.clock import Clock
from interwork.core.errors import BadInput, Conflict, InterworkError
from interwork.store import chain
from interwork.store.change import Append, Change, Delete, Put
from interwork.store.database import Database
from interwork.store.words import ONCE

Outcome = bool | InterworkError
"""True where the change was made, False where its `once` key had been used, otherwise why it was not made."""


def write(database: Database, changes: Sequence[Change], clock: Clock) -> list[Outcome]:
    """Apply changes in the order given, in one transaction, and tell what came of each."""
    outcomes: list[Outcome] = []
    try:
        with database.writer.begin() as connection:
            head = start = chain.lock(connection)
            for change in changes:
                outcome, head = _attempt(connection, change, head, clock)
                outcomes.append(outcome)
            if head != start:
                chain.move(connection, head)
    except (SQLAlchemyError, InterworkError) as fault:
        return [_failed(database, fault, outcome) for outcome in outcomes + [True] * (len(changes) - len(outcomes))]
    return outcomes


def _failed(database: Database, fault: SQLAlchemyError | InterworkError, outcome: Outcome) -> Outcome:
    if isinstance(outcome, InterworkError):
        return outcome  # it was refused before the transaction failed
    error = database.explain(fault) if isinstance(fault, SQLAlchemyError) else _copy(fault)
    error.__cause__ = fault
    return error


def _copy(error: InterworkError) -> InterworkError:
    # Each caller raises an error of its own: one raised in two tasks would collect the tracebacks of both.
    return type(error)(error.message, remedy=error.remedy, where=error.where)


def _attempt(connection: Connection, change: Change, head: chain.Head, clock: Clock) -> tuple[Outcome, chain.Head]:
    connection.exec_driver_sql("SAVEPOINT change")
    outcome: Outcome
    try:
        outcome, head = _apply(connection, change, head, clock)
    except DataError as fault:
        outcome = BadInput(f"The database does not take a value of the change: {fault.orig}.")
        outcome.__cause__ = fault
    except InterworkError as fault:
        outcome = fault
    # Any other database error ends the whole transaction, which then has no savepoint left to return to.
    if isinstance(outcome, InterworkError):
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT change")
    connection.exec_driver_sql("RELEASE SAVEPOINT change")
    return outcome, head


def _apply(connection: Connection, change: Change, head: chain.Head, clock: Clock) -> tuple[bool, chain.Head]:
    at = clock()
    if change.once:
        if connection.execute(select(ONCE.c.key).where(ONCE.c.key == change.once)).first() is not None:
            return False, head
        connection.execute(insert(ONCE).values(key=change.once, at=msgspec.to_builtins(at)))
    for step in change.steps:
        if isinstance(step, Put):
            _put(connection, step)
        elif isinstance(step, Delete):
            table = step.word.table
            connection.execute(delete(table).where(table.c.id == step.identifier))
    events = [step for step in change.steps if isinstance(step, Append)]
    return True, chain.append(connection, head, events, change.actor, at)


def _put(connection: Connection, step: Put) -> None:
    table = step.word.table
    if step.expect is not None:
        identifier = str(step.row["id"])
        stored = connection.execute(select(table.c.body).where(table.c.id == identifier)).scalar_one_or_none()
        if stored is None or step.word.read(identifier, stored) != step.expect:
            now = "is no longer there" if stored is None else "was changed"
            raise Conflict(
                f"{step.word.kind.__name__} {identifier} {now} since it was read; nothing was written.",
                remedy="Read it again and repeat the step.",
            )
    connection.execute(_replace(table, connection.dialect.name), step.row)


@cache
def _replace(table: Table, dialect: str) -> Insert:
    if dialect == "sqlite":
        lite = sqlite.insert(table)
        return lite.on_conflict_do_update(index_elements=["id"], set_=dict(lite.excluded.items()))
    full = postgresql.insert(table)
    return full.on_conflict_do_update(index_elements=["id"], set_=dict(full.excluded.items()))
