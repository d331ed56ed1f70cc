"""Geometric median over time of all bands together, and the spread of the observations around it."""

# numba infers the types of kernels; annotations would say nothing more
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from musyq_cube.kernels._gufunc import F32, gufunc, helper
from musyq_cube.kernels.select import quantile

GROUP = 64
"""Pixels iterated together: their observations stay in the first-level cache."""

SLOWEST = 0.8
"""Least ratio of two steps that is believed when the remaining way is estimated."""

LEAP = -3.0, 0.9
"""Bounds of the share of the step before in an extrapolation."""


@helper
def _load(x, p0, start, group, n):  # type: ignore[no-untyped-def]
    """Copy up to GROUP pixels of ``(band, time, pixel)``, less `start`, to ``(time, band, GROUP)``, complete first."""
    bands, times, pixels = x.shape
    width = min(GROUP, pixels - p0)
    n[:] = 0
    for t in range(times):
        for k in range(width):
            total = np.float32(0)
            for b in range(bands):
                total += abs(x[b, t, p0 + k])
            if total < np.inf:
                for b in range(bands):
                    group[n[k], b, k] = x[b, t, p0 + k] - start[b, p0 + k]
                n[k] += 1
    most = n.max()
    for k in range(GROUP):
        group[n[k] : most, :, k] = np.nan
    return most


@helper
def _measure(x, y, dist, nearest):  # type: ignore[no-untyped-def]
    """Euclidean distances of the observations to `y` (+inf if a band is missing), and the least above zero."""
    times, bands, _ = x.shape
    nearest[:] = np.inf
    for t in range(times):
        d = dist[t]
        d[:] = 0
        for b in range(bands):
            for k in range(GROUP):
                r = x[t, b, k] - y[b, k]
                d[k] += r * r
        for k in range(GROUP):
            s = np.sqrt(d[k])
            d[k] = s if s < np.inf else np.float32(np.inf)  # NaN becomes inf
            nearest[k] = d[k] if d[k] > 0 and d[k] < nearest[k] else nearest[k]


@helper
def _pull(x, y, dist, nearest, grain, force, weight, here):  # type: ignore[no-untyped-def]
    """
    Sum unit vectors to the observations, their weights nearest/distance, and how many lie exactly at `y`.

    Adding and subtracting `grain` rounds every term so that the sums are exact. Exact sums do not depend on the order
    of the observations: the result is the same bits for every permutation.
    """
    times, bands, _ = x.shape
    zero, one = np.float32(0), np.float32(1)
    inverse = np.empty(GROUP, np.float32)
    weight[:] = 0
    here[:] = 0
    force[:] = 0
    for t in range(times):
        d = dist[t]
        for k in range(GROUP):
            away = d[k] > 0
            usable = away and d[k] < np.inf
            inverse[k] = (one if usable else zero) / (d[k] if usable else one)
            here[k] += zero if away else one
            weight[k] += ((nearest[k] if usable else zero) * inverse[k] + grain[k]) - grain[k]
        for b in range(bands):
            for k in range(GROUP):
                r = x[t, b, k] - y[b, k] if inverse[k] > 0 else zero
                force[b, k] += (r * inverse[k] + grain[k]) - grain[k]


@helper
def _steps(force, nearest, weight, here, active, factor, now):  # type: ignore[no-untyped-def]
    """Find the step of Vardi and Zhang as a multiple of `force`, and its length; who has arrived is not active."""
    bands = force.shape[0]
    now[:] = 0
    for b in range(bands):
        for k in range(GROUP):
            now[k] += force[b, k] * force[b, k]
    for k in range(GROUP):
        norm = np.sqrt(now[k])
        go = active[k] and norm > here[k] and weight[k] > 0
        factor[k] = (1 - here[k] / norm) * nearest[k] / weight[k] if go else np.float32(0)
        now[k] = factor[k] * norm
        active[k] = go


