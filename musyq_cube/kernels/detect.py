"""Segments, filled hollows and thrown shadows: what cloud detection needs beyond one pixel."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from musyq_cube.kernels._gufunc import F32, gufunc, helper

Mask: TypeAlias = npt.NDArray[np.bool_]
Labels: TypeAlias = npt.NDArray[np.int32]

LEVELS = 4096
"""Steps into which `fill` divides its values between `low` and `high`."""


@helper
def _root(parent, i):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the smallest label of the set, halving the way for the next who asks."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@helper
def _join(parent, a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    a, b = _root(parent, a), _root(parent, b)
    parent[max(a, b)] = min(a, b)


@helper
def _label(mask, labels, parent):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Give every pixel the label of a neighbour that was met before, and join the labels that meet; return how many."""
    rows, columns = mask.shape
    last = 0
    for i in range(rows):
        for j in range(columns):
            labels[i, j] = 0
            if not mask[i, j]:
                continue
            for di, dj in ((-1, -1), (-1, 0), (-1, 1), (0, -1)):
                y, x = i + di, j + dj
                if y >= 0 and 0 <= x < columns and labels[y, x]:
                    if labels[i, j]:
                        _join(parent, labels[i, j], labels[y, x])
                    labels[i, j] = labels[y, x]
            if labels[i, j] == 0:
                last += 1
                parent[last] = last
                labels[i, j] = last
    return last


