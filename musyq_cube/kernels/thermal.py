"""
Surface temperature: split windows, one window, Planck's law, canopy and soil in a window of pixels.

Arithmetic in float64 from float32 and back, elementwise and without branches on neighbours, so that a pixel's value
does not depend on how the area is cut.
"""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.kernels._gufunc import F32, gufunc, helper

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from musyq_cube.kernels._gufunc import Array

C1 = 1.191042972e8
"""First radiation constant 2hc² (SI 2019), W µm⁴ m⁻² sr⁻¹."""
C2 = 14387.76877
"""Second radiation constant hc/k (SI 2019), µm K."""


def _shaped(*arrays: ArrayLike) -> list[F32]:
    """Return float32 arrays of one shape with at least one axis, without copies of what is repeated."""
    return [np.atleast_1d(a) for a in np.broadcast_arrays(*(np.asarray(a, np.float32) for a in arrays))]


def _back(value: Array, *arrays: ArrayLike) -> F32:
    """Return the result in the shape of the inputs (a number for numbers)."""
    return value.reshape(np.broadcast_shapes(*(np.shape(a) for a in arrays)))


@gufunc("void(float32[:], float64, float32[:])", "(n),()->(n)")
def _planck(t, wavelength, out):  # type: ignore[no-untyped-def]
    factor = C1 / wavelength**5
    for i in range(t.size):
        out[i] = np.float32(factor / (math.exp(C2 / (wavelength * t[i])) - 1.0)) if t[i] > 0 else np.float32(np.nan)


def planck(temperature: ArrayLike, wavelength: float) -> F32:
    """
    Return the radiance of a black body at one wavelength.

    Parameters
    ----------
    temperature : array_like
        K, above 0.
    wavelength
        Micrometres.

    Returns
    -------
    float32
        W m⁻² sr⁻¹ µm⁻¹; NaN for a temperature that is missing or not positive.

    Notes
    -----
    ``c1 λ⁻⁵ / (exp(c2 / λT) - 1)``, c1 = 1.191042972e8 W µm⁴ m⁻² sr⁻¹, c2 = 14387.76877 µm K.

    Examples
    --------
    >>> round(float(planck(300.0, 10.895)), 4)
    9.6251
    """
    return _back(_planck(*_shaped(temperature), float(wavelength)), temperature)


@gufunc("void(float32[:], float64, float64, float32[:])", "(n),(),()->(n)")
def _inverse(radiance, k1, k2, out):  # type: ignore[no-untyped-def]
    for i in range(radiance.size):
        good = radiance[i] > 0
        out[i] = np.float32(k2 / math.log(k1 / np.float64(radiance[i]) + 1.0)) if good else np.float32(np.nan)


def brightness_temperature(radiance: ArrayLike, k1: float, k2: float) -> F32:
    """
    Return the temperature of a black body of a radiance, ``k2 / ln(k1 / L + 1)``.

    Parameters
    ----------
    radiance : array_like
        W m⁻² sr⁻¹ µm⁻¹, above 0.
    k1, k2
        Of the band (W m⁻² sr⁻¹ µm⁻¹, K); for one wavelength ``c1 / λ⁵`` and ``c2 / λ``.

    Returns
    -------
    float32
        K; NaN where the radiance is missing or not positive.

    Examples
    --------
    >>> round(float(brightness_temperature(9.0, 774.8853, 1321.0789)), 2)
    295.74
    """
    return _back(_inverse(*_shaped(radiance), float(k1), float(k2)), radiance)


@gufunc(
    "void(float32[:], float32[:], float32[:], float32[:], float32[:], float64[:], float32[:])",
    "(n),(n),(n),(n),(n),(k)->(n)",
)
def _split_window(t11, t12, emissivity, step, vapour, c, out):  # type: ignore[no-untyped-def]
    c0, c1, c2, c3, c4, c5, c6 = c[0], c[1], c[2], c[3], c[4], c[5], c[6]
    for i in range(t11.size):
        apart = np.float64(t11[i]) - np.float64(t12[i])
        de = np.float64(step[i])
        e = np.float64(emissivity[i]) - 0.5 * de
        w = np.float64(vapour[i])
        out[i] = np.float32(t11[i] + (c1 + c2 * apart) * apart + c0 + (c3 + c4 * w) * (1.0 - e) + (c5 + c6 * w) * de)


