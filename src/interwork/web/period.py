"""The period a page or a question is about, in its address: `last=8h` or `start=…&end=…`; an address is a permalink."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.requests import Request

from interwork.core.clock import parse_moment, rfc3339, to_us
from interwork.core.errors import BadInput
from interwork.web.access import node_of

UNITS = {"m": 60, "h": 3600, "d": 86400}
LONGEST = timedelta(days=800)
SHORTEST = timedelta(seconds=1)
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""A period lies within these, so that those beside it are times too."""
_LAST = re.compile(r"(\d{1,6})([mhd])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A stretch of time; `last` is how it was asked for where it ends now, and then it moves with the clock."""

    start: datetime
    end: datetime
    last: str = ""

    @property
    def start_us(self) -> int:
        """Tell its start in µs since 1970."""
        return to_us(self.start)

    @property
    def end_us(self) -> int:
        """Tell its end in µs since 1970."""
        return to_us(self.end)

    @property
    def seconds(self) -> float:
        """Tell how long it is."""
        return (self.end - self.start).total_seconds()

    @property
    def query(self) -> str:
        """Write it as it stands in an address."""
        return f"last={self.last}" if self.last else self.exact

    @property
    def exact(self) -> str:
        """Write it with both its ends, for what has to stay as it is shown."""
        return f"start={rfc3339(self.start)}&end={rfc3339(self.end)}"

    def moved(self, share: float) -> str:
        """Write the address of the period before or after: -1 is one length earlier."""
        by = (self.end - self.start) * share
        return f"start={rfc3339(self.start + by)}&end={rfc3339(self.end + by)}"

    def scaled(self, share: float) -> str:
        """Write the address of a longer or shorter period around its middle."""
        middle, half = self.start + (self.end - self.start) / 2, (self.end - self.start) * share / 2
        half = max(half, SHORTEST)
        return f"start={rfc3339(middle - half)}&end={rfc3339(middle + half)}"


def period_of(request: Request, *, default: str = "8h") -> Period:
    """Read the period of an address; BadInput where it is none."""
    query, now = request.query_params, node_of(request).clock()
    if query.get("start"):
        start = parse_moment(query["start"])
        end = parse_moment(query["end"]) if query.get("end") else now
        if not (SHORTEST <= end - start <= LONGEST and start >= FIRST and end <= LAST):
            raise BadInput(
                f"A period from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} is none.",
                remedy=f"Give a start before its end, {LONGEST.days} days apart at the most, from {FIRST.year} on.",
            )
        return Period(start=start, end=end)
    last = query.get("last") or default
    found = _LAST.fullmatch(last)
    length = timedelta(seconds=int(found[1]) * UNITS[found[2]]) if found else timedelta()
    if not SHORTEST <= length <= LONGEST:
        raise BadInput(f"last={last[:20]!r} is no period.", remedy="Write 15m, 8h or 7d.")
    return Period(start=now - length, end=now, last=last)


def step_of(request: Request, period: Period, *, most: int = 200) -> int:
    """Read the length of an interval in seconds (`step`), else the shortest round one that gives at most `most`."""
    text = request.query_params.get("step", "")
    if text:
        if not text.isdecimal() or len(text) > 7 or not 1 <= int(text) <= 604_800:
            raise BadInput(f"step={text[:20]!r} is no interval.", remedy="Give whole seconds, up to a week.")
        return int(text)
    seconds = (period.end - period.start).total_seconds()
    steps = (1, 10, 60, 300, 900, 3600, 6 * 3600, 86400, 7 * 86400)
    return next((one for one in steps if seconds / one <= most), steps[-1])
