"""A Gaussian process with a Matérn-5/2 kernel and one length scale per input (Rasmussen & Williams 2006, ch. 2, 4, 5).

Inputs are points of the unit cube, shape (n, d); outputs are standardised inside. Length scales, signal and noise
variance are fitted by maximum marginal likelihood with weak priors, from several starts with fixed seeds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

Array = NDArray[np.float64]
STARTS = 3
_JITTER = 1e-8
_LENGTH = (np.log(0.05), np.log(10.0))
_NOISE = (np.log(1e-6), np.log(1.0))
_ROOT5 = np.sqrt(5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianProcess:
    """A fitted process; predicts in the outputs' own units."""

    x: Array
    """Shape (n, d), in the unit cube."""
    mean: float
    scale: float
    lengths: Array
    """Shape (d,), in unit-cube lengths."""
    variance: float
    noise: float
    """Variance of the noise, standardised."""
    factor: Array
    """Lower Cholesky factor of the covariance, shape (n, n)."""
    weights: Array
    """Covariance inverse times standardised outputs, shape (n,)."""

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Tell mean and standard deviation of the noise-free output at points, shape (m, d); both shape (m,)."""
        cross = self.variance * matern(points, self.x, self.lengths)
        mean = cross @ self.weights
        spread = solve_triangular(self.factor, cross.T, lower=True)
        variance = np.maximum(self.variance - np.einsum("ij,ij->j", spread, spread), 1e-12)
        return self.mean + self.scale * mean, self.scale * np.sqrt(variance)


def matern(left: Array, right: Array, lengths: Array) -> Array:
    """Correlate two sets of points by the Matérn-5/2 kernel, shape (len(left), len(right))."""
    a, b = left / lengths, right / lengths
    squared = np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T, 0.0)
    distance = _ROOT5 * np.sqrt(squared)
    correlation: Array = (1 + distance + distance**2 / 3) * np.exp(-distance)
    return correlation


def fit(x: Array, y: Array, *, seed: int = 0, noise: float | None = None) -> GaussianProcess:
    """Fit a process to n outputs at n points; `noise` fixes the noise variance in the outputs' own units squared."""
    mean, scale = float(y.mean()), float(y.std()) or 1.0
    standard = (y - mean) / scale
    fixed = None if noise is None else max(noise / scale**2, np.exp(_NOISE[0]))
    theta = _fitted(x, standard, fixed, np.random.default_rng(seed))
    lengths, variance, level = _read(theta, x.shape[1], fixed)
    factor = _factor(x, lengths, variance, level)
    return GaussianProcess(
        x=x,
        mean=mean,
        scale=scale,
        lengths=lengths,
        variance=variance,
        noise=level,
        factor=factor,
        weights=cho_solve((factor, True), standard),
    )


def _fitted(x: Array, y: Array, fixed: float | None, random: np.random.Generator) -> Array:
    size = x.shape[1]
    bounds = [_LENGTH] * size + [(np.log(0.05), np.log(20.0))] + ([] if fixed is not None else [_NOISE])
    begin = np.concatenate([np.full(size, np.log(0.5)), [0.0], [] if fixed is not None else [np.log(1e-3)]])
    starts = [begin, *(begin + random.normal(0, 0.7, begin.size) for _ in range(STARTS - 1))]
    found = [
        minimize(
            _loss, np.clip(start, *np.transpose(bounds)), (x, y, fixed), method="L-BFGS-B", jac=True, bounds=bounds
        )
        for start in starts
    ]
    best: Array = min(found, key=lambda one: float(one.fun)).x
    return best


def _read(theta: Array, size: int, fixed: float | None) -> tuple[Array, float, float]:
    values = np.exp(theta)
    return values[:size], float(values[size]), float(values[size + 1]) if fixed is None else fixed


def _factor(x: Array, lengths: Array, variance: float, noise: float) -> Array:
    covariance = variance * matern(x, x, lengths) + (noise + _JITTER) * np.eye(len(x))
    factor: Array = cholesky(covariance, lower=True)
    return factor


def _loss(theta: Array, x: Array, y: Array, fixed: float | None) -> tuple[float, Array]:
    """Give the negative log posterior of the parameters (their logarithms) and its gradient (R&W eq. 5.9)."""
    size = x.shape[1]
    lengths, variance, noise = _read(theta, size, fixed)
    factor = _factor(x, lengths, variance, noise)
    weights = cho_solve((factor, True), y)
    value = 0.5 * y @ weights + np.log(np.diag(factor)).sum()
    inverse = cho_solve((factor, True), np.eye(len(x)))
    slope = inverse - np.outer(weights, weights)
    gradient = np.empty_like(theta)
    differences = (x[:, None, :] - x[None, :, :]) ** 2 / lengths**2
    distance = _ROOT5 * np.sqrt(np.maximum(differences.sum(2), 0.0))
    common = variance * (5 / 3) * (1 + distance) * np.exp(-distance)
    for axis in range(size):
        gradient[axis] = 0.5 * np.sum(slope * common * differences[:, :, axis])
    correlation = (1 + distance + distance**2 / 3) * np.exp(-distance)
    gradient[size] = 0.5 * variance * np.sum(slope * correlation)
    if fixed is None:
        gradient[size + 1] = 0.5 * noise * np.trace(slope)
    prior, pull = _prior(theta, size, has_noise=fixed is None)
    return float(value + prior), gradient + pull


def _prior(theta: Array, size: int, *, has_noise: bool) -> tuple[float, Array]:
    """Hold lengths near half the cube, the variance near 1 and the noise low, weakly: normal in the logarithms."""
    centre = np.concatenate([np.full(size, np.log(0.5)), [0.0], [np.log(1e-4)] if has_noise else []])
    width = np.concatenate([np.full(size, 1.0), [1.0], [3.0] if has_noise else []])
    apart = (theta - centre) / width
    return float(0.5 * apart @ apart), apart / width
