"""How good an observation is: published scores and weights, from time, sensor, angles and distance to clouds."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from musyq_cube.errors import CompositeError
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from musyq_cube.composite.observations import Observations
    from musyq_cube.kernels._gufunc import F32

U16 = npt.NDArray[np.uint16]

SLC_OFF = 0.5
"""Score of Landsat 7 in White et al. 2014, because of its gaps since 2003; other sensors have 1."""


@cache
def logistic_table(reach: int, steepness: float = 10.0) -> F32:
    """
    Return the score of every distance to a cloud, in whole metres from 0 to `reach`.

    Notes
    -----
    1 / (1 + exp(-k (d/reach - 1/2))). With k = 10 and a reach of 50 pixels of 30 m this is the distance score of
    Griffiths et al. 2013 (doi:10.1109/JSTARS.2012.2228167). A table, so that the same metre gives the same bits however
    many pixels are computed at once.
    """
    d = np.arange(reach + 1) / max(reach, 1)
    return (1 / (1 + np.exp(-steepness * (d - 0.5)))).astype(np.float32)


@cache
def _cosine_table() -> F32:
    """cos² of angles in hundredths of a degree, 0…90; then 1 for an unknown angle."""
    return np.append(np.cos(np.radians(np.arange(9001) / 100)) ** 2, 1.0).astype(np.float32)


def nearness(cloud_distance: U16, reach: float) -> F32:
    """Score 0…1 of a distance in metres by :func:`logistic_table`."""
    table = logistic_table(round(reach))
    return table[np.minimum(cloud_distance, len(table) - 1)]


def view_weight(vza: F32) -> F32:
    """cos²(vza) of angles in degrees; 1 where the angle is not known."""
    known = np.isfinite(vza)
    steps = np.where(known, np.clip(np.abs(vza) * 100 + 0.5, 0, 9000), 9001).astype(np.intp)
    return _cosine_table()[steps]


def bap_score(
    observations: Observations,
    cloud_distance: U16 | None,
    *,
    target: float | None = None,
    doy_sigma: float = 30.0,
    reach: float = 1500.0,
    sensor_scores: Mapping[str, float] | None = None,
) -> F32:
    """
    Score of the best available pixel: day + distance to cloud + sensor.

    Parameters
    ----------
    observations
        Who and when.
    cloud_distance : uint16 (time, pixel)
        Metres. None: that score is left out.
    target
        Best day, counted from the start of the period. Default: the middle of the period.
    doy_sigma
        Days from the target at which the day's score has fallen to exp(-1/2).
    reach
        Metres from a cloud that count as far.
    sensor_scores
        Score by sensor, 0…1. Default 1, and 0.5 for ``landsat7-etm``.

    Returns
    -------
    float32 (time, pixel) or (time, 1)
        In the order of `observations`; 0…3.

    Notes
    -----
    Griffiths, van der Linden, Kuemmerle and Hostert 2013 (doi:10.1109/JSTARS.2012.2228167); sensor score of White et
    al. 2014 (doi:10.1080/07038992.2014.945827). Their score of haze opacity needs data that other sensors lack.
    """
    if doy_sigma <= 0 or reach <= 0:
        raise CompositeError(f"doy_sigma={doy_sigma}, reach={reach}: both must be above 0")
    best = observations.middle if target is None else target
    table = {"landsat7-etm": SLC_OFF, **(sensor_scores or {})}
    score = [
        math.exp(-0.5 * ((day - best) / doy_sigma) ** 2) + table.get(observations.sensors[i], 1.0)
        for day, i in zip(observations.days.tolist(), observations.order, strict=True)
    ]
    column = np.array(score, np.float32)[:, None]
    return column if cloud_distance is None else column + nearness(cloud_distance, reach)


def weights(
    qa: U16,
    observations: Observations,
    vza: F32 | None = None,
    cloud_distance: U16 | None = None,
    *,
    reach: float = 2000.0,
    aod_weight: float = math.exp(-0.5 / 0.3),
    sensor_sigma: Mapping[str, float] | None = None,
) -> F32:
    """
    Weight of every observation: distance to cloud · cos²(vza) · aerosol · 1/σ²(sensor).

    Parameters
    ----------
    qa : uint16 (time, pixel)
        Common quality bits; HIGH_AOD lowers the weight.
    observations
        Who and when.
    vza : float32 (time, pixel)
        Degrees. None or NaN: 1.
    cloud_distance : uint16 (time, pixel)
        Metres. None: 1.
    reach
        Metres from a cloud that count as far; half of the weight at half of it.
    aod_weight
        Weight where HIGH_AOD is set: exp(-AOD/0.3) at its threshold of 0.5.
    sensor_sigma
        Uncertainty of the reflectance by sensor; default 1 each.

    Returns
    -------
    float32 (time, pixel)
    """
    sigma = sensor_sigma or {}
    sensors = np.array([sigma.get(observations.sensors[i], 1.0) ** -2 for i in observations.order], np.float32)
    out = np.where(qa & np.uint16(QA.HIGH_AOD), np.float32(aod_weight), np.float32(1)) * sensors[:, None]
    if vza is not None:
        out *= view_weight(vza)
    if cloud_distance is not None:
        out *= nearness(cloud_distance, reach)
    return out
