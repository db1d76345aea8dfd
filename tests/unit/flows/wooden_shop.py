"""A node where an installed package, found by its entry point, brings a connector for `wood://`."""

import itertools
from contextlib import asynccontextmanager

import wooden_machine
from flows_world import opened

from interwork.flows.ingest import Connection

HOSTS = (f"machine-{number}" for number in itertools.count())


def install(folder, monkeypatch):
    """Put the wooden machine's distribution on the path."""
    package = folder / "site" / "wooden_machine-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: wooden-machine\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[interwork.connectors]\nwood = wooden_machine:WoodenMachine\n")
    monkeypatch.syspath_prepend(str(package.parent))


@asynccontextmanager
async def wooden_shop(folder, monkeypatch, **settings):
    """Open a node that reaches wooden machines."""
    install(folder, monkeypatch)
    async with opened(folder / "shop", **settings) as node:
        yield node


def device(*script, name="Saw", **more):
    """Lay out what a machine does at each opening and say how it is connected."""
    host = next(HOSTS)
    wooden_machine.SCRIPTS[host] = list(script) or [1.0]
    return Connection(name=name, endpoint=f"wood://{host}", **more)


def host_of(asked):
    return asked.endpoint.partition("://")[2]
