"""Admit what can be used of the quotes and number it into an instance.

Quotes come from other organisations, so each mode is looked at first; what cannot be used is left out with a sentence
that says why, and the cause from the closed list.
"""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from interwork.allocation.parts.instance import (
    UNITS_PER_CENT,
    UNITS_PER_EUR,
    Ignored,
    Instance,
    Option,
    Prices,
    Route,
)
from interwork.allocation.parts.matching import PLAN_LEVEL, hold
from interwork.allocation.parts.model import Cause
from interwork.core.design import Operation, ProcessPlan
from interwork.core.errors import BadInput, LimitReached
from interwork.core.organisation import Place
from interwork.core.planning import Mode, Need, Quote, Verdict, Weights
from interwork.core.resource import Capability

MAX_PLACEMENTS = 40_000
"""Modes times lots over all lot counts; beyond it the model would not fit the time."""
MAX_MINUTES = 1000 * 24 * 60
"""Time beyond 1000 days is not planned."""
MAX_FIGURE = 1e9
EARTH_KM = 6371.0088


def prepare(need: Need, plan: ProcessPlan, quotes: Sequence[Quote], weights: Weights, now: datetime) -> Instance:
    """Turn a need, its process plan and the quotes at hand into one instance; who answered first decides nothing."""
    _require_sound(need, weights, now)
    now = now.astimezone(UTC)  # two moments of one zone differ by its clock, which leaps twice a year
    order = _topological(plan)
    origin = _whole_minute(now)
    came = list(dict.fromkeys(each.provider for each in quotes))
    quotes = sorted(quotes, key=lambda each: each.provider)
    ignored: list[Ignored] = []
    admitted = _admit_quotes(quotes, need, now, ignored)
    providers = {each.provider: each.provider_name for each in quotes}
    options, sites = _options(order, _usable(order, admitted, need, origin, ignored), list(providers))
    deliver_to = None if need.deliver_to == Place() else need.deliver_to
    ids = [each.id for each in order]
    budgets = [each for each in (need.budget_eur, *_budgets(need)) if each is not None]
    ways = _routes([place for _, place in sites], weights)
    gram = round(weights.co2_eur_per_kg * UNITS_PER_EUR / 1000)
    instance = Instance(
        need=need,
        weights=weights,
        now=now,
        origin=origin,
        quantity=need.quantity,
        operations=tuple(order),
        before=tuple(tuple(ids.index(each) for each in operation.after) for operation in order),
        last=tuple(i for i, each in enumerate(ids) if all(each not in other.after for other in order)),
        options=options,
        providers=tuple(providers),
        names=tuple(providers.values()),
        came=tuple(came.index(each) for each in providers),
        sites=tuple(place for _, place in sites),
        routes=ways,
        carriage=_square(len(sites), lambda a, b: ways[a, b].cents * UNITS_PER_CENT + ways[a, b].grams * gram),
        travel=_square(len(sites), lambda a, b: ways[a, b].minutes),
        deliveries=tuple(_delivery(place, deliver_to, weights) for _, place in sites),
        prices=Prices(
            gram=gram,
            late_second=round(weights.late_eur_per_h * UNITS_PER_EUR / 3600),
            second=round(weights.finish_eur_per_day * UNITS_PER_EUR / 86400),
        ),
        due_s=math.floor((need.due - origin).total_seconds()),
        head_s=math.floor((origin - now).total_seconds()),
        budget_cents=math.floor(100 * min(budgets) + 1e-6) if budgets else None,
        ignored=tuple(ignored),
        notes=tuple(dict.fromkeys(_notes(need, admitted, sites))),
    )
    _require_small(instance)
    return instance


def distance_km(a: Place, b: Place) -> float:
    """Tell the great-circle distance of two places, to 100 m; an unknown place is no distance away."""
    if not (_is_known(a) and _is_known(b)):
        return 0.0
    lat_a, lat_b = math.radians(a.latitude), math.radians(b.latitude)
    half = math.sin((lat_b - lat_a) / 2) ** 2
    half += math.cos(lat_a) * math.cos(lat_b) * math.sin(math.radians(b.longitude - a.longitude) / 2) ** 2
    return round(2 * EARTH_KM * math.asin(math.sqrt(min(1.0, half))), 1)


def _is_known(place: Place) -> bool:
    return bool(place.latitude or place.longitude)


def _require_sound(need: Need, weights: Weights, now: datetime) -> None:
    if need.quantity < 1:
        raise BadInput(f"{need.title} ({need.id}) asks for {need.quantity} parts.", remedy="Ask for one at least.")
    if need.budget_eur is not None and not math.isfinite(need.budget_eur):
        raise BadInput(f"The budget of {need.title} reads {need.budget_eur}.", remedy="Give a number of euro, or none.")
    if need.due.tzinfo is None or now.tzinfo is None:
        raise BadInput(f"{need.title} ({need.id}) is due at a time without a zone.", remedy="Give times in UTC.")
    for name in weights.__struct_fields__:
        figure = getattr(weights, name)
        if not (math.isfinite(figure) and figure >= 0):
            raise BadInput(f"The weight {name} is {figure}.", remedy="Give a number from 0 up.")
    if weights.transport_km_per_h <= 0:
        raise BadInput("The weight transport_km_per_h is 0.", remedy="Give the speed lots travel at.")


