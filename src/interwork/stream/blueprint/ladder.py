"""The degradation ladder: one step down while a budget is overdrawn, one step back once the step before would hold.

Pressure is what is taken over what was promised: above 1 the budget is overdrawn. What the step before would cost now
is told from what it cost when it was left and how much more or less the device offers since; only when that stays
clearly below 1 is the step taken back, so that the ladder does not swing. A floor (a disk that fills) holds a step
whatever the pressure.
"""

import msgspec

from interwork.core.blueprint import Step

OVER, UNDER = 1.0, 0.8
DOWN_S, BACK_S = 10.0, 30.0
"""How long a budget is overdrawn before a step down, and how long there is room before a step back, seconds."""
WATERMARKS = ((0.95, Step.DROP_C2), (0.85, Step.DROP_C3), (0.70, Step.AGGREGATE))
"""Share of the disk that is taken, and the step it holds: nothing of C0 and C1 is ever dropped."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One step that was taken."""

    before: Step
    after: Step
    pressure: float
    why: str


class Ladder:
    """Where one device stands; time is handed in."""

    def __init__(self, *, down_s: float = DOWN_S, back_s: float = BACK_S) -> None:
        self.step = Step.WHOLE
        self._down_us, self._back_us = int(down_s * 1e6), int(back_s * 1e6)
        self._since_us: int | None = None
        self._is_over = False
        self._left: dict[Step, tuple[float, float]] = {}
        """By step: the pressure and the offered rate when it was left downwards."""

    def observe(self, now_us: int, pressure: float, offered: float, *, floor: Step = Step.WHOLE) -> Move | None:
        """Take in how things stand; return the step taken, if one was."""
        if floor > self.step:
            return self._move(now_us, floor, pressure, offered, "the disk fills up")
        is_over = pressure > OVER
        has_room = self.step > floor and not is_over and self._expected(pressure, offered) < UNDER
        if not is_over and not has_room:
            self._since_us = None
            return None
        if self._since_us is None or is_over != self._is_over:
            self._since_us, self._is_over = now_us, is_over
        held_us = now_us - self._since_us
        if is_over and held_us >= self._down_us and self.step < Step.DROP_C2:
            return self._move(now_us, Step(self.step + 1), pressure, offered, "more is kept than was promised")
        if has_room and held_us >= self._back_us:
            return self._move(now_us, Step(self.step - 1), pressure, offered, "there is room again")
        return None

    def _expected(self, pressure: float, offered: float) -> float:
        """Tell what the step before would cost now."""
        left, then = self._left.get(Step(self.step - 1), (pressure, offered))
        return left * offered / then if then > 0 else pressure

    def _move(self, now_us: int, after: Step, pressure: float, offered: float, why: str) -> Move:
        before, self.step, self._since_us = self.step, after, now_us
        for step in range(before, after):
            self._left[Step(step)] = (pressure, offered)
        return Move(before=before, after=after, pressure=pressure, why=why)


def floor_of(fill: float) -> Step:
    """Tell the step that a share of the disk holds."""
    return next((step for mark, step in WATERMARKS if fill >= mark), Step.WHOLE)
