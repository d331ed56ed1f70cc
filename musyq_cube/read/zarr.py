"""Zarr arrays: our own products and any GeoZarr (``spatial``/``proj`` attributes or a CF grid mapping)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.errors import ReadError
from musyq_cube.scene import SourceGrid

if TYPE_CHECKING:
    import zarr

    from musyq_cube.scene import Source

_FAULTS = (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError)
"""What zarr, its codecs and the stores below it raise for something that cannot be read."""


class ZarrLayer:
    """
    One two-dimensional Zarr array; see :class:`musyq_cube.read.layer.Layer`.

    A layer named ``<number>/<array>`` is the finest level of a pyramid: the groups numbered after it are its overviews,
    as far as they cover exactly the same area.
    """

    def __init__(self, source: Source) -> None:
        if not source.layer:
            raise ReadError(f"{source.href}: a Zarr source must name its array, for example '0/red'")
        self._href, self._path, self._grid = source.href, source.layer, source.grid
        try:
            self._root = _open(source.href)
            self._arrays = _pyramid(self._root, source.layer)
        except _FAULTS as error:
            raise ReadError(f"{source.href}: array {source.layer!r} cannot be opened ({_text(error)})") from error

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) at full resolution."""
        return self.levels[0]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the stored numbers."""
        dtype: np.dtype[np.generic] = np.dtype(self._arrays[0].dtype)
        return dtype

    @property
    def nodata(self) -> float | None:
        """The CF ``_FillValue`` attribute."""
        value: Any = self._arrays[0].attrs.get("_FillValue")
        if isinstance(value, str):  # xarray writes floating-point fill values to Zarr 3 as packed doubles
            return float(np.frombuffer(base64.standard_b64decode(value), "<f8")[0])
        return None if value is None else float(value)

    @property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """Shape of each pyramid level, finest first."""
        return tuple((int(a.shape[0]), int(a.shape[1])) for a in self._arrays)

    @property
    def grid(self) -> SourceGrid | None:
        """The grid that the source or the store states, None where neither does."""
        if self._grid is None:
            self._grid = _stated_grid(self._root, self._path, self._arrays[0])
        return self._grid

    def level_shape(self, level: int) -> tuple[int, int]:
        """Return (rows, columns) of one pyramid level."""
        return self.levels[level]

    def read(self, rows: slice, cols: slice, level: int) -> np.ndarray:
        """Return a window of one level."""
        try:
            return np.asarray(self._arrays[level][rows, cols])
        except _FAULTS as error:
            raise ReadError(f"{self._href}: array {self._path!r} cannot be decoded ({_text(error)})") from error

    def close(self) -> None:
        """Nothing is held open: every read is its own request."""


def open_layer(source: Source) -> ZarrLayer:
    """
    Open one array of a Zarr store: a folder, ``s3://``, ``https://`` or any fsspec URL.

    Raises
    ------
    ReadError
        There is no such store or array, or the array is not two-dimensional.
    """
    return ZarrLayer(source)


def _open(href: str) -> zarr.Group:
    import zarr

    return zarr.open_group(href.removeprefix("file://"), mode="r")


def _pyramid(root: zarr.Group, path: str) -> list[Any]:
    first: Any = root[path]
    if getattr(first, "ndim", 0) != 2:
        raise ValueError("not a two-dimensional array")
    arrays: list[Any] = [first]
    number, _, name = path.partition("/")
    if number.isdigit() and name:
        for level in range(int(number) + 1, int(number) + 32):
            if f"{level}/{name}" not in root:
                break
            array: Any = root[f"{level}/{name}"]
            # an odd size leaves a level half a pixel larger than what it shows: it and the next ones cannot stand in
            if any(n * (first.shape[i] // n) != first.shape[i] for i, n in enumerate(array.shape)):
                break
            arrays.append(array)
    return arrays


def _stated_grid(root: zarr.Group, path: str, array: Any) -> SourceGrid | None:
    folder = path.rpartition("/")[0]
    group: Any = root[folder] if folder else root
    attributes = {**group.attrs, **array.attrs}
    crs = attributes.get("proj:code") or attributes.get("proj:wkt2")
    transform = attributes.get("spatial:transform")
    if not (crs and transform):
        crs, transform = _cf_grid(group, array)
    if not (crs and transform):
        return None
    a, b, c, d, e, f = (float(v) for v in transform)
    return SourceGrid(str(crs), (a, b, c, d, e, f), (int(array.shape[0]), int(array.shape[1])))


def _cf_grid(group: Any, array: Any) -> tuple[str | None, tuple[float, ...] | None]:
    """Return the CRS of the CF grid mapping, and the affine of the coordinate arrays of the array's dimensions."""
    mapping = array.attrs.get("grid_mapping", "spatial_ref")
    crs = group[mapping].attrs.get("crs_wkt") if mapping in group else None
    names = array.metadata.to_dict().get("dimension_names") or array.attrs.get("_ARRAY_DIMENSIONS") or ("y", "x")
    if not all(name in group for name in names):
        return crs, None
    y, x = (np.asarray(group[name][:], np.float64) for name in names)
    if min(y.size, x.size) < 2:
        return crs, None
    dy, dx = (y[-1] - y[0]) / (y.size - 1), (x[-1] - x[0]) / (x.size - 1)
    return crs, (dx, 0.0, x[0] - dx / 2, 0.0, dy, y[0] - dy / 2)


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
