"""
Geometric registration: where a scene truly is, found against a base, kept as a correction of its mapping.

    points = find_tie_points(target, base)          # one for each cell of an even grid
    found = fit(points, geobox, "affine")           # random sample consensus; identity where it does not improve

`register` does both for scenes. `musyq_cube.read.prepare` puts the correction into the mapping, so that pixels are
still resampled once. A displacement is native minus true: what the base has at (row, col) the
target has at (row + drow, col + dcol).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pyproj

from musyq_cube.normalization import Geometric, Residual
from musyq_cube.normalize._ransac import TERMS, Fitted, ransac
from musyq_cube.normalize._register import Images, load
from musyq_cube.normalize._tiepoints import TiePoints, find_tie_points

if TYPE_CHECKING:
    from collections.abc import Iterable

    import xarray as xr
    from matplotlib.axes import Axes
    from odc.geo.geobox import GeoBox

    from musyq_cube.scene import Scene

__all__ = ["TiePoints", "find_tie_points", "fit", "plot", "register"]

Array: TypeAlias = np.ndarray[Any, Any]
Model: TypeAlias = Literal["shift", "affine", "polynomial2"]

LEAST_INLIERS = 12
LEAST_SHARE = 0.4
"""Inliers below which native geolocation is kept (N1)."""
CORNER = 0.5
"""Pixels; largest 1σ of a correction at the corners of the grid, where it is extrapolated."""
GAIN = 0.9
"""Residual after the correction, in parts of that before, from which on it is one."""
SIMPLER = 1.05
"""A simpler model is taken if its residual is no larger than this times that of the best."""
SWATH = 250.0
"""Metres; pixels from this size on come from swaths, whose errors bend."""
FINE_CELL, COARSE_CELL = 512, 64
"""Pixels between tie points of fine (below 100 m) and coarse images."""
CELLS = 10
"""Cells along the shorter edge that smaller images are cut into."""
LEAST_CELL = 12


def fit(
    points: TiePoints,
    geobox: GeoBox,
    model: Model = "affine",
    *,
    crs: str | None = None,
    threshold: float = 1.0,
    trials: int = 2000,
    seed: int = 0,
    against: str = "",
) -> Geometric:
    """
    Fit the correction of a scene's geolocation to tie points.

    Random sample consensus with a fixed seed, then least squares on the inliers. The identity is kept, with the reason,
    where fewer than 12 points or 40 % of them agree, where the correction would be uncertain by half a pixel in a
    corner, or where it does not bring the points nearer.

    Parameters
    ----------
    points
        Tie points on `geobox`.
    geobox
        The grid on which they were found.
    model
        ``shift``, ``affine`` or ``polynomial2`` (second order).
    crs
        CRS of the scene, in which the correction is stated; by default that of `geobox`.
    threshold
        Largest residual of an inlier, pixels of `geobox`.
    trials, seed
        Of the random samples.
    against
        What the scene was compared with; goes into the residual.

    Returns
    -------
    Geometric
        Its residual is the RMSE (pixels of `geobox`) of the inliers with native geolocation, and with the correction
        fitted to those that share no pixel with the one judged.

    Raises
    ------
    ValueError
        For an unknown model or tie points of another grid.
    """
    if model not in TERMS:
        raise ValueError(f"model={model!r}: choose from {', '.join(TERMS)}")
    frame = _frame(points, geobox, crs)
    found = _ransac(frame, model, threshold, trials, seed)
    return _conclude(found, frame, against)


def register(
    scene: Scene,
    base: Scene | Iterable[Scene] | xr.DataArray,
    *,
    band: str = "nir08",
    model: Model | Literal["auto"] = "auto",
    cell: int | None = None,
    window: int | None = None,
    radius: int | None = None,
    min_score: float = 0.7,
    method: Literal["auto", "phase", "sift"] = "phase",
    threshold: float = 1.0,
    trials: int = 2000,
    seed: int = 0,
) -> tuple[Geometric, TiePoints]:
    """
    Find where a scene truly is, against a base that is taken for right.

    Both are read on the base's grid, at the coarser of the two resolutions, without clouds. Take Landsat as the base
    of 10–30 m, MODIS of 250 m and coarser.

    Parameters
    ----------
    scene
        What is to be registered; read with its native geolocation, whatever correction it has.
    base
        One scene, several of one CRS (their median is taken), or a north-up image with a CRS (y, x; NaN missing).
    band
        Common name of the band compared; near infrared has the most contrast and the least haze.
    model
        ``auto``: at most ``affine`` for pixels below 250 m, at most ``polynomial2`` from there on; a simpler one where
        that leaves no more residual, or where the points do not carry more.
    cell, window, radius, min_score, method
        See `find_tie_points`. By default 512 px (64 px from 100 m on), or a tenth of a smaller image; the radius
        25 px for geostationary VISSR, 10 px for all others.
    threshold, trials, seed
        See `fit`.

    Returns
    -------
    The correction, the identity with its reason where there is none to trust, and the tie points on the base's grid.

    Raises
    ------
    ReadError
        A file cannot be read.
    ValueError
        A scene lacks the band, or the base has no grid.
    """
    images = load(scene, base, band)
    if images is None:
        return Geometric(applied=False, reason="native geolocation kept: scene and base do not overlap"), _nothing()
    points = find_tie_points(
        images.target,
        images.base,
        cell=cell or _cell(images),
        window=window,
        radius=radius or (25 if "vissr" in scene.sensor else 10),
        min_score=min_score,
        method=method,
    )
    frame = _frame(points, images.geobox, images.crs)
    most: Model = "polynomial2" if images.metres >= SWATH else "affine"
    names = list(TERMS)[: list(TERMS).index(most) + 1] if model == "auto" else [model]
    fits = [_ransac(frame, name, threshold, trials, seed) for name in names]
    return _conclude(_simplest(fits), frame, images.against), points


def plot(
    points: TiePoints, correction: Geometric, geobox: GeoBox, *, ax: Axes | None = None, magnify: float = 0
) -> Axes:
    """
    Draw the tie points, how far off each was, and how far it is after the correction.

    Parameters
    ----------
    points, correction, geobox
        As given to and returned by `fit`.
    ax
        Where to draw; by default a figure of its own.
    magnify
        Length of a vector in pixels for a displacement of one; 0 chooses it.
    """
    from musyq_cube.normalize._geometric_plot import draw

    after = residuals(points, correction, geobox)
    return draw(points, after, correction, ax=ax, magnify=magnify)


def residuals(points: TiePoints, correction: Geometric, geobox: GeoBox) -> Array:
    """Return what is left of each tie point's displacement after the correction: (n, 2) columns and rows, pixels."""
    if not correction.applied:
        return np.stack([points.dcol, points.drow], axis=1)
    frame = _frame(points, geobox, correction.crs)
    dx, dy = correction.displacement(frame.x, frame.y)
    return np.asarray(frame.moved - np.stack([dx, dy], axis=1) @ frame.to_pixels)


