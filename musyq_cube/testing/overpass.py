"""When and from where each satellite sees the place: a made-up but plausible timetable, and angles per pixel."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.testing.surface import CENTRE, CRS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from odc.geo.geobox import GeoBox

    from musyq_cube.testing.atmosphere import Atmosphere

    Array = NDArray[np.float64]

_RADIUS = 6371.0
"""Of the Earth, km."""
SENSORS = ("landsat8-oli", "sentinel2a-msi", "hj1a-ccd1")
"""Sensors that can be simulated."""


@dataclass(frozen=True)
class Track:
    """One repeating orbit as seen from the centre of the scene."""

    sensor: str
    label: str
    """Path/row or relative orbit."""
    first: dt.datetime
    """An overpass; the others are whole cycles away."""
    cycle: float
    """Days."""
    offset: float
    """Distance of the scene's centre from the ground track (km), positive when the satellite is to the east."""
    height: float
    """Of the orbit, km."""
    swath: float
    """Width, km."""
    heading: float = 191.0
    """Flight direction of the descending pass, degrees from north."""


TRACKS: tuple[Track, ...] = (
    Track("landsat8-oli", "123032", dt.datetime(2017, 7, 10, 2, 53, 20, tzinfo=dt.UTC), 16, 90.5, 705.0, 185.0),
    Track("landsat8-oli", "124032", dt.datetime(2017, 7, 17, 2, 59, 30, tzinfo=dt.UTC), 16, -72.0, 705.0, 185.0),
    Track("sentinel2a-msi", "R032", dt.datetime(2017, 7, 5, 2, 55, 51, tzinfo=dt.UTC), 10, 118.0, 786.0, 290.0, 194.0),
    Track("sentinel2a-msi", "R075", dt.datetime(2017, 7, 8, 3, 5, 41, tzinfo=dt.UTC), 10, -124.0, 786.0, 290.0, 194.0),
    Track("hj1a-ccd1", "4-64", dt.datetime(2017, 7, 3, 3, 8, 12, tzinfo=dt.UTC), 8, 205.0, 650.0, 720.0),
    Track("hj1a-ccd1", "1-64", dt.datetime(2017, 7, 7, 2, 51, 45, tzinfo=dt.UTC), 8, 60.0, 650.0, 720.0),
)  # fmt: skip


@dataclass(frozen=True)
class Overpass:
    """One acquisition with everything that was true of it."""

    id: str
    """Scene id, as in the names of its files."""
    sensor: str
    time: dt.datetime
    track: Track
    air: Atmosphere
    cloud_cover: float
    """Share of the sky, 0…1."""
    cloud_seed: int
    shift: tuple[float, float]
    """Geolocation error of the file, metres to the east and to the north."""
    gains: tuple[tuple[str, float], ...]
    """(band name, true over stated calibration gain)."""
    noise: float
    """Standard deviation of the reflectance noise."""
    thermal: bool = False
    """Whether its thermal bands are written."""

    @property
    def day(self) -> dt.date:
        """Date in local solar time."""
        return (self.time + dt.timedelta(hours=7.7)).date()

    def gain(self, band: str) -> float:
        """Return the calibration error of a band as a factor of its reflectance."""
        return dict(self.gains)[band]


def timetable(sensor: str, start: dt.datetime, end: dt.datetime) -> list[tuple[Track, dt.datetime]]:
    """Return the (track, time) of every overpass of a sensor in ``[start, end)``, in order of time."""
    found = []
    for track in (t for t in TRACKS if t.sensor == sensor):
        cycle = dt.timedelta(days=track.cycle)
        number = -((track.first - start) // cycle)
        time = track.first + number * cycle
        while time < end:
            found.append((track, time))
            time += cycle
    return sorted(found, key=lambda pair: pair[1])


def sun_angles(time: dt.datetime, geobox: GeoBox) -> tuple[Array, Array]:
    """Return sun zenith and azimuth (degrees, from north) per pixel: the NREL SPA at corners, bilinear between."""
    import pandas as pd
    import pvlib
    from pyproj import Transformer

    left, bottom, right, top = geobox.boundingbox.bbox
    x, y = np.array([left, right, left, right]), np.array([top, top, bottom, bottom])
    lon, lat = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(x, y)
    index = pd.DatetimeIndex([time])
    corners = np.empty((2, 4))
    for i in range(4):
        position = pvlib.solarposition.spa_python(index, lat[i], lon[i])
        corners[:, i] = position["zenith"].iloc[0], position["azimuth"].iloc[0]
    v, u = _centres(geobox, relative=True)
    zenith, azimuth = ((1 - v) * ((1 - u) * c[0] + u * c[1]) + v * ((1 - u) * c[2] + u * c[3]) for c in corners)
    return zenith, azimuth


def view_angles(track: Track, geobox: GeoBox) -> tuple[Array, Array]:
    """
    Return view zenith and azimuth (degrees; azimuth of the satellite seen from the pixel) per pixel.

    A straight ground track beside a round Earth: with γ the angle at the Earth's centre between pixel and track,
    ``tan(zenith) = sin γ / (cos γ − R/(R+h))``.
    """
    distance = _across(track, geobox)
    gamma, radius = np.abs(distance) / _RADIUS, _RADIUS + track.height
    zenith = np.degrees(np.arctan2(np.sin(gamma), np.cos(gamma) - _RADIUS / radius))
    # The satellite flies south by south-west: east of the pixel it stands 90° to the left of its heading.
    azimuth = np.where(distance > 0, track.heading - 90.0, track.heading + 90.0)
    return np.asarray(zenith), np.asarray(azimuth % 360)


def in_swath(track: Track, geobox: GeoBox) -> NDArray[np.bool_]:
    """Return which pixels lie inside the swath."""
    return np.asarray(np.abs(_across(track, geobox)) <= track.swath / 2)


def _across(track: Track, geobox: GeoBox) -> Array:
    """Distance of pixel centres from the ground track, km, positive to the right of the flight (west of the track)."""
    y, x = _centres(geobox)
    right = np.radians(track.heading + 90.0)
    east, north = np.sin(right), np.cos(right)
    return np.asarray(track.offset + ((x - CENTRE[0]) * east + (y - CENTRE[1]) * north) / 1000)


def relative_azimuth(saa: ArrayLike, vaa: ArrayLike) -> Array:
    """Return the folded difference of azimuths, 0…180 degrees, 0 towards the hot spot."""
    difference = np.abs(np.asarray(saa) - np.asarray(vaa)) % 360
    return np.asarray(np.minimum(difference, 360 - difference))


def earth_sun_distance(time: dt.datetime) -> float:
    """Return the distance of the Earth from the sun in astronomical units."""
    import pandas as pd
    import pvlib

    return float(pvlib.solarposition.nrel_earthsun_distance(pd.DatetimeIndex([time])).iloc[0])


def _centres(geobox: GeoBox, *, relative: bool = False) -> tuple[Array, Array]:
    rows, columns = geobox.shape
    v = np.arange(0.5, rows, dtype=np.float64)[:, None]
    u = np.arange(0.5, columns, dtype=np.float64)[None, :]
    if relative:
        return v / rows, u / columns
    return geobox.affine.f + v * geobox.affine.e, geobox.affine.c + u * geobox.affine.a
