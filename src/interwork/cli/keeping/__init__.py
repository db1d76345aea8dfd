"""Verbs that keep what a node knows safe: readings export and import, backup, restore, sink, scale."""

from typing import Any

from interwork.cli.keeping import backup, readings, scale


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verbs of this package."""
    readings.add(verbs)
    backup.add(verbs)
    scale.add(verbs)
