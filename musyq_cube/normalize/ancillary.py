"""
What is known of the air and the ground from elsewhere: AOD grids, water vapour, ozone, elevation.

References
----------
McClatchey et al. (1972), AFCRL-72-0497 (standard atmospheres, columns as 6S V1.1 lists them); van Heuklon (1979),
doi:10.1016/0038-092X(79)90060-4 (ozone); Gueymard (1994), doi:10.1016/0038-092X(94)90073-6 (water vapour from surface
temperature and humidity, through pvlib).
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003  (the examples use it)
import math
import re
import warnings
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.catalog._ancillary_layer import cf_times, time_in_name, time_in_text
from musyq_cube.catalog._ancillary_raster import stated_scale
from musyq_cube.errors import NormalizeError, ReadError
from musyq_cube.read.warp import read_values
from musyq_cube.scene import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from numpy.typing import ArrayLike
    from odc.geo.geobox import GeoBox

    from musyq_cube.normalize._aerosol_view import View
    from musyq_cube.scene import Scene, SourceGrid

Array: TypeAlias = np.ndarray[Any, Any]
F32: TypeAlias = "npt.NDArray[np.float32]"

# Standard atmospheres: latitude, water vapour (g cm⁻²) in summer and winter
_WATER = ((15.0, 4.12, 4.12), (45.0, 2.93, 0.853), (60.0, 2.10, 0.419))
_WARMEST = 0.55
"""Fraction of the year (northern hemisphere, 20 July) at which the summer atmosphere holds."""


@dataclass(frozen=True)
class Moment:
    """One time of an ancillary grid: a two-dimensional layer on longitude and latitude."""

    source: Source
    time: dt.datetime | None = None
    """None: holds for any time."""


@dataclass(frozen=True)
class AncillaryGrid:
    """A quantity on a grid of longitude and latitude at one or more times: bilinear in space, linear in time."""

    moments: tuple[Moment, ...]

    @cached_property
    def _grids(self) -> list[tuple[F32, tuple[float, float, float, float]]]:
        return [_load(moment.source) for moment in self.moments]

    def at(self, lon: ArrayLike, lat: ArrayLike, time: dt.datetime | None = None) -> F32:
        """
        Return the quantity at places and one time.

        Parameters
        ----------
        lon, lat
            Degrees, any common shape; longitudes are taken modulo 360.
        time
            Aware. Between two times of the grid it is interpolated; up to one step before the first or after the last
            (a day for a grid of one time) the nearest holds.

        Returns
        -------
        F32
            NaN outside the grid in latitude, and where the grid is missing.

        Raises
        ------
        NormalizeError
            No time of the grid is near enough.
        """
        value: F32 = np.zeros(np.broadcast_shapes(np.shape(lon), np.shape(lat)), np.float32)
        for index, weight in self._weights(time):
            value = value + np.float32(weight) * _bilinear(*self._grids[index], lon, lat)
        return value

    def on(self, grid: SourceGrid, time: dt.datetime | None = None) -> F32:
        """Return the quantity at the pixel centres of a grid, (y, x)."""
        from pyproj import Transformer

        a, _, x0, _, e, y0 = grid.transform
        x, y = np.meshgrid(x0 + a * (np.arange(grid.shape[1]) + 0.5), y0 + e * (np.arange(grid.shape[0]) + 0.5))
        lon, lat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
        return self.at(lon, lat, time)

    def _weights(self, time: dt.datetime | None) -> list[tuple[int, float]]:
        times = [m.time for m in self.moments]
        if time is None or (len(times) == 1 and times[0] is None):
            return [(0, 1.0)]
        known = [t.timestamp() for t in times if t is not None]
        asked = time.timestamp()
        reach = (known[-1] - known[0]) / (len(known) - 1) if len(known) > 1 else 86_400.0
        if not known[0] - reach <= asked <= known[-1] + reach:
            raise NormalizeError(
                f"the ancillary grid holds {times[0]} to {times[-1]}, not {time}: give that day's, or no time"
            )
        right = int(np.searchsorted(known, asked))
        if right in {0, len(known)}:
            return [(min(right, len(known) - 1), 1.0)]
        part = (asked - known[right - 1]) / (known[right] - known[right - 1])
        return [(right - 1, 1 - part), (right, part)]


@dataclass(frozen=True)
class Ancillary:
    """What is known from elsewhere of the air and the ground of many scenes; what is None comes from climatology."""

    dem: str | tuple[str, ...] | None = None
    """Raster of heights in metres, or tiles of one."""
    aerosol: AncillaryGrid | None = None
    """AOD at 0.55 µm."""
    tcwv: float | AncillaryGrid | None = None
    """Water vapour, g cm⁻²."""
    ozone: float | AncillaryGrid | None = None
    """cm-atm."""

    def over(self, scene: Scene) -> dict[str, Any]:
        """Return water vapour, ozone (at the centre of a scene) and elevation as `aerosol.view` takes them."""
        lon, lat = scene.geometry.centroid.x, scene.geometry.centroid.y
        dem: Any = 0.0 if self.dem is None else partial(elevation, self.dem)
        return {
            "tcwv": _one(self.tcwv, lon, lat, scene.time, water_vapour(lat, scene.time)),
            "ozone": _one(self.ozone, lon, lat, scene.time, ozone(lon, lat, scene.time)),
            "elevation": dem,
        }

    def aerosol_of(self, seen: View, grid: SourceGrid) -> F32 | None:
        """Return AOD at the pixels of a grid at the time of a view, None where no grid of AOD was given."""
        return None if self.aerosol is None else self.aerosol.on(grid, seen.time)


def _one(known: float | AncillaryGrid | None, lon: float, lat: float, time: dt.datetime, otherwise: float) -> float:
    if isinstance(known, AncillaryGrid):
        value = float(known.at(lon, lat, time))
        return value if math.isfinite(value) else otherwise
    return otherwise if known is None else float(known)


def open_ancillary(
    href: str | Sequence[str], variable: str | None = None, *, scale: float | None = None
) -> AncillaryGrid:
    """
    Open AOD (or another quantity) of CAMS, MERRA-2 or the like: GeoTIFF or netCDF on longitude and latitude.

    Parameters
    ----------
    href
        One file, or one for each time. The time of a band is what netCDF states, else what a tag or the file's name
        says (``20170126T210000Z``, ``2017-01-26``), else any.
    variable
        netCDF variable (``aod550``, ``TOTEXTTAU``); not needed where a file has one.
    scale
        Of the numbers; default: the file's own scale factor, GDAL's or a tag ``scale_factor`` or ``scaling_factor``.

    Raises
    ------
    ReadError
        A file cannot be opened.
    NormalizeError
        A variable must be named.
    """
    files = [href] if isinstance(href, str) else list(href)
    moments = [moment for file in files for moment in _moments(file, variable, scale)]
    return AncillaryGrid(tuple(sorted(moments, key=lambda m: m.time.timestamp() if m.time else 0.0)))


def _moments(href: str, variable: str | None, scale: float | None) -> list[Moment]:
    import rasterio
    from rasterio.errors import RasterioError

    try:
        with rasterio.open(_subdataset(href, variable)) as file:
            tags = {k.lower(): v for k, v in file.tags().items()}
            stated = stated_scale(tags)
            moments = []
            for band in range(1, file.count + 1):
                own = file.scales[band - 1], file.offsets[band - 1]
                factor = scale if scale is not None else own[0] if own[0] != 1.0 else stated
                source = Source(
                    file.name, None, band=band, nodata=file.nodata, scale=factor,
                    offset=own[1] if scale is None else 0.0,
                )  # fmt: skip
                moments.append(Moment(source, _time(tags, file.tags(band), href)))
            return moments
    except RasterioError as error:
        raise ReadError(f"{href}: cannot be opened as a grid of longitude and latitude ({error})") from error


def _subdataset(href: str, variable: str | None) -> str:
    if not re.search(r"\.nc4?$", href):
        return href
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    if variable is not None:
        return f'netcdf:"{href}":{variable}'
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a list of variables has no place of its own
        with rasterio.open(href) as file:
            inside = file.subdatasets
    if len(inside) > 1:
        raise NormalizeError(f"{href}: name the variable; there are {', '.join(s.rpartition(':')[2] for s in inside)}")
    return inside[0] if inside else href


def _time(tags: dict[str, str], band: dict[str, str], href: str) -> dt.datetime | None:
    for axis in (key.removeprefix("NETCDF_DIM_") for key in band if key.startswith("NETCDF_DIM_")):
        if " since " in (units := tags.get(f"{axis}#units", "")):
            return cf_times([float(band[f"NETCDF_DIM_{axis}"])], units)[0]
    span = time_in_text(tags.get("datetime_utc", "")) or time_in_name(href)
    return None if span is None else span[0]


def _load(source: Source) -> tuple[F32, tuple[float, float, float, float]]:
    """Return the values of a small grid, NaN where missing, and (west, dx, north, dy) of its pixel centres."""
    import rasterio

    with rasterio.open(source.href) as file:
        raw = file.read(source.band, masked=True)
        t = file.transform
    values = (raw.filled(0).astype(np.float64) * source.scale + source.offset).astype(np.float32)
    values[np.ma.getmaskarray(raw) | ~np.isfinite(values)] = np.nan
    return values, (t.c + t.a / 2, t.a, t.f + t.e / 2, t.e)


def _bilinear(values: F32, where: tuple[float, float, float, float], lon: ArrayLike, lat: ArrayLike) -> F32:
    west, dx, north, dy = where
    rows, columns = values.shape
    x = np.mod(np.asarray(lon, np.float64) - west, 360.0) / dx
    y = (np.asarray(lat, np.float64) - north) / dy
    around = abs(columns * dx - 360.0) < abs(dx) / 2
    outside = (y < -0.5) | (y > rows - 0.5) | ((x > columns - 0.5) & (not around))
    y = np.clip(np.where(np.isfinite(y), y, 0), 0, rows - 1)
    x = np.where(np.isfinite(x), x, 0)
    i, j = np.minimum(y.astype(int), max(rows - 2, 0)), np.floor(x).astype(int)
    v, u = y - i, x - j
    below = np.minimum(i + 1, rows - 1)
    left, right = ((k % columns) if around else np.minimum(k, columns - 1) for k in (j, j + 1))
    top = (1 - u) * values[i, left] + u * values[i, right]
    bottom = (1 - u) * values[below, left] + u * values[below, right]
    return np.where(outside, np.nan, (1 - v) * top + v * bottom).astype(np.float32)


def water_vapour(latitude: float, time: dt.datetime) -> float:
    """
    Return the climatological column of water vapour, g cm⁻².

    Between the standard atmospheres (tropical to 15°, mid-latitude at 45°, subarctic from 60°), summer and winter
    joined by a cosine over the year.

    Examples
    --------
    >>> when = dt.datetime(2020, 7, 20, tzinfo=dt.UTC)
    >>> round(water_vapour(45.0, when), 2), round(water_vapour(-45.0, when), 2), round(water_vapour(0.0, when), 2)
    (2.93, 0.85, 4.12)
    """
    places, summer, winter = np.array(_WATER).T
    phase = math.cos(2 * math.pi * (_year_fraction(time) - _WARMEST)) * (1 if latitude >= 0 else -1)
    values = winter + (summer - winter) * (1 + phase) / 2
    return float(np.interp(abs(latitude), places, values))


def water_vapour_from_surface(temperature: ArrayLike, humidity: ArrayLike) -> F32:
    """
    Return the column of water vapour (g cm⁻²) from air temperature (K) and relative humidity (%) at the surface.

    Examples
    --------
    >>> round(float(water_vapour_from_surface(293.15, 50.0)), 2)
    1.87
    """
    from pvlib.atmosphere import gueymard94_pw

    return np.asarray(gueymard94_pw(np.asarray(temperature) - 273.15, np.asarray(humidity)), np.float32)


def ozone(longitude: float, latitude: float, time: dt.datetime) -> float:
    """
    Return the climatological column of ozone, cm-atm (van Heuklon 1979).

    ``{235 + [A + C sin(D(E+F)) + G sin(H(λ+I))] sin²(βφ)} / 1000`` with E the day of the year.

    Examples
    --------
    >>> round(ozone(5.1, 51.2, dt.datetime(2019, 4, 11, tzinfo=dt.UTC)), 3)
    0.406
    """
    day = time.timetuple().tm_yday
    lon = (longitude + 180) % 360 - 180
    if latitude >= 0:
        a, beta, c, f, h, i = 150.0, 1.28, 40.0, -30.0, 3.0, 20.0 if lon > 0 else 0.0
    else:
        a, beta, c, f, h, i = 100.0, 1.5, 30.0, 152.625, 2.0, -75.0
    yearly = c * math.sin(math.radians(0.9865 * (day + f)))
    zonal = 20.0 * math.sin(math.radians(h * (lon + i)))
    return (235.0 + (a + yearly + zonal) * math.sin(math.radians(beta * latitude)) ** 2) / 1000.0


def elevation(dem: str | Sequence[str], geobox: GeoBox) -> F32:
    """
    Return the height of the ground on a grid, km.

    Parameters
    ----------
    dem
        One raster in metres (GeoTIFF, SRTM ``.hgt`` or ``.hgt.zip``), or tiles of one: the first that has a pixel wins.
    geobox
        Output pixels.

    Returns
    -------
    F32
        (y, x); NaN where no file has a pixel, 0 where all say sea.
    """
    out: F32 = np.full(geobox.shape, np.nan, np.float32)
    for href in [dem] if isinstance(dem, str) else dem:
        values = read_values(elevation_source(href), geobox)
        np.copyto(out, values, where=~np.isfinite(out))
    return out


def elevation_source(href: str) -> Source:
    """Return a DEM in metres as a layer in km, which the reader resamples like any other."""
    return Source(href, scale=0.001, valid=(-500.0, 9_000.0))


def _year_fraction(time: dt.datetime) -> float:
    return (time.timetuple().tm_yday - 1) / 365.25
