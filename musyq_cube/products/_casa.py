"""Productivity by light use without land cover (CASA): one efficiency, and how warm and dry it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.products._light import daily_par
from musyq_cube.products._mod17 import CARBON_USE, DAY_MEGAJOULES, PAR_SHARE

if TYPE_CHECKING:
    import xarray as xr

EFFICIENCY = 0.389
"""Net productivity per absorbed light at its best, g C MJ⁻¹ (Potter et al. 1993); unconfirmed."""
OPTIMUM = 20.0
"""Temperature of the month with most leaves, °C, where it is not known; unconfirmed."""
WATER = 0.75
"""Water scalar where nothing is known about drought: the middle of its range 0.5…1; unconfirmed."""
MOIST, DRY = 650.0, 3500.0
"""Vapour pressure deficits (Pa) between which the water scalar falls from 1 to 0.5: the middle of MOD17's biomes."""
COLDEST = -10.0
"""Mean temperature, °C, below which nothing grows."""
FREEZING = 273.15


def optimum_scalar(optimum: xr.DataArray | float) -> xr.DataArray | float:
    """
    Return T1 = 0.8 + 0.02 To - 0.0005 To²: plants of very cold and very hot places use light less well.

    Examples
    --------
    >>> optimum_scalar(25.0)
    0.9875
    """
    return 0.8 + 0.02 * optimum - 0.0005 * optimum**2


def warmth_scalar(temperature: xr.DataArray, optimum: xr.DataArray | float) -> xr.DataArray:
    """
    Return T2, near 1 at the optimum (°C) and falling away from it, faster towards heat than towards cold.

    Parameters
    ----------
    temperature
        Mean air temperature, °C.
    optimum
        °C.

    Returns
    -------
    xarray.DataArray
        1.1919 / ((1 + exp(0.2 (To - 10 - T))) (1 + exp(0.3 (T - 10 - To)))); 0 below -10 °C.

    References
    ----------
    Potter et al. 1993, doi:10.1029/93GB02725, with the factor of the CASA of GEOS-Chem (1.1919).

    Examples
    --------
    >>> import xarray as xr
    >>> warmth_scalar(xr.DataArray([20.0, 10.0]), 20.0).round(5).values.tolist()
    [1.00003, 0.59448]
    """
    cold, hot = np.exp(0.2 * (optimum - 10.0 - temperature)), np.exp(0.3 * (temperature - 10.0 - optimum))
    made: Any = 1.1919 / ((1.0 + cold) * (1.0 + hot))
    scalar: xr.DataArray = made.where(~(temperature < COLDEST), 0.0)
    return scalar


def gpp(
    fpar: xr.DataArray, par: xr.DataArray, air_temperature: xr.DataArray, vpd: xr.DataArray | None = None
) -> xr.DataArray:
    """
    Return gross primary productivity: CASA's net productivity ε T1 T2 W FPAR PAR over 0.47, its part of the gross one.

    Parameters
    ----------
    fpar
        Fraction of absorbed light, 0…1.
    par
        Photosynthetically active radiation, W m⁻², mean of day and night.
    air_temperature
        Mean air temperature, K.
    vpd
        Vapour pressure deficit, Pa. It stands for the ratio of actual to potential evaporation in
        W = 0.5 + 0.5 E / Ep; without it W = 0.75.

    Returns
    -------
    xarray.DataArray
        g C m⁻² d⁻¹.

    References
    ----------
    Potter et al. 1993, doi:10.1029/93GB02725; Field, Randerson & Malmström 1995, doi:10.1016/0034-4257(94)00066-V;
    Waring, Landsberg & Williams 1998, doi:10.1093/treephys/18.2.129.
    """
    warm = optimum_scalar(OPTIMUM) * warmth_scalar(air_temperature - FREEZING, OPTIMUM)
    water: xr.DataArray | float = WATER
    if vpd is not None:
        water = 0.5 + 0.5 * ((DRY - vpd) / (DRY - MOIST)).clip(0.0, 1.0)
    made: xr.DataArray = (EFFICIENCY / CARBON_USE * DAY_MEGAJOULES) * fpar * par * warm * water
    return made


def gpp_of_sky(
    fpar: xr.DataArray,
    par: xr.DataArray,
    dsr: xr.DataArray,
    kc: xr.DataArray,
    air_temperature: xr.DataArray,
    vpd: xr.DataArray | None = None,
    elevation: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return `gpp` with the light of the day from retrievals at moments of it (`_light.daily_par`)."""
    return gpp(fpar, daily_par(par, dsr, kc, elevation), air_temperature, vpd)


def gpp_of_shortwave(
    fpar: xr.DataArray, shortwave: xr.DataArray, air_temperature: xr.DataArray, vpd: xr.DataArray | None = None
) -> xr.DataArray:
    """Return `gpp` with PAR as 45 % of the sunlight at the ground (W m⁻², mean of day and night)."""
    return gpp(fpar, shortwave * PAR_SHARE, air_temperature, vpd)
