"""
Spectra of plants, soils, water and snow, 0.4–2.5 µm every nm, from published models: what the band-pass library is of.

Needed only to make the library again (``python -m musyq_cube.normalize.bandpass_build --library``).

References
----------
Bricaud, Babin, Morel & Claustre (1995), doi:10.1029/95JC00463 (absorption of phytoplankton grows less than linearly);
Campbell (1990), doi:10.1016/0168-1923(90)90030-A (ellipsoidal leaf angles);
Féret, Gitelson, Noble & Jacquemoud (2017), doi:10.1016/j.rse.2017.03.004 (PROSPECT-D);
Jiang & Fang (2019), doi:10.1016/j.jag.2019.101932 (general spectral vectors of soil, ``data/soil_vectors.csv``);
Kokhanovsky & Zege (2004), doi:10.1364/AO.43.001589 (snow, asymptotic radiative transfer);
Lee, Carder & Arnone (2002), doi:10.1364/AO.41.005755 (reflectance of water from absorption and backscattering);
Morel (1974), in Jerlov & Nielsen, Optical Aspects of Oceanography (scattering of pure sea water);
Pope & Fry (1997), doi:10.1364/AO.36.008710, and Segelstein (1981), hdl:10355/11599 (absorption of water);
Verhoef, Jia, Xiao & Su (2007), doi:10.1109/TGRS.2007.895844 (4SAIL);
Warren & Brandt (2008), doi:10.1029/2007JD009744 (absorption of ice);
Weiss & Baret (2016), S2ToolBox Level 2 products, ATBD 1.1 (distribution of brown pigments).
"""

from __future__ import annotations

import csv
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

DATA = Path(__file__).parent / "data"
WAVELENGTH: Array = np.arange(400, 2501) / 1000.0
"""Of every spectrum here, µm."""


def plants(count: int, rng: np.random.Generator, soil: Array) -> Array:
    """
    Return reflectances of canopies over soil: PROSPECT-D and 4SAIL, package ``prosail``.

    N 1…2.5, Cab 10…80 µg cm⁻², Car Cab/5, Cw 0.005…0.03 cm, Cm 0.003…0.02 g cm⁻², LAI 0…8 denser at low values, mean
    leaf angle 30…75°, hot spot 0.05…0.5, sun 20…65°, view 0…15°; brown pigments half-normal 0.3, up to 2 (Weiss &
    Baret 2016).

    Parameters
    ----------
    count
        Number of draws.
    rng
        Where the draws come from.
    soil
        ``(any, wavelength)``: one of these spectra lies under each canopy.

    Returns
    -------
    Array
        ``(count, wavelength)``
    """
    prosail: Any = importlib.import_module("prosail")
    out = np.empty((count, len(WAVELENGTH)))
    for i in range(count):
        cab = rng.uniform(10, 80)
        draw = {
            "n": rng.uniform(1, 2.5), "cab": cab, "car": cab / 5, "cbrown": min(abs(rng.normal(0, 0.3)), 2.0),
            "cw": rng.uniform(0.005, 0.03), "cm": rng.uniform(0.003, 0.02), "lai": 8 * rng.uniform() ** 2,
            "lidfa": rng.uniform(30, 75), "hspot": rng.uniform(0.05, 0.5), "tts": rng.uniform(20, 65),
            "tto": rng.uniform(0, 15), "psi": rng.uniform(0, 180),
        }  # fmt: skip
        under = soil[rng.integers(len(soil))]
        out[i] = prosail.run_prosail(**draw, typelidf=2, prospect_version="D", rsoil0=under)
    return out


def soils(count: int, rng: np.random.Generator) -> Array:
    """
    Return reflectances of bare soils, dry to moist: ``ρ = Σ cᵢ dryᵢ + c₄ humid`` (Jiang & Fang 2019).

    Brightness c₁ 0.1…0.8; c₂/c₁ −0.45…0, c₃/c₁ −0.1…0.15 and c₄/c₁ −0.6…0 hold the two soils of PROSAIL with a margin.
    Spectra that are not soil (outside 0.005…0.9, or that fall by more than 2 % within 0.4…0.7 µm) are drawn again.

    Returns
    -------
    Array
        ``(count, wavelength)``
    """
    table = np.genfromtxt(DATA / "soil_vectors.csv", delimiter=",", skip_header=1)
    vectors = np.stack([np.interp(WAVELENGTH, table[:, 0], column) for column in table[:, 1:].T])

    def draw() -> Array | None:
        share = [1.0, rng.uniform(-0.45, 0.0), rng.uniform(-0.1, 0.15), rng.uniform(-0.6, 0.0)]
        soil = rng.uniform(0.1, 0.8) * (np.array(share) @ vectors)
        visible = soil[WAVELENGTH <= 0.7]
        falls = (visible < 0.98 * np.maximum.accumulate(visible)).any()
        return None if soil.min() < 0.005 or soil.max() > 0.9 or falls else np.asarray(soil)

    return _accepted(count, draw)


