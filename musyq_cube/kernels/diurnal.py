"""The daily course of surface temperature: a cosine by day, an exponential decay by night."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.kernels._gufunc import F32, gufunc, helper

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from musyq_cube.kernels._gufunc import Array

LEAST_TIMES = 8
"""Observations that a fit needs."""
LEAST_SPAN = 9.0
"""Hours of the day that they must span."""
PARAMETERS = 6
"""Residual temperature, amplitude, hour of the maximum, length of the day, end of the cosine, scatter."""


@helper
def _shape(hour, top, day, part):  # type: ignore[no-untyped-def]
    """
    Return the course with residual 0 and amplitude 1.

    `part` is the end of the cosine, as a fraction of the time from its maximum to its zero; there the decay begins with
    the same slope. It goes on until the cosine begins.
    """
    since = (hour - top + 0.5 * day) % 24.0 - 0.5 * day
    end = part * 0.5 * day
    if since <= end:
        return math.cos(math.pi / day * since)
    angle = 0.5 * math.pi * part
    decay = day / math.pi * math.cos(angle) / math.sin(angle)
    return math.cos(angle) * math.exp(-(since - end) / decay)


@helper
def _line(hours, t, top, day, part):  # type: ignore[no-untyped-def]
    """Return the sum of squares, residual temperature and amplitude of the best course of a shape."""
    n = 0
    s_g = s_gg = s_t = s_gt = s_tt = 0.0
    for i in range(t.size):
        if t[i] == t[i]:
            g, v = _shape(hours[i], top, day, part), np.float64(t[i]) - 300.0
            n += 1
            s_g += g
            s_gg += g * g
            s_t += v
            s_gt += g * v
            s_tt += v * v
    spread = s_gg - s_g * s_g / n
    if spread <= 1e-9:
        return np.inf, 0.0, 0.0
    slope = (s_gt - s_g * s_t / n) / spread
    rest = s_tt - s_t * s_t / n - slope * slope * spread
    return (rest if slope > 0.0 else np.inf), (s_t - slope * s_g) / n + 300.0, slope


@helper
def _search(hours, t):  # type: ignore[no-untyped-def]
    """Return the best hour of the maximum, length of the day and end of the cosine: a coarse grid, then finer ones."""
    best, top, day, part = np.inf, 12.0, 12.0, 0.7
    for a in range(24):
        for b in range(4):
            for c in range(3):
                cost, _, _ = _line(hours, t, float(a), 9.0 + 2.0 * b, 0.55 + 0.15 * c)
                if cost < best:
                    best, top, day, part = cost, float(a), 9.0 + 2.0 * b, 0.55 + 0.15 * c
    step = 0.5
    for _ in range(5):
        middle = (top, day, part)
        for a in range(-1, 2):
            for b in range(-1, 2):
                for c in range(-1, 2):
                    hour, length = middle[0] + a * step, min(max(middle[1] + 2.0 * b * step, 8.0), 16.0)
                    end = min(max(middle[2] + 0.15 * c * step, 0.4), 0.95)
                    cost, _, _ = _line(hours, t, hour, length, end)
                    if cost < best:
                        best, top, day, part = cost, hour, length, end
        step *= 0.5
    return best, top, day, part


@gufunc("void(float64[:], float32[:], uint8[:], float32[:])", "(t),(t),(p)->(p)")
def _fit(hours, t, _six, out):  # type: ignore[no-untyped-def]
    out[:] = np.float32(np.nan)
    n, first, last = 0, 1e9, -1e9
    for i in range(t.size):
        if t[i] == t[i]:
            n += 1
            first, last = min(first, hours[i] % 24.0), max(last, hours[i] % 24.0)
    if (n < LEAST_TIMES) | (last - first < LEAST_SPAN):
        return
    best, top, day, part = _search(hours, t)
    cost, residual, amplitude = _line(hours, t, top, day, part)
    if best < np.inf:
        out[0], out[1], out[2] = residual, amplitude, top % 24.0
        out[3], out[4], out[5] = day, part, math.sqrt(max(cost, 0.0) / max(n - 5, 1))


@gufunc("void(float64[:], float32[:], float32[:])", "(t),(p)->(t)")
def _course(hours, parameters, out):  # type: ignore[no-untyped-def]
    for i in range(hours.size):
        g = _shape(hours[i], np.float64(parameters[2]), np.float64(parameters[3]), np.float64(parameters[4]))
        out[i] = np.float32(parameters[0] + parameters[1] * g)


def fit(hours: ArrayLike, temperature: ArrayLike) -> F32:
    """
    Fit the daily course to temperatures of one or several days.

    Parameters
    ----------
    hours : array_like (time,)
        Of the observations, any day.
    temperature : array_like (..., time)
        K, NaN where missing.

    Returns
    -------
    float32 (..., 6)
        Residual temperature and amplitude (K), hour of the maximum, length of the day (hours), end of the cosine as a
        fraction of the half day, scatter (K); NaN with fewer than 8 observations, or less than 9 hours of the day.

    Notes
    -----
    ``T0 + Ta cos(π (t - tm) / ω)`` until ts, then an exponential decay to T0 with the same value and slope at ts.

    References
    ----------
    Göttsche & Olesen 2001, doi:10.1016/S0034-4257(00)00214-5.

    Examples
    --------
    >>> hours = np.arange(24.0)
    >>> found = fit(hours, course(hours, np.array([285, 20, 13, 12, 0.7, 0], "float32")))
    >>> found.round(1).tolist()[:4]
    [285.0, 20.0, 13.0, 12.0]
    """
    at = np.asarray(hours, np.float64)
    values = np.asarray(temperature, np.float32)
    return _fit(at, values, np.zeros(PARAMETERS, np.uint8))  # type: ignore[no-any-return]


def course(hours: ArrayLike, parameters: ArrayLike) -> F32:
    """
    Return the daily course of parameters from :func:`fit`, K.

    Parameters
    ----------
    hours : array_like (time,)
        Any.
    parameters : array_like (..., 6)
        From :func:`fit`.

    Examples
    --------
    >>> course([13.0], np.array([285, 20, 13, 12, 0.7, 0], "float32")).tolist()
    [305.0]
    """
    given: Array = np.asarray(parameters, np.float32)
    return _course(np.asarray(hours, np.float64), given)  # type: ignore[no-any-return]
