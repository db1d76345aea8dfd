"""From a design file to a process plan: geometry, manufacturability, process planning, the digital thread."""

from interwork.design.analysis import ANALYSER, Analysis, Reading, analyse, format_of, read_file, revision_id
from interwork.design.linked import prov_o, read_prov_o
from interwork.design.making.process import Known, draft_process_plan
from interwork.design.thread import Layout, Missing, backward, forward, gaps, lay_out, prov, read_prov

__all__ = [
    "ANALYSER",
    "Analysis",
    "Known",
    "Layout",
    "Missing",
    "Reading",
    "analyse",
    "backward",
    "draft_process_plan",
    "format_of",
    "forward",
    "gaps",
    "lay_out",
    "prov",
    "prov_o",
    "read_file",
    "read_prov",
    "read_prov_o",
    "revision_id",
]
