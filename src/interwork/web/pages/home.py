"""Home: what is going on, what needs somebody, and what to do next; and About: what the program is made of."""

from dataclasses import dataclass
from importlib.metadata import distributions

from starlette.requests import Request
from starlette.responses import Response

from interwork.core.event import Event, Tag
from interwork.core.exchange import Agreement, AgreementState, Peer
from interwork.core.making import Evidence, Job, Run, RunState
from interwork.core.organisation import Membership, MembershipState, Organisation
from interwork.core.programme import Technology
from interwork.flows.node import Node
from interwork.web.access import node_of, visitor_of
from interwork.web.pages.machines import MachineRow, machine_rows
from interwork.web.pages.telling import Told, tell
from interwork.web.render import Pages, render, standing, tongue_of
from interwork.web.words import Tongue

LATELY, LATELY_READ = 10, 200
STEPS = frozenset({Tag.NEGOTIATION_MOVED, Tag.TRANSFER_MOVED, Tag.DATA_SENT, Tag.DATA_RECEIVED, Tag.CATALOG_CRAWLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The figures anybody may see."""

    organisations: int
    technologies: int
    machines: int
    live: int
    running: int
    agreements: int
    evidence: int
    good: int
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeView:
    """What is going on at this node."""

    counts: Counts
    place: Organisation | None
    jobs: tuple[Job, ...] = ()
    paused: tuple[Job, ...] = ()
    failed: tuple[Job, ...] = ()
    released: tuple[Run, ...] = ()
    made: tuple[Run, ...] = ()
    lost: tuple[MachineRow, ...] = ()
    applications: tuple[Membership, ...] = ()
    silent: tuple[Peer, ...] = ()
    machines: tuple[MachineRow, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    events: tuple[Told, ...] = ()

    @property
    def needs(self) -> int:
        """Count what needs somebody."""
        return sum(
            map(len, (self.failed, self.paused, self.released, self.made, self.lost, self.applications, self.silent))
        )


async def home_view(node: Node, tongue: Tongue, *, is_inside: bool) -> HomeView:
    """Collect what is going on; a visitor from outside sees the figures only."""
    store = node.store
    rows = await machine_rows(node)
    evidence = await store.find(Evidence, limit=10_000)
    counts = Counts(
        organisations=await store.count(Organisation),
        technologies=await store.count(Technology),
        machines=len(rows),
        live=sum(1 for row in rows if row.execution not in ("unavailable", "unconnected", "silent")),
        running=await store.count(Job, state="running"),
        agreements=await store.count(Agreement, state=AgreementState.ACTIVE),
        evidence=len(evidence),
        good=sum(one.good for one in evidence),
        parts=sum(one.quantity for one in evidence),
    )
    place = await store.peek(Organisation, node.settings.organisation)
    if not is_inside:
        return HomeView(counts=counts, place=place)
    jobs = await store.find(Job, state=["running", "waiting", "done"], limit=1000)
    moving = sorted((one for one in jobs if one.state == "running"), key=lambda one: one.updated_at, reverse=True)
    peers = await store.find(Peer, limit=200)
    agreements = await store.find(Agreement, state=AgreementState.ACTIVE, limit=1000)
    return HomeView(
        counts=counts,
        place=place,
        jobs=tuple(moving[:20]),
        paused=tuple(one for one in jobs if standing(one) == "waiting")[:5],
        failed=tuple(await store.find(Job, state="failed", limit=5)),
        released=tuple(await store.find(Run, state=RunState.RELEASED, limit=10)),
        made=tuple(await store.find(Run, state=RunState.MADE, limit=10)),
        lost=tuple(row for row in rows if row.execution in ("unavailable", "fault"))[:10],
        applications=tuple(await store.find(Membership, state=MembershipState.REQUESTED, limit=10)),
        silent=tuple(peer for peer in peers if peer.fault)[:5],
        machines=tuple(rows[:12]),
        agreements=tuple(sorted(agreements, key=lambda one: one.agreed_at, reverse=True)[:8]),
        events=await tell(node, tongue, await _lately(node)),
    )


async def _lately(node: Node) -> list[Event]:
    """Read what happened last, without the steps of the exchange between nodes, which stand in the whole chain."""
    found = await node.store.events(limit=LATELY_READ, newest=True)
    return [one for one in found if one.tag not in STEPS][:LATELY]


async def index(request: Request) -> Response:
    """Show what is going on."""
    visitor = await visitor_of(request)
    view = await home_view(node_of(request), tongue_of(request), is_inside=visitor.may("read"))
    return await render(request, "home.html", view=view)


async def about(request: Request) -> Response:
    """Show what the program is made of and under which licences."""
    pages: Pages = request.app.state.pages
    packages = sorted(
        {
            (one.metadata["Name"], one.version, str(one.metadata.json.get("license_expression", "")))
            for one in distributions()
        }
    )
    return await render(request, "about.html", libraries=pages.assets.libraries(), packages=packages)
