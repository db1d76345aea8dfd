"""What a program that goes on running logs, on standard error."""

import logging
import sys
from contextlib import suppress

import structlog


class _Lines:
    """Log lines on standard error: one that finds no room there, as on a full disk, ends no work."""

    def msg(self, line: str) -> None:
        """Write one line."""
        with suppress(OSError):
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = exception = msg


def log_to_stderr(level: int) -> None:
    """Send what this program logs from a level on to standard error, ours and its libraries'."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level), logger_factory=lambda *_: _Lines())
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
