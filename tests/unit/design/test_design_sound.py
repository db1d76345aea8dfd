"""Meshes as people send them: facets twice, bodies inside out or in one another; measures right, or the doubt said."""

import struct

import numpy as np
import pytest
from test_design_meshfile import TETRAHEDRON, package

from interwork.core.errors import UnreadableDesign
from interwork.design.analysis import format_of
from interwork.design.files.meshfile import read_3mf, read_stl
from interwork.design.geometry.measuring import take_in
from interwork.design.geometry.mesh import Solid

SQUARES = ((0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5))


def box(x=10.0, y=20.0, z=30.0, *, at=(0, 0, 0), inward=False):
    """Make the twelve facets of a box, facing outward."""
    corners = np.array([(i, j, k) for i in (0, x) for j in (0, y) for k in (0, z)], float) + at
    facets = [corners[list(each)] for a, b, c, d in SQUARES for each in ((a, b, c), (a, c, d))]
    middle = corners.mean(axis=0)
    turned = []
    for facet in facets:
        out = np.cross(facet[1] - facet[0], facet[2] - facet[0]) @ (facet[0] - middle) > 0
        turned.append(facet if out != inward else facet[::-1])
    return np.array(turned)


def stl(*bodies, count=None, tail=b""):
    facets = np.concatenate(bodies).astype("<f4")
    rows = b"".join(bytes(12) + each.tobytes() + b"\0\0" for each in facets)
    return b"made".ljust(80) + struct.pack("<I", len(facets) if count is None else count) + rows + tail


def measured(content):
    notes = []
    solid = Solid(mesh=read_stl(content), faces=[], skipped=0)
    shape, _ = take_in(solid, "test", "mm", None, notes)
    return shape


def test_a_body_that_is_there_twice_counts_once():
    shape = measured(stl(box(), box()))
    assert (shape.bodies, shape.volume_mm3, shape.area_mm2) == (1, pytest.approx(6000), pytest.approx(2200))
    assert "12 facets were there twice and count once." in shape.notes


def test_a_body_inside_out_beside_others_is_turned_round_and_no_cavity():
    shape = measured(stl(box(), box(at=(50, 0, 0), inward=True), box(at=(90, 0, 0))))
    assert (shape.bodies, shape.volume_mm3) == (3, pytest.approx(18_000))
    assert "The facets of 1 bodies face inward; they were turned round." in shape.notes


def test_a_body_inside_out_within_another_is_its_cavity():
    shape = measured(stl(box(30, 30, 30), box(10, 10, 10, at=(10, 10, 10), inward=True)))
    assert (shape.bodies, shape.volume_mm3) == (1, pytest.approx(26_000))
    assert "1 inner cavities were taken off the volume." in shape.notes


def test_bodies_that_lie_in_one_anothers_boxes_are_said_to_count_twice():
    shape = measured(stl(box(), box(at=(5, 0, 0))))
    assert any("counts twice" in note for note in shape.notes)
    assert not any("counts twice" in note for note in measured(stl(box(), box(at=(10, 0, 0)))).notes)


def test_a_header_that_promises_fewer_facets_than_there_are_is_refused():
    with pytest.raises(UnreadableDesign, match="promises 5 facets and 12 are there"):
        read_stl(stl(box(), count=5))
    assert measured(stl(box(), tail=b"made by")).volume_mm3 == pytest.approx(6000)


@pytest.mark.parametrize("change", [bytes.upper, bytes.title, lambda text: text.replace(b"\n", b"\r")])
def test_a_text_stl_may_be_in_capitals(change):
    facets = "".join(
        "facet normal 0 0 0\nouter loop\n"
        + "".join(f"vertex {x:.6e} {y:.6e} {z:.6e}\n" for x, y, z in each)
        + "endloop\nendfacet\n"
        for each in box()
    )
    assert measured(change(f"solid a\n{facets}endsolid a\n".encode())).volume_mm3 == pytest.approx(6000)


