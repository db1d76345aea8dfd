"""Times move the right way, carry a range, and are counted on the reference machine of the quotes."""

import msgspec
import pytest
from design_shapes import hole

from interwork.core.resource import Rates
from interwork.core.taxonomy import MATERIALS
from interwork.design.making import estimate

ALUMINIUM, STEEL = MATERIALS["al-6061"], MATERIALS["steel-1045"]


def cut(material=ALUMINIUM, tolerance_mm=0.1, *, removal=100_000.0, area=30_000.0, holes=()):
    return estimate.cutting(material, tolerance_mm, removal_mm3=removal, area_mm2=area, holes=holes)


def test_the_reference_machine_is_the_default_of_the_rates():
    defaults = {field.name: field.default for field in msgspec.structs.fields(Rates)}
    assert defaults["removal_mm3_s"] == estimate.REMOVAL_MM3_S


def test_roughing_takes_what_the_removal_rate_says():
    assert cut(area=0.0).likely_s == pytest.approx(1000 + 16)


@pytest.mark.parametrize(
    "slower",
    [
        cut(STEEL),
        cut(removal=200_000.0),
        cut(area=60_000.0),
        cut(tolerance_mm=0.01),
        cut(holes=(hole(),)),
    ],
)
def test_harder_more_finer_and_drilled_takes_longer(slower):
    assert slower.likely_s > cut().likely_s


def test_a_deep_hole_is_drawn_out():
    assert estimate.drilling_s((hole(4.0, 40.0),), ALUMINIUM) > estimate.drilling_s((hole(9.0, 40.0),), ALUMINIUM)


def test_unknown_holes_widen_the_range_and_are_named():
    unknown = cut(holes=None)
    assert unknown.high_s / unknown.low_s > cut().high_s / cut().low_s
    assert "not recognised" in unknown.basis


@pytest.mark.parametrize(
    "time",
    [
        cut(),
        estimate.sheet_cutting(3000.0, 2.0, 5),
        estimate.bending(),
        estimate.sintering(50_000.0),
        estimate.deburring(30_000.0, 5),
        estimate.inspecting(5),
    ],
)
def test_every_time_has_a_range_and_a_basis_with_numbers(time):
    assert 0 < time.low_s < time.likely_s < time.high_s
    assert any(sign.isdigit() for sign in time.basis)
