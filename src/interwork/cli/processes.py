"""Child processes of the sample network: started, waited for, started again when they die, stopped in order."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from interwork.core.errors import LimitReached, PortInUse, Unusable

READY_S = 90.0
STOP_S = 8.0
RESTARTS_MAX = 20
"""A child that died more often is left dead, and said so."""


class Child:
    """One process of the network, with its log in a file."""

    def __init__(self, name: str, words: Sequence[str], folder: Path) -> None:
        self.name, self.words = name, list(words)
        self.log = folder / "logs" / f"{name}.log"
        self.pid_file = folder / "pids" / name
        self.process: subprocess.Popen[bytes] | None = None
        self.restarts = 0
        self._offset = 0

    def start(self) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches it through us and in order."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as sink:
            self._offset = sink.tell()
            self.process = subprocess.Popen(  # noqa: S603 - our own program, words of ours
                [sys.executable, "-m", "interwork", *self.words],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        self.pid_file.write_text(str(self.process.pid))

    def ready(self) -> dict[str, Any] | None:
        """Read the line it prints when it serves; None until then."""
        with self.log.open("rb") as source:
            source.seek(self._offset)
            for line in source.read().splitlines():
                if line.startswith(b'{"ready"'):
                    facts: dict[str, Any] = json.loads(line)
                    return facts
        return None

    def is_dead(self) -> bool:
        """Tell whether it has ended."""
        return self.process is None or self.process.poll() is not None

    def last_words(self) -> str:
        """Read the last lines of its log."""
        with self.log.open("rb") as source:
            source.seek(self._offset)
            lines = source.read()[-2000:].decode(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:])

    def stop(self) -> None:
        """Ask it to end, and end it where it does not in time."""
        if self.process is None or self.process.poll() is not None:
            self.pid_file.unlink(missing_ok=True)
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_S)
        self.pid_file.unlink(missing_ok=True)


class Network:
    """All children of one sample network."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: dict[str, Child] = {}

    def start(self, name: str, words: Sequence[str]) -> Child:
        """Start one child."""
        child = Child(name, words, self.folder)
        child.start()
        self.children[name] = child  # only now: a child that has not begun is not one that died
        return child

    def wait(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Wait until all of them serve; say which one did not, and its last words."""
        deadline = time.monotonic() + READY_S
        facts: dict[str, dict[str, Any]] = {}
        while len(facts) < len(names):
            for name in names:
                child = self.children[name]
                found = child.ready()
                if found is not None:
                    facts[name] = found
                elif child.is_dead():
                    raise Unusable(
                        f"{name} ended while starting: {child.last_words()}", remedy=f"Its log is {child.log}."
                    )
            if time.monotonic() > deadline:
                late = ", ".join(name for name in names if name not in facts)
                raise LimitReached(f"{late} did not serve within {READY_S:.0f} s.", remedy="Look at the logs.")
            time.sleep(0.1)
        return facts

    def mend(self) -> list[str]:
        """Start again what has died; return what was started."""
        mended = []
        for child in list(self.children.values()):
            if child.is_dead() and child.restarts < RESTARTS_MAX:
                child.restarts += 1
                child.start()
                mended.append(child.name)
        return mended

    def stop(self) -> None:
        """Stop all, last started first."""
        for child in self.children.values():
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        for child in reversed(self.children.values()):
            child.stop()


def end_leftovers(folder: Path) -> int:
    """End children that an earlier, killed run of this network left behind; return how many."""
    ended = 0
    for file in sorted((folder / "pids").glob("*")):
        text = file.read_text().strip()
        if text.isdecimal() and _is_ours(int(text), file.name):
            os.kill(int(text), signal.SIGKILL)
            ended += 1
        file.unlink(missing_ok=True)
    if ended:
        time.sleep(0.3)
    return ended


def _is_ours(pid: int, name: str) -> bool:
    """Tell whether a process still is the child its file names: its command line starts our program."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"interwork" in words and bool(name)


def pick_ports(folder: Path, wanted: dict[str, int]) -> dict[str, int]:
    """Give each part of the network a port: the wanted one where free, else another; kept for the next start."""
    file = folder / "ports.json"
    if file.exists():
        ports = msgspec.json.decode(file.read_bytes(), type=dict[str, int])
        if ports.keys() == wanted.keys():
            for name, port in ports.items():
                if not _is_free(port):
                    raise PortInUse(
                        f"Port {port} of {name} is in use.",
                        where=str(file),
                        remedy="Stop the program that has it, or run `make clean` to begin anew on other ports.",
                    )
            return ports
    taken: set[int] = set()
    ports = {}
    for name, port in wanted.items():
        while port in taken or not _is_free(port):
            port = _any_port()  # noqa: PLW2901 - the wanted one is not to be had
        taken.add(port)
        ports[name] = port
    folder.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.encode(ports))
    return ports


def _is_free(port: int) -> bool:
    if port == 0:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
