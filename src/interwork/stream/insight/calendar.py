"""Shifts in real time: local wall-clock times of a time zone turned into moments, right on the nights clocks change."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from interwork.core.clock import to_us
from interwork.core.errors import BadInput
from interwork.core.operating import Shift, ShiftCalendar
from interwork.stream.insight.facts import Span

DAYS_MAX = 800
"""Days one question may span."""


class Worked(NamedTuple):
    """One shift of one day, in UTC."""

    name: str
    start: datetime
    end: datetime
    breaks: tuple[tuple[datetime, datetime], ...]


def zone_of(name: str) -> ZoneInfo:
    """Find a time zone; BadInput where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as fault:
        raise BadInput(f"{name[:60]!r} is no time zone.", remedy="Write an IANA name: Europe/Berlin.") from fault


def check(calendar: ShiftCalendar) -> None:
    """Refuse a calendar whose zone is unknown or whose shifts overlap on one day of the week."""
    zone_of(calendar.zone)
    if not calendar.shifts:
        raise BadInput("The calendar has no shift.", remedy="Give at least one, as Early 06:00-14:00 mon-fri.")
    for shift in calendar.shifts:
        if not shift.days or any(not 0 <= day <= 6 for day in shift.days):
            raise BadInput(f"Shift {shift.name!r} starts on no day.", remedy="Days are 0 (Monday) to 6 (Sunday).")
    monday = date(2024, 1, 1)
    utc = ShiftCalendar(id="", name="", zone="UTC", shifts=calendar.shifts)
    week = sorted(_days(utc, monday, monday + timedelta(days=8)), key=lambda one: one.start)
    for one, other in pairwise(week):
        if other.start < one.end:
            raise BadInput(
                f"Shift {other.name!r} begins at {other.start:%H:%M}, before {one.name!r} ends at {one.end:%H:%M}.",
                remedy="Let each shift end before the next begins.",
            )


def worked(calendar: ShiftCalendar, start: datetime, end: datetime) -> list[Worked]:
    """List the shifts that touch a period, in order; a shift belongs to the day it starts on."""
    if end - start > timedelta(days=DAYS_MAX):
        raise BadInput(f"A period of {(end - start).days} days is too long.", remedy=f"Ask for {DAYS_MAX} at the most.")
    zone = zone_of(calendar.zone)
    first, last = start.astimezone(zone).date() - timedelta(days=1), end.astimezone(zone).date()
    found = [one for one in _days(calendar, first, last + timedelta(days=1)) if one.start < end and start < one.end]
    return sorted(found, key=lambda one: one.start)


def planned_spans(calendar: ShiftCalendar | None, span: Span) -> list[Span]:
    """Tell the planned time inside a period without breaks; all of it where there is no calendar."""
    if calendar is None:
        return [span]
    start, end = (datetime.fromtimestamp(us / 1e6, UTC) for us in span)
    spans = [part for shift in worked(calendar, start, end) for part in _without(shift)]
    cut = [(max(one, span[0]), min(other, span[1])) for one, other in spans]
    return [(one, other) for one, other in cut if one < other]


def _without(shift: Worked) -> Iterable[Span]:
    at = shift.start
    for start, end in sorted(shift.breaks):
        if start > at:
            yield to_us(at), to_us(start)
        at = max(at, end)
    if shift.end > at:
        yield to_us(at), to_us(shift.end)


def _days(calendar: ShiftCalendar, first: date, until: date) -> Iterable[Worked]:
    zone = zone_of(calendar.zone)
    for offset in range((until - first).days):
        day = first + timedelta(days=offset)
        if day in calendar.closed:
            continue
        for shift in calendar.shifts:
            if day.weekday() in shift.days:
                yield _on(shift, day, zone)


def _on(shift: Shift, day: date, zone: ZoneInfo) -> Worked:
    start = _moment(day, shift.start, zone)
    is_overnight = shift.end <= shift.start
    end = _moment(day + timedelta(days=int(is_overnight)), shift.end, zone)

    def placed(at: time) -> datetime:
        return _moment(day + timedelta(days=int(is_overnight and at < shift.start)), at, zone)

    breaks = tuple((placed(one), placed(other)) for one, other in shift.breaks)
    return Worked(shift.name, start, end, breaks)


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Turn a wall-clock time into UTC: of an hour that comes twice the first, of one that does not exist the next."""
    return datetime.combine(day, at.replace(tzinfo=None), zone).astimezone(UTC)
