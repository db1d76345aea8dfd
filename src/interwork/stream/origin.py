"""What a batch is known by that may be sent more than once: who sends it, and under which number."""

from collections.abc import Mapping
from typing import NamedTuple


class Origin(NamedTuple):
    """A sender and its number: of one source numbers only grow, and whoever keeps one keeps it once."""

    source: str
    number: int

    def is_in(self, taken: Mapping[str, int]) -> bool:
        """Tell whether it is among what was taken: the last number of each source."""
        return self.number <= taken.get(self.source, 0)
