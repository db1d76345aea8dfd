"""Real files of the design line: what they state, how they agree with each other, and what is refused."""

import random
import zipfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from test_design_files import CTC_01, CTC_03, FILES, content

from interwork.core.clock import now
from interwork.core.errors import UnreadableDesign
from interwork.design import Known, analyse, draft_process_plan, read_file
from interwork.design.analysis import AT_ONCE
from interwork.design.files import drawing, part21, qif, threemf
from interwork.design.files.pairing import pair
from interwork.design.geometry.shape import differences, is_same

pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="the shared test data is not on this machine")


def stated():
    return part21.read(content(CTC_01)).characteristics


async def shape(name):
    return (await analyse(content(name), Path(name).name)).geometry


def test_the_six_tolerances_of_ctc_01_have_values_units_and_datums():
    """design 26: the six tolerances of CTC-01 come from the text alone."""
    found = sorted((one.kind, one.zone, "".join(one.datums)) for one in stated() if one.zone is not None)
    assert found == [
        ("flatness", 0.2, ""),
        ("perpendicularity", 1.5, "A"),
        ("position", 0.75, "ABC"),
        ("position", 0.75, "ABC"),
        ("surface_profile", 0.5, "A"),
        ("surface_profile", 1.25, "ABC"),
    ]


def test_dimensions_have_their_nominal_and_their_limits():
    found = {(one.kind, one.nominal, one.lower, one.upper) for one in stated() if one.nominal is not None}
    assert {("diameter", 20.0, -0.1, 0.05), ("diameter", 35.0, 0.0, 0.2), ("angle", 60.0, -0.5, 0.5)} <= found


def test_inch_tolerances_beside_millimetre_shape_keep_their_own_unit():
    found = [one for one in part21.read(content(CTC_03)).characteristics if one.zone is not None]
    assert {one.file_unit for one in found} == {"inch"}
    assert min(one.zone for one in found) == pytest.approx(0.127)


def test_the_six_tolerances_of_step_and_qif_are_matched_one_to_one():
    """design 27: two tools wrote the same six; each finds its partner, and two are interchangeable."""
    inspection = qif.read(content("qif/nist_ctc_01_mbd_qif21.qif"))
    found = pair(stated(), inspection.characteristics)
    geometric = [one for one in found.pairs if one.one.zone is not None]
    assert len(geometric) == 6
    assert len({one.other.id for one in geometric}) == 6
    assert sum(one.is_interchangeable for one in geometric) == 2
    assert not [one for one in (*found.only_one, *found.only_other) if one.zone is not None]


def test_qif_results_are_21_characteristics_on_six_parts():
    """design 40: every value with its part, its item and its limits."""
    found = qif.read(content("qif/sheetmetal_results_6_samples.qif"))
    assert (len(found.items), len(found.parts), len(found.results)) == (21, 6, 126)
    assert all(one.characteristic for one in found.results)
    plan = qif.read(content("qif/sheetmetal_plan.qif"))
    assert sorted(one.name for one in plan.items) == sorted(one.name for one in found.items)


def test_a_qif_with_entities_is_refused():
    text = content("qif/sheetmetal_plan.qif").replace(b"<QIFDocument", b'<!DOCTYPE x [<!ENTITY a "b">]><QIFDocument', 1)
    with pytest.raises(UnreadableDesign, match="document type"):
        qif.read(text)


async def test_a_shape_is_the_same_in_the_file_of_another_schema():
    """design 31: re-export gives another revision and «same shape» true; another part gives differences in numbers."""
    one, other = await shape(CTC_01), await shape("step/nist_ctc_01_asme1_ap203.stp")
    assert is_same(one.signature, other.signature)
    assert differences(one.signature, (await shape(CTC_03)).signature)


async def test_a_part_of_metres_is_unit_suspect_and_nothing_is_rescaled():
    """design 28: coordinates of tens in plain metres are flagged."""
    text = content("step/aagnet_partC.step").replace(b"SI_UNIT(.MILLI.,.METRE.)", b"SI_UNIT($,.METRE.)")
    found = (await analyse(text, "metres.step")).geometry
    assert found.is_unit_suspect
    assert max(found.box_mm) > 10_000


async def test_every_distinct_body_of_an_assembly_is_measured_alone():
    found = await shape("step/as1-oc-214.stp")
    assert sorted(one.count for one in found.distinct) == [1, 1, 2, 6, 8]
    plate = next(one for one in found.distinct if one.name.startswith("plate"))
    assert plate.geometry.wall_mm[1] == pytest.approx(20, rel=0.05)


