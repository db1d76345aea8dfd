"""A small world for the tests of pages: a university's node with machines, jobs, agreements and evidence.

Test data, made up: it stands in nobody's data folder and is written by nothing but the tests. The store, the files,
the historian and the live state are the real ones; only the node's own tasks stand still.
"""

import math
from array import array
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path

import anyio
import world_records as records

from interwork.app import Node, open_node
from interwork.consortium import read_directory
from interwork.core.clock import now, to_us
from interwork.core.organisation import Place, Role
from interwork.core.resource import (
    GOOD,
    Batch,
    Blueprint,
    Capability,
    Meaning,
    Resource,
    ResourceKind,
    Signal,
)
from interwork.design import analyse, draft_process_plan
from interwork.design.solid import samples
from interwork.store import Change
from interwork.web.access import create_account, issue_token

PASSWORD = "a long enough password"
SETTINGS = """
name = "Northfield University Precision Lab"
organisation = "org-northfield00"
kind = "university"
port = {port}
roles = ["member", "institute"]
focus = "Sensor mounts and precision design"
is_sample = true
place = {{ city = "Ann Arbor", region = "Michigan", country = "US", latitude = 42.28, longitude = -83.74 }}
"""
MILL, CMM, PRINTER, FAR = "resource-mill000000", "resource-cmm0000000", "resource-printer000", "resource-far00000000"
SIGNALS = (
    # name, unit, meaning, base, swing
    ("Execution", "", Meaning.EXECUTION, 0.0, 0.0),
    ("Spindle load", "%", Meaning.SPINDLE_LOAD, 46.0, 22.0),
    ("Spindle speed", "{rpm}", Meaning.SPINDLE_SPEED, 7800.0, 900.0),
    ("Power", "kW", Meaning.POWER, 5.2, 2.4),
    ("Feed", "mm/min", Meaning.FEED_RATE, 1400.0, 600.0),
    ("Coolant", "Cel", Meaning.TEMPERATURE, 24.5, 1.2),
    ("Coolant level", "%", Meaning.COOLANT_LEVEL, 71.0, 0.4),
    ("Parts", "1", Meaning.PART_COUNT, 7.0, 0.0),
    ("Energy", "kW.h", Meaning.ENERGY, 1284.0, 0.0),
    ("Alarm text", "", Meaning.ALARM, 0.0, 0.0),
)


@dataclass(frozen=True, kw_only=True)
class StillNode(Node):
    """A node whose tasks stand still."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Run nothing; close the parts at the end."""
        yield
        await self.historian.close()
        await self.store.close()


async def build(folder: Path, *, port: int = 8799, seeded: bool = True) -> StillNode:
    """Open a node in a folder, with the world in it or with nothing."""
    await anyio.Path(folder).mkdir(parents=True, exist_ok=True)
    await anyio.Path(folder / "node.toml").write_text(SETTINGS.format(port=port))
    node = await reopen(folder)
    if seeded:
        await seed(node)
    return node


async def reopen(folder: Path) -> StillNode:
    """Open a folder that holds a node, with its machines as they speak now."""
    node = await open_node(folder)
    still = StillNode(**{field.name: getattr(node, field.name) for field in fields(node)})
    still.live.update(reading_batch(now()))
    return still


async def seed(node: StillNode) -> None:
    """Fill a node with the world."""
    for role in Role:
        await create_account(node.store, f"{role.value.title()} of the lab", PASSWORD, role, actor="test")
    await issue_token(node.store, "measuring machine", Role.OPERATOR, days=365)
    facts = resources.files("interwork").joinpath("samples", "institutes.csv").read_text(encoding="utf-8")
    directory = Change("test")
    for body in [*read_directory(facts, "public pages of the networks"), *records.bodies()]:
        directory.put(body)
    await node.store.commit(directory)
    await _machines(node)
    await _design(node)
    for change in records.changes(node.did):
        await node.store.commit(change)


