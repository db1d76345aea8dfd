"""Walls a child puts up around itself before it touches a foreign byte: no network, no other files, no other process.

Three walls of Linux that need no privileges and that nobody can take down again. `files` is Landlock: the child reads
Python and the system's libraries and writes its own folder, so neither the node's keys nor its records. `network` and
`processes` are a system call filter (seccomp), with a network name space of its own behind it: no socket is made, no
program started, no other process signalled or looked into. Where a kernel refuses a wall, or the system is another
one, the child says which and why; whoever shows what the child gave, shows that too.
"""

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

NETWORK, FILES, PROCESSES = "network", "files", "processes"
WALLS = (NETWORK, FILES, PROCESSES)

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_NEW_USER, _NEW_NET = 0x1000_0000, 0x4000_0000
_THREAD = 0x0001_0000
"""CLONE_THREAD: what a new thread is asked for with, and a new process not."""
_EACCES, _ENOSYS = 13, 38

_CREATE_RULESET, _ADD_RULE, _RESTRICT = 444, 445, 446
_READ, _READ_FILE = 0x0D, 0x05
"""Execute, read file, read directory; and of these what a single file takes."""
_WRITE_OWN = 0x7FFF
"""All rights of Landlock's third version, for the child's own folder."""
_RIGHTS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}
_LAST_RIGHTS = 0xFFFF
_SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/nix/store", "/etc/ld.so.cache", "/etc/localtime")
_KERNEL = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu", "/dev/urandom")
_SINKS = ("/dev/null", "/dev/zero")


class _Calls(msgspec.Struct, frozen=True):
    """System calls of one architecture, by what is done with them."""

    audit: int
    """The architecture as the filter sees it."""
    refused: tuple[int, ...]
    own: tuple[int, ...]
    """Allowed where the first argument is this process."""
    limits: int
    """prlimit64: allowed where it sets nothing."""
    clone: int
    absent: tuple[int, ...] = (435, 425)
    """clone3 and io_uring_setup: answered as if the kernel had none, so that libraries fall back to the older calls."""


_CALLS: Mapping[str, _Calls] = {
    # socket; execve, execveat, fork, vfork; tkill, sigqueue; ptrace, process_vm; pidfd; setrlimit; keys; bpf, perf;
    # userfaultfd; unshare, setns, mount
    "x86_64": _Calls(
        0xC000_003E,
        (
            *(41, 59, 322, 57, 58, 200, 129, 297, 101, 310, 311, 434, 424, 438, 160),
            *(248, 249, 250, 321, 298, 323, 272, 308, 165),
        ),
        (62, 234),
        302,
        56,
    ),
    "aarch64": _Calls(
        0xC000_00B7,
        (198, 221, 281, 130, 138, 240, 117, 270, 271, 434, 424, 438, 164, 217, 218, 219, 280, 241, 282, 97, 268, 40),
        (129, 131),
        261,
        220,
    ),
}
_X32 = 0x4000_0000
"""System calls from here on are of x86-64's other way of calling, which no library uses."""


def put_up(folder: Path) -> dict[str, str]:
    """Put up every wall there is around this process, which may write only below the folder; tell why one is missing.

    The process must be of one thread, as the walls of most kernels hold for the one that puts them up and its children.
    """
    if sys.platform != "linux":
        return dict.fromkeys(WALLS, f"{platform.system()} has none that this program knows")
    libc = ctypes.CDLL(None, use_errno=True)
    if _threads() > 1:
        return dict.fromkeys(WALLS, "the process had more than one thread already")
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    is_apart = libc.unshare(_NEW_USER | _NEW_NET) == 0
    why_apart = _said()
    missing = {}
    if why := _restrict_files(libc, folder):
        missing[FILES] = why
    if why := _filter_calls(libc):
        missing[PROCESSES] = why
        if not is_apart:
            missing[NETWORK] = f"{why}, and a network of its own is refused ({why_apart})"
    return missing