@gufunc("void(uint8[:,:], int32[:,:])", "(y,x)->(y,x)")
def _segments(mask, labels):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    rows, columns = mask.shape
    parent = np.zeros(rows * columns // 2 + 2, np.int32)  # a new label needs a pixel that is not set beside it
    last = _label(mask, labels, parent)
    number = np.zeros(last + 1, np.int32)
    count = 0
    for k in range(1, last + 1):
        if parent[k] == k:
            count += 1
            number[k] = count
    for i in range(rows):
        for j in range(columns):
            if labels[i, j]:
                labels[i, j] = number[_root(parent, labels[i, j])]


def segments(mask: Mask) -> Labels:
    """
    Give numbers to the connected parts of a mask, diagonal neighbours included.

    Parameters
    ----------
    mask : bool (y, x)
        Pixels to join.

    Returns
    -------
    int32 (y, x)
        0 outside, 1…n in the order in which the parts are met row by row.

    Notes
    -----
    Two passes with a union-find forest (Rosenfeld and Pfaltz 1966, doi:10.1145/321356.321357).

    Examples
    --------
    >>> segments(np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 0, 0]], bool)).tolist()
    [[1, 0, 1], [0, 1, 0], [0, 0, 0], [2, 0, 0]]
    """
    return _segments(np.ascontiguousarray(mask).view(np.uint8))  # type: ignore[no-any-return]


@gufunc("void(int32[:,:], int32, int32, int32[:,:])", "(y,x),(),()->(y,x)")
def _fill(level, edge, levels, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Flood from the edges inwards, lowest level first; one chain of waiting pixels for each level."""
    rows, columns = level.shape
    head = np.full(levels, -1, np.int32)
    after = np.empty(rows * columns, np.int32)
    for i in range(rows):
        for j in range(columns):
            out[i, j] = -1
            if level[i, j] < 0:
                continue
            outer = i == 0 or j == 0 or i == rows - 1 or j == columns - 1
            if not outer:
                outer = level[i - 1, j] < 0 or level[i + 1, j] < 0 or level[i, j - 1] < 0 or level[i, j + 1] < 0
            if outer:
                out[i, j] = max(level[i, j], edge)
                after[i * columns + j] = head[out[i, j]]
                head[out[i, j]] = i * columns + j
    for k in range(levels):
        while head[k] >= 0:
            place = head[k]
            head[k] = after[place]
            i, j = place // columns, place % columns
            for di, dj in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                y, x = i + di, j + dj
                if y < 0 or x < 0 or y >= rows or x >= columns or level[y, x] < 0 or out[y, x] >= 0:
                    continue
                out[y, x] = max(level[y, x], k)
                after[y * columns + x] = head[out[y, x]]
                head[out[y, x]] = y * columns + x


def fill(image: F32, edge: float, low: float = 0.0, high: float = 1.0) -> F32:
    """
    Fill the hollows of an image up to the level at which they would overflow to its edge.

    Parameters
    ----------
    image : float32 (y, x)
        NaN where missing: an edge like the border of the image.
    edge
        The edge counts as at least so high, so that a hollow cut by it is filled too.
    low, high
        Range of the values; it is divided into `LEVELS` steps, which is the precision of the result.

    Returns
    -------
    float32 (y, x)
        Never lower than the image (within one step); NaN where it is.

    Notes
    -----
    Priority flood (Barnes, Lehman and Mulla 2014, doi:10.1016/j.cageo.2013.04.024) with a bucket for each level.

    Examples
    --------
    >>> hollow = np.array([[0.5, 0.5, 0.5], [0.5, 0.1, 0.3], [0.5, 0.5, 0.5]], np.float32)
    >>> round(float(fill(hollow, 0.0)[1, 1]), 2), round(float(fill(hollow, 0.4)[1, 1]), 2)
    (0.3, 0.4)
    """
    scale = np.float32((LEVELS - 1) / (high - low))
    missing = np.isnan(image)
    level = np.clip(np.nan_to_num((image - np.float32(low)) * scale), 0, LEVELS - 1).astype(np.int32)
    level[missing] = -1
    top = np.int32(np.clip((edge - low) * scale, 0, LEVELS - 1))
    flooded = _fill(level, top, np.int32(LEVELS)).astype(np.float32) / scale + np.float32(low)
    return np.where(missing, np.float32(np.nan), np.maximum(flooded, image))


@gufunc(
    "void(int32[:,:], uint8[:,:], uint8[:,:], float32[:,:], float32[:], int32[:,:], int32[:,:])",
    "(y,x),(y,x),(y,x),(n,c),(h)->(n,h),(n,h)",
)
def _throw(labels, dark, known, way, heights, hits, seen):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    rows, columns = labels.shape
    hits[:, :] = 0
    seen[:, :] = 0
    for i in range(rows):
        for j in range(columns):
            n = labels[i, j]
            if n == 0:
                continue
            for h in range(heights.size):
                y = i + np.int64(np.rint(heights[h] * way[n, 0]))
                x = j + np.int64(np.rint(heights[h] * way[n, 1]))
                # what is under cloud, this or another, cannot be seen: it says nothing
                if y < 0 or x < 0 or y >= rows or x >= columns or not known[y, x] or labels[y, x]:
                    continue
                seen[n, h] += 1
                hits[n, h] += dark[y, x]


def throw(labels: Labels, dark: Mask, known: Mask, way: F32, heights: F32) -> tuple[Labels, Labels]:
    """
    Throw the shadow of every cloud from every height, and count how much of it falls on dark ground.

    Parameters
    ----------
    labels : int32 (y, x)
        Clouds numbered 1…n, 0 elsewhere.
    dark : bool (y, x)
        Where a shadow could be.
    known : bool (y, x)
        Where there are data.
    way : float32 (n + 1, 2)
        Rows and columns by which the shadow of each cloud lies away for each metre of its height.
    heights : float32 (h,)
        Heights to try, metres.

    Returns
    -------
    int32 (n + 1, h), int32 (n + 1, h)
        Pixels of the shadow that are dark, and those that can be seen at all.
    """
    hits, seen = _throw(labels, dark.view(np.uint8), known.view(np.uint8), way, heights)
    return hits, seen


@gufunc("void(int32[:,:], float32[:,:], uint8[:,:])", "(y,x),(n,c)->(y,x)")
def _cast(labels, shift, shadow):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    rows, columns = labels.shape
    shadow[:, :] = 0
    for i in range(rows):
        for j in range(columns):
            n = labels[i, j]
            if n == 0 or np.isnan(shift[n, 0]):
                continue
            y, x = i + np.int64(np.rint(shift[n, 0])), j + np.int64(np.rint(shift[n, 1]))
            if 0 <= y < rows and 0 <= x < columns:
                shadow[y, x] = 1


def cast(labels: Labels, shift: F32) -> Mask:
    """
    Move every segment by its own shift.

    Parameters
    ----------
    labels : int32 (y, x)
        Segments numbered 1…n.
    shift : float32 (n + 1, 2)
        Rows and columns; NaN: the segment leaves no trace.

    Returns
    -------
    bool (y, x)
        Where any segment came to lie.

    Examples
    --------
    >>> labels = np.array([[1, 0, 0], [0, 0, 2]], np.int32)
    >>> cast(labels, np.array([[0, 0], [1, 1], [np.nan, 0]], np.float32)).astype(int).tolist()
    [[0, 0, 0], [0, 1, 0]]
    """
    moved: Any = _cast(labels, shift)
    return moved.view(np.bool_)  # type: ignore[no-any-return]
