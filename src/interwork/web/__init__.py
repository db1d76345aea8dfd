"""The faces over HTTP: pages for people, JSON for programs, the Dataspace Protocol for other nodes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route

from interwork.app import Node
from interwork.core.errors import InterworkError
from interwork.web import api, dsp, entry, live, pages, problem, twin
from interwork.web.assets import Assets
from interwork.web.guard import Guard
from interwork.web.render import Pages


def create_app(node: Node) -> Starlette:
    """Make the application that serves one node; the node runs while it does."""
    assets = Assets()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None, None]:
        async with node.running():
            yield

    app = Starlette(
        routes=[
            *pages.routes(),
            *entry.Door().routes(),
            *live.routes(),
            Route("/static/{build}/{name:path}", assets.serve),
            *api.routes(),
            *twin.routes(),
            *dsp.routes(node.federation),
        ],
        middleware=[
            Middleware(
                Guard,
                hosts={urlsplit(node.settings.root()).hostname or "localhost"},
                is_reader=node.settings.is_reader,
            ),
            Middleware(GZipMiddleware, minimum_size=1400, compresslevel=5),
        ],
        exception_handlers={
            InterworkError: problem.on_error,
            HTTPException: problem.on_http_error,
            Exception: problem.on_fault,
        },
        lifespan=lifespan,
    )
    app.state.node = node
    app.state.pages = Pages(assets)
    app.state.frames = live.Frames()
    return app
