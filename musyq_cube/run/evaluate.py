"""Evaluate: the products of a block, from its composite, its observations, or products that are there already."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr

from musyq_cube.composite import Observations, reduce_qa
from musyq_cube.products.compute import EVIDENCE, evaluate
from musyq_cube.run.evidence import of_step
from musyq_cube.run.inputs import Inputs, middle_of
from musyq_cube.store.packing import pack, unpack
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from musyq_cube.plan.parts import Step
    from musyq_cube.run.observe import Observer
    from musyq_cube.run.report import BlockTask
    from musyq_cube.variable import Variable

    Layers: TypeAlias = dict[str, npt.NDArray[Any]]
    Arrays: TypeAlias = dict[str, xr.DataArray]

REDUCTIONS: dict[str, Callable[..., Any]] = {
    "median": np.nanmedian,
    "mean": np.nanmean,
    "max": np.nanmax,
    "min": np.nanmin,
}
"""How results over observations become one of the period."""


def of_composite(task: BlockTask, composite: xr.Dataset) -> dict[str, xr.Dataset]:
    """Return the products of a composite, by product id: each step may take what the steps before it made."""
    inputs = Inputs(task, task.geobox, task.y, task.x)
    made: dict[str, xr.Dataset] = {}
    for step in task.steps:
        if step.recipe.is_mosaic:
            made[step.product] = composite
            continue
        given, sigma = _taken(step, inputs, made, None)
        for name, band in step.roles:
            given[name] = composite[band].astype("float32")
            if f"{band}_unc" in composite:
                sigma[name] = composite[f"{band}_unc"]
        out = evaluate(step.recipe, _dated(task, given), sigma, _sensor(task))
        made[step.product] = _with_evidence(out, {name: composite[name] for name in EVIDENCE}, inputs.coords())
    return made


def of_products(task: BlockTask) -> dict[str, xr.Dataset]:
    """Return the products of a block that are made of other products and ancillary data only, by product id."""
    margin = max(step.recipe.algorithm.reach for step in task.steps)
    geobox = task.geobox.pad(margin) if margin else task.geobox
    inputs = Inputs(task, geobox, task.y - margin, task.x - margin)
    made: dict[str, xr.Dataset] = {}
    for step in task.steps:
        given, sigma = _taken(step, inputs, made, None)
        given = {name: values.assign_coords(inputs.coords()) for name, values in _dated(task, given).items()}
        out = {name: _flat(values) for name, values in evaluate(step.recipe, given, sigma, _sensor(task)).items()}
        first = out[step.recipe.layers[0].name]
        made[step.product] = _with_evidence(out, of_step(step, inputs, made, first), inputs.coords())
    inner = slice(margin, -margin) if margin else slice(None)
    return {name: ds.isel(y=inner, x=inner) for name, ds in made.items()}


def of_observations(task: BlockTask, observer: Observer) -> Layers:
    """Return the layers of the one product of a stage over observations (y, x): retrieved from each, then reduced."""
    step = task.steps[0]
    cube = observer.bands(task.bands)
    inputs = Inputs(task, task.geobox, task.y, task.x)
    qa = cube["qa"].values.copy()
    layers: Layers = {}
    for sensor in dict.fromkeys(map(str, cube["sensor"].values)):
        index = np.flatnonzero(cube["sensor"].values == sensor)
        seen = cube.isel(time=index)
        given, sigma = _taken(step, inputs, {}, seen["time"].values)
        given |= _observed(step, seen, set(dict(task.available)[sensor]))
        out = evaluate(step.recipe, given, sigma, sensor)
        bits = out.pop("qa")
        qa[index] |= bits.transpose("time", "y", "x").values
        for name, values in out.items():
            whole = layers.setdefault(name, np.full(qa.shape, np.nan, np.float32))
            whole[index] = values.broadcast_like(seen["qa"]).transpose("time", "y", "x").values
    return _reduced(step, layers, qa, Observations.of(cube, task.period, task.sensors))


def of_series(task: BlockTask, observer: Observer) -> Layers:
    """Return the layers of the one product of a stage over a series of observations (y, x)."""
    step = task.steps[0]
    cube = observer.bands(task.bands)
    inputs = Inputs(task, task.geobox, task.y, task.x)
    given, sigma = _taken(step, inputs, {}, cube["time"].values)
    given |= _observed(step, cube, {name for _, names in task.available for name in names})
    out = evaluate(step.recipe, given, sigma, _sensor(task))
    bits = out.pop("qa").values
    found: Layers = {name: _flat(values).values for name, values in out.items()}
    evidence = reduce_qa(cube["qa"].values, Observations.of(cube, task.period, task.sensors))
    evidence["qa"] = _settle(evidence["qa"], bits, found[step.recipe.layers[0].name])
    return found | evidence


def nothing(task: BlockTask) -> Layers:
    """Return the layers of a rectangle that no observation reaches."""
    recipe, shape = task.steps[0].recipe, task.geobox.shape
    names = [v.name for v in recipe.layers]
    names += [f"{v.name}_unc" for v in recipe.layers if v.name not in recipe.certain]
    out: Layers = {name: np.full(shape, np.nan, np.float32) for name in names}
    out |= {"count": np.zeros(shape, np.uint16), "source": np.zeros(shape, np.uint16)}
    return out | {"day": np.full(shape, -1, np.int16), "qa": np.full(shape, int(QA.FILL), np.uint16)}


def _taken(step: Step, inputs: Inputs, made: Mapping[str, xr.Dataset], times: Any) -> tuple[Arrays, Arrays]:
    """Return values and uncertainties of the products and ancillary data that a step takes."""
    given: Arrays = {}
    sigma: Arrays = {}
    for name, of, _ in step.needs:
        if inputs.taken(step, name):
            given[name], spread = inputs.product(step, name)
        elif of in made:
            recipe = next(other for other in inputs.task.steps if other.product == of).recipe
            layers = {v.name: v for v in recipe.variables(inputs.task.bands)}
            layer = step.input(name).layer or next(iter(layers))
            given[name], spread = (_stored(made[of], layers, n) for n in (layer, f"{layer}_unc"))
        else:
            continue  # one that it can do without
        if spread is not None:
            sigma[name] = spread
    for name in step.ancillary:
        given[name] = inputs.ancillary(step, name, times)
    return given, sigma


def _dated(task: BlockTask, given: Arrays) -> Arrays:
    """Return inputs with the middle of the period as their time, where none is a series: the sun of that day counts."""
    if any("time" in values.dims for values in given.values()):
        return given
    return {name: values.assign_coords(time=middle_of(task.period)) for name, values in given.items()}


def _stored(ds: xr.Dataset, layers: Mapping[str, Variable], name: str) -> Any:
    """Return a layer as it will be stored: what is made of it is the same, whether it was made just now or long ago."""
    if name not in ds:
        return None
    return ds[name].copy(data=unpack(pack(ds[name].values, layers[name])[0], layers[name]))


def _observed(step: Step, seen: xr.Dataset, bands: set[str]) -> Arrays:
    """Return the bands and angles that a step takes of observations."""
    way = step.recipe.algorithm
    out: Arrays = {}
    for wanted in way.inputs_of("band"):
        name = next((name for name in wanted.of if name in bands and name in seen), None)
        if name is not None:
            out[wanted.name] = seen[name]
    return out | {wanted.name: seen[wanted.of[0]] for wanted in way.inputs_of("angle")}


def _reduced(step: Step, layers: Layers, qa: npt.NDArray[np.uint16], observations: Observations) -> Layers:
    """Reduce results (time, y, x) over the period; uncertainties are not reduced by the number of observations."""
    recipe = step.recipe
    first = layers[recipe.layers[0].name]
    missing = np.isnan(first)
    reduction = REDUCTIONS[recipe.algorithm.reduce]
    out: Layers = {}
    for name, values in layers.items():
        values[missing] = np.nan
        out[name] = _over_time(values**2, np.nanmean) ** 0.5 if name.endswith("_unc") else _over_time(values, reduction)
    never = ((qa & np.uint16(QA.OUT_OF_RANGE)) != 0).any(axis=0) & missing.all(axis=0)
    lost = np.where(never, np.uint16(QA.OUT_OF_RANGE), np.uint16(0))
    evidence = reduce_qa(
        (qa & ~np.uint16(QA.OUT_OF_RANGE)) | np.where(missing, np.uint16(QA.FILL), np.uint16(0)), observations
    )
    evidence["qa"] = _settle(evidence["qa"], lost, out[recipe.layers[0].name])
    return out | evidence


def _over_time(values: npt.NDArray[np.float32], reduction: Callable[..., Any]) -> npt.NDArray[np.float32]:
    out = np.full(values.shape[1:], np.nan, np.float32)
    there = ~np.isnan(values).all(axis=0)  # the others would warn
    # row after row, so that observations without a value change nothing
    out[there] = reduction(np.ascontiguousarray(values[:, there]), axis=0)
    return out


def _settle(
    qa: npt.NDArray[np.uint16], bits: npt.NDArray[np.uint16], first: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint16]:
    """Return QA with the bits of a retrieval; what was seen but gave no value is not FILL but out of range."""
    missing = np.isnan(first)
    fill = np.uint16(QA.FILL)
    lost = missing & ((bits & np.uint16(QA.OUT_OF_RANGE)) != 0)
    out = np.where(missing & ~lost, qa | fill, qa & ~fill) | bits
    return out.astype(np.uint16)


def _with_evidence(out: Arrays, evidence: Mapping[str, xr.DataArray], coords: Mapping[str, Any]) -> xr.Dataset:
    bits = out.pop("qa")
    qa = (evidence["qa"].variable | bits.variable).astype("uint16")
    plain = {name: values.variable for name, values in {**out, **evidence}.items()}
    return xr.Dataset(plain | {"qa": qa}, coords)


def _flat(values: xr.DataArray) -> xr.DataArray:
    return values.transpose("y", "x")


def _sensor(task: BlockTask) -> str:
    """Return the sensor whose bands a composite has: the reference, or the only one; empty where there are several."""
    if task.rules is not None and "spectral" in task.rules.steps:
        return task.rules.reference
    return task.sensors[0] if len(task.sensors) == 1 else ""


def at_place(task: BlockTask, where: tuple[slice, slice]) -> BlockTask:
    """Return the task of a rectangle of a block."""
    rows, cols = where
    return replace(task, geobox=task.geobox[where], y=task.y + rows.start, x=task.x + cols.start)
