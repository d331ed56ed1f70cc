"""
Mapping: geometry as a function from output pixels to fractional source rows and columns.

The function is evaluated on a coarse lattice whose nodes sit at multiples of `step` in the global pixel index of the
output grid (counted from the CRS origin), and linearly in between. Node values are rounded to 2⁻²⁰ source pixels and
kept as integers: all arithmetic between nodes is exact, so a pixel gets the same coordinate in whatever block it is
computed. Cells where linear interpolation is not good enough (a projection's domain edge, the antimeridian, a pole)
are evaluated pixel by pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pyproj

from musyq_cube.errors import GridError
from musyq_cube.types import METRES_PER_DEGREE

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

    from musyq_cube.scene import SourceGrid

Floats: TypeAlias = np.ndarray[Any, Any]
"""float64"""
Ints: TypeAlias = np.ndarray[Any, Any]
"""int64 where nothing else is said"""

BITS = 20
"""Fractional bits of a node coordinate: 2⁻²⁰ pixel."""
OUTSIDE = -(1 << 33)
"""Coordinate (whole pixels) of what the source cannot show."""
TOLERANCE = 0.001
"""Output pixels; the largest error of interpolation at the middle of a cell before it is evaluated exactly."""
STEPS = ((100.0, 16), (250.0, 8), (1000.0, 4))
"""(resolution in metres, pixels between nodes): cells of about two kilometres, nearly linear in any projection."""


@dataclass(frozen=True, eq=False)
class Lattice:
    """
    CRS coordinates of the nodes of one output geobox in one source CRS; shared by every scene in that CRS.

    `x`, `y` are (cells + 1) nodes; `dense` (int32) numbers the cells that are evaluated exactly (-1: interpolate),
    whose pixel coordinates are `dense_x`, `dense_y` (n, step, step). `top`, `left`: where the block's first pixel lies
    in cell (0, 0).
    """

    step: int
    top: int
    left: int
    shape: tuple[int, int]
    x: Floats
    y: Floats
    dense: Ints
    dense_x: Floats
    dense_y: Floats


@dataclass(frozen=True, eq=False)
class Mapping:
    """
    Fractional source pixel coordinates (edges at whole numbers, centres at .5) for each pixel of an output block.

    `rows`, `cols` are lattice nodes in fixed point (2⁻²⁰ pixel, int64); `height`, `width` (cells) the size of an output
    pixel in source pixels; the rest as in `Lattice`.
    """

    lattice: Lattice
    rows: Ints
    cols: Ints
    dense_rows: Ints
    dense_cols: Ints
    height: Floats
    width: Floats
    source_shape: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the output block."""
        return self.lattice.shape

    def window(self, margin: int = 2) -> tuple[slice, slice] | None:
        """Return the source (rows, cols) that the block needs, `margin` pixels wider; None where it needs none."""
        bounds = [
            _extent(nodes, dense, self.lattice, size, margin)
            for nodes, dense, size in zip(
                (self.rows, self.cols), (self.dense_rows, self.dense_cols), self.source_shape, strict=True
            )
        ]
        if any(stop <= start for start, stop in bounds):
            return None
        return slice(*bounds[0]), slice(*bounds[1])


def mapping(source: SourceGrid, geobox: GeoBox, level: tuple[int, int] | None = None) -> Mapping:
    """
    Return the mapping from the pixels of `geobox` to fractional rows and columns of a source grid.

    Parameters
    ----------
    source
        Grid of the source layer (affine without rotation is not required). Its geometric correction is heeded: the
        pixel at the true place (x, y) is looked for where the native geolocation has it, at (x + dx, y + dy).
    geobox
        Output pixels: axis-aligned, north up.
    level
        Shape (rows, columns) of the overview to address, over the same area; by default the full resolution.

    Raises
    ------
    GridError
        For a rotated output geobox, a source transform that cannot be inverted, or a correction without a CRS.
    """
    nodes = lattice(source.crs, geobox, _seam(source))
    shape = level or source.shape
    a, b, c, d, e, f = _inverse(source, shape)
    x, y = _native(source, nodes.x, nodes.y)
    dense_x, dense_y = _native(source, nodes.dense_x, nodes.dense_y)
    rows, cols = _fixed(d * x + e * y + f), _fixed(a * x + b * y + c)
    dense_rows, dense_cols = _fixed(d * dense_x + e * dense_y + f), _fixed(a * dense_x + b * dense_y + c)
    height, width = _sizes(rows, dense_rows, nodes), _sizes(cols, dense_cols, nodes)
    return Mapping(nodes, rows, cols, dense_rows, dense_cols, height, width, (shape[0], shape[1]))


