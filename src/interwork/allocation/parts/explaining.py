"""Say in sentences why: why each provider was chosen or not, why an alternative was not, and why there is no plan.

Every sentence carries its number. Where there is no plan, the causes come from a closed list and each piece of advice
was tried: the model was solved again with it and had a plan.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from interwork.allocation.parts.cpsat import Outcome, Search, Status, cheapest, solve
from interwork.allocation.parts.instance import UNITS_PER_CENT, UNITS_PER_EUR, Instance
from interwork.allocation.parts.model import Cause
from interwork.allocation.parts.narrowing import improve, tabulate
from interwork.allocation.parts.schedule import Schedule, Sums, weigh
from interwork.core.errors import NoPlan
from interwork.core.planning import Quote

LATER_DAYS = (7, 14, 28, 56)
"""How much later a due date is tried where time is short."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What came of planning again without a chosen provider, or with a part for one that was not."""

    provider: int
    is_chosen: bool
    """Whether it was, in the plan the question was asked of."""
    outcome: Outcome


def explain(instance: Instance, best: Schedule, what_ifs: Sequence[WhatIf], quotes: Sequence[Quote]) -> tuple[str, ...]:
    """Say for each provider why it was or was not chosen, then what was left out and what was assumed."""
    tried = {each.provider: each for each in what_ifs}
    quoted = {each.provider for options in instance.options for each in options}
    chosen = {each.option.provider for each in best.placed}
    sentences = []
    for number, name in enumerate(instance.names):
        what_if = tried.get(number)
        if number in chosen:
            sentences.append(_chosen(instance, best, number, what_if))
        elif what_if and not what_if.is_chosen:
            sentences.append(f"{name}: not chosen; {_margin(instance, best, what_if.outcome, 'with a part for it')}.")
        elif number in quoted:
            sentences.append(f"{name}: not chosen; {_dearer(instance, best, number)}.")
        else:
            sentences.append(f"{name}: not chosen; {_offers_nothing(instance, number, quotes)}")
    sentences += [each.text for each in instance.ignored if each.operation]
    concerned = {instance.providers[number] for number in chosen} | {""}
    sentences += [text for did, text in instance.notes if did in concerned]
    return tuple(dict.fromkeys(sentences))


def _chosen(instance: Instance, best: Schedule, number: int, what_if: WhatIf | None) -> str:
    parts: dict[str, int] = {}
    cents = 0
    for placed in best.placed:
        if placed.option.provider == number:
            name = instance.operations[placed.operation].name
            parts[name] = parts.get(name, 0) + best.lots[placed.lot]
            cents += placed.option.figures(best.lots[placed.lot]).cents
    work = _listed([f"{name} ({quantity} parts)" for name, quantity in parts.items()])
    head = f"{instance.names[number]}: chosen for {work} at {_euro(cents * UNITS_PER_CENT)}"
    alone = [
        each.name
        for each, options in zip(instance.operations, instance.options, strict=True)
        if {one.provider for one in options} == {number}
    ]
    if alone:
        return f"{head}; nobody else quoted {_listed(alone)}."
    if what_if and what_if.is_chosen:
        return f"{head}; {_margin(instance, best, what_if.outcome, 'without it')}."
    return f"{head}."


def _dearer(instance: Instance, best: Schedule, number: int) -> str:
    """Compare the work alone, operation by operation, where no plan with a part for a provider was tried."""
    told = []
    for operation, options in enumerate(instance.options):
        own = [each.figures(instance.quantity).cents for each in options if each.provider == number]
        paid = sum(p.option.figures(best.lots[p.lot]).cents for p in best.placed if p.operation == operation)
        if own:
            name = instance.operations[operation].name
            told.append(f"{name} at {_euro(min(own) * UNITS_PER_CENT)} against {_euro(paid * UNITS_PER_CENT)} chosen")
    return f"it quoted {_listed(told)}, before transport and time"


