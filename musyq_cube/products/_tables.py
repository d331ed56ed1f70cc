"""Tables of published coefficients by sensor, in ``data/``."""

from __future__ import annotations

import csv
from fnmatch import fnmatch
from functools import cache
from importlib.resources import files

from musyq_cube.errors import PlanError


@cache
def table(name: str) -> dict[str, tuple[tuple[float, ...], ...]]:
    """
    Return the rows of numbers by sensor (or wildcard) of a table.

    Parameters
    ----------
    name
        File in ``data/`` without ``.csv``: first column the sensor; lines that begin with ``#`` say the source. Rows
        that were fitted here (``<name>_fitted.csv``) follow those that were published.

    Examples
    --------
    >>> table("split_window")["modis-terra"][0][1]
    2.625
    """
    folder = files("musyq_cube.products") / "data"
    found: dict[str, tuple[tuple[float, ...], ...]] = {}
    for path in (folder / f"{name}.csv", folder / f"{name}_fitted.csv"):
        text = path.read_text("utf-8") if path.is_file() else ""
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        for sensor, *values in list(csv.reader(lines))[1:]:
            found[sensor] = (*found.get(sensor, ()), tuple(float(v) for v in values))
    return found


def rows_of(name: str, sensor: str) -> tuple[tuple[float, ...], ...]:
    """
    Return the rows of one sensor.

    Raises
    ------
    PlanError
        If the table has none for it.

    Examples
    --------
    >>> len(rows_of("generalized_split_window", "fy3b-virr"))
    1
    """
    known = table(name)
    for pattern, rows in known.items():
        if fnmatch(sensor, pattern):
            return rows
    raise PlanError(f"{name} has no coefficients for the sensor {sensor!r}; it has them for {', '.join(known)}")
