"""
Gather: resample a source window onto an output block through a coarse coordinate lattice, once.

One loop serves every method: it walks the lattice cells row by row, interpolates source coordinates in exact integer
arithmetic and hands each pixel's coordinate to a sampler. Kernels are compiled for one method and type at first use
(nogil, no parallel) and are deterministic.

Semantics
---------
- A pixel belongs to the source when its centre maps inside it; others are nan (`fill` for copy). Except with *average*
  it is missing where the source pixel under its centre is, so that data never grow beyond their edge.
- *nearest*: the source pixel that contains the centre.
- *bilinear*: 2 × 2 source pixels around the centre; missing ones drop out and the weights are renormalised.
- *cubic*: Catmull-Rom (a = -0.5) over 4 × 4 pixels; bilinear where one of them is missing. Like GDAL's warp.
- *average*: mean over the footprint of the output pixel, each source pixel weighted by the covered area; missing ones
  drop out, and the result is missing where they cover more than ``1 - MIN_VALID``.
- Nothing is widened when the output pixel is larger than the source pixel: use *average*, or a coarser level.
"""

from __future__ import annotations

import math
import threading
from functools import cache
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias

import numba as nb
import numpy as np

from musyq_cube.kernels._compile import compiling

if TYPE_CHECKING:
    from collections.abc import Callable

Array: TypeAlias = np.ndarray[Any, Any]

NODE_BITS = 20
"""Fractional bits of lattice nodes, see `musyq_cube.read.mapping`."""
MIN_VALID = 0.25
"""Share of a footprint that must be valid for an average: where four tiles meet, one of them always has it."""
SLACK = 1e-6
"""Source pixels: a footprint edge this close to a pixel edge lies on it (coordinates are rounded to 2⁻²⁰)."""

Type: TypeAlias = "np.dtype[Any]"

_inline = nb.njit(inline="always", nogil=True)


def gather(
    method: str,
    window: Array,
    corner: tuple[int, int],
    nodes: tuple[Array, Array],
    dense: tuple[Array, Array, Array],
    sizes: tuple[Array, Array],
    place: tuple[int, int, int],
    out: Array,
    *,
    nodata: float | None = None,
    scale: float = 1.0,
    offset: float = 0.0,
    fill: float = 0,
) -> None:
    """
    Resample a source window into `out`, in place.

    Parameters
    ----------
    method
        ``nearest``, ``bilinear``, ``cubic``, ``average`` write ``value * scale + offset`` as float32 with nan where
        missing; ``copy`` is nearest that keeps type and value (flags, classes) with `fill` outside.
    window
        (rows, cols) source pixels, C-contiguous, any integer or float type. It holds all source pixels that the block
        needs: an edge of the window is taken for an edge of the source.
    corner
        Source row and column of the window's first pixel.
    nodes, dense, sizes
        Lattice nodes (rows, cols); the index of exactly evaluated cells with their (rows, cols); footprint (height,
        width) of each cell. See `musyq_cube.read.mapping`.
    place
        (step, top, left): pixels per cell and where the block's first pixel lies in the first cell.
    out
        (y, x) C-contiguous; float32, or the type of `window` for ``copy``.
    nodata
        Source value that means missing (nan always does).
    """
    kernel = _compiled(method, window.dtype)
    value = window.dtype.type(0 if nodata is None else nodata)
    empty = out.dtype.type(fill) if method == "copy" else np.float32(np.nan)
    kernel(
        window, corner, *nodes, *dense, *sizes, place, value, nodata is not None,
        np.float32(scale), np.float32(offset), empty, out,
    )  # fmt: skip


@_inline
def _missing(value: Any, nodata: Any, has_nodata: bool) -> Any:
    return ((value == nodata) & has_nodata) | (value != value)  # noqa: PLR0124  (nan is not equal to itself)


@_inline
def _split(r: int, bits: int) -> tuple[int, np.float32]:
    """Return whole part and fraction of a fixed-point coordinate."""
    mask = (1 << bits) - 1
    return r >> bits, np.float32(np.int32(r & mask)) * np.float32(1.0 / (1 << bits))