def _margin(instance: Instance, best: Schedule, outcome: Outcome, how: str) -> str:
    """Say how much worse the best plan of a kind is; only a proof makes it `the best`."""
    if outcome.status is Status.INFEASIBLE:
        return f"{how} no plan keeps the free windows{' and the budget' if instance.budget_cents is not None else ''}"
    objective = weigh(instance, best).objective
    if outcome.schedule is None:
        at_least = max(0, outcome.bound - objective)
        return f"no plan {how} was found in the time given; it would come to at least {_euro(at_least)} more"
    extra = weigh(instance, outcome.schedule).objective - objective
    found = "the best plan" if outcome.status is Status.OPTIMAL else "the best plan found"
    if extra * 2 < UNITS_PER_CENT:
        return f"{found} {how} comes to the same"
    share = f" ({extra / objective:.1%})" if objective else ""
    return f"{found} {how} comes to {_euro(extra)}{share} more"


def _offers_nothing(instance: Instance, number: int, quotes: Sequence[Quote]) -> str:
    did, name = instance.providers[number], instance.names[number]
    said = [each.text.removeprefix(f"{name}: ") for each in instance.ignored if each.provider == did]
    said += [text for each in quotes if each.provider == did for text in each.declined]
    return " ".join(dict.fromkeys(said)) or "it quoted nothing."


def differences(instance: Instance, sums: Sums, best: Sums) -> str:
    """Compare an alternative with the plan, by what the objective is made of."""
    extra = sums.objective - best.objective
    if extra * 2 < UNITS_PER_CENT:
        return "As good as the plan."
    late = [max(0, 60 * each.finish - instance.due_s) * instance.prices.late_second for each in (sums, best)]
    parts = (
        ("price", (sums.cents - best.cents) * UNITS_PER_CENT),
        ("CO₂", (sums.grams - best.grams) * instance.prices.gram),
        ("lateness", late[0] - late[1]),
        ("finishing later" if sums.finish > best.finish else "finishing earlier", _finish_units(instance, sums, best)),
    )
    told = ", ".join(
        f"{name} {units / UNITS_PER_EUR:+,.2f} €" for name, units in parts if abs(units) * 2 >= UNITS_PER_CENT
    )
    return f"{_euro(extra)} ({extra / best.objective:.1%}) above the plan: {told}."


def _finish_units(instance: Instance, sums: Sums, best: Sums) -> int:
    return 60 * (sums.finish - best.finish) * instance.prices.second


def over_budget(instance: Instance, sums: Sums) -> str:
    """Say by how much a schedule exceeds the budget."""
    budget = instance.budget_cents or 0
    over = (sums.cents - budget) * UNITS_PER_CENT
    return f"Its price of {_euro(sums.cents * UNITS_PER_CENT)} is {_euro(over)} above the budget."


def _euro(units: int) -> str:
    return f"{units / UNITS_PER_EUR:,.2f} €"


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def no_plan(instance: Instance, outcome: Outcome | None, quotes: Sequence[Quote], deadline: float) -> NoPlan:
    """Find out why there is no plan and what would give one; `outcome` is of the search that found none."""
    missing = [number for number, options in enumerate(instance.options) if not options]
    if missing:
        reasons = [_why_missing(instance, number, quotes) for number in missing]
        advice = ["Relax what the reasons name, or bring in a provider that can."]
    elif outcome is not None and outcome.status is Status.UNKNOWN:
        found = f"{Cause.NOT_FOUND}: no plan was found, and none was proved impossible."
        reasons, advice = [found], ["Allow more seconds, or ask fewer providers."]
    else:
        reasons, advice = _why_not_together(instance, deadline)
    return NoPlan(
        f"No plan meets {instance.need.title} ({instance.quantity} parts, due {instance.need.due:%d %b %Y %H:%M} UTC).",
        reasons=tuple(reasons),
        remedy=" ".join(advice) or "Relax what the reasons name; no single change tried gives a plan.",
    )


