"""The guard: names, sizes, headers; and what a visitor is told when something is wrong."""

import pytest
from asgi import HTML, Browser

from interwork.core.errors import Unusable
from interwork.core.organisation import Role
from interwork.web.guard import Rate
from interwork.web.problem import problem_response

JSON = "application/json"


@pytest.mark.parametrize("host", ["localhost:8799", "127.0.0.1:8799", "[::1]:8799", "LOCALHOST"])
async def test_the_node_answers_to_its_own_names(app, host):
    assert (await Browser(app, host=host).get("/about")).status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "a b", "localhost:8799@evil"])
async def test_the_node_answers_to_no_other_name(app, host):
    answer = await Browser(app, host=host).get("/about")
    assert answer.status == 400
    assert "Interwork" not in answer.text


async def test_every_answer_carries_the_security_headers(stranger):
    for path in ("/", "/nowhere", "/api/node", "/sign-in"):
        headers = (await stranger.get(path)).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("length", ["99999999999", "-1", "many", "9" * 5000])
async def test_a_body_that_says_it_is_too_long_is_not_read(stranger, length):
    answer = await stranger.send("POST", "/sign-in", b"x", content_length=length)
    assert answer.status == 413


async def test_a_body_that_lied_about_its_length_is_cut_off(program):
    browser = await program(Role.OWNER)
    answer = await browser.send("POST", "/api/connect", b"x" * (3 * 2**20), content_length="10", accept=JSON)
    assert (answer.status, answer.json()["code"]) == (413, "too-large")


async def test_a_program_is_told_of_a_fault_as_rfc_9457_says(program):
    answer = await (await program(Role.OWNER)).get("/api/jobs/job-none", accept=JSON)
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem.items() >= {"status": 404, "code": "not-found", "instance": "/api/jobs/job-none"}.items()
    assert problem["remedy"]


async def test_a_person_is_told_of_a_fault_on_a_page(owner):
    answer = await owner.get("/designs/rev-none000000")
    assert answer.status == 404
    assert "It is not here" in answer.text
    assert "rev-none000000" in answer.text


async def test_a_page_that_is_not_there_is_a_page_too(stranger):
    answer = await stranger.get("/nowhere")
    assert (answer.status, "no such page" in answer.text) == (404, True)


async def test_a_wrong_method_is_told_as_one(stranger):
    assert (await stranger.send("DELETE", "/jobs")).status == 405


async def test_a_fault_of_our_own_is_told_without_its_inside(app, node, monkeypatch):
    async def broken(*_args, **_more):
        raise RuntimeError("the inside")

    monkeypatch.setattr(type(node.store), "count", broken)
    with pytest.raises(RuntimeError):
        await Browser(app).get("/", accept=HTML)


def test_what_our_pages_cannot_tell_is_told_on_a_bare_page_with_title_heading_and_what_helps():
    fault = Unusable("<b>The store</b> is away.", remedy="Mend it.")
    page = problem_response("/", HTML, fault)
    text = page.body.decode()
    assert (page.status_code, page.media_type) == (500, "text/html")
    assert "<title>500: &lt;b&gt;The store" in text
    assert "<main><h1>&lt;b&gt;The store&lt;/b&gt; is away.</h1><p>Mend it.</p>" in text


@pytest.mark.parametrize("path", ["/network?q=%00", "/network/%00", "/thread/" + "x" * 3000, "/?lang=xx", "/plans/ "])
async def test_odd_input_never_crashes_a_page(owner, path):
    assert (await owner.get(path)).status < 500


@pytest.mark.parametrize("zone", ["../../etc/passwd", "Nowhere/Nothing", "/etc/passwd", "x" * 5000, "\x01"])
async def test_an_odd_time_zone_is_utc(stranger, zone):
    stranger.cookies["zone"] = zone
    assert "Times in UTC" in (await stranger.get("/")).text


def test_an_address_that_calls_too_often_is_told_to_wait_and_no_other():
    rate = Rate(2.0, 3.0)
    assert [rate.admit("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert rate.admit("b", 0.0)
    assert [rate.admit("a", 1.0) for _ in range(3)] == [True, True, False]


def test_addresses_are_remembered_in_bounded_memory():
    rate = Rate(1.0, 1.0, keys=2)
    for address in ("a", "b", "c"):
        rate.admit(address, 0.0)
    assert rate.admit("a", 0.0)
    assert not rate.admit("c", 0.0)
