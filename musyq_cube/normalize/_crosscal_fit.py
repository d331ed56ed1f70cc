"""Radiance against digital number: a line that outliers do not bend, with honest uncertainties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from musyq_cube.errors import NormalizeError

Array: TypeAlias = np.ndarray[Any, Any]

TUKEY = 4.685
"""Scales beyond which a point has no weight: 95 % efficient on normal noise (Beaton & Tukey 1974)."""
STEPS = 30


@dataclass(frozen=True, eq=False)
class Line:
    """y = slope · x + intercept."""

    slope: float
    intercept: float
    covariance: Array
    """(2, 2) of (slope, intercept), k = 1."""
    weight: Array
    """0…1 of each point, as the last step used it; 0 is an outlier."""
    r2: float
    """Weighted coefficient of determination."""
    scale: float
    """Robust standard deviation of the residuals."""

    def uncertainty(self, x: float) -> float:
        """Return the standard uncertainty of the line at `x`."""
        at = np.array([x, 1.0])
        return float(np.sqrt(max(at @ self.covariance @ at, 0.0)))


def solve(x: Array, y: Array, weight: Array, intercept: float | None = None) -> tuple[float, float]:
    """
    Return (slope, intercept) of the weighted least-squares line, or of that through a given intercept.

    Examples
    --------
    >>> solve(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]), np.ones(3))
    (2.0, 1.0)
    """
    if intercept is not None:
        return float((weight * x * (y - intercept)).sum() / (weight * x * x).sum()), intercept
    total = float(weight.sum())
    x0, y0 = (weight * x).sum() / total, (weight * y).sum() / total
    slope = float((weight * (x - x0) * (y - y0)).sum() / (weight * (x - x0) ** 2).sum())
    return slope, float(y0 - slope * x0)


def robust_line(x: Array, y: Array, intercept: float | None = None, groups: Array | None = None) -> Line:
    """
    Fit y = slope · x + intercept where up to about a quarter of the points may be anything.

    Starts from the median slope of pairs half the range apart, then least squares with Tukey's biweight.

    Parameters
    ----------
    x, y
        Finite float64 of equal length.
    intercept
        Given, not fitted.
    groups
        Integer of each point: points of one group (a date) share errors, so that with three or more groups the
        uncertainty is at least what leaving out each group in turn (jackknife) shows.

    Raises
    ------
    NormalizeError
        All `x` are equal, so that they say nothing about a slope.
    """
    if x.size < 3 or np.ptp(x) <= 1e-12 * np.abs(x).max():
        raise NormalizeError(f"{x.size} points from {x.min():g} to {x.max():g}: too few or too alike to fit a line")
    slope, at_zero = _start(x, y, intercept)
    weight = np.ones_like(x)
    for _ in range(STEPS):
        residual = y - slope * x - at_zero
        scale = 1.4826 * float(np.median(np.abs(residual))) + 1e-12 * float(np.abs(y).max())
        weight = np.clip(1 - (residual / (TUKEY * scale)) ** 2, 0, None) ** 2
        before, (slope, at_zero) = slope, solve(x, y, weight, intercept)
        if abs(slope - before) <= 1e-9 * abs(slope):
            break
    residual = y - slope * x - at_zero
    return Line(
        slope,
        at_zero,
        _covariance(x, y, weight, residual, intercept, groups),
        weight,
        _r2(y, residual, weight),
        1.4826 * float(np.median(np.abs(residual))),
    )


def _start(x: Array, y: Array, intercept: float | None) -> tuple[float, float]:
    if intercept is not None:
        used = x != 0
        return float(np.median((y[used] - intercept) / x[used])), intercept
    order = np.argsort(x, kind="stable")
    half = x.size // 2
    low, high = order[:half], order[-half:]
    step = x[high] - x[low]
    slope = float(np.median((y[high] - y[low])[step > 0] / step[step > 0]))
    return slope, float(np.median(y - slope * x))


def _r2(y: Array, residual: Array, weight: Array) -> float:
    mean = (weight * y).sum() / float(weight.sum())
    return float(1 - (weight * residual**2).sum() / (weight * (y - mean) ** 2).sum())


def _covariance(
    x: Array, y: Array, weight: Array, residual: Array, intercept: float | None, groups: Array | None
) -> Array:
    free = 1 if intercept is not None else 2
    design = np.stack([x, np.ones_like(x)])[:free]
    inverse = np.linalg.inv((design * weight) @ design.T)
    freedom = max(weight.sum() - free, 1.0)
    found = np.zeros((2, 2))
    found[:free, :free] = inverse * (weight * residual**2).sum() / freedom
    if groups is not None:
        between = _jackknife(x, y, weight, intercept, groups)
        if between[0, 0] > found[0, 0]:
            return between
    return found


def _jackknife(x: Array, y: Array, weight: Array, intercept: float | None, groups: Array) -> Array:
    """Return the covariance that shows when each group is left out in turn; zero below three groups."""
    labels = np.unique(groups[weight > 0])
    if len(labels) < 3:
        return np.zeros((2, 2))
    lines = []
    for label in labels:
        kept = weight * (groups != label)
        if np.ptp(x[kept > 0]) > 0:
            lines.append(solve(x, y, kept, intercept))
    departures = np.array(lines) - np.mean(lines, axis=0)
    count = len(lines)
    return np.asarray((count - 1) / count * departures.T @ departures)
