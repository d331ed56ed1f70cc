"""A quantity over time on the pixels of a block: from grids, from stations, or from its parts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from musyq_cube.kernels.gather import gather
from musyq_cube.quantities import quantity
from musyq_cube.read._times import DAY, shares, usual_step
from musyq_cube.read.layer import POOL
from musyq_cube.read.mapping import mapping
from musyq_cube.read.raster import is_remote
from musyq_cube.read.retry import retrying
from musyq_cube.read.stations import load_stations, near, spread
from musyq_cube.read.warp import choose_method, read_values, source_grid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    from odc.geo.geobox import GeoBox

    from musyq_cube.read.stations import Station
    from musyq_cube.scene import Scene, Source, SourceGrid

F32: TypeAlias = "npt.NDArray[np.float32]"
F64: TypeAlias = "npt.NDArray[np.float64]"
Bools: TypeAlias = "npt.NDArray[np.bool_]"

_MARGIN = 3
"""Cells around the window of a block."""


@dataclass(frozen=True)
class Frame:
    """The cells of a coarse grid that a block needs: what is computed there is resampled only once, at the end."""

    grid: SourceGrid
    rows: slice
    cols: slice

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the window."""
        return self.rows.stop - self.rows.start, self.cols.stop - self.cols.start


class Series(Protocol):
    """A quantity over time."""

    times: F64
    """Of its steps, seconds since 1970, growing."""
    step: float
    """Usual time between steps, s: how far beyond the first and last, and into gaps, a value holds."""
    size: float
    """Of a cell, degrees; 0: points."""

    def frames(self) -> set[Frame | None]:
        """Return the frames in which its parts could be computed; None: only on the pixels of the block."""

    def use(self, frame: Frame | None) -> None:
        """Compute in a frame, or on the pixels of the block."""

    def reaches(self, asked: F64) -> Bools:
        """Return which times there is a value for."""

    def at(self, time: float) -> F32:
        """Return the values at one time that it reaches."""

    def at_pixels(self, asked: F64) -> F32:
        """Return the values of a block whose pixels have each their own time (y, x); nan where it does not reach."""


def frame_of(series: Series) -> Frame | None:
    """Return the one frame in which a series can be computed, None where it must be on the pixels of the block."""
    frames = series.frames()
    return frames.pop() if len(frames) == 1 else None


def pixel_size(scenes: Sequence[Scene], name: str) -> float:
    """Return the size of the cells of a quantity in degrees, 0 for stations."""
    source = scenes[0].sources[name]
    if source.driver == "stations":
        return 0.0
    grid = source.grid or source_grid(source)
    return abs(grid.transform[0]) / (1.0 if abs(grid.transform[0]) < 20 and grid.crs == "EPSG:4326" else 111_320.0)


def warp(values: F32, frame: Frame | None, geobox: GeoBox) -> F32:
    """Bring what was computed in a frame to the pixels of a block, bilinear."""
    if frame is None:
        return values
    out: F32 = np.empty(geobox.shape, np.float32)
    places = _mapping(frame.grid, geobox)
    nodes = places.lattice
    gather(
        "bilinear",
        np.ascontiguousarray(values, np.float32),
        (frame.rows.start, frame.cols.start),
        (places.rows, places.cols),
        (nodes.dense, places.dense_rows, places.dense_cols),
        (places.height, places.width),
        (nodes.step, nodes.top, nodes.left),
        out,
        nodata=None,
    )
    return out


_mapping = lru_cache(maxsize=8)(mapping)


class _Steps:
    """What series of values at steps have in common: interpolation in time."""

    times: F64
    step: float

    def value(self, index: int) -> F32:
        """Return the values of one step."""
        raise NotImplementedError

    def reaches(self, asked: F64) -> Bools:
        """Return which times there is a value for."""
        return shares(self.times, self.step, asked).reached

    def at(self, time: float) -> F32:
        """Return the values at one time that it reaches."""
        found = shares(self.times, self.step, np.array(time))
        first, *rest = found.steps
        out = self.value(first)
        if rest:
            out = np.float32(found.of(first)) * out + np.float32(found.of(rest[0])) * self.value(rest[0])
        return out

    def at_pixels(self, asked: F64) -> F32:
        """Return the values of a block whose pixels have each their own time."""
        found = shares(self.times, self.step, asked)
        out: F32 = np.where(found.reached, np.float32(0), np.float32(np.nan))
        for step in found.steps:
            weight = found.of(step).astype(np.float32)
            there = weight > 0
            out[there] += weight[there] * self.value(step)[there]
        return out


