"""What is measured on a shape and what its definition states."""

import msgspec


class Hole(msgspec.Struct, frozen=True, kw_only=True):
    """A round hole: diameter, depth, axis direction and a point on the axis, in mm."""

    diameter_mm: float
    depth_mm: float
    axis: tuple[float, float, float]
    at: tuple[float, float, float]
    is_through: bool


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What a shape keeps when it is exported again: compared with a margin, never by bytes."""

    volume_mm3: float
    area_mm2: float
    box_mm: tuple[float, float, float]
    """Sorted, so that a part turned over is the same."""
    moments_mm5: tuple[float, float, float]
    """Principal second moments of the volume about its centroid, sorted."""
    faces: dict[str, int] = {}
    """Analytic faces by kind; empty for a mesh."""


class FlatPattern(msgspec.Struct, frozen=True, kw_only=True):
    """The outline of a sheet part, from a drawing (DXF)."""

    outline_area_mm2: float
    cut_length_mm: float
    holes: int
    """Closed contours inside an outline."""
    outlines: int
    bends: int
    bend_length_mm: float
    open_ends: int
    """Ends of curves that meet nothing: the contour is not closed there."""
    layers: tuple[str, ...] = ()


class Printing(msgspec.Struct, frozen=True, kw_only=True):
    """What printing would take in the best of six build directions."""

    build_axis: str
    support_mm3: float
    overhang_mm2: float
    height_mm: float


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured on one part or one whole file: lengths in mm, areas in mm², volumes in mm³."""

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
    low_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """The lower corner of the box, in the file's own axes."""
    is_unit_suspect: bool = False
    """The largest extent is over 10 m or under 0.1 mm; nothing was rescaled."""
    signature: Signature | None = None
    wall_at: tuple[float, float, float] | None = None
    """Where the thinnest wall was met."""
    wall_1pc_mm: float | None = None
    """Wall that 1 % of the area is thinner than."""
    corner_mm: float | None = None
    """Smallest inside radius that is no hole; None = none was recognised."""
    bends: int | None = None
    """Bends of one thickness, by coaxial pairs of cylinders; None = not recognised."""
    printing: Printing | None = None
    flat: FlatPattern | None = None
    stated_volume_mm3: float | None = None
    """The file's own validation property."""
    stated_area_mm2: float | None = None


class BodyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One distinct body of a file and how often it is there."""

    name: str
    count: int
    box_mm: tuple[float, float, float]
    volume_mm3: float
    area_mm2: float
    at: tuple[float, float, float]
    """Middle of the box of the first of them, in the part's own axes."""
    is_closed: bool = True
    geometry: Shape | None = None
    """What was measured on the first of them alone; only in files of several bodies."""


class Geometry(Shape, frozen=True, kw_only=True):
    """What was measured on a revision, with the bodies it is made of."""

    distinct: tuple[BodyFacts, ...] = ()
    """Every distinct closed body."""
    opened: tuple[BodyFacts, ...] = ()
    """Surfaces that enclose nothing: listed, not measured."""


class Characteristic(msgspec.Struct, frozen=True, kw_only=True):
    """A dimension or geometric tolerance as the product definition states it (AP242 PMI, QIF characteristic)."""

    id: str
    """Derived from the file's digest and the key, so the same file gives the same ids."""
    kind: str
    """`position`, `flatness`, `surface_profile`, `diameter`, `linear_distance`, `angle` …: the standard's word."""
    name: str
    key: str
    """Where the file has it: `#21` (Part 21) or the QIF id."""
    nominal: float | None = None
    zone: float | None = None
    """Width of the zone of a geometric tolerance."""
    lower: float | None = None
    """Deviation allowed below the nominal (signed)."""
    upper: float | None = None
    unit: str = "mm"
    """Unit of the figures here: mm or deg."""
    file_unit: str = ""
    """Unit the file gave them in."""
    datums: tuple[str, ...] = ()

    def width(self) -> float | None:
        """Tell the whole width allowed: the zone, or upper minus lower."""
        if self.zone is not None:
            return self.zone
        return None if self.lower is None or self.upper is None else self.upper - self.lower


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """One more file of a revision: an inspection plan, a drawing, a model."""

    name: str
    digest: str
    media_type: str
    characteristics: tuple[Characteristic, ...] = ()
    """What it states of the part, in its own words."""
    facts: dict[str, str] = {}
    """What it holds, in figures."""
