"""Chlorophyll of canopies and leaves from red-edge indices, with lines fitted to simulated canopies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musyq_cube.products._canopy import fit, inverse, retrieve
from musyq_cube.products.leaf_area import WORST_COST

if TYPE_CHECKING:
    import xarray as xr

Array: TypeAlias = Any
"""A float, a numpy array or a DataArray."""

LEAST_CANOPY = 0.2
"""g m⁻² of chlorophyll, below which too few leaves are seen to tell theirs."""

LEAST_RISE = 0.01
"""Of reflectance from 0.68 to 0.71 µm, below which the MTCI is a quotient without meaning."""


def ci_red_edge(nir: Array, edge: Array) -> Array:
    """
    Return the red-edge chlorophyll index, R783 / R705 - 1.

    References
    ----------
    Gitelson, Gritz & Merzlyak (2003), doi:10.1078/0176-1617-00887.

    Examples
    --------
    >>> round(ci_red_edge(0.4, 0.1), 6)
    3.0
    """
    return nir / edge - 1


def ci_green(nir: Array, green: Array) -> Array:
    """
    Return the green chlorophyll index, N / G - 1.

    References
    ----------
    Gitelson, Gritz & Merzlyak (2003), doi:10.1078/0176-1617-00887.

    Examples
    --------
    >>> round(ci_green(0.4, 0.08), 6)
    4.0
    """
    return nir / green - 1


def mtci(far: Array, edge: Array, red: Array) -> Array:
    """
    Return the MERIS terrestrial chlorophyll index, (R754 - R709) / (R709 - R681).

    References
    ----------
    Dash & Curran (2004), doi:10.1080/0143116042000274015.

    Examples
    --------
    >>> round(mtci(0.4, 0.1, 0.04), 6)
    5.0
    """
    return (far - edge) / (edge - red)


def chl_inverted(
    red: xr.DataArray, rededge071: xr.DataArray, rededge078: xr.DataArray, sensor: str
) -> dict[str, xr.DataArray]:
    """
    Return chlorophyll of the canopy and of its leaves by inversion of simulated canopies.

    Parameters
    ----------
    red, rededge071, rededge078
        Surface reflectance at 0.665, 0.705 and 0.783 µm.
    sensor
        Whose bands these are.

    Returns
    -------
    dict
        ``chl`` (g per m² of ground, 0…6), ``cab`` (µg per cm² of leaf, 10…80; NaN where there are hardly any leaves)
        and the half widths that hold 68 % of the canopies that look alike; NaN where no simulated canopy does.

    Notes
    -----
    As for leaf area. An index alone takes straw and some soils for chlorophyll; red tells them apart.
    """
    found = {name: _invert(name, (red, rededge071, rededge078), sensor) for name in ("chl", "cab")}
    leaves = found["chl"][0] >= LEAST_CANOPY
    cab, unsure = (values.where(leaves) for values in found["cab"])
    return {"chl": found["chl"][0], "chl_unc": found["chl"][1], "cab": cab, "cab_unc": unsure}


def chl_red_edge(rededge078: xr.DataArray, rededge071: xr.DataArray, sensor: str) -> dict[str, xr.DataArray]:
    """
    Return chlorophyll of the canopy from its index at the red edge.

    Parameters
    ----------
    rededge078, rededge071
        Surface reflectance at 0.783 and 0.705 µm.
    sensor
        Whose bands these are.

    Returns
    -------
    dict
        ``chl`` (g per m² of ground) on a line fitted to simulated canopies, ``chl_unc``; ``cab`` without values.
    """
    return _line("cire", ci_red_edge(rededge078, rededge071.where(rededge071 > 0)), sensor)


def chl_mtci(
    rededge075: xr.DataArray, rededge071: xr.DataArray, red: xr.DataArray, sensor: str
) -> dict[str, xr.DataArray]:
    """Return chlorophyll of the canopy from the MTCI, as `chl_red_edge`; no value over soil."""
    rises = (rededge071 - red).where(rededge071 - red >= LEAST_RISE)
    return _line("mtci", mtci(rededge075, red + rises, red), sensor)


def chl_green(nir: xr.DataArray, green: xr.DataArray, sensor: str) -> dict[str, xr.DataArray]:
    """Return chlorophyll of the canopy from the green index, as `chl_red_edge`; low confidence."""
    return _line("cigreen", ci_green(nir, green.where(green > 0)), sensor)


def _line(what: str, index: xr.DataArray, sensor: str) -> dict[str, xr.DataArray]:
    """Return chlorophyll from an index: the line, zero where it is negative (the index of bare ground is not zero)."""
    line = fit(what, sensor)
    value = (line.slope * index + line.offset).clip(0.0)
    unsure = line.least + line.share * value
    return {"chl": value, "chl_unc": unsure, "cab": value * np.nan, "cab_unc": value * np.nan}


def _invert(
    quantity: str, bands: tuple[xr.DataArray, xr.DataArray, xr.DataArray], sensor: str
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return value and spread where a simulated canopy explains what is seen."""
    value, spread, cost = retrieve(inverse(quantity, sensor), *bands)
    kept = (cost <= WORST_COST) & bands[2].notnull()
    return value.where(kept), spread.where(kept)
