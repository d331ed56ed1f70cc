"""
The known surface in the thermal infrared: its temperature and emissivity, and what Landsat-8 TIRS measures of it.

Air temperature and water vapour are those of the simulated reanalysis (:mod:`musyq_cube.testing.reanalysis`), so that a
retrieval with that reanalysis can find the temperature again. The air is one layer: transmittance falls linearly with
water vapour, and it radiates both ways at its mean temperature, both as mid-latitude summer profiles have them
(Rozenstein et al. 2014, doi:10.3390/s140405768; Qin et al. 2001, doi:10.1080/01431160010006971; numbers rounded: a
plausible air, not a reference).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pyproj import Transformer

from musyq_cube.testing import reanalysis
from musyq_cube.testing.landscape import CODE
from musyq_cube.testing.surface import CENTRE, CRS

if TYPE_CHECKING:
    import datetime as dt

    from numpy.typing import NDArray

    from musyq_cube.testing.observe import View
    from musyq_cube.testing.surface import Surface

    Array = NDArray[np.float64]

BANDS = ("B10", "B11")
K1 = {"B10": 774.8853, "B11": 480.8883}
K2 = {"B10": 1321.0789, "B11": 1201.1442}
"""Thermal constants of TIRS as scenes state them, W m⁻² sr⁻¹ µm⁻¹ and K."""
_TRANSMITTANCE = {"B10": (1.03, -0.114), "B11": (1.01, -0.155)}
_LEAVES = {"B10": 0.985, "B11": 0.986}
_GROUND = {"B10": 0.966, "B11": 0.972}
_WATER = {"B10": 0.991, "B11": 0.986}


def air(time: dt.datetime) -> tuple[float, float]:
    """Return air temperature (K) and water vapour (g cm⁻²) over the scene, from the simulated reanalysis."""
    lon, lat = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(*CENTRE)
    return tuple(float(reanalysis.field(name, lon, lat, time)) for name in ("air_temperature", "tcwv"))  # type: ignore[return-value]


def cover_fraction(surface: Surface, day: dt.date) -> Array:
    """Return the fraction of ground under leaves on the fine grid, 0…1: ``1 - exp(-LAI / 2)``."""
    return np.asarray(1 - np.exp(-0.5 * surface.lai(day)))


def temperature(surface: Surface, time: dt.datetime) -> Array:
    """Return the surface temperature (K) on the fine grid: leaves near the air, bare ground far above it by day."""
    warm, _ = air(time)
    leaves = cover_fraction(surface, time.date())
    ground = np.where(np.isin(surface.land.cover, (CODE["lake"], CODE["river"])), -2.0, 16.0)
    return np.asarray(warm + leaves * 2.0 + (1 - leaves) * ground * surface.land.texture)


def emissivity(surface: Surface, day: dt.date, band: str) -> Array:
    """Return the emissivity in a band on the fine grid: leaves over ground, or water."""
    leaves = cover_fraction(surface, day)
    land = leaves * _LEAVES[band] + (1 - leaves) * _GROUND[band]
    return np.where(np.isin(surface.land.cover, (CODE["lake"], CODE["river"])), _WATER[band], land)


def planck(kelvin: Array | float, band: str) -> Array:
    """Return the radiance of a black body in a band, W m⁻² sr⁻¹ µm⁻¹: ``K1 / (exp(K2 / T) - 1)``."""
    return np.asarray(K1[band] / np.expm1(K2[band] / np.asarray(kelvin)))


def radiance(view: View, band: str) -> Array:
    """Return what reaches the sensor on the fine grid, W m⁻² sr⁻¹ µm⁻¹; clouds radiate at 265 K."""
    warm, water = air(view.overpass.time)
    start, slope = _TRANSMITTANCE[band]
    through = min(start + slope * water, 0.98)
    own = (1 - through) * planck(16.0 + 0.926 * warm, band)
    epsilon = emissivity(view.surface, view.overpass.day, band)
    left = epsilon * planck(temperature(view.surface, view.overpass.time), band) + (1 - epsilon) * own
    clear = through * left + own
    opacity = view.clouds.opacity
    return np.asarray(clear * (1 - opacity) + planck(265.0, band) * opacity)
