"""`interwork demo`: the sample network on loopback makes a part, each node, machine and person a process of its own."""

import argparse
import signal
import threading
import time
import tomllib
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import Any

import anyio
from rich.console import Console

from interwork.cli import local, making
from interwork.cli.calls import NodeSaid, Remote, show
from interwork.cli.processes import Network, end_leftovers, pick_ports
from interwork.cli.remote import plain
from interwork.core.clock import parse_moment, rfc3339
from interwork.core.errors import BadInput, MachineUnreachable, PeerUnreachable
from interwork.core.exchange import DatasetKind
from interwork.core.organisation import Role
from interwork.simulate.faces.modbus import registers_of
from interwork.simulate.profiles import make_profile
from interwork.store.settings import SETTINGS_FILE

SPEED = 600.0
LOOK_S = 1.0
PATIENCE_S = 90.0
"""How long a node or a machine that does not answer is asked again: it is being started, or started again."""
AWAY = (PeerUnreachable.code, MachineUnreachable.code)


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verb."""
    demo = verbs.add_parser(
        "demo",
        help="run the sample network on this machine and make a real part across it",
        description="Five nodes and seven SIMULATED machines start on loopback; the part is made; the nodes run on.",
    )
    demo.add_argument("--data", type=Path, default=Path(".interwork/demo"), help="its folder (%(default)s)")
    demo.add_argument("--once", action="store_true", help="stop everything after the summary and exit")
    demo.add_argument("--json", action="store_true", help="print the summary as JSON")
    demo.add_argument("--part", type=Path, help="another design than the sample's (STEP, STL, IGES, 3MF)")
    demo.add_argument("--material", help="another material than the sample's")
    demo.add_argument("--quantity", type=int, help="another quantity")
    demo.add_argument("--due", help="another due date, as +10d")
    demo.add_argument("--speed", type=float, default=SPEED, help="simulated seconds per real second (%(default)s)")
    demo.set_defaults(run=run)


class Sample:
    """The sample network: what `network.toml` says, with its folder, ports and processes."""

    def __init__(self, folder: Path, speed: float, console: Console) -> None:
        text = resources.files("interwork").joinpath("samples", "network.toml").read_text(encoding="utf-8")
        self.plan: dict[str, Any] = tomllib.loads(text)
        self.folder, self.speed, self.console = folder, speed, console
        self.network = Network(folder)
        self.machines = [one for one in self.plan["machines"] if one["protocol"] != "none"]
        wanted = {one["key"]: one["port"] for one in self.plan["nodes"]} | {"broker": 0}
        for machine in self.machines:
            wanted |= {f"machine:{machine['name']}": 0, f"panel:{machine['name']}": 0}
        self.ports = pick_ports(folder, wanted)
        self.nodes: dict[str, Remote] = {}

    def data(self, key: str) -> Path:
        """Tell a node's data folder."""
        return self.folder / "nodes" / key

    def start_machines(self) -> None:
        """Start the broker and the simulated machines."""
        simulate = ["simulate"]
        self.network.start("broker", [*simulate, "broker", "--port", str(self.ports["broker"])])
        self.network.wait(["broker"])
        for index, one in enumerate(self.machines):
            name = one["name"]
            words = [*simulate, one["protocol"], "--name", name, "--type", one["type"], "--seed", str(index + 1)]
            words += ["--panel-port", str(self.ports[f"panel:{name}"]), "--speed", str(self.speed)]
            if one["protocol"] == "sparkplug":
                words += ["--port", str(self.ports["broker"])]
            else:
                words += ["--port", str(self.ports[f"machine:{name}"])]
            self.network.start(self.slug(name), words)

    @staticmethod
    def slug(name: str) -> str:
        """Turn a name into a file name."""
        return name.lower().replace(" ", "-")

    def start_nodes(self) -> None:
        """Make the nodes that do not exist, and start all."""
        for one in self.plan["nodes"]:
            if not (self.data(one["key"]) / SETTINGS_FILE).exists():
                self._init(one)
            self.nodes[one["key"]] = Remote(self.data(one["key"]))
            self.network.start(one["key"], ["serve", "--data", str(self.data(one["key"])), "--json", "--verbose"])
        facts = self.network.wait([*self.nodes, *(self.slug(one["name"]) for one in self.machines)])
        self.endpoints = {name: str(fact.get("endpoint", "")) for name, fact in facts.items()}

    def claim(self, key: str) -> str:
        """Tell the one-time link that the node printed when it started last; empty once its owner has an account."""
        return str((self.network.children[key].ready() or {}).get("claim", ""))

    def _init(self, one: dict[str, Any]) -> None:
        folder = self.data(one["key"])
        folder.mkdir(parents=True, exist_ok=True)
        place = ", ".join(f"{key} = {_toml(value)}" for key, value in one["place"].items())
        lines = [f"{key} = {_toml(value)}" for key, value in one["settings"].items()] + [f"place = {{ {place} }}"]
        extra = folder / "settings.toml"
        extra.write_text("\n".join(lines) + "\n", encoding="utf-8")
        local.make_node(
            folder,
            name=one["name"],
            kind=one["kind"],
            port=self.ports[one["key"]],
            roles=one.get("roles", ["member"]),
            extra=extra,
        )

    def settle(self) -> None:
        """Join, connect, publish, fund: what people of the network did before; done once, repeated harmlessly."""
        portal = self.nodes["portal"]
        for one in self.plan["nodes"]:
            if one["key"] != "portal":
                patiently(self.nodes[one["key"]], "/api/join", {"address": portal.address, "tier": one["tier"]})
        self.console.print(f"  [green]✓[/green] {len(self.nodes) - 1} organisations are members of the institute")
        for machine in self.plan["machines"]:
            self._connect(machine)
        shops = list(dict.fromkeys(one["node"] for one in self.plan["machines"]))
        for key in shops:
            patiently(self.nodes[key], "/api/publish")
        connected = len(self.machines)
        self.console.print(
            f"  [green]✓[/green] {connected} simulated machines connected (OPC UA, Sparkplug B, MTConnect, Modbus TCP)"
            f" and {len(self.plan['machines']) - connected} unconnected benches recorded"
        )
        call = patiently(portal, "/api/calls", plain(self.plan["call"]))
        award = plain(self.plan["award"])
        recipient = self.nodes[award.pop("recipient")]
        did = recipient.get("/api/node")["did"]
        made = patiently(portal, "/api/awards", {**award, "call": call["id"], "recipient_did": did})
        taken = patiently(recipient, "/api/awards/take")["projects"]
        self.project = taken[0]["id"] if taken else ""
        self.console.print(
            f"  [green]✓[/green] the award of {made['amount_eur']:,.0f} EUR and its project are recorded at both ends"
        )
        await_offers(portal, {self.nodes[key].get("/api/node")["did"] for key in shops})

    def _connect(self, machine: dict[str, Any]) -> None:
        slug = self.slug(machine["name"])
        body = {key: value for key, value in machine.items() if key not in ("node", "protocol", "type")}
        if machine["protocol"] != "none":
            body |= {"endpoint": self.endpoints[slug], "is_simulated": True, "time_scale": self.speed}
        else:
            body |= {"endpoint": "", "time_scale": self.speed, "is_simulated": True}
        if machine["protocol"] == "modbus":
            body["options"] = {"registers": plain(list(registers_of(make_profile(machine["type"]))))}
        patiently(self.nodes[machine["node"]], "/api/connect", body)

    def start_people(self) -> None:
        """Start the simulated operator of each plant."""
        for key in dict.fromkeys(one["node"] for one in self.plan["machines"]):
            words = ["simulate", "operator", "--node", self.nodes[key].address, "--token-file", str(self._token(key))]
            for machine in self.plan["machines"]:
                if machine["node"] != key:
                    continue
                if machine["protocol"] == "none":
                    words += ["--bench", machine["name"]]
                else:
                    panel = f"http://127.0.0.1:{self.ports['panel:' + machine['name']]}"
                    words += ["--machine", f"{machine['name']}={panel}"]
            self.network.start(f"operator-{key}", words)

    def _token(self, key: str) -> Path:
        """Keep one operator's token per node."""
        file = self.data(key) / "operator-token"
        if not file.exists():
            secret = anyio.run(local.new_token, self.data(key), "simulated operator", Role.OPERATOR)
            local.keep_secret(file, secret)
        return file

    def submit(self, arguments: argparse.Namespace) -> tuple[Remote, Any]:
        """Send the part to the requester's node; the same words are the same job."""
        part = self.plan["part"]
        requester = self.nodes[self.plan["award"]["recipient"]]
        sample = resources.files("interwork").joinpath("samples", part["file"])
        try:
            content = arguments.part.read_bytes() if arguments.part else sample.read_bytes()
        except OSError as fault:
            raise BadInput(
                f"{arguments.part} cannot be read: {fault.strerror}.", remedy="Give the path of a design file."
            ) from fault
        name = arguments.part.name if arguments.part else part["file"]
        material = arguments.material or part["material"]
        quantity = part["quantity"] if arguments.quantity is None else arguments.quantity
        due = arguments.due or part["due"]
        job = patiently(
            requester,
            "/api/jobs",
            content,
            name=name,
            material=material,
            quantity=str(quantity),
            due=rfc3339(parse_moment(due)),
            tolerance_mm=str(part["tolerance_mm"]),
            project=self.project,
            key=f"{part['key']}:{name}:{material}:{quantity}:{due}",
        )
        if job["state"] == "failed":
            job = patiently(requester, f"/api/jobs/{job['id']}/proceed")
        return requester, job


