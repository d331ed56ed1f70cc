"""
Water: extent, part of a pixel, how often, turbidity, chlorophyll-a, and changes of storage.

References
----------
Xu 2006, doi:10.1080/01431160600589179 (MNDWI); McFeeters 1996, doi:10.1080/01431169608948714 (NDWI);
Feyisa et al. 2014, doi:10.1016/j.rse.2013.08.029 (AWEI); Dogliotti et al. 2015, doi:10.1016/j.rse.2014.09.020
(turbidity); Nechad et al. 2010, doi:10.1016/j.rse.2009.11.022 (suspended matter); O'Reilly & Werdell 2019,
doi:10.1016/j.rse.2019.04.021 (OCx); Mishra & Mishra 2012, doi:10.1016/j.rse.2011.10.016 (NDCI).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.products._uncertain import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    Layers = dict[str, xr.DataArray]

SHORE = {"swir16": (0.22, 0.08, 0.01, -0.42), "nir": (0.30, 0.08, 0.03, -0.45)}
"""By the band that pixels are unmixed in: reflectance of land and its 1σ, of water, and the index (green and that band)
below which there is none."""
SURE = 0.05
"""1σ of the fraction of pixels that show no water."""
NOISE = 0.01
"""1σ of reflectance over land."""
WATER_NOISE = 0.002
"""1σ of reflectance over water."""
RED_TURBIDITY, NIR_TURBIDITY = (228.1, 0.1641), (3078.9, 0.2112)
"""A (FNU) and C of 645 and 859 nm."""
BLEND = (0.05, 0.07)
"""Red reflectance from which on, and beyond which only, near infrared counts."""
TURBIDITY_ERROR = 0.30
OC = {
    "oli": (0.30963, -2.40052, 1.28932, 0.52802, -1.33825),
    "msi": (0.3308, -2.6684, 1.5990, 0.5525, -1.4876),
    "meris": (0.42487, -3.20974, 2.89721, -0.75258, -0.98259),
    "viirs": (0.23548, -2.63001, 1.65498, 0.16117, -1.37247),
}
"""Polynomials of log10 of the greatest blue over green: OC3 of OLI, MSI and VIIRS, OC4 of MERIS."""
OPEN_ERROR, INLAND_ERROR = 0.35, 0.60
"""Relative 1σ of chlorophyll-a from blue over green and from red edge over red."""
TURBID = (0.008, 0.016)
"""Red reflectance (665 nm) from which on, and beyond which only, red edge over red counts; unconfirmed."""
FLOOD = 0.25
"""Occurrence below which water is a flood."""


def awei_nsh(green: Any, nir: Any, swir16: Any, swir22: Any) -> Any:
    """
    Return the automated water extraction index without shadow, 4 (G − S1) − (0.25 N + 2.75 S2); positive: water.

    Examples
    --------
    >>> round(awei_nsh(0.08, 0.35, 0.22, 0.12), 4)
    -0.9775
    """
    return 4.0 * (green - swir16) - (0.25 * nir + 2.75 * swir22)


def awei_sh(blue: Any, green: Any, nir: Any, swir16: Any, swir22: Any) -> Any:
    """
    Return the automated water extraction index with shadow, B + 2.5 G − 1.5 (N + S1) − 0.25 S2; positive: water.

    Examples
    --------
    >>> round(awei_sh(0.05, 0.08, 0.35, 0.22, 0.12), 4)
    -0.635
    """
    return blue + 2.5 * green - 1.5 * (nir + swir16) - 0.25 * swir22


def classes(**bands: Any) -> Any:
    """
    Return 1 where there is water, 0 where there is land, NaN where a band is missing.

    Parameters
    ----------
    **bands : DataArray
        Surface reflectance: ``green`` and ``nir``; with ``red`` and ``swir16``, snow is told from water, and with
        ``swir22`` dark slopes and roofs.
    """
    import xarray as xr

    from musyq_cube.kernels import water as kernel

    way, names = kernel.ndwi, ("green", "nir")
    if "swir16" in bands:
        way, names = kernel.mndwi, ("green", "red", "nir", "swir16")  # type: ignore[assignment]
    if "swir22" in bands:
        way, names = kernel.awei, (*names, "swir22")  # type: ignore[assignment]
    arrays = xr.broadcast(*(bands[name].astype("float32") for name in names))
    return xr.apply_ufunc(way, *arrays, dask="parallelized", output_dtypes=[np.float32])


def extent(**bands: Any) -> Layers:
    """
    Return where there is water, and which part of each pixel it covers.

    Parameters
    ----------
    **bands : DataArray
        As for :func:`classes`.

    Returns
    -------
    dict
        ``water`` (0, 1), ``water_fraction`` and its ``_unc``.
    """
    water = classes(**bands)
    part, error = fraction(water, **{b: bands[b] for b in ("green", "red", "nir", "swir16") if b in bands})
    return {"water": water, "water_fraction": part, "water_fraction_unc": error}


def fraction(water: Any, green: Any, nir: Any, red: Any = None, swir16: Any = None) -> tuple[Any, Any]:
    """
    Unmix pixels that are water, or near it by their index: ``(land − ρ) / (land − water)``, within 0 and 1.

    Parameters
    ----------
    water : DataArray
        0, 1, NaN.
    green, nir, red, swir16 : DataArray
        Surface reflectance. They are unmixed at 1.6 µm, where silt does not show; without it in the near infrared.

    Returns
    -------
    fraction, uncertainty : DataArray
        The scatter of land makes most of the uncertainty. What is grey though its index is positive is snow, and has
        none.
    """
    band, rho = ("nir", nir) if swir16 is None else ("swir16", swir16)
    land, scatter, dark, least = SHORE[band]
    part = ((land - rho) / (land - dark)).clip(0, 1)
    wet = (green - rho) > least * (green + rho)
    if red is not None:
        wet = wet & ~((green > rho) & (nir > 0.8 * red) & (red > 0.8 * green))
    some = (water == 1) | wet
    error = (NOISE**2 + ((1 - part) * scatter) ** 2 + (part * NOISE) ** 2) ** 0.5 / (land - dark)
    known = water.notnull()
    return part.where(some, 0.0).where(known).astype("float32"), error.where(some, SURE).where(known).astype("float32")


def occurrence(**bands: Any) -> Layers:
    """
    Return how often there was water: observations of water over clear observations.

    Parameters
    ----------
    **bands : DataArray (time, y, x)
        As for :func:`classes`.

    Returns
    -------
    dict
        ``occurrence`` and its ``_unc``: that of a probability after so many observations (Beta, uniform prior).
    """
    water = classes(**bands)
    clear = water.notnull().sum("time").astype("float32")
    seen = water.sum("time").astype("float32")
    error = ((seen + 1) * (clear - seen + 1) / ((clear + 2) ** 2 * (clear + 3))) ** 0.5
    some = clear > 0
    return {"occurrence": (seen / clear.where(some)).astype("float32"), "occurrence_unc": error.where(some)}


def flooded(water: Any, often: Any, limit: float = FLOOD) -> Any:
    """Return whether there is water (1) where it occurs in less than `limit` of the time."""
    return (water == 1) & (often < limit)


def storage_change(level1: float, level2: float, area1: float, area2: float) -> float:
    """
    Return the change of a lake's volume between two levels, by the volume of the frustum between their surfaces.

    Parameters
    ----------
    level1, level2
        m.
    area1, area2
        Any unit of area, such as km².

    Returns
    -------
    float
        ``(h2 − h1) (A1 + A2 + √(A1 A2)) / 3``, in that unit times metres.

    Raises
    ------
    ValueError
        For a negative area.

    Examples
    --------
    >>> storage_change(0.0, 3.0, 10.0, 40.0)
    70.0
    """
    if min(area1, area2) < 0:
        raise ValueError(f"areas of water are {area1} and {area2}: they must not be negative")
    return (level2 - level1) * (area1 + area2 + math.sqrt(area1 * area2)) / 3.0


def suspended(rho: Any, a: float = 355.85, c: float = 0.1728, b: float = 0.0) -> Any:
    """
    Return suspended matter in g m⁻³, ``a ρ / (1 − ρ / c) + b``, from the reflectance of water at 665 nm.

    The defaults (Nechad et al. 2010) are unconfirmed: give those of your water.
    """
    return a * rho / _positive(1.0 - rho / c) + b


def turbid(red: Any, nir: Any) -> Any:
    """
    Return turbidity in FNU from the reflectance of water, ``A ρ / (1 − ρ / C)``, of red, near infrared, or their blend.

    Parameters
    ----------
    red, nir : DataArray
        π Rrs: surface reflectance over water.

    Returns
    -------
    DataArray
        NaN from ρ = C on.

    Examples
    --------
    >>> import xarray as xr
    >>> x = [xr.DataArray(v) for v in ([0.02, 0.06, 0.1], [0.005, 0.03, 0.08])]
    >>> turbid(*x).round(3).values.tolist()
    [5.195, 64.617, 396.502]
    """
    low, high = (a * rho / _positive(1.0 - rho / c) for rho, (a, c) in ((red, RED_TURBIDITY), (nir, NIR_TURBIDITY)))
    share = ((red - BLEND[0]) / (BLEND[1] - BLEND[0])).clip(0, 1)
    blend = (1 - share) * low + share * high
    return low.where(share <= 0, high.where(share >= 1, blend)).where(red.notnull() & nir.notnull())


def turbidity(red: Any, nir: Any, water: Any) -> Layers:
    """Return :func:`turbid` where there is water (1), with its uncertainty (30 % and the noise of the bands)."""
    wet = {"red": red.where(water == 1), "nir": nir.where(water == 1)}
    value, error = spread(turbid, wet, WATER_NOISE, relative=TURBIDITY_ERROR)
    return {"turbidity": value.astype("float32"), "turbidity_unc": error.astype("float32")}


def ocx(blues: Sequence[Any], green: Any, coefficients: tuple[float, ...]) -> Any:
    """
    Return chlorophyll-a in mg m⁻³ from the greatest of some blues over green: 10^Σ aᵢ (log10 ratio)ⁱ.

    Examples
    --------
    >>> import xarray as xr
    >>> one = xr.DataArray(0.01)
    >>> [round(float(ocx([one], one, OC[name])), 4) for name in ("viirs", "meris", "oli")]
    [1.7198, 2.6599, 2.04]
    """
    top = blues[0]
    for other in blues[1:]:
        top = other.where(other > top, top).where(other.notnull())
    ratio = np.log10((top / green.where(green > 0)).where(top > 0))
    return 10.0 ** sum(a * ratio**i for i, a in enumerate(coefficients))


def ndci(red: Any, rededge071: Any) -> Any:
    """
    Return chlorophyll-a in mg m⁻³ of turbid water, 14.039 + 86.115 x + 194.325 x², x = (R705 − R665) / (R705 + R665).

    NaN below the vertex of the parabola, from where on it would rise again.

    Examples
    --------
    >>> import xarray as xr
    >>> round(float(ndci(xr.DataArray(0.009), xr.DataArray(0.011))), 3)
    24.594
    """
    both = rededge071 + red
    x = (rededge071 - red) / both.where(both > 0)
    return (14.039 + 86.115 * x + 194.325 * x * x).where(x >= -86.115 / (2 * 194.325))


def chlorophyll_open(kind: str, water: Any, green: Any, **blues: Any) -> Layers:
    """Return chlorophyll-a by :func:`ocx` where there is water, with its uncertainty."""
    wet = {name: x.where(water == 1) for name, x in {"green": green, **blues}.items()}
    value, error = spread(lambda green, **b: ocx(list(b.values()), green, OC[kind]), wet, WATER_NOISE,
                          relative=OPEN_ERROR)  # fmt: skip
    return {"chla": value.astype("float32"), "chla_unc": error.astype("float32")}


def chlorophyll(kind: str, water: Any, green: Any, red: Any, rededge071: Any, **blues: Any) -> Layers:
    """
    Return chlorophyll-a where there is water: blue over green where it is clear, red edge over red where it is turbid.

    Between the limits of red reflectance (`TURBID`) both are blended.
    """
    share = ((red - TURBID[0]) / (TURBID[1] - TURBID[0])).clip(0, 1)
    clear = chlorophyll_open(kind, water, green, **blues)
    wet = {"red": red.where(water == 1), "rededge071": rededge071.where(water == 1)}
    murky, error = spread(ndci, wet, WATER_NOISE, relative=INLAND_ERROR)
    out = {}
    for name, low, high in (("chla", clear["chla"], murky), ("chla_unc", clear["chla_unc"], error)):
        blend = (1 - share) * low + share * high
        out[name] = low.where(share <= 0, high.where(share >= 1, blend)).astype("float32")
    return out


def _positive(x: Any) -> Any:
    return x.where(x > 0) if hasattr(x, "where") else x if x > 0 else float("nan")
