"""
Landsat angle coefficient files (``_ANG.txt``): sun and view vectors of every pixel.

The file holds, for each band, rational polynomials that map a pixel of the product (L1T line and sample) to the pixel
of the detector that saw it (L1R line and sample; one pair for each sensor chip of OLI and TIRS, or for each scan
direction of TM and ETM+), and others that map all four coordinates to the unit vectors towards satellite and sun,
east-north-up. USGS LSDS-1691 (TM, ETM+) and LSDS-1928 (OLI, TIRS) describe the model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from musyq_cube.errors import ReadError

Floats: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_ENTRY = re.compile(r'^\s*(\w+)\s*=\s*(\([^)]*\)|"[^"]*"|\S+)', re.MULTILINE)
_RED = {"4": 3, "5": 3, "7": 3}
"""
Number of the red band by the spacecraft's number (``L7_ETM``, ``LANDSAT_7``); 4 on Landsat 8 and 9.

The bands' view angles differ by less than 0.3 degree.
"""


class _Rational(NamedTuple):
    """Rational polynomial: mean + N(terms) / (1 + D(terms)); the numerator has a constant in front."""

    numerator: tuple[float, ...]
    denominator: tuple[float, ...]
    mean: float

    def __call__(self, terms: Floats) -> Floats:
        top = np.full(terms.shape[1], self.numerator[0])
        bottom = np.ones(terms.shape[1])
        # a plain loop: a matrix product may sum in another order for another number of points
        for n, d, term in zip(self.numerator[1:], self.denominator, terms, strict=True):
            top += n * term
            bottom += d * term
        return self.mean + top / bottom


class _Detector(NamedTuple):
    """Where one sensor chip or scan direction sees a product pixel: L1R line and sample as functions of L1T."""

    centre: tuple[float, float]
    line: _Rational
    sample: _Rational
    first_sample: float
    """Samples of the chips before this one: the vectors' polynomials count samples across all chips."""


