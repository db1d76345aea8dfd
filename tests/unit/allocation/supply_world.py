"""A gearbox of three tiers with what four shops quote for it. Test data."""

from datetime import UTC, datetime, timedelta

from interwork.allocation.supply.bridging import Source, Wanted
from interwork.core.design import Operation, ProcessPlan
from interwork.core.network.supply import Item, Part, Period
from interwork.core.organisation import Place
from interwork.core.planning import Mode, Need, NeedKind, Quote, Weights, Window

NOW = datetime(2031, 3, 3, 8, tzinfo=UTC)
DAY = timedelta(days=1)
LYON = Place(city="Lyon", country="FR", latitude=45.76, longitude=4.84)
SHOPS = {
    "ash": Place(city="Lyon", country="FR", latitude=45.75, longitude=4.85),
    "elm": Place(city="Turin", country="IT", latitude=45.07, longitude=7.69),
    "oak": Place(city="Geneva", country="CH", latitude=46.2, longitude=6.14),
}
STEPS = {"gearbox": ("assembly",), "housing": ("milling", "inspection"), "gear": ("turning", "inspection"),
         "bolt": ("turning",)}  # fmt: skip
ITEMS = (
    Item(
        key="gearbox",
        title="Gearbox",
        process_plan="process-gearbox",
        made_of=(Part(item="housing"), Part(item="gear", quantity=3), Part(item="bolt", quantity=8)),
    ),
    Item(key="housing", title="Housing", process_plan="process-housing", made_of=(Part(item="bolt", quantity=2),)),
    Item(key="gear", title="Gear", process_plan="process-gear"),
    Item(key="bolt", title="Bolt", process_plan="process-bolt"),
)
PIECES = {"gearbox": 1, "housing": 1, "gear": 3, "bolt": 10}
PRICES = {"ash": 1.0, "elm": 1.1, "oak": 1.3}


def process_of(key):
    operations = tuple(
        Operation(
            id=f"{key}-{number}",
            name=f"{process.title()} {key}",
            process=process,
            after=(f"{key}-{number - 1}",) if number else (),
        )
        for number, process in enumerate(STEPS[key])
    )
    return ProcessPlan(
        id=f"process-{key}",
        revision=f"rev-{key}",
        process_class="milled",
        reasons=(),
        material="al-6061",
        quantity=1,
        stock_mm=(100, 60, 30),
        part_mass_kg=0.3,
        stock_mass_kg=0.5,
        operations=operations,
        created_at=NOW,
    )


def need_of(key, *, due, quantity=1):
    return Need(
        id=f"need-{key}",
        kind=NeedKind.PART,
        title=key.title(),
        owner="org-test",
        quantity=quantity,
        due=due,
        created_at=NOW,
        deliver_to=LYON if key == "gearbox" else Place(),
        process_plan=f"process-{key}",
    )


def mode_of(shop, operation, process, *, unit_s=600):
    return Mode(
        operation=operation,
        resource=f"{shop}-{process}",
        resource_name=f"{shop.title()} {process}",
        provider=f"did:web:{shop}",
        provider_name=shop.title(),
        place=SHOPS[shop],
        setup_s=1800,
        unit_s=unit_s,
        setup_price_eur=30,
        unit_price_eur=10 * PRICES[shop],
        setup_energy_kwh=0.5,
        unit_energy_kwh=0.4,
        setup_co2_kg=0.1,
        unit_co2_kg=0.2,
        unit_water_l=0.1,
        windows=(Window(start=NOW - DAY, end=NOW + 40 * DAY),),
    )


def quote_of(shop, key, **changes):
    return Quote(
        id=f"quote-{shop}-{key}",
        need=f"need-{key}",
        provider=f"did:web:{shop}",
        provider_name=shop.title(),
        agreement=f"agreement-{shop}",
        modes=tuple(mode_of(shop, f"{key}-{n}", process, **changes) for n, process in enumerate(STEPS[key])),
        material_price_eur=0.0,
        valid_until=NOW + 2 * DAY,
    )


def sources(quantity, due, *, shops=tuple(SHOPS), **changes):
    """Give each item its need and what every shop quotes for it."""
    return {
        key: Source(
            need=need_of(key, due=due, quantity=quantity * PIECES[key]),
            process=process_of(key),
            quotes=tuple(quote_of(shop, key, **changes) for shop in shops),
        )
        for key in STEPS
    }


def wanted(*periods, **changes):
    made = tuple(Period(due=NOW + days * DAY, quantity=quantity) for days, quantity in periods)
    return Wanted(items=ITEMS, periods=made, weights=Weights(), now=NOW, **changes)
