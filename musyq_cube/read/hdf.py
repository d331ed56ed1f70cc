"""HDF4-EOS layers (MODIS) through pyhdf."""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.catalog.storage import is_remote
from musyq_cube.errors import CatalogError, ReadError
from musyq_cube.hdfeos import hdfeos_grids, open_hdf4

if TYPE_CHECKING:
    from musyq_cube.scene import Source, SourceGrid

DOWNLOADS = 32
"""Remote files kept on disk at a time: the HDF4 library reads nothing but local files."""


class HdfLayer:
    """
    One two-dimensional data set of an HDF4 file; see :class:`musyq_cube.read.layer.Layer`.

    The HDF4 library is not thread-safe and limits open files, so the file is opened for each window (half a
    millisecond) under the lock of the process.
    """

    def __init__(self, source: Source) -> None:
        if not source.layer:
            raise ReadError(f"{source.href}: an HDF4 source must name its layer")
        self._href, self._name, self._grid = source.href, source.layer, source.grid
        with open_hdf4(local_copy(source.href)) as file:
            known = file.datasets()
            if source.layer not in known:
                raise ReadError(f"{source.href}: no layer {source.layer!r}; it holds {', '.join(sorted(known))}")
            dataset = file.select(source.layer)
            _, rank, shape, _, _ = dataset.info()
            if rank != 2:
                raise ReadError(f"{source.href}: layer {source.layer!r} has {rank} dimensions; two (y, x) are needed")
            fill = dataset.attributes().get("_FillValue")
            self._dtype: np.dtype[np.generic] = dataset[0:1, 0:1].dtype
            dataset.endaccess()
        self._nodata = None if fill is None else float(fill)
        self._shape = (int(shape[0]), int(shape[1]))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the stored numbers."""
        return self._dtype

    @property
    def nodata(self) -> float | None:
        """The ``_FillValue`` attribute."""
        return self._nodata

    @property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """The full resolution: HDF4 has no overviews."""
        return (self._shape,)

    @property
    def grid(self) -> SourceGrid | None:
        """The grid that the source or the file's StructMetadata states; None where the layer is not gridded."""
        if self._grid is None:
            try:
                self._grid = hdfeos_grids(local_copy(self._href)).get(self._name)
            except CatalogError:
                return None
        return self._grid

    def level_shape(self, level: int) -> tuple[int, int]:
        """Return (rows, columns); `level` is always 0."""
        return self.levels[level]

    def read(self, rows: slice, cols: slice, level: int) -> np.ndarray:
        """Return a window; `level` is always 0."""
        if level:
            raise ReadError(f"{self._href}: HDF4 has no overview {level}")
        with open_hdf4(local_copy(self._href)) as file:
            dataset = file.select(self._name)
            try:
                return np.ascontiguousarray(dataset[rows.start : rows.stop, cols.start : cols.stop])
            except (OSError, ValueError, IndexError) as error:
                raise ReadError(f"{self._href}: layer {self._name!r} cannot be decoded ({error})") from error
            finally:
                dataset.endaccess()

    def close(self) -> None:
        """Nothing is held open."""


def open_layer(source: Source) -> HdfLayer:
    """
    Open one layer of an HDF4 file.

    Raises
    ------
    ReadError
        The file cannot be fetched or read, or has no such two-dimensional layer.
    """
    return HdfLayer(source)


class _Downloads:
    """Local copies of remote files, the least recently used deleted first, all of them when the process ends."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._paths: OrderedDict[str, Path] = OrderedDict()
        self._lock = threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def get(self, href: str) -> Path:
        with self._lock:
            if href not in self._paths:
                self._paths[href] = self._fetch(href)
            self._paths.move_to_end(href)
            while len(self._paths) > self._capacity:
                self._paths.popitem(last=False)[1].unlink(missing_ok=True)
            return self._paths[href]

    def _fetch(self, href: str) -> Path:
        import fsspec

        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="musyq-hdf-")
        path = Path(tempfile.mkdtemp(dir=self._folder.name)) / Path(href.partition("?")[0]).name
        try:
            fs, remote = fsspec.core.url_to_fs(href)
            fs.get_file(remote, str(path))
        except (OSError, ValueError, ImportError) as error:
            raise ReadError(f"{href}: HDF4 must be copied here to be read, and the copy failed ({error})") from error
        return path


_DOWNLOADS = _Downloads(DOWNLOADS)


def local_copy(href: str) -> Path:
    """
    Return a local path of a file: itself where it is local, else a temporary copy.

    Raises
    ------
    ReadError
        The copy failed.
    """
    return _DOWNLOADS.get(href) if is_remote(href) else Path(href.removeprefix("file://"))
