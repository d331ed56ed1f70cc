"""Water and land by reflectance: one pass over the bands, no branches."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import numpy as np

from musyq_cube.kernels._gufunc import F32, gufunc, helper

_ZERO, _ONE, _FOUR = np.float32(0), np.float32(1), np.float32(4)
_NIR, _SWIR22 = np.float32(0.25), np.float32(2.75)
_NDSI, _BRIGHT, _FLAT = np.float32(0.4), np.float32(0.11), np.float32(0.8)
"""Of snow: its index, and near infrared; how much of the next shorter band a flat spectrum keeps."""
_LIGHT = np.float32(0.20)


@helper
def _snow(green, red, nir, swir16):  # type: ignore[no-untyped-def]
    """
    Say whether it is snow, as dark at 1.6 µm as water, but flat from green to near infrared.

    Trees above snow are dark, brighter in near infrared than in red, and grey: algae and shores are green.
    """
    open_snow = (green - swir16 >= _NDSI * (green + swir16)) & (nir > _BRIGHT) & (nir > _FLAT * red)
    return open_snow | ((nir > red) & (red > _FLAT * green))


@helper
def _said(water, known):  # type: ignore[no-untyped-def]
    value = _ONE if water else _ZERO
    return value if known == known else np.float32(np.nan)  # noqa: PLR0124  # not NaN


@gufunc("void(float32[:], float32[:], float32[:], float32[:], float32[:], float32[:])", "(n),(n),(n),(n),(n)->(n)")
def _awei(green, red, nir, swir16, swir22, out):  # type: ignore[no-untyped-def]
    for i in range(green.size):
        g, r, n, s, t = green[i], red[i], nir[i], swir16[i], swir22[i]
        awei = _FOUR * (g - s) - (_NIR * n + _SWIR22 * t)
        out[i] = _said((g > s) & (awei > _ZERO) & ~_snow(g, r, n, s), g + r + n + s + t)


@gufunc("void(float32[:], float32[:], float32[:], float32[:], float32[:])", "(n),(n),(n),(n)->(n)")
def _mndwi(green, red, nir, swir16, out):  # type: ignore[no-untyped-def]
    for i in range(green.size):
        g, r, n, s = green[i], red[i], nir[i], swir16[i]
        out[i] = _said((g > s) & ~_snow(g, r, n, s), g + r + n + s)


@gufunc("void(float32[:], float32[:], float32[:])", "(n),(n)->(n)")
def _ndwi(green, nir, out):  # type: ignore[no-untyped-def]
    for i in range(green.size):
        g, n = green[i], nir[i]
        out[i] = _said((g > n) & (n < _LIGHT), g + n)


def awei(green: F32, red: F32, nir: F32, swir16: F32, swir22: F32) -> F32:
    """
    Water where MNDWI and AWEI (without shadow) are positive and it is not snow.

    Parameters
    ----------
    green, red, nir, swir16, swir22 : float32, one shape
        Surface reflectance.

    Returns
    -------
    float32
        1 water, 0 land, NaN where a band is missing.

    Notes
    -----
    MNDWI = (G − S1) / (G + S1) (Xu 2006); AWEI = 4 (G − S1) − (0.25 N + 2.75 S2) (Feyisa et al. 2014).

    Examples
    --------
    >>> lake, field = [0.05, 0.04, 0.03, 0.01, 0.01], [0.08, 0.07, 0.35, 0.22, 0.12]
    >>> awei(*np.array([lake, field], np.float32).T.copy()).tolist()
    [1.0, 0.0]
    """
    return _awei(green, red, nir, swir16, swir22)  # type: ignore[no-any-return]


def mndwi(green: F32, red: F32, nir: F32, swir16: F32) -> F32:
    """Water where MNDWI is positive and it is not snow; as :func:`awei`, without 2.2 µm."""
    return _mndwi(green, red, nir, swir16)  # type: ignore[no-any-return]


def ndwi(green: F32, nir: F32) -> F32:
    """Water where NDWI = (G − N) / (G + N) is positive and N below 0.20; as :func:`awei`, without 1.6 µm."""
    return _ndwi(green, nir)  # type: ignore[no-any-return]
