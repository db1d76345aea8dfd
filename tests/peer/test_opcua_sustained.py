"""OPC UA changes offered by the clock, for a short while: the bench `opcua_minute` is the same for a minute."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.peer
ROOT = Path(__file__).parents[2]


def test_changes_offered_by_the_clock_are_all_decoded_and_all_kept_in_bounded_memory():
    """machines 10: received = sent; the bench fails where a notification is missing or a kept reading is not found."""
    environment = os.environ | {"RUNS": "1", "SECONDS": "2"}
    command = [sys.executable, "-m", "bench", "NAME=opcua_minute"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False, timeout=100, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["ours"] > 0
