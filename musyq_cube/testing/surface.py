"""
The known surface: land cover, leaf area through the seasons, and what any band would see of it.

A pixel of the fine grid (10 m) is an area mixture of two end members, dark and bright, each a hyperspectral
reflectance; vegetated members are a canopy over that soil, with the leaf area of the day. Reflectance is the nadir
reflectance with the sun at 45°; the geometry of a view changes it by the kernels of `directional`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from odc.geo.geobox import GeoBox

from musyq_cube.testing import landscape
from musyq_cube.testing.spectra import band_average, canopy, leaf_absorptance, surface_spectrum

if TYPE_CHECKING:
    import datetime as dt

    from numpy.typing import ArrayLike, NDArray

    from musyq_cube.testing.landscape import Landscape

    Array = NDArray[np.float64]

CRS = "EPSG:32650"
CENTRE = (407400.0, 4467600.0)
"""Centre of the scene (UTM 50 N, m): Huailai, 100 km north-west of Beijing, where neighbouring orbits overlap."""
FINE = 10.0
"""Pixel of the fine grid, m."""
MARGIN = 240.0
"""Width of known surface around the scene (m), for shifted and coarser pixels."""
LAI_NODES: Array = np.linspace(0.0, 8.0, 49)


@dataclass(frozen=True)
class Surface:
    """A piece of land of `size` metres, deterministic from `seed`."""

    size: float = 12000.0
    seed: int = 0

    @cached_property
    def geobox(self) -> GeoBox:
        """The fine grid, margin included."""
        return _square(self.size / 2 + MARGIN)

    @cached_property
    def scene(self) -> GeoBox:
        """The part that is promised to be covered by the files, 10 m pixels."""
        return _square(self.size / 2)

    @cached_property
    def land(self) -> Landscape:
        """Land cover and its fixed fields on the fine grid."""
        return landscape.make(self.geobox, self.seed)

    def lai(self, day: dt.date) -> Array:
        """Return the leaf area index (m² m⁻²) of a day on the fine grid; 0 where nothing grows."""
        return _lai(self, day)

    def reflectance(self, day: dt.date, response: tuple[ArrayLike, ArrayLike]) -> Array:
        """
        Return the nadir reflectance (sun at 45°) of a day in one band on the fine grid.

        Parameters
        ----------
        day
            Date; the seasons come back every year.
        response
            (wavelength µm, response) of the band.
        """
        land, lai = self.land, self.lai(day)
        out = np.empty(land.cover.shape)
        for code, (dark, bright) in _member_bands(_frozen(response)).items():
            here = land.cover == code
            leaves, mix = lai[here], land.mix[here]
            out[here] = (1 - mix) * np.interp(leaves, LAI_NODES, dark) + mix * np.interp(leaves, LAI_NODES, bright)
        return np.asarray(np.clip(out * land.texture, 0.0005, 1.0))

    @cached_property
    def strength(self) -> Array:
        """How strong the directional effect of each fine pixel is, relative to average land."""
        return np.asarray(np.array([cover.anisotropy for cover in landscape.COVERS])[self.land.cover])


@lru_cache(maxsize=2)
def _lai(surface: Surface, day: dt.date) -> Array:
    return landscape.leaf_area(surface.land, day)


def _square(half: float) -> GeoBox:
    x, y = CENTRE
    return GeoBox.from_bbox((x - half, y - half, x + half, y + half), CRS, resolution=FINE, tight=True)


def _frozen(response: tuple[ArrayLike, ArrayLike]) -> tuple[bytes, bytes]:
    return tuple(np.asarray(v, dtype=float).tobytes() for v in response)  # type: ignore[return-value]


@cache
def _member_bands(response: tuple[bytes, bytes]) -> dict[int, tuple[Array, Array]]:
    """Band reflectance of the dark and the bright member of every cover at every LAI node."""
    curves = np.frombuffer(response[0]), np.frombuffer(response[1])
    out = {}
    for code, cover in enumerate(landscape.COVERS):
        pair = []
        for name in cover.members:
            ground = surface_spectrum(name)
            leaves = leaf_absorptance(cover.pigment, cover.water)
            spectra = canopy(LAI_NODES, ground, leaves) if cover.grows else np.repeat(ground[None], LAI_NODES.size, 0)
            pair.append(band_average(spectra, curves))
        out[code] = (pair[0], pair[1])
    return out