def waters(count: int, rng: np.random.Generator) -> Array:
    """
    Return reflectances of clear to turbid water, with some sky glint.

    ``r = (0.089 + 0.1245 u) u``, ``u = b_b / (a + b_b)``, above the surface ``π 0.52 r / (1 − 1.7 r)`` (Lee 2002).
    Absorption of water, phytoplankton (0.05 chl^0.65 at 0.44 µm, in the form of leaf pigments), yellow substance
    (0.015 nm⁻¹) and particles (0.041 m² g⁻¹ at 0.443 µm, 0.0123 nm⁻¹); backscattering of water and particles
    (0.0183 × 0.5 m² g⁻¹). Chlorophyll 0.1…50 mg m⁻³, particles 0.1…200 g m⁻³, yellow substance 0.01…3 m⁻¹, glint
    0…0.02, all but the last drawn evenly in their logarithm.

    Returns
    -------
    Array
        ``(count, wavelength)``
    """
    prosail: Any = importlib.import_module("prosail")
    leaf = prosail.spectral_lib.prospectd
    pigment = np.asarray(leaf.kab + leaf.kcar / 5, float)
    pigment = pigment / np.interp(0.44, WAVELENGTH, pigment)
    pure = 4 * np.pi * _absorption_index("water") / (WAVELENGTH * 1e-6)
    nm = WAVELENGTH * 1000

    def draw() -> Array:
        chl, sediment, yellow = np.exp(rng.uniform(np.log((0.1, 0.1, 0.01)), np.log((50.0, 200.0, 3.0))))
        absorption = pure + 0.05 * chl**0.65 * pigment + yellow * np.exp(-0.015 * (nm - 440))
        absorption = absorption + 0.041 * sediment * np.exp(-0.0123 * (nm - 443))
        back = 0.5 * 0.00288 * (nm / 500) ** -4.32 + 0.0183 * 0.5 * sediment * (nm / 555) ** -rng.uniform(0.0, 1.0)
        u = back / (absorption + back)
        below = (0.089 + 0.1245 * u) * u
        return np.asarray(np.pi * 0.52 * below / (1 - 1.7 * below) + rng.uniform(0, 0.02))

    return _accepted(count, draw)


def snows(count: int, rng: np.random.Generator) -> Array:
    """
    Return plane albedos of snow, fresh to old, clean to dirty: ``exp(−u √(13 d γ))`` (Kokhanovsky & Zege 2004).

    ``γ = 4π (χ + M) / λ``, χ the absorption index of ice, M 0…3e-7 of soot; grain diameter d 0.1…2 mm, evenly in the
    logarithm; ``u = 3 (1 + 2 cos θ) / 7``, sun 30…75°.

    Returns
    -------
    Array
        ``(count, wavelength)``
    """
    chi = _absorption_index("ice")

    def draw() -> Array:
        diameter = np.exp(rng.uniform(np.log(0.1e-3), np.log(2e-3)))
        sun = 3 * (1 + 2 * np.cos(np.radians(rng.uniform(30, 75)))) / 7
        gamma = 4 * np.pi * (chi + 3e-7 * rng.uniform() ** 2) / (WAVELENGTH * 1e-6)
        return np.asarray(np.exp(-sun * np.sqrt(13 * diameter * gamma)))

    return _accepted(count, draw)


def mixtures(count: int, rng: np.random.Generator, classes: list[Array]) -> Array:
    """
    Return linear mixtures of two spectra of two different classes, shares drawn evenly.

    Classes are drawn in proportion to their numbers of spectra, so that snow, which is bright and rare, does not
    govern the lines.

    Returns
    -------
    Array
        ``(count, wavelength)``
    """
    chance = np.array([len(c) for c in classes]) / sum(len(c) for c in classes)

    def draw() -> Array:
        one, two = rng.choice(len(classes), 2, replace=False, p=chance)
        share = rng.uniform()
        first, second = (classes[k][rng.integers(len(classes[k]))] for k in (one, two))
        return np.asarray(share * first + (1 - share) * second)

    return _accepted(count, draw)


def _accepted(count: int, draw: Callable[[], Array | None]) -> Array:
    """Return so many draws, without those that are None."""
    kept: list[Array] = []
    while len(kept) < count:
        made = draw()
        if made is not None:
            kept.append(made)
    return np.stack(kept)


def _absorption_index(material: str) -> Array:
    """Imaginary part of the refractive index at `WAVELENGTH`, interpolated in its logarithm."""
    with (DATA / "water_ice.csv").open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["material"] == material]
    x = [float(r["wavelength_um"]) for r in rows]
    k = np.log([float(r["absorption_index"]) for r in rows])
    return np.asarray(np.exp(np.interp(WAVELENGTH, x, k)))
