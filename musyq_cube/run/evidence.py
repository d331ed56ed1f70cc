"""Evidence of products that are made of products: count, sources, day and quality, from those they take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from musyq_cube.composite.observations import MOST_SENSORS
from musyq_cube.plan.parts import sensors_of
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from musyq_cube.plan.parts import Given, Step
    from musyq_cube.run.inputs import Inputs

    U16 = npt.NDArray[np.uint16]

LAYERS = ("count", "source", "day", "qa")


@dataclass(frozen=True)
class _Witness:
    """The evidence of one product that is taken (y, x), and the sensors of the bits of its `source`."""

    count: U16
    source: U16
    day: npt.NDArray[np.int16]
    qa: U16
    sensors: tuple[str, ...]


def of_step(step: Step, inputs: Inputs, made: Mapping[str, xr.Dataset], value: xr.DataArray) -> dict[str, xr.DataArray]:
    """
    Return the evidence of one product.

    Parameters
    ----------
    step, inputs
        How it is made, and of what.
    made
        Products of the same stage, made before.
    value
        Its first layer (y, x).

    Returns
    -------
    dict
        ``count``: the least of its products; ``source``: all their sensors; ``day``: of the first that knows; ``qa``:
        all their bits, FILL where there is no value. It does not depend on what else is made in the stage.
    """
    task = inputs.task
    table = sensors_of(task.steps, task.given, step.product)
    shape = value.shape
    count, day = np.full(shape, np.iinfo(np.uint16).max, np.uint16), np.full(shape, -1, np.int16)
    source, qa = np.zeros(shape, np.uint16), np.zeros(shape, np.uint16)
    found = [w for name, of, every in step.needs for w in _witnesses(step, inputs, made, (name, of, every))]
    witnesses = [w for w in found if w.sensors]  # what is made of weather alone was not observed
    for seen in witnesses:
        count = np.minimum(count, seen.count)
        day = np.where(day < 0, seen.day, day)
        source |= _translate(seen.source, seen.sensors, table)
        qa |= seen.qa
    if not witnesses:
        count[:] = 0
    fill = np.uint16(QA.FILL)
    qa = np.where(value.isnull().values, qa | fill, qa & ~fill).astype(np.uint16)
    arrays: dict[str, Any] = {"count": count, "source": source, "day": day.astype(np.int16), "qa": qa}
    return {name: xr.DataArray(array, dims=("y", "x")) for name, array in arrays.items()}


def _witnesses(
    step: Step, inputs: Inputs, made: Mapping[str, xr.Dataset], need: tuple[str, str, str | None]
) -> list[_Witness]:
    name, of, _ = need
    given = inputs.taken(step, name)
    if given:
        found = [w for g in given if (w := _of_given(inputs, g)) is not None]
        return found if len(found) < 2 else [_of_series(found)]
    if of in made:
        count, source, day, qa = (made[of][layer].values for layer in LAYERS)
        return [_Witness(count, source, day, qa, sensors_of(inputs.task.steps, inputs.task.given, of))]
    return []


def _of_given(inputs: Inputs, given: Given) -> _Witness | None:
    layers = [inputs.layer(given, name) for name in LAYERS]
    if any(layer is None for layer in layers):
        return None
    count, source, day, qa = (
        np.nan_to_num(np.asarray(layer, dtype=float), nan=-1) for layer in layers if layer is not None
    )
    whole = np.clip(count, 0, None).astype(np.uint16)
    return _Witness(whole, source.astype(np.uint16), day.astype(np.int16), qa.astype(np.uint16), given.sensors)


def _of_series(found: Sequence[_Witness]) -> _Witness:
    """Return the evidence of a series: counts add up, a bit of quality holds where more than half have it."""
    table = tuple(sorted({sensor for w in found for sensor in w.sensors}))
    count = np.minimum(np.sum([w.count for w in found], axis=0), np.iinfo(np.uint16).max).astype(np.uint16)
    source = np.zeros_like(count)
    for w in found:
        source |= _translate(w.source, w.sensors, table)
    qa = np.zeros_like(count)
    for bit in QA:
        often = sum((w.qa & np.uint16(bit)) != 0 for w in found)
        qa |= np.where(2 * np.asarray(often) > len(found), np.uint16(bit), np.uint16(0))
    return _Witness(count, source, np.full(count.shape, -1, np.int16), qa, table)


def _translate(source: U16, theirs: Sequence[str], ours: Sequence[str]) -> U16:
    """Return sensor bits in our order."""
    out = np.zeros_like(source)
    for bit, sensor in enumerate(theirs[:MOST_SENSORS]):
        if sensor in ours:
            out |= np.where(source & np.uint16(1 << bit), np.uint16(1 << ours.index(sensor)), np.uint16(0))
    return out
