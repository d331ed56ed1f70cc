"""
Seasons as curves: the asymmetric double logistic fitted to many pixels at once by damped least squares.

v(t) = v₀ + A (L(a (t - s)) - L(b (t - e))) with L(x) = 1 / (1 + exp(-x)); parameters in the order v₀, A, a, s, b, e.

References
----------
Beck et al. 2006, doi:10.1016/j.rse.2005.10.021 (the curve); Marquardt 1963, doi:10.1137/0111030 (the damping).
"""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN201, ANN202

from __future__ import annotations

import numpy as np

from musyq_cube.kernels._gufunc import LANES, helper

PARAMETERS = 6
PACKED = 21
"""Elements of the lower triangle of the normal matrix, row by row."""

LOWEST = np.array((-0.3, 0.02, 0.01, -np.inf, 0.01, -np.inf), np.float32)
HIGHEST = np.array((1.0, 1.6, 0.6, np.inf, 0.6, np.inf), np.float32)
"""Bounds of the parameters; rates per day: from a rise over most of a year to one within a week."""
SHORTEST = np.float32(10)
"""Least days between the middle of the rise and the middle of the fall."""
SETTLED = np.float32(1e-5)
"""Relative gain of a step below which a pixel is done."""

_ZERO, _ONE, _FAR, _TINY = np.float32(0), np.float32(1), np.float32(30), np.float32(1e-12)
_PART = np.float32(1 / 256)
_T2, _T3, _T4, _T5 = np.float32(1 / 2), np.float32(1 / 6), np.float32(1 / 24), np.float32(1 / 120)
_FIRST, _LOOSER, _TIGHTER = np.float32(1e-3), np.float32(0.2), np.float32(8)


@helper
def logistic(x):  # type: ignore[no-untyped-def]
    """Return 1 / (1 + exp(-x)), good to 1e-6, without a call into the C library: exp(x) = exp(x / 256)^256."""
    x = x if x < _FAR else _FAR  # noqa: FURB136  # compiles to one vector instruction
    x = x if x > -_FAR else -_FAR  # noqa: FURB136
    y = -x * _PART
    y = _ONE + y * (_ONE + y * (_T2 + y * (_T3 + y * (_T4 + y * _T5))))
    y = y * y
    y = y * y
    y = y * y
    y = y * y
    y = y * y
    y = y * y
    y = y * y
    y = y * y
    return _ONE / (_ONE + y)


@helper
def _side(t, rate, middle, sign, weight, size, level, by_rate, by_middle):  # type: ignore[no-untyped-def]
    """One of the two logistics at a time: its level, and the weighed derivatives by its rate and its middle."""
    for k in range(LANES):
        level[k] = logistic(rate[k] * (t - middle[k]))
    for k in range(LANES):
        by_rate[k] = sign * weight[k] * size[k] * level[k] * (_ONE - level[k])
    for k in range(LANES):
        by_middle[k] = -by_rate[k] * rate[k]
    for k in range(LANES):
        by_rate[k] *= t - middle[k]


@helper
def _normal(v, w, times, p, j, up, down, matrix, right, cost):  # type: ignore[no-untyped-def]
    """Make the normal equations at `p`: packed matrix, right side and sum of squares; weights are 0 or 1."""
    matrix[:] = _ZERO
    right[:] = _ZERO
    cost[:] = _ZERO
    base, size, residual = p[0], p[1], np.empty(LANES, np.float32)
    for i in range(times.shape[0]):
        t, vt, wt = np.float32(times[i]), v[i], w[i]
        _side(t, p[2], p[3], _ONE, wt, size, up, j[2], j[3])
        _side(t, p[4], p[5], -_ONE, wt, size, down, j[4], j[5])
        flat, shape = j[0], j[1]
        for k in range(LANES):
            flat[k] = wt[k]
            shape[k] = wt[k] * (up[k] - down[k])
        for k in range(LANES):
            residual[k] = wt[k] * (vt[k] - base[k]) - size[k] * shape[k]
        for k in range(LANES):
            cost[k] += residual[k] * residual[k]
        _add(j, residual, matrix, right)


@helper
def _add(j, residual, matrix, right):  # type: ignore[no-untyped-def]
    """Add the products of the derivatives of one time."""
    q = 0
    for a in range(PARAMETERS):
        ja, ra = j[a], right[a]
        for k in range(LANES):
            ra[k] += ja[k] * residual[k]
        for b in range(a + 1):
            jb, mq = j[b], matrix[q]
            for k in range(LANES):
                mq[k] += ja[k] * jb[k]
            q += 1


