"""Stores in a fresh file, and a volume that is soon full."""

import os
import subprocess

import pytest

from interwork.store import Store


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/node.db"


@pytest.fixture
async def store(url):
    async with await Store.open(url) as opened:
        yield opened


@pytest.fixture
def small_volume(tmp_path):
    """A volume of four mebibytes of its own; only root may mount one."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small volume")
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    if mounted.returncode:
        pytest.skip(f"a small volume cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True, timeout=20)
