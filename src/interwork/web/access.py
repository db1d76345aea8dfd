"""Who is asking, and may they: the one access decision of every face.

A visitor is a signed-in browser (cookie, its SHA-256 is the Session), a program (Bearer token, its SHA-256 is the
ApiToken), or nobody. `require` is the only question the faces ask; it also holds every changing request of a browser
against the session's CSRF token. Passwords are argon2id; only digests of cookies, tokens and the owner link are kept.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import anyio.to_thread
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from interwork.core.clock import now
from interwork.core.errors import BadInput, LimitReached, NotSignedIn, Refused
from interwork.core.event import Tag
from interwork.core.ids import new_id
from interwork.core.organisation import Account, ApiToken, Role, Session, Setting
from interwork.flows.node import Node
from interwork.store import Change, Store

SESSION_LIFE = timedelta(days=7)
PASSWORD_LENGTH = 10
OWNER_CLAIM = "owner-claim"
FORM_FIELDS = 2_000
"""Fields of a form at the most: a machine with 300 signals is confirmed on one page."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

EVERYBODY = tuple(Role)
INSIDE = (Role.OWNER, Role.ENGINEER, Role.OPERATOR, Role.OFFICER, Role.MEMBER)
MAY: dict[str, tuple[Role, ...]] = {
    "look": EVERYBODY,
    "read": INSIDE,
    "draw": (Role.OWNER, Role.ENGINEER),
    "operate": (Role.OWNER, Role.ENGINEER, Role.OPERATOR),
    "agree": (Role.OWNER, Role.OFFICER),
    "fund": (Role.OWNER, Role.OFFICER),
    "audit": (Role.OWNER, Role.OFFICER),
    "administer": (Role.OWNER,),
}
"""Which role may do what: look at what is public and the programme, read the node's records, submit designs and jobs,
start and inspect runs, end agreements, decide on money and members, see the audit trail, give access to others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who is asking; a role of None is nobody in particular."""

    id: str = ""
    name: str = ""
    role: Role | None = None
    csrf: str = ""
    is_program: bool = False

    def form_token(self) -> str:
        """Give the CSRF token as a page carries it: masked anew each time, so that compression cannot betray it."""
        mask = secrets.token_bytes(len(self.csrf))
        return urlsafe_b64encode(mask + _xor(mask, self.csrf.encode())).decode()

    def may(self, act: str) -> bool:
        """Tell whether this visitor's role is listed for an act of MAY."""
        return self.role in MAY[act]


class Attempts:
    """Counts tries per key in a sliding minute, in bounded memory."""

    def __init__(self, most: int, *, window: timedelta = timedelta(minutes=1), keys: int = 10_000) -> None:
        self._most, self._window, self._keys = most, window, keys
        self._seen: OrderedDict[str, list[datetime]] = OrderedDict()

    def check(self, key: str, at: datetime) -> None:
        """Count one try; LimitReached when there were too many."""
        recent = [one for one in self._seen.pop(key, []) if one > at - self._window]
        self._seen[key] = [*recent, at][-self._most - 1 :]
        if len(self._seen) > self._keys:
            self._seen.popitem(last=False)
        if len(recent) >= self._most:
            raise LimitReached("There were too many attempts to sign in.", remedy="Wait a minute, then try again.")


def sha256(secret: str) -> str:
    """Digest a cookie, a token or a link: what is kept instead of it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def node_of(request: HTTPConnection) -> Node:
    """Find the node an application serves."""
    node: Node = request.app.state.node
    return node


def cookie_name(request: HTTPConnection, purpose: str) -> str:
    """Name a cookie so that two nodes on one host keep theirs apart (cookies ignore ports)."""
    return f"interwork-{purpose}-{sha256(node_of(request).did)[:8]}"


async def visitor_of(request: HTTPConnection) -> Visitor:
    """Tell who is asking, from the Bearer token or the session cookie; looked up once per request."""
    known = getattr(request.state, "visitor", None)
    if isinstance(known, Visitor):
        return known
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    cookie = request.cookies.get(cookie_name(request, "session"), "")
    store = node_of(request).store
    if scheme.lower() == "bearer" and token:
        visitor = await _program(store, token.strip())
    else:
        visitor = await _person(store, cookie) if cookie else Visitor()
    if visitor.role is None:
        visitor = Visitor(csrf=request.cookies.get(cookie_name(request, "form")) or secrets.token_urlsafe(24))
    request.state.visitor = visitor
    return visitor


async def _program(store: Store, token: str) -> Visitor:
    known = await store.peek(ApiToken, sha256(token))
    if known is None or (known.expires_at is not None and known.expires_at <= now()):
        raise NotSignedIn(
            "The API token is unknown or has expired.",
            rule="programs give a token of this node",
            remedy="Ask the node's owner for a new one (Administration, API tokens).",
        )
    return Visitor(id=known.id, name=known.name, role=known.role, is_program=True)


async def _person(store: Store, cookie: str) -> Visitor:
    session = await store.peek(Session, sha256(cookie))
    if session is None or session.expires_at <= now():
        return Visitor()
    account = await store.peek(Account, session.account)
    if account is None:
        return Visitor()
    return Visitor(id=account.id, name=account.name, role=account.role, csrf=session.csrf)


async def require(request: HTTPConnection, *roles: Role) -> Visitor:
    """Let through a visitor who has one of the roles (any role, where none is named); else say what would do."""
    visitor = await visitor_of(request)
    if visitor.role is None:
        raise NotSignedIn(
            "This needs somebody who is signed in.",
            rule="only Home, Network and Report are open to everybody",
            remedy="Sign in, or give an API token.",
        )
    if roles and visitor.role not in roles:
        raise Refused(
            f"{visitor.name} is {visitor.role.value} here.",
            rule=f"this is for {', '.join(role.value for role in roles)}",
            remedy="Ask the node's owner for another role.",
        )
    if isinstance(request, Request):
        await check_form(request, visitor)
    return visitor


async def check_form(request: Request, visitor: Visitor) -> None:
    """Refuse a changing request of a browser that does not carry the CSRF token of its page."""
    if request.method in SAFE or visitor.is_program:
        return
    given = request.headers.get("x-csrf-token", "")
    if not given and "form" in request.headers.get("content-type", ""):
        field = (await request.form(max_files=4, max_fields=FORM_FIELDS)).get("csrf")
        given = field if isinstance(field, str) else ""
    foreign = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    anonymous = visitor.role is None and cookie_name(request, "form") not in request.cookies
    if foreign or anonymous or not hmac.compare_digest(_unmasked(given), visitor.csrf.encode()):
        raise Refused(
            "The form was not sent from this node's own page, or the page was open too long.",
            rule="every form carries the token of its page",
            remedy="Open the page again and send the form once more.",
        )


async def sign_in(store: Store, name: str, password: str) -> tuple[Account, str]:
    """Check a name and password and open a session; returns the account and the cookie."""
    found = await store.find(Account, name=name.strip(), limit=1)
    kept = found[0].password_hash if found else _NOBODY
    right = await anyio.to_thread.run_sync(_matches, kept, password)
    if not found or not right:
        raise NotSignedIn("The name or the password is wrong.", remedy="Check both; capitals matter in the password.")
    return found[0], await open_session(store, found[0])


async def open_session(store: Store, account: Account) -> str:
    """Open a session, drop the account's expired ones, and return the cookie."""
    cookie = secrets.token_urlsafe(32)
    change = Change(account.id).event(Tag.ACCOUNT_SIGNED_IN, account.id)
    for old in await store.find(Session, account=account.id):
        if old.expires_at <= now():
            change.delete(Session, old.id)
    session = Session(
        id=sha256(cookie), account=account.id, csrf=secrets.token_urlsafe(24), expires_at=now() + SESSION_LIFE
    )
    await store.commit(change.put(session))
    return cookie


