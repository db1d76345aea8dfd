"""Whole nodes in one process that reach each other over real HTTP: a portal, labs that want, shops that make.

Each has its own folder, store, identity and server on loopback; what stands behind a machine is a person: the test.
"""

from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from importlib import resources

import anyio
from anyio import to_thread
from loopback_nodes import bound_socket, eventually, served

from interwork.app import open_node
from interwork.cli import main
from interwork.core.clock import now
from interwork.core.exchange import Peer
from interwork.core.making import Inspection, Job, Measurement, Run, RunState
from interwork.core.organisation import Place, Role
from interwork.core.resource import Capability, Rates, Resource, ResourceKind
from interwork.flows import make_part
from interwork.flows.crawl import crawl_one
from interwork.flows.fulfil import perform
from interwork.flows.join import join
from interwork.flows.make_part import MakeRequest
from interwork.flows.publish import publish_capacity, publish_membership
from interwork.store import Change
from interwork.store.settings import TOKEN_FILE
from interwork.web import create_app
from interwork.web.access import issue_token

PLACES = {
    "portal": Place(city="Chicago", country="US", latitude=41.88, longitude=-87.63),
    "lab": Place(city="Ann Arbor", country="US", latitude=42.28, longitude=-83.74),
    "other": Place(city="Detroit", country="US", latitude=42.33, longitude=-83.05),
    "ash": Place(city="Toledo", country="US", latitude=41.65, longitude=-83.54),
    "elm": Place(city="Cleveland", country="US", latitude=41.5, longitude=-81.69),
}
KINDS = {"portal": ("research-institute", ""), "lab": ("university", "academic"), "other": ("university", "academic")}
SHOP = ("small-manufacturer", "small")
RATES = {
    "ash": {"milling-3-axis": 60, "deburring": 300, "inspection": 300},
    "elm": {"milling-3-axis": 3000, "deburring": 30, "inspection": 30},
}
"""EUR an hour; what a shop is dear at goes to the other."""


@asynccontextmanager
async def opened(folder, key, *, more=""):
    """Open a node, serve its dataspace face and run what a node of its kind does of itself."""
    place, (kind, _) = PLACES[key], KINDS.get(key, SHOP)
    roles = '"portal", "institute"' if key == "portal" else '"member"'
    with bound_socket() as listener:
        port = listener.getsockname()[1]
        folder.mkdir(parents=True)
        where = f'city = "{place.city}", country = "US", latitude = {place.latitude}, longitude = {place.longitude}'
        (folder / "node.toml").write_text(
            f'name = "{key.title()}"\norganisation = "org-{key:0<10}"\nkind = "{kind}"\nport = {port}\n'
            f"roles = [{roles}]\nplace = {{ {where} }}\n{more}"
        )
        node = await open_node(folder)
        (folder / TOKEN_FILE).write_text(await issue_token(node.store, "the owner", Role.OWNER))
        async with node.client, served(create_app(node), listener), anyio.create_task_group() as tasks:
            tasks.start_soon(node.federation.run)
            if key == "portal":
                await publish_membership(node)
            yield node
            tasks.cancel_scope.cancel()
        await node.historian.close()
        await node.store.close()


@asynccontextmanager
async def network(folder, *keys, rates=None):
    """Open a portal and members, join them, publish what shops offer, and let the portal see it."""
    async with AsyncExitStack() as stack:
        nodes = {}
        for key in ("portal", *keys):
            nodes[key] = await stack.enter_async_context(opened(folder / key, key))
        for key in keys:
            await join(nodes[key], nodes["portal"].settings.root(), KINDS.get(key, SHOP)[1])
            if key not in KINDS:
                await equip(nodes[key], (rates or RATES)[key])
        await crawled(nodes["portal"])
        yield nodes


async def command(node, *words):
    """Run a verb at a node as its owner does; give the exit code."""
    return await to_thread.run_sync(main, [*words, "--data", str(node.folder)])


async def crawled(portal):
    """Let the portal read every member's catalog once."""
    for peer in await portal.store.find(Peer, is_crawled=True, limit=100):
        await crawl_one(portal, peer)


def machine(key, number, process, *, eur_per_h, tolerance_mm=0.005, certificates=()):
    """Describe one machine of a shop."""
    return Resource(
        id=f"resource-{key}-{number}",
        name=f"{key.title()} {process}",
        kind=ResourceKind.MACHINE,
        owner=f"org-{key:0<10}",
        place=PLACES[key],
        capabilities=(
            Capability(
                process=process,
                materials=("aluminium",),
                envelope_mm=(800.0, 600.0, 400.0),
                tolerance_mm=tolerance_mm,
                axes=5,
                max_mass_kg=90.0,
                certificates=certificates,
            ),
        ),
        rates=Rates(setup_s=600, setup_price_eur=10, hourly_price_eur=eur_per_h),
    )


async def equip(node, rates):
    """Give a shop a machine per process, at its price an hour, and offer them."""
    key = node.settings.name.lower()
    change = Change("test")
    for number, (process, eur_per_h) in enumerate(rates.items()):
        change.put(machine(key, number, process, eur_per_h=eur_per_h))
    await node.store.commit(change)
    await publish_capacity(node)


@asynccontextmanager
async def at_work(*tasks_of):
    """Run endless tasks of nodes until the block is left: pairs of a task and its node."""
    async with anyio.create_task_group() as tasks:
        for work, node in tasks_of:
            tasks.start_soon(work, node)
        yield
        tasks.cancel_scope.cancel()


async def submitted(node, *, until="", quantity=4, key="first", days=6):
    """Ask for the sample bracket."""
    content = resources.files("interwork").joinpath("samples", "bracket.step").read_bytes()
    wish = MakeRequest(material="al-6061", quantity=quantity, due=now() + timedelta(days=days), until=until, key=key)
    return await make_part.submit(node, content, "bracket.step", wish)


async def reaches(node, job_id, is_so, *, within_s=80.0):
    """Wait until a job is somewhere."""
    return await eventually(lambda: node.store.get(Job, job_id), is_so, within_s=within_s)


async def work_at(node, *, most=100):
    """Do what lies at a shop's benches: start, finish, measure; give how many runs were done."""
    done = 0
    for run in await node.store.find(Run, state=RunState.RELEASED, limit=most):
        await perform.start(node, run.id, actor="test")
        await finished(node, run.id)
        done += 1
    return done


async def finished(node, run_id):
    """Finish and measure a run that was started."""
    made = await perform.finish(node, run_id, actor="test")
    await perform.inspect(node, made.id, inspection(made), actor="test")


def inspection(run):
    """Measure every part of a run: one length within its limits."""
    length, allowed = (run.box_mm or (80.0,))[0], run.tolerance_mm
    measured = tuple(
        Measurement(
            characteristic="length",
            part=part,
            nominal_mm=length,
            lower_mm=length - allowed,
            upper_mm=length + allowed,
            actual_mm=length + allowed / 20,
        )
        for part in range(1, run.quantity + 1)
    )
    return Inspection(
        id=f"inspection-{run.id}", run=run.id, inspector="Ada", instrument="caliper", at=now(), measurements=measured
    )
