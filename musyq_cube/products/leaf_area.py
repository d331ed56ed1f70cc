"""Leaf area index and absorbed light: inversion of simulated canopies, and two backups from NDVI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.products._canopy import fit, inverse, retrieve
from musyq_cube.products._classes import by_class
from musyq_cube.products.indices import ndvi as ndvi_of
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from musyq_cube.products._canopy import Inverse

Array: TypeAlias = Any
"""A float, a numpy array or a DataArray."""

WORST_COST = 4.0
"""Least cost per band above which no simulated canopy explains what is seen: a backup takes over."""

MOST_WATER = 0.7
"""Share of water above which the rest of the pixel says nothing."""

SOIL_NDVI = 0.05
"""At or below it (water, snow, cloud) a pixel that the model does not explain is not vegetation either."""

# Clumping of leaves into shoots and crowns, 1 where they are spread at random. Unconfirmed.
CLUMPING = {1: 0.6, 2: 0.7, 3: 0.6, 4: 0.8, 5: 0.7, 6: 0.8, 7: 0.8, 8: 0.8, 9: 0.9}
"""By IGBP class; 1 for the others."""

FULL_FPAR = 0.95
"""Of the densest canopy, in the model CASA."""

# In the model CASA 3.8 … 4.6 by class, for the NDVI of the AVHRR of its time; this one fits FPAR of simulated canopies.
FULL_RATIO = 10.0
"""Simple ratio of the densest canopy."""

FULL_LAI = {1: 8.0, 2: 7.0, 3: 8.0, 4: 7.0, 5: 7.5, 6: 5.0, 7: 5.0, 8: 5.0, 9: 5.0, 10: 5.0, 11: 5.0, 16: 5.0}
"""LAI of the densest canopy by IGBP class, from the classes of CASA; 6 (crops) for the others."""

# Parts of the leaves that stand in clumps; the match of CASA's classes with those of the IGBP is unconfirmed.
CLUSTERED = {1: 1.0, 3: 1.0, 5: 0.5, 7: 1.0}
"""Weight of the clustered form by IGBP class: needle leaves and open shrubs 1, mixed forest ½."""


def lai(
    nir: xr.DataArray,
    red: xr.DataArray,
    swir16: xr.DataArray | None = None,
    water_fraction: xr.DataArray | None = None,
    land_cover: xr.DataArray | None = None,
    sensor: str = "",
) -> dict[str, xr.DataArray]:
    """
    Return leaf area index by inversion of simulated canopies (PROSPECT-D leaves in 4SAIL).

    Parameters
    ----------
    nir, red, swir16
        Surface reflectance, near nadir (NBAR or a composite of near-nadir scenes), NaN where missing; 1.6 µm where
        known.
    water_fraction
        Share of open water, 0…1: its reflectance is taken out first; no value above 0.7.
    land_cover
        IGBP class: leaves of forests stand in clumps and are more than they seem.
    sensor
        Whose bands these are; empty or unknown: those of the OLI.

    Returns
    -------
    dict
        ``lai`` (m² of green leaves per m² of land, 0…8 before clumping) and ``lai_unc``, the half width that holds
        68 % of the canopies that look alike within ``max(0.005, 5 %)`` of reflectance; ``qa``: BACKUP where no
        canopy explains what is seen and `carlson` gives the value.

    Notes
    -----
    The solution is the median of the most alike of 100,000 canopies (1 % of them by two bands, 0.3 % by three), baked
    on a grid of reflectances and interpolated. Above LAI 5 reflectance hardly changes, so that dense
    canopies come out too low.

    References
    ----------
    Weiss, Baret et al. (2000), doi:10.1051/agro:2000105 (look-up tables); Jacquemoud et al. (2009),
    doi:10.1016/j.rse.2008.01.026 (PROSAIL).

    Examples
    --------
    >>> import xarray as xr
    >>> made = lai(xr.DataArray([0.42]), xr.DataArray([0.03]), xr.DataArray([0.18]))
    >>> made["lai"].round(0).item()
    3.0
    """
    value, spread, backup, kept = _retrieve("lai", (red, nir, swir16), water_fraction, sensor, carlson)
    clumping = by_class(land_cover, CLUMPING, 1.0)
    unsure = fit("carlson", "")
    return {
        "lai": value.where(kept, backup) / clumping,
        "lai_unc": spread.where(kept, unsure.least + unsure.share * backup) / clumping,
        "qa": _backup_bit(kept, backup),
    }


def fpar(
    nir: xr.DataArray,
    red: xr.DataArray,
    swir16: xr.DataArray | None = None,
    water_fraction: xr.DataArray | None = None,
    sensor: str = "",
) -> dict[str, xr.DataArray]:
    """
    Return the fraction of photosynthetically active radiation that green leaves absorb.

    The absorbed fraction of direct light of 0.4–0.7 µm (photons) with the sun 20…60° from the zenith, as it is when
    the scenes are taken, of the canopies that look alike. Parameters, uncertainty and quality bits as in `lai`; the
    backup is `fpar_linear`.

    Examples
    --------
    >>> import xarray as xr
    >>> made = fpar(xr.DataArray([0.42]), xr.DataArray([0.03]), xr.DataArray([0.18]))
    >>> 0.7 < made["fpar"].item() < 0.95
    True
    """
    value, spread, backup, kept = _retrieve("fpar", (red, nir, swir16), water_fraction, sensor, fpar_linear)
    unsure = fit("fpar_linear", "")
    return {
        "fpar": value.where(kept, backup),
        "fpar_unc": spread.where(kept, unsure.least + unsure.share * backup),
        "qa": _backup_bit(kept, backup),
    }


def carlson(ndvi: Array) -> Array:
    """
    Return leaf area index from NDVI by Beer's law: ``min(-ln(1 - f) / 0.5, 10)`` with ``f = NDVI - 0.05`` in 0…1.

    References
    ----------
    Carlson & Ripley (1997), doi:10.1016/S0034-4257(97)00104-1, in the form of the PT-JPL model.

    Examples
    --------
    >>> round(float(carlson(0.65)), 5)
    1.83258
    """
    gap = 1 - np.minimum(np.maximum(ndvi - SOIL_NDVI, 0), 1)
    return np.minimum(-np.log(np.maximum(gap, 1e-6)) / 0.5, 10)


def fpar_jpl(ndvi: Array) -> Array:
    """
    Return absorbed light from NDVI: ``1.3632 SAVI - 0.048`` with ``SAVI = 0.45 NDVI + 0.132``, in 0…1.

    References
    ----------
    Gao, Huete, Ni & Miura (2000), doi:10.1016/S0034-4257(00)00150-4, as used by Fisher et al. (2008),
    doi:10.1016/j.rse.2007.06.025.

    Examples
    --------
    >>> round(float(fpar_jpl(0.6)), 3)
    0.5
    """
    return np.minimum(np.maximum(1.3632 * (0.45 * ndvi + 0.132) - 0.048, 0), 1)


def fpar_linear(ndvi: Array) -> Array:
    """
    Return absorbed light from NDVI: ``1.257 NDVI - 0.161``, in 0…1.

    References
    ----------
    FAO (2020), WaPOR database methodology, version 2 (fAPAR).

    Examples
    --------
    >>> round(float(fpar_linear(0.6)), 4)
    0.5932
    """
    return np.minimum(np.maximum(1.257 * ndvi - 0.161, 0), 1)


def fpar_ratio(ndvi: Array, full_ratio: float = FULL_RATIO, bare_ratio: float = 1.0) -> Array:
    """
    Return absorbed light from the simple ratio: ``0.95 (SR - SRmin) / (SRmax - SRmin)`` in 0…0.95.

    Parameters
    ----------
    ndvi
        Below 1.
    full_ratio, bare_ratio
        Simple ratio ``(1 + NDVI) / (1 - NDVI)`` of the densest canopy and of bare ground.

    References
    ----------
    Sellers et al. (1996), doi:10.1175/1520-0442(1996)009<0706:ARLSPF>2.0.CO;2; Potter et al. (1993),
    doi:10.1029/93GB02725 (CASA).

    Examples
    --------
    >>> round(float(fpar_ratio(0.5, full_ratio=3.8387)), 5)
    0.66932
    """
    ratio = (1 + ndvi) / np.maximum(1 - ndvi, 1e-6)
    part = FULL_FPAR * (ratio - bare_ratio) / (full_ratio - bare_ratio)
    return np.minimum(np.maximum(part, 0), FULL_FPAR)


def lai_ratio(ndvi: Array, full_lai: Array = 6.0, clustered: Array = 0.0, full_ratio: float = FULL_RATIO) -> Array:
    """
    Return leaf area index from the simple ratio, by way of absorbed light (`fpar_ratio`).

    ``LAI = LAImax ln(1 - FPAR) / ln(1 - 0.95)`` where leaves are spread evenly, ``LAImax FPAR / 0.95`` where they
    stand in clusters, and `clustered` of the way between.

    Examples
    --------
    >>> round(float(lai_ratio(0.5, 6.0, full_ratio=3.8387)), 5)
    2.21636
    """
    part = fpar_ratio(ndvi, full_ratio)
    even = np.log(1 - part) / np.log(1 - FULL_FPAR)
    return full_lai * ((1 - clustered) * even + clustered * part / FULL_FPAR)


def lai_from_ndvi(ndvi: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return `carlson` with its uncertainty, from how far it is from simulated canopies."""
    return _with_uncertainty("lai", carlson(ndvi), "carlson")


