"""Node ids as addresses: namespaces by URI, and what is no node id."""

import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from interwork.connectors.opcua.space import address_of, node_of
from interwork.core.errors import BadInput

NAMESPACES = ["http://opcfoundation.org/UA/", "urn:server", "urn:a;b", "urn:machine"]


@pytest.mark.parametrize(
    ("node", "address"),
    [
        (ua.NodeId(85, 0), "i=85"),
        (ua.NodeId("a;b=c", 3), "nsu=urn:machine;s=a;b=c"),
        (ua.NodeId(7, 2), "ns=2;i=7"),
        (ua.NodeId(7, 1), "ns=1;i=7"),
        (ua.NodeId(7, 9), "ns=9;i=7"),
    ],
)
def test_an_address_names_the_namespace_by_uri_and_reads_back(node, address):
    assert address_of(node, NAMESPACES) == address
    assert node_of(address, NAMESPACES) == node


def test_an_address_survives_a_new_order_of_namespaces():
    address = address_of(ua.NodeId("x", 3), NAMESPACES)
    assert node_of(address, ["0", "urn:machine"]) == ua.NodeId("x", 1)
    assert node_of(address, ["0"]) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "Machine", "ns=x;i=1", "nsu=urn:machine", "nsu=urn:x;zz", "i=one"),
        *("ns=70000;i=5", "ns=-1;i=3", "i=-5", "i=4294967296", "foo=1;i=5", "svr=3;i=5"),
        *("ns=2;nsu=urn:machine;s=y", "nsu=urn:machine;ns=3;i=4", "index=0;nsu=urn:machine;s=y", "nsu=urn:x;i=-1"),
    ],
)
def test_what_is_no_node_id_is_bad_input(text):
    with pytest.raises(BadInput):
        node_of(text, NAMESPACES)


@given(st.text(max_size=30))
@settings(deadline=None)
def test_any_text_is_a_node_or_none_or_bad_input(text):
    try:
        assert node_of(text, NAMESPACES) is None or isinstance(node_of(text, NAMESPACES), ua.NodeId)
    except BadInput:
        assert True
