"""The daily course of surface temperature, and geostationary views side by side: plain functions of DataArrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import xarray as xr

from musyq_cube.kernels import diurnal as kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Layers: TypeAlias = "dict[str, xr.DataArray]"

RAMP = (50.0, 60.0)
"""Degrees of the zenith angle of view between which a view fades out where another one takes over."""
_DAY = np.arange(0.0, 24.0, 0.25)


def diurnal_cycle(lst: xr.DataArray) -> Layers:
    """
    Return the daily course of surface temperature.

    Parameters
    ----------
    lst : DataArray (time, y, x)
        K, of one or several days, with the coordinate ``time`` (UTC).

    Returns
    -------
    dict of DataArray (y, x)
        ``lst_mean``, ``lst_min``, ``lst_max`` (K, of 24 hours), ``hour_max`` (UTC), ``scatter`` (K) and
        ``lst_mean_unc``; NaN with fewer than 8 observations or less than 9 hours of the day.

    References
    ----------
    Göttsche & Olesen 2001, doi:10.1016/S0034-4257(00)00214-5.

    Examples
    --------
    >>> time = np.arange("2014-07-01", "2014-07-02", dtype="datetime64[h]").astype("datetime64[ns]")
    >>> t = 290 + 12 * np.cos((np.arange(24.0) - 13) / 12 * np.pi)
    >>> cycle = diurnal_cycle(xr.DataArray(t, coords={"time": time}, dims="time"))
    >>> abs(float(cycle["hour_max"]) - 13) < 0.3
    True
    """
    hours = hours_of(lst)
    found = _fit(lst, hours)
    whole = _course(found, _DAY)
    mean = whole.mean("hour")
    return {
        "lst_mean": mean,
        "lst_min": whole.min("hour"),
        "lst_max": found.isel(parameter=0) + found.isel(parameter=1),
        "hour_max": found.isel(parameter=2),
        "scatter": found.isel(parameter=5),
        "lst_mean_unc": _mean_unc(lst, found, hours, mean),
    }


def fill(lst: xr.DataArray) -> Layers:
    """
    Fill the gaps of a series of surface temperatures with its daily course.

    Parameters
    ----------
    lst : DataArray (time, y, x)
        As for :func:`diurnal_cycle`.

    Returns
    -------
    dict of DataArray (time, y, x)
        ``lst`` and ``filled`` (whether a value is of the course); where there is no course the gaps stay.

    Examples
    --------
    >>> time = np.arange("2014-07-01", "2014-07-02", dtype="datetime64[h]").astype("datetime64[ns]")
    >>> t = xr.DataArray(290 + 12 * np.cos((np.arange(24.0) - 13) / 12 * np.pi), coords={"time": time}, dims="time")
    >>> made = fill(t.where(t.time.dt.hour != 13))
    >>> abs(float(made["lst"][13]) - 302) < 1, int(made["filled"].sum())
    (True, 1)
    """
    hours = hours_of(lst)
    model = _course(_fit(lst, hours), hours).rename(hour="time").assign_coords(time=lst["time"]).transpose(*lst.dims)
    filled = lst.isnull() & model.notnull()
    return {"lst": lst.where(~filled, model).astype("float32"), "filled": filled}


def hours_of(series: xr.DataArray) -> NDArray[np.float64]:
    """Return the hour (UTC) of each time of a series."""
    at = series["time"].dt
    return np.asarray(at.hour + at.minute / 60 + at.second / 3600, np.float64)


def merge_views(
    views: Sequence[xr.DataArray], angles: Sequence[xr.DataArray], offsets: Sequence[float]
) -> xr.DataArray:
    """
    Merge the surface temperatures of several geostationary satellites on one grid.

    Parameters
    ----------
    views : sequence of DataArray
        K, NaN where missing.
    angles : sequence of DataArray
        Zenith angle of view of each, degrees.
    offsets
        Taken off each, K: its difference from the others where they overlap (:func:`overlap_offset`).

    Returns
    -------
    DataArray
        Mean of the views; the weight of each falls from 1 at 50° to 0 at 60°. Beyond 60° there is none.

    Examples
    --------
    >>> a, b = xr.DataArray([300.0, 300.0]), xr.DataArray([302.0, 302.0])
    >>> merge_views([a, b], [xr.DataArray([40.0, 55.0]), xr.DataArray([55.0, 61.0])], [0.0, 0.5]).values.tolist()
    [300.5, 300.0]
    """
    low, high = RAMP
    total = weights = xr.zeros_like(views[0])
    for view, angle, offset in zip(views, angles, offsets, strict=True):
        weight = ((high - angle) / (high - low)).clip(0.0, 1.0).where(view.notnull(), 0.0)
        total = total + weight * (view - offset).fillna(0.0)
        weights = weights + weight
    return total / weights.where(weights > 0)


def overlap_offset(view: xr.DataArray, other: xr.DataArray, angle: xr.DataArray, other_angle: xr.DataArray) -> float:
    """
    Return the mean difference of two views where both look from less than 60°, K; 0 where they never do.

    Examples
    --------
    >>> a, b, near = xr.DataArray([300.0, 300.0]), xr.DataArray([302.0, 290.0]), xr.DataArray([40.0, 70.0])
    >>> overlap_offset(a, b, near, near)
    -2.0
    """
    both = (angle <= RAMP[1]) & (other_angle <= RAMP[1])
    found = float((view - other).where(both).mean())
    return 0.0 if np.isnan(found) else found


def _fit(lst: xr.DataArray, hours: NDArray[np.float64]) -> xr.DataArray:
    made: xr.DataArray = xr.apply_ufunc(
        lambda t: kernel.fit(hours, t),
        lst,
        input_core_dims=[["time"]],
        output_core_dims=[["parameter"]],
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True, "output_sizes": {"parameter": kernel.PARAMETERS}},
        output_dtypes=["float32"],
    )
    return made


def _course(found: xr.DataArray, hours: NDArray[np.float64]) -> xr.DataArray:
    made: xr.DataArray = xr.apply_ufunc(
        lambda p: kernel.course(hours, p),
        found,
        input_core_dims=[["parameter"]],
        output_core_dims=[["hour"]],
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True, "output_sizes": {"hour": len(hours)}},
        output_dtypes=["float32"],
    )
    return made


def _mean_unc(lst: xr.DataArray, found: xr.DataArray, hours: NDArray[np.float64], mean: xr.DataArray) -> xr.DataArray:
    """Return the standard deviation of the mean, by the scatter of the observations and the hours they lack."""
    there = lst.notnull()
    n = there.sum("time")
    seen = _course(found, hours).rename(hour="time").assign_coords(time=lst["time"]).where(there)
    apart = mean - seen.mean("time")
    spread = ((seen - seen.mean("time")) ** 2).sum("time")
    made: xr.DataArray = found.isel(parameter=5) * (1 / n.where(n > 0) + apart**2 / spread.where(spread > 0)) ** 0.5
    return made
