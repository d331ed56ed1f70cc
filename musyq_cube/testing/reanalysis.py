"""A small reanalysis: a smooth field of which every value is known, in the files that data centres give out."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

Array: TypeAlias = np.ndarray[Any, Any]

VARIABLES: dict[str, tuple[str, str, str]] = {
    "t2m": ("air_temperature", "K", "2 metre temperature"),
    "d2m": ("dew_point_temperature", "K", "2 metre dewpoint temperature"),
    "sp": ("surface_pressure", "Pa", "Surface pressure"),
    "u10": ("eastward_wind", "m s**-1", "10 metre U wind component"),
    "v10": ("northward_wind", "m s**-1", "10 metre V wind component"),
    "tcwv": ("tcwv", "kg m**-2", "Total column vertically-integrated water vapour"),
    "tco3": ("ozone", "kg m**-2", "Total column ozone"),
    "ssrd": ("shortwave_down", "J m**-2", "Surface short-wave (solar) radiation downwards"),
    "strd": ("longwave_down", "J m**-2", "Surface long-wave (thermal) radiation downwards"),
    "tcc": ("cloud_fraction", "(0 - 1)", "Total cloud cover"),
}
"""Short name of ERA5 -> (quantity, units as ERA5 has them, long name)."""

_TO_FILE = {"tcwv": 10.0, "ozone": 0.021415, "shortwave_down": 3600.0, "longwave_down": 3600.0}
"""From the units of a quantity to those of the file."""

_SHAPES: dict[str, tuple[float, float, float, float]] = {
    "air_temperature": (288.0, 12.0, 0.2, 6.0),
    "dew_point_temperature": (280.0, 8.0, 0.1, 2.0),
    "surface_pressure": (96_000.0, 2_000.0, 50.0, 300.0),
    "eastward_wind": (2.0, 3.0, 0.1, 1.0),
    "northward_wind": (-1.0, 2.0, 0.1, 1.5),
    "tcwv": (2.5, 1.0, 0.02, 0.3),
    "ozone": (0.31, 0.04, 0.001, 0.005),
    "shortwave_down": (420.0, 120.0, 2.0, 180.0),
    "longwave_down": (340.0, 40.0, 1.0, 25.0),
    "cloud_fraction": (0.4, 0.2, 0.002, 0.15),
    "aod": (0.25, 0.1, 0.001, 0.05),
}
"""Mean, amplitude with latitude and longitude, slope with latitude, amplitude with the hour of the day."""


def field(name: str, lon: ArrayLike, lat: ArrayLike, time: dt.datetime) -> Array:
    """
    Return the true value of a quantity in its units: smooth, without a seam at any meridian.

    Parameters
    ----------
    name
        A quantity of `VARIABLES`, or ``aod``.
    lon, lat
        Degrees, shapes that broadcast.
    time
        Naive means UTC.

    Examples
    --------
    >>> float(field("air_temperature", 0.0, 0.0, dt.datetime(2014, 7, 1, 0)))
    288.0
    """
    mean, wave, slope, daily = _SHAPES[name]
    hour = time.hour + time.minute / 60 + time.second / 3600
    x, y = np.radians(np.asarray(lon, np.float64)), np.radians(np.asarray(lat, np.float64))
    if name == "shortwave_down":  # the sun sets
        noon = np.cos(2 * np.pi * (hour - 12) / 24 + x)
        return np.asarray(2 * mean * np.maximum(noon, 0) * np.cos(y))
    day = np.sin(2 * np.pi * hour / 24)
    return np.asarray(mean + wave * np.sin(x) * np.cos(2 * y) + slope * np.degrees(np.sin(y)) / 10 + daily * day)


def write_era5(
    path: str | Path,
    times: Sequence[dt.datetime],
    *,
    lon: ArrayLike | None = None,
    lat: ArrayLike | None = None,
    names: Sequence[str] = tuple(VARIABLES),
    packed: bool = True,
    modern: bool = False,
) -> Path:
    """
    Write a netCDF as ERA5 comes: longitudes 0…360, latitudes from north to south, packed shorts.

    Parameters
    ----------
    path
        File to write; ``.zarr`` writes a Zarr store with the same content.
    times
        Of the steps, UTC. Radiation is the energy gathered in the hour before, of the field half an hour earlier.
    lon, lat
        Cell centres, degrees; default: the whole Earth, 2.5° by 2.5°.
    names
        Short names.
    packed
        Integers of 16 bits with scale and offset; otherwise floats.
    modern
        Name the time ``valid_time``, in seconds since 1970, as the files of today do.
    """
    lon = np.arange(0, 360, 2.5) if lon is None else np.asarray(lon, np.float64)
    lat = np.arange(90, -90.1, -2.5) if lat is None else np.asarray(lat, np.float64)
    axis = "valid_time" if modern else "time"
    data: dict[str, Any] = {}
    encoding: dict[str, dict[str, Any]] = {}
    for name in names:
        quantity, units, title = VARIABLES[name]
        early = dt.timedelta(minutes=30) if quantity in {"shortwave_down", "longwave_down"} else dt.timedelta(0)
        values = np.stack([field(quantity, lon, lat[:, None], time - early) for time in times])
        values *= _TO_FILE.get(quantity, 1.0)
        attrs = {"units": units, "long_name": title, "standard_name": "unknown"}
        data[name] = ((axis, "latitude", "longitude"), values.astype(np.float32), attrs)
        if packed:
            encoding[name] = _packing(values)
    naive = np.array([time.replace(tzinfo=None) for time in times], "M8[ns]")
    encoding[axis] = {"units": "seconds since 1970-01-01" if modern else "hours since 1900-01-01 00:00:00.0"}
    encoding[axis] |= {"dtype": "int64" if modern and str(path).endswith(".zarr") else "int32", "calendar": "gregorian"}
    coords: Mapping[str, Any] = {
        axis: naive,
        "latitude": ("latitude", lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "longitude": ("longitude", lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    cube = xr.Dataset(data, coords, {"Conventions": "CF-1.6"})
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if str(path).endswith(".zarr"):
        cube.to_zarr(path, mode="w", encoding=encoding, consolidated=False)
    else:
        cube.to_netcdf(path, engine="scipy", encoding=encoding)
    return Path(path)


def _packing(values: Array) -> dict[str, Any]:
    low, high = float(values.min()), float(values.max())
    return {
        "dtype": "int16",
        "scale_factor": max(high - low, 1e-6) / 65_000,
        "add_offset": (high + low) / 2,
        "_FillValue": -32767,
    }