class Grids(_Steps):
    """A quantity of gridded scenes of one collection."""

    def __init__(self, scenes: Sequence[Scene], name: str, geobox: GeoBox, size: float) -> None:
        by_time: dict[float, list[Source]] = defaultdict(list)
        for scene in sorted(scenes, key=lambda s: s.id):
            by_time[scene.time.timestamp()].append(scene.sources[name])
        self.times = np.array(sorted(by_time))
        self._sources = [by_time[time] for time in self.times]
        start, end = scenes[0].interval
        self.step = usual_step(self.times, (end - start).total_seconds())
        self.size = size
        self._geobox, self._resampling = geobox, quantity(name).resampling
        self._own = self._find_frame()
        self._in_frame = False
        self._held: dict[int, F32] = {}

    def _find_frame(self) -> Frame | None:
        grids = {source.grid for sources in self._sources for source in sources}
        first = self._sources[0][0]
        if len(grids) > 1 or any(len(s) > 1 for s in self._sources) or self._resampling != "auto":
            return None
        if choose_method(first, self._geobox, "auto") != "bilinear":
            return None
        grid = first.grid or source_grid(first)
        window = _mapping(grid, self._geobox).window(_MARGIN)
        return None if window is None else Frame(grid, *window)

    def frames(self) -> set[Frame | None]:
        """Return the frame around the block if all steps are on one grid, coarser than the block."""
        return {self._own}

    def use(self, frame: Frame | None) -> None:
        """Compute in a frame, or on the pixels of the block."""
        self._in_frame, self._held = frame is not None, {}

    def value(self, index: int) -> F32:
        """Return the values of one step; of tiles the first that has a pixel wins."""
        if index not in self._held:
            while len(self._held) > 1:
                del self._held[min(self._held)]
            self._held[index] = self._read(self._sources[index])
        return self._held[index]

    def _read(self, sources: Sequence[Source]) -> F32:
        if self._own is not None:
            values = _window(sources[0], self._own)
            return values if self._in_frame else warp(values, self._own, self._geobox)
        out: F32 | None = None
        for source in sources:
            resampling: Any = self._resampling
            values = read_values(source, self._geobox, resampling=resampling)
            out = values if out is None else np.where(np.isnan(out), values, out)
        assert out is not None  # noqa: S101  (a step has a source)
        return out


def _window(source: Source, frame: Frame) -> F32:
    """Return the physical values of the cells of a frame, nan where missing."""

    def once() -> Any:
        with POOL.borrow(source) as layer:
            return layer.read(frame.rows, frame.cols, 0), layer.nodata

    raw, stated = retrying(once, remote=is_remote(source.href))
    nodata = stated if source.nodata is None else source.nodata
    values = raw.astype(np.float64)
    missing = ~np.isfinite(values)
    if nodata is not None:
        missing |= values == (float(raw.dtype.type(nodata)) if raw.dtype.kind == "f" else nodata)
    if source.valid is not None:
        missing |= (values < source.valid[0]) | (values > source.valid[1])
    out: F32 = (values * source.scale + source.offset).astype(np.float32)
    out[missing] = np.nan
    return out


class Stations:
    """A quantity of the stations near a block, each interpolated in time before they are in space."""

    def __init__(self, scenes: Sequence[Scene], name: str, geobox: GeoBox) -> None:
        tables = [load_stations(scene.sources[name]) for scene in sorted(scenes, key=lambda s: s.id)]
        self._stations = near(tables, geobox)
        self.times = np.unique(np.concatenate([np.empty(0), *(station.times for station in self._stations)]))
        self.step = max((station.step for station in self._stations), default=DAY)
        self.size = 0.0
        self._geobox = geobox

    def frames(self) -> set[Frame | None]:
        """Return that points have no frame."""
        return {None}

    def use(self, frame: Frame | None) -> None:
        """Compute on the pixels of the block, always."""

    def reaches(self, asked: F64) -> Bools:
        """Return which times some station has a value for."""
        out: Bools = np.zeros(asked.shape, bool)
        for station in self._stations:
            out |= np.isfinite(_at_station(station, asked))
        return out

    def at(self, time: float) -> F32:
        """Return the values at one time that it reaches."""
        return self.at_pixels(np.array(time))

    def at_pixels(self, asked: F64) -> F32:
        """Return the values of a block whose pixels have each their own time."""
        return spread(self._stations, [_at_station(station, asked) for station in self._stations], self._geobox)


def _at_station(station: Station, asked: F64) -> F64:
    """Return the values of one station at some times, nan where it has none near."""
    found = shares(station.times, station.step, asked)
    before, after = (station.values[k] for k in (found.before, found.after))
    return np.where(found.reached, found.weight_before * before + found.weight_after * after, np.nan)


class Derived:
    """A quantity that follows from others."""

    def __init__(self, parts: Sequence[Series], function: Callable[..., Any]) -> None:
        self._parts, self._function = parts, function
        self.times, self.step = parts[0].times, parts[0].step
        self.size = max(part.size for part in parts)

    def frames(self) -> set[Frame | None]:
        """Return the frames of all parts."""
        return set().union(*(part.frames() for part in self._parts))

    def use(self, frame: Frame | None) -> None:
        """Compute in a frame, or on the pixels of the block."""
        for part in self._parts:
            part.use(frame)

    def reaches(self, asked: F64) -> Bools:
        """Return which times all parts have a value for."""
        out: Bools = np.ones(asked.shape, bool)
        for part in self._parts:
            out &= part.reaches(asked)
        return out

    def at(self, time: float) -> F32:
        """Return the values at one time that it reaches."""
        return np.asarray(self._function(*(part.at(time) for part in self._parts)), np.float32)

    def at_pixels(self, asked: F64) -> F32:
        """Return the values of a block whose pixels have each their own time."""
        return np.asarray(self._function(*(part.at_pixels(asked) for part in self._parts)), np.float32)
