"""Run benches and print each as one JSON line: ours, the peer, their ratio, and whether the goal is met.

A bench is a file `bench/<name>.py` with `def run() -> Result`. The peer runs in the same call, on the same data, on
the same machine, so the ratio holds on any machine while the figures do not. Each bench runs `RUNS` times in a
process of its own; the run with the median ratio is the one that counts.
"""

import importlib
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
NOT_BENCHES = {"__init__", "__main__", "harness", "plant"}
RUNS = int(os.environ.get("RUNS", "3"))
LONGEST_S = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One measurement beside its peer."""

    bench: str
    ours: float
    peer: float
    peer_name: str
    """What the peer is, or the limit, and where the measurement starts and ends."""
    goal: float
    """For the ratio ours / peer."""
    unit: str
    better: str = "higher"
    """`higher` or `lower`."""
    note: str = ""
    """Further figures, for people; printed to the error stream."""

    @property
    def ratio(self) -> float:
        """Tell ours / peer."""
        return self.ours / self.peer if self.peer else float("inf")

    @property
    def is_met(self) -> bool:
        """Tell whether the ratio is at least (where lower is better: at most) the goal."""
        return self.ratio <= self.goal if self.better == "lower" else self.ratio >= self.goal

    def line(self) -> str:
        """Write the result as its JSON line."""
        return json.dumps(
            {
                "bench": self.bench,
                "ours": _figures(self.ours),
                "peer": _figures(self.peer),
                "peer_name": self.peer_name,
                "ratio": _figures(self.ratio),
                "better": self.better,
                "goal": self.goal,
                "met": self.is_met,
                "unit": self.unit,
            }
        )


def names() -> list[str]:
    """List the benches there are."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NOT_BENCHES)


def measure(name: str, runs: int = RUNS) -> Result:
    """Run one bench several times; return the run with the median ratio."""
    bench = importlib.import_module(f"bench.{name}")
    results: list[Result] = [bench.run() for _ in range(runs)]
    middle = statistics.median_low([one.ratio for one in results])
    return next(one for one in results if one.ratio == middle)


def run_one(name: str) -> None:
    """Measure one bench and print its line."""
    result = measure(name)
    if result.note:
        print(f"{name}: {result.note}", file=sys.stderr)
    print(result.line(), flush=True)


def run_all() -> int:
    """Measure every bench, each in a process of its own; return how many failed."""
    failed = 0
    for name in names():
        try:
            done = subprocess.run(
                [sys.executable, "-m", "bench", f"NAME={name}"], cwd=HERE.parent, timeout=LONGEST_S, check=False
            )
            failed += done.returncode != 0
        except subprocess.TimeoutExpired:
            print(f"{name}: not done after {LONGEST_S} s", file=sys.stderr)
            failed += 1
    return failed


def _figures(value: float) -> float:
    """Keep four significant figures: more would be noise."""
    return float(f"{value:.4g}")
