"""Dates and heights of the seasons of vegetation, from a series of a vegetation index."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from musyq_cube.errors import PlanError
from musyq_cube.kernels.phenology import ROWS, SEASONS, phenology
from musyq_cube.types import QA

if TYPE_CHECKING:
    import numpy.typing as npt

METRICS = ("sos", "eos", "pos", "los", "base", "peak", "amplitude", "integral")
"""What is measured of each season; a second one in the same series has a 2 at the end of each name."""
LEAST_TIMES = 12


def seasons(ndvi: xr.DataArray, quality: xr.DataArray | None = None, *, part: float = 0.2) -> dict[str, xr.DataArray]:
    """
    Return start, end, peak and size of the one or two seasons of a series.

    Parameters
    ----------
    ndvi
        Vegetation index (time, y, x), NaN where missing; `time` has the middles of the periods. A whole year, or from
        dormancy to dormancy where the season goes over New Year.
    quality
        Quality bits of it. Under snow the winter value is taken: the lowest tenth of what is seen without snow.
    part
        Part of the amplitude at which a season starts and ends.

    Returns
    -------
    dict
        ``sos``, ``eos``, ``pos``: start, end and peak, day of the year in which the series begins (1.0 = 0 h UTC of
        1 January; days of the next year go on counting); ``los``: days from start to end; ``base``, ``peak``,
        ``amplitude``: of the index; ``integral``: of the index above its base from start to end, days; the same with a
        2 for a second season; ``seasons``: how many; and the standard deviation of each, from the misfit.

    Raises
    ------
    PlanError
        If there are fewer than 12 times.

    Notes
    -----
    Dark outliers are rejected against a Whittaker curve; peaks of it that rise above 0.1 and above three tenths of the
    range of the year are seasons; to each an asymmetric double logistic is fitted by least squares. The flanks are
    measured from the value of the curve on their own side: its minimum there within the series (the valley where
    another season follows). A season that the ends of the series cut has no start or no end.

    References
    ----------
    Eilers 2003, doi:10.1021/ac034173t; Beck et al. 2006, doi:10.1016/j.rse.2005.10.021; Jönsson & Eklundh 2004,
    doi:10.1016/j.cageo.2004.05.006 (thresholds of each side).
    """
    if ndvi.sizes["time"] < LEAST_TIMES:
        raise PlanError(
            f"phenology needs a series of at least {LEAST_TIMES} times; there are {ndvi.sizes['time']}. Order a year"
        )
    snow = xr.zeros_like(ndvi, "uint8") if quality is None else _snow(quality)
    made: xr.DataArray = xr.apply_ufunc(
        _measure,
        ndvi,
        snow,
        input_core_dims=[["time"], ["time"]],
        output_core_dims=[["row"]],
        kwargs={"days": _days(ndvi["time"]), "part": part},
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True, "output_sizes": {"row": ROWS}},
        output_dtypes=["float32"],
    )
    names = [f"{metric}{'' if i == 0 else i + 1}" for i in range(SEASONS) for metric in METRICS]
    rows = ["seasons", *names, *(f"{name}_unc" for name in names)]
    return {name: made.isel(row=i) for i, name in enumerate(rows)}


half_amplitude = partial(seasons, part=0.5)
"""As `seasons`, starting and ending at half of the amplitude."""


def _snow(quality: xr.DataArray) -> xr.DataArray:
    bits = quality.fillna(0).astype("uint16")
    return ((bits & np.uint16(QA.SNOW)) != 0).astype("uint8")


def _days(time: xr.DataArray) -> npt.NDArray[np.float64]:
    """Return times as days of the year of the first, 1.0 at the beginning of 1 January."""
    at = time.values.astype("datetime64[ns]")
    start = at[0].astype("datetime64[Y]").astype("datetime64[ns]")
    days: npt.NDArray[np.float64] = (at - start).astype(np.int64) / 86400e9 + 1.0
    return days


def _measure(
    ndvi: npt.NDArray[np.float32], snow: npt.NDArray[np.uint8], days: npt.NDArray[np.float64], part: float
) -> npt.NDArray[np.float32]:
    """Call the kernel on arrays with time last; results last."""
    shape = ndvi.shape[:-1]
    flat = [np.moveaxis(v, -1, 0).reshape(v.shape[-1], -1, shape[-1] if shape else 1) for v in (ndvi, snow)]
    made = phenology(flat[0], flat[1], days, part)
    out: npt.NDArray[np.float32] = np.moveaxis(made.reshape(ROWS, *shape), 0, -1)
    return out
