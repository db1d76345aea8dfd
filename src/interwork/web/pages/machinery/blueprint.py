"""The blueprint: power, storage and traffic of every device, connected or not, forecast and held."""

from starlette.requests import Request
from starlette.responses import Response

from interwork.core.blueprint import Step
from interwork.core.clock import from_us
from interwork.flows import ingest
from interwork.flows.ingest import figures
from interwork.web.access import MAY, node_of, require
from interwork.web.api.machines import hours_of
from interwork.web.render import render
from interwork.web.words import mark

SPANS = (1, 24, 168)
STEPS: dict[Step, str] = {
    Step.WHOLE: mark("everything is kept"),
    Step.BIGGER_BATCHES: mark("written in bigger batches"),
    Step.COMPRESSION: mark("compressed"),
    Step.DEADBAND_2: mark("twice the deadband"),
    Step.DEADBAND_4: mark("four times the deadband"),
    Step.SLOWER: mark("sampled at half the rate"),
    Step.AGGREGATE: mark("lowest, highest, mean and last of each second"),
    Step.STORE_ONLY: mark("stored, sent on later"),
    Step.DROP_C3: mark("what is only nice to have is dropped"),
    Step.DROP_C2: mark("process values are dropped"),
}
"""What each step of the degradation ladder does, in words."""


async def index(request: Request) -> Response:
    """Show the plant's figures and how each device is held."""
    await require(request, *MAY["read"])
    node = node_of(request)
    plant = await figures.plant(node, hours=hours_of(request))
    states = {one.id: one for one in await ingest.machine_states(node)}
    uplink = ingest.uplink_state(node)
    oldest = uplink.fill.oldest_us if uplink.fill is not None else None
    return await render(
        request,
        "blueprint.html",
        oldest=None if oldest is None else from_us(oldest),
        plant=plant,
        states=states,
        uplink=uplink,
        steps=STEPS,
        spans=SPANS,
        hours=hours_of(request),
    )
