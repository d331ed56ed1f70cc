"""Productivity by light use and biome (MOD17): what vegetation takes up, and what is left after it has breathed."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from musyq_cube.errors import PlanError
from musyq_cube.kernels import carbon
from musyq_cube.products._light import daily_par
from musyq_cube.types import QA

if TYPE_CHECKING:
    import numpy.typing as npt

PAR_SHARE = 0.45
"""Photosynthetically active part of the sunlight at the ground."""
DAY_MEGAJOULES = 0.0864
"""MJ m⁻² d⁻¹ in 1 W m⁻²."""
CLASSES = 17
MANY_FILLED = 0.25
"""Part of a year above which interpolated values give the bit GAP_FILLED."""
LEAST_DAYS = 330.0
"""A shorter series says nothing about a year."""
CARBON_USE = 0.47
"""Net over gross productivity, 0.47 ± 0.04 in temperate forests (Waring et al. 1998)."""


@cache
def biomes() -> npt.NDArray[np.float64]:
    """
    Return the biome properties of MOD17 by IGBP class, (18, 11): columns as in `musyq_cube.kernels.carbon`.

    Water, wetland, town, ice and desert have none (NaN), and so has row 0, which stands for what is no class. The
    mosaic of crops and natural vegetation (14) has those of crops.

    Examples
    --------
    >>> float(biomes()[2, carbon.LUE]), bool(np.isnan(biomes()[17]).all())
    (0.001405, True)
    """
    text = (files("musyq_cube.products") / "data" / "mod17_bplut.csv").read_text("utf-8")
    out = np.full((CLASSES + 1, carbon.COLUMNS), np.nan)
    for row in list(csv.reader(line for line in text.splitlines() if not line.startswith("#")))[1:]:
        out[int(row[0])] = [float(v) for v in row[2:]]
    return out


def gpp(
    fpar: xr.DataArray, par: xr.DataArray, tmin: xr.DataArray, vpd: xr.DataArray, land_cover: xr.DataArray
) -> xr.DataArray:
    """
    Return gross primary productivity, 1000 ε f(Tmin) f(VPD) FPAR PAR.

    Parameters
    ----------
    fpar
        Fraction of absorbed light, 0…1.
    par
        Photosynthetically active radiation, W m⁻², mean of day and night.
    tmin
        Least air temperature of the day, K.
    vpd
        Vapour pressure deficit of the daytime, Pa.
    land_cover
        IGBP class, 1…17.

    Returns
    -------
    xarray.DataArray
        g C m⁻² d⁻¹, 0…30; NaN where an input is missing or the class has no vegetation.

    Notes
    -----
    f(Tmin) rises from 0 to 1, f(VPD) falls from 1 to 0 between two values of the biome.

    References
    ----------
    Running et al. 2004, doi:10.1641/0006-3568(2004)054[0547:ACSMOG]2.0.CO;2; Running & Zhao 2015, User's Guide
    MOD17A2/A3, eqs 1.1-1.3.

    Examples
    --------
    >>> forest = [xr.DataArray([v]) for v in (0.5, 45.0, 283.15, 1000.0, 2.0)]
    >>> round(float(gpp(*forest)[0]), 4)
    2.7313
    """
    made: xr.DataArray = xr.apply_ufunc(
        carbon.gpp,
        fpar,
        par * np.float32(DAY_MEGAJOULES),
        tmin,
        vpd,
        land_cover,
        kwargs={"table": biomes()},
        dask="parallelized",
        output_dtypes=["float32"],
    )
    return made


def gpp_of_shortwave(
    fpar: xr.DataArray, shortwave: xr.DataArray, tmin: xr.DataArray, vpd: xr.DataArray, land_cover: xr.DataArray
) -> xr.DataArray:
    """Return `gpp` with PAR as 45 % of the sunlight at the ground (W m⁻², mean of day and night)."""
    return gpp(fpar, shortwave * np.float32(PAR_SHARE), tmin, vpd, land_cover)


def gpp_of_sky(
    fpar: xr.DataArray,
    par: xr.DataArray,
    dsr: xr.DataArray,
    kc: xr.DataArray,
    tmin: xr.DataArray,
    vpd: xr.DataArray,
    land_cover: xr.DataArray,
    elevation: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return `gpp` with the light of the day from retrievals at moments of it (`_light.daily_par`)."""
    return gpp(fpar, daily_par(par, dsr, kc, elevation), tmin, vpd, land_cover)


