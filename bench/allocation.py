"""Plans over a network of shops against the cheapest single provider, on 20 generated networks.

The networks are made up by a seeded generator, not real: shops in European cities with machines of differing speed,
price, calendar and electricity, quoted by the product's own quoting. The measurement starts with the quotes at hand
and ends with the plan, its bound, alternatives and reasons; both sides are objectives in euro (price, transport, CO₂,
lateness, days to the finish) of plans that the independent checker passed. The peer is a strong one: each provider
that can do everything is planned alone by the same solver, lots and all, and the best of them counts.
"""

import random
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bench.harness import Result
from interwork.allocation import allocate, check, draft_request, quote
from interwork.core.design import Operation, ProcessPlan, Requirement
from interwork.core.organisation import Place
from interwork.core.planning import Need, NeedKind, Plan, Quote, Weights, Window
from interwork.core.resource import Capability, Rates, Resource, ResourceKind

NETWORKS = 20
NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
CITIES = (
    ("Rotterdam", "NL", 51.92, 4.48),
    ("Stuttgart", "DE", 48.78, 9.18),
    ("Brno", "CZ", 49.19, 16.61),
    ("Lyon", "FR", 45.76, 4.84),
    ("Turin", "IT", 45.07, 7.69),
    ("Linz", "AT", 48.31, 14.29),
)
STEPS = ("sawing", "milling-3-axis", "turning", "deburring", "inspection")


def run() -> Result:
    """Plan every network; add up what the plans and what the cheapest single providers come to."""
    ours = peer = first = 0.0
    seconds, proven, compared, counted = [], 0, 0, 0
    for seed in range(NETWORKS):
        need, process, quotes = network(seed)
        began = time.perf_counter()
        plan = allocate(need, process, quotes, weights=Weights(), now=NOW)
        seconds.append(time.perf_counter() - began)
        faults = check(plan, need, process, quotes)
        assert not faults, faults
        proven += plan.is_optimal
        single, naive = _objective(plan, "cheapest-single"), _objective(plan, "first-capable")
        if single is not None:
            ours, peer, compared = ours + plan.objective_eur, peer + single, compared + 1
        if naive is not None:
            first, counted = first + plan.objective_eur / naive, counted + 1
    note = (
        f"{compared} of {NETWORKS} networks compared (in the others no single provider can); {proven} plans proven "
        f"optimal; solve median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s; "
        f"mean ratio to first come, first served {first / counted:.3f} over {counted}"
    )
    return Result(
        bench="allocation",
        ours=ours,
        peer=peer,
        peer_name="cheapest single provider, planned alone by the same solver; from quotes to plan, sum of objectives",
        goal=1.0,
        unit="EUR",
        better="lower",
        note=note,
    )


def _objective(plan: Plan, name: str) -> float | None:
    other = next(each for each in plan.alternatives if each.name == name)
    return other.objective_eur if other.is_feasible else None


def network(seed: int) -> tuple[Need, ProcessPlan, list[Quote]]:
    """Make one network: 3 to 5 shops, 2 to 5 operations, 8 to 60 parts, due in 2 to 12 days."""
    chance = random.Random(seed)
    steps = sorted(chance.sample(STEPS, chance.randint(2, 5)), key=STEPS.index)
    quantity, days = chance.randint(8, 60), chance.randint(2, 12)
    process = _process(chance, steps, quantity)
    need = Need(
        id=f"need-{seed}",
        kind=NeedKind.PART,
        title=f"Part {seed}",
        owner="organisation-1",
        quantity=quantity,
        due=NOW + timedelta(days=days),
        created_at=NOW,
        deliver_to=_place(chance),
    )
    shops = chance.randint(3, 5)
    return need, process, [_quote(chance, number, need, process, days) for number in range(shops)]


def _process(chance: random.Random, steps: Sequence[str], quantity: int) -> ProcessPlan:
    operations = []
    for number, step in enumerate(steps):
        removal_mm3 = chance.uniform(2e4, 2e5) if step in ("milling-3-axis", "turning") else 0.0
        operations.append(
            Operation(
                id=f"op-{number}",
                name=step,
                process=step,
                after=(f"op-{number - 1}",) if number else (),
                requirements=(Requirement(name="tolerance_mm", value=0.05),),
                removal_mm3=removal_mm3,
                machining_s=removal_mm3 / 100 + chance.uniform(30, 300),
            )
        )
    return ProcessPlan(
        id="process-1",
        revision="revision-1",
        process_class="milled",
        reasons=(),
        material="al-6061",
        quantity=quantity,
        stock_mm=(120, 80, 40),
        part_mass_kg=0.6,
        stock_mass_kg=1.04,
        operations=tuple(operations),
        created_at=NOW,
    )


def _quote(chance: random.Random, number: int, need: Need, process: ProcessPlan, days: int) -> Quote:
    """Quote for a shop: the first two can do everything, the others what chance gives them."""
    place = _place(chance)
    able = [each.process for each in process.operations if number < 2 or chance.random() < 0.7]
    machines = [_machine(chance, f"{number}-{step}", step, place, days) for step in able]
    booked = {machine.id: _booked(chance, days) for machine in machines}
    return quote(
        draft_request(need, process),
        machines,
        booked,
        provider=f"did:web:shop-{number}",
        provider_name=f"Shop {number}",
        agreement="agreement-1",
        now=NOW,
    )


def _place(chance: random.Random) -> Place:
    city, country, latitude, longitude = chance.choice(CITIES)
    return Place(city=city, country=country, latitude=latitude, longitude=longitude)


def _machine(chance: random.Random, name: str, step: str, place: Place, days: int) -> Resource:
    nights = [NOW + timedelta(days=day, hours=15) for day in range(days + 15)]
    return Resource(
        id=f"resource-{name}",
        name=name,
        kind=ResourceKind.MACHINE,
        owner="organisation-1",
        place=place,
        capabilities=(Capability(process=step, tolerance_mm=0.02),),
        rates=Rates(
            setup_s=chance.uniform(600, 5400),
            setup_price_eur=chance.uniform(20, 120),
            hourly_price_eur=chance.uniform(35, 120),
            removal_mm3_s=100 * chance.uniform(0.6, 1.8),
            handling_s=chance.uniform(20, 90),
            base_power_kw=chance.uniform(0.8, 3),
            cutting_power_kw=chance.uniform(2, 9),
            co2_kg_per_kwh=chance.choice((0.05, 0.25, 0.38, 0.65)),
        ),
        closed=tuple((night, night + timedelta(hours=8)) for night in nights if chance.random() < 0.9),
    )


def _booked(chance: random.Random, days: int) -> list[Window]:
    taken, reached = [], NOW
    while reached < NOW + timedelta(days=days + 14):
        start = reached + timedelta(hours=chance.expovariate(1 / 30))
        reached = start + timedelta(hours=chance.uniform(2, 16))
        taken.append(Window(start=start, end=reached))
    return taken
