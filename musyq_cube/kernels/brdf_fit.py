"""Directional parameters of a pixel from its observations: non-negative least squares on the two kernels."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from musyq_cube.kernels._gufunc import Array, gufunc, helper
from musyq_cube.types import QA

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    F64 = npt.NDArray[np.float64]
    U16 = npt.NDArray[np.uint16]

_BACKUP, _OUT_OF_RANGE, _FILL = np.uint16(QA.BACKUP), np.uint16(QA.OUT_OF_RANGE), np.uint16(QA.FILL)


@helper
def _moments(rho, k_vol, k_geo, w, p, m):  # type: ignore[no-untyped-def]
    """Weighted normal equations of one pixel: six of the matrix, three of the right side; returns weight and count."""
    m[:] = 0
    weight, count = 0.0, 0
    for t in range(rho.shape[0]):
        y, v, g, u = rho[t, p], k_vol[t, p], k_geo[t, p], w[t, p]
        if abs(y + v + g) < np.inf and 0 < u < np.inf:
            m[0] += u
            m[1] += u * v
            m[2] += u * g
            m[3] += u * v * v
            m[4] += u * v * g
            m[5] += u * g * g
            m[6] += u * y
            m[7] += u * v * y
            m[8] += u * g * y
            weight += u
            count += 1
    return weight, count


@helper
def _condition(m, weight):  # type: ignore[no-untyped-def]
    """Condition number of the design matrix: root of the ratio of the extreme eigenvalues of its normal matrix."""
    a, b, c, d, e, f = m[0] / weight, m[1] / weight, m[2] / weight, m[3] / weight, m[4] / weight, m[5] / weight
    mean = (a + d + f) / 3
    a, d, f = a - mean, d - mean, f - mean
    spread = math.sqrt((a * a + d * d + f * f + 2 * (b * b + c * c + e * e)) / 6)
    det = a * (d * f - e * e) - b * (b * f - c * e) + c * (b * e - c * d)
    angle = math.acos(min(max(det / (2 * spread**3), -1.0), 1.0)) / 3
    low = mean + 2 * spread * math.cos(angle + 2 * math.pi / 3)
    return math.sqrt((mean + 2 * spread * math.cos(angle)) / low) if low > 0 else np.inf


@helper
def _solve(m, vol, geo, f):  # type: ignore[no-untyped-def]
    """
    Least squares with the kernels in use (1.0 or 0.0): parameters into `f`, inverse of the normal matrix into f[3:9].

    An unused kernel has the row and column of the unit matrix, and its parameter is 0. Returns what is explained.
    """
    a, b, c, d, e, g = m[0], m[1] * vol, m[2] * geo, m[3] * vol + 1 - vol, m[4] * vol * geo, m[5] * geo + 1 - geo
    det = a * (d * g - e * e) - b * (b * g - c * e) + c * (b * e - c * d)
    f[3], f[4], f[5] = (d * g - e * e) / det, (c * e - b * g) / det, (b * e - c * d) / det
    f[6], f[7], f[8] = (a * g - c * c) / det * vol, (b * c - a * e) / det, (a * d - b * b) / det * geo
    f[0] = f[3] * m[6] + f[4] * m[7] + f[5] * m[8]
    f[1] = f[4] * m[6] + f[6] * m[7] + f[7] * m[8]
    f[2] = f[5] * m[6] + f[7] * m[7] + f[8] * m[8]
    return f[0] * m[6] + f[1] * m[7] + f[2] * m[8]


@helper
def _full(m, f, trial):  # type: ignore[no-untyped-def]
    """Non-negative least squares: of the choices of kernels without a negative parameter the one explaining most."""
    gain, free = -1.0, 0
    for choice in range(4):
        vol, geo = float(choice & 1), float(choice >> 1)
        explained = _solve(m, vol, geo, trial)
        if trial[:3].min() >= 0 and explained > gain:
            gain, free = explained, 1 + (choice & 1) + (choice >> 1)
            f[:] = trial
    return free


@helper
def _scaled(m, fixed, f):  # type: ignore[no-untyped-def]
    """Magnitude inversion: the fixed parameters times the number that fits best; its variance is like theirs."""
    x, y, z = fixed[0], fixed[1], fixed[2]
    square = x * x * m[0] + y * y * m[3] + z * z * m[5] + 2 * (x * y * m[1] + x * z * m[2] + y * z * m[4])
    scale = (x * m[6] + y * m[7] + z * m[8]) / square
    f[0], f[1], f[2] = scale * x, scale * y, scale * z
    f[3], f[4], f[5] = x * x / square, x * y / square, x * z / square
    f[6], f[7], f[8] = y * y / square, y * z / square, z * z / square


@helper
def _misfit(rho, k_vol, k_geo, w, p, f):  # type: ignore[no-untyped-def]
    total = 0.0
    for t in range(rho.shape[0]):
        y, v, g, u = rho[t, p], k_vol[t, p], k_geo[t, p], w[t, p]
        if abs(y + v + g) < np.inf and 0 < u < np.inf:
            total += u * (y - f[0] - f[1] * v - f[2] * g) ** 2
    return total


@gufunc(
    "void(float64[:,:], float64[:,:], float64[:,:], float64[:,:], float64[:], float64[:], float64[:],"
    " float64[:,:], float64[:], float64[:], uint16[:], uint16[:])",
    "(t,p),(t,p),(t,p),(t,p),(c),(c),(c)->(c,p),(p),(p),(p),(p)",
)
def _fit(rho, k_vol, k_geo, w, fixed, at, limits, out, rmse, error, count, bits):  # type: ignore[no-untyped-def]
    m, f, trial = np.zeros(9), np.zeros(9), np.zeros(9)
    for p in range(rho.shape[1]):
        weight, n = _moments(rho, k_vol, k_geo, w, p, m)
        out[:, p], rmse[p], error[p], count[p], bits[p] = np.nan, np.nan, np.nan, n, _FILL
        free = 0
        if n >= limits[0] and _condition(m, weight) < limits[2]:
            free = _full(m, f, trial)
            bits[p] = 0
        if free == 0 and n >= limits[1]:
            _scaled(m, fixed, f)
            free = 1
            bits[p] = _BACKUP
        if free > 0 and f[0] >= 0:
            squares = _misfit(rho, k_vol, k_geo, w, p, f)
            for i in range(3):
                out[i, p] = f[i]
            rmse[p] = math.sqrt(squares / weight)
            spread = f[3] + f[6] * at[1] ** 2 + f[8] * at[2] ** 2
            spread += 2 * (f[4] * at[1] + f[5] * at[2] + f[7] * at[1] * at[2])
            error[p] = math.sqrt(squares / (n - free) * spread) if n > free else np.nan
        elif free > 0:
            bits[p] = _OUT_OF_RANGE


def fit(
    rho: Array, k_vol: Array, k_geo: Array, weight: Array, fixed: ArrayLike, at: ArrayLike, limits: ArrayLike
) -> tuple[F64, F64, F64, U16, U16]:
    """
    Fit f_iso, f_vol, f_geo ≥ 0 to the observations of every pixel.

    Parameters
    ----------
    rho, k_vol, k_geo, weight : (time, pixel)
        Reflectance, kernels and weights (1/σ², relative); an observation with anything missing does not count.
    fixed : (3,)
        Parameters that are scaled where the observations do not determine three.
    at : (3,)
        1, k_vol, k_geo of the geometry for which the uncertainty is given.
    limits : (3,)
        Least count for three parameters, least count for the scale alone, greatest condition number of the design.

    Returns
    -------
    parameters : float64 (3, pixel)
        f_iso, f_vol, f_geo; NaN where there are too few observations.
    rmse, uncertainty : float64 (pixel)
        Weighted rms of the residuals; 1σ of the modelled reflectance at `at`, from the residuals' variance.
    count, bits : uint16 (pixel)
        Observations used; BACKUP where only the scale was fitted, FILL where nothing was, OUT_OF_RANGE where the best
        f_iso is negative.

    Notes
    -----
    Weighted linear least squares through 3 × 3 normal equations in double precision; a negative parameter is removed
    with its kernel and the rest is fitted again (Lucht et al. 2000, §III-D).
    """
    return _fit(rho, k_vol, k_geo, weight, fixed, at, limits)  # type: ignore[no-any-return]
