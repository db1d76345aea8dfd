"""The plant at a glance: what needs somebody first, then every machine; calm while nothing is abnormal (ISA-101)."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from interwork.core.errors import InterworkError
from interwork.core.operating import AlarmRule
from interwork.core.resource import Resource, Signal
from interwork.flows.node import Node
from interwork.flows.operate import alarms, figures, space, unusual
from interwork.flows.operate.inputs import machines
from interwork.flows.operate.rules import RULES_MAX
from interwork.flows.operate.unusual import Watched
from interwork.stream.historian import Health
from interwork.stream.insight import Figure, Group, Unusual
from interwork.web.access import MAY, node_of, require
from interwork.web.pages.machines import MachineRow, machine_rows
from interwork.web.pages.plant.drawing import Bar, waterfall
from interwork.web.period import Period, period_of
from interwork.web.render import render

RANGES = ("1h", "8h", "24h", "7d")
UNUSUAL_MAX = 5
HEAD = ("oee", "availability", "effectiveness", "quality-ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One machine with its figures of the period, or why there are none."""

    machine: MachineRow
    figures: dict[str, Figure]
    fault: str
    alarms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """What the overview shows."""

    period: Period
    rows: tuple[Row, ...]
    whole: figures.Period | None
    bars: tuple[Bar, ...]
    groups: tuple[Group, ...]
    rules: dict[str, AlarmRule]
    names: dict[str, str]
    unusual: tuple[tuple[Resource, Signal, Unusual], ...]
    watched: Watched
    space: Health | None
    """What is wrong with the room for readings; None where nothing is."""
    silent: int
    """Connected machines that nothing is heard from now."""

    @property
    def needs(self) -> int:
        """Count what needs somebody."""
        return sum(len(one.alarms) for one in self.groups) + len(self.unusual) + (self.space is not None)

    @property
    def known(self) -> float:
        """Tell the share of the period for which the machines' states are known."""
        return self.whole.figure("availability").coverage if self.whole else 0.0

    @property
    def is_simulated(self) -> bool:
        """Tell whether a machine's clock is not ours."""
        return any(one.machine.resource.time_scale != 1 for one in self.rows)


async def plant_of(node: Node, period: Period) -> Plant:
    """Collect the overview; a machine that cannot be computed is told and hides no other."""
    own = await machines(node)
    told = {one.id: await figures.safely(node, one, period.start_us, period.end_us) for one in own}
    good = [one for one in told.values() if not isinstance(one, InterworkError)]
    groups, _ = await alarms.present(node)
    many: dict[str, int] = {one.resource: len(one.alarms) for one in groups}
    rows = []
    for row in await machine_rows(node, with_sparks=True):
        found = told.get(row.resource.id)
        rows.append(
            Row(
                machine=row,
                figures={one.name: one for one in found.figures} if isinstance(found, figures.Period) else {},
                fault=str(found) if isinstance(found, InterworkError) else "",
                alarms=many.get(row.resource.id, 0),
            )
        )
    span = (period.start_us, period.end_us)
    whole = figures.together(node.settings.name, good, span) if good else None
    return Plant(
        period=period,
        rows=tuple(rows),
        whole=whole,
        bars=tuple(waterfall(whole.losses)) if whole else (),
        groups=tuple(groups),
        rules={one.id: one for one in await node.store.find(AlarmRule, limit=RULES_MAX)},
        names={one.id: one.name for one in own},
        unusual=tuple(await _unusual(node)),
        watched=await unusual.watched(node),
        space=await space.trouble(node),
        silent=sum(one.machine.execution == "unavailable" for one in rows),
    )


async def _unusual(node: Node) -> list[tuple[Resource, Signal, Unusual]]:
    try:
        return await unusual.plant_unusual(node, most=UNUSUAL_MAX)
    except InterworkError:  # too much history to look through: the overview goes on without it
        return []


async def index(request: Request) -> Response:
    """Show the plant."""
    await require(request, *MAY["read"])
    view = await plant_of(node_of(request), period_of(request))
    return await render(request, "plant/overview.html", view=view, ranges=RANGES, head=HEAD)
