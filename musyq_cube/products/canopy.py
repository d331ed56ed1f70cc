"""Temperatures of canopy and soil: plain function of DataArrays."""

from __future__ import annotations

from typing import TypeAlias

import xarray as xr

from musyq_cube.kernels import canopy_temperature as kernel
from musyq_cube.kernels.emissivity import CANOPY, SOIL

Layers: TypeAlias = "dict[str, xr.DataArray]"

CANOPY_EMISSIVITY = float(CANOPY[2])
"""Broadband, of a full canopy."""
SOIL_EMISSIVITY = float(SOIL[2, 0] - 0.15 * SOIL[2, 1])
"""Broadband, of soil that reflects 0.15 of the red light."""


def canopy_temperature(lst: xr.DataArray, emissivity: xr.DataArray, fvc: xr.DataArray) -> Layers:
    """
    Return the temperatures of canopy and soil, from the 7 × 7 pixels around each pixel.

    Parameters
    ----------
    lst : DataArray (..., y, x)
        Surface temperature, K.
    emissivity : DataArray (..., y, x)
        Broadband.
    fvc : DataArray (..., y, x)
        Fraction of vegetation, 0…1.

    Returns
    -------
    dict
        ``tv`` and ``ts`` (K), ``tv_unc`` and ``ts_unc`` by the scatter of the window; NaN where the pixel is missing,
        fewer than 12 pixels of its window are there, or their cover spans less than 0.3.

    Notes
    -----
    ``ε σ T⁴ = f ε_v σ T_v⁴ + (1 - f) ε_s σ T_s⁴`` by bounded least squares. The window is centred on each pixel, so the
    result does not depend on how the area is cut, given three pixels around it.

    Examples
    --------
    >>> f = xr.DataArray([[0.1, 0.3, 0.5, 0.7, 0.9]] * 5, dims=("y", "x"))
    >>> e = f * CANOPY_EMISSIVITY + (1 - f) * SOIL_EMISSIVITY
    >>> t = ((f * CANOPY_EMISSIVITY * 295.0**4 + (1 - f) * SOIL_EMISSIVITY * 315.0**4) / e) ** 0.25
    >>> {name: round(float(v[2, 2]), 1) for name, v in canopy_temperature(t, e, f).items()}
    {'tv': 295.0, 'ts': 315.0, 'tv_unc': 0.0, 'ts_unc': 0.0}
    """
    layers = xr.apply_ufunc(
        kernel.unmix,
        lst,
        emissivity,
        fvc,
        kwargs={"canopy": CANOPY_EMISSIVITY, "soil": SOIL_EMISSIVITY},
        input_core_dims=[["y", "x"]] * 3,
        output_core_dims=[["y", "x"]] * 4,
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True},
        output_dtypes=["float32"] * 4,
    )
    return dict(zip(("tv", "ts", "tv_unc", "ts_unc"), layers, strict=True))
