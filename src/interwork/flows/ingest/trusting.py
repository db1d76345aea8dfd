"""Which OPC UA servers' certificates a node accepts: seen, trusted, refused again and forgotten by a person.

The folder is the same as that of `interwork trust`; here each decision is an event, and machines that were refused
for their certificate are tried at once.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
from anyio.to_thread import run_sync

from interwork.connectors.opcua import pki
from interwork.connectors.opcua.pki import Certificate
from interwork.core.blueprint import LinkState
from interwork.core.event import Tag
from interwork.flows.node import Node
from interwork.store import Change

FILE_MAX = 100_000
"""Octets of a certificate that is brought as a file, at the most."""


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """The certificates a node knows."""

    own: Certificate | None
    """Its own, which a server may have to trust; None before the first OPC UA machine."""
    trusted: tuple[Certificate, ...]
    rejected: tuple[Certificate, ...]


def folder_of(node: Node) -> Path:
    """Tell where a node keeps its OPC UA certificates."""
    return node.folder / "keys" / "opcua"


async def certificates(node: Node) -> Trust:
    """List the certificates, the newest first."""
    folder = folder_of(node)
    return Trust(
        own=await run_sync(pki.own, folder),
        trusted=tuple(await run_sync(pki.trusted, folder)),
        rejected=tuple(await run_sync(pki.rejected, folder)),
    )


async def trust(node: Node, thumbprint: str, *, actor: str) -> Certificate:
    """Trust a refused certificate, and try the machines at once that wait for it."""
    made = await _decide(node, pki.trust, thumbprint, actor, "trusted")
    for link in node.links.by_resource.values():
        if link.state is LinkState.FAILED and link.endpoint.startswith("opc.tcp://"):
            link.kick.set()
    return made


async def distrust(node: Node, thumbprint: str, *, actor: str) -> Certificate:
    """Trust a certificate no longer; its server is refused at its next connection."""
    return await _decide(node, pki.distrust, thumbprint, actor, "refused")


async def forget(node: Node, thumbprint: str, *, actor: str) -> Certificate:
    """Take a refused certificate off the list; its server shows it again when it is asked again."""
    return await _decide(node, pki.forget, thumbprint, actor, "forgotten")


async def _decide(
    node: Node, decide: Callable[[Path, str], Certificate], thumbprint: str, actor: str, state: str
) -> Certificate:
    made = await run_sync(decide, folder_of(node), thumbprint)
    detail = {"name": made.name or made.uri, "thumbprint": made.thumbprint, "state": state}
    await node.store.commit(Change(actor).event(Tag.CERTIFICATE_DECIDED, node.did, **detail))
    return made
