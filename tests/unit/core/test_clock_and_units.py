from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interwork.core.clock import from_us, now, parse_moment, rfc3339, to_us
from interwork.core.errors import BadInput
from interwork.core.units import convert


def test_a_bare_date_means_its_last_second():
    assert parse_moment("2026-12-24") == datetime(2026, 12, 24, 23, 59, 59, tzinfo=UTC)


def test_a_plus_counts_from_now():
    assert abs(parse_moment("+36h") - now() - timedelta(hours=36)) < timedelta(seconds=5)


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01", "+d", "+xd", "+1e400d"])
def test_what_is_no_date_is_refused_with_the_forms_that_are(text):
    with pytest.raises(BadInput, match="ten days from now"):
        parse_moment(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_moment_that_is_in_no_year_of_utc_is_refused(text):
    """The year is one of the calendar only where it was written."""
    with pytest.raises(BadInput, match="not a date"):
        parse_moment(text)


def test_a_moment_is_told_in_utc_wherever_it_was_written():
    assert parse_moment("2026-10-25T02:30:00+02:00").isoformat() == "2026-10-25T00:30:00+00:00"


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_carry_a_moment_whole(moment):
    assert from_us(to_us(moment)) == moment


def test_the_wire_form_of_a_moment_is_utc_with_z():
    assert rfc3339(datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)) == "2026-01-02T03:04:05.678Z"


def test_inches_and_degrees_convert():
    assert convert(1, "[in_i]", "mm") == pytest.approx(25.4)
    assert convert(25, "Cel", "K") == pytest.approx(298.15)


@pytest.mark.parametrize(("source", "target"), [("mm", "kg"), ("mm", "furlong"), ("cubit", "mm")])
def test_units_that_do_not_convert_are_refused_by_name(source, target):
    with pytest.raises(BadInput, match="mm"):
        convert(1, source, target)