def _topological(plan: ProcessPlan) -> list[Operation]:
    """Order operations so that each stands after those before it, keeping the plan's own order where it can."""
    ids = {each.id for each in plan.operations}
    if len(ids) != len(plan.operations) or not ids:
        raise BadInput(f"The process plan {plan.id} has no operations, or two with one id.")
    for each in plan.operations:
        if strange := set(each.after) - ids:
            raise BadInput(f"{each.name} comes after {', '.join(sorted(strange))}, which the plan {plan.id} lacks.")
    order: list[Operation] = []
    left = list(plan.operations)
    done: set[str] = set()
    while left:
        ready = next((each for each in left if done.issuperset(each.after)), None)
        if ready is None:
            names = ", ".join(each.name for each in left)
            raise BadInput(f"In the process plan {plan.id} these wait for each other: {names}.")
        left.remove(ready)
        done.add(ready.id)
        order.append(ready)
    return order


def _whole_minute(now: datetime) -> datetime:
    floor = now.replace(second=0, microsecond=0)
    return floor if floor == now else floor + timedelta(minutes=1)


def _admit_quotes(quotes: Sequence[Quote], need: Need, now: datetime, ignored: list[Ignored]) -> list[Quote]:
    admitted = []
    for each in quotes:
        text = ""
        if each.need != need.id:
            text = f"its quote {each.id} answers another need ({each.need})."
        elif each.valid_until.tzinfo is None:
            text = f"its quote {each.id} is valid until a time without a zone."
        elif each.valid_until <= now:
            text = f"its quote ran out on {each.valid_until:%d %b %Y at %H:%M} UTC; ask it again."
        elif not _is_figure(each.material_price_eur):
            text = f"its material price {each.material_price_eur} is no price."
        else:
            admitted.append(each)
            continue
        ignored.append(Ignored(Cause.NO_VALID_QUOTE, each.provider, "", f"{each.provider_name}: {text}"))
    return admitted


Usable = dict[tuple[str, str, str], tuple[Mode, float, tuple[tuple[int, int], ...]]]
"""A mode, its quote's material price and its windows, by operation, provider and resource."""


def _usable(
    order: Sequence[Operation], quotes: Sequence[Quote], need: Need, origin: datetime, ignored: list[Ignored]
) -> Usable:
    """Keep the modes that can be used; a later quote of a mode replaces an earlier one."""
    usable: Usable = {}
    for each in quotes:
        for mode in each.modes:
            windows = () if (fault := _fault(mode, each, order, need)) else _windows(mode, origin)
            fault = fault or (None if windows else (Cause.NO_TIME, f"{mode.resource_name} has no free time left."))
            if fault:
                text = f"{each.provider_name}: {fault[1]}"
                ignored.append(Ignored(fault[0], each.provider, mode.operation, text))
            else:
                usable[mode.operation, mode.provider, mode.resource] = (mode, each.material_price_eur, windows)
    return usable


def _options(
    order: Sequence[Operation], usable: Usable, providers: Sequence[str]
) -> tuple[tuple[tuple[Option, ...], ...], list[tuple[str, Place]]]:
    """Sort modes by operation, numbering providers, resources and sites."""
    sites: dict[tuple[str, float, float], Place] = {}
    resources: dict[tuple[str, str], int] = {}
    options = []
    for mode, material, windows in usable.values():
        site = (mode.provider, mode.place.latitude, mode.place.longitude)
        sites.setdefault(site, mode.place)
        options.append(
            Option(
                mode=mode,
                provider=providers.index(mode.provider),
                resource=resources.setdefault((mode.provider, mode.resource), len(resources)),
                site=list(sites).index(site),
                material_eur=material if mode.operation == order[0].id else 0.0,
                windows=windows,
            )
        )
    sorted_options = tuple(tuple(one for one in options if one.mode.operation == each.id) for each in order)
    return sorted_options, [(site[0], place) for site, place in sites.items()]


def _fault(mode: Mode, quote: Quote, order: Sequence[Operation], need: Need) -> tuple[Cause, str] | None:
    """Say why a mode cannot be used; None if it can."""
    operation = next((each for each in order if each.id == mode.operation), None)
    if operation is None:
        return Cause.NO_VALID_QUOTE, f"it quoted an operation nobody asked for ({mode.operation})."
    if mode.provider != quote.provider:
        return Cause.NO_VALID_QUOTE, f"it quoted {mode.resource_name}, which is {mode.provider_name}'s."
    for name in _FIGURES:
        if not _is_figure(getattr(mode, name)):
            return Cause.NO_VALID_QUOTE, f"{mode.resource_name} was quoted with {name} = {getattr(mode, name)}."
    if any(each.start.tzinfo is None or each.end.tzinfo is None for each in mode.windows):
        return Cause.NO_VALID_QUOTE, f"{mode.resource_name} was quoted with times without a zone."
    for each in need.requirements:
        if each.name == "region":
            reason = hold(each, Capability(process=operation.process), mode.place, mode.resource_name)
            if reason.verdict is not Verdict.SATISFIED:
                return Cause.CERTIFICATE_OR_REGION, reason.text
    return None


