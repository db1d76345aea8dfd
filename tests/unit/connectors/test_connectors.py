"""Finding a connector by its endpoint's scheme."""

import pytest
from machines.entries import registered_connectors

from interwork.connectors import open_connector, schemes
from interwork.connectors.opcua import OpcUaConnector
from interwork.core.errors import BadInput


@pytest.fixture(autouse=True)
def _registered():
    with registered_connectors("gpib = test_connectors:Gpib"):
        yield


class Gpib:
    """A third party's connector."""

    def __init__(self, endpoint, options):
        self.made_from = endpoint, options


def test_the_scheme_chooses_the_connector():
    assert isinstance(open_connector("opc.tcp://127.0.0.1:4840", {}), OpcUaConnector)


def test_a_connector_of_another_distribution_is_found_by_its_entry_point():
    assert open_connector("gpib://7", {"a": 1}).made_from == ("gpib://7", {"a": 1})
    assert "gpib" in schemes()


@pytest.mark.parametrize("endpoint", ["", "opc.tcp", "127.0.0.1:4840", "dnp3://plc", "://x"])
def test_what_no_connector_reaches_is_bad_input_naming_the_known_schemes(endpoint):
    with pytest.raises(BadInput, match=r"gpib://.*mqtt://"):
        open_connector(endpoint, {})
