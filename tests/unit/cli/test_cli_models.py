"""The verb `model run`: which model of a chain an input or a link is of."""

import pytest

from interwork.cli import parser
from interwork.cli.rnd import model
from interwork.core.errors import BadInput


class Node:
    """What the verb asks of the node, written down."""

    asked: list = []

    def __init__(self, _folder):
        pass

    def post(self, _path, body=None, **_query):
        self.asked.append(body)
        return {"runs": []}


@pytest.fixture
def node(monkeypatch):
    monkeypatch.setattr(model, "Remote", Node)
    monkeypatch.setattr(Node, "asked", [])
    return Node


def run(*words):
    arguments = parser().parse_args(["model", "run", *words])
    return arguments.run(arguments)


def test_an_input_of_a_later_model_of_a_chain_is_given_by_its_place(node):
    """design 42: a chain whose second model has an input no link fills."""
    run(
        "a", "b", "c", "--set", "speed=4000 {rpm}", "--set", "1.mass=10", "--link", "1.power=0.power", "--link", "t=1.t"
    )
    first, second, third = node.asked[0]["steps"]
    assert first["inputs"] == {"speed": {"value": 4000.0, "unit": "{rpm}"}}
    assert (second["inputs"], second["links"]) == (
        {"mass": {"value": 10.0, "unit": ""}},
        {"power": {"step": 0, "output": "power"}},
    )
    assert third["links"] == {"t": {"step": 1, "output": "t"}}


def test_a_port_with_a_dot_in_its_name_is_no_place(node):
    run("a", "--set", "body.mass=10")
    assert node.asked[0]["steps"][0]["inputs"] == {"body.mass": {"value": 10.0, "unit": ""}}


def test_a_place_beyond_the_chain_is_refused(node):
    with pytest.raises(BadInput, match="is of model 2; there are 2"):
        run("a", "b", "--set", "2.mass=10")
    assert not node.asked
