import pytest

from interwork.core.errors import BadInput
from interwork.simulate.profiles import LIMITS, PROFILES, make_profile


@pytest.mark.parametrize("profile", PROFILES.values(), ids=str)
def test_the_segments_of_a_part_fill_its_cutting_time(profile):
    assert sum(segment.share for segment in profile.segments) == pytest.approx(1)


def test_a_figure_of_a_profile_can_be_changed():
    assert make_profile("mill", base_power_kw=2.5).base_power_kw == 2.5


@pytest.mark.parametrize("changes", [{"base_power_kw": 0}, {"unit_s": float("nan")}, {"colour": 3.0}])
def test_a_figure_out_of_range_or_unknown_is_refused(changes):
    with pytest.raises(BadInput):
        make_profile("mill", **changes)


def test_an_unknown_type_is_refused_naming_the_known_ones():
    with pytest.raises(BadInput, match="mill, lathe"):
        make_profile("submarine")


def test_every_limit_admits_every_profile():
    for profile in PROFILES.values():
        for name, (low, high) in LIMITS.items():
            assert low <= getattr(profile, name) <= high
