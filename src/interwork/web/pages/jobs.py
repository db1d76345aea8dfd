"""Jobs: the thread line of one part, arrow by arrow, while it happens."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.making import Evidence, Job, JobEntry, JobStep, Order, OrderState, Run
from interwork.core.planning import Plan
from interwork.core.programme import Project
from interwork.flows import make_part
from interwork.flows.make_part.replan import give_up
from interwork.flows.node import Node
from interwork.web.access import MAY, node_of, require
from interwork.web.render import STEPS, render, step_is

LISTED_MAX = 200
_GIVEN_BACK = (OrderState.REFUSED, OrderState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """One arrow of a job: past, now, fault or next, with what was done."""

    step: JobStep
    standing: str
    entry: JobEntry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """One job with its orders, runs and evidence."""

    job: Job
    arrows: tuple[Arrow, ...]
    orders: tuple[Order, ...]
    runs: tuple[Run, ...]
    evidence: tuple[Evidence, ...]
    project: Project | None
    transport_eur: float | None
    """Of the plan; None where nothing is carried."""
    is_moving: bool

    @property
    def price_eur(self) -> float:
        """Add up the orders that stand and the transport."""
        standing = (one.price_eur for one in self.orders if one.state not in _GIVEN_BACK)
        return sum(standing) + (self.transport_eur or 0.0)

    @property
    def good(self) -> int:
        """Count the good parts of the last operation that has evidence."""
        last = max(self.evidence, key=lambda one: one.ended_at, default=None)
        if last is None:
            return 0
        return sum(one.good for one in self.evidence if one.operation_name == last.operation_name)


async def job_view(node: Node, identifier: str) -> JobView:
    """Collect one job as it stands."""
    job = await node.store.get(Job, identifier)
    entries = {entry.step: entry for entry in job.log}
    orders = await node.store.find(Order, job=job.id, limit=50)
    runs = await node.store.find(Run, order=[one.id for one in orders], limit=200) if orders else []
    plan = await node.store.peek(Plan, job.plan) if job.plan else None
    return JobView(
        job=job,
        arrows=tuple(Arrow(step=step, standing=step_is(job, step), entry=entries.get(step)) for step in STEPS),
        orders=tuple(orders),
        runs=tuple(runs),
        evidence=tuple(await node.store.find(Evidence, job=job.id, limit=100)),
        project=await node.store.peek(Project, job.project) if job.project else None,
        transport_eur=sum(one.price_eur for one in plan.legs) if plan and plan.legs else None,
        is_moving=job.state in ("running", "waiting"),
    )


async def index(request: Request) -> Response:
    """Show every job, newest first."""
    await require(request, *MAY["read"])
    store = node_of(request).store
    jobs = sorted(await store.find(Job, limit=LISTED_MAX), key=lambda one: one.created_at, reverse=True)
    return await render(request, "jobs.html", jobs=jobs, all=await store.count(Job))


async def show(request: Request) -> Response:
    """Show one job; the part of the page that moves is asked for again while it does."""
    await require(request, *MAY["read"])
    view = await job_view(node_of(request), request.path_params["id"])
    template = "job_moving.html" if request.headers.get("hx-request") else "job.html"
    return await render(request, template, view=view)


async def proceed(request: Request) -> Response:
    """Carry on a job that failed or was stopped on purpose."""
    visitor = await require(request, *MAY["draw"])
    job = await make_part.proceed(node_of(request), request.path_params["id"], actor=visitor.id)
    return RedirectResponse(f"/jobs/{job.id}", status_code=303)


async def cancel(request: Request) -> Response:
    """Cancel a job; its orders are given back where no machine has begun."""
    visitor = await require(request, *MAY["draw"])
    job = await give_up(node_of(request), request.path_params["id"], actor=visitor.id)
    return RedirectResponse(f"/jobs/{job.id}", status_code=303)
