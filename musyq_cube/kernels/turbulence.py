"""
Sensible heat by Monin-Obukhov similarity, between the limits of a dry and of a wet surface.

The Obukhov length L is a root of one equation: 1 / L = Rb F² / G, with Rb the Richardson number of the bulk, F and G
the profiles of wind and of temperature, logarithm less stability correction. Newton's steps find it, on log(-1 / L)
where air is unstable, on 1 / L where it is stable; their number is fixed, and pixels of a kind lie side by side, so
that the compiler makes vector instructions of them and a pixel's result does not depend on its neighbours.

References
----------
Brutsaert 2005, Hydrology: an introduction, eqs 2.63 to 2.64 (stability); Su 2002, doi:10.5194/hess-6-85-2002 (limits).
"""

# numba infers the types of kernels, annotations would say nothing more; min and max would lose NaN
# ruff: noqa: ANN001, ANN202, FURB136

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from musyq_cube.kernels._exponential import exponential, logarithm
from musyq_cube.kernels._gufunc import LANES, gufunc, helper

KARMAN = 0.41
GRAVITY = 9.8
DRY_AIR = 287.04
"""Gas constant of dry air, J kg-1 K-1."""
DRY_HEAT = 1003.5
VAPOUR_HEAT = 1865.0
"""Specific heat at constant pressure of dry air and of water vapour, J kg-1 K-1."""
VAPOUR_RATIO = 0.622
STABLEST = 5.0
"""Height over Obukhov length beyond which similarity does not hold; more stable air is taken as this."""
UNSTABLE_STEPS, STABLE_STEPS = 4, 7
"""Of Newton: four settle all unstable air to single precision, stable air is slower just before it stills."""

_F = np.float32
_ZERO, _ONE, _TWO, _THIRD, _INF = _F(0), _F(1), _F(2), _F(1 / 3), _F(np.inf)
_A, _B, _POWER = _F(0.33), _F(0.41), _F(0.78)
"""a, b and n of Brutsaert's functions of unstable air."""
_HEAT, _STABLE = _F((1.0 - 0.057) / 0.78), _F(6.1)
_MOST, _MOST_ROOT = _F(0.41**-3), _F(1 / 0.41)
"""Height over -L beyond which the first two terms of the momentum's correction stay, and its cube root."""
_ROOT = 0.33 ** (1 / 3)
_OVER_ROOT, _SHAPE, _TURN, _OVER_ROOT3 = _F(1 / _ROOT), _F(0.205 * _ROOT), _F(3**0.5 * 0.41 * _ROOT), _F(3**-0.5)
_FARTHEST = _F(1.5)
"""Of one step in the logarithm."""
_LEAST = _F(0.05)
"""Part of a neutral profile that no correction in between goes below."""
_FLATTEST = _F(0.02)
_SMALLEST = _F(1e-12)
_HALF_PI = _F(np.pi / 2)
# Abramowitz & Stegun 4.4.49: arctan of 0…1, error 2e-8
_T3, _T5, _T7, _T9, _T11, _T13, _T15, _T17 = (
    _F(v)
    for v in (
        -0.3333314528,
        0.1999355085,
        -0.1420889944,
        0.1065626393,
        -0.0752896400,
        0.0429096138,
        -0.0161657367,
        0.0028662257,
    )
)

_BLOCK = 1024
"""Pixels that are sorted by kind before they are computed."""
_ROWS = 25
(
    _WIND, _ZU, _ZT, _Z0M, _Z0H, _EXCESS, _TA, _VAPOUR, _PRESSURE, _ENERGY, _X, _PROFILE_U, _PROFILE_T, _LOG_U, _LOG_T,
    _BULK, _TOP, _ZU3, _Z0M3, _ZTN, _Z0HN, _FLUX, _FRICTION, _RESISTANCE, _LENGTH,
) = range(_ROWS)  # fmt: skip
"""Rows of the scratch: what is given, what is sought (_X) and the profiles there, neutral ones and powers, results."""

_inlined = numba.njit(nogil=True, error_model="numpy", inline="always")
"""Decorator of parts that are too long for the compiler to put them into a loop by itself."""


@_inlined
def _angle(y, x):  # type: ignore[no-untyped-def]
    """Angle between a vector and the x axis; y is not negative."""
    steep = x < y
    r = (x if steep else y) / (y if steep else x)
    q = r * r
    p = r * (_ONE + q * (_T3 + q * (_T5 + q * (_T7 + q * (_T9 + q * (_T11 + q * (_T13 + q * (_T15 + q * _T17))))))))
    other = _HALF_PI - p
    return other if steep else p


