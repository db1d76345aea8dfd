"""Access: the one decision, the one-time owner link, form tokens, API tokens, and the brake on guessing."""

from datetime import timedelta

import pytest
from asgi import Browser
from world import PASSWORD

from interwork.core.clock import now
from interwork.core.errors import BadInput, LimitReached, NotSignedIn
from interwork.core.organisation import Account, Role, Session, Setting
from interwork.store import Change
from interwork.web import create_app
from interwork.web.access import (
    MAY,
    OWNER_CLAIM,
    Attempts,
    create_account,
    sha256,
    sign_in,
)
from interwork.web.entry import safe_address


async def test_the_owner_link_makes_the_owner_once(empty):
    await empty.store.commit(Change().put(Setting(id=OWNER_CLAIM, value=sha256("s3cret"))))
    browser = Browser(create_app(empty))
    token = await browser.csrf("/claim/s3cret")
    made = await browser.post("/claim/s3cret", {"csrf": token, "name": "Ada", "password": PASSWORD})
    again = await browser.get("/claim/s3cret")
    assert (made.status, again.status) == (303, 403)
    assert [one.role for one in await empty.store.find(Account)] == [Role.OWNER]
    assert (await browser.get("/admin")).status == 200


async def test_a_wrong_owner_link_makes_nobody(empty):
    await empty.store.commit(Change().put(Setting(id=OWNER_CLAIM, value=sha256("s3cret"))))
    browser = Browser(create_app(empty))
    assert (await browser.get("/claim/guess")).status == 403
    assert await empty.store.count(Account) == 0


async def test_signing_in_goes_on_to_the_page_that_was_wanted(app):
    browser = Browser(app)
    token = await browser.csrf("/sign-in")
    fields = {"csrf": token, "name": "Owner of the lab", "password": PASSWORD, "next": "/jobs"}
    assert (await browser.post("/sign-in", fields)).headers["location"] == "/jobs"


async def test_a_wrong_password_and_an_unknown_name_sound_the_same(app):
    browser = Browser(app)
    wrong = await browser.enter("Owner of the lab", "not the password")
    unknown = await browser.enter("Nobody at all", "not the password")
    assert wrong.status == unknown.status == 401
    assert "wrong" in wrong.text


async def test_the_sixth_try_for_a_name_waits(app):
    browser = Browser(app)
    statuses = [(await browser.enter("Owner of the lab", "not the password")).status for _ in range(6)]
    assert statuses == [401] * 5 + [429]


def test_attempts_are_forgotten_after_their_window():
    attempts = Attempts(1)
    attempts.check("ada", now())
    with pytest.raises(LimitReached):
        attempts.check("ada", now())
    attempts.check("ada", now() + timedelta(minutes=2))


def test_attempts_keep_no_more_keys_than_they_may():
    attempts = Attempts(1, keys=3)
    for name in "abcdef":
        attempts.check(name, now())
    attempts.check("a", now())


async def test_signing_out_ends_the_session(owner, node):
    token = await owner.csrf("/")
    await owner.post("/sign-out", {"csrf": token})
    assert (await owner.get("/admin")).status == 303
    assert await node.store.count(Session) == 0


async def test_an_expired_session_is_nobody_and_is_dropped_at_the_next_sign_in(node, owner):
    import msgspec

    session = (await node.store.find(Session))[0]
    await node.store.commit(Change().put(msgspec.structs.replace(session, expires_at=now() - timedelta(1))))
    assert (await owner.get("/admin")).status == 303
    await owner.enter("Owner of the lab", PASSWORD)
    assert await node.store.count(Session) == 1


@pytest.mark.parametrize("fields", [{}, {"csrf": "guess"}, {"csrf": ""}])
async def test_a_form_without_its_token_is_refused(owner, fields):
    answer = await owner.post("/admin", {"act": "token", "name": "x", "role": "owner", **fields})
    assert answer.status == 403


async def test_a_form_sent_from_another_site_is_refused_even_with_its_token(owner):
    token = await owner.csrf("/admin")
    fields = {"csrf": token, "act": "token", "name": "x", "role": "owner"}
    assert (await owner.post("/admin", fields, sec_fetch_site="same-site")).status == 403


async def test_a_browser_changes_the_api_only_with_the_token_in_a_header(owner):
    token = await owner.csrf("/admin")
    bare = await owner.send("POST", "/api/jobs/job-none/proceed", b"{}", content_type="application/json")
    good = await owner.send("POST", "/api/jobs/job-none/proceed", b"{}", x_csrf_token=token)
    assert (bare.status, good.status) == (403, 404)


async def test_a_program_needs_no_form_token(program):
    browser = await program(Role.ENGINEER)
    assert (await browser.send("POST", "/api/jobs/job-none/proceed", b"{}")).status == 404


async def test_an_expired_or_unknown_api_token_is_told_so(app, program):
    late = await program(Role.OWNER, days=-1)
    guess = Browser(app, token="iwt_guess")
    for browser in (late, guess):
        answer = await browser.get("/api/jobs", accept="application/json")
        assert (answer.status, answer.json()["code"]) == (401, "not-signed-in")


@pytest.mark.parametrize(("role", "status"), [(Role.GUEST, 403), (Role.MEMBER, 200), (Role.OPERATOR, 200)])
async def test_a_role_reads_what_it_may(program, role, status):
    assert (await (await program(role)).get("/jobs")).status == status


def test_the_owner_may_do_everything_and_a_guest_only_look():
    assert all(Role.OWNER in roles for roles in MAY.values())
    assert [act for act, roles in MAY.items() if Role.GUEST in roles] == ["look"]


@pytest.mark.parametrize(
    ("name", "password"), [("", PASSWORD), ("x" * 101, PASSWORD), ("Ada", "short"), ("Owner of the lab", PASSWORD)]
)
async def test_an_account_needs_a_free_name_and_a_long_password(node, name, password):
    with pytest.raises(BadInput):
        await create_account(node.store, name, password, Role.MEMBER, actor="test")


async def test_a_damaged_password_hash_lets_nobody_in(node):
    import msgspec

    account = (await node.store.find(Account, name="Guest of the lab"))[0]
    await node.store.commit(Change().put(msgspec.structs.replace(account, password_hash="not a hash")))
    with pytest.raises(NotSignedIn):
        await sign_in(node.store, "Guest of the lab", PASSWORD)


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [("/jobs?x=1", "/jobs?x=1"), ("//evil.example", "/"), ("https://evil.example", "/"), ("/\\evil", "/"), (None, "/")],
)
def test_only_an_address_of_this_node_is_gone_on_to(wanted, kept):
    assert safe_address(wanted) == kept
