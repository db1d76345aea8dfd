"""Rays against triangles: where each first meets the surface, by Embree, in single precision about the middle."""

import numpy as np
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh

from interwork.design.geometry.mesh import Floats, Ints, Mesh

_LIFT = 2e-5
"""Rays start this share of the extent off the surface, so that they do not meet their own triangle."""


class Caster:
    """One mesh, ready to be shot at again and again."""

    def __init__(self, mesh: Mesh) -> None:
        self._middle = (mesh.vertices.max(axis=0) + mesh.vertices.min(axis=0)) / 2
        self.extent = float(np.ptp(mesh.vertices, axis=0).max())
        self._scene = rtcore_scene.EmbreeScene()
        corners = (mesh.corners() - self._middle).astype(np.float32)
        self._held = TriangleMesh(self._scene, corners)

    def cast(self, starts: Floats, along: Floats) -> tuple[Floats, Ints]:
        """Find the distance to, and the number of, the first triangle each ray meets; inf and -1 where none."""
        lift = _LIFT * self.extent
        origins = (starts - self._middle + lift * along).astype(np.float32)
        found = self._scene.run(origins, along.astype(np.float32), query="INTERSECT", output=True)
        hit = found["primID"].astype(np.int64)
        distance = np.where(hit >= 0, found["tfar"].astype(np.float64) + lift, np.inf)
        return distance, hit


def spread(corners: Floats, index: Ints) -> Floats:
    """Place one point in every triangle by a low-discrepancy sequence."""
    a, b = (index * 0.7548776662466927) % 1.0, (index * 0.5698402909980532) % 1.0
    over = a + b > 1
    a, b = np.where(over, 1 - a, a), np.where(over, 1 - b, b)
    found: Floats = corners[:, 0] + a[:, None] * (corners[:, 1] - corners[:, 0])
    found += b[:, None] * (corners[:, 2] - corners[:, 0])
    return found


def sample(mesh: Mesh, count: int) -> tuple[Floats, Floats, Ints, Floats]:
    """Take area-weighted samples: points, unit normals, triangles, and the area of all."""
    cross = mesh.crosses()
    areas = np.linalg.norm(cross, axis=1)
    edges = np.cumsum(areas)
    chosen = np.searchsorted(edges, (np.arange(count) + 0.5) / count * edges[-1]).clip(max=len(areas) - 1)
    normals = cross[chosen] / np.maximum(areas[chosen, None], 1e-12)
    return spread(mesh.corners()[chosen], np.arange(count)), normals, chosen, areas / 2
