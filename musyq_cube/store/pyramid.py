"""The second pass: every level from the one below, read back from the store, by whole chunks of the new level."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.errors import StoreError
from musyq_cube.store import access
from musyq_cube.store import zarr as store
from musyq_cube.store.template import NAMES, variable_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from musyq_cube.types import JSON
    from musyq_cube.variable import Variable

    Task = Callable[[tuple[int, int]], dict[str, "Statistics"]]
    Submit = Callable[[Task, Iterable[tuple[int, int]]], Iterable[dict[str, "Statistics"]]]


@dataclass(frozen=True)
class Statistics:
    """Exact integer sums over the stored values of one layer; they add up in any order to the same numbers."""

    pixels: int = 0
    count: int = 0
    """Pixels that are not nodata."""
    minimum: int | None = None
    maximum: int | None = None
    total: int = 0
    squares: int = 0

    def __add__(self, other: Statistics) -> Statistics:
        lows = [s.minimum for s in (self, other) if s.minimum is not None]
        highs = [s.maximum for s in (self, other) if s.maximum is not None]
        return Statistics(
            self.pixels + other.pixels,
            self.count + other.count,
            min(lows, default=None),
            max(highs, default=None),
            self.total + other.total,
            self.squares + other.squares,
        )

    @classmethod
    def of(cls, stored: NDArray[Any], nodata: int | None) -> Statistics:
        """Return the sums of an array of stored integers."""
        valid: NDArray[Any] = stored.ravel() if nodata is None else stored[stored != nodata]
        if not valid.size:
            return cls(stored.size)
        wide: NDArray[np.int64] = valid.astype(np.int64)
        low, high = int(np.min(wide)), int(np.max(wide))
        return cls(stored.size, valid.size, low, high, int(np.sum(wide)), int(np.sum(np.square(wide))))

    def to_dict(self) -> JSON:
        """Return the STAC ``statistics`` object, in stored numbers like everything that viewers use."""
        out: JSON = {"count": self.count, "valid_percent": round(100 * self.count / max(self.pixels, 1), 4)}
        if self.count:
            mean = self.total / self.count
            variance = max(self.squares * self.count - self.total**2, 0) / self.count**2
            out |= {"minimum": self.minimum, "maximum": self.maximum, "mean": mean, "stddev": variance**0.5}
        return out


def pyramid(url: str, submit: Submit = map) -> dict[str, Statistics]:
    """
    Make every coarser level, and the statistics of the finest.

    Level n+1 is read from level n in the store, so the result depends neither on the blocks nor on who computes it.

    Parameters
    ----------
    url
        A store whose finest level is complete.
    submit
        ``map`` or anything like it (``Executor.map``, a Dask map that gathers): runs one picklable task a chunk of
        the new level. A task holds at most 120 bytes a pixel of one chunk: 31 MB for chunks of 512.

    Returns
    -------
    dict
        Statistics of the stored values of each variable over the finest level.

    Raises
    ------
    StoreError
        Where a chunk of the finest level was never written.
    """
    levels = store.level_paths(store.read_node(url))
    if absent := store.missing_chunks(url, ["0"]):
        raise StoreError(
            f"{url}: {len(absent)} chunks were never written, the first is {absent[0]}; run the order again"
        )
    sums: dict[str, Statistics] = {}
    for number in range(1, len(levels)):
        task = partial(reduce_chunk, url, number)
        for part in submit(task, _chunks(url, number)):
            sums = _merge(sums, part)
    if len(levels) == 1:
        sums = reduce(_merge, submit(partial(sum_chunk, url), _chunks(url, 0)), sums)
    return sums


def reduce_chunk(url: str, level: int, chunk: tuple[int, int]) -> dict[str, Statistics]:
    """Make one chunk (row, column in chunks) of a level for every variable; from level 1, return level 0's sums."""
    sums = {}
    for name in store.read_node(url)["attributes"][NAMES]:
        source = store.open_array(url, f"{level - 1}/{name}")
        target = store.open_array(url, f"{level}/{name}")
        variable = variable_of(name, target.metadata.to_dict())
        rows, cols = _window(target, chunk)
        stored = source[2 * rows.start : 2 * rows.stop, 2 * cols.start : 2 * cols.stop]
        halved = halve(stored, variable)
        with access.named("write", url):
            target[rows, cols] = halved
        if level == 1:
            sums[name] = Statistics.of(stored, variable.nodata)
    return sums


