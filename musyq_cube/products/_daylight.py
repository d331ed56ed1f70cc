"""Daylight: when the sun is up where the pixels of an array are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from musyq_cube.errors import PlanError


class Daylight(NamedTuple):
    """Length of the day in hours, and the hour of solar noon, UTC (may be below 0 or above 24)."""

    length: xr.DataArray
    noon: xr.DataArray


def daylight(like: xr.DataArray) -> Daylight:
    """
    Return length of the day and solar noon of every pixel.

    Parameters
    ----------
    like
        Any array (y, x) with coordinates in the system of its ``spatial_ref``, and a scalar coordinate ``time``: any
        moment of the day.

    Raises
    ------
    PlanError
        If place or date is not known.

    Examples
    --------
    >>> from odc.geo.geobox import GeoBox
    >>> from odc.geo.xr import xr_coords
    >>> there = dict(xr_coords(GeoBox.from_bbox((-105, 40, -104, 41), "EPSG:4326", resolution=1), always_yx=True))
    >>> like = xr.DataArray(np.ones((1, 1)), there, ("y", "x")).assign_coords(time=np.datetime64("2019-06-21", "ns"))
    >>> found = daylight(like)
    >>> round(float(found.length[0, 0]), 1), round(float(found.noon[0, 0]), 2)
    (14.9, 18.99)
    """
    lon, lat = places_of(like)
    if "time" not in like.coords or like["time"].ndim:
        raise PlanError("the length of the day needs a date: give the inputs one scalar coordinate `time`")
    declination, equation = _sun(like["time"].values)
    angle = -np.tan(np.radians(lat)) * np.tan(declination)
    length = 24.0 / np.pi * np.arccos(np.clip(angle, -1.0, 1.0))  # ±1: polar night and midnight sun
    noon = 12.0 - lon / 15.0 - equation
    return Daylight(_like(like, length), _like(like, noon))


def sine_of_day(hour: xr.DataArray, sun: Daylight) -> xr.DataArray:
    """
    Return sin(π (t - sunrise) / (length of the day)) at an hour UTC; not positive at night.

    Parameters
    ----------
    hour
        0…24, UTC.
    sun
        Of the same pixels.
    """
    since_noon = (hour - sun.noon + 12.0) % 24.0 - 12.0
    up = (np.abs(since_noon) < sun.length / 2.0) & (sun.length > 0.0)
    sine: Any = np.cos(np.pi * since_noon / sun.length.where(sun.length > 0.0))
    made: xr.DataArray = sine.where(up, 0.0).where(hour.notnull()).astype("float32")
    return made


def _sun(time: Any) -> tuple[float, float]:
    """Return declination (radians) and the equation of time (hours) of a day (Spencer 1971)."""
    from pvlib.solarposition import declination_spencer71, equation_of_time_spencer71

    day = np.datetime64(time, "D")
    number = int((day - day.astype("datetime64[Y]")).astype(int)) + 1
    return float(declination_spencer71(number)), float(equation_of_time_spencer71(number)) / 60.0


def places_of(like: xr.DataArray) -> tuple[Any, Any]:
    """
    Return longitude and latitude of every pixel, degrees.

    Raises
    ------
    PlanError
        If the array does not say where it is.
    """
    crs = like.coords["spatial_ref"].attrs.get("crs_wkt") if "spatial_ref" in like.coords else None
    if crs is None or not {"y", "x"} <= set(like.coords):
        raise PlanError("the sun needs a place: give the inputs their coordinates y, x and spatial_ref")
    from pyproj import Transformer

    x, y = np.meshgrid(like["x"].values, like["y"].values)
    lon, lat = Transformer.from_crs(crs, 4326, always_xy=True).transform(x, y)
    return lon, lat


def _like(like: xr.DataArray, values: Any) -> xr.DataArray:
    dims = tuple(d for d in like.dims if d != "time")
    return xr.DataArray(values.astype("float32"), dims=dims)
