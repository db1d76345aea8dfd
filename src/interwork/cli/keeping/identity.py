"""The verb `identity`: who this node is to its peers, with which keys; and a new key.

It works on the folder itself, so it needs no running node; one that runs signs with the new key at once.
"""

import argparse
from pathlib import Path
from typing import Any

import anyio

from interwork.cli.calls import add_data, show
from interwork.core.event import Tag
from interwork.federation import Identity
from interwork.store import Change, Store
from interwork.store.settings import read_settings

_AFTER = """\
The node signs with the new key from now on, also where it runs. Peers have nothing to do: they read the node's DID
document again when they meet a key they do not know, so agreements, memberships and transfers go on, and within a
minute they let nobody in with an older key. The older keys stay in the document, for what they once signed to stay
verifiable. Make a new backup."""


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verb of this file."""
    verb = verbs.add_parser(
        "identity",
        help="who this node is to its peers and with which keys; --rotate makes a new key",
        description="Without --rotate, the node's DID and its keys are printed, the one that signs first.",
        epilog=f"After --rotate: {_AFTER}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data(verb)
    verb.add_argument("--rotate", action="store_true", help="make a new key and sign with it from now on")
    verb.add_argument("--algorithm", choices=("ES256", "Ed25519"), default="ES256", help="of the new key (%(default)s)")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show who the node is; with --rotate, after making a new key."""
    folder: Path = arguments.data
    root = read_settings(folder).root()
    identity = Identity.open(folder / "keys", root)
    if arguments.rotate:
        Identity.rotate(folder / "keys", algorithm=arguments.algorithm)
        identity = Identity.open(folder / "keys", root)
        anyio.run(_note, folder, identity)
    document = identity.document()
    held = [one["id"] for one in document["verificationMethod"]]
    if arguments.json:
        show({"did": identity.did, "signs": identity.kid, "keys": held})
        return 0
    print(identity.did)
    for kid in held:
        print(f"{'signs' if kid == identity.kid else 'older'}  {kid.rpartition('#')[2]}")
    if arguments.rotate:
        print(_AFTER)
    return 0


async def _note(folder: Path, identity: Identity) -> None:
    """Put the new key into the event chain, which says from when on it signs for this node."""
    settings = read_settings(folder)
    async with await Store.open(settings.database or f"sqlite:///{folder / 'state.sqlite3'}") as store:
        await store.commit(Change().event(Tag.KEY_ROTATED, identity.did, kid=identity.kid))
