"""What a shape keeps through another export: its signature, and the distinct bodies a file is made of."""

import msgspec
import numpy as np

from interwork.core.design import BodyFacts, Signature
from interwork.design.geometry.mesh import Body, Floats, Mesh, Solid

_SAME = 1e-3
"""Figures of two exports of one shape differ by less: the chords of two meshes do."""
_SAME_AREA = 2e-3
_SAME_MOMENT = 3e-3
_LISTED_MAX = 200


def sign(mesh: Mesh, solid: Solid) -> Signature:
    """Compute the signature of closed bodies."""
    volume, centre, moments = _moments(mesh)
    used = [solid.faces[number].kind for number in np.unique(mesh.face) if 0 <= number < len(solid.faces)]
    box = np.sort(np.ptp(mesh.vertices[np.unique(mesh.triangles)], axis=0))
    principal = np.sort(np.linalg.eigvalsh(moments - volume * np.outer(centre, centre)))
    return Signature(
        volume_mm3=_rounded(volume),
        area_mm2=_rounded(float(np.linalg.norm(mesh.crosses(), axis=1).sum()) / 2),
        box_mm=_three(box),
        moments_mm5=_three(principal),
        faces={kind: used.count(kind) for kind in sorted(set(used))},
    )


def _moments(mesh: Mesh) -> tuple[float, Floats, Floats]:
    """Integrate volume, centroid and second moments over the tetrahedra from the middle to every triangle."""
    origin = mesh.vertices.mean(axis=0)
    corners = mesh.corners() - origin
    volumes = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    sums = corners.sum(axis=1)
    volume = float(volumes.sum())
    centre: Floats = (volumes[:, None] * sums).sum(axis=0) / (4 * volume) if volume else np.zeros(3)
    outer = np.einsum("nki,nkj->nij", corners, corners) + np.einsum("ni,nj->nij", sums, sums)
    moments: Floats = np.einsum("n,nij->ij", volumes, outer) / 20
    return volume, centre, moments


def _three(values: Floats) -> tuple[float, float, float]:
    x, y, z = (_rounded(float(value)) for value in values)
    return x, y, z


def _rounded(value: float) -> float:
    return float(f"{value:.7g}")


def differences(one: Signature, other: Signature) -> list[str]:
    """Say in numbers where two shapes differ; nothing where they are the same (or each other's mirror image)."""
    pairs = [("volume", "mm³", one.volume_mm3, other.volume_mm3)]
    pairs += [("side", "mm", a, b) for a, b in zip(one.box_mm, other.box_mm, strict=True)]
    said = [_said(*each) for each in pairs if not _is_near(each[2], each[3], _SAME)]
    if not _is_near(one.area_mm2, other.area_mm2, _SAME_AREA):
        said.append(_said("area", "mm²", one.area_mm2, other.area_mm2))
    most = max(*one.moments_mm5, *other.moments_mm5, 1e-12)
    for a, b in zip(one.moments_mm5, other.moments_mm5, strict=True):
        if abs(a - b) > _SAME_MOMENT * most:
            said.append(_said("principal moment", "mm⁵", a, b))
    return said


def _said(what: str, unit: str, one: float, other: float) -> str:
    return (
        f"{what} {one:.6g} → {other:.6g} {unit} ({other / one - 1:+.3%})" if one else f"{what} 0 → {other:.6g} {unit}"
    )


def _is_near(one: float, other: float, margin: float) -> bool:
    return abs(one - other) <= margin * max(abs(one), abs(other), 1e-9)


def is_same(one: Signature | None, other: Signature | None) -> bool:
    """Tell whether two signatures are of one shape."""
    return one is not None and other is not None and not differences(one, other)


def list_bodies(mesh: Mesh, bodies: list[Body], names: tuple[str, ...]) -> tuple[tuple[BodyFacts, ...], list[int]]:
    """List the distinct bodies with how often each is there, and the number of the first of each."""
    found: list[BodyFacts] = []
    first: list[int] = []
    order = np.argsort(mesh.body, kind="stable")
    starts = np.searchsorted(mesh.body[order], [body.number for body in bodies])
    ends = np.searchsorted(mesh.body[order], [body.number for body in bodies], "right")
    for body, start, end in zip(bodies, starts, ends, strict=True):
        points = mesh.vertices[np.unique(mesh.triangles[order[start:end]])]
        box, middle = np.ptp(points, axis=0), (points.max(axis=0) + points.min(axis=0)) / 2
        facts = BodyFacts(
            name=names[body.number] if body.number < len(names) else "",
            count=1,
            box_mm=_three(box),
            volume_mm3=round(body.volume_mm3, 3),
            area_mm2=round(body.area_mm2, 3),
            at=_three(middle),
            is_closed=body.is_closed(),
        )
        place = next((number for number, one in enumerate(found) if _is_alike(one, facts)), None)
        if place is not None:
            found[place] = msgspec.structs.replace(found[place], count=found[place].count + 1)
        elif len(found) < _LISTED_MAX:
            found.append(facts)
            first.append(body.number)
    return tuple(found), first


def _is_alike(one: BodyFacts, other: BodyFacts) -> bool:
    """Tell whether two bodies are one design placed twice; the box turns with the placing, so it does not count."""
    return _is_near(one.volume_mm3, other.volume_mm3, _SAME) and _is_near(one.area_mm2, other.area_mm2, _SAME)
