"""Analyses asked for by people: a record with progress that survives a restart, and that can be cancelled."""

from dataclasses import dataclass

import anyio
import msgspec
import structlog

from interwork.core.design import Study, StudyState
from interwork.core.errors import Conflict, InterworkError, WrongState
from interwork.core.event import Tag
from interwork.core.ids import new_id
from interwork.design import format_of
from interwork.flows.designing.recording import Drawn, record
from interwork.flows.node import Node
from interwork.store import Change

log = structlog.get_logger()
_LOOK_S = 0.4
"""How often progress is written down."""
_WAIT_S = 5.0


@dataclass(slots=True)
class _Meter:
    """How far an analysis is; written by its child, read by its reporter."""

    stage: str = "waiting"
    share: float = 0.0

    def tell(self, stage: str, share: float) -> None:
        """Note where the analysis stands."""
        self.stage, self.share = stage, share


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """What came of an analysis."""

    state: StudyState
    revision: str = ""
    message: str = ""
    remedy: str = ""


async def submit(node: Node, content: bytes, file_name: str, *, actor: str) -> Study:
    """Keep a file and ask for its analysis; what no reader knows is refused at once."""
    format_of(content, file_name)
    now = node.clock()
    study = Study(
        id=new_id("study"),
        file_name=file_name.rpartition("/")[2][:200] or "part",
        digest=node.files.put(content),
        state=StudyState.QUEUED,
        asked_by=actor,
        created_at=now,
        updated_at=now,
    )
    await node.store.commit(Change(actor).put(study).event(Tag.STUDY_MOVED, study.id, state=study.state.value))
    return study


async def cancel(node: Node, identifier: str, *, actor: str) -> Study:
    """Stop an analysis that is not done."""
    study = await node.store.get(Study, identifier)
    if study.state not in (StudyState.QUEUED, StudyState.RUNNING):
        raise WrongState(f"The analysis of {study.file_name} is {study.state.value}; there is nothing to stop.")
    stopped = msgspec.structs.replace(study, message=f"Stopped by {actor}.")
    return await _move(node, stopped, StudyState.CANCELLED, expect=study, actor=actor)


async def work(node: Node) -> None:
    """Carry out the analyses that were asked for, for ever; those that were cancelled are stopped."""
    scopes: dict[str, anyio.CancelScope] = {}

    async def carry(identifier: str) -> None:
        with scopes[identifier]:
            await run(node, identifier)
        del scopes[identifier]

    async with anyio.create_task_group() as tasks, node.store.changes() as changes:
        while True:
            for state in (StudyState.RUNNING, StudyState.QUEUED):
                for study in await node.store.find(Study, state=state, limit=100):
                    if study.id not in scopes:
                        scopes[study.id] = anyio.CancelScope()
                        tasks.start_soon(carry, study.id)
            for identifier, scope in list(scopes.items()):
                known = await node.store.peek(Study, identifier)
                if known is None or known.state is StudyState.CANCELLED:
                    scope.cancel()
            with anyio.move_on_after(_WAIT_S):
                await changes.receive()


async def run(node: Node, identifier: str) -> Study:
    """Carry out one analysis, its progress written down as it goes."""
    study = await node.store.get(Study, identifier)
    if study.state not in (StudyState.QUEUED, StudyState.RUNNING):
        return study
    study = await _move(node, study, StudyState.RUNNING, expect=study)
    meter = _Meter()
    title = study.file_name.rpartition(".")[0] or study.file_name
    drawn = Drawn(
        file_name=study.file_name,
        digest=study.digest,
        title=title,
        owner=node.settings.organisation,
        actor=study.asked_by or "node",
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_report, node, identifier, meter)
        try:
            revision = await record(node, drawn, told=meter.tell)
            ended = _Ending(state=StudyState.DONE, revision=revision.id)
        except InterworkError as fault:
            log.warning("study.failed", study=identifier, fault=str(fault))
            ended = _Ending(state=StudyState.FAILED, message=fault.message, remedy=fault.remedy)
        tasks.cancel_scope.cancel()
    return await _end(node, identifier, ended)


async def _end(node: Node, identifier: str, ended: _Ending) -> Study:
    while True:
        study = await node.store.get(Study, identifier)
        if study.state is StudyState.CANCELLED:
            return study
        try:
            share = 1.0 if ended.state is StudyState.DONE else study.progress
            return await _move(
                node,
                msgspec.structs.replace(
                    study, revision=ended.revision, message=ended.message, remedy=ended.remedy, stage="", progress=share
                ),
                ended.state,
                expect=study,
            )
        except Conflict:
            continue


async def _report(node: Node, identifier: str, meter: _Meter) -> None:
    while True:
        await anyio.sleep(_LOOK_S)
        study = await node.store.get(Study, identifier)
        if study.state is not StudyState.RUNNING or (study.stage, study.progress) == (meter.stage, meter.share):
            continue
        moved = msgspec.structs.replace(study, stage=meter.stage, progress=meter.share, updated_at=node.clock())
        try:
            await node.store.commit(Change().put(moved, expect=study))
        except Conflict:
            continue


async def _move(node: Node, study: Study, state: StudyState, *, expect: Study, actor: str = "node") -> Study:
    moved = msgspec.structs.replace(study, state=state, updated_at=node.clock())
    change = Change(actor).put(moved, expect=expect).event(Tag.STUDY_MOVED, study.id, state=state.value)
    await node.store.commit(change)
    return moved
