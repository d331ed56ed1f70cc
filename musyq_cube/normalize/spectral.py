"""
Spectral normalization: reflectances of a sensor's bands as a reference sensor's bands would see them.

Each band becomes ``slope · ρ + offset`` with the line of its pair of bands. Lines are published ones where there are
any (Roy et al. 2016 for TM and ETM+, HLS 1.4 for Sentinel-2A and B), else fitted between what the two spectral
responses see of a library of 3,300 spectra. Every line comes with its R² and RMSE; :func:`table` shows them all.

Which bands pair is data (``data/pairs.csv``). A sensor that is not in the shipped table is treated alike: its lines
are made from its ``srf.csv`` on first use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from musyq_cube.errors import SensorError
from musyq_cube.kernels.linear import line as apply_line
from musyq_cube.kernels.linear import line_by_ndvi
from musyq_cube.normalize._bandpass import band_weights, near_infrared
from musyq_cube.normalize._bandpass_table import Line, candidates, generated, published, rmse_by_ndvi, shipped
from musyq_cube.sensor import Sensor
from musyq_cube.sensor import sensor as get_sensor

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from musyq_cube.kernels._gufunc import F32

    Array = NDArray[np.float64]

Method: TypeAlias = Literal["best", "published", "generated"]
"""Which lines to use: published where there are any and else generated, only published, or only generated."""

LIMIT = 40.0
"""Bands whose centres are further apart (nm) are not made alike from spectral responses unless forced."""


def band_mean(spectrum: tuple[ArrayLike, ArrayLike], srf: tuple[ArrayLike, ArrayLike]) -> Array:
    """
    Return what a band sees of a spectrum: ``∫ρ S dλ / ∫S dλ``.

    Parameters
    ----------
    spectrum
        (wavelength µm increasing, reflectance ``(..., wavelength)``).
    srf
        (wavelength µm, response), as `Sensor.srf` gives it.

    Returns
    -------
    Array
        ``(...)``, in the unit of the spectrum.

    Raises
    ------
    SensorError
        Where the spectrum covers less than 99 % of the band.

    Examples
    --------
    >>> float(band_mean(([0.4, 0.8], [0.0, 0.4]), ([0.55, 0.60, 0.65], [0.0, 1.0, 0.0])).round(9))
    0.2
    """
    wavelength, values = spectrum
    return np.asarray(np.asarray(values, float) @ band_weights(wavelength, srf))


def sbaf(
    spectrum: tuple[ArrayLike, ArrayLike], target: tuple[ArrayLike, ArrayLike], reference: tuple[ArrayLike, ArrayLike]
) -> Array:
    """
    Return the spectral band adjustment factor ``[∫ρ S_t / ∫S_t] / [∫ρ S_r / ∫S_r]``; exactly 1 for equal responses.

    A reflectance measured in the reference's band, times the factor, is what the target's band would measure.

    Parameters
    ----------
    spectrum
        (wavelength µm increasing, reflectance ``(..., wavelength)``).
    target, reference
        (wavelength µm, response), as `Sensor.srf` gives them.

    Examples
    --------
    >>> band = ([0.55, 0.60, 0.65], [0.0, 1.0, 0.0])
    >>> float(sbaf(([0.4, 0.8], [0.1, 0.4]), band, band))
    1.0
    """
    return np.asarray(band_mean(spectrum, target) / band_mean(spectrum, reference))


def coefficients(sensor: str | Sensor, reference: str | Sensor, *, method: Method = "best") -> tuple[Line, ...]:
    """
    Return the line of every pair of bands of two sensors, preferred pairs first.

    Published lines are used in both directions (back: the inverse). Others come from the shipped table or, for a pair
    of sensors that it does not have, from the spectral responses and the shipped library of spectra.

    Raises
    ------
    SensorError
        For an unknown sensor or one without spectral response.

    Examples
    --------
    >>> blue = coefficients("landsat7-etm", "landsat8-oli")[0]
    >>> blue.band, blue.slope, blue.offset, blue.method
    ('blue', 0.8474, 0.0003, 'published')
    """
    own, other = _sensor(sensor), _sensor(reference)
    if method not in ("best", "published", "generated"):
        raise ValueError(f"method is {method!r}: choose best, published or generated")
    if own.id == other.id:
        return tuple(_identity(own.id, band) for band, same in candidates(own, other) if band == same)
    known = {} if method == "generated" else published(own.id, other.id)
    if method == "published":
        return tuple(line for pair in candidates(own, other) if (line := known.get(pair)))
    made = generated(own, other)
    return tuple(known.get((line.band, line.reference_band), line) for line in made)


@dataclass(frozen=True)
class Match:
    """What becomes of the bands of a sensor on the way to a reference."""

    sensor: str
    reference: str
    lines: tuple[Line, ...]
    """One per band that has a counterpart."""
    kept: tuple[str, ...]
    """Bands of the sensor that stay as they are, because no band of the reference is left for them."""
    refused: tuple[Line, ...]
    """Those of `lines` whose bands are too far apart to be made alike from spectral responses."""

    def __repr__(self) -> str:
        lines = [f"<{self.sensor} → {self.reference}>"]
        for line in self.lines:
            note = "  too far apart" if line in self.refused else ""
            lines.append("  " + _row(line) + note)
        lines += [f"  {band:<10} stays as it is: no counterpart" for band in self.kept]
        return "\n".join(lines)


def match(
    sensor: str | Sensor, reference: str | Sensor, bands: Collection[str] | None = None, *, method: Method = "best"
) -> Match:
    """
    Pair the bands of a sensor with those of a reference; every band serves at most once.

    Parameters
    ----------
    bands
        Common names that there are. Default: all that the sensor has. Names that are not bands of the sensor are
        left out of account.

    Examples
    --------
    >>> found = match("sentinel2a-msi", "landsat8-oli", ["red", "nir", "nir08"])
    >>> [(line.band, line.reference_band) for line in found.lines], found.kept
    ([('red', 'red'), ('nir08', 'nir08')], ('nir',))
    """
    own, other = _sensor(sensor), _sensor(reference)
    there = [b.key for b in own.bands if (b.key in bands if bands is not None else b.center_wavelength is not None)]
    lines: dict[str, Line] = {}
    taken: set[str] = set()
    for line in coefficients(own, other, method=method):
        if line.band in there and line.band not in lines and line.reference_band not in taken:
            lines[line.band] = line
            taken.add(line.reference_band)
    paired = tuple(lines[band] for band in there if band in lines)
    refused = tuple(line for line in paired if line.distance > LIMIT and line.method == "generated")
    return Match(own.id, other.id, paired, tuple(b for b in there if b not in lines), refused)


def apply_spectral(
    bands: Mapping[str, F32],
    sensor: str | Sensor,
    reference: str | Sensor,
    *,
    classes: bool = False,
    force: bool | Collection[str] = False,
    method: Method = "best",
) -> dict[str, F32]:
    """
    Make reflectances of a sensor like those of a reference, pixel by pixel.

    Parameters
    ----------
    bands
        Common name → reflectance (y, x) float32, NaN where missing. Names that the sensor does not have are passed on
        as they are, unless a band of that name is made.
    classes
        Use the lines by class of NDVI, linear in NDVI between the classes' means, so that the result is continuous.
        NDVI is that of the sensor's own ``red`` and near infrared, which must be in `bands`. Published lines have no
        classes and stay lines.
    force
        Bands (all of them, or these) to be made alike even if their centres are more than 40 nm apart.
    method
        Which lines to use.

    Returns
    -------
    dict
        Reflectances named by the *reference's* common names (a sensor's ``nir`` may become ``nir08``), then what stays
        as it is. :func:`match` says which is which, without computing anything.

    Raises
    ------
    SensorError
        Where the centres of two bands are more than 40 nm apart (names the bands and the distance), and where
        `classes` lacks a band.

    Examples
    --------
    >>> made = apply_spectral({"nir": np.full((1, 1), 0.1, np.float32)}, "landsat7-etm", "landsat8-oli")
    >>> list(made), made["nir08"].item()
    (['nir08'], 0.12581999599933624)
    """
    own = _sensor(sensor)
    found = match(own, reference, list(bands), method=method)
    forced = {line.band for line in found.refused} if force is True else set(force or ())
    if far := [line for line in found.refused if line.band not in forced]:
        raise SensorError(_too_far(found, far))
    ndvi = _ndvi_bands(own, bands) if classes else None
    made = {line.reference_band: _apply(line, bands[line.band], ndvi) for line in found.lines}
    used = {line.band for line in found.lines}
    return made | {name: values for name, values in bands.items() if name not in made and name not in used}


def table() -> Table:
    """
    Return every line that comes with the package, as a list that prints readably.

    Examples
    --------
    >>> [line.slope for line in table() if line.sensor == "landsat7-etm" and line.band == "nir"][0]
    0.8462
    """
    return Table(shipped())


class Table(list[Line]):
    """Lines, printed one a row."""

    def __repr__(self) -> str:
        head = f"{'sensor':<16}{'reference':<14}{'band':<11}{'becomes':<11}{'nm':>5}  {'slope':>7} {'offset':>8}"
        head += f"  {'R²':>7} {'RMSE':>7} {'by NDVI':>8} {'n':>5}  method"
        return "\n".join([head, *(f"{line.sensor:<16}{line.reference:<14}{_row(line)}" for line in self)])


def plot(
    sensor: str | Sensor, reference: str | Sensor, *, bands: Sequence[str] | None = None, figure: Figure | None = None
) -> Figure:
    """
    Plot each pair of bands: spectral responses above, library reflectances with the line (and published one) below.

    Parameters
    ----------
    bands
        Common names of the sensor. Default: all that have a counterpart.
    figure
        Where to draw. Default: a new figure that pyplot does not know.
    """
    from musyq_cube.normalize._bandpass_plot import draw

    own, other = _sensor(sensor), _sensor(reference)
    found = match(own, other, bands)
    if not found.lines:
        raise SensorError(f"{own.id} and {other.id} have no bands in common among {', '.join(bands or ('all',))}")
    return draw(found.lines, own, other, figure)


def _sensor(sensor: str | Sensor) -> Sensor:
    return sensor if isinstance(sensor, Sensor) else get_sensor(sensor)


def _identity(sensor: str, band: str) -> Line:
    return Line(sensor, sensor, band, band, 1.0, 0.0, 1.0, 0.0, method="identity", source="the same sensor")


def _apply(line: Line, values: F32, ndvi: tuple[F32, F32] | None) -> F32:
    if line.slope == 1 and line.offset == 0 and not (ndvi and line.classes):
        return np.asarray(values, np.float32)
    if ndvi is None or not line.classes:
        return apply_line(values, line.slope, line.offset)
    steps = [(c.centre, c.line.slope, c.line.offset) for c in line.classes]
    nodes, slopes, offsets = zip(*steps, strict=True)
    return line_by_ndvi(values, *ndvi, (line.slope, line.offset), nodes, slopes, offsets)


def _ndvi_bands(own: Sensor, bands: Mapping[str, F32]) -> tuple[F32, F32]:
    near = near_infrared(own)
    if near is None or "red" not in bands or near not in bands:
        raise SensorError(
            f"classes of NDVI need red and {near or 'near infrared'} of {own.id}; there are {', '.join(bands)}. "
            "Add them, or use classes=False"
        )
    return bands["red"], bands[near]


def _too_far(found: Match, far: list[Line]) -> str:
    each = "; ".join(f"{line.band} → {line.reference_band}: {line.distance:.0f} nm" for line in far)
    return (
        f"{found.sensor} → {found.reference}: the centres of these bands are more than {LIMIT:.0f} nm apart: {each}. "
        f"Leave them out, or pass force=({', '.join(repr(line.band) for line in far)},)"
    )


def _row(line: Line) -> str:
    return (
        f"{line.band:<11}{line.reference_band:<11}{line.distance:>5.1f}  {line.slope:7.4f} {line.offset:+8.4f}"
        f"  {_number(line.r2, 7)} {_number(line.rmse, 7)} {_number(rmse_by_ndvi(line), 8)}"
        f" {line.n or '-':>5}  {line.method}"
    )


def _number(value: float | None, width: int) -> str:
    return "-".rjust(width) if value is None else f"{value:{width}.5f}"
