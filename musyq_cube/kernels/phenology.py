"""Phenology of a year of a vegetation index: smoothed, divided into seasons, fitted, measured."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import numpy as np

from musyq_cube.kernels._gufunc import LANES, Array, gufunc, helper, network, over_pixels
from musyq_cube.kernels.logistic import PACKED, PARAMETERS, fit_lanes, logistic
from musyq_cube.kernels.seasons import METRICS, guess, measure, peaks, side
from musyq_cube.kernels.select import pick, sort_lanes
from musyq_cube.kernels.whittaker import CUT, F64, LEAST_SPREAD, MAD, whittaker

SEASONS = 2
ROWS = 1 + 2 * SEASONS * METRICS
"""Number of seasons; then the metrics of the first and the second, and their standard deviations in that order."""
SMOOTH = 6.0
"""Days over which the curve averages that seasons are looked for in, at a sampling of five days."""
LEAST_OBSERVATIONS = 12
"""Below this there is no answer; a season needs as many as it has parameters, and four more."""
LEAST_EXPLAINED = 0.5
"""Part of the variance within a season that the fitted curve has to explain."""
ITERATIONS = 15
ROUNDS = 2
"""Fits of a season; before the second, what counts as an outlier is decided anew, by the first fit."""

_INF, _ZERO, _ONE = np.float32(np.inf), np.float32(0), np.float32(1)


@gufunc(
    "void(float32[:,:], float32[:,:], float64[:], float32[:], float32[:], int64[:], int64[:,:,:], float32[:,:,:])",
    "(t,p),(t,p),(t),(s),(v)->(p),(s,s,p),(s,v,p)",
)
def _divide(seen, curve, times, seasons, parameters, count, windows, starts):  # type: ignore[no-untyped-def]  # noqa: ARG001
    n = seen.shape[0]
    c, found = np.empty(n), np.empty(SEASONS, np.int64)
    for p in range(seen.shape[1]):
        first, last, total = n, -1, 0
        for t in range(n):
            c[t] = curve[t, p]
            if abs(seen[t, p]) < _INF:
                first, last, total = min(first, t), t, total + 1
        count[p] = peaks(c, first, last, found) if total >= LEAST_OBSERVATIONS else -1
        for i in range(count[p]):
            before = found[0] if i == 1 else first
            after = found[1] if i == 0 and count[p] == 2 else last
            left, begin = side(c, found[i], before, found[i])
            right, end = side(c, found[i], after, found[i])
            windows[i, 0, p] = left if i == 1 else begin
            windows[i, 1, p] = right if i == 0 and count[p] == 2 else end
            guess(c, times, found[i], left, right, starts[i], p)


@helper
def _reject(v, p, times, inside, kept, pairs, buf):  # type: ignore[no-untyped-def]
    """Decide by the fitted curve which observations inside the season are used: all but dark outliers."""
    base, size, a, s, b, e = p[0], p[1], p[2], p[3], p[4], p[5]
    n = np.zeros(LANES, np.int64)
    for i in range(times.shape[0]):
        t, row, vt, into, distance = np.float32(times[i]), kept[i], v[i], inside[i], buf[i]
        for k in range(LANES):
            row[k] = logistic(a[k] * (t - s[k]))
        for k in range(LANES):
            row[k] -= logistic(b[k] * (t - e[k]))
        for k in range(LANES):
            row[k] = vt[k] - base[k] - size[k] * row[k]
        for k in range(LANES):
            distance[k] = abs(row[k]) if into[k] > 0 else _INF
            n[k] += 1 if into[k] > 0 else 0
    sort_lanes(buf, pairs)
    for k in range(LANES):
        spread = max(MAD * pick(buf, k, n[k], 0.5), LEAST_SPREAD) if n[k] > 0 else _ONE
        for i in range(times.shape[0]):
            kept[i, k] = inside[i, k] if kept[i, k] > -CUT * spread else _ZERO


@gufunc(
    "void(float32[:,:], float32[:,:], int64[:,:], float32[:,:], float64[:], int64[:,:], float32[:],"
    " float32[:,:], float32[:,:], float32[:], float32[:,:])",
    "(t,p),(t,p),(w,p),(v,p),(t),(c,k),(m)->(v,p),(m,p),(p),(t,p)",
)
def _fit(seen, kept, window, start, times, pairs, packed, best, matrices, misfit, used):  # type: ignore[no-untyped-def]  # noqa: ARG001
    n, pixels = seen.shape
    v, w, inside = np.zeros((n, LANES), np.float32), np.zeros((n, LANES), np.float32), np.zeros((n, LANES), np.float32)
    buf, p = np.empty((n, LANES), np.float32), np.zeros((PARAMETERS, LANES), np.float32)
    matrix, cost = np.zeros((PACKED, LANES), np.float32), np.zeros(LANES, np.float32)
    for p0 in range(0, pixels, LANES):
        lanes = min(LANES, pixels - p0)
        inside[:], w[:] = _ZERO, _ZERO
        for k in range(lanes):
            for t in range(n):
                good = abs(seen[t, p0 + k]) < _INF and window[0, p0 + k] <= t <= window[1, p0 + k]
                v[t, k] = seen[t, p0 + k] if good else _ZERO
                inside[t, k] = _ONE if good else _ZERO
                w[t, k] = kept[t, p0 + k] if good else _ZERO
            for i in range(PARAMETERS):
                p[i, k] = start[i, p0 + k]
        for turn in range(ROUNDS):
            if turn > 0:
                _reject(v, p, times, inside, w, pairs, buf)
            fit_lanes(v, w, times, p, matrix, cost, ITERATIONS)
        for k in range(lanes):
            misfit[p0 + k] = cost[k]
            best[:, p0 + k] = p[:, k]
            matrices[:, p0 + k] = matrix[:, k]
            used[:, p0 + k] = w[:, k]


@helper
def _explained(seen, used, cost, p):  # type: ignore[no-untyped-def]
    """Return how many observations of a pixel were used, and the part of their variance in the curve."""
    n, total, squares = 0, 0.0, 0.0
    for t in range(seen.shape[0]):
        if used[t, p] > 0:
            n += 1
            total += seen[t, p]
    for t in range(seen.shape[0]):
        if used[t, p] > 0:
            squares += (seen[t, p] - total / n) ** 2
    return n, 1 - cost / squares if squares > 0 else 0.0


@helper
def _factor(matrix, lower):  # type: ignore[no-untyped-def]
    """Factor a packed matrix (Cholesky); the diagonal of `lower` holds the inverses."""
    for i in range(PARAMETERS):
        for j in range(i + 1):
            a, b = i * (i + 1) // 2, j * (j + 1) // 2
            x = np.float64(matrix[a + j])
            for k in range(j):
                x -= lower[a + k] * lower[b + k]
            lower[a + j] = x * lower[b + j] if j < i else 1 / np.sqrt(max(x, 1e-12))


@helper
def _deviation(gradient, lower, variance):  # type: ignore[no-untyped-def]
    """Return the standard deviation of what has a gradient by the parameters, from the factor of their matrix."""
    x, total = np.empty(PARAMETERS), 0.0
    for i in range(PARAMETERS):
        x[i] = gradient[i]
        for j in range(i):
            x[i] -= lower[i * (i + 1) // 2 + j] * x[j]
        x[i] *= lower[i * (i + 1) // 2 + i]
        total += x[i] * x[i]
    return np.sqrt(variance * total)


@gufunc(
    "void(float32[:,:], float32[:,:], float32[:,:], float32[:,:], float32[:], int64[:,:], float64[:], float64,"
    " float32[:], float32[:,:], float32[:,:])",
    "(t,p),(t,p),(v,p),(m,p),(p),(w,p),(t),(),(o)->(o,p),(o,p)",
)
def _measure(seen, used, best, matrices, misfit, window, times, part, metrics, values, errors):  # type: ignore[no-untyped-def]  # noqa: ARG001
    n = times.shape[0]
    margin = 0.5 * (times[n - 1] - times[0]) / (n - 1)
    first, last = times[0] - margin, times[n - 1] + margin
    value, g, q = np.empty(METRICS), np.empty((METRICS, PARAMETERS)), np.empty(PARAMETERS)
    lower = np.empty(PACKED)
    values[:] = np.nan
    errors[:] = np.nan
    for p in range(seen.shape[1]):
        count, share = _explained(seen, used, np.float64(misfit[p]), p)
        if count < PARAMETERS + 4 or not share >= LEAST_EXPLAINED:
            continue
        q[:] = best[:, p]
        begin = times[window[0, p]] if window[0, p] > 0 else first
        finish = times[window[1, p]] if window[1, p] + 1 < n else last
        measure(q, part, begin, finish, value, g)
        _factor(matrices[:, p], lower)
        if not first <= value[2] <= last:
            continue
        begins, ends = value[0] >= first, value[1] <= last
        for m in range(METRICS):
            known = (begins or m not in {0, 3, 7}) and (ends or m not in {1, 3, 7})
            values[m, p] = value[m] if known else np.nan
            errors[m, p] = _deviation(g[m], lower, misfit[p] / (count - PARAMETERS)) if known else np.nan


def phenology(x: Array, snow: Array, times: F64, part: float = 0.2) -> Array:
    """
    Measure the one or two seasons of every pixel.

    Parameters
    ----------
    x : float32 (time, y, x)
        Vegetation index; NaN is missing.
    snow : uint8 (time, y, x)
        Not 0 where the ground is under snow, whatever `x` is there.
    times : float64 (time,)
        Days, increasing; the dates that come out count alike.
    part
        Part of the amplitude at which a season starts and ends.

    Returns
    -------
    float32 (33, y, x)
        Number of seasons (0 … 2; NaN below 12 observations), then for each season start, end, peak, length, base, value
        at the peak, amplitude and integral, NaN where there is none or it lies outside the times; then the standard
        deviation of each, from the misfit of the curve.
    """
    out = np.empty((ROWS, *x.shape[1:]), np.float32)

    def strip(part_x: Array, part_snow: Array) -> tuple[Array]:
        return (_strip(part_x, part_snow, times, part),)

    over_pixels(strip, (np.asarray(x, np.float32), np.asarray(snow, np.uint8)), (out,))
    return out


def _strip(x: Array, snow: Array, times: F64, part: float) -> Array:
    """Measure the seasons of pixels (time, pixel)."""
    steps = np.median(np.diff(times)) if len(times) > 1 else 0.0
    seen, curve, kept = whittaker(x, snow, times, SMOOTH * max(1.0, float(steps) / 5.0))
    rows = np.empty(SEASONS, np.float32), np.empty(PARAMETERS, np.float32)
    count, windows, starts = _divide(seen, curve, times, *rows)
    out = np.full((ROWS, x.shape[1]), np.nan, np.float32)
    out[0] = np.where(count >= 0, 0.0, np.nan)
    for i in range(SEASONS):
        which = np.flatnonzero(count > i)
        if not len(which):
            continue
        mine, window = np.ascontiguousarray(seen[:, which]), np.ascontiguousarray(windows[i][:, which])
        best, matrix, misfit, used = _fit(
            mine, kept[:, which], window, starts[i][:, which], times, network(len(times)), np.empty(PACKED, np.float32)
        )
        values, errors = _measure(mine, used, best, matrix, misfit, window, times, part, np.empty(METRICS, np.float32))
        real = np.isfinite(values[2])
        at, pixel = out[0, which[real]].astype(np.intp) * METRICS + 1, which[real]
        for m in range(METRICS):
            out[at + m, pixel] = values[m, real]
            out[at + SEASONS * METRICS + m, pixel] = errors[m, real]
        out[0, pixel] += 1
    return out
