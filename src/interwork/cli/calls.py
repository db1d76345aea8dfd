"""Calls from the command line to the running node of a data folder, over its JSON API."""

import argparse
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from interwork.core.errors import InterworkError, NotFound, PeerError, PeerUnreachable
from interwork.store.settings import SETTINGS_FILE, TOKEN_FILE, read_settings

NODES_NAMED = 12
CALL_S = 120.0
"""Longest wait for one answer of the node."""
PIECE = 1 << 20


class NodeSaid(PeerError):
    """The node answered with a problem; its words are passed on as they stand."""

    reasons: tuple[str, ...] = ()


class Remote:
    """The running node of one data folder."""

    def __init__(self, folder: Path) -> None:
        _check_node(folder)
        settings = read_settings(folder)
        self.folder, self.host, self.port = folder, settings.host, settings.port
        self.address = settings.root()
        try:
            self.token = (folder / TOKEN_FILE).read_text().strip()
        except OSError as fault:
            raise NotFound(
                f"{folder / TOKEN_FILE} cannot be read: {fault}.",
                remedy="Make a token with `interwork token --data FOLDER --save`.",
            ) from fault

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 - JSON
        """Ask the node for something."""
        return self._call("GET", path, query, b"")

    def post(self, path: str, body: object = None, **query: str) -> Any:  # noqa: ANN401 - JSON
        """Tell the node to do something; bytes go as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        return self._call("POST", path, query, content)

    def download(self, target: str) -> Iterator[bytes]:
        """Ask the node for something that is no JSON, a piece at a time."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=CALL_S)
        headers = {"Authorization": f"Bearer {self.token}", "Host": f"localhost:{self.port}"}
        try:
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
            if answer.status >= 400:
                _decoded(answer.status, answer.read(), target)
            while piece := answer.read(PIECE):
                yield piece
        except (TimeoutError, ConnectionError, http.client.HTTPException) as fault:
            raise PeerUnreachable(
                f"The node of {self.folder} does not answer to the end at {self.host}:{self.port} ({fault!r}).",
                remedy=f"Start it with `interwork serve --data {self.folder}`, or ask for a shorter range.",
            ) from fault
        finally:
            connection.close()

    def _call(self, method: str, path: str, query: dict[str, str], body: bytes) -> Any:  # noqa: ANN401 - JSON
        target = quote(path) + (f"?{urlencode(query)}" if query else "")
        connection = http.client.HTTPConnection(self.host, self.port, timeout=CALL_S)
        kind = "application/json" if body[:1] in (b"{", b"[") else "application/octet-stream"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind, "Host": f"localhost:{self.port}"}
        try:
            connection.request(method, target, body=body or None, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
        except (TimeoutError, OSError, http.client.HTTPException) as fault:
            raise PeerUnreachable(
                f"The node of {self.folder} does not answer at {self.host}:{self.port} ({fault}).",
                remedy=f"Start it with `interwork serve --data {self.folder}`.",
            ) from fault
        finally:
            connection.close()
        return _decoded(answer.status, content, target)


def _check_node(folder: Path) -> None:
    """Name the nodes inside a folder that is none itself, as that of the sample network."""
    inside = sorted(
        one.parent for one in (*folder.glob("*/" + SETTINGS_FILE), *folder.glob("nodes/*/" + SETTINGS_FILE))
    )
    if inside and not (folder / SETTINGS_FILE).exists():
        names = ", ".join(str(one) for one in inside[:NODES_NAMED])
        raise NotFound(
            f"{folder} is not a node's folder; it holds those of {len(inside)} nodes: {names}.",
            remedy=f"Name one of them, as --data {inside[0]}.",
        )


def _decoded(status: int, content: bytes, target: str) -> Any:  # noqa: ANN401 - JSON
    try:
        value = json.loads(content or b"null")
    except ValueError as fault:
        raise PeerError(f"The node answered {target} with something that is not JSON (HTTP {status}).") from fault
    if status < 400:
        return value
    raise problem(value if isinstance(value, dict) else {}, status)


def problem(facts: dict[str, Any], status: int) -> InterworkError:
    """Turn an RFC 9457 problem back into an error."""
    said = NodeSaid(
        str(facts.get("detail") or f"HTTP {status}"),
        where=str(facts.get("where") or ""),
        remedy=" ".join(str(facts[key]) for key in ("rule", "remedy") if facts.get(key)),
    )
    said.code = str(facts.get("code") or "error")
    said.reasons = tuple(facts.get("reasons") or ())
    return said


def add_data(verb: argparse.ArgumentParser) -> None:
    """Add what every verb that needs a node has."""
    verb.add_argument("--data", type=Path, default=Path(".interwork/node"), help="the node's data folder (%(default)s)")
    verb.add_argument("--json", action="store_true", help="print JSON, for programs")


def show(value: object) -> None:
    """Print JSON for programs."""
    print(json.dumps(value, ensure_ascii=False, indent=2))
