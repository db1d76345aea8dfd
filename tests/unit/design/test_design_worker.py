"""What the child process measures, notes and limits."""

import re
import struct
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from interwork.core.errors import UnreadableDesign
from interwork.design import worker
from interwork.design.analysis import Answer, read_file
from interwork.design.solid import PIPE_FLANGE, SENSOR_BRACKET, Block, write_step, write_stl

CUBE = Block(name="Cube", length_mm=10.0, width_mm=10.0, height_mm=10.0)


def noted(answer, word):
    return any(word in note for note in answer.geometry.notes)


def stl_of(corners):
    rows = b"".join(struct.pack("<12fH", 0, 0, 0, *facet.ravel(), 0) for facet in corners)
    return bytes(80) + struct.pack("<I", len(corners)) + rows


def cube_corners(scale=1.0):
    rows = np.frombuffer(write_stl(CUBE), np.dtype([("n", "<f4", 3), ("at", "<f4", (3, 3)), ("f", "<u2")]), 12, 84)
    return rows["at"].astype(np.float64) * scale


def test_the_bracket_agrees_with_its_own_validation_properties(bracket):
    assert bracket.geometry.volume_mm3 == pytest.approx(SENSOR_BRACKET.volume_mm3(), rel=0.002)
    assert noted(bracket, "volume, 196906.5 mm³, agrees with")


def test_a_tampered_validation_property_is_told(bracket_step):
    said = f"VOLUME_MEASURE({SENSOR_BRACKET.volume_mm3():.12G}".encode()
    assert said in bracket_step
    answer = worker.examine(bracket_step.replace(said, b"VOLUME_MEASURE(250000."), "step")
    assert noted(answer, "disagrees with the file's own, 250000.0")


def test_points_far_outside_the_part_do_not_coarsen_it(bracket_step):
    far = b"DATA;\n#9999=CARTESIAN_POINT('',(9.E5,9.E5,0.));"
    answer = worker.examine(bracket_step.replace(b"DATA;", far, 1), "step")
    assert answer.geometry.volume_mm3 == pytest.approx(SENSOR_BRACKET.volume_mm3(), rel=0.0005)


def test_a_mesh_says_that_unit_and_holes_are_not_known():
    answer = worker.examine(write_stl(PIPE_FLANGE), "stl")
    assert answer.geometry.holes is None
    assert noted(answer, "millimetres are assumed")
    assert noted(answer, "Holes: not recognised")


@pytest.mark.parametrize("scale", [1e-3, 2000.0])
def test_a_suspect_size_is_told_and_never_rescaled(scale):
    answer = worker.examine(stl_of(cube_corners(scale)), "stl")
    assert answer.geometry.box_mm[0] == pytest.approx(10 * scale, rel=1e-3)
    assert noted(answer, "Unit suspect")


def test_facets_that_face_inward_are_turned_round_and_it_is_said():
    answer = worker.examine(stl_of(cube_corners()[:, ::-1]), "stl")
    assert answer.geometry.volume_mm3 == pytest.approx(1000)
    assert noted(answer, "turned round")


def test_an_inner_cavity_is_taken_off_and_is_no_body():
    inner = cube_corners(0.5)[:, ::-1] + 2.5
    answer = worker.examine(stl_of(np.concatenate([cube_corners(), inner])), "stl")
    assert (answer.geometry.bodies, answer.geometry.volume_mm3) == (1, pytest.approx(875))


def test_an_open_surface_beside_a_solid_is_left_out_and_told():
    sheet = np.array([[[100.0, 0, 0], [105, 0, 0], [105, 5, 0]]])
    answer = worker.examine(stl_of(np.concatenate([cube_corners(), sheet])), "stl")
    assert answer.geometry.box_mm == pytest.approx((10, 10, 10))
    assert answer.geometry.is_closed
    assert noted(answer, "1 open surfaces")


def test_a_surface_with_a_gap_is_not_closed_and_its_volume_is_doubted():
    answer = worker.examine(stl_of(cube_corners()[1:]), "stl")
    assert not answer.geometry.is_closed
    assert noted(answer, "the volume is uncertain")


def test_two_bodies_are_totals_and_say_so():
    answer = worker.examine(stl_of(np.concatenate([cube_corners(), cube_corners() + 50])), "stl")
    assert (answer.geometry.bodies, answer.geometry.holes) == (2, None)
    assert noted(answer, "2 of them distinct") or noted(answer, "1 of them distinct")