@_inlined
def _momentum(y1, t1, y0, t0):  # type: ignore[no-untyped-def]
    """Correction of momentum between two heights over -L, given with their cube roots; one logarithm and angle each."""
    c1, r1 = (y1 if y1 < _MOST else _MOST), (t1 if y1 < _MOST else _MOST_ROOT)
    c0, r0 = (y0 if y0 < _MOST else _MOST), (t0 if y0 < _MOST else _MOST_ROOT)
    x1, x0 = t1 * _OVER_ROOT, t0 * _OVER_ROOT
    s1 = (_ONE + x1) * (_ONE + x1) * (_ONE - x0 + x0 * x0)
    s0 = (_ONE + x0) * (_ONE + x0) * (_ONE - x1 + x1 * x1)
    p1, p0 = (_TWO * x1 - _ONE) * _OVER_ROOT3, (_TWO * x0 - _ONE) * _OVER_ROOT3
    return (
        logarithm((_A + c1) / (_A + c0))
        - _F(3) * _B * (r1 - r0)
        + _SHAPE * logarithm(s1 / s0)
        + _TURN * _angle(p1 - p0, _ONE + p1 * p0)
    )


@_inlined
def _momentum_slope(y, t):  # type: ignore[no-untyped-def]
    """Y dψ/dy of momentum; `t` is the cube root of `y`."""
    first = y / (_A + y) - _B * t
    first = first if y < _MOST else _ZERO
    return _B * t * _A / (_A + y) + first


@_inlined
def _unstable(s, lm, lh, bulk, m1, m0, h1, h0, zu, z0m):  # type: ignore[no-untyped-def]
    """
    Make one step on s = log(-1 / L).

    `lm`, `lh`: neutral profiles; `bulk`: log of the Richardson number; `m1`, `m0`: cube roots of zu, z0m; `h1`, `h0`:
    zt, z0h to the power of 0.78. Returns s, and both profiles carried along to first order.
    """
    t, q = exponential(s * _THIRD), exponential(s * _POWER)
    y = t * t * t
    y1, t1, y0, t0 = y * zu, t * m1, y * z0m, t * m0
    f = lm - _momentum(y1, t1, y0, t0)
    f = _LEAST * lm if f < _LEAST * lm else f
    q1, q0 = q * h1, q * h0
    g = lh - _HEAT * logarithm((_A + q1) / (_A + q0))
    g = _LEAST * lh if g < _LEAST * lh else g
    df = _momentum_slope(y0, t0) - _momentum_slope(y1, t1)
    dg = _HEAT * _POWER * (q0 / (_A + q0) - q1 / (_A + q1))
    free = _ONE - _TWO * df / f + dg / g
    free = _FLATTEST if free < _FLATTEST else free
    step = (bulk + logarithm(f * f / g) - s) / free
    step = _FARTHEST if step > _FARTHEST else step
    step = -_FARTHEST if step < -_FARTHEST else step
    return s + step, f + df * step, g + dg * step


@_inlined
def _stable_form(z):  # type: ignore[no-untyped-def]
    """Z + (1 + z^2.5)^0.4, whose logarithm corrects stable air, and z times the derivative of that logarithm."""
    w = z * np.sqrt(z)
    b = _ONE + w * z
    r = exponential(_F(0.4) * logarithm(b))
    a = z + r
    return a, z * (_ONE + r / b * w) / a


@_inlined
def _stable(x, lm, lh, bulk, zu, z0m, zt, z0h, top):  # type: ignore[no-untyped-def]
    """Make one step on x = 1 / L, kept below the most stable; returns x and both profiles, carried along."""
    a1, d1 = _stable_form(zu * x)
    a0, d0 = _stable_form(z0m * x)
    b1, e1 = _stable_form(zt * x)
    b0, e0 = _stable_form(z0h * x)
    f, g = lm + _STABLE * logarithm(a1 / a0), lh + _STABLE * logarithm(b1 / b0)
    df, dg = _STABLE * (d1 - d0), _STABLE * (e1 - e0)
    after = bulk * f * f / g
    free = _ONE - (after / x) * (_TWO * df / f - dg / g)
    new = x + (after - x) / (free if free > _FLATTEST else _FLATTEST)
    new = top if new > top else new
    new = new if new > _SMALLEST else _SMALLEST
    step = (new - x) / x
    return new, f + df * step, g + dg * step


