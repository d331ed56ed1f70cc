"""Share of PAR in sunlight at the ground under clear skies, from the shipped spectra of 6S."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.normalize.lut import spectral_table

if TYPE_CHECKING:
    from musyq_cube.normalize._lut_bands import Spectral

Array: TypeAlias = "np.ndarray[Any, Any]"

COSINES = np.linspace(0.17, 1.0, 12)
"""Even; the lowest sun is at 80°."""
AODS = np.linspace(0.0, np.sqrt(3.0), 10) ** 2
WATERS = np.linspace(0.0, np.sqrt(7.0), 8) ** 2
OZONE = 0.3
"""cm-atm."""
ALBEDO = 0.2

# What the spectra leave out, of ASTM G173: irradiance outside the atmosphere relative to that within 0.39–2.5 µm
_SHORT, _LONG = 91.26 / 1223.61, 33.06 / 1223.61
_OZONE_DEPTH = 0.16
"""Of 0.28–0.39 µm, for one air mass: gives the 0.53 of G173 on level ground at 1.5 air masses."""
_DAMP = 1.0
"""The light of 2.5–4 µm falls like exp(-x √water): from G173 too."""


@cache
def tables() -> tuple[Array, Array, Array, Array]:
    """
    Return the tables of `musyq_cube.kernels.radiation.visible_share`.

    Returns
    -------
    cosines (a,), aods (b,), waters (c,), share (a, b, c)
        float32; aerosol of the continental model at 0.55 µm, water in g cm⁻².
    """
    spectral = spectral_table("continental")
    share = np.array([[[clear_share(spectral, mu, aod, w) for w in WATERS] for aod in AODS] for mu in COSINES])
    return tuple(np.ascontiguousarray(a, np.float32) for a in (COSINES, AODS, WATERS, share))  # type: ignore[return-value]


def clear_share(spectral: Spectral, cosine: float, aod: float, water: float) -> float:
    """Return PAR over broadband irradiance (0.28–4 µm) at the ground."""
    lit = np.gradient(spectral.gas_wavelengths) * spectral.irradiance
    mass = 1.0 / cosine
    short, passed, back = _scattering(spectral, cosine, aod)
    dry = np.exp(_through(np.log(0.5 * spectral.masses), np.log(np.clip(spectral.dry[-1], 1e-5, 1.0)), np.log(mass)))
    depth = np.log(np.clip(spectral.water, 1e-5, 1.0))
    depth = np.concatenate([np.zeros((1, depth.shape[1])), depth])
    wet = np.exp(_through(np.sqrt(np.concatenate([[0.0], spectral.waters])), depth, np.sqrt(water * mass)))
    flux = lit * passed * dry * wet * np.exp(-OZONE * mass * spectral.ozone) / (1.0 - ALBEDO * back)
    par = flux[(spectral.gas_wavelengths >= 0.4) & (spectral.gas_wavelengths <= 0.7)].sum()
    ends = _SHORT * short * np.exp(-_OZONE_DEPTH * mass) + _LONG * np.exp(-_DAMP * np.sqrt(water * mass))
    return float(par / (flux.sum() + lit.sum() * ends))


def _scattering(spectral: Spectral, cosine: float, aod: float) -> tuple[float, Array, Array]:
    """Return transmittance at 0.36 µm, and transmittance and spherical albedo at the wavelengths of the gases."""
    angles = np.cos(np.radians(spectral.angles))[::-1]
    through = np.log(spectral.transmit[:, -1].astype(float)) * np.cos(np.radians(spectral.angles))
    by_aod = np.array([_through(np.sqrt(spectral.aods), t, np.sqrt(aod)) for t in through])
    depth = np.array([np.interp(cosine, angles, d[::-1]) for d in by_aod]) / cosine
    sphere = np.array([np.interp(np.sqrt(aod), np.sqrt(spectral.aods), s) for s in spectral.albedo[:, -1]])
    known, fine = np.log(spectral.wavelengths), np.log(spectral.gas_wavelengths)
    slope = (depth[1] - depth[0]) / (known[1] - known[0])
    short = np.exp(depth[0] + slope * (np.log(0.36) - known[0]))
    passed = np.exp(-np.exp(np.interp(fine, known, np.log(-depth))))
    return float(short), passed, np.exp(np.interp(fine, known, np.log(sphere)))


def _through(nodes: Array, table: Array, at: float) -> Array:
    """Interpolate the first axis of a table at one point, continued beyond its ends."""
    i = int(np.clip(np.searchsorted(nodes, at) - 1, 0, len(nodes) - 2))
    share = (at - nodes[i]) / (nodes[i + 1] - nodes[i])
    return np.asarray((1.0 - share) * table[i] + share * table[i + 1])
