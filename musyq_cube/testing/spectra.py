"""
Reflectance spectra of the simulated surface, 0.40–2.50 µm every 5 nm.

All spectra are analytic: a handful of nodes or absorption features with the shapes of published measurements, so that
they can be read here in full. They are not measurements. Vegetation is a leaf (pigments, water, dry matter as
absorption features) in a canopy of two streams over soil.

References
----------
Campbell & Norman (1998), An Introduction to Environmental Biophysics, ch. 15 (canopy reflectance over soil);
Hale & Querry (1973), doi:10.1364/AO.12.000555 (water absorption, rounded here);
Jacquemoud & Baret (1990), doi:10.1016/0034-4257(90)90100-Z (which constituents absorb where);
Stoner & Baumgardner (1981), doi:10.2136/sssaj1981.03615995004500060031x (forms of soil spectra).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

WAVELENGTH: Array = np.arange(400, 2501, 5) / 1000.0
"""Wavelengths of every spectrum here, µm."""

# Nodes (µm, reflectance) of the spectra that do not change with the season.
_NODES: dict[str, list[tuple[float, float]]] = {
    "soil_dark": [(0.40, 0.04), (0.50, 0.06), (0.60, 0.09), (0.70, 0.12), (0.86, 0.16), (1.10, 0.20), (1.30, 0.23),
                  (1.42, 0.19), (1.60, 0.25), (1.80, 0.25), (1.93, 0.16), (2.10, 0.23), (2.21, 0.20), (2.30, 0.20),
                  (2.50, 0.15)],
    "soil_bright": [(0.40, 0.11), (0.50, 0.16), (0.60, 0.23), (0.70, 0.28), (0.86, 0.33), (1.10, 0.38), (1.30, 0.41),
                    (1.42, 0.38), (1.60, 0.43), (1.80, 0.43), (1.93, 0.36), (2.10, 0.42), (2.21, 0.38), (2.30, 0.38),
                    (2.50, 0.32)],
    "sand": [(0.40, 0.13), (0.50, 0.20), (0.60, 0.30), (0.70, 0.36), (0.86, 0.40), (1.10, 0.44), (1.30, 0.47),
             (1.42, 0.46), (1.60, 0.49), (1.80, 0.50), (1.93, 0.46), (2.10, 0.50), (2.21, 0.46), (2.30, 0.47),
             (2.50, 0.44)],
    "clear_water": [(0.40, 0.030), (0.45, 0.034), (0.50, 0.036), (0.55, 0.032), (0.60, 0.016), (0.65, 0.010),
                    (0.70, 0.006), (0.75, 0.004), (0.86, 0.003), (1.00, 0.002), (2.50, 0.001)],
    "turbid_water": [(0.40, 0.045), (0.50, 0.075), (0.58, 0.115), (0.65, 0.105), (0.70, 0.090), (0.75, 0.045),
                     (0.81, 0.050), (0.86, 0.035), (0.95, 0.012), (1.10, 0.006), (1.30, 0.002), (2.50, 0.001)],
    "asphalt": [(0.40, 0.07), (0.55, 0.10), (0.70, 0.12), (1.00, 0.14), (1.60, 0.17), (2.10, 0.17), (2.30, 0.15),
                (2.50, 0.14)],
    "roof": [(0.40, 0.18), (0.50, 0.25), (0.60, 0.30), (0.70, 0.33), (0.86, 0.34), (1.20, 0.36), (1.42, 0.34),
             (1.60, 0.37), (1.93, 0.31), (2.10, 0.35), (2.30, 0.31), (2.50, 0.28)],
    "tile": [(0.40, 0.06), (0.50, 0.08), (0.55, 0.11), (0.60, 0.20), (0.70, 0.27), (0.86, 0.29), (1.20, 0.36),
             (1.60, 0.40), (1.93, 0.37), (2.10, 0.40), (2.30, 0.37), (2.50, 0.33)],
}  # fmt: skip
SURFACES: tuple[str, ...] = tuple(_NODES)
"""Names that `surface_spectrum` knows."""

# Leaf pigments: (centre µm, width µm, absorption of a healthy leaf).
_PIGMENT = ((0.450, 0.045, 2.6), (0.570, 0.060, 0.7), (0.620, 0.040, 1.2), (0.670, 0.028, 1.4))
# Liquid water, absorption coefficient in cm⁻¹.
_WATER = ((0.40, 1e-3), (0.70, 6e-3), (0.86, 0.05), (0.92, 0.12), (0.97, 0.47), (1.07, 0.15), (1.20, 1.2),
          (1.28, 1.0), (1.36, 6.0), (1.45, 30.0), (1.55, 10.5), (1.65, 5.6), (1.70, 5.6), (1.80, 8.0), (1.88, 30.0),
          (1.94, 119.0), (2.05, 40.0), (2.20, 17.5), (2.30, 24.0), (2.40, 45.0), (2.50, 90.0))  # fmt: skip
_PATH = 2.0
"""Mean path of diffuse light through a leaf, in leaf thicknesses."""
BEAM = 0.5 / np.cos(np.pi / 4)
"""Extinction by leaves of all directions for a sun at 45°, the geometry to which `canopy` refers."""


def surface_spectrum(name: str) -> Array:
    """
    Return the reflectance of a named surface (see `SURFACES`) at `WAVELENGTH`.

    Examples
    --------
    >>> float(surface_spectrum("sand")[0]), surface_spectrum("sand").shape
    (0.13, (421,))
    """
    if name not in _NODES:
        raise ValueError(f"no spectrum {name!r}: choose from {', '.join(SURFACES)}")
    x, y = np.array(_NODES[name]).T
    return np.asarray(np.interp(WAVELENGTH, x, y))


def leaf_absorptance(pigment: float = 1.0, water: float = 0.012, dry: float = 1.0) -> Array:
    """
    Return the share of light that one leaf absorbs at `WAVELENGTH`.

    Parameters
    ----------
    pigment
        Pigments relative to a healthy leaf.
    water
        Equivalent water thickness, cm.
    dry
        Dry matter relative to a healthy leaf.
    """
    absorption = np.full(WAVELENGTH.shape, 0.03)
    for centre, width, depth in _PIGMENT:
        absorption += pigment * depth * np.exp(-0.5 * ((WAVELENGTH - centre) / width) ** 2)
    x, k = np.array(_WATER).T
    absorption += _PATH * water * np.exp(np.interp(WAVELENGTH, x, np.log(k)))
    absorption += dry * 0.30 * np.clip((WAVELENGTH - 1.2) / 1.3, 0.0, 1.0)
    return np.asarray(0.04 + 0.96 * (1.0 - np.exp(-absorption)))


def canopy(lai: ArrayLike, soil: Array, absorptance: Array) -> Array:
    """
    Return the nadir reflectance of a canopy of leaves over soil for a sun at 45°.

    Two streams in a homogeneous canopy with leaves of all directions (Campbell & Norman 1998, eqs 15.7–15.11):
    ``r = (r∞ + x e) / (1 + r∞ x e)``, ``r∞ = 2k/(k+1) (1−√α)/(1+√α)``, ``x = (r∞ − r_soil)/(r∞ r_soil − 1)``,
    ``e = exp(−2 √α k LAI)``, with leaf absorptance α and beam extinction k.

    Parameters
    ----------
    lai
        Leaf area index, m² m⁻², any shape.
    soil, absorptance
        Spectra at `WAVELENGTH`.

    Returns
    -------
    Array
        Reflectance, shape of `lai` and one axis more for the wavelength.
    """
    root = np.sqrt(absorptance)
    deep = 2 * BEAM / (BEAM + 1) * (1 - root) / (1 + root)
    extinction = np.exp(-2 * root * BEAM * np.asarray(lai, dtype=float)[..., None])
    under = (deep - soil) / (deep * soil - 1) * extinction
    return np.asarray((deep + under) / (1 + deep * under))


def band_average(spectra: Array, response: tuple[ArrayLike, ArrayLike]) -> Array:
    """
    Return what a band sees of spectra: their mean weighted by the band's spectral response.

    ``ρ_band = ∫ρ S dλ / ∫S dλ`` over the union of both samplings, so a flat spectrum stays exactly what it is.

    Parameters
    ----------
    spectra
        ``(..., wavelength)`` at `WAVELENGTH`.
    response
        (wavelength µm, response) of the band, as `Sensor.srf` gives it.
    """
    x, s = (np.asarray(v, dtype=float) for v in response)
    inside = (x >= WAVELENGTH[0]) & (x <= WAVELENGTH[-1])
    if not inside.any():
        raise ValueError(f"the band ({x.min():.2f}–{x.max():.2f} µm) lies outside 0.4–2.5 µm: leave it out")
    grid = np.union1d(WAVELENGTH[(x[0] <= WAVELENGTH) & (x[-1] >= WAVELENGTH)], x[inside])
    weight = np.interp(grid, x, s) * np.gradient(grid) if len(grid) > 1 else np.ones(1)
    flat = spectra.reshape(-1, WAVELENGTH.size)
    seen = np.stack([np.interp(grid, WAVELENGTH, row) for row in flat]) @ weight / weight.sum()
    return np.asarray(seen.reshape(spectra.shape[:-1]))


def centre(response: tuple[ArrayLike, ArrayLike]) -> float:
    """Return the response-weighted mean wavelength of a band, µm."""
    return float(band_average(WAVELENGTH, response))
