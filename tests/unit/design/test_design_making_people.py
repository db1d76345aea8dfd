"""What people and shops add to a plan: own limits, stated tolerances, finished runs, changes, templates."""

import msgspec
import pytest
from design_shapes import AT, geometry, hole

from interwork.core.design import Characteristic, FlatPattern, PlanTime, Printing, Requirement
from interwork.core.errors import BadInput
from interwork.core.resource import Capability
from interwork.core.taxonomy import MATERIALS
from interwork.design import Known, draft_process_plan
from interwork.design.making.calibrating import FinishedRun, calibrate
from interwork.design.making.editing import Edit, edit_plan
from interwork.design.making.limits import Shop, limits_for
from interwork.design.making.manufacturability import find
from interwork.design.making.templating import apply_template, make_template

ALUMINIUM = MATERIALS["al-6061"]
THIN = {"wall_mm": (0.5, 20.0), "wall_at": (1.0, 2.0, 3.0)}


def shop(**limits):
    return Shop(name="Mill 2", capabilities=(Capability(process="milling-3-axis", limits=limits),))


def draft(shape=None, *, material="al-6061", quantity=12, tolerance_mm=0.1, **known):
    return draft_process_plan(
        "rev-1", shape or geometry(), material, quantity, tolerance_mm, at=AT, known=Known(**known)
    )


def bore(lower=-0.01, upper=0.01):
    return Characteristic(
        id="char-1", kind="diameter", name="Bore", key="#7", nominal=30.0, lower=lower, upper=upper, datums=("A",)
    )


def edited(plan, *edits, why="we know better"):
    return edit_plan(plan, edits, by="Ada", why=why, at=AT)


def wanted(operation):
    return {rule.name: rule.value for rule in operation.requirements}


def test_a_shop_s_own_limit_overrides_the_default_and_is_named():
    """design 36: coarser or finer, the shop's number counts and the report says whose it was."""
    (held,) = find(geometry(**THIN), ALUMINIUM, "milled", 0.1)
    assert (held.limit_of, held.limit, held.at) == ("default", 0.8, (1.0, 2.0, 3.0))
    own = limits_for("milled", "aluminium", (shop(min_wall_mm=0.4),))
    assert find(geometry(**THIN), ALUMINIUM, "milled", 0.1, own) == []
    coarse = limits_for("milled", "aluminium", (shop(min_wall_mm=1.2),))
    (found,) = find(geometry(wall_mm=(1.0, 20.0)), ALUMINIUM, "milled", 0.1, coarse)
    assert (found.limit_of, found.limit) == ("Mill 2", 1.2)
    assert "of Mill 2" in found.text


def test_of_several_machines_the_most_able_sets_the_limit_and_others_do_not_count():
    shops = (shop(min_wall_mm=1.2), Shop(name="Mill 3", capabilities=shop(min_wall_mm=0.3).capabilities))
    lathe = Shop(name="Lathe", capabilities=(Capability(process="turning", limits={"min_wall_mm": 0.1}),))
    assert limits_for("milled", "aluminium", (*shops, lathe))["min_wall_mm"].of == "Mill 3"


def test_a_plan_drafted_at_a_shop_carries_whose_limit_it_was():
    plan = draft(geometry(**THIN), shops=(shop(min_wall_mm=0.6),))
    assert next(one for one in plan.found if one.rule == "min_wall_mm").limit_of == "Mill 2"


@pytest.mark.parametrize(
    ("name", "shape", "rule"),
    [
        ("milled", {"corner_mm": 0.3}, "min_corner_mm"),
        ("turned", {"box_mm": (20.0, 20.0, 300.0), "revolved_axis": (0.0, 0.0, 1.0)}, "max_slenderness"),
        ("sheet", {"wall_mm": (3.0, 3.0), "holes": (hole(1.5, 3.0),)}, "min_hole_to_thickness"),
        ("sheet", {"wall_mm": (9.0, 9.0), "holes": ()}, "max_sheet_mm"),
        (
            "printed",
            {"printing": Printing(build_axis="+Z", support_mm3=9e5, overhang_mm2=1e3, height_mm=25.0)},
            "max_support_ratio",
        ),
        ("printed", {}, "max_support_ratio"),
    ],
)
def test_every_class_has_rules_of_its_own(name, shape, rule):
    found = {one.rule: one for one in find(geometry(**shape), ALUMINIUM, name, 0.5)}
    assert rule in found


