"""Check a plan against the need, the process plan and the quotes, figure by figure; the referee of the solver.

It shares no code with what makes plans: its own distances, sums and comparisons, in plain hours and euro. An empty
list means that the plan is feasible and its figures are right.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from math import acos, cos, radians, sin

from interwork.core.design import Operation, ProcessPlan
from interwork.core.organisation import Place
from interwork.core.planning import Assignment, Candidate, Leg, Mode, Need, Plan, Quote, Totals, Weights

CENT = 0.0101
"""Money is right to the cent."""
MINUTE = timedelta(minutes=1, seconds=1)
GRAM = 0.00101
EURO_SUM = 0.02


def check(plan: Plan, need: Need, process_plan: ProcessPlan, quotes: Sequence[Quote]) -> list[str]:
    """List everything wrong with a plan; empty = feasible and figures right."""
    faults = list(_check_work(_Work(plan, None), need, process_plan, quotes, plan.weights))
    faults += _check_claims(plan, need)
    for other in plan.alternatives:
        faults += [f"{other.name}: {fault}" for fault in _check_alternative(plan, other, need, process_plan, quotes)]
    return faults


class _Work:
    """Assignments, legs and totals of a plan, or of an alternative beside it."""

    def __init__(self, plan: Plan, other: Candidate | None) -> None:
        source: Plan | Candidate = other or plan
        assert source.totals is not None
        self.assignments: tuple[Assignment, ...] = source.assignments
        self.legs: tuple[Leg, ...] = source.legs
        self.totals: Totals = source.totals
        self.objective_eur = source.objective_eur
        self.created_at: datetime = plan.created_at
        self.is_plan = other is None

    def of(self, operation: str, lot: int) -> Assignment | None:
        """Find the one assignment of a lot of an operation."""
        return next((each for each in self.assignments if (each.operation, each.lot) == (operation, lot)), None)


def _check_work(
    work: _Work, need: Need, process: ProcessPlan, quotes: Sequence[Quote], weights: Weights
) -> Iterator[str]:
    yield from _check_quantities(work, need, process)
    first = next((each.id for each in process.operations if not each.after), "")
    for each in work.assignments:
        yield from _check_assignment(each, work.created_at, quotes, need, is_first=each.operation == first)
    yield from _check_overlaps(work.assignments)
    yield from _check_order_and_legs(work, need, process, weights)
    yield from _check_totals(work, need, weights)


def _check_quantities(work: _Work, need: Need, process: ProcessPlan) -> Iterator[str]:
    lots = sorted({each.lot for each in work.assignments})
    if lots != list(range(1, len(lots) + 1)) or not lots:
        yield f"The lots are numbered {lots}."
    known = {each.id for each in process.operations}
    for each in work.assignments:
        if each.operation not in known:
            yield f"{each.operation_name} ({each.operation}) is no operation of the process plan."
        if each.quantity < 1:
            yield f"Lot {each.lot} of {each.operation_name} has {each.quantity} parts."
    for operation in process.operations:
        mine = [each for each in work.assignments if each.operation == operation.id]
        if sorted(each.lot for each in mine) != lots:
            yield f"{operation.name} is not placed once for each lot."
        if sum(each.quantity for each in mine) != need.quantity:
            yield f"{operation.name} makes {sum(each.quantity for each in mine)} parts of {need.quantity}."
    for lot in lots:
        if len({each.quantity for each in work.assignments if each.lot == lot}) > 1:
            yield f"Lot {lot} changes its size on the way."


def _check_assignment(
    each: Assignment, created_at: datetime, quotes: Sequence[Quote], need: Need, *, is_first: bool
) -> Iterator[str]:
    what = f"Lot {each.lot} of {each.operation_name} on {each.resource_name}"
    faults: list[str] = []
    for quote in quotes:
        if quote.need != need.id or quote.provider != each.provider or quote.valid_until <= created_at:
            continue
        for mode in quote.modes:
            if (mode.operation, mode.resource, mode.provider) == (each.operation, each.resource, each.provider):
                found = list(_check_mode(each, mode, created_at, quote.material_price_eur if is_first else 0.0))
                if not found:
                    return
                faults = found
    yield from (f"{what}: {fault}" for fault in faults or ["no valid quote has such a mode."])


def _check_mode(each: Assignment, mode: Mode, created_at: datetime, material_eur: float) -> Iterator[str]:
    worked = timedelta(seconds=mode.setup_s + each.quantity * mode.unit_s)
    if not worked - timedelta(milliseconds=1) <= each.end - each.start <= worked + MINUTE:
        yield f"takes {each.end - each.start} where the quote says {worked}."
    if each.start < created_at:
        yield f"starts at {each.start} before the plan was made."
    if not _is_free(mode, each.start, each.end):
        yield f"{each.start} to {each.end} is not within one free window."
    if each.place != mode.place:
        yield f"stands in {each.place.city}, quoted in {mode.place.city}."
    figures = (
        ("price", each.price_eur, mode.setup_price_eur + each.quantity * (mode.unit_price_eur + material_eur), CENT),
        ("energy", each.energy_kwh, mode.setup_energy_kwh + each.quantity * mode.unit_energy_kwh, GRAM),
        ("CO₂", each.co2_kg, mode.setup_co2_kg + each.quantity * mode.unit_co2_kg, GRAM),
        ("water", each.water_l, each.quantity * mode.unit_water_l, GRAM),
    )
    for name, stated, own, allowed in figures:
        if not abs(stated - own) <= allowed:
            yield f"{name} is stated as {stated} and comes to {own}."


def _is_free(mode: Mode, start: datetime, end: datetime) -> bool:
    """Tell whether a stretch lies within free time, windows that touch counting as one."""
    reached = start
    for window in sorted(mode.windows, key=lambda each: each.start):
        if window.start <= reached < window.end:
            reached = window.end
    return reached >= end


def _check_overlaps(assignments: Sequence[Assignment]) -> Iterator[str]:
    for number, one in enumerate(assignments):
        for other in assignments[number + 1 :]:
            same = (one.provider, one.resource) == (other.provider, other.resource)
            if same and one.start < other.end and other.start < one.end:
                yield f"{one.resource_name} does {one.operation_name} and {other.operation_name} at {other.start}."


def _check_order_and_legs(work: _Work, need: Need, process: ProcessPlan, weights: Weights) -> Iterator[str]:
    left = list(work.legs)
    has_successor = {earlier for each in process.operations for earlier in each.after}
    for target in work.assignments:
        operation = next((each for each in process.operations if each.id == target.operation), None)
        for source in _before(work, operation, target.lot):
            if target.start < source.end:
                yield f"Lot {target.lot}: {target.operation_name} starts before {source.operation_name} ends."
            if _is_elsewhere(source, target):
                yield from _take_leg(left, source, target, target.place, weights)
        if operation and operation.id not in has_successor and _is_delivered(target.place, need.deliver_to):
            yield from _take_leg(left, target, None, need.deliver_to, weights)
    yield from (f"Lot {leg.lot} is carried from {leg.source} to {leg.target} for nothing." for leg in left)


def _before(work: _Work, operation: Operation | None, lot: int) -> Iterator[Assignment]:
    for earlier in operation.after if operation else ():
        source = work.of(earlier, lot)
        if source:
            yield source


def _is_elsewhere(source: Assignment, target: Assignment) -> bool:
    a, b = source.place, target.place
    return (source.provider, a.latitude, a.longitude) != (target.provider, b.latitude, b.longitude)


def _is_delivered(place: Place, deliver_to: Place) -> bool:
    is_there = (place.latitude, place.longitude) == (deliver_to.latitude, deliver_to.longitude)
    return deliver_to != Place() and not is_there


def _take_leg(
    left: list[Leg], source: Assignment, target: Assignment | None, place: Place, weights: Weights
) -> Iterator[str]:
    """Find the leg that carries a lot, take it off the list, and check its figures."""
    km = _great_circle_km(source.place, place)
    travel = timedelta(hours=km / weights.transport_km_per_h)
    fits = [
        leg
        for leg in left
        if leg.lot == source.lot
        and leg.quantity == source.quantity
        and leg.start >= source.end
        and (target is None or leg.end <= target.start)
        and abs(leg.distance_km - km) <= 0.2
    ]
    to = target.operation_name if target else "delivery"
    if not fits:
        yield f"Lot {source.lot} is not carried in time from {source.operation_name} to {to} ({km:.1f} km)."
        return
    leg = min(fits, key=lambda each: each.start)
    left.remove(leg)
    if leg.end - leg.start < travel - timedelta(minutes=1):
        yield f"Lot {leg.lot} goes {km:.1f} km in {leg.end - leg.start}."
    price = weights.transport_eur_per_leg + leg.distance_km * weights.transport_eur_per_km
    if abs(leg.price_eur - price) > CENT:
        yield f"Carrying lot {leg.lot} is stated at {leg.price_eur} € and comes to {price} €."
    if abs(leg.co2_kg - leg.distance_km * weights.transport_kg_co2_per_km) > GRAM:
        yield f"Carrying lot {leg.lot} is stated at {leg.co2_kg} kg CO₂."


def _great_circle_km(a: Place, b: Place) -> float:
    """Reckon a distance by the spherical law of cosines; 0 where a place is not known."""
    if (a.latitude, a.longitude) == (0, 0) or (b.latitude, b.longitude) == (0, 0):
        return 0.0
    f, g = radians(a.latitude), radians(b.latitude)
    cosine = sin(f) * sin(g) + cos(f) * cos(g) * cos(radians(a.longitude - b.longitude))
    return 6371.0088 * acos(max(-1.0, min(1.0, cosine)))


def _check_totals(work: _Work, need: Need, weights: Weights) -> Iterator[str]:
    totals = work.totals
    parts: list[Assignment | Leg] = [*work.assignments, *work.legs]
    finish = max((each.end for each in parts), default=work.created_at)
    late_h = max(0.0, (finish - need.due).total_seconds() / 3600)
    price, co2 = sum(each.price_eur for each in parts), sum(each.co2_kg for each in parts)
    days = (finish - work.created_at).total_seconds() / 86400
    objective = (
        price + co2 * weights.co2_eur_per_kg + late_h * weights.late_eur_per_h + days * weights.finish_eur_per_day
    )
    sums = (
        ("price", totals.price_eur, price, EURO_SUM),
        ("energy", totals.energy_kwh, sum(each.energy_kwh for each in work.assignments), 0.01),
        ("CO₂", totals.co2_kg, co2, 0.01),
        ("water", totals.water_l, sum(each.water_l for each in work.assignments), 0.01),
        ("distance", totals.transport_km, sum(each.distance_km for each in work.legs), 0.1),
        ("lateness", totals.late_h, late_h, 0.001),
        ("objective", work.objective_eur, objective, EURO_SUM),
    )
    for name, stated, own, allowed in sums:
        if not abs(stated - own) <= allowed + 1e-9 * abs(own):
            yield f"The total {name} is stated as {stated} and comes to {own}."
    if totals.finish != finish:
        yield f"The finish is stated as {totals.finish} and is {finish}."
    yield from _check_budget(work, need, price)


def _check_budget(work: _Work, need: Need, price: float) -> Iterator[str]:
    stated = [each.value for each in need.requirements if each.name in ("budget", "budget_eur")]
    budgets = [need.budget_eur, *stated]
    for budget in budgets:
        if work.is_plan and isinstance(budget, int | float) and price > budget + CENT:
            yield f"The price of {price:.2f} € exceeds the budget of {budget:.2f} €."


def _check_claims(plan: Plan, need: Need) -> Iterator[str]:
    if plan.need != need.id:
        yield f"The plan is for {plan.need}."
    if plan.bound_eur > plan.objective_eur + 1e-9:
        yield f"The bound {plan.bound_eur} is above the objective {plan.objective_eur}."
    gap = (plan.objective_eur - plan.bound_eur) / plan.objective_eur if plan.objective_eur else 0.0
    if abs(gap - plan.gap) > 1e-9:
        yield f"The gap is stated as {plan.gap} and is {gap}."
    if plan.is_optimal and gap > 1e-6:
        yield f"The plan is called optimal with a gap of {gap}."
    for name in ("first-capable", "cheapest-single"):
        if all(each.name != name for each in plan.alternatives):
            yield f"The baseline {name} is missing."
    wanted = {str(each.value).lower() for each in need.requirements if each.name == "region"}
    for each in plan.assignments:
        place = {part.lower() for part in (each.place.city, each.place.region, each.place.country)}
        if wanted - place:
            yield f"{each.resource_name} stands outside {', '.join(sorted(wanted - place))}."


def _check_alternative(
    plan: Plan, other: Candidate, need: Need, process: ProcessPlan, quotes: Sequence[Quote]
) -> Iterator[str]:
    if other.totals is None:
        if other.is_feasible or other.assignments:
            yield "has no totals."
        return
    yield from _check_work(_Work(plan, other), need, process, quotes, plan.weights)
    if other.is_feasible and other.objective_eur < plan.objective_eur - 1e-6:
        yield f"is better than the plan: {other.objective_eur} € against {plan.objective_eur} €."
    if (
        not other.is_feasible
        and need.budget_eur is None
        and all(each.name[:6] != "budget" for each in need.requirements)
    ):
        yield "is called infeasible without saying a budget."
    if other.name.startswith("only:") and {each.provider for each in other.assignments} != {other.name[5:]}:
        yield "uses other providers."
