"""Land cover of the simulated place: hills with forest, parcels of crops, a lake and a river, dunes, a town."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.testing.resample import noise

if TYPE_CHECKING:
    import datetime as dt

    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cover:
    """One kind of land: its two end members and how it scatters."""

    name: str
    members: tuple[str, str]
    """Dark and bright spectrum (of the soil, where something grows)."""
    grows: bool = False
    pigment: float = 1.0
    water: float = 0.012
    anisotropy: float = 0.0
    """Strength of the directional effect relative to average land; 0: Lambertian."""


COVERS: tuple[Cover, ...] = (
    Cover("cropland", ("soil_dark", "soil_bright"), grows=True, anisotropy=1.0),
    Cover("forest", ("soil_dark", "soil_dark"), grows=True, pigment=1.3, water=0.016, anisotropy=1.2),
    Cover("grassland", ("soil_dark", "soil_bright"), grows=True, pigment=0.8, water=0.009, anisotropy=0.9),
    Cover("lake", ("clear_water", "turbid_water")),
    Cover("river", ("turbid_water", "turbid_water")),
    Cover("bare", ("soil_bright", "sand"), anisotropy=0.8),
    Cover("road", ("asphalt", "asphalt"), anisotropy=0.4),
    Cover("roof", ("tile", "roof"), anisotropy=0.5),
)
"""Kinds of land; the code in a land-cover map is the position here."""
CODE: dict[str, int] = {cover.name: code for code, cover in enumerate(COVERS)}

# Crops: (winter share, greening day, harvest day, peak LAI) of up to two seasons a year.
_CROPS: tuple[tuple[tuple[float, float, float], ...], ...] = (
    ((100.0, 165.0, 4.5), (195.0, 270.0, 4.5)),  # winter wheat, then maize
    ((160.0, 268.0, 5.5),),  # spring maize
    ((150.0, 250.0, 3.5),),  # vegetables and beans
    ((115.0, 300.0, 2.2),),  # orchard
    (),  # fallow
)


@dataclass(frozen=True)
class Landscape:
    """Fields on the fine grid, all ``(rows, columns)``."""

    cover: NDArray[np.uint8]
    """Position in `COVERS`."""
    mix: Array
    """Share of the bright member, 0…1."""
    crop: NDArray[np.uint8]
    """Kind of crop (cropland only)."""
    delay: Array
    """Days by which the season of the parcel comes late."""
    vigour: Array
    """Leaf area relative to the usual."""
    texture: Array
    """Brightness relative to the members, about 1."""


def make(geobox: GeoBox, seed: int) -> Landscape:
    """Return the landscape of a square geobox; the same seed and extent give the same land."""
    rng = np.random.default_rng([seed, 1])
    n = geobox.shape[0]
    v, u = (np.mgrid[0:n, 0:n] + 0.5) / n
    relief = noise((n, n), n / 14, rng)
    parcel = _parcels(geobox, rng)
    kinds = int(np.max(parcel)) + 1
    crop = rng.choice(len(_CROPS), size=kinds, p=[0.3, 0.3, 0.15, 0.15, 0.1]).astype(np.uint8)[parcel]
    delay = rng.normal(0, 6, kinds)[parcel]
    vigour = rng.uniform(0.75, 1.15, kinds)[parcel] * (1 + 0.06 * noise((n, n), 4, rng))
    mix = np.clip(rng.uniform(0.1, 0.9, kinds)[parcel] + 0.08 * noise((n, n), 6, rng), 0, 1)
    cover = np.full((n, n), CODE["cropland"], np.uint8)
    cover[(1.1 - u - v) * 4 + 0.8 * relief > 1.3] = CODE["forest"]
    cover[np.abs((1.1 - u - v) * 4 + 0.8 * relief - 1.05) < 0.25] = CODE["grassland"]
    cover[(u + v - 1.5) * 5 + 0.7 * relief > 0.5] = CODE["bare"]
    dunes = 0.5 + 0.25 * noise((n, n), 5, rng) + 0.15 * noise((n, n), n / 20, rng)
    mix = np.where(cover == CODE["bare"], np.clip(dunes, 0, 1), mix)
    _town((cover, mix), geobox, u, v, rng)
    _water((cover, mix), u, v, relief, rng)
    texture = 1 + 0.03 * noise((n, n), 1.0, rng) + 0.02 * noise((n, n), 8, rng)
    texture[cover == CODE["forest"]] += 0.05 * noise((n, n), 2.5, rng)[cover == CODE["forest"]]
    texture[np.isin(cover, (CODE["lake"], CODE["river"]))] = 1
    return Landscape(cover, mix, crop, delay, vigour, texture)


def leaf_area(land: Landscape, day: dt.date) -> Array:
    """Return the leaf area index of a date: double-logistic seasons, shifted and scaled by parcel."""
    doy = day.timetuple().tm_yday
    lai = np.zeros(land.cover.shape)
    fields = land.cover == CODE["cropland"]
    for kind, seasons in enumerate(_CROPS):
        here = fields & (land.crop == kind)
        delayed = doy - land.delay[here]
        lai[here] = sum((_season(delayed, *season) for season in seasons), np.zeros(delayed.shape))
    lai[land.cover == CODE["forest"]] = 0.6 + _season(doy, 115, 290, 4.6)
    lai[land.cover == CODE["grassland"]] = 0.3 + _season(doy, 130, 270, 1.6)
    return np.asarray(np.clip(lai * land.vigour, 0, 8))


def _season(doy: Array | float, start: float, end: float, peak: float) -> Array:
    rise, fall = 1 / (1 + np.exp(-(doy - start) / 8.0)), 1 / (1 + np.exp((doy - end) / 7.0))
    return np.asarray(peak * rise * fall)


def _parcels(geobox: GeoBox, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the number of each pixel's field: strips of uneven width, cut at uneven lengths, turned by 12 degrees."""
    n, size = geobox.shape[0], abs(geobox.affine.a)
    y, x = (np.mgrid[0:n, 0:n] - n / 2) * size
    turn = np.radians(12.0)
    a, b = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    reach = n * size
    strip = np.searchsorted(np.cumsum(rng.uniform(120, 320, int(2 * reach / 120))) - reach, a)
    start = rng.uniform(0, 500, int(np.max(strip)) + 1)[strip]
    length = rng.uniform(200, 600, int(np.max(strip)) + 1)[strip]
    number = strip * 4096 + ((b + reach + start) // length).astype(int)
    return np.unique(number, return_inverse=True)[1].reshape(n, n)


def _town(land: tuple[NDArray[np.uint8], Array], geobox: GeoBox, u: Array, v: Array, rng: np.random.Generator) -> None:
    """Add blocks of roofs between streets in a rounded town, and two highways."""
    cover, mix = land
    n, size = cover.shape[0], abs(geobox.affine.a)
    row, column = np.mgrid[0:n, 0:n]
    radius = np.hypot(u - 0.68, v - 0.36) + 0.012 * noise((n, n), n / 40, rng)
    town = radius < 0.13
    street = (row % int(180 / size) < 2) | (column % int(150 / size) < 2)
    block = (row // int(60 / size)) * 4096 + column // int(50 / size)
    kind = np.unique(block, return_inverse=True)[1].reshape(n, n)
    kinds = int(np.max(kind)) + 1
    bright, green = rng.uniform(0, 1, kinds)[kind], rng.uniform(0, 1, kinds)[kind]
    cover[town] = np.where(green < 0.22, CODE["grassland"], CODE["roof"])[town]
    mix[town] = bright[town]
    highway = (np.abs(v - 0.36 - 0.35 * (u - 0.68)) * n * size < 20) | (
        np.abs(u - 0.68 + 0.5 * (v - 0.36)) * n * size < 20
    )
    cover[(town & street) | highway] = CODE["road"]


def _water(land: tuple[NDArray[np.uint8], Array], u: Array, v: Array, relief: Array, rng: np.random.Generator) -> None:
    """Add a lake, clear at one end and turbid at the other, and the river across the scene."""
    cover, mix = land
    n = cover.shape[0]
    shore = np.hypot((u - 0.30) / 0.17, (v - 0.66) / 0.11) + 0.18 * noise((n, n), n / 30, rng)
    course = 0.80 + 0.05 * np.sin(7 * u + 1) + 0.025 * np.sin(19 * u) - 0.32 * u
    width = 0.006 + 0.003 * np.sin(23 * u)
    cover[np.abs(v - course) < width] = CODE["river"]
    lake = shore < 1
    cover[lake] = CODE["lake"]
    mix[lake] = np.clip(0.75 * (u[lake] - 0.13) / 0.34 + 0.05 * relief[lake], 0, 1) ** 2
