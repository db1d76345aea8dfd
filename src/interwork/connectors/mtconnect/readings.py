"""Observations to columns of readings: numbers, texts, sets of conditions, data sets, tables and time series. Pure.

Conditions and data sets are sets that observations change piecemeal, so what was seen before is remembered. Nothing
is made an object on the way from the document to the columns but what the observation itself is.
"""

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from interwork.connectors import BAD_DECODING
from interwork.connectors.mtconnect.model import (
    LATEST_US,
    Cells,
    DataItem,
    Detail,
    Seen,
    moment_us,
    number_of,
)
from interwork.connectors.naming import execution_word
from interwork.core.resource import BAD_NO_DATA, GOOD, Batch, Meaning

UNCERTAIN = 0x4000_0000
"""The value is the machine's, its time is ours: the time stamp could not be one."""
MOST_ACTIVE = 100
"""Most active conditions of one data item that are kept; further codes are counted and dropped."""
MOST_ENTRIES = 10_000
"""Most entries of one data set that are kept."""
_SEVERITY = {"FAULT": 0, "WARNING": 1}
_NAN = float("nan")


class Kind(StrEnum):
    """How an item's observations become readings."""

    NUMBER = "number"
    TEXT = "text"
    STATE = "state"
    CONDITION = "condition"
    SET = "set"
    SERIES = "series"


def kind_of(item: DataItem) -> Kind:
    """Tell how an item is read, from the device model."""
    if item.category == "CONDITION":
        return Kind.CONDITION
    if item.representation in ("DATA_SET", "TABLE"):
        return Kind.SET
    if item.representation == "TIME_SERIES":
        return Kind.SERIES
    if item.found.meaning is Meaning.EXECUTION:
        return Kind.STATE
    return Kind.TEXT if item.found.is_text else Kind.NUMBER


_NUMBER = Kind.NUMBER
"""A class attribute is looked up anew each time; this is asked once per observation."""


class _Texts:
    """The text column, which is there only where a reading has a text."""

    __slots__ = ("_texts",)

    def __init__(self) -> None:
        self._texts: list[str | None] = []

    def put(self, place: int, text: str) -> None:
        """Set the text of the reading at a place."""
        self._texts += [None] * (place - len(self._texts))
        self._texts.append(text)

    def column(self, length: int) -> list[str | None]:
        """Hand over the column, empty where no reading has a text."""
        return self._texts + [None] * (length - len(self._texts)) if self._texts else []


