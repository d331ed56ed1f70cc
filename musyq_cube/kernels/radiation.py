"""Sunlight at the ground: clear-sky irradiance, the cloud above it, the share of it that plants use."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.kernels._gufunc import F32, gufunc, helper

if TYPE_CHECKING:
    from musyq_cube.kernels._gufunc import Array

_F = np.float32
_SEA_LEVEL = _F(101_325.0)
_RAD = _F(math.pi / 180.0)
_FORWARD = _F(0.85)
"""Share of the light scattered by aerosol that goes forward."""
_HAZE = _F(0.27583 * (0.38 / 0.55) ** -1.3 + 0.35 * (0.50 / 0.55) ** -1.3)
"""Broadband optical depth of aerosol for one at 0.55 µm: Bird & Hulstrom 1980, Ångström exponent 1.3."""
CONTRAST = _F(0.25)
"""Reflectance that thick cloud must add for cloud to be told from the surface."""


@helper
def _near_one(x):  # type: ignore[no-untyped-def]
    """Exponential of what is small: |x| < 0.25, to 1e-7."""
    return _F(1.0) + x * (
        _F(1.0) + x * (_F(1 / 2) + x * (_F(1 / 6) + x * (_F(1 / 24) + x * (_F(1 / 120) + x * _F(1 / 720)))))
    )


@helper
def _bird(sza, mu, aod, tcwv, ozone, pressure, toa):  # type: ignore[no-untyped-def]
    """Irradiance on the level over a black surface, and the albedo of the sky from below."""
    mass = _F(1.0) / (mu + _F(0.50572) * (_F(96.07995) - sza) ** _F(-1.6364))
    log_mass = math.log(mass)
    air = mass * pressure / _SEA_LEVEL
    log_air = math.log(air)
    rayleigh = math.exp(
        _F(-0.0903) * math.exp(_F(0.84) * log_air) * (_F(1.0) + air - air * _near_one(_F(0.01) * log_air))
    )  # fmt: skip
    gases = _near_one(_F(-0.0127) * math.exp(_F(0.26) * log_air))
    o = ozone * mass
    gases *= (
        _F(1.0)
        - _F(0.1611) * o * math.exp(_F(-0.3034) * math.log(_F(1.0) + _F(139.48) * o))
        - _F(0.002715) * o / (_F(1.0) + _F(0.044) * o + _F(0.0003) * o * o)
    )
    w = tcwv * mass
    gases *= _F(1.0) - _F(2.4959) * w / (math.exp(_F(0.6828) * math.log(_F(1.0) + _F(79.034) * w)) + _F(6.385) * w)
    haze = _HAZE * aod
    log_haze = math.log(max(haze, _F(1e-12)))
    aerosol = math.exp(
        -math.exp(_F(0.873) * log_haze)
        * (_F(1.0) + haze - math.exp(_F(0.7088) * log_haze))
        * math.exp(_F(0.9108) * log_mass)
    )
    absorbed = _F(1.0) - _F(0.1) * (_F(1.0) - mass + mass * _near_one(_F(0.06) * log_mass)) * (_F(1.0) - aerosol)
    scattered = _F(1.0) - aerosol / absorbed
    direct = _F(0.9662) * aerosol * rayleigh
    diffuse = (
        _F(0.79) * absorbed * (_F(0.5) * (_F(1.0) - rayleigh) + _FORWARD * scattered)
        / (_F(1.0) - mass + mass * _near_one(_F(0.02) * log_mass))
    )  # fmt: skip
    return toa * mu * gases * (direct + diffuse), _F(0.0685) + (_F(1.0) - _FORWARD) * scattered


@helper
def _cloud(cod, mu, depths, transmit, albedo):  # type: ignore[no-untyped-def]
    """Transmittance of a cloud for sunlight and its albedo for diffuse light: linear in log(1 + depth) and cosine."""
    last = depths.shape[0] - 2
    at = math.log(_F(1.0) + cod) / depths[last + 1] * _F(last + 1)
    i = min(max(int(at), 0), last)
    f = min(at - _F(i), _F(1.0))
    across = mu * _F(transmit.shape[1] - 1)
    j = min(max(int(across), 0), transmit.shape[1] - 2)
    g = across - _F(j)
    low = transmit[i, j] + g * (transmit[i, j + 1] - transmit[i, j])
    high = transmit[i + 1, j] + g * (transmit[i + 1, j + 1] - transmit[i + 1, j])
    return low + f * (high - low), albedo[i] + f * (albedo[i + 1] - albedo[i])


@gufunc(
    "void(float32[:], float32[:], float32[:], float32[:], float32[:], float32[:], float32[:], float32[:], float32[:],"
    " float32[:,:], float32[:], float32[:], float32[:])",
    "(n),(n),(n),(n),(n),(n),(n),(n),(c),(c,m),(c)->(n),(n)",
)
def _all_sky(  # type: ignore[no-untyped-def]
    sza, aod, cod, tcwv, ozone, pressure, albedo, toa, depths, transmit, cloud_albedo, flux, clear
):
    for k in range(sza.shape[0]):
        known = sza[k] + aod[k] + cod[k] + tcwv[k] + ozone[k] + pressure[k] + albedo[k] + toa[k]
        inside = (sza[k] >= _F(0.0)) & (sza[k] <= _F(180.0)) & (aod[k] >= _F(0.0)) & (cod[k] >= _F(0.0))
        inside &= (tcwv[k] >= _F(0.0)) & (ozone[k] >= _F(0.0)) & (pressure[k] > _F(0.0))
        inside &= (albedo[k] >= _F(0.0)) & (albedo[k] <= _F(1.0))
        if not ((not math.isnan(known)) & inside):
            flux[k] = clear[k] = _F(np.nan)
            continue
        if sza[k] >= _F(90.0):
            flux[k] = clear[k] = _F(0.0)
            continue
        mu = math.cos(sza[k] * _RAD)
        black, sky = _bird(sza[k], mu, aod[k], tcwv[k], ozone[k], pressure[k], toa[k])
        clear[k] = flux[k] = black / (_F(1.0) - albedo[k] * sky)
        if cod[k] > _F(0.0):
            through, back = _cloud(cod[k], mu, depths, transmit, cloud_albedo)
            flux[k] = black * through / (_F(1.0) - albedo[k] * (sky + (_F(1.0) - sky) * back))


def all_sky(
    sza: F32,
    aod: F32,
    cod: F32,
    tcwv: F32,
    ozone: F32,
    pressure: F32,
    albedo: F32,
    toa: F32,
    cloud: tuple[Array, Array, Array],
) -> tuple[F32, F32]:
    """
    Return the solar irradiance on level ground (W m⁻²) under the sky as it is, and under the same sky without cloud.

    Parameters
    ----------
    sza : float32, any shape
        Solar zenith, degrees 0…180; above 90 there is no light. All arguments broadcast.
    aod, cod
        Optical depths at 0.55 µm of aerosol and of cloud, both from 0.
    tcwv, ozone, pressure
        Water vapour (g cm⁻²), ozone (cm-atm), pressure at the ground (Pa).
    albedo
        Of the ground, broadband, 0…1.
    toa
        Solar irradiance across the beam outside the atmosphere, W m⁻².
    cloud
        ``log(1 + depth)`` at even steps from 0 (c,), transmittance by depth and cosine of the solar zenith at even
        steps 0…1 (c, m), albedo for diffuse light (c,).

    Returns
    -------
    flux, clear : float32
        NaN where an argument is missing or outside its range.

    Notes
    -----
    Clear sky: Bird & Hulstrom 1981 (doi:10.2172/6510849), air mass of Kasten & Young 1989. The cloud lets a share of
    that through; light goes to and fro between ground and sky.
    """
    columns = [np.asarray(v, np.float32) for v in (sza, aod, cod, tcwv, ozone, pressure, albedo, toa)]
    columns = [np.atleast_1d(v) for v in np.broadcast_arrays(*columns)]
    tables = [np.ascontiguousarray(t, np.float32) for t in cloud]
    flux, clear = _all_sky(*columns, *tables)
    shape = np.broadcast_shapes(*(np.shape(v) for v in (sza, aod, cod, tcwv, ozone, pressure, albedo, toa)))
    return flux.reshape(shape), clear.reshape(shape)


@helper
def between(value, low, step, count):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Node of an even axis at or below a value (the last but one at most), and the part of the way to the next."""
    at = (value - low) / step
    i = min(max(int(at), 0), count - 2)
    return i, at - _F(i)


