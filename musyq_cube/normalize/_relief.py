"""Find out what the terrain does to one scene: read samples no finer than the elevation model, and estimate C."""

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
from musyq_cube.read.mapping import ratio
from musyq_cube.read.prepare import dem_source, prepare
from musyq_cube.read.warp import source_grid
from musyq_cube.scene import Relief
from musyq_cube.types import METRES_PER_DEGREE

if TYPE_CHECKING:
    from musyq_cube.normalization import Field
    from musyq_cube.scene import Scene, Source

Array: TypeAlias = np.ndarray[Any, Any]

SUN = ("sza", "saa", "slope", "aspect")
"""Angles that the incidence is made of."""
WINDOWS, WINDOW = 3, 480
"""
Windows along each side of a scene, and their pixels, in which C is found.

They are not made coarser: pixels that hold several slopes would make C too small (by a quarter in 60 m on hills a
kilometre wide, and nothing is left of it in 120 m).
"""


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
    samples = [_surface(ready, names, part) for part in _windows(box)]
    layers = {name: np.concatenate([sample[name] for sample in samples]) for name in samples[0]}
    clear = (layers["qa"] & np.uint16(UNFIT)) == 0
    made = estimate_c({name: layers[name] for name in names}, *(layers[name] for name in SUN), clear=clear)
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


def _surface(scene: Scene, names: list[str], box: GeoBox) -> dict[str, Array]:
    """Return surface reflectance by band, sun and terrain, and QA, each (y, x)."""
    options: dict[str, Any] = {"angles": True, "air": scene.air is not None, "relief": True, "on_error": "raise"}
    block, _ = read_block(group_scenes([scene]), box, names, **options)
    (seen,) = observations(block)
    rules = Rules(("atmosphere",), reference=scene.sensor)
    bands, bits = normalize_bands({name: block[name].values[0] for name in names}, seen, rules)
    return bands | {name: block[name].values[0] for name in SUN} | {"qa": block["qa"].values[0] | bits}


def _windows(box: GeoBox) -> list[GeoBox]:
    """Return windows that are spread evenly, or the whole where it is not larger than all of them."""
    if box.shape[0] * box.shape[1] <= (WINDOWS * WINDOW) ** 2:
        return [box]
    rows, cols = (_spread(n) for n in box.shape)
    return [box[r, c] for r in rows for c in cols]


def _spread(length: int) -> list[slice]:
    """Return the windows along one side, all of one size; not at the corners, which are empty in tilted scenes."""
    size = min(WINDOW, length)
    starts = {min(max((2 * k + 1) * length // (2 * WINDOWS) - size // 2, 0), length - size) for k in range(WINDOWS)}
    return [slice(start, start + size) for start in sorted(starts)]


def _geobox(scene: Scene, names: list[str], dem: Source) -> GeoBox | None:
    """Return the scene's grid, its finest pixels made no finer than those of the heights; None where too coarse."""
    grid = min((source_grid(scene.sources[name]) for name in names), key=lambda g: abs(g.transform[0]))
    native = abs(grid.transform[0])
    metres = METRES_PER_DEGREE if grid.geobox.crs is not None and grid.geobox.crs.geographic else 1.0
    if native * metres >= COARSE:
        return None
    heights = ratio(source_grid(dem), grid.crs, native)  # of the elevation model, along a pixel
    fewer = max(1, math.ceil(1 / heights - 0.01)) if heights > 0 else 1
    return GeoBox.from_bbox(grid.geobox.extent.boundingbox, grid.crs, resolution=native * fewer)
