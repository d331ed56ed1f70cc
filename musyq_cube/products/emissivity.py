"""Emissivity of the land near 11 and 12 µm and over the whole thermal spectrum: plain functions of DataArrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr

from musyq_cube.kernels import emissivity as kernel

if TYPE_CHECKING:
    from collections.abc import Mapping

Layers: TypeAlias = "dict[str, xr.DataArray]"

VEGETATION = 0.99
"""Of a full canopy, at 11 and 12 µm."""
ASTER_BAND = (0.6820, 0.2578, 0.0584)
"""Emissivity at 10.9 µm: factors of ASTER bands 13 and 14, and a constant (Ermida et al. 2020, Landsat 8 band 10)."""
ASTER_12 = (0.0, 0.5, 0.495)
"""The same at 12 µm; unconfirmed: soils are half as far from 0.99 at 12 µm as at 11.3 µm."""
ASTER_BROAD = (1.67, 0.0, -0.659)
"""The same for 8-13.5 µm; unconfirmed: from the five-band formula of Malakar et al. 2018, 8-9 µm being three times as
far from 0.985 as 10.6 µm."""
DENSE = 0.9
"""Cover above which the emissivity of the ground below was not observed."""

STEP_UNC, TWELVE_UNC, BROAD_UNC = 0.004, 0.010, 0.015
"""Standard deviations of the layers beside the first."""

_FOREST = (0.995, 0.996, 0.982)
_SHRUB = (0.969, 0.970, 0.960)
_GRASS = (0.970, 0.971, 0.970)
_CROP = (0.971, 0.968, 0.972)
_WATER = (0.992, 0.998, 0.985)
CLASSES: tuple[tuple[float, float, float], ...] = (
    *(_FOREST,) * 5,  # 1-5 forests
    *(_SHRUB,) * 2,  # 6-7 shrublands
    (0.982, 0.983, 0.976),  # 8 woody savanna: half forest, half grass
    _GRASS,  # 9 savanna
    _GRASS,  # 10 grassland
    _WATER,  # 11 wetland
    _CROP,  # 12 cropland
    (0.973, 0.981, 0.950),  # 13 built up
    _CROP,  # 14 cropland and natural vegetation
    _WATER,  # 15 snow and ice
    (0.969, 0.978, 0.945),  # 16 barren
    _WATER,  # 17 water
)
"""
Emissivity at 11 µm, at 12 µm and broadband, of the IGBP classes 1…17.

