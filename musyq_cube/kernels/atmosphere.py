"""Atmospheric correction: one look into the tables of a sensor for each pixel, all bands at once."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import math
import threading
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numba as nb
import numpy as np

from musyq_cube.kernels._compile import compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from musyq_cube.kernels._gufunc import F32, Array

LANES = 8
"""Bands side by side: tables are padded to a multiple, so that loops over bands become vector instructions."""

RAYLEIGH = 0.7190
"""The phase function of air is a·cos²Θ + 1 − a/3, a = 3 (1 − δ) / (4 + 2 δ), depolarization δ = 0.0279."""

helper = nb.njit(nogil=True, error_model="numpy", fastmath={"contract"})
"""Decorator of the stages; products and sums may become one instruction."""

STRIP = 128
"""Pixels that pass through one stage after the other: their scratch stays in the nearest cache."""

_F = np.float32
_ONE = np.float32(1.0)
# unsigned: indices that cannot count from the end
U1, U2, U3, U4, U5, U6, U7 = (np.uint64(i) for i in range(1, 8))


@helper
def _cosine(degrees):  # type: ignore[no-untyped-def]
    """Cosine for 0…180° to 1e-8: the series of the cosine of the half."""
    x = degrees * (math.pi / 360.0)
    q = x * x
    c = 1.0 + q * (-1 / 2 + q * (1 / 24 + q * (-1 / 720 + q * (1 / 40320 + q * (-1 / 3628800 + q * (1 / 479001600))))))
    return 2.0 * c * c - 1.0


@helper
def _below(value, axis, guess):  # type: ignore[no-untyped-def]
    """Node of an uneven axis at or below a value; the last but one at most."""
    last = axis.shape[0] - 2
    i = min(guess, last)
    while i > 0 and axis[i] > value:
        i -= 1
    while i < last and axis[i + 1] <= value:
        i += 1
    return i


@helper
def _prepare(sza, vza, raa, aod, tcwv, ozone, elevation, limits, aods, pressures, place, share):  # type: ignore[no-untyped-def]
    """
    Fill what all bands of a strip of pixels share.

    `place` (2, pixel): node of pressure, −1 where the tables do not reach, and of optical depth. `share` (9, pixel):
    part of the way to the next nodes of both, 1 / (cos cos), position on the axes of dry gases, ozone and water, first
    and second order of Rayleigh scattering, azimuth 0…180.
    """
    for i in range(sza.shape[0]):
        s, v, r, a = np.float64(sza[i]), np.float64(vza[i]), abs(np.float64(raa[i])), np.float64(aod[i])
        w, o, h = np.float64(tcwv[i]), np.float64(ozone[i]), np.float64(elevation[i])
        place[0, i] = -1
        inside = (s >= 0.0) & (s <= limits[0]) & (v >= 0.0) & (v <= limits[1]) & (r <= 360.0)
        inside &= (a >= 0.0) & (a <= aods[-1]) & (w >= 0.0) & (o >= 0.0) & (h >= limits[4]) & (h <= limits[5])
        if not inside:
            continue
        r = 360.0 - r if r > 180.0 else r
        cs, cv, ca = _cosine(s), _cosine(v), _cosine(r)
        mass = (cs + cv) / (cs * cv)
        # x^5.25588 is the pressure and x^1.57676 its power 0.3, to 5e-4
        x = 1.0 - 0.0225577 * h
        root = math.sqrt(x)
        p = x * x * x * x * x * math.sqrt(root) * (1.0 + 0.00588 * (x - 1.0))
        wet = math.sqrt(mass * w * x * root * (1.0 + 0.07676 * (x - 1.0)))
        if wet > limits[2] or mass * o > limits[3]:
            continue
        ip = _below(p, pressures, pressures.shape[0] - 2)
        ia = _below(a, aods, int(math.sqrt(a / aods[-1]) * (aods.shape[0] - 1)))
        place[0, i], place[1, i] = ip, ia
        share[0, i] = (p - pressures[ip]) / (pressures[ip + 1] - pressures[ip])
        share[1, i] = (a - aods[ia]) / (aods[ia + 1] - aods[ia])
        share[2, i] = 1.0 / (cs * cv)
        share[3, i] = (1.0 - 2.0 / mass) / limits[6]
        share[4, i] = mass * o / limits[3]
        share[5, i] = wet / limits[2]
        cosine = cs * cv + math.sqrt((1.0 - cs * cs) * (1.0 - cv * cv)) * ca
        share[6, i] = 0.25 * (RAYLEIGH * cosine * cosine + (1.0 - RAYLEIGH / 3.0)) * p * share[2, i]
        share[7, i] = 0.5 * mass * p
        share[8, i] = r


@helper
def _path(sza, vza, limits, path, place, share, offset, weight, out):  # type: ignore[no-untyped-def]
    """Path reflectance (pixel, band): the 32 corners around each state, all bands side by side."""
    _, aods, suns, views, azimuths, bands = path.shape
    flat = path.reshape(-1)
    to_sun, to_view, to_azimuth = (suns - 1) / limits[0], (views - 1) / limits[1], (azimuths - 1) / 180.0
    for i in range(sza.shape[0]):
        ip, ia = place[0, i], place[1, i]
        if ip < 0:
            continue
        s, v, r = sza[i] * to_sun, vza[i] * to_view, share[8, i] * to_azimuth
        js, jv, jr = min(int(s), suns - 2), min(int(v), views - 2), min(int(r), azimuths - 2)
        s, v, r = s - js, v - jv, r - jr
        for c in range(16):
            dp, da, ds, dv = c >> 3, (c >> 2) & 1, (c >> 1) & 1, c & 1
            w = share[2, i] * (share[0, i] if dp else 1.0 - share[0, i]) * (share[1, i] if da else 1.0 - share[1, i])
            w *= (s if ds else 1.0 - s) * (v if dv else 1.0 - v)
            o = ((((ip + dp) * aods + ia + da) * suns + js + ds) * views + jv + dv) * azimuths + jr
            offset[2 * c], weight[2 * c] = o * bands, _F(w * (1.0 - r))
            offset[2 * c + 1], weight[2 * c + 1] = (o + 1) * bands, _F(w * r)
        for k in range(0, bands, LANES):
            a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = _F(0.0)
            for c in range(32):
                o, f = offset[c] + np.uint64(k), weight[c]
                a0 += f * flat[o]
                a1 += f * flat[o + U1]
                a2 += f * flat[o + U2]
                a3 += f * flat[o + U3]
                a4 += f * flat[o + U4]
                a5 += f * flat[o + U5]
                a6 += f * flat[o + U6]
                a7 += f * flat[o + U7]
            out[i, k], out[i, k + 1], out[i, k + 2], out[i, k + 3] = a0, a1, a2, a3
            out[i, k + 4], out[i, k + 5], out[i, k + 6], out[i, k + 7] = a4, a5, a6, a7


@helper
def _transmit(sza, vza, limits, transmit, place, share, out):  # type: ignore[no-untyped-def]
    """Transmittance down times up (pixel, band)."""
    angles = transmit.shape[2]
    scale = (angles - 1) / limits[0]
    for i in range(sza.shape[0]):
        ip, ia = place[0, i], place[1, i]
        if ip < 0:
            continue
        s, v = sza[i] * scale, vza[i] * scale
        js, jv = min(int(s), angles - 2), min(int(v), angles - 2)
        fs, fv, fp, fa = _F(s - js), _F(v - jv), _F(share[0, i]), _F(share[1, i])
        w0, w1, w2, w3 = (_ONE - fp) * (_ONE - fa), (_ONE - fp) * fa, fp * (_ONE - fa), fp * fa
        for k in range(out.shape[1]):
            d0 = w0 * transmit[ip, ia, js, k] + w1 * transmit[ip, ia + 1, js, k]
            d0 += w2 * transmit[ip + 1, ia, js, k] + w3 * transmit[ip + 1, ia + 1, js, k]
            d1 = w0 * transmit[ip, ia, js + 1, k] + w1 * transmit[ip, ia + 1, js + 1, k]
            d1 += w2 * transmit[ip + 1, ia, js + 1, k] + w3 * transmit[ip + 1, ia + 1, js + 1, k]
            out[i, k] = d0 + fs * (d1 - d0)
        for k in range(out.shape[1]):
            u0 = w0 * transmit[ip, ia, jv, k] + w1 * transmit[ip, ia + 1, jv, k]
            u0 += w2 * transmit[ip + 1, ia, jv, k] + w3 * transmit[ip + 1, ia + 1, jv, k]
            u1 = w0 * transmit[ip, ia, jv + 1, k] + w1 * transmit[ip, ia + 1, jv + 1, k]
            u1 += w2 * transmit[ip + 1, ia, jv + 1, k] + w3 * transmit[ip + 1, ia + 1, jv + 1, k]
            out[i, k] *= u0 + fv * (u1 - u0)


@helper
def _gases(albedo, dry, ozones, waters, rayleigh, place, share, black, transmit, clear, bright):  # type: ignore[no-untyped-def]
    """
    Bring in the gases: `black` becomes the path's reflectance under water, `transmit` that of scattering and water.

    `clear` is the transmittance of ozone and the dry gases, `bright` the spherical albedo; all (pixel, band).
    """
    half = math.sqrt(0.5)
    for i in range(black.shape[0]):
        ip, ia = place[0, i], place[1, i]
        if ip < 0:
            continue
        fp, fa = _F(share[0, i]), _F(share[1, i])
        m, o = share[3, i] * (dry.shape[1] - 1), share[4, i] * (ozones.shape[0] - 1)
        w, h = share[5, i] * (waters.shape[0] - 1), share[5, i] * half * (waters.shape[0] - 1)
        im, io = min(int(m), dry.shape[1] - 2), min(int(o), ozones.shape[0] - 2)
        iw, ih = min(int(w), waters.shape[0] - 2), min(int(h), waters.shape[0] - 2)
        fm, fo, fw, fh = _F(m - im), _F(o - io), _F(w - iw), _F(h - ih)
        first, second = _F(share[6, i]), _F(share[7, i])
        for k in range(black.shape[1]):
            low = dry[ip, im, k] + fm * (dry[ip, im + 1, k] - dry[ip, im, k])
            high = dry[ip + 1, im, k] + fm * (dry[ip + 1, im + 1, k] - dry[ip + 1, im, k])
            clear[i, k] = (low + fp * (high - low)) * (ozones[io, k] + fo * (ozones[io + 1, k] - ozones[io, k]))
        for k in range(black.shape[1]):
            low = albedo[ip, ia, k] + fa * (albedo[ip, ia + 1, k] - albedo[ip, ia, k])
            high = albedo[ip + 1, ia, k] + fa * (albedo[ip + 1, ia + 1, k] - albedo[ip + 1, ia, k])
            bright[i, k] = low + fp * (high - low)
        for k in range(black.shape[1]):
            air = first * rayleigh[k] / (_ONE + second * rayleigh[k])
            black[i, k] = air + (black[i, k] - air) * (waters[ih, k] + fh * (waters[ih + 1, k] - waters[ih, k]))
            transmit[i, k] *= waters[iw, k] + fw * (waters[iw + 1, k] - waters[iw, k])


@helper
def _strip(air, tables, place, share, offset, weight, parts):  # type: ignore[no-untyped-def]
    """Send a strip of pixels through all stages."""
    sza, vza, raa, aod, tcwv, ozone, elevation = air
    path, transmit, albedo, dry, ozones, waters, rayleigh, limits, aods, pressures = tables
    _prepare(sza, vza, raa, aod, tcwv, ozone, elevation, limits, aods, pressures, place, share)
    _path(sza, vza, limits, path, place, share, offset, weight, parts[0])
    _transmit(sza, vza, limits, transmit, place, share, parts[1])
    _gases(albedo, dry, ozones, waters, rayleigh, place, share, parts[0], parts[1], parts[2], parts[3])


def _correct(bands, sza, vza, raa, aod, tcwv, ozone, elevation, tables, out):  # type: ignore[no-untyped-def]
    parts = np.ones((4, STRIP, tables[0].shape[-1]), np.float32)
    offset, weight = np.zeros(32, np.uint64), np.zeros(32, np.float32)
    place, share = np.zeros((2, STRIP), np.int64), np.zeros((9, STRIP))
    for y in range(bands.shape[0]):
        for x in range(0, bands.shape[2], STRIP):
            e = min(x + STRIP, bands.shape[2])
            air = (sza[y, x:e], vza[y, x:e], raa[y, x:e], aod[y, x:e], tcwv[y, x:e], ozone[y, x:e], elevation[y, x:e])
            _strip(air, tables, place, share, offset, weight, parts[:, : e - x])
            for b in range(bands.shape[1]):
                for i in range(e - x):
                    # v / (1 + S v) with v = (toa / clear - black) / transmit, by one division
                    v = bands[y, b, x + i] - parts[0, i, b] * parts[2, i, b]
                    v = v / (parts[1, i, b] * parts[2, i, b] + parts[3, i, b] * v)
                    out[y, b, x + i] = v if place[0, i] >= 0 else _F(np.nan)


def _simulate(bands, sza, vza, raa, aod, tcwv, ozone, elevation, tables, out):  # type: ignore[no-untyped-def]
    parts = np.ones((4, STRIP, tables[0].shape[-1]), np.float32)
    offset, weight = np.zeros(32, np.uint64), np.zeros(32, np.float32)
    place, share = np.zeros((2, STRIP), np.int64), np.zeros((9, STRIP))
    for y in range(bands.shape[0]):
        for x in range(0, bands.shape[2], STRIP):
            e = min(x + STRIP, bands.shape[2])
            air = (sza[y, x:e], vza[y, x:e], raa[y, x:e], aod[y, x:e], tcwv[y, x:e], ozone[y, x:e], elevation[y, x:e])
            _strip(air, tables, place, share, offset, weight, parts[:, : e - x])
            for b in range(bands.shape[1]):
                for i in range(e - x):
                    v = bands[y, b, x + i]
                    v = parts[2, i, b] * (parts[0, i, b] + parts[1, i, b] * v / (_ONE - parts[3, i, b] * v))
                    out[y, b, x + i] = v if place[0, i] >= 0 else _F(np.nan)


_LOCK = threading.Lock()


@contextmanager
def _side_by_side() -> Iterator[None]:
    """Let the compiler put equal operations beside each other into one (numba's default does so for loops only)."""
    config: Any = nb.config
    before, config.SLP_VECTORIZE = config.SLP_VECTORIZE, 1
    try:
        yield
    finally:
        config.SLP_VECTORIZE = before


@cache
def _compile(function: Callable[..., None]) -> Callable[..., None]:
    single, double = nb.float32, nb.float64
    any_line, stack = nb.types.Array(single, 2, "A", readonly=True), single[:, :, ::1]
    tables = nb.types.Tuple((  # type: ignore[no-untyped-call]
        single[:, :, :, :, :, ::1], single[:, :, :, ::1], single[:, :, ::1], single[:, :, ::1], single[:, ::1],
        single[:, ::1], single[::1], double[::1], double[::1], double[::1],
    ))  # fmt: skip
    signature = nb.void(stack, *[any_line] * 7, tables, stack)
    with compiling() as disk, _side_by_side():
        wrap = nb.njit(signature, nogil=True, error_model="numpy", cache=disk, fastmath={"contract"})
        compiled: Callable[..., None] = wrap(function)
    return compiled


def _run(function: Callable[..., None], bands: F32, air: tuple[F32, ...], tables: tuple[Array, ...]) -> F32:
    with _LOCK:
        compiled = _compile(function)
    out = np.empty(bands.shape, np.float32)
    compiled(np.ascontiguousarray(bands), *air, tables, out)
    return out


def correct(toa: F32, air: tuple[F32, ...], tables: tuple[Array, ...]) -> F32:
    """
    Surface reflectance under reflectance at the top of the atmosphere.

    ρ = v / (1 + S v), v = (ρ_TOA / T_g − R) / (T T_w) with path reflectance R = R_r + (R₀ − R_r) T_w(half): 6S's
    equation for a Lambertian surface (Vermote et al. 1997, IEEE TGRS 35, 675), water acting on aerosol but not on air.

    Parameters
    ----------
    toa : float32 (line, band, pixel)
        Reflectance 0…1; NaN is missing.
    air
        sza, vza, raa (degrees), aod, tcwv (g cm⁻²), ozone (cm-atm), elevation (km): float32 (line, pixel), any strides.
    tables
        As `musyq_cube.normalize.lut.Lut.tables`, bands last, as many as in `toa` and then padding.

    Returns
    -------
    float32 (line, band, pixel)
        NaN where the tables do not reach.
    """
    return _run(_correct, toa, air, tables)


def simulate(surface: F32, air: tuple[F32, ...], tables: tuple[Array, ...]) -> F32:
    """Reflectance at the top of the atmosphere over a surface: the inverse of `correct`, with its parameters."""
    return _run(_simulate, surface, air, tables)


def padded(count: int) -> int:
    """Size of the last dimension of tables for so many bands."""
    return -(-count // LANES) * LANES
