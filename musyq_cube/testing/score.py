"""How far a composite is from the truth, and which part of the way is whose fault."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.sensor import sensor

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from musyq_cube.testing.overpass import Overpass
    from musyq_cube.testing.truth import Truth

    Array = NDArray[np.float64]

PARTS = ("atmosphere", "direction", "band-pass", "season", "rest")
"""
What separates a composite of top-of-atmosphere reflectance from the surface as one reference sensor sees it at nadir.

``atmosphere``: air not corrected; ``direction``: sun and view not those of the reference; ``band-pass``: other
spectral responses; ``season``: other days than the middle one; ``rest``: cloud edges, unmasked shadows, registration,
calibration, noise, and the composite method itself.
"""
_REFERENCE = "landsat8-oli"


@dataclass(frozen=True)
class Score:
    """A composite held against the truth; fields are ``(rows, columns)`` on its pixels."""

    bands: tuple[str, ...]
    clear: dict[str, Array]
    """Mean top-of-atmosphere reflectance of the truly clear dates of each pixel, without sensor errors."""
    surface: dict[str, Array]
    """Nadir surface reflectance of the middle day as the reference sensor sees it."""
    parts: dict[str, dict[str, Array]]
    """Error fields by band and part (see `PARTS`); they add up to composite minus surface."""
    cloudiness: Array
    """Share of the dates on which the pixel was under cloud or shadow."""

    def rms(self, band: str, part: str) -> float:
        """Return the root mean square of a part of the error of a band; ``"all"``: of the whole."""
        fields = self.parts[band]
        field = sum(fields.values()) if part == "all" else fields[part]
        return float(np.sqrt(np.nanmean(np.square(field))))

    def bias(self, band: str, part: str) -> float:
        """Return the mean of a part of the error of a band; ``"all"``: of the whole."""
        fields = self.parts[band]
        return float(np.nanmean(sum(fields.values()) if part == "all" else fields[part]))

    def cloud_left(self, band: str = "blue", limit: float = 0.05) -> float:
        """Return the share of pixels that differ from their clear dates by more than `limit`, as clouds would make."""
        return float(np.mean(np.abs(self.parts[band]["rest"]) > limit))


def score(truth: Truth, composite: xr.Dataset, bands: Sequence[str] = ("blue", "green", "red", "nir")) -> Score:
    """
    Hold a composite of all scenes of an archive against its truth.

    Parameters
    ----------
    truth
        Of the archive.
    composite
        Reflectance bands on ``(y, x)`` with a geobox.
    bands
        Which to judge.
    """
    box: GeoBox = composite.odc.geobox
    reference = {band: truth.nadir(_REFERENCE, _named(_REFERENCE, band), _middle(truth), box) for band in bands}
    with ThreadPoolExecutor(2) as pool:
        scenes = list(pool.map(lambda over: _steps(truth, over, reference, box), truth.overpasses))
    clear, seen = (np.sum([scene[k] for scene in scenes], axis=0) for k in (0, 1))
    parts: dict[str, dict[str, Array]] = {}
    toa: dict[str, Array] = {}
    for k, band in enumerate(bands):
        sums = np.sum([scene[2][k] for scene in scenes], axis=0)
        *means, toa[band] = np.where(clear > 0, sums / np.maximum(clear, 1), np.nan)
        rest = composite[band].values.astype(float) - toa[band]
        parts[band] = dict(zip(PARTS, (*means, rest), strict=True))
    return Score(tuple(bands), toa, reference, parts, np.asarray(1 - clear / np.maximum(seen, 1)))


def _steps(
    truth: Truth, over: Overpass, reference: dict[str, Array], box: GeoBox
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Array]:
    """Return where one scene is clear and where it has pixels, and its steps (band, step, row, column), 0 elsewhere."""
    cloud, shadow = truth.masks(over.id, box)
    seen = truth.seen(over.id, box)
    clear = seen & ~cloud & ~shadow
    out = []
    for band, expected in reference.items():
        nadir, here, toa = truth.chain(over.id, _named(over.sensor, band), box)
        same_day = truth.nadir(_REFERENCE, _named(_REFERENCE, band), over.day, box)
        out.append([toa - here, here - nadir, nadir - same_day, same_day - expected, toa])
    return clear, seen, np.where(clear, np.array(out), 0.0)


def _middle(truth: Truth) -> dt.date:
    days = [over.day for over in truth.overpasses]
    return min(days) + (max(days) - min(days)) // 2


def _named(sensor_id: str, band: str) -> str:
    """Return the sensor's name of a band; ``nir`` is the narrow one where there is no other."""
    names = {b.common_name for b in sensor(sensor_id).bands}
    return "nir08" if band == "nir" and band not in names else band
