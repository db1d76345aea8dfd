"""The settings of one node: one frozen tree, parsed once; an unknown key is an error that names it."""

from typing import Literal

import msgspec

from interwork.core.organisation import OrganisationKind, Place


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What this node's blueprint has to share out among its devices."""

    storage_gb: float = 20.0
    retention_days: float = 30.0
    power_kw: float = 250.0
    samples_per_s: float = 20_000.0
    admission: Literal["refuse", "warn"] = "refuse"
    """What happens to a device that does not fit: it is refused, or admitted with what is broken said of it."""
    spool_mb: float = 1024.0
    """Disk for readings that wait for a sink that is away."""
    drain_per_s: float = 50_000.0
    """Waiting readings sent on per second at the most, so that live ones are not queued behind them."""
    unaccounted_share: float = 0.1
    """Share of the main meter's energy that no member accounts for before it is told as an event."""


class SparkplugEdge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[sparkplug_edge]`: this node as a Sparkplug edge node that publishes machines of it as its devices."""

    servers: tuple[str, ...]
    """Brokers as mqtt://host:port or mqtts://host:port, tried in turn."""
    group: str
    edge: str
    resources: tuple[str, ...]
    """Names or ids of the machines to publish; `*` = all."""
    primary_host: str = ""
    """The host application that must be online before anything is published; empty = none."""
    every_s: float = 0.2
    """Least time between two messages of a device."""
    stored_readings: int = 50_000
    """Readings kept while the link or the primary host is away; beyond it the oldest are lost, counted."""
    options: dict[str, str] = {}
    """Of the brokers: username, password (as secret:NAME), ca_file, certificate, private_key, client_id."""


class Scale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[scale]`: readings beyond one machine: a log that acknowledges, sinks that write a shared lake, readers."""

    catalog: str
    """The lake's catalog in PostgreSQL, in libpq's words, such as `host=db dbname=lake user=interwork`."""
    catalog_password: str = ""
    """As secret:NAME; empty where PostgreSQL asks for none."""
    store: str
    """The lake's files: s3://BUCKET or s3://BUCKET/PREFIX."""
    endpoint: str = ""
    """The store's host:port; empty = Amazon's own."""
    region: str = "us-east-1"
    tls: bool = True
    key: str = ""
    secret: str = ""
    """The store's secret key, as secret:NAME."""
    log: tuple[str, ...]
    """The NATS servers, as nats://host:port or tls://host:port."""
    log_user: str = ""
    log_password: str = ""
    """As secret:NAME."""
    log_monitors: tuple[str, ...] = ()
    """The servers' monitoring addresses (http://host:port), to check that each syncs before it acknowledges."""
    stream: str = "readings"
    replicas: int = 3
    partitions: int = 1
    """Into how many subjects signals are shared out, 1 to 64: as many sinks may work at the same time."""
    log_gb: float = 10.0
    """Size of the log; when it is full, publishing waits, and the node spools."""
    storage_gb: float = 0.0
    """Size of all nodes' readings in the lake: above it the oldest hours go, but nothing on hold (0: any)."""
    flush_s: float = 1.0
    """Longest time a sink gathers readings before it writes them to the lake."""
    role: Literal["node", "reader"] = "node"
    """`node` connects machines and publishes; `reader` only answers questions, and there may be any number."""


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
    file_folders: tuple[str, ...] = ()
    """Folders that file:// machines may be read from, beside `inbox` in the data folder."""
    sparkplug_edge: SparkplugEdge | None = None
    scale: Scale | None = None

    @property
    def is_reader(self) -> bool:
        """Tell whether this node only answers, from the readings and records that others share with it."""
        return self.scale is not None and self.scale.role == "reader"

    def root(self) -> str:
        """Tell the address others reach this node at, without a trailing slash."""
        return (self.address or f"http://localhost:{self.port}").rstrip("/")
