"""Where `make setup-test` put the servers and clients nobody here wrote, or why they are not there."""

import os
import shutil
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / ".venv" / "peers"
NODE_PEERS = FOLDER / "node_modules"
NODE = FOLDER / "node"


def reason_missing(name):
    """Say why a peer is not here: what the set-up wrote down, or that it was not run."""
    listed = FOLDER / "missing.txt"
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    return next((line for line in lines if line.startswith(f"{name}: ")), f"{name}: `make setup-test` was not run")


def program(name):
    """Find a Debian program, also where daemons lie outside a person's path; None where it is not installed."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


needs_node_peers = pytest.mark.skipif(not (NODE_PEERS.is_dir() and NODE.exists()), reason=reason_missing("node-peers"))
needs_mosquitto = pytest.mark.skipif(not program("mosquitto"), reason=reason_missing("mosquitto"))
needs_mbpoll = pytest.mark.skipif(not program("mbpoll"), reason=reason_missing("mbpoll"))
