"""Downward longwave and net radiation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

LEAST_INDEX = 0.1
"""Clear-sky index below which the sunlight of a clear sky cannot be told."""
SIGMA = 5.670374e-8
"""Stefan–Boltzmann constant, W m⁻² K⁻⁴."""


def dilley_obrien(
    air_temperature: xr.DataArray,
    vapour_pressure: xr.DataArray,
    tcwv: xr.DataArray | None = None,
    cloud_fraction: xr.DataArray | float = 0.0,
) -> xr.DataArray:
    """
    Return downward longwave radiation by Dilley & O'Brien, ``59.38 + 113.7 (T/273.16)⁶ + 96.96 √(w/25)``.

    Parameters
    ----------
    air_temperature
        K, 200…340 near the ground.
    vapour_pressure
        Pa, near the ground: stands for the column where that is not known, ``w = 4650 e / T`` (Prata).
    tcwv
        Column water vapour, g cm⁻²; w is 10 times that, in kg m⁻².
    cloud_fraction
        0…1: the emissivity of the sky grows from ε to ``(1 - 0.84 c) ε + 0.84 c``.

    Returns
    -------
    xarray.DataArray
        W m⁻²; NaN where an input is missing or out of its range.

    References
    ----------
    Dilley & O'Brien 1998, doi:10.1002/qj.49712454903; Unsworth & Monteith 1975, doi:10.1002/qj.49710142703 (cloud).

    Examples
    --------
    >>> import xarray as xr
    >>> air = xr.DataArray([293.15])
    >>> dilley_obrien(air, air * 0 + 1169.14).round(2).values.tolist()
    [316.59]
    """
    t = _valid_temperature(air_temperature)
    water = 4.65 * vapour_pressure / t
    if tcwv is not None:
        water = (10.0 * tcwv).fillna(water)
    ratio = t / 273.16
    clear = 59.38 + 113.7 * (ratio * ratio * ratio) ** 2 + 96.96 * np.sqrt(water / 25.0)
    return _with_cloud(clear, t, cloud_fraction)


def brutsaert(
    air_temperature: xr.DataArray, vapour_pressure: xr.DataArray, cloud_fraction: xr.DataArray | float = 0.0
) -> xr.DataArray:
    """
    Return downward longwave radiation by Brutsaert, clear emissivity ``1.24 (e/T)^(1/7)`` with e in hPa.

    Parameters and result as in `dilley_obrien`.

    References
    ----------
    Brutsaert 1975, doi:10.1029/WR011i005p00742.
    """
    t = _valid_temperature(air_temperature)
    emissivity = 1.24 * (0.01 * vapour_pressure / t) ** (1 / 7)
    return _with_cloud(emissivity * _black(t), t, cloud_fraction)


def prata(
    air_temperature: xr.DataArray, vapour_pressure: xr.DataArray, cloud_fraction: xr.DataArray | float = 0.0
) -> xr.DataArray:
    """
    Return downward longwave radiation by Prata, clear emissivity ``1 - (1 + w) exp(-√(1.2 + 3 w))``, w = 46.5 e/T.

    Parameters and result as in `dilley_obrien`.

    References
    ----------
    Prata 1996, doi:10.1002/qj.49712253306.
    """
    t = _valid_temperature(air_temperature)
    water = 0.465 * vapour_pressure / t
    emissivity = 1.0 - (1.0 + water) * np.exp(-np.sqrt(1.2 + 3.0 * water))
    return _with_cloud(emissivity * _black(t), t, cloud_fraction)


def reanalysis(longwave_down: xr.DataArray) -> xr.DataArray:
    """Return downward longwave radiation as reanalysis has it."""
    return longwave_down


def three_hourly(dlr: xr.DataArray) -> xr.DataArray:
    """
    Return the 3-hour composite of downward longwave radiation: the mean of what falls in 0–3 h, 3–6 h… UTC.

    Parameters
    ----------
    dlr
        (time, …) hourly, each at or within its hour.

    Returns
    -------
    xarray.DataArray
        (time, …) at the start of each three hours; NaN where no hour has a value.

    Examples
    --------
    >>> import xarray as xr
    >>> hours = np.datetime64("2020-01-01T00", "ns") + np.arange(6) * np.timedelta64(1, "h")
    >>> three_hourly(xr.DataArray(np.arange(6.0), {"time": hours}, "time")).values.tolist()
    [1.0, 4.0]
    """
    mean: xr.DataArray = dlr.resample(time="3h").mean()
    return mean


def net(
    albedo: xr.DataArray,
    dsr: xr.DataArray,
    dlr: xr.DataArray,
    emissivity: xr.DataArray,
    lst: xr.DataArray,
    kc: xr.DataArray | None = None,
) -> xr.DataArray:
    """
    Return net radiation, ``(1 - α) DSR + ε DLR - ε σ T⁴``, under the sky through which the temperature was seen.

    Parameters
    ----------
    albedo
        Broadband, 0…1.
    dsr, dlr
        Downward shortwave and longwave radiation, W m⁻².
    emissivity
        Broadband, 0…1.
    lst
        Surface temperature, K.
    kc
        Clear-sky index of the sunlight: a temperature was seen through a clear sky, so the sunlight of cloudy
        observations among those of a period is brought to that, ``DSR / kc``. Left out, or NaN: as it is.

    Returns
    -------
    xarray.DataArray
        W m⁻², positive towards the ground; NaN where any input is missing.

    Examples
    --------
    >>> round(net(0.2, 800.0, 350.0, 0.98, 300.0), 1)
    532.9
    """
    if kc is not None:
        dsr = (dsr / kc).where(kc >= LEAST_INDEX, dsr)
    balance: xr.DataArray = (1.0 - albedo) * dsr + emissivity * (dlr - _black(lst))
    return balance


def _black(t: Any) -> Any:
    return SIGMA * (t * t) ** 2


def _valid_temperature(t: xr.DataArray) -> xr.DataArray:
    return t.where((t >= 200.0) & (t <= 340.0))


def _with_cloud(clear: xr.DataArray, t: xr.DataArray, cloud_fraction: xr.DataArray | float) -> xr.DataArray:
    cover: Any = cloud_fraction
    if not isinstance(cover, float):
        cover = cover.where((cover >= 0.0) & (cover <= 1.0))
    under: xr.DataArray = clear + 0.84 * cover * (_black(t) - clear)
    return under
