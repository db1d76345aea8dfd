"""The middle arrows of a job: search the portal's catalog, match with reasons, ask for quotes, plan with a bound."""

from typing import Any

import anyio
import msgspec
import structlog
from anyio import to_thread

from interwork.allocation import CapacityOffer, QuoteRequest, allocate, draft_request, gaps, match
from interwork.core.design import EdgeKind, ProcessPlan
from interwork.core.errors import NoPlan, PeerError, PeerUnreachable, Refused
from interwork.core.event import Tag
from interwork.core.exchange import CatalogEntry, DatasetKind, Peer
from interwork.core.making import Job
from interwork.core.planning import Match, Need, Plan, Quote, Weights
from interwork.flows.make_part.replan import again
from interwork.flows.node import Node
from interwork.flows.records import offers_of, read_as
from interwork.flows.weave import Knot, knot, tie
from interwork.store import Change

log = structlog.get_logger()
CATALOG_OPERAND = "https://w3id.org/interwork/catalog/"
SOLVE_S = 6.0
"""Seconds the solver may take."""
PROVIDERS_MAX = 50
"""Providers asked for a quote, those with the fewest missing requirements first."""

RELAX = "Relax what is named in the reasons, or ask the institute to open a call for the gap."
LATER = (
    "The catalog holds no offer yet. One published a moment ago is there after the portal's next round: "
    "carry the job on then."
)


async def search(node: Node, job: Job) -> tuple[Job, str]:
    """Ask the portal's catalog for capacity in the processes the plan needs."""
    plan = await node.store.get(ProcessPlan, job.process_plan)
    portal = await node.portal()
    entries = await capacities(node, portal)
    change = Change()
    for entry in entries:
        change.put(entry)
    change.event(Tag.CATALOG_CRAWLED, portal.id, datasets=len(entries), need=job.need)
    await node.store.commit(change)
    processes = sorted({operation.process for operation in plan.operations})
    facts = {**job.facts, "providers": [entry.id for entry in entries]}
    message = f"{len(entries)} providers in the catalog of {portal.name} for {', '.join(processes)}"
    return msgspec.structs.replace(job, facts=facts), message


async def capacities(node: Node, portal: Peer) -> list[CatalogEntry]:
    """Read from a portal's catalog who offers capacity."""
    query: list[dict[str, Any]] = [
        {"leftOperand": CATALOG_OPERAND + "kind", "operator": "eq", "rightOperand": DatasetKind.CAPACITY.value},
    ]
    entries = await node.federation.browse(portal, query=query)
    return [one for one in entries if one.kind is DatasetKind.CAPACITY and one.provider != node.did]


async def match_offers(node: Node, job: Job) -> tuple[Job, str]:
    """Hold every operation against every resource offered; where nobody can, say what is nearest and stop."""
    need, plan = await _need_and_plan(node, job)
    offers: list[CapacityOffer] = []
    for entry_id in job.facts.get("providers", []):
        offers.extend(offers_of(await node.store.get(CatalogEntry, entry_id)))
    matches = match(need, plan, offers)
    found = gaps(need, plan, matches, node.clock())
    change = Change()
    for one in matches:
        change.put(one)
    for gap in found:
        change.put(gap).event(Tag.GAP_FOUND, gap.id, title=gap.title)
    change.event(Tag.MATCH_MADE, need.id, feasible=sum(one.is_feasible for one in matches), held=len(matches))
    await node.store.commit(change)
    uncovered = [
        operation
        for operation in plan.operations
        if not any(one.is_feasible and one.operation == operation.id for one in matches)
    ]
    if uncovered:
        raise NoPlan(
            f"Nobody in the network can do {', '.join(one.name for one in uncovered)}.",
            reasons=tuple(_nearest(operation.id, operation.name, matches) for operation in uncovered),
            remedy=RELAX if offers else LATER,
        )
    feasible = [one for one in matches if one.is_feasible]
    providers = {one.provider for one in feasible}
    return job, f"{len(feasible)} of {len(matches)} pairs of operation and machine fit, at {len(providers)} providers"


def _nearest(operation: str, name: str, matches: list[Match]) -> str:
    mine = sorted((one for one in matches if one.operation == operation), key=lambda one: one.missing)
    if not mine:
        return f"{name}: no resource is offered at all."
    failed = [reason.text for reason in mine[0].reasons if reason.verdict != "satisfied"]
    return f"{name}: nearest is {mine[0].resource_name} at {mine[0].provider_name}: {' '.join(failed)}"


