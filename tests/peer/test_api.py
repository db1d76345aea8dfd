"""The faces for programs, called over real HTTP: who may ask what, what is refused and how, AAS and i3X."""

import base64
import http.client
import itertools
import json
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import quote

import anyio
import i3x
import pytest
from loopback_nodes import bound_socket, served

from interwork.app import open_node
from interwork.core.clock import now, to_us
from interwork.core.exchange import Agreement, AgreementState, DatasetKind, Side
from interwork.core.making import Job, JobStep
from interwork.core.organisation import ApiToken, Role
from interwork.core.resource import GOOD, BatchBuilder, Capability, Meaning, Resource, Signal
from interwork.flows import ingest
from interwork.store import Change
from interwork.web import api, create_app
from interwork.web.access import MAY, issue_token, sha256

pytestmark = pytest.mark.peer

SETTINGS = (
    'name = "Birch"\norganisation = "org-birch"\nkind = "small-manufacturer"\nport = {port}\nroles = ["institute"]\n'
)
ROUTES = [(method, api_path, act) for table in api.TABLES for method, api_path, act, _ in table]
OPEN = [route for route in ROUTES if Role.GUEST in MAY[route[2]]]
CLOSED = [route for route in ROUTES if Role.GUEST not in MAY[route[2]]]
OF_ONE = [route for route in ROUTES if "{id}" in route[1]]
FACES = ["/aas/shells", "/aas/submodels", "/i3x/v1/namespaces", "/i3x/v1/objecttypes", "/i3x/v1/objects"]
BODIES = {
    # path: what is sent, and the field the answer has to name
    "/join": [
        ({}, "address"),
        ({"address": 5, "tier": "small"}, "$.address"),
        ({"address": "a", "tier": "b", "teir": "c"}, "teir"),
    ],
    "/connect": [
        ({}, "name"),
        ({"name": "Saw", "endpoint": 4840}, "$.endpoint"),
        ({"name": "Saw", "endpoint": "", "capabilites": []}, "capabilites"),
    ],
    "/probe": [({"name": "Saw"}, "endpoint")],
    "/calls": [({}, "title"), ({"title": "Call", "agency": "A", "budget_eur": "much"}, "$.budget_eur")],
    "/awards": [({}, "call"), ({"call": 7}, "$.call")],
    "/runs/run-1/inspection": [
        ({}, "instrument"),
        ({"instrument": "c", "measurements": [{"part": "1"}]}, "measurements"),
    ],
    "/agreements/agreement-1/terminate": [({"reason": 5}, "$.reason")],
}


SENT = {
    # what a call of one thing has to carry
    "/runs/{id}/inspection": {"instrument": "caliper", "measurements": []},
    "/orders/{id}/stop": {"reason": "the spindle broke"},
    "/process-plans/{id}/changes": {"edits": [], "why": "it is too slow"},
    "/process-plans/{id}/template": {"name": "plates"},
    "/templates/{id}/apply": {"plan": "process-1"},
    "/jobs/{id}/disturbances": {"kind": "down", "since": "2026-01-05T08:00:00Z"},
    "/campaigns/{id}/decide": {"trial": 1, "why": "it is the best"},
    "/alarm-rules/{id}": {"name": "hot", "condition": "above"},
    "/nonconformances/{id}": {"state": "contained", "text": "set apart"},
    "/machines/{id}/stops": {"start": "2026-01-05T08:00:00Z", "end": "2026-01-05T09:00:00Z", "reason": "setup"},
    "/thread/{id}/share": {"to": "did:web:other"},
}


ASKED = {"/plans/{id}/volumes": "?quantities=10,100", "/designs/{id}/files": "?name=a.qif"}
"""What a call has to ask for."""


def filled(path, identifier):
    """Fill in the parts of a path; what else it needs is there."""
    parts = {"{id}": identifier, "{act}": "acknowledge", "{number:int}": "1"}
    asked = ASKED.get(path, "")
    for part, value in parts.items():
        path = path.replace(part, value)
    return path + asked


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def node(tmp_path_factory):
    """A node that serves, with two machines, a signal that speaks and one whose agreement ended."""
    folder = tmp_path_factory.mktemp("api")
    listener = bound_socket()
    (folder / "node.toml").write_text(SETTINGS.format(port=listener.getsockname()[1]))
    opened = await open_node(folder)
    async with opened.running(), served(create_app(opened), listener):
        await fill(opened)
        tokens = {role: await issue_token(opened.store, f"test {role}", role) for role in Role}
        yield SimpleNamespace(parts=opened, tokens=tokens, root=opened.settings.root(), port=opened.settings.port)


