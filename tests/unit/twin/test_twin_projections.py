import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.errors import BadInput
from interwork.core.resource import Facet, Resource, ResourceKind
from interwork.twin import identifier_of, object_of, object_types, shell, submodel, value_of, value_only

MILL = Resource(id="resource-1", name="5-axis mill #2", kind=ResourceKind.MACHINE, owner="org-1")
AT = datetime(2026, 1, 1, tzinfo=UTC)


def facet(**values):
    return Facet(id="facet-1", resource="resource-1", name="Nameplate", semantic_id="urn:x", values=values)


def test_a_shell_refers_to_its_submodels_and_has_a_lawful_id_short():
    made = shell(MILL, [facet(A=1)])
    assert made["submodels"][0]["keys"] == [{"type": "Submodel", "value": "facet-1"}]
    assert made["idShort"] == "x_5_axis_mill_2"


def test_empty_values_and_empty_lists_are_left_out():
    assert "submodelElements" not in submodel(facet(A="", B=None, C=[]))


def test_values_keep_their_types_and_lists_their_order():
    made = submodel(facet(Mass=1.5, On=True, Count=3, Box=[3.0, 1.0], Inner={"A": "b"}))
    kinds = {one["idShort"]: one.get("valueType", one["modelType"]) for one in made["submodelElements"]}
    assert kinds["Mass"] == "xs:double"
    assert (kinds["On"], kinds["Count"], kinds["Inner"]) == ("xs:boolean", "xs:long", "SubmodelElementCollection")
    assert [one["value"] for one in made["submodelElements"][3]["value"]] == ["3.0", "1.0"]


def test_value_only_is_the_values_under_their_id_shorts():
    assert value_only(facet(Mass=1.5, Empty="")) == {"Mass": 1.5}


@given(st.text(min_size=1))
def test_any_identifier_survives_base64url_without_padding(identifier):
    raw = identifier.encode("utf-8", "surrogatepass")
    encoded = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    try:
        raw.decode()
    except UnicodeDecodeError:
        return
    assert identifier_of(encoded) == identifier


@pytest.mark.parametrize("garbage", ["%%%", "a", "_w"])
def test_garbage_for_an_identifier_is_bad_input(garbage):
    with pytest.raises(BadInput):
        identifier_of(garbage)


def test_i3x_never_makes_up_a_value_for_bad_quality():
    assert value_of(3.0, 0x8031_0000, AT) == {"value": None, "quality": "Bad", "timestamp": "2026-01-01T00:00:00.000Z"}
    assert value_of(float("nan"), 0, AT)["quality"] == "GoodNoData"
    assert value_of(3.0, 0x4090_0000, AT)["quality"] == "Uncertain"


def test_every_i3x_object_has_a_type_that_is_listed():
    assert object_of(MILL)["typeElementId"] in {one["elementId"] for one in object_types()}
