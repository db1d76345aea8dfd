"""The application over the test world: seeded once into a folder, copied for each test that opens it."""

import shutil
import sys
from pathlib import Path

import anyio
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "browser"))

import world
from asgi import Browser

from interwork.core.organisation import Role
from interwork.web import create_app
from interwork.web.access import issue_token


async def _seed(folder):
    node = await world.build(folder)
    async with node.running():
        pass


@pytest.fixture(scope="session")
def seeded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web") / "world"
    anyio.run(_seed, folder)
    return folder


@pytest.fixture
async def node(seeded, tmp_path):
    folder = shutil.copytree(seeded, tmp_path / "node")
    opened = await world.reopen(folder)
    async with opened.running():
        yield opened


@pytest.fixture
async def empty(tmp_path):
    opened = await world.build(tmp_path / "empty", seeded=False)
    async with opened.running():
        yield opened


@pytest.fixture
def app(node):
    return create_app(node)


@pytest.fixture
def stranger(app):
    return Browser(app)


@pytest.fixture
async def owner(app):
    browser = Browser(app)
    await browser.enter("Owner of the lab", world.PASSWORD)
    return browser


@pytest.fixture
def program(app, node):
    async def made(role: Role, **more):
        return Browser(app, token=await issue_token(node.store, "a program", role, **more))

    return made
