"""Numbers by class of land cover."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from collections.abc import Mapping

CLASSES = 17
"""Classes of the IGBP, from 1."""


def by_class(land_cover: xr.DataArray | None, values: Mapping[int, float], otherwise: float) -> xr.DataArray | float:
    """
    Return a number for each pixel by its IGBP class, and `otherwise` where the class is missing or has none.

    Examples
    --------
    >>> by_class(xr.DataArray([1.0, 12.0, np.nan]), {1: 0.9}, 0.8).values
    array([0.9, 0.8, 0.8], dtype=float32)
    """
    if land_cover is None:
        return otherwise
    table = np.array([values.get(c, otherwise) for c in range(CLASSES + 1)], np.float32)

    def look(classes: np.ndarray) -> np.ndarray:
        known = (classes >= 1) & (classes <= CLASSES)
        found: np.ndarray = table[np.where(known, classes, 0).astype(np.intp)]
        return found

    made: xr.DataArray = xr.apply_ufunc(look, land_cover, dask="parallelized", output_dtypes=["float32"])
    return made