def npp(
    gpp: xr.DataArray, lai: xr.DataArray, air_temperature: xr.DataArray, land_cover: xr.DataArray
) -> dict[str, xr.DataArray]:
    """
    Return net primary productivity of a year, 0.8 max(0, Σ GPP - Σ Rm).

    Parameters
    ----------
    gpp
        Series (time, y, x), g C m⁻² d⁻¹; `time` has the middles of the periods.
    lai
        Series of leaf area index.
    air_temperature
        Mean air temperature, K: of each period, or (y, x) of the year.
    land_cover
        IGBP class (y, x).

    Returns
    -------
    dict
        ``npp``, g C m⁻² a⁻¹, the mean of the years of the series, and ``qa``.

    Raises
    ------
    PlanError
        If the series is shorter than a year.

    Notes
    -----
    Maintenance Rm = 1000 m r Q^((T - 20 °C) / 10 K) with the mass m of leaves LAI / SLA, of fine roots in proportion to
    it, of live wood in proportion to the most leaves of the year; Q = 3.22 - 0.046 T for leaves, else 2. Gaps are
    interpolated in time.

    References
    ----------
    Running & Zhao 2015, User's Guide MOD17A2/A3, eqs 1.4-1.11; Tjoelker et al. 2001,
    doi:10.1046/j.1365-2486.2001.00397.x.
    """
    days, years = _days(gpp["time"])
    lai, air = (v.transpose("time", ...) if "time" in v.dims else v for v in (lai, air_temperature))
    series = ["time"] if "time" in air.dims else []
    made, filled = xr.apply_ufunc(
        _annual,
        gpp,
        lai,
        air,
        land_cover,
        input_core_dims=[["time"], ["time"], series, []],
        output_core_dims=[[], []],
        kwargs={"days": days},
        join="inner",
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True},
        output_dtypes=["float32", "float32"],
    )
    gaps = ((filled > MANY_FILLED) & made.notnull()).astype("uint16") * np.uint16(QA.GAP_FILLED)
    return {"npp": made / np.float32(years), "qa": gaps.astype("uint16")}


def npp_of_gpp(gpp: xr.DataArray) -> xr.DataArray:
    """
    Return net primary productivity of a year as a fixed part of the gross one, where its respiration is not known.

    Parameters
    ----------
    gpp
        Series (time, y, x), g C m⁻² d⁻¹; `time` has the middles of the periods.

    Returns
    -------
    xarray.DataArray
        g C m⁻² a⁻¹; NaN where less than half of the periods have values.

    References
    ----------
    Waring, Landsberg & Williams 1998, doi:10.1093/treephys/18.2.129.
    """
    days, years = _days(gpp["time"])
    weight = xr.DataArray(days, dims="time")
    daily = (gpp.drop_vars("time") * weight).sum("time") / (gpp.drop_vars("time").notnull() * weight).sum("time")
    enough = gpp.notnull().mean("time") >= carbon.LEAST_SHARE
    made: xr.DataArray = (daily * (days.sum() / years * CARBON_USE)).where(enough).astype("float32")
    return made


def _days(time: xr.DataArray) -> tuple[npt.NDArray[np.float64], int]:
    """Return the days that each time stands for, half way to its neighbours, and how many years they make."""
    at = time.values.astype("datetime64[ns]").astype(np.int64) / 86400e9
    steps = np.diff(at)
    days = np.zeros(len(at))
    if len(at) > 1:
        days[:-1] += steps / 2
        days[1:] += steps / 2
        days[0] += steps[0] / 2
        days[-1] += steps[-1] / 2
    if days.sum() < LEAST_DAYS:
        raise PlanError(
            f"productivity of a year cannot be had from a series of {days.sum():.0f} days; order a whole year"
        )
    return days, max(1, round(float(days.sum()) / 365.25))


def _annual(
    gpp: np.ndarray, lai: np.ndarray, air: np.ndarray, cover: np.ndarray, days: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Call the kernel on arrays with time last."""
    shape = np.broadcast_shapes(gpp.shape, lai.shape)
    air = air if air.ndim == len(shape) else air[..., None]
    plane = (-1, shape[-2] if len(shape) > 1 else 1)
    series = [np.moveaxis(np.broadcast_to(v, shape), -1, 0).reshape(shape[-1], *plane) for v in (gpp, lai, air)]
    classes = np.broadcast_to(cover, shape[:-1]).reshape(plane)
    out, filled = carbon.npp(series[0], series[1], series[2], classes, days, biomes())
    return out.reshape(shape[:-1]), filled.reshape(shape[:-1])
