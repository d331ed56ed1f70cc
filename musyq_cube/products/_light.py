"""Light of a whole day, from what was seen at moments of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from musyq_cube.errors import PlanError
from musyq_cube.products._daylight import places_of

SOLAR_CONSTANT = 1366.667
"""W m⁻²: 0.0820 MJ m⁻² min⁻¹, as in FAO-56."""
CLEAR, CLEAR_PER_METRE = 0.75, 2e-5
"""Part of the light above the air that reaches the ground on a clear day, and what altitude adds (FAO-56, eq. 37)."""
LEAST_SUNSHINE = 20.0
"""W m⁻² below which the share of PAR in the light cannot be told."""


def extraterrestrial(like: xr.DataArray) -> xr.DataArray:
    """
    Return the light above the air, mean of day and night.

    Parameters
    ----------
    like
        Any array (y, x) with coordinates in the system of its ``spatial_ref``, and a scalar coordinate ``time``.

    Returns
    -------
    xarray.DataArray
        W m⁻² (y, x); 0 in the polar night.

    Raises
    ------
    PlanError
        If place or date is not known.

    References
    ----------
    Allen et al. 1998, FAO Irrigation and Drainage Paper 56, eqs 21-25.

    Examples
    --------
    >>> from odc.geo.geobox import GeoBox
    >>> from odc.geo.xr import xr_coords
    >>> box = GeoBox.from_bbox((0, -20.5, 1, -19.5), "EPSG:4326", shape=(1, 1), tight=True)
    >>> like = xr.DataArray(np.ones((1, 1)), dict(xr_coords(box, always_yx=True)), ("y", "x"))
    >>> light = extraterrestrial(like.assign_coords(time=np.datetime64("2015-09-03", "ns")))
    >>> round(float(light[0, 0]) * 0.0864, 1)
    32.2
    """
    if "time" not in like.coords or like["time"].ndim:
        raise PlanError("the light of a day needs a date: give the inputs one scalar coordinate `time`")
    day = like["time"].values.astype("datetime64[D]")
    angle = 2.0 * np.pi / 365.0 * (int((day - day.astype("datetime64[Y]")).astype(int)) + 1)
    distance, declination = 1.0 + 0.033 * np.cos(angle), 0.409 * np.sin(angle - 1.39)
    latitude = np.radians(places_of(like)[1])
    sunset = np.arccos(np.clip(-np.tan(latitude) * np.tan(declination), -1.0, 1.0))  # ±1: polar night, midnight sun
    height = sunset * np.sin(latitude) * np.sin(declination)
    height = height + np.cos(latitude) * np.cos(declination) * np.sin(sunset)
    light = np.maximum(SOLAR_CONSTANT / np.pi * distance * height, 0.0).astype("float32")
    return xr.DataArray(light, dims=("y", "x"))


def daily_par(
    par: xr.DataArray, dsr: xr.DataArray, kc: xr.DataArray, elevation: xr.DataArray | None = None
) -> xr.DataArray:
    """
    Return photosynthetically active radiation, mean of day and night: its share of a clear day, less cloud.

    Parameters
    ----------
    par, dsr
        Photosynthetically active and all solar radiation at the observations, W m⁻², with coordinates y, x,
        ``spatial_ref`` and a scalar ``time``.
    kc
        Clear-sky index of the observations, taken for that of the day. NaN: the light is that of a reanalysis, which
        is the mean of day and night already.
    elevation
        m; 0 where not given.

    Returns
    -------
    xarray.DataArray
        W m⁻²; NaN where the sun was too low to tell the share.

    References
    ----------
    Allen et al. 1998, FAO Irrigation and Drainage Paper 56, eq. 37.
    """
    clear: Any = CLEAR if elevation is None else CLEAR + CLEAR_PER_METRE * elevation
    share = par / dsr.where(dsr >= LEAST_SUNSHINE)
    seen = share * kc * clear * extraterrestrial(par)
    made: xr.DataArray = seen.where(kc.notnull(), par).astype("float32")
    return made
