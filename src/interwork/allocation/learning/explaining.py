"""Why a plan is as it is: what each chosen provider's part comes to, what any other would cost, what would change it.

Every figure is that of another plan over the same quotes: without the provider, with a part for it, or with its
calendar free. So a stated extra is what taking that other plan costs, to the cent.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from interwork.allocation.learning.asking import Asked, ask, best, candidate, difference, opened, shares
from interwork.allocation.parts.cpsat import Status
from interwork.allocation.parts.gaps import closeness, misses
from interwork.allocation.parts.instance import UNITS_PER_CENT, UNITS_PER_EUR, restricted
from interwork.allocation.parts.schedule import Schedule, tidy, weigh
from interwork.core.design import ProcessPlan
from interwork.core.planning import Candidate, Explanation, Match, Need, Plan, ProviderWhy, Quote, Share

COMPARED_MAX = 12
"""Providers a plan is made with or without, in the order of the quotes."""
CENT = 0.005


def explain_plan(
    need: Need,
    process: ProcessPlan,
    quotes: Sequence[Quote],
    matches: Sequence[Match],
    plan: Plan,
    *,
    seconds: float = 5.0,
) -> Explanation:
    """Explain a plan provider by provider; whoever was matched or quoted is in it."""
    asked = ask(need, process, quotes, plan, seconds=seconds)
    told: list[ProviderWhy] = []
    forced: list[Candidate] = []
    chosen = {each.option.provider for each in asked.schedule.placed}
    for number in range(len(asked.instance.names)):
        if number in chosen:
            told.append(_chosen(asked, number))
        else:
            why, other = _other(asked, number, quotes, matches)
            told.append(why)
            forced += [other] if other else []
    known = set(asked.instance.providers)
    told += [_unasked(name, did, matches) for did, name in _matched(matches) if did not in known]
    free = replace(asked, instance=opened(asked.instance))
    loose = _retimed(free)
    return Explanation(
        id=plan.id,
        shares=shares(asked.instance, asked.schedule),
        scarcity_eur=max(0.0, asked.objective_eur - weigh(free.instance, loose).objective / UNITS_PER_EUR),
        providers=tuple(sorted(told, key=lambda each: not each.is_chosen)),
        forced=tuple(forced),
        created_at=plan.created_at,
    )


def told_to(explanation: Explanation, provider: str) -> Explanation:
    """Keep what one member may read: its own row, without what the others ask, do or cost."""
    own = [each for each in explanation.providers if each.provider == provider]
    bare = [
        msgspec.structs.replace(
            each,
            shares=tuple(one for one in each.shares if one.name == "price") if each.is_chosen else (),
            extra_eur=None,
            runner_up=(),
            text=_own_words(each),
            change=each.change if each.cause in ("rule", "declined") else "",
        )
        for each in own
    ]
    return msgspec.structs.replace(explanation, shares=(), scarcity_eur=0.0, providers=tuple(bare), forced=())


def _own_words(why: ProviderWhy) -> str:
    if why.is_chosen:
        return f"{why.provider_name}: chosen for {', '.join(why.operations)}."
    if why.cause in ("rule", "declined"):
        return why.text
    return f"{why.provider_name}: not chosen; another plan came to less."


def _eur(amount: float) -> str:
    return f"{amount:,.2f} €"


def _work(asked: Asked, schedule: Schedule, number: int) -> dict[str, int]:
    """Count a provider's parts by the name of the operation."""
    parts: dict[str, int] = {}
    for each in schedule.placed:
        if each.option.provider == number:
            name = asked.instance.operations[each.operation].name
            parts[name] = parts.get(name, 0) + schedule.lots[each.lot]
    return parts


def _chosen(asked: Asked, number: int) -> ProviderWhy:
    instance, schedule = asked.instance, asked.schedule
    own = [each for each in schedule.placed if each.option.provider == number]
    figures = [each.option.figures(schedule.lots[each.lot]) for each in own]
    price = sum(each.cents for each in figures) * UNITS_PER_CENT / UNITS_PER_EUR
    co2 = sum(each.grams for each in figures) * instance.prices.gram / UNITS_PER_EUR
    free = replace(asked, instance=opened(instance, number))
    scarcity = asked.objective_eur - weigh(free.instance, _retimed(free)).objective / UNITS_PER_EUR
    listed = [
        Share(name="price", eur=price),
        Share(name="CO₂", eur=co2),
        Share(name="scarcity", eur=max(0.0, scarcity)),
    ]
    work = _work(asked, schedule, number)
    names = " and ".join(f"{name} ({quantity} parts)" for name, quantity in work.items())
    text = f"{instance.names[number]}: chosen for {names} at {_eur(price)}"
    why = ProviderWhy(
        provider=instance.providers[number],
        provider_name=instance.names[number],
        is_chosen=True,
        cause="chosen",
        text="",
        operations=tuple(work),
        shares=tuple(listed),
    )
    others = restricted(instance, frozenset(range(len(instance.names))) - {number})
    if number >= COMPARED_MAX or time.monotonic() > asked.deadline:
        return msgspec.structs.replace(why, text=f"{text}; the plan without it was not tried.")
    without, status = best(others, asked.deadline, near=schedule)
    if without is None:
        alone = status is Status.INFEASIBLE
        rest = "without it there is no plan" if alone else "no plan without it was found in the time given"
        return msgspec.structs.replace(why, text=f"{text}; {rest}.")
    extra = weigh(instance, without).objective / UNITS_PER_EUR - asked.objective_eur
    places = {(each.lot, each.operation) for each in own} if len(without.lots) == len(schedule.lots) else None
    instead = {
        instance.names[each.option.provider]
        for each in without.placed
        if places is None or (each.lot, each.operation) in places
    }
    runner_up = tuple(sorted(instead))
    change = f"It would lose its part if it asked {_eur(extra)} more." if extra > CENT else "Another plan is as good."
    return msgspec.structs.replace(
        why,
        text=f"{text}; without it, {', '.join(runner_up)} would do it and the plan comes to {_eur(extra)} more.",
        extra_eur=extra,
        is_proven=status is Status.OPTIMAL,
        runner_up=runner_up,
        change=change,
    )


