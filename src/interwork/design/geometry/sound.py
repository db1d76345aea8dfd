"""Meshes as people send them made sound: facets that are there twice, bodies inside out, bodies in one another."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from interwork.design.geometry.mesh import Body, Flags, Floats, Mesh, edges_of

_PAIRS_MAX = 2000
"""Bodies whose boxes are held against one another."""


def once(mesh: Mesh) -> tuple[Mesh, int]:
    """Leave out facets that are there twice, facing the same way; tell how many."""
    first = mesh.triangles.argmin(axis=1)
    turned = np.take_along_axis(mesh.triangles, (first[:, None] + np.arange(3)) % 3, axis=1)
    kept = np.zeros(len(turned), np.bool_)
    kept[np.unique(turned, axis=0, return_index=True)[1]] = True
    twice = len(turned) - int(kept.sum())
    return (mesh.only(kept), twice) if twice else (mesh, 0)


def agree(mesh: Mesh) -> tuple[Mesh, int, int]:
    """Turn facets round that face the other way than those beside them; tell how many, and how many cannot be told.

    Each facet stands twice in one graph, as it is and turned round; an edge of two facets joins what faces the same
    way. Of the two sides a surface then has, the one with more facets as they are is kept.
    """
    count = len(mesh.triangles)
    index, edges = edges_of(mesh.triangles)
    paired = np.flatnonzero(np.bincount(index, minlength=len(edges))[index] == 2)
    pairs = paired[np.argsort(index[paired], kind="stable")].reshape(-1, 2)
    following = np.roll(mesh.triangles, -1, axis=1)
    is_rising = (mesh.triangles < following).T.reshape(-1)
    is_against = is_rising[pairs[:, 0]] == is_rising[pairs[:, 1]]
    if not is_against.any():
        return mesh, 0, 0
    one, other = (pairs % count).T
    to = other + count * is_against
    links = np.concatenate([one, one + count]), np.concatenate([to, (to + count) % (2 * count)])
    graph = coo_array((np.ones(2 * len(one), np.int8), links), shape=(2 * count, 2 * count))
    labels = connected_components(graph, directed=False)[1]
    as_is, turned = labels[:count], labels[count:]
    weight = np.bincount(as_is, minlength=int(labels.max()) + 1)
    is_wrong = (weight[as_is] < weight[turned]) | ((weight[as_is] == weight[turned]) & (as_is > turned))
    return turn(mesh, is_wrong), int(is_wrong.sum()), int((as_is == turned).sum())


def boxes(mesh: Mesh, bodies: Sequence[Body]) -> tuple[Floats, Floats]:
    """Give the lower and upper corner of every body."""
    corners = mesh.corners()
    count = int(mesh.body.max()) + 1
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    np.minimum.at(low, mesh.body, corners.min(axis=1))
    np.maximum.at(high, mesh.body, corners.max(axis=1))
    numbers = [body.number for body in bodies]
    return low[numbers], high[numbers]


def face_outward(mesh: Mesh, bodies: Sequence[Body]) -> tuple[Mesh, list[Body], int]:
    """Turn bodies round that face inward and lie in no other body; what lies in one is its cavity."""
    low, high = boxes(mesh, bodies)
    wrong = []
    for rank, body in enumerate(bodies):
        if body.volume_mm3 >= 0:
            continue
        around = (low <= low[rank]).all(axis=1) & (high >= high[rank]).all(axis=1)
        if not any(bodies[other].volume_mm3 > -body.volume_mm3 for other in np.flatnonzero(around).tolist()):
            wrong.append(body.number)
    if not wrong:
        return mesh, list(bodies), 0
    turned = turn(mesh, np.isin(mesh.body, wrong))
    facing = [replace(one, volume_mm3=-one.volume_mm3) if one.number in wrong else one for one in bodies]
    return turned, facing, len(wrong)


def turn(mesh: Mesh, chosen: Flags) -> Mesh:
    """Turn some triangles round."""
    triangles = np.where(chosen[:, None], mesh.triangles[:, ::-1], mesh.triangles)
    normals = mesh.normals
    if normals is not None:
        normals = np.where(chosen[:, None, None], -normals[:, ::-1], normals)
    return replace(mesh, triangles=triangles, normals=normals)


def overlapping(mesh: Mesh, bodies: Sequence[Body]) -> int:
    """Count pairs of bodies, cavities left out, whose boxes have a volume in common."""
    solid = [body for body in bodies if body.volume_mm3 > 0]
    if not 1 < len(solid) <= _PAIRS_MAX:
        return 0
    low, high = boxes(mesh, solid)
    slack = 1e-4 * (high - low).max()
    count = 0
    for rank in range(len(solid) - 1):
        common = np.minimum(high[rank], high[rank + 1 :]) - np.maximum(low[rank], low[rank + 1 :])
        count += int((common > slack).all(axis=1).sum())
    return count
