"""Seasons of a smooth curve: where they are, a first guess of their shape, and the dates of the fitted one."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN201, ANN202

from __future__ import annotations

import numpy as np

from musyq_cube.kernels._gufunc import helper
from musyq_cube.kernels.logistic import logistic

LEAST_AMPLITUDE = 0.1
"""Rise of a vegetation index that makes a season: below are evergreens, deserts and water."""
LEAST_SHARE = 0.3
"""Part of the range of the year that a peak must rise above the valleys around it."""
FLAT = 0.25
"""Part of the amplitude by which the dormant side of a season may rise and still belong to it."""
BISECTIONS, REFINEMENTS = 11, 3
"""A date is bracketed to a fraction of a day by halving, then refined by Newton's steps."""
SIMPSON = 32
"""Even number of intervals of the integral over a season."""
METRICS = 8
"""sos, eos, pos, los, base, peak, amplitude, integral."""


@helper
def _prominence(c, first, last, i):  # type: ignore[no-untyped-def]
    """Height of a point above the higher of the two lowest points on the way to what is higher than it."""
    left, right = c[i], c[i]
    j = i - 1
    while j >= first and c[j] <= c[i]:
        left = min(left, c[j])
        j -= 1
    j = i + 1
    while j <= last and c[j] < c[i]:
        right = min(right, c[j])
        j += 1
    return c[i] - max(left, right)


@helper
def peaks(c, first, last, found):  # type: ignore[no-untyped-def]
    """Put the one or two most prominent inner maxima of ``c[first:last + 1]`` into `found`; return how many."""
    low, high = c[first : last + 1].min(), c[first : last + 1].max()
    least = max(LEAST_AMPLITUDE, LEAST_SHARE * (high - low))
    best, second = least, least
    found[:] = -1
    for i in range(first + 1, last):
        if c[i] > c[i - 1] and c[i] >= c[i + 1]:
            rise = _prominence(c, first, last, i)
            if rise >= best:
                found[1], second = found[0], best
                found[0], best = i, rise
            elif rise >= second:
                found[1], second = i, rise
    if found[1] < 0:
        return 1 if found[0] >= 0 else 0
    if found[1] < found[0]:
        found[0], found[1] = found[1], found[0]
    return 2


@helper
def side(c, start, stop, top):  # type: ignore[no-untyped-def]
    """Return where the curve is lowest from `start` away from the peak to `stop`, and how far it stays low beyond."""
    step = 1 if stop >= start else -1
    low = start
    for i in range(start, stop + step, step):
        if c[i] < c[low]:
            low = i
    end = low
    while end != stop and c[end + step] <= c[low] + FLAT * (c[top] - c[low]):
        end += step
    return low, end


@helper
def crossing(c, times, top, low, part):  # type: ignore[no-untyped-def]
    """Return the time between the peak and a valley at which the curve has risen by a part of the way."""
    level = c[low] + part * (c[top] - c[low])
    step = 1 if low > top else -1
    i = top
    while i != low and c[i + step] > level:
        i += step
    if i == low:
        return times[i]
    rise = c[i] - c[i + step]
    return times[i] + (times[i + step] - times[i]) * ((c[i] - level) / rise if rise > 0 else 0.0)


@helper
def guess(c, times, top, left, right, p, k):  # type: ignore[no-untyped-def]
    """Put parameters of the double logistic for the peak between two valleys into ``p[:, k]``."""
    base = 0.5 * (c[left] + c[right])
    p[0, k], p[1, k] = base, c[top] - base
    p[3, k], p[5, k] = crossing(c, times, top, left, 0.5), crossing(c, times, top, right, 0.5)
    rise = crossing(c, times, top, left, 0.8) - crossing(c, times, top, left, 0.2)
    fall = crossing(c, times, top, right, 0.2) - crossing(c, times, top, right, 0.8)
    p[2, k] = 2.77 / min(max(rise, 12.0), 140.0)  # a logistic takes 2 ln 4 / a from 20 to 80 %
    p[4, k] = 2.77 / min(max(fall, 12.0), 140.0)


@helper
def _shape(t, p, h):  # type: ignore[no-untyped-def]
    """Difference of the logistics at a time and its first two derivatives by time, into ``h[:3]``."""
    l1, l2 = logistic(p[2] * (t - p[3])), logistic(p[4] * (t - p[5]))
    q1, q2 = p[2] * l1 * (1 - l1), p[4] * l2 * (1 - l2)
    h[0], h[1] = l1 - l2, q1 - q2
    h[2] = p[2] * q1 * (1 - 2 * l1) - p[4] * q2 * (1 - 2 * l2)


@helper
def _gradient(t, p, g):  # type: ignore[no-untyped-def]
    """Give the derivatives of the difference of the logistics by the parameters."""
    l1, l2 = logistic(p[2] * (t - p[3])), logistic(p[4] * (t - p[5]))
    q1, q2 = l1 * (1 - l1), l2 * (1 - l2)
    g[0], g[1] = 0.0, 0.0
    g[2], g[3] = q1 * (t - p[3]), -q1 * p[2]
    g[4], g[5] = -q2 * (t - p[5]), q2 * p[4]


