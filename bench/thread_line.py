"""The thread line, from design to order: three nodes in processes of their own, everything over loopback HTTP.

An institute's portal, a lab that wants a part, and a plant with one unconnected bench. Each job sends the sample
bracket as a file the lab has not seen (its header differs), so that nothing of the geometry is remembered; a first job
warms both sides and is not counted. A job's time runs from its creation to the end of its arrow `order`, saving
included. The limit beside it is the same computation called directly with nothing around it: the geometry analysis
in its child process, the process plan, the match, the quote and the solved plan; no node, no store, no network.
Both are measured in turns while the nodes run. How long each arrow took is printed for people.
"""

import statistics
import tempfile
import time
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import anyio
import msgspec

from bench.harness import Result
from interwork.allocation import CapacityOffer, allocate, draft_request, match, quote
from interwork.cli.calls import Remote
from interwork.cli.local import make_node
from interwork.cli.processes import Network, pick_ports
from interwork.core.clock import now, parse_moment, rfc3339
from interwork.core.organisation import Place
from interwork.core.planning import Need, NeedKind, Weights
from interwork.core.resource import Capability, Rates, Resource, ResourceKind
from interwork.design import analyse, draft_process_plan

JOBS = 3
LONGEST_S = 60.0
SOLVE_S = 6.0
QUANTITY, MATERIAL, TOLERANCE_MM = 4, "al-6061", 0.1
TOLEDO = Place(city="Toledo", country="US", latitude=41.65, longitude=-83.54)
KINDS = {"portal": "research-institute", "lab": "university", "plant": "small-manufacturer"}
PROCESSES = ("milling-3-axis", "milling-5-axis", "deburring", "inspection")
BENCH = Resource(
    id="bench",
    name="Bench",
    kind=ResourceKind.MACHINE,
    owner="plant",
    place=TOLEDO,
    capabilities=tuple(
        Capability(
            process=process,
            materials=("aluminium",),
            envelope_mm=(800.0, 600.0, 400.0),
            tolerance_mm=0.005,
            axes=5,
            max_mass_kg=90.0,
        )
        for process in PROCESSES
    ),
    rates=Rates(setup_s=300, setup_price_eur=10, hourly_price_eur=60),
)


def drawing(name: str) -> bytes:
    """Write the sample bracket as a file of its own: same geometry, other bytes."""
    sample = resources.files("interwork").joinpath("samples", "bracket.step").read_bytes()
    return sample.replace(b"'Sensor bracket.step'", f"'{name}.step'".encode(), 1)


def start(network: Network, folder: Path) -> dict[str, Remote]:
    """Make and start the three nodes and wait until they serve."""
    ports = pick_ports(folder, dict.fromkeys(KINDS, 0))
    nodes: dict[str, Remote] = {}
    for key, kind in KINDS.items():
        data = folder / key
        roles = ["portal", "institute"] if key == "portal" else ["member"]
        make_node(data, name=key.title(), kind=kind, port=ports[key], roles=roles)
        nodes[key] = Remote(data)
        network.start(key, ["serve", "--data", str(data), "--json"])
    network.wait(list(KINDS))
    return nodes


def settle(nodes: dict[str, Remote]) -> None:
    """Join the institute and offer the bench."""
    for key, tier in (("lab", "academic"), ("plant", "small")):
        nodes[key].post("/api/join", {"address": nodes["portal"].address, "tier": tier})
    body = msgspec.to_builtins(BENCH)
    fields = ("name", "place", "capabilities", "rates", "endpoint")
    nodes["plant"].post("/api/connect", {name: body[name] for name in fields})
    nodes["plant"].post("/api/publish")


def job(lab: Remote, name: str) -> dict[str, Any]:
    """Have one job done from design to order, and give it."""
    words = {"name": f"{name}.step", "material": MATERIAL, "quantity": str(QUANTITY), "until": "order"}
    due = rfc3339(parse_moment("+6d"))
    made = lab.post("/api/jobs", drawing(name), **words, due=due, tolerance_mm=str(TOLERANCE_MM))
    deadline = time.monotonic() + LONGEST_S
    while made["state"] == "running":
        if time.monotonic() > deadline:
            raise SystemExit(f"The job stands at {made['step']} after {LONGEST_S:.0f} s.")
        time.sleep(0.05)
        made = lab.get(f"/api/jobs/{made['id']}")
    if made["state"] != "done":
        raise SystemExit(f"The job failed at {made['step']}: {made['message']}")
    return dict(made)


def wall(made: dict[str, Any]) -> float:
    """Tell the seconds from a job's creation to the end of its last arrow."""
    ended = datetime.fromisoformat(made["log"][-1]["at"])
    return (ended - datetime.fromisoformat(made["created_at"])).total_seconds()


def direct(name: str) -> float:
    """Compute the same with nothing around it; tell the seconds."""
    content, began, at = drawing(name), time.perf_counter(), now()
    geometry = anyio.run(analyse, content, f"{name}.step").geometry
    plan = draft_process_plan("revision", geometry, MATERIAL, QUANTITY, TOLERANCE_MM, at=at)
    need = Need(
        id="need",
        kind=NeedKind.PART,
        title=name,
        owner="lab",
        quantity=QUANTITY,
        due=at + timedelta(days=6),
        created_at=at,
        process_plan=plan.id,
        material=MATERIAL,
    )
    offer = CapacityOffer(
        provider="plant",
        provider_name="Plant",
        dataset="capacity",
        resource=BENCH.id,
        resource_name=BENCH.name,
        place=TOLEDO,
        capabilities=BENCH.capabilities,
    )
    matches = match(need, plan, [offer])
    request = draft_request(need, plan)
    given = quote(request, [BENCH], {}, provider="plant", provider_name="Plant", agreement="agreement", now=at)
    decided = allocate(need, plan, [given], weights=Weights(), now=at, seconds=SOLVE_S, seed=1)
    seconds = time.perf_counter() - began
    if not all(one.is_feasible for one in matches) or len(decided.assignments) < len(plan.operations):
        raise SystemExit("The direct computation came to no plan; the two sides did not do the same.")
    return seconds


def run() -> Result:
    """Measure jobs across the network and the bare computation, in turns."""
    with tempfile.TemporaryDirectory() as name:
        network = Network(Path(name))
        try:
            nodes = start(network, Path(name))
            settle(nodes)
            job(nodes["lab"], "warm")
            direct("warm")
            jobs: list[dict[str, Any]] = []
            bare: list[float] = []
            for number in range(JOBS):
                jobs.append(job(nodes["lab"], f"bracket {number}"))
                bare.append(direct(f"bracket {number}"))
        finally:
            network.stop()
    return Result(
        bench="thread_line",
        ours=statistics.median(wall(one) for one in jobs),
        peer=statistics.median(bare),
        peer_name=(
            "the same analysis, process plan, match, quote and solver called directly, no node, store or network; "
            f"design to order, median of {JOBS}"
        ),
        goal=3.0,
        unit="s",
        better="lower",
        note=arrows(jobs),
    )


def arrows(jobs: list[dict[str, Any]]) -> str:
    """Write each arrow's median seconds."""
    seconds: dict[str, list[float]] = {}
    for one in jobs:
        for entry in one["log"]:
            seconds.setdefault(entry["step"], []).append(entry["seconds"])
    told = ", ".join(f"{step} {statistics.median(each):.3f}" for step, each in seconds.items())
    return f"seconds per arrow: {told}; the whole {statistics.median(wall(one) for one in jobs):.3f}"
