"""Products: recipes, and the same mathematics on a composite, eager or lazy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musyq_cube.products.recipe import Recipe, get_recipe, recipes

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Recipe", "arvi", "evi", "evi2", "get_recipe", "ndvi", "recipes"]


def ndvi(ds: xr.Dataset) -> xr.Dataset:
    """
    NDVI of a composite or cube, with its uncertainty and evidence where `ds` has them.

    Parameters
    ----------
    ds
        Dataset with ``red`` and ``nir08`` or ``nir`` (reflectance).

    Returns
    -------
    xarray.Dataset
        ``ndvi`` (float32, -1…1), lazy if `ds` is.

    Examples
    --------
    >>> import xarray as xr
    >>> ds = xr.Dataset({"red": ("x", [0.07]), "nir": ("x", [0.35])})
    >>> round(float(ndvi(ds).ndvi[0]), 6)
    0.666667
    """
    return get_recipe("MuSQ.NDVI").compute(ds)


def evi(ds: xr.Dataset) -> xr.Dataset:
    """EVI of a composite or cube (needs blue, red and nir08 or nir); as :func:`ndvi`."""
    return get_recipe("MuSQ.EVI").compute(ds)


def evi2(ds: xr.Dataset) -> xr.Dataset:
    """Two-band EVI of a composite or cube (needs red and nir08 or nir); as :func:`ndvi`."""
    return get_recipe("MuSQ.EVI2").compute(ds)


def arvi(ds: xr.Dataset) -> xr.Dataset:
    """ARVI of a composite or cube (needs blue, red and nir08 or nir); as :func:`ndvi`."""
    return get_recipe("MuSQ.ARVI").compute(ds)
