"""How long a search may go on: by the clock, or by a fixed amount of work so that one seed gives one plan."""

import math
import time
from collections.abc import Callable

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one search."""

    seconds: float = 10.0
    """Wall clock, reading and building included."""
    seed: int = 1
    effort: int = 0
    """0 = until the clock says so; otherwise so many fixed pieces of work, the same on any machine. More effort goes
    over the same ground and then further, so that it never ends with a worse plan."""
    workers: int = 8
    """Of CP-SAT: eight also on two cores, so that bound and neighbourhood workers are among them."""


class Interrupt:
    """A flag that anybody may set to end a search early, with the best plan so far."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self) -> None:
        """End the search at its next look."""
        self.is_set = True


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A better plan or a higher bound that a search has come to."""

    seconds: float
    objective: float
    """Infinite before the first plan."""
    bound: float
    """Minus infinite before the first bound."""
    solver: str


class Watch:
    """Somebody who is told each better plan and each higher bound, once."""

    def __init__(self, told: Callable[[Step], None]) -> None:
        self.told = told
        self.objective, self.bound = math.inf, -math.inf

    def see(self, seconds: float, objective: float, bound: float, solver: str) -> None:
        """Pass on what is news; searches of one problem may report in any order."""
        if objective < self.objective - 1e-9 or bound > self.bound + 1e-9:
            self.objective, self.bound = min(self.objective, objective), max(self.bound, bound)
            bound = min(self.objective, self.bound)
            self.told(Step(seconds=round(seconds, 3), objective=self.objective, bound=bound, solver=solver))


class Clock:
    """A running search's clock."""

    def __init__(
        self,
        limits: Limits,
        interrupt: Interrupt | None = None,
        began: float | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.limits = limits
        self.watch = watch
        self.began = time.monotonic() if began is None else began
        self.deadline = self.began + limits.seconds
        self.interrupt = interrupt or Interrupt()

    @property
    def passed(self) -> float:
        """Tell the seconds since the search began."""
        return time.monotonic() - self.began

    @property
    def left(self) -> float:
        """Tell the seconds left, never below 0; none where somebody interrupted."""
        return 0.0 if self.interrupt.is_set else max(0.0, self.deadline - time.monotonic())

    @property
    def is_up(self) -> bool:
        """Tell whether the search should end."""
        return self.left <= 0

    @property
    def is_fixed(self) -> bool:
        """Tell whether work is counted rather than time."""
        return self.limits.effort > 0

    def until(self, share: float) -> float:
        """Tell the moment at which a share of what is left will be over."""
        return time.monotonic() + share * self.left

    def part(self, share: float) -> "Clock":
        """Give a share of what is left to a part of the search; interrupting one interrupts both."""
        clock = Clock(self.limits, self.interrupt, self.began, self.watch)
        clock.deadline = self.deadline if self.is_fixed else self.until(share)
        return clock

    def tell(self, objective: float, solver: str, bound: float = -math.inf) -> None:
        """Tell whoever watches what the search has come to."""
        if self.watch is not None:
            self.watch.see(self.passed, objective, bound, solver)
