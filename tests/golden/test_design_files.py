"""Real design files written by others, held against what is known of them from elsewhere."""

import os
import random
import resource
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interwork.core.clock import now
from interwork.core.errors import UnreadableDesign
from interwork.design import analyse, draft_process_plan
from interwork.design.files import part21

SHARED = Path(os.environ.get("INTERWORK_SHARED_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
FILES = SHARED / "design"
pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="the shared test data is not on this machine")

CTC_01, CTC_03 = "step/nist_ctc_01_asme1_ap242.stp", "step/nist_ctc_03_asme1_ap242.stp"


def content(name):
    return (FILES / name).read_bytes()


async def measured(name):
    return (await analyse(content(name), Path(name).name)).geometry


@pytest.mark.parametrize("unit", ["in", "m", "mm"])
async def test_the_cube_is_a_metre_in_every_unit(unit):
    """design 28: inch, metre and millimetre give the same cube."""
    cube = await measured(f"step/cube-{unit}.step")
    assert cube.box_mm == pytest.approx((1000, 1000, 1000))
    assert cube.volume_mm3 == pytest.approx(1e9, rel=1e-6)
    assert cube.holes == ()


@pytest.mark.parametrize(
    ("name", "volume_mm3", "area_mm2"),
    [
        (CTC_01, 14_644_822.64, 807_080.80),
        ("step/nist_ctc_01_asme1_ap203.stp", 14_644_822.64, None),
        (CTC_03, 332_122.91, 354_787.65),
        ("step/sg1-c5-214.stp", 355_877.88, 46_607.87),
    ],
)
async def test_volume_and_area_agree_with_what_the_files_say(name, volume_mm3, area_mm2):
    """design 24: 0.2 % of the volume, 0.1 % of the area."""
    found = await measured(name)
    assert found.is_closed
    assert found.volume_mm3 == pytest.approx(volume_mm3, rel=0.002)
    assert area_mm2 is None or found.area_mm2 == pytest.approx(area_mm2, rel=0.001)


@pytest.mark.parametrize(
    ("name", "holes"),
    [(CTC_01, 10), ("step/nist_ctc_01_asme1_ap203.stp", 10), (CTC_03, 15), ("step/sg1-c5-214.stp", 1)],
)
async def test_holes_are_counted_as_full_circles(name, holes):
    """design 24: the hole counts of the note."""
    assert len((await measured(name)).holes) == holes


async def test_construction_geometry_is_not_measured():
    found = await measured("step/nist_ctc_01_asme1_ap203.stp")
    assert found.box_mm == pytest.approx((800, 450, 150), abs=0.01)
    assert any("left out" in note for note in found.notes)


async def test_a_tampered_volume_is_told():
    """design 25: disagreement with the validation property is reported."""
    text = content(CTC_01).replace(b"VOLUME_MEASURE(14644822.6361138)", b"VOLUME_MEASURE(15644822.6361138)")
    found = (await analyse(text, "tampered.stp")).geometry
    assert any("disagrees with the file's own, 15644822.6" in note for note in found.notes)


def test_the_six_tolerances_of_ctc_01_are_read_with_their_values():
    found = sorted((one.kind, one.value_mm) for one in part21.read(content(CTC_01)).tolerances)
    assert found == [
        ("flatness", 0.2),
        ("perpendicularity", 1.5),
        ("position", 0.75),
        ("position", 0.75),
        ("surface_profile", 0.5),
        ("surface_profile", 1.25),
    ]


def test_text_facts_come_within_a_third_of_a_second():
    text = content(CTC_03)
    begin = time.process_time()
    part21.read(text)
    assert time.process_time() - begin < 0.3


async def test_ctc_01_takes_under_four_seconds_of_a_processor_with_the_start_of_its_child():
    begin = resource.getrusage(resource.RUSAGE_CHILDREN)
    read = await analyse(content(CTC_01), "ctc-01.stp")
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime < 4
    assert len(read.view) < 2_000_000


async def test_an_assembly_is_counted_in_bodies_and_its_free_form_holes_are_not_guessed():
    found = await measured("step/as1-oc-214.stp")
    assert (found.bodies, found.holes) == (18, None)


async def test_iges_is_read_in_millimetres_and_in_inches():
    """design 28: the IGES trap; 10 mm stay 10 mm."""
    millimetres = content("iges/cube10.igs")
    inches = millimetres.replace(b"\n2,2HMM", b"\n1,2HIN").replace(b"\r2,2HMM", b"\r1,2HIN")
    assert inches != millimetres
    assert (await measured("iges/cube10.igs")).box_mm == pytest.approx((10, 10, 10))
    assert (await analyse(inches, "inches.igs")).geometry.box_mm == pytest.approx((254, 254, 254))


async def test_stl_cube_and_open_bottle():
    assert (await measured("stl/cube10.stl")).volume_mm3 == pytest.approx(1000)
    bottle = await measured("stl/bottle_ascii.stl")
    assert not bottle.is_closed
    assert bottle.volume_mm3 == pytest.approx(46_646, rel=0.001)


async def test_the_3mf_box_has_its_sides():
    box = await measured("3mf/box.3mf")
    assert box.box_mm == pytest.approx((10, 20, 30))
    assert box.volume_mm3 == pytest.approx(6000)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("3mf/MUSTFAIL_Chapter2.3.2b_DataTypeDefinitionInXMLMarkup.3mf", "document type definition"),
        ("3mf/MUSTFAIL_Chapter3.4b_MissingBuildElement.3mf", "no build element"),
        ("3mf/multiprop-metallic.3mf", "not sound at line 62"),
        ("qif/nist_ctc_01_mbd_qif21.qif", "no shape to measure"),
    ],
)
async def test_what_must_fail_fails_with_its_reason(name, word):
    """design 30: MUSTFAIL files are refused with the reason."""
    with pytest.raises(UnreadableDesign, match=word):
        await analyse(content(name), Path(name).name)


