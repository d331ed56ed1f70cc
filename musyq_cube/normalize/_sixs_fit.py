"""From runs of 6S to full tables: adding-doubling gives the shape, the runs the level, a smooth residual joins them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.normalize._lut_bands import pressure
from musyq_cube.normalize._scattering import STREAMS, Aerosol, Layers
from musyq_cube.normalize._sixs_runs import ANGLES, PHASE_ANGLES, PHASE_WAVELENGTHS, WAVELENGTHS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from musyq_cube.normalize._sixs import F64, Run

_NOISE = 4e-5
"""Of what 6S prints (four decimals)."""


def air(elevation: F64 | float) -> F64:
    """
    Rayleigh optical depth relative to sea level at a height in km.

    A little more than the pressure: 6S sums over the levels of its profile (US62, 0–5 km, to 1e-4).
    """
    height = np.asarray(elevation, np.float64)
    return np.asarray(pressure(height) * (1.0 + 8e-4 * height + 7e-5 * height**2))


@dataclass(frozen=True, eq=False)
class Optics:
    """What 6S says of an aerosol model and of air at `WAVELENGTHS`."""

    rayleigh: F64
    """(wavelength,) optical depth of air at sea level."""
    extinction: F64
    """(wavelength,) aerosol optical depth relative to 0.55 µm."""
    albedo: F64
    phase: F64
    """(phase wavelength, angle)."""

    def aerosol(self, index: int, aod: F64) -> Aerosol:
        """Return the aerosol at one of `WAVELENGTHS` for optical depths at 0.55 µm."""
        position = np.log(WAVELENGTHS[index])
        logs = [np.interp(position, np.log(PHASE_WAVELENGTHS), column) for column in np.log(self.phase).T]
        return Aerosol(
            aod * self.extinction[index], float(self.albedo[index]), np.array(PHASE_ANGLES, float), np.exp(logs)
        )


class Shape:
    """Adding-doubling reflectance at one wavelength: states × angles."""

    def __init__(self, optics: Optics, index: int, aod: F64, elevation: F64, angles: Sequence[float] = ANGLES) -> None:
        self.angles = tuple(angles)
        self.layers = Layers(optics.rayleigh[index] * air(elevation), optics.aerosol(index, aod), self.angles)
        self.terms = self.layers.terms()

    def at(self, sun: F64, view: F64, azimuth: F64, state: F64) -> F64:
        """Reflectance for indices of the zenith angles, azimuth in degrees (0: hot spot), index of the state."""
        azimuth = np.radians(azimuth)
        cosines = np.cos(np.arange(2 * STREAMS).reshape(-1, *[1] * np.ndim(azimuth)) * (np.pi - azimuth))
        smooth = np.einsum("m...,m...->...", cosines, self.terms[:, state, sun, view])
        mu = np.cos(np.radians(np.array(self.angles)))
        return np.asarray(smooth + self.layers.single(mu[sun], mu[view], azimuth, state))


def _symmetric(sun: F64, view: F64, degree: int) -> F64:
    """Symmetric polynomials of two cosines (..., term)."""
    total, product = sun + view, sun * view
    return np.stack([total**i * product**j for i in range(degree + 1) for j in range((degree - i) // 2 + 1)], -1)


class Polarization:
    """
    What polarization adds to the reflectance of clear air, from runs of 6S without aerosol.

    Three azimuth terms, each (sin sin)^m × symmetric polynomial of the cosines × polynomial of the optical depth.
    """

    degree = 6
    powers = (1, 2, 3, 4)

    def __init__(self, runs: Sequence[Run], reflectance: F64, optics: Optics) -> None:
        """Fit to `reflectance` (run, wavelength); each pair of zenith angles has azimuths 0, 90 and 180 in a row."""
        nodes = tuple(dict.fromkeys(run.sza for run in runs))
        sun = np.array([nodes.index(r.sza) for r in runs])
        view = np.array([nodes.index(r.vza) for r in runs])
        azimuth = np.array([r.raa for r in runs])
        zero = np.zeros(len(runs), int)
        rest = np.stack([
            reflectance[:, k] - Shape(optics, k, np.zeros(1), np.zeros(1), nodes).at(sun, view, azimuth, zero)
            for k in range(len(WAVELENGTHS))
        ])  # fmt: skip
        back, side, front = (rest[:, i::3] for i in range(3))
        terms = ((back + 2 * side + front) / 4, (back - front) / 2, (back - 2 * side + front) / 4)
        mu = np.cos(np.radians(nodes))
        pairs = mu[sun[::3]], mu[view[::3]]
        self.coefficients = []
        for order, term in enumerate(terms):
            basis = self._basis(*pairs, optics.rayleigh[:, None], order)
            weight = 1.0 / np.broadcast_to(optics.rayleigh[:, None] + 0.01, term.shape).ravel()
            found = np.linalg.lstsq(
                basis.reshape(-1, basis.shape[-1]) * weight[:, None], term.ravel() * weight, rcond=1e-12
            )[0]
            self.coefficients.append(found)

    def _basis(self, sun: F64, view: F64, depth: F64, order: int) -> F64:
        shape = (
            _symmetric(sun, view, self.degree)
            * (np.sqrt((1 - sun**2) * (1 - view**2)) ** order / (sun + view))[..., None]
        )
        powers = np.stack([depth**p for p in self.powers], -1)
        product = powers[..., :, None] * shape[..., None, :]
        return product.reshape(*product.shape[:-2], -1)

    def at(self, sun: F64, view: F64, azimuth: F64, depth: F64) -> F64:
        """Return the addition for cosines of the zenith angles, azimuth in degrees and Rayleigh optical depth."""
        angle = np.radians(azimuth)
        return np.sum(
            [np.cos(m * angle) * (self._basis(sun, view, depth, m) @ c) for m, c in enumerate(self.coefficients)],
            axis=0,
        )


class Smooth:
    """Gaussian-process regression (squared-exponential kernel, one length per coordinate)."""

    def __init__(self, x: F64, y: F64, noise: F64) -> None:
        """Fit y (sample, output) over x (sample, coordinate); `noise`, like y, is the standard deviation of y."""
        self.center, self.spread = x.mean(0), x.std(0)
        self.x = (x - self.center) / self.spread
        self.mean = y.mean(0)
        self.level = y.std(0) + 1e-12
        self.y = (y - self.mean) / self.level
        self.noise = (noise / self.level) ** 2 + 3e-5
        self.length = np.full(x.shape[1], 2.0)
        self._search()
        kernel = self._kernel(self.x)
        pairs = zip(self.noise.T, self.y.T, strict=True)
        self.weights = np.stack([np.linalg.solve(kernel + np.diag(n), v) for n, v in pairs], 1)

    def at(self, x: F64) -> F64:
        """Return the fit (point, output)."""
        return np.asarray(self._kernel((x - self.center) / self.spread) @ self.weights * self.level + self.mean)

    def left_out(self) -> F64:
        """Leave-one-out errors (sample, output), in the units of y."""
        return self._left_out() * self.level

    def _kernel(self, other: F64) -> F64:
        apart = np.stack([(other[:, None, k] - self.x[None, :, k]) / n for k, n in enumerate(self.length)])
        return np.asarray(np.exp(-0.5 * np.einsum("kij,kij->ij", apart, apart)))

    def _left_out(self) -> F64:
        kernel = self._kernel(self.x)
        inverses = (np.linalg.inv(kernel + np.diag(n)) for n in self.noise.T)
        return np.stack([i @ v / np.diag(i) for i, v in zip(inverses, self.y.T, strict=True)], 1)

    def _search(self) -> None:
        """Choose the lengths that leave the least leave-one-out error, one after the other, a few times over."""
        for _ in range(3):
            for k in range(len(self.length)):
                losses = {}
                start = self.length[k]
                for factor in (0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.2):
                    self.length[k] = start * factor
                    losses[float(np.mean(self._left_out() ** 2))] = self.length[k]
                self.length[k] = min(max(losses[min(losses)], 0.3), 20.0)
