"""One source layer onto an output geobox: choose the method and level, read the window, gather."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from musyq_cube.errors import ReadError
from musyq_cube.kernels.gather import gather
from musyq_cube.read.layer import POOL, file_stamp
from musyq_cube.read.mapping import Mapping, mapping, ratio
from musyq_cube.read.raster import is_remote
from musyq_cube.read.retry import retrying
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Callable

    from odc.geo.geobox import GeoBox

    from musyq_cube.read.layer import Layer
    from musyq_cube.scene import Quality, Source, SourceGrid

Method: TypeAlias = Literal["auto", "nearest", "bilinear", "cubic", "average"]
Array: TypeAlias = np.ndarray[Any, Any]
Prepare: TypeAlias = "Callable[[Array], tuple[Array, float | None]]"

COARSE = 2.0
"""Source pixels per output pixel from which ``auto`` averages."""
WINDOW_LIMIT = 1 << 25
"""Source pixels decoded at once; a block that needs more is done in parts."""
ROUNDING = 1.01
"""Overview sizes are rounded, so their true decimation is a little off the nominal one."""

_cached_mapping = lru_cache(maxsize=64)(mapping)


@lru_cache(maxsize=4096)
def _window(
    grid: SourceGrid, geobox: GeoBox, level: tuple[int, int] | None = None, margin: int = 2
) -> tuple[slice, slice] | None:
    """Return rows and columns of a source that a geobox needs: the layers of one scene all ask for the same."""
    return _cached_mapping(grid, geobox, level).window(margin)


def read_values(
    source: Source, geobox: GeoBox, *, resampling: Method = "auto", scale: Literal["physical", "dn"] = "physical"
) -> Array:
    """
    Return one layer on an output grid, float32 (y, x), nan where missing.

    Parameters
    ----------
    source
        Layer to read. Its nodata (else the file's) and what lies outside `valid` are missing before resampling; scale
        and offset are applied after.
    geobox
        Output pixels, north up.
    resampling
        ``auto``: *average* where an output pixel is two source pixels or larger, else *bilinear*.
        Overviews: *average* uses the coarsest whose pixels are at most half an output pixel, so that every footprint
        still holds four of them; the others the coarsest whose pixels are no larger than an output pixel. Their
        kernels are not widened: use *average* to go coarser.
    scale
        ``physical``: value * scale + offset. ``dn``: as stored.

    Raises
    ------
    ReadError
        The file cannot be read or contradicts its metadata.
    """
    out: Array = np.empty(geobox.shape, np.float32)
    read_into(out, source, geobox, resampling=resampling, scale=scale)
    return out


def read_into(
    out: Array, source: Source, geobox: GeoBox, *, resampling: Method = "auto", scale: str = "physical"
) -> bool:
    """Like `read_values`, into an existing C-contiguous array; False where the layer does not touch the geobox."""
    grid = source.grid or source_grid(source)
    if _window(grid, geobox) is None:
        out[...] = np.nan
        return False
    method = choose_method(source, geobox, resampling)
    factors = (source.scale, source.offset) if scale == "physical" else (1.0, 0.0)
    _resample(out, source, geobox, method, lambda layer: _missing_to_nodata(source, layer), factors)
    return True


def choose_method(source: Source, geobox: GeoBox, resampling: Method) -> str:
    """Return what ``auto`` means for a source and an output grid; any other method as it is."""
    if resampling != "auto":
        return resampling
    return "average" if _ratio(source.grid or source_grid(source), geobox) >= COARSE else "bilinear"


def read_bits(quality: Quality, geobox: GeoBox) -> Array:
    """
    Return the common QA bits of a native QA layer, uint16 (y, x): nearest neighbour, FILL where it has no pixel.

    Overviews are used only where the file says that they hold original values (nearest or mode).
    """
    out: Array = np.empty(geobox.shape, np.uint16)
    source = quality.source
    if _window(source.grid or source_grid(source), geobox) is None:
        out[...] = QA.FILL
    else:
        _resample(out, source, geobox, "copy", lambda layer: _to_bits(quality, layer))
    return out


def source_window(source: Source, geobox: GeoBox) -> tuple[slice, slice] | None:
    """Return the full-resolution rows and columns of a source that a geobox needs, None where it needs none."""
    return _window(source.grid or source_grid(source), geobox)


def source_grid(source: Source) -> SourceGrid:
    """
    Return the grid of a source after comparing metadata and file header.

    Raises
    ------
    ReadError
        When neither states a grid, or they contradict each other: size, CRS code, or position by half a pixel.
    """
    return _checked_grid(source, file_stamp(source.href))


@lru_cache(maxsize=4096)
def _checked_grid(source: Source, _stamp: tuple[int, int] | None) -> SourceGrid:
    known = source.grid
    stated = _attempt(source, lambda layer: (layer.shape, layer.grid))
    shape, found = stated
    if known is None and found is None:
        raise ReadError(f"{source.href}: neither the metadata nor the file states a grid (CRS and transform)")
    if known is None or found is None:
        known = known or found
    elif contradiction := _contradiction(known, found):
        raise ReadError(f"{source.href}: {contradiction}; correct the Item, or register the file again")
    assert known is not None  # noqa: S101  (for the type checker)
    if known.shape != shape:
        raise ReadError(f"{source.href}: metadata states {known.shape} rows and columns, the file has {shape}")
    return known


def _contradiction(known: SourceGrid, found: SourceGrid) -> str:
    codes = known.crs.upper(), found.crs.upper()
    if codes[0] != codes[1] and all(code.startswith("EPSG:") for code in codes):
        return f"metadata states {known.crs}, the file {found.crs}"
    shift = np.subtract(known.transform, found.transform)[[2, 5]]
    pixel = max(abs(found.transform[0]), abs(found.transform[1]))
    if codes[0] == codes[1] and np.abs(shift).max() > pixel / 2:
        return f"metadata and file differ by {np.abs(shift).max() / pixel:.2g} pixels in position"
    return ""


def _ratio(grid: SourceGrid, geobox: GeoBox) -> float:
    return ratio(grid, str(geobox.crs), abs(geobox.affine.a))


def _resample(
    out: Array,
    source: Source,
    geobox: GeoBox,
    method: str,
    prepare: Callable[[Layer], Prepare],
    factors: tuple[float, float] = (1.0, 0.0),
) -> None:
    grid = source_grid(source)
    level, shape = _attempt(source, lambda layer: _level(layer, method, _ratio(grid, geobox)))
    places = _cached_mapping(grid, geobox, shape)
    window = _window(grid, geobox, shape, _margin(method, places))
    if window is None:
        out[...] = QA.FILL if method == "copy" else np.nan
        return
    rows, cols = window
    if (rows.stop - rows.start) * (cols.stop - cols.start) > WINDOW_LIMIT and max(geobox.shape) > 1:
        for part in _halves(geobox):
            piece = np.empty(geobox[part].shape, out.dtype)
            _resample(piece, source, geobox[part], method, prepare, factors)
            out[part] = piece
        return
    pixels, nodata = _attempt(source, lambda layer: prepare(layer)(layer.read(rows, cols, level)))
    nodes = places.lattice
    gather(
        method,
        pixels,
        (rows.start, cols.start),
        (places.rows, places.cols),
        (nodes.dense, places.dense_rows, places.dense_cols),
        (places.height, places.width),
        (nodes.step, nodes.top, nodes.left),
        out,
        nodata=nodata,
        scale=factors[0],
        offset=factors[1],
        fill=QA.FILL,
    )


def _attempt(source: Source, action: Callable[[Layer], Any]) -> Any:
    """Run `action` on the open layer, opening it again after transient errors."""

    def once() -> Any:
        with POOL.borrow(source) as layer:
            return action(layer)

    return retrying(once, remote=is_remote(source.href))


def _level(layer: Layer, method: str, size: float) -> tuple[int, tuple[int, int]]:
    """Return (level, true shape) of the coarsest level that the method allows, see `read_values`."""
    levels = layer.levels
    if len(levels) == 1 or (method == "copy" and not getattr(layer, "sampled", False)):
        return 0, levels[0]
    limit = size / 2 if method == "average" else size
    fit = [k for k, (rows, cols) in enumerate(levels) if _decimation(levels[0], (rows, cols)) <= limit * ROUNDING]
    best = min(fit, key=lambda k: levels[k][0] * levels[k][1], default=0)
    return best, layer.level_shape(best)


def _decimation(full: tuple[int, int], level: tuple[int, int]) -> float:
    return max(full[0] / level[0], full[1] / level[1])


def _margin(method: str, places: Mapping) -> int:
    if method != "average":
        return 3
    largest = max(float(np.nanmax(v, initial=0.0)) for v in (places.height, places.width))
    return int(largest / 2) + 2


def _halves(geobox: GeoBox) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    rows, cols = geobox.shape
    if rows >= cols:
        middle = rows // 2
        return (slice(0, middle), slice(0, cols)), (slice(middle, rows), slice(0, cols))
    middle = cols // 2
    return (slice(0, rows), slice(0, middle)), (slice(0, rows), slice(middle, cols))


def _native(pixels: Array) -> Array:
    """Return pixels as a C-contiguous array of a plain number type in native byte order."""
    kind = np.dtype(np.uint8) if pixels.dtype == bool else pixels.dtype.newbyteorder("=")
    if kind == np.float16:
        kind = np.dtype(np.float32)
    return np.ascontiguousarray(pixels, dtype=kind)


def _nodata(source: Source, layer: Layer, dtype: np.dtype[Any]) -> float | None:
    """Return the nodata value if the type can hold it; nan needs no value, it is always missing."""
    value = layer.nodata if source.nodata is None else source.nodata
    if value is None or np.isnan(value):
        return None
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return value if limits.min <= value <= limits.max and value == int(value) else None
    return float(dtype.type(value))


def _missing_to_nodata(source: Source, layer: Layer) -> Prepare:
    """Return what turns decoded pixels into (pixels, nodata) where values outside the valid range are nodata too."""

    def prepare(pixels: Array) -> tuple[Array, float | None]:
        pixels = _native(pixels)
        if pixels.dtype.kind in "iu" and pixels.dtype.itemsize > 2:
            pixels = pixels.astype(np.float64)  # rare: not worth compiling the kernels for
        nodata = _nodata(source, layer, pixels.dtype)
        if source.valid is None:
            return pixels, nodata
        low, high = source.valid
        bad = (pixels < low) | (pixels > high)
        if not bad.any():
            return pixels, nodata
        if nodata is None:
            nodata = _spare(pixels.dtype, low, high)
        if nodata is None:
            pixels, nodata = pixels.astype(np.float32), None
        return np.where(bad, pixels.dtype.type(np.nan if nodata is None else nodata), pixels), nodata

    return prepare


def _spare(dtype: np.dtype[Any], low: float, high: float) -> float | None:
    """Return a value of an integer type outside the valid range; None for floats, where nan serves."""
    if dtype.kind not in "iu":
        return None
    limits = np.iinfo(dtype)
    return float(limits.min) if limits.min < low else float(limits.max) if limits.max > high else None


def _to_bits(quality: Quality, layer: Layer) -> Prepare:
    def prepare(pixels: Array) -> tuple[Array, float | None]:
        pixels = _native(pixels)
        nodata = _nodata(quality.source, layer, pixels.dtype)
        if pixels.dtype.kind == "f":
            pixels = np.where(np.isfinite(pixels), pixels, 0 if nodata is None else nodata).astype(np.int64)
        if pixels.dtype.itemsize > 2:
            return _apply_rules(pixels.astype(np.int64), quality.rules, nodata), None
        codes = pixels.view(f"u{pixels.dtype.itemsize}")
        return _table(quality.rules, nodata, pixels.dtype.str)[codes], None

    return prepare


@lru_cache(maxsize=64)
def _table(rules: tuple[tuple[int, int, int], ...], nodata: float | None, dtype: str) -> Array:
    """Return the common bits of every value that a QA layer of one or two bytes can hold, by unsigned value."""
    kind = np.dtype(dtype)
    codes = np.arange(1 << (8 * kind.itemsize), dtype=np.int64)
    if kind.kind == "i" and nodata is not None:
        nodata = nodata % len(codes)
    return _apply_rules(codes, rules, nodata)


def _apply_rules(native: Array, rules: tuple[tuple[int, int, int], ...], nodata: float | None) -> Array:
    bits = np.zeros(native.shape, np.uint16)
    for mask, value, meaning in rules:
        bits[(native & mask) == value] |= np.uint16(meaning)
    if nodata is not None:
        bits[native == nodata] |= np.uint16(QA.FILL)
    return bits
