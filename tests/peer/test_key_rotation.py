"""A node is given a new key while it belongs to a network: two nodes as `interwork serve` makes them."""

import json
import subprocess
import sys
from contextlib import contextmanager

import pytest
from machines.running import free_port

from interwork.cli import main
from interwork.cli.calls import Remote

pytestmark = pytest.mark.peer


@contextmanager
def serving(folder):
    """Run the node of a folder until the block is left."""
    command = [sys.executable, "-W", "ignore", "-m", "interwork", "serve", "--data", str(folder), "--json"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert json.loads(child.stdout.readline())["ready"]
        yield Remote(folder)
    finally:
        child.terminate()
        child.communicate(timeout=60)


def told(capsys, *words):
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


def made(folder, name, *more):
    assert main(["init", "--data", str(folder), "--name", name, "--port", str(free_port()), *more]) == 0
    return folder


def test_a_new_key_at_either_end_ends_no_membership_and_needs_nothing_of_the_peer(tmp_path, capsys):
    institute = made(tmp_path / "institute", "Institute", "--kind", "research-institute", "--role", "institute")
    plant = made(tmp_path / "plant", "Plant")
    with serving(institute) as other, serving(plant) as own:
        told(capsys, "join", other.address, "--tier", "small", "--data", plant)
        before = json.loads(told(capsys, "identity", "--data", plant, "--json"))
        assert own.post("/api/awards/take") == {"projects": []}
        for folder, algorithm in ((plant, "Ed25519"), (institute, "ES256")):
            assert "Peers have nothing to do" in told(
                capsys, "identity", "--rotate", "--algorithm", algorithm, "--data", folder
            )
            assert own.post("/api/awards/take") == {"projects": []}
        (offer,) = json.loads(told(capsys, "publish", "--list", "--data", institute, "--json"))["offers"]
        assert "Membership" in told(capsys, "publish", "--withdraw", offer["id"], "--data", institute)
        assert told(capsys, "publish", "--list", "--data", institute) == ""
        tags = [one["tag"] for one in own.get("/api/events")["events"]]
    after = json.loads(told(capsys, "identity", "--data", plant, "--json"))
    assert (after["did"], after["keys"][1:], after["signs"]) == (before["did"], before["keys"], after["keys"][0])
    assert ("node:key:rotated" in tags, "federation:access:refused" in tags) == (True, False)
