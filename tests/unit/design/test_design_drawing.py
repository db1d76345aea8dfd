"""Flat patterns of every kind people export, their areas known; what has no inside, or two, is refused."""

import io
import math

import ezdxf
import numpy as np
import pytest

from interwork.core.errors import UnreadableDesign
from interwork.design.files import contours, drawing

BOX = [(0, 0), (100, 0), (100, 50), (0, 50)]
SIDES = list(zip(BOX, [*BOX[1:], BOX[0]], strict=True))


def dxf(draw, *, units=4):
    made = ezdxf.new("R2010", setup=True)
    made.header["$INSUNITS"] = units
    draw(made, made.modelspace())
    out = io.StringIO()
    made.write(out)
    return out.getvalue().encode()


def measured(draw, **more):
    return drawing.read(dxf(draw, **more), "test")[0]


def plate(_, space):
    space.add_lwpolyline(BOX, close=True)


def drawn_twice(made, space):
    plate(made, space)
    for start, end in (*SIDES, *SIDES):
        space.add_line(end, start)


def dimensioned(made, space):
    plate(made, space)
    space.add_linear_dim(base=(0, 90), p1=(0, 0), p2=(100, 0)).render()
    space.add_text("M8 grün 中文")


def hidden(made, space):
    plate(made, space)
    made.layers.add("off").off()
    made.layers.add("frozen").freeze()
    space.add_circle((500, 500), 100, dxfattribs={"layer": "off"})
    block = made.blocks.new("B")
    block.add_circle((700, 0), 9)
    space.add_blockref("B", (0, 0), dxfattribs={"layer": "frozen"})


def with_axes(made, space):
    plate(made, space)
    made.layers.add("axes", linetype="CENTER")
    space.add_line((-20, 25), (120, 25), dxfattribs={"linetype": "DASHDOT"})
    space.add_line((50, -20), (50, 70), dxfattribs={"layer": "axes"})


@pytest.mark.parametrize("draw", [plate, drawn_twice, dimensioned, hidden, with_axes])
def test_only_what_is_cut_is_measured_and_only_once(draw):
    """What speaks of the part, lies on a hidden layer, is an axis, or is drawn again, is not its outline."""
    shape = measured(draw)
    assert shape.flat.outline_area_mm2 == pytest.approx(5000)
    assert shape.flat.cut_length_mm == pytest.approx(300)
    assert (shape.box_mm, shape.is_closed, shape.flat.open_ends) == ((100.0, 50.0, 0.0), True, 0)
    assert len(shape.notes) == (1 if draw is plate else 2)


def blocks(made, space):
    block = made.blocks.new("P")
    block.add_lwpolyline([(0, 0), (10, 0), (10, 10), (0, 10)], close=True)
    space.add_blockref("P", (0, 0))
    space.add_blockref("P", (50, 0), dxfattribs={"xscale": 2, "yscale": 2})
    space.add_blockref("P", (100, 0), dxfattribs={"rotation": 45})


def stretched(made, space):
    made.blocks.new("C").add_circle((0, 0), 5)
    space.add_blockref("C", (0, 0), dxfattribs={"xscale": 2})


def in_rows(made, space):
    made.blocks.new("C").add_circle((0, 0), 5)
    space.add_blockref("C", (0, 0), dxfattribs={"column_count": 3, "column_spacing": 20})


def island(made, space):
    plate(made, space)
    space.add_lwpolyline([(10, 10), (60, 10), (60, 40), (10, 40)], close=True)
    space.add_circle((30, 25), 5)


def mirrored(_, space):
    space.add_lwpolyline([(0, 0, 0, 0, 1), (10, 0, 0, 0, 1)], format="xyseb", close=True)
    space.add_lwpolyline([(x + 50, y) for x, y in BOX], close=True, dxfattribs={"extrusion": (0, 0, -1)})


@pytest.mark.parametrize(
    ("draw", "area", "outlines", "holes"),
    [
        (blocks, 600, 3, 0),
        (stretched, 50 * math.pi, 1, 0),
        (in_rows, 75 * math.pi, 3, 0),
        (island, 3500 + 25 * math.pi, 2, 1),
        (mirrored, 5000 + 25 * math.pi, 2, 0),
    ],
)
def test_blocks_islands_and_bulges_have_their_area(draw, area, outlines, holes):
    shape = measured(draw)
    assert shape.flat.outline_area_mm2 == pytest.approx(area, rel=5e-4)
    assert (shape.flat.outlines, shape.flat.holes) == (outlines, holes)


