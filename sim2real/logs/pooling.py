"""Estimates of one thing by several joints: `pool(values, errors)`, what they share and by how much they truly differ.

The variance between joints is that of Paule and Mandel (Journal of Research of the National Bureau of Standards 87, 1982): with
it, the weighted squares are as many as they should be.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import t as student

from sim2real.logs.check import Estimate

_LEAST_ERROR = 1e-9


@dataclass(frozen=True, eq=False)
class Pool:
    mean: float
    error: float
    """Standard error of the mean."""
    between: float
    """Variance between the joints."""
    estimate: Estimate
    """The mean with its interval."""


def pool(values: np.ndarray, errors: np.ndarray, least_between: float = 0.0) -> Pool:
    """Of at least one value, with its standard error. The joints differ by at least `least_between` (a variance)."""
    errors = np.maximum(errors, _LEAST_ERROR)
    between = max(least_between, _between(values, errors))
    weights = 1 / (errors**2 + between)
    mean, error = float((weights * values).sum() / weights.sum()), float(1 / np.sqrt(weights.sum()))
    half = error * (float(student.ppf(0.975, len(values) - 1)) if between > 0 else 1.96)
    return Pool(mean, error, between, Estimate(mean, mean - half, mean + half))


def _between(values: np.ndarray, errors: np.ndarray) -> float:
    def excess(variance: float) -> float:
        weights = 1 / (errors**2 + variance)
        return float((weights * (values - (weights * values).sum() / weights.sum()) ** 2).sum()) - (len(values) - 1)

    if len(values) < 2 or excess(0.0) <= 0:
        return 0.0
    return float(brentq(excess, 0.0, 1e-12 + float(values.var()) * len(values) ** 2, xtol=1e-15))
