"""Evapotranspiration of whole days: from the latent heat of an overpass, and by MOD16 without any."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from musyq_cube.kernels import flux as kernels
from musyq_cube.products._apply import apply_kernel
from musyq_cube.products._daylight import daylight, sine_of_day
from musyq_cube.products._light import extraterrestrial
from musyq_cube.products.latent_heat import STANDARD_PRESSURE, saturation_vapour_pressure
from musyq_cube.products.longwave import SIGMA

if TYPE_CHECKING:
    import numpy.typing as npt

EMISSIVITY = 0.97
"""Broadband, of land under plants, where only the air temperature is known (MOD16)."""
LEAST_SUN = 100.0
"""W m-2: shortwave radiation at the overpass below which it says nothing of the day."""
LEAST_SINE = 0.3
"""Of the sine of the day at the overpass: about an hour and a half after sunrise on a day of twelve hours."""
MOST_SUN = 0.85
"""Of the light above the air: no day, however clear and high, has more at the ground."""
STAND_INS = {14: 12, 11: 10}
"""Classes that MOD16 has no parameters for, and those that serve: crop mosaics and wetlands."""


def by_sunshine(
    le: xr.DataArray,
    hour: xr.DataArray,
    air_temperature: xr.DataArray,
    sun_then: xr.DataArray,
    sun_mean: xr.DataArray,
) -> xr.DataArray:
    """
    Return daily evapotranspiration: a constant evaporative fraction, and energy that keeps step with sunshine.

    EF · (Rn - G) · S̄ / S(t) · 86400 / λ. As EF is LE / (Rn - G), the available energy of the overpass cancels.

    Parameters
    ----------
    le
        Latent heat at the overpass, W m-2. Where it has coordinates y, x, ``spatial_ref`` and a scalar ``time``, the
        mean sunshine is held against the light above the air; where it has not, place or date, it is not.
    hour
        Of the overpass; NaN where it is not known, and so neither is the sunshine of it.
    air_temperature
        Mean, K.
    sun_then, sun_mean
        Downward shortwave radiation at the overpass, and its mean over whole days, W m-2.

    Returns
    -------
    xarray.DataArray
        mm d-1; NaN under a low sun, and where there is more sunshine than 0.85 of the light above the air.

    References
    ----------
    Ryu et al. 2012, doi:10.1016/j.agrformet.2011.09.010.

    Examples
    --------
    >>> given = (300.0, 10.5, 293.15, 800.0, 260.0)
    >>> round(float(by_sunshine(*(xr.DataArray(v) for v in given))), 2)
    3.43
    """
    possible = (sun_then >= LEAST_SUN) & (sun_mean <= sun_then) & hour.notnull()
    if {"y", "x", "spatial_ref", "time"} <= set(le.coords) and not le["time"].ndim:
        possible = possible & (sun_mean <= MOST_SUN * extraterrestrial(le))
    ratio = sun_mean / sun_then.where(possible)
    return water_of(le, air_temperature) * ratio


def by_sinusoid(le: xr.DataArray, hour: xr.DataArray, air_temperature: xr.DataArray) -> xr.DataArray:
    """
    Return daily evapotranspiration: a constant evaporative fraction, and energy that is a half wave of the day.

    EF · (Rn - G) · 2 N / (24 π sin(π (t - sunrise) / N)) · 86400 / λ, N the hours of daylight.

    Parameters
    ----------
    le
        Latent heat at the overpass, W m-2, with coordinates y, x, ``spatial_ref`` and a scalar ``time``.
    hour
        Of the overpass, UTC.
    air_temperature
        Mean, K.

    Returns
    -------
    xarray.DataArray
        mm d-1 of a day as clear as the overpass; NaN under a low sun.

    Raises
    ------
    PlanError
        If place or date is not known.

    References
    ----------
    Bisht et al. 2005, Remote Sensing of Environment 97, 52-67.
    """
    sun = daylight(le)
    sine = sine_of_day(hour, sun)
    part = 2.0 * sun.length / (24.0 * np.pi * sine.where(sine >= LEAST_SINE))
    return water_of(le, air_temperature) * part


def mod16(
    lai: xr.DataArray,
    fpar: xr.DataArray,
    albedo: xr.DataArray,
    shortwave_down: xr.DataArray,
    longwave_down: xr.DataArray,
    air_temperature: xr.DataArray,
    coldest: xr.DataArray,
    warmest: xr.DataArray,
    vapour_pressure: xr.DataArray,
    land_cover: xr.DataArray,
    surface_pressure: Any = STANDARD_PRESSURE,
) -> xr.DataArray:
    """
    Return daily evapotranspiration by the Penman-Monteith equation for wet canopy, stomata and soil, day and night.

    Parameters
    ----------
    lai, fpar, albedo
        Without unit.
    shortwave_down, longwave_down
        Mean over whole days, W m-2.
    air_temperature, coldest, warmest
        Mean, least and greatest, K. The day has ``mean + 0.45 (greatest - mean)``, the night half of that and of the
        least; mean temperature stands for that of the year, and the air's for the surface's in longwave radiation.
    vapour_pressure
        Mean, Pa.
    land_cover
        Class of the IGBP.
    surface_pressure
        Pa.

    Returns
    -------
    xarray.DataArray
        mm d-1; NaN for classes without plants.

    Notes
    -----
    Day and night have twelve hours each: the radiation of the day is given as a whole, and only how long the air dries
    the surface depends on it.

    References
    ----------
    Mu et al. 2011, doi:10.1016/j.rse.2011.02.019; parameters of collection 7.
    """
    day = air_temperature + 0.45 * (warmest - air_temperature)
    night = 0.5 * (day + coldest)
    net = {t: EMISSIVITY * (longwave_down - SIGMA * v**4) for t, v in (("day", day), ("night", night))}
    lack = {t: (saturation_vapour_pressure(v) - vapour_pressure).clip(0.0) for t, v in (("day", day), ("night", night))}
    classes, table = bplut()
    column = _column(land_cover, classes)
    by_day, by_night = apply_kernel(
        kernels.mod16,
        2.0 * shortwave_down, net["day"], net["night"], albedo, day, night, air_temperature, coldest,
        lack["day"], lack["night"], surface_pressure, fpar, lai, column, table,
        core=[[]] * 14 + [["class", "parameter"]], out=[[], []],
    )  # fmt: skip
    return water_of(0.5 * (by_day + by_night), air_temperature)


@cache
def bplut() -> tuple[tuple[int, ...], npt.NDArray[np.float64]]:
    """Return the IGBP classes that MOD16 has parameters for, and the parameters (class, parameter)."""
    text = (files("musyq_cube.products") / "data" / "mod16_bplut.csv").read_text()
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    values = [[float(row[name]) for name in list(row)[2:]] for row in rows]
    return tuple(int(row["igbp"]) for row in rows), np.array(values)


def reference_evapotranspiration(
    rn: float, air_temperature: float, wind_speed: float, lack: float, slope: float, gamma: float, g: float = 0.0
) -> float:
    """
    Return the evapotranspiration of the reference grass of FAO-56, mm d-1.

    ``(0.408 Δ (Rn - G) + γ 900 / (T + 273) u VPD) / (Δ + γ (1 + 0.34 u))``

    Parameters
    ----------
    rn, g
        Net radiation and soil heat, MJ m-2 d-1.
    air_temperature
        Mean, °C.
    wind_speed
        At 2 m, m s-1.
    lack, slope, gamma
        Vapour pressure deficit (kPa), slope of saturation and psychrometric constant (kPa K-1).

    References
    ----------
    Allen et al. 1998, FAO Irrigation and Drainage Paper 56, eq 6.

    Examples
    --------
    >>> round(reference_evapotranspiration(14.33, 30.2, 2.0, 1.59, 0.246, 0.0674, 0.14), 1)
    5.7
    """
    drying = gamma * 900.0 / (air_temperature + 273.0) * wind_speed * lack
    return (0.408 * slope * (rn - g) + drying) / (slope + gamma * (1.0 + 0.34 * wind_speed))


def water_of(le: xr.DataArray, air_temperature: xr.DataArray) -> xr.DataArray:
    """
    Return the water (mm d-1) that a latent heat flux (W m-2) evaporates in a day, λ = 2.501 - 0.002361 T(°C) MJ kg-1.

    Examples
    --------
    >>> round(float(water_of(xr.DataArray(100.0), xr.DataArray(293.15))), 3)
    3.521
    """
    return le * 86_400.0 / (2.501e6 - 2361.0 * (air_temperature - 273.15))


def _column(land_cover: xr.DataArray, classes: tuple[int, ...]) -> xr.DataArray:
    """Return the row of the table for each pixel, -1 where there is none."""
    rows = np.full(19, -1, np.int16)
    for row, number in enumerate(classes):
        rows[number] = row
    for number, stand_in in STAND_INS.items():
        rows[number] = classes.index(stand_in)
    index = land_cover.fillna(18.0).clip(0.0, 18.0).astype("int16")
    made: xr.DataArray = xr.apply_ufunc(rows.__getitem__, index, dask="parallelized", output_dtypes=["int16"])
    return made
