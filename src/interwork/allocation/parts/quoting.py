"""Price a demand on one's own resources: times, prices, energy and free windows; the provider's side, and pure.

Rates, bookings and closed times stay here; only modes and windows leave. What is not stated is declined, with the
reason. The machining time of an operation is read as that of the demanded material on a machine that removes
`REFERENCE_MM3_S` of the reference aluminium, and is scaled to the resource's own removal rate.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta

from msgspec.structs import replace

from interwork.allocation.parts.matching import demands, hold_all, lapse
from interwork.allocation.parts.model import QuoteRequest
from interwork.core.design import Operation
from interwork.core.errors import BadInput
from interwork.core.ids import derived_id
from interwork.core.planning import Mode, Quote, Verdict, Window
from interwork.core.resource import Rates, Resource
from interwork.core.taxonomy import material_of, subsumes

REFERENCE_MM3_S = 100.0
MAX_OPERATIONS = 200
MAX_QUANTITY = 1_000_000
MAX_FIGURE = 1e9
MARGIN = timedelta(days=14)
"""How far beyond the due date free time is told."""
VALIDITY = timedelta(days=2)
MAX_WINDOWS = 400
"""Free windows told per resource; the earliest."""
MAX_HORIZON = timedelta(days=400)


def quote(
    request: QuoteRequest,
    resources: Sequence[Resource],
    booked: Mapping[str, Sequence[Window]],
    *,
    provider: str,
    provider_name: str,
    agreement: str,
    now: datetime,
) -> Quote:
    """Answer a demand with every mode one's resources offer for it; `booked` is taken time by resource id."""
    _require_sound(request)
    horizon = min(max(now, request.due), now + MAX_HORIZON) + MARGIN
    modes: list[Mode] = []
    declined: list[str] = []
    for operation in request.operations:
        refusals = []
        able = [each for each in resources if any(subsumes(c.process, operation.process) for c in each.capabilities)]
        for resource in able:
            offered = _quote_one(operation, request, resource, now)
            if isinstance(offered, str):
                refusals.append(offered)
                continue
            busy = [*resource.closed, *((each.start, each.end) for each in booked.get(resource.id, ()))]
            last = lapse(demands(operation, request.requirements), resource.capabilities)
            until = min(horizon, datetime.combine(last + timedelta(days=1), time(), UTC)) if last else horizon
            windows = free_windows(now, until, busy, shortest_s=offered.setup_s + offered.unit_s)
            if windows:
                modes.append(replace(offered, windows=windows, provider=provider, provider_name=provider_name))
            else:
                why = ", when a certificate it needs runs out" if until < horizon else ""
                refusals.append(f"{resource.name} has no free time for a part before {until:%d %b %Y}{why}.")
        if len(refusals) == len(able):
            declined.append(f"{operation.name}: {' '.join(refusals) or f'no resource offers {operation.process}.'}")
    price, note = _material_price(request)
    return Quote(
        id=derived_id("quote", request.need, provider, now.isoformat(), request.due.isoformat(), str(request.quantity)),
        need=request.need,
        provider=provider,
        provider_name=provider_name,
        agreement=agreement,
        modes=tuple(modes),
        material_price_eur=price,
        valid_until=now + VALIDITY,
        declined=tuple(declined),
        notes=(note,),
    )


def _require_sound(request: QuoteRequest) -> None:
    """Refuse a demand that cannot be computed with; it comes from another organisation."""
    if not 1 <= request.quantity <= MAX_QUANTITY:
        raise BadInput(
            f"The request for {request.need} asks for {request.quantity} parts.",
            remedy=f"Ask for 1 to {MAX_QUANTITY}.",
        )
    if not 1 <= len(request.operations) <= MAX_OPERATIONS:
        raise BadInput(
            f"The request for {request.need} has {len(request.operations)} operations.",
            remedy=f"Ask for 1 to {MAX_OPERATIONS} at a time.",
        )
    if request.due.tzinfo is None:
        raise BadInput(
            f"The request for {request.need} is due at a time without a zone.", remedy="Give the due time in UTC."
        )
    masses = (request.stock_mass_kg, request.part_mass_kg)
    times = [figure for each in request.operations for figure in (each.machining_s, each.removal_mm3)]
    if any(not 0 <= figure < MAX_FIGURE for figure in (*masses, *times)):
        raise BadInput(
            f"The request for {request.need} has a mass, time or volume that is negative or beyond sense.",
            remedy="Give masses in kg, times in s and volumes in mm³ from 0 up.",
        )


