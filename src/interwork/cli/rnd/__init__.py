"""The verbs of research and development: `model`, `trial` and `quality`."""

from typing import Any

from interwork.cli.rnd import model, quality, trial


def add(verbs: Any) -> None:  # noqa: ANN401 - argparse's own type is private
    """Add the verbs."""
    model.add(verbs)
    trial.add(verbs)
    quality.add(verbs)