@helper
def _advance(y, before, step, factor, force, now, last, active, eps):  # type: ignore[no-untyped-def]
    """Move `y` by one extrapolated step; return how many pixels go on."""
    bands = y.shape[0]
    along = np.zeros(GROUP, np.float32)
    change = np.zeros(GROUP, np.float32)
    for b in range(bands):
        for k in range(GROUP):
            s = factor[k] * force[b, k]
            d = s - step[b, k]
            along[k] += s * d
            change[k] += d * d
    for k in range(GROUP):
        leap = now[k] < last[k] and last[k] < np.inf and change[k] > 0
        share = along[k] / change[k] if leap else np.float32(0)
        along[k] = min(max(share, np.float32(LEAP[0])), np.float32(LEAP[1]))
    for b in range(bands):
        for k in range(GROUP):
            s = factor[k] * force[b, k]
            here = y[b, k]
            there = here + s - along[k] * ((here - before[b, k]) + (s - step[b, k]))
            y[b, k] = there if active[k] else here
            before[b, k] = here
            step[b, k] = s
    remaining = 0
    for k in range(GROUP):
        ratio = max(now[k] / last[k], np.float32(SLOWEST))
        active[k] = active[k] and (ratio >= 1 or now[k] * ratio >= eps * (1 - ratio))
        last[k] = now[k]
        remaining += 1 if active[k] else 0
    return remaining


@helper
def _minimise(x, y, n, eps, maxiter):  # type: ignore[no-untyped-def]
    """Iterate GROUP pixels of ``x (time, band, pixel)`` from zero; each stops by its own convergence."""
    times, bands, _ = x.shape
    dist = np.empty((times, GROUP), np.float32)
    force = np.empty((bands, GROUP), np.float32)
    before, step = np.zeros((bands, GROUP), np.float32), np.zeros((bands, GROUP), np.float32)
    nearest, weight, here = np.empty(GROUP, np.float32), np.empty(GROUP, np.float32), np.empty(GROUP, np.float32)
    factor, now, last = np.empty(GROUP, np.float32), np.empty(GROUP, np.float32), np.full(GROUP, np.float32(np.inf))
    grain = np.empty(GROUP, np.float32)
    for k in range(GROUP):
        grain[k] = 1.5 * 2.0 ** np.ceil(np.log2(max(n[k], 1)))
    active = n > 1
    y[:] = 0
    for _ in range(maxiter):
        _measure(x, y, dist, nearest)
        _pull(x, y, dist, nearest, grain, force, weight, here)
        _steps(force, nearest, weight, here, active, factor, now)
        if _advance(y, before, step, factor, force, now, last, active, eps) == 0:
            break


@gufunc(
    "void(float32[:,:,:], float32[:,:], float64, int64, float32[:,:])",
    "(b,t,p),(b,p),(),()->(b,p)",
)
def _geomedian(x, start, eps, maxiter, value):  # type: ignore[no-untyped-def]
    bands, times, pixels = x.shape
    group = np.empty((times, bands, GROUP), np.float32)
    y = np.empty((bands, GROUP), np.float32)
    n = np.empty(GROUP, np.int64)
    for p0 in range(0, pixels, GROUP):
        width = min(GROUP, pixels - p0)
        most = _load(x, p0, start, group, n)
        _minimise(group[:most], y, n, np.float32(eps), maxiter)
        for b in range(bands):
            for k in range(width):
                value[b, p0 + k] = start[b, p0 + k] + y[b, k] if n[k] > 0 else np.float32(np.nan)


def geomedian(x: F32, eps: float = 2.5e-6, maxiter: int = 200) -> F32:
    """
    Geometric median over time: the spectrum of least total Euclidean distance to the observed spectra.

    Parameters
    ----------
    x : float32 (band, time, pixel)
        Values of comparable scale in all bands; an observation that lacks one band (NaN) does not count.
    eps
        Stop when the estimated distance to the limit is less, in the unit of `x`.
    maxiter
        Most steps of a pixel.

    Returns
    -------
    float32 (band, pixel)
        NaN where nothing was observed. The same bits for every order of the observations. Where many points are
        minimal (two observations), the one nearest to the band-wise median.

    Notes
    -----
    Weiszfeld's iteration from the band-wise median, with the step of Vardi and Zhang (2000, PNAS 97, 1423,
    doi:10.1073/pnas.97.4.1423) where it meets an observation, extrapolated from the last two steps while they become
    shorter (Anderson 1965, J. ACM 12, 547, doi:10.1145/321296.321305, with a memory of one). With a step s and the
    ratio r of the last two, the remaining way is about s·r/(1-r), which is what `eps` bounds. Float32 suffices because
    everything is relative to the start.

    Examples
    --------
    >>> x = np.array([[[0], [0], [0], [9]], [[1], [1], [1], [5]]], np.float32)  # two bands, four dates, one pixel
    >>> geomedian(x)[:, 0].tolist()
    [0.0, 1.0]
    """
    whole = np.array(x, np.float32)
    return packed_geomedian(whole[:, : pack(whole, np.ones(x.shape[1:], np.uint8))], eps, maxiter)


