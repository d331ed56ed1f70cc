"""Aerosol from windows of pixels: trimmed means of the pixels that are fit, and the AOD at which residuals vanish."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from musyq_cube.kernels._gufunc import F32, gufunc, helper


def trimmed(x: F32, key: F32, low: float, high: float) -> tuple[F32, npt.NDArray[np.int32]]:
    """
    Mean of several bands over the pixels of a window whose `key` lies between two of its quantiles.

    Parameters
    ----------
    x : float32 (..., band, pixel)
        A pixel takes part where it is finite in all bands.
    key : float32 (..., pixel)
        What pixels are ranked by; NaN leaves a pixel out.
    low, high
        Ranks kept, as fractions 0…1 of the pixels that take part; at least one pixel is kept.

    Returns
    -------
    mean, count : float32 (..., band), int32 (...)
        NaN and 0 where no pixel takes part.

    Examples
    --------
    >>> x = np.array([[1, 2, 3, 40, np.nan]], np.float32)
    >>> mean, count = trimmed(x, x[0], 0.25, 0.75)
    >>> float(mean[0]), int(count)
    (2.5, 2)
    """
    fit = np.isfinite(key) & np.isfinite(x).all(-2)
    # a stable order, so that equal keys give the same pixels on every machine
    order = np.argsort(np.where(fit, key, np.inf), axis=-1, kind="stable")
    n = fit.sum(-1)
    first = np.floor(low * n).astype(np.int64)
    last = np.where(n > 0, np.maximum(np.ceil(high * n).astype(np.int64), first + 1), 0)
    rank = np.arange(key.shape[-1])
    kept = (rank >= first[..., None]) & (rank < last[..., None])
    values = np.take_along_axis(x, order[..., None, :], -1)
    total = np.where(kept[..., None, :], values, 0).sum(-1, dtype=np.float64)
    count = np.where(n > 0, last - first, 0).astype(np.int32)
    mean = np.where(count[..., None] > 0, total / np.maximum(count, 1)[..., None], np.nan)
    return mean.astype(np.float32), count


@helper
def _segment(residual, weight, k):  # type: ignore[no-untyped-def]
    """Return the place 0…1 between nodes k and k+1 where the weighted square sum is least, and that sum."""
    cross, square = 0.0, 0.0
    for c in range(residual.shape[0]):
        step = np.float64(residual[c, k + 1]) - residual[c, k]
        cross += weight[c] * step * residual[c, k]
        square += weight[c] * step * step
    place = min(max(-cross / square, 0.0), 1.0) if square > 0 else 0.0
    cost = 0.0
    for c in range(residual.shape[0]):
        value = residual[c, k] + place * (np.float64(residual[c, k + 1]) - residual[c, k])
        cost += weight[c] * value * value
    return place, cost


@gufunc(
    "void(float32[:,:], float32[:], float32[:], float32[:], float32[:], float32[:])",
    "(c,k),(c),(k)->(),(),()",
)
def _solve(residual, weight, nodes, aod, cost, slope):  # type: ignore[no-untyped-def]
    aod[0], cost[0], slope[0] = np.nan, np.nan, np.nan
    least = np.inf
    for k in range(nodes.size - 1):
        place, found = _segment(residual, weight, k)
        if found < least:
            least = found
            width = np.float64(nodes[k + 1]) - nodes[k]
            total, square = 0.0, 0.0
            for c in range(residual.shape[0]):
                total += weight[c]
                square += weight[c] * (residual[c, k + 1] - residual[c, k]) ** 2
            aod[0] = nodes[k] + place * width
            cost[0] = np.sqrt(found / total)
            slope[0] = np.sqrt(square / total) / width


def solve(residual: F32, weight: F32, nodes: F32) -> tuple[F32, F32, F32]:
    """
    Return the AOD at which weighted residuals, linear between nodes, have the least sum of squares.

    ``argmin_τ Σ_c w_c f_c(τ)²``, exact on every segment; the first of equal minima.

    Parameters
    ----------
    residual : float32 (..., constraint, node)
        Model minus observation, reflectance; NaN leaves segments out.
    weight : float32 (..., constraint)
        Not negative.
    nodes : float32 (node,)
        AOD, ascending.

    Returns
    -------
    aod, rms, slope : float32 (...)
        AOD within the nodes; the weighted RMS residual there; the weighted RMS change of the residuals per unit of AOD
        (how sensitive they are). NaN where every segment has NaN.

    Examples
    --------
    >>> f = np.array([[0.02, 0.01, -0.01]], np.float32)
    >>> [round(float(v), 3) for v in solve(f, np.ones(1, np.float32), np.array([0, 0.2, 0.6], np.float32))]
    [0.4, 0.0, 0.05]
    """
    return _solve(residual, weight, nodes)  # type: ignore[no-any-return]
