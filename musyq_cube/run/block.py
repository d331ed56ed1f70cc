"""run_block: the only place where reading, masking, compositing, products and the store meet."""

from __future__ import annotations

import resource
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr
from odc.geo.xr import xr_coords

from musyq_cube.composite import Observations, reduce, reduce_band, reduce_qa
from musyq_cube.errors import StoreError
from musyq_cube.methods import get_method
from musyq_cube.read.block import Room
from musyq_cube.run.evaluate import at_place, nothing, of_composite, of_observations, of_products, of_series
from musyq_cube.run.ledger import Ledger
from musyq_cube.run.observe import Observer, UnreadableError, parts, without
from musyq_cube.run.report import BlockError, BlockReport, BlockTask
from musyq_cube.store.zarr import write_block

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from musyq_cube.normalize.certificate import Sums
    from musyq_cube.read.fuse import Group

    Layers: TypeAlias = dict[str, npt.NDArray[Any]]

HOPELESS = (StoreError, PermissionError)
"""Errors that another attempt or another block would meet again."""


class _Clock:
    """Wall time by step, and the step that an error belongs to."""

    def __init__(self, block: str) -> None:
        self.block = block
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step; what goes wrong in it becomes a BlockError that says so."""
        began = time.perf_counter()
        try:
            yield
        except (UnreadableError, BlockError):
            raise
        except Exception as error:
            raise BlockError(self.block, name, error) from error
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - began, 4)


def run_block(task: BlockTask) -> BlockReport:
    """
    Make one block of every product of a part: read, mask, composite, compute, write.

    A pure function of the task: what it writes depends on nothing else, so it may be repeated anywhere.

    Raises
    ------
    BlockError
        What failed, in which step.
    """
    clock = _Clock(task.id)
    groups, failures = task.groups, []
    while True:
        try:
            made, sums = _products(task, groups, clock)
            break
        except UnreadableError as found:
            failures += found.failures
            groups = without(groups, found.failures)
    checksums = {}
    for product, item, store in task.outputs:
        with clock.step("write"):
            checksums[item] = write_block(store, made[product], task.y, task.x)
    return BlockReport(
        task.id,
        "done",
        row=task.y,
        col=task.x,
        shape=(task.geobox.shape[0], task.geobox.shape[1]),
        observations=len(groups),
        checksums=checksums,
        failures=tuple(failure.to_dict() for failure in failures),
        certificate=None if sums is None else sums.to_dict(),
        seconds=clock.seconds,
        peak_memory=peak_memory(),
    )


def attempt(task: BlockTask) -> BlockReport:
    """
    Run a block, once more if it fails, and write the outcome into the ledger; never raises for a failed block.

    A full or forbidden disk is not tried again: no other block would fare better.
    """
    try:
        report = _twice(task)
    except BlockError as error:
        outcome = {"step": error.step, "message": str(error), "fatal": _is_hopeless(error)}
        report = BlockReport(task.id, "failed", observations=len(task.groups), error=outcome)
        if outcome["fatal"]:
            return report
    try:
        Ledger(task.ledger).write(report)
    except StoreError as error:
        outcome = {"step": "ledger", "message": f"block {task.id}, ledger: {error}", "fatal": True}
        return BlockReport(task.id, "failed", error=outcome)
    return report


def peak_memory() -> int:
    """Return the high-water mark of this process in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _twice(task: BlockTask) -> BlockReport:
    try:
        return run_block(task)
    except BlockError as error:
        if _is_hopeless(error):
            raise
        return run_block(task)


def _is_hopeless(error: BlockError) -> bool:
    return isinstance(error.cause, HOPELESS) or (isinstance(error.cause, OSError) and error.step == "write")


def _products(task: BlockTask, groups: tuple[Group, ...], clock: _Clock) -> tuple[dict[str, xr.Dataset], Sums | None]:
    """Make every product of a block, by product id."""
    if task.over == "products":
        with clock.step("product"):
            return of_products(task), None
    reduced, sums = _reduced(task, groups, clock)
    if task.over != "composite":
        return {task.steps[0].product: reduced}, sums
    with clock.step("product"):
        return of_composite(task, reduced), sums


def _reduced(task: BlockTask, groups: tuple[Group, ...], clock: _Clock) -> tuple[xr.Dataset, Sums | None]:
    """Reduce a block part by part: only the observations of one part are in memory."""
    out: dict[str, Any] = {}
    sums: Sums | None = None
    room = Room()
    for where, reaching in parts(task, groups):
        made, found = _part(at_place(task, where), reaching, clock, room)
        sums = found if sums is None else sums if found is None else sums + found
        for name, values in made.items():
            out.setdefault(name, np.empty(task.geobox.shape, values.dtype))[where] = values
    coords = {name: coord.variable for name, coord in xr_coords(task.geobox, always_yx=True).items()}
    return xr.Dataset({name: (("y", "x"), values) for name, values in out.items()}, coords), sums


def _part(task: BlockTask, groups: tuple[Group, ...], clock: _Clock, room: Room) -> tuple[Layers, Sums | None]:
    """Reduce all bands together, or band by band where the method allows it, so that only one is in memory."""
    options: dict[str, Any] = dict(task.options)
    with clock.step("read qa"):
        observer = Observer(task, groups, room)
    if task.over != "composite":
        if not observer.qa.sizes["time"]:
            return nothing(task), None
        with clock.step("product"):
            return (of_series if task.over == "series" else of_observations)(task, observer), observer.sums
    if get_method(task.method).joint:
        with clock.step("read"):
            cube = observer.bands(task.bands)
        with clock.step("composite"):
            made = reduce(cube, task.method, period=task.period, sensors=task.sensors, **options)
        return {str(name): values.values for name, values in made.items()}, observer.sums
    observations = Observations.of(observer.qa, task.period, task.sensors)
    extras = {str(name): layer.values for name, layer in observer.qa.items()}
    out: dict[str, Any] = {}
    for band in task.bands:
        with clock.step("read"):
            values = observer.band(band)
        with clock.step("composite"):
            value, spread = reduce_band(values, task.method, observations, extras=extras, **options)
        out[band], out[f"{band}_unc"] = value, spread
    with clock.step("composite"):
        return out | reduce_qa(extras["qa"], observations), observer.sums
