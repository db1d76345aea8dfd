"""The geometry script writes solids that an independent kernel reads as they were meant."""

from pathlib import Path

import cascadio
import pytest

import interwork
from interwork.core.errors import BadInput
from interwork.design import worker
from interwork.design.files.meshfile import read_stl
from interwork.design.geometry.mesh import measure, read_glb
from interwork.design.solid import (
    PIPE_FLANGE,
    SENSOR_BRACKET,
    Block,
    Bore,
    Flange,
    Pocket,
    Step,
    area_mm2,
    samples,
    write_step,
    write_stl,
)

STEPPED = Block(
    name="Stepped block",
    length_mm=100.0,
    width_mm=50.0,
    height_mm=30.0,
    steps=(Step(side="left", run_mm=20.0, drop_mm=10.0), Step(side="right", run_mm=30.0, drop_mm=5.0)),
    bores=(Bore(x_mm=10.0, y_mm=25.0, diameter_mm=8.0), Bore(x_mm=45.0, y_mm=25.0, diameter_mm=6.0)),
    pockets=(Pocket(x_mm=25.0, y_mm=10.0, length_mm=40.0, width_mm=30.0, depth_mm=12.0),),
)
SHAPES = [SENSOR_BRACKET, PIPE_FLANGE, STEPPED]


def plain(**changed):
    return Block(**({"name": "Block", "length_mm": 100.0, "width_mm": 50.0, "height_mm": 20.0} | changed))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_kernel_reads_a_written_step_with_the_volume_that_was_meant(shape):
    glb = cascadio.load(write_step(shape), file_type="step", tol_linear=0.01, tol_angular=0.05, include_brep=True)
    (body,) = measure(read_glb(glb, 1000.0).mesh)
    assert body.is_closed()
    assert body.volume_mm3 == pytest.approx(shape.volume_mm3(), rel=0.002)
    assert body.area_mm2 == pytest.approx(area_mm2(shape), rel=0.002)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_written_stl_is_closed_and_has_the_volume_that_was_meant(shape):
    (body,) = measure(read_stl(write_stl(shape)))
    assert body.open_mm == 0
    assert body.volume_mm3 == pytest.approx(shape.volume_mm3(), rel=0.002)


def test_the_committed_samples_are_what_the_script_writes():
    folder = Path(interwork.__file__).parent / "samples"
    assert {name: (folder / name).read_bytes() for name in samples()} == samples()


def test_the_bracket_has_its_five_holes_and_its_size(bracket):
    assert bracket.geometry.box_mm == pytest.approx((120.0, 80.0, 25.0), abs=1e-3)
    assert sorted(hole.diameter_mm for hole in bracket.geometry.holes) == [9.0, 9.0, 9.0, 9.0, 30.0]
    assert all(hole.is_through for hole in bracket.geometry.holes)


def test_a_bore_through_a_pocket_is_as_deep_as_what_the_pocket_leaves():
    drilled = plain(
        bores=(Bore(x_mm=50.0, y_mm=25.0, diameter_mm=6.0),),
        pockets=(Pocket(x_mm=30.0, y_mm=10.0, length_mm=40.0, width_mm=30.0, depth_mm=12.0),),
    )
    (hole,) = worker.examine(write_step(drilled), "step").geometry.holes
    assert hole.depth_mm == pytest.approx(8.0, abs=1e-3)


def test_a_name_that_is_not_plain_text_survives_the_file():
    name = "O'Brien's Träger 支架 😀 \\X\\"
    assert worker.examine(write_step(plain(name=name)), "step").text["products"] == (name,)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"length_mm": 0.0}, "more than 0"),
        ({"bores": (Bore(x_mm=1.0, y_mm=25.0, diameter_mm=9.0),)}, "crosses the edge"),
        (
            {"bores": (Bore(x_mm=30.0, y_mm=25.0, diameter_mm=9.0), Bore(x_mm=35.0, y_mm=25.0, diameter_mm=9.0))},
            "overlap",
        ),
        ({"pockets": (Pocket(x_mm=10.0, y_mm=10.0, length_mm=9.0, width_mm=9.0, depth_mm=20.0),)}, "deep"),
        (
            {"pockets": (Pocket(x_mm=10.0, y_mm=10.0, length_mm=9.0, width_mm=9.0, depth_mm=2.0, corner_mm=5.0),)},
            "corner",
        ),
        (
            {"steps": (Step(side="left", run_mm=9.0, drop_mm=2.0), Step(side="left", run_mm=5.0, drop_mm=2.0))},
            "same side",
        ),
        ({"steps": (Step(side="up", run_mm=9.0, drop_mm=2.0),)}, "left or right"),
        ({"steps": (Step(side="left", run_mm=200.0, drop_mm=2.0),)}, "leave"),
        ({"corner_mm": 5.0, "steps": (Step(side="left", run_mm=9.0, drop_mm=2.0),)}, "square"),
        ({"corner_mm": 30.0}, "corner"),
    ],
)
def test_a_block_that_cannot_be_is_refused(changed, word):
    with pytest.raises(BadInput, match=word):
        write_step(plain(**changed))


def test_a_flange_whose_bolts_cut_the_hub_is_refused():
    with pytest.raises(BadInput, match="bolt"):
        write_step(
            Flange(
                name="Flange",
                diameter_mm=100.0,
                thickness_mm=10.0,
                hub_diameter_mm=60.0,
                height_mm=40.0,
                bore_mm=30.0,
                bolts=4,
                bolt_mm=12.0,
                pitch_mm=66.0,
            )
        )


def test_the_same_shape_gives_the_same_bytes():
    assert write_step(STEPPED) == write_step(STEPPED)
