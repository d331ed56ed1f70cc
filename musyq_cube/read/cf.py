"""
Slices of ancillary files as layers: one band of what GDAL opens (CF netCDF, GRIB, GeoTIFF), one step of a Zarr array.

A grid that goes once around the Earth gets a column more on each side, so that its first and last column are
neighbours.
"""

from __future__ import annotations

import atexit
import threading
import warnings
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.catalog._adapt_ancillary import around, columns_around
from musyq_cube.errors import ReadError
from musyq_cube.read.layer import file_stamp
from musyq_cube.read.raster import gdal_path
from musyq_cube.read.retry import messages
from musyq_cube.scene import SourceGrid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rasterio.io import DatasetReader

    from musyq_cube.scene import Source

_FAULTS = (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError)


class _Slice:
    """Two dimensions of an array of a Zarr store."""

    def __init__(self, source: Source) -> None:
        import zarr

        try:
            group: Any = zarr.open_group(source.href, mode="r")
            self._array: Any = group[source.layer]
        except _FAULTS as error:
            raise ReadError(
                f"{source.href}: {source.layer} cannot be opened ({type(error).__name__}: {error})"
            ) from error
        self._href, self._index = source.href, source.band - 1
        self.shape: tuple[int, int] = (int(self._array.shape[-2]), int(self._array.shape[-1]))
        self.dtype = np.dtype(self._array.dtype)
        self.nodata: float | None = source.nodata
        self.grid: SourceGrid | None = None

    def read(self, rows: slice, cols: slice, _level: int) -> np.ndarray:
        """Return a window."""
        try:
            where = (rows, cols) if self._array.ndim == 2 else (self._index, rows, cols)
            return np.asarray(self._array[where])
        except _FAULTS as error:
            raise ReadError(f"{self._href}: cannot be decoded ({type(error).__name__}: {error})") from error

    def close(self) -> None:
        """Nothing is held open."""


class _Band:
    """
    One band of a GDAL data set that is shared by all its bands.

    A reanalysis has thousands of bands in a file, and each open file keeps a cache of its own; libraries that read them
    take one lock for all anyway.
    """

    def __init__(self, source: Source) -> None:
        path = gdal_path(source.href)
        self._path = f'netcdf:"{path}":{source.layer}' if source.layer else path
        self._href, self._number, self._stamp = source.href, source.band, file_stamp(source.href)
        with _FILES.borrow(self._path, self._href, self._stamp) as file:
            if not 1 <= source.band <= file.count:
                raise ReadError(f"{source.href}: has {file.count} steps, {source.band} was asked for")
            self.shape: tuple[int, int] = (file.height, file.width)
            self.dtype = np.dtype(file.dtypes[source.band - 1])
            self.nodata: float | None = file.nodatavals[source.band - 1]
            code, t = None if file.crs is None else file.crs.to_epsg(), file.transform
            self.grid = None if code is None else SourceGrid(f"EPSG:{code}", (t.a, t.b, t.c, t.d, t.e, t.f), self.shape)

    def read(self, rows: slice, cols: slice, _level: int) -> np.ndarray:
        """Decode a window."""
        from rasterio.errors import RasterioError
        from rasterio.windows import Window

        window = Window(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
        try:
            with _FILES.borrow(self._path, self._href, self._stamp) as file:
                return np.asarray(file.read(self._number, window=window))
        except (RasterioError, OSError) as error:
            raise ReadError(f"{self._href}: cannot be decoded, truncated or damaged ({messages(error)})") from error

    def close(self) -> None:
        """Leave the file open for the other bands."""


class _Files:
    """The data sets of this process that were used last, each lent to one thread at a time."""

    def __init__(self, capacity: int = 16) -> None:
        self._capacity, self._lock = capacity, threading.RLock()
        self._open: OrderedDict[tuple[str, Any], DatasetReader] = OrderedDict()

    @contextmanager
    def borrow(self, path: str, href: str, stamp: Any) -> Iterator[DatasetReader]:
        """Lend the data set of a path; it is opened anew where the file was replaced."""
        with self._lock:
            key = (path, stamp)
            if key not in self._open:
                self._open[key] = _dataset(path, href)
            self._open.move_to_end(key)
            while len(self._open) > self._capacity:
                self._open.popitem(last=False)[1].close()
            yield self._open[key]

    def clear(self) -> None:
        """Close all."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()


_FILES = _Files()
atexit.register(_FILES.clear)


def _dataset(path: str, href: str) -> DatasetReader:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return rasterio.open(path)
    except (RasterioError, OSError) as error:
        raise ReadError(f"{href}: cannot be opened ({messages(error)})") from error


class SliceLayer:
    """One slice; see :class:`musyq_cube.read.layer.Layer`."""

    def __init__(self, source: Source) -> None:
        self._base: Any = _open(source)
        rows, cols = self._base.shape
        self._around = source.grid is not None and cols == source.grid.shape[1] - 2
        if source.grid is None and self._base.grid is not None:
            self._around = columns_around(self._base.grid)
        self.shape: tuple[int, int] = (rows, cols + 2 if self._around else cols)
        self.dtype = self._base.dtype
        self.nodata: float | None = self._base.nodata
        self.levels = (self.shape,)

    @property
    def grid(self) -> SourceGrid | None:
        """The grid that the file states; none where it has no CRS or one of a sphere."""
        stated: SourceGrid | None = self._base.grid
        return None if stated is None else around(stated)

    def level_shape(self, _level: int) -> tuple[int, int]:
        """Return (rows, columns)."""
        return self.shape

    def read(self, rows: slice, cols: slice, level: int) -> np.ndarray:
        """Return a window; columns beyond the edge come from the other side of the Earth."""
        if not self._around:
            return np.asarray(self._base.read(rows, cols, level))
        last = self.shape[1] - 2
        start, stop = cols.start - 1, cols.stop - 1
        parts = [(last - 1, last)] if start < 0 else []
        parts.append((max(start, 0), min(stop, last)))
        parts += [(0, 1)] if stop > last else []
        read = [self._base.read(rows, slice(a, b), level) for a, b in parts if b > a]
        return np.concatenate(read, axis=1)

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()


def open_layer(source: Source) -> SliceLayer:
    """
    Open one slice of an ancillary file.

    Raises
    ------
    ReadError
        The file cannot be opened or lacks the variable or step.
    """
    return SliceLayer(source)


def _open(source: Source) -> Any:
    if source.layer is not None and (Path(source.href).is_dir() or source.href.rstrip("/").endswith(".zarr")):
        return _Slice(source)
    return _Band(source)
