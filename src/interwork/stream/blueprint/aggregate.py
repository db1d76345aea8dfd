"""Aggregation: of each period a signal's lowest, highest, mean and last instead of every reading.

Lowest, highest and last are readings as they came, at their own times, marked reduced; the mean is calculated and
stands at the middle of its period. A period of one reading is that reading, unmarked. Texts and readings that are not
good numbers pass as they are. A period is told when a later one has begun, or `GRACE` periods after its end.
"""

from collections.abc import Mapping

import numpy as np

from interwork.core.errors import BadInput
from interwork.core.resource import Batch
from interwork.stream.blueprint.classes import CALCULATED, REDUCED
from interwork.stream.columns import GOOD_BELOW, Columns, Flags, Ints, batch_of, columns_of, take

GRACE = 1
PENDING_MAX = 200_000
"""Readings held at the most; with more, what is held is told at once."""


class Aggregator:
    """Collects readings and tells each period once."""

    def __init__(self, periods_s: Mapping[int, float] | None = None, *, period_s: float = 1.0) -> None:
        for period in (period_s, *(periods_s or {}).values()):
            if not 0.001 <= period <= 86_400:
                raise BadInput(f"A period of {period} s is not one.", remedy="Give 0.001 to 86,400 s.")
        self._default_us = int(period_s * 1e6)
        self._periods = {number: int(period * 1e6) for number, period in (periods_s or {}).items()}
        self._held: list[Batch] = []

    def __len__(self) -> int:
        """Count the readings held."""
        return sum(len(one) for one in self._held)

    def state(self) -> Batch:
        """Tell the state: the readings of periods that are not over."""
        return joined(*self._held)

    def restore(self, state: Batch) -> None:
        """Go on from a state that `state` told."""
        self._held = [state] if len(state) else []

    def shape(self, batch: Batch, now_us: int) -> Batch:
        """Take a batch in; return the periods that are over, and what is not aggregated."""
        columns = columns_of(batch)
        plain: Flags = (columns.quality < GOOD_BELOW) & np.isfinite(columns.value)
        if columns.text:
            plain &= np.fromiter((text is None for text in columns.text), np.bool_, len(batch))
        odd = take(columns, np.flatnonzero(~plain)) if not plain.all() else None
        if plain.any():
            self._held.append(take(columns, np.flatnonzero(plain)) if odd is not None else batch)
        told = self.flush(now_us if len(self) < PENDING_MAX else None)
        return told if odd is None or not len(odd) else joined(odd, told)

    def flush(self, now_us: int | None) -> Batch:
        """Return the periods that are over at a moment; None = all that is held."""
        if not self._held:
            return _NOTHING
        held = columns_of(joined(*self._held))
        span: Ints = np.full(len(held.signal), self._default_us)
        for number, period_us in self._periods.items():
            span[held.signal == number] = period_us
        period = held.time_us // span
        order = np.lexsort((held.time_us, period, held.signal))
        signal, period, span = held.signal[order], period[order], span[order]
        starts = np.flatnonzero(np.concatenate([[True], (signal[1:] != signal[:-1]) | (period[1:] != period[:-1])]))
        is_over = np.concatenate([signal[starts[1:]] == signal[starts[:-1]], [False]])
        if now_us is None:
            is_over[:] = True
        else:
            is_over |= (period[starts] + 1 + GRACE) * span[starts] <= now_us
        sizes = np.diff(np.concatenate([starts, [len(order)]]))
        over = np.repeat(is_over, sizes)
        if not over.any():
            self._held = [take(held, np.arange(len(order)))]
            return _NOTHING
        rest = np.sort(order[~over])
        self._held = [take(held, rest)] if len(rest) else []
        return _told(held, order[over], sizes[is_over], (period * span + span // 2)[starts[is_over]])


def _told(held: Columns, rows: Ints, sizes: Ints, middles: Ints) -> Batch:
    """Make the readings of periods, given their rows in order of signal, period and time."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    group = np.repeat(np.arange(len(sizes)), sizes)
    by_value = rows[np.lexsort((held.time_us[rows], held.value[rows], group))]
    ends = starts + sizes - 1
    chosen = np.unique(np.concatenate([by_value[starts], by_value[ends], rows[ends]]))
    many = sizes > 1
    alone = np.zeros(len(held.signal), np.bool_)
    alone[rows[starts[~many]]] = True
    quality = np.where(alone[chosen], held.quality[chosen], held.quality[chosen] | np.uint32(REDUCED))
    means = np.add.reduceat(held.value[rows], starts) / sizes
    told = Columns(
        np.concatenate([held.signal[chosen], held.signal[rows[starts[many]]]]),
        np.concatenate([held.time_us[chosen], middles[many]]),
        np.concatenate([held.value[chosen], means[many]]),
        np.concatenate([quality, np.full(int(many.sum()), CALCULATED, np.uint32)]),
        [],
    )
    return take(told, np.argsort(told.time_us, kind="stable"))


def joined(*batches: Batch) -> Batch:
    """Put batches together in the order given."""
    parts = [columns_of(one) for one in batches if len(one)]
    if not parts:
        return _NOTHING
    if len(parts) == 1:
        return next(one for one in batches if len(one))
    has_text = any(part.text for part in parts)
    texts = [text for part in parts for text in (part.text or [None] * len(part.signal))] if has_text else []
    return batch_of(
        np.concatenate([part.signal for part in parts]),
        np.concatenate([part.time_us for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.quality for part in parts]),
        texts,
    )


_NOTHING = batch_of(np.empty(0), np.empty(0), np.empty(0), np.empty(0))
