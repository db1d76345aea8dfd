"""The thread walked back across two nodes over real HTTP: what is shared is told, what is not stays in its place."""

from two_flow_nodes import institute_and_member

from interwork.core.design import EdgeKind
from interwork.design import prov_o, read_prov_o
from interwork.flows.rnd import across
from interwork.flows.weave import Knot, knot, tie
from interwork.store import Change


async def weave(node, knots, ties):
    change = Change("test")
    for identifier, kind, holder in knots:
        knot(node, change, Knot(id=identifier, kind=kind, label=f"the {kind}", holder=holder))
    for source, kind, target in ties:
        tie(node, change, source, kind, target)
    await node.store.commit(change)


async def test_a_backward_trace_crosses_to_another_node_and_shows_what_is_not_shared(tmp_path):
    """design 38: inspection value → requirement, revision, plan, operation, machine interval, decision; two nodes."""
    async with institute_and_member(tmp_path) as (lab, shop):
        kind = EdgeKind
        await weave(
            shop,
            [
                ("need-requirement1", "requirement", ""), ("rev-bracket00001", "design", ""),
                ("process-bracket01", "process-plan", ""), ("plan-bracket00001", "plan", ""),
                ("order-bracket0001", "order", lab.did), ("run-first0000001", "run", lab.did),
                ("run-second000001", "run", lab.did), ("inspection-value01", "inspection", lab.did),
            ],
            [
                ("need-requirement1", kind.SATISFIES, "rev-bracket00001"),
                ("rev-bracket00001", kind.PLANS, "process-bracket01"),
                ("process-bracket01", kind.DECIDES, "plan-bracket00001"),
                ("plan-bracket00001", kind.PERFORMS, "order-bracket0001"),
                ("order-bracket0001", kind.EXECUTES, "run-first0000001"),
                ("order-bracket0001", kind.EXECUTES, "run-second000001"),
                ("run-first0000001", kind.OBSERVED, "inspection-value01"),
                ("run-second000001", kind.OBSERVED, "inspection-value01"),
            ],
        )  # fmt: skip
        for run, number in (("run-first0000001", 1), ("run-second000001", 2)):
            mine = [(f"operation-mill{number}", "operation"), (f"interval-mill{number}", "observation"),
                    (f"decision-speed{number}", "decision"), (run, "run")]  # fmt: skip
            await weave(
                lab,
                [(name, what, "") for name, what in mine],
                [
                    (f"decision-speed{number}", kind.DECIDES, f"operation-mill{number}"),
                    (f"operation-mill{number}", kind.EXECUTES, run),
                    (f"interval-mill{number}", kind.EXECUTES, run),
                ],
            )
        await across.share(lab, "run-first0000001", to=shop.did, name="Alder")
        found = await across.reach(shop, "inspection-value01")
        nodes = {one.id: one for one in found.part.nodes}
        wanted = {"requirement", "design", "process-plan", "plan", "operation", "observation", "decision", "run"}
        assert wanted <= {one.kind for one in nodes.values()}
        assert nodes["operation-mill1"].holder == lab.did
        assert nodes["run-first0000001"].is_shared
        assert not nodes["run-second000001"].is_shared
        assert not {"operation-mill2", "interval-mill2", "decision-speed2"} & nodes.keys()
        assert "run-second000001" in found.hidden
        assert all(one.agent and one.at for one in found.part.edges)
        assert {one.agent for one in found.part.edges} == {shop.did, lab.did}
        back = read_prov_o(prov_o(found.part.nodes, found.part.edges))
        assert {one.id: one.is_shared for one in back[0]} == {one.id: one.is_shared for one in nodes.values()}
        again = await across.reach(shop, "inspection-value01")
        assert {one.id for one in again.part.nodes} == nodes.keys()
