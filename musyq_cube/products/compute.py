"""Compute: one recipe on the arrays of its inputs: values, propagated uncertainties, quality bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from musyq_cube.types import QA

if TYPE_CHECKING:
    from musyq_cube.products.recipe import Algorithm, Recipe
    from musyq_cube.variable import Variable

EVIDENCE = ("count", "source", "day", "qa")
"""Layers of the composite that every product carries along."""


def compute(recipe: Recipe, ds: xr.Dataset, parts: Mapping[str, str], sensor: str = "") -> xr.Dataset:
    """Make a product from a dataset of its inputs; see :meth:`musyq_cube.products.recipe.Recipe.compute`."""
    if recipe.is_mosaic:
        return ds
    given, sigma = {}, {}
    for wanted in recipe.algorithm.inputs:
        if wanted.kind == "sensor":
            continue
        named = parts.get(wanted.name)
        if named is None and not wanted.required and not any(n in ds for n in (*wanted.of, wanted.name)):
            continue
        name = named or _layer(recipe, wanted, ds)
        given[wanted.name] = ds[name].astype("float32")
        if f"{name}_unc" in ds:
            sigma[wanted.name] = ds[f"{name}_unc"]
    made = evaluate(recipe, given, sigma, sensor)
    evidence = {name: ds[name] for name in EVIDENCE if name in ds}
    bits = made.pop("qa", None)
    if "qa" in evidence and bits is not None:
        evidence["qa"] = (evidence["qa"] | bits).astype("uint16").assign_attrs(evidence["qa"].attrs)
    return xr.Dataset(made | evidence, attrs=ds.attrs)


def evaluate(
    recipe: Recipe, given: Mapping[str, xr.DataArray], sigma: Mapping[str, xr.DataArray], sensor: str = ""
) -> dict[str, xr.DataArray]:
    """
    Evaluate the first algorithm of a recipe.

    Parameters
    ----------
    recipe
        Not a mosaic.
    given
        Inputs by name, float32, NaN where missing.
    sigma
        Their standard deviations, where known; else those of the recipe hold.
    sensor
        For algorithms with coefficients by sensor.

    Returns
    -------
    dict
        The layers, ``<layer>_unc`` of each that has one, and ``qa``: bits to be added (uint16).

    Notes
    -----
    The uncertainty of a layer is ``sqrt(Σ ((f(x_i + σ_i) - f(x_i - σ_i)) / 2)² + error²)``: independent errors, one
    standard deviation each way (JCGM 100:2008, 5.1.3, note 2); where one way leaves the domain, the other counts whole.
    """
    way = recipe.algorithm
    extra = {"sensor": sensor} if way.inputs_of("sensor") else {}
    out = _layers(recipe, way, given, extra)
    unsure = [v for v in recipe.layers if v.name not in recipe.certain and f"{v.name}_unc" not in out]
    if unsure:
        out |= _propagate(recipe, way, given, sigma, extra, out, unsure)
    bits = _bits(recipe, way, given, out)
    made = {v.name: out[v.name].astype("float32").assign_attrs(_attributes(v)) for v in recipe.layers}
    for v in recipe.layers:
        if v.name not in recipe.certain:
            made[f"{v.name}_unc"] = out[f"{v.name}_unc"].astype("float32").assign_attrs(units=v.units)
    return made | {"qa": bits}


def _layer(recipe: Recipe, wanted: Any, ds: xr.Dataset) -> str:
    """Return the variable of an input: of a product its layer, else what plays the part."""
    first = {"product": (wanted.layer, wanted.name), "ancillary": (wanted.name,)}.get(wanted.kind, ())
    for name in first:
        if name and name in ds:
            return str(name)
    return recipe.part(wanted, ds)


def _layers(
    recipe: Recipe, way: Algorithm, given: Mapping[str, xr.DataArray], extra: Mapping[str, str]
) -> dict[str, xr.DataArray]:
    function: Any = way.function
    result = function(**given, **extra)
    if isinstance(result, xr.Dataset | Mapping):
        return {str(name): values for name, values in result.items()}
    return {recipe.layers[0].name: result}


def _propagate(
    recipe: Recipe,
    way: Algorithm,
    given: Mapping[str, xr.DataArray],
    sigma: Mapping[str, xr.DataArray],
    extra: Mapping[str, str],
    at: Mapping[str, xr.DataArray],
    unsure: list[Variable],
) -> dict[str, xr.DataArray]:
    first = recipe.layers[0].name
    variance: dict[str, Any] = {v.name: way.error**2 if v.name == first else 0.0 for v in unsure}
    for wanted in way.inputs:
        spread: Any = sigma.get(wanted.name, wanted.sigma or None)
        if wanted.name in sigma and wanted.sigma:
            spread = spread.fillna(wanted.sigma)  # of a single observation a composite cannot say it
        if wanted.name not in given or spread is None:
            continue
        above, below = (
            _layers(recipe, way, {**given, wanted.name: given[wanted.name] + sign * spread}, extra) for sign in (1, -1)
        )
        for name, sum_ in variance.items():
            up, down = above[name] - at[name], at[name] - below[name]
            half = (up.fillna(down) + down.fillna(up)) / 2
            variance[name] = sum_ + half.astype("float32") ** 2
    return {f"{name}_unc": (at[name] * 0 + total) ** 0.5 for name, total in variance.items()}


def _bits(
    recipe: Recipe, way: Algorithm, given: Mapping[str, xr.DataArray], out: Mapping[str, xr.DataArray]
) -> xr.DataArray:
    """Return the quality bits: what the function says, no value where all inputs are there, a backup algorithm."""
    first = out[recipe.layers[0].name]
    needed = [given[i.name] for i in way.inputs if i.required and i.name in given]
    there: Any = True
    for values in needed:
        there = there & values.notnull()
    if needed and (along := [dim for dim in there.dims if dim not in first.dims]):
        there = there.any(along)  # of a series: at some time
    lost = there & first.isnull()
    bits = lost.astype("uint16") * np.uint16(QA.OUT_OF_RANGE)
    if way.backup:
        bits = bits | (first.notnull().astype("uint16") * np.uint16(QA.BACKUP))
    if "qa" in out:
        bits = bits | out["qa"].astype("uint16")
    made: xr.DataArray = bits.astype("uint16")
    return made


def _attributes(layer: Variable) -> dict[str, str]:
    attrs = {"units": layer.units, "long_name": layer.long_name}
    return attrs | ({"standard_name": layer.standard_name} if layer.standard_name else {})
