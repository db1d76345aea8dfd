"""STL and 3MF are read strictly, with clear words for what is wrong."""

import io
import struct
import zipfile

import numpy as np
import pytest

from interwork.core.errors import UnreadableDesign
from interwork.design.files import meshfile
from interwork.design.files.meshfile import read_3mf, read_stl
from interwork.design.geometry.mesh import measure
from interwork.design.solid import PIPE_FLANGE, write_stl

CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
LINK = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
TETRAHEDRON = (
    '<object id="1" type="model"><mesh><vertices><vertex x="0" y="0" z="0"/><vertex x="1" y="0" z="0"/>'
    '<vertex x="0" y="1" z="0"/><vertex x="0" y="0" z="1"/></vertices><triangles>'
    '<triangle v1="0" v2="2" v3="1"/><triangle v1="0" v2="1" v3="3"/><triangle v1="0" v2="3" v3="2"/>'
    '<triangle v1="1" v2="2" v3="3"/></triangles></mesh></object>'
)


def package(resources=TETRAHEDRON, build='<build><item objectid="1"/></build>', head="", before=""):
    model = (
        f'<?xml version="1.0"?>{before}<model xmlns="{CORE}" {head}><resources>{resources}</resources>{build}</model>'
    )
    rels = f'<Relationships><Relationship Id="r" Type="{LINK}" Target="/3D/3dmodel.model"/></Relationships>'
    return packed({"_rels/.rels": rels, "3D/3dmodel.model": model})


def packed(parts):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return held.getvalue()


def test_text_and_binary_stl_of_one_shape_measure_the_same():
    binary = write_stl(PIPE_FLANGE)
    corners = read_stl(binary).corners()
    facets = "".join(
        "facet normal 0 0 0\nouter loop\n"
        + "".join(f"vertex {x} {y} {z}\n" for x, y, z in facet)
        + "endloop\nendfacet\n"
        for facet in corners
    )
    text = f"solid flange\n{facets}endsolid flange\n".encode()
    assert measure(read_stl(text))[0].volume_mm3 == pytest.approx(measure(read_stl(binary))[0].volume_mm3)


def test_binary_stl_that_begins_with_solid_is_still_binary():
    binary = write_stl(PIPE_FLANGE)
    assert len(read_stl(b"solid" + binary[5:]).triangles) == len(read_stl(binary).triangles)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (write_stl(PIPE_FLANGE)[:5000], "cut short"),
        (b"x" * 20, "cut short"),
        (b"solid a\nfacet normal 0 0 0\nvertex 1 2 3\n", "endsolid"),
        (b"solid a\nfacet\nvertex 1 2 x\nendsolid a\n", "three numbers"),
        (b"solid a\nfacet\nvertex 1 2 0,5\nendsolid a\n", "«1 2 0,5»: that is not three numbers"),
        (b"solid a\nfacet\nvertex 1 2 3\nvertex 1 2 4\nendsolid a\n", "other than three"),
        (b"solid a\nfacet\nendsolid a\n", "no facets"),
        (b"solid a\nfacet\nvertex 1 2 nan\nvertex 1 2 4\nvertex 3 2 4\nendsolid a\n", "not a number"),
        (b"solid a\nfacet\nvertex 1 2 3\nvertex 1 2 3\nvertex 1 2 3\nendsolid a\n", "shrunk to lines"),
        (b"x" * 80 + struct.pack("<I", 2_000_000) + bytes(100_000_000), "at most"),
    ],
)
def test_a_damaged_stl_is_refused_with_the_reason(content, word):
    with pytest.raises(UnreadableDesign, match=word):
        read_stl(content)


def test_a_3mf_is_scaled_by_its_unit():
    mesh, unit_mm, notes = read_3mf(package(head='unit="inch"'))
    assert (unit_mm, notes) == (25.4, ())
    assert measure(mesh)[0].volume_mm3 == pytest.approx(25.4**3 / 6)


def test_components_are_placed_by_their_transforms():
    twice = (
        '<object id="2"><components><component objectid="1" transform="2 0 0 0 2 0 0 0 2 5 0 0"/></components></object>'
    )
    item = '<build><item objectid="2" transform="1 0 0 0 1 0 0 0 1 0 7 0"/></build>'
    mesh, _, _ = read_3mf(package(TETRAHEDRON + twice, item))
    assert measure(mesh)[0].volume_mm3 == pytest.approx(8 / 6)
    assert mesh.vertices.min(axis=0) == pytest.approx(np.array([5.0, 7.0, 0.0]))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (package(before='<!DOCTYPE model [<!ENTITY a "b">]>'), "document type"),
        (package(build=""), "no build element"),
        (package(build="<build/>"), "builds nothing"),
        (package(build='<build><item objectid="9"/></build>'), "does not have"),
        (package(build='<build><item objectid="1" transform="1 2 3"/></build>'), "takes 12"),
        (package(build="<build><item/></build>"), "not sound"),
        (package(TETRAHEDRON.replace('v1="1"', 'v1="7"')), "refers to a vertex"),
        (package(TETRAHEDRON.replace('x="0"', 'x="a"')), "not sound"),
        (package(TETRAHEDRON * 2), "two objects"),
        (package(head='unit="cubit"'), "cubit"),
        (package(head='xmlns:b="http://beam" requiredextensions="b"'), "requires the extension 'http://beam'"),
        (package(TETRAHEDRON[:-20]), "not sound"),
        (package('<object id="1"><components><component objectid="1"/></components></object>'), "nests objects"),
        (packed({"_rels/.rels": "<Relationships/>"}), "which part is its model"),
        (packed({"a": "b"}), "no part"),
        (b"PK\x03\x04 nothing more", "cannot be unpacked"),
    ],
)
def test_a_3mf_that_is_not_sound_is_refused_with_the_reason(content, word):
    with pytest.raises(UnreadableDesign, match=word):
        read_3mf(content)


def test_a_zip_bomb_is_refused_before_it_is_unpacked():
    with pytest.raises(UnreadableDesign, match="at most"):
        read_3mf(packed({"3D/3dmodel.model": bytes(201 * 1024 * 1024)}))


def test_unknown_elements_are_left_out_and_said():
    lattice = TETRAHEDRON.replace("</mesh>", "<b:beamlattice/></mesh>")
    _, _, notes = read_3mf(package(lattice, head='xmlns:b="http://beam"'))
    assert notes == ("3MF elements of http://beam were left out.",)


def test_too_many_facets_are_refused_while_they_are_read(monkeypatch):
    monkeypatch.setattr(meshfile, "TRIANGLE_LIMIT", 3)
    with pytest.raises(UnreadableDesign, match="at most 3"):
        read_3mf(package())
