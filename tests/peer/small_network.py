"""Three real nodes on loopback, each a process of its own: an institute's portal, a lab, and a plant with one bench.

The bench is not connected, so no machine stands in for one: the test is the person at the bench, over the API.
"""

import time
from contextlib import contextmanager
from importlib import resources

import anyio
from machines.running import free_port

from interwork.cli.calls import Remote
from interwork.cli.local import make_node, new_token
from interwork.cli.processes import Network
from interwork.core.clock import parse_moment, rfc3339
from interwork.core.organisation import Role

PLACES = {
    "portal": '{ city = "Chicago", country = "US", latitude = 41.88, longitude = -87.63 }',
    "lab": '{ city = "Ann Arbor", country = "US", latitude = 42.28, longitude = -83.74 }',
    "plant": '{ city = "Toledo", country = "US", latitude = 41.65, longitude = -83.54 }',
}
KINDS = {"portal": "research-institute", "lab": "university", "plant": "small-manufacturer"}
NAMES = {"portal": "Lakeside Institute", "lab": "Northfield Lab", "plant": "Birch Machining"}
TIERS = {"lab": "academic", "plant": "small"}
MADE_S = 60.0
BENCH = {
    "name": "Hand bench",
    "endpoint": "",
    "maker": "Test",
    "capabilities": [
        {
            "process": process,
            "materials": ["aluminium"],
            "envelope_mm": [800.0, 600.0, 400.0],
            "tolerance_mm": 0.005,
            "axes": 5,
            "max_mass_kg": 90.0,
        }
        for process in ("sawing", "milling-3-axis", "milling-5-axis", "deburring", "inspection")
    ],
    "rates": {"setup_s": 300, "setup_price_eur": 10, "hourly_price_eur": 60},
}
AWARD = {
    "title": "Brackets",
    "amount_eur": 80_000,
    "cost_share_eur": 80_000,
    "starts": "2026-09-01T00:00:00Z",
    "ends": "2040-08-31T00:00:00Z",
    "technology": "Design-to-order machining",
    "technology_summary": "A drawing is planned, made and proven.",
    "trl": 4,
    "mrl": 4,
    "milestones": [{"name": "First parts", "due": "2040-01-31T00:00:00Z", "amount_eur": 40_000}],
}


class SmallNetwork:
    """The three nodes with the owner's access to each."""

    def __init__(self, folder):
        self.folder, self.network, self.nodes = folder, Network(folder), {}

    def data(self, key):
        return self.folder / "nodes" / key

    def start(self, *keys):
        """Make and start nodes and wait until they serve."""
        for key in keys:
            self.data(key).mkdir(parents=True)
            extra = self.data(key) / "more.toml"
            extra.write_text(f"place = {PLACES[key]}\ncrawl_s = 1.0\n")
            roles = ["portal", "institute"] if key == "portal" else ["member"]
            made = {"name": NAMES[key], "kind": KINDS[key], "port": free_port(), "roles": roles, "extra": extra}
            make_node(self.data(key), **made)
            self.nodes[key] = Remote(self.data(key))
            self.network.start(key, ["serve", "--data", str(self.data(key)), "--json", "--verbose"])
        self.network.wait(keys)

    def settle(self):
        """Join, connect the bench, publish it, and pay for a project."""
        portal, lab, plant = (self.nodes[key] for key in ("portal", "lab", "plant"))
        for key, tier in TIERS.items():
            self.nodes[key].post("/api/join", {"address": portal.address, "tier": tier})
        plant.post("/api/connect", BENCH)
        plant.post("/api/publish")
        call = {"title": "Machining", "agency": "Agency", "budget_eur": 100_000, "min_cost_share": 1.0}
        opened = portal.post("/api/calls", {**call, "closes": "2040-06-30T00:00:00Z"})
        portal.post("/api/awards", {**AWARD, "call": opened["id"], "recipient_did": self.did("lab")})
        return lab.post("/api/awards/take")["projects"][0]

    def did(self, key):
        return self.nodes[key].get("/api/node")["did"]

    def submit(self, *, project="", material="al-6061", quantity=2, until="", key=""):
        """Send the sample bracket to the lab's node."""
        content = resources.files("interwork").joinpath("samples", "bracket.step").read_bytes()
        words = {"name": "bracket.step", "material": material, "quantity": str(quantity), "project": project}
        due = rfc3339(parse_moment("+6d"))
        return self.nodes["lab"].post("/api/jobs", content, **words, due=due, until=until, key=key)

    def follow(self, job_id, *, act=True):
        """Work at the bench until a job has ended, and give the job."""
        deadline = time.monotonic() + MADE_S
        while time.monotonic() < deadline:
            job = self.nodes["lab"].get(f"/api/jobs/{job_id}")
            if job["state"] != "running":
                return job
            if act:
                self.work()
            time.sleep(0.1)
        raise AssertionError(job)

    def work(self):
        """Do what lies at the bench: start, finish, measure."""
        plant = self.nodes["plant"]
        for run in plant.get("/api/runs", state="RELEASED")["runs"]:
            plant.post(f"/api/runs/{run['id']}/start")
            plant.post(f"/api/runs/{run['id']}/finish")
        for run in plant.get("/api/runs", state="MADE")["runs"]:
            plant.post(f"/api/runs/{run['id']}/inspection", {"instrument": "caliper", "measurements": measured(run)})

    def token(self, key, role):
        return anyio.run(new_token, self.data(key), f"test {role}", Role(role))


def measured(run):
    """Measure every part of a run: one length within its limits."""
    length, allowed = run["box_mm"][0], run["tolerance_mm"]
    return [
        {
            "characteristic": "length",
            "part": part,
            "nominal_mm": length,
            "lower_mm": length - allowed,
            "upper_mm": length + allowed,
            "actual_mm": length + allowed * 0.1 * part,
        }
        for part in range(1, run["quantity"] + 1)
    ]


@contextmanager
def small_network(folder, *keys):
    """Run nodes until the block is left."""
    nodes = SmallNetwork(folder)
    try:
        nodes.start(*keys)
        yield nodes
    finally:
        nodes.network.stop()
