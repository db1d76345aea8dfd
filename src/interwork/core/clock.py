"""Time: zone-aware UTC datetimes inside, RFC 3339 with `Z` on every wire, microseconds since 1970 in columns."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

from interwork.core.errors import BadInput

Clock = Callable[[], datetime]
"""What tells the time; handed in so that tests can hold it still."""


def now() -> datetime:
    """Tell the present moment in UTC."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_us(moment: datetime) -> int:
    """Turn a moment into whole microseconds since 1970-01-01T00:00Z."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def from_us(microseconds: int) -> datetime:
    """Turn microseconds since 1970 into a moment."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def parse_moment(text: str) -> datetime:
    """Read `2026-12-24` (end of that day), `2026-12-24T16:00Z`, `+10d` or `+36h` (from now)."""
    text = text.strip()
    units = {"d": "days", "h": "hours", "m": "minutes"}
    try:
        if text.startswith("+") and text[-1] in units:
            return now() + timedelta(**{units[text[-1]]: float(text[1:-1])})
        if len(text) == len("2026-12-24"):
            return datetime.combine(date.fromisoformat(text), time(23, 59, 59), tzinfo=UTC)
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, IndexError) as fault:
        raise BadInput(
            f"{text!r} is not a date.", remedy="Write 2026-12-24, 2026-12-24T16:00Z, or +10d for ten days from now."
        ) from fault
