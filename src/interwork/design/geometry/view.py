"""The model for the viewer: one GLB (glTF 2.0) with smooth facets and the sharp edges drawn as lines.

Metres and Y up, as glTF has it: the positions keep the part's own axes, in metres, and the root node turns Z to Y.
What is thinned out is thinned out for the eye alone; nothing is measured on it.
"""

import json
import math
import struct
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from interwork.design.geometry.mesh import Flags, Floats, Ints, Mesh, build, edges_of

_LIMIT = 120_000
"""More triangles than this are thinned out, so that the file stays below 5 MB."""
_SHARP = 0.9
"""Cosine of the angle, 26°, above which an edge is drawn and not smoothed over."""
_TURN = [-(0.5**0.5), 0.0, 0.0, 0.5**0.5]
_MATERIALS = [
    {
        "name": "part",
        "doubleSided": True,
        "pbrMetallicRoughness": {
            "baseColorFactor": [0.62, 0.66, 0.7, 1.0],
            "metallicFactor": 0.25,
            "roughnessFactor": 0.55,
        },
    },
    {"name": "edges", "pbrMetallicRoughness": {"baseColorFactor": [0.08, 0.1, 0.13, 1.0], "metallicFactor": 0.0}},
]


def write_glb(mesh: Mesh, name: str) -> bytes:
    """Write the viewer's model of a mesh given in mm."""
    if len(mesh.triangles) > _LIMIT:
        mesh = _thin(mesh)
    normals = mesh.normals if mesh.normals is not None else _shade(mesh)
    points, units, triangles = _corners(mesh, normals)
    lines = _sharp_edges(mesh)
    parts = [points, units, triangles.astype(np.uint32)]
    parts += [(mesh.vertices[lines].reshape(-1, 3) / 1000).astype(np.float32)] if len(lines) else []
    return _pack(parts, name, [float(size) for size in np.ptp(mesh.vertices, axis=0)])


def write_lines(contours: list[Floats], name: str) -> bytes:
    """Write the viewer's model of flat contours given in mm: lines in the plane Z = 0."""
    ends = np.concatenate([np.stack([one[:-1], one[1:]], axis=1).reshape(-1, 2) for one in contours])
    points = np.concatenate([ends, np.zeros((len(ends), 1))], axis=1).astype(np.float32) / 1000
    lows, highs = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    data = points.astype(np.float32).tobytes()
    count = len(points)
    tree = {
        "asset": {"version": "2.0", "generator": "interwork"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": name, "rotation": _TURN, "mesh": 0}],
        "meshes": [{"name": name, "primitives": [{"attributes": {"POSITION": 0}, "material": 0, "mode": 1}]}],
        "materials": _MATERIALS[1:],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": count, "type": "VEC3", "min": lows, "max": highs}
        ],
        "bufferViews": [{"buffer": 0, "byteOffset": 0, "byteLength": len(data), "target": 34962}],
        "buffers": [{"byteLength": len(data)}],
    }
    return _container(tree, data)


def _corners(mesh: Mesh, normals: Floats) -> tuple[Any, Any, Ints]:
    """Make one vertex of every distinct pair of point and normal."""
    units = np.round(normals.reshape(-1, 3) * 500).astype(np.int64) + 512
    keys = np.stack([mesh.triangles.ravel(), (units[:, 0] << 22) | (units[:, 1] << 11) | units[:, 2]], axis=1)
    order = np.lexsort(keys.T)
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = np.any(keys[order[1:]] != keys[order[:-1]], axis=1)
    index = np.empty(len(order), np.int64)
    index[order] = np.cumsum(fresh) - 1
    kept = order[fresh]
    points = (mesh.vertices[mesh.triangles.ravel()[kept]] / 1000).astype(np.float32)
    return points, normals.reshape(-1, 3)[kept].astype(np.float32), index