def lai_from_ratio(ndvi: xr.DataArray, land_cover: xr.DataArray | None = None) -> dict[str, xr.DataArray]:
    """Return `lai_ratio` by class of land cover (crops where unknown) with its uncertainty."""
    value = lai_ratio(ndvi, by_class(land_cover, FULL_LAI, 6.0), by_class(land_cover, CLUSTERED, 0.0))
    return _with_uncertainty("lai", value, "ratio")


def fpar_from_ndvi(ndvi: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return `fpar_jpl` with its uncertainty, from how far it is from simulated canopies."""
    return _with_uncertainty("fpar", fpar_jpl(ndvi), "fpar_jpl")


def fpar_from_line(ndvi: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return `fpar_linear` with its uncertainty, from how far it is from simulated canopies."""
    return _with_uncertainty("fpar", fpar_linear(ndvi), "fpar_linear")


def fpar_from_ratio(ndvi: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return `fpar_ratio` with its uncertainty, from how far it is from simulated canopies."""
    return _with_uncertainty("fpar", fpar_ratio(ndvi), "fpar_ratio")


def _with_uncertainty(layer: str, value: xr.DataArray, what: str) -> dict[str, xr.DataArray]:
    unsure = fit(what, "")
    return {layer: value, f"{layer}_unc": unsure.least + unsure.share * value}


def _retrieve(
    quantity: str,
    bands: tuple[xr.DataArray, xr.DataArray, xr.DataArray | None],
    water: xr.DataArray | None,
    sensor: str,
    backup: Callable[[Array], Array],
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return value, spread, the backup's value where there is vegetation, and whether the first is to be kept."""
    table = inverse(quantity, sensor)
    red, nir, swir = _land(bands, water, table)
    value, spread, cost = retrieve(table, red, nir, red * np.nan if swir is None else swir)
    ndvi = ndvi_of(nir, red)
    return value, spread, backup(ndvi.where((ndvi > SOIL_NDVI) & (ndvi < 1))), cost <= WORST_COST


def _land(
    bands: tuple[xr.DataArray, xr.DataArray, xr.DataArray | None], water: xr.DataArray | None, table: Inverse
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray | None]:
    """Return the reflectance of the land in each pixel: ``(ρ - w ρ_water) / (1 - w)``."""
    if water is None:
        return bands
    share = water.fillna(0.0).clip(0.0, 1.0)
    share = share.where(share <= MOST_WATER)
    red, nir, swir = bands
    wet = [float(value) for value in table.water]
    land = [(band - share * value) / (1 - share) for band, value in zip((red, nir), wet, strict=False)]
    return land[0], land[1], None if swir is None else (swir - share * wet[2]) / (1 - share)


def _backup_bit(kept: xr.DataArray, backup: xr.DataArray) -> xr.DataArray:
    bit: xr.DataArray = (~kept & backup.notnull()).astype("uint16") * np.uint16(QA.BACKUP)
    return bit
