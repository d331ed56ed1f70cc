"""Calibration against a base: what a sensor should have measured over ground that the base saw at about that time."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from odc.geo.geobox import GeoBox

from musyq_cube.normalize import lut
from musyq_cube.normalize.calibration import relative
from musyq_cube.normalize.chain import refuse
from musyq_cube.normalize.cube import observations
from musyq_cube.normalize.direction import apply_direction
from musyq_cube.normalize.rules import Rules
from musyq_cube.normalize.spectral import match
from musyq_cube.read.block import group_scenes, read_block
from musyq_cube.read.prepare import prepare
from musyq_cube.read.warp import source_grid
from musyq_cube.types import METRES_PER_DEGREE, UNCLEAR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from musyq_cube.normalization import Calibration
    from musyq_cube.normalize.chain import Observation
    from musyq_cube.scene import Scene

Array: TypeAlias = np.ndarray[Any, Any]
Bands: TypeAlias = "dict[str, Array]"

APART = dt.timedelta(days=2)
"""Longest time between two looks at the same ground."""
FINEST = 60.0
"""Metres of the pixels that are compared, and two of the sensor's: misregistration matters less then."""
MOST = 1000
"""Pixels along the compared image; larger scenes are compared on coarser pixels."""
RULES = Rules(("atmosphere", "direction"))


def against_base(scenes: Sequence[Scene], bases: Sequence[Scene]) -> Calibration | None:
    """
    Find gains that make a sensor's scenes agree with a base, all dates together: a camera's error lasts.

    The base's surface reflectance is turned to the sensor's direction, brought to its bands (the spectral line
    backwards) and put under its air: the reflectance at the top of the atmosphere that the sensor should have measured.
    :func:`musyq_cube.normalize.calibration.relative` compares it with the one it did measure.

    Parameters
    ----------
    scenes
        Of one sensor, at the top of the atmosphere, characterized but for the calibration.
    bases
        Characterized scenes of a better known sensor.

    Returns
    -------
    Calibration or None
        None where no scene has a base within two days over the same ground.
    """
    pairs = [(s, b) for s in scenes for b in bases if abs(s.time - b.time) <= APART and s.sensor != b.sensor]
    pairs = [(s, b) for s, b in pairs if s.geometry.intersects(b.geometry)]
    seen: list[tuple[Bands, Bands, float]] = [found for s, b in pairs if (found := _compare(s, b)) is not None]
    if not seen:
        return None
    names = [name for name in seen[0][0] if all(name in measured for measured, _, _ in seen)]
    measured = {name: np.concatenate([one[0][name] for one in seen]) for name in names}
    expected = {name: np.concatenate([one[1][name] for one in seen]) for name in names}
    who = ", ".join(sorted({b.sensor for _, b in pairs}))
    cosine = float(np.mean([one[2] for one in seen]))
    scaled = any(source.cosine for _, source in scenes[0].bands)
    return relative(measured, expected, cosine=cosine if scaled else 1.0, against=f"{who}, {len(seen)} pairs of dates")


def _compare(scene: Scene, base: Scene) -> tuple[Bands, Bands, float] | None:
    """Return measured and expected reflectance of the pixels that are clear in both, and the mean cosine of the sun."""
    geobox = _geobox(scene)
    lines = {
        line.band: line for line in match(scene.sensor, base.sensor).lines if line.band in lut.load(scene.sensor).bands
    }
    ours, bits, seen = _read(scene, geobox, tuple(lines))
    wanted = tuple(line.reference_band for line in lines.values())
    theirs, base_bits, base_seen = _read(base, geobox, wanted, ("geometric", "calibration", "atmosphere"))
    clear = ((bits | base_bits) & np.uint16(UNCLEAR)) == 0
    if not clear.any() or seen.aod is None or (base.quantity == "toa" and base_seen.aod is None):
        return None
    sun = float(np.nanmean(seen.sza[clear]))
    flat = {name: values[clear][None] for name, values in theirs.items()}
    ground = _nadir(flat, base_seen, clear, sun, base.quantity)
    expected = {}
    for band, line in lines.items():
        if line.reference_band in ground and band in ours:
            expected[band] = np.asarray(line.inverse()(ground[line.reference_band]), np.float32)
    angles = [layer[clear][None] for layer in (seen.sza, seen.vza, seen.raa)]
    turned, _ = apply_direction({b: np.ones_like(v) for b, v in expected.items()}, *angles, sun=sun)
    surface = {band: values / turned[band] for band, values in expected.items()}
    toa = _through(lut.load(scene.sensor, seen.aerosol).simulate, surface, seen, clear)
    measured = {band: ours[band][clear] for band in toa}
    return measured, {band: values[0] for band, values in toa.items()}, float(np.cos(np.radians(sun)))


def _nadir(bands: Bands, seen: Observation, clear: Array, sun: float, quantity: str) -> Bands:
    """Return surface reflectance at nadir under a sun."""
    angles = [layer[clear][None] for layer in (seen.sza, seen.vza, seen.raa)]
    if quantity == "toa":
        bands = _through(lut.load(seen.sensor, seen.aerosol).correct, bands, seen, clear)
    return apply_direction(bands, *angles, sun=sun)[0] if quantity in {"toa", "sr"} else bands


def _through(function: Any, bands: Bands, seen: Observation, clear: Array) -> Bands:
    """Return bands under, or without, the air over the clear pixels."""
    names = ("sza", "vza", "raa", "aod", "tcwv", "ozone", "elevation")
    made: Bands = function(bands, **{name: np.asarray(getattr(seen, name))[clear][None] for name in names})
    return made


def _read(
    scene: Scene, geobox: GeoBox, names: tuple[str, ...], steps: tuple[str, ...] = ("geometric", "atmosphere")
) -> tuple[Bands, Array, Observation]:
    ready = prepare(scene, steps)
    there = tuple(name for name in names if name in ready.sources)
    ds, _ = read_block(
        group_scenes([ready]),
        geobox,
        there,
        resampling="average",
        angles=True,
        air=ready.air is not None,
        on_error="raise",
    )
    seen = observations(ds)[0]
    bits = ds["qa"].values[0] | refuse(seen, RULES)
    return {name: ds[name].values[0] for name in there}, bits, seen


def _geobox(scene: Scene) -> GeoBox:
    """Return the scene's own grid on coarser pixels."""
    from affine import Affine

    own = source_grid(scene.sources.get("red", scene.bands[0][1]))
    a, _, x, _, e, y = own.transform
    metres = a * METRES_PER_DEGREE if own.geobox.crs is not None and own.geobox.crs.geographic else a
    factor = max(2, round(FINEST / metres), -(-max(own.shape) // MOST))
    shape = (max(own.shape[0] // factor, 1), max(own.shape[1] // factor, 1))
    return GeoBox(shape, Affine(a * factor, 0, x, 0, e * factor, y), own.crs)