@helper
def _solve_unstable(a):  # type: ignore[no-untyped-def]
    """Find one over the Obukhov length, and the profiles there, of lanes warmer than the air."""
    for k in range(LANES):
        u1, u0, t1, t0 = logarithm(a[_ZU, k]), logarithm(a[_Z0M, k]), logarithm(a[_ZT, k]), logarithm(a[_Z0H, k])
        a[_LOG_U, k], a[_LOG_T, k] = u1 - u0, t1 - t0
        a[_ZU3, k], a[_Z0M3, k] = exponential(u1 * _THIRD), exponential(u0 * _THIRD)
        a[_ZTN, k], a[_Z0HN, k] = exponential(t1 * _POWER), exponential(t0 * _POWER)
        a[_BULK, k] = logarithm(_F(GRAVITY) * a[_EXCESS, k] / (a[_WIND, k] * a[_WIND, k] * a[_TA, k]))
        a[_X, k] = a[_BULK, k] + logarithm(a[_LOG_U, k] * a[_LOG_U, k] / a[_LOG_T, k])
    for _ in range(UNSTABLE_STEPS):
        for k in range(LANES):
            a[_X, k], a[_PROFILE_U, k], a[_PROFILE_T, k] = _unstable(
                a[_X, k], a[_LOG_U, k], a[_LOG_T, k], a[_BULK, k], a[_ZU3, k], a[_Z0M3, k], a[_ZTN, k], a[_Z0HN, k],
                a[_ZU, k], a[_Z0M, k],
            )  # fmt: skip
    for k in range(LANES):
        a[_X, k] = -exponential(a[_X, k])


@helper
def _solve_stable(a):  # type: ignore[no-untyped-def]
    """Find one over the Obukhov length, and the profiles there, of lanes not warmer than the air."""
    for k in range(LANES):
        a[_LOG_U, k], a[_LOG_T, k] = logarithm(a[_ZU, k] / a[_Z0M, k]), logarithm(a[_ZT, k] / a[_Z0H, k])
        a[_BULK, k] = -_F(GRAVITY) * a[_EXCESS, k] / (a[_WIND, k] * a[_WIND, k] * a[_TA, k])
        a[_TOP, k] = _F(STABLEST) / (a[_ZU, k] if a[_ZU, k] > a[_ZT, k] else a[_ZT, k])
        x = a[_BULK, k] * a[_LOG_U, k] * a[_LOG_U, k] / a[_LOG_T, k]
        x = a[_TOP, k] if x > a[_TOP, k] else x
        a[_X, k] = x if x > _SMALLEST else _SMALLEST
    for _ in range(STABLE_STEPS):
        for k in range(LANES):
            a[_X, k], a[_PROFILE_U, k], a[_PROFILE_T, k] = _stable(
                a[_X, k], a[_LOG_U, k], a[_LOG_T, k], a[_BULK, k], a[_ZU, k], a[_Z0M, k], a[_ZT, k], a[_Z0H, k],
                a[_TOP, k],
            )  # fmt: skip


@_inlined
def _wet_limit(energy, friction, neutral, zt, z0h, ta, vapour, pressure, rho, heat):  # type: ignore[no-untyped-def]
    """Sensible heat of a surface that evaporates without restraint (Su 2002, eqs 16 to 18)."""
    c = ta - _F(273.15)
    lam = _F(2.501e6) - _F(2361) * c
    saturation = _F(610.8) * exponential(_F(17.27) * c / (c + _F(237.3)))
    slope = _F(4098) * saturation / ((c + _F(237.3)) * (c + _F(237.3)))
    gamma = heat / rho * pressure / (_F(VAPOUR_RATIO) * lam)
    x = _F(KARMAN * GRAVITY * 0.61) * energy / (lam * rho * friction * friction * friction)
    s = logarithm(x if x > _SMALLEST else _SMALLEST)
    high, low = exponential(_POWER * (s + logarithm(zt))), exponential(_POWER * (s + logarithm(z0h)))
    resistance = (neutral - _HEAT * logarithm((_A + high) / (_A + low))) / (_F(KARMAN) * friction)
    lack = saturation - vapour
    lack = _ZERO if lack < _ZERO else lack
    return (energy - heat / resistance * lack / gamma) / (_ONE + slope / gamma)


