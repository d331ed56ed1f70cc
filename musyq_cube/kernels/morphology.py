"""Distances on the image plane."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from musyq_cube.kernels._gufunc import F32, gufunc, helper


@helper
def _columns(mask, gap, top):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Rows to the nearest set pixel of the same column, `top` where there is none nearer."""
    rows, columns = mask.shape
    for i in range(rows):
        for j in range(columns):
            above = gap[i - 1, j] + 1 if i > 0 else top
            gap[i, j] = 0 if mask[i, j] else min(above, top)
    for i in range(rows - 2, -1, -1):
        for j in range(columns):
            gap[i, j] = min(gap[i, j], gap[i + 1, j] + 1)


@gufunc("void(uint8[:,:], float32, float32[:], float32, float32[:,:])", "(y,x),(),(y),()->(y,x)")
def _distance(mask, dy, dx, reach, distance):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    rows, columns = mask.shape
    far = np.float32(np.inf)
    top = np.int32(reach / dy) + 2
    gap = np.empty((rows, columns), np.int32)
    _columns(mask, gap, top)
    vertical = np.empty(columns, np.float32)
    best = np.empty(columns, np.float32)
    for i in range(rows):
        nearest = top
        for j in range(columns):
            vertical[j] = (np.float32(gap[i, j]) * dy) ** 2 if gap[i, j] < top else far
            nearest = min(nearest, gap[i, j])
        best[:] = vertical
        side = min(np.int64(reach / dx[i]) + 1, columns - 1) if nearest < top else 0
        for s in range(1, side + 1):
            horizontal = (np.float32(s) * dx[i]) ** 2
            for j in range(columns - s):
                best[j] = min(best[j], vertical[j + s] + horizontal)
            for j in range(s, columns):
                best[j] = min(best[j], vertical[j - s] + horizontal)
        for j in range(columns):
            d = np.sqrt(best[j])
            distance[i, j] = d if d <= reach else far


def distance(mask: npt.NDArray[np.bool_], dy: float, dx: F32, reach: float) -> F32:
    """
    Euclidean distance of every pixel centre to the nearest set pixel, exact up to a reach.

    Parameters
    ----------
    mask : bool (..., y, x)
        Pixels to measure from.
    dy
        Height of a pixel, metres.
    dx : float32 (y,)
        Width of the pixels of every row, metres.
    reach
        Metres; beyond it the distance is given as infinite, so that a margin of ``reach`` makes blocks independent.

    Returns
    -------
    float32 (..., y, x)
        Metres; 0 in the mask, inf beyond `reach`.

    Notes
    -----
    Separable: nearest in the column first, then the minimum along the row over whole vectors (Saito and Toriwaki 1994,
    doi:10.1016/0031-3203(94)90133-3). The cost is one pass over the columns and, in rows near the mask, one vector
    operation for each pixel of the reach.

    Examples
    --------
    >>> mask = np.array([[True, False, False, False]])
    >>> distance(mask, 30.0, np.array([30.0], np.float32), 60.0).tolist()
    [[0.0, 30.0, 60.0, inf]]
    """
    # a hair more, so that a reach of whole pixels includes the last one whatever the rounding
    limit = np.float32(reach * (1 + 1e-6))
    return _distance(mask.view(np.uint8), np.float32(dy), dx, limit)  # type: ignore[no-any-return]
