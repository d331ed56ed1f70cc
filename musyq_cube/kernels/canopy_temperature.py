"""Temperatures of canopy and soil from the surface temperatures of a window of pixels."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.kernels._gufunc import F32, gufunc, helper

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

REACH = 3
"""Pixels on each side of the middle one: a window of 7 × 7."""
LEAST_PIXELS = 12
"""Pixels with values that a window needs."""
LEAST_SPREAD = 0.3
"""Difference between the greatest and the least vegetation cover that a window needs."""
COOLER, WARMER = 15.0, 25.0
"""Kelvin that a component may be below the coolest and above the warmest pixel of its window."""
_MIDDLE = 300.0
"""Temperature (K) whose fourth power is the unit of energy."""


@helper
def _window(t, e, f, y0, x0):  # type: ignore[no-untyped-def]
    """Return n, Σf, Σf², Σy, Σfy, Σy² and the extremes of cover and temperature around a pixel."""
    n = 0
    s_f = s_ff = s_y = s_fy = s_yy = 0.0
    low_f, high_f, low_t, high_t = 2.0, -1.0, 1e9, 0.0
    for y in range(max(y0 - REACH, 0), min(y0 + REACH + 1, t.shape[0])):
        for x in range(max(x0 - REACH, 0), min(x0 + REACH + 1, t.shape[1])):
            cover, kelvin = np.float64(f[y, x]), np.float64(t[y, x])
            energy = np.float64(e[y, x]) * (kelvin / _MIDDLE) ** 4
            if not np.isnan(energy + cover):
                n += 1
                s_f += cover
                s_ff += cover * cover
                s_y += energy
                s_fy += cover * energy
                s_yy += energy * energy
                low_f, high_f = min(low_f, cover), max(high_f, cover)
                low_t, high_t = min(low_t, kelvin), max(high_t, kelvin)
    return n, s_f, s_ff, s_y, s_fy, s_yy, low_f, high_f, low_t, high_t


@helper
def _rest(a, b, n, s_f, s_ff, s_y, s_fy, s_yy):  # type: ignore[no-untyped-def]
    """Sum of squares of ``y - f a - (1 - f) b``."""
    d = a - b
    return s_yy + d * d * s_ff + b * b * n - 2.0 * d * s_fy - 2.0 * b * s_y + 2.0 * d * b * s_f


@helper
def _bounded(a, b, low, high, n, s_f, s_ff, s_y, s_fy, s_yy):  # type: ignore[no-untyped-def]
    """Least squares of a (canopy) and b (soil) within their bounds: the free one where it fits, else an edge."""
    if (a >= low[0]) & (a <= high[0]) & (b >= low[1]) & (b <= high[1]):
        return a, b
    g_y, gg, g_f = s_y - s_fy, n - 2.0 * s_f + s_ff, s_f - s_ff  # g = 1 - f
    best, best_a, best_b = np.inf, a, b
    for edge in range(4):
        if edge < 2:
            own_a = low[0] if edge == 0 else high[0]
            own_b = min(max((g_y - own_a * g_f) / gg if gg > 0.0 else b, low[1]), high[1])
        else:
            own_b = low[1] if edge == 2 else high[1]
            own_a = min(max((s_fy - own_b * g_f) / s_ff if s_ff > 0.0 else a, low[0]), high[0])
        cost = _rest(own_a, own_b, n, s_f, s_ff, s_y, s_fy, s_yy)
        if cost < best:
            best, best_a, best_b = cost, own_a, own_b
    return best_a, best_b


_F = "float32[:,:], "


@gufunc(
    f"void({3 * _F}float64[:], {3 * _F}float32[:,:])",
    "(y,x),(y,x),(y,x),(k)->(y,x),(y,x),(y,x),(y,x)",
)
def _unmix(t, e, f, parts, tv, ts, tv_unc, ts_unc):  # type: ignore[no-untyped-def]
    low, high = np.empty(2), np.empty(2)
    for y0 in range(t.shape[0]):
        for x0 in range(t.shape[1]):
            tv[y0, x0] = ts[y0, x0] = tv_unc[y0, x0] = ts_unc[y0, x0] = np.float32(np.nan)
            if np.isnan(t[y0, x0] + e[y0, x0] + f[y0, x0]):
                continue
            n, s_f, s_ff, s_y, s_fy, s_yy, low_f, high_f, low_t, high_t = _window(t, e, f, y0, x0)
            if (n < LEAST_PIXELS) | (high_f - low_f < LEAST_SPREAD):
                continue
            mean_f, spread = s_f / n, s_ff - s_f * s_f / n
            slope = (s_fy - s_f * s_y / n) / spread
            b = s_y / n - slope * mean_f
            for k in range(2):
                low[k] = parts[k] * ((low_t - COOLER) / _MIDDLE) ** 4
                high[k] = parts[k] * ((high_t + WARMER) / _MIDDLE) ** 4
            a, b = _bounded(b + slope, b, low, high, n, s_f, s_ff, s_y, s_fy, s_yy)
            noise = max(_rest(a, b, n, s_f, s_ff, s_y, s_fy, s_yy), 0.0) / (n - 2)
            tv[y0, x0] = np.float32(_MIDDLE * (a / parts[0]) ** 0.25)
            ts[y0, x0] = np.float32(_MIDDLE * (b / parts[1]) ** 0.25)
            bare = np.sqrt(noise * (1.0 / n + mean_f**2 / spread))
            full = np.sqrt(noise * (1.0 / n + (1.0 - mean_f) ** 2 / spread))
            tv_unc[y0, x0] = np.float32(tv[y0, x0] / (4.0 * a) * full)
            ts_unc[y0, x0] = np.float32(ts[y0, x0] / (4.0 * b) * bare)


def unmix(
    temperature: ArrayLike, emissivity: ArrayLike, cover: ArrayLike, canopy: float, soil: float
) -> tuple[F32, F32, F32, F32]:
    """
    Return the temperatures of canopy and soil in the 7 × 7 pixels around each pixel.

    Parameters
    ----------
    temperature : array_like (..., y, x)
        Of the surface, K; NaN where missing.
    emissivity : array_like (..., y, x)
        Of the surface, broadband.
    cover : array_like (..., y, x)
        Fraction of vegetation, 0…1.
    canopy, soil
        Broadband emissivities of the two.

    Returns
    -------
    canopy, soil, canopy_unc, soil_unc : float32 (..., y, x)
        K, and one standard deviation by the scatter of the window; NaN where the pixel is missing, fewer than 12 pixels
        of the window are there, or their cover spans less than 0.3.

    Notes
    -----
    Least squares of ``ε T⁴ = f ε_v T_v⁴ + (1 - f) ε_s T_s⁴``, T_v and T_s within -15…+25 K of the window's extremes.

    Examples
    --------
    >>> f = np.tile(np.linspace(0.1, 0.9, 7, dtype="float32"), (7, 1))
    >>> t = (f * 0.98 * 295.0**4 + (1 - f) * 0.95 * 315.0**4) ** 0.25
    >>> canopy, soil, *_ = unmix(t, np.ones_like(t), f, 0.98, 0.95)
    >>> round(float(canopy[3, 3]), 2), round(float(soil[3, 3]), 2)
    (295.0, 315.0)
    """
    inputs = np.broadcast_arrays(*(np.asarray(a, np.float32) for a in (temperature, emissivity, cover)))
    tv, ts, tv_unc, ts_unc = _unmix(*inputs, np.array([canopy, soil], np.float64))
    return tv, ts, tv_unc, ts_unc
