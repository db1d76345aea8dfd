"""What every test shares: the event loop, and how Hypothesis draws its examples.

The same examples each run, however busy the computer: what fails, fails everywhere, and for what was changed. Other
examples are drawn by `pytest --hypothesis-profile=default`.
"""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")


@pytest.fixture
def anyio_backend():
    return "asyncio"
