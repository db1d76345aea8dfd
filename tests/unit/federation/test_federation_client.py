"""The outgoing client: where it goes, what it takes, and how it says no."""

import gzip

import aiohttp
import anyio
import pytest
from loopback_nodes import bound_socket, served
from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from interwork.core.errors import PeerError, PeerUnreachable, Refused, Unusable
from interwork.federation import PeerClient, wire

CLOSED = PeerClient()
OPEN = PeerClient(allow_loopback=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://node.example/x",
        "ftp://node.example/x",
        "file:///etc/passwd",
        "https:///x",
        "https://user:secret@node.example/",
        "https://node.example/#part",
        "https://node.example:99999/",
        "https://[::1",
        "https://nöde.example/",
        "https://node.example/a b",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://" + "x" * 3000,
    ],
)
def test_an_address_inside_or_malformed_is_refused(url):
    with pytest.raises(Refused) as caught:
        CLOSED.admit(url)
    assert caught.value.rule


@pytest.mark.parametrize(
    "url", ["https://node.example/x", "https://93.184.216.34/", "https://[2606:2800::1]:8443/x?y=z"]
)
def test_a_public_https_address_is_admitted(url):
    assert CLOSED.admit(url)


@pytest.mark.parametrize(
    "url", ["http://localhost:8711/x", "http://127.0.0.1:1/", "https://localhost/", "http://[::1]:2/"]
)
def test_this_machine_is_admitted_only_where_allowed(url):
    assert OPEN.admit(url)
    with pytest.raises(Refused):
        CLOSED.admit(url)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "https://10.0.0.1/", "http://node.example/", "https://169.254.1.1/"]
)
def test_allowing_loopback_allows_nothing_else(url):
    with pytest.raises(Refused):
        OPEN.admit(url)


def test_a_network_can_be_allowed_by_configuration():
    client = PeerClient(networks=["10.1.0.0/16"])
    assert client.admit("https://10.1.2.3/")
    with pytest.raises(Refused):
        client.admit("https://10.2.2.3/")


async def test_a_name_that_leads_inside_is_refused_when_it_is_resolved(monkeypatch):
    async with PeerClient() as client:

        async def inside(_, host, port=0, family=0):
            address = {"hostname": host, "host": "10.0.0.7", "port": port, "family": 2, "proto": 0, "flags": 0}
            return [address]

        monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", inside)
        with pytest.raises(Refused, match=r"leads to 10\.0\.0\.7"):
            await client.check("https://rebound.example/")
        with pytest.raises(Refused, match=r"leads to 10\.0\.0\.7"):
            await client.request("GET", "https://rebound.example/")


async def test_a_name_that_does_not_resolve_cannot_be_used_as_callback():
    async with PeerClient() as client:
        with pytest.raises(Refused):
            await client.check("https://nobody.invalid/")


async def test_a_literal_address_needs_no_resolving():
    async with OPEN as client:
        await client.check("http://127.0.0.1:9/")


async def test_a_closed_client_says_so():
    with pytest.raises(Unusable):
        await PeerClient().request("GET", "https://93.184.216.34/")


async def _large(_):
    return Response(gzip.compress(b"0" * 5_000_000), headers={"Content-Encoding": "gzip"})


async def _slow(_):
    await anyio.sleep(30)
    return Response(b"late")


async def _echo(request):
    return Response(await request.body(), headers={"Seen": request.headers.get("authorization", "")})


def _answer(status, body=b"", media_type="application/json"):
    async def endpoint(_):
        return Response(body, status_code=status, media_type=media_type)

    return endpoint


def _to(url):
    async def endpoint(_):
        return RedirectResponse(url)

    return endpoint


