"""Values at the nodes of a lattice, interpolated to the pixels in between."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.kernels._gufunc import F32, gufunc

if TYPE_CHECKING:
    import numpy.typing as npt


@gufunc("void(float64[:,:], int64[:], float64[:], int64[:], float64[:], float32[:,:])", "(j,i),(y),(y),(x),(x)->(y,x)")
def _expand(nodes, j, down, i, right, out):  # type: ignore[no-untyped-def]
    line = np.empty(nodes.shape[1], np.float64)
    for y in range(out.shape[0]):
        upper, lower, part = nodes[j[y]], nodes[j[y] + 1], down[y]
        for k in range(line.size):
            line[k] = upper[k] * (1.0 - part) + lower[k] * part
        for x in range(out.shape[1]):
            out[y, x] = np.float32(line[i[x]] * (1.0 - right[x]) + line[i[x] + 1] * right[x])


def expand(nodes: npt.NDArray[np.floating], place: tuple[int, int], shape: tuple[int, int], step: int) -> F32:
    """
    Interpolate bilinearly, in float64, rounded once.

    Parameters
    ----------
    nodes : (j, i)
        Values at every `step` pixels; NaN spreads into the cells around it.
    place
        Where the block's first pixel lies in the first cell, (row, column): 0 … `step` − 1.
    shape
        Rows and columns of the block.
    step
        Pixels from node to node.

    Returns
    -------
    float32 (y, x)
        The same for a pixel in whatever block it is computed.

    Examples
    --------
    >>> expand(np.array([[0.0, 4.0], [8.0, 12.0]]), (0, 1), (2, 3), 4)
    array([[1., 2., 3.],
           [3., 4., 5.]], dtype=float32)
    """
    (j, down), (i, right) = (_places(first, count, step) for first, count in zip(place, shape, strict=True))
    return _expand(np.ascontiguousarray(nodes, np.float64), j, down, i, right)  # type: ignore[no-any-return]


def _places(first: int, count: int, step: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    pixels = np.arange(first, first + count, dtype=np.int64)
    return pixels // step, (pixels % step) / step
