"""The sample network as a person runs it: real nodes, machines and people, each a process, on this machine.

First start: the part is made while the requester and one plant are killed with SIGKILL under way.
Second start: the job is done already; two agreements are ended, one at each side, and the views are cut.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.timeout(420)
REQUESTER = "northfield"
NODES = ("portal", REQUESTER, "alder", "birch", "cedar")


class Network:
    """One sample network in a folder, seen from outside: processes, HTTP and the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.process = folder, None

    def words(self, *words: object) -> list[str]:
        return [sys.executable, "-m", "interwork", *map(str, words)]

    def start(self, *words: str) -> None:
        told = {
            "stdout": self.folder.with_suffix(".out").open("wb"),
            "stderr": self.folder.with_suffix(".err").open("wb"),
        }
        demo = self.words("demo", "--data", self.folder, "--json", "--speed", 1200, "--quantity", 5, *words)
        heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a suite started in the background ignores it
        self.process = subprocess.Popen(demo, **told, start_new_session=True, preexec_fn=heed)  # noqa: PLW1509 - no threads
        for stream in told.values():
            stream.close()

    def said(self, stream: str = ".out") -> str:
        return self.folder.with_suffix(stream).read_text()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(90)

    def cli(self, key: str, *words: str) -> subprocess.CompletedProcess[str]:
        called = self.words(*words, "--data", self.folder / "nodes" / key, "--json")
        return subprocess.run(called, capture_output=True, text=True, timeout=400, check=False)

    def get(self, key: str, path: str) -> tuple[int, dict]:
        port = json.loads((self.folder / "ports.json").read_bytes())[key]
        token = (self.folder / "nodes" / key / "cli-token").read_text().strip()
        connection = http.client.HTTPConnection("localhost", port, timeout=20)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def job(self) -> dict:
        """Read the newest job; empty while the requester does not answer."""
        try:
            status, body = self.get(REQUESTER, "/api/jobs")
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        return body["jobs"][0] if status == 200 and body["jobs"] else {}

    def kill(self, key: str) -> int:
        pid = int((self.folder / "pids" / key).read_text())
        os.kill(pid, signal.SIGKILL)
        return pid

    def pid(self, key: str) -> int:
        return int((self.folder / "pids" / key).read_text())


