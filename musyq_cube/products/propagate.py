"""First-order propagation of uncertainty through a formula."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import xarray as xr

STEP = 1e-4
"""Half-width of the central difference, in reflectance: far above float64 noise, far below the curvature."""


def propagate(
    formula: Callable[..., Any], values: Mapping[str, xr.DataArray], sigma: Mapping[str, xr.DataArray]
) -> xr.DataArray:
    """
    Return the standard deviation of a formula of independent inputs, sqrt(sum((df/dx_i * sigma_i)^2)).

    Parameters
    ----------
    formula
        Function of the named values.
    values
        Inputs by argument name.
    sigma
        Standard deviation of each input, same names, shapes and units.

    Returns
    -------
    xarray.DataArray
        float32, the shape of the inputs, NaN where any input is.

    Notes
    -----
    Derivatives are central differences in float64 (JCGM 100:2008, 5.1.3, note 2).
    """
    at = {name: value.astype("float64") for name, value in values.items()}
    variance: Any = 0.0
    for name, spread in sigma.items():
        above = formula(**(at | {name: at[name] + STEP}))
        below = formula(**(at | {name: at[name] - STEP}))
        variance = variance + ((above - below) / (2 * STEP) * spread.astype("float64")) ** 2
    result: xr.DataArray = (variance**0.5).astype("float32")
    return result
