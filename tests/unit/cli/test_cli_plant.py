"""The verbs of operators: what they send, and how shifts are read."""

import pytest

from interwork.cli import parser
from interwork.cli.calls import Remote
from interwork.cli.plant import verbs
from interwork.core.errors import BadInput, NotFound


class Node:
    """What a verb asks of the node, written down; answers come from a table."""

    asked: list = []
    answers: dict = {}

    def __init__(self, _folder):
        pass

    def get(self, path, **query):
        self.asked.append(("GET", path, query))
        return self.answers[path]

    def post(self, path, body=None, **query):
        self.asked.append(("POST", path, body))
        return self.answers[path]


@pytest.fixture
def node(monkeypatch):
    monkeypatch.setattr(verbs, "Remote", Node)
    monkeypatch.setattr(Node, "asked", [])
    monkeypatch.setattr(Node, "answers", {"/api/resources": {"resources": [{"id": "resource-1", "name": "Mill"}]}})
    return Node


def run(*words):
    arguments = parser().parse_args(words)
    return arguments.run(arguments)


@pytest.mark.parametrize("verb", ["kpi", "stops", "alarms", "unusual", "baseline", "change", "shifts"])
def test_every_verb_teaches_by_its_help(verb, capsys):
    with pytest.raises(SystemExit):
        run(verb, "--help")
    assert "--json" in capsys.readouterr().out


def test_a_rule_is_sent_with_its_condition(node, capsys):
    node.answers["/api/alarm-rules"] = {"id": "alarmrule-1", "name": "Warm"}
    run("alarms", "add", "--name", "Warm", "--signal", "signal-1", "--above", "30", "--deadband", "1", "--json")
    _, path, body = node.asked[-1]
    assert (path, body["condition"], body["limit"], body["deadband"]) == ("/api/alarm-rules", "above", 30.0, 1.0)
    assert "alarmrule-1" in capsys.readouterr().out


def test_a_rule_without_a_condition_is_told_what_is_missing(node):
    with pytest.raises(BadInput, match="condition"):
        run("alarms", "add", "--name", "Warm", "--signal", "signal-1")


def test_shelving_sends_hours_and_reason(node, capsys):
    node.answers["/api/alarms/alarm-1/shelve"] = {"id": "alarm-1", "state": "shelved"}
    run("alarms", "shelve", "alarm-1", "--hours", "2", "--reason", "being mended")
    assert node.asked[-1][2] == {"reason": "being mended", "hours": 2.0}
    assert capsys.readouterr().out == "alarm-1  shelved\n"


def test_a_machine_is_found_by_its_name_and_an_unknown_one_named(node):
    node.answers["/api/machines/resource-1/stops"] = {"stops": []}
    assert run("stops", "Mill") == 0
    with pytest.raises(NotFound, match="Lathe"):
        run("stops", "Lathe")


def test_shifts_are_read_as_they_are_said(node):
    node.answers["/api/calendars"] = {"name": "Shifts", "zone": "UTC", "shifts": []}
    run("shifts", "Early 06:00-14:00 mon-fri", "Night 22:00-06:00 fri-mon", "--zone", "Europe/Berlin")
    body = node.asked[-1][2]
    assert body["zone"] == "Europe/Berlin"
    assert [one["days"] for one in body["shifts"]] == [[0, 1, 2, 3, 4], [4, 5, 6, 0]]
    with pytest.raises(BadInput, match="no shift"):
        run("shifts", "whenever we like")


def test_alarms_are_listed_by_machine_and_rule_where_nothing_else_is_said(node, capsys):
    alarm = {"id": "alarm-1", "rule": "alarmrule-1", "resource": "resource-1", "priority": 3, "state": "active",
             "value": "31 Cel", "changed_at": "2026-11-22T14:00:00Z"}  # fmt: skip
    node.answers |= {
        "/api/alarms": {"groups": [{"alarms": [alarm]}], "hidden": []},
        "/api/alarm-rules": {"rules": [{"id": "alarmrule-1", "name": "Warm"}]},
    }
    run("alarms")
    assert capsys.readouterr().out.startswith("3  Mill: Warm ")


def test_what_is_empty_is_said_in_words(node, capsys):
    node.answers |= {"/api/unusual": {"unusual": []}, "/api/calendars": {"calendars": []}}
    node.answers["/api/baselines"] = {"baselines": []}
    for verb in ("unusual", "shifts", "baseline"):
        run(verb)
    assert [len(line) > 20 for line in capsys.readouterr().out.splitlines()] == [True] * 3


def test_a_calendar_is_for_the_machines_that_are_named(node):
    node.answers["/api/calendars"] = {"name": "Shifts", "zone": "UTC", "shifts": []}
    run("shifts", "Early 06:00-14:00", "--machine", "Mill")
    assert node.asked[-1][2]["resources"] == ["resource-1"]


def test_the_folder_of_a_network_names_its_nodes(tmp_path):
    for name in ("alder", "birch"):
        folder = tmp_path / "nodes" / name
        folder.mkdir(parents=True)
        (folder / "node.toml").write_text("")
    with pytest.raises(NotFound) as said:
        Remote(tmp_path)
    assert str(tmp_path / "nodes" / "birch") in said.value.message
    assert f"--data {tmp_path / 'nodes' / 'alder'}" in said.value.remedy