async def fill(node):
    for name in ("Saw", "Mill", "Bench 3"):
        ability = Capability(process="sawing", materials=("aluminium",), envelope_mm=(1.0, 2.0, 3.0))
        asked = ingest.Connection(name=name, endpoint="", maker="Maker & Söhne", capabilities=(ability,))
        await ingest.connect(node, asked)
    saw = (await node.store.find(Resource, limit=1))[0]
    far = Resource(
        id="resource-far",
        name="Far",
        kind=saw.kind,
        owner="did:web:other",
        options={"agreement": "agreement-1"},
    )
    signals = [
        Signal(
            id="signal-power", number=1, resource=saw.id, name="Power", address="p", unit="kW", meaning=Meaning.POWER
        ),
        Signal(id="signal-state", number=2, resource=saw.id, name="State", address="s", is_text=True),
        Signal(id="signal-mute", number=3, resource=saw.id, name="Mute", address="m"),
        Signal(id="signal-far", number=4, resource=far.id, name="Far", address=""),
    ]
    change = Change("test").put(far).put(ended_agreement(node)).put(ended_job())
    for signal in signals:
        change.put(signal)
    await node.store.commit(change)
    builder = BatchBuilder()
    for number, value in ((1, 4.25), (2, "ACTIVE"), (4, 9.0)):
        builder.add(number, to_us(now()), value, GOOD)
    node.live.update(builder.take())


def ended_agreement(node):
    return Agreement(
        id="agreement-1",
        side=Side.CONSUMER,
        provider="did:web:other",
        consumer=node.did,
        peer_name="Other",
        dataset="d",
        dataset_title="Readings",
        dataset_kind=DatasetKind.READINGS,
        policy={},
        state=AgreementState.TERMINATED,
        agreed_at=now(),
        negotiation="n",
    )


def ended_job():
    return Job(
        id="job-1",
        title="bracket",
        owner="org-birch",
        step=JobStep.SEARCH,
        state="failed",
        revision="rev-1",
        material="al-6061",
        quantity=1,
        due=now(),
        tolerance_mm=0.1,
        created_at=now(),
        updated_at=now(),
    )


class Answer:
    def __init__(self, answer):
        self.status, self.kind = answer.status, answer.getheader("Content-Type", "")
        self.challenge = answer.getheader("WWW-Authenticate", "")
        self.body = json.loads(answer.read() or b"null")


async def call(node, method, path, *, role=None, body=None, token=""):
    """Send one request as a program of a role, or as nobody, and read its JSON."""

    def send():
        connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=30)
        secret = token or (node.tokens[role] if role else "")
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, body=content, headers=headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    return await anyio.to_thread.run_sync(send)


def problem(answer, status, code):
    """Hold an answer to the form of a problem and give it."""
    assert (answer.status, answer.kind) == (status, "application/problem+json"), answer.body
    assert (answer.body["status"], answer.body["code"]) == (status, code)
    assert answer.body["type"] == f"urn:interwork:problem:{code}"
    assert answer.body["detail"]
    return answer.body


@pytest.mark.parametrize(("method", "path", "act"), CLOSED)
async def test_nobody_in_particular_is_asked_to_sign_in(node, method, path, act):
    answer = await call(node, method, "/api" + filled(path, "x"))
    told = problem(answer, 401, "not-signed-in")
    assert told["remedy"]
    assert answer.challenge == "Bearer"


async def test_what_is_public_is_open_to_everybody(node):
    assert {path for _, path, _ in OPEN} == {"/node", "/report"}
    for method, path, _ in OPEN:
        assert (await call(node, method, "/api" + path)).status == 200


@pytest.mark.parametrize("path", FACES)
async def test_the_standard_faces_are_not_open_to_everybody(node, path):
    assert problem(await call(node, "GET", path), 401, "not-signed-in")["remedy"]


