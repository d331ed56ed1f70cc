"""Land surface temperature: plain functions of DataArrays, elementwise."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import xarray as xr

from musyq_cube.kernels import thermal as kernel
from musyq_cube.kernels.brdf import MAX_VZA
from musyq_cube.products._apply import elementwise
from musyq_cube.products._tables import rows_of
from musyq_cube.types import QA

Layers: TypeAlias = "dict[str, xr.DataArray]"

TYPICAL_VAPOUR = 2.0
"""Water vapour, g cm⁻², where nobody knows it; the split windows hardly depend on it."""
FARTHEST_VIEW = 65.0
"""Degrees of the zenith angle of view beyond which there is no value; from 60 on the bit HIGH_VIEW is set."""
SINGLE_CHANNEL_VAPOUR = (0.1, 3.0)
"""Water vapour, g cm⁻², that the single-channel functions were fitted for."""
RADIATION_CONSTANTS = {"landsat8-oli": (774.9044, 1320.4683), "landsat9-oli": (798.4062, 1328.4701)}
"""
K1 (W m⁻² sr⁻¹ µm⁻¹) and K2 (K) of the thermal band of scenes that come with their radiances.

Fitted to Planck's law under the spectral response, 220-344 K, within 0.012 K; those of the scenes' metadata, which make
brightness temperatures, differ by 0.14 K.
"""


def split_window(
    lwir11: xr.DataArray,
    lwir12: xr.DataArray,
    emissivity: xr.DataArray,
    emissivity_difference: xr.DataArray,
    tcwv: xr.DataArray | None = None,
    vza: xr.DataArray | None = None,
    *,
    sensor: str,
) -> Layers:
    """
    Return the surface temperature by the split window of Jiménez-Muñoz & Sobrino.

    Parameters
    ----------
    lwir11, lwir12 : DataArray
        Brightness temperatures near 11 and 12 µm, K.
    emissivity : DataArray
        At 11 µm, 0.85…1.
    emissivity_difference : DataArray
        At 11 µm minus at 12 µm.
    tcwv : DataArray, optional
        Water vapour of the column, g cm⁻²; default 2.
    vza : DataArray, optional
        Zenith angle of view, degrees; beyond 60 the bit HIGH_VIEW is set, beyond 65 there is no value.
    sensor
        One with coefficients.

    Returns
    -------
    dict
        ``lst`` (K, NaN where anything is missing), ``hour`` (UTC, NaN without times) and, with `vza`, ``qa``.

    References
    ----------
    Jiménez-Muñoz & Sobrino 2008, doi:10.1109/LGRS.2008.2001636.

    Examples
    --------
    >>> a = [xr.DataArray([v]) for v in (295.0, 294.0, 0.98, 0.0, 1.5)]
    >>> round(float(split_window(*a, sensor="modis-terra")["lst"][0]), 3)
    298.874
    """
    (coefficients,) = rows_of("split_window", sensor)
    vapour = TYPICAL_VAPOUR if tcwv is None else tcwv
    inputs = (lwir11, lwir12, emissivity, emissivity_difference, vapour)
    return _seen(elementwise(kernel.split_window, *inputs, coefficients=np.array(coefficients)), vza)


def generalized_split_window(
    lwir11: xr.DataArray,
    lwir12: xr.DataArray,
    emissivity: xr.DataArray,
    emissivity_difference: xr.DataArray,
    tcwv: xr.DataArray | None = None,
    vza: xr.DataArray | None = None,
    *,
    sensor: str,
) -> Layers:
    """
    Return the surface temperature by the generalized split window.

    Parameters
    ----------
    lwir11, lwir12, emissivity, emissivity_difference : DataArray
        As for :func:`split_window`.
    tcwv : DataArray, optional
        Water vapour of the column, g cm⁻²; without it the coefficients for all of its range hold.
    vza : DataArray, optional
        As for :func:`split_window`.
    sensor
        One with coefficients.

    Returns
    -------
    dict
        As of :func:`split_window`.

    References
    ----------
    Wan 2014, doi:10.1016/j.rse.2013.08.027; Du et al. 2015, doi:10.3390/rs70100647.

    Examples
    --------
    >>> a = [xr.DataArray([v]) for v in (300.0, 298.5, 0.970, -0.004, 2.1)]
    >>> round(float(generalized_split_window(*a, sensor="landsat8-oli")["lst"][0]), 3)
    305.592
    """
    rows = np.array(rows_of("generalized_split_window", sensor))
    if tcwv is None:
        rows = rows[-1:]
    inputs = (lwir11, lwir12, emissivity, emissivity_difference, TYPICAL_VAPOUR if tcwv is None else tcwv)
    return _seen(elementwise(kernel.generalized_split_window, *inputs, rows=rows), vza)


def single_channel(lwir: xr.DataArray, emissivity: xr.DataArray, tcwv: xr.DataArray, *, sensor: str) -> Layers:
    """
    Return the surface temperature of one thermal band by the single-channel algorithm.

    Parameters
    ----------
    lwir : DataArray
        Brightness temperature, K.
    emissivity : DataArray
        Of the band.
    tcwv : DataArray
        Water vapour of the column, g cm⁻², 0.1…3; beyond, the value gets the quality bit OUT_OF_RANGE.
    sensor
        One with coefficients.

    Returns
    -------
    dict
        ``lst``, ``hour`` and ``qa``.

    Notes
    -----
    The radiance is that of a black body at the effective wavelength.

    References
    ----------
    Jiménez-Muñoz et al. 2009, doi:10.1109/TGRS.2008.2007125; 2014, doi:10.1109/LGRS.2014.2312032.

    Examples
    --------
    >>> a = [xr.DataArray([v]) for v in (295.0, 0.97, 1.5)]
    >>> round(float(single_channel(*a, sensor="landsat8-oli")["lst"][0]), 1)
    298.2
    """
    (row,) = rows_of("single_channel", sensor)
    wavelength, psi = row[0], np.array(row[1:]).reshape(3, 3)

    def solve(t: Any, e: Any, w: Any) -> Any:
        return kernel.single_channel(kernel.planck(t, wavelength), t, e, w, wavelength, psi)

    lst = elementwise(solve, lwir, emissivity, tcwv)
    low, high = SINGLE_CHANNEL_VAPOUR
    beyond = ((tcwv < low) | (tcwv > high)) & lst.notnull()
    return with_hour(lst) | {"qa": beyond.astype("uint16") * np.uint16(QA.OUT_OF_RANGE)}


def mono_window(
    lwir: xr.DataArray,
    emissivity: xr.DataArray,
    tcwv: xr.DataArray | None = None,
    vza: xr.DataArray | None = None,
    *,
    sensor: str,
) -> Layers:
    """
    Return the surface temperature of one thermal band by the statistical mono-window.

    Parameters
    ----------
    lwir : DataArray
        Brightness temperature, K.
    emissivity : DataArray
        Of the band.
    tcwv : DataArray, optional
        Water vapour of the column, g cm⁻²; default 2.
    vza : DataArray, optional
        Zenith angle of view, degrees, for the water vapour along the path; default 0; with the limits of
        :func:`split_window`.
    sensor
        One with coefficients.

    Returns
    -------
    dict
        As of :func:`split_window`.

    References
    ----------
    Ermida et al. 2020, doi:10.3390/rs12091471; Duguay-Tetzlaff et al. 2015, doi:10.3390/rs71013139.

    Examples
    --------
    >>> a = [xr.DataArray([v]) for v in (300.0, 0.97, 0.3)]
    >>> round(float(mono_window(*a, sensor="landsat8-oli")["lst"][0]), 3)
    302.034
    """
    rows = np.array(rows_of("mono_window", sensor))
    vapour: Any = TYPICAL_VAPOUR if tcwv is None else tcwv
    if vza is not None:
        vapour = vapour / np.cos(np.deg2rad(vza.fillna(0.0).clip(0.0, FARTHEST_VIEW)))
    return _seen(elementwise(kernel.mono_window, lwir, emissivity, vapour, rows=rows), vza)


def radiative_transfer(
    trad: xr.DataArray, atran: xr.DataArray, urad: xr.DataArray, drad: xr.DataArray, emis: xr.DataArray, *, sensor: str
) -> Layers:
    """
    Return the surface temperature of one thermal band whose air is known.

    Parameters
    ----------
    trad, urad, drad : DataArray
        Radiance at the sensor, of the air upward and of the air downward, W m⁻² sr⁻¹ µm⁻¹.
    atran : DataArray
        Transmittance of the air, 0…1.
    emis : DataArray
        Emissivity of the band.
    sensor
        ``landsat8-oli`` or ``landsat9-oli``.

    Returns
    -------
    dict
        As of :func:`split_window`.

    References
    ----------
    Cook et al. 2014, doi:10.3390/rs61111244.

    Examples
    --------
    >>> a = [xr.DataArray([v]) for v in (8.5, 0.8, 1.5, 2.5, 0.97)]
    >>> round(float(radiative_transfer(*a, sensor="landsat8-oli")["lst"][0]), 2)
    295.19
    """
    k1, k2 = RADIATION_CONSTANTS[sensor]
    return with_hour(elementwise(kernel.radiative_transfer, trad, atran, urad, drad, emis, k1=k1, k2=k2))


def provided(lst: xr.DataArray) -> Layers:
    """Return the surface temperature (K) that the producer of the scenes made."""
    return with_hour(lst)


def with_hour(lst: xr.DataArray) -> Layers:
    """
    Return a surface temperature and the hour (UTC) at which it was observed.

    Examples
    --------
    >>> time = np.array(["2014-07-01T10:30", "2014-07-02T10:45"], "datetime64[ns]")
    >>> with_hour(xr.DataArray([300.0, np.nan], coords={"time": time}, dims="time"))["hour"].values.tolist()
    [10.5, nan]
    """
    if "time" in lst.coords and np.issubdtype(lst["time"].dtype, np.datetime64):
        at = lst["time"].dt
        hour = (at.hour + at.minute / 60 + at.second / 3600).astype("float32")
        return {"lst": lst, "hour": hour.where(lst.notnull()).transpose(*lst.dims)}
    return {"lst": lst, "hour": xr.full_like(lst, np.nan)}


def mean_temperature(lst: xr.DataArray, factor: int, least: float = 0.5) -> xr.DataArray:
    """
    Return the temperature of coarser pixels: the mean of what their clear pixels radiate.

    Parameters
    ----------
    lst : DataArray (..., y, x)
        K, NaN where missing; the size is a multiple of `factor`.
    factor
        Pixels along the side of a coarser one.
    least
        Fraction of its pixels that must be there.

    Returns
    -------
    DataArray
        ``(mean T⁴)^¼``, K.

    Examples
    --------
    >>> two = xr.DataArray([[280.0, 320.0], [np.nan, 300.0]], dims=("y", "x"))
    >>> round(float(mean_temperature(two, 2)[0, 0]), 2)
    301.33
    """
    # of the difference from a middle temperature, which float32 keeps
    middle = np.float32(300.0)
    energy = ((lst / middle) ** 4).coarsen(y=factor, x=factor)
    enough = lst.notnull().coarsen(y=factor, x=factor).mean() >= least
    mean: xr.DataArray = energy.mean()
    return (middle * mean**0.25).where(enough)


def _seen(lst: xr.DataArray, vza: xr.DataArray | None) -> Layers:
    """Return the layers, with the limits of the zenith angle of view."""
    if vza is None:
        return with_hour(lst)
    layers = with_hour(lst.where(~(vza > FARTHEST_VIEW)))  # an unknown view is taken for one near nadir
    oblique = (vza > MAX_VZA) & layers["lst"].notnull()
    return layers | {"qa": oblique.astype("uint16") * np.uint16(QA.HIGH_VIEW)}
