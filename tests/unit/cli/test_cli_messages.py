"""Bad input at the command line: one line that says what, where and what to do; a non-zero exit; nothing lost."""

import errno
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import structlog
from machines.running import free_port

from interwork.cli import main
from interwork.cli.calls import Remote


@pytest.fixture
def say(capsys, monkeypatch):
    """Run one verb in-process; give its exit code and what it said on standard error."""
    for name in ("INTERWORK_PORT", "INTERWORK_DATABASE"):
        monkeypatch.delenv(name, raising=False)

    def run(*words):
        code = main([str(word) for word in words])
        return code, capsys.readouterr().err

    yield run
    structlog.reset_defaults()


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield probe.getsockname()[1]


@pytest.fixture
def node(say, tmp_path, port):
    """Make a node that is not running; its port is taken by the fixture's own socket."""
    folder = tmp_path / "node"
    assert say("init", "--data", folder, "--name", "Test shop", "--port", port)[0] == 0
    return folder


def is_one_line(said):
    return said.startswith("interwork: ") and said.count("\n") == 1 and "Traceback" not in said


@pytest.mark.parametrize("verb", [["serve"], ["doctor"], ["publish"], ["report"], ["thread"], ["agreement", "list"]])
def test_a_folder_without_a_node_is_said_with_the_verb_that_makes_one(say, tmp_path, verb):
    code, said = say(*verb, "--data", tmp_path / "nothing")
    assert code == 1
    assert is_one_line(said)
    assert "nothing holds no node" in said
    assert "interwork init" in said


def test_a_data_folder_that_is_a_file_is_no_node(say, tmp_path):
    (tmp_path / "file").write_text("hello")
    code, said = say("serve", "--data", tmp_path / "file")
    assert (code, is_one_line(said)) == (1, True)


def test_a_file_cannot_become_a_data_folder(say, tmp_path):
    (tmp_path / "file").write_text("hello")
    code, said = say("init", "--name", "x", "--data", tmp_path / "file")
    assert (code, is_one_line(said)) == (1, True)
    assert "--data" in said
    assert (tmp_path / "file").read_text() == "hello"


def test_a_node_is_never_made_over_another(say, node):
    before = (node / "node.toml").read_bytes()
    code, said = say("init", "--name", "Other", "--data", node)
    assert (code, is_one_line(said)) == (1, True)
    assert "holds a node already" in said
    assert (node / "node.toml").read_bytes() == before


def test_an_impossible_port_is_refused_before_anything_is_made(say, tmp_path):
    code, said = say("init", "--name", "x", "--data", tmp_path / "n", "--port", 70_000)
    assert (code, is_one_line(said)) == (1, True)
    assert not (tmp_path / "n").exists()


def test_settings_with_an_unknown_key_name_the_file_and_the_key(say, tmp_path):
    settings = tmp_path / "more.toml"
    settings.write_text("nonsense = 3\n")
    code, said = say("init", "--name", "x", "--data", tmp_path / "n", "--settings", settings)
    assert (code, is_one_line(said)) == (1, True)
    assert "more.toml" in said
    assert "nonsense" in said
    assert list((tmp_path / "n").glob("node.toml*")) == []


@pytest.mark.parametrize("text", [b"bogus = 1\n", b"name = [", b"\xff\xfe", b"port = 'x'\n"])
def test_a_settings_file_that_cannot_be_read_is_named(say, node, text):
    kept = (node / "node.toml").read_bytes()
    (node / "node.toml").write_bytes(kept + text)
    code, said = say("serve", "--data", node)
    assert (code, is_one_line(said)) == (1, True)
    assert "node.toml" in said


def test_a_port_in_use_is_named_with_what_to_do(say, node, port):
    code, said = say("serve", "--data", node)
    assert (code, is_one_line(said)) == (1, True)
    assert str(port) in said
    assert "node.toml" in said


