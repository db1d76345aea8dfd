"""Classes and findings follow the rules with their numbers."""

import pytest
from design_shapes import geometry, hole

from interwork.core.taxonomy import MATERIALS
from interwork.design.making.manufacturability import classify, find, needs_five_axes

ALUMINIUM, PA12 = MATERIALS["al-6061"], MATERIALS["pa12"]
SHEET = geometry(
    box_mm=(200.0, 100.0, 2.0), volume_mm3=40_000.0, area_mm2=41_200.0, wall_mm=(2.0, 2.0), sheet_share=0.97
)


@pytest.mark.parametrize(
    ("shape", "material", "quantity", "name"),
    [
        (geometry(), ALUMINIUM, 1, "milled"),
        (SHEET, ALUMINIUM, 1, "sheet"),
        (geometry(revolved_share=0.97), ALUMINIUM, 1, "turned"),
        (geometry(revolved_share=0.85, is_round=True), ALUMINIUM, 1, "turned"),
        (geometry(revolved_share=0.85), ALUMINIUM, 1, "milled"),
        (geometry(wall_mm=(5.0, 5.0), sheet_share=1.0, volume_mm3=125.0, area_mm2=150.0), ALUMINIUM, 1, "milled"),
        (geometry(unreached_share=0.2), PA12, 10, "printed"),
        (geometry(unreached_share=0.2), PA12, 500, "milled"),
        (geometry(unreached_share=0.2), ALUMINIUM, 10, "milled"),
        (geometry(), PA12, 10, "milled"),
    ],
)
def test_a_shape_is_classed_by_its_figures(shape, material, quantity, name):
    found, reasons = classify(shape, material, quantity)
    assert found == name
    assert reasons[-1].lower().startswith(name)
    assert all(any(sign.isdigit() for sign in reason) for reason in reasons)


@pytest.mark.parametrize(
    ("changed", "tolerance_mm", "word"),
    [
        ({"holes": (hole(4.0, 30.0),)}, 0.1, "Ø4 × 30 mm = 7.5 D (rule: over 5 D"),
        ({"holes": (hole(0.5, 1.0),)}, 0.1, "Holes under Ø1 mm: 1, the smallest Ø0.5"),
        ({"holes": None}, 0.1, "Holes were not recognised"),
        ({"wall_mm": (0.5, 20.0)}, 0.1, "0.5 mm (rule: under 0.8 mm"),
        ({"wall_mm": None}, 0.1, "Walls were not measured"),
        ({"box_mm": (1500.0, 80.0, 25.0)}, 0.1, "1500 mm long"),
        ({"box_mm": (67_000.0, 80.0, 25.0)}, 0.1, "Unit suspect"),
        ({"box_mm": (0.05, 0.01, 0.01)}, 0.1, "Unit suspect"),
        ({"is_closed": False}, 0.1, "not closed"),
        ({"unreached_share": 0.03}, 0.1, "3.0% of the area out of reach"),
        ({"setups": 5}, 0.1, "5 set-ups"),
        ({"notes": ("The measured volume, 1 mm³, disagrees with the file's own, 2.",)}, 0.1, "disagrees"),
        ({}, 0.005, "rule: 0.01 mm"),
    ],
)
def test_what_may_trouble_the_shop_is_found_with_rule_and_number(changed, tolerance_mm, word):
    assert word in "\n".join(one.text for one in find(geometry(**changed), ALUMINIUM, "milled", tolerance_mm))


def test_a_plain_part_has_no_findings():
    assert find(geometry(), ALUMINIUM, "milled", 0.1) == []


def test_thin_is_no_finding_where_sheet_is_meant():
    assert find(geometry(wall_mm=(0.5, 0.5)), ALUMINIUM, "sheet", 0.2) == []


def test_four_set_ups_want_five_axes_and_three_do_not():
    assert needs_five_axes(geometry(setups=4))
    assert not needs_five_axes(geometry(setups=3))
