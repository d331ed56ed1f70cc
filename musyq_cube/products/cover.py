"""Fractional vegetation cover: how far NDVI is on its way from soil to full cover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.products._classes import by_class

if TYPE_CHECKING:
    import xarray as xr

Array: TypeAlias = Any
"""A float, a numpy array or a DataArray."""

# Percentiles of the region's own NDVI would be better where a year of it is at hand. Full cover: unconfirmed.
SOIL = 0.17
"""NDVI of bare ground: the median of simulated soils as the OLI sees them (of 40 measured ones 0.19)."""
FULL = 0.86
"""NDVI of ground hidden by crops, grass or shrubs."""
FOREST = 0.90
"""NDVI of ground hidden by forest."""
ERROR = 0.18
"""Of the linear form, for simulated canopies over all soils: NDVI saturates before cover does."""

FULL_BY_CLASS = dict.fromkeys((1, 2, 3, 4, 5, 8), FOREST)
"""By IGBP class: forests and woody savanna."""


def dimidiate(ndvi: Array, soil: Array = SOIL, full: Array = FULL) -> Array:
    """
    Return the share of ground covered by vegetation, ``(NDVI - soil) / (full - soil)``, in 0…1.

    Parameters
    ----------
    ndvi
        Of the pixel.
    soil, full
        NDVI without vegetation and with full cover.

    Returns
    -------
    array-like
        0 below `soil` and 1 above `full`: that is what the two are.

    References
    ----------
    Gutman & Ignatov (1998), doi:10.1080/014311698215333.

    Examples
    --------
    >>> round(float(dimidiate(0.30, 0.05, 0.90)), 5)
    0.29412
    """
    return np.minimum(np.maximum((ndvi - soil) / (full - soil), 0), 1)


def fvc(ndvi: xr.DataArray, land_cover: xr.DataArray | None = None) -> xr.DataArray:
    """
    Return the vegetation cover with the full-cover NDVI of the land cover class (IGBP) where that is known.

    Examples
    --------
    >>> import xarray as xr
    >>> fvc(xr.DataArray([0.515]), xr.DataArray([12.0])).round(3).item()
    0.5
    """
    made: xr.DataArray = dimidiate(ndvi, SOIL, by_class(land_cover, FULL_BY_CLASS, FULL))
    return made