@helper
def _slope_gradient(t, p, g):  # type: ignore[no-untyped-def]
    """Give the derivatives by the parameters of the slope of the difference of the logistics."""
    x1, x2 = p[2] * (t - p[3]), p[4] * (t - p[5])
    l1, l2 = logistic(x1), logistic(x2)
    q1, q2 = l1 * (1 - l1), l2 * (1 - l2)
    g[0], g[1] = 0.0, 0.0
    g[2], g[3] = q1 * (1 + (1 - 2 * l1) * x1), -p[2] * p[2] * q1 * (1 - 2 * l1)
    g[4], g[5] = -q2 * (1 + (1 - 2 * l2) * x2), p[4] * p[4] * q2 * (1 - 2 * l2)


@helper
def _summit(p, h):  # type: ignore[no-untyped-def]
    """Return the time of the peak: where the slope changes sign."""
    low, high = p[3], p[5]
    for _ in range(4):
        _shape(low, p, h)
        low = low if h[1] > 0 else low - 2 / p[2]
        _shape(high, p, h)
        high = high if h[1] < 0 else high + 2 / p[4]
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        _shape(middle, p, h)
        low, high = (middle, high) if h[1] > 0 else (low, middle)
    t = 0.5 * (low + high)
    for _ in range(REFINEMENTS):
        _shape(t, p, h)
        t = min(max(t - h[1] / h[2], low), high)
    return t


@helper
def _reached(p, level, outside, inside, h):  # type: ignore[no-untyped-def]
    """Return the time between one outside the season and the peak at which the curve is at a level."""
    for _ in range(BISECTIONS):
        middle = 0.5 * (outside + inside)
        _shape(middle, p, h)
        outside, inside = (outside, middle) if h[0] > level else (middle, inside)
    t, low, high = 0.5 * (outside + inside), min(outside, inside), max(outside, inside)
    for _ in range(REFINEMENTS):
        _shape(t, p, h)
        t = min(max(t - (h[0] - level) / h[1], low), high)
    return t


@helper
def measure(p, part, begin, finish, value, g):  # type: ignore[no-untyped-def]
    """
    Measure a fitted season: eight metrics into `value`, their derivatives by the six parameters into `g` (8, 6).

    Start and end are where the curve has `part` of the way from its value at the beginning (finish) of the season to
    the peak; NaN where it is higher than that there, so that the season is cut. The integral is that of the curve
    above the base from start to end.
    """
    h, top, at, low = np.zeros(3), np.zeros(6), np.zeros(6), np.zeros(6)
    g[:] = 0.0
    summit = _summit(p, h)
    _shape(summit, p, h)
    height, bend = h[0], h[2]
    _gradient(summit, p, top)
    _slope_gradient(summit, p, at)
    for i in range(6):
        g[2, i] = -at[i] / bend
        g[5, i] = g[6, i] = p[1] * top[i]
    g[4, 0] = g[5, 0] = 1.0
    g[5, 1] = g[6, 1] = height
    ends = np.zeros(2)
    for m, edge, outside in ((0, begin, p[3] - 20 / p[2]), (1, finish, p[5] + 20 / p[4])):
        _shape(edge, p, h)
        valley = h[0]
        ends[m] = _reached(p, valley + part * (height - valley), outside, summit, h)
        _gradient(edge, p, low)
        _gradient(ends[m], p, at)
        _shape(ends[m], p, h)
        for i in range(6):
            g[m, i] = (part * top[i] + (1 - part) * low[i] - at[i]) / h[1]
            g[7, i] += (2 * m - 1) * p[1] * h[0] * g[m, i]
        value[m] = ends[m] if valley <= part * height else np.nan
    area = _integrate(p, ends[0], ends[1], h, at, low)
    for i in range(6):
        g[3, i] = g[1, i] - g[0, i]
        g[7, i] += p[1] * low[i]
    g[7, 1] += area
    value[2], value[3] = summit, value[1] - value[0]
    value[4], value[5], value[6] = p[0], p[0] + p[1] * height, p[1] * height
    value[7] = p[1] * area


@helper
def _integrate(p, start, end, h, at, integral):  # type: ignore[no-untyped-def]
    """Return the integral of the difference of the logistics, and those of its derivatives in `integral` (Simpson)."""
    area, width = 0.0, (end - start) / SIMPSON
    integral[:] = 0.0
    for i in range(SIMPSON + 1):
        weight = (1.0 if i in {0, SIMPSON} else 4.0 if i % 2 else 2.0) * width / 3
        _shape(start + i * width, p, h)
        _gradient(start + i * width, p, at)
        area += weight * h[0]
        for q in range(6):
            integral[q] += weight * at[q]
    return area
