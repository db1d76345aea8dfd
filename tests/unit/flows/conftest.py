"""One member's node and one institute's node, opened afresh for each test."""

import pytest
from flows_world import HeldClock, opened


@pytest.fixture
def clock():
    return HeldClock()


@pytest.fixture
async def shop(tmp_path, clock):
    async with opened(tmp_path / "shop", clock=clock) as node:
        yield node


@pytest.fixture
async def institute(tmp_path, clock):
    async with opened(tmp_path / "institute", name="Lakeside", roles=("institute",), clock=clock) as node:
        yield node
