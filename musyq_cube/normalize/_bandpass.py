"""Integrals over spectral responses, and the lines between bands that a library of spectra gives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.errors import SensorError
from musyq_cube.types import NEAR_INFRARED

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from musyq_cube.sensor import Sensor

    Array = NDArray[np.float64]

LIBRARY = Path(__file__).parent / "data" / "library.npz"
COVERED = 0.99
"""Share of a band's response that a spectrum must cover."""
CLASSES = 5
"""Classes of NDVI with equally many spectra."""


def band_weights(wavelength: ArrayLike, srf: tuple[ArrayLike, ArrayLike]) -> Array:
    """
    Return the weights w with which ``ρ @ w`` is the mean of a spectrum over a band, ``∫ρ S dλ / ∫S dλ``.

    Exact for a spectrum and a response that are linear between their samples (Simpson's rule on the union of both
    samplings integrates their product without error); the weights add up to 1.

    Parameters
    ----------
    wavelength : (n,)
        Of the spectrum, µm, increasing.
    srf
        (wavelength µm, response), as `Sensor.srf` gives it.

    Returns
    -------
    Array
        ``(n,)``

    Raises
    ------
    SensorError
        Where the spectrum covers less than 99 % of the response; what it does not cover is left out of both integrals.
    """
    w = np.asarray(wavelength, float)
    x, s = (np.asarray(v, float) for v in srf)
    inside = (x >= w[0]) & (x <= w[-1])
    grid = np.union1d(w[(w >= x[0]) & (w <= x[-1])], x[inside])
    at = np.interp(grid, x, s)
    covered = np.trapezoid(at, grid) if len(grid) > 1 else 0.0
    if not covered > COVERED * np.trapezoid(s, x):
        raise SensorError(
            f"the band at {x[0]:.3f}–{x[-1]:.3f} µm is not covered by the spectrum at {w[0]:.3f}–{w[-1]:.3f} µm"
        )
    step = np.diff(grid) / 6
    middle = (grid[1:] + grid[:-1]) / 2
    share = np.zeros(len(w))
    for points, amount in (
        (grid[:-1], step * at[:-1]),
        (middle, 4 * step * (at[1:] + at[:-1]) / 2),
        (grid[1:], step * at[1:]),
    ):
        left = np.clip(np.searchsorted(w, points, side="right") - 1, 0, len(w) - 2)
        part = (points - w[left]) / (w[left + 1] - w[left])
        share += np.bincount(left, amount * (1 - part), len(w)) + np.bincount(left + 1, amount * part, len(w))
    return np.asarray(share / share.sum())


@dataclass(frozen=True)
class Fit:
    """A line through the means of two bands: ``reference = slope · band + offset``."""

    slope: float
    offset: float
    r2: float
    rmse: float
    """Of the residuals of this line, reflectance."""
    n: int


def fit(x: Array, y: Array) -> Fit:
    """Return the ordinary least-squares line, six decimals; exactly 1 and 0 where `x` and `y` are the same."""
    slope, offset = 1.0, 0.0
    if not np.array_equal(x, y):
        spread = float(np.mean((x - x.mean()) ** 2))
        slope = float(np.mean((x - x.mean()) * (y - y.mean()))) / spread
        slope, offset = round(slope, 6), round(float(y.mean()) - slope * float(x.mean()), 6)
    return judge(slope, offset, x, y)


def judge(slope: float, offset: float, x: Array, y: Array) -> Fit:
    """Return a given line with its R² and RMSE for `x` and `y`."""
    rest = float(np.mean((y - slope * x - offset) ** 2))
    return Fit(slope, offset, round(1 - rest / float(np.var(y)), 6), round(rest**0.5, 6), len(x))


@dataclass(frozen=True)
class ByNdvi:
    """The line of one class of vegetation: its limits and its mean NDVI as the sensor sees it."""

    low: float
    centre: float
    high: float
    line: Fit


@dataclass(frozen=True)
class Library:
    """
    Reflectance spectra of land surfaces as principal components.

    ``spectrum = mean + scores @ components``; so a band of all spectra costs one small product.
    """

    wavelength: Array
    """(wavelength,) µm."""
    mean: Array
    """(wavelength,)"""
    components: Array
    """(component, wavelength)"""
    scores: Array
    """(spectrum, component)"""
    kind: NDArray[np.str_]
    """(spectrum,): plant, soil, water, snow, mixture; ``heldout`` are plants that no line was fitted to."""

    @cached_property
    def fitted(self) -> NDArray[np.bool_]:
        """Which spectra the lines are fitted to."""
        return np.asarray(self.kind != "heldout")

    def spectra(self, *kinds: str) -> Array:
        """Return the spectra of some kinds, ``(spectrum, wavelength)``."""
        return np.asarray(self.mean + self.scores[np.isin(self.kind, kinds)] @ self.components)

    def means(self, srf: tuple[ArrayLike, ArrayLike]) -> Array:
        """Return what a band sees of every spectrum, ``(spectrum,)``."""
        weights = band_weights(self.wavelength, srf)
        return np.asarray(self.mean @ weights + self.scores @ (self.components @ weights))

    def line(self, x: Array, y: Array) -> Fit:
        """Return the line from band means `x` to `y` over the fitted spectra."""
        return fit(x[self.fitted], y[self.fitted])

    def lines_by_ndvi(self, x: Array, y: Array, ndvi: Array) -> tuple[ByNdvi, ...]:
        """Return one line per class of NDVI with equally many spectra."""
        x, y, ndvi = (v[self.fitted] for v in (x, y, ndvi))
        edges = np.quantile(ndvi, np.linspace(0, 1, CLASSES + 1))
        index = np.clip(np.searchsorted(edges, ndvi, side="right") - 1, 0, CLASSES - 1)
        return tuple(
            ByNdvi(
                round(float(edges[k]), 4),
                round(float(ndvi[index == k].mean()), 4),
                round(float(edges[k + 1]), 4),
                fit(x[index == k], y[index == k]),
            )
            for k in range(CLASSES)
        )


@cache
def library() -> Library:
    """Return the library that comes with the package."""
    with np.load(LIBRARY) as file:
        kinds = file["kinds"][file["kind"]]
        scores = file["scores"] * file["score_scale"]
        components = file["components"] * file["component_scale"]
        wavelength = np.arange(400, 400 + components.shape[1]) / 1000.0
        return Library(wavelength, file["mean"].astype(float), components, scores, kinds)


def near_infrared(sensor: Sensor) -> str | None:
    """Return the band from which a sensor's NDVI is made: the narrow near infrared where it has one."""
    keys = {b.key for b in sensor.bands}
    return next((k for k in NEAR_INFRARED if k in keys), None) if "red" in keys else None


def distance(sensor: Sensor, band: str, reference: Sensor, reference_band: str) -> float:
    """Return how far the centres of two bands are apart, nm."""
    return round(abs(_centre(sensor, band) - _centre(reference, reference_band)) * 1000, 1)


def _centre(sensor: Sensor, band: str) -> float:
    """Return the centre that the sensor file states, else the response-weighted mean wavelength, µm."""
    stated = sensor.band(band).center_wavelength
    if stated is not None:
        return stated
    x, s = sensor.srf(band)
    return float(x @ band_weights(x, (x, s)))