async def _machines(node: StillNode) -> None:
    lab = Place(city="Ann Arbor", region="Michigan", country="US", latitude=42.28, longitude=-83.74)
    change = Change("test")
    for identifier, name, kind, endpoint, agreement in (
        (MILL, "Mill 1", ResourceKind.MACHINE, "opc.tcp://localhost:4840/mill", ""),
        (CMM, "Coordinate measuring machine", ResourceKind.INSTRUMENT, "modbus://localhost:5020?unit=1", ""),
        (PRINTER, "Powder-bed printer", ResourceKind.MACHINE, "", ""),
        (FAR, "Mill 3 at Alder Precision", ResourceKind.MACHINE, "", "agreement-readings00"),
    ):
        change.put(
            Resource(
                id=identifier,
                name=name,
                kind=kind,
                owner="org-alder00000" if agreement else node.settings.organisation,
                place=lab,
                maker="Interwork simulator",
                model="M1",
                is_simulated=kind is ResourceKind.MACHINE,
                time_scale=60.0 if kind is ResourceKind.MACHINE else 1.0,
                endpoint=endpoint,
                options={"agreement": agreement} if agreement else {},
                capabilities=(
                    Capability(
                        process="milling-3-axis",
                        materials=("al-6061", "al-7075"),
                        envelope_mm=(500.0, 400.0, 300.0),
                        tolerance_mm=0.02,
                        axes=3,
                    ),
                ),
            )
        )
    change.put(
        Blueprint(
            id="blueprint-mill0000",
            resource=MILL,
            protocol="opc.tcp",
            storage_bytes_per_day=3.2e6,
            storage_quota_bytes=2e9,
            retention_days=30,
            rated_power_kw=12,
            is_connected=True,
            traffic_samples_per_s=9.5,
            burst_samples=40,
            forecast="96 MB in 30 days of 2,000 MB; 12 kW of 250 kW; 9.5 readings/s of 20,000.",
            admitted_at=now() - timedelta(days=12),
        )
    )
    for machine, (owner, names) in enumerate(((MILL, SIGNALS), (CMM, SIGNALS[:1] + SIGNALS[5:6]), (FAR, SIGNALS[:4]))):
        for index, (name, unit, meaning, _base, _swing) in enumerate(names):
            number = 100 * machine + index + 1
            change.put(
                Signal(
                    id=f"signal-{number:08}",
                    number=number,
                    resource=owner,
                    name=name,
                    address=f"ns=2;s={name.replace(' ', '')}",
                    unit=unit,
                    meaning=meaning,
                    is_text=meaning in (Meaning.EXECUTION, Meaning.ALARM),
                )
            )
    await node.store.commit(change)
    end = now()
    for second in range(900, 0, -5):
        await node.historian.append(reading_batch(end - timedelta(seconds=second)))


def reading_batch(at: datetime) -> Batch:
    """Make what the machines say at a moment: the mill cuts, the far mill too, the measuring machine is lost."""
    seconds = at.timestamp()
    rows = [(index + 1, name) for index, name in enumerate(SIGNALS)]
    rows += [(201 + index, name) for index, name in enumerate(SIGNALS[:4])]
    values, texts = [], []
    for number, (_name, _unit, meaning, base, swing) in rows:
        wave = 0.6 * math.sin(seconds / 37 + number) + 0.4 * math.sin(seconds / 7.3 + 2 * number)
        grown = (seconds % 3600) / 400 if meaning in (Meaning.PART_COUNT, Meaning.ENERGY) else 0.0
        is_word = meaning in (Meaning.EXECUTION, Meaning.ALARM)
        texts.append("ACTIVE" if meaning is Meaning.EXECUTION else "none" if is_word else None)
        value = base + swing * wave + (math.floor(grown) if meaning is Meaning.PART_COUNT else grown)
        values.append(math.nan if is_word else value)
    return Batch(
        signal=array("i", [number for number, _ in rows]),
        time_us=array("q", [to_us(at)] * len(rows)),
        value=array("d", values),
        quality=array("I", [GOOD] * len(rows)),
        text=texts,
    )


async def _design(node: StillNode) -> None:
    content = samples()["bracket.step"]
    analysis = await analyse(content, "bracket.step")
    revision = records.revision(
        analysis.geometry, node.files.put(content), node.files.put(analysis.view), node.settings.organisation
    )
    plan = draft_process_plan(revision.id, analysis.geometry, "al-6061", 12, 0.1, at=now())
    await node.store.commit(Change("test").put(revision).put(records.design(node.settings.organisation)).put(plan))
