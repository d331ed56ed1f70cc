"""Checked reading of a sensor definition: every error names the file and the field."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.errors import SensorError
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from musyq_cube.types import JSON

_REQUIRED: Any = object()


class Node:
    """A JSON object of a definition file that knows where it stands in the file."""

    def __init__(self, data: Any, file: Path, where: str = "") -> None:
        self.file, self.where = file, where
        if not isinstance(data, dict):
            raise SensorError(f"{file}: {where or 'the file'} is {type(data).__name__}, expected a JSON object")
        self.data: JSON = data

    def error(self, field: str, problem: str) -> SensorError:
        """Return the error for one field."""
        return SensorError(f"{self.file}: {self._at(field)} {problem}")

    def _at(self, field: str) -> str:
        return f"{self.where}.{field}" if self.where else field

    def _get(self, field: str, default: Any, kinds: type | tuple[type, ...], kind: str) -> Any:
        value = self.data.get(field, default)
        if value is _REQUIRED:
            raise self.error(field, "is missing")
        if (value is None and (default is not _REQUIRED)) or (field not in self.data):
            return value
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise self.error(field, f"is {value!r}, expected {kind}")
        return value

    def text(self, field: str, default: Any = _REQUIRED) -> Any:
        """Return a text field."""
        return self._get(field, default, str, "text")

    def number(self, field: str, default: Any = _REQUIRED) -> Any:
        """Return a number; null in the file stays None."""
        return self._get(field, default, (int, float), "a number")

    def texts(self, field: str, default: Any = _REQUIRED) -> tuple[str, ...]:
        """Return a list of texts."""
        values = self._get(field, default, (list, tuple), "a list of texts")
        if not all(isinstance(v, str) for v in values):
            raise self.error(field, f"is {values!r}, expected a list of texts")
        return tuple(values)

    def numbers(self, field: str, default: Any = _REQUIRED) -> Any:
        """Return a list of numbers, or the default."""
        return self._get(field, default, list, "a list of numbers")

    def time(self, field: str) -> dt.datetime:
        """Return an RFC 3339 date or time, in UTC where it names no zone."""
        text = self.text(field)
        try:
            time = dt.datetime.fromisoformat(text)
        except ValueError:
            raise self.error(field, f"is {text!r}, expected a date (2009-09-25) or a time of RFC 3339") from None
        return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)

    def choice(self, field: str, allowed: tuple[str, ...], default: Any = _REQUIRED) -> str:
        """Return a text out of a fixed set."""
        value = self.text(field, default)
        if value not in allowed:
            raise self.error(field, f"is {value!r}, expected one of {', '.join(allowed)}")
        return str(value)

    def regex(self, field: str) -> str | None:
        """Return a regular expression that compiles, None where absent."""
        pattern = self.text(field, None)
        return None if pattern is None else self._compiled(field, pattern)

    def regex_list(self, field: str) -> list[str]:
        """Return regular expressions that compile."""
        return [self._compiled(field, pattern) for pattern in self.texts(field, ())]

    def _compiled(self, field: str, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise self.error(field, f"is not a regular expression: {pattern!r}: {error}") from None
        return pattern

    def child(self, field: str, default: Any = _REQUIRED) -> Node:
        """Return a nested object."""
        return Node(self._get(field, default, dict, "an object"), self.file, self._at(field))

    def children(self, field: str) -> Iterator[tuple[str, Node]]:
        """Yield (key, object) of a nested mapping of objects."""
        for key, value in self._get(field, _REQUIRED, dict, "an object").items():
            yield key, Node(value, self.file, f"{self._at(field)}.{key}")

    def items(self, field: str, default: Any = _REQUIRED) -> Iterator[Node]:
        """Yield the objects of a nested list."""
        for i, value in enumerate(self._get(field, default, (list, tuple), "a list")):
            yield Node(value, self.file, f"{self._at(field)}[{i}]")

    def merged(self, below: JSON) -> Node:
        """Return the same place with missing fields taken from `below`."""
        return Node({**below, **self.data}, self.file, self.where)

    def only(self, *fields: str) -> None:
        """Refuse misspelt fields."""
        if unknown := set(self.data) - set(fields):
            raise self.error(min(unknown), f"is not a field here; known fields: {', '.join(fields)}")


@dataclass(frozen=True)
class GainOffset:
    """
    One entry of ``musyq:calibration``: corrected value = gain · value + offset, from a date on.

    An entry with `until` (JSON: ``to``) holds, unchanged, from `start` up to but not at that date. Entries without it
    are the nodes of a series: linear in time between two of them, constant after the last, nothing before the first.
    """

    band: str
    """Common name."""
    start: dt.datetime
    until: dt.datetime | None
    gain: float
    offset: float
    """In the units of the value: reflectance times the cosine of the sun zenith where the product states that."""
    uncertainty: float | None
    """k = 1, relative, of the corrected value."""
    source: str


_CALIBRATION_FIELDS = ("band", "from", "to", "gain", "offset", "uncertainty", "source")


def calibration_series(root: Node, bands: dict[str, str]) -> tuple[GainOffset, ...]:
    """
    Return the checked ``musyq:calibration`` list of a sensor, sorted by band and date; empty where it has none.

    `bands` gives the common name of every name that an entry may use.

    Raises
    ------
    SensorError
        Naming the field that is wrong, or the entry that overlaps another of its band.
    """
    found = sorted(
        ((_gain_offset(node, bands), node) for node in root.items("musyq:calibration", ())),
        key=lambda pair: (pair[0].band, pair[0].start),
    )
    for (before, _), (entry, node) in itertools.pairwise(found):
        if before.band != entry.band:
            continue
        if (before.until is None) != (entry.until is None):
            raise node.error("to", f"must be in every entry of {entry.band} or in none: steps and nodes do not mix")
        if entry.start < (before.until or before.start) or entry.start == before.start:
            raise node.error("from", f"overlaps the entry of {entry.band} that begins on {before.start.date()}")
    return tuple(entry for entry, _ in found)


def _gain_offset(node: Node, bands: dict[str, str]) -> GainOffset:
    node.only(*_CALIBRATION_FIELDS)
    band = node.text("band")
    if band not in bands:
        raise node.error("band", f"is {band!r}, not one of the sensor's bands {', '.join(sorted(bands))}")
    start = node.time("from")
    until = node.time("to") if "to" in node.data else None
    if until is not None and until <= start:
        raise node.error("to", f"is {node.data['to']!r}, not after {node.data['from']!r}")
    gain, offset = float(node.number("gain")), float(node.number("offset", 0.0) or 0.0)
    if not (math.isfinite(gain) and gain > 0):
        raise node.error("gain", f"is {gain!r}, expected a positive number")
    if not math.isfinite(offset):
        raise node.error("offset", f"is {offset!r}, expected a finite number")
    uncertainty = node.number("uncertainty", None)
    if uncertainty is not None and not 0 <= uncertainty < 1:
        raise node.error("uncertainty", f"is {uncertainty!r}, expected a relative standard uncertainty in 0…1")
    source = node.text("source").strip()
    if not source:
        raise node.error("source", "is empty; name the publication or the campaign")
    return GainOffset(bands[band], start, until, gain, offset, uncertainty, source)


@dataclass(frozen=True)
class CountGain:
    """
    One entry of ``musyq:radiance``: radiance from counts, from a date up to but not at another (JSON: ``to``).

    Examples
    --------
    >>> day = dt.datetime(2013, 7, 1, tzinfo=dt.UTC)
    >>> round(CountGain("blue", day, None, "divide", 5.851, 0.0039, "").radiance(585.1039), 6)
    100.0
    """

    band: str
    """Common name."""
    start: dt.datetime
    until: dt.datetime | None
    form: str
    """``multiply``: gain · count + offset; ``divide``: (count − offset) / gain."""
    gain: float
    offset: float
    source: str

    def radiance(self, count: float) -> float:
        """Return the radiance of a count, in the units that the sensor's description states."""
        if self.form == "divide":
            return (count - self.offset) / self.gain
        return self.gain * count + self.offset