def split_window(
    t11: ArrayLike, t12: ArrayLike, emissivity: ArrayLike, step: ArrayLike, vapour: ArrayLike, coefficients: ArrayLike
) -> F32:
    """
    Return the surface temperature by the split window of Jiménez-Muñoz & Sobrino.

    Parameters
    ----------
    t11, t12 : array_like
        Brightness temperatures near 11 and 12 µm, K; broadcast together with the next three.
    emissivity : array_like
        At 11 µm.
    step : array_like
        Emissivity at 11 µm minus that at 12 µm, Δε.
    vapour : array_like
        Water vapour of the column, W, g cm⁻².
    coefficients : array_like (7,)
        c0…c6.

    Returns
    -------
    float32
        K; NaN where anything is missing.

    Notes
    -----
    ``T11 + c1 Δ + c2 Δ² + c0 + (c3 + c4 W)(1 - ε) + (c5 + c6 W) Δε`` with Δ = T11 - T12 and ε the mean emissivity.

    References
    ----------
    Jiménez-Muñoz & Sobrino 2008, doi:10.1109/LGRS.2008.2001636.

    Examples
    --------
    >>> c = [-0.004, 2.625, 0.424, 41.4, 0.04, -201, 26.6]
    >>> round(float(split_window(295.0, 294.0, 0.98, 0.0, 1.5, c)), 3)
    298.874
    """
    inputs = (t11, t12, emissivity, step, vapour)
    return _back(_split_window(*_shaped(*inputs), np.asarray(coefficients, np.float64)), *inputs)


@helper
def _generalized(ti, tj, e, de, b):  # type: ignore[no-untyped-def]
    lack, slope = (1.0 - e) / e, de / (e * e)
    mean, half = (ti + tj) * 0.5, (ti - tj) * 0.5
    return (
        b[2] + (b[3] + b[4] * lack + b[5] * slope) * mean + (b[6] + b[7] * lack + b[8] * slope) * half
        + b[9] * (ti - tj) * (ti - tj)
    )  # fmt: skip


@gufunc(
    "void(float32[:], float32[:], float32[:], float32[:], float32[:], float64[:,:], float32[:])",
    "(n),(n),(n),(n),(n),(r,k)->(n)",
)
def _generalized_split_window(t11, t12, emissivity, step, vapour, rows, out):  # type: ignore[no-untyped-def]
    last = rows.shape[0] - 1
    for i in range(t11.size):
        w = np.float64(vapour[i])
        de = np.float64(step[i])
        e = np.float64(emissivity[i]) - 0.5 * de
        total, n = 0.0, 0
        for r in range(last):
            if (w >= rows[r, 0]) & (w <= rows[r, 1]):
                total += _generalized(np.float64(t11[i]), np.float64(t12[i]), e, de, rows[r])
                n += 1
        if n == 0:
            total, n = _generalized(np.float64(t11[i]), np.float64(t12[i]), e, de, rows[last]), 1
        out[i] = np.float32(total / n + 0.0 * w)


