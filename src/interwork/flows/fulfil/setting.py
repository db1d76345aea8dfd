"""Settings of a run: what the order asked for beside what the machine's own signals told while it worked."""

import math
from collections.abc import Iterable, Sequence

from interwork.core.clock import to_us
from interwork.core.errors import BadInput
from interwork.core.making import Run
from interwork.core.part.plan import Setting, SettingRun
from interwork.core.resource import Batch, Meaning, Signal
from interwork.core.units import convert
from interwork.stream.columns import GOOD_BELOW


def as_run(run: Run, signals: Sequence[Signal], read: Batch) -> tuple[SettingRun, ...]:
    """Put each setting of a run beside what was read of it, in the setting's unit."""
    return tuple(_as_run(run, one, signals, read) for one in run.settings)


def _as_run(run: Run, planned: Setting, signals: Sequence[Signal], read: Batch) -> SettingRun:
    signal = told_by(planned, signals)
    held = SettingRun(name=planned.name, unit=planned.unit, planned=planned.value)
    if signal is None:
        return held
    spans = _spans(run, signal, read)
    # a feed or a speed of 0 is a machine that stands, not what it was set to
    working = [one for one in spans if one[0]] if planned.value else spans
    if not working:
        return SettingRun(name=held.name, unit=held.unit, planned=held.planned, signal=signal.name)
    factor, shift = _conversion(signal.unit, planned.unit)
    values = [value * factor + shift for value, _ in working]
    return SettingRun(
        name=held.name,
        unit=held.unit,
        planned=held.planned,
        likely=_median(zip(values, (us for _, us in working), strict=True)),
        low=min(values),
        high=max(values),
        signal=signal.name,
    )


def told_by(setting: Setting, signals: Iterable[Signal]) -> Signal | None:
    """Find the one signal that tells a setting, by name or meaning and unit; None where none or several could."""
    fit = [one for one in signals if not one.is_text and _fits(setting, one)]
    exact = [one for one in fit if _same(setting.name, one.name)]
    chosen = exact or fit
    return chosen[0] if len(chosen) == 1 else None


def _fits(setting: Setting, signal: Signal) -> bool:
    names = [signal.name] + ([] if signal.meaning is Meaning.OTHER else [signal.meaning.value])
    if not any(setting.is_called(one) for one in names):
        return False
    try:
        _conversion(signal.unit, setting.unit)
    except BadInput:
        return False
    return True


def _same(said: str, name: str) -> bool:
    return said.strip().lower() == name.strip().lower()


def _conversion(source: str, target: str) -> tuple[float, float]:
    """Give factor and shift from one unit to another; a setting or signal without a unit is taken as it stands."""
    if not source or not target:
        return 1.0, 0.0
    shift = convert(0.0, source, target)
    return convert(1.0, source, target) - shift, shift


def _spans(run: Run, signal: Signal, read: Batch) -> list[tuple[float, int]]:
    """List the good values of a signal with how long each stood, until the next reading or the end of the run."""
    assert run.ended_at is not None
    rows = [
        (time_us, value, quality)
        for number, time_us, value, quality in zip(read.signal, read.time_us, read.value, read.quality, strict=True)
        if number == signal.number
    ]
    ends = [*(row[0] for row in rows), to_us(run.ended_at)][1:]
    return [
        (value, max(end - time_us, 1))
        for (time_us, value, quality), end in zip(rows, ends, strict=True)
        if quality < GOOD_BELOW and math.isfinite(value)
    ]


def _median(weighted: Iterable[tuple[float, int]]) -> float:
    """Give the value that stood in the middle of the time."""
    ordered = sorted(weighted)
    half, passed = sum(weight for _, weight in ordered) / 2, 0
    for value, weight in ordered:
        passed += weight
        if passed >= half:
            return value
    return ordered[-1][0]
