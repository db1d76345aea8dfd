"""Nodes and peers for the federation's tests."""

import pytest
from loopback_nodes import loopback_node, scripted_peer


@pytest.fixture
async def alpha(tmp_path):
    async with loopback_node(tmp_path, "Alpha") as node:
        yield node


@pytest.fixture
async def beta(tmp_path):
    async with loopback_node(tmp_path, "Beta") as node:
        yield node


@pytest.fixture
async def peer(tmp_path):
    async with scripted_peer(tmp_path, "Peer") as scripted:
        yield scripted


@pytest.fixture
async def other(tmp_path):
    async with scripted_peer(tmp_path, "Other") as scripted:
        yield scripted
