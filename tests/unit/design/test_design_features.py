"""Holes, turning axes, walls and set-ups of shapes whose answers are known."""

import pytest

from interwork.design import worker
from interwork.design.files.meshfile import read_stl
from interwork.design.geometry.features import find_reach, find_revolution
from interwork.design.geometry.mesh import build, join
from interwork.design.geometry.walls import find_walls
from interwork.design.solid import PIPE_FLANGE, Block, Pocket, write_step, write_stl

PLATE = Block(name="Plate", length_mm=200.0, width_mm=100.0, height_mm=3.0)


def measured(shape):
    return worker.examine(write_step(shape), "step").geometry


def test_pocket_corners_are_fillets_and_no_holes():
    pocketed = Block(
        name="Pocketed",
        length_mm=60.0,
        width_mm=40.0,
        height_mm=20.0,
        corner_mm=4.0,
        pockets=(Pocket(x_mm=10.0, y_mm=10.0, length_mm=40.0, width_mm=20.0, depth_mm=8.0, corner_mm=9.0),),
    )
    assert measured(pocketed).holes == ()


def test_the_bracket_needs_two_set_ups_from_above_and_below(bracket):
    assert (bracket.geometry.setups, set(bracket.geometry.approaches)) == (2, {"+Z", "-Z"})
    assert bracket.geometry.unreached_share == 0


def test_the_bracket_s_thinnest_wall_is_beside_a_mounting_hole(bracket):
    assert bracket.geometry.wall_mm[0] == pytest.approx(6.5, abs=0.1)


def test_a_flange_turns_about_its_axis_and_its_bolt_holes_do_not_count():
    flange = measured(PIPE_FLANGE)
    assert flange.revolved_share > 0.99
    assert flange.is_round
    assert flange.revolved_axis == pytest.approx((0, 0, 1), abs=1e-6)
    assert len(flange.holes) == 7


def test_the_faceted_flange_is_round_too_without_known_faces():
    mesh = read_stl(write_stl(PIPE_FLANGE))
    found = find_revolution(mesh, [], [])
    assert found.is_round
    assert 0.85 < found.share < 0.95


def test_a_block_does_not_turn():
    assert find_revolution(read_stl(write_stl(PLATE)), [], []).is_round is False


def test_a_plate_has_one_thickness():
    walls = find_walls(read_stl(write_stl(PLATE)))
    assert walls.typical_mm == pytest.approx(3.0, rel=1e-6)
    assert walls.sheet_share > 0.9


def test_a_chamber_that_cutters_cannot_enter_is_not_reached():
    cube = Block(name="Cube", length_mm=40.0, width_mm=40.0, height_mm=40.0)
    inner = Block(name="Inner", length_mm=20.0, width_mm=20.0, height_mm=20.0)
    outside, inside = read_stl(write_stl(cube)), read_stl(write_stl(inner))
    void = build(inside.vertices + 10.0, inside.triangles[:, ::-1])
    share = find_reach(join([outside, void]), []).unreached_share
    assert share == pytest.approx(20**2 / (20**2 + 40**2), abs=0.02)
