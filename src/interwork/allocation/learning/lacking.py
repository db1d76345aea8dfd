"""What the network lacks, over all needs held: technology, capacity, skill, policy and financing gaps, apart.

Technology: nobody passes, whatever the calendars. Policy: somebody passes but for certificate or region. Skill: the
same as technology for training and experts. Capacity: somebody passes and there is no time before the due date.
Financing: somebody passes in time and the budget does not pay for it, or money itself is wanted.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from interwork.allocation.learning.asking import best
from interwork.allocation.parts.admitting import prepare
from interwork.allocation.parts.gaps import POLICY, closeness, misses
from interwork.allocation.parts.instance import without_budget
from interwork.allocation.parts.schedule import weigh
from interwork.core.design import Operation, ProcessPlan
from interwork.core.planning import Match, Need, NeedKind, Plan, Quote, Weights
from interwork.core.programme import GapKind

FAR = 1e9
"""Shortfall where nobody offers anything near."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One need with everything held for it."""

    need: Need
    process: ProcessPlan | None = None
    matches: tuple[Match, ...] = ()
    quotes: tuple[Quote, ...] = ()
    plan: Plan | None = None
    asked_at: datetime
    """When the quotes were asked for."""


class Lack(msgspec.Struct, frozen=True, kw_only=True):
    """One need's part in a gap."""

    kind: GapKind
    process: str
    requirement: str
    need: str
    title: str
    value_eur: float | None
    """The need's budget, else what its plan costs; None where neither is known."""
    nearest: str
    distance: float | None
    """By what factor the nearest misses its worst number; None where no number misses."""


class GapRow(msgspec.Struct, frozen=True, kw_only=True):
    """One gap of the network with the needs behind it."""

    kind: GapKind
    process: str
    requirement: str
    count: int
    value_eur: float
    valued: int
    """Needs of which the value is known."""
    nearest: str
    distance: float | None
    needs: tuple[Lack, ...]


def report(held: Sequence[Held], *, deadline: float) -> list[GapRow]:
    """Add the gaps of all needs up by kind, process and requirement, the largest demand first."""
    groups: dict[tuple[GapKind, str, str], list[Lack]] = defaultdict(list)
    for one in held:
        for lack in lacks(one, deadline=deadline):
            groups[lack.kind, lack.process, lack.requirement.partition(" ")[0]].append(lack)
    rows = [_row(found) for found in groups.values()]
    return sorted(rows, key=lambda row: (-row.value_eur, -row.count, row.kind, row.process, row.requirement))


def _row(found: Sequence[Lack]) -> GapRow:
    worth = {each.need: each.value_eur for each in found}
    values = [each for each in worth.values() if each is not None]
    near = min(found, key=lambda each: FAR if each.distance is None else each.distance)
    wanted = list(dict.fromkeys(each.requirement for each in found))
    return GapRow(
        kind=near.kind,
        process=near.process,
        requirement="; ".join(wanted[:3]) + (" …" if len(wanted) > 3 else ""),
        count=len(worth),
        value_eur=sum(values),
        valued=len(values),
        nearest=near.nearest,
        distance=near.distance,
        needs=tuple({each.need: each for each in found}.values()),
    )


def lacks(held: Held, *, deadline: float = float("inf")) -> Iterator[Lack]:
    """Tell what stands in one need's way; nothing where it is planned in time."""
    if held.need.kind is NeedKind.MONEY and held.plan is None:
        yield _lack(held, GapKind.FINANCING, "", ("money", "Nobody has granted it.", None))
        return
    missing = list(_missing(held))
    yield from missing
    if missing or held.process is None:
        return
    if held.plan is not None:
        if held.plan.totals.late_h > 0:
            late = max(held.plan.assignments, key=lambda each: each.end)
            text = f"The best plan is {held.plan.totals.late_h:.1f} h late; {late.resource_name} ends last."
            yield _lack(held, GapKind.CAPACITY, _process_of(held.process, late.operation), ("time", text, None))
    elif held.quotes:
        yield from _unplanned(held, held.process, deadline)


def _missing(held: Held) -> Iterator[Lack]:
    for operation in held.process.operations if held.process else ():
        own = sorted((each for each in held.matches if each.operation == operation.id), key=closeness)
        if any(each.is_feasible for each in own):
            continue
        barred = [each for each in own if all(one.requirement in POLICY for one in misses(each))]
        if barred:
            yield _lack(held, GapKind.POLICY, operation.process, _told(barred[0], operation))
        else:
            kind = GapKind.SKILL if held.need.kind is NeedKind.SKILL else GapKind.TECHNOLOGY
            yield _lack(held, kind, operation.process, _told(own[0] if own else None, operation))


def _told(nearest: Match | None, operation: Operation) -> tuple[str, str, float | None]:
    if nearest is None:
        return f"process {operation.process}", "Nobody in the network offers a resource.", None
    failed = misses(nearest)
    if any(each.requirement == "process" for each in failed):
        return f"process {operation.process}", f"Nobody offers it; nearest: {failed[0].text}", None
    shortfall = closeness(nearest)[3]
    wanted = ", ".join(f"{each.requirement} {each.wanted}" for each in failed)
    return wanted, " ".join(each.text for each in failed), shortfall if shortfall != 1.0 else None


def _unplanned(held: Held, process: ProcessPlan, deadline: float) -> Iterator[Lack]:
    """Tell lack of money from lack of time where everything is quoted and nothing was planned."""
    instance = prepare(held.need, process, held.quotes, Weights(), held.asked_at)
    first = process.operations[0].process
    free = without_budget(instance)
    schedule, _ = best(free, deadline)
    if schedule is None:
        empty = [o.process for o, listed in zip(instance.operations, instance.options, strict=True) if not listed]
        text = "It is quoted, and no free windows fit one after the other before the horizon."
        yield _lack(held, GapKind.CAPACITY, empty[0] if empty else first, ("time", text, None))
        return
    price = weigh(free, schedule).cents / 100
    budget = None if instance.budget_cents is None else instance.budget_cents / 100
    if budget is not None and price > budget and best(instance, deadline)[0] is None:
        text = f"A plan comes to {price:,.2f} €, the budget is {budget:,.2f} €: {price - budget:,.2f} € short."
        yield _lack(held, GapKind.FINANCING, first, ("budget", text, price / budget if budget else None))


def _process_of(process: ProcessPlan, operation: str) -> str:
    return next((each.process for each in process.operations if each.id == operation), "")


def _lack(held: Held, kind: GapKind, process: str, told: tuple[str, str, float | None]) -> Lack:
    requirement, nearest, distance = told
    value = held.need.budget_eur
    if value is None and held.plan is not None:
        value = held.plan.totals.price_eur
    return Lack(
        kind=kind,
        process=process,
        requirement=requirement,
        need=held.need.id,
        title=held.need.title,
        value_eur=value,
        nearest=nearest,
        distance=distance,
    )