def test_a_mirrored_3mf_object_keeps_its_volume_beside_the_plain_one():
    items = (
        '<build><item objectid="1"/><item objectid="1" transform="-1 0 0 0 1 0 0 0 1 -5 0 0"/>'
        '<item objectid="1" transform="2 0 0 0 -2 0 0 0 2 9 0 0"/></build>'
    )
    mesh, _, _ = read_3mf(package(TETRAHEDRON, items))
    shape, _ = take_in(Solid(mesh=mesh, faces=[], skipped=0), "test", "mm", None, [])
    assert (shape.bodies, shape.volume_mm3) == (3, pytest.approx(10 / 6))
    assert not any("inward" in note for note in shape.notes)


@pytest.mark.parametrize("kind", ["support", "solidsupport", "other"])
def test_supports_of_a_3mf_are_no_part_of_it(kind):
    support = TETRAHEDRON.replace('id="1" type="model"', f'id="2" type="{kind}"')
    items = '<build><item objectid="1"/><item objectid="2" transform="1 0 0 0 1 0 0 0 1 9 0 0"/></build>'
    mesh, _, notes = read_3mf(package(TETRAHEDRON + support, items))
    assert len(mesh.triangles) == 4
    assert notes == ("1 supports of the 3MF are no part of it and were left out.",)


@pytest.mark.parametrize("name", ["part.3mf", "part", "part.stl", "part.zip"])
def test_a_3mf_is_known_by_its_content_whatever_it_is_called(name):
    assert format_of(package(), name) == "3mf"


@pytest.mark.parametrize("wrong", [(3,), (0, 1, 2, 3, 4), (0, 2, 4, 6, 8, 10)])
def test_facets_that_face_the_other_way_than_their_neighbours_are_turned_round(wrong):
    """One facet of a cube turned round takes a sixth off its volume, and every edge still has two facets."""
    facets = box()
    for at in wrong:
        facets[at] = facets[at][::-1]
    shape = measured(stl(facets, box(at=(50, 0, 0))))
    assert (shape.volume_mm3, shape.area_mm2) == (pytest.approx(12_000), pytest.approx(4400))
    assert any("faced the other way than those beside them" in note for note in shape.notes)


def test_a_cavity_stays_one_where_a_facet_beside_it_is_turned_round():
    facets, inner = box(30, 30, 30), box(10, 10, 10, at=(10, 10, 10), inward=True)
    facets[5], inner[2] = facets[5][::-1], inner[2][::-1].copy()
    shape = measured(stl(facets, inner))
    assert (shape.bodies, shape.volume_mm3) == (1, pytest.approx(26_000))


def test_a_surface_of_one_side_is_said():
    """Whoever walks along a Möbius strip comes back on its other side."""
    turns = np.linspace(0, 2 * np.pi, 25)
    edge = [
        [((10 + s * np.cos(t / 2)) * np.cos(t), (10 + s * np.cos(t / 2)) * np.sin(t), s * np.sin(t / 2)) for t in turns]
        for s in (-2, 2)
    ]
    a, b = np.array(edge)
    strip = np.concatenate([np.stack([a[:-1], a[1:], b[:-1]], 1), np.stack([b[:-1], a[1:], b[1:]], 1)])
    notes = measured(stl(strip)).notes
    assert any(note.startswith("48 facets belong to a surface of one side only") for note in notes)


def test_a_surface_that_lies_on_itself_is_no_solid_of_0_grams():
    facets = box(10.0, 20.0, 0.0)[8:10]
    shape = measured(stl(facets, facets[:, ::-1]))
    assert (shape.is_closed, shape.volume_mm3) == (False, pytest.approx(0))
    assert any("encloses nothing" in note for note in shape.notes)


def test_binary_stl_that_begins_with_solid_and_ends_with_more_is_still_binary():
    content = b"solid" + stl(box(), tail=b"more")[5:]
    assert measured(content).volume_mm3 == pytest.approx(6000)
