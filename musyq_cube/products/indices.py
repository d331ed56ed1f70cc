"""Vegetation indices: plain functions of reflectances, on floats, numpy arrays or DataArrays, eager or lazy."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any
"""A float, a numpy array or an xarray DataArray of reflectance (0…1, NaN where missing)."""

EVI_LEAST_DENOMINATOR = 0.05
"""Below this the EVI quotient runs away (bright snow and cloud), so there is no value."""


def ndvi(nir: Array, red: Array) -> Array:
    """
    Return the normalized difference vegetation index, (N - R) / (N + R).

    Parameters
    ----------
    nir, red
        Reflectance.

    Returns
    -------
    array-like
        -1…1 for reflectances that are not negative; NaN where N + R is not positive.

    References
    ----------
    Rouse et al. 1974, NASA SP-351.

    Examples
    --------
    >>> round(ndvi(0.35, 0.07), 6)
    0.666667
    """
    return (nir - red) / _positive(nir + red)


def evi(nir: Array, red: Array, blue: Array) -> Array:
    """
    Return the enhanced vegetation index, 2.5 (N - R) / (N + 6 R - 7.5 B + 1).

    Parameters
    ----------
    nir, red, blue
        Reflectance.

    Returns
    -------
    array-like
        -1…1.5; NaN where the denominator is below 0.05.

    References
    ----------
    Huete et al. 2002, doi:10.1016/S0034-4257(02)00096-2.

    Examples
    --------
    >>> round(evi(0.35, 0.07, 0.05), 6)
    0.501792
    """
    return 2.5 * (nir - red) / _positive(nir + 6.0 * red - 7.5 * blue + 1.0, EVI_LEAST_DENOMINATOR)


def evi2(nir: Array, red: Array) -> Array:
    """
    Return the two-band enhanced vegetation index, 2.5 (N - R) / (N + 2.4 R + 1).

    Parameters
    ----------
    nir, red
        Reflectance.

    Returns
    -------
    array-like
        -1…1.5.

    References
    ----------
    Jiang et al. 2008, doi:10.1016/j.rse.2008.06.006.

    Examples
    --------
    >>> round(evi2(0.35, 0.07), 6)
    0.461133
    """
    return 2.5 * (nir - red) / _positive(nir + 2.4 * red + 1.0)


def arvi(nir: Array, red: Array, blue: Array, gamma: float = 1.0) -> Array:
    """
    Return the atmospherically resistant vegetation index, (N - RB) / (N + RB) with RB = R - gamma (B - R).

    Parameters
    ----------
    nir, red, blue
        Reflectance.
    gamma
        Weight of the aerosol correction, 1 unless the aerosol model is known.

    Returns
    -------
    array-like
        -1…1; NaN where N + RB is not positive.

    Notes
    -----
    The sign of the blue term is the one of Kaufman and Tanré; some libraries have it reversed.

    References
    ----------
    Kaufman and Tanré 1992, doi:10.1109/36.134076.

    Examples
    --------
    >>> round(arvi(0.35, 0.07, 0.05), 6)
    0.590909
    """
    corrected = red - gamma * (blue - red)
    return (nir - corrected) / _positive(nir + corrected)


def _positive(denominator: Array, least: float = 1e-6) -> Array:
    """Return the denominator, NaN where it is below `least`: no index from a quotient without meaning."""
    if hasattr(denominator, "where"):
        return denominator.where(denominator >= least)
    if isinstance(denominator, float):
        return denominator if denominator >= least else math.nan
    return np.where(denominator >= least, denominator, np.nan)