@pytest.mark.parametrize("verb", [["doctor"], ["token"], ["export", "--to", "never.tar.gz"]])
def test_data_of_a_newer_version_is_left_alone(say, node, verb, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect(node / "state.sqlite3") as database:
        database.execute("UPDATE alembic_version SET version_num = 'r9999'")
    database.close()
    code, said = say(*verb, "--data", node)
    assert (code, is_one_line(said)) == (1, True)
    assert "newer version" in said
    assert "r9999" in said
    assert not (tmp_path / "never.tar.gz").exists()


def test_a_database_that_is_none_is_called_damaged(say, node):
    (node / "state.sqlite3").write_bytes(b"no database" * 1000)
    for rest in node.glob("state.sqlite3-*"):
        rest.unlink()
    code, said = say("doctor", "--verify", "--data", node)
    assert (code, is_one_line(said)) == (1, True)
    assert "damaged" in said


def test_a_node_that_does_not_run_is_said_with_the_verb_that_starts_it(say, node, port):
    code, said = say("publish", "--data", node)
    assert (code, is_one_line(said)) == (1, True)
    assert f"127.0.0.1:{port}" in said
    assert "interwork serve" in said


def test_an_archive_that_cannot_be_written_is_named(say, node, tmp_path):
    code, said = say("export", "--data", node, "--to", tmp_path / "no" / "such.tar.gz")
    assert (code, is_one_line(said)) == (1, True)
    assert "such.tar.gz" in said


def test_a_disk_that_fills_is_said_and_no_half_archive_or_node_is_left(say, node, tmp_path, monkeypatch):
    """streams 28: an archive too large for its disk is no damaged one, and what was begun is taken away."""

    def fill(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert say("backup", "--data", node, "--to", tmp_path / "whole.tar.gz")[0] == 0
    before = set(tmp_path.iterdir())
    monkeypatch.setattr(tarfile.TarFile, "addfile", fill)
    monkeypatch.setattr(tarfile.TarFile, "extractall", fill)
    for words in (
        ["export", "--data", node, "--to", tmp_path / "records.tar.gz"],
        ["backup", "--data", node, "--to", tmp_path / "all.tar.gz"],
        ["restore", tmp_path / "whole.tar.gz", "--data", tmp_path / "new"],
    ):
        code, said = say(*words)
        assert (code, is_one_line(said), set(tmp_path.iterdir())) == (1, True, before)
        assert os.strerror(errno.ENOSPC) in said
        assert "Free space" in said


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["make"], "Which part?"),
        (["make", "part.step"], "Of which material?"),
        (["make", "part.step", "--material", "pom"], "part.step cannot be read"),
        (["plan", ".", "--material", "pom"], "cannot be read"),
        (["agreement", "show"], "Which agreement?"),
        (["run", "start"], "Which run?"),
        (["fund", "call"], "needs a description"),
        (["fund", "award", "--file", "none.toml"], "none.toml"),
        (["connect", "none", "--profile", "none.toml"], "none.toml"),
    ],
)
def test_what_is_missing_is_asked_for(say, node, words, wanted, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, said = say(*words, "--data", node)
    assert (code, is_one_line(said)) == (1, True)
    assert wanted in said


def test_a_due_date_that_is_none_is_said_with_examples(say, node, tmp_path):
    (tmp_path / "part.step").write_text("ISO-10303-21;")
    code, said = say("make", tmp_path / "part.step", "--material", "pom", "--due", "soon", "--data", node)
    assert (code, is_one_line(said)) == (1, True)
    assert "+10d" in said


def test_a_program_gets_the_same_facts_as_json(tmp_path, capsys):
    assert main(["doctor", "--json", "--data", str(tmp_path / "nothing")]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["code"] == "not-found"
    assert facts["message"]
    assert facts["remedy"]


def test_words_that_are_no_words_of_ours_end_with_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["mak"])
    assert ended.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_a_node_whose_log_finds_no_room_serves_on(say, tmp_path):
    folder = tmp_path / "free"
    assert say("init", "--data", folder, "--name", "Test shop", "--port", free_port())[0] == 0
    command = [sys.executable, "-m", "interwork", "serve", "--data", str(folder), "--json", "--verbose"]
    with Path("/dev/full").open("w") as full:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=full, text=True)
    try:
        assert json.loads(child.stdout.readline())["ready"]
        assert Remote(folder).get("/api/node")["name"] == "Test shop"
    finally:
        child.terminate()
        child.communicate(timeout=60)
