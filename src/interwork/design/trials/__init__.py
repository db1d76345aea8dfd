"""Trials that find good settings: classical designs to begin with, a Gaussian process that says what to try next.

A campaign is ask and tell: it asks for settings, is told what was measured, and asks again. It is one plain value,
kept as JSON; asked again from the same state it asks for the same settings.
"""

from interwork.core.making import Campaign, Goal, Limit, Parameter, Trial
from interwork.design.trials.campaign import ask, best, tell
from interwork.design.trials.classical import (
    box_behnken,
    central_composite,
    factorial,
    latin_hypercube,
    plackett_burman,
)
from interwork.design.trials.process import GaussianProcess, fit

__all__ = [
    "Campaign",
    "GaussianProcess",
    "Goal",
    "Limit",
    "Parameter",
    "Trial",
    "ask",
    "best",
    "box_behnken",
    "central_composite",
    "factorial",
    "fit",
    "latin_hypercube",
    "plackett_burman",
    "tell",
]
