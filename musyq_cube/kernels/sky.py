"""What the sky must be for what a sensor saw: states of haze and cloud, looked up and halved."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.kernels._gufunc import F32, gufunc, helper
from musyq_cube.kernels.radiation import CONTRAST, between

if TYPE_CHECKING:
    from musyq_cube.kernels._gufunc import Array

STATES = 8
"""States of clear sky in a look-up, and as many of cloud."""

_F = np.float32
_NEXT = np.uint64(1)
_SEA_LEVEL = _F(101_325.0)
_RAD = _F(math.pi / 180.0)
_DARKER = _F(0.03)
"""Reflectance that a clear pixel may lie below the clearest sky: surface and calibration are not known better."""
_BRIGHTER = _F(0.15)
"""Reflectance that a cloud may lie above the thickest one: cloud tops are not level."""
_LIFT = _F(0.02)
"""Reflectance that haze must add for it to be told from the surface."""


@helper
def _cell(table, at, strides, shares, q):  # type: ignore[no-untyped-def]
    """Value of a table for one state: linear in three angles."""
    i, j = strides
    fi, fj, fk = shares
    low = (table[at, q] + fi * (table[at + i, q] - table[at, q])) * (_F(1.0) - fj)
    low += (table[at + j, q] + fi * (table[at + i + j, q] - table[at + j, q])) * fj
    at += _NEXT
    high = (table[at, q] + fi * (table[at + i, q] - table[at, q])) * (_F(1.0) - fj)
    high += (table[at + j, q] + fi * (table[at + i + j, q] - table[at + j, q])) * fj
    return low + fk * (high - low)


@helper
def _seen(look, ground, tables, q):  # type: ignore[no-untyped-def]
    """Return the mean reflectance of both bands at the top, without gases and at sea level, for a state of the sky."""
    at, strides, shares, slant, i, j = look
    path, transmit, sphere = tables
    fi, fj, _ = shares
    q = np.uint64(q)
    down = transmit[i, q] + fi * (transmit[i + _NEXT, q] - transmit[i, q])
    up = transmit[j, q] + fj * (transmit[j + _NEXT, q] - transmit[j, q])
    return slant * _cell(path, at, strides, shares, q) + down * up * ground / (_F(1.0) - sphere[q] * ground)


@helper
def _outlook(s, v, r, slant, shape):  # type: ignore[no-untyped-def]
    """Return where a pixel is in the tables: cells, and the parts of the way to the next ones."""
    i, fi = between(s, _F(0.0), _F(5.0), shape[0])
    j, fj = between(v, _F(0.0), _F(5.0), shape[1])
    k, fk = between(r, _F(0.0), _F(10.0), shape[2])
    # unsigned: indices that cannot count from the end
    strides = (np.uint64(shape[1] * shape[2]), np.uint64(shape[2]))
    at = np.uint64((i * shape[1] + j) * shape[2] + k)
    return at, strides, (fi, fj, fk), slant, np.uint64(i), np.uint64(j)


@helper
def _place(value, low, high, look, ground, tables, first, steps):  # type: ignore[no-untyped-def]
    """Value of `steps` where the states from `first` pass a reflectance, which lies within those of the outer two."""
    a, b = 0, STATES - 1
    while b - a > 1:
        middle = (a + b) // 2
        there = _seen(look, ground, tables, first + middle)
        if there <= value:
            a, low = middle, there
        else:
            b, high = middle, there
    share = min(max((value - low) / max(high - low, _F(1e-6)), _F(0.0)), _F(1.0))
    return steps[a] + share * (steps[b] - steps[a])


@helper
def _decide(value, thin_air, usual, look, ground, tables, depths):  # type: ignore[no-untyped-def]
    """
    Optical depths of aerosol and of cloud under which a pixel looks as it does; NaN where none would, or any.

    `thin_air` is what a clear sky lacks of its reflectance at sea level.
    """
    nothing = _F(np.nan)
    clear, haze = _seen(look, ground, tables, 0), _seen(look, ground, tables, STATES - 1)
    full = value + thin_air
    if full < clear - _DARKER:
        return nothing, nothing
    if haze - clear >= _LIFT:
        if full <= haze:
            return _place(full, clear, haze, look, ground, tables, 0, depths[0]), _F(0.0)
    elif full <= clear + _DARKER:
        return usual, _F(0.0)
    thin, thick = _seen(look, ground, tables, STATES), _seen(look, ground, tables, 2 * STATES - 1)
    clear -= thin_air
    if value > thick + _BRIGHTER or thick - clear < CONTRAST:
        return nothing, nothing
    logs = depths[1]
    if value < thin:  # from none to the thinnest
        share = (value - clear) / max(thin - clear, _F(1e-6))
        return usual, min(max(share, _F(0.0)), _F(1.0)) * (math.exp(logs[0]) - _F(1.0))
    return usual, math.exp(_place(value, thin, thick, look, ground, tables, STATES, logs)) - _F(1.0)


@gufunc(
    "void(float32[:], float32[:], float32[:], float32[:], float32[:], float32[:], float32[:], float32[:], float32[:],"
    " float32[:], float32[:,:], int64[:], float32[:,:], float32[:], float32[:,:], float32[:,:], float32[:],"
    " float32[:], float32[:])",
    "(n),(n),(n),(n),(n),(n),(n),(n),(n),(n),(x,q),(d),(y,w),(w),(b,g),(b,h),(e)->(n),(n)",
)
def _sky(  # type: ignore[no-untyped-def]
    blue, red, sza, vza, raa, blue_ground, red_ground, ozone, pressure, usual,
    path, shape, transmit, sphere, gases, depths, limits, aod, cod
):  # fmt: skip
    tables = (path, transmit, sphere)
    lack = np.uint64(2 * STATES)  # the column of what thin air lacks
    for k in range(blue.shape[0]):
        aod[k] = cod[k] = _F(np.nan)
        s, v, r = sza[k], vza[k], abs(raa[k])
        r = _F(360.0) - r if r > _F(180.0) else r
        known = blue[k] + red[k] + s + v + r + blue_ground[k] + red_ground[k] + ozone[k] + pressure[k] + usual[k]
        inside = (s >= _F(0.0)) & (s <= limits[0]) & (v >= _F(0.0)) & (v <= limits[1]) & (r >= _F(0.0))
        inside &= (ozone[k] >= _F(0.0)) & (usual[k] >= _F(0.0))
        air = _F(1.0) - pressure[k] / _SEA_LEVEL
        if not ((not math.isnan(known)) & inside & (air > _F(-0.1)) & (air < _F(0.55))):
            continue
        down, up = _F(1.0) / math.cos(s * _RAD), _F(1.0) / math.cos(v * _RAD)
        mass = down + up
        value = _F(0.5) * (
            blue[k] * math.exp((gases[0, 0] + gases[0, 1] * ozone[k]) * mass)
            + red[k] * math.exp((gases[1, 0] + gases[1, 1] * ozone[k]) * mass)
        )
        ground = max(gases[0, 2] * blue_ground[k] + gases[1, 2] * red_ground[k], _F(0.0))
        ground *= _F(1.0) + limits[2] * air * mass
        look = _outlook(s, v, r, down * up, shape)
        thin_air = air * down * up * _cell(path, look[0], look[1], look[2], lack)
        aod[k], cod[k] = _decide(value, thin_air, usual[k], look, ground, tables, depths)


def sky(
    blue: F32,
    red: F32,
    sza: F32,
    vza: F32,
    raa: F32,
    blue_ground: F32,
    red_ground: F32,
    ozone: F32,
    pressure: F32,
    usual: F32,
    tables: tuple[Array, ...],
) -> tuple[F32, F32]:
    """
    Return the optical depths of aerosol and of cloud (0.55 µm) under which a pixel looks as it does in two bands.

    Parameters
    ----------
    blue, red : float32, any shape
        Reflectance at the top of the atmosphere; all arguments broadcast.
    sza, vza, raa
        Degrees; `raa` is 0 in the hot spot.
    blue_ground, red_ground
        Reflectance of the surface.
    ozone, pressure
        cm-atm and Pa.
    usual
        Optical depth of aerosol where haze and surface look alike, and under cloud.
    tables
        Of :func:`musyq_cube.products._sky.tables`.

    Returns
    -------
    aod, cod : float32
        `cod` is 0 under clear sky. NaN where an argument is missing or beyond the tables, where a pixel is darker than
        a clear sky or brighter than the thickest cloud makes it, and where cloud cannot be told from the surface.
    """
    columns = [
        np.asarray(v, np.float32)
        for v in (blue, red, sza, vza, raa, blue_ground, red_ground, ozone, pressure, usual)
    ]  # fmt: skip
    shape = np.broadcast_shapes(*(v.shape for v in columns))
    columns = [np.atleast_1d(v) for v in np.broadcast_arrays(*columns)]
    path, *others = tables
    aod, cod = _sky(*columns, path.reshape(-1, path.shape[-1]), np.array(path.shape, np.int64), *others)
    return aod.reshape(shape), cod.reshape(shape)
