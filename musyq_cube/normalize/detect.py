"""
Masks where the sensor has none: cloud, cirrus, shadow, snow and water from top-of-atmosphere values.

Clouds move and throw shadows, so a whole scene is looked at once, when it is characterized, and against its other dates
where there are any; a cube then reads the stored bits like a native quality layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from musyq_cube.kernels.morphology import distance
from musyq_cube.normalize._detect_cloud import clouds, look, snow, thin, water
from musyq_cube.normalize._detect_limits import Limits
from musyq_cube.normalize._detect_scene import clearest, detect_scene
from musyq_cube.normalize._detect_shadow import dark, shadows
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from musyq_cube.kernels._gufunc import F32

__all__ = ["Limits", "clearest", "detect", "detect_scene"]

Angle: TypeAlias = "F32 | float"


def detect(
    bands: Mapping[str, F32],
    *,
    sza: Angle,
    saa: Angle,
    resolution: float,
    vza: Angle | None = None,
    vaa: Angle | None = None,
    clear: Mapping[str, F32] | None = None,
    bt_clear: F32 | None = None,
    cold: bool = False,
    limits: Limits | None = None,
) -> npt.NDArray[np.uint16]:
    """
    Find cloud, cirrus, shadow, snow and water in one scene.

    Parameters
    ----------
    bands : mapping of common name to float32 (y, x)
        Top-of-atmosphere reflectance (unitless) and brightness temperature (K), NaN where missing, north up on square
        pixels. ``red`` and ``nir`` or ``nir08`` are needed; ``blue green swir16 cirrus lwir11 lwir12`` are used where
        they are there.
    sza, saa, vza, vaa : float or float32 (y, x)
        Zenith and azimuth of sun and sensor as seen from the ground, degrees, azimuths clockwise from the grid's north.
        With an unknown view, shadows are searched as if clouds were seen from above. The stated azimuth of the view and
        its opposite are tried (both conventions are in use), and the view from above: the one that explains most shadow
        is taken.
    resolution
        Size of a pixel, m.
    clear : mapping of common name to float32 (y, x)
        The clearest date of each pixel within a month or two (see `clearest`), at least the bands that detection needs.
        It tells bright towns and sand from cloud, and dark fields and lakes from shadow.
    bt_clear : float32 (y, x)
        Brightness temperature at 11 µm of clear sky, K: the largest of a month.
    cold
        It may be so cold that snow lies. Without a band at 1.6 µm, snow is only looked for then.
    limits
        Thresholds.

    Returns
    -------
    uint16 (y, x)
        `QA` bits FILL, CLOUD, CIRRUS, SHADOW, ADJACENT, SNOW (with BACKUP: seen without shortwave infrared), WATER.

    Raises
    ------
    NormalizeError
        There is no red or no near infrared.

    Notes
    -----
    Clouds by HOT, whiteness and flatness in the visible (Zhu and Woodcock 2012, doi:10.1016/j.rse.2011.10.028; Li et
    al. 2017, doi:10.1016/j.rse.2017.01.026), by the rise of blue since the clearest date (Hagolle et al. 2010,
    doi:10.1016/j.rse.2010.03.002), by cold and by 1.38 µm, grown from sure pixels over likely ones. Shadows by throwing
    every cloud along the sun and the view from 0.2 to 12 km and keeping the height whose shadow is darkest.

    Without a clear date, white roofs, bright sand under haze and snow are taken for cloud, thin cloud without any dense
    part is missed, and shadows over dark or dry ground are found by guess of the cloud's height only.

    Examples
    --------
    >>> ground = {"blue": 0.09, "green": 0.09, "red": 0.07, "nir": 0.35}
    >>> bands = {name: np.full((60, 60), value, np.float32) for name, value in ground.items()}
    >>> for band in bands.values():
    ...     band[30:36, 30:36] = 0.6  # a cloud, 1 km high
    ...     band[30:36, 14:20] *= 0.6  # its shadow, to the west of it
    >>> qa = detect(bands, sza=45.0, saa=90.0, resolution=62.5)
    >>> int(qa[32, 32]) == QA.CLOUD, int(qa[32, 16]) == QA.SHADOW, int(qa[32, 28]) == QA.ADJACENT, int(qa[5, 5])
    (True, True, True, 0)
    """
    seen, limits = look(bands), limits or Limits()
    before = None if clear is None else look(clear)
    known = seen.known
    with np.errstate(invalid="ignore", divide="ignore"):
        snowy = snow(seen, before, limits, possible=cold) & known
        smallest = max(1, round(limits.smallest / resolution**2))
        cloud = clouds(seen, before, bt_clear, snowy, smallest, limits)
        cirrus = thin(seen, vza, limits) & ~cloud
        ground = dark(seen, before, cloud, limits)
        shadow = shadows(cloud, ground, known, _ways(sza, saa, vza, vaa), resolution, limits)
        wet = water(seen, limits) & known & ~cloud & ~shadow
    around = known & ~cloud & ~shadow & ~cirrus & _around(cloud | shadow | cirrus, resolution, limits)
    out = np.zeros(known.shape, np.uint16)
    for mask, bits in ((~known, QA.FILL), (cloud, QA.CLOUD), (shadow, QA.SHADOW), (cirrus, QA.CIRRUS), (wet, QA.WATER),
                       (snowy, QA.SNOW if seen.swir is not None else QA.SNOW | QA.BACKUP),
                       (around, QA.ADJACENT)):  # fmt: skip
        out[mask] |= np.uint16(bits)
    return out


def _around(mask: npt.NDArray[np.bool_], resolution: float, limits: Limits) -> npt.NDArray[np.bool_]:
    metres, pixels = limits.dilate
    reach = metres if resolution <= 100.0 else pixels * resolution
    return np.asarray(distance(mask, resolution, np.full(mask.shape[0], resolution, np.float32), reach) < np.inf)


def _ways(sza: Angle, saa: Angle, vza: Angle | None, vaa: Angle | None) -> list[tuple[F32, F32]]:
    """Return metres to the east and north from a cloud's image to its shadow by metre of height, for each view."""
    sun = _away(sza, saa)
    if vza is None or vaa is None:
        return [sun]
    view = _away(vza, vaa)
    return [(sun[0] - view[0], sun[1] - view[1]), (sun[0] + view[0], sun[1] + view[1]), sun]


def _away(zenith: Angle, azimuth: Angle) -> tuple[F32, F32]:
    """Return how far to the east and north a ray from a direction has gone on after passing a metre of height."""
    z, a = np.radians(np.asarray(zenith, np.float32)), np.radians(np.asarray(azimuth, np.float32))
    return np.asarray(-np.tan(z) * np.sin(a)), np.asarray(-np.tan(z) * np.cos(a))
