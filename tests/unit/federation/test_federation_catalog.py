"""The catalog: pages, filters, visibility, nesting; and crawling what others show."""

import msgspec
import pytest
from loopback_nodes import loopback_node, only
from msgspec.structs import replace

from interwork.core.clock import now
from interwork.core.errors import BadInput
from interwork.core.exchange import PROPERTIES, CatalogEntry, Dataset, DatasetKind, Policy
from interwork.core.ids import derived_id
from interwork.federation import wire
from interwork.federation.catalog import OPERANDS
from interwork.store import Change

REQUEST = wire.compose("CatalogRequestMessage")


async def fill(node, count):
    """Offer many datasets under one policy."""
    change = Change().put(Policy(id="p", name="p", text="", odrl={"permission": [{"action": "use"}]}))
    for number in range(count):
        change.put(
            Dataset(id=f"d-{number:04}", kind=DatasetKind.FILE, title=f"File {number}", policy="p", changed_at=now())
        )
    await node.store.commit(change)


async def catalog(peer, node, message=REQUEST, **more):
    answer = await peer.say(node, "POST", "/catalog/request", message, **more)
    body = msgspec.json.decode(answer.content) if answer.content else {}
    return answer, body


def condition(name, right, operator="eq"):
    return {"leftOperand": OPERANDS + name, "operator": operator, "rightOperand": right}


async def test_an_empty_catalog_is_valid_and_has_no_dataset_key(peer, alpha):
    answer, body = await catalog(peer, alpha)
    wire.check(body, "Catalog")
    assert answer.media_type == "application/json"
    assert body["participantId"] == alpha.did
    assert not {"dataset", "catalog"} & body.keys()
    assert body["service"][0]["endpointURL"] == alpha.base


async def test_a_dataset_is_shown_with_its_facts_and_one_stable_offer(peer, alpha):
    await alpha.publish(processes=["milling"])
    (_, first), (_, second) = await catalog(peer, alpha), await catalog(peer, alpha)
    (dataset,) = first["dataset"]
    assert dataset[PROPERTIES] == {"processes": ["milling"]}
    assert dataset["hasPolicy"] == second["dataset"][0]["hasPolicy"]
    assert "target" not in dataset["hasPolicy"][0]
    wire.check(first, "Catalog")


async def test_250_datasets_come_on_pages_linked_both_ways(peer, alpha):
    await fill(alpha, 250)
    answer, body = await catalog(peer, alpha)
    seen, pages, links = [], [], []
    while True:
        wire.check(body, "Catalog")
        pages.append(len(body["dataset"]))
        seen += [one["@id"] for one in body["dataset"]]
        links.append(answer.headers.get("Link", ""))
        following = [part for part in links[-1].split(", ") if 'rel="next"' in part]
        if not following:
            break
        url = following[0].partition(">")[0][1:]
        answer = await peer.say(alpha, "GET", url.removeprefix(alpha.base))
        body = msgspec.json.decode(answer.content)
    assert pages == [100, 100, 50]
    assert seen == [f"d-{number:04}" for number in range(250)]
    assert ['rel="previous"' in link for link in links] == [False, True, True]


async def test_browsing_reads_every_page_and_keeps_nothing(alpha, beta):
    await fill(alpha, 250)
    entries = await beta.federation.browse(await beta.federation.meet(alpha.root))
    assert len({one.id for one in entries}) == 250
    assert {one.provider for one in entries} == {alpha.did}
    assert entries[0].kind is DatasetKind.FILE
    assert await beta.store.count(CatalogEntry) == 0


async def test_a_filter_goes_along_from_page_to_page(alpha, beta):
    await fill(alpha, 250)
    met = await beta.federation.meet(alpha.root)
    assert len(await beta.federation.browse(met, query=[condition("text", "File 1")])) == 111
    assert len(await beta.federation.browse(met, query=[condition("text", "file")])) == 250


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ([condition("kind", "file")], ["dataset-mill", "dataset-other"]),
        ([condition("kind", "capacity")], []),
        ([condition("kind", ["capacity", "file"], "isAnyOf")], ["dataset-mill", "dataset-other"]),
        ([condition("process", "milling-5-axis")], ["dataset-mill"]),
        ([condition("process", "machining")], ["dataset-mill"]),
        ([condition("process", "turning")], []),
        ([condition("text", "BRACKET")], ["dataset-mill", "dataset-other"]),
        ([condition("text", "bracket"), condition("process", "milling")], ["dataset-mill"]),
        ([condition("provider", "did:web:nobody")], []),
    ],
)
async def test_the_catalog_is_filtered(peer, alpha, query, found):
    await alpha.publish(name="mill", processes=["milling-5-axis"])
    await alpha.publish(name="other", capabilities=[{"process": "inspection"}])
    _, body = await catalog(peer, alpha, wire.compose("CatalogRequestMessage", filter=query))
    assert sorted(one["@id"] for one in body.get("dataset", [])) == found


