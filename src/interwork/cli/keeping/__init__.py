"""Verbs of a node's own keeping: edge, readings, backup, restore, identity, sink, scale."""

from typing import Any

from interwork.cli.keeping import backup, edge, identity, readings, scale


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verbs of this package."""
    edge.add(verbs)
    readings.add(verbs)
    backup.add(verbs)
    identity.add(verbs)
    scale.add(verbs)
