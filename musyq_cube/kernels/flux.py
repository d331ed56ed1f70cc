"""
Latent heat: Priestley-Taylor with eco-physiological limits (PT-JPL), and Penman-Monteith of three sources (MOD16).

References
----------
Fisher, Tu & Baldocchi 2008, doi:10.1016/j.rse.2007.06.025; Mu, Zhao & Running 2011, doi:10.1016/j.rse.2011.02.019.
"""

# numba infers the types of kernels, annotations would say nothing more; min and max would lose NaN
# ruff: noqa: ANN001, ANN202, FURB136

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from musyq_cube.kernels._exponential import exponential, logarithm
from musyq_cube.kernels._gufunc import LANES, gufunc, helper
from musyq_cube.kernels._lanes import load, store

HEAT_CAPACITY = 1013.0
"""Specific heat of moist air at constant pressure, J kg-1 K-1 (FAO-56, MOD16)."""
VAPOUR_RATIO = 0.622
"""Molar mass of water vapour over that of dry air."""
PRIESTLEY_TAYLOR = 1.26
EXTINCTION = 0.6
"""Of net radiation in the canopy, per unit of leaf area index."""
LEAST_THROUGH = float(np.exp(-EXTINCTION * 10.0))
"""Of net radiation that reaches the soil: a leaf area index above 10 is not counted."""


_inlined = numba.njit(nogil=True, error_model="numpy", inline="always")
"""Decorator of parts that are too long for the compiler to put them into a loop by itself."""


def _pt_jpl(real: Any, exp: Any, log: Any) -> Any:
    """Return the function that makes the parts of PT-JPL of one pixel in a precision."""

    @_inlined
    def parts(rn, ndvi, ts, albedo, ta, rh, pressure, to, fapar_max, floor, skin):  # type: ignore[no-untyped-def]
        zero, one = real(0), real(1)
        t, s = ta - real(273.15), ts - real(273.15)
        rh = zero if rh < zero else rh
        rh = one if rh > one else rh
        growth = exp(real(17.27) * t / (t + real(237.7)))
        saturation = real(611) * growth
        saturation = floor if saturation < floor else saturation
        vapour = rh * saturation
        if skin:
            saturation = real(611) * exp(real(17.27) * s / (s + real(237.7)))
        lack = saturation - vapour  # pressure deficit of the air beside the surface
        # all is computed, then chosen from: a branch would keep the loop from vector instructions
        lack = zero if lack < zero else lack
        moist = exp(lack * real(1e-3) * log(vapour / saturation))
        moist = zero if vapour == zero else moist  # the logarithm of 0 is cut off in single precision
        wet = rh * rh * rh * rh
        wet = wet if rh >= real(0.7) else real(1e-4)

        fapar = real(1.3632) * (real(0.45) * ndvi + real(0.132)) - real(0.048)
        fapar = one if fapar > one else fapar
        intercepted = ndvi - real(0.05)
        intercepted = zero if intercepted < zero else intercepted
        green = fapar / intercepted
        green = one if green > one else green
        green = zero if intercepted == zero else green
        turgid = fapar / fapar_max
        turgid = one if turgid > one else turgid
        best = to - real(273.15)
        best = t if t > best else best
        best = real(0.1) if best < real(0.1) else best
        cold = (t - best) / best
        warm = exp(-cold * cold)

        slope = real(4098 * 610.8) * growth / ((t + real(237.3)) * (t + real(237.3)))
        gamma = real(HEAT_CAPACITY / VAPOUR_RATIO) * pressure / (real(2.501e6) - real(2361) * t)
        rate = real(PRIESTLEY_TAYLOR) * slope / (slope + gamma)
        ndvi2 = ndvi * ndvi
        g = rn * s * (real(0.0038) + real(0.0074) * albedo) * (one - real(0.98) * ndvi2 * ndvi2)
        most = real(0.35) * rn
        g = zero if g < zero else g
        g = most if g > most else g
        # leaf area is -2 ln(1 - intercepted), so exp(-k LAI) is a power
        through = exp(real(2 * EXTINCTION) * log(one - intercepted))
        rn_soil = rn * (real(LEAST_THROUGH) if through < real(LEAST_THROUGH) else through)
        rn_canopy = rn - rn_soil
        le_soil = (wet + moist * (one - wet)) * rate * (rn_soil - g)
        le_soil = zero if le_soil < zero else le_soil
        le_canopy = (one - wet) * green * warm * turgid * rate * rn_canopy
        le_wet = wet * rate * rn_canopy
        potential = rate * (rn - g)
        le = le_soil + le_canopy + le_wet
        le = potential if le > potential else le
        return g, rn_soil, le_soil, rn_canopy, potential, le_canopy, le_wet, le

    return parts


