"""What a visitor is told when something went wrong: RFC 9457 for programs, the same facts as a page for people."""

from html import escape
from urllib.parse import urlsplit

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from interwork.core.errors import InterworkError, NoPlan, NotSignedIn, Refused
from interwork.web.render import render

_BARE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{status}: {what}</title></head>
<body><main><h1>{what}</h1><p>{remedy}</p><p><a href="/">Home</a></p></main></body></html>
"""
MACHINE_FACES = ("/api", "/dsp", "/data", "/aas", "/i3x", "/.well-known", "/live", "/static")
log = structlog.get_logger()


def wants_page(path: str, accept: str) -> bool:
    """Tell whether the asker is a person with a browser."""
    return "text/html" in accept and not path.startswith(MACHINE_FACES) and not path.endswith(".json")


def facts_of(fault: InterworkError, path: str) -> dict[str, object]:
    """Write an error as the members of an RFC 9457 problem."""
    facts: dict[str, object] = {
        "type": f"urn:interwork:problem:{fault.code}",
        "title": fault.code.replace("-", " "),
        "status": fault.status,
        "detail": fault.message,
        "instance": path,
        "code": fault.code,
        "where": fault.where,
        "remedy": fault.remedy,
    }
    if isinstance(fault, Refused):
        facts["rule"] = fault.rule
    if isinstance(fault, NoPlan):
        facts["reasons"] = fault.reasons
    return facts


def problem_response(path: str, accept: str, fault: InterworkError) -> Response:
    """Answer without the frame of our pages, which may be what failed: JSON for programs, a bare page for people."""
    if wants_page(path, accept):
        page = _BARE.format(status=fault.status, what=escape(fault.message), remedy=escape(fault.remedy))
        return HTMLResponse(page, status_code=fault.status)
    body = msgspec.json.encode(facts_of(fault, path))
    headers = {"WWW-Authenticate": "Bearer"} if fault.status == 401 else {}
    return Response(body, status_code=fault.status, media_type="application/problem+json", headers=headers)


async def on_error(request: Request, fault: Exception) -> Response:
    """Render any error of our tree; a person who is not signed in is asked to."""
    assert isinstance(fault, InterworkError)
    if fault.status >= 500:
        log.error("request.failed", path=request.url.path, fault=str(fault), code=fault.code)
    if not wants_page(request.url.path, request.headers.get("accept", "")):
        return problem_response(request.url.path, "", fault)
    if isinstance(fault, NotSignedIn) and request.method == "GET":
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(
            request.url_for("sign-in").include_query_params(next=wanted).replace(scheme="", netloc=""), status_code=303
        )
    facts = facts_of(fault, request.url.path)
    return await render(request, "problem.html", status=fault.status, problem=facts, back=_back(request))


def _back(request: Request) -> str:
    """Tell the page of ours a form was sent from, so that what went wrong is no dead end; empty where none told."""
    came = urlsplit(request.headers.get("referer", ""))
    is_ours = came.netloc == request.headers.get("host", "") and came.path.startswith("/")
    if not is_ours or (request.method == "GET" and came.path == request.url.path):
        return ""
    return came.path + (f"?{came.query}" if came.query else "")


async def on_http_error(request: Request, fault: Exception) -> Response:
    """Render what the router says (no such page, wrong method) in the same two forms."""
    assert isinstance(fault, HTTPException)
    error = InterworkError(
        "There is no such page at this node." if fault.status_code == 404 else fault.detail,
        remedy="Start from Home." if fault.status_code == 404 else "",
    )
    error.status, error.code = fault.status_code, "no-such-page" if fault.status_code == 404 else "http"
    return await on_error(request, error)


async def on_fault(request: Request, fault: Exception) -> Response:
    """Answer for a fault of our own that nobody foresaw; the server logs it with its trace."""
    log.error("request.crashed", path=request.url.path, fault=repr(fault))
    error = InterworkError("This node made a mistake of its own.", remedy="Try again; its log says more.")
    return problem_response(request.url.path, request.headers.get("accept", ""), error)
