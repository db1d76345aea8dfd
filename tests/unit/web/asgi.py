"""A browser for tests that speaks ASGI to the application itself: cookies, redirects as they come, forms, sockets."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import anyio

HTML = "text/html,application/xhtml+xml"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


class Browser:
    """One visitor with a cookie jar."""

    def __init__(self, app: Any, *, host: str = "localhost:8799", token: str = "", client: str = "127.0.0.1") -> None:
        self.app, self.host, self.token, self.client = app, host, token, client
        self.cookies: dict[str, str] = {}

    def scope(self, kind: str, address: str, headers: dict[str, str]) -> dict[str, Any]:
        parts = urlsplit(address)
        base = {"host": self.host, "accept": HTML, "cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        if self.token:
            base["authorization"] = f"Bearer {self.token}"
        sent = {**base, **headers}
        return {
            "type": kind,
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http" if kind == "http" else "ws",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items() if value],
            "server": ("localhost", 8799),
            "client": (self.client, 50000),
            "state": {},
        }

    async def send(self, method: str, address: str, body: bytes = b"", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {**self.scope("http", address, {"content-length": str(len(body)), **named}), "method": method}
        messages: list[dict[str, Any]] = []
        sent = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if not sent:
                await anyio.sleep_forever()
            return sent.pop(0)

        async def send(message: dict[str, Any]) -> None:
            messages.append(message)

        await self.app(scope, receive, send)
        start = messages[0]
        for name, value in start["headers"]:
            if name == b"set-cookie":
                key, _, rest = value.decode().partition("=")
                self.cookies[key] = rest.partition(";")[0].strip('"')
        heads = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(
            status=start["status"], headers=heads, body=b"".join(one.get("body", b"") for one in messages[1:])
        )

    async def get(self, address: str, **headers: str) -> Answer:
        return await self.send("GET", address, **headers)

    async def post(self, address: str, fields: dict[str, str], **headers: str) -> Answer:
        body = urlencode(fields).encode()
        return await self.send("POST", address, body, content_type="application/x-www-form-urlencoded", **headers)

    async def upload(
        self, address: str, fields: dict[str, str], file_name: str, content: bytes, *, part: str = "file"
    ) -> Answer:
        mark = "interwork-test-boundary"
        parts = [
            f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        head = f'--{mark}\r\nContent-Disposition: form-data; name="{part}"; filename="{file_name}"\r\n\r\n'
        body = b"".join([*parts, head.encode(), content, f"\r\n--{mark}--\r\n".encode()])
        return await self.send("POST", address, body, content_type=f"multipart/form-data; boundary={mark}")

    async def csrf(self, address: str) -> str:
        """Read the form token of a page."""
        found = re.search(r'name="csrf" value="([^"]+)"', (await self.get(address)).text)
        assert found, f"{address} has no form"
        return found[1]

    async def enter(self, name: str, password: str) -> Answer:
        """Sign in by the form."""
        token = await self.csrf("/sign-in")
        return await self.post("/sign-in", {"csrf": token, "name": name, "password": password, "next": "/"})
