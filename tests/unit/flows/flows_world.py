"""A real node opened in a folder for the tests of the stories, and the records a story begins with.

Store, files, historian, live state and identity are the real ones; nothing listens, so what needs a peer is tested
in `tests/peer`. Every record is made up here and stands in nobody's data folder.
"""

from contextlib import asynccontextmanager
from dataclasses import replace as with_parts
from datetime import UTC, datetime, timedelta

import anyio
from machines.running import free_port
from msgspec.structs import replace

from interwork.app import open_node
from interwork.core.clock import now, to_us
from interwork.core.exchange import Agreement, AgreementState, DatasetKind, Side
from interwork.core.making import (
    Evidence,
    Inspection,
    Job,
    JobStep,
    Measurement,
    Order,
    OrderLine,
    OrderState,
    Run,
    RunState,
)
from interwork.core.organisation import Membership, MembershipState, Place
from interwork.core.planning import Mode, Quote, Window
from interwork.core.programme import Award, Milestone, Project, Technology
from interwork.core.resource import BatchBuilder, Capability, Rates, Resource, ResourceKind, Signal
from interwork.store import Change

SHOP, BUYER, INSTITUTE = "org-shop0000000", "did:web:localhost%3A1", "did:web:localhost%3A2"
START = datetime(2031, 3, 3, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
SETTINGS = """
name = "{name}"
organisation = "{organisation}"
kind = "small-manufacturer"
port = {port}
roles = [{roles}]
"""


@asynccontextmanager
async def opened(folder, *, name="Alder", roles=("member",), organisation=SHOP, clock=now):
    """Open a node on a free port with its outgoing client; its tasks stand still unless a test starts them."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ", ".join(f'"{role}"' for role in roles)
    text = SETTINGS.format(name=name, organisation=organisation, port=free_port(), roles=words)
    (folder / "node.toml").write_text(text)
    node = with_parts(await open_node(folder), clock=clock)
    async with node.client:
        if "institute" not in roles:
            await node.store.commit(Change("test").put(membership_of(node)))
        try:
            yield node
        finally:
            await node.historian.close()
            await node.store.close()


def membership_of(node):
    return Membership(
        id="member-1",
        organisation=SHOP,
        organisation_name="Alder",
        did=node.did,
        institute=INSTITUTE,
        tier="small",
        state=MembershipState.GRANTED,
        requested_at=START,
    )


class HeldClock:
    """A clock that stands until it is moved."""

    def __init__(self, at=START):
        self.at = at

    def __call__(self):
        return self.at

    def move(self, **by):
        self.at += timedelta(**by)


async def eventually(read, is_so, *, within_s=30.0):
    """Read again and again until something is so, or fail with what it was."""
    found = await read()
    with anyio.move_on_after(within_s):
        while not is_so(found):
            await anyio.sleep(0.01)
            found = await read()
    assert is_so(found), found
    return found


@asynccontextmanager
async def at_work(work, node):
    """Run one of a node's endless tasks until the block is left."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work, node)
        yield
        tasks.cancel_scope.cancel()


# What a shop has.


def mill(identifier="resource-mill", **changes):
    made = Resource(
        id=identifier,
        name="Mill",
        kind=ResourceKind.MACHINE,
        owner=SHOP,
        place=Place(city="Toledo"),
        capabilities=(Capability(process="milling-3-axis", materials=("aluminium",)),),
        rates=Rates(setup_s=600, setup_price_eur=20, hourly_price_eur=60),
    )
    return replace(made, **changes)


def signal(number, meaning, *, unit="", resource="resource-mill", is_text=False, deadband=0.0):
    return Signal(
        id=f"signal-{number}",
        number=number,
        resource=resource,
        name=meaning.value,
        address=f"a{number}",
        unit=unit,
        meaning=meaning,
        is_text=is_text,
        deadband=deadband,
    )


def readings(*rows):
    """Make a batch of (signal number, moment, value)."""
    builder = BatchBuilder()
    for number, at, value in rows:
        builder.add(number, to_us(at), value)
    return builder.take()


async def say(node, *rows):
    """Let a machine say something: into the live state and the history, as `ingest.take` does."""
    batch = readings(*rows)
    node.live.update(batch)
    await node.historian.append(batch)


# What a buyer agreed with the shop.


def capacity_agreement(node, *, consumer=BUYER, identifier="agreement-1", **changes):
    made = Agreement(
        id=identifier,
        side=Side.PROVIDER,
        provider=node.did,
        consumer=consumer,
        peer_name="Buyer",
        dataset="dataset-capacity",
        dataset_title="Quotes and orders",
        dataset_kind=DatasetKind.CAPACITY,
        policy={},
        state=AgreementState.ACTIVE,
        agreed_at=START,
        negotiation="negotiation-1",
    )
    return replace(made, **changes)


def quote_of(node, *, need="need-1", agreement="agreement-1", valid_until=START + 48 * HOUR):
    mode = Mode(
        operation="op-1",
        resource="resource-mill",
        resource_name="Mill",
        provider=node.did,
        provider_name="Alder",
        place=Place(city="Toledo"),
        setup_s=600,
        unit_s=60,
        setup_price_eur=20,
        unit_price_eur=5,
        setup_energy_kwh=0.2,
        unit_energy_kwh=0.1,
        setup_co2_kg=0,
        unit_co2_kg=0,
        unit_water_l=0,
        windows=(Window(start=START, end=START + 240 * HOUR),),
    )
    return Quote(
        id=f"quote-{need}-{agreement}",
        need=need,
        provider=node.did,
        provider_name="Alder",
        agreement=agreement,
        modes=(mode, replace(mode, operation="op-2")),
        material_price_eur=1.0,
        valid_until=valid_until,
    )


def line(assignment="a-1", *, operation="op-1", hour=0.0, after=(), quantity=3, **changes):
    start = START + timedelta(hours=hour)
    made = OrderLine(
        assignment=assignment,
        operation=operation,
        operation_name=f"Step {operation}",
        process="milling-3-axis",
        lot=0,
        quantity=quantity,
        resource="resource-mill",
        start=start,
        end=start + timedelta(seconds=600 + 60 * quantity),
        unit_s=60,
        unit_energy_kwh=0.1,
        setup_s=600,
        setup_energy_kwh=0.2,
        price_eur=20.0 + (5 if after else 6) * quantity,
        after=after,
        tolerance_mm=0.1,
        box_mm=(80.0, 50.0, 20.0),
    )
    return replace(made, **changes)


def order_of(*lines, identifier="order-1", need="need-1", state=OrderState.PLACED, side=Side.CONSUMER, **changes):
    lines = lines or (line(),)
    made = Order(
        id=identifier,
        side=side,
        job="job-1",
        need=need,
        plan="plan-1",
        agreement="agreement-1",
        provider="did:web:localhost%3A9",
        consumer=BUYER,
        peer_name="Buyer",
        part="bracket",
        material="al-6061",
        quantity=3,
        design_dataset="dataset-design",
        revision="rev-1",
        lines=lines,
        price_eur=round(sum(one.price_eur for one in lines), 2),
        state=state,
        placed_at=START,
    )
    return replace(made, **changes)


async def shop_with_quote(node, *, signals=()):
    """Give a node a mill and a quote that a buyer may order on; return the agreement it was given under."""
    agreement = capacity_agreement(node)
    change = Change("test").put(mill()).put(quote_of(node)).put(agreement)
    for one in signals:
        change.put(one)
    await node.store.commit(change)
    return agreement


def run_of(identifier="run-1", *, state=RunState.RELEASED, order="order-1", **changes):
    made = Run(
        id=identifier,
        order=order,
        assignment=f"a-{identifier}",
        operation_name="Mill the top",
        process="milling-3-axis",
        resource="resource-mill",
        quantity=3,
        state=state,
        setup_s=600,
        unit_s=60,
        unit_energy_kwh=0.1,
        setup_energy_kwh=0.2,
        tolerance_mm=0.1,
        box_mm=(80.0, 50.0, 20.0),
    )
    return replace(made, **changes)


def inspection_of(run="run-1", *, actual=(80.01, 80.02, 80.03)):
    measured = tuple(
        Measurement(
            characteristic="length", part=part, nominal_mm=80.0, lower_mm=79.95, upper_mm=80.05, actual_mm=value
        )
        for part, value in enumerate(actual, start=1)
    )
    return Inspection(
        id=f"inspection-{run}", run=run, inspector="Ada", instrument="caliper", at=START, measurements=measured
    )


# What is proven and paid.


def evidence_of(did="did:web:localhost%3A9", *, identifier="evidence-1", **changes):
    made = Evidence(
        id=identifier,
        run="run-1",
        order="order-1",
        job="job-1",
        provider=did,
        provider_name="Alder",
        resource="resource-mill",
        resource_name="Mill",
        operation_name="Mill the top",
        started_at=START,
        ended_at=START + HOUR,
        quantity=3,
        good=3,
        scrap=0,
        planned_energy_kwh=0.5,
        energy_kwh=0.4,
        planned_s=780,
        observed_s=800,
        readings=12,
        coverage=1.0,
        inspection=inspection_of(),
        cpk=1.4,
        is_simulated=False,
        time_scale=1.0,
        digest="",
        signature="",
        due=START + 2 * HOUR,
    )
    return replace(made, **changes)


async def funded(node):
    """Record an award that pays for a project with two milestones; return the project."""
    milestones = tuple(Milestone(name=f"Milestone {one}", due=START, amount_eur=40_000) for one in (1, 2))
    project = Project(
        id="project-1",
        title="Brackets",
        lead="org-lab",
        lead_did=BUYER,
        institute=node.did,
        award="award-1",
        technology="technology-1",
        starts=START,
        ends=START + 1000 * HOUR,
        milestones=milestones,
    )
    award = Award(
        id="award-1",
        call="call-1",
        project=project.id,
        recipient="org-lab",
        recipient_did=BUYER,
        amount_eur=80_000,
        made_at=START,
    )
    technology = Technology(id="technology-1", name="Machining", holder=BUYER, summary="", trl_start=4, trl=4, mrl=4)
    await node.store.commit(Change("test").put(project).put(award).put(technology))
    return project


def job_of(identifier="job-1", **changes):
    made = Job(
        id=identifier,
        title="bracket",
        owner=SHOP,
        step=JobStep.DESIGN,
        revision="rev-1",
        material="al-6061",
        quantity=3,
        due=now() + timedelta(days=10),
        tolerance_mm=0.1,
        created_at=now(),
        updated_at=now(),
        facts={"file_name": "bracket.step", "digest": "sha256:0", "until": ""},
    )
    return replace(made, **changes)
