"""
Lanes of pixels: loaded, stored, and trigonometry on them that the compiler turns into vector instructions.

In float32, good to two units of 1e-7.
Angles come in degrees and folded into 0…90, where a short polynomial does; no call into the C library, so that the
result is the same bit for bit whatever the width of the vectors and on every machine.
"""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import numpy as np

from musyq_cube.kernels._gufunc import LANES, helper

ONE = np.float32(1)
TWO = np.float32(2)
HALF = np.float32(0.5)
HALF_PI = np.float32(np.pi / 2)
DEGREE = np.float32(np.pi / 180)
QUARTER = np.float32(90)
TURN = np.float32(360)

# Taylor: the next term is 6e-10 at 90°
S3, S5, S7, S9, S11, S13 = (
    np.float32(v) for v in (-1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800)
)
# Abramowitz & Stegun 4.4.46: arccos x = √(1 - x) Σ aₖ xᵏ for 0 ≤ x ≤ 1, error 2e-8
A0, A1, A2, A3, A4, A5, A6, A7 = (
    np.float32(v)
    for v in (
        1.5707963050,
        -0.2145988016,
        0.0889789874,
        -0.0501743046,
        0.0308918810,
        -0.0170881256,
        0.0066700901,
        -0.0012624911,
    )
)


@helper
def load(x, p0, buf):  # type: ignore[no-untyped-def]
    """Copy up to LANES pixels from `p0` on; the slice has no negative indices, which would keep it from being fast."""
    part = x[p0 : p0 + LANES]
    for k in range(part.size):
        buf[k] = part[k]


@helper
def store(buf, p0, x):  # type: ignore[no-untyped-def]
    """Copy lanes back to the pixels from `p0` on, as many as there are."""
    part = x[p0 : p0 + LANES]
    for k in range(part.size):
        part[k] = buf[k]


@helper
def sine(degrees):  # type: ignore[no-untyped-def]
    """Sine of 0…90 degrees."""
    x = degrees * DEGREE
    y = x * x
    return x + x * y * (S3 + y * (S5 + y * (S7 + y * (S9 + y * (S11 + y * S13)))))


@helper
def cosine(degrees):  # type: ignore[no-untyped-def]
    """Cosine of 0…90 degrees, relatively precise up to 90."""
    return sine(QUARTER - degrees)


@helper
def half_azimuth_sine(degrees):  # type: ignore[no-untyped-def]
    """Sine of half the angle between two azimuths, from any difference of azimuths: folded to 0…180 before."""
    x = abs(degrees)
    x = x - TURN * np.floor(x / TURN)
    x = x if x < TURN - x else TURN - x  # noqa: FURB136  # compiles to one vector instruction
    return sine(x * HALF)


@helper
def arccosine(x):  # type: ignore[no-untyped-def]
    """Arc cosine in radians of -1…1."""
    a = abs(x)
    p = A0 + a * (A1 + a * (A2 + a * (A3 + a * (A4 + a * (A5 + a * (A6 + a * A7))))))
    p = np.sqrt(ONE - a) * p
    return p if x >= np.float32(0) else TWO * HALF_PI - p
