"""Footprint of a scene: the outline of its valid pixels in longitude and latitude."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyproj
import shapely
import shapely.geometry

from musyq_cube.errors import CatalogError
from musyq_cube.region import split

if TYPE_CHECKING:
    from musyq_cube.scene import SourceGrid
    from musyq_cube.types import JSON

CELLS = 256
"""A mask is looked at in at most this many rows and columns."""

_LOOSE = 1.5
"""Cells; the steps of a slanted edge are smaller, so it becomes straight; what is cut off is put back around."""

_MOST_PARTS = 8
"""More separate areas than this (holes left by clouds) become their convex hull."""


def outline(mask: np.ndarray, grid: SourceGrid) -> shapely.Geometry:
    """
    Return a simple polygon, in the grid's CRS, that holds every valid pixel.

    Parameters
    ----------
    mask
        (rows, columns) bool, True where valid, of the whole grid at this or a lower resolution.
    grid
        The full pixel grid.

    Returns
    -------
    shapely.Geometry
        At most about three cells of `mask` larger than the valid area: a search by footprint may find a scene too much,
        never one too few.

    Raises
    ------
    CatalogError
        No pixel is valid.
    """
    if not mask.any():
        raise CatalogError("no pixel is valid: every pixel of the band is nodata")
    rows, cols = grid.shape
    cell = np.array([cols / mask.shape[1], rows / mask.shape[0]])
    if mask.shape != grid.shape:
        mask = _dilated(mask)
    covered = shapely.union_all(_runs(mask))
    area = shapely.union_all([shapely.Polygon(part.exterior) for part in getattr(covered, "geoms", [covered])])
    if len(getattr(area, "geoms", ())) > _MOST_PARTS:
        area = area.convex_hull
    area = area.simplify(_LOOSE).buffer(_LOOSE, join_style="mitre").intersection(shapely.box(0, 0, *mask.shape[::-1]))
    return shapely.transform(area, lambda xy: _to_crs(grid, xy * cell))


def to_lonlat(area: shapely.Geometry, crs: str) -> shapely.Geometry:
    """
    Transform an outline to longitude and latitude, densified before, split at the antimeridian after.

    An outline around a pole becomes the cap that holds it.
    """
    source = pyproj.CRS(crs)
    west, south, east, north = area.bounds
    dense = shapely.segmentize(area, max(east - west, north - south) / 16)
    transform = pyproj.Transformer.from_crs(source, "EPSG:4326", always_xy=True)
    if (cap := _polar_cap(dense, transform, source)) is not None:
        return cap
    centre = _centre_longitude(dense, transform)

    def geographic(xy: np.ndarray) -> np.ndarray:
        lon, lat = transform.transform(xy[:, 0], xy[:, 1])
        return np.column_stack([centre + (lon - centre + 180) % 360 - 180, lat])

    parts = [
        shapely.Polygon(ring[np.isfinite(ring).all(axis=1)])
        for polygon in getattr(dense, "geoms", [dense])
        for ring in [geographic(shapely.get_coordinates(polygon.exterior))]
        if np.isfinite(ring).all(axis=1).sum() >= 4
    ]
    shape = shapely.union_all([shapely.make_valid(part) for part in parts])
    shape = split(shapely.union_all([p for p in _flat(shape) if p.geom_type == "Polygon"]))
    if shape.is_empty:
        raise CatalogError(f"no part of the image is on Earth in its CRS {source.name!r}; the CRS is wrong")
    return shapely.orient_polygons(shape.simplify(1e-5))


def on_earth(mask: np.ndarray, grid: SourceGrid) -> np.ndarray:
    """Return the mask without the cells whose centres the projection cannot reach (the corners of sinusoidal tiles)."""
    transform = pyproj.Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    rows, cols = ((np.arange(n) + 0.5) * (full / n) for n, full in zip(mask.shape, grid.shape, strict=True))
    col, row = np.meshgrid(cols, rows)
    x, y = _to_crs(grid, np.column_stack([col.ravel(), row.ravel()])).T.reshape(2, *mask.shape)
    lon, lat = transform.transform(x, y)
    back_x, back_y = transform.transform(lon, lat, direction="INVERSE")
    tolerance = abs(grid.transform[0])
    with np.errstate(invalid="ignore"):
        reached: np.ndarray = (np.abs(back_x - x) < tolerance) & (np.abs(back_y - y) < tolerance)
    out: np.ndarray = mask & reached
    return out


def geojson(shape: shapely.Geometry) -> tuple[JSON, list[float]]:
    """Return a footprint as a GeoJSON geometry and its bbox, west > east where it crosses the antimeridian."""
    rounded = shapely.set_precision(shape, 1e-6)
    rounded = shapely.orient_polygons(rounded if not rounded.is_empty else shape)
    west, south, east, north = rounded.bounds
    parts = list(getattr(rounded, "geoms", [rounded]))
    if west <= -180 and east >= 180 and len(parts) > 1:
        west = min(p.bounds[0] for p in parts if p.bounds[2] >= 180)
        east = max(p.bounds[2] for p in parts if p.bounds[0] <= -180)
    return dict(shapely.geometry.mapping(rounded)), [round(float(v), 6) for v in (west, south, east, north)]


def _runs(mask: np.ndarray) -> np.ndarray:
    """One box for each unbroken run of valid cells in a row, in cells."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edges == 1)
    stop = np.nonzero(edges == -1)[1]
    boxes: np.ndarray = shapely.box(start, row, stop, row + 1)
    return boxes


def _to_crs(grid: SourceGrid, pixels: np.ndarray) -> np.ndarray:
    """(n, 2) columns and rows to CRS coordinates."""
    a, b, c, d, e, f = grid.transform
    out: np.ndarray = pixels @ np.array([[a, d], [b, e]]) + [c, f]
    return out


def _dilated(mask: np.ndarray) -> np.ndarray:
    """Grow by one cell: a decimated read can miss the valid pixels at the edge of a cell."""
    padded = np.pad(mask, 1)
    rows, cols = mask.shape
    out: np.ndarray = np.any([padded[r : r + rows, c : c + cols] for r in range(3) for c in range(3)], axis=0)
    return out


def _polar_cap(area: shapely.Geometry, transform: pyproj.Transformer, source: pyproj.CRS) -> shapely.Geometry | None:
    if source.is_geographic:
        return None
    for pole in (90.0, -90.0):
        x, y = transform.transform(0.0, pole, direction="INVERSE")
        if np.isfinite([x, y]).all() and area.contains(shapely.Point(x, y)):
            xy = shapely.get_coordinates(area)
            lat = transform.transform(xy[:, 0], xy[:, 1])[1]
            limits = (float(np.min(lat)), 90.0) if pole > 0 else (-90.0, float(np.max(lat)))
            return shapely.box(-180, limits[0], 180, limits[1])
    return None


def _centre_longitude(area: shapely.Geometry, transform: pyproj.Transformer) -> float:
    point = area.representative_point()
    lon = float(transform.transform(point.x, point.y)[0])
    return lon if np.isfinite(lon) else 0.0


def _flat(shape: shapely.Geometry) -> list[shapely.Geometry]:
    return [p for part in getattr(shape, "geoms", [shape]) for p in getattr(part, "geoms", [part])]
