"""Designs in revisions, what was measured on them, and how they are made."""

from datetime import datetime
from enum import StrEnum

import msgspec

from interwork.core.part.plan import Estimate as Estimate
from interwork.core.part.plan import Finding as Finding
from interwork.core.part.plan import InspectionItem as InspectionItem
from interwork.core.part.plan import Operation as Operation
from interwork.core.part.plan import PlanTemplate as PlanTemplate
from interwork.core.part.plan import PlanTime as PlanTime
from interwork.core.part.plan import ProcessPlan as ProcessPlan
from interwork.core.part.plan import Requirement as Requirement
from interwork.core.part.plan import Setting as Setting
from interwork.core.part.plan import TemplateStep as TemplateStep
from interwork.core.part.shape import Attachment as Attachment
from interwork.core.part.shape import BodyFacts as BodyFacts
from interwork.core.part.shape import Characteristic as Characteristic
from interwork.core.part.shape import FlatPattern as FlatPattern
from interwork.core.part.shape import Geometry as Geometry
from interwork.core.part.shape import Hole as Hole
from interwork.core.part.shape import Printing as Printing
from interwork.core.part.shape import Shape as Shape
from interwork.core.part.shape import Signature as Signature
from interwork.core.part.study import MeasuredFacts as MeasuredFacts
from interwork.core.part.study import Study as Study
from interwork.core.part.study import StudyState as StudyState


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
    manifest: str = ""
    """Digest of the manifest: canonical JSON over parents, files and characteristics (a Merkle node)."""
    characteristics: tuple[Characteristic, ...] = ()
    attachments: tuple[Attachment, ...] = ()


class Port(msgspec.Struct, frozen=True, kw_only=True):
    """One named input or output of a model, with its unit."""

    name: str
    unit: str = "1"
    """UCUM code."""
    low: float | None = None
    high: float | None = None
    default: float | None = None
    """Taken where an input is not given; None = it must be given."""
    text: str = ""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A simulation model published with its interface; the inside stays with whoever holds it."""

    id: str
    """Derived from the holder and the file's digest."""
    name: str
    kind: str
    """`fmu` (FMI 2.0 or 3.0 co-simulation) or `python` (one function)."""
    digest: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    step_s: float = 0.0
    """Communication step; 0 = the model has no time."""
    stop_s: float = 0.0
    text: str = ""
    signer: str
    """The DID of whoever vouches for it."""
    signature: str
    """JWS over the digest by the signer's key."""
    holder: str
    """The DID of the node that holds and runs it."""
    holder_name: str = ""
    dataset: str = ""
    """What it is offered as; empty = not offered."""
    walls: str = ""
    """The walls its interface was read behind, as of a run."""
    by: str = ""
    at: datetime


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """How the outputs of a model went at one point, from start to end."""

    point: int
    """Which of the run's points, from 0."""
    times_s: tuple[float, ...]
    values: dict[str, tuple[float, ...]]
    """Per output, in its unit."""
    every: int = 1
    """Only each so-many-th communication point is kept, and the last."""


class ModelRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a model gave at one or more points, bound to the model's digest, the inputs and the step."""

    id: str
    """Derived from the model and what was asked."""
    model: str
    model_name: str
    model_digest: str
    inputs: tuple[dict[str, float], ...]
    """One per point, in the units of the model's ports."""
    outputs: tuple[dict[str, float], ...]
    units: dict[str, str]
    """Unit of every input and output."""
    step_s: float = 0.0
    stop_s: float = 0.0
    start_s: float = 0.0
    courses: tuple[Course, ...] = ()
    """Of the first points; empty for a model without time."""
    checked: int = 0
    """How many of the points were run again at half the step."""
    change: dict[str, float] = {}
    """Largest relative change of each output when the step is halved."""
    note: str = ""
    """What that says, in words."""
    walls: str = ""
    """The walls it ran behind, and any that was missing with the reason; empty = from before this was kept."""
    digest: str
    """SHA-256 over model digest, inputs, step and outputs: the same again gives the same."""
    holder: str
    signature: str = ""
    """JWS over the digest by the holder's key."""
    after: str = ""
    """The run before it in a chain."""
    times: int = 1
    """How often it was computed with this very result."""
    by: str = ""
    at: datetime


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
