"""A job that came before the offers it needs; whole nodes over real HTTP."""

import pytest
from planning_nodes import at_work, crawled, network, reaches, submitted

from interwork.core.exchange import Dataset, DatasetKind
from interwork.core.making import JobStep
from interwork.flows import make_part
from interwork.flows.publish import publish_capacity

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]


async def test_a_job_that_found_nobody_finds_who_offers_meanwhile_when_it_is_carried_on(tmp_path):
    async with network(tmp_path, "lab", "ash", "elm") as nodes:
        lab, shops = nodes["lab"], (nodes["ash"], nodes["elm"])
        for shop in shops:
            for offer in await shop.store.find(Dataset, kind=DatasetKind.CAPACITY, is_withdrawn=False):
                await shop.federation.withdraw(offer.id, actor="test")
        await crawled(nodes["portal"])
        failed = await make_part.run(lab, (await submitted(lab, until="plan")).id)
        assert (failed.state, failed.step) == ("failed", JobStep.MATCH)
        assert "carry the job on then" in failed.remedy
        for shop in shops:
            await publish_capacity(shop)
        await crawled(nodes["portal"])
        await make_part.proceed(lab, failed.id)
        async with at_work((make_part.work, lab)):
            going = await reaches(lab, failed.id, lambda one: one.step is JobStep.MAKE)
        assert len(going.facts["providers"]) == 2
