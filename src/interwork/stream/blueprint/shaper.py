"""Shaping: what of a batch is worth keeping, by each signal's deadband, measured from the last KEPT reading.

A reading is kept where it is the signal's first, moved by the deadband or more, changed its text, its quality or
between a number and none, where it is older than the last kept one (late data), or where the last kept one is
`longest_s` old (so that a quiet signal still shows that it is alive). A deadband of 0 keeps every change.
A number that is none says so in its quality: NaN is Bad_NoData, infinity is Uncertain_EngineeringUnitsExceeded;
both are kept, and no figure is computed from them.

Comparing with the last kept reading makes each decision depend on the one before. So a batch is worked off in
slices that hold each signal once, all signals of a slice at a time; what is too narrow for that, and signals with
texts, go one by one. Of whole scans of good numbers whose times go on from before, only the values are compared. All
give what a loop over single readings would give, however the readings are batched.
"""

from collections.abc import Iterable, Mapping
from typing import Self

import numpy as np
import numpy.typing as npt

from interwork.core.errors import BadInput
from interwork.core.resource import BAD_NO_DATA, Batch, Signal
from interwork.stream.columns import GOOD_BELOW, SIGNALS_END, Columns, Flags, Ints, batch_of, columns_of, take

UNCERTAIN_UNITS_EXCEEDED = 0x4094_0000
"""OPC UA Uncertain_EngineeringUnitsExceeded: the value is outside the range of values defined for it."""

WIDE = 48
"""A slice narrower than this costs more in columns than reading by reading."""

LEAST = 5e-324
"""The smallest move there is."""

NEVER = np.iinfo(np.int64).min
"""The time of a reading there has not been: whatever comes is further from it than any length."""


