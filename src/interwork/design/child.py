"""A limited child process and the pipe to it: what comes from outside is read and run there, never in the server.

The child starts with an empty environment in a folder of its own, sets its own limits and puts up its walls (`walls`)
before it reads a byte, takes its work from standard input and gives one bounded answer on standard output; the parent
only moves bytes, under a clock. Whatever becomes of the child (crash, limit, silence), nothing else is touched.
"""

import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import anyio
import msgspec
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.lowlevel import RunVar

from interwork.core.errors import LimitReached

if sys.platform != "win32":
    import resource

AT_ONCE = 2
"""Children that run at the same time in one node."""
MEMORY_BYTES = 2 * 1024**3
FILE_BYTES = 64 * 1024**2
PROGRESS = "\x1eprogress"
"""How a line of the child's error stream begins that tells how far it is."""
_COMPLAINT_LIMIT = 4096
_TRIAL_S = 20.0
_PIECE = 1 << 20
_SLOTS: RunVar[anyio.CapacityLimiter] = RunVar("interwork-children")
Told = Callable[[str, float], None]
"""Told the stage and how much is done, 0 to 1."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a child left behind: its answer, its exit code (negative = the signal), the end of what it complained."""

    answer: bytes
    code: int
    complaint: bytes
    is_too_long: bool = False
    """True where it answered with more than it may; the answer is then cut."""


def set_limits(seconds: int) -> None:
    """Bound memory, processor time, written files and core dumps of this process; Windows has no such limits."""
    if sys.platform == "win32":
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


@asynccontextmanager
async def slot(what: str, *, wait_s: float) -> AsyncGenerator[None, None]:
    """Wait for one of the places of this node's children; LimitReached where none becomes free in time."""
    slots = _slots()
    try:
        with anyio.fail_after(wait_s):
            await slots.acquire()
    except TimeoutError as fault:
        raise LimitReached(
            f"{what} waited {wait_s:.0f} s for one of {AT_ONCE} analyses to end.", remedy="Try again later."
        ) from fault
    try:
        yield
    finally:
        slots.release()


def _slots() -> anyio.CapacityLimiter:
    """Give the slots of this event loop."""
    try:
        return _SLOTS.get()
    except LookupError:
        made = anyio.CapacityLimiter(AT_ONCE)
        _SLOTS.set(made)
        return made


async def ask(
    module: str, words: Sequence[str], content: bytes, *, seconds: float, answer_bytes: int, told: Told | None = None
) -> Said:
    """Hand content to `python -m MODULE WORDS…` and take its answer; TimeoutError where it does not end in time."""
    with tempfile.TemporaryDirectory(prefix="interwork-child-", ignore_cleanup_errors=True) as folder:
        process = await _start([sys.executable, "-P", "-m", module, *words], folder)
        try:
            with anyio.fail_after(seconds):
                answer, complaint = await _talk(process, content, answer_bytes, told)
                is_too_long = len(answer) > answer_bytes
                if is_too_long:
                    process.kill()
                code = await process.wait()
        finally:
            await _end(process)
    return Said(answer=bytes(answer), code=code, complaint=bytes(complaint), is_too_long=is_too_long)


async def missing_walls() -> dict[str, str]:
    """Try out, in a child that does nothing else, which walls of `walls` this system refuses, and why."""
    try:
        said = await ask("interwork.design.walls", (), b"", seconds=_TRIAL_S, answer_bytes=_COMPLAINT_LIMIT)
        return msgspec.json.decode(said.answer, type=dict[str, str])
    except (TimeoutError, msgspec.DecodeError) as fault:
        raise LimitReached(f"The walls around child processes could not be tried: {fault}.") from fault


def cause_of(said: Said) -> str:
    """Tell why a child ended without an answer, in words."""
    if said.code >= 0:
        lines = said.complaint.decode("utf-8", "replace").strip().splitlines()
        return f"its process ended with code {said.code} ({lines[-1][:200] if lines else 'no word'})"
    name = signal.Signals(-said.code).name if -said.code in signal.valid_signals() else f"signal {-said.code}"
    causes = {
        "SIGXCPU": "it took more processor time than allowed",
        "SIGXFSZ": "it wrote a larger file than allowed",
        "SIGKILL": "its process was killed, most likely for its memory",
        "SIGABRT": "it gave up, most likely for lack of memory",
    }
    return causes.get(name, f"it crashed ({name}); nothing else was touched")


async def _start(command: list[str], folder: str) -> Process:
    try:
        return await anyio.open_process(command, cwd=folder, env=environment(folder), start_new_session=True)
    except OSError as fault:
        raise LimitReached(
            f"No process could be started for it: {fault}.", remedy="Try again when less is running."
        ) from fault


def environment(folder: str) -> dict[str, str]:
    """Give the child what Python needs to start and none of the parent's secrets."""
    made = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONIOENCODING": "utf-8",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "TMPDIR": folder,
        "HOME": folder,
    }
    if "SYSTEMROOT" in os.environ:  # Windows starts no process without it
        made["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    return made


async def _talk(process: Process, content: bytes, most: int, told: Told | None) -> tuple[bytearray, bytearray]:
    """Feed the child and collect its answer at the same time, each bounded."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise LimitReached("The child process has no pipes; the system may be short of file handles.")
    answer, complaint = bytearray(), bytearray()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_feed, process.stdin, content)
        tasks.start_soon(_drain, process.stderr, complaint, told)
        async for piece in process.stdout:
            answer += piece
            if len(answer) > most:
                tasks.cancel_scope.cancel()
                break
    return answer, complaint


async def _feed(stdin: ByteSendStream, content: bytes) -> None:
    try:
        for begin in range(0, len(content), _PIECE):
            await stdin.send(content[begin : begin + _PIECE])
        await stdin.aclose()
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, ConnectionError):
        return  # the child is gone; its exit code says why


async def _drain(stderr: ByteReceiveStream, complaint: bytearray, told: Told | None) -> None:
    """Let the child print what it likes; keep the end, and pass on how far it is."""
    async for piece in stderr:
        complaint += piece
        *lines, rest = complaint.split(b"\n")
        kept = [line for line in lines if not _is_progress(bytes(line), told)]
        complaint[:] = b"\n".join([*kept, rest])[-_COMPLAINT_LIMIT:]


def _is_progress(line: bytes, told: Told | None) -> bool:
    if not line.startswith(PROGRESS.encode()):
        return False
    words = line.decode("utf-8", "replace").split()
    if told is not None and len(words) == 3 and words[1].replace(".", "", 1).isdecimal():
        told(words[2][:40], min(1.0, float(words[1])))
    return True


async def _end(process: Process) -> None:
    """Kill the child with everything it started (it leads a session of its own)."""
    with anyio.CancelScope(shield=True):
        if sys.platform != "win32":
            with suppress(ProcessLookupError, PermissionError):  # all of them are gone
                os.killpg(process.pid, signal.SIGKILL)
        if process.returncode is None:
            process.kill()
        await process.aclose()