class _Frame(NamedTuple):
    """
    Tie points in the CRS of the scene.

    `x`, `y` true places; `u`, `v` the same from the middle of the grid, −1…1; `moved` (n, 2) displacements in pixels
    (columns, rows); `to_pixels` (2, 2) turns (dx, dy) of the CRS into these.
    """

    x: Array
    y: Array
    u: Array
    v: Array
    moved: Array
    to_pixels: Array
    origin: tuple[float, float]
    scale: float
    reach: float
    """Distance in u or v below which two points share pixels."""
    crs: str


def _frame(points: TiePoints, geobox: GeoBox, crs: str | None) -> _Frame:
    if points.shape != tuple(geobox.shape):
        raise ValueError(f"tie points of an image of {points.shape} pixels on a geobox of {tuple(geobox.shape)}")
    if geobox.crs is None:
        raise ValueError("geobox without a CRS: give it one")
    crs = crs or (geobox.crs.to_wkt() if geobox.crs.epsg is None else f"EPSG:{geobox.crs.epsg}")
    a, b, c, d, e, f = geobox.affine[:6]
    there = pyproj.Transformer.from_crs(geobox.crs.to_wkt(), crs, always_xy=True)

    def place(rows: Any, cols: Any) -> tuple[Array, Array]:
        rows, cols = np.asarray(rows, np.float64), np.asarray(cols, np.float64)
        x, y = there.transform(a * cols + b * rows + c, d * cols + e * rows + f)
        return np.asarray(x), np.asarray(y)

    height, width = geobox.shape
    middle = height / 2, width / 2
    x0, y0 = place(*middle)
    jacobian = np.array([np.subtract(place(middle[0], middle[1] + 1), (x0, y0)),
                         np.subtract(place(middle[0] + 1, middle[1]), (x0, y0))])  # fmt: skip
    corner_x, corner_y = place([0, 0, height, height], [0, width, 0, width])
    scale = float(max(np.abs(corner_x - x0).max(), np.abs(corner_y - y0).max()))
    x, y = place(points.rows, points.cols)
    native_x, native_y = place(points.rows + points.drow, points.cols + points.dcol)
    to_pixels = np.linalg.inv(jacobian)
    moved = np.stack([native_x - x, native_y - y], axis=1) @ to_pixels
    origin = float(x0), float(y0)
    reach = points.window * float(np.abs(jacobian).max()) / scale
    return _Frame(x, y, (x - x0) / scale, (y - y0) / scale, moved, to_pixels, origin, scale, reach, crs)


