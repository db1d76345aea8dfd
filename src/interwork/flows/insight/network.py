"""All needs this node holds at once: what the network lacks for them, and what more hours of a machine are worth."""

import time
from collections.abc import Mapping

from anyio import to_thread

from interwork.allocation import CapacityOffer
from interwork.allocation.learning.asking import best
from interwork.allocation.learning.converting import Conversion, conversions
from interwork.allocation.learning.investing import Investments, invest
from interwork.allocation.learning.lacking import GapRow, Held, report
from interwork.allocation.learning.relaxing import Unserved, unserved
from interwork.allocation.learning.viewing import view
from interwork.allocation.parts.admitting import prepare
from interwork.allocation.parts.instance import Instance, without_budget
from interwork.core.design import ProcessPlan
from interwork.core.errors import BadInput, NotFound
from interwork.core.exchange import CatalogEntry, DatasetKind
from interwork.core.making import Job, JobStep
from interwork.core.planning import Match, Need, Plan, Quote, Weights
from interwork.flows.node import Node
from interwork.flows.records import offers_of

NEEDS_MAX = 200
"""Needs looked at, the newest first."""
REPORT_S = 10.0


async def held_needs(node: Node) -> list[Held]:
    """Collect every need with its matches, quotes and the plan that stands, the newest first."""
    jobs = {one.need: one for one in await node.store.find(Job, limit=1000) if one.need}
    found = []
    for need in await node.store.find(Need, limit=NEEDS_MAX, newest=True):
        job = jobs.get(need.id)
        process = await node.store.peek(ProcessPlan, (job.process_plan if job else "") or need.process_plan)
        matches = await node.store.find(Match, need=need.id, limit=10_000)
        quotes = await node.store.find(Quote, need=need.id, limit=200)
        plans = await node.store.find(Plan, need=need.id, newest=True, limit=1)
        plan = await node.store.peek(Plan, job.plan) if job and job.plan else None
        asked = [entry.at for entry in job.log if entry.step is JobStep.QUOTE] if job else []
        found.append(
            Held(
                need=need,
                process=process,
                matches=tuple(matches),
                quotes=tuple(one for one in quotes if not asked or one.valid_until > asked[-1]),
                plan=plan or (plans[0] if plans else None),
                asked_at=asked[-1] if asked else need.created_at,
            )
        )
    return found


async def gap_report(node: Node) -> list[GapRow]:
    """Add up what the network lacks for the needs held here."""
    held = await held_needs(node)
    deadline = time.monotonic() + REPORT_S

    def add_up() -> list[GapRow]:
        return report(held, deadline=deadline)

    return await to_thread.run_sync(add_up)


async def unserved_of(node: Node, need_id: str) -> list[Unserved]:
    """Say why a need cannot be met by what the catalog offers, and which changes to it would do."""
    need, process, offers = await _offered(node, need_id)
    return unserved(need, process, offers)


async def conversions_of(node: Node, need_id: str, lead_days: Mapping[str, float]) -> list[Conversion]:
    """List who in the catalog could convert to a need's operations, by when, with which approvals."""
    need, process, offers = await _offered(node, need_id)
    return conversions(need, process, offers, now=node.clock(), lead_days=lead_days)


async def _offered(node: Node, need_id: str) -> tuple[Need, ProcessPlan, list[CapacityOffer]]:
    need = await node.store.get(Need, need_id)
    jobs = [one for one in await node.store.find(Job, limit=1000, newest=True) if one.need == need_id]
    process = await node.store.peek(ProcessPlan, (jobs[0].process_plan if jobs else "") or need.process_plan)
    if process is None:
        raise NotFound(f"The need {need.title} has no process plan here.", remedy="Draft one on its design's page.")
    entries = await node.store.find(CatalogEntry, kind=DatasetKind.CAPACITY, is_gone=False, limit=1000)
    return need, process, [offer for entry in entries if entry.provider != node.did for offer in offers_of(entry)]


async def investments(node: Node, *, seconds: float = 15.0) -> Investments:
    """Price the hours of every quoted machine over all needs held here and solve again with more of the dearest."""
    held = [one for one in await held_needs(node) if one.quotes and one.process]
    if not held:
        raise BadInput("No need held here has a quote.", remedy="Plan a part first, with `interwork plan PART`.")

    def price_hours() -> Investments:
        instances: list[Instance] = []
        lots: list[tuple[int, ...]] = []
        deadline = time.monotonic() + seconds / 3
        for one in held:
            assert one.process is not None
            instance = without_budget(prepare(one.need, one.process, one.quotes, Weights(), one.asked_at))
            if all(instance.options):
                schedule, _ = best(instance, deadline)
                instances.append(instance)
                lots.append(schedule.lots if schedule else instance.splits[0])
        seen = view(instances, lots)
        return invest(seen.problem, seconds=2 * seconds / 3, names=dict(enumerate(seen.names)))

    return await to_thread.run_sync(price_hours)