_FORMS = ("multiply", "divide")


def count_gains(root: Node, bands: dict[str, str]) -> tuple[CountGain, ...]:
    """
    Return the checked ``musyq:radiance`` list of a sensor, sorted by band and date; empty where it has none.

    Raises
    ------
    SensorError
        Naming the field that is wrong, or the entry that begins before the one before it ends.
    """
    found = sorted(
        ((_count_gain(node, bands), node) for node in root.items("musyq:radiance", ())),
        key=lambda pair: (pair[0].band, pair[0].start),
    )
    for (before, _), (entry, node) in itertools.pairwise(found):
        if before.band == entry.band and (before.until is None or entry.start < before.until):
            raise node.error("from", f"overlaps the entry of {entry.band} that begins on {before.start.date()}")
    return tuple(entry for entry, _ in found)


def _count_gain(node: Node, bands: dict[str, str]) -> CountGain:
    node.only("band", "from", "to", "form", "gain", "offset", "source")
    band, gain = node.text("band"), float(node.number("gain"))
    if band not in bands:
        raise node.error("band", f"is {band!r}, not one of the sensor's bands {', '.join(sorted(bands))}")
    if not (math.isfinite(gain) and gain > 0):
        raise node.error("gain", f"is {gain!r}, expected a positive number")
    until = node.time("to") if "to" in node.data else None
    form, offset = node.choice("form", _FORMS), float(node.number("offset"))
    return CountGain(bands[band], node.time("from"), until, form, gain, offset, node.text("source"))


