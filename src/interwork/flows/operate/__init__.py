"""Operating a plant: alarms, figures of a period, stops and their reasons, what is unusual, charts, changes."""

import anyio
import structlog

from interwork.core.errors import InterworkError
from interwork.flows.node import Node
from interwork.flows.operate import alarms, figures, space, unusual

log = structlog.get_logger()
TEND_S = 60.0
SHIFTS_EVERY = 5
"""Closed shifts are made, and those with late readings made anew, every so many rounds."""
LEARN_EVERY = 15
"""Normals are learnt anew every so many rounds."""


async def work(node: Node) -> None:
    """Watch the alarms and the room for readings, close shifts and learn what is normal, for ever."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(alarms.work, node)
        tasks.start_soon(_tend, node)
        tasks.start_soon(space.work, node)


async def _tend(node: Node) -> None:
    """Do what needs no hurry once a minute; what fails is told and tried again."""
    turn = 0
    while True:
        await anyio.sleep(TEND_S)
        turn += 1
        try:
            if turn % SHIFTS_EVERY == 1:
                await figures.close_shifts(node)
            if turn % LEARN_EVERY == 1:
                learnt = await unusual.learn_normals(node)
                log.info("normals.learnt", signals=learnt)
        except InterworkError as fault:
            log.warning("operating.untended", fault=str(fault))
