"""Welding, bodies and measures of triangles."""

import numpy as np
import pytest

from interwork.design.files.meshfile import read_stl
from interwork.design.geometry.mesh import build, join, measure
from interwork.design.solid import Block, write_stl

CUBE = Block(name="Cube", length_mm=10.0, width_mm=10.0, height_mm=10.0)


def cube(shift=0.0):
    mesh = read_stl(write_stl(CUBE))
    return build(mesh.vertices + shift, mesh.triangles)


def test_a_cube_has_its_volume_area_and_no_open_edge():
    (body,) = measure(cube())
    assert (body.volume_mm3, body.area_mm2, body.open_mm) == (pytest.approx(1000), pytest.approx(600), 0)


def test_points_a_hair_apart_are_one_wherever_the_grid_falls():
    corners = cube().corners().reshape(-1, 3)
    noise = np.random.default_rng(1).uniform(-2e-6, 2e-6, corners.shape)
    mesh = build(corners + noise, np.arange(len(corners)).reshape(-1, 3))
    assert len(mesh.vertices) == 8
    assert measure(mesh)[0].is_closed()


def test_a_missing_facet_is_an_open_edge_of_its_length():
    whole = cube()
    (body,) = measure(whole.only(np.arange(len(whole.triangles)) > 0))
    assert body.open_mm == pytest.approx(20 + 10 * 2**0.5)
    assert not body.is_closed()


def test_bodies_of_two_meshes_stay_two_where_they_touch():
    assert len(measure(join([cube(), cube(shift=10.0)]))) == 2


def test_separate_shells_of_one_mesh_are_separate_bodies():
    two = join([cube(), cube(shift=50.0)])
    assert len(measure(build(two.vertices, two.triangles))) == 2