def _why_missing(instance: Instance, number: int, quotes: Sequence[Quote]) -> str:
    """Say why an operation has no usable mode."""
    operation = instance.operations[number]
    own = [each for each in instance.ignored if each.operation == operation.id]
    silent = {each.provider for each in instance.ignored if not each.operation}
    own += [
        each
        for each in instance.ignored
        if not each.operation
        and any(
            mode.operation == operation.id
            for quote in quotes
            if quote.provider == each.provider
            for mode in quote.modes
        )
    ]
    declined = [
        f"{quote.provider_name}: {text.removeprefix(f'{operation.name}: ')}"
        for quote in quotes
        if quote.provider not in silent
        for text in quote.declined
        if text.startswith(f"{operation.name}: ")
    ]
    cause = own[0].cause if own else Cause.NO_CAPABLE_RESOURCE
    said = " ".join(dict.fromkeys([*(each.text for each in own), *declined]))
    return f"{operation.name}: {cause}. {said or 'No provider quoted it.'}"


def _why_not_together(instance: Instance, deadline: float) -> tuple[list[str], list[str]]:
    """Tell lack of time from lack of money, and try what would help."""
    free = replace(instance, budget_cents=None)
    if instance.budget_cents is not None:
        least = cheapest(instance, Search(deadline=deadline))
        if least.schedule:
            price = weigh(free, least.schedule).cents
            word = "the cheapest plan" if least.status is Status.OPTIMAL else "the cheapest plan found"
            reason = (
                f"{Cause.BUDGET}: {word} comes to {_euro(price * UNITS_PER_CENT)}, "
                f"the budget is {_euro(instance.budget_cents * UNITS_PER_CENT)}."
            )
            advice = [f"Raise the budget to {_euro(price * UNITS_PER_CENT)}.", *_fewer(instance, deadline)]
            return [reason], advice
    reasons = [text for number in range(len(free.operations)) if (text := _too_long(free, number))]
    together = f"{Cause.NO_TIME}: the free windows do not fit one after the other before {_last(free)}."
    return reasons or [together], [*_fewer(instance, deadline), *_later(instance, deadline)]


def _too_long(instance: Instance, number: int) -> str:
    """Say that an operation fits no window whatever the lots; empty if it fits."""
    sizes = {size for lots in instance.splits for size in lots}
    if any(each.starts for size in sizes for each in tabulate(instance, size)[number]):
        return ""
    smallest = min(sizes)
    minutes = min(each.figures(smallest).minutes for each in instance.options[number])
    longest = max(end - start for each in instance.options[number] for start, end in each.windows)
    name = instance.operations[number].name
    return (
        f"{name}: {Cause.NO_TIME}. A lot of {smallest} takes {minutes / 60:.1f} h in one piece; "
        f"the longest free window before {_last(instance)} is {longest / 60:.1f} h."
    )


def _last(instance: Instance) -> str:
    end = max(end for options in instance.options for each in options for _, end in each.windows)
    return f"{instance.moment(end):%d %b %Y %H:%M} UTC"


def _is_feasible(instance: Instance, deadline: float) -> bool:
    if improve(instance, trials=200, deadline=deadline):
        return True
    search = Search(any_will_do=True, deadline=min(deadline, time.monotonic() + 1.0))
    return solve(instance, search).schedule is not None


def _fewer(instance: Instance, deadline: float) -> list[str]:
    """Find by halving a smaller quantity for which there is a plan."""
    fits, over = 0, instance.quantity
    while over - fits > 1 and time.monotonic() < deadline:
        middle = (fits + over) // 2
        if _is_feasible(replace(instance, quantity=middle), deadline):
            fits = middle
        else:
            over = middle
    return [f"Ask for {fits} parts instead of {instance.quantity}."] if fits else []


def _later(instance: Instance, deadline: float) -> list[str]:
    """Find how much later a due date would do, if calendars stay free beyond what was quoted."""
    end = max(end for options in instance.options for each in options for _, end in each.windows)
    for days in LATER_DAYS:
        options = tuple(
            tuple(
                replace(each, windows=(*each.windows[:-1], (each.windows[-1][0], end + days * 1440)))
                if each.windows[-1][1] == end
                else each
                for each in listed
            )
            for listed in instance.options
        )
        if time.monotonic() < deadline and _is_feasible(replace(instance, options=options), deadline):
            due = min(max(instance.need.due, instance.now), instance.moment(end)) + timedelta(days=days)
            advice = f"Ask for new quotes with a due date of {due:%d %b %Y}: {days} days more would do"
            return [f"{advice} where calendars are free beyond what was quoted."]
    return []