@pytest.mark.parametrize(
    "query",
    [
        [condition("colour", "red")],
        [condition("kind", "file", "gt")],
        [condition("kind", 5)],
        [condition("kind", ["file", 5], "isAnyOf")],
        ["file"],
        [{}],
        [{"leftOperand": "kind", "operator": "eq", "rightOperand": "file"}],
    ],
)
async def test_an_unsupported_filter_is_400(peer, alpha, query):
    answer, body = await catalog(peer, alpha, wire.compose("CatalogRequestMessage", filter=query))
    assert answer.status == 400
    wire.check(body, "CatalogError")


@pytest.mark.parametrize("path", ["?after=x", "?after=-1", "?filter={", "?filter={}", "?after=99999999999"])
async def test_a_page_nobody_linked_to_is_400(peer, alpha, path):
    assert (await peer.say(alpha, "GET", f"/catalog/request{path}")).status == 400


async def test_a_catalog_that_did_not_change_is_304(peer, alpha):
    await fill(alpha, 3)
    answer, _ = await catalog(peer, alpha)
    again, _ = await catalog(peer, alpha, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.content) == (304, b"")
    await alpha.publish()
    later, body = await catalog(peer, alpha, headers={"If-None-Match": answer.headers["ETag"]})
    assert (later.status, len(body["dataset"])) == (200, 4)


async def test_a_large_page_is_compressed_for_those_who_take_it(peer, alpha):
    await fill(alpha, 100)
    headers = {"Accept-Encoding": "gzip", "Authorization": f"Bearer {peer.identity.mint(alpha.did)}"}
    post = alpha.client._session.post
    async with post(f"{alpha.base}/catalog/request", json=REQUEST, headers=headers) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert len((await response.json())["dataset"]) == 100


@pytest.mark.parametrize("identifier", ["plain", "urn:x:1", "https://x.example/a/b?c=d#e", "100%25 sure", "Überteil"])
async def test_a_dataset_is_found_by_any_id(alpha, beta, identifier):
    await alpha.publish(name=identifier)
    agreement = await beta.federation.negotiate(alpha.did, f"dataset-{identifier}", key="k")
    assert agreement.dataset == f"dataset-{identifier}"


async def test_an_unknown_or_withdrawn_dataset_is_404(peer, alpha):
    dataset = await alpha.publish()
    assert (await peer.say(alpha, "GET", f"/catalog/datasets/{dataset.id}")).status == 200
    await alpha.federation.withdraw(dataset.id, actor="account-1")
    await alpha.federation.withdraw(dataset.id, actor="account-1")
    answer = await peer.say(alpha, "GET", f"/catalog/datasets/{dataset.id}")
    assert answer.status == 404
    wire.check(msgspec.json.decode(answer.content), "CatalogError")
    assert "dataset" not in (await catalog(peer, alpha))[1]


async def test_what_the_access_policy_hides_is_nowhere(peer, other, alpha):
    await alpha.publish(access=only("participant", "eq", other.did))
    assert "dataset" not in (await catalog(peer, alpha))[1]
    assert (await peer.say(alpha, "GET", "/catalog/datasets/dataset-one")).status == 404
    assert len((await catalog(other, alpha))[1]["dataset"]) == 1
    assert (await other.say(alpha, "GET", "/catalog/datasets/dataset-one")).status == 200


async def test_what_is_hidden_cannot_be_negotiated(peer, other, alpha):
    await alpha.publish(access=only("participant", "eq", other.did))
    offer = {"@id": derived_id("offer", "dataset-one"), "@type": "Offer", "target": "dataset-one"}
    offer["permission"] = [{"action": "use"}]
    message = wire.compose("ContractRequestMessage", consumerPid="c", offer=offer, callbackAddress=peer.root)
    assert (await peer.post(alpha, "/negotiations/request", message))[0] == 400


@pytest.mark.parametrize("field", ["policy", "access"])
async def test_nothing_is_offered_under_a_policy_that_is_missing_or_faulty(alpha, field):
    dataset = await alpha.publish()
    with pytest.raises(BadInput, match="not held here"):
        await alpha.federation.offer(replace(dataset, id="d2", **{field: "nowhere"}))
    bad = Policy(id="bad", name="", text="", odrl=only("mood", "eq", "good"))
    await alpha.store.commit(Change().put(bad))
    with pytest.raises(BadInput, match=r"permission\[0\].constraint\[0\].leftOperand"):
        await alpha.federation.offer(replace(dataset, id="d2", **{field: "bad"}))


async def test_offering_the_same_again_changes_nothing(alpha):
    dataset = await alpha.publish()
    before = len(await alpha.store.events())
    assert await alpha.federation.offer(replace(dataset, changed_at=now())) == dataset
    assert len(await alpha.store.events()) == before


async def test_the_catalog_is_current_without_its_watcher_too(tmp_path, peer):
    async with loopback_node(tmp_path, "Still", is_running=False) as node:
        await fill(node, 2)
        assert len((await catalog(peer, node))[1]["dataset"]) == 2
        await node.publish()
        assert len((await catalog(peer, node))[1]["dataset"]) == 3
