"""
Direction: reflectance as if every sensor looked straight down under the sun that is asked for (NBAR).

The fixed parameters are those of average land; they serve at 10–30 m, where the view is narrow. At 1 km each pixel has
its own, found by :func:`invert` from what was seen of it in different directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from musyq_cube.errors import NormalizeError
from musyq_cube.kernels import brdf as kernel
from musyq_cube.kernels.brdf_fit import fit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike

F32: TypeAlias = npt.NDArray[np.float32]
U16: TypeAlias = npt.NDArray[np.uint16]
Sun: TypeAlias = Literal["observed", "latitude"] | float
"""To which sun zenith: as observed, of the latitude (HLS), or degrees."""

Parameters: TypeAlias = tuple[float, float, float]
_BLUE, _NIR, _EDGE = (0.0774, 0.0372, 0.0079), (0.3093, 0.1535, 0.0330), (0.2316, 0.1003, 0.0273)
FIXED: dict[str, Parameters] = {
    "coastal": _BLUE,  # not published: the nearest band's
    "blue": _BLUE,
    "green": (0.1306, 0.0580, 0.0178),
    "red": (0.1690, 0.0574, 0.0227),
    "rededge071": (0.2085, 0.0845, 0.0256),
    "rededge074": _EDGE,
    "rededge075": _EDGE,
    "rededge078": (0.2599, 0.1197, 0.0294),
    "nir": _NIR,
    "nir08": _NIR,
    "swir16": (0.3430, 0.1154, 0.0453),
    "swir22": (0.2658, 0.0639, 0.0387),
}
"""f_iso, f_vol, f_geo of average land by common name: Roy et al. 2016 (doi:10.1016/j.rse.2016.01.023), red edge: 2017
(doi:10.1016/j.rse.2017.06.019)."""

_CENTRES = {"blue": 0.482, "green": 0.561, "red": 0.655, "rededge071": 0.705, "rededge074": 0.740, "rededge078": 0.783,
            "nir08": 0.865, "swir16": 1.609, "swir22": 2.201}  # fmt: skip
_LATITUDE = (31.0076, -0.1272, 0.01187, 2.4025e-05, -9.482e-07, -1.9523e-09, 6.1486e-11)
_STRIP = 16_384  # pixels: the four kernels of a strip stay in the cache while the bands go by


@dataclass(frozen=True, eq=False)
class Brdf:
    """What a band's reflectance in every direction is made of, pixel by pixel: R = iso + vol · k_vol + geo · k_geo."""

    iso: F32
    """Reflectance under the sun in zenith seen from nadir; NaN where there were too few observations."""
    vol: F32
    geo: F32
    count: U16
    """Observations used."""
    rmse: F32
    """Weighted rms of the residuals, reflectance."""
    uncertainty: F32
    """1σ of the nadir reflectance under the sun at 45°."""
    qa: U16
    """BACKUP where fixed parameters were scaled, FILL where nothing could be found."""


def fixed_parameters(band: str, wavelength: float | None = None) -> Parameters:
    """
    Return f_iso, f_vol, f_geo of average land for a band.

    Parameters
    ----------
    band
        Common name.
    wavelength
        Its centre in µm: for a band that is not in `FIXED` the parameters are interpolated between the published bands
        (beyond them, those of the last one).

    Raises
    ------
    NormalizeError
        For a band that is not in `FIXED`, without wavelength.

    Examples
    --------
    >>> fixed_parameters("red")
    (0.169, 0.0574, 0.0227)
    >>> [round(f, 4) for f in fixed_parameters("swir12", 1.24)]
    [0.3263, 0.1343, 0.0392]
    """
    if band in FIXED:
        return FIXED[band]
    if wavelength is None:
        raise NormalizeError(
            f"no directional parameters for {band!r}: only for {', '.join(FIXED)}; give its wavelength in µm, or leave "
            "the band out"
        )
    iso, vol, geo = (
        float(np.interp(wavelength, list(_CENTRES.values()), [FIXED[name][i] for name in _CENTRES])) for i in range(3)
    )
    return iso, vol, geo


