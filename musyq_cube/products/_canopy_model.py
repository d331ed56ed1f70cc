"""
Simulated canopies: what the baked inverse is of. Needs the package ``prosail`` (extra ``build``).

References
----------
Campbell (1990), doi:10.1016/0168-1923(90)90030-A (ellipsoidal leaf angles);
Féret, Gitelson, Noble & Jacquemoud (2017), doi:10.1016/j.rse.2017.03.004 (PROSPECT-D);
Jiang & Fang (2019), doi:10.1016/j.jag.2019.101932 (soils);
Verhoef, Jia, Xiao & Su (2007), doi:10.1109/TGRS.2007.895844 (4SAIL);
Weiss & Baret (2016), S2ToolBox Level 2 products, ATBD 1.1 (leaves and leaf angles that vary less in dense canopies).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.normalize._bandpass import band_weights, library
from musyq_cube.normalize._bandpass_spectra import WAVELENGTH, soils
from musyq_cube.sensor import sensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

DENSEST = 8.0
"""Greatest LAI simulated: above, reflectance no longer tells."""

# Means, deviations and limits follow the distributions of Weiss & Baret as remembered: unconfirmed, and that the limits
# have closed at LAI 8 is our choice. With leaves independent of LAI the error of LAI below 4 would be 0.7 … 0.9.
LEAVES = {
    # mean, standard deviation, limits at LAI 0, limits at the greatest LAI
    "n": (1.5, 0.3, (1.0, 2.5), (1.3, 1.8)),
    "cab": (45.0, 30.0, (10.0, 80.0), (45.0, 80.0)),
    "cm": (0.005, 0.005, (0.003, 0.02), (0.005, 0.011)),
    "lidfa": (60.0, 30.0, (30.0, 75.0), (55.0, 65.0)),
}
"""
Normal distributions cut at limits that close in as LAI grows: leaf structure, chlorophyll (µg cm⁻²), dry matter
(g cm⁻²), mean leaf angle (degrees). Without the closing in (Weiss & Baret 2016) a canopy of LAI 3 with odd leaves
passes for one of 7.
"""

EVEN = {"cw": (0.005, 0.03), "hspot": (0.05, 0.5), "tts": (20.0, 60.0), "tto": (0.0, 12.0), "psi": (0.0, 180.0)}
"""
Even distributions: leaf water (cm), hot spot, sun, view and azimuth (degrees). Composites are near nadir and their sun
is not known, so the sun is one more thing that is uncertain; knowing it to 5° would take 7 % off the error of LAI.
"""

SEED = 20150817
SOILS = 400

MERIS = {"red": (0.68125, 0.0075), "rededge071": (0.70875, 0.010), "rededge075": (0.75375, 0.0075)}
"""Centres and widths (µm) of the bands of the MTCI, for sensors with the red edge of MERIS."""


@dataclass(frozen=True)
class Canopies:
    """Simulated canopies, one per draw."""

    bands: Mapping[tuple[str, str], Array]
    """Reflectance by sensor and band."""
    lai: Array
    cab: Array
    """Leaf chlorophyll, µg cm⁻²."""
    fpar: Array
    """Part of the photons of 0.4–0.7 µm from the sun that the leaves absorb."""
    cover: Array
    """Part of the ground hidden from above."""

    def of(self, sensor_id: str, bands: tuple[str, ...]) -> Array:
        """Return reflectances (band, draw)."""
        return np.stack([self.bands[sensor_id, band] for band in bands])

    @property
    def chlorophyll(self) -> Array:
        """Chlorophyll of the canopy, g per m² of ground."""
        return self.lai * self.cab * 0.01


def simulate(count: int, seed: int, wanted: Mapping[str, tuple[str, ...]]) -> Canopies:
    """
    Return simulated canopies: PROSPECT-D leaves in 4SAIL over the soils of Jiang & Fang.

    Brown pigments and anthocyanins are zero, so that LAI is of green leaves. LAI is 8 u^2.5, denser at low values
    as land is.

    Parameters
    ----------
    count
        Number of canopies.
    seed
        Another seed gives other canopies and other soils.
    wanted
        Bands by sensor; the sensor ``meris`` has those of :data:`MERIS`.
    """
    keys = [(s, b) for s, bands in wanted.items() for b in bands]
    weights = np.stack([_weights(*key) for key in keys], axis=1)
    rng = np.random.default_rng([SEED, seed])
    soil = soils(SOILS, rng)
    seen = np.empty((count, len(keys)))
    truth = np.empty((count, 4))
    for i in range(count):
        leaf = draw(rng)
        spectrum, fpar, cover = reflect(leaf, soil[rng.integers(SOILS)])
        seen[i] = spectrum @ weights
        truth[i] = leaf["lai"], leaf["cab"], fpar, cover
    return Canopies(dict(zip(keys, seen.T, strict=True)), *truth.T)


def draw(rng: np.random.Generator) -> dict[str, float]:
    """Return the parameters of one canopy by their names in ``prosail``."""
    lai = DENSEST * rng.uniform() ** 2.5
    closed = lai / DENSEST
    out = {"lai": lai, **{name: rng.uniform(*limits) for name, limits in EVEN.items()}}
    for name, (mean, deviation, open_, dense) in LEAVES.items():
        low, high = (a + (b - a) * closed for a, b in zip(open_, dense, strict=True))
        value = np.inf
        while not low <= value <= high:
            value = rng.normal(mean, deviation)
        out[name] = value
    return out


def reflect(leaf: Mapping[str, float], soil: Array) -> tuple[Array, float, float]:
    """Return spectrum, absorbed fraction of photosynthetic photons, and cover seen from above, of one canopy."""
    prosail: Any = importlib.import_module("prosail")
    _, rho, tau = prosail.prospect_d.run_prospect(
        leaf["n"], leaf["cab"], leaf["cab"] / 5, 0.0, leaf["cw"], leaf["cm"], ant=0.0, prospect_version="D"
    )
    names = ("lai", "lidfa", "hspot", "tts", "tto", "psi")
    terms = prosail.sail_model.run_sail(
        rho, tau, *(leaf[name] for name in names), typelidf=2, factor="ALLALL", rsoil0=soil
    )
    tss, too, _, rdd, _, _, tsd = terms[:7]
    rsdt, rsot = terms[13], terms[17]
    down = (tss + tsd) / (1 - rdd * soil)  # what reaches the soil, after all reflections between soil and leaves
    absorbed = 1 - rsdt - (1 - soil) * down
    par = WAVELENGTH <= 0.7
    photons = WAVELENGTH[par] * prosail.spectral_lib.light.es[par]
    return rsot, float(absorbed[par] @ photons / photons.sum()), float(1 - np.mean(too))


def water(sensor_id: str, bands: tuple[str, ...]) -> Array:
    """Return the reflectance of ordinary water in some bands: the median of the waters of the band-pass library."""
    clear = np.median(library().spectra("water"), axis=0)
    return np.array([float(clear @ _weights(sensor_id, band)) for band in bands])


def _weights(sensor_id: str, band: str) -> Array:
    if sensor_id != "meris":
        return band_weights(WAVELENGTH, sensor(sensor_id).srf(band))
    centre, width = MERIS[band]
    edges = np.array([-0.501, -0.499, 0.499, 0.501]) * width + centre
    return band_weights(WAVELENGTH, (edges, [0.0, 1.0, 1.0, 0.0]))
