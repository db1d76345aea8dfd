"""Designs in revisions, what was measured on them, and how they are made."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Hole(msgspec.Struct, frozen=True, kw_only=True):
    """A round hole: diameter, depth, axis direction and a point on the axis, in mm."""

    diameter_mm: float
    depth_mm: float
    axis: tuple[float, float, float]
    at: tuple[float, float, float]
    is_through: bool


class Geometry(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured on a revision: lengths in mm, areas in mm², volumes in mm³."""

    analyser: str
    """Name and version of what measured it."""
    unit: str
    bodies: int
    box_mm: tuple[float, float, float]
    volume_mm3: float
    area_mm2: float
    triangles: int
    is_closed: bool
    holes: tuple[Hole, ...] | None = None
    """None = not recognised (a mesh has no faces to tell holes by)."""
    setups: int = 1
    """Fewest of the six directions ±X ±Y ±Z from which every machined face is reached."""
    approaches: tuple[str, ...] = ()
    """Those directions, such as `+Z`, the most useful first; empty = not measured."""
    unreached_share: float = 0.0
    """Share of the area that none of the six reaches."""
    revolved_share: float = 0.0
    """Share of the area, off-axis holes left out, that turns about one axis."""
    revolved_axis: tuple[float, float, float] | None = None
    revolved_at: tuple[float, float, float] | None = None
    """A point on that axis."""
    is_round: bool = False
    """The envelope about that axis is a circle within 2 %."""
    wall_mm: tuple[float, float] | None = None
    """Thinnest and typical wall, by rays; None = not measured."""
    sheet_share: float = 0.0
    """Share of the area that has the typical wall within 5 %."""
    notes: tuple[str, ...] = ()
    """What was assumed, suspected or left out."""


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """A product design: a name over immutable revisions."""

    id: str
    name: str
    owner: str
    created_at: datetime
    project: str = ""
    is_export_controlled: bool = False


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable state of a design: content-addressed files and what was measured on them."""

    id: str
    """Derived from the file digests: the same bytes give the same id."""
    design: str
    file_name: str
    file_digest: str
    media_type: str
    created_at: datetime
    geometry: Geometry
    view_digest: str = ""
    """The GLB for the viewer."""
    parent: str = ""


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """One typed condition an operation sets: `name` is a field of Capability or Need."""

    name: str
    """`process`, `material`, `envelope_mm`, `tolerance_mm`, `axes`, `mass_kg`, `certificate`."""
    value: str | float | tuple[float, float, float]
    source: str = ""
    """Where it comes from: measured on the geometry, typed by a person, or a default."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a process plan (ISA-95 operation segment): what it demands, not who does it."""

    id: str
    name: str
    process: str
    after: tuple[str, ...] = ()
    """Ids of the operations before it."""
    requirements: tuple[Requirement, ...] = ()
    removal_mm3: float = 0.0
    """Material to remove per part."""
    machining_s: float = 0.0
    """Likely time per part on the reference machine, without handling."""
    machining_low_s: float = 0.0
    machining_high_s: float = 0.0
    basis: str = ""
    """How the time was estimated."""


class ProcessPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How a revision is made: operations with precedence and required capability."""

    id: str
    revision: str
    process_class: str
    """`milled`, `turned`, `sheet` or `printed`."""
    reasons: tuple[str, ...]
    material: str
    quantity: int
    stock_mm: tuple[float, float, float]
    part_mass_kg: float
    stock_mass_kg: float
    operations: tuple[Operation, ...]
    findings: tuple[str, ...] = ()
    """What may trouble the shop, with the rule and the number."""
    created_at: datetime


class EdgeKind(StrEnum):
    """How two nodes of the thread hang together (PROV-O's words are in the export)."""

    SATISFIES = "satisfies"
    DERIVES = "derives"
    CONTAINS = "contains"
    PLANS = "plans"
    PERFORMS = "performs"
    EXECUTES = "executes"
    OBSERVED = "observed"
    MEASURES = "measures"
    DECIDES = "decides"
    GOVERNS = "governs"
    PAYS = "pays"
    SUPPORTS = "supports"


class ThreadNode(msgspec.Struct, frozen=True, kw_only=True):
    """Something on the digital thread, held here or at another node."""

    id: str
    kind: str
    label: str
    at: datetime
    holder: str = ""
    """The DID that holds it; empty = this node."""
    digest: str = ""
    is_shared: bool = True
    """False shows as «held by B, not shared»."""


class ThreadEdge(msgspec.Struct, frozen=True, kw_only=True):
    """A typed link from a cause to what came of it; the id is derived from source, kind and target."""

    id: str
    source: str
    target: str
    kind: EdgeKind
    at: datetime
    agent: str
