"""
BRDF and albedo: parameters of the Ross–Li model, their integrals, and albedo of single views by average shapes.

References
----------
Lucht, Schaaf & Strahler 2000, doi:10.1109/36.841980 (model, inversion, polynomials of the integrals);
Strugnell & Lucht 2001, doi:10.1175/1520-0442(2001)014<1360:AATMCL>2.0.CO;2 (magnitude inversion);
Shuai et al. 2011, doi:10.1016/j.rse.2011.04.019 (albedo-to-nadir ratios for single views);
Roy et al. 2016, doi:10.1016/j.rse.2016.01.023 (average shapes).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.products._broadband import SETS
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

WHITE = (1.0, 0.189184, -1.377622)
"""Weights of f_iso, f_vol, f_geo in white-sky albedo."""
BLACK_VOL = (-0.007574, -0.070987, 0.307588)
"""Of 1, θ², θ³ (sun zenith in radians) in the weight of f_vol in black-sky albedo."""
BLACK_GEO = (-1.284909, -0.166314, 0.041840)
AOD = 0.15
"""Aerosol optical depth where none is given."""
WATER_VAPOUR = 1.5
"""cm, in the diffuse fraction, which hardly depends on it."""
NOISE = 0.01
"""1σ of shortwave reflectance seen once, expected beforehand."""
BAND_NOISE = 0.01
"""The same of one band."""
SHAPE = 0.05
"""Relative 1σ of albedo where the shape is that of average land, not the pixel's own."""
SHAPE_VOL, SHAPE_GEO = 0.15, 0.05
"""1σ of f_vol / f_iso and f_geo / f_iso among land surfaces."""
BRIGHT = {"blue": (0.3, 0.5), "red": (0.45, 0.65)}
"""Reflectance from which on the shape of average land fades, and beyond which light is scattered evenly (snow): in
blue, where sand is dark, else in red."""
MODEL = 0.01
"""1σ of albedo that the model itself makes."""
SUN = 45.0
"""Sun zenith that composites are taken to have been seen under, degrees."""


def white_sky(iso: Any, vol: Any, geo: Any) -> Any:
    """
    Return white-sky (bihemispherical) albedo.

    Parameters
    ----------
    iso, vol, geo
        Ross–Li parameters, floats or arrays.

    Examples
    --------
    >>> round(white_sky(0.20, 0.10, 0.03), 6)
    0.17759
    """
    return WHITE[0] * iso + WHITE[1] * vol + WHITE[2] * geo


def black_weights(sza: Any) -> tuple[Any, Any]:
    """Return the weights of f_vol and f_geo in black-sky albedo under a sun zenith in degrees."""
    t = sza * (np.pi / 180)
    return tuple(c[0] + t * t * (c[1] + t * c[2]) for c in (BLACK_VOL, BLACK_GEO))


def black_sky(iso: Any, vol: Any, geo: Any, sza: Any) -> Any:
    """
    Return black-sky (directional-hemispherical) albedo under a sun zenith in degrees, up to 75.

    Polynomials within 0.025 (volume) and 0.006 (geometric) of the exact integrals.

    Examples
    --------
    >>> round(black_sky(0.20, 0.10, 0.03, 45.0), 6)
    0.168749
    """
    w_vol, w_geo = black_weights(sza)
    return iso + w_vol * vol + w_geo * geo


def blue_sky(black: Any, white: Any, diffuse: Any) -> Any:
    """
    Return the albedo under a sky of which the fraction `diffuse` of the light is diffuse.

    Examples
    --------
    >>> round(blue_sky(0.168749, 0.177590, 0.3), 6)
    0.171401
    """
    return (1.0 - diffuse) * black + diffuse * white


def diffuse_fraction(sza: xr.DataArray, aod: xr.DataArray | float = AOD) -> xr.DataArray:
    """
    Return the fraction of the light at the ground that is diffuse, under a clear sky.

    Parameters
    ----------
    sza, aod
        Sun zenith in degrees (below 90) and aerosol optical depth at 0.55 µm, any shape, eager or lazy.

    Returns
    -------
    xarray.DataArray
        0…1, float32.

    Notes
    -----
    Clear-sky model of Bird and Hulstrom (1981), SERI/TR-642-761, as in pvlib, with aerosol of an Ångström exponent of
    1.3, 1.5 cm of water vapour and 0.3 cm of ozone.

    Examples
    --------
    >>> import xarray as xr
    >>> round(float(diffuse_fraction(xr.DataArray(45.0), 0.15)), 2)
    0.19
    """
    import xarray as xr

    made: xr.DataArray = xr.apply_ufunc(_bird, sza, aod, dask="parallelized", output_dtypes=[np.float32])
    return made


