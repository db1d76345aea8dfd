"""What must never be committed, and what must always be there."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout: nothing tells which files are the repository's")
    return [ROOT / name for name in listed.stdout.decode().splitlines() if (ROOT / name).is_file()]


def test_no_lock_file_carries_an_address():
    for name in ("requirements.txt", "requirements-dev.txt", "package-lock.json", "tests/node-peers/package-lock.json"):
        assert not re.search(r"https?://|--index-url|--extra-index-url", (ROOT / name).read_text()), name


def test_every_pin_carries_a_hash():
    for name in ("requirements.txt", "requirements-dev.txt"):
        pins = re.findall(r"^[a-z0-9][^=\n]*==[^\n]*", (ROOT / name).read_text(), flags=re.MULTILINE)
        assert pins
        assert all(pin.rstrip().endswith("\\") for pin in pins), name


def test_no_uv_lock_and_no_library_file_is_committed():
    names = [path.relative_to(ROOT).as_posix() for path in _tracked()]
    assert [name for name in names if name.endswith(("uv.lock", ".mo")) or "static/lib/" in name] == []


def test_every_package_of_the_design_exists():
    wanted = {"core", "store", "connectors", "stream", "twin", "design", "allocation", "federation", "consortium"}
    wanted |= {"flows", "web", "cli", "simulate"}
    source = ROOT / "src" / "interwork"
    assert wanted <= {path.name for path in source.iterdir() if (path / "__init__.py").exists()}


def test_every_decision_has_the_four_headings():
    pages = list((ROOT / "docs" / "decisions").glob("0*.md"))
    assert pages
    for page in pages:
        headings = re.findall(r"^## (.+)$", page.read_text(), flags=re.MULTILINE)
        assert headings == ["Status", "Context", "Decision", "Consequences"], page.name


def test_connector_schemes_of_the_package_are_those_documented():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    readme = (ROOT / "README.md").read_text()
    for scheme in groups["interwork.connectors"]:
        assert f"{scheme}://" in readme