@_inline
def _mix2(a: Any, b: Any, c: Any, d: Any, fr: Any, fc: Any) -> Any:
    """Return the bilinear mean of a 2 × 2 neighbourhood (a b / c d)."""
    top = np.float32(a) + fc * (np.float32(b) - np.float32(a))
    low = np.float32(c) + fc * (np.float32(d) - np.float32(c))
    return top + fr * (low - top)


@_inline
def _mix4(a: Any, b: Any, c: Any, d: Any, x: Any) -> Any:
    """Return the Catmull-Rom value between b and c at x in 0…1 (a = -0.5; the form of Keys 1981)."""
    a, b, c, d = np.float32(a), np.float32(b), np.float32(c), np.float32(d)
    two, three = np.float32(2), np.float32(3)
    square = two * a - np.float32(5) * b + np.float32(4) * c - d
    return b + np.float32(0.5) * x * (c - a + x * (square + x * (three * (b - c) + d - a)))


@_inline
def _nearest(window: Array, r: int, c: int, bits: int, nodata: Any, has: bool, _h: float, _w: float) -> Any:
    value = window[r >> bits, c >> bits]
    return np.float32(np.nan) if _missing(value, nodata, has) else np.float32(value)


@_inline
def _copy(window: Array, r: int, c: int, bits: int, _nodata: Any, _has: bool, _h: float, _w: float) -> Any:
    return window[r >> bits, c >> bits]


@_inline
def _bilinear(window: Array, r: int, c: int, bits: int, nodata: Any, has: bool, _h: float, _w: float) -> Any:
    rows, cols = window.shape
    half = 1 << (bits - 1)
    i, fr = _split(r - half, bits)
    j, fc = _split(c - half, bits)
    if i >= 0 and j >= 0 and i + 1 < rows and j + 1 < cols:
        a, b, d, e = window[i, j], window[i, j + 1], window[i + 1, j], window[i + 1, j + 1]
        if not (
            _missing(a, nodata, has) | _missing(b, nodata, has) | _missing(d, nodata, has) | _missing(e, nodata, has)
        ):
            return _mix2(a, b, d, e, fr, fc)
    if _missing(window[r >> bits, c >> bits], nodata, has):
        return np.float32(np.nan)
    one, total, weight = np.float32(1), np.float32(0), np.float32(0)
    for di in range(2):
        for dj in range(2):
            y, x = i + di, j + dj
            if 0 <= y < rows and 0 <= x < cols and not _missing(window[y, x], nodata, has):
                w = (fr if di else one - fr) * (fc if dj else one - fc)
                total += w * np.float32(window[y, x])
                weight += w
    return total / weight if weight > np.float32(1e-6) else np.float32(np.nan)


@_inline
def _cubic(window: Array, r: int, c: int, bits: int, nodata: Any, has: bool, h: float, w: float) -> Any:
    rows, cols = window.shape
    half = 1 << (bits - 1)
    i, fr = _split(r - half, bits)
    j, fc = _split(c - half, bits)
    i, j = i - 1, j - 1
    if i < 0 or j < 0 or i + 3 >= rows or j + 3 >= cols:
        return _bilinear(window, r, c, bits, nodata, has, h, w)
    for k in range(4):
        for m in range(4):
            if _missing(window[i + k, j + m], nodata, has):
                return _bilinear(window, r, c, bits, nodata, has, h, w)
    v0 = _mix4(window[i, j], window[i, j + 1], window[i, j + 2], window[i, j + 3], fc)
    v1 = _mix4(window[i + 1, j], window[i + 1, j + 1], window[i + 1, j + 2], window[i + 1, j + 3], fc)
    v2 = _mix4(window[i + 2, j], window[i + 2, j + 1], window[i + 2, j + 2], window[i + 2, j + 3], fc)
    v3 = _mix4(window[i + 3, j], window[i + 3, j + 1], window[i + 3, j + 2], window[i + 3, j + 3], fc)
    return _mix4(v0, v1, v2, v3, fr)


