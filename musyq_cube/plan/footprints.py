"""Which scenes can reach which part of an output grid."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import shapely
import shapely.affinity
from pyproj import CRS, Transformer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odc.geo.geobox import GeoBox

    from musyq_cube.scene import Scene, Source, SourceGrid

UNKNOWN_GRID_MARGIN = 0.1
"""Share of its size by which a footprint grows where the pixel grid behind it is not known."""
SAG_MARGIN = 0.01
"""Share of its size by which a projected rectangle grows, for the bow of its edges between the projected points."""
EDGE_STEPS = 16
"""Pieces into which each edge of a source grid is cut before it is projected."""


class Footprints:
    """
    An index of scenes in the CRS of an output grid.

    It never misses a pixel: a scene's shape is the rectangle of its pixel grids where they are known (not the valid
    pixels, which catalogues round), else its footprint with a margin; what cannot be projected is everywhere. So the
    scenes of a block do not depend on how the output is cut into blocks.
    """

    def __init__(self, scenes: Sequence[Scene], crs: str, margin: float) -> None:
        """Index `scenes`; `margin` in CRS units is added around each."""
        shapes = [reach(scene, crs, margin) for scene in scenes]
        self._everywhere = [i for i, shape in enumerate(shapes) if shape is None]
        self._index = [i for i, shape in enumerate(shapes) if shape is not None]
        self._shapes = [shape for shape in shapes if shape is not None]
        self._tree = shapely.STRtree(self._shapes)

    def touching(self, geobox: GeoBox, margin: int = 0) -> tuple[int, ...]:
        """Return the positions of the scenes that reach a geobox grown by `margin` pixels, in order."""
        found = self._tree.query(shapely.box(*geobox.pad(margin + 1).boundingbox.bbox), predicate="intersects")
        return tuple(sorted(self._everywhere + [self._index[i] for i in found]))

    def share(self, position: int, geobox: GeoBox) -> float:
        """Return the area (CRS units squared) that a scene has in common with a geobox."""
        window = shapely.box(*geobox.boundingbox.bbox)
        if position in self._everywhere:
            return float(window.area)
        shape = self._shapes[self._index.index(position)]
        return float(shapely.intersection(shape, window).area)


def reach(scene: Scene, crs: str, margin: float) -> shapely.Geometry | None:
    """
    Return a shape in `crs` that surely holds every pixel of a scene; None where no finite shape does.

    Parameters
    ----------
    scene
        The scene.
    crs
        CRS of the output grid.
    margin
        Added around, in units of `crs`.
    """
    grids = {source.grid for source in sources(scene)}
    if None not in grids and grids:
        shapes = [_projected(_rectangle(grid), grid.crs, crs) for grid in grids if grid is not None]
        grow = SAG_MARGIN
    else:
        degrees = shapely.segmentize(scene.geometry, 0.25)
        shapes = [_projected(part, "EPSG:4326", crs) for part in shapely.get_parts(degrees)]
        grow = UNKNOWN_GRID_MARGIN
    known = [shapely.make_valid(shape) for shape in shapes if shape is not None]
    if len(known) < len(shapes) or not known:
        return None
    shape = shapely.union_all(known)
    west, south, east, north = shape.bounds
    shape = shape.buffer(margin + grow * max(east - west, north - south), quad_segs=1, join_style="mitre")
    if not geographic(crs):
        return shape
    turns = [shapely.affinity.translate(shape, xoff=turn) for turn in (-360.0, 360.0)]
    return shapely.union_all([shape, *turns])


def sources(scene: Scene) -> list[Source]:
    """Return every pixel layer of a scene that decides where it has data."""
    return [source for _, source in scene.bands] + [quality.source for quality in scene.qa]


def _rectangle(grid: SourceGrid) -> shapely.Geometry:
    return shapely.Polygon(_ring(grid))


@lru_cache(maxsize=4096)
def _ring(grid: SourceGrid) -> tuple[tuple[float, float], ...]:
    """Corners and points between them of a pixel grid, in its own CRS."""
    rows, cols = grid.shape
    t = np.linspace(0.0, 1.0, EDGE_STEPS, endpoint=False)
    col = np.concatenate([t, np.ones_like(t), 1 - t, np.zeros_like(t)]) * cols
    row = np.concatenate([np.zeros_like(t), t, np.ones_like(t), 1 - t]) * rows
    a, b, c, d, e, f = grid.transform
    return tuple(zip((a * col + b * row + c).tolist(), (d * col + e * row + f).tolist(), strict=True))


def _projected(shape: shapely.Geometry, source: str, target: str) -> shapely.Geometry | None:
    """Project a shape; None where a vertex has no finite image or the shape is torn by the projection's edge."""
    if source == target:
        return shape
    x, y = transformer(source, target).transform(*shapely.get_coordinates(shape).T)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    out = shapely.set_coordinates(shapely.from_wkb(shapely.to_wkb(shape)), np.column_stack([x, y]))
    return None if _torn(x, y) else out


def _torn(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether one step along the outline is as long as half the whole: it jumped across the edge of the projection."""
    steps = np.hypot(np.diff(x), np.diff(y))
    extent = max(float(np.ptp(x)), float(np.ptp(y)))
    return len(steps) > 2 * EDGE_STEPS and bool(steps.max(initial=0.0) > 0.5 * extent)


@lru_cache(maxsize=64)
def geographic(crs: str) -> bool:
    """Return whether a CRS has degrees (where longitudes of a grid may run beyond 180)."""
    return bool(CRS.from_user_input(crs).is_geographic)


@lru_cache(maxsize=256)
def transformer(source: str, target: str) -> Transformer:
    """Return the (x, y) transformation between two CRS."""
    return Transformer.from_crs(source, target, always_xy=True)
