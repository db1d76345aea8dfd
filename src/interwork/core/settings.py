"""The settings of one node: one frozen tree, parsed once; an unknown key is an error that names it."""

import msgspec

from interwork.core.organisation import OrganisationKind, Place


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What this node's blueprint has to share out among its devices."""

    storage_gb: float = 20.0
    retention_days: float = 30.0
    power_kw: float = 250.0
    samples_per_s: float = 20_000.0


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`node.toml`, as read."""

    name: str
    organisation: str
    kind: OrganisationKind
    port: int
    host: str = "127.0.0.1"
    """Where it listens; loopback unless told."""
    address: str = ""
    """How others reach it; empty = http://localhost:<port>. Its DID is made from this."""
    roles: tuple[str, ...] = ("member",)
    """Any of member, institute, portal."""
    place: Place = Place()
    focus: str = ""
    portal: str = ""
    """The portal's address, once joined."""
    database: str = ""
    """SQLAlchemy URL of PostgreSQL; empty = SQLite in the data folder."""
    trusted_issuers: tuple[str, ...] = ()
    """DIDs whose membership credentials count."""
    tiers: tuple[str, ...] = ("small", "full", "academic", "partner")
    """Institute: the tiers it grants without a person's decision."""
    crawl_s: float = 60.0
    """Portal: seconds between crawls of one node."""
    allow_loopback_peers: bool = True
    """True lets peers live on this machine; switch it off where the node is on the public internet."""
    is_sample: bool = False
    limits: Limits = Limits()

    def root(self) -> str:
        """Tell the address others reach this node at, without a trailing slash."""
        return (self.address or f"http://localhost:{self.port}").rstrip("/")
