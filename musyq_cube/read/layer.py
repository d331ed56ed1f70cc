"""Layer: one two-dimensional pixel array behind a Source, and the pool of open ones."""

from __future__ import annotations

import atexit
import importlib
import os
import threading
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeAlias

from musyq_cube.errors import ReadError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from musyq_cube.scene import Source, SourceGrid

_Key: TypeAlias = "tuple[Source, tuple[int, int] | None]"

READERS: dict[str, str] = {
    "raster": "musyq_cube.read.raster",
    "hdf4": "musyq_cube.read.hdf",
    "zarr": "musyq_cube.read.zarr",
    "cf": "musyq_cube.read.cf",
}
"""Driver -> module with ``open_layer(source) -> Layer``; imported at first use."""


class Layer(Protocol):
    """
    An open two-dimensional layer. Used by one thread at a time, not always the same one.

    A format whose library is not thread-safe takes a lock of its own inside `read`.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) at full resolution, equal to ``levels[0]``."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of what `read` returns."""

    @property
    def nodata(self) -> float | None:
        """The nodata value that the file declares; a `Source.nodata` wins over it."""

    @property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """
        Nominal shape of each resolution, finest first; overviews cover the same area as level 0.

        Fixed while the layer is open: levels are chosen by it. `level_shape` has the true shape of one.
        """

    @property
    def grid(self) -> SourceGrid | None:
        """The pixel grid stated by the file, None where it states none."""

    def level_shape(self, level: int) -> tuple[int, int]:
        """Return the true (rows, columns) of one level."""

    def read(self, rows: slice, cols: slice, level: int) -> np.ndarray:
        """Return the window (rows, cols) of one level; the slices lie inside ``level_shape(level)``, step 1."""

    def close(self) -> None:
        """Let go of the file."""


def open_layer(source: Source) -> Layer:
    """
    Open one layer with the reader of its driver; the caller closes it.

    Raises
    ------
    ReadError
        For an unknown driver, and for a file that cannot be opened (names the href).
    """
    module = READERS.get(source.driver)
    if module is None:
        raise ReadError(f"{source.href}: no reader for driver {source.driver!r}; known drivers: {', '.join(READERS)}")
    layer: Layer = importlib.import_module(module).open_layer(source)
    return layer


class LayerPool:
    """
    Open layers that nobody uses at the moment, least recently used closed first.

    A layer is lent to one thread at a time, so a handle is never shared between threads, and a file that is
    read again soon (next block, other overview) is not opened again. A local file that was replaced is.
    """

    def __init__(self, capacity: int = 512) -> None:
        self._capacity = capacity
        self._idle: OrderedDict[_Key, list[Layer]] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    @contextmanager
    def borrow(self, source: Source) -> Iterator[Layer]:
        """Lend an open layer of `source`; an error while it is lent closes it, so a retry opens the file afresh."""
        key = (source, file_stamp(source.href))
        layer = self._take(key) or open_layer(source)
        try:
            yield layer
        except BaseException:
            layer.close()
            raise
        self._give_back(key, layer)

    def clear(self) -> None:
        """Close every idle layer."""
        with self._lock:
            idle, self._idle, self._count = self._idle, OrderedDict(), 0
        for layers in idle.values():
            for layer in layers:
                layer.close()

    def _take(self, key: _Key) -> Layer | None:
        with self._lock:
            layers = self._idle.get(key)
            if not layers:
                return None
            layer = layers.pop()
            self._count -= 1
            if not layers:
                del self._idle[key]
            return layer

    def _give_back(self, key: _Key, layer: Layer) -> None:
        old = None
        with self._lock:
            self._idle.setdefault(key, []).append(layer)
            self._idle.move_to_end(key)
            self._count += 1
            if self._count > self._capacity:
                oldest = next(iter(self._idle))
                old = self._idle[oldest].pop(0)
                self._count -= 1
                if not self._idle[oldest]:
                    del self._idle[oldest]
        if old is not None:
            old.close()


def file_stamp(href: str) -> tuple[int, int] | None:
    """Return (modification time, size) of a local file, None for any other: tells whether it was replaced."""
    if "://" in href or href.startswith("/vsi"):
        return None
    try:
        status = os.stat(href)  # noqa: PTH116  (called for every window)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


POOL = LayerPool()
"""The open files of this process."""
atexit.register(POOL.clear)