def latitude_sun(latitude: ArrayLike) -> F32:
    """
    Mean sun zenith of a year of Landsat overpasses at a latitude: the target of the first HLS versions.

    Parameters
    ----------
    latitude : array_like
        Degrees north.

    Returns
    -------
    float32
        Degrees; NaN beyond ±80°, where the polynomial was not made for.

    Notes
    -----
    Σ kᵢ latⁱ, i = 0…6: Zhang, Roy & Kovalskyy 2016 (doi:10.1109/TGRS.2015.2480684), coefficients of the Harmonized
    Landsat Sentinel-2 processor, version 1.

    Examples
    --------
    >>> [round(float(x), 2) for x in latitude_sun([0, 40])]
    [31.01, 44.07]
    """
    x = np.asarray(latitude, np.float64)
    total = np.polynomial.polynomial.polyval(x, np.array(_LATITUDE))
    return np.where(np.abs(x) <= 80, total, np.nan).astype(np.float32)


def apply_direction(
    bands: Mapping[str, F32],
    sza: ArrayLike,
    vza: ArrayLike,
    raa: ArrayLike,
    *,
    sun: Sun = "observed",
    latitude: ArrayLike | None = None,
    parameters: Mapping[str, Brdf] | None = None,
    wavelengths: Mapping[str, float] | None = None,
) -> tuple[dict[str, F32], U16]:
    """
    Normalize reflectance to the nadir view under the target sun: ρ · R(target) / R(observed), pixel by pixel.

    Parameters
    ----------
    bands : mapping of common name to float32 (y, x)
        Surface reflectance; NaN is missing.
    sza, vza, raa : array_like, broadcast to (y, x)
        Sun zenith, view zenith, relative azimuth (0: hot spot), degrees.
    sun
        ``"observed"`` keeps the sun where it was (Roy et al. 2016), ``"latitude"`` is :func:`latitude_sun`, a number
        is a sun zenith in degrees.
    latitude : array_like, broadcast to (y, x)
        Degrees north, needed by ``sun="latitude"``.
    parameters
        From :func:`invert`, by band. Default, and where a pixel has none (QA BACKUP): :func:`fixed_parameters`.
    wavelengths
        Centres in µm of bands that are not in `FIXED`.

    Returns
    -------
    bands : dict of float32 (y, x)
        NaN also where the geometry is beyond the reach of the kernels: it is refused, not extrapolated.
    qa : uint16 (y, x)
        HIGH_VIEW (view beyond 60°), LOW_SUN (sun, observed or target, beyond 75°), BACKUP, and OUT_OF_RANGE where a
        value was lost for another reason (no angle, a model reflectance that is not positive).

    Raises
    ------
    NormalizeError
        For a band that is neither in `FIXED` nor in `wavelengths`.

    Notes
    -----
    Roy et al. 2008 (doi:10.1016/j.rse.2008.03.009), eq. 4; kernels in :mod:`musyq_cube.kernels.brdf`.

    Examples
    --------
    >>> nbar, qa = apply_direction({"red": np.full((1, 1), 0.1, np.float32)}, 35, 8, 120)
    >>> round(float(nbar["red"][0, 0]), 5), int(qa[0, 0])
    (0.10245, 0)
    """
    centres = wavelengths or {}
    shape = np.shape(next(iter(bands.values()))) if bands else np.broadcast_shapes(*map(np.shape, (sza, vza, raa)))
    angles = [_flat(a, shape) for a in (sza, vza, raa, _target(sun, sza, latitude))]
    fixed = {name: np.array(fixed_parameters(name, centres.get(name)), np.float32) for name in bands}
    own = {
        name: (_flat(f.iso, shape), _flat(f.vol, shape), _flat(f.geo, shape))
        for name, f in (parameters or {}).items() if name in bands
    }  # fmt: skip
    source = {name: _flat(values, shape) for name, values in bands.items()}
    out = {name: np.empty(shape, np.float32) for name in bands}
    qa = np.zeros(shape, np.uint16)
    flat = {name: values.reshape(-1) for name, values in out.items()}
    for part in _strips(qa.size):
        kernels, bits = kernel.geometry(*(a[part] for a in angles))
        lost = np.zeros_like(bits)
        for name, values in source.items():
            fields = own.get(name)
            mine = None if fields is None else (fields[0][part], fields[1][part], fields[2][part])
            flat[name][part], flags = kernel.normalize(values[part], kernels, fixed[name], mine)
            lost |= flags
        # a refused geometry is reason enough
        qa.reshape(-1)[part] = bits | np.where(bits, np.uint16(0), lost)
    return out, qa


