"""Cloud as sunlight meets it: a layer of water droplets by delta-Eddington, in the four bands of Slingo."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import numpy as np

F64: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

RADIUS = 10.0
"""µm, effective radius of droplets."""

DEEPEST = 160.0
"""Optical depth at 0.55 µm."""

# Slingo 1989, doi:10.1175/1520-0469(1989)046<1419:AGPFTS>2.0.CO;2: 0.25–0.69, 0.69–1.19, 1.19–2.38, 2.38–4.0 µm
_EXTINCTION = np.array([[2.817e-2, 1.305], [2.682e-2, 1.346], [2.264e-2, 1.454], [1.281e-2, 1.641]])
_ABSORPTION = np.array([[-5.62e-8, 1.63e-7], [-6.94e-6, 2.35e-5], [4.64e-4, 1.24e-3], [0.201, 7.56e-3]])
_ASYMMETRY = np.array([[0.829, 2.482e-3], [0.794, 4.226e-3], [0.754, 6.560e-3], [0.826, 4.353e-3]])

_LIGHT = np.array([0.463, 0.368, 0.158, 0.011])
"""Shares of the four bands in the light that reaches the ground, ASTM G173."""


def layer(depth: F64, cosine: F64, single: float, asymmetry: float) -> tuple[F64, F64]:
    """
    Return reflectance and transmittance (direct and diffuse) of a layer for a beam, by delta-Eddington.

    Parameters
    ----------
    depth, cosine
        Optical depth and cosine of the beam's zenith angle; broadcast.
    single, asymmetry
        Single scattering albedo and asymmetry factor.

    Returns
    -------
    reflectance, transmittance
        Their sum is 1 less what the layer absorbs.

    Notes
    -----
    Joseph, Wiscombe & Weinman 1976, doi:10.1175/1520-0469(1976)033<2452:TDEAFR>2.0.CO;2, with the two-stream solution
    of Meador & Weaver 1980, doi:10.1175/1520-0469(1980)037<0630:TSATRT>2.0.CO;2.
    """
    forward = asymmetry**2
    tau = (1 - single * forward) * np.asarray(depth, float)
    omega = min((1 - forward) * single / (1 - single * forward), 1 - 1e-6)
    g = asymmetry / (1 + asymmetry)
    mu = np.maximum(np.asarray(cosine, float), 1e-3)
    g1, g2 = (7 - omega * (4 + 3 * g)) / 4, -(1 - omega * (4 - 3 * g)) / 4
    g3 = (2 - 3 * g * mu) / 4
    g4 = 1 - g3
    a1, a2 = g1 * g4 + g2 * g3, g1 * g3 + g2 * g4
    k = np.sqrt(g1**2 - g2**2)
    km = k * mu
    km = np.where(np.abs(1 - km) < 1e-4, km + 2e-4, km)  # the solution has a removable gap there
    k = np.where(mu > 0, km / mu, k)
    down, beam = np.exp(-k * tau), np.exp(-tau / mu)
    norm = omega / ((1 - km**2) * ((k + g1) + (k - g1) * down**2))
    reflected = norm * (
        (1 - km) * (a2 + k * g3) - (1 + km) * (a2 - k * g3) * down**2 - 2 * k * (g3 - a2 * mu) * down * beam
    )
    passed = beam - norm * (
        (1 + km) * (a1 + k * g4) * beam - (1 - km) * (a1 - k * g4) * down**2 * beam - 2 * k * (g4 + a1 * mu) * down
    )
    return np.clip(reflected, 0, 1), np.clip(passed, 0, 1)


def visible(depth: F64, cosine: F64) -> tuple[F64, F64]:
    """Return reflectance and transmittance of a cloud for a beam of visible light."""
    reflected, passed, _ = _bands(np.asarray(depth, float), np.asarray(cosine, float))
    return reflected[0], passed[0]


def visible_albedo(depth: F64) -> F64:
    """Return the reflectance of a cloud for diffuse visible light."""
    mu = np.linspace(0.05, 0.95, 10)
    reflected, _ = visible(np.asarray(depth)[..., None], mu)
    return np.asarray((reflected * mu).sum(-1) / mu.sum())


@cache
def tables() -> tuple[F64, F64, F64]:
    """
    Return the tables of `musyq_cube.kernels.radiation.all_sky`, for broadband sunlight.

    Returns
    -------
    depths (c,), transmittance (c, m), albedo (c,)
        ``log(1 + depth)`` at even steps; cosines at even steps 0…1.
    """
    steps = np.linspace(0.0, np.log1p(DEEPEST), 41)
    mu = np.linspace(0.0, 1.0, 21)
    depth = np.expm1(steps)
    _, passed, light = _bands(depth[:, None], mu)
    fine = np.linspace(0.05, 0.95, 10)
    reflected, _, _ = _bands(depth[:, None], fine)
    albedo = np.einsum("b,bcm,m->c", light, reflected, fine) / fine.sum()
    return steps, np.einsum("b,bcm->cm", light, passed), albedo


def _bands(depth: F64, mu: F64) -> tuple[F64, F64, F64]:
    """Return reflectance and transmittance (band, …) for a depth at 0.55 µm, and the bands' shares of the light."""
    size = np.array([1.0, 1.0 / RADIUS])
    extinction = _EXTINCTION @ size / (_EXTINCTION[0] @ size)
    single = 1.0 - _ABSORPTION @ np.array([1.0, RADIUS])
    asymmetry = _ASYMMETRY @ np.array([1.0, RADIUS])
    made = [layer(depth * e, mu, min(w, 1.0), g) for e, w, g in zip(extinction, single, asymmetry, strict=True)]
    return np.stack([r for r, _ in made]), np.stack([t for _, t in made]), _LIGHT
