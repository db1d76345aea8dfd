"""Administration: who this node is, who may enter, whom it knows, and whether its record of events still verifies."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from interwork.connectors.sparkplug.edge_node import EdgeStatus
from interwork.core.errors import BadInput, Damaged, WrongState
from interwork.core.event import Tag
from interwork.core.exchange import Outgoing, Peer, Policy
from interwork.core.organisation import Account, ApiToken, Membership, Role, Session, Setting
from interwork.core.resource import Resource
from interwork.flows.node import Node
from interwork.store import Change
from interwork.web.access import MAY, Visitor, create_account, issue_token, node_of, require
from interwork.web.pages.agreements import names_of
from interwork.web.pages.telling import Told, tell
from interwork.web.render import render, tongue_of
from interwork.web.words import Tongue

TAIL = 40
VERIFIED_UNASKED = 20_000
"""A longer chain is verified only when asked, as that takes seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminView:
    """Everything an owner or officer looks after."""

    accounts: tuple[Account, ...]
    tokens: tuple[ApiToken, ...]
    memberships: tuple[Membership, ...]
    policies: tuple[Policy, ...]
    peers: tuple[Peer, ...]
    connected: tuple[Resource, ...]
    edge: EdgeStatus
    unsent: tuple[Outgoing, ...]
    events: tuple[Told, ...]
    is_checked: bool
    verified: int
    damage: str
    readings: int
    readings_bytes: int
    portal: str
    names: Mapping[str, str]


async def admin_view(node: Node, tongue: Tongue, *, verify: bool) -> AdminView:
    """Collect it, and verify the chain where it is short or somebody asks."""
    store = node.store
    tail = await store.events(limit=TAIL, newest=True)
    is_checked = verify or not tail or tail[0].sequence <= VERIFIED_UNASKED
    verified, damage = 0, ""
    usage = await node.historian.usage()
    joined = await store.peek(Setting, "portal")
    try:
        verified = await store.verify() if is_checked else 0
    except Damaged as fault:
        damage = str(fault)
    return AdminView(
        accounts=tuple(await store.find(Account, limit=500)),
        tokens=tuple(await store.find(ApiToken, limit=500)),
        memberships=tuple(await store.find(Membership, limit=500)),
        policies=tuple(await store.find(Policy, limit=500)),
        peers=tuple(await store.find(Peer, limit=500)),
        connected=tuple(one for one in await store.find(Resource, limit=1000) if one.endpoint),
        edge=node.edge,
        unsent=tuple(await store.find(Outgoing, state=["waiting", "dead"], limit=50)),
        events=await tell(node, tongue, tail),
        is_checked=is_checked,
        verified=verified,
        damage=damage,
        readings=usage.rows,
        readings_bytes=usage.bytes,
        portal=node.settings.portal or (joined.value if joined else ""),
        names=await names_of(node),
    )


async def index(request: Request) -> Response:
    """Show the administration."""
    await require(request, *MAY["audit"])
    return await _page(request)


async def _page(request: Request, secret: str = "") -> Response:
    view = await admin_view(node_of(request), tongue_of(request), verify="verify" in request.query_params)
    return await render(request, "admin.html", view=view, secret=secret, roles=tuple(Role))


async def change(request: Request) -> Response:
    """Do what one of the page's forms asks for: make or drop an account or an API token."""
    visitor = await require(request, *MAY["administer"])
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    act = form.get("act", "")
    node = node_of(request)
    if act == "account":
        await create_account(
            node.store, form.get("name", ""), form.get("password", ""), _role(form.get("role")), actor=visitor.id
        )
    elif act == "token":
        days = _days(form.get("days", ""))
        token = await issue_token(
            node.store, form.get("name", ""), _role(form.get("role")), days=days, actor=visitor.id
        )
        return await _page(request, token)
    elif act == "drop-token":
        known = await node.store.get(ApiToken, form.get("id", ""))
        await node.store.commit(
            Change(visitor.id)
            .delete(ApiToken, known.id)
            .event(Tag.TOKEN_ISSUED, known.id, name=known.name, revoked=True)
        )
    elif act == "drop-account":
        await _drop_account(node, form.get("id", ""), visitor)
    else:
        raise BadInput(f"{act[:40]!r} is nothing this page can do.", remedy="Use one of its forms.")
    return RedirectResponse("/admin", status_code=303)


async def export(request: Request) -> Response:
    """Send every record as a line of JSON with the name of its table, without secrets."""
    await require(request, *MAY["administer"])
    node = node_of(request)

    async def body() -> AsyncGenerator[bytes, None]:
        async for table, line in node.store.dump():
            yield b'{"table":"' + table.encode() + b'","record":' + line + b"}\n"

    headers = {"Content-Disposition": 'attachment; filename="interwork-export.jsonl"'}
    return StreamingResponse(body(), media_type="application/jsonl", headers=headers)


async def _drop_account(node: Node, identifier: str, visitor: Visitor) -> None:
    account = await node.store.get(Account, identifier)
    owners = [one for one in await node.store.find(Account, limit=500) if one.role is Role.OWNER]
    if account.role is Role.OWNER and len(owners) == 1:
        raise WrongState(f"{account.name} is the only owner.", remedy="Make another owner first.")
    drop = Change(visitor.id).delete(Account, account.id)
    for session in await node.store.find(Session, account=account.id, limit=1000):
        drop.delete(Session, session.id)
    await node.store.commit(drop.event(Tag.ACCOUNT_CREATED, account.id, name=account.name, dropped=True))


def _days(text: str) -> float | None:
    if not text:
        return None
    if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= 3650:
        raise BadInput(
            f"{text[:40]!r} is no number of days.", remedy="Give 1 to 3650, or nothing for a token that stays."
        )
    return float(text)


def _role(name: str | None) -> Role:
    try:
        return Role(name or "")
    except ValueError as fault:
        raise BadInput(f"{(name or '')[:40]!r} is no role.", remedy=f"Choose {', '.join(Role)}.") from fault