@gufunc("void(float32[:], float32[:], float32[:], float32[:])", "(n),(n),(n)->(n)")
def _sky_index(seen, ground, cloud, index):  # type: ignore[no-untyped-def]
    for k in range(seen.shape[0]):
        contrast = cloud[k] - ground[k]
        n = (seen[k] - ground[k]) / contrast
        if n <= _F(-0.2):
            kc = _F(1.2)
        elif n <= _F(0.8):
            kc = _F(1.0) - n
        elif n <= _F(1.1):
            kc = _F(2.0667) - _F(3.6667) * n + _F(1.6667) * n * n
        else:
            kc = _F(0.05)
        index[k] = kc if (not math.isnan(n)) & (contrast >= CONTRAST) else _F(np.nan)


def sky_index(seen: F32, ground: F32, cloud: F32) -> F32:
    """
    Return the clear-sky index for the cloud index ``n = (seen - ground) / (cloud - ground)``.

    1.2 for n ≤ −0.2; 1 − n to 0.8; 2.0667 − 3.6667 n + 1.6667 n² to 1.1; 0.05 above (Rigollier, Lefèvre & Wald 2004,
    doi:10.1016/j.solener.2004.04.017).

    Parameters
    ----------
    seen, ground, cloud : float32 of one shape
        Reflectance of the pixel, of the ground under clear sky, of thick cloud.

    Returns
    -------
    float32
        NaN where one is missing or the cloud is less than 0.25 brighter than the ground (snow).

    Examples
    --------
    >>> sky_index(*(np.array(v, np.float32) for v in ([0.1, 0.45, 0.8], [0.1] * 3, [0.8] * 3))).round(3)
    array([1.   , 0.5  , 0.067], dtype=float32)
    """
    return _sky_index(*(np.asarray(v, np.float32) for v in (seen, ground, cloud)))  # type: ignore[no-any-return]