@_inline
def _average(window: Array, r: int, c: int, bits: int, nodata: Any, has: bool, h: float, w: float) -> Any:
    rows, cols = window.shape
    unit = 1.0 / (1 << bits)
    y0, x0 = r * unit - h / 2, c * unit - w / 2
    y1, x1 = y0 + h, x0 + w
    total, weight = 0.0, 0.0
    for i in range(max(0, math.floor(y0 + SLACK)), min(rows, math.ceil(y1 - SLACK))):
        wy = min(y1, i + 1.0) - max(y0, float(i))
        for j in range(max(0, math.floor(x0 + SLACK)), min(cols, math.ceil(x1 - SLACK))):
            if not _missing(window[i, j], nodata, has):
                area = wy * (min(x1, j + 1.0) - max(x0, float(j)))
                total += area * window[i, j]
                weight += area
    return np.float32(total / weight) if weight >= MIN_VALID * (1 - SLACK) * h * w else np.float32(np.nan)


# Runs: the same values as the samplers above for a stretch of one row whose neighbourhoods all lie inside the window,
# without branches so that the compiler can vectorise. They return True if a missing value was met: the stretch is
# then done again by the sampler.


@_inline
def _no_run(
    _flat: Array, _cols: int, _at: tuple[int, int, int, int], _bits: int, _nodata: Any, _has: bool, _out: Array
) -> bool:
    return True


@_inline
def _bilinear_run(
    flat: Array, cols: int, at: tuple[int, int, int, int], bits: int, nodata: Any, has: bool, out: Array
) -> bool:
    half = 1 << (bits - 1)
    r, dr, c, dc = at
    right, below, both = np.uint64(1), np.uint64(cols), np.uint64(cols + 1)
    bad = False
    for t in range(out.size):
        i, fr = _split(r - half + t * dr, bits)
        j, fc = _split(c - half + t * dc, bits)
        p = np.uint64(i * cols + j)
        a, b, d, e = flat[p], flat[p + right], flat[p + below], flat[p + both]
        bad |= _missing(a, nodata, has) | _missing(b, nodata, has) | _missing(d, nodata, has) | _missing(e, nodata, has)
        out[t] = _mix2(a, b, d, e, fr, fc)
    return bad


@_inline
def _cubic_run(
    flat: Array, cols: int, at: tuple[int, int, int, int], bits: int, nodata: Any, has: bool, out: Array
) -> bool:
    half = 1 << (bits - 1)
    r, dr, c, dc = at
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    bad = False
    for t in range(out.size):
        i, fr = _split(r - half + t * dr, bits)
        j, fc = _split(c - half + t * dc, bits)
        p0 = np.uint64((i - 1) * cols + j - 1)
        p1, p2, p3 = p0 + np.uint64(cols), p0 + np.uint64(2 * cols), p0 + np.uint64(3 * cols)
        for p in (p0, p1, p2, p3):
            bad |= _missing(flat[p], nodata, has) | _missing(flat[p + one], nodata, has)
            bad |= _missing(flat[p + two], nodata, has) | _missing(flat[p + three], nodata, has)
        v0 = _mix4(flat[p0], flat[p0 + one], flat[p0 + two], flat[p0 + three], fc)
        v1 = _mix4(flat[p1], flat[p1 + one], flat[p1 + two], flat[p1 + three], fc)
        v2 = _mix4(flat[p2], flat[p2 + one], flat[p2 + two], flat[p2 + three], fc)
        v3 = _mix4(flat[p3], flat[p3 + one], flat[p3 + two], flat[p3 + three], fc)
        out[t] = _mix4(v0, v1, v2, v3, fr)
    return bad


@_inline
def _inside(at: tuple[int, int, int, int], n: int, margin: int, end_r: int, end_c: int) -> bool:
    """Return whether a stretch keeps `margin` (fixed point) from the window's edges."""
    r, dr, c, dc = at
    last_r, last_c = r + (n - 1) * dr, c + (n - 1) * dc
    return (
        min(r, last_r) >= margin
        and max(r, last_r) < end_r - margin
        and min(c, last_c) >= margin
        and max(c, last_c) < end_c - margin
    )


@_inline
def _between(nodes: Array, j: int, i: int, step: int, ty: int, tx: int) -> tuple[int, int]:
    """Return a coordinate inside a cell and its change per pixel, with 2 log2(step) more fractional bits."""
    left = nodes[j, i] * step + ty * (nodes[j + 1, i] - nodes[j, i])
    right = nodes[j, i + 1] * step + ty * (nodes[j + 1, i + 1] - nodes[j, i + 1])
    return left * step + tx * (right - left), right - left


