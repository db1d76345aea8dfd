"""Planning together with other nodes: what crosses is hours of machines, what an hour is worth, and one sum."""

from datetime import datetime

import msgspec

Stretch = tuple[datetime, datetime]
"""From (included) to (excluded)."""


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """One machine in a message: when it is taken, and what one more hour of it is worth."""

    machine: str
    """A digest of provider and resource: only who holds a quote on the machine knows which it is."""
    taken: tuple[Stretch, ...] = ()
    eur_per_h: float = 0.0


class HoursCall(msgspec.Struct, frozen=True, kw_only=True):
    """What a member is told in a round: the hours the others hold and what an hour is worth to them."""

    coordination: str
    round: int
    hours: tuple[Hours, ...] = ()
    doubled: tuple[str, ...] = ()
    """Machines of which a second one is imagined, to see what it would bring."""
    is_imagined: bool = False
    """Nothing of the answer is to be kept: it is asked what would be."""


class HoursAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a member tells: the hours it takes, what an hour is worth to it, and what its plan comes to."""

    hours: tuple[Hours, ...] = ()
    sum_eur: float = 0.0


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """Which round stands."""

    coordination: str
    round: int


class RoundHeld(msgspec.Struct, frozen=True, kw_only=True):
    """One round as a node keeps it for itself; its placements never leave it."""

    number: int
    sum_eur: float
    placements: tuple[tuple[int, int, int, int], ...] = ()
    """Activity, mode, start and end."""
    unserved: tuple[int, ...] = ()


class NeedHeld(msgspec.Struct, frozen=True, kw_only=True):
    """One of this node's own needs with the quotes and lots it is planned over."""

    need: str
    process: str
    """The process plan its job goes by."""
    quotes: tuple[str, ...]
    lots: tuple[int, ...]


class MemberRow(msgspec.Struct, frozen=True, kw_only=True):
    """One member of a coordination, as whoever began it sees it."""

    did: str
    name: str
    sums: tuple[float, ...] = ()
    """Of each round."""
    fault: str = ""
    """Why it did not answer, where it did not."""


class Coordination(msgspec.Struct, frozen=True, kw_only=True):
    """Planning with others, as one of them holds it; the rounds' plans of its own needs stay here."""

    id: str
    began_by: str
    """DID."""
    state: str
    """running, settled, taken."""
    needs: tuple[NeedHeld, ...]
    rounds: tuple[RoundHeld, ...] = ()
    members: tuple[MemberRow, ...] = ()
    """Held by whoever began it."""
    sums: tuple[float, ...] = ()
    """Of all members, by round; held by whoever began it."""
    best: int = -1
    """The round that stands."""
    alone_eur: float = 0.0
    """What this node's first plan came to, before it heard of others."""
    plans: tuple[str, ...] = ()
    """The plans made of the round that stands, one per need."""
    created_at: datetime
    """The moment all of it is reckoned from."""