@helper
def cholesky(matrix, damping, lower):  # type: ignore[no-untyped-def]
    """Factor the packed matrix with its diagonal times 1 + `damping`; the diagonal of `lower` holds the inverses."""
    q = 0
    for a in range(PARAMETERS):
        for b in range(a + 1):
            out, given = lower[q], matrix[q]
            extra = _ONE if a == b else _ZERO
            for k in range(LANES):
                out[k] = given[k] * (_ONE + extra * damping[k]) + extra * _TINY
            for c in range(b):
                x, y = lower[a * (a + 1) // 2 + c], lower[b * (b + 1) // 2 + c]
                for k in range(LANES):
                    out[k] -= x[k] * y[k]
            if a == b:
                for k in range(LANES):
                    out[k] = _ONE / np.sqrt(out[k] if out[k] > _TINY else _TINY)  # noqa: FURB136
            else:
                pivot = lower[b * (b + 1) // 2 + b]
                for k in range(LANES):
                    out[k] *= pivot[k]
            q += 1


@helper
def _step(lower, right, x):  # type: ignore[no-untyped-def]
    """Solve with the factor of `cholesky`: forwards, then backwards."""
    for a in range(PARAMETERS):
        out, given, pivot = x[a], right[a], lower[a * (a + 1) // 2 + a]
        for k in range(LANES):
            out[k] = given[k]
        for c in range(a):
            row, before = lower[a * (a + 1) // 2 + c], x[c]
            for k in range(LANES):
                out[k] -= row[k] * before[k]
        for k in range(LANES):
            out[k] *= pivot[k]
    for a in range(PARAMETERS - 1, -1, -1):
        out, pivot = x[a], lower[a * (a + 1) // 2 + a]
        for c in range(a + 1, PARAMETERS):
            row, after = lower[c * (c + 1) // 2 + a], x[c]
            for k in range(LANES):
                out[k] -= row[k] * after[k]
        for k in range(LANES):
            out[k] *= pivot[k]


@helper
def _move(p, step, trial):  # type: ignore[no-untyped-def]
    """Take a step within the bounds."""
    for a in range(PARAMETERS):
        at, by, to = p[a], step[a], trial[a]
        low, high = LOWEST[a], HIGHEST[a]
        for k in range(LANES):
            x = at[k] + by[k]
            x = x if x > low else low  # noqa: FURB136  # compiles to one vector instruction
            to[k] = x if x < high else high  # noqa: FURB136
    rise, fall = trial[3], trial[5]
    for k in range(LANES):
        fall[k] = fall[k] if fall[k] > rise[k] + SHORTEST else rise[k] + SHORTEST  # noqa: FURB136


@helper
def _accept(p, matrix, right, trial, new_matrix, new_right, better):  # type: ignore[no-untyped-def]
    for a in range(PARAMETERS):
        x, y, u, v = p[a], trial[a], right[a], new_right[a]
        for k in range(LANES):
            x[k] = y[k] if better[k] else x[k]
        for k in range(LANES):
            u[k] = v[k] if better[k] else u[k]
    for q in range(PACKED):
        u, v = matrix[q], new_matrix[q]
        for k in range(LANES):
            u[k] = v[k] if better[k] else u[k]


@helper
def fit_lanes(v, w, times, p, matrix, cost, iterations):  # type: ignore[no-untyped-def]
    """
    Improve the parameters `p` (6, LANES) in place; `matrix` and `cost` become those of the result.

    A pixel that is done, or has no weight, does not move any more: what the others need changes nothing for it.
    """
    right, new_right, step = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    trial, j = np.zeros_like(p), np.zeros_like(p)
    lower, new_matrix = np.zeros_like(matrix), np.zeros_like(matrix)
    damping, new_cost = np.full(LANES, _FIRST), np.zeros(LANES, np.float32)
    up, down = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32)
    better, done = np.zeros(LANES, np.bool_), np.zeros(LANES, np.bool_)
    _normal(v, w, times, p, j, up, down, matrix, right, cost)
    for _ in range(iterations):
        cholesky(matrix, damping, lower)
        _step(lower, right, step)
        _move(p, step, trial)
        _normal(v, w, times, trial, j, up, down, new_matrix, new_right, new_cost)
        for k in range(LANES):
            better[k] = new_cost[k] < cost[k] and not done[k]
            small = cost[k] - new_cost[k] <= SETTLED * cost[k]
            done[k] = done[k] or (small and (better[k] or damping[k] > _ONE))
            damping[k] *= _LOOSER if better[k] else _TIGHTER
        _accept(p, matrix, right, trial, new_matrix, new_right, better)
        for k in range(LANES):
            cost[k] = new_cost[k] if better[k] else cost[k]
        if done.all():
            break
