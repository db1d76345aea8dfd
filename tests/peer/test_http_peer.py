"""The HTTP connector against a real server on loopback: changes, validators, patience, records, and broken answers."""

import ssl
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from aiohttp import encode_basic_auth, web
from machines import certificates
from machines.running import free_port

from interwork.connectors import BAD_DECODING, Point
from interwork.connectors.http import HttpConnector, _retry_s
from interwork.core.errors import BadInput, MachineUnreachable
from interwork.core.resource import BAD_NO_DATA, GOOD, Meaning

pytestmark = pytest.mark.peer
DOCUMENT = {"machine": {"execution": "running", "power": {"value": 4.5, "unit": "kW"}}, "timestamp": 1_767_600_000}


class Service:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self):
        self.answers, self.asked = [], []

    async def serve(self, request):
        self.asked.append(request)
        make = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return make(request)


@pytest.fixture
async def service():
    made = Service()
    application = web.Application()
    application.router.add_get("/{path:.*}", made.serve)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.root = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


def json(document, **headers):
    return lambda _: web.json_response(document, headers=headers)


def text(content, status=200, **headers):
    return lambda _: web.Response(text=content, status=status, headers=headers)


@asynccontextmanager
async def reading(service, points, **options):
    async with HttpConnector(f"{service.root}/data?x=1", {"interval_s": 0.05, **options}) as connector:
        with anyio.fail_after(30):
            async with aclosing(connector.readings(points)) as batches:
                yield connector, batches


POWER = [Point(number=1, address="/machine/power/value")]


async def test_every_leaf_is_a_signal_with_its_unit_and_meaning(service):
    service.answers = [json(DOCUMENT)]
    async with HttpConnector(f"{service.root}/data", {}) as connector:
        found = {one.address: one for one in await connector.browse()}
    assert (found["/machine/power/value"].unit, found["/machine/power/value"].meaning) == ("kW", Meaning.POWER)
    assert found["/machine/execution"].is_text


async def test_a_reading_has_the_documents_own_time_and_our_words(service):
    service.answers = [json(DOCUMENT)]
    points = [*POWER, Point(number=2, address="/machine/execution", is_text=True), Point(number=3, address="/gone")]
    async with reading(service, points) as (_, batches):
        batch = await anext(batches)
    assert set(batch.time_us) == {1_767_600_000_000_000}
    assert (batch.value[0], batch.text[1], list(batch.quality)) == (4.5, "ACTIVE", [GOOD, GOOD, BAD_NO_DATA])
    assert service.asked[0].query_string == "x=1"


async def test_what_has_not_changed_is_not_sent_again(service):
    service.answers = [
        *[json({"machine": {"power": {"value": 1}}}, ETag='"a"')] * 2,
        lambda asked: web.Response(status=304 if asked.headers.get("If-None-Match") == '"a"' else 500),
        json({"machine": {"power": {"value": 2}}}),
    ]
    async with reading(service, POWER) as (_, batches):
        assert [(await anext(batches)).value[0], (await anext(batches)).value[0]] == [1.0, 2.0]


async def test_only_records_newer_than_the_last_one_taken_become_readings(service):
    first = {"rows": [{"ts": 20, "v": 2}, {"ts": 10, "v": 1}]}
    service.answers = [*[json(first)] * 2, json({"rows": [{"ts": 20, "v": 2}, {"ts": 30, "v": 3}]})]
    async with reading(service, [Point(number=1, address="/v")], rows="/rows") as (_, batches):
        assert list((await anext(batches)).value) == [1.0, 2.0]
        assert list((await anext(batches)).value) == [3.0]


async def test_a_record_far_ahead_of_our_clock_does_not_hide_those_that_come_after_it(service):
    def record(year, value):
        return {"t": f"{year}-01-05T08:00:00Z", "v": value}

    service.answers = [json({"rows": [record(2099, 9), record(2025, 1)]})] * 2
    service.answers += [json({"rows": [record(2099, 9), record(2025, 1), record(2026, 2)]})]
    got = []
    async with reading(service, [Point(number=1, address="/v")], rows="/rows", timestamp="/t") as (connector, batches):
        while len(got) < 2:
            got += list((await anext(batches)).value)
    assert got == [1.0, 2.0]
    assert connector.counters["ahead"] > 0


@pytest.mark.parametrize(("link", "is_said"), [('</data?page=2>; rel="next"', True), ("</data>; rel=self", False)])
async def test_a_service_that_answers_in_pages_is_remarked_upon(service, link, is_said):
    service.answers = [json(DOCUMENT, Link=link)]
    async with HttpConnector(f"{service.root}/data", {}) as connector:
        assert any("/data?page=2' is not read" in one for one in connector.remarks) == is_said


