"""What two images of the same place have in common, in sums of integers: exact, so in any order and from any parts."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from musyq_cube.kernels._gufunc import F32, gufunc

I64: TypeAlias = npt.NDArray[np.int64]

UNIT = 100_000
"""Reflectances are counted in steps of 1/UNIT."""
LARGEST = np.float32(2)
"""What is not smaller in magnitude is no reflectance and does not count."""
BINS = 64
TOP = 0.8
"""Reflectance at the upper edge of the last bin; beyond it and below 0 the outermost bins are used."""
_PER_UNIT = np.float32(BINS / TOP)


@gufunc("void(float32[:], float32[:], int64[:], int64[:,:], int64[:], int64[:,:])", "(p),(p),(m),(b,c)->(m),(b,c)")
def _add(x, y, sums, counts, total, histogram):  # type: ignore[no-untyped-def]
    histogram[:] = counts
    n, sx, sy, sxx, syy, sxy = sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]
    for p in range(x.size):
        a, b = x[p], y[p]
        if abs(a) < LARGEST and abs(b) < LARGEST:
            i, j = np.int64(np.rint(np.float64(a) * UNIT)), np.int64(np.rint(np.float64(b) * UNIT))
            n += 1
            sx += i
            sy += j
            sxx += i * i
            syy += j * j
            sxy += i * j
            row = min(max(np.int64(a * _PER_UNIT), 0), BINS - 1)
            histogram[row, min(max(np.int64(b * _PER_UNIT), 0), BINS - 1)] += 1
    total[0], total[1], total[2], total[3], total[4], total[5] = n, sx, sy, sxx, syy, sxy


def moments(x: F32, y: F32) -> tuple[I64, I64]:
    """
    Sum over the pixels where both images have a value.

    Parameters
    ----------
    x, y : float32 (pixel)
        Reflectance; NaN is missing. At most 2e8 pixels: a sum of squares must fit 64 bits.

    Returns
    -------
    sums : int64 (6,)
        n, Σx, Σy, Σx², Σy², Σxy of the reflectances in units of 1e-5.
    histogram : int64 (BINS, BINS)
        Pixels by (x, y).

    Examples
    --------
    >>> sums, _ = moments(np.array([0.1, np.nan], np.float32), np.array([0.2, 0.3], np.float32))
    >>> sums[:3].tolist()
    [1, 10000, 20000]
    """
    return _add(x, y, np.zeros(6, np.int64), np.zeros((BINS, BINS), np.int64))  # type: ignore[no-any-return]
