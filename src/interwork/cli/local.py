"""Verbs that work on a data folder itself: init, serve, token, doctor, export."""

import argparse
import logging
import os
import shutil
import socket
import tarfile
import tomllib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interwork.app import open_node, owner_link
from interwork.cli.calls import add_data, show
from interwork.cli.logs import log_to_stderr
from interwork.core.errors import BadInput, Conflict, DiskFull, PortInUse, ours
from interwork.core.ids import new_id
from interwork.core.organisation import OrganisationKind, Role
from interwork.core.settings import Settings
from interwork.design import walls
from interwork.design.child import missing_walls
from interwork.store import Store
from interwork.store.settings import SETTINGS_FILE, TOKEN_FILE, read_settings
from interwork.web import create_app
from interwork.web.access import issue_token

ROLES = ("member", "institute", "portal")
SHUTDOWN_S = 3


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verbs of this file."""
    init = verbs.add_parser("init", help="make a node: a data folder with settings, identity and token")
    add_data(init)
    init.add_argument("--name", required=True, help="the organisation's name")
    kinds = [kind.value for kind in OrganisationKind]
    init.add_argument(
        "--kind", choices=kinds, default="small-manufacturer", help="what kind of body it is (%(default)s)"
    )
    init.add_argument("--port", type=int, default=8700, help="where it listens (%(default)s)")
    init.add_argument("--host", default="127.0.0.1", help="address it listens on; loopback unless told (%(default)s)")
    init.add_argument("--address", default="", help="how others reach it, as https://…; default http://localhost:PORT")
    init.add_argument("--role", action="append", choices=ROLES, help="what it is; may be given again (member)")
    init.add_argument("--settings", type=Path, help="a TOML file with more settings to take over")
    init.set_defaults(run=init_node)
    serve = verbs.add_parser("serve", help="run the node of a data folder")
    add_data(serve)
    serve.add_argument("--verbose", action="store_true", help="log what happens, one line each")
    serve.set_defaults(run=serve_node)
    token = verbs.add_parser("token", help="make an API token for a program (operator, engineer, …)")
    add_data(token)
    token.add_argument("--name", default="command line", help="what it is for (%(default)s)")
    token.add_argument(
        "--role", choices=[role.value for role in Role], default="operator", help="what it may do (%(default)s)"
    )
    token.add_argument("--save", action="store_true", help="keep it in the folder as the command line's own")
    token.set_defaults(run=make_token)
    doctor = verbs.add_parser("doctor", help="look a node over: folder, port, disk, stored records, event chain")
    add_data(doctor)
    doctor.add_argument("--verify", action="store_true", help="check the whole hash chain of events")
    doctor.set_defaults(run=examine)
    export = verbs.add_parser("export", help="take everything out, in open formats (JSON lines, files, Parquet)")
    add_data(export)
    export.add_argument("--to", type=Path, required=True, help="the .tar.gz to write")
    export.set_defaults(run=take_out)


def init_node(arguments: argparse.Namespace) -> int:
    """Make a node."""
    folder: Path = arguments.data
    make_node(
        folder,
        name=arguments.name,
        kind=arguments.kind,
        port=arguments.port,
        roles=arguments.role or ["member"],
        extra=arguments.settings,
        more=[f"host = {_quoted(arguments.host)}", f"address = {_quoted(arguments.address)}"],
    )
    if arguments.json:
        show({"data": str(folder), "settings": str(folder / SETTINGS_FILE)})
    else:
        print(f"Made the node of {arguments.name} in {folder}.\nStart it: interwork serve --data {folder}")
    return 0


def make_node(
    folder: Path,
    *,
    name: str,
    kind: str,
    port: int,
    roles: Sequence[str],
    extra: Path | None = None,
    more: Sequence[str] = (),
) -> None:
    """Write a node's settings, and make its identity and the command line's token."""
    if (folder / SETTINGS_FILE).exists():
        raise Conflict(f"{folder} holds a node already.", remedy="Give another folder with --data.")
    if not 1 <= port <= 65535:
        raise BadInput(f"{port} is not a port.", remedy="Give 1 to 65535.")
    make_folder(folder)
    lines = [
        f"name = {_quoted(name)}",
        f'organisation = "{new_id("org")}"',
        f'kind = "{kind}"',
        f"port = {port}",
        f"roles = [{', '.join(_quoted(role) for role in roles)}]",
        *more,
    ]
    if extra is not None:
        lines.append(_extra(extra))
    written = folder / f"{SETTINGS_FILE}.new"
    written.write_text("\n".join(lines) + "\n", encoding="utf-8")
    try:
        secret = anyio.run(_first_token, folder, written)
    except BadInput as fault:
        written.unlink()
        raise BadInput(fault.message, where=str(extra or folder), remedy=fault.remedy) from fault
    keep_secret(folder / TOKEN_FILE, secret)
    written.rename(folder / SETTINGS_FILE)


def make_folder(folder: Path) -> None:
    """Make a folder, or say why it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise BadInput(
            f"{folder} cannot be a data folder: {fault.strerror}.", remedy="Give another folder with --data."
        ) from fault


