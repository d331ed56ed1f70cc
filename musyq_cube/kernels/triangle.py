"""
Dryness between the edges of the cloud of surface temperature over vegetation index, window by window.

References
----------
Sandholt, Rasmussen & Andersen 2002, doi:10.1016/S0034-4257(01)00274-7.
"""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

from typing import Any

import numpy as np

from musyq_cube.kernels._gufunc import gufunc, helper

LOWEST, HIGHEST, STEP = 0.2, 0.86, 0.02
"""NDVI between which the edges are sought, and the width of a bin."""
BINS = 33
TAIL = 0.005
"""Share of the pixels of a bin beyond its edge."""
LEAST_PIXELS = 20
"""Of a bin that tells an edge."""
LEAST_BINS = 5
NARROWEST = 1.0
"""K between the edges, below which there is no index."""


@helper
def _insert(top, k, value):  # type: ignore[no-untyped-def]
    """Put a value among the `k` greatest kept, in falling order."""
    if value <= top[k - 1]:
        return
    i = k - 1
    while i > 0 and top[i - 1] < value:
        top[i] = top[i - 1]
        i -= 1
    top[i] = value


@helper
def _tail(top, n):  # type: ignore[no-untyped-def]
    """Return the quantile 1 - TAIL of `n` values of which the greatest are kept, linear between ranks."""
    place = TAIL * (n - 1)
    rank = int(place)
    return top[rank] + (place - rank) * (top[min(rank + 1, n - 1)] - top[rank])


@helper
def _line(x, y, n):  # type: ignore[no-untyped-def]
    """Return offset, slope and residual standard deviation of a least squares line."""
    mx, my = 0.0, 0.0
    for i in range(n):
        mx += x[i] / n
        my += y[i] / n
    sxx, sxy = 0.0, 0.0
    for i in range(n):
        sxx += (x[i] - mx) ** 2
        sxy += (x[i] - mx) * (y[i] - my)
    slope = sxy / sxx
    rest = 0.0
    for i in range(n):
        rest += (y[i] - my - slope * (x[i] - mx)) ** 2
    return my - slope * mx, slope, np.sqrt(rest / (n - 2))


@helper
def _tails(ts, bins, hot, cold, count):  # type: ignore[no-untyped-def]
    """Count the pixels of each bin, and keep the hottest and the coldest (negative) that its quantiles need."""
    hot[:] = -np.inf
    cold[:] = -np.inf
    count[:] = 0
    rows, cols = bins.shape
    for i in range(rows):
        for j in range(cols):
            if bins[i, j] >= 0:
                count[bins[i, j]] += 1
    for i in range(rows):
        for j in range(cols):
            b = bins[i, j]
            if b >= 0:
                kept = int(TAIL * count[b]) + 2
                _insert(hot[b], kept, ts[i, j])
                _insert(cold[b], kept, -ts[i, j])


@helper
def _edges(ts, bins, top, bottom, left, right, hot, cold, count, found):  # type: ignore[no-untyped-def]
    """Put offset, slope and scatter of the dry and of the wet edge of one window into `found`; NaN where rejected."""
    found[:] = np.nan
    _tails(ts[top:bottom, left:right], bins[top:bottom, left:right], hot, cold, count)
    x, dry, wet = np.empty(BINS), np.empty(BINS), np.empty(BINS)
    n = 0
    for b in range(BINS):
        if count[b] >= LEAST_PIXELS:
            x[n] = LOWEST + (b + 0.5) * STEP
            dry[n], wet[n] = _tail(hot[b], count[b]), -_tail(cold[b], count[b])
            n += 1
    if n < LEAST_BINS:
        return
    found[0], found[1], found[2] = _line(x, dry, n)
    found[3], found[4], found[5] = _line(x, wet, n)
    if found[1] >= 0.0:  # no drier where there is less to evaporate: not a triangle
        found[:] = np.nan


@helper
def _windows(ts, ndvi, row, col, width, table):  # type: ignore[no-untyped-def]
    """Find the edges of every window that has a pixel here; window (i, j) of `table` begins at half widths."""
    rows, cols = ts.shape
    half = width // 2
    kept = int(TAIL * width * width) + 3
    hot, cold = np.empty((BINS, kept), np.float32), np.empty((BINS, kept), np.float32)
    count = np.empty(BINS, np.int64)
    bins = np.empty(ts.shape, np.int8)
    for i in range(rows):
        for j in range(cols):
            inside = LOWEST <= ndvi[i, j] < HIGHEST and ts[i, j] > 0.0
            bins[i, j] = min(int((ndvi[i, j] - LOWEST) / STEP), BINS - 1) if inside else -1
    first_row, first_col = row // half - 1, col // half - 1
    for i in range(table.shape[0]):
        top = (first_row + i) * half - row
        for j in range(table.shape[1]):
            left = (first_col + j) * half - col
            _edges(
                ts, bins, max(top, 0), min(top + width, rows), max(left, 0), min(left + width, cols),
                hot, cold, count, table[i, j],
            )  # fmt: skip


@helper
def _blend(table, i, j, down, right, edges):  # type: ignore[no-untyped-def]
    """Put the mean of the edges of the four windows over a pixel, weighted by nearness, into `edges`; NaN: none."""
    edges[:] = 0.0
    total = 0.0
    for a in range(2):
        for b in range(2):
            one = table[i + a, j + b]
            if np.isnan(one[0]):
                continue
            weight = (down if a else 1.0 - down) * (right if b else 1.0 - right)
            total += weight
            for k in range(6):
                edges[k] += weight * one[k]
    for k in range(6):
        edges[k] = edges[k] / total if total > 0.0 else np.nan


@gufunc(
    "void(float32[:,:], float32[:,:], float32[:,:], int64, int64, int64, float32[:,:], float32[:,:])",
    "(y,x),(y,x),(y,x),(),(),()->(y,x),(y,x)",
)
def _dryness(ts, ndvi, sigma, row, col, width, out, unc):  # type: ignore[no-untyped-def]
    rows, cols = ts.shape
    half = width // 2
    table = np.empty(((row + rows - 1) // half - row // half + 2, (col + cols - 1) // half - col // half + 2, 6))
    _windows(ts, ndvi, row, col, width, table)
    edges = np.empty(6)
    for i in range(rows):
        a = (row + i) // half - row // half
        down = ((row + i) % half + 0.5) / half
        for j in range(cols):
            out[i, j] = unc[i, j] = np.float32(np.nan)
            if not (ndvi[i, j] >= 0.0 and ts[i, j] > 0.0):
                continue
            b = (col + j) // half - col // half
            _blend(table, a, b, down, ((col + j) % half + 0.5) / half, edges)
            dry, wet = edges[0] + edges[1] * ndvi[i, j], edges[3] + edges[4] * ndvi[i, j]
            if not dry - wet >= NARROWEST:
                continue
            index = (ts[i, j] - wet) / (dry - wet)
            spread = sigma[i, j] ** 2 + (index * edges[2]) ** 2 + ((1.0 - index) * edges[5]) ** 2
            out[i, j] = index
            unc[i, j] = np.sqrt(spread) / (dry - wet)


def dryness(*given: Any) -> Any:
    """
    Return the dryness index and its standard deviation: see :func:`musyq_cube.products.moisture.dryness`.

    Parameters
    ----------
    given
        Temperature, NDVI and standard deviation of temperature, float32 (y, x); numbers of the first row and column in
        the whole grid, and the width of windows (even), which begin at multiples of half of it. A window that lies
        partly outside is made of what there is.
    """
    return _dryness(*given)