def test_stated_tolerances_set_the_demand_and_the_inspection():
    """design 34: PMI drives tolerance classes and the inspection plan."""
    plan = draft(characteristics=(bore(),))
    assert wanted(plan.operations[0])["tolerance_mm"] == pytest.approx(0.01)
    assert wanted(plan.operations[-1])["tolerance_mm"] == pytest.approx(0.002)
    assert "stated in the file" in next(one.source for one in plan.operations[0].requirements if "tol" in one.name)
    (item,) = plan.inspection
    assert (item.lower, item.upper, item.uncertainty) == (29.99, 30.01, pytest.approx(0.004))


def test_a_part_without_stated_tolerances_is_inspected_over_sizes_and_holes():
    assert {one.kind for one in draft().inspection} == {"linear_distance", "diameter"}


def test_a_metal_powder_part_is_printed_cut_off_and_inspected():
    complex_part = geometry(
        unreached_share=0.2, printing=Printing(build_axis="+X", support_mm3=1e4, overhang_mm2=9.0, height_mm=120.0)
    )
    plan = draft(complex_part, material="ti-6al4v", quantity=2)
    assert [one.process for one in plan.operations] == ["additive-metal", "sawing", "deburring", "inspection"]
    assert "along +X" in plan.operations[0].name


def test_a_person_may_choose_the_class_and_the_plan_says_so():
    plan = draft(process_class="printed", material="pa12")
    assert plan.process_class == "printed"
    assert "chosen by a person" in plan.reasons[-1]
    with pytest.raises(BadInput, match="no process class"):
        draft(process_class="forged")


def test_a_flat_pattern_needs_its_thickness_and_thicker_takes_longer_and_weighs_more():
    """design 37: doubling the thickness moves time and mass up."""
    flat = FlatPattern(
        outline_area_mm2=20_000.0, cut_length_mm=900.0, holes=2, outlines=1, bends=2, bend_length_mm=80.0, open_ends=0
    )
    drawn = geometry(box_mm=(200.0, 100.0, 0.0), volume_mm3=0.0, area_mm2=0.0, wall_mm=None, flat=flat, holes=None)
    with pytest.raises(BadInput, match="no thickness"):
        draft(drawn)
    thin, thick = draft(drawn, thickness_mm=2.0), draft(drawn, thickness_mm=4.0)
    assert [one.process for one in thin.operations[:2]] == ["sheet-cutting", "sheet-bending"]
    assert thick.part_mass_kg == pytest.approx(2 * thin.part_mass_kg)
    assert thick.operations[0].machining_s > thin.operations[0].machining_s


def estimate_of(plan, what):
    return next(one for one in plan.estimates if one.what == what)


def test_estimates_are_ranges_and_move_the_right_way():
    """design 37: quantity moves the lot, density the mass, hardness the energy; each with low, likely, high, basis."""
    one, many, steel = draft(quantity=1), draft(quantity=10), draft(material="steel-1045", quantity=1)
    for each in one.estimates:
        assert 0 < each.low <= each.likely <= each.high
        assert each.basis
    assert estimate_of(many, "time-lot").likely > 5 * estimate_of(one, "time-lot").likely - 20_000
    assert estimate_of(many, "time-part").likely == estimate_of(one, "time-part").likely
    assert estimate_of(steel, "material").likely > 2 * estimate_of(one, "material").likely
    assert estimate_of(steel, "energy-part").likely > estimate_of(one, "energy-part").likely


def runs(ratio, count=5, **changed):
    made = FinishedRun(
        process="milling-3-axis", resource="r", resource_name="Mill", estimated_s=100.0, actual_s=100.0 * ratio
    )
    return [msgspec.structs.replace(made, actual_s=made.actual_s + number, **changed) for number in range(count)]


def test_finished_runs_calibrate_the_estimate_per_process_and_resource():
    """design 37: after runs that took 1.4 times as long, the next draft takes 1.4 times as long and says why."""
    learnt = calibrate(runs(1.4))
    assert [one.resource for one in learnt] == ["", "r"]
    before, after = draft(), draft(times=tuple(one for one in learnt if not one.resource))
    assert after.operations[0].machining_s == pytest.approx(1.42 * before.operations[0].machining_s, rel=0.01)
    assert "5 finished runs" in after.operations[0].basis
    assert after.operations[0].calibration == pytest.approx(1.42, rel=0.01)
    assert after.operations[2] == msgspec.structs.replace(
        before.operations[2], id=after.operations[2].id, after=after.operations[2].after
    )


