"""A real Chromium on a real server over the test world; skipped, with the reason, where there is no Chromium."""

import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
import uvicorn
from anyio.from_thread import start_blocking_portal

sys.path.insert(0, str(Path(__file__).parent))

import world

from interwork.core.clock import now
from interwork.web import create_app

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PORT = 8798


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


class Running:
    """The server under test, which can be stopped and started again on its folder."""

    def __init__(self, portal, folder: Path) -> None:
        self.portal, self.folder = portal, folder
        self.address = f"http://localhost:{PORT}"
        self.node = None

    async def _serve(self, *, task_status):
        node = await world.reopen(self.folder)
        config = uvicorn.Config(
            create_app(node),
            port=PORT,
            log_level="error",
            ws="websockets-sansio",
            lifespan="on",
            timeout_graceful_shutdown=1,
        )
        self.server = uvicorn.Server(config)
        self.node, self.is_speaking = node, True
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._machines, node)
            tasks.start_soon(self._tell, task_status)
            await self.server.serve()
            tasks.cancel_scope.cancel()

    async def _tell(self, task_status):
        with anyio.fail_after(60):
            while not self.server.started:  # noqa: ASYNC110 -- uvicorn tells by a flag only
                await anyio.sleep(0.02)
        task_status.started()

    async def _machines(self, node):
        while True:
            if self.is_speaking:
                batch = world.reading_batch(now())
                await node.historian.append(batch)
                node.live.update(batch)
            await anyio.sleep(0.2)

    def start(self):
        self.future, _ = self.portal.start_task(self._serve)

    def stop(self):
        self.is_speaking = False
        self.portal.call(anyio.sleep, 0.5)
        self.server.should_exit = True
        self.future.result(timeout=60)


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser") / "world"
    with start_blocking_portal() as portal:
        portal.call(_seed, folder)
        server = Running(portal, folder)
        server.start()
        yield server
        server.stop()


async def _seed(folder):
    node = await world.build(folder, port=PORT)
    async with node.running():
        pass


@pytest.fixture(scope="module")
def chromium():
    """Start the browser for one module: while it is open its event loop would keep others from running here."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def signed_in(chromium, running):
    """Sign the owner in once and keep the cookies."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(running.address + "/sign-in")
    page.fill("#name", "Owner of the lab")
    page.fill("#password", world.PASSWORD)
    page.click("button.primary")
    page.wait_for_url(running.address + "/")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def visit(chromium, running, signed_in):
    """Open pages as the owner, in a context of its own; anything a page logs as an error fails the test."""

    @contextmanager
    def opened(**settings):
        context = chromium.new_context(storage_state=signed_in, base_url=running.address, **settings)
        page = context.new_page()
        faults = []
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.faults = faults
        try:
            yield page
        finally:
            context.close()

    return opened
