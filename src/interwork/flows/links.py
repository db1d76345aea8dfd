"""What runs of the machine line: each connection's supervision as it stands now, in memory, for whoever looks."""

from dataclasses import dataclass, field
from datetime import datetime

import anyio

from interwork.connectors import Connector
from interwork.core.blueprint import LinkState, Taken
from interwork.stream.blueprint import Hold
from interwork.stream.marks import Marks
from interwork.stream.spool import Spool


@dataclass(slots=True, kw_only=True)
class Link:
    """One connection: how it stands, since when, and what it is held to."""

    resource: str
    name: str
    endpoint: str
    likeness: tuple[object, ...] = ()
    """What it was started with; something else in the store starts it anew."""
    state: LinkState = LinkState.STARTING
    since: datetime | None = None
    said: str = ""
    remedy: str = ""
    tries: int = 0
    """Attempts that failed since it was last connected."""
    reconnects: int = 0
    next_try: datetime | None = None
    connected_at: float = 0.0
    """On the event loop's clock."""
    heard: float = 0.0
    heard_at: datetime | None = None
    patience: float = 1.0
    """How many times longer it may be silent, after connecting anew brought nothing."""
    is_silent: bool = False
    """True where the watchdog ended the last connection."""
    hold: Hold | None = None
    connector: Connector | None = None
    """Open while it is connected; commands go through it."""
    kept: Connector | None = None
    """One that resumes where it stopped is entered again after a lost link."""
    writing: anyio.Lock = field(default_factory=anyio.Lock)
    """Held from the checks of a command to its reading back: one at a time."""
    whole: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """Cancelled to stop its supervision."""
    reading: anyio.CancelScope | None = None
    """Cancelled to connect anew."""
    kick: anyio.Event = field(default_factory=anyio.Event)
    """Set to try again at once."""
    plate: dict[str, str] | None = None
    """What the machine said of itself; None before it was asked."""
    is_wire_counted: bool = False
    """True where its bytes are the kernel's count, False where they are the protocol's figure."""
    wire_total: int = 0
    noted: Taken | None = None
    """Today's count as it was last kept."""
    place: str = ""
    """Where a connector stood that was let go."""
    about: str = ""
    """What its checkpoint is about."""
    checkpoint_due: float = 0.0
    checkpoint_us: int = 0
    """When its checkpoint was last written; 0 where it has none."""
    marked: Marks | None = None
    """Marks of the time it was away, taken back where nothing turns out to be missing."""
    is_followed: bool = False
    """True once that is so."""
    holes: tuple[int, int] = (0, 0)
    """Holes its connector has told, and the observations lost in them."""

    def stand(self, state: LinkState, at: datetime, said: str = "", remedy: str = "") -> None:
        """Note how it stands now."""
        if state is not self.state or self.since is None:
            self.since = at
        self.state, self.said, self.remedy = state, said, remedy


@dataclass(slots=True, kw_only=True)
class Uplink:
    """Where kept readings go: the historian, or the spool while it is away."""

    spool: Spool | None = None
    is_away: bool = False
    since: datetime | None = None
    said: str = ""
    append_s: float = 0.0
    """How long the last append took."""
    refused: int = 0
    """Readings that neither the historian nor the spool took."""


@dataclass(slots=True, kw_only=True)
class Links:
    """Every connection of a node, and its uplink."""

    by_resource: dict[str, Link] = field(default_factory=dict)
    uplink: Uplink = field(default_factory=Uplink)
    marked: dict[str, Marks] = field(default_factory=dict)
    """By resource: marks of this start that its machine's memory may take back."""
    fill: float = 0.0
    """Share of the disk this node may use that is taken."""
