"""
Directional reflectance: RossThick and LiSparse-Reciprocal kernels, their ratio as a factor.

References
----------
Lucht, Schaaf & Strahler 2000, doi:10.1109/36.841980, eqs 38-44 (h/b = 2, b/r = 1).
"""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from musyq_cube.kernels._gufunc import F32, LANES, gufunc, helper
from musyq_cube.kernels._lanes import HALF_PI, ONE, TWO, arccosine, cosine, half_azimuth_sine, load, sine, store
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import ArrayLike

    F64 = npt.NDArray[np.float64]
    U16 = npt.NDArray[np.uint16]

MAX_VZA = 60.0
"""Degrees from nadir beyond which the kernels are not used."""
MAX_SZA = 75.0
"""Degrees from zenith beyond which the kernels are not used."""

_VZA, _SZA = np.float32(MAX_VZA), np.float32(MAX_SZA)
_HIGH_VIEW, _LOW_SUN = np.uint16(QA.HIGH_VIEW), np.uint16(QA.LOW_SUN)
_BACKUP, _OUT_OF_RANGE = np.uint16(QA.BACKUP), np.uint16(QA.OUT_OF_RANGE)
_ZERO, _HALF = np.float32(0), np.float32(0.5)


def _ross_li(half_pi: Any, acos: Callable[[Any], Any]) -> tuple[Any, Any]:
    """
    Return the functions that give each kernel from cosine and sine of sun and view zenith and of half the azimuth.

    Half the azimuth keeps the distance of the shadows exact near the hot spot, where it is a small difference. With
    b/r = 1 the zenith angles of crowns are those of spheres, and both kernels share the phase angle.
    """

    @helper
    def volume(cs, ss, cv, sv, h):  # type: ignore[no-untyped-def]
        cos_phase = cs * cv + ss * sv * (ONE - TWO * h * h)
        cos_phase = cos_phase if cos_phase < ONE else ONE  # noqa: FURB136  # compiles to one vector instruction
        sin_phase = np.sqrt((ONE - cos_phase) * (ONE + cos_phase))
        return ((half_pi - acos(cos_phase)) * cos_phase + sin_phase) / (cs + cv) - half_pi * _HALF

    @helper
    def geometric(cs, ss, cv, sv, h):  # type: ignore[no-untyped-def]
        both = ONE / (cs * cv)
        tangents = (ss * sv) * both
        apart = (ss * cv - cs * sv) * both
        away2 = apart * apart + TWO * TWO * h * h * (tangents + tangents * tangents * (ONE - h * h))
        secants = (cs + cv) * both
        cos_t = TWO * np.sqrt(away2) / secants
        cos_t = cos_t if cos_t < ONE else ONE  # noqa: FURB136
        overlap = (acos(cos_t) - np.sqrt((ONE - cos_t) * (ONE + cos_t)) * cos_t) * secants * (_HALF / half_pi)
        return overlap - secants + _HALF * (both + ONE + tangents * (ONE - TWO * h * h))

    return volume, geometric


@helper
def _acos(x):  # type: ignore[no-untyped-def]
    return math.acos(x)


_volume, _geometric = _ross_li(HALF_PI, arccosine)
_volume_exact, _geometric_exact = _ross_li(math.pi / 2, _acos)


@helper
def _exact(sza, vza, raa):  # type: ignore[no-untyped-def]
    s, v, phi = math.radians(sza), math.radians(vza), math.radians(raa)
    cs, ss, cv, sv, h = math.cos(s), math.sin(s), math.cos(v), math.sin(v), math.sin(phi * 0.5)
    return _volume_exact(cs, ss, cv, sv, h), _geometric_exact(cs, ss, cv, sv, h)


@gufunc("void(float64[:], float64[:], float64[:], float64[:], float64[:])", "(p),(p),(p)->(p),(p)")
def _kernels(sza, vza, raa, volume, geometric):  # type: ignore[no-untyped-def]
    for p in range(sza.size):
        volume[p], geometric[p] = _exact(sza[p], vza[p], raa[p])


