"""The ladder's word to a machine: a connector that can be slowed is, and is let go again; the event says so."""

import pytest
from flows_world import START, opened, signal

from interwork.core.blueprint import Step
from interwork.core.event import Tag
from interwork.core.resource import Blueprint, Meaning
from interwork.flows.ingest import ticking
from interwork.flows.links import Link
from interwork.stream.blueprint import Hold, Ladder


class Willing:
    """A connector that can be slowed."""

    def __init__(self):
        self.told = []

    def slow(self, factor):
        self.told.append(factor)


def a_link(connector):
    blueprint = Blueprint(
        id="b", resource="resource-mill", protocol="opcua", storage_bytes_per_day=1e9, storage_quota_bytes=1e9,
        retention_days=1, rated_power_kw=1, is_connected=True, traffic_samples_per_s=1000, burst_samples=1000,
        forecast="", admitted_at=START,
    )  # fmt: skip
    hold = Hold(blueprint, [signal(1, Meaning.POWER, deadband=0.5)], ladder=Ladder(down_s=0, back_s=0))
    return Link(resource="resource-mill", name="Mill", endpoint="opc.tcp://h", hold=hold, connector=connector)


@pytest.mark.parametrize(
    ("connector", "sampling", "told"), [(Willing(), "at the machine", [2.0, 1.0]), (object(), "thinned out here", None)]
)
async def test_the_step_slower_reaches_the_machine_and_the_event_says_so(tmp_path, connector, sampling, told):
    """machines 35: the ladder slows sampling at the machine itself, where it can, and comes back."""
    async with opened(tmp_path) as node:
        link = a_link(connector)
        link.hold.ladder.step = Step.DEADBAND_4
        await ticking._judge(node, link, Step.SLOWER)
        ticking._pace(link)
        link.hold.ladder.step = Step.WHOLE
        ticking._pace(link)
        (event,) = [one for one in await node.store.events(limit=50) if one.tag == Tag.BLUEPRINT_STEPPED]
    assert (event.detail["after"], event.detail["sampling"]) == ("SLOWER", sampling)
    assert getattr(connector, "told", None) == told
