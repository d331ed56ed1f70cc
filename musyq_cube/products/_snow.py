"""
Snow: whether there is any, and which part of a pixel it covers.

References
----------
Hall, Riggs & Salomonson 1995, doi:10.1016/0034-4257(95)00137-P (NDSI and its limits); Klein, Hall & Riggs 1998,
doi:10.1002/(SICI)1099-1085(199808/09)12:10/11<1723::AID-HYP691>3.0.CO;2-2 (forest); Salomonson & Appel 2004,
doi:10.1016/j.rse.2003.10.016 (fraction).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from musyq_cube.products._uncertain import spread

if TYPE_CHECKING:
    import xarray as xr

    Layers = dict[str, xr.DataArray]

SNOW_NDSI, FOREST_NDSI, FOREST_NDVI = 0.4, 0.1, 0.1
"""NDSI of open snow; least NDSI and NDVI of snow under trees. Limits of MOD10, unconfirmed."""
LEAST_NIR, LEAST_GREEN = 0.11, 0.10
"""Reflectance below which it is water or shadow; as MOD10, unconfirmed."""
WARM, HIGH = 281.0, 1300.0
"""Brightness temperature (K) above which it is no snow, but for ground above so many metres; as MOD10, unconfirmed."""
COLD = 278.15
"""Air temperature (K) below which bright ground without an infrared witness may be snow."""
WHITE = 0.35
"""Green reflectance of snow where nothing else tells it; full cover at twice that."""
FLAT_NDVI = 0.1
ERROR, BRIGHT_ERROR = 0.10, 0.25
"""1σ of the fraction by NDSI, and by brightness."""
NOISE = 0.01


def ndsi(green: Any, swir16: Any) -> Any:
    """
    Return the normalized difference snow index, (G − S1) / (G + S1); NaN where the sum is not positive.

    Examples
    --------
    >>> import xarray as xr
    >>> round(float(ndsi(xr.DataArray(0.7), xr.DataArray(0.1))), 2)
    0.75
    """
    both = green + swir16
    return (green - swir16) / both.where(both > 0)


def cover(index: Any) -> Any:
    """
    Return the part of a pixel under snow, 1.45 NDSI − 0.01 within 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> cover(np.array([0.1, 0.4, 0.6, 0.69])).round(4).tolist()
    [0.135, 0.57, 0.86, 0.9905]
    """
    return (1.45 * index - 0.01).clip(0, 1)


def by_index(green: Any, red: Any, nir: Any, swir16: Any, heat: Any = None, elevation: Any = None) -> Layers:
    """
    Return snow by its index.

    Parameters
    ----------
    green, red, nir, swir16 : DataArray
        Surface reflectance.
    heat : DataArray, optional
        Brightness temperature at 11 µm, K.
    elevation : DataArray, optional
        m.

    Returns
    -------
    dict
        ``snow`` (0, 1), ``fsc`` (0…1; 0 where near infrared or green is too dark for snow) and ``fsc_unc``.
    """
    index = ndsi(green, swir16)
    bright = (nir > LEAST_NIR) & (green >= LEAST_GREEN)
    if heat is not None:
        warm = heat > WARM
        bright = bright & ~(warm if elevation is None else warm & (elevation < HIGH))
    both = (nir + red).where(nir + red > 0)
    forest = (index > FOREST_NDSI) & ((nir - red) / both > FOREST_NDVI)
    known = index.notnull() & red.notnull() & nir.notnull()
    snow = (((index >= SNOW_NDSI) | forest) & bright).astype("float32").where(known)
    part, error = spread(
        lambda green, swir16: cover(ndsi(green, swir16)), {"green": green, "swir16": swir16}, NOISE, absolute=ERROR
    )
    return {"snow": snow, "fsc": part.where(bright, 0.0).where(known), "fsc_unc": error.where(known)}


def by_brightness(green: Any, red: Any, nir: Any, air_temperature: Any) -> Layers:
    """
    Return snow where it is bright, colourless and cold: a poor witness, for sensors without 1.6 µm.

    Parameters
    ----------
    green, red, nir : DataArray
        Surface reflectance.
    air_temperature : DataArray
        K.
    """
    both = (nir + red).where(nir + red > 0)
    flat = abs((nir - red) / both) < FLAT_NDVI
    may = flat & (air_temperature < COLD)
    known = green.notnull() & both.notnull() & air_temperature.notnull()
    snow = ((green >= WHITE) & may).astype("float32").where(known)
    part, error = spread(lambda green: (green / (2 * WHITE)).clip(0, 1), {"green": green}, NOISE, absolute=BRIGHT_ERROR)
    return {"snow": snow, "fsc": part.where(snow == 1, 0.0).where(known), "fsc_unc": error.where(known)}
