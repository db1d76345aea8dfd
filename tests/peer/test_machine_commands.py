"""The command line against a node that serves: connect with a mapping, machines, blueprint, secrets, write-back."""

import http.client
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from machines.running import Server, free_port, modbus_machine

from interwork.cli import main
from interwork.core.settings import Settings

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A node as `interwork init` and `interwork serve` make it, and a machine beside it."""
    folder, port = tmp_path_factory.mktemp("shop") / "node", free_port()
    assert main(["init", "--data", str(folder), "--name", "Alder", "--port", str(port)]) == 0
    command = [sys.executable, "-W", "ignore", "-m", "interwork", "serve", "--data", str(folder), "--json"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    machine = modbus_machine()
    try:
        assert json.loads(child.stdout.readline())["ready"]
        yield SimpleNamespace(folder=folder, port=port, child=child, machine=machine)
    finally:
        machine.stop()
        child.terminate()
        child.communicate(timeout=60)


@pytest.fixture
def profile(shop, tmp_path):
    rows = [
        "rated_power_kw = 7.5",
        "[options]",
        "interval_s = 0.1",
        *(
            line
            for one in shop.machine.options["registers"]
            for line in ("[[options.registers]]", *(f"{name} = {_toml(value)}" for name, value in one.items()))
        ),
    ]
    path = tmp_path / "press.toml"
    path.write_text("\n".join(rows))
    return path


def _toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {_toml(one)}' for key, one in value.items()) + "}"
    return json.dumps(value)


def told(capsys, *words):
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_node_listens_on_loopback_only_and_asks_who_is_there(shop):
    """machines 40: default listeners only on 127.0.0.1; authentication on by default."""
    assert Settings(name="n", organisation="o", kind="agency", port=1).host == "127.0.0.1"
    targets = [str(one.readlink()) for one in Path(f"/proc/{shop.child.pid}/fd").iterdir()]
    inodes = {one[8:-1] for one in targets if one.startswith("socket:[")}
    listening = []
    for table in ("tcp", "tcp6"):
        cells = [row.split() for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
        listening += [cell[1] for cell in cells if cell[3] == "0A" and cell[9] in inodes]
    assert listening
    assert all(address.startswith("0100007F:") for address in listening), listening
    for method, path in (("GET", "/api/machines"), ("POST", "/api/connect"), ("GET", "/api/blueprint")):
        asked = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=10)
        asked.request(method, path, body=b"{}" if method == "POST" else None)
        assert asked.getresponse().status == 401, path
        asked.close()


def test_a_machine_is_looked_at_mapped_and_connected_from_the_command_line(shop, profile, tmp_path, capsys):
    data, mapping = ["--data", str(shop.folder)], tmp_path / "mapping.toml"
    look = ["connect", shop.machine.endpoint, *data, "--profile", str(profile), "--name", "Press", "--watch", "1"]
    assert main([*look, "--write-mapping", str(mapping)]) == 0
    printed = capsys.readouterr().out
    assert "PartCount" in printed
    assert "would last" in printed
    text = mapping.read_text()
    mapping.write_text(text.replace('name = "Power"', 'name = "Hydraulic power"'))
    chosen = ["--mapping", str(mapping), "--set", "Hydraulic power.unit=W", "--set", "SpindleSpeed.read=false"]
    code, made = told(capsys, *look, "--yes", *chosen)
    names = {one["name"]: one["unit"] for one in made["signals"]}
    assert (code, names["Hydraulic power"], "SpindleSpeed" in names) == (0, "W", False)
    assert made["blueprint"]["is_measured"]
    code, held = told(capsys, "machines", *data)
    assert "Press" in [one["name"] for one in held["machines"]]
    assert main(["machines", "off", "Press", *data]) == 0
    assert main(["machines", "on", "Press", *data]) == 0
    assert main(["machines", *data]) == 0
    assert main(["connect", shop.machine.endpoint, *data, "--profile", str(profile), "--name", "Press", "--yes",
                 "--watch", "1", "--set", "Nobody.unit=W"]) == 1  # fmt: skip
    assert "sets nothing" in capsys.readouterr().err


def test_the_blueprint_is_shown_checked_and_certified_from_the_command_line(shop, profile, tmp_path, capsys):
    data, kept = ["--data", str(shop.folder)], tmp_path / "certificate.json"
    code, figures = told(capsys, "blueprint", *data)
    assert (code, figures["limit_kw"]) == (0, 250.0)
    assert main(["blueprint", *data]) == 0
    assert "unconnected power" in capsys.readouterr().out
    check = ["blueprint", "check", shop.machine.endpoint, *data, "--map", str(profile), "--watch", "1"]
    assert main([*check, "--to", str(kept)]) == 0
    assert "conforms" in capsys.readouterr().out
    assert main(["blueprint", *data, "--verify", str(kept)]) == 0
    assert "holds" in capsys.readouterr().out
    kept.write_text(kept.read_text().replace('"signals": 8', '"signals": 9').replace('"signals": 4', '"signals": 5'))
    assert main(["blueprint", *data, "--verify", str(kept)]) == 1
    assert "digest differs" in capsys.readouterr().err


def test_a_point_is_permitted_and_written_from_the_command_line(shop, capsys):
    data, port = ["--data", str(shop.folder)], free_port()
    server = Server("writable_machine.py", port)
    try:
        assert main(["connect", f"opc.tcp://127.0.0.1:{port}/machine", *data, "--name", "Oven"]) == 0
        assert main(["write", "Oven/SetPoint", "40", "--reason", "Try", *data]) == 1
        assert "read-only" in capsys.readouterr().err
        permit = ["point", "permit", "Oven/SetPoint", "--low", "0", "--high", "100", "--one-person", *data]
        assert main(permit) == 0
        capsys.readouterr()
        code = 1
        for _ in range(50):  # it is connected within some seconds
            code, said = told(capsys, "write", "Oven/SetPoint", "40", "--reason", "Warmer", *data)
            if said.get("state") == "verified":
                break
        assert (code, server.tell("said", "SetPoint", "")[0]) == (0, "40.0")
        assert main(["write", "list", *data]) == 0
        assert "Warmer" in capsys.readouterr().out
        assert main(["point", "list", *data]) == 0
        assert main(["point", "close", "Oven/SetPoint", *data]) == 0
    finally:
        server.stop()
