"""Needs, process plans and quotes for the tests of allocation, and an exhaustive search to hold the solver against."""

from datetime import UTC, datetime, timedelta
from itertools import permutations, product
from math import acos, ceil, cos, radians, sin

from hypothesis import strategies as st
from msgspec.structs import replace

from interwork.core.design import Operation, ProcessPlan, Requirement
from interwork.core.organisation import Place
from interwork.core.planning import Mode, Need, NeedKind, Quote, Weights, Window

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
DAY = timedelta(days=1)
HOME = Place(city="Stuttgart", country="DE", latitude=48.78, longitude=9.18)
BRNO = Place(city="Brno", country="CZ", latitude=49.19, longitude=16.61)
LYON = Place(city="Lyon", country="FR", latitude=45.76, longitude=4.84)
PLACES = (HOME, BRNO, LYON)


def make_need(**changes):
    need = Need(
        id="need-1",
        kind=NeedKind.PART,
        title="Bracket",
        owner="organisation-1",
        quantity=10,
        due=NOW + 5 * DAY,
        created_at=NOW,
        deliver_to=HOME,
    )
    return replace(need, **changes)


def make_operation(number=0, **changes):
    operation = Operation(
        id=f"op-{number}",
        name=f"Step {number}",
        process="milling",
        after=(f"op-{number - 1}",) if number else (),
        requirements=(Requirement(name="tolerance_mm", value=0.05),),
        removal_mm3=10_000,
        machining_s=300,
    )
    return replace(operation, **changes)


def make_plan(operations=1, **changes):
    steps = tuple(make_operation(number) for number in range(operations)) if isinstance(operations, int) else operations
    plan = ProcessPlan(
        id="process-1",
        revision="revision-1",
        process_class="milled",
        reasons=(),
        material="al-6061",
        quantity=10,
        stock_mm=(120, 80, 40),
        part_mass_kg=0.6,
        stock_mass_kg=1.0,
        operations=steps,
        created_at=NOW,
    )
    return replace(plan, **changes)


def make_window(start_h=0.0, end_h=24.0 * 10):
    return Window(start=NOW + timedelta(hours=start_h), end=NOW + timedelta(hours=end_h))


def make_mode(letter="a", operation=0, **changes):
    mode = Mode(
        operation=f"op-{operation}",
        resource=f"resource-{letter}",
        resource_name=f"Mill {letter.upper()}",
        provider=f"did:web:{letter}",
        provider_name=f"Shop {letter.upper()}",
        place=HOME,
        setup_s=1800,
        unit_s=600,
        setup_price_eur=50,
        unit_price_eur=10,
        setup_energy_kwh=1,
        unit_energy_kwh=0.5,
        setup_co2_kg=0.3,
        unit_co2_kg=0.15,
        unit_water_l=0.2,
        windows=(make_window(),),
    )
    return replace(mode, **changes)


def make_quote(*modes, provider="a", **changes):
    quote = Quote(
        id=f"quote-{provider}",
        need="need-1",
        provider=f"did:web:{provider}",
        provider_name=f"Shop {provider.upper()}",
        agreement=f"agreement-{provider}",
        modes=modes or (make_mode(provider),),
        material_price_eur=2.0,
        valid_until=NOW + 2 * DAY,
    )
    return replace(quote, **changes)


def told(plan):
    """Give everything a plan says but how long it took."""
    return replace(plan, seconds=0.0)


@st.composite
def networks(draw, *, shops=4, steps=4, parts=60, chain=True):
    """Draw a need, a process plan and quotes of many shapes."""
    count = draw(st.integers(1, steps))
    operations = []
    for number in range(count):
        before = [f"op-{other}" for other in range(number)]
        after = before[-1:] if chain else draw(st.lists(st.sampled_from(before), unique=True)) if before else []
        operations.append(make_operation(number, after=tuple(after)))
    due = NOW + timedelta(hours=draw(st.sampled_from((-10, 6, 30, 100, 400))))
    need = make_need(
        quantity=draw(st.integers(1, parts)), due=due, deliver_to=draw(st.sampled_from((Place(), HOME, LYON)))
    )
    quotes = [draw(_quotes(letter, count, need)) for letter in "abcde"[: draw(st.integers(1, shops))]]
    return need, make_plan(tuple(operations)), quotes


@st.composite
def _quotes(draw, letter, count, need):
    place = draw(st.sampled_from(PLACES))
    machines = draw(st.integers(1, 2))
    windows = {number: draw(_windows()) for number in range(machines)}
    modes = [
        make_mode(
            letter,
            operation,
            resource=f"resource-{letter}{number}",
            place=place,
            setup_s=draw(st.sampled_from((0, 600, 3601.5))),
            unit_s=draw(st.floats(20, 2000)),
            setup_price_eur=draw(st.floats(0, 150)),
            unit_price_eur=draw(st.floats(0.1, 40)),
            unit_energy_kwh=draw(st.floats(0, 3)),
            unit_co2_kg=draw(st.floats(0, 2)),
            windows=windows[number],
        )
        for operation in range(count)
        for number in range(machines)
        if draw(st.integers(0, 4))
    ]
    return make_quote(*modes, provider=letter, modes=tuple(modes), material_price_eur=draw(st.floats(0, 9)))


