"""As designed beside as made: what each characteristic should be, and what was measured on the parts delivered."""

from dataclasses import dataclass

from interwork.flows.rnd.quality import AsMade, Judged

MARGIN = 0.25
"""Room beside the limits, as a share of their width."""
ROWS_MAX = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Where limits and measured values lie on a line of 100."""

    lower: float
    upper: float
    low: float
    high: float
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One row of the panel."""

    row: AsMade
    strip: Strip | None
    tone: str
    """bad: a part is outside; warn: the process is not capable; empty: as it should be, or nothing to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The rows worth looking at first, and how many there are."""

    rows: tuple[Made, ...]
    all: int
    measured: int
    is_simulated: bool


CAPABLE = 1.33
"""Cpk a process is called capable from (ISO 22514-2 leaves it to the customer; this is the common wish)."""


def panel(rows: tuple[AsMade, ...]) -> Panel:
    """Put what was measured first, the worst of it on top."""
    made = [Made(row=one, strip=_strip(one), tone=_tone(one.made)) for one in rows]
    order = {"bad": 0, "warn": 1, "": 2}
    made.sort(key=lambda one: (one.row.made is None, order[one.tone]))
    return Panel(
        rows=tuple(made[:ROWS_MAX]),
        all=len(rows),
        measured=sum(1 for one in rows if one.made is not None),
        is_simulated=any(one.made.series.is_simulated for one in rows if one.made is not None),
    )


def _tone(made: Judged | None) -> str:
    if made is None:
        return ""
    if made.outside:
        return "bad"
    cpk = made.capability.cpk.value if made.capability else None
    return "warn" if cpk is not None and cpk < CAPABLE else ""


def _strip(one: AsMade) -> Strip | None:
    if one.made is None or one.lower is None or one.upper is None or not one.lower < one.upper:
        return None
    values, width = one.made.series.values, one.upper - one.lower
    first = min(one.lower - MARGIN * width, *values)
    last = max(one.upper + MARGIN * width, *values)

    def at(value: float) -> float:
        return round(100 * (value - first) / (last - first), 2)

    return Strip(
        lower=at(one.lower), upper=at(one.upper), low=at(min(values)), high=at(max(values)), mean=at(one.made.mean)
    )
