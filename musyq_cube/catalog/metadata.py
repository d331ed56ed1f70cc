"""What a scene's metadata say in one form, whatever file said it."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from musyq_cube.errors import CatalogError

if TYPE_CHECKING:
    from musyq_cube.types import JSON

# Mean local solar time (hours) of the equator crossing, inclination (degrees), and whether daylight passes ascend.
_ORBITS: dict[str, tuple[float, float, bool]] = {
    "landsat-4": (9.75, 98.2, False),
    "landsat-5": (9.75, 98.2, False),
    "landsat-7": (10.0, 98.2, False),
    "landsat-8": (10.19, 98.2, False),
    "landsat-9": (10.19, 98.2, False),
    "terra": (10.5, 98.2, False),
    "aqua": (13.5, 98.2, True),
    "sentinel-2a": (10.5, 98.6, False),
    "sentinel-2b": (10.5, 98.6, False),
    "sentinel-2c": (10.5, 98.6, False),
    "hj-1a": (10.75, 97.9, False),
    "hj-1b": (10.75, 97.9, False),
}


@dataclass(frozen=True)
class Metadata:
    """One scene as its metadata describe it; the files are found by the product's definition."""

    name: str
    """Scene or product id, which `Product.pattern` recognises."""
    start: dt.datetime | None = None
    """Acquisition, or the begin of the range with `end`."""
    end: dt.datetime | None = None
    properties: JSON = field(default_factory=dict)
    """STAC properties: view angles, cloud cover, tile, versions."""
    calibration: dict[str, JSON] = field(default_factory=dict)
    """Asset fields (scale, offset, Planck constants) by asset key, where they differ from scene to scene."""


def utc(text: str) -> dt.datetime:
    """
    Parse a time of any metadata file: UTC, at most microseconds.

    Examples
    --------
    >>> utc("2016-02-09T14:27:29.3881970Z").isoformat()
    '2016-02-09T14:27:29.388197+00:00'
    """
    clean = text.strip().strip('"').removesuffix("Z").replace(" ", "T")
    head, dot, fraction = clean.partition(".")
    try:
        time = dt.datetime.fromisoformat(head + (f".{fraction[:6]:0<6}" if dot else ""))
    except ValueError as error:
        raise CatalogError(f"{text!r} is not a time ({error})") from error
    return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)


def number(text: str | None, what: str) -> float | None:
    """Parse a number of a metadata file; None for an absent one."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise CatalogError(f"{what} is {text!r}, not a number") from error


def earth_sun_distance(time: dt.datetime) -> float:
    """
    Distance between Earth and Sun in astronomical units, within 1e-4.

    d = 1.00014 - 0.01671 cos g - 0.00014 cos 2g, where g is the mean anomaly of the Sun (The Astronomical Almanac,
    low-precision formulas for the Sun).

    Examples
    --------
    >>> round(earth_sun_distance(utc("2016-02-09T14:27:29Z")), 4)
    0.9866
    """
    days = (time - dt.datetime(2000, 1, 1, 12, tzinfo=dt.UTC)).total_seconds() / 86400
    g = math.radians(357.528 + 0.9856003 * days)
    return 1.00014 - 0.01671 * math.cos(g) - 0.00014 * math.cos(2 * g)


def reflectance_factor(esun: float, time: dt.datetime) -> float:
    """Return π d² / ESUN: radiance (W m⁻² sr⁻¹ µm⁻¹) times this is reflectance times the cosine of the sun zenith."""
    return math.pi * earth_sun_distance(time) ** 2 / esun


def nominal_time(platform: str, date: dt.date, lon: float, lat: float) -> dt.datetime | None:
    """
    Return when a sun-synchronous platform passes a place on a date, None for a platform with no known orbit.

    For names that give the day only. The local mean solar time of a pass differs from that of the equator crossing by
    asin(tan φ / tan i) of right ascension. Good to a few minutes, a degree of sun zenith, while the platform keeps its
    orbit.

    Examples
    --------
    >>> nominal_time("landsat-8", dt.date(2018, 1, 6), -74.4, 41.7).strftime("%H:%M")
    '15:38'
    """
    orbit = _ORBITS.get(platform.lower())
    if orbit is None:
        return None
    crossing, inclination, ascends = orbit
    sine = math.tan(math.radians(min(max(lat, -89.0), 89.0))) / abs(math.tan(math.radians(inclination)))
    shift = math.degrees(math.asin(min(max(sine, -1.0), 1.0))) / 15
    hours = (crossing + (-shift if ascends else shift) - lon / 15) % 24
    midnight = dt.datetime.combine(date, dt.time(), dt.UTC)
    return midnight + dt.timedelta(seconds=round(hours * 3600))