@pytest.fixture
async def site():
    listener = bound_socket()
    root = f"http://localhost:{listener.getsockname()[1]}"
    paths = {
        "/large": _large,
        "/slow": _slow,
        "/echo": _echo,
        "/moved": _to("/echo"),
        "/away": _to(f"http://127.0.0.1:{listener.getsockname()[1]}/echo"),
        "/inside": _to("http://169.254.169.254/"),
        "/round": _to("/round"),
    }
    routes = [Route(path, endpoint, methods=["GET", "POST"]) for path, endpoint in paths.items()]
    async with served(Starlette(routes=routes), listener):
        yield root


@pytest.fixture
async def client():
    async with PeerClient(allow_loopback=True, timeout_s=5) as opened:
        yield opened


async def test_a_request_carries_token_and_body(site, client):
    answer = await client.request("POST", f"{site}/echo", token="abc", body=b"{}")
    assert (answer.status, answer.content, answer.headers["seen"]) == (200, b"{}", "Bearer abc")


async def test_reading_is_sent_on_within_one_host(site, client):
    assert (await client.request("GET", f"{site}/moved")).status == 200


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/moved"), ("GET", "/away"), ("GET", "/inside"), ("GET", "/round")]
)
async def test_no_message_is_sent_on_and_nothing_to_another_host(site, client, method, path):
    with pytest.raises((PeerError, Refused)):
        await client.request(method, site + path, body=b"{}" if method == "POST" else None)


async def test_an_answer_larger_than_its_bound_is_dropped(site, client):
    with pytest.raises(PeerError, match="more than 1000000 bytes"):
        await client.request("GET", f"{site}/large", limit_bytes=1_000_000)


async def test_a_peer_that_hangs_is_unreachable_in_bounded_time(site, client):
    with anyio.fail_after(15), pytest.raises(PeerUnreachable):
        await client.request("GET", f"{site}/slow", timeout_s=0.2)


async def test_a_peer_that_is_not_there_is_unreachable(client):
    with bound_socket() as listener, pytest.raises(PeerUnreachable) as caught:
        await client.request("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/")
    assert caught.value.retryable


async def test_a_token_that_would_break_the_header_is_an_error_of_the_peer(site, client):
    with pytest.raises(PeerError):
        await client.request("GET", f"{site}/echo", token="a\r\nX: y")


TYPED = b'{"@type":"TransferError","reason":["No.","Rule: members","Remedy: Join."]}'
PROBLEM = b'{"detail":"No.","rule":"members","remedy":"Join."}'


@pytest.mark.parametrize(
    ("status", "body", "media_type", "kind"),
    [
        (400, TYPED, "application/json", Refused),
        (403, PROBLEM, "application/problem+json", Refused),
        (401, PROBLEM, "application/problem+json", Refused),
        (404, TYPED, "application/json", Refused),
        (409, PROBLEM, "application/problem+json", PeerError),
        (404, b"<html>", "text/html", PeerError),
        (500, b"", "text/plain", PeerError),
        (503, b"", "text/plain", PeerUnreachable),
        (429, PROBLEM, "application/problem+json", PeerUnreachable),
    ],
)
async def test_an_error_answer_becomes_the_error_that_says_what_to_do(client, status, body, media_type, kind):
    listener = bound_socket()
    routes = [Route("/", _answer(status, body, media_type))]
    async with served(Starlette(routes=routes), listener):
        answer = await client.request("GET", f"http://localhost:{listener.getsockname()[1]}/")
    with pytest.raises(kind) as caught:
        answer.expect("Acme")
    assert type(caught.value) is kind
    assert kind is not Refused or (caught.value.rule, caught.value.remedy) == ("members", "Join.")


@pytest.mark.parametrize("body", [b"[1]", b'{"@type":"XError","reason":5}', b'{"@type":5}', b"\xff", b"{"])
async def test_an_error_body_of_any_shape_is_survived(client, body):
    listener = bound_socket()
    async with served(Starlette(routes=[Route("/", _answer(400, body))]), listener):
        answer = await client.request("GET", f"http://localhost:{listener.getsockname()[1]}/")
    assert answer.said() in ([], ["no reason was given"])
    assert wire.OURS