The first two are TIRS bands 10 and 11 (Du et al. 2015); the third is unconfirmed.
"""


def by_ndvi(ndvi: xr.DataArray, red: xr.DataArray) -> Layers:
    """
    Return the emissivity by thresholds of the NDVI.

    Parameters
    ----------
    ndvi : DataArray
        NDVI, any dims.
    red : DataArray
        Reflectance of the red band.

    Returns
    -------
    dict
        ``emissivity``, ``emissivity_12``, ``emissivity_difference``, ``emissivity_bb`` and their uncertainties beside
        the first; NaN where NDVI or red is missing.

    Notes
    -----
    Bare soil (NDVI ≤ 0.2) ``ε = a - b ρ_red``; full canopy (NDVI ≥ 0.5) 0.99; between them
    ``ε_v P + ε_s (1 - P) + dε``, ``P = ((NDVI - 0.2) / 0.3)²``, ``dε = 2 P (1 - P) (1 - ε_s) F ε_v`` with F = 0.55:
    the cavity term of Sobrino et al. (2004) at P = ½, without its step where soil becomes mixed, because bare ground
    has no cavities. Water (NDVI < 0) 0.991 and 0.986, snow (NDVI < 0.1 and red ≥ 0.5) 0.985.

    References
    ----------
    Sobrino et al. 2004, doi:10.1016/j.rse.2004.02.003; 2008, doi:10.1109/TGRS.2007.904834.

    Examples
    --------
    >>> full = by_ndvi(xr.DataArray([0.8]), xr.DataArray([0.04]))
    >>> round(float(full["emissivity"][0]), 4)
    0.99
    """
    eleven, twelve, broad = xr.apply_ufunc(
        kernel.by_ndvi,
        ndvi,
        red,
        output_core_dims=[[], [], []],
        dask="parallelized",
        output_dtypes=["float32"] * 3,
    )
    return _layers(eleven, twelve, broad)


def by_aster(
    emissivity_13: xr.DataArray,
    emissivity_14: xr.DataArray,
    ndvi_aster: xr.DataArray,
    ndvi: xr.DataArray | None = None,
) -> Layers:
    """
    Return the emissivity of the ASTER climatology, brought to the vegetation cover of the day.

    Parameters
    ----------
    emissivity_13, emissivity_14 : DataArray
        Climatological emissivities at 10.6 and 11.3 µm.
    ndvi_aster : DataArray
        NDVI of that climatology.
    ndvi : DataArray, optional
        NDVI of the day; without it the climatology holds.

    Returns
    -------
    dict
        As of :func:`by_ndvi`; NaN where an input is missing.

    Notes
    -----
    ``ε_bare = (ε - 0.99 f) / (1 - f)`` with the cover f of the climatology, then ``0.99 f + (1 - f) ε_bare`` with that
    of the day; ``f = ((NDVI - 0.2) / 0.66)²`` within 0…1. Where the climatology had no ground in sight (f > 0.9) its
    own emissivity stands for the ground's. Open water (NDVI < 0) 0.99.

    References
    ----------
    Ermida et al. 2020, doi:10.3390/rs12091471; Malakar et al. 2018, doi:10.1109/TGRS.2018.2824828.

    Examples
    --------
    >>> bare = [xr.DataArray([v]) for v in (0.955, 0.965, 0.1)]
    >>> round(float(by_aster(*bare, ndvi=xr.DataArray([0.86]))["emissivity"][0]), 3)
    0.99
    """
    before = cover(ndvi_aster)
    now = before if ndvi is None else cover(ndvi)
    water = None if ndvi is None else ndvi < 0
    bands = [
        _today(emissivity_13, emissivity_14, before, now, water, factors)
        for factors in (ASTER_BAND, ASTER_12, ASTER_BROAD)
    ]
    return _layers(*bands)


def cover(ndvi: xr.DataArray) -> xr.DataArray:
    """
    Return the fraction of vegetation of the ASTER climatology, ``((NDVI - 0.2) / 0.66)²`` within 0…1.

    Examples
    --------
    >>> cover(xr.DataArray([0.1, 0.86])).values.round(6).tolist()
    [0.0, 1.0]
    """
    return ((ndvi - 0.2) / 0.66).clip(0.0, 1.0) ** 2


def mixed(fraction: Any, bare: Any, vegetation: float = VEGETATION) -> Any:
    """
    Return the emissivity of vegetation and ground side by side, ``0.99 f + (1 - f) ε_bare``.

    Examples
    --------
    >>> mixed(0.5, 0.965)
    0.9775
    """
    return vegetation * fraction + (1 - fraction) * bare


def by_class(land_cover: xr.DataArray) -> Layers:
    """
    Return the emissivity of the land cover.

    Parameters
    ----------
    land_cover : DataArray
        IGBP class, 1…17.

    Returns
    -------
    dict
        As of :func:`by_ndvi`; NaN for any other class.

    References
    ----------
    Du et al. 2015, doi:10.3390/rs70100647.

    Examples
    --------
    >>> round(float(by_class(xr.DataArray([16.0]))["emissivity_12"][0]), 3)
    0.978
    """
    table = np.vstack([np.full(3, np.nan), np.array(CLASSES)]).astype("float32")

    def look(values: np.ndarray[Any, Any], band: int) -> np.ndarray[Any, Any]:
        known = (values >= 1) & (values <= len(CLASSES))
        found: np.ndarray[Any, Any] = table[np.where(known, values, 0).astype("int64"), band]
        return found

    return _layers(*(
        xr.apply_ufunc(look, land_cover, kwargs={"band": band}, dask="parallelized", output_dtypes=["float32"])
        for band in range(3)
    ))  # fmt: skip


def broadband(emissivity_29: Any, emissivity_31: Any, emissivity_32: Any) -> Any:
    """
    Return the broadband emissivity of those of MODIS bands 29, 31 and 32 (8.5, 11 and 12 µm).

    Notes
    -----
    ``0.2122 ε29 + 0.3859 ε31 + 0.4029 ε32`` (Wang et al. 2005, doi:10.1029/2004JD005566; unconfirmed).

    Examples
    --------
    >>> round(broadband(0.95, 0.97, 0.975), 4)
    0.9687
    """
    return 0.2122 * emissivity_29 + 0.3859 * emissivity_31 + 0.4029 * emissivity_32


def _today(
    e13: xr.DataArray,
    e14: xr.DataArray,
    before: xr.DataArray,
    now: xr.DataArray,
    water: xr.DataArray | None,
    factors: tuple[float, float, float],
) -> xr.DataArray:
    """Return one band of the climatology with the vegetation of the day."""
    seen = factors[0] * e13 + factors[1] * e14 + factors[2]
    dense = before > DENSE
    bare = ((seen - VEGETATION * before) / (1 - before).where(~dense, 1.0)).where(~dense, seen)
    made: xr.DataArray = mixed(now, bare)
    if water is not None:
        made = made.where(~water, VEGETATION)
    return made.where(e13.notnull() & e14.notnull()).astype("float32")


def _layers(eleven: xr.DataArray, twelve: xr.DataArray, broad: xr.DataArray) -> Layers:
    values: Mapping[str, xr.DataArray] = {
        "emissivity": eleven,
        "emissivity_12": twelve,
        "emissivity_difference": eleven - twelve,
        "emissivity_bb": broad,
    }
    sigma = {"emissivity_12": TWELVE_UNC, "emissivity_difference": STEP_UNC, "emissivity_bb": BROAD_UNC}
    return dict(values) | {f"{name}_unc": values[name] * 0 + value for name, value in sigma.items()}
