"""The design of an order at the shop that makes it; whole nodes over real HTTP."""

from importlib import resources

import pytest
from msgspec.structs import replace
from planning_nodes import at_work, command, eventually, network, reaches, submitted

from interwork.core.errors import NotFound
from interwork.core.exchange import Receipt, Side
from interwork.core.making import JobStep, Order, OrderState
from interwork.flows import make_part
from interwork.flows.fulfil import perform
from interwork.store import Change

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]
DESIGN = resources.files("interwork").joinpath("samples", "bracket.step")


async def ordered_at(shop):
    return (await shop.store.find(Order, side=Side.PROVIDER))[0]


async def test_a_shop_takes_out_the_design_it_ordered_by_and_works_by_no_other(tmp_path, capsys):
    async with network(tmp_path, "lab", "ash", "elm") as nodes:
        lab, ash, elm = (nodes[key] for key in ("lab", "ash", "elm"))
        async with at_work((make_part.work, lab)):
            job = (await submitted(lab)).id
            await reaches(lab, job, lambda one: one.step is JobStep.MAKE and len(one.orders) == 2)
            order = await ordered_at(elm)
            with pytest.raises(NotFound, match="is not here"):
                await perform.design_of(elm, order.id)
            other = await ordered_at(ash)
            await ash.store.commit(Change("test").put(replace(other, design_digest="sha256:" + 64 * "0"), expect=other))
            async with at_work((perform.work, ash), (perform.work, elm)):
                await eventually(lambda: elm.store.get(Order, order.id), lambda one: one.state is OrderState.IN_WORK)
                await eventually(lambda: ash.store.count(Receipt), lambda crossed: crossed > 0)
                told, content = await perform.design_of(elm, order.id)
                assert (told.design_name, content) == ("bracket.step", DESIGN.read_bytes())
                assert (await ordered_at(ash)).state is OrderState.ACCEPTED
            assert await command(elm, "orders", "--design", order.id, "--to", str(tmp_path)) == 0
            assert (tmp_path / "bracket.step").read_bytes() == DESIGN.read_bytes()
            assert "bracket.step" in capsys.readouterr().out
            assert await command(elm, "orders", "--design", order.id, "--to", str(tmp_path)) == 1
            assert "is there already" in capsys.readouterr().err
            assert await command(ash, "orders", "--design", other.id, "--to", str(tmp_path / "no")) == 1
            assert "is not here" in capsys.readouterr().err
            assert not (tmp_path / "no").exists()