async def ask_quotes(node: Node, job: Job) -> tuple[Job, str]:
    """Ask each matched provider for a quote under the standing agreement; one that is away is left out, and said so.

    Providers excluded after a failed plan are asked again where the others give nothing; while nobody answers, the
    arrow is tried again.
    """
    need, plan = await _need_and_plan(node, job)
    excluded = job.facts.get("excluded", [])
    held = [one for one in await node.store.find(Match, need=need.id, limit=10_000) if one.is_feasible]
    request = draft_request(need, plan)
    quotes: list[Quote] = []
    away: list[str] = []
    silent: list[str] = []
    for matches in (
        [one for one in held if one.provider not in excluded],
        [one for one in held if one.provider in excluded],
    ):
        quotes = quotes or await ask_all(node, matches, request, away, silent)
    if silent and not quotes:
        raise PeerUnreachable(
            f"No provider gave a quote; {', '.join(sorted(silent))} did not answer.",
            remedy="It is tried again; look at the providers' nodes where it goes on.",
        )
    if not quotes:
        raise NoPlan("No provider gave a quote.", reasons=tuple(away), remedy="Widen the need, or ask later.")
    change = Change()
    for one in quotes:
        change.put(one).event(Tag.QUOTE_RECEIVED, one.id, provider=one.provider, modes=len(one.modes))
        knot(node, change, Knot(id=one.id, kind="quote", label=f"quote of {one.provider_name}", holder=one.provider))
        tie(node, change, need.id, EdgeKind.DERIVES, one.id)
    await node.store.commit(change)
    job = msgspec.structs.replace(job, quotes=tuple(one.id for one in quotes), facts={**job.facts, "away": away})
    left = f"; left out: {'; '.join(away)}" if away else ""
    return job, f"{len(quotes)} quotes with {sum(len(one.modes) for one in quotes)} ways to do an operation{left}"


async def ask_all(
    node: Node, matches: list[Match], request: QuoteRequest, away: list[str], silent: list[str]
) -> list[Quote]:
    """Ask the providers of these matches at once; note who is left out, and who of them may yet answer."""
    datasets = dict.fromkeys((one.provider, one.dataset) for one in matches)
    names = {one.provider: one.provider_name for one in matches}
    quotes: dict[tuple[str, str], Quote] = {}

    async def ask(provider: str, dataset: str) -> None:
        try:
            quotes[provider, dataset] = await _ask(node, provider, dataset, request)
        except (PeerError, Refused) as fault:
            away.append(f"{names[provider]}: {fault}")
            if fault.retryable:
                silent.append(names[provider])

    async with anyio.create_task_group() as tasks:
        for provider, dataset in list(datasets)[:PROVIDERS_MAX]:
            tasks.start_soon(ask, provider, dataset)
    return [quotes[key] for key in datasets if key in quotes]


async def _ask(node: Node, provider: str, dataset: str, request: QuoteRequest) -> Quote:
    agreement = await node.federation.negotiate(provider, dataset, key=f"capacity:{dataset}")
    transfer = await node.federation.transfer(agreement, key=f"capacity:{dataset}:{agreement.id}")
    fetched = await node.federation.fetch(
        transfer, path="quotes", body=msgspec.json.encode(request), what="a request for a quote"
    )
    return read_as(Quote, fetched.content, agreement.peer_name)


async def plan(node: Node, job: Job) -> tuple[Job, str]:
    """Place the operations on resources in time; keep objective, bound and what others would have done beside it."""
    need, process = await _need_and_plan(node, job)
    for known in await node.store.find(Plan, need=need.id, newest=True, limit=20):
        if known.created_at >= job.updated_at:  # decided before the node was stopped, and not yet noted on the job
            return _decided(job, known)
    quotes = [await node.store.get(Quote, one) for one in job.quotes]
    began = node.clock()

    def solve() -> Plan:
        return allocate(need, process, quotes, weights=Weights(), now=began, seconds=SOLVE_S, seed=1)

    try:
        decided = await to_thread.run_sync(solve)
    except NoPlan as fault:
        return await again(job, fault)
    decided = msgspec.structs.replace(decided, decided_by=node.settings.name)
    change = Change().put(decided).put(msgspec.structs.replace(need, state="planned"))
    change.event(Tag.PLAN_DECIDED, decided.id, objective=decided.objective_eur, bound=decided.bound_eur)
    label = f"plan: {decided.objective_eur:,.0f} EUR, bound {decided.bound_eur:,.0f}"
    knot(node, change, Knot(id=decided.id, kind="plan", label=label))
    tie(node, change, need.id, EdgeKind.DECIDES, decided.id)
    for one in quotes:
        tie(node, change, one.id, EdgeKind.DECIDES, decided.id)
    await node.store.commit(change)
    return _decided(job, decided)


def _decided(job: Job, decided: Plan) -> tuple[Job, str]:
    chosen = sorted({one.provider_name for one in decided.assignments})
    message = (
        f"{decided.totals.price_eur:,.2f} EUR with {', '.join(chosen)}; objective {decided.objective_eur:,.2f}, "
        f"lower bound {decided.bound_eur:,.2f} EUR"
    )
    return msgspec.structs.replace(job, plan=decided.id), message


async def _need_and_plan(node: Node, job: Job) -> tuple[Need, ProcessPlan]:
    need = await node.store.get(Need, job.need)
    return need, await node.store.get(ProcessPlan, job.process_plan)
