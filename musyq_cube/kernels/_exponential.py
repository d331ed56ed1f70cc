"""
Exponential and logarithm in float32 that the compiler turns into vector instructions.

Good to two units of 1e-7, without a call into the C library, so that the result is the same bit for bit whatever the
width of the vectors and on every machine.

References
----------
Cody & Waite 1980, Software Manual for the Elementary Functions, chapters 5 and 6 (reduction of the argument);
coefficients of the Cephes library, S. Moshier, in single precision.
"""

# numba infers the types of kernels, annotations would say nothing more; min and max would lose NaN
# ruff: noqa: ANN001, ANN202, FURB136

from __future__ import annotations

import numpy as np

from musyq_cube.kernels._gufunc import helper

_LOW, _HIGH = np.float32(-87), np.float32(88)
_LOG2E = np.float32(1.4426950408889634)
_LN2_HEAD, _LN2_TAIL = np.float32(0.693359375), np.float32(-2.12194440e-4)
_ONE, _HALF, _ZERO = np.float32(1), np.float32(0.5), np.float32(0)
_ROOT_HALF = np.float32(0.707106781186547524)
_BIAS, _SHIFT, _MANTISSA = np.int32(127), np.int32(23), np.int32(0x007FFFFF)
_E0, _E1, _E2, _E3, _E4, _E5 = (
    np.float32(v)
    for v in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
)
_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7, _L8 = (
    np.float32(v)
    for v in (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    )
)


@helper
def exponential(x):  # type: ignore[no-untyped-def]
    """Return e to the power of x; outside -87…88 that of the nearer end."""
    x = _LOW if x < _LOW else x
    x = _HIGH if x > _HIGH else x
    n = np.floor(x * _LOG2E + _HALF)
    r = x - n * _LN2_HEAD - n * _LN2_TAIL
    y = (((((_E0 * r + _E1) * r + _E2) * r + _E3) * r + _E4) * r + _E5) * r * r + r + _ONE
    power = np.int32((np.int32(n) + _BIAS) << _SHIFT)
    return y * power.view(np.float32)


@helper
def logarithm(x):  # type: ignore[no-untyped-def]
    """Return the natural logarithm of a normal number; -87 of anything smaller than there is, and of 0."""
    x = np.float32(x)
    small = x < np.float32(1.2e-38)
    bits = x.view(np.int32)
    e = np.float32((bits >> _SHIFT) - _BIAS + np.int32(1))
    part = np.int32((bits & _MANTISSA) | np.int32(0x3F000000))
    m = part.view(np.float32)  # x = m 2^e, half or more
    low = m < _ROOT_HALF
    e = e - _ONE if low else e
    m = m + m - _ONE if low else m - _ONE
    z = m * m
    y = ((((((((_L0 * m + _L1) * m + _L2) * m + _L3) * m + _L4) * m + _L5) * m + _L6) * m + _L7) * m + _L8) * m * z
    y = y + e * _LN2_TAIL - _HALF * z + m + e * _LN2_HEAD
    y = _LOW if small else y
    return y if x == x else x  # noqa: PLR0124
