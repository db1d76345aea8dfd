"""The door: signing in and out, and the one-time link by which the owner enters for the first time."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from interwork.core.clock import now
from interwork.core.errors import NotSignedIn
from interwork.core.organisation import Account, Session, Setting
from interwork.store import Change
from interwork.web.access import (
    OWNER_CLAIM,
    SESSION_LIFE,
    Attempts,
    check_claim,
    check_form,
    claim_owner,
    cookie_name,
    form_action,
    node_of,
    open_session,
    set_cookie,
    sha256,
    sign_in,
    visitor_of,
)
from interwork.web.render import render

PER_NAME, PER_ADDRESS = 5, 30
"""Tries a minute for one name, and from one address."""


def safe_address(wanted: object) -> str:
    """Keep an address of this node to go on to; anything else becomes Home."""
    text = wanted if isinstance(wanted, str) else ""
    is_ours = text.startswith("/") and not text.startswith(("//", "/\\")) and "\n" not in text and "\r" not in text
    return text if is_ours else "/"


class Door:
    """The routes of the door, with the counter of attempts they share."""

    def __init__(self) -> None:
        self._names, self._addresses = Attempts(PER_NAME), Attempts(PER_ADDRESS)

    def routes(self) -> list[Route]:
        """List them."""
        return [
            Route("/sign-in", self.ask, name="sign-in"),
            Route("/sign-in", form_action(self.enter), methods=["POST"]),
            Route("/sign-out", form_action(self.leave), methods=["POST"]),
            Route("/claim/{secret}", form_action(self.claim), methods=["GET", "POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        """Show the form."""
        return await self._form(request, then=safe_address(request.query_params.get("next")))

    async def _form(
        self, request: Request, *, status: int = 200, fault: str = "", name: str = "", then: str = "/"
    ) -> Response:
        owned = await node_of(request).store.peek(Setting, OWNER_CLAIM) is None
        return await render(
            request, "sign_in.html", status=status, bare=True, fault=fault, name=name, next=then, owned=owned
        )

    async def enter(self, request: Request) -> Response:
        """Check name and password; too many wrong ones wait."""
        await check_form(request, await visitor_of(request))
        form = await request.form()
        name, password, then = (str(form.get(field, ""))[:1000] for field in ("name", "password", "next"))
        self._addresses.check(request.client.host if request.client else "", now())
        self._names.check(name.strip().lower(), now())
        try:
            _, cookie = await sign_in(node_of(request).store, name, password)
        except NotSignedIn:
            return await self._form(request, status=401, fault="wrong", name=name, then=safe_address(then))
        return self._go(request, safe_address(then), cookie)

    def _go(self, request: Request, then: str, cookie: str) -> Response:
        response = RedirectResponse(then, status_code=303)
        set_cookie(request, response, "session", cookie, life=SESSION_LIFE)
        return response

    async def leave(self, request: Request) -> Response:
        """End the session."""
        await check_form(request, await visitor_of(request))
        cookie = request.cookies.get(cookie_name(request, "session"), "")
        await node_of(request).store.commit(Change().delete(Session, sha256(cookie)))
        response = RedirectResponse("/", status_code=303)
        response.delete_cookie(cookie_name(request, "session"))
        return response

    async def claim(self, request: Request) -> Response:
        """Let the owner choose a name and a password, once."""
        store, secret = node_of(request).store, request.path_params["secret"]
        await check_claim(store, secret)
        if request.method == "GET":
            return await render(request, "claim.html", bare=True)
        await check_form(request, await visitor_of(request))
        form = await request.form()
        owner: Account = await claim_owner(store, secret, str(form.get("name", "")), str(form.get("password", "")))
        return self._go(request, "/", await open_session(store, owner))
