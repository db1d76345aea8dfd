"""The viewer's model is sound glTF in metres with Y up, small, and drawn with its sharp edges."""

import io
import json
import struct

import numpy as np
import trimesh

from interwork.design.files.meshfile import read_stl
from interwork.design.geometry import view
from interwork.design.solid import PIPE_FLANGE, Block, write_stl


def tree_of(glb):
    size = struct.unpack_from("<I", glb, 12)[0]
    return json.loads(glb[20 : 20 + size])


def test_another_reader_sees_the_bracket_lying_flat_in_metres(bracket):
    scene = trimesh.load(io.BytesIO(bracket.view), file_type="glb")
    assert np.allclose(scene.extents, (0.12, 0.025, 0.08), atol=1e-5)


def test_lengths_and_offsets_of_the_chunks_add_up(bracket):
    assert struct.unpack_from("<4sII", bracket.view) == (b"glTF", 2, len(bracket.view))
    tree = tree_of(bracket.view)
    assert tree["buffers"][0]["byteLength"] == sum(v["byteLength"] for v in tree["bufferViews"])
    assert tree["nodes"][0]["name"] == "Sensor bracket"
    assert len(bracket.view) < 1_000_000


def test_a_cube_shows_its_twelve_edges_and_flat_sides():
    cube = read_stl(write_stl(Block(name="Cube", length_mm=10.0, width_mm=10.0, height_mm=10.0)))
    tree = tree_of(view.write_glb(cube, "Cube"))
    faces, lines = tree["meshes"][0]["primitives"]
    assert tree["accessors"][faces["attributes"]["POSITION"]]["count"] == 24
    assert tree["accessors"][lines["attributes"]["POSITION"]]["count"] == 24


def test_a_big_mesh_is_thinned_out_for_the_eye(monkeypatch):
    monkeypatch.setattr(view, "_LIMIT", 500)
    flange = read_stl(write_stl(PIPE_FLANGE))
    tree = tree_of(view.write_glb(flange, "Flange"))
    assert tree["accessors"][2]["count"] <= 1500
    box = tree["nodes"][0]["extras"]["box_mm"]
    assert np.allclose(box, (115, 115, 40), atol=3)