def sum_chunk(url: str, chunk: tuple[int, int]) -> dict[str, Statistics]:
    """Return the sums of one chunk of the finest level, for products too small for a pyramid."""
    sums = {}
    for name in store.read_node(url)["attributes"][NAMES]:
        source = store.open_array(url, f"0/{name}")
        variable = variable_of(name, source.metadata.to_dict())
        sums[name] = Statistics.of(source[_window(source, chunk)], variable.nodata)
    return sums


def halve(stored: NDArray[Any], variable: Variable) -> NDArray[Any]:
    """
    Make one pixel of every 2 × 2 stored pixels; an odd edge has fewer.

    ``average``: mean of the valid pixels, halves to even. Packing is linear, so the mean of the stored integers is the
    packed mean of the physical values, without their rounding. ``mode``: the most frequent value that is not fill,
    the first in reading order where several are. ``nearest``: the upper left pixel.

    Examples
    --------
    >>> from musyq_cube.variable import COUNT, index
    >>> quad = np.array([[4, 5], [6, -32768]], "int16")
    >>> halve(quad, index("ndvi", "NDVI")).item(), halve(quad.astype("uint16"), COUNT).item()
    (5, 4)
    """
    if variable.method == "nearest":
        return stored[::2, ::2]
    fill = variable.fill_value
    even = np.pad(stored, [(0, size % 2) for size in stored.shape], constant_values=fill)
    quads = np.stack([even[i::2, j::2] for i in (0, 1) for j in (0, 1)])
    inside = np.pad(np.ones(stored.shape, bool), [(0, size % 2) for size in stored.shape])
    valid = np.stack([inside[i::2, j::2] for i in (0, 1) for j in (0, 1)])
    if variable.method == "mode" or variable.nodata is not None:
        valid &= quads != fill
    return _mode(quads, valid, fill) if variable.method == "mode" else _mean(quads, valid, fill)


def _mean(quads: NDArray[Any], valid: NDArray[np.bool_], fill: int) -> NDArray[Any]:
    number = valid.sum(axis=0)
    total = np.where(valid, quads, 0).sum(axis=0, dtype=np.int64)
    mean = np.rint(total / np.maximum(number, 1))
    return np.where(number > 0, mean, fill).astype(quads.dtype)


def _mode(quads: NDArray[Any], valid: NDArray[np.bool_], fill: int) -> NDArray[Any]:
    votes = np.stack([((quads == quad) & valid).sum(axis=0) for quad in quads]) * valid
    first = votes.argmax(axis=0)
    winner = np.take_along_axis(quads, first[np.newaxis], axis=0)[0]
    return np.where(valid.any(axis=0), winner, fill).astype(quads.dtype)


def _chunks(url: str, level: int) -> Iterator[tuple[int, int]]:
    name = store.read_node(url)["attributes"][NAMES][0]
    rows, cols = store.open_array(url, f"{level}/{name}").cdata_shape
    return ((i, j) for i in range(rows) for j in range(cols))


def _window(array: Any, chunk: tuple[int, int]) -> tuple[slice, slice]:
    (i, j), (h, w), (ny, nx) = chunk, array.chunks, array.shape
    return slice(i * h, min((i + 1) * h, ny)), slice(j * w, min((j + 1) * w, nx))


def _merge(one: dict[str, Statistics], other: dict[str, Statistics]) -> dict[str, Statistics]:
    return {name: one.get(name, Statistics()) + other.get(name, Statistics()) for name in {**one, **other}}
