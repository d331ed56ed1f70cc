"""What one sensor records in one overpass: surface × geometry × air × clouds, averaged over its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.sensor import sensor
from musyq_cube.testing import clouds
from musyq_cube.testing.atmosphere import Terms, terms
from musyq_cube.testing.directional import anisotropy
from musyq_cube.testing.overpass import in_swath, relative_azimuth, sun_angles, view_angles
from musyq_cube.testing.resample import area_mean
from musyq_cube.testing.spectra import centre

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from musyq_cube.testing.clouds import Clouds
    from musyq_cube.testing.overpass import Overpass
    from musyq_cube.testing.surface import Surface

    Array = NDArray[np.float64]

_COARSE = 32
"""Angles and air vary slowly: they are computed on so many by so many nodes and interpolated."""


@dataclass(frozen=True)
class View:
    """One overpass over one surface; every field is on the surface's fine grid and is exact."""

    surface: Surface
    overpass: Overpass

    @cached_property
    def angles(self) -> tuple[Array, Array, Array]:
        """Sun zenith, view zenith and relative azimuth in degrees, on a coarse grid over the fine one."""
        box = self._coarse
        (sza, saa), (vza, vaa) = sun_angles(self.overpass.time, box), view_angles(self.overpass.track, box)
        return sza, vza, relative_azimuth(saa, vaa)

    @cached_property
    def clouds(self) -> Clouds:
        """The clouds of the overpass on the fine grid."""
        sza, saa = (float(a.mean()) for a in sun_angles(self.overpass.time, self._coarse))
        over = self.overpass
        return clouds.make(self.surface.geobox, over.cloud_cover, over.cloud_seed, sza=sza, saa=saa)

    def nadir(self, band: str) -> Array:
        """Return the nadir surface reflectance (sun at 45°) of the day in a band of the sensor."""
        return self.surface.reflectance(self.overpass.day, self._srf(band))

    def surface_reflectance(self, band: str) -> Array:
        """Return the surface reflectance in the geometry of the overpass."""
        return self.chain(band)[1]

    def chain(self, band: str) -> tuple[Array, Array, Array]:
        """Return nadir reflectance, reflectance in this geometry and clear top-of-atmosphere reflectance."""
        nadir = self.nadir(band)
        average = self._fine(anisotropy(centre(self._srf(band)), *self.angles))
        here = np.asarray(nadir * (1 + self.surface.strength * (average - 1)))
        return nadir, here, self.air(band).apply(here)

    def air(self, band: str) -> Terms:
        """Return what the air does in a band, on the fine grid."""
        t = terms(self.overpass.air, centre(self._srf(band)), *self.angles)
        return Terms(self._fine(t.path), self._fine(t.transmittance), t.albedo)

    def toa(self, band: str, *, cloudy: bool = True) -> Array:
        """Return top-of-atmosphere reflectance, with the clouds of the overpass or without."""
        clear = self.chain(band)[2]
        return self.clouds.cover(clear) if cloudy else clear

    def record(self, band: str, geobox: GeoBox) -> Array:
        """
        Return what the sensor reports on its pixels before quantisation: shifted, with its gain error and noise.

        NaN where the known surface ends.
        """
        over = self.overpass
        seen = area_mean(self.toa(band), self.surface.geobox, geobox, over.shift) * over.gain(band)
        seen[~in_swath(over.track, geobox)] = np.nan
        rng = np.random.default_rng([over.cloud_seed, 3, *band.encode()])
        return np.asarray(seen + over.noise * rng.standard_normal(seen.shape))

    def masks(self, geobox: GeoBox) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return where the sensor's pixels are under cloud and in shadow (not both)."""
        fine, shift = self.surface.geobox, self.overpass.shift
        opacity = np.nan_to_num(area_mean(self.clouds.opacity, fine, geobox, shift))
        shadow = np.nan_to_num(area_mean(self.clouds.shadow, fine, geobox, shift))
        seen = clouds.Clouds(opacity, shadow)
        return seen.cloud, seen.shaded

    @property
    def _coarse(self) -> GeoBox:
        return self.surface.geobox.zoom_to((_COARSE, _COARSE))

    def _srf(self, band: str) -> tuple[Array, Array]:
        return sensor(self.overpass.sensor).srf(band)

    def _fine(self, coarse: Array) -> Array:
        """Interpolate linearly from the coarse grid's pixel centres to the fine ones."""
        n = int(self.surface.geobox.shape[0])
        at = (np.arange(n) + 0.5) * _COARSE / n - 0.5
        low = np.clip(np.floor(at).astype(int), 0, _COARSE - 2)
        part = at - low
        rows = coarse[low] * (1 - part[:, None]) + coarse[low + 1] * part[:, None]
        return np.asarray(rows[:, low] * (1 - part) + rows[:, low + 1] * part)
