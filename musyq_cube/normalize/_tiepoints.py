"""Tie points: where the same ground is in two images, one point for each cell of an even grid."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from scipy import ndimage

from musyq_cube.normalize._correlate import Match, bandpass, match

if TYPE_CHECKING:
    from collections.abc import Iterator

Array: TypeAlias = np.ndarray[Any, Any]
How: TypeAlias = Literal["auto", "phase", "sift"]

RADIUS = 10
"""Pixels within which ground is looked for."""
SCORE = 0.7
"""Least normalized cross-correlation of a tie point."""
MISSING = 0.3
"""Largest part of a window under cloud or without data."""
FEW = 12
"""Tie points below which ``auto`` looks for features too."""
WINDOW = (24, 128)
"""Smallest and largest edge of what is compared, pixels."""


@dataclass(frozen=True, eq=False)
class TiePoints:
    """
    Places of the same ground in two images on one grid, each (n,) float64.

    What the base has at (`rows`, `cols`) the target has at (`rows` + `drow`, `cols` + `dcol`); pixels, edges at whole
    numbers, so that the middle of the first pixel is at 0.5. `score` is the normalized cross-correlation.
    """

    rows: Array
    cols: Array
    drow: Array
    dcol: Array
    score: Array
    shape: tuple[int, int]
    """(rows, columns) of the images."""
    window: int
    """Edge of what was compared around each point, pixels."""

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        if not len(self):
            return "<TiePoints: none>"
        middle = np.median(self.drow), np.median(self.dcol)
        return f"<TiePoints: {len(self)}, median displacement {middle[0]:+.2f} rows {middle[1]:+.2f} columns>"


def find_tie_points(
    target: Array,
    base: Array,
    *,
    cell: int = 64,
    window: int | None = None,
    radius: int = RADIUS,
    min_score: float = SCORE,
    max_missing: float = MISSING,
    method: How = "phase",
) -> TiePoints:
    """
    Find where the ground of `base` is in `target`, one point for each cell of an even grid.

    In each cell the window with the most texture is compared, band-pass filtered, by normalized cross-correlation and
    then phase correlation. So the points are spread evenly, however the texture is.

    Parameters
    ----------
    target, base
        (y, x) float on one grid, best near infrared; NaN: missing or cloud.
    cell
        Edge of a cell, pixels.
    window
        Edge of what is compared, pixels; by default the cell, 24 to 128.
    radius
        Largest displacement looked for along each axis, pixels.
    min_score
        Least normalized cross-correlation (−1…1) of the band-passed windows.
    max_missing
        Largest part (0…1) of a window that may be missing in either image.
    method
        ``phase``; ``sift``: the first guess of each cell by scale-invariant features (needs scikit-image), about twenty
        times slower; ``auto``: ``phase``, and ``sift`` in the cells left where that finds fewer than 12.

    Returns
    -------
    TiePoints
        In order of rows and columns of the cells.

    Raises
    ------
    ValueError
        For images of unequal shape, a cell or radius that is not positive, or an unknown method.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> image = gaussian_filter(np.random.default_rng(0).standard_normal((160, 160)), 2)
    >>> find_tie_points(image[2:-8, 1:-9], image[5:-5, 5:-5], cell=50)
    <TiePoints: 9, median displacement +3.00 rows +4.00 columns>
    """
    _check(target, base, cell, radius, method)
    size = int(np.clip(cell if window is None else window, *WINDOW)) // 2 * 2
    crops = list(_crops(target, base, cell, size, radius, max_missing))
    found: dict[int, tuple[float, ...]] = {}
    for how in ("phase", "sift") if method == "auto" else (method,):
        if len(found) >= FEW:
            break
        for number, (corner, ours, theirs) in enumerate(crops):
            if number in found:
                continue
            hit = _one(how, theirs, ours, size, max_missing)
            if hit is not None and hit.score >= min_score:
                found[number] = (corner[0] + hit.row, corner[1] + hit.col, hit.drow, hit.dcol, hit.score)
    table = np.array([found[k] for k in sorted(found)], np.float64).reshape(-1, 5)
    table.flags.writeable = False
    rows, cols, drow, dcol, score = table.T
    return TiePoints(rows, cols, drow, dcol, score, (int(base.shape[0]), int(base.shape[1])), size)


def _check(target: Array, base: Array, cell: int, radius: int, method: str) -> None:
    if target.ndim != 2 or target.shape != base.shape:
        raise ValueError(f"images of {target.shape} and {base.shape}: tie points need two images of one shape (y, x)")
    if cell < 1 or radius < 1:
        raise ValueError(f"cell={cell}, radius={radius}: both are pixels, at least 1")
    if method not in ("auto", "phase", "sift"):
        raise ValueError(f"method={method!r}: choose auto, phase or sift")


def _one(how: str, target: Array, base: Array, size: int, missing: float) -> Match | None:
    if how == "phase":
        return match(target, base, size, missing=missing)
    from musyq_cube.normalize._sift import match_features

    return match_features(target, base, size, missing=missing)


def _crops(
    target: Array, base: Array, cell: int, size: int, radius: int, missing: float
) -> Iterator[tuple[tuple[int, int], Array, Array]]:
    """Yield (first row and column of the window, base, target): band-passed, with a margin of the search radius."""
    margin = radius + 2  # the best displacement must have neighbours
    for rows in _edges(base.shape[0], cell):
        for cols in _edges(base.shape[1], cell):
            corner = _place(base, target, rows, cols, size, missing)
            if corner is None:
                continue
            ours, theirs = (
                bandpass(_cut(image, corner, size, margin), float(np.clip(size / 8, 3, 8))) for image in (base, target)
            )
            yield corner, ours, theirs


def _edges(length: int, cell: int) -> list[tuple[int, int]]:
    """Return (start, stop) of cells of about equal size that fill a length."""
    edges = np.linspace(0, length, max(1, round(length / cell)) + 1).round().astype(int)
    return [(int(a), int(b)) for a, b in itertools.pairwise(edges)]


def _place(
    base: Array, target: Array, rows: tuple[int, int], cols: tuple[int, int], size: int, missing: float
) -> tuple[int, int] | None:
    """Return the first row and column of the window in a cell that has the most texture and is seen well enough."""
    best, where = 0.0, None
    for row in _starts(*rows, size, base.shape[0]):
        for col in _starts(*cols, size, base.shape[1]):
            part = np.s_[max(row, 0) : row + size, max(col, 0) : col + size]
            ours = base[part]
            seen = np.isfinite(ours)
            if seen.sum() < (1 - missing) * size * size or np.isfinite(target[part]).mean() < 0.5:
                continue
            texture = _texture(ours, seen)
            if texture > best:
                best, where = texture, (row, col)
    return where


def _starts(start: int, stop: int, size: int, length: int) -> list[int]:
    """Return the first pixels of the windows tried in a cell along one axis: inside the image if it is large enough."""
    last = max(length - size, 0)
    if stop - start <= size:
        return [min(max((start + stop - size) // 2, 0), last) if length >= size else (length - size) // 2]
    count = -(-(stop - start) // size)
    return [int(v) for v in np.linspace(start, min(stop - size, last), count).round()]


def _texture(image: Array, seen: Array) -> float:
    """Return the spread of the finer half of an image's structures."""
    filled = np.where(seen, image, image[seen].mean())
    return float(np.std((filled - ndimage.uniform_filter(filled, 9))[seen]))


def _cut(image: Array, corner: tuple[int, int], size: int, margin: int) -> Array:
    """Return a window and a margin around it, NaN outside the image."""
    out = np.full((size + 2 * margin,) * 2, np.nan)
    first = [c - margin for c in corner]
    inside = [slice(max(f, 0), max(min(f + len(out), n), 0)) for f, n in zip(first, image.shape, strict=True)]
    to = tuple(slice(s.start - f, s.stop - f) for s, f in zip(inside, first, strict=True))
    out[to] = image[tuple(inside)]
    return out