async def test_a_token_that_is_wrong_or_has_expired_is_refused(node):
    late = ApiToken(
        id=sha256("late"), name="late", role=Role.OWNER, created_at=now(), expires_at=now() - timedelta(seconds=1)
    )
    await node.parts.store.commit(Change("test").put(late))
    for token in ("wrong", "late", "x" * 5000):
        assert problem(await call(node, "GET", "/api/jobs", token=token), 401, "not-signed-in")["remedy"]


@pytest.mark.parametrize(("method", "path", "act"), CLOSED)
async def test_a_role_that_may_not_is_told_which_may(node, method, path, act):
    for role in set(Role) - set(MAY[act]):
        told = problem(await call(node, method, "/api" + filled(path, "x"), role=role), 403, "refused")
        assert all(one.value in told["rule"] for one in MAY[act])
        assert told["remedy"]


@pytest.mark.parametrize(("method", "path", "act"), OF_ONE)
async def test_an_id_nobody_knows_is_not_found(node, method, path, act):
    body = SENT.get(path)
    for identifier in ("thing-unknown", quote("../../etc/passwd", safe=""), quote("ünknown ☃")):
        answer = await call(node, method, "/api" + filled(path, identifier), role=Role.OWNER, body=body)
        assert answer.status == 404, answer.body
        assert answer.body["detail"]


CASES = [(path, body, field) for path, cases in BODIES.items() for body, field in cases]


@pytest.mark.parametrize(("path", "body", "field"), CASES)
async def test_a_body_that_does_not_fit_is_bad_input_and_names_the_field(node, path, body, field):
    told = problem(await call(node, "POST", "/api" + path, role=Role.OWNER, body=body), 400, "bad-input")
    assert field in told["detail"] + told["where"]


@pytest.mark.parametrize("path", sorted(BODIES))
async def test_junk_for_json_is_bad_input(node, path):
    for body in (b"[", b"\xff\xfe", b"null", b'"text"', b"[" * 5000, b'{"a": NaN}'):
        problem(await call(node, "POST", "/api" + path, role=Role.OWNER, body=body), 400, "bad-input")


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/jobs?limit=0", "limit"),
        ("/jobs?limit=1001", "limit"),
        ("/jobs?limit=-1", "limit"),
        ("/runs?limit=x", "limit"),
        ("/events?after=-1", "after"),
        ("/signals/signal-power/series?start=yesterday", "yesterday"),
        ("/signals/signal-power/series?start=2026-02-02&end=2026-02-01", "range"),
        ("/runs?state=NONSENSE", "NONSENSE"),
        ("/jobs?limit=" + "9" * 5000, "limit"),
        ("/events?after=" + "9" * 5000, "after"),
    ],
)
async def test_a_query_that_does_not_fit_is_bad_input_and_says_which(node, path, names):
    told = problem(await call(node, "GET", "/api" + path, role=Role.OWNER), 400, "bad-input")
    assert names in told["detail"] + told["where"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("material=al-6061", "due"),
        ("due=%2B9d", "material"),
        ("material=al-6061&due=soon", "soon"),
        ("material=al-6061&due=%2B9d&quantity=many", "many"),
        ("material=al-6061&due=%2B9d&tolerance_mm=inf", "tolerance"),
        ("material=al-6061&due=2020-01-01", "past"),
        ("material=al-6061&due=%2B9d&until=never", "never"),
        ("material=al-6061&due=%2B99999999999d", "not a date"),
    ],
)
async def test_a_job_that_cannot_be_is_bad_input(node, query, says):
    answer = await call(node, "POST", f"/api/jobs?{query}", role=Role.ENGINEER, body=b"solid x\nendsolid x\n")
    assert answer.status in (400, 422)
    assert says in answer.body["detail"] + answer.body["where"]
    assert await node.parts.store.count(Job) == 1


async def test_a_drawing_larger_than_a_form_is_taken(node):
    query = "material=unobtainium&due=%2B9d"
    answer = await call(node, "POST", f"/api/jobs?{query}", role=Role.ENGINEER, body=b"x" * 5_000_000)
    assert problem(answer, 422, "unknown-material")["remedy"]


async def test_a_body_larger_than_it_may_be_is_refused(node):
    answer = await call(node, "POST", "/api/join", role=Role.OWNER, body=b" " * 3_000_000)
    assert problem(answer, 413, "too-large")["remedy"]


