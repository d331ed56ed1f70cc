"""
A closed-form atmosphere: molecules and aerosol in one mixed layer, no gases.

Path reflectance is exact single scattering plus Sobolev's closed form for the light scattered more often;
transmittance and spherical albedo belong to the same (conservative) solution; absorption by the aerosol is a factor on
the way down and up. Against 6S V1.1 without gases (continental aerosol, AOD up to 0.3, sun zenith up to 45°, 0.48–1.61
µm) its top-of-atmosphere reflectance is right to 0.003 RMS and 0.009 at worst over dark ground, 0.006 and 0.013 over
0.4. Ozone, water vapour and other gases are left out: a real red or SWIR band is a few percent darker.

References
----------
Sobolev (1975), Light Scattering in Planetary Atmospheres, in the form of Katsev et al. (2010),
doi:10.5194/amt-3-1403-2010; Hansen & Travis (1974), doi:10.1007/BF00168069 (Rayleigh optical depth);
Henyey & Greenstein (1941), doi:10.1086/144246.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Atmosphere:
    """The state of the air over a scene."""

    aod: float = 0.1
    """Aerosol optical depth at 0.55 µm."""
    angstrom: float = 1.2
    """Exponent of its decrease with wavelength."""
    albedo: float = 0.90
    """Single-scattering albedo of the aerosol."""
    asymmetry: float = 0.64
    """Mean cosine of scattering by the aerosol."""
    pressure: float = 950.0
    """At the surface, hPa."""


@dataclass(frozen=True)
class Terms:
    """What the air does to light in one band: ``ρ_TOA = path + down·up·ρ / (1 − albedo·ρ)``, unitless."""

    path: Array
    transmittance: Array
    albedo: float

    def apply(self, surface: ArrayLike) -> Array:
        """Return top-of-atmosphere reflectance over a Lambertian surface reflectance."""
        r = np.asarray(surface)
        return np.asarray(self.path + self.transmittance * r / (1 - self.albedo * r))

    def invert(self, toa: ArrayLike) -> Array:
        """Return the surface reflectance under a top-of-atmosphere reflectance: the inverse of `apply`."""
        y = (np.asarray(toa) - self.path) / self.transmittance
        return np.asarray(y / (1 + self.albedo * y))


def rayleigh_depth(wavelength: float, pressure: float = 1013.25) -> float:
    """
    Return the optical depth of clean air; wavelength in µm, pressure in hPa (Hansen & Travis 1974, eq. 2.30).

    Examples
    --------
    >>> round(rayleigh_depth(0.55), 4)
    0.0973
    """
    inverse2 = wavelength**-2
    return 0.008569 * inverse2**2 * (1 + 0.0113 * inverse2 + 0.00013 * inverse2**2) * pressure / 1013.25


def terms(air: Atmosphere, wavelength: float, sza: ArrayLike, vza: ArrayLike, raa: ArrayLike) -> Terms:
    """
    Return what the air does in one wavelength (µm) and geometry (degrees, `raa` 0 towards the hot spot).

    Notes
    -----
    With μ, μ' the cosines of view and sun, τ the optical depth, x₁ three times the mean cosine of scattering:
    ``F(μ) = 1 + 1.5μ + (1 − 1.5μ) e^(−τ/μ)``; total transmittance ``2F/(4 + (3−x₁)τ)``; spherical albedo
    ``1 − 4/(4 + (3−x₁)τ)``; multiple scattering
    ``1 − F(μ)F(μ')/(4 + (3−x₁)τ) + ((3+x₁)μμ' − 2(μ+μ')) ρ₁``, ``ρ₁ = (1 − e^(−τ(1/μ+1/μ'))) / (4(μ+μ'))``.
    """
    mu0, mu, phi = np.cos(np.radians(sza)), np.cos(np.radians(vza)), np.radians(raa)
    molecules = rayleigh_depth(wavelength, air.pressure)
    aerosol = air.aod * (wavelength / 0.55) ** -air.angstrom
    scattering = aerosol * air.albedo
    absorbed = aerosol - scattering
    tau = molecules + scattering
    x1 = 3 * air.asymmetry * scattering / tau
    cos_angle = -mu * mu0 - np.sqrt((1 - mu**2) * (1 - mu0**2)) * np.cos(phi)
    phase = (molecules * _rayleigh(cos_angle) + scattering * _aerosol(cos_angle, air.asymmetry)) / tau
    once = -np.expm1(-tau * (1 / mu + 1 / mu0)) / (4 * (mu + mu0))
    depth = 4 + (3 - x1) * tau
    f, f0 = _escape(tau, mu), _escape(tau, mu0)
    more = 1 - f * f0 / depth + ((3 + x1) * mu * mu0 - 2 * (mu + mu0)) * once
    # Absorbers lie among the scatterers: light that turns back meets half of them on average, light that passes all.
    way = np.exp(-absorbed * (1 / mu + 1 / mu0))
    path = (phase * once + np.maximum(more, 0)) * np.sqrt(way)
    transmittance = 4 * f * f0 / depth**2 * way
    return Terms(np.asarray(path), np.asarray(transmittance), float((1 - 4 / depth) * np.exp(-1.5 * absorbed)))


def _escape(tau: float, mu: Array) -> Array:
    return np.asarray(1 + 1.5 * mu + (1 - 1.5 * mu) * np.exp(-tau / mu))


def _rayleigh(cos_angle: Array) -> Array:
    return np.asarray(0.75 * (1 + cos_angle**2))


def _aerosol(cos_angle: Array, g: float) -> Array:
    """Return a phase function of mean cosine `g` with a small backward lobe, as continental aerosol has."""
    back, share = -0.5, 0.04
    forward = (g - share * back) / (1 - share)
    return (1 - share) * _henyey_greenstein(cos_angle, forward) + share * _henyey_greenstein(cos_angle, back)


def _henyey_greenstein(cos_angle: Array, g: float) -> Array:
    return np.asarray((1 - g**2) / (1 + g**2 - 2 * g * cos_angle) ** 1.5)
