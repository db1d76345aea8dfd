"""A campaign of trials: parameters, goals and limits, what was tried and what comes next (ask and tell).

First come points of a scrambled Sobol sequence, then the point of greatest expected improvement (Jones et al. 1998)
of a Gaussian process over the tries so far; settings asked for and not yet told are held at what the process expects
(constant liar). Several goals become one by desirability (Derringer & Suich 1980). Limits on settings are never
violated: no setting outside them is asked for, and none can be told.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from scipy.stats import norm, qmc

from interwork.core.errors import BadInput, LimitReached
from interwork.core.making import Campaign, Trial
from interwork.design.trials.process import Array, GaussianProcess, fit

CANDIDATES = 2_048
REFINED = 6
"""How many of the best candidates are improved upon locally."""
TRIALS_MAX = 1_000


def check(campaign: Campaign) -> None:
    """Raise BadInput where a campaign cannot be run, naming the fault."""
    names = [one.name for one in campaign.parameters]
    if not names or len(set(names)) < len(names) or len(names) > 20:
        raise BadInput(f"«{campaign.title}» has {len(names)} parameters.", remedy="Give 1 to 20 with different names.")
    for one in campaign.parameters:
        if not (np.isfinite([one.low, one.high, one.step]).all() and one.low < one.high and one.step >= 0):
            raise BadInput(
                f"{one.name} goes from {one.low:g} to {one.high:g}.", remedy="Give a lower and a higher end."
            )
    if not campaign.goals:
        raise BadInput(f"«{campaign.title}» has no goal.", remedy="Name what is measured and to be small or large.")
    for goal in campaign.goals:
        if len(campaign.goals) > 1 and (goal.best is None or goal.worst is None or goal.best == goal.worst):
            raise BadInput(f"The goal {goal.name} is one of several.", remedy="Say where it is best and where worst.")
    for limit in campaign.limits:
        if unknown := set(limit.factors) - set(names):
            raise BadInput(f"A limit names {', '.join(sorted(unknown))}.", remedy=f"Use {', '.join(names)}.")


def ask(campaign: Campaign) -> tuple[Campaign, Trial]:
    """Say what to try next; the campaign returned awaits it. The same state gives the same settings."""
    check(campaign)
    if len(campaign.trials) >= TRIALS_MAX:
        raise LimitReached(f"«{campaign.title}» has {TRIALS_MAX} trials.", remedy="Begin another campaign.")
    told = [one for one in campaign.trials if one.measured]
    first = campaign.first or max(4, 2 * len(campaign.parameters))
    point = _spread(campaign) if len(campaign.trials) < first or len(told) < 2 else _improve(campaign, told)
    trial = Trial(number=len(campaign.trials) + 1, settings=_settings(campaign, point))
    return msgspec.structs.replace(campaign, trials=(*campaign.trials, trial)), trial


def tell(campaign: Campaign, number: int, measured: Mapping[str, float], *, note: str = "") -> Campaign:
    """Note what a trial gave; every goal must be measured, and a trial is told once."""
    if not 1 <= number <= len(campaign.trials):
        raise BadInput(f"There is no trial {number}.", remedy=f"Give 1 to {len(campaign.trials)}.")
    trial = campaign.trials[number - 1]
    if trial.measured:
        raise BadInput(f"Trial {number} was told already.", remedy="Begin another trial.")
    missing = [goal.name for goal in campaign.goals if not np.isfinite(measured.get(goal.name, np.nan))]
    if missing:
        raise BadInput(f"Trial {number} lacks {', '.join(missing)}.", remedy="Measure every goal, as a finite number.")
    told = msgspec.structs.replace(trial, measured=dict(measured), note=note)
    return msgspec.structs.replace(campaign, trials=(*campaign.trials[: number - 1], told, *campaign.trials[number:]))


def best(campaign: Campaign) -> Trial | None:
    """Name the best trial told; None before there is one."""
    told = [one for one in campaign.trials if one.measured]
    return min(told, key=lambda one: loss(campaign, one.measured), default=None)


def loss(campaign: Campaign, measured: Mapping[str, float]) -> float:
    """Turn what was measured into one number to be small: the goal itself, or 1 minus the joint desirability."""
    if len(campaign.goals) == 1:
        goal = campaign.goals[0]
        return -measured[goal.name] if goal.is_maximised else measured[goal.name]
    total = sum(goal.weight for goal in campaign.goals)
    shares = []
    for goal in campaign.goals:
        assert goal.best is not None
        assert goal.worst is not None
        desirability = (measured[goal.name] - goal.worst) / (goal.best - goal.worst)
        # beyond the worst the slope goes on, faintly, so that the search is led back
        shares.append(goal.weight * np.log(np.clip(desirability, 1e-3 / (1 + max(0.0, -desirability)), 1.0)))
    return float(1 - np.exp(sum(shares) / total))


def _spread(campaign: Campaign) -> Array:
    """Take the next point of the Sobol sequence that is within the limits."""
    sampler = qmc.Sobol(len(campaign.parameters), seed=np.random.default_rng(campaign.seed))
    points = _allowed(campaign, sampler.random(1024))
    chosen: Array = points[len(campaign.trials) % len(points)]
    return chosen


def _improve(campaign: Campaign, told: Sequence[Trial]) -> Array:
    """Find the point of greatest expected improvement over the best trial so far."""
    x = np.array([_unit(campaign, one.settings) for one in told])
    y = np.array([loss(campaign, one.measured) for one in told])
    seed = campaign.seed + 7_919 * len(campaign.trials)
    model = fit(x, y, seed=seed)
    if waiting := campaign.pending:
        held = np.array([_unit(campaign, one.settings) for one in waiting])
        model = fit(np.vstack([x, held]), np.concatenate([y, model.predict(held)[0]]), seed=seed)
    random = np.random.default_rng(seed)
    spread = qmc.Sobol(x.shape[1], seed=random).random(CANDIDATES)
    near = np.clip(x[np.argmin(y)] + random.normal(0, 0.1, (CANDIDATES // 4, x.shape[1])), 0, 1)
    points = _allowed(campaign, np.vstack([spread, near]))
    for _ in range(REFINED):
        gains = expected_improvement(model, points, float(y.min()))
        top = points[np.argsort(-gains)[:8]]
        width = 0.05 * 0.5**_
        around = np.clip(np.repeat(top, 32, 0) + random.normal(0, width, (8 * 32, x.shape[1])), 0, 1)
        points = np.vstack([top, _snapped(campaign, around)])
    points = _untried(campaign, points)
    chosen: Array = points[np.argmax(expected_improvement(model, points, float(y.min())))]
    return chosen


def _untried(campaign: Campaign, points: Array) -> Array:
    """Leave out, where settings come in steps, those that were asked for before; all if none is left."""
    if not any(one.step for one in campaign.parameters):
        return points
    known = {tuple(sorted(one.settings.items())) for one in campaign.trials}
    fresh = [row for row in points if tuple(sorted(_settings(campaign, row).items())) not in known]
    return np.array(fresh) if fresh else points


def expected_improvement(model: GaussianProcess, points: Array, least: float) -> Array:
    """Expect by how much points fall below the least output so far, shape (m,) (Jones et al. 1998, eq. 15)."""
    mean, deviation = model.predict(points)
    gain = (least - mean) / deviation
    improvement: Array = deviation * (gain * norm.cdf(gain) + norm.pdf(gain))
    return improvement


def _allowed(campaign: Campaign, points: Array) -> Array:
    kept = _snapped(campaign, points)
    if not len(kept):
        raise BadInput(f"The limits of «{campaign.title}» leave no settings.", remedy="Widen a limit or a parameter.")
    return kept


def _snapped(campaign: Campaign, points: Array) -> Array:
    """Put points onto the steps of their parameters and drop those outside a limit."""
    points = points.copy()
    for axis, one in enumerate(campaign.parameters):
        if one.step:
            count = np.floor((one.high - one.low) / one.step + 1e-9)
            width = one.high - one.low
            points[:, axis] = np.minimum(np.round(points[:, axis] * width / one.step), count) * one.step / width
    if not campaign.limits:
        return points
    low = np.array([one.low for one in campaign.parameters])
    settings = low + points * (np.array([one.high for one in campaign.parameters]) - low)
    is_within = np.ones(len(points), dtype=bool)
    for limit in campaign.limits:
        factors = np.array([limit.factors.get(one.name, 0.0) for one in campaign.parameters])
        is_within &= settings @ factors <= limit.most + 1e-9
    return points[is_within]


def _unit(campaign: Campaign, settings: Mapping[str, float]) -> list[float]:
    return [(settings[one.name] - one.low) / (one.high - one.low) for one in campaign.parameters]


def _settings(campaign: Campaign, point: Array) -> dict[str, float]:
    pairs = zip(campaign.parameters, point, strict=True)
    return {one.name: float(one.low + share * (one.high - one.low)) for one, share in pairs}
