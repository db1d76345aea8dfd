"""Builders of geometry with meaningful defaults: the measured bracket, changed where a test says so."""

from datetime import UTC, datetime

from interwork.core.design import Geometry, Hole

AT = datetime(2026, 11, 1, 8, tzinfo=UTC)


def hole(diameter_mm=9.0, depth_mm=25.0, *, at=(0.0, 0.0, 0.0), axis=(0.0, 0.0, 1.0), is_through=True):
    return Hole(diameter_mm=diameter_mm, depth_mm=depth_mm, axis=axis, at=at, is_through=is_through)


def geometry(**changed):
    given = {
        "analyser": "test",
        "unit": "mm",
        "bodies": 1,
        "box_mm": (120.0, 80.0, 25.0),
        "volume_mm3": 196_900.0,
        "area_mm2": 33_700.0,
        "triangles": 5000,
        "is_closed": True,
        "holes": (hole(), hole(at=(20.0, 0.0, 0.0)), hole(30.0, at=(40.0, 0.0, 0.0))),
        "setups": 2,
        "approaches": ("+Z", "-Z"),
        "revolved_share": 0.64,
        "wall_mm": (6.5, 25.0),
        "sheet_share": 0.5,
    }
    return Geometry(**(given | changed))
