"""When an edge node is asked for its births: rarely, ever more rarely where they do not mend what is wrong. Pure."""

_GROWTH = 12.0
"""How many times the shortest wait the longest one is."""
_NEWS = 3
"""Requests in a row that a person should know of."""


class Rebirths:
    """The requests of one session; clocks are in seconds."""

    def __init__(self, shortest_s: float) -> None:
        self._shortest_s = shortest_s
        self._asked_at, self._asks, self._why = float("-inf"), 0, ""

    def is_due(self, why: str, clock: float) -> bool:
        """Tell whether to ask now, and take it as done if so."""
        if clock < self._free_at:
            return False
        self._asked_at, self._asks, self._why = clock, min(self._asks + 1, 16), why
        return True

    def rest(self, clock: float) -> None:
        """Nothing is wanted: forget the requests where that is so for as long after one as the longest wait."""
        if clock >= self._asked_at + self._shortest_s * _GROWTH:
            self._asks = 0

    @property
    def _free_at(self) -> float:
        growth = min(2.0 ** max(self._asks - 1, 0), _GROWTH)
        return self._asked_at + self._shortest_s * growth

    @property
    def remark(self) -> str:
        """Say that births do not help; empty as long as they do."""
        if self._asks < _NEWS or not self._why:
            return ""
        return f"It was asked for its births {self._asks} times in a row and goes on: {self._why}."