async def _first_token(folder: Path, written: Path) -> str:
    settings = read_settings(folder, written.name)
    return await _issue(folder, settings, "command line", Role.OWNER)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _extra(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
        tomllib.loads(text)
    except (OSError, ValueError) as fault:
        raise BadInput(f"The settings cannot be read: {fault}.", where=str(path)) from fault
    return text


def keep_secret(path: Path, secret: str) -> None:
    """Write a secret that only its owner reads."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secret + "\n")


async def new_token(folder: Path, name: str, role: Role) -> str:
    """Issue an API token at a node's store."""
    return await _issue(folder, read_settings(folder), name, role)


async def _issue(folder: Path, settings: Settings, name: str, role: Role) -> str:
    store = await Store.open(settings.database or f"sqlite:///{folder / 'state.sqlite3'}")
    try:
        return await issue_token(store, name, role)
    finally:
        await store.close()


def make_token(arguments: argparse.Namespace) -> int:
    """Issue an API token and print it once."""
    secret = anyio.run(new_token, arguments.data, arguments.name, Role(arguments.role))
    if arguments.save:
        keep_secret(arguments.data / TOKEN_FILE, secret)
    if arguments.json:
        show({"token": secret, "role": arguments.role})
    else:
        print(secret)
    return 0


def serve_node(arguments: argparse.Namespace) -> int:
    """Run a node until it is told to stop."""
    log_to_stderr(logging.INFO if arguments.verbose else logging.WARNING)
    settings = read_settings(arguments.data)
    listening = _listen(settings.host, settings.port)
    with listening:
        anyio.run(_serve, arguments.data, listening, arguments.json)
    return 0


class _App:
    """Runs the application and keeps what ended the node's tasks, so that the command line says it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.fault: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def without_trace(message: Message) -> None:
            await send({**message, "message": ""} if "message" in message else message)

        try:
            await self._app(scope, receive, without_trace)
        except BaseException as fault:
            self.fault = fault
            raise


class _Server(uvicorn.Server):
    """Serves as long as the node's own tasks run: one whose tasks ended stops instead of answering on."""

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or bool(getattr(self.lifespan, "error_occurred", False))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio then switches Nagle off
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(512)
    except OSError as fault:
        listening.close()
        raise PortInUse(
            f"{host}:{port} cannot be listened on: {fault.strerror}.",
            remedy=f"Stop the program that has port {port}, or set another one: `port = …` in {SETTINGS_FILE}.",
        ) from fault
    return listening


async def _serve(folder: Path, listening: socket.socket, as_json: bool) -> None:
    node = await open_node(folder)
    link = await owner_link(node)
    app = _App(create_app(node))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=SHUTDOWN_S,
        ws="websockets-sansio",
    )
    server = _Server(config)
    if as_json:
        print(f'{{"ready": true, "address": "{node.settings.root()}", "claim": "{link}"}}', flush=True)
    else:
        print(f"{node.settings.name} listens on {node.settings.root()}  (Ctrl-C stops it)", flush=True)
        if link:
            print(f"Make the owner's account, once: {link}", flush=True)
    await server.serve(sockets=[listening])
    if app.fault is not None:
        raise ours(app.fault) or app.fault


def examine(arguments: argparse.Namespace) -> int:
    """Look a node over and say what is found."""
    found = anyio.run(_examine, arguments.data, arguments.verify)
    if arguments.json:
        show(found)
    else:
        for name, value in found.items():
            print(f"{name:<16} {value}")
    return 0


async def _examine(folder: Path, verify: bool) -> dict[str, Any]:
    settings = read_settings(folder)
    free = shutil.disk_usage(folder).free
    store = await Store.open(settings.database or f"sqlite:///{folder / 'state.sqlite3'}")
    try:
        newest = await store.events(limit=1, newest=True)
        found: dict[str, Any] = {
            "node": settings.name,
            "address": settings.root(),
            "database": settings.database.partition("@")[2] or "embedded",
            "free disk": f"{free / 1e9:.1f} GB",
            "events": newest[0].sequence if newest else 0,
            "model walls": walls.told(await missing_walls()),
        }
        if verify:
            found["chain"] = f"{await store.verify()} events verify"
    finally:
        await store.close()
    return found


def take_out(arguments: argparse.Namespace) -> int:
    """Write everything a node holds, but no secret, into one archive."""
    rows = anyio.run(_take_out, arguments.data, arguments.to)
    if arguments.json:
        show({"to": str(arguments.to), "records": rows})
    else:
        print(f"{rows} records, the files and the sealed readings are in {arguments.to}.")
    return 0


async def _take_out(folder: Path, target: Path) -> int:
    settings = read_settings(folder)
    store = await Store.open(settings.database or f"sqlite:///{folder / 'state.sqlite3'}")
    count = 0
    tables: dict[str, list[bytes]] = {}
    try:
        async for table, line in store.dump():
            tables.setdefault(table, []).append(line)
            count += 1
    finally:
        await store.close()
    try:
        _pack(folder, target, tables)
    except OSError as fault:
        raise DiskFull(
            f"{target} cannot be written: {fault.strerror}.", remedy="Free space, or give another path with --to."
        ) from fault
    return count


def _pack(folder: Path, target: Path, tables: dict[str, list[bytes]]) -> None:
    whole = target.with_name(target.name + ".part")
    try:
        _pack_into(whole, folder, tables)
        whole.rename(target)
    finally:
        whole.unlink(missing_ok=True)


def _pack_into(whole: Path, folder: Path, tables: dict[str, list[bytes]]) -> None:
    with tarfile.open(whole, "w:gz") as archive:
        for table, lines in tables.items():
            content = b"\n".join(lines) + b"\n"
            entry = tarfile.TarInfo(f"records/{table}.jsonl")
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))
        for part in ("files", "readings"):
            for path in sorted((folder / part).rglob("*")):
                if path.is_file() and path.suffix != ".wal":
                    archive.add(path, arcname=str(path.relative_to(folder)))
