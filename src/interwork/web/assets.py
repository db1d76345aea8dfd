"""Static files: read once, compressed once, served under an address that changes with their content.

`/static/{build}/…` may be kept for ever, since `build` is the digest of everything in the folder; relative imports
between our ES modules stay inside one build. An address of an older build is answered with what is here now.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from interwork.core.errors import NotFound

FOLDER = Path(__file__).parent / "static"
log = structlog.get_logger()


class Library(msgspec.Struct, frozen=True, kw_only=True):
    """A JavaScript library in `static/lib`, as the build step describes it."""

    name: str
    version: str
    licence: str
    text: str
    """Where its licence text lies below `lib`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file in memory."""

    content: bytes
    packed: bytes
    media_type: str
    etag: str


class Assets:
    """Every file below `static`."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {path.relative_to(folder).as_posix(): _read(path) for path in sorted(_files(folder))}
        parts = "".join(f"{name}\0{asset.etag}\n" for name, asset in self._files.items())
        self.build = hashlib.sha256(parts.encode()).hexdigest()[:12]
        if "lib/libraries.json" not in self._files:
            log.warning("static.lib_missing", remedy="Run `python hatch_build.py`; until then pages have no charts.")

    def address(self, name: str) -> str:
        """Tell where a file is served."""
        return f"/static/{self.build}/{name}"

    def libraries(self) -> list[Library]:
        """List the JavaScript libraries with their licences."""
        listed = self._files.get("lib/libraries.json")
        return msgspec.json.decode(listed.content, type=list[Library]) if listed else []

    async def serve(self, request: Request) -> Response:
        """Answer with a file, or 304 where the browser has it."""
        asset = self._files.get(request.path_params["name"])
        if asset is None:
            raise NotFound(f"There is no static file {request.path_params['name']!r}.")
        current = request.path_params["build"] == self.build
        headers = {
            "ETag": asset.etag,
            "Cache-Control": "public, max-age=31536000, immutable" if current else "no-cache",
            "Vary": "Accept-Encoding",
        }
        if request.headers.get("if-none-match") == asset.etag:
            return Response(status_code=304, headers=headers)
        if asset.packed and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(asset.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=asset.media_type)
        return Response(asset.content, headers=headers, media_type=asset.media_type)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    packed = gzip.compress(content, compresslevel=9, mtime=0)
    kind = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0]
    return Asset(
        content=content,
        packed=packed if len(packed) < 0.9 * len(content) else b"",
        media_type=kind or "application/octet-stream",
        etag=f'"{hashlib.sha256(content).hexdigest()[:16]}"',
    )
