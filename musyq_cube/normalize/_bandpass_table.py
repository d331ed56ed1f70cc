"""The lines from a sensor's bands to a reference's: published ones, the shipped table, and those made on the spot."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.normalize._bandpass import ByNdvi, Fit, distance, judge, library, near_infrared

if TYPE_CHECKING:
    from musyq_cube.normalize._bandpass import Array
    from musyq_cube.sensor import Sensor

DATA = Path(__file__).parent / "data"
TABLE = DATA / "bandpass.csv"
COLUMNS = ("sensor", "reference", "band", "reference_band", "distance_nm", "class", "ndvi_low", "ndvi_centre",
           "ndvi_high", "slope", "offset", "r2", "rmse", "n", "method", "source")  # fmt: skip
SOURCES = {
    "SRF": "spectral responses over the library of PROSAIL, soil, water, snow and mixed spectra",
    "Roy 2016": "Roy et al. 2016, doi:10.1016/j.rse.2015.12.024, table 2, surface reflectance, ordinary least squares",
    "HLS 1.4": "Harmonized Landsat Sentinel-2 v1.4; Claverie et al. 2018, doi:10.1016/j.rse.2018.09.002",
}


@dataclass(frozen=True)
class Line:
    """
    What makes a band of a sensor like a band of a reference: ``reference = slope · band + offset``.

    Examples
    --------
    >>> line = Line("a", "b", "red", "red", 0.5, 0.25)
    >>> line(0.5), line.inverse()(0.5)
    (0.5, 0.5)
    """

    sensor: str
    reference: str
    band: str
    """Common name in the sensor."""
    reference_band: str
    """Common name in the reference."""
    slope: float
    offset: float
    r2: float | None = None
    """Over the library of spectra, also where the line is published."""
    rmse: float | None = None
    """Of the residuals over the library of spectra, reflectance."""
    n: int | None = None
    """Number of spectra."""
    distance: float = 0.0
    """Between the centres of the bands, nm."""
    method: str = "generated"
    """``published``, ``generated`` or ``identity``."""
    source: str = SOURCES["SRF"]
    classes: tuple[ByNdvi, ...] = ()
    """One line per class of NDVI; empty where there is none."""

    def __call__(self, value: float | Array) -> float | Array:
        """Return the reference's reflectance for reflectance of the band."""
        return self.slope * value + self.offset

    def inverse(self) -> Line:
        """
        Return the line back, from the reference to the sensor.

        It undoes this line exactly. Its residuals are those of this line as the sensor would see them; it has no
        classes.
        """
        rmse = None if self.rmse is None else self.rmse / abs(self.slope)
        return Line(self.reference, self.sensor, self.reference_band, self.band, 1 / self.slope,
                    -self.offset / self.slope, self.r2, rmse, self.n, self.distance, self.method,
                    f"inverse of: {self.source}")  # fmt: skip


@cache
def pairs() -> tuple[tuple[str, str, int], ...]:
    """Return (band, reference band, preference) from ``data/pairs.csv``: which bands may stand for which."""
    rows = _read(DATA / "pairs.csv")
    return tuple((r["band"], r["reference_band"], int(r["preference"])) for r in rows)


def candidates(sensor: Sensor, reference: Sensor) -> list[tuple[str, str]]:
    """Return the pairs of bands that two sensors have, preferred ones first."""
    own, theirs = ({b.key for b in s.bands} for s in (sensor, reference))
    found = [(rank, band, other) for band, other, rank in pairs() if band in own and other in theirs]
    return [(band, other) for _, band, other in sorted(found, key=lambda item: item[0])]


def printed() -> list[tuple[tuple[str, str, str, str], float, float, str]]:
    """Return (sensor, reference, band, reference band), slope, offset and source of ``data/published.csv``."""
    return [
        ((name, r["reference"], r["band"], r["reference_band"]), float(r["slope"]), float(r["offset"]), r["source"])
        for r in _read(DATA / "published.csv")
        for name in r["sensors"].split()
    ]


def published(sensor: str, reference: str) -> dict[tuple[str, str], Line]:
    """Return the published lines of a pair of sensors by pair of bands; a line back is the inverse."""
    found = {(v.band, v.reference_band): v for v in _table().get((sensor, reference, "published"), ())}
    back = {(v.reference_band, v.band): v.inverse() for v in _table().get((reference, sensor, "published"), ())}
    return back | found


def generated(sensor: Sensor, reference: Sensor) -> tuple[Line, ...]:
    """Return the lines of the shipped table, or make them from the spectral responses where it has none."""
    return _table().get((sensor.id, reference.id, "generated")) or generate(sensor, reference)