def patiently(remote: Remote, path: str, body: object = None, **query: str) -> Any:  # noqa: ANN401 - JSON
    """Tell a node to do something, again while it or what it speaks to is away; every step of ours may be repeated."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return remote.post(path, body, **query)
        except (NodeSaid, PeerUnreachable) as fault:
            if fault.code not in AWAY or time.monotonic() > deadline:
                raise
        time.sleep(LOOK_S)


def await_offers(portal: Remote, shops: set[str]) -> None:
    """Wait until a portal's catalog holds what these nodes offer: it crawls them in rounds."""
    deadline, missing = time.monotonic() + PATIENCE_S, shops
    while missing and time.monotonic() < deadline:
        try:
            entries = portal.get("/api/catalog")["entries"]
            missing = shops - {one["provider"] for one in entries if one["kind"] == DatasetKind.CAPACITY}
        except (NodeSaid, PeerUnreachable) as fault:
            if fault.code not in AWAY:
                raise
        if missing:
            time.sleep(LOOK_S)
    if missing:
        raise PeerUnreachable(
            f"The portal's catalog has no offer of {', '.join(sorted(missing))} after {PATIENCE_S:g} s.",
            remedy="See why in the portal's log: it crawls each member in turn.",
        )


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    return str(value)


def run(arguments: argparse.Namespace) -> int:
    """Run the sample network."""
    console = making.console_of(as_json=arguments.json)
    done = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    local.make_folder(arguments.data)
    end_leftovers(arguments.data)
    sample = Sample(arguments.data, arguments.speed, console)
    try:
        return _play(sample, arguments, console, done)
    except KeyboardInterrupt:
        console.print("\nStopping …")
        return 0 if done.is_set() else 130
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C leaves no child behind
            signal.signal(number, signal.SIG_IGN)
        sample.network.stop()