@st.composite
def _windows(draw):
    if draw(st.booleans()):
        return (make_window(0, 24 * 40),)
    starts = draw(st.lists(st.integers(0, 25), min_size=1, max_size=6, unique=True))
    length = draw(st.integers(6, 24))
    return tuple(make_window(24 * day + draw(st.floats(0, 4)), 24 * day + length) for day in sorted(starts))


def exhaustive_eur(need, plan, quotes, weights=None):
    """Try every lot count, every mode and every order of placing; give the least objective, None if nothing fits."""
    weights = weights or Weights()
    best = None
    for lots in range(1, min(3, need.quantity) + 1):
        sizes = [need.quantity // lots + (lot < need.quantity % lots) for lot in range(lots)]
        cells = [(lot, step) for lot in range(lots) for step in range(len(plan.operations))]
        by_step = [[(q, m) for q in quotes for m in q.modes if m.operation == step.id] for step in plan.operations]
        for chosen in product(*(by_step[step] for _, step in cells)):
            taken = dict(zip(cells, chosen, strict=True))
            for order in permutations(cells):
                cost = _cost(need, plan, weights, sizes, taken, order)
                if cost is not None and (best is None or cost < best):
                    best = cost
    return best


def _cost(need, plan, weights, sizes, taken, order):
    ids = [each.id for each in plan.operations]
    ends, busy, price, co2, finish = {}, {}, 0.0, 0.0, NOW
    for lot, step in order:
        quote, mode = taken[lot, step]
        ready = NOW
        for earlier in plan.operations[step].after:
            cell = (lot, ids.index(earlier))
            if cell not in ends:
                return None
            source = taken[cell][1]
            km, hours = 0.0, timedelta(0)
            if (source.provider, source.place) != (mode.provider, mode.place):
                km, hours = _way(source.place, mode.place, weights)
                price += round(weights.transport_eur_per_leg + km * weights.transport_eur_per_km, 2)
                co2 += round(km * weights.transport_kg_co2_per_km, 3)
            ready = max(ready, ends[cell] + hours)
        length = timedelta(minutes=max(1, ceil((mode.setup_s + sizes[lot] * mode.unit_s) / 60 - 1e-9)))
        start = _slot(mode, busy.setdefault(mode.resource, []), ready, length)
        if start is None:
            return None
        ends[lot, step] = start + length
        busy[mode.resource].append((start, start + length))
        material = quote.material_price_eur if step == 0 else 0.0
        price += round(mode.setup_price_eur + sizes[lot] * (mode.unit_price_eur + material), 2)
        co2 += round(mode.setup_co2_kg + sizes[lot] * mode.unit_co2_kg, 3)
        finish = max(finish, ends[lot, step])
        if all(ids[step] not in each.after for each in plan.operations) and need.deliver_to not in (
            Place(),
            mode.place,
        ):
            km, hours = _way(mode.place, need.deliver_to, weights)
            price += round(weights.transport_eur_per_leg + km * weights.transport_eur_per_km, 2)
            co2 += round(km * weights.transport_kg_co2_per_km, 3)
            finish = max(finish, ends[lot, step] + hours)
    if need.budget_eur is not None and price > need.budget_eur + 1e-6:
        return None
    late = max(0.0, (finish - need.due) / timedelta(hours=1))
    days = (finish - NOW) / DAY
    return price + co2 * weights.co2_eur_per_kg + late * weights.late_eur_per_h + days * weights.finish_eur_per_day


def _way(a, b, weights):
    f, g = radians(a.latitude), radians(b.latitude)
    cosine = sin(f) * sin(g) + cos(f) * cos(g) * cos(radians(a.longitude - b.longitude))
    km = round(6371.0088 * acos(min(1.0, cosine)), 1)
    return km, timedelta(minutes=ceil(60 * km / weights.transport_km_per_h - 1e-9))


def _slot(mode, busy, ready, length):
    """Find the first whole minute at which work fits a window of a mode beside what is placed."""
    for window in sorted(mode.windows, key=lambda each: each.start):
        minutes = ceil((max(window.start, ready) - NOW) / timedelta(minutes=1))
        start = NOW + timedelta(minutes=minutes)
        for taken_from, taken_to in sorted(busy):
            if start + length <= taken_from:
                break
            start = max(start, taken_to)
        if start + length <= window.end:
            return start
    return None
