"""Shapes the design tests share, measured once."""

import pytest

from interwork.design import worker
from interwork.design.solid import SENSOR_BRACKET, write_step


@pytest.fixture(scope="session")
def bracket_step():
    return write_step(SENSOR_BRACKET)


@pytest.fixture(scope="session")
def bracket(bracket_step):
    return worker.examine(bracket_step, "step")
