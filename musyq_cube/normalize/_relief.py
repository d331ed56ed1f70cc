"""Find out what the terrain does to one scene: read it on a grid no finer than the elevation model, and estimate C."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from odc.geo.geobox import GeoBox

from musyq_cube.normalization import Topographic
from musyq_cube.normalize._aerosol_view import UNFIT
from musyq_cube.normalize.chain import normalize_bands, surface_bands
from musyq_cube.normalize.cube import observations
from musyq_cube.normalize.rules import COARSE, Rules
from musyq_cube.normalize.topography import estimate_c
from musyq_cube.read import group_scenes, read_block
from musyq_cube.read.mapping import METRES_PER_DEGREE, ratio
from musyq_cube.read.prepare import dem_source, prepare
from musyq_cube.read.warp import source_grid
from musyq_cube.scene import Relief

if TYPE_CHECKING:
    from musyq_cube.normalization import Field
    from musyq_cube.scene import Scene, Source

Array: TypeAlias = np.ndarray[Any, Any]

LARGEST = 1500
"""Pixels along the grid on which C is found: larger scenes are averaged to so many."""


def find_topography(scene: Scene, dem: Field) -> Topographic:
    """
    Find C of every reflective band of a scene, on clear slopes, from its surface reflectance.

    Parameters
    ----------
    scene
        With what has been found of it so far: top-of-atmosphere reflectance is corrected by its own `atmosphere`.
    dem
        Elevation in metres.

    Returns
    -------
    Topographic
        Not applied, and why, where the scene has no surface reflectance, pixels of 250 m or more, too few clear slopes,
        or no band that depends less on the sun's incidence afterwards.

    Raises
    ------
    ReadError
        The scene or the elevation model cannot be read.
    """
    if why_not := _unfit(scene):
        return Topographic(False, why_not)
    names = list(surface_bands(scene.sensor, tuple(name for name, _ in scene.bands)))
    source = dem_source(dem)
    box = _geobox(scene, names, source) if names else None
    if box is None:
        return Topographic(False, f"no reflective band has pixels below {COARSE:g} m: slopes are lost in coarser ones")
    ready = prepare(scene).replace(relief=Relief(source, ()))
    bands, layers, qa = _surface(ready, names, box)
    made = estimate_c(
        bands, layers["sza"], layers["saa"], layers["slope"], layers["aspect"], clear=(qa & np.uint16(UNFIT)) == 0
    )
    if not made.residuals:
        return Topographic(False, "too few clear pixels on slopes")
    if not made.c:
        return Topographic(False, "no band would depend less on the terrain")
    reason = f"SCS+C in {len(made.c)} of {len(names)} bands"
    return Topographic(True, reason, tuple((name, round(c, 4)) for name, c in made.c), dem, made.residual)


def _unfit(scene: Scene) -> str:
    """Say why a scene has no surface reflectance; empty where it has."""
    if scene.quantity not in {"toa", "sr"}:
        return f"is {scene.quantity} already"
    found = scene.normalization
    if scene.quantity == "toa" and not (found and found.atmosphere and found.atmosphere.applied):
        return "needs surface reflectance, and no atmosphere was found"
    return ""


def _surface(scene: Scene, names: list[str], box: GeoBox) -> tuple[dict[str, Array], dict[str, Array], Array]:
    """Return surface reflectance by band, angles and terrain, and QA, each (y, x)."""
    options: dict[str, Any] = {"angles": True, "air": scene.air is not None, "relief": True, "on_error": "raise"}
    block, _ = read_block(group_scenes([scene]), box, names, **options)
    (seen,) = observations(block)
    rules = Rules(("atmosphere",), reference=scene.sensor)
    bands, bits = normalize_bands({name: block[name].values[0] for name in names}, seen, rules)
    layers = {name: block[name].values[0] for name in ("sza", "saa", "slope", "aspect")}
    return bands, layers, block["qa"].values[0] | bits


def _geobox(scene: Scene, names: list[str], dem: Source) -> GeoBox | None:
    """Return the scene's own grid at a whole multiple of its finest pixel size; None where that is too coarse."""
    grid = min((source_grid(scene.sources[name]) for name in names), key=lambda g: abs(g.transform[0]))
    native = abs(grid.transform[0])
    metres = METRES_PER_DEGREE if grid.geobox.crs is not None and grid.geobox.crs.geographic else 1.0
    if native * metres >= COARSE:
        return None
    heights = ratio(source_grid(dem), grid.crs, native)  # of the elevation model, along a pixel
    fewer = [max(grid.shape) / LARGEST, 1 / heights if heights > 0 else 1.0]
    step = native * math.ceil(max(fewer) - 0.01)
    return GeoBox.from_bbox(grid.geobox.extent.boundingbox, grid.crs, resolution=max(step, native))