@helper
def _exp(x):  # type: ignore[no-untyped-def]
    return np.exp(x)


@helper
def _log(x):  # type: ignore[no-untyped-def]
    return np.log(x)


_single, _double = _pt_jpl(np.float32, exponential, logarithm), _pt_jpl(np.float64, _exp, _log)
_NINE = ", ".join(["float32[:]"] * 9)


@gufunc(f"void({_NINE}, float32[:])", f"{','.join(['(p)'] * 9)}->(p)")
def _latent_heat(rn, ndvi, ts, albedo, ta, rh, pressure, to, fapar_max, le):  # type: ignore[no-untyped-def]
    zero, nothing = np.float32(0), np.float32(np.nan)
    a = np.empty((9, LANES), np.float32)
    out = np.empty(LANES, np.float32)
    for p0 in range(0, le.size, LANES):
        load(rn, p0, a[0])
        load(ndvi, p0, a[1])
        load(ts, p0, a[2])
        load(albedo, p0, a[3])
        load(ta, p0, a[4])
        load(rh, p0, a[5])
        load(pressure, p0, a[6])
        load(to, p0, a[7])
        load(fapar_max, p0, a[8])
        for k in range(LANES):
            found = _single(
                a[0, k], a[1, k], a[2, k], a[3, k], a[4, k], a[5, k], a[6, k], a[7, k], a[8, k], zero, True
            )[7]  # fmt: skip
            out[k] = found if a[0, k] >= zero and a[1, k] >= zero else nothing
        store(out, p0, le)


def pt_jpl(*given: Any) -> Any:
    """
    Return latent heat, W m-2: see :func:`musyq_cube.products.latent_heat.pt_jpl`.

    Parameters
    ----------
    given : float32, broadcast together
        rn, ndvi, ts, albedo, ta, rh, pressure, to, fapar_max.
    """
    whole = np.broadcast_arrays(*(np.asarray(v, np.float32) for v in given))
    return _latent_heat(*whole) if whole[0].ndim else _latent_heat(*(v[None] for v in whole))[0]


_TEN = ", ".join(["float64"] * 10)
_EIGHT = ", ".join(["float64[:]"] * 8)


@gufunc(f"void({_TEN}, boolean, {_EIGHT})", f"{','.join(['()'] * 11)}->{','.join(['()'] * 8)}")
def _pt_jpl_parts(  # type: ignore[no-untyped-def]
    rn, ndvi, ts, albedo, ta, rh, pressure, to, fapar_max, floor, skin, g, rns, les, rnc, pet, lec, lei, le
):
    found = _double(rn, ndvi, ts, albedo, ta, rh, pressure, to, fapar_max, floor, skin)
    g[0], rns[0], les[0], rnc[0], pet[0], lec[0], lei[0], le[0] = found


def pt_jpl_parts(*given: Any) -> Any:
    """
    Return every part of PT-JPL in double precision, in the order of :data:`PARTS`.

    Parameters
    ----------
    given : float64, broadcast together
        As for `pt_jpl`, then the least saturation vapour pressure of the air (Pa), and whether the moisture of the soil
        is told at the temperature of the surface (bool).
    """
    return _pt_jpl_parts(*given)


PARTS = ("g", "rn_soil", "le_soil", "rn_canopy", "potential", "le_canopy", "le_interception", "le")
"""What `pt_jpl_parts` returns: soil heat flux, net radiation and latent heat by part, W m-2."""

SIGMA = 5.67e-8
"""Stefan-Boltzmann constant as MOD16 has it."""
SOIL_BETA = 250.0
"""Pa: how fast evaporation of the soil falls with the vapour pressure deficit (MOD16)."""
CLOSED, OPEN, VPD_OPEN, VPD_CLOSE, SENSIBLE, VAPOUR, CUTICLE, STOMATA, RBL_MIN, RBL_MAX = range(10)
"""Columns of the parameters of MOD16, in the order of its table."""


_F = np.float32
_ZERO, _ONE, _KELVIN = _F(0), _F(1), _F(273.15)


@_inlined
def _ramp(x, low, high):  # type: ignore[no-untyped-def]
    """Rise from 0 at `low` to 1 at `high`."""
    y = (x - low) / (high - low)
    y = _ZERO if y < _ZERO else y
    return _ONE if y > _ONE else y


