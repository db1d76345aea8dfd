"""Keeping: each signal shaped in its own way, by deadband, by swinging door or by periods."""

from collections.abc import Iterable
from typing import Self

import msgspec
import numpy as np

from interwork.core.blueprint import Keeping
from interwork.core.errors import Damaged, PeerError
from interwork.core.resource import Batch, Signal
from interwork.stream.blueprint.aggregate import Aggregator, joined
from interwork.stream.blueprint.door import Door, Swing
from interwork.stream.blueprint.shaper import Shaper
from interwork.stream.columns import SIGNALS_END, Flags, columns_of, decode_batch, encode_batch, take


class Keeper:
    """Decides what is worth keeping; `flush` tells what a quiet signal still owes."""

    def __init__(
        self, shaper: Shaper, door: Door, aggregator: Aggregator, modes: dict[Keeping, frozenset[int]]
    ) -> None:
        self._shaper, self._door, self._aggregator = shaper, door, aggregator
        self._doors = np.array(sorted(modes.get(Keeping.SWINGING_DOOR, ())), np.int32)
        self._periods = np.array(sorted(modes.get(Keeping.AGGREGATE, ())), np.int32)

    @classmethod
    def of(cls, signals: Iterable[Signal]) -> Self:
        """Make a keeper with what is said of each signal."""
        listed = list(signals)
        modes = {mode: frozenset(one.number for one in listed if one.keeping is mode) for mode in Keeping}
        doors = {one.number: one.deadband for one in listed if one.keeping is Keeping.SWINGING_DOOR}
        periods = {one.number: one.period_s for one in listed if one.keeping is Keeping.AGGREGATE}
        return cls(Shaper.of(listed), Door(doors), Aggregator(periods), modes)

    def widen(self, factor: float) -> None:
        """Multiply every deadband while the blueprint is degraded; 1 takes it back."""
        self._shaper.factor = self._door.factor = factor

    def shape(self, batch: Batch, now_us: int) -> Batch:
        """Return what of a batch is kept, with what earlier ones still owed."""
        if not len(self._doors) and not len(self._periods):
            return self._shaper.shape(batch)
        columns = columns_of(batch)
        is_door: Flags = np.isin(columns.signal, self._doors)
        is_period: Flags = np.isin(columns.signal, self._periods)
        return joined(
            self._shaper.shape(take(columns, np.flatnonzero(~(is_door | is_period)))),
            self._door.shape(take(columns, np.flatnonzero(is_door))),
            self._aggregator.shape(take(columns, np.flatnonzero(is_period)), now_us),
        )

    def state(self) -> bytes:
        """Write the state as a checkpoint; restored, what follows is shaped as if nothing had stopped."""
        parts = (encode_batch(self._shaper.state()), self._door.state(), encode_batch(self._aggregator.state()))
        return msgspec.msgpack.encode(parts)

    def restore(self, checkpoint: bytes) -> None:
        """Go on from a checkpoint; Damaged where it is none, and then nothing has changed."""
        try:
            shaper, doors, periods = msgspec.msgpack.decode(checkpoint, type=tuple[bytes, list[Swing], bytes])
            last, held = decode_batch(shaper, limit=SIGNALS_END), decode_batch(periods)
        except (msgspec.MsgspecError, PeerError) as fault:
            raise Damaged(
                f"A checkpoint of shaping cannot be read: {str(fault)[:200]}.",
                remedy="Remove it: shaping then starts anew, and keeps each signal's next reading.",
            ) from fault
        self._shaper.restore(last)
        self._door.restore(doors)
        self._aggregator.restore(held)

    @property
    def is_owing(self) -> bool:
        """Tell whether readings wait for the next one, or for the end of their period."""
        return self._door.is_owing or len(self._aggregator) > 0

    def forget(self) -> None:
        """Keep each signal's next reading, whatever it is: the link was lost, and what was between is not known."""
        self._shaper.forget()
        self._door.forget()

    def flush(self, now_us: int, *, quiet_s: float = 5.0) -> Batch:
        """Return what signals that are quiet still owe."""
        return joined(self._door.flush(now_us - int(quiet_s * 1e6)), self._aggregator.flush(now_us))
