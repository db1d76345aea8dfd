"""What every test shares: the event loop."""

import pytest


@pytest.fixture
def anyio_backend():
    return "asyncio"
