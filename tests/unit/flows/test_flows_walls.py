"""What a node says of a device's options, whoever gives them: the folders files are read from."""

import dataclasses

import pytest
from flows_world import opened
from msgspec import structs

from interwork.core.errors import Refused
from interwork.flows import ingest

ROWS = "time,Speed\n2026-01-05T08:00:00Z,1\n"


async def found(node, pattern, **options):
    endpoint = f"file://{pattern}"
    return [one.name for one in await ingest.probe(endpoint, ingest.resolved(node, endpoint, options))]


async def test_files_are_read_from_the_nodes_inbox_and_from_nowhere_else_unless_the_configuration_says_so(tmp_path):
    """A person who may connect machines cannot name the folders; node.toml does."""
    async with opened(tmp_path / "node") as node:
        inbox, other = node.folder / "inbox", tmp_path / "other"
        for folder in (inbox, other):
            folder.mkdir(parents=True)
            (folder / "a.csv").write_text(ROWS)
        assert await found(node, inbox / "*.csv") == ["Speed"]
        for options in ({}, {"folders": ["/"]}):
            with pytest.raises(Refused, match=r"file_folders in node\.toml"):
                await found(node, other / "*.csv", **options)
        wider = dataclasses.replace(node, settings=structs.replace(node.settings, file_folders=(str(other),)))
        assert await found(wider, other / "*.csv") == ["Speed"]