def packed_geomedian(x: F32, eps: float = 2.5e-6, maxiter: int = 200) -> F32:
    """Return the :func:`geomedian` of observations that have all their bands or none."""
    return _geomedian(x, quantile(x), eps, maxiter)  # type: ignore[no-any-return]


@helper
def _check(x, used, t, total):  # type: ignore[no-untyped-def]
    """Clear `used` at one date where a band is missing."""
    bands, _, pixels = x.shape
    total[:] = 0
    for b in range(bands):
        for p in range(pixels):
            total[p] += abs(x[b, t, p])
    for p in range(pixels):
        used[t, p] = np.uint8(1) if used[t, p] and total[p] < np.inf else np.uint8(0)


@gufunc("void(float32[:,:,:], uint8[:,:], float32[:])", "(b,t,p),(t,p)->(p)")
def _complete(x, used, total):  # type: ignore[no-untyped-def]
    bands, times, pixels = x.shape
    for t in range(times):
        _check(x, used, t, total)
        for b in range(bands):
            for p in range(pixels):
                x[b, t, p] = x[b, t, p] if used[t, p] else np.float32(np.nan)


@gufunc("void(float32[:,:,:], uint8[:,:], float32[:], int64[:])", "(b,t,p),(t,p)->(p),(p)")
def _pack(x, used, total, n):  # type: ignore[no-untyped-def]
    bands, times, pixels = x.shape
    n[:] = 0
    most = 0
    for t in range(times):
        _check(x, used, t, total)
        for p in range(pixels):
            if used[t, p]:
                for b in range(bands):
                    x[b, n[p], p] = x[b, t, p]
                n[p] += 1
                most = max(most, n[p])
    for b in range(bands):
        for t in range(most):
            for p in range(pixels):
                x[b, t, p] = x[b, t, p] if t < n[p] else np.float32(np.nan)


def complete(x: F32, used: npt.NDArray[np.uint8]) -> None:
    """
    Set the observations that are not in use, or lack a band, to NaN in all bands, in place.

    Parameters
    ----------
    x : float32 (band, time, pixel)
        Values, NaN where missing.
    used : uint8 (time, pixel)
        1 where an observation may take part; afterwards: where it does.
    """
    _complete(x, used)


def pack(x: F32, used: npt.NDArray[np.uint8]) -> int:
    """
    Move the observations in use that have all bands to the front of every pixel, in place.

    Parameters
    ----------
    x : float32 (band, time, pixel)
        Values, NaN where missing.
    used : uint8 (time, pixel)
        1 where an observation may take part; afterwards: where it does, in the places from before.

    Returns
    -------
    int
        The most observations of a pixel: ``x[:, :most]`` has them all, in their order, NaN behind the last of a pixel.

    Examples
    --------
    >>> x = np.array([[[np.nan], [0.5], [0.7]]], np.float32)
    >>> pack(x, np.ones((3, 1), np.uint8)), x[0, :2, 0].tolist()
    (2, [0.5, 0.699999988079071])
    """
    return int(_pack(x, used)[1].max(initial=0))


def distances(x: F32, centre: F32) -> tuple[F32, F32, F32]:
    """
    Median distance of the observations to a spectrum, by three measures.

    Parameters
    ----------
    x : float32 (band, time, pixel)
        Observations, NaN in all bands where missing.
    centre : float32 (band, pixel)
        Usually their :func:`geomedian`.

    Returns
    -------
    emad, smad, bcmad : float32 (pixel)
        Medians of the Euclidean distance (unit of `x`), of the cosine distance 1 - cos (brightness does not count) and
        of the Bray–Curtis dissimilarity Σ|x-c| / Σ|x+c|.

    Notes
    -----
    Roberts, Dunn and Mueller 2018, IGARSS, doi:10.1109/IGARSS.2018.8518312.
    """
    c = centre[:, None].astype(np.float64)
    euclidean = np.zeros(x.shape[1:])
    product, length, apart, total = (np.zeros(x.shape[1:]) for _ in range(4))
    for band, middle in zip(x, c, strict=True):
        value = band.astype(np.float64)
        difference = value - middle
        euclidean += difference * difference
        product += value * middle
        length += value * value
        apart += np.abs(difference)
        total += np.abs(value + middle)
    norm = np.sqrt(length * (c * c).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        all_three = np.sqrt(euclidean), 1.0 - product / norm, apart / total
    emad, smad, bcmad = (quantile(np.maximum(d, 0.0).astype(np.float32)) for d in all_three)
    return emad, smad, bcmad
