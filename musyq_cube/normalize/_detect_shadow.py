"""Cloud shadows: clouds thrown along the sun from the height at which their shadows fit the dark ground best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.kernels.detect import Labels, Mask, cast, fill, segments, throw
from musyq_cube.kernels.morphology import distance

if TYPE_CHECKING:
    from musyq_cube.kernels._gufunc import F32
    from musyq_cube.normalize._detect_cloud import Look
    from musyq_cube.normalize._detect_limits import Limits

_UNUSUAL = 0.5
"""Share of its pixels that a cloud must gain to be e times as high or as low as most; at most twice that."""
_BESIDE = 3
"""Pixels around a thrown shadow in which dark ground belongs to it."""
_RIM = 1.5
"""Pixels around a shadow in which a little darker is part of it."""
_AGREES = 1.1
"""Another direction of view than the stated one is believed if it finds so many times more shadow."""


@dataclass(frozen=True)
class Ground:
    """Where a shadow could be."""

    dark: Mask
    """Darker than on the clear date; where there is none: a hollow of the near infrared."""
    darker: Mask
    """Darker than on the clear date."""
    weak: Mask
    """A little darker than on the clear date: the rim of a shadow."""


def dark(seen: Look, clear: Look | None, cloud: Mask, limits: Limits) -> Ground:
    """Return where a shadow could be."""
    free = ~cloud & seen.known
    compared = np.zeros(cloud.shape, bool) if clear is None else clear.known & free
    darker = weak = np.zeros(cloud.shape, bool)
    if clear is not None and compared.any():
        relative = seen.nir / clear.nir
        usual = np.median(relative[compared])  # another air, another sun: not a shadow
        darker = compared & (relative < limits.darker * usual) & (seen.red < clear.red)
        weak = compared & (relative < limits.darker_weak * usual)
    if compared.all():
        return Ground(darker, darker, weak)
    ground = np.where(free, seen.nir, np.float32(np.nan))
    edge = float(np.nanpercentile(ground, 17.5)) if free.any() else 0.0
    hollow = fill(np.where(seen.known, seen.nir, np.float32(np.nan)), edge) - seen.nir
    return Ground(np.asarray(darker | (free & ~compared & (hollow > limits.hollow))), darker, weak)


def shadows(cloud: Mask, ground: Ground, known: Mask, ways: list[tuple[F32, F32]], size: float, limits: Limits) -> Mask:
    """
    Return where the shadows of clouds fall.

    Parameters
    ----------
    cloud, ground, known
        Clouds, dark ground (see `dark`), pixels with data.
    ways
        For every direction of view to try, the first being the stated one: metres to the east and to the north by which
        a shadow lies away from its cloud in the image, for one metre of height; float32 (y, x) or of shape ().
    size
        Of a pixel, m.
    limits
        Thresholds.
    """
    labels = segments(cloud)
    if not labels.any():
        return np.zeros(cloud.shape, bool)
    tried = []
    for east, north in ways:
        way = np.stack([-_means(labels, north), _means(labels, east)], 1).astype(np.float32) / np.float32(size)
        gain, heights = _fit(labels, ground.dark, known, way, limits)
        tried.append((gain, way * heights[:, None]))
    gain, shift = tried[0]
    for other, moved in tried[1:]:
        if other > max(gain * _AGREES, gain + 1):
            gain, shift = other, moved
    thrown = cast(labels, shift) & ~cloud & known
    beside = _near(thrown, _BESIDE, size) | _from_outside(known, shift)
    every: Mask = thrown | (ground.darker & beside)
    return np.asarray(every | (ground.weak & _near(every, _RIM, size)))


def _fit(labels: Labels, ground: Mask, known: Mask, way: F32, limits: Limits) -> tuple[float, F32]:
    """
    Return how much dark ground the shadows explain, and the height of every cloud (NaN: no shadow).

    What a height gains is the dark pixels under its shadow less the bright ones; what hides under clouds says nothing.
    Most clouds of a scene are about equally high, so another height than the one that gains most over all must gain
    more the farther it is from that.
    """
    low, high = limits.heights
    longest = float(np.nanmax(np.hypot(way[1:, 0], way[1:, 1]), initial=1e-3))
    heights = np.arange(low, high, max(1 / longest, 25.0), dtype=np.float32)  # no step longer than a pixel
    hits, seen = throw(labels, ground, known, way, heights)
    gain = 2 * hits - seen
    gain[(hits < limits.similar * seen) | (hits == 0)] = -1
    common = heights[np.argmax(np.maximum(gain, 0).sum(0))]
    pixels = np.bincount(labels.ravel(), minlength=len(gain))
    unusual = np.minimum(_UNUSUAL * np.abs(np.log(heights / common)), 2 * _UNUSUAL)
    at = np.argmax(gain - unusual * pixels[:, None], 1)
    every = np.arange(len(gain))
    fits = (gain[every, at] > 0) & (every > 0)
    found = np.where(fits, heights[at], common if fits.any() else np.nan).astype(np.float32)
    return float(gain[every, at][fits].sum()), found


def _near(mask: Mask, pixels: float, size: float) -> Mask:
    return np.asarray(distance(mask, size, np.full(mask.shape[0], size, np.float32), pixels * size) < np.inf)


def _from_outside(known: Mask, shift: F32) -> Mask:
    """Return where the cloud of a shadow would be outside the image."""
    found = shift[np.isfinite(shift[:, 0])]
    if not found.size:
        return np.zeros(known.shape, bool)
    move = np.median(found, 0)
    dy, dx = (int(v) for v in np.rint(move))
    return ~_moved(known, dy, dx)


def _moved(mask: Mask, dy: int, dx: int) -> Mask:
    """Return the mask moved down and to the right; False comes in from the edges."""
    out = np.zeros(mask.shape, bool)
    rows, columns = mask.shape
    if abs(dy) < rows and abs(dx) < columns:
        out[max(dy, 0) : rows + min(dy, 0), max(dx, 0) : columns + min(dx, 0)] = mask[
            max(-dy, 0) : rows - max(dy, 0), max(-dx, 0) : columns - max(dx, 0)
        ]
    return out


def _means(labels: Labels, field: F32) -> F32:
    """Return the mean of a field over every segment."""
    n = int(np.max(labels)) + 1
    if np.ndim(field) == 0:
        return np.full(n, field, np.float32)
    at = labels.ravel()
    count = np.maximum(np.bincount(at, minlength=n), 1)
    return np.asarray(np.bincount(at, np.nan_to_num(field).ravel(), n) / count, np.float32)