@helper
def _fluxes(a):  # type: ignore[no-untyped-def]
    """Put the flux between its limits, friction velocity, resistance and Obukhov length into their rows."""
    for k in range(LANES):
        e, p, energy = a[_VAPOUR, k], a[_PRESSURE, k], a[_ENERGY, k]
        q = _F(VAPOUR_RATIO) * e / (p - _F(1 - VAPOUR_RATIO) * e)
        rho = p / (_F(DRY_AIR) * a[_TA, k]) * (_ONE - _F(1 - VAPOUR_RATIO) * e / p)
        heat = rho * ((_ONE - q) * _F(DRY_HEAT) + q * _F(VAPOUR_HEAT))
        friction = _F(KARMAN) * a[_WIND, k] / a[_PROFILE_U, k]
        resistance = a[_PROFILE_T, k] / (_F(KARMAN) * friction)
        flux = heat * a[_EXCESS, k] / resistance
        # all is computed, then chosen from: a branch would keep the loop from vector instructions
        least = _wet_limit(energy, friction, a[_LOG_T, k], a[_ZT, k], a[_Z0H, k], a[_TA, k], e, p, rho, heat)
        least = energy if least > energy else least
        kept = least if flux < least else flux
        kept = energy if flux > energy else kept
        flux = kept if energy > _ZERO else flux
        a[_FLUX, k] = flux + _ZERO * energy  # unknown energy: no flux that could be kept within limits
        a[_FRICTION, k], a[_RESISTANCE, k] = friction, resistance
        length = _ONE / a[_X, k]
        a[_LENGTH, k] = length if a[_EXCESS, k] != _ZERO else _INF


@_inlined
def _fits(u, zu, zt, z0m, z0h, ts, ta):  # type: ignore[no-untyped-def]
    """Tell whether a profile fits between roughness and heights: False where anything is NaN."""
    lengths = (z0m > _ZERO) & (z0h > _ZERO) & (zu > _TWO * z0m) & (zt > _TWO * z0h)
    return lengths & (u > _ZERO) & (ta > _ZERO) & (ts == ts)  # noqa: PLR0124


@gufunc(f"void({', '.join(['float32[:]'] * 14)})", f"{','.join(['(p)'] * 10)}->(p),(p),(p),(p)")
def _sensible_heat(u, zu, zt, z0m, z0h, ts, ta, vapour, pressure, energy, h, friction, resistance, length):  # type: ignore[no-untyped-def]
    where, count = np.empty((2, _BLOCK), np.int64), np.zeros(2, np.int64)
    a = np.empty((_ROWS, LANES), np.float32)
    for start in range(0, h.size, _BLOCK):
        count[:] = 0
        for p in range(start, min(start + _BLOCK, h.size)):
            if _fits(u[p], zu[p], zt[p], z0m[p], z0h[p], ts[p], ta[p]):
                stable = 0 if ts[p] > ta[p] else 1
                where[stable, count[stable]] = p
                count[stable] += 1
            else:
                h[p] = friction[p] = resistance[p] = length[p] = np.float32(np.nan)
        for stable in range(2):
            for first in range(0, count[stable], LANES):
                lanes = min(LANES, count[stable] - first)
                for k in range(LANES):
                    p = where[stable, first + (k if k < lanes else 0)]  # lanes left over repeat the first
                    a[_WIND, k], a[_ZU, k], a[_ZT, k], a[_Z0M, k], a[_Z0H, k] = u[p], zu[p], zt[p], z0m[p], z0h[p]
                    a[_EXCESS, k], a[_TA, k], a[_VAPOUR, k] = ts[p] - ta[p], ta[p], vapour[p]
                    a[_PRESSURE, k], a[_ENERGY, k] = pressure[p], energy[p]
                if stable:
                    _solve_stable(a)
                else:
                    _solve_unstable(a)
                _fluxes(a)
                for k in range(lanes):
                    p = where[stable, first + k]
                    h[p], friction[p] = a[_FLUX, k], a[_FRICTION, k]
                    resistance[p], length[p] = a[_RESISTANCE, k], a[_LENGTH, k]


def sensible_heat(*given: Any) -> Any:
    """
    Return sensible heat (W m-2), friction velocity, resistance and Obukhov length.

    Parameters
    ----------
    given : float32, broadcast together
        Wind speed, its height and that of the air temperature above the displacement plane, z0m, z0h, surface and air
        temperature, vapour pressure, air pressure, and net radiation less soil heat: where that is positive, the flux
        is kept between the wet and the dry limit; where it is not, there are no limits.

    Returns
    -------
    four float32
        NaN where air is calm, no profile fits above the roughness, or something is missing.
    """
    whole = np.broadcast_arrays(*(np.asarray(v, np.float32) for v in given))
    return _sensible_heat(*whole) if whole[0].ndim else tuple(v[0] for v in _sensible_heat(*(v[None] for v in whole)))
