"""The thread line, from a design to what the network learns.

design → process plan → need → search → match → quote → plan → agree → order → make → evidence → learn.

Each arrow is one awaited step; its result is saved under the job's id before the next begins, so a crash resumes at
the last arrow and no arrow is done twice.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import datetime

import anyio
import msgspec
import structlog

from interwork.core.design import PlanTemplate
from interwork.core.errors import BadInput, Conflict, DiskFull, InterworkError, NoPlan, ours
from interwork.core.event import Tag
from interwork.core.ids import derived_id, digest_of
from interwork.core.making import Job, JobEntry, JobStep
from interwork.core.programme import Project
from interwork.core.taxonomy import material_of
from interwork.flows.make_part import choose, draw, follow, learn
from interwork.flows.node import Node
from interwork.store import Change

log = structlog.get_logger()

STEPS: tuple[tuple[JobStep, Callable[[Node, Job], Awaitable[tuple[Job, str]]]], ...] = (
    (JobStep.DESIGN, draw.design),
    (JobStep.PROCESS_PLAN, draw.process_plan),
    (JobStep.NEED, draw.need),
    (JobStep.SEARCH, choose.search),
    (JobStep.MATCH, choose.match_offers),
    (JobStep.QUOTE, choose.ask_quotes),
    (JobStep.PLAN, choose.plan),
    (JobStep.AGREE, follow.agree),
    (JobStep.ORDER, follow.order),
    (JobStep.MAKE, follow.make),
    (JobStep.EVIDENCE, learn.evidence),
    (JobStep.LEARN, learn.learn),
)
"""The arrows in order; each takes the job and returns it with its result and one sentence of what was done."""

RETRY_S = 2.0
RETRIES = 30
"""A retryable fault (a peer or machine away) is tried again this often before the job stops with its message."""


class MakeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asks for."""

    material: str
    quantity: int
    due: datetime
    tolerance_mm: float = 0.1
    thickness_mm: float | None = None
    """Of the sheet a flat drawing (DXF) is cut from."""
    template: str = ""
    """A template of a process plan the draft goes through; empty = none."""
    project: str = ""
    until: str = ""
    """The last arrow to do: `match` to see who could, `plan` to see the plan; empty = all."""
    key: str = ""
    """Sent again with the same key, the same job is meant."""


async def submit(node: Node, content: bytes, file_name: str, request: MakeRequest, *, actor: str = "node") -> Job:
    """Check a request, keep the file, and open its job; the same key opens the same job."""
    material = material_of(request.material)
    if not content:
        raise BadInput(f"{file_name} is empty.", remedy="Give a STEP, STL, IGES, 3MF or DXF file.")
    if not 1 <= request.quantity <= 100_000:
        raise BadInput(f"A quantity of {request.quantity} cannot be made.", remedy="Give 1 to 100,000.")
    if request.due <= node.clock():
        raise BadInput(f"The due date {request.due:%Y-%m-%d %H:%M} UTC is past.", remedy="Give a later one, as +10d.")
    if not 0.001 <= request.tolerance_mm <= 10:
        raise BadInput(
            f"A tolerance of {request.tolerance_mm} mm is outside 0.001 to 10 mm.", remedy="Give one within, as 0.1."
        )
    _check_thickness(file_name, request.thickness_mm)
    if request.template:
        await node.store.get(PlanTemplate, request.template)
    if request.until not in ("", *(step for step, _ in STEPS)):
        raise BadInput(f"{request.until!r} is no arrow of a job.", remedy=f"Use one of {', '.join(JobStep)}.")
    if request.project:
        await node.store.get(Project, request.project)
    digest = digest_of(content)
    job_id = (
        derived_id("job", node.did, request.key)
        if request.key
        else derived_id("job", node.did, digest, str(node.clock()))
    )
    known = await node.store.peek(Job, job_id)
    if known is not None:
        _check_same(known, digest, request)
        return known
    node.files.put(content)
    now = node.clock()
    job = Job(
        id=job_id,
        title=file_name.rpartition("/")[2].rpartition(".")[0] or file_name,
        owner=node.settings.organisation,
        step=JobStep.DESIGN,
        revision=derived_id("rev", digest),
        material=material.id,
        quantity=request.quantity,
        due=request.due,
        tolerance_mm=request.tolerance_mm,
        project=request.project,
        created_at=now,
        updated_at=now,
        facts={
            "file_name": file_name,
            "digest": digest,
            "until": request.until,
            "thickness_mm": request.thickness_mm,
            "template": request.template,
        },
    )
    await node.store.commit(
        Change(actor, once=f"job:{job_id}").put(job).event(Tag.JOB_MOVED, job.id, step=job.step.value, file=file_name)
    )
    return job


def _check_thickness(file_name: str, thickness_mm: float | None) -> None:
    """Refuse now what the second arrow would refuse: a flat drawing without its sheet, or a solid with one."""
    is_flat = file_name.lower().endswith(".dxf")
    if is_flat and thickness_mm is None:
        raise BadInput(
            f"{file_name} is a flat drawing and has no thickness.",
            where="thickness_mm",
            remedy="Give the thickness of the sheet in mm.",
        )
    if not is_flat and thickness_mm is not None:
        raise BadInput(
            f"A sheet of {thickness_mm:g} mm was given, but {file_name} has a thickness of its own.",
            where="thickness_mm",
            remedy="Leave the thickness out; it is for a flat drawing (DXF).",
        )


