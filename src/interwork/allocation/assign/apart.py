"""HiGHS over all of a small assignment in a process of its own: it can be ended at any moment, and uses another core.

`python -m interwork.allocation.assign.apart SECONDS` reads a problem as JSON and writes its `Answer` as JSON.
"""

import contextlib
import math
import subprocess
import sys

import msgspec
import numpy as np

from interwork.allocation.assign.program import integral, program
from interwork.allocation.problem.model import Problem

LONGEST_WAIT_S = 5.0


class Answer(msgspec.Struct, frozen=True):
    """What HiGHS found: a lower bound, and the mode of each activity where it has a plan."""

    bound: float | None
    modes: list[int] | None


def answered(problem: Problem, seconds: float) -> Answer:
    """Solve an assignment over all its choices within so many seconds."""
    written = program(problem)
    found = integral(written, np.ones(len(written.costs), dtype=bool), seconds)
    bound = found.mip_dual_bound
    modes: list[int] | None = None
    if found.x is not None:
        modes = [-1] * len(problem.activities)
        for column, (activity, mode) in enumerate(written.picks):
            if found.x[column] > 0.5:
                modes[activity] = mode
    return Answer(float(bound) if bound is not None and math.isfinite(bound) else None, modes)


class Apart:
    """A solve that goes on in another process until it is done or ended."""

    def __init__(self, problem: Problem, seconds: float) -> None:
        words = [sys.executable, "-m", "interwork.allocation.assign.apart", str(seconds)]
        self.process = subprocess.Popen(  # noqa: S603 - our own program, words of ours
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(msgspec.json.encode(problem))
            self.process.stdin.close()
        except BrokenPipeError:
            self.process.kill()

    @property
    def is_done(self) -> bool:
        """Tell whether the answer is there, or never will be."""
        return self.process.poll() is not None

    def wait(self, seconds: float) -> None:
        """Wait for the answer, at most so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def end(self) -> Answer | None:
        """Take the answer if it is there; end the process otherwise."""
        is_done = self.is_done
        if not is_done:
            self.process.kill()
        assert self.process.stdout is not None
        with self.process.stdout as out:
            body = out.read() if is_done else b""
        self.process.wait(LONGEST_WAIT_S)
        try:
            return msgspec.json.decode(body, type=Answer) if body else None
        except msgspec.MsgspecError:
            return None


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Problem)
    sys.stdout.buffer.write(msgspec.json.encode(answered(asked, float(sys.argv[1]))))