def _other(
    asked: Asked, number: int, quotes: Sequence[Quote], matches: Sequence[Match]
) -> tuple[ProviderWhy, Candidate | None]:
    """Say why a provider that was asked has no part: a rule, what it declined, or what forcing it costs."""
    instance = asked.instance
    did, name = instance.providers[number], instance.names[number]
    why = ProviderWhy(provider=did, provider_name=name, is_chosen=False, cause="not compared", text="")
    if all(option.provider != number for listed in instance.options for option in listed):
        said = [each.text.removeprefix(f"{name}: ") for each in instance.ignored if each.provider == did]
        said += [text for each in quotes if each.provider == did for text in each.declined]
        if not said and (rule := _rule(name, did, matches)):
            return rule, None
        reason = said[0] if said else "it quoted nothing."
        change = "It would be compared if it quoted the operation."
        return msgspec.structs.replace(why, cause="declined", text=f"{name}: {reason}", change=change), None
    if number >= COMPARED_MAX or time.monotonic() > asked.deadline:
        return msgspec.structs.replace(why, text=f"{name}: not compared; there was no time to plan with it."), None
    schedule, status = best(instance, asked.deadline, use=number, near=asked.schedule)
    if schedule is None:
        text = f"{name}: no plan with a part for it keeps the free windows and the budget."
        return msgspec.structs.replace(why, cause="no time", text=text, change=_if_free(asked, number)), None
    return _dearer(asked, number, why, schedule, status)


def _dearer(
    asked: Asked, number: int, why: ProviderWhy, schedule: Schedule, status: Status
) -> tuple[ProviderWhy, Candidate]:
    instance, name = asked.instance, why.provider_name
    extra = weigh(instance, schedule).objective / UNITS_PER_EUR - asked.objective_eur
    more = difference(shares(instance, schedule), shares(instance, asked.schedule))
    told = ", ".join(f"{one.name} {one.eur:+,.2f} €" for one in more)
    work = _work(asked, schedule, number)
    cause = "dearer" if extra > CENT else "as good"
    text = f"{name}: with a part for it ({', '.join(work)}) the plan comes to {_eur(extra)} more: {told}."
    if cause == "as good":
        text = f"{name}: a plan with a part for it ({', '.join(work)}) comes to the same."
    change = f"It would be chosen if it asked more than {_eur(extra)} less for {', '.join(work)}."
    if free := _if_free(asked, number):
        change = f"{change} {free}"
    done = msgspec.structs.replace(
        why,
        cause=cause,
        text=text,
        operations=tuple(work),
        shares=more,
        extra_eur=extra,
        is_proven=status is Status.OPTIMAL,
        change=change,
    )
    return done, candidate(instance, schedule, f"with:{why.provider}", name, text)


def _if_free(asked: Asked, number: int) -> str:
    """Say what a free calendar of a provider would bring, if it would bring it into the plan."""
    free = opened(asked.instance, number)
    if time.monotonic() > asked.deadline:
        return ""
    schedule, _ = best(free, asked.deadline, use=number, near=asked.schedule)
    if schedule is None:
        return ""
    gain = asked.objective_eur - weigh(free, schedule).objective / UNITS_PER_EUR
    return f"It is full: were it free from now on, the plan would come to {_eur(gain)} less." if gain > CENT else ""


def _retimed(asked: Asked) -> Schedule:
    """Start everything as early as the (other) calendars of an instance allow, keeping who does what."""
    own = {
        (operation, option.mode.provider, option.mode.resource): option
        for operation, listed in enumerate(asked.instance.options)
        for option in listed
    }
    placed = tuple(
        replace(each, option=own[each.operation, each.option.mode.provider, each.option.mode.resource])
        for each in asked.schedule.placed
    )
    return tidy(asked.instance, Schedule(lots=asked.schedule.lots, placed=placed))


def _matched(matches: Sequence[Match]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((each.provider, each.provider_name) for each in matches))


def _unasked(name: str, did: str, matches: Sequence[Match]) -> ProviderWhy:
    """Say why a provider was not asked for a quote: the first hard rule it fails, with the numbers."""
    rule = _rule(name, did, matches)
    if rule:
        return rule
    text = f"{name}: it could do the work and gave no quote."
    return ProviderWhy(provider=did, provider_name=name, is_chosen=False, cause="declined", text=text)


def _rule(name: str, did: str, matches: Sequence[Match]) -> ProviderWhy | None:
    own = sorted((each for each in matches if each.provider == did), key=closeness)
    if not own or any(each.is_feasible for each in own):
        return None
    first = misses(own[0])[0]
    return ProviderWhy(
        provider=did,
        provider_name=name,
        is_chosen=False,
        cause="rule",
        text=f"{name}: {first.text}",
        change=f"It would be asked if it stated {first.requirement} of {first.wanted}; it states {first.offered}.",
    )