def _play(sample: Sample, arguments: argparse.Namespace, console: Console, done: threading.Event) -> int:
    console.rule("Interwork: a sample network on this machine (organisations made up, machines SIMULATED)")
    with console.status("starting the simulated machines and the nodes"):
        sample.start_machines()
        sample.start_nodes()
    console.print(f"  [green]✓[/green] {len(sample.nodes)} nodes and {len(sample.machines)} simulated machines started")
    keeper = _Keeper(sample.network, console)
    keeper.start()
    try:
        with console.status("joining, connecting, publishing"):
            sample.settle()
            sample.start_people()
        requester, job = sample.submit(arguments)
        making.follow(requester, job["id"], console, limit_s=3600)
        summary = requester.get(f"/api/jobs/{job['id']}/summary")
        done.set()
        if arguments.json:
            show(summary)
        else:
            making.print_summary(summary, console, requester.address)
        if arguments.once:
            return 0
        _invite(sample, console)
        while True:
            keeper.pause(3600)
    finally:
        keeper.stop()


def _invite(sample: Sample, console: Console) -> None:
    console.print()
    console.print(f"  The portal:     {sample.nodes['portal'].address}")
    for key, remote in sample.nodes.items():
        link = sample.claim(key) or f"{remote.address}/sign-in"
        word = "make its owner's account" if sample.claim(key) else "sign in"
        console.print(f"  {key:<14}  {word}: {link}")
    console.print("  The nodes run on. Ctrl-C stops everything; `make run` again starts from here.")


class _Keeper:
    """Looks after the children from a thread of its own: a node that was killed is started again."""

    def __init__(self, network: Network, console: Console) -> None:
        self._network, self._console = network, console
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)  # noqa: TID251 - joined in stop(); the foreground waits on HTTP

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def pause(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _look(self) -> None:
        while not self._stop.wait(LOOK_S):
            for name in self._network.mend():
                self._console.print(f"  [yellow]![/yellow] {name} had ended; it was started again and resumes")
