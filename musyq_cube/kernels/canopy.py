"""Inverse of a canopy model: looked up between the nodes of a baked table, and baked from simulated canopies."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import math

import numpy as np

from musyq_cube.kernels._gufunc import F32, Array, gufunc, helper

LEAST_REFLECTANCE = -0.02
"""Atmospheric correction leaves dark bands a little below zero: down to here they count as zero."""


@helper
def _place(reflectance, top, nodes):  # type: ignore[no-untyped-def]
    """Cell and part of it on an axis whose nodes are evenly spaced in the square root, NaN outside."""
    inside = LEAST_REFLECTANCE <= reflectance <= top
    at = math.sqrt(max(reflectance, 0.0) / top) * (nodes - 1) if inside else np.nan
    cell = min(int(at), nodes - 2) if inside else 0
    return cell, at - cell


@helper
def _plane(table, i, a, j, b, layer):  # type: ignore[no-untyped-def]
    """Bilinear interpolation in one plane of a table."""
    near = table[i, j, layer] * (1.0 - b) + table[i, j + 1, layer] * b
    far = table[i + 1, j, layer] * (1.0 - b) + table[i + 1, j + 1, layer] * b
    return near * (1.0 - a) + far * a


@gufunc(
    "void(float32[:], float32[:], float32[:], float64[:], float32[:,:,:,:], float32[:,:,:], float32[:], float32[:],"
    " float32[:])",
    "(n),(n),(n),(b),(k,i,j,l),(r,s,l)->(n),(n),(n)",
)
def _invert(one, two, three, tops, table, plane, value, spread, cost):  # type: ignore[no-untyped-def]
    for p in range(one.shape[0]):
        known = not math.isnan(three[p])
        rows, columns = (table.shape[1], table.shape[2]) if known else (plane.shape[0], plane.shape[1])
        i, a = _place(np.float64(one[p]), tops[0], rows)
        j, b = _place(np.float64(two[p]), tops[1], columns)
        k, c = _place(np.float64(three[p]), tops[2], table.shape[0]) if known else (0, 0.0)
        if math.isnan(a + b + c):
            value[p] = spread[p] = np.nan
            cost[p] = np.nan if math.isnan(one[p] + two[p]) else np.inf
            continue
        if known:
            low, high = table[k], table[k + 1]
            value[p] = _plane(low, i, a, j, b, 0) * (1.0 - c) + _plane(high, i, a, j, b, 0) * c
            spread[p] = _plane(low, i, a, j, b, 1) * (1.0 - c) + _plane(high, i, a, j, b, 1) * c
            cost[p] = _plane(low, i, a, j, b, 2) * (1.0 - c) + _plane(high, i, a, j, b, 2) * c
        else:
            value[p] = _plane(plane, i, a, j, b, 0)
            spread[p] = _plane(plane, i, a, j, b, 1)
            cost[p] = _plane(plane, i, a, j, b, 2)


def invert(one: F32, two: F32, three: F32, tops: Array, table: F32, plane: F32) -> tuple[F32, F32, F32]:
    """
    Return what a canopy is, from three of its reflectances or, where the third is missing, from two.

    Parameters
    ----------
    one, two, three : float32, any shape
        Reflectances; NaN is missing.
    tops : (3,)
        Reflectance of the last node of each axis; the first is zero, those between evenly spaced in the square root.
    table : (three, one, two, 3)
        Value, spread and cost at the nodes.
    plane : (one, two, 3)
        The same without the third reflectance.

    Returns
    -------
    value, spread, cost : float32
        NaN where `one` or `two` is; a cost of infinity outside the table.

    Examples
    --------
    >>> plane = np.zeros((2, 2, 3), np.float32)
    >>> plane[1, :, 0] = 4.0
    >>> red, nir = np.full(1, 0.25, np.float32), np.full(1, 0.5, np.float32)
    >>> invert(red, nir, red * np.nan, np.ones(3), np.stack([plane, plane]), plane)[0]
    array([2.], dtype=float32)
    """
    shape = np.broadcast_shapes(np.shape(one), np.shape(two), np.shape(three))
    bands = (np.broadcast_to(np.asarray(x, np.float32), shape).reshape(-1) for x in (one, two, three))
    out = _invert(*bands, np.asarray(tops, np.float64), np.asarray(table, np.float32), np.asarray(plane, np.float32))
    value, spread, cost = (x.reshape(shape) for x in out)
    return value, spread, cost


@gufunc(
    "void(float64[:], float32[:,:], float32[:,:], int64, float64, float64, float64, float64[:], float64[:],"
    " float64[:])",
    "(b),(b,d),(v,d),(),(),(),()->(v),(v),()",
)
def _best(seen, bands, truths, keep, least, part, far, middle, spread, cost):  # type: ignore[no-untyped-def]
    draws = bands.shape[1]
    misfit = np.zeros(draws, np.float32)
    for b in range(bands.shape[0]):
        weight = np.float32(1.0 / max(least, part * seen[b]))
        at = np.float32(seen[b])
        for d in range(draws):
            away = (bands[b, d] - at) * weight
            misfit[d] += away * away
    cost[0] = misfit.min() / bands.shape[0]
    if cost[0] > far:
        middle[:] = np.nan
        spread[:] = np.nan
        return
    limit = np.partition(misfit, keep - 1)[keep - 1]
    chosen = np.empty(keep, np.float64)
    for v in range(truths.shape[0]):
        count = 0
        for d in range(draws):
            if misfit[d] <= limit and count < keep:
                chosen[count] = truths[v, d]
                count += 1
        middle[v] = np.sort(chosen)[keep // 2]
        spread[v] = np.sort(np.abs(chosen - middle[v]))[int(0.6827 * keep)]


def best(
    seen: Array,
    bands: Array,
    truths: Array,
    share: float = 0.01,
    *,
    least: float = 0.005,
    part: float = 0.05,
    far: float = np.inf,
) -> tuple[Array, Array, Array]:
    """
    Return what the simulated canopies most like given reflectances are: the slow, exact inversion.

    The cost of a canopy is ``J = Σ ((ρ - ρ_simulated) / σ)²`` with ``σ = max(least, part · ρ)``.

    Parameters
    ----------
    seen : (..., band)
        Reflectances.
    bands : (band, draw)
        Reflectances of the simulated canopies.
    truths : (quantity, draw)
        What they are.
    share
        Part of the canopies that count as most alike.
    far
        Cost per band above which there is no answer (which takes ten times less than finding one).

    Returns
    -------
    middle, spread : (..., quantity)
        Median of the most alike, and the half width about it that holds 68.27 % of them.
    cost : (...)
        The least J per band.

    Examples
    --------
    >>> draws = np.linspace(0.0, 1.0, 1001, dtype=np.float32)[None]
    >>> middle, spread, cost = best(np.array([0.5]), draws, 10 * draws)
    >>> round(float(middle[0]), 2), round(float(spread[0]), 3), float(cost)
    (5.0, 0.03, 0.0)
    """
    keep = max(2, round(share * bands.shape[1]))
    return _best(np.asarray(seen, np.float64), bands, truths, keep, least, part, far)  # type: ignore[no-any-return]