@pytest.mark.parametrize(
    ("units", "mm"), [(1, 25.4), (2, 304.8), (4, 1), (5, 10), (6, 1000), (9, 0.0254), (13, 0.001), (14, 100), (0, 1)]
)
def test_the_unit_of_the_header_is_the_unit_of_the_drawing(units, mm):
    shape = measured(plate, units=units)
    assert shape.box_mm[0] == pytest.approx(100 * mm, rel=1e-3)
    assert any("millimetres are assumed" in note for note in shape.notes) == (units == 0)


def open_ends(_, space):
    for start, end in SIDES[:3]:
        space.add_line(start, end)


def bow_tie(_, space):
    space.add_lwpolyline([(0, 0), (100, 100), (100, 0), (0, 100)], close=True)


def overlapping(made, space):
    plate(made, space)
    space.add_circle((100, 25), 10)


def endless(made, space):
    one, other = made.blocks.new("A"), made.blocks.new("B")
    one.add_blockref("B", (0, 0))
    other.add_blockref("A", (0, 0))
    space.add_blockref("A", (0, 0))


def remarks_only(_, space):
    space.add_linear_dim(base=(0, 90), p1=(0, 0), p2=(100, 0)).render()


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (bow_tie, "cross one another or themselves in 1 places"),
        (overlapping, "cross one another"),
        (endless, "contain one another"),
        (remarks_only, "no line to cut"),
    ],
)
def test_a_drawing_without_one_inside_is_refused_with_the_reason(draw, says):
    with pytest.raises(UnreadableDesign, match=says):
        measured(draw)


def test_an_outline_that_is_open_has_no_area_and_is_still_drawn():
    shape, lines = drawing.read(dxf(open_ends), "test")
    assert (shape.is_closed, shape.flat.outline_area_mm2, shape.flat.open_ends, len(lines)) == (False, 0, 2, 1)


def test_contours_that_only_touch_do_not_cross():
    def beside(_, space):
        for x in (0, 100, 200):
            space.add_lwpolyline([(x + a, b) for a, b in BOX], close=True)
        space.add_circle((50, 25), 25)

    assert measured(beside).flat.outline_area_mm2 == pytest.approx(15_000 - 625 * math.pi, rel=1e-3)


def test_the_binary_form_measures_as_the_text_does():
    made = ezdxf.new("R2010")
    made.header["$INSUNITS"] = 4
    plate(made, made.modelspace())
    out = io.BytesIO()
    made.write(out, fmt="bin")
    assert drawing.read(out.getvalue(), "test")[0] == measured(plate)


def on_edge(_, space):
    space.add_circle((0, 0), 10, dxfattribs={"extrusion": (1, 0, 0)})


def wire_box(made, space):
    plate(made, space)
    for x, y in BOX:
        space.add_line((x, y, 0), (x, y, 30))


@pytest.mark.parametrize("draw", [on_edge, wire_box])
def test_curves_that_leave_the_plane_are_no_flat_pattern(draw):
    """A wire frame seen from above would be measured as a plate that is not there."""
    with pytest.raises(UnreadableDesign, match=r"rises by [23]0 mm") as refused:
        measured(draw)
    assert "STEP" in refused.value.remedy


def test_a_plate_with_thousands_of_holes_is_counted_box_by_box(monkeypatch):
    """Each hole is tried against the outline around it, not against every other hole."""
    tried = []
    inside = contours.is_inside
    monkeypatch.setattr(contours, "is_inside", lambda point, other: tried.append(1) or inside(point, other))
    corners = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0)])
    holes = [corners + np.array((2 * column, 2 * row)) for column in range(50) for row in range(40)]
    plate = corners * 200 - 50
    kept = contours.apart([plate, *holes, *holes[:100]], 1e-4)
    assert (len(kept), contours.depths(kept)) == (2001, [0] + [1] * 2000)
    assert len(tried) == 2000
