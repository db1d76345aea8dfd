"""The project's own geometry script: parts as boundary solids, written as STEP and STL.

The sample parts that ship with the product are what `samples()` returns, to the byte; they are nobody's real parts.
"""

from interwork.design.solid.shape import Block, Bore, Flange, Pocket, Step, area_mm2
from interwork.design.solid.step import write_step
from interwork.design.solid.stl import write_stl

SENSOR_BRACKET = Block(
    name="Sensor bracket",
    length_mm=120.0,
    width_mm=80.0,
    height_mm=25.0,
    corner_mm=8.0,
    bores=(
        Bore(x_mm=11.0, y_mm=11.0, diameter_mm=9.0),
        Bore(x_mm=109.0, y_mm=11.0, diameter_mm=9.0),
        Bore(x_mm=109.0, y_mm=69.0, diameter_mm=9.0),
        Bore(x_mm=11.0, y_mm=69.0, diameter_mm=9.0),
        Bore(x_mm=26.0, y_mm=40.0, diameter_mm=30.0),
    ),
    pockets=(Pocket(x_mm=49.0, y_mm=25.0, length_mm=60.0, width_mm=30.0, depth_mm=10.0, corner_mm=6.0),),
)
"""120 × 80 × 25 mm: four mounting holes Ø9, one bore Ø30, one pocket 60 × 30 × 10."""

PIPE_FLANGE = Flange(
    name="Pipe flange",
    diameter_mm=115.0,
    thickness_mm=14.0,
    hub_diameter_mm=60.0,
    height_mm=40.0,
    bore_mm=40.0,
    bolts=6,
    bolt_mm=11.0,
    pitch_mm=88.0,
)
"""A turned flange Ø115 × 40 mm with six bolt holes Ø11."""


def samples() -> dict[str, bytes]:
    """Write the sample parts by file name."""
    return {"bracket.step": write_step(SENSOR_BRACKET), "flange.stl": write_stl(PIPE_FLANGE)}


__all__ = [
    "PIPE_FLANGE",
    "SENSOR_BRACKET",
    "Block",
    "Bore",
    "Flange",
    "Pocket",
    "Step",
    "area_mm2",
    "samples",
    "write_step",
    "write_stl",
]
