"""Downward shortwave radiation and PAR: from what a sensor saw of the sky, from a series, or from reanalysis."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from musyq_cube.kernels import radiation as kernel
from musyq_cube.kernels.sky import sky
from musyq_cube.products import _cloud, _sky, _visible
from musyq_cube.products._apply import elementwise
from musyq_cube.types import QA

SOLAR_CONSTANT = 1361.1
"""W m⁻² at one astronomical unit (Gueymard 2018, doi:10.1016/j.solener.2018.04.001)."""

AOD = 0.1
"""Aerosol optical depth at 0.55 µm where nothing is known, over land far from sources."""
OZONE = 0.3
"""cm-atm."""
ALBEDO = 0.2
"""Of the ground, for the light between ground and sky."""
PAR_SHARE = 0.45
"""PAR over DSR where the sky is not known (MOD17)."""
SLOTS = 48
"""Half hours of the day, for each of which the ground has a reflectance of its own: the sun moves 7°, shadows too."""
DARK = 0.05
"""Quantile of a slot's reflectances that is the ground's: the clear days."""
LOWEST_SUN = 80.0
"""Degrees, beyond which a sensor sees air rather than cloud."""


def irradiance_outside(like: xr.DataArray) -> xr.DataArray | float:
    """
    Return the solar irradiance across the beam outside the atmosphere, W m⁻², at the times of an array.

    Where it has no coordinate ``time``, that at the mean distance of the sun, which is within 3.4 %.

    Examples
    --------
    >>> irradiance_outside(xr.DataArray([0.0], dims="x"))
    1361.1
    """
    if "time" not in like.coords:
        return SOLAR_CONSTANT
    import pandas as pd
    from pvlib.solarposition import nrel_earthsun_distance

    times = like["time"]
    index = pd.DatetimeIndex(np.atleast_1d(times.values)).tz_localize("UTC")
    toa = SOLAR_CONSTANT / np.asarray(nrel_earthsun_distance(index)) ** 2
    return xr.DataArray(toa.astype("float32").reshape(times.shape), dims=times.dims, coords={"time": times})


def clear_sky(
    sza: xr.DataArray,
    aod: xr.DataArray,
    tcwv: xr.DataArray,
    ozone: xr.DataArray | float = OZONE,
    surface_pressure: xr.DataArray | float = 101_325.0,
    cloud_fraction: xr.DataArray | float = 0.0,
    albedo: xr.DataArray | float = ALBEDO,
) -> dict[str, xr.DataArray]:
    """
    Return downward shortwave radiation of a clear sky, less what the cloud cover takes.

    Parameters
    ----------
    sza
        Solar zenith in degrees, with ``time`` for the distance of the sun; 0 W m⁻² beyond 90.
    aod
        Aerosol optical depth at 0.55 µm.
    tcwv, ozone, surface_pressure
        g cm⁻², cm-atm, Pa.
    cloud_fraction
        0…1.
    albedo
        Of the ground, broadband.

    Returns
    -------
    dict
        ``dsr`` (W m⁻²) and ``kc``, the clear-sky index ``1 - 0.75 c^3.4``.

    References
    ----------
    Bird & Hulstrom 1981, doi:10.2172/6510849; Kasten & Czeplak 1980, doi:10.1016/0038-092X(80)90391-6.

    Examples
    --------
    >>> x = xr.DataArray(np.float32([20, 60]), dims="x")
    >>> clear_sky(x, x * 0 + 0.1, x * 0 + 1.5)["dsr"].round().values.tolist()
    [998.0, 488.0]
    """
    flux, _ = under(sza, aod, 0.0, tcwv, ozone, surface_pressure, albedo)
    cover: Any = cloud_fraction
    if isinstance(cover, xr.DataArray):
        cover = cover.where((cover >= 0.0) & (cover <= 1.0))
    index = sza * 0.0 + (1.0 - 0.75 * cover**3.4)
    return {"dsr": flux * index, "kc": index}


def lookup(
    blue: xr.DataArray,
    red: xr.DataArray,
    sza: xr.DataArray,
    vza: xr.DataArray,
    raa: xr.DataArray,
    surface_blue: xr.DataArray,
    surface_red: xr.DataArray,
    albedo: xr.DataArray,
    tcwv: xr.DataArray,
    sensor: str,
    ozone: xr.DataArray | float = OZONE,
    surface_pressure: xr.DataArray | float = 101_325.0,
    aod: xr.DataArray | float = AOD,
) -> dict[str, xr.DataArray]:
    """
    Return downward shortwave radiation under the sky that makes a pixel look as it does.

    The haze of a clear sky, or the depth of a cloud, is found from the mean of the blue and the red band at the top of
    the atmosphere over a known surface; it gives the irradiance.

    Parameters
    ----------
    blue, red
        Reflectance at the top of the atmosphere.
    sza, vza, raa
        Degrees; `raa` is 0 in the hot spot. `sza` with ``time`` for the distance of the sun.
    surface_blue, surface_red, albedo
        Reflectance of the surface in the two bands, and its broadband albedo.
    tcwv, ozone, surface_pressure
        g cm⁻², cm-atm, Pa.
    sensor
        Whose bands they are.
    aod
        Optical depth of aerosol where haze and surface look alike (deserts), and under cloud.

    Returns
    -------
    dict
        ``dsr`` (W m⁻²) and ``kc``, relative to the same sky without cloud.

    References
    ----------
    Liang et al. 2006, doi:10.1029/2005JD006585 (the idea); Vermote et al. 1997, doi:10.1109/36.581987 (clear sky, 6S);
    Slingo 1989 and Joseph et al. 1976 (cloud).
    """
    tables = _sky.tables(sensor)
    inputs = (blue, red, sza, vza, raa, surface_blue, surface_red, ozone, surface_pressure, aod)
    haze, cloud = elementwise(partial(sky, tables=tables), *inputs, outputs=2)
    flux, clear = under(sza, haze, cloud, tcwv, ozone, surface_pressure, albedo)
    return {"dsr": flux, "kc": flux / clear.where(clear > 0.0)}


def under(sza: Any, aod: Any, cod: Any, tcwv: Any, ozone: Any, pressure: Any, albedo: Any) -> tuple[Any, Any]:
    """
    Return the irradiance on level ground under a known sky, and under the same sky without cloud (W m⁻²).

    Parameters as in `clear_sky`; `cod` is the optical depth of cloud at 0.55 µm.
    """
    tables = _cloud.tables()
    flux, clear = elementwise(
        partial(kernel.all_sky, cloud=tables),
        sza, aod, cod, tcwv, ozone, pressure, albedo, irradiance_outside(sza),
        outputs=2,
    )  # fmt: skip
    return flux, clear


def heliosat(
    red: xr.DataArray,
    sza: xr.DataArray,
    aod: xr.DataArray,
    tcwv: xr.DataArray,
    ozone: xr.DataArray | float = OZONE,
    surface_pressure: xr.DataArray | float = 101_325.0,
) -> dict[str, xr.DataArray]:
    """
    Return the mean downward shortwave radiation of a series of a visible band by Heliosat-2.

    Parameters
    ----------
    red
        (time, y, x) reflectance at the top of the atmosphere, under cloud too.
    sza
        Solar zenith, degrees; beyond 80 nothing is seen.
    aod, tcwv, ozone, surface_pressure
        Of the clear sky.

    Returns
    -------
    dict
        ``dsr`` (W m⁻²) and ``kc``, means over the times of observation in daylight (y, x).
    """
    index = heliosat_index(red, sza)
    clear, _ = under(sza, aod, 0.0, tcwv, ozone, surface_pressure, ALBEDO)
    flux = index * clear
    return {"dsr": flux.mean("time"), "kc": (index + 0.0 * clear).mean("time")}


def heliosat_index(red: xr.DataArray, sza: xr.DataArray) -> xr.DataArray:
    """
    Return the clear-sky index of a series of a visible band by Heliosat-2 (time, y, x).

    The ground's reflectance is the 5 % quantile of the series in the same half hour of the day, the cloud's the
    effective albedo ``0.78 - 0.13 (1 - exp(-4 cos⁵ sza))``, both at the top of the atmosphere.

    Parameters as in `heliosat`.

    References
    ----------
    Rigollier, Lefèvre & Wald 2004, doi:10.1016/j.solener.2004.04.017.
    """
    seen = red.where(sza <= LOWEST_SUN)
    slot = _slots(red)
    ground = _ground(seen, slot).isel(slot=xr.DataArray(slot, dims="time"))
    cosine = np.cos(np.radians(sza))
    cloud = 0.78 - 0.13 * (1.0 - np.exp(-4.0 * cosine**5))
    index: xr.DataArray = elementwise(kernel.sky_index, seen, ground, cloud)
    return index


def _slots(series: xr.DataArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the half hour of the day that each time falls in."""
    time = np.asarray(series["time"], "datetime64[ns]")
    slots: np.ndarray[Any, np.dtype[np.int64]] = (
        (time - time.astype("datetime64[D]")) * SLOTS // np.timedelta64(24, "h")
    ).astype(np.int64)
    return slots


