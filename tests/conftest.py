"""What every test shares: the event loop, and that no example of Hypothesis fails for a computer that is busy."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any computer", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any computer")


@pytest.fixture
def anyio_backend():
    return "asyncio"
