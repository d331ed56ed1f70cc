"""Lines through bands: slope · x + offset, with coefficients that may follow the vegetation index."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.kernels._gufunc import F32, LANES, gufunc

if TYPE_CHECKING:
    from collections.abc import Sequence


@gufunc("void(float32[:], float64, float64, float32[:])", "(n),(),()->(n)")
def _line(x, slope, offset, out):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        out[i] = np.float32(slope * np.float64(x[i]) + offset)


def line(x: F32, slope: float, offset: float) -> F32:
    """
    Return ``slope · x + offset``, computed in float64 and rounded once.

    Parameters
    ----------
    x : float32, any shape
        NaN is missing and stays so.

    Examples
    --------
    >>> line(np.array([0.5, np.nan], np.float32), 2.0, -0.25).tolist()
    [0.75, nan]
    """
    return _line(np.asarray(x, np.float32), slope, offset)  # type: ignore[no-any-return]


@gufunc(
    "void(float32[:], float32[:], float32[:], float64, float64, float64[:], float64[:], float64[:], float32[:])",
    "(n),(n),(n),(),(),(k),(k),(k)->(n)",
)
def _line_by_ndvi(x, red, nir, slope, offset, nodes, slopes, offsets, out):  # type: ignore[no-untyped-def]
    ndvi = np.empty(LANES, np.float64)
    a = np.empty(LANES, np.float64)
    b = np.empty(LANES, np.float64)
    last = nodes.shape[0] - 1
    for p0 in range(0, x.shape[0], LANES):
        lanes = min(LANES, x.shape[0] - p0)
        for k in range(lanes):
            near, dark = np.float64(nir[p0 + k]), np.float64(red[p0 + k])
            ndvi[k] = (near - dark) / (near + dark) if near + dark > 0.0 else np.nan
        a[:] = slopes[0]
        b[:] = offsets[0]
        for j in range(last):  # a and b rise within their own interval only: no branch, so vector instructions
            width = nodes[j + 1] - nodes[j]
            da, db = (slopes[j + 1] - slopes[j]) / width, (offsets[j + 1] - offsets[j]) / width
            for k in range(lanes):
                inside = min(max(ndvi[k] - nodes[j], 0.0), width)
                a[k] += da * inside
                b[k] += db * inside
        for k in range(lanes):
            known = ndvi[k] == ndvi[k]
            out[p0 + k] = np.float32((a[k] if known else slope) * np.float64(x[p0 + k]) + (b[k] if known else offset))


def line_by_ndvi(
    x: F32,
    red: F32,
    nir: F32,
    overall: tuple[float, float],
    nodes: Sequence[float],
    slopes: Sequence[float],
    offsets: Sequence[float],
) -> F32:
    """
    Return ``a(NDVI) · x + b(NDVI)`` with a and b linear between nodes and constant beyond the outer ones.

    So the result is a continuous function of its inputs: no step where a class of vegetation ends.

    Parameters
    ----------
    x, red, nir : float32 of one shape
        Reflectances; NaN in `x` stays NaN.
    overall
        Slope and offset where NDVI does not exist: `red` or `nir` missing, or their sum not positive.
    nodes
        At least two NDVI, increasing.
    slopes, offsets
        Coefficients at the nodes.

    Examples
    --------
    >>> half = np.full(2, 0.5, np.float32)
    >>> line_by_ndvi(half, half, np.array([0.5, 1.5], np.float32), (9.0, 9.0), (0.0, 1.0), (1.0, 2.0), (0.0, 0.0))
    array([0.5 , 0.75], dtype=float32)
    """
    a, b, c = (np.asarray(v, np.float64) for v in (nodes, slopes, offsets))
    if len(a) < 2 or not (np.diff(a) > 0).all() or not len(a) == len(b) == len(c):
        raise ValueError(f"nodes must be at least two, increasing, with one slope and offset each; got {a.tolist()}")
    x, red, nir = (np.asarray(v, np.float32) for v in (x, red, nir))
    return _line_by_ndvi(x, red, nir, *overall, a, b, c)  # type: ignore[no-any-return]
