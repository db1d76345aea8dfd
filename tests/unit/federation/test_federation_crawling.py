"""Crawling what others show: counted, kept, buried, stale; and shown on under the one who offers it."""

import anyio
import msgspec
import pytest
from loopback_nodes import bound_socket, loopback_node, only, served
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from interwork.core.clock import now
from interwork.core.errors import BadInput, PeerError, PeerUnreachable
from interwork.core.exchange import CatalogEntry, Dataset, DatasetKind, Peer, Policy
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


async def met(crawler, node):
    found = await crawler.federation.meet(node.root)
    crawled = replace(found, is_crawled=True)
    await crawler.store.commit(Change().put(crawled))
    return crawled


async def test_a_crawl_adds_changes_and_buries(alpha, beta):
    source = await met(beta, alpha)
    await fill(alpha, 3)
    counts = [await beta.federation.crawl(source)]
    await alpha.federation.withdraw("d-0000", actor="account-1")
    await alpha.publish()
    changed = replace(await alpha.store.get(Dataset, "d-0001"), title="Other")
    await alpha.store.commit(Change().put(changed))
    counts.append(await beta.federation.crawl(source))
    assert [(one.added, one.changed, one.gone, one.unchanged) for one in counts] == [(3, 0, 0, 0), (1, 1, 1, 1)]
    gone = await beta.store.get(CatalogEntry, derived_id("entry", alpha.did, "d-0000"))
    assert gone.is_gone


@pytest.mark.parametrize(
    "facts",
    [{"processes": 5}, {"processes": [["milling"], None]}, {"capabilities": 7}, {"capabilities": [{"process": {}}, 1]}],
)
async def test_a_member_that_writes_odd_facts_takes_nobody_s_catalog_away(alpha, beta, peer, facts):
    await alpha.publish(name="odd", **facts)
    await alpha.publish(name="good", processes=["milling"])
    await beta.federation.crawl(await met(beta, alpha))
    wanted = {"leftOperand": OPERANDS + "process", "operator": "eq", "rightOperand": "milling"}
    for query, count in (([], 2), ([wanted], 1)):
        _, body = await catalog(peer, beta, wire.compose("CatalogRequestMessage", filter=query))
        assert [len(one["dataset"]) for one in body["catalog"]] == [count]


async def test_crawling_what_did_not_change_changes_nothing(alpha, beta):
    source = await met(beta, alpha)
    await fill(alpha, 150)
    await beta.federation.crawl(source)
    entries, events = await beta.store.find(CatalogEntry), len(await beta.store.events())
    again = await beta.federation.crawl(source)
    assert (again.unchanged, again.added, again.changed, again.gone) == (150, 0, 0, 0)
    assert await beta.store.find(CatalogEntry) == entries
    assert len(await beta.store.events()) == events
    assert (await beta.store.get(Peer, alpha.did)).crawled_at is not None


async def test_a_dataset_that_comes_back_keeps_its_id_and_its_first_day(alpha, beta):
    source = await met(beta, alpha)
    dataset = await alpha.publish()
    await beta.federation.crawl(source)
    first = (await beta.store.find(CatalogEntry))[0]
    await alpha.federation.withdraw(dataset.id, actor="account-1")
    await beta.federation.crawl(source)
    await alpha.federation.offer(dataset)
    await beta.federation.crawl(source)
    (back,) = await beta.store.find(CatalogEntry)
    assert (back.id, back.first_seen, back.is_gone) == (first.id, first.first_seen, False)


async def test_what_a_silent_node_offered_is_stale_and_not_lost(tmp_path, beta):
    async with loopback_node(tmp_path, "Gamma") as gamma:
        source = await met(beta, gamma)
        await gamma.publish()
        await beta.federation.crawl(source)
        port = int(gamma.root.rpartition(":")[2])
    with pytest.raises(PeerUnreachable):
        await beta.federation.crawl(source)
    (entry,) = await beta.store.find(CatalogEntry)
    assert (entry.is_stale, entry.is_gone) == (True, False)
    assert (await beta.store.get(Peer, source.id)).fault
    async with loopback_node(tmp_path, "Gamma", port=port):
        assert (await beta.federation.crawl(source)).unchanged == 1
    assert not (await beta.store.find(CatalogEntry))[0].is_stale
    assert (await beta.store.get(Peer, source.id)).fault == ""


async def test_a_portal_nests_what_it_crawled_under_its_provider(tmp_path, alpha, beta, peer):
    await alpha.publish("Mill", name="mill")
    await beta.publish("Own", name="own")
    await beta.federation.crawl(await met(beta, alpha))
    _, body = await catalog(peer, beta)
    wire.check(body, "Catalog")
    (nested,) = body["catalog"]
    assert (nested["participantId"], nested["service"][0]["endpointURL"]) == (alpha.did, alpha.base)
    async with loopback_node(tmp_path, "Gamma") as gamma:
        entries = await gamma.federation.browse(await gamma.federation.meet(beta.root))
        assert {(one.provider, one.endpoint, one.title) for one in entries} == {
            (alpha.did, alpha.base, "Mill"),
            (beta.did, beta.base, "Own"),
        }
        (mill,) = [one for one in entries if one.title == "Mill"]
        agreement = await gamma.federation.negotiate(mill.provider, mill.dataset, key="k")
    assert agreement.provider == alpha.did


