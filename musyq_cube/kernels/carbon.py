"""Carbon taken up by vegetation: light use by class of land cover, and respiration over a year."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from musyq_cube.kernels._gufunc import F32, Array, gufunc, helper, over_pixels

F64 = npt.NDArray[np.float64]

LUE, TMIN_CLOSED, TMIN_OPEN, VPD_OPEN, VPD_CLOSED = range(5)
SLA, FROOT_RATIO, LIVEWOOD_RATIO, LEAF_MR, FROOT_MR, LIVEWOOD_MR = range(5, 11)
COLUMNS = 11
"""Properties of a class of land cover, in the order of the names above."""

FREEZING = 273.15
Q10 = 2.0
"""Of the respiration of fine roots and live wood per 10 K."""
GROWTH = 0.8
"""Part of what maintenance leaves that growth respiration does not take: 1 / 1.25."""
LEAST_SHARE = 0.5
"""Part of the year that must have values; the rest is interpolated in time."""


@helper
def _row(cover, table):  # type: ignore[no-untyped-def]
    """Return the row of a class, that of class 0 (all missing) for what is none."""
    known = cover > np.float32(0.5) and cover < np.float32(table.shape[0] - 0.5)
    return int(cover + np.float32(0.5)) if known else 0


@helper
def _ramp(x, low, high):  # type: ignore[no-untyped-def]
    """0 below `low`, 1 above `high`, straight between; NaN stays."""
    y = (x - low) / (high - low)
    y = y if not y < 0 else y * 0
    return y if not y > 1 else y * 0 + 1


@gufunc(
    "void(float32[:], float32[:], float32[:], float32[:], float32[:], float64[:,:], float32[:])",
    "(n),(n),(n),(n),(n),(c,k)->(n)",
)
def _gpp(fpar, par, tmin, vpd, cover, table, out):  # type: ignore[no-untyped-def]
    for i in range(fpar.shape[0]):
        row = table[_row(cover[i], table)]
        cold = _ramp(np.float64(tmin[i]) - FREEZING, row[TMIN_CLOSED], row[TMIN_OPEN])
        dry = _ramp(np.float64(vpd[i]), row[VPD_CLOSED], row[VPD_OPEN])
        out[i] = 1e3 * row[LUE] * cold * dry * fpar[i] * par[i]


def gpp(fpar: F32, par: F32, tmin: F32, vpd: F32, cover: F32, table: F64) -> F32:
    """
    Return the gross primary productivity of MOD17.

    Parameters
    ----------
    fpar, par, tmin, vpd, cover : float32, broadcastable
        Absorbed fraction; light, MJ m⁻² d⁻¹; least temperature of the day, K; vapour pressure deficit, Pa; class.
    table : float64 (classes, 11)
        Properties by class, NaN for classes without vegetation, row 0 among them.

    Returns
    -------
    float32
        g C m⁻² d⁻¹; NaN where anything is missing.
    """
    given = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, np.float32)) for v in (fpar, par, tmin, vpd, cover)))
    return _gpp(*given, table)  # type: ignore[no-any-return]


@helper
def _fill(x, p, y):  # type: ignore[no-untyped-def]
    """Copy a series and interpolate its gaps in time, constant beyond the ends; returns how many values there were."""
    n, last = 0, -1
    for t in range(x.shape[0]):
        y[t] = x[t, p]
        if not abs(y[t]) < np.inf:
            continue
        n += 1
        for i in range(last + 1, t):
            y[i] = y[t] if last < 0 else y[last] + (y[t] - y[last]) * (i - last) / (t - last)
        last = t
    for i in range(last + 1, x.shape[0]):
        y[i] = y[last] if last >= 0 else np.nan
    return n


@gufunc(
    "void(float32[:,:], float32[:,:], float32[:,:], float32[:,:], float64[:], float64[:,:], float32[:], float32[:])",
    "(t,p),(t,p),(t,p),(o,p),(t),(c,k)->(p),(p)",
)
def _npp(gain, lai, air, cover, days, table, out, filled):  # type: ignore[no-untyped-def]
    n = days.shape[0]
    g, leaves, warm = np.empty(n), np.empty(n), np.empty(n)
    for p in range(gain.shape[1]):
        row = table[_row(cover[0, p], table)]
        there = min(_fill(gain, p, g), _fill(lai, p, leaves))
        complete = _fill(air, p, warm) > 0
        grown, kept, wood, most = 0.0, 0.0, 0.0, 0.0
        for t in range(n):
            celsius = warm[t] - FREEZING
            power = (celsius - 20.0) / 10.0
            tissue = row[LEAF_MR] * (3.22 - 0.046 * celsius) ** power + row[FROOT_RATIO] * row[FROOT_MR] * Q10**power
            grown += days[t] * g[t]
            kept += days[t] * 1e3 * leaves[t] / row[SLA] * tissue
            wood += days[t] * Q10**power
            most = max(most, leaves[t])
        wood *= 1e3 * most / row[SLA] * row[LIVEWOOD_RATIO] * row[LIVEWOOD_MR]
        left = grown - kept - wood
        enough = complete and there >= LEAST_SHARE * n
        out[p] = GROWTH * max(left, 0.0) if enough and abs(left) < np.inf else np.nan
        filled[p] = 1 - there / n


def npp(gain: Array, lai: Array, air: Array, cover: Array, days: F64, table: F64) -> tuple[F32, F32]:
    """
    Return the net primary productivity of MOD17: what is left of a period after respiration.

    Parameters
    ----------
    gain, lai, air : float32 (time, y, x)
        Gross productivity, g C m⁻² d⁻¹; leaf area index; mean air temperature, K. Gaps are interpolated in time.
    cover : float32 (y, x)
        Class of land cover.
    days : float64 (time,)
        Days that each time stands for.
    table
        Properties by class, as for `gpp`.

    Returns
    -------
    npp : float32 (y, x)
        g C m⁻² in the period; NaN where less than half of the times have values, or the class has no vegetation.
    filled : float32 (y, x)
        Part of the times that was interpolated.
    """
    out, filled = np.empty(gain.shape[1:], np.float32), np.empty(gain.shape[1:], np.float32)

    def strip(*views: Array) -> tuple[Array, Array]:
        made: tuple[Array, Array] = _npp(*views, days, table)
        return made

    stacks = [np.asarray(v, np.float32) for v in (gain, lai, air, np.asarray(cover)[None])]
    over_pixels(strip, stacks, (out, filled))
    return out, filled
