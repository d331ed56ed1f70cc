"""Soil moisture index: how dry the surface is, from its temperature among pixels of equal vegetation."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from musyq_cube.kernels import triangle as kernels
from musyq_cube.products._apply import apply_kernel

WINDOW = 128
"""Pixels along a window within which weather is taken as one; windows overlap by half."""
LAPSE = 0.0065
"""K m-1, by which surface temperature falls with height."""
LST_SIGMA = 1.5
"""K, where the temperature does not bring its own."""


def dryness(
    lst: xr.DataArray, ndvi: xr.DataArray, elevation: Any = None, lst_unc: Any = None, *, window: int = WINDOW
) -> dict[str, xr.DataArray]:
    """
    Return the temperature-vegetation dryness index (Ts - Tmin) / (Tmax - Tmin) and the moisture index 1 - TVDI.

    Parameters
    ----------
    lst
        Surface temperature (y, x), K.
    ndvi
        Of the same pixels.
    elevation
        m; brings temperatures to sea level before they are compared.
    lst_unc
        Standard deviation of `lst`, K.
    window
        Pixels, even.

    Returns
    -------
    dict
        ``tvdi`` (0 wet edge … 1 dry edge; a few pixels lie beyond), ``smi``, and ``tvdi_unc``, ``smi_unc``; NaN where
        NDVI is negative, where no window has a triangle, and where its edges meet.

    Notes
    -----
    In each window the edges are lines through the quantiles 0.995 and 0.005 of temperature in bins of NDVI of 0.02
    between 0.2 and 0.86 that have 20 pixels or more; a window whose dry edge does not fall with NDVI is rejected.
    Windows begin at multiples of half their width in the pixel numbers of the whole grid, whatever part of it is given;
    between their centres edges are interpolated.

    References
    ----------
    Sandholt et al. 2002, doi:10.1016/S0034-4257(01)00274-7.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> n, wetness = rng.uniform(0.1, 0.9, (256, 256)), rng.uniform(0, 1, (256, 256))
    >>> ts = 295 + 2 * n + (1 - wetness) * (35 - 37 * n)
    >>> found = dryness(xr.DataArray(ts, dims=("y", "x")), xr.DataArray(n, dims=("y", "x")))
    >>> bool(abs(found["smi"] - wetness).where(n < 0.8).mean() < 0.02)
    True
    """
    ts = lst if elevation is None else lst + LAPSE * elevation
    sigma = LST_SIGMA if lst_unc is None else lst_unc.fillna(LST_SIGMA)
    place = ["y", "x"]
    tvdi, unc = apply_kernel(
        kernels.dryness,
        ts, ndvi, xr.zeros_like(lst) + sigma, _number(lst, "y", -1), _number(lst, "x", 1), window,
        core=[place] * 3 + [[]] * 3, out=[place] * 2,
    )  # fmt: skip
    return {"tvdi": tvdi, "smi": 1.0 - tvdi, "tvdi_unc": unc, "smi_unc": unc}


def _number(values: xr.DataArray, dim: str, sign: int) -> int:
    """Return the number of the first pixel along a dimension, counted from the origin of the coordinates."""
    if dim not in values.coords or values.sizes[dim] < 2:
        return 0
    places = values[dim].values[:2].astype(float)
    step = abs(places[1] - places[0])
    return int(np.floor(sign * places[0] / step + 0.25))  # centres lie at halves, or at whole numbers: never near 0.75
