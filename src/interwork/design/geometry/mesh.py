"""Triangles with their bodies, what is measured on them, and how they are read from the kernel's GLB.

Inside, lengths are millimetres in double precision and Z is as the file has it. The geometry kernel hands over GLB
(glTF 2.0), in metres for STEP and in millimetres for IGES. Vertices are merged only after scaling to mm, on a grid far
below any tolerance.
"""

import json
import math
import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_COMPONENT: dict[int, type[np.generic]] = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_TRIANGLES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """Triangles over welded vertices, in mm, with the face and the body each belongs to."""

    vertices: Floats
    triangles: Ints
    face: Ints
    """Number of the analytic face, -1 where there is none."""
    body: Ints
    normals: Floats | None = None
    """Per triangle corner (n, 3, 3), where the kernel gave them."""

    def corners(self) -> Floats:
        """Look up the corners of every triangle: (n, 3, 3)."""
        found: Floats = self.vertices[self.triangles]
        return found

    def crosses(self) -> Floats:
        """Compute twice the area of every triangle as a vector along its normal."""
        corners = self.corners()
        found: Floats = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        return found

    def only(self, kept: Flags) -> "Mesh":
        """Keep some of the triangles."""
        normals = None if self.normals is None else self.normals[kept]
        return replace(
            self, triangles=self.triangles[kept], face=self.face[kept], body=self.body[kept], normals=normals
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One connected set of triangles and its measures."""

    number: int
    volume_mm3: float
    area_mm2: float
    open_mm: float
    """Length of the edges that not exactly two triangles share."""

    def is_closed(self) -> bool:
        """Tell whether what is open is small against the size: seams of single precision are not holes."""
        return self.open_mm <= 0.01 * math.sqrt(self.area_mm2)


def weld(points: Floats, triangles: Ints) -> tuple[Floats, Ints, Flags]:
    """Merge points closer than two millionths of the extent; tell which triangles are still triangles.

    Two grids, half a cell apart, are laid over the points: no two near points are kept apart by a cell's border.
    """
    low = points.min(axis=0)
    cell = max(1e-6, float((points.max(axis=0) - low).max()) * 2e-6)
    labels = []
    for shift in (0.0, 0.5):
        grid = np.floor((points - low) / cell + shift).astype(np.int64)
        labels.append(np.unique((grid[:, 0] << 42) | (grid[:, 1] << 21) | grid[:, 2], return_inverse=True)[1])
    count = int(labels[0].max()) + 1
    links = coo_array((np.ones(len(points), np.int8), (labels[0], labels[1] + count)), shape=(2 * len(points) + 2,) * 2)
    merged = connected_components(links, directed=False)[1][labels[0]]
    _, first, index = np.unique(merged, return_index=True, return_inverse=True)
    joined = index[triangles]
    a, b, c = joined.T
    return points[first], joined, (a != b) & (b != c) & (c != a)


def split(triangles: Ints, points: int) -> Ints:
    """Tell the body of every triangle: those that hang together by vertices are one."""
    pairs = np.concatenate([triangles[:, :2], triangles[:, 1:]])
    links = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(points, points))
    labels = connected_components(links, directed=False)[1][triangles[:, 0]]
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def build(points: Floats, triangles: Ints, face: Ints | None = None, normals: Floats | None = None) -> Mesh:
    """Weld points and number the bodies; triangles that fall together are left out."""
    vertices, joined, kept = weld(points, triangles)
    joined = joined[kept]
    numbers = np.full(len(joined), -1, np.int64) if face is None else face[kept]
    return Mesh(
        vertices=vertices,
        triangles=joined,
        face=numbers,
        body=split(joined, len(vertices)),
        normals=None if normals is None else normals[triangles][kept],
    )


def edges_of(triangles: Ints) -> tuple[Ints, Ints]:
    """List the edge of every triangle side as an index into the distinct edges, and those edges."""
    sides = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    keys, index = np.unique(sides[:, 0] << 32 | sides[:, 1], return_inverse=True)
    return index.astype(np.int64), np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1)


def measure(mesh: Mesh) -> list[Body]:
    """Measure every body."""
    bodies = int(mesh.body.max()) + 1
    cross = mesh.crosses()
    origin = mesh.vertices.mean(axis=0)
    volumes = np.bincount(mesh.body, np.einsum("ij,ij->i", mesh.corners()[:, 0] - origin, cross) / 6, bodies)
    areas = np.bincount(mesh.body, np.linalg.norm(cross, axis=1) / 2, bodies)
    index, edges = edges_of(mesh.triangles)
    uses = np.bincount(index, minlength=len(edges))
    lengths = np.linalg.norm(mesh.vertices[edges[:, 0]] - mesh.vertices[edges[:, 1]], axis=1)
    owner = np.zeros(len(edges), np.int64)
    owner[index] = np.tile(mesh.body, 3)
    opens = np.bincount(owner, np.where(uses % 2 == 1, lengths, 0.0), bodies)
    return [
        Body(number=n, volume_mm3=float(volumes[n]), area_mm2=float(areas[n]), open_mm=float(opens[n]))
        for n in range(bodies)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """One analytic face of the kernel, placed in the part, in mm."""

    kind: str
    """plane, cylinder, cone, sphere, torus; `free` for everything else."""
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0)
    radius: float = 0.0
    sweep: float = 0.0
    """Angle it covers about its axis."""
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Solid:
    """What the kernel handed over: a mesh, its faces, and what it could not mesh."""

    mesh: Mesh
    faces: list[Surface]
    skipped: int
    """Wires, points and empty shapes."""
    names: tuple[str, ...] = ()
    """The name of every body by its number, where the file gives any."""


def read_glb(content: bytes, unit_mm: float) -> Solid | None:
    """Read the kernel's GLB, placed by its nodes; None when it holds no triangle."""
    size = struct.unpack_from("<I", content, 12)[0]
    tree: dict[str, Any] = json.loads(content[20 : 20 + size])
    reader = _GlbReader(tree, content[28 + size :], unit_mm)
    for node in tree["scenes"][tree.get("scene", 0)]["nodes"]:
        reader.visit(node, np.eye(4))
    if not reader.meshes:
        return None
    return Solid(mesh=join(reader.meshes), faces=reader.faces, skipped=reader.skipped, names=tuple(reader.names))


def join(meshes: list[Mesh]) -> Mesh:
    """Put meshes side by side; bodies of different meshes stay different even where they touch."""
    points = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    bodies = np.cumsum([0, *(int(mesh.body.max(initial=-1)) + 1 for mesh in meshes)])
    normals = [mesh.normals for mesh in meshes if mesh.normals is not None]
    return Mesh(
        vertices=np.concatenate([mesh.vertices for mesh in meshes]),
        triangles=np.concatenate([mesh.triangles + points[n] for n, mesh in enumerate(meshes)]),
        face=np.concatenate([mesh.face for mesh in meshes]),
        body=np.concatenate([mesh.body + bodies[n] for n, mesh in enumerate(meshes)]),
        normals=np.concatenate(normals) if len(normals) == len(meshes) else None,
    )


class _GlbReader:
    """Walks the nodes and gathers triangles and faces."""

    def __init__(self, tree: dict[str, Any], data: bytes, unit_mm: float) -> None:
        self.tree, self.data, self.unit_mm = tree, data, unit_mm
        self.meshes: list[Mesh] = []
        self.faces: list[Surface] = []
        self.skipped = 0
        self.names: list[str] = []

    def array(self, number: int) -> npt.NDArray[Any]:
        accessor = self.tree["accessors"][number]
        view = self.tree["bufferViews"][accessor["bufferView"]]
        width = _WIDTH[accessor["type"]]
        begin = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        kind = _COMPONENT[accessor["componentType"]]
        return np.frombuffer(self.data, kind, accessor["count"] * width, begin).reshape(-1, width)

    def visit(self, number: int, outer: Floats) -> None:
        node = self.tree["nodes"][number]
        matrix = outer @ _placement(node)
        if "mesh" in node:
            for primitive in self.tree["meshes"][node["mesh"]]["primitives"]:
                self.take(primitive, matrix)
                bodies = sum(int(mesh.body.max(initial=-1)) + 1 for mesh in self.meshes)
                self.names += [_name(node)] * (bodies - len(self.names))
        for child in node.get("children", []):
            self.visit(child, matrix)

    def take(self, primitive: dict[str, Any], matrix: Floats) -> None:
        triangles = self.array(primitive["indices"]).astype(np.int64).reshape(-1, 1)
        if primitive.get("mode", _TRIANGLES) != _TRIANGLES or len(triangles) < 3:
            self.skipped += 1
            return
        turn, shift = matrix[:3, :3], matrix[:3, 3]
        local = self.array(primitive["attributes"]["POSITION"]).astype(np.float64)
        given = primitive["attributes"].get("NORMAL")
        normals = np.zeros_like(local) if given is None else self.array(given).astype(np.float64)
        faces = None
        extension = primitive.get("extensions", {}).get("TM_brep_faces")
        if extension is not None:
            faces = self.array(extension["faceIndices"]).astype(np.int64).ravel() + len(self.faces)
            self.faces += [_surface(face, matrix, self.unit_mm) for face in extension["faces"]]
        points = (local @ turn.T + shift) * self.unit_mm
        self.meshes.append(build(points, triangles.reshape(-1, 3), faces, normals @ turn.T))


def _name(node: dict[str, Any]) -> str:
    """Read a node's name; the kernel's own labels (`=>[0:1:1:2]`) are none."""
    name = str(node.get("name", ""))
    return "" if name.startswith("=>[") else name


def _placement(node: dict[str, Any]) -> Floats:
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    matrix = np.eye(4)
    if "rotation" in node:
        x, y, z, w = node["rotation"]
        matrix[:3, :3] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    matrix[:3, :3] *= np.array(node.get("scale", [1.0, 1.0, 1.0]))
    matrix[:3, 3] = node.get("translation", [0.0, 0.0, 0.0])
    return matrix


def _surface(face: dict[str, Any] | None, matrix: Floats, unit_mm: float) -> Surface:
    if face is None or face.get("type") != "cylinder":
        return Surface(kind="free" if face is None else face["type"])
    origin = (matrix[:3, :3] @ np.array(face["origin"]) + matrix[:3, 3]) * unit_mm
    axis = matrix[:3, :3] @ np.array(face["axis"])
    angles, heights = face["extent_angle"], face["extent_height"]
    return Surface(
        kind="cylinder",
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        axis=(float(axis[0]), float(axis[1]), float(axis[2])),
        radius=float(face["radius"]) * unit_mm,
        sweep=abs(angles[1] - angles[0]),
        low=min(heights) * unit_mm,
        high=max(heights) * unit_mm,
    )
