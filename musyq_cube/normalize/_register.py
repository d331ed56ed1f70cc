"""Scene and base on one grid: what the registration compares."""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pyproj
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage

from musyq_cube.read.block import read_band, read_qa
from musyq_cube.read.prepare import prepare
from musyq_cube.read.warp import choose_method, source_grid
from musyq_cube.scene import Scene
from musyq_cube.types import METRES_PER_DEGREE, QA, UNCLEAR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from musyq_cube.scene import Source, SourceGrid

Array: TypeAlias = np.ndarray[Any, Any]

REACH = 2
"""Pixels from which cubic interpolation takes something of a cloud."""


class Images(NamedTuple):
    """Target and base, (y, x) float32 with NaN where missing or cloud, on one geobox."""

    target: Array
    base: Array
    geobox: GeoBox
    crs: str
    """Of the target."""
    metres: float
    """Size of a pixel."""
    against: str


def load(scene: Scene, base: Scene | Iterable[Scene] | xr.DataArray, band: str) -> Images | None:
    """
    Read a scene and its base on the base's grid at the coarser resolution; None where they do not overlap.

    Raises
    ------
    ReadError
        A file cannot be read.
    ValueError
        A scene lacks the band, or the base has no grid.
    """
    own = native_grid(scene, band)
    if isinstance(base, xr.DataArray):
        return _with_image(scene, own, base, band)
    scenes = [prepare(s, ("geometric",)) for s in ([base] if isinstance(base, Scene) else base)]
    if not scenes:
        raise ValueError("no base scene: give at least one")
    grids = [native_grid(s, band) for s in scenes]
    geobox = common_geobox(own, grids)
    if geobox is None:
        return None
    stack = np.stack([read_clear(s, band, geobox) for s in scenes])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a pixel that is clear on no date
        image = np.nanmedian(stack, axis=0) if len(stack) > 1 else stack[0]
    target = read_clear(_native(scene), band, geobox)
    return Images(target, image, geobox, own.crs, _metres(geobox), ", ".join(s.id for s in scenes))


def _with_image(scene: Scene, own: SourceGrid, base: xr.DataArray, band: str) -> Images | None:
    geobox = base.odc.geobox
    if not isinstance(geobox, GeoBox) or geobox.crs is None:
        raise ValueError("base image without a grid: give it a CRS (image.odc.assign_crs) and regular x and y")
    image = base.transpose(*geobox.dimensions).to_numpy().astype(np.float32, copy=False)
    target = read_clear(_native(scene), band, geobox)
    if not np.isfinite(target).any():
        return None
    return Images(target, image, geobox, own.crs, _metres(geobox), str(base.name or "image"))


def native_grid(scene: Scene, band: str) -> SourceGrid:
    """Return the grid of a scene's band."""
    source = scene.lend((band,)).sources.get(band)
    if source is None:
        raise ValueError(f"scene {scene.id} has no {band}: it has {', '.join(scene.sources)}")
    return source.grid or source_grid(source)


def read_clear(scene: Scene, band: str, geobox: GeoBox) -> Array:
    """Return one band of a scene, (y, x) float32, NaN where missing or within two pixels of cloud or shadow."""
    scene = scene.lend((band,))
    # cubic keeps the phase of fine structures, which bilinear does not
    coarse = choose_method(scene.sources[band], geobox, "auto") == "average"
    groups = ((scene,),)
    values: Array = read_band(groups, band, geobox, resampling="average" if coarse else "cubic", on_error="raise")[0]
    unclear = (read_qa(groups, geobox, on_error="raise")[0] & (UNCLEAR & ~QA.FILL)) != 0
    values[ndimage.binary_dilation(unclear, np.ones((3, 3)), iterations=REACH)] = np.nan
    return values


def common_geobox(own: SourceGrid, grids: list[SourceGrid]) -> GeoBox | None:
    """
    Return the pixels of the first base grid that are in a target and in any of the base grids.

    At the coarser of the two resolutions, on whole pixels of it from the corner of the base.
    """
    first = grids[0]
    a, _, c, d, _, f = first.transform
    size = math.hypot(a, d)
    theirs = _size_in(own, first.crs)
    if theirs > 1.05 * size:
        size = theirs
    spans = np.array([_bounds(grid, first.crs) for grid in grids])
    union = np.concatenate([spans[:, :2].min(0), spans[:, 2:].max(0)])
    target = _bounds(own, first.crs)
    west, south = np.maximum(union[:2], target[:2])
    east, north = np.minimum(union[2:], target[2:])
    if not (np.isfinite([west, south, east, north]).all() and west < east and south < north):
        return None
    (left, right), (top, bottom) = (
        (round(low), round(high))
        for low, high in (((west - c) / size, (east - c) / size), ((f - north) / size, (f - south) / size))
    )
    if right <= left or bottom <= top:
        return None
    corner = Affine(size, 0, c + left * size, 0, -size, f - top * size)
    return GeoBox((bottom - top, right - left), corner, first.crs)


def _outline(grid: SourceGrid, crs: str) -> tuple[Array, Array]:
    a, b, c, d, e, f = grid.transform
    rows, cols = (np.linspace(0, n, 21) for n in grid.shape)
    x, y = a * cols + b * rows[:, None] + c, d * cols + e * rows[:, None] + f
    x, y = pyproj.Transformer.from_crs(grid.crs, crs, always_xy=True).transform(x, y)
    return np.asarray(x), np.asarray(y)


def _bounds(grid: SourceGrid, crs: str) -> Array:
    """Return (west, south, east, north) in another CRS."""
    x, y = (np.where(np.isfinite(v), v, np.nan) for v in _outline(grid, crs))
    return np.array([np.nanmin(x), np.nanmin(y), np.nanmax(x), np.nanmax(y)])


def _size_in(grid: SourceGrid, crs: str) -> float:
    """Return the size of a pixel in the middle of a grid, in units of another CRS."""
    x, y = _outline(grid, crs)
    rows, cols = (n / 20 for n in grid.shape)
    down = math.hypot(x[11, 10] - x[9, 10], y[11, 10] - y[9, 10]) / (2 * rows)
    across = math.hypot(x[10, 11] - x[10, 9], y[10, 11] - y[10, 9]) / (2 * cols)
    return max(down, across)


def _metres(geobox: GeoBox) -> float:
    crs = geobox.crs
    return abs(geobox.affine.a) * (METRES_PER_DEGREE if crs is not None and crs.geographic else 1.0)


def _native(scene: Scene) -> Scene:
    """Return a scene with the mask that was made for it, but with its native geolocation."""
    scene = prepare(scene, ())

    def plain(source: Source) -> Source:
        if source.grid is None or source.grid.correction is None:
            return source
        return dataclasses.replace(source, grid=dataclasses.replace(source.grid, correction=None))

    return scene.replace(
        bands=tuple((name, plain(source)) for name, source in scene.bands),
        qa=tuple(dataclasses.replace(quality, source=plain(quality.source)) for quality in scene.qa),
    )