async def create_account(store: Store, name: str, password: str, role: Role, *, actor: str) -> Account:
    """Make an account; the name must be free and the password long enough."""
    name = name.strip()
    if not 1 <= len(name) <= 100:
        raise BadInput("An account needs a name of 1 to 100 characters.")
    if not PASSWORD_LENGTH <= len(password) <= 1000:
        raise BadInput(f"The password has {len(password)} characters.", remedy=f"Use at least {PASSWORD_LENGTH}.")
    if await store.find(Account, name=name, limit=1):
        raise BadInput(f"There is an account of the name {name!r} already.", remedy="Choose another name.")
    hashed = await anyio.to_thread.run_sync(_HASHER.hash, password)
    account = Account(id=new_id("account"), name=name, role=role, password_hash=hashed, created_at=now())
    await store.commit(Change(actor).put(account).event(Tag.ACCOUNT_CREATED, account.id, name=name, role=role.value))
    return account


async def claim_owner(store: Store, secret: str, name: str, password: str) -> Account:
    """Make the owner's account with the one-time link, and end the link."""
    claim = await check_claim(store, secret)
    account = await create_account(store, name, password, Role.OWNER, actor="owner-link")
    await store.commit(Change(account.id).delete(Setting, claim.id))
    return account


async def check_claim(store: Store, secret: str) -> Setting:
    """Find the claim a one-time link belongs to; Refused where it was used or never was."""
    claim = await store.peek(Setting, OWNER_CLAIM)
    if claim is None or not hmac.compare_digest(claim.value, sha256(secret)):
        raise Refused(
            "This owner link has been used, or is not of this node.",
            rule="the owner link works once",
            remedy="Sign in with the owner's account, or start the node again to get a link where there is no owner.",
        )
    return claim


async def issue_token(store: Store, name: str, role: Role, *, days: float | None = None, actor: str = "node") -> str:
    """Make an API token and return it; it cannot be shown again."""
    if not 1 <= len(name.strip()) <= 100:
        raise BadInput("A token needs a name of 1 to 100 characters.", remedy="Name the program that will use it.")
    token = f"iwt_{secrets.token_urlsafe(32)}"
    expires = None if days is None else now() + timedelta(days=days)
    kept = ApiToken(id=sha256(token), name=name.strip(), role=role, created_at=now(), expires_at=expires)
    await store.commit(Change(actor).put(kept).event(Tag.TOKEN_ISSUED, kept.id, name=kept.name, role=role.value))
    return token


def _xor(mask: bytes, content: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(mask, content, strict=True))


def _unmasked(token: str) -> bytes:
    try:
        both = urlsafe_b64decode(token)
    except ValueError:
        return b""
    half = len(both) // 2
    return _xor(both[:half], both[half:]) if half and len(both) == 2 * half else b""


def form_action(act: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Make what a form calls: whatever comes of it, files that were uploaded with it are closed."""

    async def acted(request: Request) -> Response:
        try:
            return await act(request)
        finally:
            await request.close()

    return acted


def set_cookie(request: HTTPConnection, response: Response, purpose: str, value: str, *, life: timedelta) -> None:
    """Set a cookie that scripts cannot read and other sites' forms do not send."""
    response.set_cookie(
        cookie_name(request, purpose),
        value,
        max_age=int(life.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme in ("https", "wss"),
    )


_HASHER = PasswordHasher()
_NOBODY = _HASHER.hash(secrets.token_urlsafe(16))
"""What an unknown name's password is held against, so that the answer takes as long."""


def _matches(kept: str, password: str) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except (Argon2Error, InvalidHashError):
        return False
