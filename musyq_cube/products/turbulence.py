"""Roughness of the surface, and the sensible heat that turbulence carries from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from musyq_cube.kernels import turbulence as kernels
from musyq_cube.products._apply import apply_kernel
from musyq_cube.products.latent_heat import STANDARD_PRESSURE, soil_heat_flux
from musyq_cube.types import QA

CONIFERS, BROADLEAVES, SHRUBS, BARE = (1, 3), (2, 4, 5, 8), (6, 7), (15, 16, 17)
"""Classes of the IGBP by the shape of their roughness; all others are as high as a crop is even."""
BARE_LENGTH = 0.01
"""m."""
WIND = 3.0
"""m s-1, where it is not known: it only sets how much more roughness there is for momentum than for heat."""
TYPICAL_KB = 2.3
"""ln(z0m / z0h), where the canopy is not known."""
LEAF_WIDTH = 0.02
"""m, unconfirmed."""
VISCOSITY = 1.5e-5
"""Of air, m2 s-1."""
WIND_HEIGHT, AIR_HEIGHT = 10.0, 2.0
"""m above the displacement plane at which a reanalysis gives wind and temperature."""
RELATIVE_ERROR = 0.4
"""Of roughness lengths, good to a factor of 1.5, and of kB⁻¹."""
LAI_SIGMA, HEIGHT_SIGMA = 0.7, 0.2
"""Standard deviation of leaf area index, and of canopy height as a fraction of it."""
CLASS_HEIGHT = (15.0, 30.0, 15.0, 20.0, 18.0, 2.0, 0.6, 8.0, 1.5, 0.5, 1.0, 0.8, 8.0, 0.8, 0.0, 0.0, 0.0)
"""Typical canopy height (m) of the classes 1 to 17, unconfirmed: where none is measured."""

LAYERS = ("z0m", "d0", "kb")
"""Roughness length of momentum and displacement height, m, and ln(z0m / z0h)."""

_where: Any = xr.where


def raupach(density: Any) -> tuple[Any, Any]:
    """
    Return roughness length and displacement height over canopy height of a roughness density (frontal area index).

    Parameters
    ----------
    density
        Not negative.

    References
    ----------
    Raupach 1994, doi:10.1007/BF00709229; Schaudt and Dickinson 2000, doi:10.1016/S0168-1923(00)00153-2.

    Examples
    --------
    >>> [round(float(v), 5) for v in raupach(np.float64(0.1))]
    [0.12076, 0.42342]
    """
    some = np.maximum(density, 1e-6)
    open_ = 5.86 * np.exp(-10.9 * some**1.12) * some**1.33 + 0.00086
    dense = 0.0537 * some**-0.51 * (1.0 - np.exp(-10.9 * some**0.874)) + 0.00368
    root = np.sqrt(15.0 * some)
    return _choose(some <= 0.152, open_, dense), 1.0 - (1.0 - np.exp(-root)) / root


def roughness(
    lai: xr.DataArray, land_cover: xr.DataArray, canopy_height: Any = None, wind_speed: Any = WIND
) -> dict[str, xr.DataArray]:
    """
    Return the roughness length of momentum, the displacement height and kB⁻¹ = ln(z0m / z0h) of a canopy.

    Parameters
    ----------
    lai
        Leaf area index.
    land_cover
        Class of the IGBP, 1…17.
    canopy_height
        m; where missing, what is typical of the class serves, and qa says so.
    wind_speed
        At 10 m, m s-1.

    Returns
    -------
    dict
        ``z0m``, ``d0`` in metres, ``kb``, their ``…_unc``, and ``qa``.

    Notes
    -----
    Forest and shrub by Raupach with the corrections of Lindroth for leaf area; others 1/8 and 0.65 of the height.
    kB⁻¹ with the canopy and the soil terms of Su. How leaf area acts on the uncertainty is half the difference of one
    standard deviation more and less; less than no leaves there are not, and the difference is scaled to the step.

    References
    ----------
    Schaudt and Dickinson 2000, doi:10.1016/S0168-1923(00)00153-2; Su et al. 2001, J. Appl. Meteorol. 40, 1933-1951.

    Examples
    --------
    >>> found = roughness(xr.DataArray([1.0]), xr.DataArray([6.0]), xr.DataArray([5.0]))
    >>> round(float(found["z0m"][0]), 3)
    1.078
    """
    classes = land_cover.where((land_cover >= 1) & (land_cover <= 17))
    typical = xr.apply_ufunc(
        _heights, classes.fillna(0.0).astype("int16"), dask="parallelized", output_dtypes=["float32"]
    )
    height = typical if canopy_height is None else canopy_height.fillna(typical)
    guessed = xr.ones_like(lai, bool) if canopy_height is None else canopy_height.isnull()
    at = _lengths(lai, classes, height, wind_speed)
    higher = _lengths(lai, classes, height * (1.0 + HEIGHT_SIGMA), wind_speed)
    more, less = lai.clip(0.0) + LAI_SIGMA, (lai - LAI_SIGMA).clip(0.0)
    leafier, barer = (_lengths(v, classes, height, wind_speed) for v in (more, less))
    step = LAI_SIGMA / (more - less)
    out = dict(zip(LAYERS, at, strict=True))
    for name, a, b, c, d in zip(LAYERS, at, higher, leafier, barer, strict=True):
        out[f"{name}_unc"] = ((b - a) ** 2 + ((c - d) * step) ** 2 + (RELATIVE_ERROR * a) ** 2) ** 0.5
    plants = guessed & ~classes.isin(BARE) & at[0].notnull()
    return out | {"qa": plants.astype("uint16") * np.uint16(QA.BACKUP)}


def _lengths(lai: xr.DataArray, classes: xr.DataArray, height: Any, wind: Any) -> tuple[xr.DataArray, ...]:
    """Return what LAYERS name."""
    needles, shrubs, leaves = classes.isin(CONIFERS), classes.isin(SHRUBS), classes.isin(BROADLEAVES)
    cover = 1.0 - np.exp(-lai * _where(leaves, 1.0, 0.5))
    z, d = raupach(cover * _where(needles, 2.0 / np.pi, 1.0))
    some = lai.clip(0.0)
    z = z * _where(some < 0.8775, 0.3299 * some**1.5 + 2.1713, 1.6771 * np.exp(-0.1717 * some) + 1.0)
    d = d * (1.0 - 0.3991 * np.exp(-0.1779 * some))
    tall, bare = needles | shrubs | leaves, classes.isin(BARE)
    known = classes.notnull() & lai.notnull()
    z0m = _where(bare, BARE_LENGTH, (_where(tall, z, 0.125) * height).clip(BARE_LENGTH)).where(known)
    d0 = _where(bare, 0.0, _where(tall, d, 0.65) * height).where(known)
    kb = excess_resistance(some, z0m, d0, height, wind)
    return tuple(v.astype("float32") for v in (z0m, d0, kb))


def excess_resistance(lai: Any, z0m: Any, d0: Any, height: Any, wind_speed: Any) -> Any:
    """
    Return kB⁻¹ = ln(z0m / z0h): k Cd / (4 Ct u*/u(h)) fc² + (2.46 Re^¼ - ln 7.4) (1 - fc)².

    Parameters
    ----------
    lai
        Leaf area index; fc = 1 - exp(-LAI / 2).
    z0m, d0, height
        m.
    wind_speed
        10 m above the displacement plane, m s-1; profiles are taken as neutral.

    References
    ----------
    Su et al. 2001, J. Appl. Meteorol. 40, 1933-1951.

    Examples
    --------
    >>> round(float(excess_resistance(np.float64(2), 0.125, 0.65, 1.0, 3.0)), 2)
    1.21
    """
    friction = kernels.KARMAN * wind_speed / np.log(WIND_HEIGHT / z0m)
    above = np.maximum(np.log(np.maximum(height - d0, z0m) / z0m), 0.1)
    at_top = friction / kernels.KARMAN * above
    transfer = 2.0 * 0.71 ** (-2 / 3) * (LEAF_WIDTH * at_top / VISCOSITY) ** -0.5
    cover = 1.0 - np.exp(-lai / 2.0)
    leaves = kernels.KARMAN * 0.2 * at_top / (4.0 * transfer * friction)
    soil = 2.46 * (0.01 * friction / VISCOSITY) ** 0.25 - np.log(7.4)
    return leaves * cover**2 + soil * (1.0 - cover) ** 2


def roughness_by_savi(red: xr.DataArray, nir: xr.DataArray) -> dict[str, xr.DataArray]:
    """
    Return roughness from reflectance alone: z0m = exp(-5.809 + 5.62 SAVI), as of a canopy eight times as high.

    Parameters
    ----------
    red, nir
        Surface reflectance.

    Returns
    -------
    dict
        ``z0m``, ``d0`` in metres, ``kb`` and ``…_unc``.

    References
    ----------
    Allen et al. 2002, SEBAL Advanced Training and Users Manual (form and coefficients of low crops).

    Examples
    --------
    >>> found = roughness_by_savi(xr.DataArray([0.07]), xr.DataArray([0.35]))
    >>> found["z0m"].values.round(4).tolist()
    [0.039]
    """
    savi = 1.5 * (nir - red) / (nir + red + 0.5)
    exponential: Any = np.exp(-5.809 + 5.62 * savi)
    z0m = exponential.where((nir >= 0.0) & (red >= 0.0))
    layers = {"z0m": z0m, "d0": 5.2 * z0m, "kb": xr.full_like(z0m, TYPICAL_KB).where(z0m.notnull())}
    return layers | {f"{name}_unc": 2.0 * RELATIVE_ERROR * v for name, v in layers.items()}


def sensible_heat(
    lst: xr.DataArray,
    z0m: xr.DataArray,
    kb: xr.DataArray,
    rn: xr.DataArray,
    albedo: xr.DataArray,
    ndvi: xr.DataArray,
    air_temperature: xr.DataArray,
    wind_speed: xr.DataArray,
    vapour_pressure: Any = 1000.0,
    surface_pressure: Any = STANDARD_PRESSURE,
    wind_height: Any = WIND_HEIGHT,
    air_height: Any = AIR_HEIGHT,
) -> xr.DataArray:
    """
    Return the sensible heat flux ρ cp (Ts - Ta) / ra, ra by Monin-Obukhov similarity, between wet and dry limit.

    Parameters
    ----------
    lst, air_temperature
        K.
    z0m, kb
        Roughness length of momentum, m, and ln(z0m / z0h).
    rn, albedo, ndvi
        Net radiation (W m-2) and what gives the soil heat flux: limits of the flux by day.
    wind_speed
        m s-1.
    vapour_pressure, surface_pressure
        Pa.
    wind_height, air_height
        m above the displacement plane; temperature at three roughness lengths at least, nearer no profile holds.

    Returns
    -------
    xarray.DataArray
        W m-2, upwards.

    References
    ----------
    Brutsaert 2005, Hydrology: an introduction; Su 2002, doi:10.5194/hess-6-85-2002.

    Examples
    --------
    >>> given = (300.15, 0.125, 2.3, 500.0, 0.2, 0.5, 293.15, 3.0)
    >>> found = sensible_heat(*(xr.DataArray(v) for v in given), wind_height=9.35, air_height=9.35)
    >>> round(float(found), 1)
    226.0
    """
    energy = rn - soil_heat_flux(rn, lst, albedo, ndvi).where(rn >= 0.0, 0.0).where(rn.notnull())
    height: Any = np.maximum(air_height, 3.0 * z0m)
    z0h: Any = z0m * np.exp(-kb)
    return apply_kernel(
        kernels.sensible_heat,
        wind_speed, wind_height, height, z0m, z0h, lst, air_temperature, vapour_pressure, surface_pressure, energy,
        out=[[]] * 4,
    )[0]  # fmt: skip


def residual(
    rn: xr.DataArray, lst: xr.DataArray, albedo: xr.DataArray, ndvi: xr.DataArray, le: xr.DataArray
) -> xr.DataArray:
    """
    Return the sensible heat flux that closes the balance: Rn - G - LE, W m-2.

    Examples
    --------
    >>> round(float(residual(*(xr.DataArray(v) for v in (400.0, 303.0, 0.2, 0.5, 200.0)))), 1)
    140.8
    """
    return rn - soil_heat_flux(rn, lst, albedo, ndvi) - le


def _heights(classes: Any) -> Any:
    return np.array((np.nan, *CLASS_HEIGHT), np.float32)[classes]


def _choose(condition: Any, yes: Any, no: Any) -> Any:
    return _where(condition, yes, no) if isinstance(condition, xr.DataArray) else np.where(condition, yes, no)
