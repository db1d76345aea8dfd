"""Run the tests; where at most three failed, run those once more, alone, and tell which passed only then.

The peers are other programs on a machine others may load. What fails twice fails; what passes alone is printed as a
finding to be mended, never hidden. Use: `python tests/again.py CACHE [pytest's arguments …]`.
"""

import json
import subprocess
import sys
from pathlib import Path

FAILED = 1
"""Exit code of pytest when it ran to its end and tests failed."""
AGAIN_MAX = 3


def run(cache, *arguments):
    command = [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={cache}", *arguments]
    return subprocess.run(command, check=False).returncode


def failed(cache):
    """Ids of the tests that failed last; none where pytest noted none (a file that cannot be imported has no `::`)."""
    file = Path(cache) / "v" / "cache" / "lastfailed"
    return sorted(json.loads(file.read_text())) if file.exists() else []


def main(cache, *arguments):
    code = run(cache, "--cache-clear", *arguments)
    names = failed(cache)
    if code != FAILED or not 0 < len(names) <= AGAIN_MAX or not all("::" in name for name in names):
        return code
    print("\nThese failed. They run once more, alone:", *names, sep="\n  ", flush=True)
    code = run(cache, *names)
    if code == 0:
        print("\nFailed among the others, passed alone (to be mended):", *names, sep="\n  ", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