@pytest.mark.parametrize("length", [20, 2_000, 100_000])
async def test_a_truncated_file_is_refused(length):
    with pytest.raises(UnreadableDesign, match="cut short"):
        await analyse(content(CTC_01)[:length], "truncated.stp")


async def outcome_of(text):
    try:
        await analyse(text, "mutated.stp", timeout_s=20)
    except UnreadableDesign as refusal:
        return refusal.message
    return "read"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("alphabet", [bytes(range(256)), b"0123456789"], ids=["bytes", "digits"])
async def test_a_mutated_step_never_takes_the_process_down(seed, alphabet):
    """design 29: fixed seeds, bytes and digits."""
    chance = random.Random(seed)
    mutated = bytearray(content(["step/cube-mm.step", CTC_01, "step/sg1-c5-214.stp"][seed % 3]))
    places = [place for place, byte in enumerate(mutated) if place > 60 and byte in alphabet]
    for place in chance.sample(places, 10 + 10 * seed):
        mutated[place] = chance.choice(alphabet)
    outcome = await outcome_of(bytes(mutated))
    assert outcome == "read" or "could not be read" in outcome or "was not read within 20 s" in outcome


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.randoms(use_true_random=False), st.integers(1, 300))
def test_the_text_reader_survives_any_mutation(chance, count):
    mutated = bytearray(content("step/sg1-c5-214.stp"))
    for _ in range(count):
        mutated[chance.randrange(20, len(mutated))] = chance.randrange(256)
    part21.read(bytes(mutated))


@pytest.mark.parametrize(
    ("name", "classed", "setups"),
    [
        (CTC_01, "milled", 3),
        (CTC_03, "sheet", None),
        ("step/sg1-c5-214.stp", "turned", None),
        ("step/cube-mm.step", "milled", 2),
    ],
)
async def test_parts_are_classed_as_a_shop_would(name, classed, setups):
    """design 34: sheet, turned, milled on real files."""
    found = await measured(name)
    assert draft_process_plan("rev-1", found, "al-6061", 1, 0.1, at=now()).process_class == classed
    assert setups in (None, found.setups)
