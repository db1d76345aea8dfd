"""Gauge repeatability and reproducibility by crossed analysis of variance (AIAG MSA, 4th edition, chapter III B).

Operators and parts are random, every operator measures every part as often. An interaction that is not significant
at 25 % is pooled with the repeatability, as the manual does. Variances below zero are taken as zero and told.
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as fisher

from interwork.core.errors import BadInput
from interwork.core.making import GaugeStudy

POOL_AT = 0.25
WIDTH = 6.0
"""Deviations that a study variation spans (99.73 %)."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the analysis of variance."""

    name: str
    freedom: int
    squares: float
    mean_square: float
    f: float | None = None
    p: float | None = None


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """One component of the variation."""

    name: str
    """`repeatability` (EV), `reproducibility` (AV), `interaction`, `gauge` (GRR), `parts` (PV) or `total` (TV)."""
    deviation: float
    contribution: float
    """Share of the variance."""
    study: float
    """Share of the total deviation (%GRR of the manual)."""
    tolerance: float | None = None
    """Six deviations over the width of the tolerance."""


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """What a gauge study says."""

    sources: tuple[Source, ...]
    components: tuple[Component, ...]
    categories: int
    """Number of distinct categories (ndc) the gauge tells apart."""
    is_pooled: bool
    """True where the interaction was not significant and counts as repeatability."""
    verdict: str
    """`good` (%GRR below 10 %), `conditional` (up to 30 %) or `poor`, by the AIAG's guide."""
    notes: tuple[str, ...] = ()

    def part(self, name: str) -> Component:
        """Find a component by its name."""
        return next(one for one in self.components if one.name == name)


def study(held: GaugeStudy) -> Gauge:
    """Analyse a crossed gauge study; BadInput where it is not crossed or too small."""
    table = _table(held)
    sources = _sources(table)
    interaction, error = sources[2], sources[3]
    is_pooled = interaction.p is None or interaction.p > POOL_AT
    if is_pooled:
        pooled = _source("repeatability", interaction.freedom + error.freedom, interaction.squares + error.squares)
        sources = (
            _against(sources[0], pooled),
            _against(sources[1], pooled),
            interaction,
            pooled,
            sources[4],
        )
    variances, notes = _variances(table, sources, is_pooled=is_pooled)
    return _told(held, sources, variances, notes, is_pooled=is_pooled)


def _table(held: GaugeStudy) -> NDArray[np.float64]:
    sizes = {len(part) for operator in held.readings for part in operator}
    parts = {len(operator) for operator in held.readings}
    if len(held.readings) < 2 or len(parts) != 1 or min(parts) < 2 or len(sizes) != 1 or min(sizes) < 2:
        raise BadInput(
            f"«{held.name}» is not crossed: {len(held.readings)} operators, parts {sorted(parts)}, "
            f"repeats {sorted(sizes)}.",
            remedy="Let every one of 2 or more operators measure every one of 2 or more parts, each as often, twice "
            "at least.",
        )
    if held.tolerance is not None and not 0 < held.tolerance < math.inf:
        raise BadInput(
            f"A tolerance {held.tolerance:g} wide was given.", where="tolerance", remedy="Give upper minus lower limit."
        )
    table = np.array(held.readings, np.float64)
    if table.size > 10_000 or not np.isfinite(table).all():
        raise BadInput(f"«{held.name}» has a reading that is none, or over 10,000 of them.")
    return table


def _source(name: str, freedom: int, squares: float) -> Source:
    return Source(name=name, freedom=freedom, squares=squares, mean_square=squares / freedom)


def _against(one: Source, other: Source) -> Source:
    if other.mean_square <= 0:
        return msgspec.structs.replace(one, f=None, p=None)
    ratio = one.mean_square / other.mean_square
    return msgspec.structs.replace(one, f=ratio, p=float(fisher.sf(ratio, one.freedom, other.freedom)))


def _sources(table: NDArray[np.float64]) -> tuple[Source, ...]:
    """Part the sum of squares: operators, parts, their interaction, repeatability, total."""
    operators, parts, repeats = table.shape
    grand = table.mean()
    by_operator, by_part, by_cell = table.mean(axis=(1, 2)), table.mean(axis=(0, 2)), table.mean(axis=2)
    whole = float(((table - grand) ** 2).sum())
    of_operator = float(parts * repeats * ((by_operator - grand) ** 2).sum())
    of_part = float(operators * repeats * ((by_part - grand) ** 2).sum())
    within = float(((table - by_cell[:, :, None]) ** 2).sum())
    crossed = max(0.0, whole - of_operator - of_part - within)
    interaction = _source("interaction", (operators - 1) * (parts - 1), crossed)
    error = _source("repeatability", operators * parts * (repeats - 1), within)
    return (
        _against(_source("operators", operators - 1, of_operator), interaction),
        _against(_source("parts", parts - 1, of_part), interaction),
        _against(interaction, error),
        error,
        _source("total", table.size - 1, whole),
    )


def _variances(
    table: NDArray[np.float64], sources: tuple[Source, ...], *, is_pooled: bool
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Solve the expected mean squares for the variances."""
    operators, parts, repeats = table.shape
    by = {one.name: one.mean_square for one in sources}
    base = by["repeatability"] if is_pooled else by["interaction"]
    raw = {
        "repeatability": by["repeatability"],
        "reproducibility": (by["operators"] - base) / (parts * repeats),
        "interaction": 0.0 if is_pooled else (by["interaction"] - by["repeatability"]) / repeats,
        "parts": (by["parts"] - base) / (operators * repeats),
    }
    notes = tuple(f"The variance of {name} came out below zero and is taken as zero." for name, value in raw.items()
                  if value < 0)  # fmt: skip
    return {name: max(0.0, value) for name, value in raw.items()}, notes


def _told(
    held: GaugeStudy,
    sources: tuple[Source, ...],
    variances: dict[str, float],
    notes: tuple[str, ...],
    *,
    is_pooled: bool,
) -> Gauge:
    gauge = variances["repeatability"] + variances["reproducibility"] + variances["interaction"]
    named = {**variances, "gauge": gauge, "total": gauge + variances["parts"]}
    total = named["total"]
    if total <= 0:
        raise BadInput(f"All readings of «{held.name}» are the same.", remedy="Take parts that differ, read finer.")
    components = tuple(
        Component(
            name=name,
            deviation=math.sqrt(value),
            contribution=value / total,
            study=math.sqrt(value / total),
            tolerance=WIDTH * math.sqrt(value) / held.tolerance if held.tolerance else None,
        )
        for name, value in named.items()
    )
    share = math.sqrt(gauge / total)
    categories = int(math.sqrt(2) * math.sqrt(variances["parts"] / gauge)) if gauge > 0 else 0
    return Gauge(
        sources=sources,
        components=components,
        categories=max(1, categories) if gauge > 0 else 0,
        is_pooled=is_pooled,
        verdict="good" if share < 0.1 else "conditional" if share <= 0.3 else "poor",
        notes=notes if gauge > 0 else (*notes, "The gauge shows no variation at all; categories cannot be told."),
    )
