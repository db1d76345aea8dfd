"""Walls and printing by rays: how thick the part is and where, and what it would take to print it.

A wall counts only where the ray leaves through an opposite face (the cosine of both normals below −0.8); a ray that
slips out through a side says nothing about thickness.
"""

from dataclasses import dataclass

import numpy as np

from interwork.core.design import Printing
from interwork.design.geometry.features import DIRECTIONS
from interwork.design.geometry.mesh import Floats, Mesh
from interwork.design.geometry.rays import Caster, sample

_RAYS = 4000
_OPPOSITE = -0.8
_AGREE = 0.05
_OVERHANG = -0.7071
"""Faces that look down by more than this (45°) need support."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """Wall thickness by rays: the thinnest and where, the typical, and the share of the area that has the typical."""

    thinnest_mm: float
    typical_mm: float
    sheet_share: float
    percent_mm: float
    """1 % of the area is thinner."""
    at: tuple[float, float, float]


def find_walls(mesh: Mesh, caster: Caster | None = None) -> Walls | None:
    """Shoot rays inward from area-weighted samples; count those that leave through an opposite face."""
    shooter = caster or Caster(mesh)
    starts, normals, _, _ = sample(mesh, _RAYS)
    distance, hit = shooter.cast(starts, -normals)
    cross = mesh.crosses()[np.maximum(hit, 0)]
    facing = (cross * normals).sum(axis=1) / np.maximum(np.linalg.norm(cross, axis=1), 1e-12)
    opposite = (hit >= 0) & (facing < _OPPOSITE)
    if not opposite.any():
        return None
    walls = distance[opposite]
    ordered = np.sort(walls)
    # The thickness most of the rays agree on, within 5 %.
    agree = np.searchsorted(ordered, ordered * (1 + _AGREE), "right") - np.searchsorted(ordered, ordered * (1 - _AGREE))
    least = int(np.argmin(walls))
    x, y, z = (round(float(value), 3) for value in starts[opposite][least])
    return Walls(
        thinnest_mm=float(walls[least]),
        typical_mm=_middle(ordered, int(np.argmax(agree))),
        sheet_share=float(agree.max() / _RAYS),
        percent_mm=float(ordered[int(0.01 * len(ordered))]),
        at=(x, y, z),
    )


def _middle(ordered: Floats, place: int) -> float:
    """Take the median of those that agree."""
    low, high = ordered[place] * (1 - _AGREE), ordered[place] * (1 + _AGREE)
    return float(np.median(ordered[(ordered >= low) & (ordered <= high)]))


def find_printing(mesh: Mesh, caster: Caster) -> Printing:
    """Find which of six build directions needs least support: overhanging area times the gap below it."""
    starts, normals, _, areas = sample(mesh, _RAYS)
    each = float(areas.sum()) / _RAYS
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    found = []
    for name, direction in DIRECTIONS.items():
        up = np.array(direction)
        axis = int(np.argmax(np.abs(up)))
        floor = low[axis] if up[axis] > 0 else -high[axis]
        heights = starts @ up - floor
        looks_down = (normals @ up < _OVERHANG) & (heights > 1e-3 * caster.extent)
        gap, _ = caster.cast(starts[looks_down], np.tile(-up, (int(looks_down.sum()), 1)))
        gap = np.where(np.isfinite(gap), gap, heights[looks_down])
        volume = float((gap * np.abs(normals[looks_down] @ up)).sum()) * each
        found.append(
            Printing(
                build_axis=name,
                support_mm3=round(volume, 1),
                overhang_mm2=round(float(looks_down.sum()) * each, 1),
                height_mm=round(float(high[axis] - low[axis]), 4),
            )
        )
    return min(found, key=lambda one: (one.support_mm3, one.height_mm))
