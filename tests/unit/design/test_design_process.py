"""A draft plan names class, stock, operations and requirements, and refuses what cannot be planned."""

import math

import pytest
from design_shapes import AT, geometry, hole

from interwork.core.errors import BadInput, UnknownMaterial
from interwork.core.taxonomy import PROCESSES
from interwork.design import Known, draft_process_plan

TURNED = geometry(
    box_mm=(100.0, 100.0, 40.0),
    volume_mm3=160_000.0,
    holes=(hole(30.0, 40.0), hole(9.0, 12.0, at=(40.0, 0.0, 0.0))),
    revolved_share=1.0,
    revolved_axis=(0.0, 0.0, 1.0),
    revolved_at=(0.0, 0.0, 5.0),
    is_round=True,
)
FLAT = geometry(
    box_mm=(200.0, 100.0, 2.0), volume_mm3=40_000.0, area_mm2=41_200.0, wall_mm=(2.0, 2.0), sheet_share=0.97
)
PRINTED = geometry(unreached_share=0.2)


def draft(shape=None, material="al-6061", quantity=12, tolerance_mm=0.1, **more):
    known = Known(**more) if more else None
    return draft_process_plan("rev-1", shape or geometry(), material, quantity, tolerance_mm, at=AT, known=known)


def wanted(operation):
    return {rule.name: rule.value for rule in operation.requirements}


def test_a_milled_part_has_one_operation_per_set_up_then_deburring_and_inspection():
    plan = draft()
    names = [operation.name for operation in plan.operations]
    assert names == ["Mill from +Z, set-up 1 of 2", "Mill from -Z, set-up 2 of 2", "Deburr", "Inspect"]
    assert plan.stock_mm == (124.0, 84.0, 29.0)


def test_operations_follow_one_another():
    operations = draft().operations
    assert operations[0].after == ()
    assert [operation.after for operation in operations[1:]] == [(one.id,) for one in operations[:-1]]


def test_removal_of_all_set_ups_is_stock_less_part():
    plan = draft()
    assert sum(one.removal_mm3 for one in plan.operations) == pytest.approx(124 * 84 * 29 - 196_900, abs=1)
    assert plan.stock_mass_kg == pytest.approx(124 * 84 * 29 * 2700e-9, rel=1e-6)


@pytest.mark.parametrize("shape", [geometry(), TURNED, FLAT, geometry(setups=5), geometry(holes=None)])
def test_every_operation_names_a_process_of_the_table_and_says_where_each_demand_is_from(shape):
    for operation in draft(shape, certificates=("ISO 9001",)).operations:
        assert operation.process in PROCESSES
        assert {"process", "envelope_mm", "mass_kg", "certificate"} <= wanted(operation).keys()
        assert wanted(operation)["process"] == operation.process
        assert all(rule.source for rule in operation.requirements)
        assert 0 < operation.machining_low_s < operation.machining_s < operation.machining_high_s
        assert operation.basis


def test_the_measuring_machine_holds_a_fifth_of_the_tolerance():
    inspect = draft(tolerance_mm=0.05).operations[-1]
    assert wanted(inspect)["tolerance_mm"] == pytest.approx(0.01)
    assert "golden rule" in next(r.source for r in inspect.requirements if r.name == "tolerance_mm")


def test_many_set_ups_become_two_clampings_on_five_axes():
    operations = draft(geometry(setups=5, approaches=("+Z", "-Z", "+X", "-X", "+Y"))).operations
    assert [one.process for one in operations[:2]] == ["milling-5-axis"] * 2
    assert wanted(operations[0])["axes"] == 5


def test_a_hole_is_drilled_in_the_set_up_that_comes_along_it():
    across = geometry(holes=(hole(axis=(0.0, 1.0, 0.0)),), setups=2, approaches=("+Z", "-Y"))
    first, second = draft(across).operations[:2]
    assert "0 holes" in first.basis
    assert "1 holes" in second.basis


