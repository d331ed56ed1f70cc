"""Clouds with soft edges and the shadows that they throw away from the sun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.testing.resample import area_mean, noise

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    Array = NDArray[np.float64]

CLOUD_REFLECTANCE = 0.72
"""Of a thick cloud at the top of the atmosphere, in every band."""
SHADE = 0.55
"""Share of the light that a full shadow takes away."""
SEEN = 0.1
"""Opacity or shade from which a pixel counts as cloudy or shadowed in the truth and in the files' masks."""

_EDGE = 0.35
"""Rise of the cloud field from no opacity to full opacity, in its standard deviations."""


@dataclass(frozen=True)
class Clouds:
    """Opacity of the cloud over a pixel as the satellite sees it, and depth of its shadow, both 0…1."""

    opacity: Array
    shadow: Array

    @property
    def cloud(self) -> NDArray[np.bool_]:
        """Where a cloud is seen."""
        return np.asarray(self.opacity >= SEEN)

    @property
    def shaded(self) -> NDArray[np.bool_]:
        """Where the shadow of a cloud is seen."""
        return np.asarray((self.shadow >= SEEN) & ~self.cloud)

    def cover(self, toa: Array) -> Array:
        """Return reflectance with these clouds and shadows over a clear top-of-atmosphere reflectance."""
        below = toa * (1 - SHADE * self.shadow)
        return np.asarray((1 - self.opacity) * below + self.opacity * CLOUD_REFLECTANCE)


def make(geobox: GeoBox, cover: float, seed: int, *, sza: float, saa: float, height: float = 1800.0) -> Clouds:
    """
    Return the clouds of one overpass on a square grid.

    Parameters
    ----------
    geobox
        Fine grid.
    cover
        Share of the area under cloud, 0…1.
    seed
        Of the cloud field.
    sza, saa
        Sun angles in degrees: a shadow lies ``height·tan(sza)`` away, opposite to the sun.
    height
        Of the clouds above the ground, m; seen from straight above.
    """
    shape = (int(geobox.shape[0]), int(geobox.shape[1]))
    clear = np.zeros(shape)
    if cover <= 0:
        return Clouds(clear, clear)
    rng = np.random.default_rng([seed, 2])
    # The field is made larger than the grid: clouds outside throw shadows inside.
    size, reach = abs(geobox.affine.a), height * np.tan(np.radians(sza))
    pad = int(np.ceil(reach / size)) + 1
    # Up to a multiple of 64 pixels in all: Fourier transforms of awkward lengths take many times as long.
    pad += (-(shape[0] + 2 * pad) % 64) // 2
    wide = geobox.pad(pad)
    n = int(wide.shape[0])
    field = noise((n, n), n / 22, rng) + 0.35 * noise((n, n), n / 80, rng) + 0.12 * noise((n, n), 3, rng)
    inner = (slice(pad, pad + shape[0]), slice(pad, pad + shape[1]))
    # Thin edges below SEEN do not count, so that the share in the masks is the share asked for.
    threshold = np.quantile(field[inner], 1 - cover) - SEEN * _EDGE
    opacity = np.clip((field - threshold) / _EDGE, 0, 1)
    east, north = reach * np.sin(np.radians(saa)), reach * np.cos(np.radians(saa))
    # The ground sees the cloud that stands towards the sun.
    shadow = area_mean(opacity, wide, geobox, (east, north))
    return Clouds(opacity[inner], np.clip(shadow, 0, 1))
