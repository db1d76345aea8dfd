"""A change: what to do in one transaction, written down before anything is done.

Building one is pure and checks everything that can be checked without the database, so a change that was built can
only fail because the stored state is another (`Conflict`) or the installation is unusable.
"""

from dataclasses import dataclass
from typing import Any, Self

import msgspec

from interwork.core.errors import BadInput
from interwork.core.event import Tag
from interwork.core.exchange import Outgoing
from interwork.store.words import Word, key_text, word_of


@dataclass(frozen=True, slots=True)
class Put:
    """Insert a row, or replace the one of that id."""

    word: Word[Any]
    row: dict[str, str | int]
    expect: msgspec.Struct | None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the row of that id, if there is one."""

    word: Word[Any]
    identifier: str


@dataclass(frozen=True, slots=True)
class Append:
    """Link an event to the chain."""

    tag: Tag
    subject: str
    detail: dict[str, Any]


class Change:
    """What to do in one transaction: all of it or nothing. `once` names what must not be done twice."""

    __slots__ = ("actor", "once", "steps")

    def __init__(self, actor: str = "node", *, once: str = "") -> None:
        self.actor = key_text("the actor", actor)
        self.once = key_text("the once key", once)
        self.steps: list[Put | Delete | Append] = []

    def put(self, value: msgspec.Struct, *, expect: msgspec.Struct | None = None) -> Self:
        """Insert or replace a value by its id; with `expect`, only if that is still what is stored."""
        word: Word[Any] = word_of(type(value))
        row = word.row(value)
        if expect is not None:
            if type(expect) is not type(value) or getattr(expect, "id", None) != row["id"]:
                raise BadInput(f"{type(value).__name__} {row['id']} is expected to be another record.")
            expect = word.normal(expect)
        self.steps.append(Put(word, row, expect))
        return self

    def delete(self, kind: type[msgspec.Struct], identifier: str) -> Self:
        """Remove a value by its id; one that is not there stays away."""
        self.steps.append(Delete(word_of(kind), key_text(f"the id of {kind.__name__}", identifier)))
        return self

    def event(self, tag: Tag, subject: str, **detail: Any) -> Self:  # noqa: ANN401 - any JSON value may be a detail
        """Append an event to the hash chain in the same transaction."""
        try:
            # Read back at once: the digest is over what will be read, whatever happens to the caller's lists.
            kept = msgspec.json.decode(msgspec.json.encode(detail))
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as fault:
            raise BadInput(f"The detail of {tag} about {subject} cannot be kept: {fault}.") from fault
        self.steps.append(Append(Tag(tag), key_text("the subject of an event", subject), kept))
        return self

    def send(self, message: Outgoing) -> Self:
        """Put a message to a peer into the outbox, to be sent after this change is safe."""
        return self.put(message)

    def touched(self) -> frozenset[str]:
        """Name the ids and tables this change touches."""
        names: set[str] = set()
        for step in self.steps:
            match step:
                case Put(word, row, _):
                    names |= {word.table_name, str(row["id"])}
                case Delete(word, identifier):
                    names |= {word.table_name, identifier}
                case Append(_, subject, _):
                    names |= {"events", subject}
        return frozenset(names)
