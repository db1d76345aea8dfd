"""What is taken of every resource when: sorted lists for unary machines, sweeps for the rest.

A plain unary machine is two parallel sorted lists of starts and ends, closed windows among them, and is searched where
it stands (`insertion`). Everything else (laboratories, stocks, hours by the week, breaks, setups between families) goes
through `fit`, slower and general.
"""

from bisect import bisect_left, bisect_right, insort

from interwork.allocation.engine.account import setups_of
from interwork.allocation.engine.breaks import breaks_of, joined
from interwork.allocation.network.table import FAR, Step, Table, is_plain
from interwork.allocation.problem.model import Mode, Resource, ResourceKind, Window

Held = tuple[int, int, int, int]
"""Start, end, amount and family of what a general resource holds."""


class Timeline:
    """The state of all resources."""

    def __init__(self, table: Table) -> None:
        self.table = table
        problem = table.problem
        self.starts: list[list[int]] = []
        self.ends: list[list[int]] = []
        for resource in problem.resources:
            closed = joined(resource.closed)
            self.starts.append([start for start, _ in closed])
            self.ends.append([end for _, end in closed])
        self.open = ([list(each) for each in self.starts], [list(each) for each in self.ends])
        self.breaks: dict[tuple[int, int], list[Window]] = {}
        self.held: list[list[Held]] = [[] for _ in problem.resources]
        self.plain = [is_plain(problem, number) for number in range(len(problem.resources))]

    def clear(self) -> None:
        """Let go of everything but the closed windows."""
        self.starts, self.ends = ([list(each) for each in lists] for lists in self.open)
        self.held = [[] for _ in self.held]

    def take(self, step: Step) -> None:
        """Hold what a step uses."""
        activity, mode, single, start, end = step
        if single >= 0:
            at = bisect_left(self.starts[single], start)
            self.starts[single].insert(at, start)
            self.ends[single].insert(at, end)
            return
        family = self.table.problem.activities[activity].family
        for resource, amount in self.table.problem.activities[activity].modes[mode].uses:
            if not self.plain[resource]:
                insort(self.held[resource], (start, end, amount, family))
            elif end > start:
                self.take((activity, mode, resource, start, end))

    def give(self, step: Step) -> None:
        """Let go of what a step uses."""
        activity, mode, single, start, end = step
        if single >= 0:
            at = bisect_left(self.starts[single], start)
            del self.starts[single][at]
            del self.ends[single][at]
            return
        family = self.table.problem.activities[activity].family
        for resource, amount in self.table.problem.activities[activity].modes[mode].uses:
            held = self.held[resource]
            if not self.plain[resource]:
                del held[bisect_left(held, (start, end, amount, family))]
            elif end > start:
                self.give((activity, mode, resource, start, end))

    def close(self, resource: int, window: Window) -> None:
        """Close a resource for a window from now on; what overlaps must have been let go before."""
        closed = joined((*zip(self.starts[resource], self.ends[resource], strict=True), window))
        self.starts[resource] = [start for start, _ in closed]
        self.ends[resource] = [end for _, end in closed]

    def is_free(self, step: Step) -> bool:
        """Tell whether a step could be held where it stands."""
        activity, mode, single, start, end = step
        if single >= 0:
            at = bisect_right(self.ends[single], start)
            return at >= len(self.starts[single]) or self.starts[single][at] >= end
        return self.fit(activity, mode, start) == (start, end)

    def fit(self, activity: int, mode: int, ready: int) -> tuple[int, int] | None:
        """Find the earliest stretch in which everything a mode uses is free; None where there is none."""
        problem = self.table.problem
        chosen: Mode = problem.activities[activity].modes[mode]
        family = problem.activities[activity].family
        breaks = self._breaks(activity, mode)
        moment = ready
        for _ in range(100_000):
            moment, end = _worked(moment, chosen.duration, breaks)
            before = moment
            for resource, amount in chosen.uses:
                later = self._later(resource, (moment, end), amount, family)
                if later is None:
                    return None
                if later > moment:
                    moment, end = _worked(later, chosen.duration, breaks)
            if moment == before:
                return moment, end
        return None

    def _breaks(self, activity: int, mode: int) -> list[Window]:
        known = self.breaks.get((activity, mode))
        if known is None:
            problem = self.table.problem
            known = self.breaks[activity, mode] = breaks_of(problem, problem.activities[activity].modes[mode])
        return known

    def _later(self, number: int, span: tuple[int, int], amount: int, family: int) -> int | None:
        """Tell the next moment worth trying on a resource, the start itself where it is free; None = never."""
        resource = self.table.problem.resources[number]
        if resource.kind is ResourceKind.CONSUMABLE or (resource.kind is ResourceKind.BUCKETED and not resource.bucket):
            return span[0] if sum(each[2] for each in self.held[number]) + amount <= resource.capacity else None
        if resource.kind is ResourceKind.BUCKETED:
            return self._bucket(resource, number, span[0], amount)
        start, end = span
        starts, ends = self.starts[number], self.ends[number]
        at = bisect_right(ends, start)
        if at < len(starts) and starts[at] < end:
            return ends[at]
        if resource.kind is ResourceKind.UNARY:
            return self._unary(number, span, family)
        return self._cumulative(resource, number, span, amount)

    def _bucket(self, resource: Resource, number: int, start: int, amount: int) -> int | None:
        if amount > resource.capacity:
            return None
        bucket = start // resource.bucket
        used = sum(each[2] for each in self.held[number] if each[0] // resource.bucket == bucket)
        return start if used + amount <= resource.capacity else (bucket + 1) * resource.bucket

    def _unary(self, number: int, span: tuple[int, int], family: int) -> int:
        setups = setups_of(self.table.problem, number)
        for since, until, _, other in self.held[number]:
            ahead = setups[other][family] if setups and other >= 0 and family >= 0 else 0
            behind = setups[family][other] if setups and other >= 0 and family >= 0 else 0
            if since < span[1] + behind and span[0] < until + ahead:
                return until + ahead
        return span[0]

    def _cumulative(self, resource: Resource, number: int, span: tuple[int, int], amount: int) -> int | None:
        if amount > resource.capacity:
            return None
        start, end = span
        over = [each for each in self.held[number] if each[0] < end and each[1] > start]
        for moment in (start, *(each[0] for each in over if each[0] > start)):
            used = sum(each[2] for each in over if each[0] <= moment < each[1])
            if used + amount > resource.capacity:
                return min((each[1] for each in over if each[0] <= moment < each[1]), default=FAR)
        return start


def _worked(ready: int, duration: int, breaks: list[Window]) -> tuple[int, int]:
    """Tell when work that is ready at a moment begins and ends, the breaks left out; it begins outside of them."""
    start, end = ready, ready + duration
    if not duration:
        return start, end
    for since, until in breaks:
        if since <= start < until:
            start, end = until, until + duration
        elif start < since < end:
            end += until - since
        elif since >= end:
            break
    return start, end