async def test_an_address_or_method_that_is_not_there_is_a_problem_too(node):
    assert (await call(node, "GET", "/api/nothing", role=Role.OWNER)).status == 404
    wrong = await call(node, "DELETE", "/api/jobs", role=Role.OWNER)
    assert (wrong.status, wrong.kind) == (405, "application/problem+json")


async def test_a_device_connected_over_the_api_is_its_callers_doing(node):
    made = await call(node, "POST", "/api/connect", role=Role.OPERATOR, body={"name": "Drill", "endpoint": ""})
    (event, *_) = await node.parts.store.events(subject=made.body["resource"]["id"])
    assert made.status == 200
    assert event.actor == sha256(node.tokens[Role.OPERATOR])


async def test_rates_in_another_currency_are_refused_and_not_taken_for_euro(node):
    rates = {"setup_s": 300, "setup_price_eur": 10, "hourly_price_eur": 60, "currency": "USD"}
    body = {"name": "Drill", "endpoint": "", "rates": rates}
    refused = await call(node, "POST", "/api/connect", role=Role.OPERATOR, body=body)
    assert refused.status == 400
    assert "unknown field `currency`" in refused.body["detail"]


async def test_what_came_under_an_agreement_that_ended_is_not_shown(node):
    signals = (await call(node, "GET", "/api/signals?resource=resource-far", role=Role.MEMBER)).body["signals"]
    assert [(one["reading"], "ended" in one["refused"]) for one in signals] == [(None, True)]
    problem(await call(node, "GET", "/api/signals/signal-far/series", role=Role.MEMBER), 403, "refused")


async def test_a_job_and_its_summary_are_told(node):
    job = (await call(node, "GET", "/api/jobs/job-1", role=Role.MEMBER)).body
    told = (await call(node, "GET", "/api/jobs/job-1/summary", role=Role.MEMBER)).body
    assert (job["state"], told["job"], told["price_eur"]) == ("failed", job, None)


# The Asset Administration Shell (IDTA-01002).


def encoded(identifier):
    return base64.urlsafe_b64encode(identifier.encode()).decode().rstrip("=")


async def read(node, path):
    return (await call(node, "GET", path, role=Role.MEMBER)).body


async def pages(node, path, limit):
    """Walk a list by its cursors."""
    cursor, found = "", []
    for _ in range(100):
        page = await read(node, f"{path}?limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        found.append(page["result"])
        cursor = page["paging_metadata"].get("cursor", "")
        if not cursor:
            return found
    raise AssertionError(found)


@pytest.mark.parametrize("path", ["/aas/shells", "/aas/submodels"])
async def test_pages_of_any_size_give_every_row_once(node, path):
    whole = (await read(node, path))["result"]
    for limit in (1, 2, len(whole) - 1, len(whole), len(whole) + 5):
        found = await pages(node, path, limit)
        assert list(itertools.chain(*found)) == whole
        assert all(len(page) == limit for page in found[:-1])
        assert found[-1]


async def test_the_last_page_has_no_cursor_and_none_is_beyond_it(node):
    assert (await read(node, "/aas/shells"))["paging_metadata"] == {}
    beyond = await read(node, "/aas/shells?cursor=100000")
    assert beyond == {"paging_metadata": {}, "result": []}


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "cursor=x", "cursor=-1", "limit=" + "9" * 5000])
async def test_a_page_that_cannot_be_is_bad_input(node, query):
    answer = await call(node, "GET", f"/aas/shells?{query}", role=Role.MEMBER)
    assert "limit" in problem(answer, 400, "bad-input")["detail"]


async def test_a_shell_is_found_by_its_encoded_id_with_its_submodels(node):
    (listed, *_) = (await read(node, "/aas/shells"))["result"]
    one = await read(node, f"/aas/shells/{encoded(listed['id'])}")
    assert one == listed
    assert (one["modelType"], one["assetInformation"]["assetKind"]) == ("AssetAdministrationShell", "Instance")
    for reference in one.get("submodels", []):
        assert (await read(node, f"/aas/submodels/{encoded(reference['keys'][0]['value'])}"))["modelType"] == "Submodel"