def invert(
    bands: Mapping[str, npt.NDArray[np.floating]],
    sza: ArrayLike,
    vza: ArrayLike,
    raa: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    least: int = 7,
    least_scale: int = 3,
    condition: float = 50.0,
    wavelengths: Mapping[str, float] | None = None,
    dtype: npt.DTypeLike = np.float32,
) -> dict[str, Brdf]:
    """
    Find each pixel's own directional parameters from its observations over time.

    Parameters
    ----------
    bands : mapping of common name to (time, y, x)
        Surface reflectance of 8–16 days; NaN is missing.
    sza, vza, raa : array_like, broadcast to (time, y, x)
        Degrees. Observations beyond 60° of view or 75° of sun do not take part.
    weights : array_like, broadcast to (time, y, x)
        Relative, 1/σ² of the observations. Default: all the same.
    least, condition
        Observations, and condition number of the design matrix, with which three parameters are fitted (non-negative).
    least_scale
        Observations with which the fixed parameters are scaled to fit (QA BACKUP); with fewer there is nothing.
    wavelengths
        Centres in µm of bands that are not in `FIXED`.
    dtype
        Of what is returned.

    Returns
    -------
    dict of Brdf
        By band.

    Raises
    ------
    NormalizeError
        For a band that is neither in `FIXED` nor in `wavelengths`.

    Notes
    -----
    Weighted least squares (Lucht et al. 2000, doi:10.1109/36.841980) in double precision; scaling is the magnitude
    inversion of Strugnell & Lucht 2001 (doi:10.1175/1520-0442(2001)014<1360:AATMCL>2.0.CO;2).
    """
    fixed = {name: fixed_parameters(name, (wavelengths or {}).get(name)) for name in bands}
    shape = np.broadcast_shapes(*(np.shape(v) for v in bands.values()), np.shape(sza), np.shape(vza), np.shape(raa))
    stack = [np.broadcast_to(np.asarray(a), shape).reshape(shape[0], -1) for a in (sza, vza, raa)]
    weight = np.broadcast_to(np.asarray(1.0 if weights is None else weights), shape).reshape(shape[0], -1)
    at = (1.0, *(float(k) for k in kernel.kernels(45.0, 0.0, 0.0)))
    parts: dict[str, list[list[npt.NDArray[np.float64]]]] = {name: [] for name in bands}
    for part in _strips(stack[0].shape[1], _STRIP // shape[0]):
        s, v, phi = (a[:, part].astype(np.float64) for a in stack)
        k_vol, k_geo = kernel.kernels(s, v, phi)
        k_vol[~((v <= kernel.MAX_VZA) & (s <= kernel.MAX_SZA))] = np.nan
        w = weight[:, part].astype(np.float64)
        for name, values in bands.items():
            rho = np.broadcast_to(values, shape).reshape(shape[0], -1)[:, part].astype(np.float64)
            found = fit(rho, k_vol, k_geo, w, fixed[name], at, (least, least_scale, condition))
            parts[name].append([*found[0], *(column.astype(np.float64) for column in found[1:])])
    return {name: _brdf(list(map(np.concatenate, zip(*p, strict=True))), shape[1:], dtype) for name, p in parts.items()}


def _brdf(columns: list[npt.NDArray[np.float64]], shape: tuple[int, ...], dtype: npt.DTypeLike) -> Brdf:
    iso, vol, geo, rmse, error = (c.reshape(shape).astype(dtype) for c in columns[:5])
    count, bits = (c.reshape(shape).astype(np.uint16) for c in columns[5:])
    return Brdf(iso, vol, geo, count, rmse, error, bits)


def _flat(values: ArrayLike, shape: tuple[int, ...]) -> F32:
    return np.broadcast_to(np.asarray(values, np.float32), shape).reshape(-1)


def _target(sun: Sun, sza: ArrayLike, latitude: ArrayLike | None) -> ArrayLike:
    if sun == "observed":
        return sza
    if sun != "latitude":
        return float(sun)
    if latitude is None:
        raise NormalizeError('sun="latitude" needs the latitude of the pixels: give latitude=…')
    return latitude_sun(latitude)


def _strips(size: int, step: int = _STRIP) -> Iterator[slice]:
    for start in range(0, size, max(step, 1)):
        yield slice(start, start + max(step, 1))