async def test_a_portal_shows_to_nobody_what_was_shown_to_it_alone(alpha, beta, peer):
    await alpha.publish(access=only("participant", "eq", beta.did))
    assert (await beta.federation.crawl(await met(beta, alpha))).added == 1
    assert "catalog" not in (await catalog(peer, beta))[1]


async def test_entries_that_were_only_looked_at_are_not_shown_on(alpha, beta, peer):
    await alpha.publish()
    entries = await beta.federation.browse(await beta.federation.meet(alpha.root))
    await beta.store.commit(Change().put(entries[0]))
    assert "catalog" not in (await catalog(peer, beta))[1]


async def test_an_institutes_crawled_members_reach_the_portal_and_leave_it_again(tmp_path, alpha, beta):
    dataset = await alpha.publish()
    await beta.federation.crawl(await met(beta, alpha))
    async with loopback_node(tmp_path, "Portal") as portal:
        institute = await met(portal, beta)
        assert (await portal.federation.crawl(institute)).added == 1
        (entry,) = await portal.store.find(CatalogEntry)
        assert (entry.provider, entry.source) == (alpha.did, beta.did)
        await alpha.federation.withdraw(dataset.id, actor="account-1")
        await beta.federation.crawl(await beta.store.get(Peer, alpha.did))
        assert (await portal.federation.crawl(institute)).gone == 1


async def test_two_who_tell_of_the_same_dataset_make_one_entry(tmp_path, alpha, beta):
    await alpha.publish()
    await beta.federation.crawl(await met(beta, alpha))
    async with loopback_node(tmp_path, "Portal") as portal:
        first, second = await met(portal, alpha), await met(portal, beta)
        assert (await portal.federation.crawl(first)).added == 1
        assert (await portal.federation.crawl(second)).added == 0
        assert (await portal.federation.crawl(second)).gone == 0
        assert await portal.store.count(CatalogEntry) == 1


async def broken_peer(answer):
    """Serve a catalog that is not one."""
    listener = bound_socket()
    root = f"http://localhost:{listener.getsockname()[1]}"

    async def endpoint(_):
        return answer(root)

    return listener, Peer(id="did:web:broken", name="Broken", root=root, endpoint=root), endpoint


def _own(**fields):
    return msgspec.json.encode(wire.compose("Catalog", **{"@id": "c", "participantId": "did:web:broken", **fields}))


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: Response(b"junk"),
        lambda _: Response(b"", status_code=500),
        lambda _: Response(b'{"@type":"Catalog"}'),
        lambda _: Response(b"x" * 9_000_000),
        lambda _: Response(_own(participantId="did:web:else")),
        lambda _: Response(_own(dataset=[{"@id": "d"}])),
        lambda root: Response(_own(), headers={"Link": f'<{root}/catalog/request>; rel="next"'}),
        lambda _: Response(_own(), headers={"Link": '<http://169.254.169.254/>; rel="next"'}),
    ],
)
async def test_a_catalog_that_is_none_is_an_error_of_its_node_and_noted(beta, answer, monkeypatch):
    monkeypatch.setattr("interwork.federation.crawling.PAGES_MAX", 5)
    listener, source, endpoint = await broken_peer(answer)
    app = Starlette(routes=[Route("/catalog/request", endpoint, methods=["GET", "POST"])])
    async with served(app, listener):
        with pytest.raises(Exception) as caught, anyio.fail_after(30):  # noqa: PT011 - several kinds, checked below
            await beta.federation.crawl(source)
    assert isinstance(caught.value, PeerError | BadInput) or caught.value.code == "refused"
    assert (await beta.store.get(Peer, source.id)).fault


async def test_a_nested_catalog_that_cannot_be_read_does_not_hide_the_others(beta):
    dataset = {
        "@id": "d",
        "hasPolicy": [{"@id": "o", "@type": "Offer", "permission": [{"action": "use"}]}],
        "distribution": [{"format": "f", "accessService": "s"}],
    }
    nameless = {"@id": "n", "@type": "Catalog", "dataset": [dataset]}
    content = _own(dataset=[dataset], catalog=[nameless])
    listener, source, endpoint = await broken_peer(lambda _: Response(content))
    app = Starlette(routes=[Route("/catalog/request", endpoint, methods=["POST"])])
    async with served(app, listener):
        (entry,) = await beta.federation.browse(source)
    assert (entry.provider, entry.kind, entry.title) == ("did:web:broken", DatasetKind.RECORD, "d")