def until(find, limit_s, fault):
    """Poll with a deadline; give what was found."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = find()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail(fault())


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    one = Network(tmp_path_factory.mktemp("sample") / "network")
    yield one
    if one.process is not None:
        one.stop()


@pytest.fixture(scope="module")
def first(network):
    """Make the part once, killing the requester and then a plant that has a run under way."""
    began = time.monotonic()
    network.start("--once")
    fault = lambda: network.said(".err")[-2000:]  # noqa: E731 - said when something takes too long
    until(lambda: network.job().get("step") == "make", 150, fault)
    killed = [network.kill(REQUESTER)]
    plant = until(lambda: started_at(network), 60, fault)
    killed.append(network.kill(plant))
    until(lambda: network.pid(REQUESTER) != killed[0] and network.pid(plant) != killed[1], 60, fault)
    code = network.process.wait(240)
    took = time.monotonic() - began
    assert code == 0, fault()
    summary, said = json.loads(network.said()), network.said(".err")
    return SimpleNamespace(code=code, summary=summary, said=said, plant=plant, took=took)


def started_at(network):
    """Find a plant where a run is under way."""
    for key in NODES[2:]:
        status, body = network.get(key, "/api/runs?state=STARTED")
        if status == 200 and body["runs"]:
            return key
    return ""


@pytest.fixture(scope="module")
def second(network, first):
    """Start again; the part is made already, and the nodes run on."""
    began = time.monotonic()
    network.start()
    until(lambda: network.said().rstrip().endswith("}"), 120, lambda: network.said(".err")[-2000:])
    took = time.monotonic() - began
    summary = json.loads(network.said())
    records = {key: records_of(network, key) for key in NODES[1:]}
    held = records[REQUESTER]["agreements"]
    readings = [one for one in held if one["dataset_kind"] == "readings"]
    return SimpleNamespace(took=took, summary=summary, records=records, readings=readings)


def records_of(network, key):
    names = ("agreements", "runs", "resources")
    return {name: network.get(key, f"/api/{name}?limit=1000")[1][name] for name in names}


@pytest.fixture(scope="module")
def ended(network, second):
    """End one agreement on readings at the requester and the other at its provider, and look at once."""
    told = []
    for index, agreement in enumerate(second.readings):
        provider = provider_of(network, second, agreement)
        view = view_of(network, second, agreement)
        before = network.get(REQUESTER, view)[0]
        at = (REQUESTER, provider)[index % 2]
        cut = network.cli(at, "agreement", "terminate", agreement["id"], "--reason", "the work is done")
        until(lambda: network.get(REQUESTER, view)[0] == 403, 2, lambda: "the view is open 2 s later")  # noqa: B023
        ends = {
            key: json.loads(network.cli(key, "agreement", "show", agreement["id"]).stdout)
            for key in (REQUESTER, provider)
        }
        refusal = network.get(REQUESTER, view)[1]
        told.append(SimpleNamespace(before=before, at=at, code=cut.returncode, ends=ends, refusal=refusal))
    return told


def provider_of(network, second, agreement):
    return next(
        key for key in NODES[2:] if any(one["id"] == agreement["id"] for one in second.records[key]["agreements"])
    )


def view_of(network, second, agreement):
    resources = second.records[REQUESTER]["resources"]
    mine = [one["id"] for one in resources if one["options"].get("agreement") == agreement["id"]]
    signals = [one for each in mine for one in network.get(REQUESTER, f"/api/signals?resource={each}")[1]["signals"]]
    return f"/api/signals/{signals[0]['id']}/series"


@pytest.fixture(scope="module")
def stopped(network, ended):
    """Stop everything as Ctrl-C does, and look the folders over."""
    code = network.stop()
    doctor = {key: network.cli(key, "doctor", "--verify") for key in NODES}
    return SimpleNamespace(code=code, doctor=doctor)


def test_the_demo_ends_by_itself_with_a_summary(first):
    assert first.code == 0
    assert first.summary["job"]["state"] == "done"
    assert first.summary["good"] + first.summary["scrap"] == 5


def test_the_plan_is_no_worse_than_what_people_do_today_and_its_bound_is_told(first):
    rivals = [one["objective_eur"] for one in first.summary["rivals"] if one["objective_eur"] is not None]
    roles = {role for one in first.summary["rivals"] for role in one["roles"]} | set(first.summary["also"])
    assert {"first-capable", "cheapest-single"} <= roles
    assert all(first.summary["objective_eur"] <= other + 0.01 for other in rivals)
    assert 0 < first.summary["bound_eur"] <= first.summary["objective_eur"] + 0.01


def test_what_crossed_is_told_with_its_agreement(first):
    crossings = first.summary["crossings"]
    assert crossings
    assert all(one["agreement"] and one["items"] > 0 and one["bytes"] > 0 for one in crossings)


def test_nodes_killed_while_the_part_is_made_are_started_again_and_the_job_goes_on(first):
    assert f"{REQUESTER} had ended" in first.said
    assert f"{first.plant} had ended" in first.said
    steps = [entry["step"] for entry in first.summary["job"]["log"]]
    assert steps == list(dict.fromkeys(steps))


def test_nothing_was_done_twice(first, second):
    runs = [run for key in NODES[2:] for run in second.records[key]["runs"]]
    assert max(Counter((run["order"], run["assignment"]) for run in runs).values()) == 1
    assert len(first.summary["job"]["evidence"]) == len(runs) > 0
    assert {run["state"] for run in runs} == {"COMPLETED"}
    assert max(Counter(one["dataset"] for one in second.readings).values()) == 1


def test_a_second_start_finds_the_part_made(first, second):
    assert second.summary["job"]["id"] == first.summary["job"]["id"]
    assert second.summary["job"]["evidence"] == first.summary["job"]["evidence"]
    assert second.took < first.took


def test_ending_an_agreement_cuts_the_view_with_rule_and_remedy(ended):
    assert len(ended) > 0
    for one in ended:
        assert (one.before, one.code) == (200, 0)
        assert one.refusal["rule"]
        assert one.refusal["remedy"]


def test_both_ends_tell_who_ended_the_agreement_and_what_had_crossed(network, ended):
    for one in ended:
        by = network_did(one)
        for held in one.ends.values():
            assert held["agreement"]["state"] == "terminated"
            assert held["agreement"]["ended_by"] == by
            assert held["agreement"]["ended_at"]
            assert sum(receipt["items"] for receipt in held["receipts"]) > 0


def network_did(one):
    """Tell the DID of the side at which an agreement was ended."""
    agreement = one.ends[REQUESTER]["agreement"]
    return agreement["consumer" if one.at == REQUESTER else "provider"]


def test_ctrl_c_stops_everything_and_every_chain_verifies(network, stopped):
    assert stopped.code == 0
    assert {key: one.returncode for key, one in stopped.doctor.items()} == dict.fromkeys(NODES, 0)
    assert not list((network.folder / "pids").iterdir())