def test_step_text_without_a_solid_is_refused():
    with pytest.raises(UnreadableDesign, match="found no surface"):
        worker.examine(b"ISO-10303-21;HEADER;ENDSEC;DATA;ENDSEC;END-ISO-10303-21;", "step")


def test_the_iges_unit_is_read_from_the_global_section():
    line = b",,4Hcube,4Hcube,4Hself,7Hunknown,32,38,7,99,15,,1.,1,2HIN,1,0.08;".ljust(72) + b"G      1\n"
    assert worker._iges_unit(line) == "in"
    assert worker._iges_unit(b"nothing") == ""


@pytest.mark.parametrize(
    ("said", "unit"),
    [
        ("1H,,1H;,4Htest,8Htest.igs,4Hself,4H1.00,32,38,6,308,15,4Htest,1.,2,2HMM,1,0.08;", "mm"),
        (",,,10HCube 10x10,3Ha,b,7Hunknown,32,38,7,99,15,,1., 1,4HINCH,1,0.08;", "inch"),
        ("1H//1H;/4Htest/8Hx,2,2Hin/4Hself/4H1.00/32/38/6/308/15/4Htest/1./2/2HCM/1/0.08;", "cm"),
        (",,,,,,32,38;", ""),
    ],
)
def test_the_iges_unit_is_the_fifteenth_parameter_whatever_the_names_before_it_are(said, unit):
    """A receiver called «test» is no unit, and strings may hold the mark that parts the parameters."""
    rows = [said[at : at + 72].ljust(72) + f"G{at // 72 + 1:>7}\n" for at in range(0, len(said), 72)]
    assert worker._iges_unit("".join(rows).encode()) == unit


def test_an_iges_file_of_curves_alone_is_a_wire_frame_and_not_called_damaged():
    rows = [f"{'':72}S      1", f"{',,' + 72 * ' ':.72}G      1"]
    rows += [f"{110:>8}{'':64}D      {number}" for number in (1, 2)]
    with pytest.raises(UnreadableDesign, match="a wire frame encloses nothing") as refused:
        worker.examine("\n".join(rows).encode(), "iges")
    assert "STEP" in refused.value.remedy


def test_the_limits_hold_in_the_child():
    code = (
        "import resource; from interwork.design import worker; worker.set_limits(7);"
        "print(*(resource.getrlimit(getattr(resource, n))[0] for n in ('RLIMIT_AS', 'RLIMIT_CPU', 'RLIMIT_CORE')))"
    )
    path = {"PYTHONPATH": ":".join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=path, text=True).stdout
    assert said.split() == [str(worker.MEMORY_BYTES), "7", "0"]


def test_the_child_answers_a_refusal_in_its_own_words_on_a_clean_stdout():
    path = {"PYTHONPATH": ":".join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "interwork.design.worker", "stl", "20"]
    done = subprocess.run(command, input=b"x" * 20, capture_output=True, check=True, env=path)
    answer = msgspec.msgpack.decode(done.stdout, type=Answer)
    assert answer.geometry is None
    assert "cut short" in answer.refusal


def test_a_stepped_solid_of_step_text_gives_a_named_view():
    assert b"Cube" in worker.examine(write_step(CUBE), "step").view


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n  "])
def test_a_step_file_may_begin_with_a_byte_order_mark_or_blanks(bracket_step, before):
    answer = worker.examine(before + bracket_step, "step")
    assert answer.geometry.volume_mm3 == pytest.approx(SENSOR_BRACKET.volume_mm3(), rel=0.002)


def test_a_step_file_without_a_unit_says_what_was_assumed(bracket_step):
    assert b"LENGTH_UNIT()" in bracket_step
    answer = worker.examine(bracket_step.replace(b"LENGTH_UNIT()", b"SOLID_ANGLE_UNIT()"), "step")
    assert noted(answer, "states no unit of length: what is measured is taken as millimetres")


@pytest.mark.parametrize("value", [b"NAN", b"1.E300"])
async def test_a_coordinate_beyond_all_measure_is_refused_in_words(bracket_step, value):
    wrong = re.sub(rb"(CARTESIAN_POINT\('[^']*',\()[-0-9.E+]+", rb"\g<1>" + value, bracket_step, count=1)
    with pytest.raises(UnreadableDesign) as refused:
        await read_file(wrong, "bracket.step")
    assert "Error" not in refused.value.message
