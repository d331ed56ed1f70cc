"""Windows on a lattice anchored to the CRS origin: fold pixels into them, clean and fill what was found in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from musyq_cube.scene import SourceGrid
from musyq_cube.types import METRES_PER_DEGREE

if TYPE_CHECKING:
    import numpy.typing as npt

Array: TypeAlias = np.ndarray[Any, Any]
F32: TypeAlias = "npt.NDArray[np.float32]"


@dataclass(frozen=True)
class Lattice:
    """How the pixels of a grid fall into square windows whose edges are multiples of their size from the CRS origin."""

    pixels: int
    """Pixels along the side of a window."""
    before: tuple[int, int]
    """Rows and columns of the first windows that lie outside the grid."""
    shape: tuple[int, int]
    """Rows and columns of windows."""
    grid: SourceGrid
    """The windows as a pixel grid of their own."""

    def fold(self, array: Array, fill: float = np.nan) -> Array:
        """Return pixels by window: (..., y, x) to (..., window row, window column, pixel), `fill` outside the grid."""
        n, (rows, cols), (top, left) = self.pixels, self.shape, self.before
        out = np.full((*array.shape[:-2], rows * n, cols * n), fill, array.dtype)
        out[..., top : top + array.shape[-2], left : left + array.shape[-1]] = array
        parts = out.reshape(*array.shape[:-2], rows, n, cols, n).swapaxes(-3, -2)
        return parts.reshape(*array.shape[:-2], rows, cols, n * n)


def lattice(grid: SourceGrid, size: float) -> Lattice:
    """
    Return the windows of about `size` metres of a north-up grid.

    Two grids of one CRS and resolution whose pixels coincide have the same windows where they overlap.

    Examples
    --------
    >>> grid = SourceGrid("EPSG:32650", (100.0, 0.0, 399_900.0, 0.0, -100.0, 4_400_100.0), (50, 50))
    >>> found = lattice(grid, 3000)
    >>> found.pixels, found.before, found.shape, found.grid.transform[2]
    (30, (9, 9), (2, 2), 399000.0)
    """
    a, _, x0, _, e, y0 = grid.transform
    step = size / METRES_PER_DEGREE if grid.geobox.crs is not None and grid.geobox.crs.geographic else size
    n = max(1, round(step / abs(a)))
    edges = round(y0 / e), round(x0 / a)
    first = [math.floor(edge / n) for edge in edges]
    last = [math.ceil((edge + count) / n) for edge, count in zip(edges, grid.shape, strict=True)]
    before = (edges[0] - first[0] * n, edges[1] - first[1] * n)
    shape = (last[0] - first[0], last[1] - first[1])
    transform = (a * n, 0.0, x0 - before[1] * a, 0.0, e * n, y0 - before[0] * e)
    return Lattice(n, before, shape, SourceGrid(grid.crs, transform, shape))


def neighbours(field: Array, reach: int = 1) -> Array:
    """Return for every window itself and those around it: (y, x, (2·reach+1)²), NaN outside."""
    padded = np.pad(field, reach, constant_values=np.nan)
    views = sliding_window_view(padded, (2 * reach + 1, 2 * reach + 1))
    return views.reshape(*field.shape, -1)


def outliers(field: Array, *, width: float = 3.0, floor: float = 0.1) -> npt.NDArray[np.bool_]:
    """
    Say which windows stand out of the median of the 5 × 5 around them by more than `width` robust deviations.

    A deviation is 1.4826 MAD, at least `floor`/`width`; windows with fewer than four neighbours are kept.
    """
    around = neighbours(field, 2)
    around = np.where(np.arange(around.shape[-1]) == around.shape[-1] // 2, np.nan, around)
    enough = np.isfinite(around).sum(-1) >= 4
    middle = _median(around)
    spread = 1.4826 * _median(np.abs(around - middle[..., None]))
    return np.asarray(enough & (np.abs(field - middle) > np.maximum(width * spread, floor)))


def fill_gaps(field: Array, *, reach: int = 12, power: float = 2.0) -> Array:
    """
    Fill missing windows by the inverse-distance mean of those within `reach`, and beyond by the median of all.

    Returns
    -------
    Array
        float32; NaN only where the whole field is missing.
    """
    missing = ~np.isfinite(field)
    if not missing.any() or missing.all():
        return field.astype(np.float32)
    known = np.where(missing, 0.0, field.astype(np.float64))
    total, weights = np.zeros(field.shape), np.zeros(field.shape)
    inside = (~missing).astype(np.float64)
    down, right = (min(reach, n - 1) for n in field.shape)
    for dy in range(-down, down + 1):
        for dx in range(-right, right + 1):
            if 0 < dy * dy + dx * dx <= reach * reach:
                weight = (dy * dy + dx * dx) ** (-power / 2)
                to, of = _overlap(field.shape, dy, dx)
                total[to] += weight * known[of]
                weights[to] += weight * inside[of]
    near = np.divide(total, weights, out=np.full(field.shape, np.nanmedian(field)), where=weights > 0)
    return np.where(missing, near, field).astype(np.float32)


def smooth(field: Array) -> Array:
    """Return the 3 × 3 binomial mean of a field without gaps; at the border of those that exist."""
    around = neighbours(field)
    weight = np.outer([1, 2, 1], [1, 2, 1]).ravel() * np.isfinite(around)
    return np.asarray((np.where(np.isfinite(around), around, 0) * weight).sum(-1) / weight.sum(-1), np.float32)


def _overlap(shape: tuple[int, ...], dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    to = tuple(slice(max(0, -d), n - max(0, d)) for d, n in zip((dy, dx), shape, strict=True))
    of = tuple(slice(max(0, d), n - max(0, -d)) for d, n in zip((dy, dx), shape, strict=True))
    return to, of  # type: ignore[return-value]


def _median(values: Array) -> Array:
    """Median over the last axis without NaN, and without a warning where there is nothing else."""
    ordered = np.sort(values, axis=-1)
    count = np.isfinite(values).sum(-1)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    pair = [np.take_along_axis(ordered, np.minimum(i, count - 1).clip(0)[..., None], -1)[..., 0] for i in (low, high)]
    return np.asarray(np.where(count > 0, (pair[0] + pair[1]) / 2, np.nan))
