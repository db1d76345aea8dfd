"""How far a need or a plan reaches: who could convert to it by when, which change would do, up to what volume."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from interwork.allocation.learning.converting import Conversion, Stage
from interwork.allocation.learning.relaxing import Unserved
from interwork.core.design import ProcessPlan
from interwork.core.errors import BadInput, NotFound
from interwork.core.making import Job
from interwork.core.planning import Need, Plan
from interwork.flows import insight
from interwork.flows.node import Node
from interwork.web.access import MAY, node_of, require
from interwork.web.render import render

LEADS = ("certificate", "tolerance_mm", "envelope_mm", "axes", "material", "mass_kg", "region")
"""What a provider may lack, and a person may know the days for."""
DAYS_MAX = 3_650.0
VOLUMES = "10,100,1000"
DIGITS_MAX = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachView:
    """One need with who could convert to it, and which changes of it would do."""

    need: Need
    job: Job | None
    leads: tuple[tuple[str, str], ...]
    """Requirement and the days typed for it."""
    conversions: tuple[tuple[str, tuple[Conversion, ...]], ...]
    """By operation."""
    unserved: tuple[Unserved, ...]
    fault: str


async def need_view(node: Node, identifier: str, leads: dict[str, float]) -> ReachView:
    """Collect who could convert to a need."""
    need = await node.store.get(Need, identifier)
    jobs = [one for one in await node.store.find(Job, limit=1000, newest=True) if one.need == need.id]
    found: list[Conversion] = []
    unserved: list[Unserved] = []
    fault = ""
    try:
        found = await insight.conversions_of(node, need.id, leads)
        unserved = await insight.unserved_of(node, need.id)
    except NotFound as error:
        fault = f"{error.message} {error.remedy}"
    names = await _named(node, need)
    operations = dict.fromkeys([*names, *(one.operation for one in found)])
    return ReachView(
        need=need,
        job=jobs[0] if jobs else None,
        leads=tuple((name, f"{leads[name]:g}" if name in leads else "") for name in LEADS),
        conversions=tuple(
            (names.get(one, one), tuple(each for each in found if each.operation == one)) for one in operations
        )
        if found
        else (),
        unserved=tuple(unserved),
        fault=fault,
    )


async def show_need(request: Request) -> Response:
    """Show who could convert to a need by when, with which approvals."""
    await require(request, *MAY["read"])
    leads = {name: _days(name, text) for name in LEADS if (text := request.query_params.get(name, "").strip())}
    view = await need_view(node_of(request), request.path_params["id"], leads)
    return await render(request, "allocation/reach.html", view=view)


async def _named(node: Node, need: Need) -> dict[str, str]:
    """Name the operations of a need, in their order."""
    plan = await node.store.peek(ProcessPlan, need.process_plan) if need.process_plan else None
    return {one.id: one.name for one in plan.operations} if plan else {}


def _days(name: str, text: str) -> float:
    try:
        days = float(text)
    except ValueError as fault:
        raise BadInput(f"{text[:40]!r} is no number of days.", where=name, remedy="Write it as 90.") from fault
    if not 0 <= days <= DAYS_MAX:
        raise BadInput(f"{days:g} days are not 0 to {DAYS_MAX:g}.", where=name, remedy="Write it as 90.")
    return days


async def show_volume(request: Request) -> Response:
    """Show the way from a pilot to volume over the quotes of a plan."""
    await require(request, *MAY["read"])
    node = node_of(request)
    plan = await node.store.get(Plan, request.path_params["id"])
    need = await node.store.peek(Need, plan.need)
    text = request.query_params.get("quantities", "").strip()
    stages: list[Stage] = []
    if text:
        parts = [one.strip() for one in text.split(",")]
        if not all(one.isdecimal() and len(one) < DIGITS_MAX for one in parts):
            raise BadInput(f"{text[:60]!r} are no quantities.", where="quantities", remedy=f"Write them as {VOLUMES}.")
        stages = await insight.volumes(node, plan.id, [int(one) for one in parts])
    dearest = max([one.price_eur_each for one in stages if one.price_eur_each is not None], default=0.0)
    return await render(
        request,
        "allocation/volume.html",
        plan=plan,
        need=need,
        stages=stages,
        quantities=text or VOLUMES,
        dearest=dearest,
    )
