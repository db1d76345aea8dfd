"""Readings out and in over a served node: API and command line, and a backup that is restored and checked."""

import json
import sys

import anyio
import numpy as np
import pyarrow.parquet as pq
import pytest
from loopback_nodes import bound_socket, served

from interwork import cli
from interwork.app import open_node
from interwork.cli.calls import Remote
from interwork.cli.local import make_node
from interwork.core.event import Tag
from interwork.core.resource import Resource, ResourceKind, Signal
from interwork.store import Change
from interwork.stream import batch_of
from interwork.web import create_app

pytestmark = pytest.mark.peer
BASE = 1_789_999_200_000_000
COUNT = 120_000


def mill(node):
    signals = [
        Signal(id=f"signal-{number}", number=number, resource="mill", name="=name", address="a", unit="kW")
        for number in (1, 2)
    ]
    change = Change().put(Resource(id="mill", name="Mill", kind=ResourceKind.MACHINE, owner="o"))
    for one in signals:
        change.put(one)
    return change


async def fill(folder, *, is_full=True):
    node = await open_node(folder)
    await node.store.commit(mill(node))
    if is_full:
        rows = np.arange(COUNT)
        await node.historian.append(batch_of(rows % 2 + 1, BASE + rows // 2 * 10_000, rows * 0.5, np.zeros(COUNT)))
        await node.historian.seal()
    await node.historian.close()
    await node.store.close()


@pytest.fixture
def folder(tmp_path):
    listener = bound_socket()
    port = listener.getsockname()[1]
    listener.close()
    made = tmp_path / "node"
    make_node(made, name="Oak", kind="small-manufacturer", port=port, roles=["member"])
    anyio.run(fill, made)
    return made


async def while_served(folder, *calls):
    """Run command lines in a thread while the node of a folder serves."""
    node = await open_node(folder)
    listener = bound_socket(node.settings.port)
    async with node.running(), served(create_app(node), listener):
        return [await anyio.to_thread.run_sync(cli.main, [str(word) for word in one]) for one in calls]


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_an_export_is_brought_into_another_node_unchanged(folder, tmp_path, form, capsys):
    """streams 28: export, import; more readings than a page, both of each moment."""
    out = tmp_path / f"out.{form}"
    span = ["--start", "2026-09-21T14:00:00Z", "--end", "2026-09-21T15:00:00Z", "--format", form]
    words = ["readings", "export", "--data", folder, "--signals", "signal-1,signal-2", *span, "--to", out]
    assert anyio.run(while_served, folder, words) == [0]
    other = tmp_path / "other"
    listener = bound_socket()
    port = listener.getsockname()[1]
    listener.close()
    make_node(other, name="Elm", kind="small-manufacturer", port=port, roles=["member"])
    anyio.run(lambda: fill(other, is_full=False))
    bring = ["readings", "import", "--data", other, out, "--format", form, "--json"]
    again = ["readings", "export", "--data", other, "--signals", "signal-1,signal-2", *span[:4], "--to", tmp_path / "b"]
    assert anyio.run(while_served, other, bring, bring, again) == [0, 0, 0]
    table = pq.read_table(tmp_path / "b")
    assert (len(table), table["value"].to_pylist()) == (COUNT, [row * 0.5 for row in range(COUNT)])
    assert table.schema.metadata[b"interwork.organisation"] == b"Elm"
    assert '"readings": 120000' in capsys.readouterr().out


def test_a_legal_hold_is_laid_and_lifted_from_the_command_line_and_recorded(folder, capsys):
    """streams 18: a person can say it, and what was said is on record."""
    words = ["readings", "keep", "--data", folder, "--signals", "signal-1,signal-2"]
    calls = ([*words, "--days", "90", "--hold"], [*words, "--lift-hold"], [*words, "--days", "0"])
    assert anyio.run(while_served, folder, *calls) == [0, 0, 1]
    assert "noted for 2 signals" in capsys.readouterr().out

    async def recorded():
        node = await open_node(folder)
        events = await node.store.events(tag=Tag.READINGS_RETAINED)
        rules = node.historian._engine.sealing.execute("SELECT * FROM keeping").fetchall()
        await node.historian.close()
        await node.store.close()
        return [(one.detail["days"], one.detail["hold"]) for one in events], rules

    assert anyio.run(recorded) == ([(90.0, True), (None, False)], [])


def test_what_cannot_be_exported_is_said_in_a_line(folder, tmp_path, capsys):
    out = ["--to", tmp_path / "x"]
    one = ["readings", "export", "--data", folder, "--signals", "signal-9", *out]
    bad = tmp_path / "bad"
    bad.write_bytes(b"no parquet")
    assert anyio.run(while_served, folder, one, ["readings", "import", "--data", folder, bad]) == [1, 1]
    said = capsys.readouterr().err
    assert "signal-9" in said
    assert "no readings in parquet" in said
    assert not (tmp_path / "x").exists()


def test_an_export_no_room_is_left_for_leaves_nothing_and_says_what_to_do(folder, tmp_path):
    """streams 28: the whole of it or nothing; what stood there before still stands, and the node goes on."""
    out = tmp_path / "to" / "out"
    out.parent.mkdir()
    out.write_bytes(b"of yesterday")
    span = ["--start", "2026-09-21T14:00:00Z", "--end", "2026-09-21T15:00:00Z"]
    words = ["readings", "export", "--data", folder, "--signals", "signal-1,signal-2", *span, "--to", out]
    limited = ["/bin/sh", "-c", 'ulimit -f 128; exec "$@"', "sh", sys.executable, "-m", "interwork"]

    async def run():
        node = await open_node(folder)
        async with node.running(), served(create_app(node), bound_socket(node.settings.port)):
            done = await anyio.run_process([*limited, *map(str, words)], check=False)
            left = [(one.name, one.read_bytes()) for one in out.parent.iterdir()]
            return done, left, await anyio.to_thread.run_sync(cli.main, [str(word) for word in words])

    done, left, again = anyio.run(run)
    assert (done.returncode, left, again) == (1, [("out", b"of yesterday")], 0), done.stderr
    assert b"Nothing is left of it" in done.stderr
    assert b"Free space there" in done.stderr
    assert out.stat().st_size > 128 * 512


def test_two_exports_into_one_file_at_once_leave_a_whole_one(folder, tmp_path, monkeypatch):
    out, download = tmp_path / "out", Remote.download
    span = ["--start", "2026-09-21T14:00:00Z", "--end", "2026-09-21T15:00:00Z"]
    words = ["readings", "export", "--data", folder, "--signals", "signal-1,signal-2", *span, "--to", out]

    def overtaken(remote, target):
        monkeypatch.setattr(Remote, "download", download)
        pieces = download(remote, target)
        yield next(pieces)
        assert cli.main([str(word) for word in words]) == 0
        yield from pieces

    monkeypatch.setattr(Remote, "download", overtaken)
    assert anyio.run(while_served, folder, words) == [0]
    assert pq.read_table(out)["value"].to_pylist() == [row * 0.5 for row in range(COUNT)]
    assert [one.name for one in tmp_path.iterdir() if "out" in one.name] == ["out"]


def test_two_signals_are_exported_joined_and_one_alone_is_refused(folder, tmp_path, capsys):
    """streams 21: over the API and the command line, over several pages; before its first reading there is none."""
    words = ["readings", "export", "--data", folder, "--start", "2026-09-21T14:00:00Z", "--end", "2026-09-21T15:00:00Z"]
    words += ["--joined", "--to", tmp_path / "j", "--signals"]
    assert anyio.run(while_served, folder, [*words, "signal-2,signal-1"], [*words, "signal-1"]) == [0, 1]
    table = pq.read_table(tmp_path / "j")
    assert (len(table), table["time"].equals(table["other_time"])) == (COUNT // 2, True)
    assert table["other_value"].to_pylist() == [row * 1.0 for row in range(COUNT // 2)]
    assert "Give two" in capsys.readouterr().err


def test_a_backup_restores_to_a_node_that_verifies_and_a_changed_one_is_refused(folder, tmp_path, capsys):
    """streams 28: the drill: back up, restore elsewhere, chain and readings checked; a byte changed is found."""
    archive = tmp_path / "all.tar.gz"
    assert cli.main(["backup", "--data", str(folder), "--to", str(archive)]) == 0
    assert cli.main(["restore", str(archive), "--data", str(tmp_path / "new"), "--json"]) == 0
    said = capsys.readouterr().out
    facts = json.loads(said[said.index("{") :])
    assert (facts["readings"], facts["events"] > 0) == (COUNT, True)
    assert cli.main(["restore", str(archive), "--data", str(tmp_path / "new")]) == 1
    archive.write_bytes(archive.read_bytes()[:-2000])
    assert cli.main(["restore", str(archive), "--data", str(tmp_path / "newer")]) == 1
    assert "no whole backup" in capsys.readouterr().err
    assert not (tmp_path / "newer").exists()


def test_the_api_tells_how_full_the_volume_is(folder, capsys):
    """streams 6: the state of the volume is there to be asked for."""

    async def ask():
        node = await open_node(folder)
        health = await node.historian.health()
        await node.historian.close()
        await node.store.close()
        return health

    found = anyio.run(ask)
    assert (found.level in {"ok", "tight", "critical", "full"}, 0 <= found.used_share <= 1, found.fault) == (
        True, True, "",
    )  # fmt: skip