SAMPLE: Callable[..., Any] = _nearest
"""Value at one coordinate."""
RUN: Callable[..., bool] = _no_run
"""Values of a run of pixels inside one cell and inside the window, where the method has a fast way."""
HALVES: int = 0
"""Half pixels from a centre to the farthest pixel that a run touches."""
KEEP: bool = False
"""Values are copied, not scaled."""


def _kernel(
    window: Array, corner: tuple[int, int], rows: Array, cols: Array, dense: Array, dense_rows: Array,
    dense_cols: Array, height: Array, width: Array, place: tuple[int, int, int], nodata: Any, has: bool,
    scale: Any, offset: Any, empty: Any, out: Array,
) -> None:  # fmt: skip
    """Fill one output block; `SAMPLE`, `RUN`, `HALVES` and `KEEP` are globals that `_compile` gives each method."""
    step, top, left = place
    extra = 2 * round(math.log2(step))
    bits = NODE_BITS + extra
    row0, col0 = corner[0] << bits, corner[1] << bits
    end_r, end_c = window.shape[0] << bits, window.shape[1] << bits
    margin = HALVES << (bits - 1)
    flat = window.reshape(-1)
    for y in range(out.shape[0]):
        j, ty = (top + y) // step, (top + y) % step
        x = 0
        while x < out.shape[1]:
            i, tx = (left + x) // step, (left + x) % step
            n = min(step - tx, out.shape[1] - x)
            line = out[y, x : x + n]
            exact = dense[j, i]
            r, dr = _between(rows, j, i, step, ty, tx)
            c, dc = _between(cols, j, i, step, ty, tx)
            at = (r - row0, dr, c - col0, dc)
            todo = True
            if HALVES and exact < 0 and _inside(at, n, margin, end_r, end_c):
                todo = RUN(flat, window.shape[1], at, bits, nodata, has, line)
                for t in range(n):
                    line[t] = line[t] * scale + offset
            if todo:
                for t in range(n):
                    r, c = at[0] + t * dr, at[2] + t * dc
                    if exact >= 0:
                        r = (dense_rows[exact, ty, tx + t] << extra) - row0
                        c = (dense_cols[exact, ty, tx + t] << extra) - col0
                    if 0 <= r < end_r and 0 <= c < end_c:
                        value = SAMPLE(window, r, c, bits, nodata, has, height[j, i], width[j, i])
                        line[t] = value if KEEP else value * scale + offset
                    else:
                        line[t] = empty
            x += n


_KERNELS: dict[str, tuple[Callable[..., Any], Callable[..., bool], float, bool]] = {
    "nearest": (_nearest, _no_run, 0, False),
    "copy": (_copy, _no_run, 0, True),
    "bilinear": (_bilinear, _bilinear_run, 0.5, False),
    "cubic": (_cubic, _cubic_run, 1.5, False),
    "average": (_average, _no_run, 0, False),
}
METHODS = tuple(_KERNELS)
_LOCK = threading.Lock()


def _compiled(method: str, dtype: Type) -> Callable[..., None]:
    with _LOCK:
        return _compile(method, dtype)


@cache
def _compile(method: str, dtype: Type) -> Callable[..., None]:
    sample, run, reach, keep = _KERNELS[method]
    value = nb.from_dtype(dtype)
    target = value if keep else nb.float32
    grid, cells, pair = nb.int64[:, ::1], nb.float64[:, ::1], nb.types.UniTuple(nb.int64, 2)  # type: ignore[no-untyped-call]
    signature = nb.void(
        value[:, ::1], pair, grid, grid, nb.int32[:, ::1], nb.int64[:, :, ::1], nb.int64[:, :, ::1], cells, cells,
        nb.types.UniTuple(nb.int64, 3), value, nb.boolean, nb.float32, nb.float32, target, target[:, ::1],  # type: ignore[no-untyped-call]
    )  # fmt: skip
    own = {"SAMPLE": sample, "RUN": run, "HALVES": int(2 * reach), "KEEP": keep}
    loop = FunctionType(_kernel.__code__, globals() | own, f"gather_{method}")
    loop.__qualname__ = loop.__name__  # numba's cache knows functions by their names
    with compiling() as disk:
        compiled: Callable[..., None] = nb.njit(signature, nogil=True, cache=disk)(loop)
    return compiled
