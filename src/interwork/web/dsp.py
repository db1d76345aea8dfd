"""The HTTP face other nodes speak to: well-known documents, the Dataspace Protocol 2025-1, and the data plane.

Each route parses, calls one entry point of the federation, and renders. An error on a DSP path is the typed error of
its family with the pids that are known; one of the data plane is written by the house's one handler (RFC 9457). What
follows from a message goes out only after its answer is on the wire.
"""

import gzip
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import structlog
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from interwork.core.errors import BadInput, InterworkError, LimitReached
from interwork.federation import Caller, Federation, Reply, wire

log = structlog.get_logger()

MESSAGE_BYTES = 2**20
DATA_BYTES = 64 * 2**20
JSON_TYPES = frozenset({"application/json", "application/ld+json"})
SMALL_BYTES = 1_400
"""Answers smaller than this fit into one packet and are not compressed."""
_ROOT = f"{wire.PATH}/"

Answering = Callable[[Request, Caller, wire.Message], Awaitable[Response]]


class _WrongType(BadInput):
    """The body is of a type nobody here reads."""

    code, status = "wrong-media-type", 415


class _TooLarge(LimitReached):
    """The body is larger than it may be."""

    code, status = "too-large", 413


async def _body(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _TooLarge(f"The body has more than {limit} bytes.", remedy="Send less at a time.")
        parts.append(part)
    return b"".join(parts)


async def _message(request: Request) -> wire.Message:
    if request.method == "GET":
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in JSON_TYPES:
        raise _WrongType(f"The body is {kind or 'of no type'}.", remedy="Send application/json.")
    return wire.decode(await _body(request, MESSAGE_BYTES))


def _json(content: bytes, request: Request, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    sent = dict(headers or {})
    if len(content) > SMALL_BYTES:
        sent["Vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            content = gzip.compress(content, compresslevel=1)
            sent["Content-Encoding"] = "gzip"
    return Response(content, status_code=status, headers=sent, media_type="application/json")


def _error(family: str, fault: InterworkError, message: wire.Message, pid: str) -> Response:
    status = wire.status_of(fault)
    if status >= 500:
        log.error("message.failed", family=family, pid=pid, fault=str(fault))
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    body = msgspec.json.encode(wire.error_body(family, fault, message, pid))
    return Response(body, status_code=status, headers=headers, media_type="application/json")


class _Face:
    """The routes of one federation."""

    def __init__(self, federation: Federation) -> None:
        self._federation = federation

    def endpoint(self, family: str, answer: Answering) -> Callable[[Request], Awaitable[Response]]:
        """Wrap what every DSP call has: who calls, what was sent, and typed errors."""

        async def call(request: Request) -> Response:
            message: wire.Message = {}
            try:
                caller = await self._federation.authenticate(request.headers.get("authorization", ""))
                message = await _message(request)
                return await answer(request, caller, message)
            except InterworkError as fault:
                return _error(family, fault, message, request.path_params.get("pid", ""))

        return call

    async def did_document(self, request: Request) -> Response:
        """Serve who this node is."""
        return _json(msgspec.json.encode(self._federation.did_document()), request)

    async def versions(self, request: Request) -> Response:
        """Serve which versions of the protocol this node speaks."""
        return _json(msgspec.json.encode(self._federation.versions()), request)

    async def catalog(self, request: Request, caller: Caller, message: wire.Message) -> Response:
        """Serve a page of the catalog: the first for a request message, any for a link."""
        if request.method == "POST":
            query = wire.check(message, "CatalogRequestMessage").get("filter", [])
        else:
            query = wire.decode(b'{"filter": %b}' % request.query_params.get("filter", "[]").encode())["filter"]
        after = request.query_params.get("after", "0")
        if not isinstance(query, list) or not after.isdecimal() or len(after) > 9:
            raise BadInput("This page of the catalog was not linked to.", remedy="Begin with a catalog request.")
        page = await self._federation.catalog(caller, query, int(after))
        links = ", ".join(f'<{url}>; rel="{name}"' for name, url in page.links.items())
        headers = {"ETag": page.etag, "Cache-Control": "private", **({"Link": links} if links else {})}
        if page.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return _json(page.content, request, headers=headers)

    async def dataset(self, request: Request, caller: Caller, _: wire.Message) -> Response:
        """Serve one dataset."""
        return _json(await self._federation.dataset(caller, request.path_params["id"]), request)

    async def negotiation(self, request: Request, caller: Caller, message: wire.Message) -> Response:
        """Take a message of the negotiation protocol."""
        return self._reply(await self._take("negotiations", request, caller, message))

    async def transfer(self, request: Request, caller: Caller, message: wire.Message) -> Response:
        """Take a message of the transfer protocol."""
        return self._reply(await self._take("transfers", request, caller, message))

    async def _take(self, family: str, request: Request, caller: Caller, message: wire.Message) -> Reply:
        pid = request.path_params.get("pid", "")
        if request.method == "GET":
            return await self._federation.status(caller, family, pid)
        return await self._federation.receive(caller, family, pid, request.path_params["step"], message)

    async def agreement(self, request: Request, caller: Caller, message: wire.Message) -> Response:
        """Take word that an agreement has ended."""
        return self._reply(await self._federation.agreement_ended(caller, request.path_params["pid"], message))

    def _reply(self, reply: Reply) -> Response:
        content = msgspec.json.encode(reply.body)
        after = BackgroundTask(self._sent, reply)
        return Response(content, status_code=reply.status, media_type="application/json", background=after)

    async def _sent(self, reply: Reply) -> None:
        self._federation.sent(reply)

    async def data(self, request: Request) -> Response:
        """Serve the data plane."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        response = await self._federation.serve(
            request.path_params["transfer"],
            token.strip() if scheme.lower() == "bearer" else "",
            method=request.method,
            path=request.path_params.get("path", ""),
            query=dict(request.query_params),
            body=await _body(request, DATA_BYTES),
        )
        headers = {"Cache-Control": "no-store", **response.headers}
        return Response(response.content, status_code=response.status, headers=headers, media_type=response.media_type)


def routes(federation: Federation) -> list[Route]:
    """List the routes of the federation's face."""
    face = _Face(federation)
    negotiation = face.endpoint("negotiations", face.negotiation)
    transfer = face.endpoint("transfers", face.transfer)
    both, post, get = ["GET", "POST"], ["POST"], ["GET"]
    return [
        Route("/.well-known/did.json", face.did_document, methods=get),
        Route("/did.json", face.did_document, methods=get),
        Route("/.well-known/dspace-version", face.versions, methods=get),
        Route(f"{_ROOT}catalog/request", face.endpoint("catalog", face.catalog), methods=both),
        Route(f"{_ROOT}catalog/datasets/{{id:path}}", face.endpoint("catalog", face.dataset), methods=get),
        Route(f"{_ROOT}negotiations/{{step}}", negotiation, methods=post),
        Route(f"{_ROOT}negotiations/{{pid}}", negotiation, methods=get),
        Route(f"{_ROOT}negotiations/{{pid}}/{{step:path}}", negotiation, methods=post),
        Route(f"{_ROOT}transfers/{{step}}", transfer, methods=post),
        Route(f"{_ROOT}transfers/{{pid}}", transfer, methods=get),
        Route(f"{_ROOT}transfers/{{pid}}/{{step:path}}", transfer, methods=post),
        Route(f"{_ROOT}agreements/{{pid}}/termination", face.endpoint("agreements", face.agreement), methods=post),
        Route("/data/{transfer}", face.data, methods=both),
        Route("/data/{transfer}/{path:path}", face.data, methods=both),
    ]
