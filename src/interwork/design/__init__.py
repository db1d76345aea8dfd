"""From a design file to a process plan: geometry, manufacturability, process planning, the digital thread."""

from interwork.design.analysis import Analysis, analyse, format_of, revision_id
from interwork.design.process import draft_process_plan
from interwork.design.thread import Layout, Missing, backward, forward, gaps, lay_out, prov, read_prov

__all__ = [
    "Analysis",
    "Layout",
    "Missing",
    "analyse",
    "backward",
    "draft_process_plan",
    "format_of",
    "forward",
    "gaps",
    "lay_out",
    "prov",
    "read_prov",
    "revision_id",
]