def generalized_split_window(
    t11: ArrayLike, t12: ArrayLike, emissivity: ArrayLike, step: ArrayLike, vapour: ArrayLike, rows: ArrayLike
) -> F32:
    """
    Return the surface temperature by the generalized split window, with coefficients by range of water vapour.

    Parameters
    ----------
    t11, t12, emissivity, step, vapour : array_like
        As for :func:`split_window`.
    rows : array_like (range, 10)
        Least and most water vapour, b0…b7; the last row is for all that no other contains. Where ranges overlap, the
        mean holds.

    Returns
    -------
    float32
        K; NaN where anything is missing.

    Notes
    -----
    ``b0 + (b1 + b2 (1-ε)/ε + b3 Δε/ε²)(Ti+Tj)/2 + (b4 + b5 (1-ε)/ε + b6 Δε/ε²)(Ti-Tj)/2 + b7 (Ti-Tj)²``.

    References
    ----------
    Wan 2014, doi:10.1016/j.rse.2013.08.027; Du et al. 2015, doi:10.3390/rs70100647.

    Examples
    --------
    >>> virr = [[0, 9, 0.0113, 1, 0.1197, -0.4891, 5.6538, 5.6573, 9.9238, 0]]
    >>> round(float(generalized_split_window(300.0, 298.5, 0.970, -0.004, 2.0, virr)), 3)
    305.244
    """
    inputs = (t11, t12, emissivity, step, vapour)
    return _back(_generalized_split_window(*_shaped(*inputs), np.asarray(rows, np.float64)), *inputs)


@gufunc("void(float32[:], float32[:], float32[:], float64[:,:], float32[:])", "(n),(n),(n),(r,k)->(n)")
def _mono_window(t, emissivity, vapour, rows, out):  # type: ignore[no-untyped-def]
    last = rows.shape[0] - 1
    for i in range(t.size):
        w = np.float64(vapour[i])
        r = 0
        while (r < last - 1) & (w > rows[r + 1, 0]):
            r += 1
        low, high = rows[r], rows[min(r + 1, last)]
        width = high[0] - low[0]
        part = min(max((w - low[0]) / width, 0.0), 1.0) if width > 0.0 else 0.0
        a = low[1] + part * (high[1] - low[1])
        b = low[2] + part * (high[2] - low[2])
        c = low[3] + part * (high[3] - low[3])
        out[i] = np.float32((a * t[i] + b) / np.float64(emissivity[i]) + c + 0.0 * w)


def mono_window(t: ArrayLike, emissivity: ArrayLike, vapour: ArrayLike, rows: ArrayLike) -> F32:
    """
    Return the surface temperature by the statistical mono-window, ``A T/ε + B/ε + C``.

    Parameters
    ----------
    t : array_like
        Brightness temperature, K; broadcast together with the next two.
    emissivity : array_like
        Of the band.
    vapour : array_like
        Water vapour of the column, g cm⁻².
    rows : array_like (class, 4)
        Water vapour at the centre of a class, increasing, and A, B, C there.

    Returns
    -------
    float32
        K; NaN where anything is missing.

    Notes
    -----
    A, B and C are linear between the centres and constant beyond the outer ones, so there is no step from one class
    of water vapour to the next.

    References
    ----------
    Ermida et al. 2020, doi:10.3390/rs12091471.

    Examples
    --------
    >>> rows = [[0.3, 0.9751, -205.8929, 212.7173], [0.9, 1.0090, -232.2750, 230.5698]]
    >>> round(float(mono_window(300.0, 0.97, 0.3, rows)), 3)
    302.034
    """
    inputs = (t, emissivity, vapour)
    return _back(_mono_window(*_shaped(*inputs), np.asarray(rows, np.float64)), *inputs)


@gufunc(
    "void(float32[:], float32[:], float32[:], float32[:], float64, float64[:,:], float32[:])",
    "(n),(n),(n),(n),(),(p,k)->(n)",
)
def _single_channel(radiance, t, emissivity, vapour, wavelength, psi, out):  # type: ignore[no-untyped-def]
    for i in range(t.size):
        L, T, w = np.float64(radiance[i]), np.float64(t[i]), np.float64(vapour[i])
        gamma = 1.0 / (C2 * L / (T * T) * (wavelength**4 * L / C1 + 1.0 / wavelength))
        p1 = (psi[0, 0] * w + psi[0, 1]) * w + psi[0, 2]
        p2 = (psi[1, 0] * w + psi[1, 1]) * w + psi[1, 2]
        p3 = (psi[2, 0] * w + psi[2, 1]) * w + psi[2, 2]
        out[i] = np.float32(gamma * ((p1 * L + p2) / np.float64(emissivity[i]) + p3) + T - gamma * L)


