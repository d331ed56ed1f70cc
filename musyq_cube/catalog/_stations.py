"""Tables of weather stations: any usual CSV becomes one plain table, in UTC and in the units of the quantities."""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from musyq_cube.catalog._ancillary_layer import HOUR, nothing
from musyq_cube.errors import CatalogError
from musyq_cube.quantities import QUANTITIES, conversion, find_quantity, guess_unit, is_energy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from musyq_cube.catalog._ancillary_layer import Wishes
    from musyq_cube.quantities import Quantity

_TIMES = {"time", "datetime", "date_time", "timestamp", "valid_time", "time_utc", "utc", "date"}
_CLOCKS = {"time", "hour", "clock"}
_LON, _LAT = {"lon", "longitude", "long"}, {"lat", "latitude"}
_MISSING = {"", "na", "n/a", "nan", "null", "none", "-9999", "-9999.0", "-99999"}
_HEADER = re.compile(r"(.*?)\s*[\[(]([^\])]*)[\])]\s*")
_DATES = ("%Y-%m-%d", "%d-%m-%Y", "%m-%d-%Y")


@dataclass(frozen=True)
class Table:
    """Rows of stations in order of time, then place."""

    times: tuple[dt.datetime, ...]
    places: tuple[tuple[float, float], ...]
    """Longitude and latitude of each row."""
    columns: dict[str, tuple[float, ...]]
    """By quantity, in its units; nan where missing."""

    def to_csv(self) -> bytes:
        """Return the plain form: time (UTC), lon, lat and the quantities."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["time", "lon", "lat", *self.columns])
        for k, (time, (lon, lat)) in enumerate(zip(self.times, self.places, strict=True)):
            cells = ("" if math.isnan(v[k]) else f"{v[k]:.7g}" for v in self.columns.values())
            writer.writerow([time.isoformat().replace("+00:00", "Z"), repr(lon), repr(lat), *cells])
        return out.getvalue().encode()


def looks_like_stations(path: str) -> bool:
    """Whether a text file has a column of times and one of a known quantity."""
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            head = file.readline(10_000)
    except (OSError, UnicodeDecodeError):
        return False
    names = {name.casefold() for name, _ in _headings(_split(head))}
    return bool(names & _TIMES) and any(find_quantity(name) for name in names)


def read_stations(path: str, wishes: Wishes) -> Table:
    """
    Read a table of stations.

    Parameters
    ----------
    path
        CSV with a heading; separated by comma, semicolon or tab. Columns: a time (``datetime``, or ``date`` and
        ``time``), the quantities by any of their usual names (units in brackets: ``temp (degC)``), and ``lon``, ``lat``
        unless the user gives the place.
    wishes
        What the user says.

    Raises
    ------
    CatalogError
        No time, place or known quantity; dates that can be read in two ways; unknown units.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: not a readable table ({error})") from error
    lines = text.splitlines()
    if len(lines) < 2:
        raise CatalogError(f"{path}: no rows")
    separator = _separator(lines[0])
    heading, *rows = [row for row in csv.reader(lines, delimiter=separator) if any(cell.strip() for cell in row)]
    heads = _headings(heading)
    short = next((k for k, row in enumerate(rows, 2) if len(row) != len(heads)), None)
    if short is not None:
        raise CatalogError(f"{path}: line {short} has {len(rows[short - 2])} cells, the heading {len(heads)}")
    times = _times(path, heads, rows, wishes.utc_offset)
    places = _places(path, heads, rows, wishes)
    columns = _columns(path, heads, rows, wishes, times)
    order = sorted(range(len(rows)), key=lambda k: (times[k], places[k]))
    return Table(
        tuple(times[k] for k in order),
        tuple(places[k] for k in order),
        {name: tuple(values[k] for k in order) for name, values in columns.items()},
    )


def _separator(line: str) -> str:
    return max(",;\t", key=line.count)


def _split(line: str) -> list[str]:
    return next(csv.reader([line.strip()], delimiter=_separator(line)), [])


def _headings(cells: Sequence[str]) -> list[tuple[str, str | None]]:
    """Return (name, units) of each column."""
    out: list[tuple[str, str | None]] = []
    for cell in cells:
        match = _HEADER.fullmatch(cell.strip())
        out.append((match[1], match[2]) if match else (cell.strip(), None))
    return out


def _column(heads: Sequence[tuple[str, str | None]], names: set[str]) -> int | None:
    return next((k for k, (name, _) in enumerate(heads) if name.casefold() in names), None)


