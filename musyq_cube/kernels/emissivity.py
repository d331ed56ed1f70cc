"""Emissivity of the land from the vegetation index."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.kernels._gufunc import F32, gufunc

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

BARE, FULL = 0.2, 0.5
"""NDVI up to which the ground is bare, and from which the canopy is full (Sobrino et al. 2004)."""
CAVITY = 0.55
"""Shape factor F of the cavities between plants (Sobrino et al. 2004)."""
SNOW_NDVI, SNOW_RED, SNOW = 0.1, 0.5, 0.985
"""Snow: NDVI below, red from; its emissivity in all bands (unconfirmed)."""

SOIL = np.array([[0.9832, 0.058], [0.9885, 0.062], [0.970, 0.097]])
"""a and b of ``a - b ρ_red`` of bare soil near 11 µm, near 12 µm and broadband (unconfirmed)."""
CANOPY = np.array([0.99, 0.99, 0.985])
"""Of a full canopy, in the same bands; the last is unconfirmed."""
WATER = np.array([0.991, 0.986, 0.984])
"""Of water, in the same bands (unconfirmed)."""


@gufunc(
    "void(float32[:], float32[:], float64[:,:], float64[:], float64[:], float32[:], float32[:], float32[:])",
    "(n),(n),(b,k),(b),(b)->(n),(n),(n)",
)
def _by_ndvi(ndvi, red, soil, canopy, water, eleven, twelve, broad):  # type: ignore[no-untyped-def]
    for i in range(ndvi.size):
        v, r = np.float64(ndvi[i]), np.float64(red[i])
        part = min(max((v - BARE) / (FULL - BARE), 0.0), 1.0)
        p = part * part
        snow = (v < SNOW_NDVI) & (r >= SNOW_RED)
        missing = 0.0 * (v + r)
        for b in range(3):
            s = soil[b, 0] - soil[b, 1] * r
            e = canopy[b] * p + s * (1.0 - p) + 2.0 * p * (1.0 - p) * (1.0 - s) * CAVITY * canopy[b]
            e = SNOW if snow else (water[b] if v < 0.0 else e)
            made = np.float32(e + missing)
            if b == 0:
                eleven[i] = made
            elif b == 1:
                twelve[i] = made
            else:
                broad[i] = made


def by_ndvi(ndvi: ArrayLike, red: ArrayLike) -> tuple[F32, F32, F32]:
    """
    Return the emissivity of the land from NDVI and red reflectance.

    Parameters
    ----------
    ndvi, red : array_like
        Broadcast together.

    Returns
    -------
    eleven, twelve, broad : float32
        Near 11 µm, near 12 µm and broadband; NaN where an input is missing.

    Notes
    -----
    See :func:`musyq_cube.products.emissivity.by_ndvi`.

    Examples
    --------
    >>> eleven, twelve, broad = by_ndvi(0.1, 0.2)
    >>> round(float(eleven), 4), round(float(twelve), 4)
    (0.9716, 0.9761)
    """
    pair = np.broadcast_arrays(np.asarray(ndvi, np.float32), np.asarray(red, np.float32))
    made = _by_ndvi(*(np.atleast_1d(a) for a in pair), SOIL, CANOPY, WATER)
    eleven, twelve, broad = (m.reshape(pair[0].shape) for m in made)
    return eleven, twelve, broad