@lru_cache(maxsize=4096)
def ratio(source: SourceGrid, crs: str, resolution: float) -> float:
    """
    Return how many source pixels fit along one output pixel of a grid, on the axis where fewer fit.

    Median over the source grid, so that overview and resampling do not depend on which block is read. nan where the
    source has no place in the output CRS.
    """
    a, b, c, d, e, f = source.transform
    rows, cols = (np.linspace(0.1, 0.9, 5) * n for n in source.shape)
    x, y = a * cols + b * rows[:, None] + c, d * cols + e * rows[:, None] + f
    x, y = _project(_transformer(source.crs, crs), x, y)
    back = _transformer(crs, source.crs)
    x = np.stack([x, x + resolution, x])
    y = np.stack([y, y, y + resolution])
    x, y = _project(back, x, y)
    ia, ib, ic, id_, ie, if_ = _inverse(source, source.shape)
    col, row = ia * x + ib * y + ic, id_ * x + ie * y + if_
    sizes = (np.hypot(v[1] - v[0], v[2] - v[0]).ravel() for v in (row, col))
    return float(np.min([_median(size[None]) for size in sizes]))


@lru_cache(maxsize=16)
def lattice(crs: str, geobox: GeoBox, seam: float | None = None) -> Lattice:
    """
    Return the nodes of an output geobox in the coordinates of a source CRS (cached: dates and bands share it).

    Longitudes are brought into `seam` … `seam` + 360 where it is given.
    """
    if geobox.crs is None:
        raise GridError("output geobox without a CRS: give it one")
    step = _step(geobox)
    row0, y_axis = _axis(geobox.affine.f, geobox.affine.e)
    col0, x_axis = _axis(geobox.affine.c, geobox.affine.a)
    if geobox.affine.b or geobox.affine.d:
        raise GridError(f"output geobox {geobox.affine}: rotated grids cannot be written; use a north-up grid")
    rows, cols = geobox.shape
    j = np.arange(row0 // step, (row0 + rows - 1) // step + 2) * step
    i = np.arange(col0 // step, (col0 + cols - 1) // step + 2) * step
    to_source = _Projection(_transformer(geobox.crs.to_wkt(), crs), seam)
    x, y = to_source(x_axis(i)[None, :], y_axis(j)[:, None])
    dense = _find_dense(to_source, x_axis, y_axis, (j, i), (x, y), step)
    cells = np.argwhere(dense >= 0)
    inner = np.arange(step)
    dense_x, dense_y = to_source(
        x_axis(i[cells[:, 1], None, None] + inner), y_axis(j[cells[:, 0], None, None] + inner[:, None])
    )
    return Lattice(step, row0 % step, col0 % step, (rows, cols), x, y, dense, dense_x, dense_y)


def y_centres(geobox: GeoBox) -> Floats:
    """Return y of the pixel centres of a geobox, computed from the global index alone: any block gives the same."""
    first, axis = _axis(geobox.affine.f, geobox.affine.e)
    return axis(np.arange(first, first + geobox.shape[0]))


def x_centres(geobox: GeoBox) -> Floats:
    """Return x of the pixel centres of a geobox, computed from the global index alone: any block gives the same."""
    first, axis = _axis(geobox.affine.c, geobox.affine.a)
    return axis(np.arange(first, first + geobox.shape[1]))


class _Axis:
    """Coordinates of pixel centres along one axis, computed from the global index alone."""

    def __init__(self, resolution: float, shift: float) -> None:
        self._resolution, self._shift = resolution, shift

    def __call__(self, index: Ints, within: float = 0.0) -> Floats:
        return np.asarray((index + (0.5 + within + self._shift)) * self._resolution, dtype=np.float64)


def _axis(origin: float, resolution: float) -> tuple[int, _Axis]:
    """Return the global index of the first pixel and the axis (its sub-pixel shift kept to 1e-6)."""
    position = origin / resolution
    first = math.floor(position + 0.5e-6)
    shift = round(position - first, 6)
    return first, _Axis(resolution, shift)


def _step(geobox: GeoBox) -> int:
    """Pixels between nodes (a power of two), from the resolution alone so that every block agrees."""
    size = abs(geobox.affine.a) * (METRES_PER_DEGREE if geobox.crs is not None and geobox.crs.geographic else 1.0)
    return next((step for limit, step in STEPS if size <= limit), 2)


@lru_cache(maxsize=64)
def _transformer(target: str, source: str) -> pyproj.Transformer | None:
    """Return the transformer from output to source coordinates; None where the two CRS are the same."""
    pair = pyproj.CRS.from_user_input(target), pyproj.CRS.from_user_input(source)
    if pair[0].equals(pair[1], ignore_axis_order=True):
        return None
    return pyproj.Transformer.from_crs(*pair, always_xy=True)


class _Projection(NamedTuple):
    """From output to source coordinates."""

    transformer: pyproj.Transformer | None
    seam: float | None

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        x, y = _project(self.transformer, x, y)
        return (x if self.seam is None else x - 360.0 * np.floor((x - self.seam) / 360.0)), y


@lru_cache(maxsize=4096)
def _seam(source: SourceGrid) -> float | None:
    """Return the meridian where a geographic source's longitudes begin; None for a projected source."""
    if not pyproj.CRS.from_user_input(source.crs).is_geographic:
        return None
    a, b, c, *_ = source.transform
    corners = [c + a * col + b * row for row in (0, source.shape[0]) for col in (0, source.shape[1])]
    west, east = min(corners), max(corners)
    if west >= -180.0 - 1e-6 and east <= 180.0 + 1e-6:
        return -180.0  # the same for most sources, which so share their lattices
    if abs(east - west - 360.0 - 2 * abs(a)) < abs(a) / 2:  # a column repeated on each side (see read.cf)
        return west + abs(a)
    return west if east - west >= 360.0 - 1e-6 else (west + east) / 2 - 180.0


def _project(transformer: pyproj.Transformer | None, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    x, y = (np.ascontiguousarray(v) for v in np.broadcast_arrays(x, y))
    if transformer is None or x.size == 0:
        return x, y
    x, y = transformer.transform(x, y)
    bad = ~(np.isfinite(x) & np.isfinite(y))
    return np.where(bad, np.nan, x), np.where(bad, np.nan, y)


def _find_dense(
    to_source: _Projection,
    x_axis: _Axis,
    y_axis: _Axis,
    index: tuple[Ints, Ints],
    nodes: tuple[Floats, Floats],
    step: int,
) -> Ints:
    """Return the running number of each cell that interpolation would place wrongly or whose CRS domain ends in it."""
    j, i = index
    shape = (len(j) - 1, len(i) - 1)
    if to_source.transformer is None and to_source.seam is None:
        return np.full(shape, -1, np.int32)
    middle = to_source(x_axis(i[None, :-1], step / 2), y_axis(j[:-1, None], step / 2))
    good = np.ones(shape, bool)
    for node, true in zip(nodes, middle, strict=True):
        across, down = node[1:, 1:] - node[:-1, :-1], node[:-1, 1:] - node[1:, :-1]
        pixel = np.hypot(across, down) / (2 * step)
        good &= np.abs(_mean4(node) - true) <= TOLERANCE * pixel
    empty = np.isnan(middle[0])
    for corner in (np.s_[:-1, :-1], np.s_[:-1, 1:], np.s_[1:, :-1], np.s_[1:, 1:]):
        empty &= np.isnan(nodes[0][corner])
    exact = ~good & ~empty
    return np.where(exact, np.cumsum(exact).reshape(shape) - 1, -1).astype(np.int32)


def _mean4(node: Floats) -> Floats:
    return np.asarray((node[:-1, :-1] + node[:-1, 1:] + node[1:, :-1] + node[1:, 1:]) / 4)


def _native(source: SourceGrid, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """
    Return where the native geolocation of a source has true places, in the source's CRS.

    The lattice knows nothing of corrections (all scenes of a CRS share it), so they are added here, at its nodes. A
    correction stated in another CRS (another layer of the scene) is evaluated there, and the moved place brought back.
    """
    correction = source.correction
    if correction is None or not correction.applied or x.size == 0:
        return x, y
    if not correction.crs:
        raise GridError("geometric correction without a CRS: state the one that its terms are in")
    there, back = _transformer(source.crs, correction.crs), _transformer(correction.crs, source.crs)
    own_x, own_y = _project(there, x, y)
    (west, south, east, north), turn = _reach(source)
    if turn:  # longitudes count from the scene
        middle = (west + east) / 2
        own_x = own_x - turn * np.rint((own_x - middle) / turn)
    # a polynomial is good for nothing far from where it was found: the displacement at the edge holds from there on
    dx, dy = correction.displacement(np.clip(own_x, west, east), np.clip(own_y, south, north))
    if back is None:
        return x + dx, y + dy
    return _Projection(back, _seam(source))(own_x + dx, own_y + dy)


@lru_cache(maxsize=4096)
def _reach(source: SourceGrid) -> tuple[tuple[float, float, float, float], float]:
    """Return (west, south, east, north) of a source and a tenth around it in its correction's CRS; a full turn or 0."""
    assert source.correction is not None  # noqa: S101  (for the type checker)
    a, b, c, d, e, f = source.transform
    rows, cols = (np.linspace(-0.1, 1.1, 13) * n for n in source.shape)
    x, y = a * cols + b * rows[:, None] + c, d * cols + e * rows[:, None] + f
    x, y = _project(_transformer(source.crs, source.correction.crs), x, y)
    turn = 360.0 if pyproj.CRS.from_user_input(source.correction.crs).is_geographic else 0.0
    if turn:
        x = np.degrees(np.unwrap(np.unwrap(np.radians(x), axis=1), axis=0))
    return (float(np.nanmin(x)), float(np.nanmin(y)), float(np.nanmax(x)), float(np.nanmax(y))), turn


def _inverse(source: SourceGrid, shape: tuple[int, int]) -> tuple[float, float, float, float, float, float]:
    """Return (a, b, c, d, e, f): col = a x + b y + c, row = d x + e y + f, in pixels of the wanted level."""
    a, b, c, d, e, f = source.transform
    det = a * e - b * d
    if det == 0:
        raise GridError(f"source transform {source.transform}: pixels have no area")
    across, down = shape[1] / source.shape[1], shape[0] / source.shape[0]
    ia, ib, id_, ie = e / det, -b / det, -d / det, a / det
    return (
        ia * across, ib * across, -(ia * c + ib * f) * across,
        id_ * down, ie * down, -(id_ * c + ie * f) * down,
    )  # fmt: skip


def _fixed(value: Floats) -> Ints:
    """Round to fixed point; what is not finite or absurdly far goes to OUTSIDE."""
    inside = np.abs(value) < -OUTSIDE / 4  # nan compares false
    return np.rint(np.where(inside, value, OUTSIDE) * (1 << BITS)).astype(np.int64)


def _sizes(nodes: Ints, dense: Ints, cells: Lattice) -> Floats:
    """
    Return the size of an output pixel along one source axis, for each cell.

    The footprint of an output pixel is a parallelogram in the source; it is taken as the axis-aligned box with the same
    second moments: size = √((∂c/∂i)² + (∂c/∂j)²).
    """
    n = nodes.astype(np.float64) / (1 << BITS) / cells.step
    di = (n[:-1, 1:] - n[:-1, :-1] + n[1:, 1:] - n[1:, :-1]) / 2
    dj = (n[1:, :-1] - n[:-1, :-1] + n[1:, 1:] - n[:-1, 1:]) / 2
    size = np.hypot(di, dj)
    size[(nodes == OUTSIDE << BITS)[:-1, :-1]] = np.nan
    if dense.size:
        d = np.where(dense == OUTSIDE << BITS, np.nan, dense.astype(np.float64)) / (1 << BITS)
        across, down = np.abs(np.diff(d, axis=2)), np.abs(np.diff(d, axis=1))
        exact = np.hypot(*(_median(v.reshape(len(d), -1)) for v in (across, down)))
        size[cells.dense >= 0] = exact
    return size


def _median(values: Floats) -> Floats:
    """Return the median of each row without its nan; nan where there is nothing else."""
    ordered = np.sort(values, axis=1)
    count = np.isfinite(values).sum(axis=1)
    return np.where(count > 0, ordered[np.arange(len(values)), count // 2], np.nan)


def _extent(nodes: Ints, dense: Ints, cells: Lattice, size: int, margin: int) -> tuple[int, int]:
    """Return (start, stop) of the source pixels along one axis that the block's own pixels fall on."""
    n = nodes.astype(np.float64)
    (j, tj), (i, ti) = (
        _stops(start, length, cells.step) for start, length in zip((cells.top, cells.left), cells.shape, strict=True)
    )
    upper = n[np.ix_(j, i)] * (1 - ti) + n[np.ix_(j, i + 1)] * ti
    lower = n[np.ix_(j + 1, i)] * (1 - ti) + n[np.ix_(j + 1, i + 1)] * ti
    value = upper * (1 - tj[:, None]) + lower * tj[:, None]
    value = value[(cells.dense < 0)[np.ix_(j, i)]]
    value = np.concatenate([value.ravel(), dense.ravel()]) / (1 << BITS)
    value = value[value > OUTSIDE / 4]
    if value.size == 0:
        return 0, 0
    return max(0, math.floor(np.min(value)) - margin), min(size, math.floor(np.max(value)) + 1 + margin)


def _stops(start: int, length: int, step: int) -> tuple[Ints, Floats]:
    """Return (cell, position 0…1) of the first and last pixel of a block in every cell along one axis."""
    first = np.arange((start + length - 1) // step + 1) * step
    pixels = np.concatenate([np.maximum(first, start), np.minimum(first + step - 1, start + length - 1)])
    return pixels // step, (pixels % step) / step
