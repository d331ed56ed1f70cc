"""Inputs: what a block takes besides scenes: products that are there already, and ancillary data."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from odc.geo.xr import xr_coords

from musyq_cube.errors import ReadError
from musyq_cube.period import split
from musyq_cube.products import get_recipe
from musyq_cube.quantities import QUANTITIES
from musyq_cube.read.ancillary import read_ancillary
from musyq_cube.store.open import open_item
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from odc.geo.geobox import GeoBox

    from musyq_cube.period import Period
    from musyq_cube.plan.parts import Given, Step
    from musyq_cube.run.report import BlockTask


@lru_cache(maxsize=128)
def _opened(href: str) -> xr.Dataset:
    """Return a published product; products do not change once they exist."""
    return open_item(href)


@dataclass
class Inputs:
    """The inputs of one rectangle of a block, read when they are asked for and kept."""

    task: BlockTask
    geobox: GeoBox
    y: int
    """First pixel row in the product; may be outside it by the margin."""
    x: int
    _layers: dict[tuple[str, str], xr.DataArray] = field(default_factory=dict)
    _ancillary: dict[tuple[Any, ...], xr.DataArray] = field(default_factory=dict)

    def coords(self) -> dict[str, Any]:
        """Return the coordinates of the rectangle."""
        return {str(name): coord.variable for name, coord in xr_coords(self.geobox, always_yx=True).items()}

    def given(self, product: str, every: str | None) -> list[Given]:
        """Return the published products that play a part, in time."""
        found = [g for g in self.task.given if g.product == product and g.every == every]
        return sorted(found, key=lambda g: g.period.start)

    def taken(self, step: Step, name: str) -> list[Given]:
        """Return the published products that play the part of an input of a step; none if it is made in the stage."""
        found = self.given(*step.need(name))
        return found if step.input(name).every is not None else [g for g in found if g.period == self.task.period]

    def layer(self, given: Given, name: str) -> xr.DataArray | None:
        """Return a layer of a product on the rectangle, NaN (or FILL) beyond its edges; None where it has none."""
        key = (given.key, name)
        if key not in self._layers:
            ds = _opened(given.href)
            if name not in ds:
                return None
            self._layers[key] = self._window(ds[name])
        return self._layers[key]

    def product(self, step: Step, name: str) -> tuple[xr.DataArray, xr.DataArray | None]:
        """
        Return the values and uncertainties of the input of a step that a published product plays.

        (y, x); (time, y, x) for a series, with the middles of its periods as time.
        """
        (of, _), wanted, found = step.need(name), step.input(name), self.taken(step, name)
        layer = wanted.layer or get_recipe(of).layers[0].name
        values = [self.layer(g, layer) for g in found]
        spread = [self.layer(g, f"{layer}_unc") for g in found]
        if wanted.every is None:
            return self._one(values[0], of, layer), spread[0]
        times = [middle_of(g.period) for g in found]
        return _along(values, times), None if any(s is None for s in spread) else _along(spread, times)

    def series(self, step: Step) -> list[Period]:
        """Return the periods of the longest series of products that a step takes; empty where it takes none."""
        wanted = {w.name for w in step.recipe.algorithm.inputs_of("product") if w.every is not None}
        found = [[g.period for g in self.given(of, every)] for name, of, every in step.needs if name in wanted]
        return max(found, key=len, default=[])

    def ancillary(self, step: Step, name: str, times: Any = None) -> xr.DataArray:
        """
        Return an ancillary quantity that a step takes: (y, x), or (time, y, x) of observations or of a series.

        Parameters
        ----------
        step, name
            Which input of which product.
        times
            Of the observations; None: of the overpasses of the period, over which the mean is taken.
        """
        wanted = step.input(name)
        quantity, at = wanted.of[0], wanted.at
        if at == "observation" and (times is not None or self.task.overpasses):
            return self._observed(quantity, times)
        at = "mean" if at == "observation" else at
        if (periods := self.series(step)) and not QUANTITIES[quantity].static:
            return _along([self._over(quantity, at, p) for p in periods], [middle_of(p) for p in periods])
        return self._over(quantity, at, self.task.period)

    def _observed(self, quantity: str, times: Any) -> xr.DataArray:
        """Return a quantity at the times of observations (time, y, x), or its mean over the overpasses (y, x)."""
        key = (quantity, "observation", None if times is None else np.asarray(times).tobytes())
        if key not in self._ancillary:
            found = self._at(quantity, times) if times is not None else self._over_passes(quantity)
            self._ancillary[key] = xr.DataArray(found, dims=("time", "y", "x") if found.ndim == 3 else ("y", "x"))
        return self._ancillary[key]

    def _at(self, quantity: str, times: Any) -> npt.NDArray[np.float32]:
        settings: dict[str, Any] = {"at": "observation", "times": times}
        return read_ancillary(self.task.ancillary, self.geobox, [quantity], **settings)[quantity]

    def _over_passes(self, quantity: str) -> npt.NDArray[np.float32]:
        """Return the mean over the overpasses that the data reach, one in memory at a time."""
        if QUANTITIES[quantity].static:
            return self._at(quantity, [np.datetime64(self.task.overpasses[0][:19], "ns")])
        total, count = np.zeros(self.geobox.shape), np.zeros(self.geobox.shape)
        missing = None
        for time in self.task.overpasses:
            try:
                now = self._at(quantity, [np.datetime64(time[:19], "ns")])[0]
            except ReadError as error:
                missing = error
                continue
            there = np.isfinite(now)
            total += np.where(there, now, 0)
            count += there
        if missing is not None and not count.any():
            raise missing
        return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)

    def _over(self, quantity: str, at: Any, period: Period) -> xr.DataArray:
        """Return the mean of a quantity over a period, or the mean of its daily extremes."""
        key = (quantity, at, str(period))
        if key not in self._ancillary:
            whole = at == "mean" or QUANTITIES[quantity].static
            mean = self._read(quantity, at, period) if whole else self._daily(quantity, at, period)
            self._ancillary[key] = xr.DataArray(mean, dims=("y", "x"))
        return self._ancillary[key]

    def _read(self, quantity: str, at: Any, period: Period) -> npt.NDArray[np.float32]:
        return read_ancillary(self.task.ancillary, self.geobox, [quantity], at=at, period=period)[quantity]

    def _daily(self, quantity: str, at: Any, period: Period) -> npt.NDArray[np.float32]:
        """Return the mean over the days of a period of their least or greatest, of the days that there are."""
        found, missing = [], None
        for day in split(period, "P1D"):
            try:
                found.append(self._read(quantity, at, day))
            except ReadError as error:
                missing = error
        if not found and missing is not None:
            raise missing
        return np.mean(found, axis=0, dtype=np.float32)

    def _window(self, data: xr.DataArray) -> xr.DataArray:
        rows, cols = self.geobox.shape
        top, left = max(self.y, 0), max(self.x, 0)
        bottom, right = min(self.y + rows, data.shape[0]), min(self.x + cols, data.shape[1])
        found = data.isel(y=slice(top, bottom), x=slice(left, right)).values
        if found.shape != (rows, cols):
            empty: Any = np.nan if found.dtype.kind == "f" else (int(QA.FILL) if data.name == "qa" else 0)
            whole = np.full((rows, cols), empty, found.dtype)
            whole[top - self.y : bottom - self.y, left - self.x : right - self.x] = found
            found = whole
        return xr.DataArray(found, dims=("y", "x"), name=data.name)

    @staticmethod
    def _one(values: xr.DataArray | None, product: str, layer: str) -> xr.DataArray:
        if values is None:
            raise KeyError(f"{product} has no layer {layer!r}")
        return values


def middle_of(period: Period) -> np.datetime64:
    """Return the middle of a period as numpy has times."""
    return np.datetime64(period.middle.replace(tzinfo=None), "ns")


def _along(arrays: Sequence[xr.DataArray | None], times: list[np.datetime64]) -> xr.DataArray:
    found = [(array, time) for array, time in zip(arrays, times, strict=True) if array is not None]
    stacked = np.stack([array.values for array, _ in found])
    return xr.DataArray(stacked, dims=("time", "y", "x"), coords={"time": [time for _, time in found]})