def told(missing: Mapping[str, str]) -> str:
    """Say which walls stood, and which did not and why."""
    standing = ", ".join(wall for wall in WALLS if wall not in missing) or "none"
    return "; ".join([standing, *(f"without {wall}: {missing[wall]}" for wall in WALLS if wall in missing)])


def _threads() -> int:
    try:
        return len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        return 1


def _said() -> str:
    return os.strerror(ctypes.get_errno())


def _restrict_files(libc: ctypes.CDLL, folder: Path) -> str:
    """Let this process reach its own folder and what Python needs, and no other file; tell why not."""
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return f"the kernel has no Landlock: {_said()}"
    rights = _RIGHTS.get(version, _LAST_RIGHTS)
    attributes = struct.pack("=Q", rights)
    if version >= 6:  # and no signal or abstract socket reaches out of here
        attributes = struct.pack("=QQQ", rights, 0, 3)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return f"the kernel refuses Landlock: {_said()}"
    try:
        for path, wanted in _reached(folder):
            _allow(libc, ruleset, path, wanted & rights)
        return "" if libc.syscall(_RESTRICT, ruleset, 0) == 0 else f"the kernel refuses Landlock: {_said()}"
    finally:
        os.close(ruleset)


def _reached(folder: Path) -> Iterator[tuple[str, int]]:
    """List what the process may reach, and how."""
    own = (sys.prefix, sys.base_prefix, sys.exec_prefix, *(path for path in sys.path if path))
    for path in dict.fromkeys((*own, *_SYSTEM, *_KERNEL)):
        yield path, _READ
    for path in _SINKS:
        yield path, _READ_FILE | 0x02
    yield str(folder), _WRITE_OWN


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    """Allow the rights below a path; what is not there needs none."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not Path(path).is_dir():
            rights &= _READ_FILE | 0x02
        libc.syscall(_ADD_RULE, ruleset, 1, struct.pack("=Qi", rights, handle), 0)
    finally:
        os.close(handle)


def _filter_calls(libc: ctypes.CDLL) -> str:
    """Refuse the system calls that make sockets, start programs or reach other processes; tell why not."""
    calls = _CALLS.get(platform.machine())
    if calls is None:
        return f"the system calls of {platform.machine() or 'this machine'} are not known here"
    program = b"".join(_program(calls, os.getpid()))
    held = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("@HP", len(program) // 8, ctypes.addressof(held))
    if libc.prctl(_PR_SET_SECCOMP, _FILTER, head, 0, 0) != 0:
        return f"the kernel refuses a filter of system calls: {_said()}"
    return ""


def _program(calls: _Calls, process: int) -> Iterable[bytes]:
    """Write the filter: one instruction per test, each ending in allow, refuse or absent."""
    load, same, above, some, end = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse, absent = 0x7FFF_0000, 0x0005_0000 | _EACCES, 0x0005_0000 | _ENOSYS

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("=HBBI", code, yes, no, value)

    def unless(number: int, argument: int, test: int, value: int) -> list[bytes]:
        """Refuse a call unless an argument stands the test."""
        tested = [step(load, 16 + 8 * argument), step(test, value, 0, 1), step(end, allow), step(end, refuse)]
        return [step(same, number, 0, len(tested)), *tested]

    made = [step(load, 4), step(same, calls.audit, 1, 0), step(end, refuse), step(load, 0)]
    made += [step(above, _X32, 0, 1), step(end, refuse)]
    for number in calls.refused:
        made += [step(same, number, 0, 1), step(end, refuse)]
    for number in calls.absent:
        made += [step(same, number, 0, 1), step(end, absent)]
    for number in calls.own:
        made += unless(number, 0, same, process)
    made += unless(calls.limits, 2, same, 0)
    made += unless(calls.clone, 0, some, _THREAD)
    return [*made, step(end, allow)]


def main() -> int:
    """Put up the walls around this process, which does nothing else, and say which are missing: what `doctor` asks."""
    missing = put_up(Path.cwd())
    sys.stdout.buffer.write(msgspec.json.encode(missing))
    return 0


if __name__ == "__main__":
    sys.exit(main())