def single_channel(
    radiance: ArrayLike, t: ArrayLike, emissivity: ArrayLike, vapour: ArrayLike, wavelength: float, psi: ArrayLike
) -> F32:
    """
    Return the surface temperature by the single-channel algorithm of Jiménez-Muñoz & Sobrino.

    Parameters
    ----------
    radiance : array_like
        At the sensor, L, W m⁻² sr⁻¹ µm⁻¹; broadcast together with the next three.
    t : array_like
        Its brightness temperature, T, K.
    emissivity : array_like
        Of the band.
    vapour : array_like
        Water vapour of the column, W, g cm⁻².
    wavelength
        Effective, λ, µm.
    psi : array_like (3, 3)
        ψ1, ψ2, ψ3 as ``a W² + b W + c``.

    Returns
    -------
    float32
        K; NaN where anything is missing.

    Notes
    -----
    ``γ [(ψ1 L + ψ2)/ε + ψ3] + T - γ L``, γ = {c2 L/T² [λ⁴ L/c1 + 1/λ]}⁻¹.

    References
    ----------
    Jiménez-Muñoz et al. 2009, doi:10.1109/TGRS.2008.2007125; 2014, doi:10.1109/LGRS.2014.2312032.

    Examples
    --------
    >>> psi = [[0.04019, 0.02916, 1.01523], [-0.38333, -1.50294, 0.20324], [0.00918, 1.36072, -0.27514]]
    >>> round(float(single_channel(8.5, 292.044, 0.97, 1.5, 10.895, psi)), 1)
    294.7
    """
    inputs = (radiance, t, emissivity, vapour)
    shaped = _single_channel(*_shaped(*inputs), float(wavelength), np.asarray(psi, np.float64))
    return _back(shaped, *inputs)


@gufunc(
    "void(float32[:], float32[:], float32[:], float32[:], float32[:], float64, float64, float32[:])",
    "(n),(n),(n),(n),(n),(),()->(n)",
)
def _radiative_transfer(radiance, through, up, down, emissivity, k1, k2, out):  # type: ignore[no-untyped-def]
    for i in range(radiance.size):
        e = np.float64(emissivity[i])
        left = (np.float64(radiance[i]) - np.float64(up[i])) / np.float64(through[i])
        own = (left - (1.0 - e) * np.float64(down[i])) / e
        good = (own > 0.0) & (through[i] > 0) & (e > 0.0)
        out[i] = np.float32(k2 / math.log(k1 / own + 1.0)) if good else np.float32(np.nan)


def radiative_transfer(
    radiance: ArrayLike, through: ArrayLike, up: ArrayLike, down: ArrayLike, emissivity: ArrayLike, k1: float, k2: float
) -> F32:
    """
    Return the surface temperature by the equation of radiative transfer.

    Parameters
    ----------
    radiance : array_like
        At the sensor, L, W m⁻² sr⁻¹ µm⁻¹; broadcast together with the next four.
    through : array_like
        Transmittance of the air, τ, above 0.
    up, down : array_like
        Radiance of the air towards the sensor and towards the ground, W m⁻² sr⁻¹ µm⁻¹.
    emissivity : array_like
        Of the band, ε.
    k1, k2
        Of the band, see :func:`brightness_temperature`.

    Returns
    -------
    float32
        K; NaN where anything is missing or nothing is left that the surface emits.

    Notes
    -----
    ``L = τ [ε B(T) + (1 - ε) L↓] + L↑`` solved for T.

    Examples
    --------
    >>> round(float(radiative_transfer(8.5, 0.8, 1.5, 2.5, 0.97, 774.8853, 1321.0789)), 2)
    295.33
    """
    inputs = (radiance, through, up, down, emissivity)
    return _back(_radiative_transfer(*_shaped(*inputs), float(k1), float(k2)), *inputs)