def kernels(sza: ArrayLike, vza: ArrayLike, raa: ArrayLike) -> tuple[F64, F64]:
    """
    RossThick (volume) and LiSparse-Reciprocal (geometric) kernels in double precision.

    Parameters
    ----------
    sza, vza : array_like
        Sun and view zenith, degrees, 0…90 (exclusive); broadcast together.
    raa : array_like
        Relative azimuth, degrees; 0 is the hot spot (sun behind the sensor).

    Returns
    -------
    k_vol, k_geo : ndarray of float64
        Without unit; both 0 at (0, 0, 0); NaN where an angle is.

    Notes
    -----
    Lucht et al. 2000, doi:10.1109/36.841980, eqs 38-44 with h/b = 2 and b/r = 1.

    Examples
    --------
    >>> k_vol, k_geo = kernels(60, 60, 0)
    >>> round(float(k_vol), 6), round(float(k_geo), 6)
    (0.785398, 2.0)
    """
    shape = np.broadcast_shapes(np.shape(sza), np.shape(vza), np.shape(raa))
    flat = [np.broadcast_to(np.asarray(a, np.float64), shape).reshape(-1) for a in (sza, vza, raa)]
    volume, geometric = _kernels(*flat)
    return volume.reshape(shape), geometric.reshape(shape)


@helper
def _refusal(s, v, target):  # type: ignore[no-untyped-def]
    """Quality bits of a geometry that the kernels do not reach; 0 for a missing angle, which has no reason."""
    low = _LOW_SUN if (s > _SZA) | (target > _SZA) else np.uint16(0)
    return low | (_HIGH_VIEW if v > _VZA else np.uint16(0))


@gufunc(
    "void(float32[:], float32[:], float32[:], float32[:], uint8[:], float32[:,:], uint16[:])",
    "(p),(p),(p),(p),(k)->(k,p),(p)",
)
def _geometry(sza, vza, raa, target, _four, out, bits):  # type: ignore[no-untyped-def]
    angles = np.zeros((4, LANES), np.float32)
    s, v, phi, n = angles[0], angles[1], angles[2], angles[3]
    k4 = np.zeros((4, LANES), np.float32)
    for p0 in range(0, sza.size, LANES):
        load(sza, p0, s)
        load(vza, p0, v)
        load(raa, p0, phi)
        load(target, p0, n)
        for k in range(LANES):
            cs, ss, cn, sn = cosine(s[k]), sine(s[k]), cosine(n[k]), sine(n[k])
            cv, sv, h = cosine(v[k]), sine(v[k]), half_azimuth_sine(phi[k])
            fits = (s[k] >= _ZERO) & (s[k] <= _SZA) & (v[k] >= _ZERO) & (v[k] <= _VZA) & (n[k] >= _ZERO)
            k4[0, k] = _volume(cs, ss, cv, sv, h) if fits & (n[k] <= _SZA) else np.float32(np.nan)
            k4[1, k] = _geometric(cs, ss, cv, sv, h)
            k4[2, k] = _volume(cn, sn, ONE, _ZERO, _ZERO)
            k4[3, k] = _geometric(cn, sn, ONE, _ZERO, _ZERO)
        for i in range(4):
            store(k4[i], p0, out[i])
        for k in range(min(LANES, sza.size - p0)):
            bits[p0 + k] = _refusal(s[k], v[k], n[k])


def geometry(sza: F32, vza: F32, raa: F32, target: F32) -> tuple[F32, U16]:
    """
    Kernels of the observed geometry and of the nadir view under the target sun, in float32.

    Parameters
    ----------
    sza, vza, raa, target : float32 (pixel)
        Degrees: sun zenith, view zenith, relative azimuth (0: hot spot), sun zenith to normalize to.

    Returns
    -------
    kernels : float32 (4, pixel)
        k_vol, k_geo of the observation, k_vol, k_geo of the target. The first is NaN where the geometry is refused.
    bits : uint16 (pixel)
        LOW_SUN (sun beyond 75°), HIGH_VIEW (view beyond 60°).
    """
    return _geometry(sza, vza, raa, target, np.zeros(4, np.uint8))  # type: ignore[no-any-return]


