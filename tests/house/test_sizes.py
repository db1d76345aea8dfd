"""The house's sizes, checked by machine: files, functions and packages stay small enough to hold in the head."""

import ast
import statistics
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "interwork"
FILE_MAX, FUNCTION_MAX, PACKAGE_FILES_MAX, PACKAGE_LINES_MAX = 600, 60, 12, 3000
WIDER = {"core": 16}
"""`core` holds one file per group of words; see docs/decisions/0003."""


def _files() -> list[Path]:
    return [path for path in SOURCE.rglob("*.py") if "migrations" not in path.parts]


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_file_is_over_its_cap():
    assert {str(path.relative_to(ROOT)): _lines(path) for path in _files() if _lines(path) > FILE_MAX} == {}


def test_nine_files_in_ten_are_under_400_lines():
    sizes = sorted(_lines(path) for path in _files())
    assert sizes[int(len(sizes) * 0.9)] < 400


def _functions() -> dict[str, int]:
    found = {}
    for path in _files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[f"{path.relative_to(SOURCE)}:{node.name}:{node.lineno}"] = (
                    (node.end_lineno or 0) - node.lineno + 1
                )
    return found


def test_no_function_is_over_its_cap():
    assert {name: size for name, size in _functions().items() if size > FUNCTION_MAX} == {}


def test_functions_are_short_as_a_rule():
    sizes = sorted(_functions().values())
    assert statistics.median(sizes) <= 12
    assert sizes[int(len(sizes) * 0.9)] < 35


def test_no_package_is_over_its_caps():
    packages = {path.parent for path in _files()}
    over = {}
    for package in packages:
        files = [path for path in package.glob("*.py") if path.name != "__init__.py"]
        lines = sum(_lines(path) for path in package.glob("*.py"))
        most = WIDER.get(package.name, PACKAGE_FILES_MAX)
        if len(files) > most or lines > PACKAGE_LINES_MAX:
            over[str(package.relative_to(ROOT))] = (len(files), lines)
    assert over == {}


def test_there_are_no_type_checking_blocks():
    assert [str(path) for path in _files() if "TYPE_CHECKING" in path.read_text(encoding="utf-8")] == []