def test_a_turned_part_is_turned_from_the_bar_and_drilled_off_the_axis():
    plan = draft(TURNED)
    assert [one.process for one in plan.operations] == ["turning", "milling-3-axis", "deburring", "inspection"]
    assert plan.stock_mm == (102.0, 102.0, 44.0)
    assert plan.operations[1].removal_mm3 == pytest.approx(math.pi / 4 * 81 * 12, abs=0.1)
    assert wanted(plan.operations[0])["axes"] == 2


def test_a_turned_part_with_holes_on_its_axis_alone_needs_no_mill():
    plan = draft(
        geometry(**{**{k: getattr(TURNED, k) for k in TURNED.__struct_fields__}, "holes": (hole(30.0, 40.0),)})
    )
    assert [one.process for one in plan.operations] == ["turning", "deburring", "inspection"]


def test_flat_sheet_is_cut_and_bent_sheet_is_bent_too():
    bent = geometry(
        box_mm=(200.0, 60.0, 40.0), volume_mm3=40_000.0, area_mm2=41_200.0, wall_mm=(2.0, 2.0), sheet_share=0.97
    )
    assert [one.process for one in draft(FLAT).operations][:1] == ["sheet-cutting"]
    assert [one.process for one in draft(bent).operations][:2] == ["sheet-cutting", "sheet-bending"]
    assert draft(bent).stock_mm == (210.0, 110.0, 2.0)


def test_a_complex_polymer_part_is_printed():
    plan = draft(PRINTED, material="pa12")
    assert [one.process for one in plan.operations] == ["additive-polymer", "deburring", "inspection"]
    assert plan.stock_mass_kg == pytest.approx(1.3 * plan.part_mass_kg, rel=1e-4)


def test_the_same_input_gives_the_same_ids_and_another_quantity_gives_others():
    assert draft() == draft()
    assert draft().id != draft(quantity=13).id
    assert draft().operations[0].id != draft(quantity=13).operations[0].id


def test_a_denser_material_weighs_more_and_a_harder_one_takes_longer():
    steel, aluminium = draft(material="steel-1045"), draft()
    assert steel.part_mass_kg > aluminium.part_mass_kg
    assert steel.operations[0].machining_s > aluminium.operations[0].machining_s


def test_much_stock_for_little_part_is_a_finding():
    assert any("kg of stock for 1 kg of part" in finding for finding in draft(geometry(volume_mm3=20_000.0)).findings)


@pytest.mark.parametrize("quantity", [0, -1, 1.5, True, 10**7, "3"])
def test_a_quantity_that_is_no_whole_number_from_one_is_refused(quantity):
    with pytest.raises(BadInput, match="quantity"):
        draft(quantity=quantity)


@pytest.mark.parametrize("tolerance_mm", [0, -0.1, math.nan, math.inf])
def test_a_tolerance_that_is_not_more_than_zero_is_refused(tolerance_mm):
    with pytest.raises(BadInput, match="tolerance"):
        draft(tolerance_mm=tolerance_mm)


def test_an_assembly_and_a_shape_without_inside_are_refused():
    with pytest.raises(BadInput, match="18 separate bodies"):
        draft(geometry(bodies=18))
    for flat in (geometry(volume_mm3=0.0), geometry(volume_mm3=1e-9), geometry(volume_mm3=0.0, box_mm=(9.0, 9.0, 0.0))):
        with pytest.raises(BadInput, match="no inside"):
            draft(flat)


def test_an_unknown_material_is_refused():
    with pytest.raises(UnknownMaterial, match="unobtainium"):
        draft(material="unobtainium")


def test_the_measured_bracket_is_milled_in_two_set_ups(bracket):
    plan = draft(bracket.geometry)
    assert plan.process_class == "milled"
    assert [one.process for one in plan.operations] == ["milling-3-axis"] * 2 + ["deburring", "inspection"]
