"""Exact area means of a fine north-up raster over coarser, shifted pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    Array = NDArray[np.float64]


def area_mean(fine: Array, source: GeoBox, target: GeoBox, shift: tuple[float, float] = (0.0, 0.0)) -> Array:
    """
    Return the mean of a fine raster over every pixel of a coarser one in the same CRS; NaN where it is not covered.

    Parameters
    ----------
    fine
        ``(rows, columns)`` on `source`.
    source, target
        North-up grids in one CRS.
    shift
        Metres by which the target's pixels are looked up to the east and to the north of where they say they are: a
        geolocation error of the target.

    Examples
    --------
    >>> from odc.geo.geobox import GeoBox
    >>> box = GeoBox.from_bbox((0, 0, 40, 20), "EPSG:32650", resolution=10)
    >>> area_mean(np.array([[0.0, 2, 4, 6], [0, 2, 4, 6]]), box, box.zoom_out(2)).tolist()
    [[1.0, 5.0]]
    """
    east, north = shift
    columns = _edges(target.affine.c + east, target.affine.a, target.shape[1], source.affine.c, source.affine.a)
    rows = _edges(target.affine.f + north, target.affine.e, target.shape[0], source.affine.f, source.affine.e)
    values = np.asarray(fine, dtype=float)
    if (inside := _whole(rows, values.shape[0])) and (across := _whole(columns, values.shape[1])):
        (top, tall), (left, wide) = inside, across
        part = values[top : top + tall * target.shape[0], left : left + wide * target.shape[1]]
        return np.asarray(part.reshape(target.shape[0], tall, target.shape[1], wide).mean((1, 3)))
    return _mean_along(_mean_along(values, rows, 0), columns, 1)


def _edges(start: float, step: float, count: int, origin: float, size: float) -> Array:
    """Pixel edges of the target in units of source pixels."""
    return np.asarray((start + step * np.arange(count + 1) - origin) / size)


def _whole(edges: Array, n: int) -> tuple[int, int] | None:
    """Return (first, step) where the edges fall on edges of source pixels inside the raster: a plain mean will do."""
    first, step = round(edges[0]), round(edges[1] - edges[0])
    exact = np.abs(edges - (first + step * np.arange(edges.size))).max() < 1e-9
    return (first, step) if exact and step > 0 and first >= 0 and first + step * (edges.size - 1) <= n else None


def _mean_along(values: Array, edges: Array, axis: int) -> Array:
    """Differences of the running integral, linear within a pixel: the integral over any interval is exact."""
    n = values.shape[axis]
    integral = np.insert(np.cumsum(values, axis=axis), 0, 0.0, axis=axis)
    # A hair of rounding at the border is not "outside".
    edges = np.where(np.abs(edges - np.clip(edges, 0, n)) < 1e-6, np.clip(edges, 0, n), edges)
    below = np.clip(np.floor(edges).astype(int), 0, n - 1)
    part = np.expand_dims(edges - below, 1 - axis)
    low, high = np.take(integral, below, axis=axis), np.take(integral, below + 1, axis=axis)
    mean = np.diff(low + (high - low) * part, axis=axis) / np.expand_dims(np.diff(edges), 1 - axis)
    outside = (edges[:-1] < 0) | (edges[1:] > n)
    return np.where(np.expand_dims(outside, 1 - axis), np.nan, mean)


def noise(shape: tuple[int, int], length: float, rng: np.random.Generator) -> Array:
    """
    Return smooth random numbers of mean 0 and standard deviation 1.

    White noise with a Gaussian low pass of `length` pixels, made in Fourier space (so it is periodic).
    """
    spectrum = np.fft.rfft2(rng.standard_normal(shape))
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    spectrum *= np.exp(-2 * (np.pi * length) ** 2 * (fy**2 + fx**2))
    spectrum[0, 0] = 0
    smooth = np.fft.irfft2(spectrum, s=shape)
    return np.asarray(smooth / smooth.std())
