"""A device held to its blueprint in operation: budget, shaping, ladder, meters and losses of one device, without I/O.

`carry` takes a batch and says what is kept now and what is kept later; `idle` says the same while the device is
quiet; `judge` moves the ladder. The caller appends, stores and tells. Time is handed in.
"""

from collections.abc import Iterable

import msgspec
import numpy as np

from interwork.core.blueprint import Step, TrafficClass
from interwork.core.errors import Damaged, PeerError
from interwork.core.resource import Batch, Blueprint, Signal
from interwork.stream.blueprint.aggregate import Aggregator, joined
from interwork.stream.blueprint.bucket import Loss, TokenBucket
from interwork.stream.blueprint.classes import REDUCED, Classes
from interwork.stream.blueprint.keeper import Keeper
from interwork.stream.blueprint.ladder import Ladder, Move
from interwork.stream.blueprint.meter import At, Count, Meter
from interwork.stream.columns import SIGNALS_END, Flags, columns_of, decode_batch, encode_batch, take

COLUMN_BYTES = 24.0
"""Bytes of a number's reading in columns: signal, time, value, quality."""
DAY_S = 86_400.0
SLOWED = 0.5
"""Share of the promised rate while sampling is slowed."""
BATCH_S = 1.0
"""Longest time a bigger batch is collected."""
BATCH_MAX = 50_000


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a batch: to be made durable now, and to be stored and sent on later."""

    now: Batch
    later: Batch


class Hold:
    """One device in operation."""

    def __init__(self, blueprint: Blueprint, signals: Iterable[Signal], *, ladder: Ladder | None = None) -> None:
        listed = list(signals)
        self.blueprint = blueprint
        self.numbers = frozenset(one.number for one in listed)
        self.bucket = TokenBucket.of(blueprint, listed) if blueprint.traffic_samples_per_s > 0 else None
        self.ladder = ladder or Ladder()
        self.classes = Classes(listed)
        self.meters = {point: Meter() for point in At}
        self._untold: dict[TrafficClass, tuple[Loss, str]] = {}
        self.lost = 0
        """Readings given up in all, by the budget and by the ladder."""
        self._keeper = Keeper.of(listed)
        self._seconds = Aggregator(period_s=1.0)
        self._gathered: list[Batch] = []
        self._gathered_us = 0
        self.disk_bytes_per_reading = 5.5

    @property
    def step(self) -> Step:
        """Tell where on the ladder the device stands."""
        return self.ladder.step

    def catch_up(self, batch: Batch, now_us: int) -> Passed:
        """Take what a device kept while nobody read it: whole, whatever its budget; its caller slows its reading."""
        self.meters[At.DEVICE].add(now_us, self.classes.of(columns_of(batch).signal), 0.0)
        return self._sorted(self._shaped(batch, now_us), now_us)

    def carry(self, batch: Batch, now_us: int, *, link_bytes: float) -> Passed:
        """Take a batch from the device."""
        columns = columns_of(batch)
        self.meters[At.DEVICE].add(now_us, self.classes.of(columns.signal), link_bytes)
        if self.bucket is not None:
            batch = self.bucket.throttle(batch, now_us)
        return self._sorted(self._shaped(batch, now_us), now_us)

    def idle(self, now_us: int) -> Passed:
        """Take what waits and is due while the device is quiet."""
        waited = joined() if self.bucket is None else self.bucket.release(now_us)
        owed = joined(self._keeper.flush(now_us), self._seconds.flush(now_us))
        return self._sorted(joined(self._shaped(waited, now_us), self._marked(owed)), now_us)

    def drain(self, now_us: int) -> Batch:
        """Take everything that waits for a bigger batch or the end of its period; the device is being left."""
        waited = joined() if self.bucket is None else self._shaped(self.bucket.drain(), now_us)
        owed = joined(*self._gathered, waited, self._keeper.flush(1 << 62), self._seconds.flush(None))
        self._gathered = []
        self._count(At.BUFFER, owed, now_us)
        return owed

    def state(self) -> bytes:
        """Write what is shaped, waits and is gathered as a checkpoint."""
        waits = joined() if self.bucket is None else self.bucket.state()
        parts = (waits, self._seconds.state(), joined(*self._gathered))
        return msgspec.msgpack.encode((self._keeper.state(), *(encode_batch(one) for one in parts)))

    def restore(self, checkpoint: bytes) -> None:
        """Go on from a checkpoint; Damaged where it is none, and then nothing has changed."""
        try:
            keeper, *parts = msgspec.msgpack.decode(checkpoint, type=tuple[bytes, bytes, bytes, bytes])
            waits, seconds, gathered = (decode_batch(one, limit=SIGNALS_END) for one in parts)
        except (msgspec.MsgspecError, PeerError) as fault:
            raise Damaged(
                f"A checkpoint of shaping cannot be read: {str(fault)[:200]}.",
                remedy="Remove it: shaping then starts anew, and keeps each signal's next reading.",
            ) from fault
        self._keeper.restore(keeper)
        if self.bucket is not None:
            self.bucket.restore(waits)
        elif len(waits):
            self._gathered.append(waits)
        self._seconds.restore(seconds)
        self._gathered += [gathered] if len(gathered) else []

    @property
    def is_owing(self) -> bool:
        """Tell whether something was taken in that is not told yet."""
        waits = self.bucket is not None and self.bucket.waiting > 0
        return waits or bool(self._gathered) or len(self._seconds) > 0 or self._keeper.is_owing

    def forget(self) -> None:
        """Keep each signal's next reading, whatever it is; what waits is to be drained before."""
        self._keeper.forget()

    def kept(self, batch: Batch, now_us: int, *, point: At = At.DISK) -> None:
        """Count what has become durable, or was sent on."""
        if len(batch):
            size = len(batch) * self.disk_bytes_per_reading
            self.meters[point].add(now_us, self.classes.of(columns_of(batch).signal), size)

    def judge(self, now_us: int, *, lag_s: float = 0.0, floor: Step = Step.WHOLE) -> Move | None:
        """Move the ladder by what is kept against what was promised and by how long the disk takes."""
        blueprint = self.blueprint
        promised = blueprint.storage_quota_bytes / max(blueprint.retention_days, 0.01) / DAY_S
        kept = self.meters[At.BUFFER].recent(now_us)[0] * self.disk_bytes_per_reading
        offered = self.meters[At.DEVICE].recent(now_us)[0]
        pressure = max(kept / promised if promised > 0 else 0.0, lag_s)
        move = self.ladder.observe(now_us, pressure, offered, floor=floor)
        if move is not None:
            self._keeper.widen({Step.DEADBAND_2: 2.0}.get(self.step, 4.0 if self.step > Step.DEADBAND_2 else 1.0))
            if self.bucket is not None:
                self.bucket.factor = SLOWED if self.step >= Step.SLOWER else 1.0
        return move

    def counts(self, now_us: int) -> dict[str, Count]:
        """Tell what passed the four points."""
        return {point.value: meter.read(now_us) for point, meter in self.meters.items()}

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Tell what the budget thinned out."""
        return () if self.bucket is None else self.bucket.losses

    def _shaped(self, batch: Batch, now_us: int) -> Batch:
        batch = self._drop(batch)
        if self.step >= Step.AGGREGATE and len(batch):
            columns = columns_of(batch)
            is_first: Flags = self.classes.of(columns.signal) <= int(TrafficClass.C1)
            first = take(columns, np.flatnonzero(is_first))
            second = self._seconds.shape(take(columns, np.flatnonzero(~is_first)), now_us)
            return joined(self._keeper.shape(first, now_us), self._marked(second))
        return self._marked(self._keeper.shape(batch, now_us)) if len(batch) else batch

    def _drop(self, batch: Batch) -> Batch:
        """Leave out the classes that the last steps give up, and count them."""
        if self.step < Step.DROP_C3 or not len(batch):
            return batch
        columns = columns_of(batch)
        classes = self.classes.of(columns.signal)
        given_up = [TrafficClass.C3] if self.step is Step.DROP_C3 else [TrafficClass.C3, TrafficClass.C2]
        for one in given_up:
            times = columns.time_us[classes == int(one)]
            if len(times):
                loss = Loss(from_us=int(times.min()), to_us=int(times.max()), count=len(times))
                self.give_up(one, loss, "the ladder stands at its last steps")
        return take(columns, np.flatnonzero(classes < int(given_up[-1])))

    def give_up(self, klass: TrafficClass, loss: Loss, why: str) -> None:
        """Count readings that are not kept, to be told with the next books."""
        self.lost += loss.count
        self.tell_later(klass, loss, why)

    def tell_later(self, klass: TrafficClass, loss: Loss, why: str) -> None:
        """Keep a loss that could not be told, or not yet."""
        before = self._untold.get(klass)
        self._untold[klass] = (loss if before is None else before[0].with_more(loss), why)

    def untold(self) -> dict[TrafficClass, tuple[Loss, str]]:
        """Take what was lost since this was last asked, by class, with why."""
        thinned = None if self.bucket is None else self.bucket.untold()
        if thinned is not None:
            self.give_up(TrafficClass.C2, thinned, "more came than the blueprint's traffic budget")
        told, self._untold = self._untold, {}
        return told

    def _marked(self, batch: Batch) -> Batch:
        """Mark readings that stand for more than themselves; C0 and C1 are whole at every step."""
        if self.step < Step.DEADBAND_2 or not len(batch):
            return batch
        columns = columns_of(batch)
        is_reduced = self.classes.of(columns.signal) >= int(TrafficClass.C2)
        quality = np.where(is_reduced, columns.quality | np.uint32(REDUCED), columns.quality)
        return take(columns, np.arange(len(batch)), quality)

    def _sorted(self, batch: Batch, now_us: int) -> Passed:
        """Say what is kept now, what is gathered for a bigger batch, and what is stored for later."""
        self._count(At.BUFFER, batch, now_us)
        later = joined()
        if self.step >= Step.STORE_ONLY and len(batch):
            columns = columns_of(batch)
            is_first: Flags = self.classes.of(columns.signal) <= int(TrafficClass.C1)
            later = take(columns, np.flatnonzero(~is_first))
            batch = take(columns, np.flatnonzero(is_first))
        if self.step is Step.WHOLE and not self._gathered:
            return Passed(now=batch, later=later)
        return Passed(now=self._gather(batch, now_us), later=later)

    def _gather(self, batch: Batch, now_us: int) -> Batch:
        if len(batch):
            if not self._gathered:
                self._gathered_us = now_us
            self._gathered.append(batch)
        is_urgent = len(batch) and bool((self.classes.of(columns_of(batch).signal) == int(TrafficClass.C0)).any())
        is_full = sum(len(one) for one in self._gathered) >= BATCH_MAX
        is_due = now_us - self._gathered_us >= BATCH_S * 1e6
        if not (is_urgent or is_full or is_due or self.step is Step.WHOLE):
            return joined()
        gathered, self._gathered = joined(*self._gathered), []
        return gathered

    def _count(self, point: At, batch: Batch, now_us: int) -> None:
        if len(batch):
            text = sum(len(one) for one in batch.text if one) if batch.text else 0
            self.meters[point].add(now_us, self.classes.of(columns_of(batch).signal), len(batch) * COLUMN_BYTES + text)
