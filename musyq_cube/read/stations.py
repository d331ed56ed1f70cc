"""Tables of weather stations on a grid: linear in time at each station, by inverse squared distance in between."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.errors import ReadError
from musyq_cube.read._times import usual_step
from musyq_cube.read.layer import file_stamp
from musyq_cube.read.mapping import x_centres, y_centres

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt
    from odc.geo.geobox import GeoBox

    from musyq_cube.scene import Source

Array: TypeAlias = np.ndarray[Any, Any]
F64: TypeAlias = "npt.NDArray[np.float64]"

REACH = 100.0
"""Kilometres from the nearest station beyond which there is no value."""
_EARTH = 6371.0


@dataclass(frozen=True, eq=False)
class Station:
    """One quantity at one place over time."""

    lon: float
    lat: float
    times: F64
    """Seconds since 1970, growing."""
    values: F64
    step: float
    """Usual time between values, s."""


def load_stations(source: Source) -> tuple[Station, ...]:
    """
    Read one column of a plain table of stations.

    Raises
    ------
    ReadError
        The table is not there or has no such column.
    """
    return _load(source.href, source.layer or "", file_stamp(source.href))


@lru_cache(maxsize=64)
def _load(href: str, column: str, _stamp: tuple[int, int] | None) -> tuple[Station, ...]:
    import fsspec

    try:
        with fsspec.open(href, "rt", encoding="utf-8") as file:
            rows = list(csv.DictReader(io.StringIO(file.read())))
        found = [(r["time"], float(r["lon"]), float(r["lat"]), float(r[column])) for r in rows if r[column]]
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ReadError(f"{href}: no table of stations with {column} ({type(error).__name__}: {error})") from error
    seconds = np.array([r[0].removesuffix("Z") for r in found], "datetime64[ms]").astype(np.float64) / 1000
    places = np.array([r[1:3] for r in found], np.float64).reshape(-1, 2)
    values = np.array([r[3] for r in found], np.float64)
    unique, which = np.unique(places, axis=0, return_inverse=True)
    out = []
    for k, (lon, lat) in enumerate(unique):
        mine = np.flatnonzero(which.ravel() == k)
        times, first = np.unique(seconds[mine], return_index=True)
        out.append(Station(float(lon), float(lat), times, values[mine][first], usual_step(times)))
    return tuple(out)


def near(tables: Iterable[Sequence[Station]], geobox: GeoBox) -> list[Station]:
    """Return the stations that some pixel of a block is within reach of."""
    return [s for table in tables for s in table if float(np.nanmin(_distance(*_centres(geobox), s))) <= REACH]


def spread(stations: Sequence[Station], values: Sequence[F64], geobox: GeoBox) -> Array:
    """
    Return the values of stations on a grid: weights by inverse squared distance, nan beyond `REACH`.

    Parameters
    ----------
    stations
        Where.
    values
        Of each station, nan where it has none: one number, or (y, x) where each pixel has its own time.
    geobox
        Output pixels.

    Returns
    -------
    ndarray of float32
        (y, x).
    """
    total = np.zeros(geobox.shape)
    weights = np.zeros(geobox.shape)
    reached = np.zeros(geobox.shape, bool)
    lon, lat = _centres(geobox)
    for station, given in zip(stations, values, strict=True):
        value = np.asarray(given)
        there = np.isfinite(value)
        if not there.any():
            continue
        distance = _distance(lon, lat, station)
        weight = np.where(there, 1 / np.maximum(distance, 0.01) ** 2, 0.0)
        total += weight * np.where(there, value, 0.0)
        weights += weight
        reached |= there & (distance <= REACH)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(reached, total / weights, np.nan).astype(np.float32)


@lru_cache(maxsize=4)
def _centres(geobox: GeoBox) -> tuple[Array, Array]:
    from pyproj import Transformer

    centres = np.meshgrid(x_centres(geobox), y_centres(geobox))
    lon, lat = Transformer.from_crs(str(geobox.crs), "EPSG:4326", always_xy=True).transform(*centres)
    bad = ~(np.isfinite(lon) & np.isfinite(lat))
    return np.where(bad, np.nan, lon), np.where(bad, np.nan, lat)


def _distance(lon: Array, lat: Array, station: Station) -> Array:
    """Return great-circle distances, km."""
    dlon, dlat = np.radians(lon - station.lon), np.radians(lat - station.lat)
    h = np.sin(dlat / 2) ** 2 + np.cos(np.radians(lat)) * np.cos(np.radians(station.lat)) * np.sin(dlon / 2) ** 2
    return np.asarray(2 * _EARTH * np.arcsin(np.minimum(np.sqrt(h), 1)))
