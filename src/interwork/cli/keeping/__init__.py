"""Verbs that keep what a node knows safe: readings export, readings import, backup, restore."""

from typing import Any

from interwork.cli.keeping import backup, readings


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verbs of this package."""
    readings.add(verbs)
    backup.add(verbs)
