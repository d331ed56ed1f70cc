"""Means over time, and what the observations of a pixel have in common."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from musyq_cube.kernels._gufunc import F32, LANES, gufunc, helper, network
from musyq_cube.kernels.select import load_lanes, pick, sort_lanes


@gufunc("void(float32[:,:], float32[:], float32[:])", "(t,p)->(p),(p)")
def _mean(x, value, error):  # type: ignore[no-untyped-def]
    times, pixels = x.shape
    total = np.zeros(pixels)
    squares = np.zeros(pixels)
    n = np.zeros(pixels)
    for t in range(times):
        for p in range(pixels):
            good = abs(x[t, p]) < np.inf
            total[p] += x[t, p] if good else 0.0
            n[p] += 1.0 if good else 0.0
    for p in range(pixels):
        total[p] = total[p] / n[p] if n[p] > 0 else np.nan
    for t in range(times):
        for p in range(pixels):
            d = x[t, p] - total[p] if abs(x[t, p]) < np.inf else 0.0
            squares[p] += d * d
    for p in range(pixels):
        value[p] = total[p]
        error[p] = np.sqrt(squares[p] / (n[p] - 1) / n[p]) if n[p] > 1 else np.nan


def mean(x: F32) -> tuple[F32, F32]:
    """
    Mean over time and its standard error s/√n; missing observations do not count.

    Parameters
    ----------
    x : float32 (..., time, pixel)
        Values in any unit; NaN is missing. Summed in float64 in the order given.

    Returns
    -------
    mean, error : float32 (..., pixel)
        In the unit of `x`; the error is NaN for fewer than two observations.

    Examples
    --------
    >>> value, error = mean(np.array([[1], [3]], np.float32))
    >>> float(value[0]), float(error[0])
    (2.0, 1.0)
    """
    return _mean(x)  # type: ignore[no-any-return]


@helper
def _sort_pairs(buf, weight, pairs):  # type: ignore[no-untyped-def]
    """Sort every lane by value, weights along."""
    for c in range(pairs.shape[0]):
        i, j = pairs[c, 0], pairs[c, 1]
        for k in range(LANES):
            a, b, u, v = buf[i, k], buf[j, k], weight[i, k], weight[j, k]
            ordered = a < b or (a == b and u >= v)
            buf[i, k], buf[j, k] = (a, b) if ordered else (b, a)
            weight[i, k], weight[j, k] = (u, v) if ordered else (v, u)


@helper
def _weighted_median(buf, weight, k, n):  # type: ignore[no-untyped-def]
    """Least value of a sorted lane at which half of the weight is reached."""
    total = 0.0
    for t in range(n):
        total += weight[t, k]
    below = 0.0
    for t in range(n):
        below += weight[t, k]
        if 2.0 * below >= total:
            return buf[t, k]
    return buf[max(n - 1, 0), k]


@helper
def _mean_near(buf, weight, k, n, centre, reach):  # type: ignore[no-untyped-def]
    """Weighted mean and its error of the values within `reach` of `centre`; fewer than two: the heaviest."""
    total, sums, inside, best = 0.0, 0.0, 0, 0
    for t in range(n):
        best = t if weight[t, k] > weight[best, k] else best
        if abs(buf[t, k] - centre) <= reach and weight[t, k] > 0:
            total += weight[t, k]
            sums += np.float64(weight[t, k]) * buf[t, k]
            inside += 1
    if inside < 2:
        return buf[best, k], np.nan
    mean = sums / total
    squares = 0.0
    for t in range(n):
        if abs(buf[t, k] - centre) <= reach:
            squares += (weight[t, k] * (buf[t, k] - mean)) ** 2
    return mean, np.sqrt(squares * inside / (inside - 1)) / total


@gufunc(
    "void(float32[:,:], float32[:,:], int64[:,:], float64, float32[:], float32[:])",
    "(t,p),(t,p),(c,k),()->(p),(p)",
)
def _weighted(x, w, pairs, width, value, error):  # type: ignore[no-untyped-def]
    times, pixels = x.shape
    buf = np.empty((times, LANES), np.float32)
    weight = np.empty((times, LANES), np.float32)
    apart = np.empty((times, LANES), np.float32)
    n = np.empty(LANES, np.int32)
    middle = np.empty(LANES, np.float32)
    for p0 in range(0, pixels, LANES):
        lanes = min(LANES, pixels - p0)
        load_lanes(x, p0, buf, n)
        weight[:] = 0
        for t in range(times):
            for k in range(lanes):
                weight[t, k] = w[t, p0 + k]
        _sort_pairs(buf, weight, pairs)
        for k in range(LANES):
            middle[k] = _weighted_median(buf, weight, k, n[k]) if n[k] > 0 else np.float32(0)
        for t in range(times):
            for k in range(LANES):
                apart[t, k] = abs(buf[t, k] - middle[k])
        sort_lanes(apart, pairs)
        for k in range(lanes):
            value[p0 + k], error[p0 + k] = np.nan, np.nan
            if n[k] > 0:
                reach = width * pick(apart, k, n[k], 0.5)
                value[p0 + k], error[p0 + k] = _mean_near(buf, weight, k, n[k], middle[k], reach)


def weighted(x: F32, weight: F32, width: float = 2.0) -> tuple[F32, F32]:
    """
    Weighted mean of the observations within ±width·MAD of the weighted median.

    Parameters
    ----------
    x : float32 (time, pixel)
        Values in any unit; NaN is missing.
    weight : float32 (time, pixel)
        Not negative, finite.
    width
        Half width of the window, in median absolute deviations from the weighted median.

    Returns
    -------
    value, error : float32 (pixel)
        With fewer than two observations in the window: the one of greatest weight, error NaN. Otherwise the error is
        √(n/(n-1) Σ w²(x-mean)²) / Σ w.

    Examples
    --------
    >>> x = np.array([[0.2], [0.22], [0.9], [0.21]], np.float32)
    >>> value, error = weighted(x, np.ones_like(x))
    >>> round(float(value[0]), 3)
    0.21
    """
    return _weighted(x, weight, network(x.shape[-2]), width)  # type: ignore[no-any-return]


@helper
def _vote(used, qa, n, seen, flags):  # type: ignore[no-untyped-def]
    """Set the bits that more than half of the observations in use carry."""
    times, pixels = used.shape
    union = 0
    for p in range(pixels):
        union |= seen[p]
    votes = np.empty(pixels, np.int32)
    for i in range(16):
        bit = np.uint16(1 << i)
        if union >> i & 1:
            votes[:] = 0
            for t in range(times):
                for p in range(pixels):
                    votes[p] += np.int32(1) if used[t, p] and qa[t, p] & bit else np.int32(0)
            for p in range(pixels):
                flags[p] |= bit if 2 * votes[p] > n[p] else np.uint16(0)


@gufunc(
    "void(uint8[:,:], uint16[:,:], uint16[:], int16[:], uint16[:], uint16[:], int16[:], uint16[:])",
    "(t,p),(t,p),(t),(t)->(p),(p),(p),(p)",
)
def _summarize(used, qa, source, day, count, sources, middle, flags):  # type: ignore[no-untyped-def]
    times, pixels = used.shape
    n = np.zeros(pixels, np.int32)
    seen = np.zeros(pixels, np.uint16)
    sources[:] = 0
    for t in range(times):
        for p in range(pixels):
            every = np.uint16(0xFFFF) if used[t, p] else np.uint16(0)
            n[p] += np.int32(used[t, p])
            sources[p] |= source[t] & every
            seen[p] |= qa[t, p] & every
    rank = np.zeros(pixels, np.int32)
    middle[:] = -1
    for t in range(times):
        for p in range(pixels):
            rank[p] += np.int32(used[t, p])
            middle[p] = day[t] if used[t, p] and 2 * rank[p] - 2 < n[p] <= 2 * rank[p] else middle[p]
    for p in range(pixels):
        count[p] = n[p]
        flags[p] = 0 if n[p] > 0 else 1
    _vote(used, qa, n, seen, flags)


def summarize(
    used: npt.NDArray[np.uint8],
    qa: npt.NDArray[np.uint16],
    source: npt.NDArray[np.uint16],
    day: npt.NDArray[np.int16],
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16], npt.NDArray[np.int16], npt.NDArray[np.uint16]]:
    """
    Return what the observations of every pixel have in common.

    Parameters
    ----------
    used : uint8 (time, pixel)
        1 where an observation takes part.
    qa : uint16 (time, pixel)
        The common quality bits.
    source : uint16 (time,)
        The bit of the sensor of every observation.
    day : int16 (time,)
        Day of every observation, ascending.

    Returns
    -------
    count, source, day, qa : (pixel)
        How many took part; the union of their sensor bits; the (lower) median day, -1 without any; the bits that more
        than half of them carry, or 1 (FILL) without any.
    """
    return _summarize(used, qa, source, day)  # type: ignore[no-any-return]