class Decoder:
    """Turns a machine's observations into columns, for the points that were asked for."""

    def __init__(self) -> None:
        self._plans: dict[str, tuple[Kind, DataItem, tuple[int, ...]]] = {}
        self.special: frozenset[str] = frozenset()
        """Items whose observations say more than one value."""
        self._conditions: dict[str, dict[str, tuple[str, str]]] = {}
        self._sets: dict[str, Cells] = {}
        self.counters = {"undecodable": 0, "times_replaced": 0, "conditions_dropped": 0, "entries_dropped": 0}
        self.latest_us = 0
        """The latest time stamp seen."""

    def plan(self, items: Mapping[str, DataItem], numbers: Mapping[str, Sequence[int]]) -> None:
        """Take over the device model and the points; what sets and conditions hold is kept."""
        self._plans = {
            key: (kind_of(item), item, tuple(numbers[key])) for key, item in items.items() if numbers.get(key)
        }
        simple = (Kind.NUMBER, Kind.TEXT, Kind.STATE)
        self.special = frozenset(key for key, (kind, _, _) in self._plans.items() if kind not in simple)

    def forget(self) -> None:
        """Start anew, as before a /current document."""
        self._conditions.clear()
        self._sets.clear()

    def batches(self, seen: Sequence[Seen], received_us: int, most: int) -> Iterator[Batch]:
        """Turn observations into batches of at most `most` observations, in their order."""
        for start in range(0, len(seen), most):
            batch = self.batch(seen[start : start + most], received_us)
            if len(batch):
                yield batch

    def batch(self, seen: Sequence[Seen], received_us: int) -> Batch:
        """Turn observations into one batch; those of items nobody asked for are passed over."""
        signals, times, values, qualities, texts = array("i"), array("q"), array("d"), array("I"), _Texts()
        latest, plans = self.latest_us, self._plans
        for _, key, stamp, text, detail in seen:
            plan = plans.get(key)
            if plan is None:
                continue
            kind, item, numbers = plan
            time_us, good = moment_us(stamp), GOOD
            if not 0 < time_us < LATEST_US:
                self.counters["times_replaced"] += 1
                time_us, good = received_us, UNCERTAIN
            elif time_us > latest:
                latest = time_us
            number = number_of(text) if kind is _NUMBER else None
            if number is not None:
                for signal in numbers:
                    signals.append(signal)
                    times.append(time_us)
                    values.append(number)
                    qualities.append(good)
                continue
            for at_us, value, quality in self._readings(kind, item, time_us, text, detail):
                for signal in numbers:
                    if isinstance(value, str):
                        texts.put(len(signals), value)
                    signals.append(signal)
                    times.append(at_us)
                    values.append(value if isinstance(value, float) else _NAN)
                    qualities.append(quality or good)
        self.latest_us = latest
        return Batch(signal=signals, time_us=times, value=values, quality=qualities, text=texts.column(len(signals)))

    def _readings(
        self, kind: Kind, item: DataItem, time_us: int, text: str, detail: Detail | None
    ) -> Sequence[tuple[int, float | str | None, int]]:
        """Tell the readings of one observation: time, value, quality."""
        text = text.strip()
        if text == "UNAVAILABLE":
            self._sets.pop(item.found.address, None)  # what comes next is the whole of a set
            return ((time_us, None, BAD_NO_DATA),)
        if kind is Kind.TEXT:
            return ((time_us, text, GOOD),)
        if kind is Kind.STATE:
            return ((time_us, execution_word(text), GOOD),)
        if kind is Kind.NUMBER or detail is None:
            self.counters["undecodable"] += 1
            return ((time_us, None, BAD_DECODING),)
        return self._special(kind, item, time_us, text, detail)

    def _special(
        self, kind: Kind, item: DataItem, time_us: int, text: str, detail: Detail
    ) -> Sequence[tuple[int, float | str | None, int]]:
        if kind is Kind.SERIES:
            return self._series(item, time_us, text, detail)
        key = item.found.address
        if kind is Kind.CONDITION:
            value, quality = self._condition(key, text, detail)
            return ((time_us, value, quality),)
        return ((time_us, self._set(key, text, detail), GOOD),)

    def _condition(self, key: str, text: str, detail: Detail) -> tuple[str | None, int]:
        """Take in a condition and tell the item's alarm text, the most severe first; empty when none is active."""
        active = self._conditions.setdefault(key, {})
        level, code = detail.level, detail.code
        if level == "UNAVAILABLE":
            active.clear()
            return None, BAD_NO_DATA
        if level == "NORMAL":
            if code:
                active.pop(code, None)
            else:
                active.clear()
        elif level not in _SEVERITY:
            self.counters["undecodable"] += 1
            return None, BAD_DECODING
        elif code in active or len(active) < MOST_ACTIVE:
            active[code] = level, " ".join(part for part in (level, code, text) if part)
        else:
            self.counters["conditions_dropped"] += 1
        ranked = sorted(active.values(), key=lambda one: _SEVERITY[one[0]])
        return "; ".join(told for _, told in ranked), GOOD

    def _set(self, key: str, text: str, detail: Detail) -> str:
        """Take in the changed entries of a set and tell the whole set as JSON."""
        if detail.entries is None and text:
            return text
        entries = self._sets.setdefault(key, {})
        if detail.is_reset:
            entries.clear()
        for name, value in (detail.entries or {}).items():
            if value is None:
                entries.pop(name, None)
            elif name in entries or len(entries) < MOST_ENTRIES:
                entries[name] = value
            else:
                self.counters["entries_dropped"] += 1
        return json.dumps(entries, ensure_ascii=False, sort_keys=True)

    def _series(
        self, item: DataItem, time_us: int, text: str, detail: Detail
    ) -> Sequence[tuple[int, float | None, int]]:
        """Spread a time series back from its time stamp, which is that of its last value."""
        words = text.split()
        rate = detail.rate or item.sample_rate
        is_wrong = detail.count not in (None, len(words)) or (rate <= 0 and len(words) > 1)
        step_us = 1e6 / rate if rate > 0 else 0.0
        if not words or is_wrong or step_us * len(words) > time_us:
            self.counters["undecodable"] += 1
            return ((time_us, None, BAD_DECODING),)
        last = len(words) - 1
        numbers = [number_of(word) for word in words]
        self.counters["undecodable"] += numbers.count(None)
        return [
            (time_us - round((last - position) * step_us), number, BAD_DECODING if number is None else GOOD)
            for position, number in enumerate(numbers)
        ]
