"""Classical designs of experiments, coded −1, 0, +1 (Montgomery 2017; Box & Behnken 1960; Plackett & Burman 1946).

Each returns shape (runs, factors); `latin_hypercube` gives points of the unit cube instead.
"""

from itertools import combinations, product

import numpy as np
from scipy.linalg import hadamard
from scipy.stats import qmc

from interwork.core.errors import BadInput
from interwork.design.trials.process import Array

FACTORS_MAX = 12
_BURMAN = {12: "++-+++---+-", 20: "++--++++-+-+----++-"}
"""First rows of the cyclic designs that are no Hadamard matrix of Sylvester's construction."""


def factorial(factors: int, generators: tuple[tuple[int, ...], ...] = ()) -> Array:
    """Cross two levels of every factor; each generator adds a factor as the product of those it names (from 0)."""
    _check(factors)
    runs = np.array(list(product((-1.0, 1.0), repeat=factors)))
    for generator in generators:
        if not generator or not all(0 <= one < factors for one in generator):
            raise BadInput(f"The generator {generator} names no factors.", remedy=f"Use 0 to {factors - 1}.")
        runs = np.column_stack([runs, runs[:, list(generator)].prod(axis=1)])
    return runs


def resolution(factors: int, generators: tuple[tuple[int, ...], ...]) -> int:
    """Tell the resolution of a fractional factorial: the length of the shortest word of its defining relation."""
    words = [{factors + index} ^ set(generator) for index, generator in enumerate(generators)]
    lengths = []
    for count in range(1, len(words) + 1):
        for some in combinations(words, count):
            word: set[int] = set()
            for one in some:
                word ^= one
            lengths.append(len(word))
    return min(lengths, default=factors + 1)


def plackett_burman(factors: int) -> Array:
    """Screen up to 19 factors for main effects in the next multiple of four runs."""
    if not 1 <= factors <= 19:
        raise BadInput(f"{factors} factors cannot be screened here.", remedy="Take 1 to 19.")
    runs = 4 * (factors // 4 + 1)
    if runs in _BURMAN:
        row = [1.0 if sign == "+" else -1.0 for sign in _BURMAN[runs]]
        cycled = [np.roll(row, shift) for shift in range(runs - 1)]
        return np.vstack([*cycled, np.full(runs - 1, -1.0)])[:, :factors]
    size = 1 << (runs - 1).bit_length()
    columns: Array = hadamard(size).astype(np.float64)[:, 1 : factors + 1]
    return columns


def central_composite(factors: int, *, centres: int = 4) -> Array:
    """Add axial and centre runs to the full factorial; rotatable: the axial distance is the runs' fourth root."""
    corners = factorial(factors)
    distance = len(corners) ** 0.25
    axial = np.vstack([sign * distance * np.eye(factors)[axis] for axis in range(factors) for sign in (-1, 1)])
    return np.vstack([corners, axial, np.zeros((centres, factors))])


def box_behnken(factors: int, *, centres: int = 3) -> Array:
    """Take three levels without corners: pairs of factors at ±1 with the others at 0 (3 to 5 factors)."""
    if not 3 <= factors <= 5:
        raise BadInput(f"Box and Behnken gave no such design for {factors} factors here.", remedy="Take 3 to 5.")
    runs = []
    for pair in combinations(range(factors), 2):
        for signs in product((-1.0, 1.0), repeat=2):
            run = np.zeros(factors)
            run[list(pair)] = signs
            runs.append(run)
    return np.vstack([*runs, np.zeros((centres, factors))])


def latin_hypercube(factors: int, runs: int, *, seed: int = 1) -> Array:
    """Spread runs so that every factor is at every level once."""
    _check(factors)
    points: Array = qmc.LatinHypercube(factors, seed=np.random.default_rng(seed)).random(runs)
    return points


def _check(factors: int) -> None:
    if not 1 <= factors <= FACTORS_MAX:
        raise BadInput(f"{factors} factors cannot be crossed.", remedy=f"Take 1 to {FACTORS_MAX}.")
