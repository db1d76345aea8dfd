"""A job that stands planned at a node: need, process plan, matches, two quotes and the plan over them. Test data."""

from datetime import timedelta

from interwork.allocation import CapacityOffer, allocate, match
from interwork.core.design import Operation, ProcessPlan, Requirement
from interwork.core.exchange import Side
from interwork.core.making import Job, JobEntry, JobStep, Order, OrderLine, OrderState
from interwork.core.organisation import Place
from interwork.core.planning import Mode, Need, NeedKind, Quote, Weights, Window
from interwork.core.resource import Capability
from interwork.store import Change

LYON = Place(city="Lyon", country="FR", latitude=45.76, longitude=4.84)
BRON = Place(city="Bron", country="FR", latitude=45.74, longitude=4.91)
SHOPS = (("did:web:ash", "Ash", LYON, 10.0, 0.5), ("did:web:elm", "Elm", BRON, 11.0, 0.05))
JOB, NEED = "job-planned00000", "need-planned0000"


def operations():
    steps = []
    for number, name in enumerate(("Mill, first side", "Mill, second side", "Inspect")):
        steps.append(
            Operation(
                id=f"op-{number}",
                name=name,
                process="inspection" if number == 2 else "milling",
                after=(f"op-{number - 1}",) if number else (),
                requirements=(Requirement(name="tolerance_mm", value=0.05),),
                machining_s=600,
            )
        )
    return tuple(steps)


def mode(did, name, place, number, now, *, price, co2):
    return Mode(
        operation=f"op-{number}",
        resource=f"resource-{name.lower()}-{'cmm' if number == 2 else 'mill'}",
        resource_name=f"{name} {'CMM' if number == 2 else 'mill'}",
        provider=did,
        provider_name=name,
        place=place,
        setup_s=1800,
        unit_s=900,
        setup_price_eur=40,
        unit_price_eur=price,
        setup_energy_kwh=0.5,
        unit_energy_kwh=0.4,
        setup_co2_kg=0.1,
        unit_co2_kg=co2,
        unit_water_l=0.1,
        windows=(Window(start=now - timedelta(days=1), end=now + timedelta(days=20)),),
    )


def offers():
    return [
        CapacityOffer(
            provider=did,
            provider_name=name,
            dataset=f"dataset-{name}",
            resource=f"resource-{name.lower()}-{kind}",
            resource_name=f"{name} {kind}",
            place=place,
            capabilities=(Capability(process=process, tolerance_mm=tolerance),),
        )
        for did, name, place, tolerance in (
            *((d, n, p, 0.01) for d, n, p, _, _ in SHOPS),
            ("did:web:oak", "Oak", LYON, 0.4),
        )
        for kind, process in (("mill", "milling"), ("cmm", "inspection"))
    ]


def records(now, *, quantity=8, budget=None):
    need = Need(
        id=NEED,
        kind=NeedKind.PART,
        title="8 × Clamp",
        owner="org-test",
        quantity=quantity,
        due=now + timedelta(days=6),
        created_at=now,
        deliver_to=LYON,
        process_plan="process-clamp000",
        budget_eur=budget,
        state="planned",
    )
    process = ProcessPlan(
        id="process-clamp000",
        revision="rev-clamp0000000",
        process_class="milled",
        reasons=(),
        material="al-6061",
        quantity=quantity,
        stock_mm=(100, 60, 30),
        part_mass_kg=0.3,
        stock_mass_kg=0.5,
        operations=operations(),
        created_at=now,
    )
    quotes = [
        Quote(
            id=f"quote-{name.lower():0<10}",
            need=NEED,
            provider=did,
            provider_name=name,
            agreement=f"agreement-{name}",
            modes=tuple(mode(did, name, place, number, now, price=price, co2=co2) for number in range(3)),
            material_price_eur=2.0,
            valid_until=now + timedelta(days=2),
        )
        for did, name, place, price, co2 in SHOPS
    ]
    return need, process, quotes


async def planned(node, **changes):
    """Put a planned job into a node; nothing is ordered."""
    now = node.clock()
    need, process, quotes = records(now, **changes)
    plan = allocate(need, process, quotes, weights=Weights(), now=now, seconds=5)
    job = Job(
        id=JOB,
        title="Clamp",
        owner="org-test",
        step=JobStep.AGREE,
        state="done",
        revision=process.revision,
        material="al-6061",
        quantity=need.quantity,
        due=need.due,
        tolerance_mm=0.05,
        process_plan=process.id,
        need=need.id,
        quotes=tuple(one.id for one in quotes),
        plan=plan.id,
        created_at=now,
        updated_at=now,
        log=(JobEntry(step=JobStep.QUOTE, at=now, seconds=0.1, message="2 quotes"),),
        facts={"until": "plan"},
    )
    change = Change("test").put(need).put(process).put(plan).put(job)
    for one in (*quotes, *match(need, process, offers())):
        change.put(one)
    await node.store.commit(change)
    return job


def order_of_plan(plan, provider, *, state=OrderState.ACCEPTED):
    """Write the order of a provider's share of a plan, as the buyer keeps it."""
    mine = [one for one in plan.assignments if one.provider == provider]
    lines = tuple(
        OrderLine(
            assignment=one.id,
            operation=one.operation,
            operation_name=one.operation_name,
            process="milling",
            lot=one.lot,
            quantity=one.quantity,
            resource=one.resource,
            start=one.start,
            end=one.end,
            unit_s=900,
            unit_energy_kwh=0.4,
            price_eur=one.price_eur,
        )
        for one in mine
    )
    return Order(
        id=f"order-{plan.id[-6:]}-{provider[-3:]}",
        side=Side.CONSUMER,
        job=JOB,
        need=plan.need,
        plan=plan.id,
        agreement=f"agreement-{provider}",
        provider=provider,
        consumer="did:web:buyer",
        peer_name=provider,
        part="Clamp",
        material="al-6061",
        quantity=mine[0].quantity,
        design_dataset="dataset-design",
        revision="rev-clamp0000000",
        lines=lines,
        price_eur=sum(one.price_eur for one in mine),
        state=state,
        placed_at=plan.created_at,
    )
