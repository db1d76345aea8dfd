"""Programme: technologies with what their readiness rests on, the capital chain, practices, gaps, track records."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from interwork.core.clock import parse_moment
from interwork.core.errors import BadInput
from interwork.core.organisation import Membership, MembershipState
from interwork.core.programme import (
    Award,
    Call,
    CostShare,
    Disbursement,
    Gap,
    Milestone,
    Practice,
    Project,
    Technology,
    TrackRecord,
)
from interwork.flows import fund_project
from interwork.flows.fund_project import AwardDraft, CallDraft
from interwork.flows.node import Node
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.agreements import names_of
from interwork.web.pages.fields import number, number_of, text_of
from interwork.web.render import render

LISTED_MAX = 1000
TEXT_MAX = 200
AMOUNT_MAX = 1e12
MILESTONE = "First parts made outside the laboratory; 2027-01-31; 40000"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardRow:
    """One award with the money around it."""

    award: Award
    project: Project | None
    shares: tuple[CostShare, ...]
    paid: tuple[Disbursement, ...]

    @property
    def shared_eur(self) -> float:
        """Sum what partners pledged."""
        return sum(one.amount_eur for one in self.shares)

    @property
    def paid_eur(self) -> float:
        """Sum what was paid."""
        return sum(one.amount_eur for one in self.paid)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeView:
    """Technology chain and capital chain of this node."""

    technologies: tuple[Technology, ...]
    calls: tuple[Call, ...]
    awards: tuple[AwardRow, ...]
    practices: tuple[Practice, ...]
    gaps: tuple[Gap, ...]
    records: tuple[TrackRecord, ...]
    names: Mapping[str, str]
    members: tuple[Membership, ...]
    """Whom an award may be made to."""
    is_institute: bool


async def programme_view(node: Node) -> ProgrammeView:
    """Collect both chains."""
    store = node.store
    projects = {one.id: one for one in await store.find(Project, limit=LISTED_MAX)}
    shares = await store.find(CostShare, limit=LISTED_MAX)
    paid = await store.find(Disbursement, limit=LISTED_MAX)
    awards = tuple(
        AwardRow(
            award=award,
            project=projects.get(award.project),
            shares=tuple(one for one in shares if one.award == award.id),
            paid=tuple(one for one in paid if one.award == award.id),
        )
        for award in await store.find(Award, limit=LISTED_MAX)
    )
    return ProgrammeView(
        technologies=tuple(await store.find(Technology, limit=LISTED_MAX)),
        calls=tuple(await store.find(Call, limit=LISTED_MAX)),
        awards=awards,
        practices=tuple(await store.find(Practice, limit=LISTED_MAX)),
        gaps=tuple(await store.find(Gap, limit=LISTED_MAX)),
        records=tuple(await store.find(TrackRecord, limit=LISTED_MAX)),
        names=await names_of(node),
        members=tuple(
            await store.find(Membership, state=MembershipState.GRANTED, institute=node.did, limit=LISTED_MAX)
        ),
        is_institute="institute" in node.settings.roles,
    )


async def index(request: Request) -> Response:
    """Show technologies and money, each with its evidence."""
    await require(request, *MAY["look"])
    return await render(request, "programme.html", view=await programme_view(node_of(request)), example=MILESTONE)


async def fund(request: Request) -> Response:
    """Open a call, or make an award under one."""
    await require(request, *MAY["fund"])
    node, form = node_of(request), await request.form()
    if text_of(form, "act") == "call":
        await fund_project.open_call(node, _call(form))
    else:
        await fund_project.make_award(node, _award(form))
    return RedirectResponse("/programme", status_code=303)


def _call(form: FormData) -> CallDraft:
    return CallDraft(
        title=_said(form, "title"),
        agency=_said(form, "agency"),
        budget_eur=_amount(form, "budget"),
        min_cost_share=_amount(form, "share"),
        closes=parse_moment(text_of(form, "closes")),
    )


def _award(form: FormData) -> AwardDraft:
    return AwardDraft(
        call=_said(form, "call"),
        title=_said(form, "title"),
        recipient_did=_said(form, "member"),
        amount_eur=_amount(form, "amount"),
        cost_share_eur=_amount(form, "share"),
        starts=parse_moment(text_of(form, "starts")),
        ends=parse_moment(text_of(form, "ends")),
        milestones=tuple(_milestone(line) for line in text_of(form, "milestones").splitlines() if line.strip()),
        technology=_said(form, "technology"),
        technology_summary=text_of(form, "summary"),
        trl=_level(form, "trl", 9),
        mrl=_level(form, "mrl", 10),
    )


def _said(form: FormData, name: str) -> str:
    text = text_of(form, name)
    if not 1 <= len(text) <= TEXT_MAX:
        raise BadInput(f"{name} is not given, or too long.", where=name, remedy=f"Give 1 to {TEXT_MAX} letters.")
    return text


def _amount(form: FormData, name: str) -> float:
    amount = number_of(form, name)
    if not 0 <= amount <= AMOUNT_MAX:
        raise BadInput(f"{name} is {amount:g}.", where=name, remedy="Give an amount from 0 up.")
    return amount


def _level(form: FormData, name: str, top: int) -> int:
    level = number_of(form, name)
    if not (level == int(level) and 1 <= level <= top):
        raise BadInput(f"A level of {level:g} is none.", where=name, remedy=f"Give 1 to {top}.")
    return int(level)


def _milestone(line: str) -> Milestone:
    fields = [one.strip() for one in line.split(";")]
    try:
        name, due, amount = fields
        return Milestone(name=name, due=parse_moment(due), amount_eur=number(amount, "milestones"))
    except (BadInput, ValueError) as fault:
        raise BadInput(
            f"{line.strip()[:60]!r} is no milestone.", where="milestones", remedy=f"Write it as: {MILESTONE}"
        ) from fault