def _check_same(known: Job, digest: str, request: MakeRequest) -> None:
    """Refuse another wish under a key that is taken: nothing would be made of it, silently."""
    sheet = (request.thickness_mm, request.template)
    asked = (digest, material_of(request.material).id, request.quantity, request.tolerance_mm, request.project, *sheet)
    facts = known.facts
    held = (facts.get("digest"), known.material, known.quantity, known.tolerance_mm, known.project)
    if asked != (*held, facts.get("thickness_mm"), facts.get("template", "")):
        raise Conflict(
            f"The key {request.key!r} was used for another job: {known.quantity} × {known.title} ({known.id}).",
            remedy="Send another key for another job.",
        )


async def proceed(node: Node, job_id: str, *, actor: str = "node") -> Job:
    """Carry a job on that was stopped on purpose after an arrow, or that failed; who offers is asked anew."""
    job = await node.store.get(Job, job_id)
    if job.state == "running" or job.step is JobStep.DONE:
        return job
    step = JobStep.SEARCH if job.step is JobStep.MATCH else job.step
    going = msgspec.structs.replace(job, state="running", step=step, remedy="", facts={**job.facts, "until": ""})
    await node.store.commit(Change(actor).put(going, expect=job).event(Tag.JOB_MOVED, job_id, step=step.value))
    return going


async def work(node: Node) -> None:
    """Carry every unfinished job on, for ever; new ones are seen as soon as they are saved."""
    running: set[str] = set()

    async def carry(job_id: str) -> None:
        try:
            await run(node, job_id)
        finally:
            running.discard(job_id)

    async with anyio.create_task_group() as tasks, node.store.changes() as changes:
        while True:
            for job in await node.store.find(Job, state="running", limit=100):
                if job.id not in running:
                    running.add(job.id)
                    tasks.start_soon(carry, job.id)
            with anyio.move_on_after(5):
                await changes.receive()


async def run(node: Node, job_id: str) -> Job:
    """Carry one job from where it stands to its end, saving after each arrow."""
    attempts = 0
    while True:
        job = await node.store.get(Job, job_id)
        if job.state != "running" or job.step is JobStep.DONE:
            return job
        try:
            await _step(node, job)
            attempts = 0
        except Conflict:
            continue
        except DiskFull as fault:
            log.warning("job.waits", job=job_id, step=job.step.value, fault=str(fault))
            await anyio.sleep(RETRY_S)
        except InterworkError as fault:
            attempts += 1
            if not fault.retryable or attempts > RETRIES:
                return await _fail(node, job_id, fault)
            log.warning("job.waits", job=job_id, step=job.step.value, fault=str(fault))
            await anyio.sleep(RETRY_S)


async def _step(node: Node, job: Job) -> None:
    names = [step for step, _ in STEPS]
    index = names.index(job.step)
    began = time.monotonic()
    done, message = await _arrow(node, job, STEPS[index][1])
    following = names[index + 1] if index + 1 < len(names) else JobStep.DONE
    if done.step is not job.step:
        following = done.step
    is_over = following is JobStep.DONE or job.step.value == job.facts.get("until")
    current = await node.store.get(Job, job.id)
    if current.state != "running":  # cancelled meanwhile
        return
    now = node.clock()
    entry = JobEntry(step=job.step, at=now, seconds=round(time.monotonic() - began, 3), message=message)
    moved = msgspec.structs.replace(
        done,
        step=following,
        state="done" if is_over else "running",
        message=message,
        updated_at=now,
        log=(*job.log, entry),
    )
    await node.store.commit(
        Change(once=f"{job.id}:{job.step.value}:{len(job.log)}")
        .put(moved, expect=current)
        .event(Tag.JOB_MOVED, job.id, step=job.step.value, message=message)
    )
    log.info("job.moved", job=job.id, step=job.step.value, seconds=entry.seconds)


async def _arrow(node: Node, job: Job, arrow: Callable[[Node, Job], Awaitable[tuple[Job, str]]]) -> tuple[Job, str]:
    """Do one arrow; what fails in its parallel parts is the arrow's own failure."""
    try:
        return await arrow(node, job)
    except ExceptionGroup as group:
        fault = ours(group)
        if fault is None:
            raise
        raise fault from group


async def _fail(node: Node, job_id: str, fault: InterworkError) -> Job:
    job = await node.store.get(Job, job_id)
    if job.state != "running":  # cancelled meanwhile: that is what is said of it
        return job
    reasons = list(fault.reasons) if isinstance(fault, NoPlan) else []
    failed = msgspec.structs.replace(
        job,
        state="failed",
        message=fault.message,
        remedy=fault.remedy,
        updated_at=node.clock(),
        facts={**job.facts, "reasons": reasons, "code": fault.code},
    )
    await node.store.commit(
        Change().put(failed).event(Tag.JOB_FAILED, job_id, step=job.step.value, message=str(fault), reasons=reasons)
    )
    log.warning("job.failed", job=job_id, step=job.step.value, fault=str(fault))
    return failed