@_inlined
def _power(base, exponent):  # type: ignore[no-untyped-def]
    return exponential(exponent * logarithm(base))


@_inlined
def _penman(slope, energy, drying, gamma, ratio):  # type: ignore[no-untyped-def]
    """Penman-Monteith: `drying` is ρ cp VPD / r_a, `ratio` that of surface and aerodynamic resistance."""
    return (slope * energy + drying) / (slope + gamma * ratio)


@_inlined
def _air(t, vpd, pressure):  # type: ignore[no-untyped-def]
    """Slope of saturation, γ, relative humidity, wet part, ρ cp VPD, resistance to radiation, thinness of the air."""
    c = t - _KELVIN
    saturation = _F(610.8) * exponential(_F(17.27) * c / (c + _F(237.3)))
    slope = _F(17.38 * 239.0) * saturation / ((_F(239) + c) * (_F(239) + c))
    gamma = _F(HEAT_CAPACITY) * pressure / ((_F(2.501e6) - _F(2361) * c) * _F(VAPOUR_RATIO))
    rh = (saturation - vpd) / saturation
    rh = _ZERO if rh < _ZERO else rh
    wet = rh * rh * rh * rh
    wet = _ZERO if rh < _F(0.7) else wet
    heat = (_F(0.00348444) * pressure - rh * (_F(0.252) * c - _F(2.0582))) / t * _F(HEAT_CAPACITY)
    radiative = heat / (_F(4 * SIGMA) * t * t * t)
    thin = _F(101300) / pressure * _power(t / _F(293.15), _F(1.75))
    return slope, gamma, rh, wet, heat * vpd, radiative, thin


@_inlined
def _wet_and_soil(air, rn, rn_soil, vpd, fpar, lai, sensible, vapour, soil_resistance):  # type: ignore[no-untyped-def]
    """Latent heat of wet canopy and soil over one half of the day."""
    slope, gamma, rh, wet, drying, radiative, thin = air
    film = lai * wet  # where there is none, resistance is infinite and evaporation 0
    around = _ONE / (sensible * film + _ONE / radiative)
    canopy = wet * _penman(slope, fpar * rn, fpar * drying / around, gamma, _ONE / (vapour * film * around))
    total = soil_resistance / thin
    around = total * radiative / (total + radiative)
    soil = _penman(slope, rn_soil, (_ONE - fpar) * drying / around, gamma, total / around)
    return canopy + soil * (wet + (_ONE - wet) * _power(rh, vpd / _F(SOIL_BETA)))


@_inlined
def _transpiration(air, rn, fpar, lai, stomata, sensible, cuticle):  # type: ignore[no-untyped-def]
    """Latent heat of the dry canopy by day; `stomata` is their conductance, and at night there is none."""
    slope, gamma, _, wet, drying, radiative, thin = air
    around = _ONE / (sensible + _ONE / radiative)
    boundary = sensible * lai * (_ONE - wet)
    inner = (stomata + cuticle) / thin
    ratio = _ONE + (boundary + inner) / (boundary * inner * around)
    leaves = (_ONE - wet) * _penman(slope, fpar * rn, fpar * drying / around, gamma, ratio)
    return leaves if stomata > _ZERO else _ZERO


@_inlined
def _soil_heat(rn, t):  # type: ignore[no-untyped-def]
    g = _F(4.73) * (t - _KELVIN) - _F(20.87)
    most = _F(0.39) * rn
    return most if abs(g) > abs(most) else g


@_inlined
def _soil_energy(rn, rn_night, t_day, t_night, t_year, closed):  # type: ignore[no-untyped-def]
    """Return what net radiation leaves after the soil is heated, by day and by night; without branches."""
    mean = t_year - _KELVIN
    warms = (closed < mean) & (mean < _F(25)) & (t_day - t_night >= _F(5))
    g, g_night = _soil_heat(rn, t_day), _soil_heat(rn_night, t_night)
    g = g if warms else _ZERO
    g_night = g_night if warms else _ZERO
    g = rn if (rn > _ZERO) & (rn < g) else g
    half = _F(0.5) * rn
    g_night = rn_night + half if (rn > _ZERO) & (rn_night - g_night < -half) else g_night
    return rn - g, rn_night - g_night


