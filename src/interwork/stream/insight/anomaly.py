"""What is unusual now, ranked: each signal held against its own normal in the machine's present state.

Normal is learnt from history by robust figures (median and MAD) of one-minute means, one set per execution state, so
a spindle at rest is not unusual for standing still. A score is how many robust deviations a signal is off; it is told
only when it lasts, so hundreds of signals stay calm. The answer says which signal, since when, and how unusual.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from interwork.core.resource import Batch
from interwork.stream.columns import UNKNOWN, Ints
from interwork.stream.insight.facts import Floats, Interval, Span
from interwork.stream.insight.resources import step_means

STEP_US = 60_000_000
LEARNT_FROM = 20
"""Minutes of a state that are needed before anything is called unusual in it."""
UNUSUAL = 6.0
"""Robust deviations from which a signal is told; a normal signal passes 6 once in millions of minutes."""
LASTING = 3
"""Minutes in a row it must last."""
STATES_MAX = 12

State = tuple[float, float, float, float, int]
"""Median, robust deviation, lowest and highest hundredth, number of minutes."""


class Unusual(msgspec.Struct, frozen=True, kw_only=True):
    """One signal that is not as it was: everything a sentence about it needs."""

    number: int
    state: str
    value: float
    median: float
    low: float
    high: float
    score: float
    """Robust deviations off; negative = below."""
    since_us: int
    minutes: int
    learnt_minutes: int


def minutes_of(
    signal: Batch, states: Sequence[Interval], span: Span, *, step_us: int = STEP_US
) -> dict[str, tuple[Ints, Floats]]:
    """Cut a signal into whole steps, each with the machine's state throughout it; steps of mixed state are left out."""
    borders = np.arange(span[0], span[1] + 1, step_us, dtype=np.int64)
    if len(borders) < 2:
        return {}
    value = step_means(signal, borders)
    state = _step_states(states, borders)
    found: dict[str, tuple[Ints, Floats]] = {}
    for name in sorted(set(state) - {"", UNKNOWN})[:STATES_MAX]:
        rows = np.array([one == name for one in state]) & np.isfinite(value)
        if rows.any():
            found[name] = borders[:-1][rows], value[rows]
    return found


def _step_states(states: Sequence[Interval], borders: Ints) -> list[str]:
    """Name the state of each step; empty where it changed within."""
    named = [""] * (len(borders) - 1)
    for one in states:
        first = int(np.searchsorted(borders, one.start_us, side="left"))
        last = int(np.searchsorted(borders, one.end_us, side="right")) - 1
        for step in range(max(0, first), min(last, len(named))):
            named[step] = one.state
    return named


def learn(minutes: Mapping[str, tuple[Ints, Floats]]) -> dict[str, State]:
    """Learn what is normal in each state from its minutes; states seen for too short are left out."""
    found = {}
    for state, (_, values) in minutes.items():
        if len(values) < LEARNT_FROM:
            continue
        middle = float(np.median(values))
        spread = 1.4826 * float(np.median(np.abs(values - middle)))
        low, high = (float(one) for one in np.quantile(values, (0.01, 0.99)))
        found[state] = (middle, max(spread, (high - low) / 6), low, high, len(values))
    return found


def judge(number: int, normal: Mapping[str, State], minutes: Mapping[str, tuple[Ints, Floats]]) -> Unusual | None:
    """Tell whether a signal is unusual up to its last minute, and since when; None where it is not."""
    rows = [
        (int(at), state, float(value), _score(float(value), normal[state]))
        for state, (times, values) in minutes.items()
        if state in normal
        for at, value in zip(times.tolist(), values.tolist(), strict=True)
    ]
    rows.sort()
    lasting: list[tuple[int, str, float, float]] = []
    for row in reversed(rows):
        if abs(row[3]) < UNUSUAL or (lasting and (row[3] > 0) != (lasting[0][3] > 0)):
            break
        lasting.append(row)
    if len(lasting) < LASTING:
        return None
    _, state, _, _ = lasting[0]
    middle, _, low, high, learnt = normal[state]
    score = float(np.median([row[3] for row in lasting]))
    return Unusual(
        number=number,
        state=state,
        value=lasting[0][2],
        median=middle,
        low=low,
        high=high,
        score=score,
        since_us=lasting[-1][0],
        minutes=len(lasting),
        learnt_minutes=learnt,
    )


def _score(value: float, normal: State) -> float:
    """Tell how far off in robust deviations; what never moved at all may move by a thousandth of its size."""
    middle, spread = normal[0], normal[1]
    return (value - middle) / max(spread, 1e-3 * abs(middle), 1e-9)


def ranked(found: Sequence[Unusual]) -> list[Unusual]:
    """Put the most unusual first; of equals the one that lasts longest."""
    return sorted(found, key=lambda one: (-round(abs(one.score), 1), one.since_us))
