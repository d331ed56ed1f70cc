"""Order statistics over time, for many pixels at once, by a sorting network across lanes."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN201, ANN202

from __future__ import annotations

import numpy as np

from musyq_cube.kernels._gufunc import F32, LANES, gufunc, helper, network


@helper
def load_lanes(x, p0, buf, n):  # type: ignore[no-untyped-def]
    """Copy up to LANES pixels of ``(time, pixel)``; missing becomes +inf, -0 becomes 0; count the others into `n`."""
    width = min(LANES, x.shape[1] - p0)
    n[:] = 0
    for t in range(x.shape[0]):
        row = buf[t]
        row[width:] = np.inf
        for k in range(width):
            row[k] = x[t, p0 + k]
        for k in range(LANES):
            v = row[k]
            good = abs(v) < np.float32(np.inf)
            row[k] = v + np.float32(0) if good else np.float32(np.inf)
            n[k] += np.int32(1) if good else np.int32(0)


@helper
def sort_lanes(buf, pairs):  # type: ignore[no-untyped-def]
    """Sort every lane of ``(time, LANES)`` upwards."""
    for c in range(pairs.shape[0]):
        low = buf[pairs[c, 0]]
        high = buf[pairs[c, 1]]
        for k in range(LANES):
            a = low[k]
            b = high[k]
            low[k] = a if a < b else b  # noqa: FURB136  # compiles to one vector instruction
            high[k] = b if a < b else a  # noqa: FURB136


@helper
def pick(buf, k, n, q):  # type: ignore[no-untyped-def]
    """Quantile `q` of the `n` first values of the sorted lane `k`, linear between ranks; NaN where there is none."""
    if n == 0:
        return np.float32(np.nan)
    rank = q * (n - 1)
    i = int(rank)
    a = np.float64(buf[i, k])
    b = np.float64(buf[min(i + 1, n - 1), k])
    return np.float32(a + (rank - i) * (b - a))


@gufunc("void(float32[:,:], int64[:,:], float64, float32[:])", "(t,p),(c,k),()->(p)")
def _quantile(x, pairs, q, value):  # type: ignore[no-untyped-def]
    buf = np.empty((x.shape[0], LANES), np.float32)
    n = np.empty(LANES, np.int32)
    for p0 in range(0, x.shape[1], LANES):
        load_lanes(x, p0, buf, n)
        sort_lanes(buf, pairs)
        for k in range(min(LANES, x.shape[1] - p0)):
            value[p0 + k] = pick(buf, k, n[k], q)


@gufunc("void(float32[:,:], int64[:,:], float32[:], float32[:])", "(t,p),(c,k),(p)->(p)")
def _spread(x, pairs, centre, value):  # type: ignore[no-untyped-def]
    buf = np.empty((x.shape[0], LANES), np.float32)
    n = np.empty(LANES, np.int32)
    around = np.zeros(LANES, np.float32)
    for p0 in range(0, x.shape[1], LANES):
        width = min(LANES, x.shape[1] - p0)
        load_lanes(x, p0, buf, n)
        for k in range(width):
            around[k] = centre[p0 + k] if n[k] > 0 else np.float32(0)
        for t in range(x.shape[0]):
            row = buf[t]
            for k in range(LANES):
                row[k] = abs(row[k] - around[k])
        sort_lanes(buf, pairs)
        for k in range(width):
            value[p0 + k] = pick(buf, k, n[k], 0.5)


def quantile(x: F32, q: float = 0.5) -> F32:
    """
    Quantile over time of every pixel; missing observations do not count.

    Parameters
    ----------
    x : float32 (..., time, pixel)
        Values in any unit; NaN and infinite are missing.
    q
        0 (least) to 1 (greatest); 0.5 is the median. Linear between ranks.

    Returns
    -------
    float32 (..., pixel)
        NaN where nothing was observed.

    Examples
    --------
    >>> float(quantile(np.array([[3], [np.nan], [1], [2]], np.float32))[0])
    2.0
    """
    return _quantile(x, network(x.shape[-2]), q)  # type: ignore[no-any-return]


def spread(x: F32, centre: F32) -> F32:
    """
    Median over time of the absolute deviation from a centre (MAD).

    Parameters
    ----------
    x : float32 (..., time, pixel)
        Values; NaN is missing.
    centre : float32 (..., pixel)
        What to measure from, in the same unit.

    Returns
    -------
    float32 (..., pixel)
        In the unit of `x`; times 1.4826 it estimates the standard deviation of normal data. NaN where nothing was
        observed.

    Examples
    --------
    >>> x = np.array([[1], [2], [9]], np.float32)
    >>> float(spread(x, quantile(x))[0])
    1.0
    """
    return _spread(x, network(x.shape[-2]), centre)  # type: ignore[no-any-return]
