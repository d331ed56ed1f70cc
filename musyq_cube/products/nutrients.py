"""Total nitrogen and phosphorus of water: not seen by any sensor, so only with a model fitted to the site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musyq_cube.products.recipe import Algorithm, Recipe, ancillary, product
from musyq_cube.variable import Variable

if TYPE_CHECKING:
    import xarray as xr


def site_model(
    intercept: xr.DataArray,
    per_chla: xr.DataArray,
    per_turbidity: xr.DataArray,
    chla: xr.DataArray,
    turbidity: xr.DataArray,
) -> xr.DataArray:
    """
    Return a concentration (mg L⁻¹) by a linear model of a site, ``a + b · chlorophyll-a + c · turbidity``.

    Parameters
    ----------
    intercept, per_chla, per_turbidity
        Of the model, fitted to samples of the site: mg L⁻¹, mg L⁻¹ per mg m⁻³, mg L⁻¹ per FNU.
    chla, turbidity
        mg m⁻³, FNU.

    Returns
    -------
    xarray.DataArray
        NaN where the model gives less than nothing.

    Examples
    --------
    >>> import xarray as xr
    >>> one = xr.DataArray([1.0])
    >>> site_model(one * 0.5, one * 0.02, one * 0.01, one * 20, one * 10).values
    array([1.])
    """
    value = intercept + per_chla * chla + per_turbidity * turbidity
    return value.where(value >= 0)


def _recipe(name: str, what: str) -> Recipe:
    low = name.lower()
    way = Algorithm(
        "site_model",
        "linear model of the site in chlorophyll-a and turbidity",
        site_model,
        (
            ancillary("intercept", f"{low}_intercept"),
            ancillary("per_chla", f"{low}_per_chla"),
            ancillary("per_turbidity", f"{low}_per_turbidity"),
            product("chla", "MuSQ.CHLA", sigma=3.0),
            product("turbidity", "MuSQ.TUR", sigma=2.0),
        ),
        formula="C = a + b chlorophyll-a + c turbidity",
        citation="the samples behind the model of the site",
    )
    return Recipe(
        id=f"MuSQ.{name}",
        title=f"Total {what} of water",
        description=f"Total {what}, which no sensor sees: by its relation to chlorophyll-a and turbidity at the site.",
        quantity="concentration",
        algorithms=(way,),
        layers=(
            Variable(low, scale=1e-3, nodata=-32768, units="mg L-1", valid=(0.0, 30.0), long_name=f"total {what}"),
        ),
        family="water",
    )


RECIPES = (_recipe("TN", "nitrogen"), _recipe("TP", "phosphorus"))
