"""What plans teach and what to do after events; products over tiers; planning with others; needs of any kind."""

from typing import Any

from interwork.cli.planning import products, together, verbs


def add(parsers: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verbs of planning."""
    verbs.add(parsers)
    products.add(parsers)
    together.add(parsers)
