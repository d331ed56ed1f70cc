"""Directional parameters of a pixel with their covariance: what the uncertainty of any albedo made of them needs."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.kernels._gufunc import gufunc
from musyq_cube.kernels.brdf import geometry
from musyq_cube.kernels.brdf_fit import _condition, _full, _misfit, _moments, _scaled
from musyq_cube.types import QA

if TYPE_CHECKING:
    import numpy.typing as npt

    from musyq_cube.kernels._gufunc import F32

FITTED = 11
"""Numbers of a fit: f_iso, f_vol, f_geo; covariances ii, iv, ig, vv, vg, gg; observations used; quality bits."""
PRIOR_FREEDOM = 4.0
"""Degrees of freedom that the noise expected beforehand counts for, beside the residuals of a few observations."""

_STRIP = 1 << 15
_BACKUP, _OUT_OF_RANGE, _FILL = float(QA.BACKUP), float(QA.OUT_OF_RANGE), float(QA.FILL)


@gufunc(
    "void(float32[:,:], float32[:,:], float32[:,:], float32[:,:], float64[:], float64[:], uint8[:], float64[:,:])",
    "(t,p),(t,p),(t,p),(t,p),(c),(l),(m)->(m,p)",
)
def _fit(rho, k_vol, k_geo, w, fixed, limits, _eleven, out):  # type: ignore[no-untyped-def]
    m, f, trial = np.zeros(9), np.zeros(9), np.zeros(9)
    for p in range(rho.shape[1]):
        weight, n = _moments(rho, k_vol, k_geo, w, p, m)
        out[:, p] = np.nan
        out[9, p], out[10, p] = n, _FILL
        free = 0
        if n >= limits[0] and _condition(m, weight) < limits[2]:
            free = _full(m, f, trial)
            out[10, p] = 0.0
        if free == 0 and n >= limits[1]:
            _scaled(m, fixed, f)
            free = 1
            out[10, p] = _BACKUP
        if free > 0 and f[0] >= 0:
            squares = _misfit(rho, k_vol, k_geo, w, p, f) + PRIOR_FREEDOM * limits[3]
            variance = squares / (n - free + PRIOR_FREEDOM)
            for i in range(3):
                out[i, p] = f[i]
            for i in range(3, 9):
                out[i, p] = f[i] * variance
        elif free > 0:
            out[10, p] = _OUT_OF_RANGE


def fit(
    rho: F32,
    sza: F32,
    vza: F32,
    raa: F32,
    fixed: tuple[float, float, float],
    sigma: float,
    *,
    least: int = 7,
    least_scale: int = 3,
    condition: float = 50.0,
) -> npt.NDArray[np.float32]:
    """
    Fit the Ross–Li parameters of each pixel to what was seen of it in different directions.

    Parameters
    ----------
    rho, sza, vza, raa : float32 (time, pixel)
        Reflectance (NaN where missing), sun and view zenith, relative azimuth (0: hot spot), degrees. Views beyond 60°
        and suns beyond 75° do not take part.
    fixed
        f_iso, f_vol, f_geo of average land: scaled where a pixel has too few observations.
    sigma
        Standard deviation of an observation, expected beforehand.
    least, condition
        Observations, and condition number of the design matrix, with which all three are fitted.
    least_scale
        Observations with which the fixed ones are scaled (magnitude inversion).

    Returns
    -------
    float32 (11, pixel)
        f_iso, f_vol, f_geo; their covariances ii, iv, ig, vv, vg, gg; observations used; bits: BACKUP where scaled,
        FILL where nothing was found, OUT_OF_RANGE where the best f_iso is negative.

    Notes
    -----
    Non-negative least squares in double precision (Lucht et al. 2000, doi:10.1109/36.841980); magnitude inversion of
    Strugnell & Lucht 2001. The variance of an observation is that of the residuals, pooled with the one expected
    beforehand: with ten observations the residuals alone are a poor witness.

    Examples
    --------
    >>> from musyq_cube.kernels.brdf import kernels
    >>> s, v, a = (np.float32([[10], [30], [20], [45], [50], [35], [60]]) for _ in range(3))
    >>> k_vol, k_geo = kernels(s, v, a)
    >>> found = fit((0.2 + 0.1 * k_vol + 0.03 * k_geo).astype("float32"), s, v, a, (0.2, 0.1, 0.02), 0.005)
    >>> [round(float(x), 4) for x in found[:3, 0]], int(found[9, 0])
    ([0.2, 0.1, 0.03], 7)
    """
    out = np.empty((FITTED, rho.shape[1]), np.float32)
    limits = np.array([least, least_scale, condition, sigma**2])
    step = max(_STRIP // max(rho.shape[0], 1), 1)
    for start in range(0, rho.shape[1], step):
        part = slice(start, start + step)
        y, s, v, a = (np.ascontiguousarray(x[:, part], np.float32) for x in (rho, sza, vza, raa))
        sun = s.reshape(-1)
        k4, _ = geometry(sun, v.reshape(-1), a.reshape(-1), np.zeros_like(sun))  # NaN where the geometry is refused
        k_vol, k_geo = k4[0].reshape(y.shape), k4[1].reshape(y.shape)
        out[:, part] = _fit(y, k_vol, k_geo, np.ones_like(y), np.array(fixed), limits, np.zeros(FITTED, np.uint8))
    return out
