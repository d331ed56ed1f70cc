"""Terrain: slope and aspect of an elevation model, the sun's incidence on it, and what it does to reflectance."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import numpy as np

from musyq_cube.kernels._gufunc import F32, LANES, gufunc
from musyq_cube.kernels._lanes import ONE, TWO, cosine, half_azimuth_sine, load, sine, store

_QUARTER, _ZERO, _NAN = np.float32(90), np.float32(0), np.float32(np.nan)


def slope_aspect(dem: F32, dx: F32 | float, dy: float) -> tuple[F32, F32]:
    """
    Slope and aspect by Horn's weighted differences over 3 × 3 pixels.

    Parameters
    ----------
    dem : float32 (y + 2, x + 2)
        Elevation, metres, north up, with one pixel more on each side; NaN is missing.
    dx : float or float32 (y, 1)
        Width of a pixel, metres.
    dy
        Height of a pixel, metres.

    Returns
    -------
    slope : float32 (y, x)
        Degrees from the horizontal, 0…90; NaN next to missing elevations.
    aspect : float32 (y, x)
        Degrees clockwise from north, of the downhill direction, 0…360; 0 where flat.

    Notes
    -----
    Horn 1981, doi:10.1109/PROC.1981.11918: weights 1, 2, 1 across the direction of the difference.

    Examples
    --------
    >>> rising_east = np.tile(np.arange(3, dtype=np.float32) * 30, (3, 1))
    >>> slope, aspect = slope_aspect(rising_east, 30.0, 30.0)
    >>> float(slope[0, 0]), float(aspect[0, 0])
    (45.0, 270.0)
    """
    z = np.asarray(dem, np.float32)
    two, eight = np.float32(2), np.float32(8)
    across = z[:-2] + two * z[1:-1] + z[2:]
    along = z[:, :-2] + two * z[:, 1:-1] + z[:, 2:]
    east = (across[:, 2:] - across[:, :-2]) / (eight * np.asarray(dx, np.float32))
    north = (along[:-2] - along[2:]) / np.float32(8 * dy)
    slope = np.degrees(np.arctan(np.hypot(east, north)))
    aspect = np.degrees(np.arctan2(-east, -north)) % np.float32(360)
    return slope, np.where(slope > 0, aspect, slope)


@gufunc("void(float32[:], float32[:], float32[:], float32[:], float32[:], float32[:])", "(p),(p),(p),(p)->(p),(p)")
def _incidence(sza, saa, slope, aspect, cos_i, level):  # type: ignore[no-untyped-def]
    buf = np.zeros((6, LANES), np.float32)
    s, a, b, c, i, e = buf[0], buf[1], buf[2], buf[3], buf[4], buf[5]
    for p0 in range(0, sza.size, LANES):
        load(sza, p0, s)
        load(saa, p0, a)
        load(slope, p0, b)
        load(aspect, p0, c)
        for k in range(LANES):
            h = half_azimuth_sine(a[k] - c[k])
            up = cosine(s[k]) * cosine(b[k])
            inside = (s[k] >= _ZERO) & (s[k] <= _QUARTER) & (b[k] >= _ZERO) & (b[k] <= _QUARTER)
            i[k] = up + sine(s[k]) * sine(b[k]) * (ONE - TWO * h * h) if inside else _NAN
            e[k] = up
        store(i, p0, cos_i)
        store(e, p0, level)


def incidence(sza: F32, saa: F32, slope: F32, aspect: F32) -> tuple[F32, F32]:
    """
    Cosine of the sun's incidence on a slope, and the product of the cosines of sun zenith and slope.

    Parameters
    ----------
    sza, saa, slope, aspect : float32 (pixel)
        Degrees; azimuths clockwise from north, any turn.

    Returns
    -------
    cos_i, level : float32 (pixel)
        cos θ cos β + sin θ sin β cos(φ - A), negative where the slope is in its own shade, NaN where an angle is
        missing or not within 0…90; cos θ cos β.
    """
    return _incidence(sza, saa, slope, aspect)  # type: ignore[no-any-return]


@gufunc("void(float32[:], float32[:], float32[:], float32, float32, float32[:])", "(p),(p),(p),(),()->(p)")
def _level(value, cos_i, wanted, c, shade, out):  # type: ignore[no-untyped-def]
    buf = np.zeros((4, LANES), np.float32)
    x, i, w, r = buf[0], buf[1], buf[2], buf[3]
    for p0 in range(0, value.size, LANES):
        load(value, p0, x)
        load(cos_i, p0, i)
        load(wanted, p0, w)
        for k in range(LANES):
            lit = x[k] * ((w[k] + c) / (i[k] + c)) if i[k] > shade else _NAN
            r[k] = lit if i[k] == i[k] else x[k]  # NaN is not itself
        store(r, p0, out)


def level(value: F32, cos_i: F32, wanted: F32, c: float, shade: float) -> F32:
    """
    Reflectance as of level ground: ρ (wanted + c) / (cos i + c).

    Parameters
    ----------
    value, cos_i, wanted : float32 (pixel)
        Reflectance; cosine of incidence; what the cosine would be without terrain.
    c
        Offset that stands for diffuse light, ≥ 0.
    shade
        Cosine of incidence at and below which there is no direct light: NaN.

    Returns
    -------
    float32 (pixel)
        `value` itself where `cos_i` is missing.
    """
    return _level(value, cos_i, wanted, np.float32(c), np.float32(shade))  # type: ignore[no-any-return]
