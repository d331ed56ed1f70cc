"""
Aerosol optical depth pixel by pixel: what scenes carry, dark ground, and the clearest blue of a series.

The relations are those of :mod:`musyq_cube.normalize.aerosol`, which finds the aerosol of whole scenes by windows.

References
----------
Levy et al. 2007, doi:10.1029/2006JD007811 (dark targets); Liang et al. 2006, doi:10.1109/TGRS.2006.876030, and Zhong et
al. 2007 (clearest observation of a series).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.errors import NormalizeError
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

TCWV, OZONE, ELEVATION = 2.0, 0.3, 0.0
"""Air where nothing is known: g cm⁻², cm-atm, km."""
DARK = (0.01, 0.25)
"""2.1 µm reflectance of dark ground."""
LEAST_NDVI = 0.1
BRIGHT = 0.30
"""Blue at the top of the atmosphere that is cloud or snow missed by QA."""
LEAST, SECOND = 3, 8
"""Dates that the clearest blue needs, and from which on it is the second lowest."""
_STRIP = 20_000


def carried(aod: xr.DataArray) -> dict[str, xr.DataArray]:
    """
    Return the aerosol optical depth that scenes carry from their own characterization, with its 1σ, 0.05 + 0.15 AOD.

    Parameters
    ----------
    aod : DataArray
        At 0.55 µm, of each observation.
    """
    return {"aod": aod, "aod_unc": 0.05 + 0.15 * aod, "qa": _hazy(aod)}


def dark_ground(
    blue: Any, red: Any, nir: Any, swir22: Any, sza: Any, vza: Any, raa: Any, sensor: str,
    swir12: Any = None, tcwv: Any = None, ozone: Any = None, elevation: Any = None,
) -> dict[str, xr.DataArray]:  # fmt: skip
    """
    Return the aerosol optical depth over dark, vegetated ground from its blue and red, known from 2.1 µm.

    Parameters
    ----------
    blue, red, nir, swir22 : DataArray (time, y, x)
        Reflectance at the top of the atmosphere of one sensor, clear.
    sza, vza, raa : DataArray (time, y, x)
        Degrees.
    sensor
        Its id: the tables of the air are for its bands.
    swir12 : DataArray, optional
        1.24 µm; without it the ordinary NDVI says how green the ground is.
    tcwv, ozone, elevation : DataArray, optional
        g cm⁻², cm-atm, metres.

    Returns
    -------
    dict
        ``aod`` (NaN where the ground is not dark or blue says nothing), ``aod_unc``, ``qa`` (HIGH_AOD).

    Notes
    -----
    Levy et al. 2007: see :func:`musyq_cube.normalize._aerosol_methods.dark_red` and ``dark_blue``. The optical depth is
    where both residuals, weighted by the scatter of the relations, are least.
    """
    from musyq_cube.normalize.lut import reflective

    near = "nir08" if "nir08" in reflective(sensor) else "nir"
    bands = {"blue": blue, "red": red, near: nir, "swir22": swir22} | ({} if swir12 is None else {"swir12": swir12})

    def function(*arrays: Any) -> Any:
        return _pixels(_dark, dict(zip((*bands, *_AIR), arrays, strict=True)), sensor)

    return _run(function, [*bands.values(), sza, vza, raa, *_air(blue, tcwv, ozone, elevation)])


def clearest_blue(
    blue: Any, sza: Any, vza: Any, raa: Any, sensor: str, tcwv: Any = None, ozone: Any = None, elevation: Any = None
) -> dict[str, xr.DataArray]:
    """
    Return the median aerosol optical depth of a series, on the ground that its clearest dates show.

    Parameters
    ----------
    blue, sza, vza, raa : DataArray (time, y, x)
        Reflectance at the top of the atmosphere of one sensor, clear, and degrees; three dates at least, eight are
        good, from 30–60 days.
    sensor, tcwv, ozone, elevation
        As for :func:`dark_ground`.

    Returns
    -------
    dict
        ``aod``, ``aod_unc``, ``qa``, (y, x). See :func:`series_depth` for the method.
    """
    depth = series_depth(blue, sza, vza, raa, sensor, tcwv, ozone, elevation)
    import xarray as xr

    middle, error = (
        xr.apply_ufunc(
            _middle, depth[name], input_core_dims=[["time"]], dask="parallelized", output_dtypes=[np.float32]
        )
        for name in ("aod", "aod_unc")
    )
    return {"aod": middle, "aod_unc": error, "qa": _hazy(middle)}


def series_depth(
    blue: Any, sza: Any, vza: Any, raa: Any, sensor: str, tcwv: Any = None, ozone: Any = None, elevation: Any = None
) -> dict[str, xr.DataArray]:
    """
    Return the aerosol optical depth of every date of a series; parameters as for :func:`clearest_blue`.

    Notes
    -----
    Each date is corrected for the background (0.05) and brought to nadir by the blue shape of average land; the lowest
    (of eight dates or more the second lowest) is the ground. Seen from each date's own direction it is what the aerosol
    of that date must leave.

    Raises
    ------
    NormalizeError
        Without a sensor.
    """
    if not sensor:
        raise NormalizeError(
            "the clearest blue needs a series of one sensor, and there are several: order with sensors=[one of them], "
            "or with the algorithm dark_target"
        )
    air = _air(blue, tcwv, ozone, elevation)

    def function(*arrays: Any) -> Any:
        flat = [np.moveaxis(a, -1, 0) for a in arrays]
        out = _series(dict(zip(("blue", *_AIR), flat, strict=True)), sensor)
        return tuple(np.moveaxis(o, 0, -1) for o in out)

    import xarray as xr

    aod, error = xr.apply_ufunc(
        function, *xr.broadcast(blue, sza, vza, raa, *air), input_core_dims=[["time"]] * 7,
        output_core_dims=[["time"]] * 2, dask="parallelized", output_dtypes=[np.float32] * 2,
    )  # fmt: skip
    dims = blue.dims
    return {"aod": aod.transpose(*dims), "aod_unc": error.transpose(*dims)}


_AIR = ("sza", "vza", "raa", "tcwv", "ozone", "elevation")


def _air(like: xr.DataArray, tcwv: Any, ozone: Any, elevation: Any) -> list[Any]:
    import xarray as xr

    plain = ((tcwv, TCWV), (ozone, OZONE), (None if elevation is None else elevation / 1000.0, ELEVATION))
    return [xr.zeros_like(like) + default if v is None else v for v, default in plain]


def _run(function: Callable[..., Any], arrays: list[Any]) -> dict[str, xr.DataArray]:
    import xarray as xr

    aod, error = xr.apply_ufunc(
        function, *xr.broadcast(*arrays), output_core_dims=[[], []], dask="parallelized", output_dtypes=[np.float32] * 2
    )
    return {"aod": aod, "aod_unc": error, "qa": _hazy(aod)}


def _middle(values: Any) -> Any:
    """Return the median along the last axis of what is there."""
    ordered = np.sort(values, axis=-1)  # NaN last
    count = np.isfinite(ordered).sum(-1)[..., None]
    pair = [
        np.take_along_axis(ordered, i.clip(0, ordered.shape[-1] - 1), -1)[..., 0]
        for i in ((count - 1) // 2, count // 2)
    ]
    return ((pair[0] + pair[1]) / 2).astype(np.float32)


def _hazy(aod: xr.DataArray) -> xr.DataArray:
    return (aod > 0.5).astype("uint16") * np.uint16(QA.HIGH_AOD)


def _pixels(method: Callable[..., Any], given: dict[str, Any], sensor: str) -> tuple[Any, Any]:
    """Run a method on the pixels that have everything, in strips: (aod, one sigma) in the shape given."""
    from musyq_cube.normalize.lut import load

    shape = given["blue"].shape
    flat = {name: np.ascontiguousarray(v, np.float32).reshape(1, -1) for name, v in given.items()}
    optional = ("swir12",)
    fit = np.isfinite(np.stack([v for name, v in flat.items() if name not in optional])).all(0)[0]
    fit &= flat["blue"][0] < BRIGHT
    index = np.flatnonzero(fit)
    out = np.full((2, flat["blue"].size), np.nan, np.float32)
    tables = load(sensor)
    for start in range(0, index.size, _STRIP):
        part = index[start : start + _STRIP]
        out[:, part] = method({name: v[:, part] for name, v in flat.items()}, tables)
    return out[0].reshape(shape), out[1].reshape(shape)


def _dark(given: dict[str, Any], tables: Any) -> Any:
    from musyq_cube.normalize import _aerosol_methods as relations

    air = {name: given.pop(name) for name in _AIR}
    ground = relations._over_nodes(given, air, tables)  # noqa: SLF001
    angle = relations.scattering_angle(air["sza"], air["vza"], air["raa"])
    residuals = relations._dark_residuals(ground, angle, "", np.zeros_like(angle))  # noqa: SLF001
    sigmas = [relations.SCATTER_BLUE, relations.SCATTER_RED]
    one = np.ones(angle.shape, np.int32)
    found = relations._found(residuals, sigmas, ground["blue"], air, tables, one, "dark-target")  # noqa: SLF001
    middle = {name: relations._at(v, np.nan_to_num(found.aod, nan=0.1)) for name, v in ground.items()}  # noqa: SLF001
    near = middle["nir08" if "nir08" in middle else "nir"]
    ndvi = (near - middle["red"]) / np.maximum(near + middle["red"], 1e-3)
    dark = (middle["swir22"] >= DARK[0]) & (middle["swir22"] <= DARK[1]) & (ndvi > LEAST_NDVI)
    return np.stack([np.where(dark, v, np.nan)[0] for v in (found.aod, found.uncertainty)])


def _series(given: dict[str, Any], sensor: str) -> tuple[Any, Any]:
    from musyq_cube.kernels.brdf import kernels
    from musyq_cube.normalize.aerosol import BACKGROUND, BLUE_SHAPE
    from musyq_cube.normalize.lut import load

    tables = load(sensor)
    full = {name: np.ascontiguousarray(v, np.float32) for name, v in given.items()}
    air = {name: full[name] for name in _AIR}
    sza, vza, raa = (air[name] for name in _AIR[:3])
    rest = {name: air[name] for name in _AIR[3:]}
    steady = np.full_like(full["blue"], BACKGROUND)
    clear = tables.correct({"blue": full["blue"]}, sza, vza, raa, steady, **rest)["blue"]
    k_vol, k_geo = kernels(sza, vza, raa)
    shape = BLUE_SHAPE[0] + BLUE_SHAPE[1] * k_vol + BLUE_SHAPE[2] * k_geo
    fit = np.isfinite(clear) & (full["blue"] < BRIGHT)
    ordered = np.sort(np.where(fit, clear / shape, np.inf), axis=0)
    count = fit.sum(0)
    ground = np.take_along_axis(ordered, np.where(count >= SECOND, 1, 0)[None].clip(0, len(ordered) - 1), 0)[0]
    surface = np.where(count >= LEAST, ground * shape, np.nan).astype(np.float32)
    return _pixels(_known, full | {"surface": np.where(fit, surface, np.nan)}, sensor)


def _known(given: dict[str, Any], tables: Any) -> Any:
    from musyq_cube.normalize import _aerosol_methods as relations

    air = {name: given[name] for name in _AIR}
    ground = relations._over_nodes({"blue": given["blue"]}, air, tables)["blue"]  # noqa: SLF001
    one = np.ones(air["sza"].shape, np.int32)
    residual = [ground - given["surface"]]
    found = relations._found(residual, [relations.SCATTER_KNOWN], ground, air, tables, one, "")  # noqa: SLF001
    # the clearest dates are at the lower end, where refusal would leave only the hazy ones
    low = np.isnan(found.aod) & ~found.critical & (residual[0][0] < 0)
    aod = np.where(low, relations.NODES[0], found.aod)
    error = np.where(low, 0.05, found.uncertainty)
    return np.stack([aod[0], error[0]])