def _quote_one(operation: Operation, request: QuoteRequest, resource: Resource, now: datetime) -> Mode | str:
    """Price an operation on a resource, its windows and provider still to be told; or say why it is declined."""
    wanted = demands(operation, request.requirements)
    held = hold_all(wanted, resource.capabilities, resource.place, resource.name, now.date())
    failed = [each.text for each in held if each.verdict is not Verdict.SATISFIED]
    if failed:
        return " ".join(failed)
    rates = resource.rates
    if rates is None or not rates.removal_mm3_s > 0:
        return f"{resource.name} has no rates to quote from, or removes nothing by them."
    machinability = material_of(request.material).machinability if request.material else 1.0
    machining_s = machining_time(operation, machinability, rates)
    unit_s = machining_s + rates.handling_s
    setup_kwh = rates.base_power_kw * rates.setup_s / 3600
    unit_kwh = (rates.base_power_kw * unit_s + rates.cutting_power_kw * machining_s) / 3600
    return Mode(
        operation=operation.id,
        resource=resource.id,
        resource_name=resource.name,
        provider="",
        provider_name="",
        place=resource.place,
        setup_s=rates.setup_s,
        unit_s=unit_s,
        setup_price_eur=rates.setup_price_eur,
        unit_price_eur=round(rates.hourly_price_eur * unit_s / 3600, 4),
        setup_energy_kwh=setup_kwh,
        unit_energy_kwh=unit_kwh,
        setup_co2_kg=setup_kwh * rates.co2_kg_per_kwh,
        unit_co2_kg=unit_kwh * rates.co2_kg_per_kwh,
        unit_water_l=rates.water_l_per_h * unit_s / 3600,
        windows=(),
    )


def machining_time(operation: Operation, machinability: float, rates: Rates) -> float:
    """Scale an operation's time to a resource: what removes material goes by its removal rate, the rest stays."""
    removing_s = operation.removal_mm3 / (REFERENCE_MM3_S * machinability)
    removing_s = min(removing_s, operation.machining_s)
    return operation.machining_s - removing_s + removing_s * REFERENCE_MM3_S / rates.removal_mm3_s


def free_windows(
    start: datetime, end: datetime, taken: Sequence[tuple[datetime, datetime]], *, shortest_s: float
) -> tuple[Window, ...]:
    """Cut taken time out of a stretch; windows too short for one part are left out, so less is told."""
    free: list[Window] = []
    reached = start.astimezone(UTC)
    for busy_from, busy_to in sorted(
        (one.astimezone(UTC), other.astimezone(UTC)) for one, other in (*taken, (end, end))
    ):
        until = min(busy_from, end.astimezone(UTC))
        if until > reached and (until - reached).total_seconds() >= shortest_s:
            free.append(Window(start=reached, end=until))
        reached = max(reached, busy_to)
    return tuple(free[:MAX_WINDOWS])


def _material_price(request: QuoteRequest) -> tuple[float, str]:
    """Price one part's stock from the materials table; the price per kilogram is an assumption and says so."""
    if not request.material:
        return 0.0, "No material is named: none is charged."
    material = material_of(request.material)
    price = round(material.price_eur_kg * request.stock_mass_kg, 4)
    text = (
        f"Material, charged with the first operation, {price:.2f} € per part is an assumption: "
        f"{request.stock_mass_kg:.3g} kg of {material.name} at {material.price_eur_kg:g} €/kg "
        "from the materials table, not a market price."
    )
    return price, text
