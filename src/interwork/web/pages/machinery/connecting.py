"""The connect dialogue: look at a device, edit what its signals mean, confirm, connected."""

import tomllib
from typing import Any

import msgspec
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.connectors.mapfile import read_map
from interwork.core.errors import BadInput, InterworkError
from interwork.core.resource import Meaning
from interwork.flows import ingest
from interwork.flows.ingest import Connection, Mapped
from interwork.store.secrets import PREFIX
from interwork.web.access import MAY, node_of, require
from interwork.web.render import render

TYPED = ("endpoint", "name", "maker", "model", "rated", "standby", "username", "secret", "options")
"""What a person typed and finds again beside a refusal."""
MAP_MAX = 1 << 20
"""Octets of a table of registers or tags."""
SHOWN = 300
"""Signals edited on the page; the rest are read as they are proposed, and the page says so."""


async def start(request: Request) -> Response:
    """Ask where the device answers."""
    await require(request, *MAY["operate"])
    names = node_of(request).secrets.names()
    return await render(
        request, "connect.html", proposal=None, secrets=names, fault=None, typed=dict.fromkeys(TYPED, "")
    )


async def go_on(request: Request) -> Response:
    """Look at the device and show what it would be connected as, or connect what was confirmed."""
    visitor = await require(request, *MAY["operate"])
    node, form = node_of(request), await request.form()
    if form.get("act") == "connect":
        asked = _asked(form)
        made = await ingest.connect(node, asked, actor=visitor.id)
        return RedirectResponse(f"/machines/{made.resource.id}", status_code=303)
    names = node.secrets.names()
    try:
        asked = _described(form, await _mapped_by(form))
        proposal = await ingest.propose(node, asked.name, asked.endpoint, asked.options)
        asked = _named(asked, proposal.nameplate)
        asked = ingest.measured(asked, proposal, ingest.mapping_of(proposal.signals))
        coming = await ingest.foresee(node, asked, len(proposal.signals))
    except InterworkError as fault:
        typed = {name: _text(form, name) for name in TYPED}
        return await render(
            request, "connect.html", status=fault.status, proposal=None, secrets=names, fault=fault, typed=typed
        )
    return await render(
        request,
        "connect.html",
        proposal=proposal,
        shown=proposal.signals[:SHOWN],
        asked=asked,
        body=msgspec.json.encode(asked).decode(),
        coming=coming,
        limits=node.settings.limits,
        is_refused=bool(coming.broken) and node.settings.limits.admission == "refuse",
        meanings=tuple(Meaning),
        secrets=names,
        fault=None,
    )


def _named(asked: Connection, plate: dict[str, str]) -> Connection:
    """Take maker, model and serial number as the device says them, where the person said none."""
    return msgspec.structs.replace(
        asked,
        maker=asked.maker or plate.get("ManufacturerName", "")[:200],
        model=asked.model or plate.get("ManufacturerProductDesignation", plate.get("ProductCode", ""))[:200],
        serial=asked.serial or plate.get("SerialNumber", "")[:200],
    )


async def act(request: Request) -> Response:
    """Switch a connection off or on, or try it at once."""
    visitor = await require(request, *MAY["operate"])
    node, identifier = node_of(request), request.path_params["id"]
    asked = str((await request.form()).get("act", ""))
    if asked == "retry":
        await ingest.retry(node, identifier)
    elif asked in ("on", "off"):
        await ingest.switch(node, identifier, is_on=asked == "on", actor=visitor.id)
    else:
        raise BadInput(f"{asked[:40]!r} is nothing a connection can do.", remedy="Use the buttons of the page.")
    return RedirectResponse("/blueprint#members", status_code=303)


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


async def _mapped_by(form: FormData) -> dict[str, Any]:
    """Read the file that says what a machine has which does not describe itself; nothing where none was chosen."""
    file = form.get("map")
    if not isinstance(file, UploadFile) or not file.filename:
        return {}
    content = await file.read(MAP_MAX + 1)
    if len(content) > MAP_MAX:
        raise BadInput(f"{file.filename[:80]} has more than {MAP_MAX >> 20} MiB.", remedy="Give the table alone.")
    return read_map(content, file.filename, _text(form, "endpoint").partition("://")[0])


def _described(form: FormData, mapped: dict[str, Any]) -> Connection:
    """Read the first form: name, endpoint, credentials by reference, options, power."""
    try:
        options: dict[str, Any] = tomllib.loads(_text(form, "options"))
    except tomllib.TOMLDecodeError as fault:
        raise BadInput(f"The options are no TOML: {fault}.", remedy="Write one name = value a line.") from fault
    options |= mapped
    if user := _text(form, "username"):
        options["username"] = user
    if secret := _text(form, "secret"):
        options["password"] = PREFIX + secret
    endpoint = _text(form, "endpoint")
    try:
        power, standby = float(_text(form, "rated") or 0), float(_text(form, "standby") or 0)
    except ValueError as fault:
        raise BadInput(f"Power is a number of kilowatts: {fault}.", remedy="Give 0 where it is not known.") from fault
    return Connection(
        name=_text(form, "name") or endpoint,
        endpoint=endpoint,
        options=options,
        maker=_text(form, "maker")[:200],
        model=_text(form, "model")[:200],
        rated_power_kw=power,
        standby_power_kw=standby,
    )


def _asked(form: FormData) -> Connection:
    """Read the second form: the connection as it was looked at, with each signal as the person left it."""
    try:
        asked = msgspec.json.decode(_text(form, "connection"), type=Connection)
    except msgspec.MsgspecError as fault:
        raise BadInput(f"The form was damaged: {fault}.", remedy="Start again at Machines.") from fault
    said = {one.address: one for one in asked.signals}
    for row in range(min(len(said), SHOWN)):
        address = form.get(f"a{row}", "")
        if isinstance(address, str) and address in said:
            said[address] = _mapped(form, row, said[address])
    return msgspec.structs.replace(asked, signals=tuple(said.values()))


def _mapped(form: FormData, row: int, held: Mapped) -> Mapped:
    try:
        return msgspec.structs.replace(
            held,
            read=f"r{row}" in form,
            name=_text(form, f"n{row}") or held.name,
            unit=_text(form, f"u{row}"),
            meaning=Meaning(_text(form, f"m{row}") or Meaning.OTHER),
            deadband=float(_text(form, f"d{row}")) if _text(form, f"d{row}") else None,
        )
    except ValueError as fault:
        raise BadInput(f"{held.name}: {fault}.", remedy="Choose a meaning of the list, and a number for it.") from fault