async def test_the_value_of_a_submodel_is_its_values_alone(node):
    saw = next(one for one in (await read(node, "/aas/shells"))["result"] if one["idShort"] == "Saw")
    held = {reference["keys"][0]["value"] for reference in saw["submodels"]}
    (plate,) = [
        one
        for one in (await read(node, "/aas/submodels"))["result"]
        if one["id"] in held and one["idShort"] == "Nameplate"
    ]
    value = await read(node, f"/aas/submodels/{encoded(plate['id'])}/$value")
    assert value["ManufacturerName"] == "Maker & Söhne"
    assert "modelType" not in str(value)


@pytest.mark.parametrize("garbage", ["!!!!", "%C3%A9t%C3%A9", "a", "_w", "=", "QQ==QQ==", "%20", "%00"])
async def test_an_identifier_that_is_not_base64url_is_bad_input(node, garbage):
    for path in ("/aas/shells/{}", "/aas/submodels/{}", "/aas/submodels/{}/$value"):
        answer = await call(node, "GET", path.format(garbage), role=Role.MEMBER)
        assert problem(answer, 400, "bad-input")["remedy"]


async def test_an_encoded_id_nobody_knows_is_not_found(node):
    for identifier in ("resource-unknown", "ünknown", "a\x00b", "x" * 5000):
        answer = await call(node, "GET", f"/aas/shells/{encoded(identifier)}", role=Role.MEMBER)
        assert answer.status in (400, 404), answer.body
        assert answer.body["code"] in ("not-found", "bad-input")


# i3X 1.0, with the official client.


async def with_client(node, ask, *, role=Role.MEMBER):
    def run():
        with i3x.Client(f"{node.root}/i3x/v1", token=node.tokens[role]) as client:
            return ask(client)

    return await anyio.to_thread.run_sync(run)


async def test_the_official_client_connects_to_a_released_server(node):
    info = await with_client(node, lambda client: client.server_info)
    assert (info.spec_version, info.server_name) == ("1.0", "Interwork")
    assert info.capabilities["update"] == {"current": False, "history": False}


async def test_the_official_client_is_asked_who_it_is(node):
    def ask():
        with i3x.Client(f"{node.root}/i3x/v1") as client:
            client.get_objects()

    with pytest.raises(i3x.AuthenticationError, match="signed in"):
        await anyio.to_thread.run_sync(ask)


async def test_the_official_client_finds_objects_of_known_types_and_their_parents(node):
    types, objects = await with_client(node, lambda client: (client.get_object_types(), client.get_objects()))
    by_id = {one.element_id: one for one in objects}
    assert {one.type_element_id for one in objects} <= {one.element_id for one in types}
    assert by_id["signal-power"].parent_id in by_id
    assert by_id[by_id["signal-power"].parent_id].is_composition
    namespaces = await with_client(node, lambda client: client.get_namespaces())
    assert {one.namespace_uri for one in types} == {one.uri for one in namespaces}


async def test_the_official_client_reads_numbers_texts_and_silence(node):
    wanted = ["signal-power", "signal-state", "signal-mute"]
    values = await with_client(node, lambda client: client.get_values(wanted))
    assert [(values[one].value, values[one].quality) for one in wanted] == [
        (4.25, "Good"),
        ("ACTIVE", "Good"),
        (None, "GoodNoData"),
    ]
    assert values["signal-power"].timestamp.endswith("Z")


async def test_one_element_nobody_knows_spoils_no_other(node):
    values = await with_client(node, lambda client: client.get_values(["signal-unknown", "signal-power"]))
    assert values.keys() == {"signal-power"}
    with pytest.raises(i3x.NotFoundError):
        await with_client(node, lambda client: client.get_value("signal-unknown"))


async def test_a_value_under_an_agreement_that_ended_is_refused_by_itself(node):
    with pytest.raises(i3x.AuthenticationError, match="ended"):
        await with_client(node, lambda client: client.get_value("signal-far"))
    assert (await with_client(node, lambda client: client.get_value("signal-power"))).value == 4.25


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"elementIds": "signal-power"}', b'{"elementIds": [1]}'])
async def test_a_value_request_that_does_not_fit_is_bad_input(node, body):
    answer = await call(node, "POST", "/i3x/v1/objects/value", role=Role.MEMBER, body=body)
    assert problem(answer, 400, "bad-input")