_FIGURES = tuple(each for each in Mode.__struct_fields__ if each.startswith(("setup_", "unit_")))


def _is_figure(figure: float) -> bool:
    return math.isfinite(figure) and 0 <= figure <= MAX_FIGURE


def _windows(mode: Mode, origin: datetime) -> tuple[tuple[int, int], ...]:
    """Turn windows into whole minutes from the origin, in order and merged where they touch."""
    merged: list[tuple[int, int]] = []
    for window in sorted(mode.windows, key=lambda each: each.start):
        start = max(0, math.ceil((window.start - origin).total_seconds() / 60))
        end = min(MAX_MINUTES, math.floor((window.end - origin).total_seconds() / 60))
        if end <= start:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def route(a: Place, b: Place, weights: Weights) -> Route:
    """Reckon carrying one lot from a place to another."""
    km = distance_km(a, b)
    return Route(
        km=km,
        minutes=math.ceil(60 * km / weights.transport_km_per_h - 1e-9),
        cents=round(100 * (weights.transport_eur_per_leg + km * weights.transport_eur_per_km)),
        grams=round(1000 * km * weights.transport_kg_co2_per_km),
    )


def _routes(places: Sequence[Place], weights: Weights) -> dict[tuple[int, int], Route]:
    """Reckon carrying between all sites; a way is as long as the way back."""
    found = {(a, b): route(here, places[b], weights) for a, here in enumerate(places) for b in range(a + 1)}
    return found | {(b, a): way for (a, b), way in found.items()}


def _square(count: int, figure: Callable[[int, int], int]) -> Any:  # noqa: ANN401 - an array
    """Lay a figure of every pair of sites out, 0 for staying; what is beyond an exact sum is refused later."""
    rows = [[0 if a == b else min(2**62, figure(a, b)) for b in range(count)] for a in range(count)]
    return np.array(rows, dtype=np.int64).reshape(count, count)


def _delivery(place: Place, deliver_to: Place | None, weights: Weights) -> Route | None:
    """Route finished parts to whoever wanted them; None where they are made there, or no place is stated."""
    if deliver_to is None or (place.latitude, place.longitude) == (deliver_to.latitude, deliver_to.longitude):
        return None
    return route(place, deliver_to, weights)


def _budgets(need: Need) -> list[float]:
    """Read the budget from the requirements of a need, where it is stated there."""
    stated = [each for each in need.requirements if each.name in PLAN_LEVEL]
    for each in stated:
        if not isinstance(each.value, int | float) or not math.isfinite(each.value):
            raise BadInput(f"The budget of {need.title} reads {each.value!r}.", remedy="Give a number of euro.")
    return [float(each.value) for each in stated if isinstance(each.value, int | float)]


def _notes(need: Need, quotes: Sequence[Quote], sites: Sequence[tuple[str, Place]]) -> list[tuple[str, str]]:
    notes = [(each.provider, f"{each.provider_name}: {note}") for each in quotes for note in each.notes]
    if need.deliver_to == Place():
        notes.append(("", "No place of delivery is stated: no delivery is planned or charged."))
    elif not _is_known(need.deliver_to):
        notes.append(("", "The place of delivery has no coordinates: deliveries are counted as 0 km."))
    names = {each.provider: each.provider_name for each in quotes}
    for provider, place in sites:
        if not _is_known(place):
            text = f"{names[provider]} does not say where it stands: its transport is counted as 0 km."
            notes.append((provider, text))
    return notes


def _require_small(instance: Instance) -> None:
    """Refuse what no solver would finish, and figures too large to add up exactly."""
    lots = sum(len(each) for each in instance.splits)
    placements = lots * sum(len(each) for each in instance.options)
    if placements > MAX_PLACEMENTS:
        raise LimitReached(
            f"{instance.need.title} has {placements} ways to place its lots; {MAX_PLACEMENTS} can be planned at once.",
            remedy="Ask fewer providers, or plan the operations in parts.",
        )
    total = 0
    for options in instance.options:
        figures = [each.figures(instance.quantity) for each in options]
        total += lots * sum(each.cents * UNITS_PER_CENT + each.grams * instance.prices.gram for each in figures)
    carried = sum(each.cents * UNITS_PER_CENT + each.grams * instance.prices.gram for each in instance.routes.values())
    total += lots * (len(instance.operations) + 1) * carried
    total += (60 * instance.horizon + max(0, -instance.due_s)) * (instance.prices.late_second + instance.prices.second)
    if total >= 2**61:
        raise LimitReached(
            f"The figures quoted for {instance.need.title} are too large to add up exactly.",
            remedy="Leave out the provider whose price or CO₂ is beyond sense.",
        )
