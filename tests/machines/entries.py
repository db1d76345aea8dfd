"""Makes the connectors' entry points findable where the program runs from its source tree without being installed."""

import sys
import tempfile
import tomllib
from contextlib import contextmanager
from pathlib import Path

from interwork.connectors import GROUP, schemes

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@contextmanager
def registered_connectors(more=""):
    """Put a distribution with the project's own entry points (and more) on the path, unless it is installed."""
    declared = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["entry-points"][GROUP]
    known = schemes()
    lines = [f"{name} = {target}" for name, target in declared.items() if name not in known]
    with tempfile.TemporaryDirectory() as folder:
        info = Path(folder) / "interwork_under_test-0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: interwork-under-test\nVersion: 0\n")
        (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, more]) + "\n")
        sys.path.insert(0, folder)
        try:
            yield
        finally:
            sys.path.remove(folder)