@cache
def generate(sensor: Sensor, reference: Sensor) -> tuple[Line, ...]:
    """Return the lines between all pairs of bands of two sensors, fitted to the library of spectra."""
    spectra = library()
    seen: dict[tuple[str, str], Array] = {}

    def means(which: Sensor, band: str) -> Array:
        if (which.id, band) not in seen:
            seen[which.id, band] = spectra.means(which.srf(band))
        return seen[which.id, band]

    near = near_infrared(sensor)
    if near is not None:
        red, nir = means(sensor, "red"), means(sensor, near)
        ndvi = (nir - red) / (nir + red)
    lines = []
    for band, other in candidates(sensor, reference):
        x, y = means(sensor, band), means(reference, other)
        line = spectra.line(x, y)
        classes = spectra.lines_by_ndvi(x, y, ndvi) if near is not None else ()
        lines.append(
            Line(sensor.id, reference.id, band, other, line.slope, line.offset, line.r2, line.rmse, line.n,
                 distance(sensor, band, reference, other), classes=classes)
        )  # fmt: skip
    return tuple(lines)


def judged(sensor: Sensor, reference: Sensor) -> tuple[Line, ...]:
    """Return the published lines of a pair of sensors, with their R² and RMSE over the library of spectra."""
    spectra, lines = library(), []
    for key, slope, offset, source in printed():
        if key[:2] == (sensor.id, reference.id):
            x, y = spectra.means(sensor.srf(key[2])), spectra.means(reference.srf(key[3]))
            found = judge(slope, offset, x[spectra.fitted], y[spectra.fitted])
            apart = distance(sensor, key[2], reference, key[3])
            lines.append(Line(*key, slope, offset, found.r2, found.rmse, found.n, apart, "published", SOURCES[source]))
    return tuple(lines)


def rows_of(line: Line) -> list[list[str]]:
    """Return the rows of the table for one line: the overall one first, then one per class of NDVI."""
    start = [line.sensor, line.reference, line.band, line.reference_band, f"{line.distance:.1f}"]
    end = [line.method, next(key for key, text in SOURCES.items() if text == line.source)]
    overall = Fit(line.slope, line.offset, line.r2 or 0.0, line.rmse or 0.0, line.n or 0)
    rows = [[*start, "0", "", "", "", *_numbers(overall), *end]]
    for k, c in enumerate(line.classes, 1):
        limits = [f"{v:.4f}" for v in (c.low, c.centre, c.high)]
        rows.append([*start, str(k), *limits, *_numbers(c.line), *end])
    return rows


def _numbers(line: Fit) -> list[str]:
    return [f"{v:.6f}" for v in (line.slope, line.offset, line.r2, line.rmse)] + [str(line.n)]


@cache
def _table() -> dict[tuple[str, str, str], tuple[Line, ...]]:
    """Lines of the shipped table by (sensor, reference, method)."""
    groups: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in _read(TABLE):
        key = (row["sensor"], row["reference"], row["band"], row["reference_band"], row["method"])
        groups.setdefault(key, []).append(row)
    out: dict[tuple[str, str, str], list[Line]] = {}
    for first, *rest in groups.values():
        classes = tuple(
            ByNdvi(float(r["ndvi_low"]), float(r["ndvi_centre"]), float(r["ndvi_high"]), _fit(r)) for r in rest
        )
        line = _fit(first)
        made = Line(first["sensor"], first["reference"], first["band"], first["reference_band"], line.slope,
                    line.offset, line.r2, line.rmse, line.n, float(first["distance_nm"]), first["method"],
                    SOURCES[first["source"]], classes)  # fmt: skip
        out.setdefault((made.sensor, made.reference, made.method), []).append(made)
    return {key: tuple(lines) for key, lines in out.items()}


def _fit(row: dict[str, str]) -> Fit:
    return Fit(float(row["slope"]), float(row["offset"]), float(row["r2"]), float(row["rmse"]), int(row["n"]))


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def shipped() -> tuple[Line, ...]:
    """Return every line that comes with the package."""
    return tuple(line for lines in _table().values() for line in lines)


def rmse_by_ndvi(line: Line) -> float | None:
    """Return the residual of the lines by class, put together; None where there are none."""
    if not line.classes:
        return None
    total = sum(c.line.n * c.line.rmse**2 for c in line.classes)
    return float(np.sqrt(total / sum(c.line.n for c in line.classes)))