@dataclass(frozen=True)
class AngleModel:
    """The angles of one Landsat scene as a function of place."""

    crs: str
    corner: tuple[float, float]
    """x, y of the centre of the upper left pixel."""
    pixel: float
    lines: int
    """L1R lines of one chip or direction."""
    samples: int
    """L1R samples of one chip or direction."""
    detectors: tuple[_Detector, ...]
    centre: tuple[float, float, float, float]
    """Means subtracted from L1T line, L1T sample, L1R line, L1R sample."""
    view: tuple[_Rational, _Rational, _Rational]
    sun: tuple[_Rational, _Rational, _Rational]

    def vectors(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """
        Evaluate at places in the scene's CRS, for ground at the scene's mean height.

        Parameters
        ----------
        x, y
            One-dimensional, in metres. Places outside the image get the angles of the nearest detector pixel.

        Returns
        -------
        sun, view : ndarray, shape (3, n)
            Unit vectors (east, north, up) towards the sun and the satellite; NaN where x or y is not finite.
        """
        known = np.isfinite(x) & np.isfinite(y)
        line = np.where(known, (self.corner[1] - y) / self.pixel, 0.0)
        sample = np.where(known, (x - self.corner[0]) / self.pixel, 0.0)
        sun, view = np.zeros((3, x.size)), np.zeros((3, x.size))
        for weight, l1r_line, l1r_sample in self._seen_by(line, sample):
            terms = self._terms(line, sample, l1r_line, l1r_sample)
            sun += weight * np.stack([component(terms) for component in self.sun])
            view += weight * np.stack([component(terms) for component in self.view])
        return np.where(known, _unit(sun), np.nan), np.where(known, _unit(view), np.nan)

    def _seen_by(self, line: Floats, sample: Floats) -> list[tuple[Floats, Floats, Floats]]:
        """Return (weight, L1R line, L1R sample) for each detector; those that overlap at a pixel share its weight."""
        outside, places = [], []
        for detector in self.detectors:
            dl, ds = line - detector.centre[0], sample - detector.centre[1]
            terms = np.stack([dl, ds, dl * ds])
            l1r = detector.sample(terms)
            inside = np.clip(l1r, 0, self.samples - 1)
            outside.append(np.abs(l1r - inside))
            places.append((np.clip(detector.line(terms), 0, self.lines - 1), inside + detector.first_sample))
        # beyond every detector the nearest one answers, so that no pixel at the edge of the image is without angles
        distance = np.stack(outside)
        weights = (distance == distance.min(0)).astype(np.float64)
        weights /= weights.sum(0)
        return [(w, *place) for w, place in zip(weights, places, strict=True) if w.any()]

    def _terms(self, *place: Floats) -> Floats:
        line, sample, l1r_line, l1r_sample = (p - c for p, c in zip(place, self.centre, strict=True))
        return np.stack(
            [
                line,
                sample,
                l1r_line,
                line * line,
                line * sample,
                sample * sample,
                l1r_sample * l1r_line * l1r_line,
                l1r_line * l1r_line * l1r_line,
            ]
        )


def parse_angles(text: str, href: str) -> AngleModel:
    """
    Parse an angle coefficient file; the red band stands for all.

    Parameters
    ----------
    text
        Content of the file.
    href
        Its address, for messages.

    Raises
    ------
    ReadError
        A field is missing or not a number, or the map projection is none of Landsat's.
    """
    fields = dict(_ENTRY.findall(text))
    try:
        return _model(fields)
    except (KeyError, ValueError, IndexError) as error:
        raise ReadError(f"{href}: not a usable Landsat angle coefficient file: {error}") from error


def _model(fields: dict[str, str]) -> AngleModel:
    craft = re.search(r"\d", fields["SPACECRAFT_ID"])
    bands = [int(v) for v in _numbers(fields["BAND_LIST"])]
    red = _RED.get(craft[0] if craft else "", 4)
    band = f"BAND{red if red in bands else bands[0]:02d}"
    kind = "SCA" if f"{band}_NUMBER_OF_SCAS" in fields else "DIR"
    names = sorted({m[1] for m in (re.match(rf"({band}_{kind}\d+)_LINE_NUM_COEF", name) for name in fields) if m})
    if not names:
        raise KeyError(f"{band}_{kind}..._LINE_NUM_COEF")
    samples = int(fields[f"{band}_NUM_L1R_SAMPS"])
    detectors = tuple(_detector(fields, n, samples * i if kind == "SCA" else 0) for i, n in enumerate(names))
    corner = _numbers(fields["UL_CORNER"])
    return AngleModel(
        crs=_crs(fields),
        corner=(corner[0], corner[1]),
        pixel=float(fields[f"{band}_PIXEL_SIZE"]),
        lines=int(fields[f"{band}_NUM_L1R_LINES"]),
        samples=samples,
        detectors=detectors,
        centre=(*_pair(fields, f"{band}_MEAN_L1T_LINE_SAMP"), *_pair(fields, f"{band}_MEAN_L1R_LINE_SAMP")),
        view=_vector(fields, band, "SAT"),
        sun=_vector(fields, band, "SUN"),
    )


def _crs(fields: dict[str, str]) -> str:
    projection = fields["MAP_PROJECTION"].strip('"')
    if projection == "UTM":  # always the northern zone: Landsat counts northings negative south of the equator
        return f"EPSG:{32600 + int(fields['UTM_ZONE'])}"
    if projection == "PS":
        return "EPSG:3031"
    raise ValueError(f"map projection {projection!r} is neither UTM nor PS")


def _detector(fields: dict[str, str], name: str, first_sample: float) -> _Detector:
    line_mean, sample_mean = _pair(fields, f"{name}_MEAN_L1R_LINE_SAMP")
    # (1, line, sample, height, line × sample): the ground is put at mean height, so the height term is always zero
    line, sample = (
        _Rational(
            _without(_numbers(fields[f"{name}_{axis}_NUM_COEF"]), 3, 5),
            _without(_numbers(fields[f"{name}_{axis}_DEN_COEF"]), 2, 4),
            mean,
        )
        for axis, mean in (("LINE", line_mean), ("SAMP", sample_mean))
    )
    return _Detector(_pair(fields, f"{name}_MEAN_L1T_LINE_SAMP"), line, sample, first_sample)


def _vector(fields: dict[str, str], band: str, target: str) -> tuple[_Rational, _Rational, _Rational]:
    means = _numbers(fields[f"{band}_MEAN_{target}_VECTOR"])
    x, y, z = (
        _Rational(
            _without(_numbers(fields[f"{band}_{target}_{axis}_NUM_COEF"]), 3, 10),
            _without(_numbers(fields[f"{band}_{target}_{axis}_DEN_COEF"]), 2, 9),
            mean,
        )
        for axis, mean in zip("XYZ", means, strict=True)
    )
    return x, y, z


def _without(values: tuple[float, ...], index: int, expected: int) -> tuple[float, ...]:
    """Drop the coefficient of height."""
    if len(values) != expected:
        raise ValueError(f"{len(values)} coefficients where {expected} are expected")
    return values[:index] + values[index + 1 :]


def _pair(fields: dict[str, str], name: str) -> tuple[float, float]:
    first, second = _numbers(fields[name])
    return first, second


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(v) for v in text.strip("()").split(","))


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.sqrt(vectors[0] ** 2 + vectors[1] ** 2 + vectors[2] ** 2))