def _times(
    path: str, heads: Sequence[tuple[str, str | None]], rows: Sequence[Sequence[str]], offset: float
) -> list[dt.datetime]:
    day, clock = _column(heads, {"date", "day"}), _column(heads, _CLOCKS)
    if day is not None and clock is not None and day != clock:
        texts = [f"{row[day].strip()} {row[clock].strip()}" for row in rows]
    else:
        only = _column(heads, _TIMES)
        if only is None:
            raise CatalogError(f"{path}: no column of times; name one of them time (or date and time)")
        texts = [row[only].strip() for row in rows]
    texts = [re.sub(r"^(\d+)[/.](\d+)[/.](\d+)", r"\1-\2-\3", text) for text in texts]
    readings = [found for form in _DATES if (found := _parsed(texts, form)) is not None]
    if not readings:
        raise CatalogError(f"{path}: times such as {texts[0]!r} are not understood; write 2014-07-01T10:30Z")
    if any(other != readings[0] for other in readings[1:]):
        raise CatalogError(f"{path}: dates such as {texts[0]!r} can be read in two ways; write 2014-07-01")
    shift = dt.timedelta(hours=offset)
    return [time.astimezone(dt.UTC) if time.tzinfo else (time - shift).replace(tzinfo=dt.UTC) for time in readings[0]]


def _parsed(texts: Sequence[str], date: str) -> list[dt.datetime] | None:
    """Return all times with dates of one form, None where one cannot be so."""
    out = []
    try:
        for text in texts:
            day, _, clock = text.replace("T", " ", 1).partition(" ")
            start = dt.datetime.strptime(day, date)  # noqa: DTZ007  (the offset is added by the caller)
            out.append(dt.datetime.fromisoformat(f"{start:%Y-%m-%d} {clock.strip() or '00:00'}".replace(" ", "T", 1)))
    except ValueError:
        return None
    return out


def _places(
    path: str, heads: Sequence[tuple[str, str | None]], rows: Sequence[Sequence[str]], wishes: Wishes
) -> list[tuple[float, float]]:
    lon, lat = _column(heads, _LON), _column(heads, _LAT)
    if wishes.place is not None:
        places = [wishes.place] * len(rows)
    elif lon is None or lat is None:
        raise CatalogError(f"{path}: where is the station? Give place=(longitude, latitude), or columns lon and lat")
    else:
        try:
            places = [(float(row[lon]), float(row[lat])) for row in rows]
        except ValueError as error:
            raise CatalogError(f"{path}: a place is no number ({error})") from error
    wrong = next((p for p in places if not (-180 <= p[0] <= 360 and -90 <= p[1] <= 90)), None)
    if wrong is not None:
        raise CatalogError(f"{path}: {wrong} is no longitude and latitude in degrees")
    return [((lon + 180) % 360 - 180, lat) for lon, lat in places]


def _columns(
    path: str,
    heads: Sequence[tuple[str, str | None]],
    rows: Sequence[Sequence[str]],
    wishes: Wishes,
    times: Sequence[dt.datetime],
) -> dict[str, list[float]]:
    out: dict[str, list[float]] = {}
    taken = _TIMES | _CLOCKS | _LON | _LAT | {"day"}
    for k, (name, units) in enumerate(heads):
        known = None if name.casefold() in taken else wishes.quantity_of(name)
        if known is None:
            continue
        if known.name in out:
            raise CatalogError(f"{path}: two columns are {known.name}; say which, quantity={{{name!r}: …}}")
        values = [_number(path, row[k]) for row in rows]
        out[known.name] = _in_units(path, name, known, values, wishes.units_of(name, known, units), wishes, times)
    if not out:
        raise nothing(path, (name for name, _ in heads))
    return {name: out[name] for name in QUANTITIES if name in out}


def _number(path: str, cell: str) -> float:
    if cell.strip().casefold() in _MISSING:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        raise CatalogError(f"{path}: {cell!r} is no number") from None


def _in_units(
    path: str,
    name: str,
    known: Quantity,
    values: list[float],
    units: str | None,
    wishes: Wishes,
    times: Sequence[dt.datetime],
) -> list[float]:
    there = [v for v in values if not math.isnan(v)]
    if units is None and there:
        units = guess_unit(known, min(there), max(there))
        if units is None:
            raise CatalogError(
                f"{path}: {name}, {min(there):g} to {max(there):g}, states no units and does not look like "
                f"{known.name} in any; give units={{{name!r}: …}}"
            )
    seconds = None
    if units is not None and is_energy(known, units):
        seconds = wishes.accumulated or _hourly(times)
    factor, offset = conversion(known, units or known.units, seconds)
    low, high = known.valid
    scaled = (v * factor + offset for v in values)
    return [v if low <= v <= high else math.nan for v in scaled]


def _hourly(times: Sequence[dt.datetime]) -> float | None:
    distinct = sorted(set(times))
    gaps = {(b - a).total_seconds() for a, b in itertools.pairwise(distinct)}
    return HOUR if gaps == {HOUR} else None