def _bird(sza: Any, aod: Any) -> Any:
    import pvlib

    path = pvlib.atmosphere.get_relative_airmass(np.asarray(sza, float), model="kasten1966")
    deep = (np.asarray(aod, float) * (0.55 / at) ** 1.3 for at in (0.38, 0.5))
    with np.errstate(all="ignore"):
        sky = pvlib.clearsky.bird(np.asarray(sza, float), path, *deep, WATER_VAPOUR)
        return (np.asarray(sky["dhi"]) / np.asarray(sky["ghi"])).astype("float32")


def invert(
    rho: xr.DataArray,
    sza: xr.DataArray,
    vza: xr.DataArray,
    raa: xr.DataArray,
    shape: tuple[float, float, float],
    noise: float,
) -> xr.DataArray:
    """
    Fit the Ross–Li model to a series.

    Parameters
    ----------
    rho, sza, vza, raa : DataArray with dim ``time``
        Reflectance, NaN where missing, and the angles in degrees.
    shape
        Parameters of average land, scaled where there are 3–6 observations.
    noise
        1σ of an observation, expected beforehand.

    Returns
    -------
    DataArray
        The other dims and ``fit`` (:func:`musyq_cube.kernels.albedo.fit`).
    """
    import xarray as xr

    from musyq_cube.kernels.albedo import FITTED, fit

    def pixels(*arrays: Any) -> Any:
        rest, times = arrays[0].shape[:-1], arrays[0].shape[-1]
        y, s, v, a = (np.moveaxis(x, -1, 0).reshape(times, math.prod(rest)) for x in arrays)
        return fit(y, s, v, a, shape, noise).T.reshape(*rest, FITTED)

    made: xr.DataArray = xr.apply_ufunc(
        pixels, *xr.broadcast(rho, sza, vza, raa), input_core_dims=[["time"]] * 4, output_core_dims=[["fit"]],
        dask="parallelized", output_dtypes=[np.float32], dask_gufunc_kwargs={"output_sizes": {"fit": FITTED}},
    )  # fmt: skip
    return made


def brdf(red: Any, nir: Any, sza: Any, vza: Any, raa: Any) -> dict[str, Any]:
    """
    Return the Ross–Li parameters of red and near infrared, from a series of views.

    Parameters
    ----------
    red, nir : DataArray (time, y, x)
        Surface reflectance, NaN where missing.
    sza, vza, raa : DataArray (time, y, x)
        Degrees; views beyond 60° and suns beyond 75° do not take part.

    Returns
    -------
    dict
        ``<band>_iso``, ``_vol``, ``_geo``, their ``_unc`` and ``qa`` (BACKUP: average shape, scaled), (y, x).
    """
    from musyq_cube.normalize.direction import fixed_parameters

    out: dict[str, Any] = {}
    bits: Any = 0
    for name, rho in (("red", red), ("nir", nir)):
        fitted = invert(rho, sza, vza, raa, fixed_parameters(name), BAND_NOISE)
        scaled = fitted.isel(fit=10) == int(QA.BACKUP)
        shapes = (0.0, SHAPE_VOL, SHAPE_GEO)
        for i, (part, at, shape) in enumerate(zip(("iso", "vol", "geo"), (3, 6, 8), shapes, strict=True)):
            out[f"{name}_{part}"] = fitted.isel(fit=i)
            own = fitted.isel(fit=at) + (scaled * shape * fitted.isel(fit=0)) ** 2
            out[f"{name}_{part}_unc"] = own**0.5
        bits = bits | _bits(fitted)
    return out | {"qa": bits}


def series_albedo(
    bands: str, sza: Any, vza: Any, raa: Any, aod: Any = None, **reflectance: Any
) -> dict[str, xr.DataArray]:
    """
    Return shortwave albedo from a series of views.

    Parameters
    ----------
    bands
        Name of a set of bands (:data:`musyq_cube.products._broadband.SETS`).
    sza, vza, raa : DataArray (time, y, x)
        Degrees.
    aod : DataArray (y, x), optional
        Aerosol optical depth, for the diffuse fraction.
    **reflectance : DataArray (time, y, x)
        Surface reflectance of the set's bands.

    Returns
    -------
    dict
        ``wsa``; ``bsa`` under the mean sun of the observations; ``albedo``, under the sky of that sun; their ``_unc``,
        and ``qa``; (y, x).

    Notes
    -----
    Bands become shortwave reflectance before the inversion, not after: both are linear, so unconstrained parameters are
    the same, and the residuals then know how the errors of the bands go together.
    """
    way = SETS[bands]
    rho = way.of(reflectance)
    fitted = invert(rho, sza, vza, raa, way.shape, NOISE)
    sun = sza.where(rho.notnull()).mean("time")
    diffuse = diffuse_fraction(sun, AOD if aod is None else aod)
    black = (1.0, *black_weights(sun))
    mixed = tuple(blue_sky(b, w, diffuse) for b, w in zip(black, WHITE, strict=True))
    scaled = fitted.isel(fit=10) == int(QA.BACKUP)
    even = scaled * _evenness({name: x.mean("time") for name, x in reflectance.items() if name in BRIGHT})
    level = rho.mean("time")
    out: dict[str, Any] = {}
    for name, weights in (("albedo", mixed), ("wsa", WHITE), ("bsa", black)):
        value, variance = _functional(fitted, weights)
        value = value + even * (level - value)
        shape = scaled * (SHAPE * value) ** 2
        out[name] = value.astype("float32")
        out[f"{name}_unc"] = (variance + shape + way.error**2 + MODEL**2) ** 0.5
    return out | {"qa": _bits(fitted)}