class Shaper:
    """Keeps what changed; its state is the last kept reading of each signal."""

    def __init__(self, deadbands: Mapping[int, float], *, longest_s: float = 60.0) -> None:
        self.factor = 1.0
        """What deadbands are multiplied with while the blueprint is degraded."""
        self._longest_us = int(longest_s * 1e6)
        self._band = np.zeros(0, np.float64)
        self._value = np.zeros(0, np.float64)
        self._time: Ints = np.zeros(0, np.int64)
        self._quality = np.zeros(0, np.uint32)
        self._is_seen = np.zeros(0, np.bool_)
        self._is_text = np.zeros(0, np.bool_)
        self._scratch: Ints = np.zeros(0, np.int64)
        self._text: dict[int, str] = {}
        self._scan: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        """Different signals, in the order the last scan brought them."""
        self._reserve(max(deadbands, default=0))
        for number, band in deadbands.items():
            if not 0 <= number < SIGNALS_END or not 0 <= band < float("inf"):
                raise BadInput(
                    f"Signal {number} has a deadband of {band}.", remedy="Give a finite deadband of 0 or more."
                )
            self._band[number] = band

    @classmethod
    def of(cls, signals: Iterable[Signal]) -> Self:
        """Make a shaper with the deadbands of signals."""
        return cls({signal.number: signal.deadband for signal in signals})

    def shape(self, batch: Batch) -> Batch:
        """Return what of a batch is kept, in the order it came."""
        columns = columns_of(batch)
        rows = len(columns.signal)
        if not rows:
            return batch
        self._reserve(int(columns.signal.max()))
        given, columns = columns, columns._replace(quality=_flagged(columns))
        width = 0 if columns.text else self._period(columns.signal)
        if width and (made := self._scans(columns, width)) is not None:
            return batch if len(made) == rows else made
        is_kept: Flags = np.zeros(rows, np.bool_)
        if width:
            frames = (slice(first, first + width) for first in range(0, rows, width))
            self._slices(columns, columns.signal[:width], frames, is_kept)
        else:
            self._groups(columns, is_kept)
        if columns.quality is given.quality and bool(is_kept.all()):
            return batch
        return take(columns, np.flatnonzero(is_kept))

    def state(self) -> Batch:
        """Tell the state: the last kept reading of each signal."""
        seen = np.flatnonzero(self._is_seen)
        is_text = self._is_text[seen].tolist()
        texts = [self._text[number] if texted else None for number, texted in zip(seen.tolist(), is_text, strict=True)]
        return batch_of(seen, self._time[seen], self._value[seen], self._quality[seen], texts)

    def restore(self, state: Batch) -> None:
        """Go on from a state that `state` told."""
        columns = columns_of(state)
        if not len(columns.signal):
            return
        self._reserve(int(columns.signal.max()))
        self._time[columns.signal], self._value[columns.signal] = columns.time_us, columns.value
        self._quality[columns.signal], self._is_seen[columns.signal] = columns.quality, True
        for number, text in zip(columns.signal.tolist(), columns.text, strict=False):
            if text is not None:
                self._text[number], self._is_text[number] = text, True

    def forget(self) -> None:
        """Keep each signal's next reading, whatever it is: what stands between is not known."""
        self._is_seen[:] = False

    def _groups(self, columns: Columns, is_kept: Flags) -> None:
        """Work off a batch that has signals more than once, or texts."""
        order: Ints = np.argsort(columns.signal, kind="stable")
        ordered = columns.signal[order]
        starts: Ints = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        counts: Ints = np.diff(np.concatenate([starts, [len(order)]]))
        is_plain: Flags = np.ones(len(starts), np.bool_)
        if columns.text:
            texted: Flags = np.fromiter((text is not None for text in columns.text), np.bool_, len(order))
            is_plain = ~np.logical_or.reduceat(texted[order], starts)
        here = np.flatnonzero(is_plain)
        here = here[np.argsort(-counts[here], kind="stable")]
        depth = np.zeros(len(starts), np.int64)
        if len(here) >= WIDE:
            deeps = np.arange(int(counts[here[WIDE - 1]]))
            widths = np.searchsorted(-counts[here], -deeps).tolist()
            slices = [order[starts[here[:width]] + deep] for deep, width in enumerate(widths)]
            self._slices(columns, columns.signal[slices[0]], slices, is_kept)
            depth[here] = np.minimum(counts[here], len(slices))
        for group in np.flatnonzero(counts > depth).tolist():
            first = int(starts[group])
            self._one_by_one(columns, order[first + int(depth[group]) : first + int(counts[group])].tolist(), is_kept)

    def _period(self, signal: npt.NDArray[np.int32]) -> int:
        """Tell after how many rows the same signals come again in the same order, as a scan brings them; 0: not so."""
        held = len(self._scan)
        if held and len(signal) % held == 0 and (signal.reshape(-1, held) == self._scan).all():
            return held
        is_again: Flags = signal[1:] == signal[0]
        first = int(is_again.argmax()) if len(is_again) else 0
        width = first + 1 if len(is_again) and is_again[first] else len(signal)
        if width < min(WIDE, len(signal)) or not (signal[width:] == signal[:-width]).all():
            return 0
        places: Ints = np.arange(width)
        self._scratch[signal[:width]] = places
        if not (self._scratch[signal[:width]] == places).all():
            return 0
        self._scan = signal[:width].copy()
        return width

    @np.errstate(invalid="ignore", over="ignore")
    def _scans(self, columns: Columns, width: int) -> Batch | None:
        """Keep of whole scans of good numbers that come soon after the last kept ones; None: they are not that."""
        signal, time_us = columns.signal[:width], columns.time_us
        value, last_us = self._value[signal], self._time[signal]
        if (
            len(time_us) % width
            or not self._is_seen[signal].all()
            or self._is_text[signal].any()
            or int(last_us.max()) > int(time_us[0])
            or int(time_us[-1]) - int(last_us.min()) >= self._longest_us
            or not (time_us[1:] >= time_us[:-1]).all()
            or columns.quality.any()  # what is no number says so in it
            or not _are_plain(value, self._quality[signal])
        ):
            return None
        band = np.maximum(self._band[signal] * self.factor, LEAST)
        moved, is_kept = np.empty(width), np.empty((len(time_us) // width, width), np.bool_)
        for new, changed in zip(columns.value.reshape(-1, width), is_kept, strict=True):
            np.subtract(new, value, moved)
            np.abs(moved, moved)
            np.greater_equal(moved, band, changed)
            rows = changed.nonzero()[0]
            value[rows] = new[rows]
        self._value[signal] = value
        kept = np.flatnonzero(is_kept)
        numbers, times = columns.signal[kept], time_us[kept]
        self._time[numbers] = times  # of repeated indices the last assignment stands
        return batch_of(numbers, times, columns.value[kept], np.zeros(len(kept), np.uint32))

    @np.errstate(invalid="ignore", over="ignore")
    def _slices(
        self, columns: Columns, signal: npt.NDArray[np.int32], slices: Iterable[Ints | slice], is_kept: Flags
    ) -> None:
        """Decide on slices, each with rows of the first so many of `signal`, in their order.

        The state of the signals lies side by side meanwhile, so what a slice needs of it is its first part.
        """
        value, time_us, quality = self._value[signal], self._time[signal], self._quality[signal]
        time_us[self._is_text[signal] | ~self._is_seen[signal]] = NEVER
        band = np.maximum(self._band[signal] * self.factor, LEAST)  # with a deadband of 0, what moves at all
        is_plain = _are_plain(columns.value, columns.quality) and _are_plain(value, quality)
        for rows in slices:
            new, new_us = columns.value[rows], columns.time_us[rows]
            width = len(new)
            last, last_us = value[:width], time_us[:width]
            changed: Flags = np.abs(new - last) >= band[:width]
            changed |= (new_us - last_us).view(np.uint64) >= self._longest_us  # before 0 is beyond every length
            if not is_plain:
                changed |= np.isnan(new) != np.isnan(last)
                changed |= columns.quality[rows] != quality[:width]
                quality[:width] = columns.quality[rows]  # what differs is kept, so what is not kept is the same
            kept = changed.nonzero()[0]  # by index: a mask this irregular costs the processor more
            last[kept], last_us[kept] = new[kept], new_us[kept]
            is_kept[rows] = changed
        self._value[signal], self._time[signal], self._quality[signal] = value, time_us, quality
        self._is_seen[signal], self._is_text[signal] = True, False

    def _one_by_one(self, columns: Columns, rows: list[int], is_kept: Flags) -> None:
        """Decide on rows of one signal, in order."""
        number = int(columns.signal[rows[0]])
        band, longest = float(self._band[number]) * self.factor, self._longest_us
        last, last_us = float(self._value[number]), int(self._time[number])
        last_quality = int(self._quality[number]) if self._is_seen[number] else -1
        last_text = self._text.get(number) if self._is_text[number] else None
        texts = [columns.text[row] for row in rows] if columns.text else [None] * len(rows)
        cells = zip(
            rows,
            columns.value[rows].tolist(),
            columns.time_us[rows].tolist(),
            columns.quality[rows].tolist(),
            texts,
            strict=True,
        )
        for row, value, time_us, quality, text in cells:
            moved = abs(value - last)
            if (
                (moved >= band and moved > 0)
                or quality != last_quality
                or text != last_text
                or (value != value) != (last != last)  # noqa: PLR0124 - NaN is what differs from itself
                or not 0 <= time_us - last_us < longest
            ):
                last, last_us, last_quality, last_text = value, time_us, quality, text
                is_kept[row] = True
        self._value[number], self._time[number], self._quality[number] = last, last_us, last_quality
        self._is_seen[number], self._is_text[number] = True, last_text is not None
        if last_text is not None:
            self._text[number] = last_text

    def _reserve(self, number: int) -> None:
        """Make room for a signal number."""
        held = len(self._band)
        if number < held:
            return
        more = min(max(number + 1, 2 * held, 1024), SIGNALS_END) - held
        for name in ("_band", "_value", "_time", "_quality", "_is_seen", "_is_text", "_scratch"):
            column: npt.NDArray[np.generic] = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros(more, column.dtype)]))


def _are_plain(value: npt.NDArray[np.float64], quality: npt.NDArray[np.uint32]) -> bool:
    """Tell whether all are numbers of the quality 0, Good: then neither has to be compared."""
    return not quality.any() and not np.isnan(value).any()


def _flagged(columns: Columns) -> npt.NDArray[np.uint32]:
    """Say in the quality that a number is none, or not finite, where the source called it good."""
    odd: Flags = ~np.isfinite(columns.value)
    if not odd.any():
        return columns.quality
    if columns.text:
        odd &= np.fromiter((text is None for text in columns.text), np.bool_, len(odd))
    odd &= columns.quality < GOOD_BELOW
    flag = np.where(np.isnan(columns.value), np.uint32(BAD_NO_DATA), np.uint32(UNCERTAIN_UNITS_EXCEEDED))
    return np.where(odd, flag, columns.quality)