def _ransac(frame: _Frame, model: str, threshold: float, trials: int, seed: int) -> Fitted | None:
    places = frame.u, frame.v, frame.moved
    return ransac(*places, model, reach=frame.reach, threshold=threshold, trials=trials, seed=seed)


def _conclude(found: Fitted | None, frame: _Frame, against: str) -> Geometric:
    """Turn a fit into a correction, or into the identity with the reason."""
    n = len(frame.x)
    if found is None:
        return Geometric(applied=False, reason=f"native geolocation kept: only {n} tie points")
    inliers = int(found.inliers.sum())
    residual = Residual(found.before, found.after, "px", inliers, against)
    reason = _doubt(found, n)
    if reason:
        kept = dataclasses.replace(residual, after=found.before)
        return Geometric(applied=False, reason=f"native geolocation kept: {reason}", residual=kept)
    dx, dy = (found.coefficients @ np.linalg.inv(frame.to_pixels)).T
    return Geometric(
        applied=True,
        reason=f"{inliers} of {n} tie points agree",
        crs=frame.crs,
        origin=frame.origin,
        scale=frame.scale,
        dx=tuple(float(c) for c in dx),
        dy=tuple(float(c) for c in dy),
        residual=residual,
    )


def _doubt(found: Fitted, n: int) -> str:
    """Return why a fit is not to be trusted, empty if it is."""
    inliers = int(found.inliers.sum())
    if inliers < LEAST_INLIERS:
        return f"{inliers} tie points agree, fewer than {LEAST_INLIERS}"
    if inliers < LEAST_SHARE * n:
        return f"{inliers} of {n} tie points agree, less than {LEAST_SHARE:.0%}"
    if found.corner > CORNER:
        return f"uncertain by {found.corner:.2f} px in a corner, more than {CORNER}"
    if not np.isfinite(found.after):
        return "the tie points share their pixels, none is left to judge by"
    if found.after > GAIN * found.before or found.loss >= found.loss_before:
        return f"no improvement ({found.before:.3f} → {found.after:.3f} px)"
    return ""


def _simplest(fits: list[Fitted | None]) -> Fitted | None:
    """Return the fit (given from simple to complex) that leaves least, a simpler one if about as good."""
    made = [f for f in fits if f is not None]
    sound = [f for f in made if f.inliers.sum() >= LEAST_INLIERS and f.corner <= CORNER]
    if not sound:
        return max(made, key=lambda f: int(f.inliers.sum()), default=None)
    least = min(f.loss for f in sound)
    return next(f for f in sound if f.loss <= SIMPLER**2 * least)


def _cell(images: Images) -> int:
    most = FINE_CELL if images.metres < 100 else COARSE_CELL
    return int(np.clip(min(images.geobox.shape) // CELLS, LEAST_CELL, most))


def _nothing() -> TiePoints:
    empty = np.empty(0)
    return TiePoints(empty, empty, empty, empty, empty, (0, 0), 0)
