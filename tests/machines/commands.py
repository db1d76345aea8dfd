"""How a test talks to a machine server in a child process: a line in, `OK` out."""

import asyncio
import sys
from collections.abc import Awaitable, Callable


async def serve_commands(act: Callable[..., Awaitable[None] | None]) -> None:
    """Say READY, then carry out each line of standard input as `act(*words)` until it ends."""
    print("READY", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        outcome = act(*line.rstrip("\n").split("|"))
        if outcome is not None:
            await outcome
        print("OK", flush=True)