def test_two_runs_teach_nothing_and_real_ones_count_before_simulated():
    assert calibrate(runs(1.4, 2)) == []
    mixed = calibrate([*runs(1.5, 3), *runs(9.0, 9, is_simulated=True)])
    assert mixed[0].likely == pytest.approx(1.51)
    assert not mixed[0].is_simulated


def test_a_calibrated_range_is_never_a_point():
    times = (PlanTime(process="milling-3-axis", low=1.0, likely=1.0, high=1.0, runs=9),)
    first = draft(times=times).operations[0]
    assert first.machining_low_s < first.machining_s < first.machining_high_s


def test_a_person_changes_a_plan_and_each_version_says_who_what_and_why():
    plan = draft()
    first, second, deburr, inspect = plan.operations
    made = edited(
        plan,
        Edit(act="remove", operation=second.id),
        Edit(act="change", operation=first.id, seconds=first.machining_s * 1.5),
        Edit(act="move", operation=inspect.id, to=1),
        Edit(act="add", operation=deburr.id, name="Wash", process="deburring", seconds=30.0),
        why="one fixture",
    )
    assert [one.name for one in made.operations] == ["Inspect", first.name, "Deburr", "Wash"]
    assert [one.after for one in made.operations[1:]] == [(one.id,) for one in made.operations[:-1]]
    assert (made.version, made.supersedes, made.changed_by, made.why) == (2, plan.id, "Ada", "one fixture")
    assert len(made.changes) == 4
    assert made.operations[1].drafted_s == first.machining_s
    assert plan.operations == draft().operations


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (Edit(act="remove", operation="operation-none"), "no operation"),
        (Edit(act="add", name="Wash", process="washing", seconds=3.0), "no process"),
        (Edit(act="add", name="", process="deburring", seconds=3.0), "name"),
        (Edit(act="add", name="Wash", process="deburring", seconds=float("nan")), "none"),
        (Edit(act="add", name="Wash", process="deburring", seconds=-1.0), "none"),
        (Edit(act="move", operation="@first", to=99), "no place 99"),
        (Edit(act="change", operation="@first"), "Nothing of"),
        (Edit(act="change", operation="@first", requirements=(Requirement(name="budget", value=1.0),)), "no require"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_by_its_number(edit, word):
    plan = draft()
    named = msgspec.structs.replace(edit, operation=edit.operation.replace("@first", plan.operations[0].id))
    with pytest.raises(BadInput, match=word) as refusal:
        edited(plan, named)
    assert refusal.value.where.startswith("change 1")


def test_a_change_without_a_reason_and_one_that_leaves_nothing_are_refused():
    plan = draft()
    with pytest.raises(BadInput, match="reason"):
        edited(plan, Edit(act="remove", operation=plan.operations[0].id), why=" ")
    with pytest.raises(BadInput, match="0 operations"):
        edited(plan, *(Edit(act="remove", operation=one.id) for one in plan.operations))


def test_a_template_carries_decisions_to_another_part_and_drafts_the_rest_anew():
    plan = draft()
    first, second, deburr, _ = plan.operations
    certified = Requirement(name="certificate", value="ISO 13485")
    made = edited(
        plan,
        Edit(act="change", operation=first.id, seconds=round(first.machining_s * 2, 1), requirements=(certified,)),
        Edit(act="remove", operation=second.id),
        Edit(act="add", operation=deburr.id, name="Wash", process="deburring", seconds=30.0),
    )
    template = make_template(made, plan, name="Brackets", by="Ada", why="", at=AT)
    other = draft(geometry(box_mm=(200.0, 90.0, 30.0), volume_mm3=300_000.0))
    used = apply_template(template, other, by="Bo", at=AT)
    assert [one.name for one in used.operations] == [other.operations[0].name, "Deburr", "Wash", "Inspect"]
    assert used.operations[0].machining_s == pytest.approx(2 * other.operations[0].machining_s, rel=0.001)
    assert wanted(used.operations[0])["certificate"] == "ISO 13485"
    assert wanted(used.operations[0])["envelope_mm"] == other.stock_mm
    assert any("Not in the template" in line for line in used.changes)
    assert used.template == template.id


def test_a_template_of_another_class_is_refused():
    plan = draft()
    template = make_template(plan, plan, name="Brackets", by="Ada", why="", at=AT)
    with pytest.raises(BadInput, match="for milled parts"):
        apply_template(template, draft(process_class="printed", material="pa12"), by="Bo", at=AT)
