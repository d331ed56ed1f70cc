"""Where the sun stands: NREL SPA at any place and time."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def sun_angles(time: dt.datetime, lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the sun's geometric zenith and azimuth by the NREL solar position algorithm.

    No refraction is added: surface reflectance and the sensors' own metadata use the geometric angle. SPA's error is
    0.0003° [1]_.

    Parameters
    ----------
    time
        Aware datetime.
    lon, lat
        Degrees east and north, any shape (broadcast together). Non-finite places give NaN.

    Returns
    -------
    sza : ndarray of float64
        Zenith in degrees, 0…180 (above 90 the sun is below the horizon).
    saa : ndarray of float64
        Azimuth in degrees, 0…360, clockwise from north.

    References
    ----------
    .. [1] I. Reda and A. Andreas, 2004, Solar Energy 76, https://doi.org/10.1016/j.solener.2003.12.003

    Examples
    --------
    >>> noon = dt.datetime(2024, 3, 20, 12, 7, 30, tzinfo=dt.UTC)
    >>> sza, saa = sun_angles(noon, lon=0.0, lat=45.0)
    >>> bool(abs(sza - 45) < 0.2 and abs(saa - 180) < 0.2)
    True
    """
    from pvlib import spa

    lon, lat = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
    seconds = np.array([time.timestamp()])
    utc = time.astimezone(dt.UTC)
    delta_t = spa.calculate_deltat(utc.year, utc.month)
    _, sza, _, _, saa, _ = spa.solar_position_numpy(seconds, lat, lon, 0.0, 1013.25, 12.0, delta_t, 0.5667, 1)
    return np.reshape(sza, lon.shape), np.reshape(saa, lon.shape)
