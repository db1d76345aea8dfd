"""Gaps and bottlenecks, and investment: over all needs this node holds."""

from starlette.requests import Request
from starlette.responses import Response

from interwork.allocation.learning.investing import Investments
from interwork.core.errors import BadInput
from interwork.core.programme import GapKind
from interwork.flows import insight
from interwork.web.access import MAY, node_of, require
from interwork.web.render import render

SHOWN_MAX = 40


async def gaps(request: Request) -> Response:
    """Show what the network lacks."""
    await require(request, *MAY["read"])
    rows = await insight.gap_report(node_of(request))
    counts = [(kind, len({one.need for row in rows if row.kind is kind for one in row.needs})) for kind in GapKind]
    return await render(request, "allocation/gaps.html", rows=rows, counts=counts)


async def investment(request: Request) -> Response:
    """Show what hours are worth."""
    await require(request, *MAY["read"])
    found: Investments | None = None
    fault = ""
    try:
        found = await insight.investments(node_of(request), seconds=8.0)
    except BadInput as error:
        fault = f"{error.message} {error.remedy}"
    rows = found.rows[:SHOWN_MAX] if found else ()
    most = max([each.doubled_eur or 0.0 for each in rows], default=0.0)
    return await render(request, "allocation/investment.html", found=found, rows=rows, most=most, fault=fault)
