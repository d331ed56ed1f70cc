"""Smooth curves through series with gaps and dark outliers: least squares that punish curvature, on many pixels."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN201, ANN202

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from musyq_cube.kernels._gufunc import F32, LANES, Array, gufunc, helper, network
from musyq_cube.kernels.select import pick, sort_lanes

F64 = npt.NDArray[np.float64]

ROUNDS = 5
"""Times that the curve is drawn, each with less weight on what lies below the one before."""
CUT = 3.0
"""Standard deviations below the curve from which an observation counts as an outlier."""
LEAST_SPREAD = 0.01
"""Standard deviation that is never undercut: the noise of a composited vegetation index."""

WINTER = 0.1
"""Quantile of the observations without snow that stands for the dormant vegetation under snow."""
LEAST_PIVOT = 1e-9
"""Keeps series with fewer than two observations, which no curve is defined by, from a division by zero."""

_ONE, _INF = np.float32(1), np.float32(np.inf)
MAD = np.float32(1.4826)
"""Standard deviation of a normal distribution in median absolute deviations."""
_FLOOR = np.float32(LEAST_SPREAD)


def penalty(times: F64, width: float) -> F64:
    """
    Return the diagonals of the matrix that punishes curvature, for times that need not be regular.

    Parameters
    ----------
    times : float64 (t,)
        Days, increasing, at least three.
    width
        Days over which the curve averages: half the distance at which the weight of an observation has gone.

    Returns
    -------
    float64 (3, t)
        Main, first and second diagonal of ``λ Dᵀ D``: D has the second divided differences, each weighed with the
        time it stands for, and λ = width⁴ / median step, so that the width does not depend on the sampling.

    References
    ----------
    Eilers 2003, doi:10.1021/ac034173t; Silverman 1984, doi:10.1214/aos/1176346710 (width of the kernel).

    Examples
    --------
    >>> penalty(np.arange(4.0), 1.0).tolist()
    [[1.0, 5.0, 5.0, 1.0], [-2.0, -4.0, -2.0, 0.0], [1.0, 1.0, 0.0, 0.0]]
    """
    steps = np.diff(times)
    if len(times) < 3 or not (steps > 0).all():
        raise ValueError(f"times must be at least three and increasing; got {times}")
    before, after = steps[:-1], steps[1:]
    weight = np.sqrt(width**4 / np.median(steps) * (before + after) / 2)
    rows = (
        2 * weight * np.array([1 / (before * (before + after)), -1 / (before * after), 1 / (after * (before + after))])
    )
    bands = np.zeros((3, len(times)))
    for i in range(3):
        for j in range(i, 3):
            bands[j - i, i : i + len(before)] += rows[i] * rows[j]
    return bands


@helper
def solve_lanes(y, w, bands, z, d, e, f):  # type: ignore[no-untyped-def]
    """Solve (W + P) z = W y in every lane; `d`, `e`, `f` are scratch of the shape of `y`."""
    n = y.shape[0]
    for t in range(n):
        _eliminate(t, y, w, bands, z, d, e, f)
    for t in range(n - 1, -1, -1):
        out = z[t]
        if t + 1 < n:
            near, e1 = z[t + 1], e[t]
            for k in range(LANES):
                out[k] -= e1[k] * near[k]
        if t + 2 < n:
            far, f2 = z[t + 2], f[t]
            for k in range(LANES):
                out[k] -= f2[k] * far[k]


@helper
def _subtract(out, a, b, c):  # type: ignore[no-untyped-def]
    for k in range(LANES):
        out[k] -= a[k] * b[k] * c[k]


@helper
def _eliminate(t, y, w, bands, z, d, e, f):  # type: ignore[no-untyped-def]
    """Treat one row of the symmetric matrix with five diagonals: pivots into `d`, factors into `e`, `f`."""
    pivot, first, second, out, wt, yt = d[t], e[t], f[t], z[t], w[t], y[t]
    c0, c1, c2 = bands[0, t], bands[1, t], bands[2, t]
    for k in range(LANES):
        pivot[k] = wt[k] + c0
        out[k] = wt[k] * yt[k]
    first[:] = c1
    if t >= 1:
        _subtract(pivot, e[t - 1], e[t - 1], d[t - 1])
        _subtract(first, e[t - 1], f[t - 1], d[t - 1])
        _subtract(out, e[t - 1], z[t - 1], d[t - 1])
    if t >= 2:
        _subtract(pivot, f[t - 2], f[t - 2], d[t - 2])
        _subtract(out, f[t - 2], z[t - 2], d[t - 2])
    for k in range(LANES):
        pivot[k] = pivot[k] if pivot[k] > LEAST_PIVOT else LEAST_PIVOT  # noqa: FURB136  # one vector instruction
    for k in range(LANES):
        first[k] /= pivot[k]
        second[k] = c2 / pivot[k]
    for k in range(LANES):
        out[k] /= pivot[k]


@helper
def spread_lanes(y, z, w, pairs, buf, out):  # type: ignore[no-untyped-def]
    """Give every lane the robust standard deviation of y - z where w > 0: 1.4826 times the median distance."""
    n = np.zeros(LANES, np.int64)
    for t in range(y.shape[0]):
        row, yt, zt, wt = buf[t], y[t], z[t], w[t]
        for k in range(LANES):
            row[k] = abs(np.float32(yt[k] - zt[k])) if wt[k] > 0 else _INF
        for k in range(LANES):
            n[k] += 1 if wt[k] > 0 else 0
    sort_lanes(buf, pairs)
    for k in range(LANES):
        found = MAD * pick(buf, k, n[k], 0.5) if n[k] > 0 else _FLOOR
        out[k] = max(found, _FLOOR)


@helper
def smooth_lanes(y, there, w, bands, pairs, z, scratch, buf, spread):  # type: ignore[no-untyped-def]
    """
    Draw the curve through what is `there` (0 or 1) into `z`, and into `w` what is there and no dark outlier.

    Residuals below the curve lose weight by Tukey's biweight in the rounds; those above keep it, because cloud, haze
    and snow only darken a vegetation index.
    """
    w[:] = there
    for turn in range(ROUNDS):
        solve_lanes(y, w, bands, z, scratch[0], scratch[1], scratch[2])
        spread_lanes(y, z, there, pairs, buf, spread)
        for t in range(y.shape[0]):
            row, yt, zt, have = w[t], y[t], z[t], there[t]
            for k in range(LANES):
                u = (yt[k] - zt[k]) / (CUT * spread[k])
                inside = _ONE - u * u
                weight = inside * inside if u > -1 else 0.0
                weight = 1.0 if u >= 0 else weight
                hard = 1.0 if u > -1 else 0.0
                row[k] = have[k] * (weight if turn + 1 < ROUNDS else hard)


@helper
def _load(x, snow, p0, y, there):  # type: ignore[no-untyped-def]
    """Copy up to LANES pixels of ``(time, pixel)``; missing and snow become 0 in `y` and in `there`, the others 1."""
    lanes = min(LANES, x.shape[1] - p0)
    y[:] = 0.0
    there[:] = 0.0
    for t in range(x.shape[0]):
        for k in range(lanes):
            good = abs(x[t, p0 + k]) < _INF and snow[t, p0 + k] == 0
            y[t, k] = x[t, p0 + k] if good else 0.0
            there[t, k] = 1.0 if good else 0.0


@helper
def _fill_snow(y, there, w, snow, p0, pairs, buf):  # type: ignore[no-untyped-def]
    """Give observations of snow the winter value of what is known without snow; returns whether there are any."""
    times, lanes = y.shape[0], min(LANES, snow.shape[1] - p0)
    n = np.zeros(LANES, np.int64)
    some = False
    buf[:] = _INF
    for t in range(times):
        for k in range(lanes):
            some = some or snow[t, p0 + k] > 0
            if w[t, k] > 0:
                buf[t, k] = y[t, k]
                n[k] += 1
    if some:
        sort_lanes(buf, pairs)
        for k in range(lanes):
            winter = pick(buf, k, n[k], WINTER)
            for t in range(times):
                if snow[t, p0 + k] > 0 and n[k] > 0:
                    y[t, k], there[t, k] = winter, 1.0
    return some


@gufunc(
    "void(float32[:,:], uint8[:,:], float64[:,:], int64[:,:], float32[:,:], float32[:,:], float32[:,:])",
    "(t,p),(t,p),(b,t),(c,k)->(t,p),(t,p),(t,p)",
)
def _whittaker(x, snow, bands, pairs, seen, curve, kept):  # type: ignore[no-untyped-def]
    times, pixels = x.shape
    y, there = np.zeros((times, LANES)), np.zeros((times, LANES))
    w, z = np.zeros((times, LANES)), np.zeros((times, LANES))
    scratch, spread = np.zeros((3, times, LANES)), np.empty(LANES, np.float32)
    buf = np.empty((times, LANES), np.float32)
    for p0 in range(0, pixels, LANES):
        _load(x, snow, p0, y, there)
        for turn in range(2):
            if turn == 0 or _fill_snow(y, there, w, snow, p0, pairs, buf):
                smooth_lanes(y, there, w, bands, pairs, z, scratch, buf, spread)
        for k in range(min(LANES, pixels - p0)):
            known = there[:, k].sum() >= 3
            for t in range(times):
                seen[t, p0 + k] = y[t, k] if there[t, k] > 0 else np.nan
                curve[t, p0 + k] = z[t, k] if known else np.nan
                kept[t, p0 + k] = w[t, k]


def whittaker(x: F32, snow: Array, times: F64, width: float) -> tuple[F32, F32, F32]:
    """
    Smooth series of a vegetation index, heedless of outliers below.

    Parameters
    ----------
    x : float32 (time, pixel)
        NaN is missing.
    snow : uint8 (time, pixel)
        Not 0 where the ground is under snow, whatever `x` is there.
    times : float64 (time,)
        Days, increasing.
    width
        Days, see `penalty`.

    Returns
    -------
    seen : float32 (time, pixel)
        The observations, under snow the lowest tenth of those that are no outliers.
    curve : float32 (time, pixel)
        At every time, NaN where fewer than three observations are there.
    kept : float32 (time, pixel)
        1 where an observation is there and is no outlier.

    Examples
    --------
    >>> x = np.full((20, 1), 0.5, np.float32)
    >>> x[7] = 0.1
    >>> seen, curve, kept = whittaker(x, np.zeros((20, 1), np.uint8), np.arange(20.0) * 5, 6.0)
    >>> float(curve[7, 0].round(3)), kept[6:9, 0].tolist()
    (0.5, [1.0, 0.0, 1.0])
    """
    bands, pairs = penalty(times, width), network(len(times))
    return _whittaker(np.asarray(x, np.float32), np.asarray(snow, np.uint8), bands, pairs)  # type: ignore[no-any-return]
