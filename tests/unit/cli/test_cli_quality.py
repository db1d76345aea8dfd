"""The verb `quality`: results that somebody wrote down, on a running node."""

import io
import json
import sys

import pytest

from interwork.cli import parser
from interwork.cli.rnd import quality
from interwork.core.errors import BadInput

RECORD = {"id": "quality-1", "file_name": "lot7 (typed)"}
FOUND = {
    "series": {"name": "length", "values": [80.02, 79.98]}, "mean": 80.0, "capability": None, "signals": [],
    "outside": [],
}  # fmt: skip


class Node:
    """What the verb asks of the node, written down."""

    asked: list = []

    def __init__(self, _folder):
        pass

    def get(self, path, **_query):
        assert path == "/api/quality/quality-1"
        return {"record": RECORD, "characteristics": [FOUND]}

    def post(self, path, body=None, **_query):
        self.asked.append((path, body))
        return RECORD


@pytest.fixture
def node(monkeypatch):
    monkeypatch.setattr(quality, "Remote", Node)
    monkeypatch.setattr(Node, "asked", [])
    return Node


def run(*words):
    arguments = parser().parse_args(["quality", *words])
    return arguments.run(arguments)


def test_lines_of_a_file_are_sent_with_the_revision_and_the_unit(node, tmp_path, capsys):
    """design 40: results written down are typed in from the command line."""
    path = tmp_path / "lot7.csv"
    path.write_bytes(b"\xef\xbb\xbflength, 1, 80.02\nlength, 2, 79.98\n")
    assert run("type", str(path), "--revision", "rev-1", "--unit", "in", "--json") == 0
    (asked,) = node.asked
    rows = "length, 1, 80.02\nlength, 2, 79.98\n"
    assert asked == ("/api/quality/typed", {"title": "lot7", "rows": rows, "revision": "rev-1", "unit": "in"})
    assert json.loads(capsys.readouterr().out)["record"] == RECORD


def test_lines_come_from_standard_input_where_a_dash_stands(node, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"length, 1, 80.02")))
    assert run("type", "-", "--title", "Lot 7") == 0
    assert (node.asked[0][1]["title"], node.asked[0][1]["rows"]) == ("Lot 7", "length, 1, 80.02")
    assert "n 2" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "says"), [("nowhere.csv", "cannot be read"), ("table.xls", "is no text")])
def test_a_file_that_is_no_text_is_refused_before_the_node_is_asked(node, tmp_path, name, says):
    (tmp_path / "table.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\xff")
    with pytest.raises(BadInput, match=says):
        run("type", str(tmp_path / name))
    assert not node.asked


def test_the_verb_teaches_how_a_line_is_written(capsys):
    with pytest.raises(SystemExit):
        run("--help")
    said = capsys.readouterr().out
    assert all(word in said for word in ("quality type", "characteristic, part, value", "--json"))