@helper
def _factor(f0, f1, f2, k, j):  # type: ignore[no-untyped-def]
    """R(target) / R(observed) in lane `j`; NaN where one of them is not positive."""
    seen = f0 + f1 * k[0, j] + f2 * k[1, j]
    wanted = f0 + f1 * k[2, j] + f2 * k[3, j]
    return wanted / seen if (seen > _ZERO) & (wanted > _ZERO) else np.float32(np.nan)


@gufunc("void(float32[:], float32[:,:], float32[:], float32[:], uint16[:])", "(p),(k,p),(c)->(p),(p)")
def _normalize(value, k4, fixed, out, bits):  # type: ignore[no-untyped-def]
    x = np.zeros(LANES, np.float32)
    k = np.zeros((4, LANES), np.float32)
    flags = np.zeros(LANES, np.uint16)
    f0, f1, f2 = fixed[0], fixed[1], fixed[2]
    for p0 in range(0, value.size, LANES):
        load(value, p0, x)
        for i in range(4):
            load(k4[i], p0, k[i])
        for j in range(LANES):
            made = x[j] * _factor(f0, f1, f2, k, j)
            flags[j] = _OUT_OF_RANGE if np.isnan(made) & ~np.isnan(x[j]) else np.uint16(0)
            x[j] = made
        store(x, p0, out)
        store(flags, p0, bits)


@gufunc(
    "void(float32[:], float32[:,:], float32[:], float32[:], float32[:], float32[:], float32[:], uint16[:])",
    "(p),(k,p),(p),(p),(p),(c)->(p),(p)",
)
def _normalize_own(value, k4, iso, vol, geo, fixed, out, bits):  # type: ignore[no-untyped-def]
    buf = np.zeros((4, LANES), np.float32)
    x, a, b, c = buf[0], buf[1], buf[2], buf[3]
    k = np.zeros((4, LANES), np.float32)
    flags = np.zeros(LANES, np.uint16)
    for p0 in range(0, value.size, LANES):
        load(value, p0, x)
        load(iso, p0, a)
        load(vol, p0, b)
        load(geo, p0, c)
        for i in range(4):
            load(k4[i], p0, k[i])
        for j in range(LANES):
            own = (abs(a[j]) < np.float32(np.inf)) & (abs(b[j] + c[j]) < np.float32(np.inf))
            f0, f1, f2 = (a[j], b[j], c[j]) if own else (fixed[0], fixed[1], fixed[2])
            made = x[j] * _factor(f0, f1, f2, k, j)
            flag = _OUT_OF_RANGE if np.isnan(made) else (np.uint16(0) if own else _BACKUP)
            flags[j] = np.uint16(0) if np.isnan(x[j]) else flag
            x[j] = made
        store(x, p0, out)
        store(flags, p0, bits)


def normalize(value: F32, kernels: F32, fixed: F32, own: tuple[F32, F32, F32] | None = None) -> tuple[F32, U16]:
    """
    Multiply by R(target) / R(observed), R = f_iso + f_vol k_vol + f_geo k_geo.

    Parameters
    ----------
    value : float32 (pixel)
        Surface reflectance; NaN is missing.
    kernels : float32 (4, pixel)
        From :func:`geometry`.
    fixed : float32 (3,)
        f_iso, f_vol, f_geo.
    own : three of float32 (pixel)
        The same of each pixel; where one is missing those of `fixed` are used.

    Returns
    -------
    value : float32 (pixel)
        NaN where it was, where the geometry is refused, or where R is not positive.
    bits : uint16 (pixel)
        For a value that is there: BACKUP where `fixed` stood in for its own, OUT_OF_RANGE where it could not be
        normalized.
    """
    if own is None:
        return _normalize(value, kernels, fixed)  # type: ignore[no-any-return]
    return _normalize_own(value, kernels, *own, fixed)  # type: ignore[no-any-return]