def _evenness(bands: Mapping[str, Any]) -> Any:
    """Return how far a surface scatters evenly, 0 (land) … 1 (snow), by how bright it is."""
    name = "blue" if "blue" in bands else "red"
    low, high = BRIGHT[name]
    return ((bands[name] - low) / (high - low)).clip(0, 1)


def _functional(fitted: Any, a: tuple[Any, Any, Any]) -> tuple[Any, Any]:
    """Return the value of a linear function of the three parameters, and its variance."""
    f = [fitted.isel(fit=i) for i in range(9)]
    value = a[0] * f[0] + a[1] * f[1] + a[2] * f[2]
    variance = a[0] ** 2 * f[3] + a[1] ** 2 * f[6] + a[2] ** 2 * f[8]
    variance = variance + 2 * (a[0] * a[1] * f[4] + a[0] * a[2] * f[5] + a[1] * a[2] * f[7])
    return value, variance.clip(min=0)


def _bits(fitted: Any) -> Any:
    found = fitted.isel(fit=10).astype("uint16")
    return found & np.uint16(QA.BACKUP | QA.OUT_OF_RANGE)


def view_albedo(
    bands: str, sza: Any, vza: Any, raa: Any, aod: Any = None, **reflectance: Any
) -> dict[str, xr.DataArray]:
    """
    Return shortwave albedo from a single view, with the shapes of average land.

    In each band albedo = ρ · A / R(sza, vza, raa), A and R being those of average land, or A = R over snow. Views
    beyond 60° and suns beyond 75° have no value. Parameters and layers are those of :func:`series_albedo`.
    """
    way = SETS[bands]
    made = {name: _ratios(name, sza, vza, raa) for name in way.bands}
    plain, uneven = way.of(reflectance), 1 - _evenness(reflectance)
    white, black = (
        plain + uneven * sum((weight * (made[name][i] - 1)) * reflectance[name] for name, weight in way.weights)
        for i in (0, 1)
    )
    mixed = blue_sky(black, white, diffuse_fraction(sza, AOD if aod is None else aod))
    return {name: x.astype("float32") for name, x in (("albedo", mixed), ("wsa", white), ("bsa", black))}


def composite_albedo(bands: str, **reflectance: Any) -> dict[str, xr.DataArray]:
    """
    Return shortwave albedo from a composite whose angles are no longer known: seen from nadir, under a sun at 45°.

    Parameters and layers are otherwise those of :func:`view_albedo`.
    """
    import xarray as xr

    sun, nadir = xr.DataArray(np.float32(SUN)), xr.DataArray(np.float32(0))
    return view_albedo(bands, sun, nadir, nadir, **reflectance)


def _ratios(band: str, sza: Any, vza: Any, raa: Any) -> tuple[Any, Any]:
    """Return white-sky and black-sky albedo over reflectance in a direction, for average land."""
    import xarray as xr

    from musyq_cube.kernels.brdf import MAX_SZA, MAX_VZA, kernels
    from musyq_cube.normalize.direction import fixed_parameters

    f = fixed_parameters(band, {"swir12": 1.24}.get(band))

    def ratios(s: Any, v: Any, a: Any) -> Any:
        k_vol, k_geo = kernels(s, v, a)
        seen = f[0] + f[1] * k_vol + f[2] * k_geo
        seen = np.where((v <= MAX_VZA) & (s <= MAX_SZA) & (seen > 0), seen, np.nan)
        return tuple((x / seen).astype(np.float32) for x in (white_sky(*f), black_sky(*f, s)))

    made: tuple[Any, Any] = xr.apply_ufunc(
        ratios, *xr.broadcast(sza, vza, raa), output_core_dims=[[], []],
        dask="parallelized", output_dtypes=[np.float32, np.float32],
    )  # fmt: skip
    return made
