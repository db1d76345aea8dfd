"""What other nodes wrote: read as it was agreed, and told and left out where it was not."""

import pytest
from flows_world import START
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from interwork.core.exchange import PROPERTIES, CatalogEntry, DatasetKind
from interwork.flows.records import offers_of

MILL = {"id": "resource-1", "name": "Mill", "capabilities": [{"process": "milling", "materials": ["aluminium"]}]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*MILL, "place", "x"]), inner),
    max_leaves=12,
)


def entry(facts):
    return CatalogEntry(
        id="entry-1", provider="did:web:alder.example", provider_name="Alder", endpoint="https://alder.example/dsp",
        dataset="d-1", kind=DatasetKind.CAPACITY, title="Quotes", body={"@id": "d-1", PROPERTIES: facts},
        digest="sha256:0", first_seen=START, seen=START, changed=START,
    )  # fmt: skip


@given(JSON)
def test_nothing_a_provider_writes_of_its_machines_ends_a_search(told):
    for facts in (told, {"resources": told}, {"resources": [told, MILL]}):
        offers_of(entry(facts))


@pytest.mark.parametrize("odd", [{"name": "No id"}, 7, {**MILL, "capabilities": "milling"}, {**MILL, "place": []}])
def test_a_machine_that_cannot_be_read_is_told_and_the_others_are_offered(odd):
    with capture_logs() as logs:
        (offer,) = offers_of(entry({"resources": [odd, MILL]}))
    assert (offer.resource, offer.capabilities[0].process) == ("resource-1", "milling")
    assert [(one["event"], one["dataset"]) for one in logs] == [("capacity.unread", "d-1")]
