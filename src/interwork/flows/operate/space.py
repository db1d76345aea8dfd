"""Room for readings: watched for ever, and told once per change, for a disk that fills up is an operator's matter."""

import anyio
import structlog

from interwork.core.errors import InterworkError
from interwork.core.event import Tag
from interwork.flows.node import Node
from interwork.store import Change
from interwork.stream.historian import Health

log = structlog.get_logger()
LOOK_S = 10.0
OK = "ok"
PRESSING = ("critical", "full")


async def work(node: Node) -> None:
    """Tell when the volume of the readings fills up or sealing fails, and when all is well again."""
    known = (OK, False)
    while True:
        try:
            known = await look(node, known)
        except InterworkError as fault:  # told with the next look
            log.warning("space.untold", fault=str(fault))
        await anyio.sleep(LOOK_S)


async def look(node: Node, known: tuple[str, bool]) -> tuple[str, bool]:
    """Take one look and tell what changed; return what is known now."""
    health = await node.historian.health()
    found = (health.level, bool(health.fault))
    if found != known:
        detail = {"level": health.level, "used_share": round(health.used_share, 3), "free_bytes": health.free_bytes}
        change = Change().event(Tag.READINGS_SPACE, node.did, **detail, fault=health.fault, waiting=health.hot_rows)
        await node.store.commit(change)
    return found


async def trouble(node: Node) -> Health | None:
    """Tell what somebody has to do something about: hardly any room for readings, or a fault; None where nothing is."""
    try:
        health = await node.historian.health()
    except InterworkError as fault:
        return Health(level="full", used_share=1.0, free_bytes=0, hot_rows=0, fault=str(fault))
    return health if health.level in PRESSING or health.fault else None
