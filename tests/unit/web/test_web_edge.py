"""How this node stands as a Sparkplug edge node: on the administration's page, over the API, in the shell."""

import msgspec

from interwork.cli.keeping.edge import lines_of
from interwork.connectors.sparkplug.edge_node import EdgeMetric, EdgeNode, EdgeReading
from interwork.core.organisation import Role


def stand(status):
    edge = EdgeNode("plant", "cell-7", primary_host="scada", stored_max=1, status=status)
    edge.declare({"Mill": [EdgeMetric(name="Power", datatype=10)]}, 1)
    edge.connect("mqtt://broker:1883", 2)
    edge.connected(3)
    for at in (1_767_225_600_000, 1_767_225_601_000):
        edge.publish("Mill", [EdgeReading("Power", float(at), at)], at)
    return edge


async def test_the_page_and_the_api_say_the_same_of_the_edge_node(node, owner, program):
    assert "Sparkplug edge node" not in (await owner.get("/admin")).text
    stand(node.edge)
    page = (await owner.get("/admin")).text
    for part in ("plant/cell-7", "mqtt://broker:1883", "scada: Offline", "1 readings wait"):
        assert part in page
    api = await program(Role.MEMBER)
    assert (await api.get("/api/edge")).json()["state"] == "waiting"


def test_the_shell_says_it_in_lines():
    assert lines_of({"descriptor": "", "fault": "No server."}) == ["This node is no Sparkplug edge node. No server."]
    edge = stand(None)
    edge.disconnected("broker gone")
    said = "\n".join(lines_of(msgspec.to_builtins(edge.status)))
    assert "plant/cell-7: offline at mqtt://broker:1883, primary host scada" in said
    assert "1 were lost\nlost: from 2026-01-01T00:00:00.000Z to 2026-01-01T00:00:00.000Z" in said
    assert said.endswith("no link: broker gone")