def _ground(seen: xr.DataArray, slot: Any) -> xr.DataArray:
    """Return the reflectance of the ground (slot, …): a low quantile over time, for each slot of the day."""
    return xr.apply_ufunc(  # type: ignore[no-any-return]
        lambda x: kernel.low_by_slot(x, slot, np.arange(SLOTS), DARK),
        seen,
        input_core_dims=[["time"]],
        output_core_dims=[["slot"]],
        dask="parallelized",
        output_dtypes=["float32"],
        dask_gufunc_kwargs={"output_sizes": {"slot": SLOTS}, "allow_rechunk": True},
    )


def reanalysis(shortwave_down: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return downward shortwave radiation as reanalysis has it; its clear-sky index is not known."""
    return {"dsr": shortwave_down, "kc": shortwave_down * np.nan}


def par(
    dsr: xr.DataArray, kc: xr.DataArray, sza: xr.DataArray, aod: xr.DataArray, tcwv: xr.DataArray
) -> dict[str, xr.DataArray]:
    """
    Return photosynthetically active radiation (0.4–0.7 µm), W m⁻²: the share of it in the light of that sky.

    Parameters
    ----------
    dsr, kc
        Downward shortwave radiation (W m⁻²) and clear-sky index.
    sza, aod, tcwv
        Solar zenith (degrees), aerosol optical depth 0…3 at 0.55 µm, water vapour (g cm⁻²).

    Returns
    -------
    dict
        ``par``, and ``qa`` with BACKUP where `kc` is not known: 0.45 of `dsr` there.

    Notes
    -----
    0.42–0.49 under clear skies by 6S, growing under cloud, which takes little of visible light. W m⁻² × 4.57 are
    µmol m⁻² s⁻¹ of sunlight.

    Examples
    --------
    >>> one = xr.DataArray(np.float32([1.0]), dims="x")
    >>> round(float(par(1025.2 * one, one, 20 * one, 0.2 * one, 1.5 * one)["par"][0]) / 1025.2, 2)
    0.44
    """
    tables = _visible.tables()
    known = np.isfinite(kc)
    share = elementwise(partial(kernel.visible_share, tables=tables), sza, aod, tcwv, kc.where(known, 1.0))
    backup = (~known & np.isfinite(dsr)).astype("uint16") * np.uint16(QA.BACKUP)
    return {"par": dsr * share.where(known | np.isnan(share), PAR_SHARE), "qa": backup * np.isfinite(share)}


def par_share(dsr: xr.DataArray) -> xr.DataArray:
    """Return 0.45 of downward shortwave radiation, W m⁻² (MOD17)."""
    return PAR_SHARE * dsr
