"""Programme: technologies with what their readiness rests on, the capital chain, practices, gaps, track records."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from interwork.core.programme import (
    Award,
    Call,
    CostShare,
    Disbursement,
    Gap,
    Practice,
    Project,
    Technology,
    TrackRecord,
)
from interwork.flows.node import Node
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.agreements import names_of
from interwork.web.render import render

LISTED_MAX = 1000


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
    )


async def index(request: Request) -> Response:
    """Show technologies and money, each with its evidence."""
    await require(request, *MAY["look"])
    return await render(request, "programme.html", view=await programme_view(node_of(request)))
