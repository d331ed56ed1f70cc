"""Latent heat at the overpass: PT-JPL, and the evaporative fraction of the triangle; soil heat."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from musyq_cube.kernels import flux as kernels
from musyq_cube.products._apply import apply_kernel

STANDARD_PRESSURE = 101_325.0
"""Pa, where surface pressure is not known."""
OPTIMUM_TEMPERATURE = 296.15
"""K: mean of the optimum of productivity over the globe, 23 ± 6 °C (Huang et al. 2019)."""
PUBLISHED_PSYCHROMETRY, PUBLISHED_FLOOR = 66.2, 1000.0
"""Pa K-1 and Pa: psychrometric constant and least saturation vapour pressure of the published PT-JPL program."""
FULL_COVER = 0.86
BARE = 0.05
"""NDVI of full cover and of bare soil."""


def soil_heat_flux(rn: xr.DataArray, lst: xr.DataArray, albedo: xr.DataArray, ndvi: xr.DataArray) -> xr.DataArray:
    """
    Return the soil heat flux, Rn · Ts(°C) · (0.0038 + 0.0074 α) · (1 - 0.98 NDVI⁴), within 0…0.35 Rn.

    Parameters
    ----------
    rn
        Net radiation, W m-2, not negative.
    lst
        Surface temperature, K.
    albedo, ndvi
        Without unit.

    Returns
    -------
    xarray.DataArray
        W m-2, downwards; NaN where `rn` is negative.

    References
    ----------
    Bastiaanssen 2000, doi:10.1016/S0022-1694(99)00202-4.

    Examples
    --------
    >>> given = (393.8571, 305.1, 0.2154446, 0.7097294)
    >>> round(float(soil_heat_flux(*(xr.DataArray(v) for v in given))), 3)
    51.002
    """
    g = rn * (lst - 273.15) * (0.0038 + 0.0074 * albedo) * (1.0 - 0.98 * ndvi**4)
    return g.clip(0.0, (0.35 * rn).where(rn >= 0.0))


def pt_jpl(
    rn: xr.DataArray,
    ndvi: xr.DataArray,
    lst: xr.DataArray,
    albedo: xr.DataArray,
    air_temperature: xr.DataArray,
    relative_humidity: xr.DataArray,
    surface_pressure: Any = STANDARD_PRESSURE,
    optimum_temperature: Any = OPTIMUM_TEMPERATURE,
    fapar_max: Any = 0.0,
) -> xr.DataArray:
    """
    Return the latent heat flux: Priestley-Taylor of soil, canopy and wet canopy, each held back by what it lacks.

    Parameters
    ----------
    rn
        Net radiation at the overpass, W m-2, not negative.
    ndvi
        0…1.
    lst
        Surface temperature, K.
    albedo
        0…1.
    air_temperature
        K.
    relative_humidity
        0…1, at `air_temperature`.
    surface_pressure
        Pa.
    optimum_temperature
        Of the plants, K; the air temperature where that is higher.
    fapar_max
        Greatest fraction of light that the pixel's canopy absorbs in a year; 0: not known, so that nothing is held back
        for it.

    Returns
    -------
    xarray.DataArray
        W m-2; NaN where `rn` or `ndvi` is negative (night, water).

    Notes
    -----
    As published but in two things. The humidity that tells the moisture of the soil, RH^(VPD/1 kPa), is taken at the
    temperature of the surface in place of the air's: the relation of Bouchet that it stands for compares the vapour in
    the air with the saturation of the surface (Venturini et al. 2008), and where soil is dry it is hotter than the air.
    The psychrometric constant follows from pressure and temperature.

    References
    ----------
    Fisher et al. 2008, doi:10.1016/j.rse.2007.06.025; Venturini et al. 2008, doi:10.1016/j.rse.2007.04.014; Huang et
    al. 2019, doi:10.1038/s41559-019-0838-x.

    Examples
    --------
    >>> given = (393.8571, 0.7097294, 305.1, 0.2154446, 305.80892, 0.5602149)
    >>> round(float(pt_jpl(*(xr.DataArray(np.float32(v)) for v in given), fapar_max=0.4659)), 1)
    268.4
    """
    return apply_kernel(
        kernels.pt_jpl,
        rn, ndvi, lst, albedo, air_temperature, relative_humidity, surface_pressure, optimum_temperature, fapar_max,
    )[0]  # fmt: skip


def pt_jpl_parts(
    rn: Any,
    ndvi: Any,
    lst: Any,
    albedo: Any,
    air_temperature: Any,
    relative_humidity: Any,
    surface_pressure: Any = STANDARD_PRESSURE,
    optimum_temperature: Any = OPTIMUM_TEMPERATURE,
    fapar_max: Any = 0.0,
    *,
    published: bool = False,
    floor: float | None = None,
) -> dict[str, Any]:
    """
    Return what `pt_jpl` is the sum of, in double precision: soil, canopy and wet canopy, and their energy.

    Parameters
    ----------
    rn, ndvi, lst, albedo, air_temperature, relative_humidity, surface_pressure, optimum_temperature, fapar_max
        As for `pt_jpl`.
    published
        Compute as the published program does: the moisture of the soil from the air alone, a constant psychrometric
        constant of 66.2 Pa K-1, and the floor below.
    floor
        Least saturation vapour pressure of the air, Pa; default: none, 1000 as published.

    Returns
    -------
    dict
        By the names in :data:`musyq_cube.kernels.flux.PARTS`, W m-2.

    Examples
    --------
    >>> given = (393.8571, 0.70972943, 305.1, 0.21544458, 305.80892, 0.5602149)
    >>> found = pt_jpl_parts(*given, optimum_temperature=283.24, fapar_max=0.4659, published=True)
    >>> round(float(found["g"]), 4), round(float(found["le"]), 4)
    (51.0015, 266.4491)
    """
    if published:
        lam = 2.501e6 - 2361.0 * (air_temperature - 273.15)
        surface_pressure = PUBLISHED_PSYCHROMETRY * kernels.VAPOUR_RATIO * lam / kernels.HEAT_CAPACITY
    least = PUBLISHED_FLOOR if published else 0.0
    made = xr.apply_ufunc(
        kernels.pt_jpl_parts,
        rn, ndvi, lst, albedo, air_temperature, relative_humidity, surface_pressure, optimum_temperature, fapar_max,
        least if floor is None else floor, np.bool_(not published),
        output_core_dims=[[]] * len(kernels.PARTS), dask="parallelized", output_dtypes=["float64"] * len(kernels.PARTS),
    )  # fmt: skip
    return dict(zip(kernels.PARTS, made, strict=True))


def triangle(
    rn: xr.DataArray,
    ndvi: xr.DataArray,
    lst: xr.DataArray,
    albedo: xr.DataArray,
    tvdi: xr.DataArray,
    air_temperature: xr.DataArray,
    surface_pressure: Any = STANDARD_PRESSURE,
) -> xr.DataArray:
    """
    Return the latent heat flux EF · (Rn - G) with the evaporative fraction of the triangle, EF = φ Δ / (Δ + γ).

    φ goes from 1.26 at the wet edge to 1.26 fc at the dry one: what the dry edge says of soil it does not say of
    plants.

    Parameters
    ----------
    rn, ndvi, lst, albedo, air_temperature, surface_pressure
        As for `pt_jpl`.
    tvdi
        Temperature-vegetation dryness index, 0 wet … 1 dry.

    Returns
    -------
    xarray.DataArray
        W m-2.

    References
    ----------
    Jiang and Islam 2001, doi:10.1029/2000WR900255.

    Examples
    --------
    >>> given = (400.0, 0.5, 303.0, 0.2, 0.5, 298.0)
    >>> round(float(triangle(*(xr.DataArray(v) for v in given))), 1)
    245.4
    """
    cover = ((ndvi - BARE) / (FULL_COVER - BARE)).clip(0.0, 1.0)
    phi = kernels.PRIESTLEY_TAYLOR * (1.0 - tvdi.clip(0.0, 1.0) * (1.0 - cover))
    c = air_temperature - 273.15
    slope = 4098.0 * saturation_vapour_pressure(air_temperature) / (c + 237.3) ** 2
    gamma = psychrometric_constant(air_temperature, surface_pressure)
    energy = rn - soil_heat_flux(rn, lst, albedo, ndvi)
    made: xr.DataArray = phi * slope / (slope + gamma) * energy.where(ndvi >= 0.0)
    return made


def saturation_vapour_pressure(temperature: Any) -> Any:
    """Return the saturation vapour pressure over water, Pa: 610.8 exp(17.27 t / (t + 237.3)) of t in °C (FAO-56)."""
    c = temperature - 273.15
    return 610.8 * np.exp(17.27 * c / (c + 237.3))


def psychrometric_constant(temperature: Any, pressure: Any) -> Any:
    """Return cp p / (0.622 λ), Pa K-1."""
    lam = 2.501e6 - 2361.0 * (temperature - 273.15)
    return kernels.HEAT_CAPACITY * pressure / (kernels.VAPOUR_RATIO * lam)
