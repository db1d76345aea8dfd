"""The portal's round: crawl each member's catalog, keep what is fresh, read the evidence offered for our projects."""

import anyio
import structlog

from interwork.consortium import read_directory
from interwork.core.errors import InterworkError
from interwork.core.exchange import Peer
from interwork.core.organisation import Organisation
from interwork.flows.fund_project import read_evidence
from interwork.flows.node import Node
from interwork.store import Change

log = structlog.get_logger()
CRAWL_MAX_S = 60.0
"""Longest time one member's catalog may take."""


async def work(node: Node) -> None:
    """Crawl for ever, one round every `crawl_s`, and at once when a member is admitted."""
    crawled: set[str] = set()
    async with node.store.changes() as changes:
        due = 0.0
        while True:
            peers = await node.store.find(Peer, is_crawled=True, limit=1000)
            is_due = anyio.current_time() >= due
            if is_due:
                due = anyio.current_time() + node.settings.crawl_s
            for peer in peers:
                if is_due or peer.id not in crawled:
                    crawled.add(peer.id)
                    await crawl_one(node, peer)
            if node.has_institute and (is_due or peers):
                await read_evidence(node)
            with anyio.move_on_after(max(0.1, due - anyio.current_time())):
                await changes.receive()
                await anyio.sleep(0.2)


async def crawl_one(node: Node, peer: Peer) -> None:
    """Crawl one member; a fault is its own, kept on its record, and stops nobody else."""
    try:
        with anyio.fail_after(CRAWL_MAX_S):
            crawled = await node.federation.crawl(peer)
    except (InterworkError, TimeoutError) as fault:
        log.warning("catalog.uncrawled", peer=peer.name, fault=str(fault))
        return
    log.info("catalog.crawled", peer=peer.name, added=crawled.added, changed=crawled.changed, gone=crawled.gone)


async def fill_directory(node: Node, text: str, source: str) -> int:
    """Record the public facts of real institutes, once."""
    bodies = read_directory(text, source)
    change = Change(once=f"directory:{source}")
    for body in bodies:
        if await node.store.peek(Organisation, body.id) is None:
            change.put(body)
    await node.store.commit(change)
    return len(bodies)
