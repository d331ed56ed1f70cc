"""
Sensible heat by Monin-Obukhov similarity, between the limits of a dry and of a wet surface.

References
----------
Brutsaert 2005, Hydrology: an introduction, eqs 2.63 to 2.64 (stability); Su 2002, doi:10.5194/hess-6-85-2002 (limits).
"""

# numba infers the types of kernels, annotations would say nothing more; min and max would lose NaN
# ruff: noqa: ANN001, ANN201, ANN202, FURB136

from __future__ import annotations

from typing import Any

import numpy as np

from musyq_cube.kernels._exponential import exponential, logarithm
from musyq_cube.kernels._gufunc import gufunc, helper

KARMAN = 0.41
GRAVITY = 9.8
DRY_AIR = 287.04
"""Gas constant of dry air, J kg-1 K-1."""
DRY_HEAT = 1003.5
VAPOUR_HEAT = 1865.0
"""Specific heat at constant pressure of dry air and of water vapour, J kg-1 K-1."""
VAPOUR_RATIO = 0.622
TURNS = 50
CLOSE = 1e-3
"""The iteration ends when the Obukhov length changes less than this, of itself."""
STABLEST = 5.0
"""Height over Obukhov length beyond which similarity does not hold; more stable air is taken as this."""

_ROOT, _ROOT3 = 0.33 ** (1 / 3), 3.0**0.5
_SLOPE = _ROOT3 * 0.41 * _ROOT
_AT_ZERO = float(-np.log(0.33) + _SLOPE * np.pi / 6.0)


@helper
def _stable(zeta):  # type: ignore[no-untyped-def]
    """Stability correction of heat and of momentum where air is stable."""
    root = np.float32(0.4) * logarithm(np.float32(1.0 + zeta * zeta * np.sqrt(zeta)))
    return -6.1 * logarithm(np.float32(zeta + exponential(root)))


@helper
def psi_heat(zeta):  # type: ignore[no-untyped-def]
    """Stability correction of heat."""
    if zeta >= 0.0:
        return _stable(zeta)
    power = exponential(np.float32(0.78) * logarithm(np.float32(-zeta)))
    return (1.0 - 0.057) / 0.78 * logarithm(np.float32((0.33 + power) / 0.33))


@helper
def psi_momentum(zeta):  # type: ignore[no-untyped-def]
    """Stability correction of momentum."""
    if zeta >= 0.0:
        return _stable(zeta)
    y = -zeta
    third = exponential(logarithm(np.float32(y)) * np.float32(1 / 3))
    x = third / _ROOT
    y, third = (y, third) if y < 0.41**-3 else (0.41**-3, 1 / 0.41)
    shape = (1.0 + x) ** 2 / (1.0 - x + x * x)
    return (
        logarithm(np.float32(0.33 + y))
        - 3.0 * 0.41 * third
        + 0.5 * 0.41 * _ROOT * logarithm(np.float32(shape))
        + _SLOPE * np.arctan((2.0 * x - 1.0) / _ROOT3)
        + _AT_ZERO
    )


@helper
def _resistance(over_l, friction, zt, z0h):  # type: ignore[no-untyped-def]
    """Aerodynamic resistance to heat; `over_l` is one over the Obukhov length, `zt` above the displacement plane."""
    return (np.log(zt / z0h) - psi_heat(zt * over_l) + psi_heat(z0h * over_l)) / (KARMAN * friction)


@helper
def _iterate(u, zu, zt, z0m, z0h, ta, excess):  # type: ignore[no-untyped-def]
    """Return friction velocity, resistance and one over the Obukhov length; `excess` is Ts - Ta."""
    over_l, friction, resistance = 0.0, 0.0, 0.0
    top = STABLEST / max(zu, zt)
    for _ in range(TURNS):
        friction = KARMAN * u / (np.log(zu / z0m) - psi_momentum(zu * over_l) + psi_momentum(z0m * over_l))
        resistance = _resistance(over_l, friction, zt, z0h)
        after = -KARMAN * GRAVITY * (excess / resistance) / (friction**3 * ta)
        after = top if after > top else after
        if over_l > 0.0 and after > 0.0:  # stable air swings to and fro; half the way each time settles it
            after = 0.5 * (over_l + after)
        done = abs(after - over_l) <= CLOSE * abs(after)
        over_l = after
        if done:
            break
    friction = KARMAN * u / (np.log(zu / z0m) - psi_momentum(zu * over_l) + psi_momentum(z0m * over_l))
    return friction, _resistance(over_l, friction, zt, z0h), over_l


@helper
def _wet_limit(energy, friction, zt, z0h, ta, vapour, pressure, rho, heat):  # type: ignore[no-untyped-def]
    """Sensible heat of a surface that evaporates without restraint (Su 2002, eqs 16 to 18)."""
    c = ta - 273.15
    lam = 2.501e6 - 2361.0 * c
    saturation = 610.8 * np.exp(17.27 * c / (c + 237.3))
    slope = 4098.0 * saturation / (c + 237.3) ** 2
    gamma = heat / rho * pressure / (VAPOUR_RATIO * lam)
    over_l = -KARMAN * GRAVITY * 0.61 * energy / (lam * rho * friction**3)
    resistance = _resistance(over_l, friction, zt, z0h)
    lack = saturation - vapour
    lack = 0.0 if lack < 0.0 else lack
    return (energy - heat / resistance * lack / gamma) / (1.0 + slope / gamma)


_TEN = ", ".join(["float32"] * 10)


@gufunc(f"void({_TEN}, float32[:], float32[:], float32[:], float32[:])", f"{','.join(['()'] * 10)}->(),(),(),()")
def _sensible_heat(u, zu, zt, z0m, z0h, ts, ta, vapour, pressure, energy, h, friction, resistance, length):  # type: ignore[no-untyped-def]
    h[0] = friction[0] = resistance[0] = length[0] = np.float32(np.nan)
    if not (u > 0.0 and z0m > 0.0 and z0h > 0.0 and zu > 2.0 * z0m and zt > 2.0 * z0h and ts == ts and ta > 0.0):  # noqa: PLR0124
        return
    p, e = np.float64(pressure), np.float64(vapour)
    q = VAPOUR_RATIO * e / (p - (1.0 - VAPOUR_RATIO) * e)
    rho = p / (DRY_AIR * ta) * (1.0 - (1.0 - VAPOUR_RATIO) * e / p)
    heat = rho * ((1.0 - q) * DRY_HEAT + q * VAPOUR_HEAT)
    excess = np.float64(ts) - np.float64(ta)
    found, ra, over_l = _iterate(np.float64(u), zu, zt, z0m, z0h, ta, excess)
    flux = heat * excess / ra
    if energy > 0.0:
        least = _wet_limit(energy, found, zt, z0h, ta, e, p, rho, heat)
        least = energy if least > energy else least
        flux = energy if flux > energy else least if flux < least else flux
    h[0] = flux + 0.0 * energy  # unknown energy: no flux that could be kept within limits
    friction[0], resistance[0] = found, ra
    length[0] = 1.0 / over_l if over_l != 0.0 else np.inf


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
    return _sensible_heat(*given)