async def test_what_is_no_json_turns_the_points_bad_and_is_counted(service):
    service.answers = [json(DOCUMENT), text("<html>"), json(DOCUMENT)]
    async with reading(service, POWER) as (connector, batches):
        assert [(await anext(batches)).quality[0] for _ in range(2)] == [BAD_DECODING, GOOD]
        assert connector.counters["malformed"] == 1


async def test_a_service_whose_document_stays_the_same_is_heard_all_the_same(service):
    service.answers = [
        *[json({"machine": {"power": {"value": 1}}}, ETag='"a"')] * 2,
        lambda asked: web.Response(status=304 if asked.headers.get("If-None-Match") == '"a"' else 500),
    ]
    async with reading(service, POWER) as (_, batches):
        assert [len(await anext(batches)), len(await anext(batches))] == [1, 0]


async def test_a_service_that_asks_for_patience_gets_it(service):
    service.answers = [json(DOCUMENT), text("", 429, **{"Retry-After": "0"}), json(DOCUMENT)]
    async with reading(service, POWER) as (connector, batches):
        assert (await anext(batches)).quality[0] == GOOD
        assert connector.counters["put_off"] == 1


@pytest.mark.parametrize(
    ("said", "seconds"), [("7", 7.0), ("99999", 300.0), ("soon", 60.0), ("Mon, 05 Jan 2026 08:00:00 GMT", 0.0)]
)
def test_how_long_a_service_wants_to_be_left_alone_is_bounded(said, seconds):
    assert _retry_s(said) == seconds


@pytest.mark.parametrize(
    ("status", "says"), [(404, "HTTP 404"), (401, "refuses who asks"), (302, "HTTP 302"), (500, "HTTP 500")]
)
async def test_another_answer_is_a_link_that_is_down_and_says_which(service, status, says):
    service.answers = [text("", status)]
    with pytest.raises(MachineUnreachable, match=says):
        await HttpConnector(f"{service.root}/data", {}).__aenter__()


async def test_who_asks_says_who_it_is(service):
    service.answers = [json(DOCUMENT)]
    async with HttpConnector(f"{service.root}/data", {"username": "ada", "password": "s"}):
        assert service.asked[0].headers["Authorization"] == encode_basic_auth("ada", "s")
    async with HttpConnector(f"{service.root}/data", {"token": "t-1"}):
        assert service.asked[1].headers["Authorization"] == "Bearer t-1"


async def test_a_service_that_goes_away_under_way_is_a_link_that_is_down(service):
    service.answers = [json(DOCUMENT), json(DOCUMENT), lambda asked: asked.transport.close() or web.Response()]
    async with reading(service, POWER) as (_, batches):
        await anext(batches)
        with pytest.raises(MachineUnreachable, match="does not answer"):
            await anext(batches)


@pytest.mark.parametrize("endpoint", ["http://", "https://user:word@host/x", "ftp://host/x", "http://ho st/"])
def test_an_endpoint_that_is_none_is_bad_input(endpoint):
    with pytest.raises(BadInput):
        HttpConnector(endpoint, {})


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]"])
def test_where_a_cloud_hands_out_credentials_is_no_endpoint(host):
    with pytest.raises(BadInput, match="metadata"):
        HttpConnector(f"http://{host}/latest/meta-data", {})


async def test_a_redirect_is_told_and_not_followed(service):
    service.answers = [lambda _: web.Response(status=302, headers={"Location": "http://169.254.169.254/"})]
    with pytest.raises(MachineUnreachable, match=r"sends us on to 'http://169\.254\.169\.254/'") as told:
        async with HttpConnector(f"{service.root}/data", {}):
            pass
    assert "not followed" in told.value.remedy
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("days", "host", "says"),
    [
        (-3, "127.0.0.1", "its certificate, or that of its authority, has expired"),
        (3, "127.0.0.1", "its certificate is not valid yet: compare the clocks"),
        (-1, "localhost", "its certificate names another host"),
    ],
)
async def test_a_certificate_that_is_refused_is_told_with_why(tmp_path, days, host, says):
    files = certificates.make(tmp_path, start=datetime.now(UTC) + timedelta(days=days))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files / "server.pem", files / "server.key")
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    endpoint = f"https://{host}:{runner.addresses[0][1]}/"
    try:
        with pytest.raises(MachineUnreachable, match=says):
            async with HttpConnector(endpoint, {"ca_file": str(files / "ca.pem")}):
                pass
    finally:
        await runner.cleanup()


async def test_a_service_that_is_not_there_is_told_with_why():
    with pytest.raises(MachineUnreachable, match="nobody listens there"):
        async with HttpConnector(f"http://127.0.0.1:{free_port()}/", {}):
            pass


async def test_a_port_without_tls_is_told_as_that(service):
    service.answers = [json(DOCUMENT)]
    with pytest.raises(MachineUnreachable, match="no TLS is spoken on this port"):
        async with HttpConnector(service.root.replace("http:", "https:"), {}):
            pass
