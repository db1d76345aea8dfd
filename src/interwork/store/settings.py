"""A node's own file `node.toml` in its data folder: read whole, and an unknown key is an error that names it."""

import os
from pathlib import Path

import msgspec

from interwork.core.errors import BadInput, NotFound
from interwork.core.settings import Settings

SETTINGS_FILE = "node.toml"
TOKEN_FILE = "cli-token"  # noqa: S105 - the name of a file
"""Where the command line's own token is kept, beside it."""


def read_settings(folder: Path, name: str = SETTINGS_FILE) -> Settings:
    """Read `node.toml` and `INTERWORK_…` variables; an unknown key is an error that names it."""
    path = folder / name
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as fault:
        raise NotFound(
            f"{folder} holds no node.", remedy="Make one with `interwork init --data FOLDER --name NAME`."
        ) from fault
    except OSError as fault:
        raise BadInput(
            f"It cannot be read: {fault.strerror}.", where=str(path), remedy="Mend its permissions."
        ) from fault
    try:
        settings = msgspec.toml.decode(text, type=Settings)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise BadInput(f"{fault}.", where=str(path), remedy="Mend the key, or take it out.") from fault
    changes: dict[str, str | int] = {}
    if port := os.environ.get("INTERWORK_PORT"):
        if not port.isdecimal():
            raise BadInput(f"INTERWORK_PORT={port!r} is not a port.", remedy="Give a number from 1 to 65535.")
        changes["port"] = int(port)
    if database := os.environ.get("INTERWORK_DATABASE"):
        changes["database"] = database
    return msgspec.structs.replace(settings, **changes)
