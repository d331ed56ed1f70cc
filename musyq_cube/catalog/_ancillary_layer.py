"""One layer of ancillary data: which quantity it is, where its numbers are and when they hold."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from musyq_cube.errors import CatalogError
from musyq_cube.quantities import QUANTITIES, conversion, find_quantity, is_energy, quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from musyq_cube.period import Period
    from musyq_cube.quantities import Quantity
    from musyq_cube.scene import SourceGrid

Span = tuple[dt.datetime, "dt.datetime | None"]
"""An instant and None, or the start and the end of what holds for a time."""

HOUR = 3600.0
_SINCE = re.compile(r"(second|minute|hour|day|sec|min|hr|h|s|d)s? since (.+)")
_SECONDS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hr": 3600, "hour": 3600, "d": 86400,
            "day": 86400}  # fmt: skip
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_CALENDARS = {"", "standard", "gregorian", "proleptic_gregorian"}
_IN_NAME = re.compile(r"(?<!\d)(\d{4})([-_]?)(\d{2})\2(\d{2})(?:[T_-]?(\d{2})[:_]?(\d{2})(?:[:_]?\d{2})?Z?(?!\d))?")
_LOOSE = {
    "aot",
    "rad",
    "radiation",
    "wind",
    "temp",
    "tmp",
    "temperature",
    "pressure",
    "pres",
    "rain",
    "topography",
    "altitude",
}
"""Words that name a column or a variable, but in the name of an image may mean anything."""


@dataclass(frozen=True)
class Wishes:
    """What the user says of files that do not say it themselves."""

    quantity: str | Mapping[str, str] | None = None
    """Of every layer, or by name of the variable or band (then only these are taken)."""
    units: str | Mapping[str, str] | None = None
    """Of every layer, or by variable or quantity."""
    scale: float | None = None
    time: Period | None = None
    accumulated: float | None = None
    """Seconds over which energies were gathered."""
    place: tuple[float, float] | None = None
    """Longitude and latitude of a station."""
    utc_offset: float = 0.0
    """Hours by which the times of a table are ahead of UTC."""

    @property
    def span(self) -> Span | None:
        """What `time` says: an instant, or a range."""
        if self.time is None:
            return None
        instant = self.time.end - self.time.start <= dt.timedelta(seconds=1)
        return self.time.start, None if instant else self.time.end

    def check(self) -> None:
        """
        Refuse quantities that do not exist.

        Raises
        ------
        CatalogError
            Lists the names.
        """
        asked = self.quantity.values() if isinstance(self.quantity, Mapping) else [self.quantity or "elevation"]
        for name in asked:
            quantity(name)

    def quantity_of(self, variable: str, standard_name: str | None = None) -> Quantity | None:
        """Return the quantity that a variable is, None for one that is not taken."""
        if isinstance(self.quantity, Mapping):
            return quantity(self.quantity[variable]) if variable in self.quantity else None
        found = find_quantity(variable, standard_name)
        if self.quantity is None:
            return found
        return found if found is quantity(self.quantity) else None

    def units_of(self, variable: str, wanted: Quantity, stated: str | None) -> str | None:
        """Return the units of a variable: as the user says, else as the file does."""
        if isinstance(self.units, Mapping):
            return self.units.get(variable) or self.units.get(wanted.name) or stated
        return self.units or stated


@dataclass(frozen=True)
class Layer:
    """Two dimensions of a file, and how its numbers become a quantity in its units."""

    quantity: Quantity
    variable: str | None
    """In the file (netCDF, Zarr); None: an image."""
    number: int
    """Of the band, or of the slice along the leading dimension, from 1."""
    grid: SourceGrid
    dtype: str
    nodata: float | None
    scale: float
    offset: float
    units: str
    """As they come."""
    span: Span | None = None
    """None: the file states no time."""


def seconds_of(duration: str) -> float:
    """
    Return the seconds of an ISO 8601 duration of days, hours, minutes and seconds.

    Raises
    ------
    CatalogError
        It is none.

    Examples
    --------
    >>> seconds_of("PT3H"), seconds_of("P1D")
    (10800.0, 86400.0)
    """
    found = _DURATION.fullmatch(duration)
    total = (
        sum(float(n or 0) * unit for n, unit in zip(found.groups(), (86400, 3600, 60, 1), strict=True)) if found else 0
    )
    if not total:
        raise CatalogError(f"{duration!r}: write a duration such as PT1H, PT30M or P1D")
    return total


def in_units(layers: Sequence[Layer], wishes: Wishes, where: str) -> list[Layer]:
    """
    Return layers whose scale and offset lead to the units of their quantities; energies become mean fluxes.

    Raises
    ------
    CatalogError
        Unknown units, or an energy whose time is not known.
    """
    steps = {layer.quantity.name: 0.0 for layer in layers}
    for name in steps:
        times = sorted({layer.span[0] for layer in layers if layer.quantity.name == name and layer.span})
        gaps = {(b - a).total_seconds() for a, b in itertools.pairwise(times)}
        steps[name] = gaps.pop() if len(gaps) == 1 else 0.0
    out = []
    for layer in layers:
        try:
            out.append(_in_units(layer, wishes, steps[layer.quantity.name]))
        except CatalogError as error:
            raise CatalogError(f"{where}: {error}") from None
    return out


def _in_units(layer: Layer, wishes: Wishes, step: float) -> Layer:
    seconds, span = wishes.accumulated, layer.span
    energy = is_energy(layer.quantity, layer.units)
    if seconds is None and span and span[1] is not None:
        seconds = (span[1] - span[0]).total_seconds()
    elif seconds is None and step == HOUR:
        seconds = HOUR
    factor, offset = conversion(layer.quantity, layer.units, seconds if energy else None)
    if energy and span and span[1] is None and seconds:
        span = (span[0] - dt.timedelta(seconds=seconds), span[0])  # gathered until the time that is stated
    return dataclasses.replace(layer, scale=layer.scale * factor, offset=layer.offset * factor + offset, span=span)


def single(layers: Iterable[Layer], where: str) -> list[Layer]:
    """
    Refuse files in which two variables would be the same quantity.

    Raises
    ------
    CatalogError
        Names both.
    """
    found = list(layers)
    seen: dict[str, str | None] = {}
    for layer in found:
        other = seen.setdefault(layer.quantity.name, layer.variable)
        if other != layer.variable:
            raise CatalogError(
                f"{where}: {other} and {layer.variable} are both {layer.quantity.name}; say which to take, for example "
                f"quantity={{{layer.variable!r}: {layer.quantity.name!r}}}"
            )
    return found


def nothing(where: str, variables: Iterable[str]) -> CatalogError:
    """Return the error for a file without any known quantity."""
    have = ", ".join(sorted(v for v in variables if v)) or "nothing named"
    return CatalogError(
        f"{where}: none of its variables ({have}) is a known quantity; give quantity=… with one of "
        f"{', '.join(QUANTITIES)}"
    )


def cf_times(values: Iterable[float], units: str, calendar: str = "") -> list[dt.datetime]:
    """
    Decode CF times.

    Raises
    ------
    CatalogError
        Units or a calendar that are not understood.

    Examples
    --------
    >>> cf_times([1.5], "hours since 2014-07-01 00:00:00")[0].isoformat()
    '2014-07-01T01:30:00+00:00'
    """
    found = _SINCE.fullmatch(units.strip().casefold())
    if found is None or calendar.casefold() not in _CALENDARS:
        raise CatalogError(f"times in {units!r} of calendar {calendar or 'standard'!r} are not understood")
    text = found[2].strip().removesuffix("utc").strip().replace("t", " ")
    text = re.sub(r"^(\d{1,4})-(\d{1,2})-(\d{1,2})", lambda m: f"{m[1]:0>4}-{m[2]:0>2}-{m[3]:0>2}", text)
    text = re.sub(r" (\d):", r" 0\1:", text)
    try:
        start = dt.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+|(\.\d{1,6})$", r"\1", text))
    except ValueError:
        raise CatalogError(f"times in {units!r} are not understood") from None
    start = start if start.tzinfo else start.replace(tzinfo=dt.UTC)
    unit = _SECONDS[found[1]]
    return [start + dt.timedelta(seconds=round(float(value) * unit, 3)) for value in values]


def time_in_name(href: str) -> Span | None:
    """
    Return the time that a file's name states: an instant, or the day where it has no hour.

    Examples
    --------
    >>> time_in_name("aod550_20170126T210000Z.tif")[0].isoformat()
    '2017-01-26T21:00:00+00:00'
    >>> [t.day for t in time_in_name("g_2017-01-26.tif")]
    [26, 27]
    """
    return time_in_text(PurePosixPath(href).name)


def time_in_text(text: str) -> Span | None:
    """Return the first time in a text, None where there is none."""
    for year, _, month, day, hour, minute in _IN_NAME.findall(text):
        try:
            start = dt.datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), tzinfo=dt.UTC)
        except ValueError:
            continue
        return (start, None) if hour else (start, start + dt.timedelta(days=1))
    return None


def quantity_in_name(href: str) -> Quantity | None:
    """Return the one quantity that the words of a file's name are, None where they are none or several."""
    stem = PurePosixPath(href).name.casefold()
    words = {w for w in re.split(r"[^a-z0-9_]+|_", stem) if len(w) > 2 and w not in _LOOSE}
    words |= {name for name in QUANTITIES if name in stem}
    found = {q.name: q for w in words if (q := find_quantity(w)) is not None}
    return next(iter(found.values())) if len(found) == 1 else None


def longlat(crs: str | None) -> bool:
    """Whether a CRS is one of longitude and latitude."""
    from pyproj import CRS

    return crs is not None and bool(CRS.from_user_input(crs).is_geographic)


@dataclass
class Regular:
    """Cell centres along one axis."""

    first: float
    step: float
    count: int


def regular(values: Sequence[float], where: str) -> Regular:
    """
    Return equally spaced cell centres.

    Raises
    ------
    CatalogError
        They are not equally spaced, or there is only one.
    """
    count = len(values)
    if count < 2:
        raise CatalogError(f"{where}: an axis of {count} value(s) does not tell the size of the cells")
    step = (float(values[-1]) - float(values[0])) / (count - 1)
    worst = max(abs(float(v) - (float(values[0]) + k * step)) for k, v in enumerate(values))
    if step == 0 or worst > 0.01 * abs(step):
        raise CatalogError(f"{where}: cells are not equally spaced; bring the data to a regular grid")
    return Regular(float(values[0]), step, count)
