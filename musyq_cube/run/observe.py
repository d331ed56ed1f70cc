"""Observe: read the scenes of one block and remove what is not clear, in no more memory than the stacks need."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import xarray as xr

from musyq_cube.errors import ReadError
from musyq_cube.mask import mask, unclear
from musyq_cube.methods import get_method
from musyq_cube.normalize.chain import Observation, normalize_bands, refuse
from musyq_cube.normalize.cube import observations
from musyq_cube.plan.estimate import field_bytes, fits, observed_bytes
from musyq_cube.read.block import ANGLES, Failure, Room, read_band, read_block
from musyq_cube.read.warp import source_window
from musyq_cube.run.certify import Certifier
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt
    from odc.geo.geobox import GeoBox

    from musyq_cube.normalize.certificate import Sums
    from musyq_cube.read.fuse import Group
    from musyq_cube.run.report import BlockTask
    from musyq_cube.scene import Scene, SourceGrid


FILL = np.uint16(QA.FILL)
T = TypeVar("T", xr.Dataset, xr.DataArray)


class UnreadableError(Exception):
    """Scenes turned out to be unreadable half-way: they have to be left out from the beginning."""

    def __init__(self, failures: list[Failure]) -> None:
        super().__init__(f"{len(failures)} layers could not be read")
        self.failures = failures


class Observer:
    """
    The observations of one block: QA first, then bands, all together or one at a time.

    A scene of which any layer fails is left out of everything, so whoever uses this begins again without it (see
    `without`) when :class:`UnreadableError` says so.
    """

    def __init__(self, task: BlockTask, groups: tuple[Group, ...], room: Room | None = None) -> None:
        """Read and mask the QA (and what the method weighs by) of `groups`; bands are put into `room`."""
        self._task, self._groups, self._room = task, groups, room
        method = get_method(task.method)
        ds = self._read((), angles=method.angles or task.rules is not None, halo=task.halo)
        self._seen: list[Observation] = []
        if task.rules is not None:
            self._seen = observations(_inside(ds, task.halo))
            for t, seen in enumerate(self._seen):
                _inside(ds["qa"], task.halo).values[t] |= refuse(seen, task.rules)
        reach = float(dict(task.options).get("reach", method.reach)) if method.reach else 0.0
        self.qa = _masked_qa(ds, task.dilate, reach, task.halo)
        for name in ANGLES if task.over in {"observations", "series"} else ("vza",) if method.angles else ():
            self.qa[name] = _inside(ds[name], task.halo)
        self._unclear = (self.qa["qa"].values & FILL) != 0 if task.cloudy else _unclear(self.qa)
        self._drop_unclear()
        self.certifier = self._certifier()

    def _certifier(self) -> Certifier | None:
        """Return what compares the sensors, where there are several."""
        sensors = [seen.sensor for seen in self._seen]
        if self._task.rules is None or len(set(sensors)) < 2:
            return None
        return Certifier(self.qa["time"].values, sensors, self._task.rules)

    @property
    def sums(self) -> Sums | None:
        """How the sensors agree so far; None where there is nothing to compare."""
        return None if self.certifier is None else self.certifier.sums

    def bands(self, names: Iterable[str]) -> xr.Dataset:
        """Return the cube of some bands with `qa` and what belongs to it; unclear pixels are NaN."""
        ds = self._read(tuple(names))
        for name in names:
            ds[name].values[self._unclear] = np.nan
        self._normalize({name: ds[name].values for name in names})
        return ds.assign({name: self.qa[name] for name in self.qa.data_vars})

    def band(self, name: str) -> npt.NDArray[np.float32]:
        """Return one band, float32 (time, y, x); unclear pixels are NaN."""
        task = self._task
        try:
            values = read_band(self._groups, name, task.geobox, resampling=task.resampling, on_error="raise")  # type: ignore[arg-type]
        except ReadError:
            if task.on_error == "raise":
                raise
            self._read((name,))
            raise
        values[self._unclear] = np.nan
        self._normalize({name: values})
        return values

    def _normalize(self, bands: dict[str, npt.NDArray[np.float32]]) -> None:
        """Normalize bands (time, y, x) in place, time step by time step, and add the bits to the QA."""
        rules, certifier = self._task.rules, self.certifier
        if rules is None:
            return
        for t, seen in enumerate(self._seen):
            now = {name: values[t] for name, values in bands.items()}
            watch = None
            if certifier is not None and certifier.wants(t):
                certifier.begin(t, now)
                watch = partial(certifier.step, t)
            made, bits = normalize_bands(now, seen, rules, watch, among=self._task.bands)
            if watch is not None and certifier is not None:
                certifier.end(t)
            for name, values in made.items():
                bands[name][t] = values
            self.qa["qa"].values[t] |= bits

    def _drop_unclear(self) -> None:
        """Leave out the observations without a clear pixel here: nothing of them needs to be decoded."""
        keep = np.flatnonzero(~self._unclear.all(axis=(1, 2)))
        if 0 < len(keep) < len(self._groups):
            self._groups = tuple(self._groups[i] for i in keep)
            self._seen = [self._seen[i] for i in keep] if self._seen else []
            self.qa = self.qa.isel(time=keep)
            self._unclear = self._unclear[keep]

    def _read(self, bands: tuple[str, ...], *, angles: bool = False, halo: int = 0) -> xr.Dataset:
        task = self._task
        geobox = task.geobox.pad(halo) if halo else task.geobox
        options: dict[str, Any] = {"resampling": task.resampling, "angles": angles, "on_error": task.on_error}
        options["air"] = angles and task.rules is not None
        options["relief"] = options["air"] and any(scene.relief for group in self._groups for scene in group)
        ds, failures = read_block(self._groups, geobox, bands, **options, room=self._room if bands else None)
        if failures:
            raise UnreadableError(failures)
        return ds


def parts(task: BlockTask, groups: tuple[Group, ...]) -> Iterator[tuple[tuple[slice, slice], tuple[Group, ...]]]:
    """
    Divide a block so that the observations of a part fit into :data:`musyq_cube.plan.estimate.PART_BYTES`.

    Yields
    ------
    where, groups
        Rows and columns of the block, and the groups without the scenes that do not reach them.
    """
    yield from _quarters(task, groups, (slice(0, task.geobox.shape[0]), slice(0, task.geobox.shape[1])))


def _quarters(
    task: BlockTask, groups: tuple[Group, ...], where: tuple[slice, slice]
) -> Iterator[tuple[tuple[slice, slice], tuple[Group, ...]]]:
    box = task.geobox[where]
    reaching = _reaching(task, groups, box.pad(task.halo) if task.halo else box)
    shape = (box.shape[0], box.shape[1])
    count, method = len(reaching), get_method(task.method)
    fields = field_bytes(task.rules, method, len(task.bands), len(task.sensors))
    held: dict[str, Any] = {"observations": count, "bands": len(task.bands), "fields": fields}
    need = observed_bytes(method, shape, task.halo, **held)
    if fits(need, shape, task.halo):
        yield where, reaching
        return
    for rows in _halves(where[0]):
        for cols in _halves(where[1]):
            yield from _quarters(task, reaching, (rows, cols))


def _halves(line: slice) -> tuple[slice, slice]:
    middle = (line.start + line.stop + 1) // 2
    return slice(line.start, middle), slice(middle, line.stop)


def _reaching(task: BlockTask, groups: tuple[Group, ...], box: GeoBox) -> tuple[Group, ...]:
    touched: dict[SourceGrid | None, bool] = {None: True}  # a layer without a known grid is for the reader to judge

    def reaches(scene: Scene) -> bool:
        layers = [scene.sources[band] for band in task.bands if band in scene.sources]
        layers += [quality.source for quality in scene.qa] or [source for _, source in scene.bands[:1]]
        for layer in layers:
            if layer.grid not in touched:
                touched[layer.grid] = source_window(layer, box) is not None
        return not layers or any(touched[layer.grid] for layer in layers)

    return tuple(group for group in groups if any(reaches(scene) for scene in group))  # whole: its time is the first's


def without(groups: tuple[Group, ...], failures: Iterable[Failure]) -> tuple[Group, ...]:
    """Return the groups without the scenes that failed."""
    lost = {failure.scene for failure in failures}
    kept = (tuple(scene for scene in group if scene.id not in lost) for group in groups)
    return tuple(group for group in kept if group)


def _masked_qa(ds: xr.Dataset, dilate: float, reach: float, halo: int) -> xr.Dataset:
    """Apply the mask to the QA, where it grows date by date (its temporaries are then of one), and drop the halo."""
    if not dilate and not reach:
        return _inside(mask(ds[["qa"]]), halo)
    layers = [mask(ds[["qa"]].isel(time=[t]), dilate=dilate, distance=reach) for t in range(ds.sizes["time"])]
    inside = [_inside(layer, halo) for layer in layers]
    if not inside:
        return _inside(mask(ds[["qa"]]), halo)
    out: xr.Dataset = xr.concat(
        inside, "time", coords="minimal", compat="override", join="override", combine_attrs="override"
    )
    return out


def _inside(data: T, halo: int) -> T:
    return data.isel(y=slice(halo, -halo), x=slice(halo, -halo)) if halo else data


def _unclear(qa: xr.Dataset) -> npt.NDArray[np.bool_]:
    rule = {key.removeprefix("masked_"): value for key, value in qa["qa"].attrs.items() if key.startswith("masked_")}
    return unclear(qa["qa"].values, **rule)