def qa_rules(node: Node) -> tuple[tuple[int, int, int], ...]:
    """
    Return (mask, value, common bits) from STAC ``classification:bitfields`` or ``classification:classes``.

    A class sets the common bits of its ``musyq:qa`` (a name of :class:`musyq_cube.types.QA`, or a list of them).
    """
    rules = []
    for bits in node.items("classification:bitfields", ()):
        offset, length = int(bits.number("offset")), int(bits.number("length"))
        mask = ((1 << length) - 1) << offset
        rules += [(mask, int(c.number("value")) << offset, b) for c in bits.items("classes") if (b := _common(c))]
    full = (1 << (8 * np.dtype(node.text("data_type", "uint16") or "uint16").itemsize)) - 1
    for cls in node.items("classification:classes", ()):
        if b := _common(cls):
            rules.append((full, int(cls.number("value")) & full, b))
    return tuple(rules)


def _common(node: Node) -> int:
    names = node.data.get("musyq:qa", [])
    bits = QA(0)
    for name in [names] if isinstance(names, str) else names:
        if name not in QA.__members__:
            raise node.error("musyq:qa", f"is {name!r}, expected one of {', '.join(QA.__members__)}")
        bits |= QA[name]
    return int(bits)


def read_json(path: Path) -> JSON:
    """Read a JSON object; SensorError where it is not one."""
    try:
        data: JSON = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SensorError(f"{path}: no such file; a sensor is a folder with collection.json and srf.csv") from None
    except ValueError as error:
        raise SensorError(f"{path}: not JSON: {error}") from None
    return data


@cache
def read_srf(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """
    Read a spectral response table (band, wavelength_um, response) by band.

    Raises
    ------
    SensorError
        Naming the file and line: wrong header, not numbers, wavelengths not increasing, response outside 0…1.
    """
    if not path.exists():
        raise SensorError(f"{path}: no such file; a sensor needs its spectral response (band,wavelength_um,response)")
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or lines[0] != "band,wavelength_um,response":
        raise SensorError(f"{path}: line 1 must be band,wavelength_um,response")
    table: dict[str, list[tuple[float, float]]] = {}
    for number, line in enumerate(lines[1:], 2):
        try:
            band, wavelength, response = line.split(",")
            row = (float(wavelength), float(response))
        except ValueError:
            raise SensorError(f"{path}: line {number} is {line!r}, expected band,wavelength_um,response") from None
        rows = table.setdefault(band, [])
        if not 0 <= row[1] <= 1 or (rows and row[0] <= rows[-1][0]):
            raise SensorError(f"{path}: line {number}: response must be in 0…1 and wavelength increase within a band")
        rows.append(row)
    return {band: tuple(np.array(rows).T) for band, rows in table.items()}