async def test_a_dxf_is_a_flat_pattern_with_its_area_and_cut_length():
    found = await shape("dxf/gear.dxf")
    assert (found.flat.outlines, found.flat.holes, found.flat.open_ends) == (1, 1, 0)
    assert found.flat.outline_area_mm2 == pytest.approx(540.85, rel=1e-3)
    assert found.unit == "not declared"
    plan = draft_process_plan("rev", found, "al-6061", 1, 0.1, at=now(), known=Known(thickness_mm=3.0))
    assert plan.process_class == "sheet"
    assert plan.part_mass_kg == pytest.approx(540.85 * 3 * 2700e-9, rel=1e-3)


def test_an_open_contour_is_said_and_has_no_area():
    text = b"0\nSECTION\n2\nENTITIES\n" + b"".join(
        f"0\nLINE\n8\n{layer}\n10\n{a}\n20\n{b}\n11\n{c}\n21\n{d}\n".encode()
        for layer, a, b, c, d in (("0", 0, 0, 10, 0), ("0", 10, 0, 10, 10), ("BEND", 0, 5, 10, 5))
    )
    found, _ = drawing.read(text + b"0\nENDSEC\n0\nEOF\n", "test")
    assert (found.flat.open_ends, found.flat.outline_area_mm2, found.flat.bends) == (2, 0, 1)


async def test_a_qif_is_no_design_and_says_where_it_belongs():
    with pytest.raises(UnreadableDesign, match="no shape") as refusal:
        await analyse(content("qif/sheetmetal_plan.qif"), "plan.qif")
    assert "add this file to its revision" in refusal.value.remedy


def zipped(name, text):
    held = BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr(name, text)
    return held.getvalue()


async def test_an_fmu_is_told_by_its_description_and_not_run():
    text = (
        '<fmiModelDescription fmiVersion="2.0" modelName="Heater" guid="{1}"><CoSimulation modelIdentifier="h"/>'
        '<ModelVariables><ScalarVariable name="p" valueReference="0" causality="input"><Real unit="W" start="1"/>'
        "</ScalarVariable></ModelVariables></fmiModelDescription>"
    )
    found = await read_file(zipped("modelDescription.xml", text), "heater.fmu")
    assert (found.kind, found.model.name, found.model.variables[0].unit) == ("fmu", "Heater", "W")


def lattice():
    import lib3mf

    wrapper = lib3mf.get_wrapper() if hasattr(lib3mf, "get_wrapper") else lib3mf.Wrapper()
    model = wrapper.CreateModel()
    mesh = model.AddMeshObject()
    for x, y, z in ((0, 0, 0), (10, 0, 0), (0, 10, 0), (0, 0, 10)):
        mesh.AddVertex(lib3mf.Position((x, y, z)))
    beam = lib3mf.Beam()
    beam.Indices, beam.Radii = (0, 1), (1.0, 1.0)
    mesh.BeamLattice().AddBeam(beam)
    model.AddBuildItem(mesh, wrapper.GetIdentityTransform())
    return bytes(model.QueryWriter("3mf").WriteToBuffer())


async def test_a_beam_lattice_is_unverified_and_never_weighs_nothing():
    """design 30: a lattice is refused with its reason; MUSTFAIL files are in test_design_files."""
    with pytest.raises(UnreadableDesign, match="unverified"):
        threemf.check(lattice())
    with pytest.raises(UnreadableDesign, match="unverified"):
        await analyse(lattice(), "lattice.3mf")


async def test_a_zip_bomb_is_refused_unpacked():
    """design 30: what unpacks to more than the limit is not unpacked."""
    with pytest.raises(UnreadableDesign, match="The 3MF"):
        await analyse(zipped("3D/3dmodel.model", b" " * (210 * 1024 * 1024)), "bomb.3mf")


@pytest.mark.parametrize("seed", range(3))
async def test_a_mutated_step_is_unreadable_with_its_reason_or_read(seed):
    """design 29: fixed seeds; the process that reads is another one, and at most two run."""
    chance, mutated = random.Random(1000 + seed), bytearray(content("step/sg1-c5-214.stp"))
    for place in chance.sample(range(60, len(mutated)), 320):
        mutated[place] = chance.randrange(256)
    assert AT_ONCE == 2
    with suppress(UnreadableDesign):
        await read_file(bytes(mutated), "mutated.stp", timeout_s=20)
    assert (await read_file(content("stl/cube10.stl"), "cube.stl")).analysis.geometry.is_closed