@_inlined
def _soil_resistance(vpd, q, k):  # type: ignore[no-untyped-def]
    return q[RBL_MIN, k] + (q[RBL_MAX, k] - q[RBL_MIN, k]) * _ramp(vpd, q[VPD_OPEN, k], q[VPD_CLOSE, k])


@helper
def _parameters(classes, p0, table, q):  # type: ignore[no-untyped-def]
    """Put the parameters of the class of each lane into `q`; NaN where it has none."""
    q[:] = np.nan
    for k in range(min(LANES, classes.size - p0)):
        c = classes[p0 + k]
        if 0 <= c < table.shape[0]:
            for i in range(table.shape[1]):
                q[i, k] = table[c, i]


_THIRTEEN = ", ".join(["float32[:]"] * 13)


@gufunc(
    f"void({_THIRTEEN}, int16[:], float64[:,:], float32[:], float32[:])",
    f"{','.join(['(p)'] * 14)},(c,k)->(p),(p)",
)
def _mod16(  # type: ignore[no-untyped-def]
    sw, lw_day, lw_night, albedo, t_day, t_night, t_year, t_min, vpd_day, vpd_night, pressure, fpar, lai, classes,
    table, day, night,
):  # fmt: skip
    a, q = np.empty((13, LANES), np.float32), np.empty((10, LANES), np.float32)
    rn, rn_night, soil, soil_night, stomata = np.empty((5, LANES), np.float32)
    for p0 in range(0, day.size, LANES):
        load(sw, p0, a[0])
        load(lw_day, p0, a[1])
        load(lw_night, p0, a[2])
        load(albedo, p0, a[3])
        load(t_day, p0, a[4])
        load(t_night, p0, a[5])
        load(t_year, p0, a[6])
        load(t_min, p0, a[7])
        load(vpd_day, p0, a[8])
        load(vpd_night, p0, a[9])
        load(pressure, p0, a[10])
        load(fpar, p0, a[11])
        load(lai, p0, a[12])
        _parameters(classes, p0, table, q)
        for k in range(LANES):
            lost = _ZERO * (a[6, k] + a[7, k] + a[12, k])  # NaN where one of them is: comparisons would pass it over
            rn[k], rn_night[k] = a[0, k] * (_ONE - a[3, k]) + a[1, k] + lost, a[2, k] + lost
            left, left_night = _soil_energy(rn[k], rn_night[k], a[4, k], a[5, k], a[6, k], q[CLOSED, k])
            soil[k], soil_night[k] = (_ONE - a[11, k]) * left, (_ONE - a[11, k]) * left_night
            warm = _ramp(a[7, k] - _KELVIN, q[CLOSED, k], q[OPEN, k])
            stomata[k] = q[STOMATA, k] * warm * (_ONE - _ramp(a[8, k], q[VPD_OPEN, k], q[VPD_CLOSE, k]))
        for k in range(LANES):
            air, resists = _air(a[4, k], a[8, k], a[10, k]), _soil_resistance(a[8, k], q, k)
            leaves = _transpiration(air, rn[k], a[11, k], a[12, k], stomata[k], q[SENSIBLE, k], q[CUTICLE, k])
            rn[k] = leaves + _wet_and_soil(
                air, rn[k], soil[k], a[8, k], a[11, k], a[12, k], q[SENSIBLE, k], q[VAPOUR, k], resists
            )
        for k in range(LANES):
            air, resists = _air(a[5, k], a[9, k], a[10, k]), _soil_resistance(a[9, k], q, k)
            rn_night[k] = _wet_and_soil(
                air, rn_night[k], soil_night[k], a[9, k], a[11, k], a[12, k], q[SENSIBLE, k], q[VAPOUR, k], resists
            )
        store(rn, p0, day)
        store(rn_night, p0, night)


def mod16(*given: Any) -> Any:
    """
    Return latent heat by day and by night, W m-2: see :func:`musyq_cube.products.evapotranspiration.mod16`.

    Parameters
    ----------
    given
        sw, lw_day, lw_night, albedo, t_day, t_night, t_year, t_min, vpd_day, vpd_night, pressure, fpar, lai, broadcast
        together; the row of the table that each pixel's class has, int16; the table (class, parameter). NaN where the
        table has no such row.
    """
    *fields, table = given
    whole = np.broadcast_arrays(*fields)
    ready = [v.astype(np.int16 if i == 13 else np.float32, copy=False) for i, v in enumerate(whole)]
    if ready[0].ndim:
        return _mod16(*ready, table)
    day, night = _mod16(*(v[None] for v in ready), table)
    return day[0], night[0]