@gufunc("void(float32[:], int64[:], int64[:], float64, float32[:])", "(t),(t),(s),()->(s)")
def _low(x, slot, slots, q, out):  # type: ignore[no-untyped-def]
    kept = np.empty(x.shape[0], np.float32)
    for s in range(slots.shape[0]):
        n = 0
        for t in range(x.shape[0]):
            if slot[t] == slots[s] and x[t] == x[t]:
                # the few lowest are wanted: insertion from the top ends soon for what is high
                kept[n] = x[t]
                n += 1
        if n == 0:
            out[s] = np.float32(np.nan)
            continue
        rank = q * (n - 1)
        i = int(rank)
        for a in range(min(i + 2, n)):
            least = a
            for b in range(a + 1, n):
                if kept[b] < kept[least]:
                    least = b
            kept[a], kept[least] = kept[least], kept[a]
        high = kept[min(i + 1, n - 1)]
        out[s] = np.float32(kept[i] + (rank - i) * (high - kept[i]))


def low_by_slot(x: F32, slot: Array, slots: Array, q: float) -> F32:
    """
    Return a low quantile over time, for each slot of the day.

    Parameters
    ----------
    x : float32 (..., time)
        NaN where missing.
    slot : int (time,)
        The slot that a time belongs to.
    slots : int (slot,)
        The slots wanted.
    q
        0…1, linear between ranks.

    Returns
    -------
    float32 (..., slot)
        NaN where a slot has no value.

    Examples
    --------
    >>> low_by_slot(np.array([[3, 1, 2, 9]], np.float32), np.array([0, 0, 0, 1]), np.array([0, 1]), 0.5).tolist()
    [[2.0, 9.0]]
    """
    ids = (np.asarray(v, np.int64) for v in (slot, slots))
    return _low(np.asarray(x, np.float32), *ids, q)  # type: ignore[no-any-return]


@gufunc(
    "void(float32[:], float32[:], float32[:], float32[:], float32[:], float32[:], float32[:], float32[:,:,:],"
    " float32[:])",
    "(n),(n),(n),(n),(a),(b),(c),(a,b,c)->(n)",
)
def _share(sza, aod, tcwv, index, cosines, aods, waters, table, share):  # type: ignore[no-untyped-def]
    for k in range(sza.shape[0]):
        known = sza[k] + aod[k] + tcwv[k] + index[k]
        share[k] = _F(np.nan)
        good = (not math.isnan(known)) & (aod[k] >= _F(0.0)) & (aod[k] <= aods[-1]) & (tcwv[k] >= _F(0.0))
        good &= (sza[k] >= _F(0.0)) & (sza[k] <= _F(180.0)) & (index[k] >= _F(0.0))
        if not good:
            continue
        mu = max(math.cos(sza[k] * _RAD), cosines[0])
        i, fi = between(mu, cosines[0], cosines[1] - cosines[0], cosines.shape[0])
        j, fj = between(math.sqrt(aod[k]), _F(0.0), math.sqrt(aods[1]), aods.shape[0])
        m, fm = between(min(math.sqrt(tcwv[k]), math.sqrt(waters[-1])), _F(0.0), math.sqrt(waters[1]), waters.shape[0])
        total = _F(0.0)
        for a in range(2):
            for b in range(2):
                w = (fi if a else _F(1.0) - fi) * (fj if b else _F(1.0) - fj)
                total += w * ((_F(1.0) - fm) * table[i + a, j + b, m] + fm * table[i + a, j + b, m + 1])
        share[k] = total * max(index[k], _F(0.05)) ** _F(-0.1)


def visible_share(sza: F32, aod: F32, tcwv: F32, index: F32, tables: tuple[Array, ...]) -> F32:
    """
    Return PAR (0.4–0.7 µm) over broadband irradiance, W / W.

    Parameters
    ----------
    sza, aod, tcwv, index : float32 of one shape
        Solar zenith (degrees), aerosol optical depth, water vapour (g cm⁻²), clear-sky index (all sky over clear sky).
    tables
        Cosines (even), aods and waters (even in their square roots from 0), share (cosine, aod, water) of clear skies.

    Returns
    -------
    float32
        NaN where an argument is missing or `aod` is beyond the table; a higher sun than the table's lowest counts.

    Notes
    -----
    Cloud takes less of PAR than of the rest: the share grows like ``index^-0.1`` (the exponent is unconfirmed).
    """
    columns = [np.asarray(v, np.float32) for v in (sza, aod, tcwv, index)]
    return _share(*columns, *tables)  # type: ignore[no-any-return]
