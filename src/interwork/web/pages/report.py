"""Report: every figure computed from records, every figure a link to the rows it was computed from."""

from itertools import groupby

from starlette.requests import Request
from starlette.responses import Response

from interwork.consortium.report import metrics
from interwork.core.errors import NotFound
from interwork.web.access import node_of
from interwork.web.render import render, tongue_of
from interwork.web.words import mark

LABELS = {
    "organisations": mark("Organisations in the directory"),
    "members": mark("Members"),
    "waiting": mark("Applications waiting"),
    "technologies": mark("Technologies"),
    "technologies-moved": mark("Technologies whose TRL rose on evidence"),
    "gaps": mark("Gaps found"),
    "call-budget": mark("Open for proposals"),
    "awarded": mark("Awarded"),
    "cost-share": mark("Cost share pledged"),
    "disbursed": mark("Paid on evidence"),
    "match-ratio": mark("Partner euro per public euro"),
    "agreements": mark("Agreements in force"),
    "runs": mark("Finished runs with evidence"),
    "energy": mark("Energy metered on runs"),
    "track-records": mark("Providers with a track record"),
    "yield": mark("Good parts of parts made"),
    "Innovation ecosystem": mark("Innovation ecosystem"),
    "Technology advancement": mark("Technology advancement"),
    "Financial leverage": mark("Financial leverage"),
    "Manufacturing": mark("Manufacturing"),
}
"""What the figures of `consortium.report` are called; one that is not listed is shown as it names itself."""
ROWS_SHOWN = 1000


def label_of(request: Request, identifier: str, own: str) -> str:
    """Name a figure or group in the reader's language; figures per kind of body end in the kind."""
    tongue = tongue_of(request)
    if identifier.startswith("members-"):
        return f"{tongue.say(LABELS['members'])}: {tongue.label(identifier.removeprefix('members-'))}"
    return tongue.say(LABELS[identifier]) if identifier in LABELS else own


async def index(request: Request) -> Response:
    """Show the report in its groups."""
    found = await metrics(node_of(request).store)
    named = [(label_of(request, one.group, one.group), label_of(request, one.id, one.label), one) for one in found]
    groups = [(group, list(rows)) for group, rows in groupby(named, key=lambda row: row[0])]
    return await render(request, "report.html", groups=groups)


async def rows(request: Request) -> Response:
    """Show the records one figure was computed from."""
    wanted = request.path_params["metric"]
    for metric in await metrics(node_of(request).store):
        if metric.id == wanted:
            name = label_of(request, metric.id, metric.label)
            return await render(request, "report_rows.html", metric=metric, name=name, most=ROWS_SHOWN)
    raise NotFound(f"The report has no figure {wanted[:80]!r}.", remedy="Open the report and follow a figure.")
