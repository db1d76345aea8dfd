"""The shared lake and log of a node's `[scale]`, with the passwords its settings name."""

from pathlib import Path

from interwork.core.errors import BadInput
from interwork.core.settings import Scale
from interwork.store.secrets import PREFIX, Secrets
from interwork.stream.scale.log import Log
from interwork.stream.scale.place import Place


def lake_of(folder: Path, scale: Scale) -> tuple[Place, Log]:
    """Take the addresses of the shared lake and log from the settings, with this node's secrets."""
    secrets_held = Secrets(folder / "keys")

    def reveal(reference: str) -> str:
        if not reference.startswith(PREFIX):
            raise BadInput(
                "A password of [scale] stands in node.toml in plain text.",
                remedy='Keep it with `interwork secret set NAME`, then say "secret:NAME".',
            )
        return secrets_held.get(reference.removeprefix(PREFIX))

    return Place.of(scale, reveal), Log(scale, reveal(scale.log_password) if scale.log_password else "")
