"""Every connector folder says in connector.toml what it is, what it was tested against and how far it goes."""

import ast
import tomllib
from pathlib import Path

import pytest

from interwork import connectors
from interwork.connectors import GROUP

FOLDER = Path(connectors.__file__).parent
KINDS = sorted(path.parent.name for path in FOLDER.glob("*/connector.toml"))
PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def card_of(kind):
    return tomllib.loads((FOLDER / kind / "connector.toml").read_text(encoding="utf-8"))


def options_in(source):
    """Find the option names a connector checks for, as they stand in its source."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        is_option = isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("_option")
        if is_option and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
            names.add(node.args[1].value)
    return names


def test_every_kind_has_a_card_and_an_entry_point_for_its_scheme():
    declared = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["entry-points"][GROUP]
    kinds = {scheme: target.partition(":")[0].rpartition(".")[2] for scheme, target in declared.items()}
    assert set(kinds.values()) == set(KINDS)
    assert all(kinds[card_of(kind)["scheme"]] == kind for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_names_kind_title_transports_and_directions(kind):
    card = card_of(kind)
    assert card["kind"] == kind
    assert card["title"]
    assert card["transports"]
    assert set(card["directions"]) <= {"read", "subscribe", "write"}
    assert set(card) == {"kind", "title", "scheme", "transports", "directions", "options", "tested", "rules"}


@pytest.mark.parametrize("kind", KINDS)
def test_it_was_tested_against_something_named(kind):
    for entry in card_of(kind)["tested"]:
        assert entry["against"] in ("simulator", "peer", "capture")
        assert entry["what"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_is_done_or_says_why_it_is_not(kind):
    for rule in card_of(kind)["rules"]:
        assert rule["state"] in ("done", "todo", "exempt")
        assert rule["rule"]
        assert rule["state"] != "exempt" or rule["comment"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_that_is_read_is_described(kind):
    described = set(card_of(kind)["options"])
    assert options_in((FOLDER / kind / "__init__.py").read_text(encoding="utf-8")) <= described
    assert all(card_of(kind)["options"].values())