def _shade(mesh: Mesh) -> Floats:
    """Give every corner the mean normal of the facets around its point that hang together without a sharp edge."""
    cross = mesh.crosses()
    one, other, is_sharp, _ = _neighbours(mesh, cross)
    links = coo_array(
        (np.ones(len(one), np.int8)[~is_sharp], (one[~is_sharp], other[~is_sharp])), shape=(len(cross),) * 2
    )
    count, group = connected_components(links, directed=False)
    keys, place = np.unique(mesh.triangles.astype(np.int64) * count + group[:, None], return_inverse=True)
    place = place.reshape(-1, 3)
    sums = [np.bincount(place.ravel(), np.repeat(cross[:, i], 3), len(keys)) for i in range(3)]
    means = np.stack(sums, axis=1).astype(np.float64)
    found: Floats = (means / np.maximum(np.linalg.norm(means, axis=1)[:, None], 1e-12))[place]
    return found


def _neighbours(mesh: Mesh, cross: Floats) -> tuple[Ints, Ints, Flags, Ints]:
    """List, for every edge, two of its triangles, whether it is sharp or open, and its points."""
    units = cross / np.maximum(np.linalg.norm(cross, axis=1)[:, None], 1e-12)
    index, edges = edges_of(mesh.triangles)
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(len(edges)))
    uses = np.bincount(index, minlength=len(edges))
    owner = order % len(mesh.triangles)
    one, other = owner[starts], owner[np.minimum(starts + 1, len(owner) - 1)]
    is_sharp = (uses != 2) | ((units[one] * units[other]).sum(axis=1) < _SHARP)
    return one, other, is_sharp, edges


def _sharp_edges(mesh: Mesh) -> Ints:
    """Find the edges at which two facets meet sharply, and open ones."""
    _, _, is_sharp, edges = _neighbours(mesh, mesh.crosses())
    found: Ints = edges[is_sharp]
    return found


def _thin(mesh: Mesh) -> Mesh:
    """Merge vertices on a coarser and coarser grid until few enough triangles are left."""
    cell = math.sqrt(float(np.linalg.norm(mesh.crosses(), axis=1).sum()) / _LIMIT)
    low = mesh.vertices.min(axis=0)
    while True:
        grid = np.round((mesh.vertices - low) / cell).astype(np.int64)
        _, index = np.unique((grid[:, 0] << 42) | (grid[:, 1] << 21) | grid[:, 2], return_inverse=True)
        count = int(index.max()) + 1
        sums = [np.bincount(index, mesh.vertices[:, i], count) for i in range(3)]
        points = np.stack(sums, axis=1).astype(np.float64) / np.bincount(index, minlength=count)[:, None]
        joined = index[mesh.triangles]
        a, b, c = joined.T
        joined = joined[(a != b) & (b != c) & (c != a)]
        if 0 < len(joined) <= _LIMIT:
            return build(points, joined)
        cell *= 1.3


def _pack(parts: list[Any], name: str, box_mm: list[float]) -> bytes:
    views, accessors, data = [], [], b""
    for number, part in enumerate(parts):
        is_index = part.dtype == np.uint32
        accessor: dict[str, Any] = {
            "bufferView": number,
            "componentType": 5125 if is_index else 5126,
            "count": int(part.size if is_index else len(part)),
            "type": "SCALAR" if is_index else "VEC3",
        }
        if not is_index:
            accessor |= {"min": part.min(axis=0).tolist(), "max": part.max(axis=0).tolist()}
        accessors.append(accessor)
        views.append(
            {
                "buffer": 0,
                "byteOffset": len(data),
                "byteLength": int(part.nbytes),
                "target": 34963 if is_index else 34962,
            }
        )
        data += part.tobytes()
    faces = {"attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2, "material": 0, "mode": 4}
    lines = [{"attributes": {"POSITION": 3}, "material": 1, "mode": 1}] if len(parts) > 3 else []
    tree = {
        "asset": {"version": "2.0", "generator": "interwork"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": name, "rotation": _TURN, "mesh": 0, "extras": {"box_mm": box_mm}}],
        "meshes": [{"name": name, "primitives": [faces, *lines]}],
        "materials": _MATERIALS,
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(data)}],
    }
    return _container(tree, data)


def _container(tree: dict[str, Any], data: bytes) -> bytes:
    """Put the tree and the data into one binary file."""
    text = json.dumps(tree, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(data), 0x004E4942) + data
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
