"""Per-pixel and per-segment tests for cloud, snow and water on top-of-atmosphere reflectance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.errors import NormalizeError
from musyq_cube.kernels.detect import Mask, segments
from musyq_cube.normalize._detect_limits import SPLIT_LIMIT, SPLIT_SEC, SPLIT_T
from musyq_cube.types import NEAR_INFRARED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from musyq_cube.kernels._gufunc import F32
    from musyq_cube.normalize._detect_limits import Limits


@dataclass(frozen=True)
class Look:
    """One scene as the tests see it; bands are float32 (y, x), NaN where missing; None: the sensor lacks it."""

    green: F32
    red: F32
    nir: F32
    blue: F32
    """The shortest visible band where the sensor has no blue."""
    blueless: bool = False
    swir: F32 | None = None
    cirrus: F32 | None = None
    bt11: F32 | None = None
    bt12: F32 | None = None

    @property
    def known(self) -> Mask:
        """Where there is an observation in every band that is needed."""
        return np.isfinite(self.blue) & np.isfinite(self.green) & np.isfinite(self.red) & np.isfinite(self.nir)

    @property
    def ndvi(self) -> F32:
        """Normalized difference vegetation index."""
        return ratio(self.nir, self.red)


def ratio(a: F32, b: F32) -> F32:
    """Return the normalized difference (a - b) / (a + b); 0 where the sum is not positive."""
    total = a + b
    return np.where(total > 0, (a - b) / np.where(total > 0, total, 1), 0).astype(np.float32)


def look(bands: Mapping[str, F32]) -> Look:
    """
    Sort the bands of a scene by their common names.

    Raises
    ------
    NormalizeError
        There is no red or no near infrared.
    """
    nir = next((bands[name] for name in NEAR_INFRARED if name in bands), None)
    red = bands.get("red")
    if nir is None or red is None:
        raise NormalizeError(
            f"cloud detection needs red and nir (or nir08); there are {', '.join(bands) or 'no bands'}"
        )
    green = bands.get("green", red)
    return Look(
        green=green, red=red, nir=nir, blue=bands.get("blue", green), blueless="blue" not in bands,
        swir=bands.get("swir16"), cirrus=bands.get("cirrus"), bt11=bands.get("lwir11", bands.get("lwir")),
        bt12=bands.get("lwir12"),
    )  # fmt: skip


def clouds(seen: Look, clear: Look | None, bt_clear: F32 | None, snow: Mask, smallest: int, limits: Limits) -> Mask:
    """
    Return where there is cloud, in patches of at least `smallest` pixels.

    A cloud starts where one test is sure of it (bright, white and flat; or much bluer than on its clear date; or cold)
    and grows over all connected pixels that may be cloud.
    """
    sure, maybe = _by_colour(seen, limits)
    if clear is not None:
        sure, maybe = _by_change(seen, clear, sure, maybe, limits)
    if seen.bt11 is not None and bt_clear is not None:
        cold = seen.bt11 < bt_clear - np.float32(limits.cold)
        sure, maybe = sure | cold, maybe | cold
    return grow(sure & ~snow & seen.known, maybe & ~snow & seen.known, smallest)


def thin(seen: Look, vza: F32 | float | None, limits: Limits) -> Mask:
    """Return where there is cirrus: bright at 1.38 µm, or a large BT11 - BT12 for the temperature and the path."""
    out: Mask = np.zeros(seen.red.shape, bool)
    if seen.cirrus is not None:
        out |= seen.cirrus > limits.cirrus
    if seen.bt11 is not None and seen.bt12 is not None:
        secant = 1 / np.cos(np.radians(np.asarray(0.0 if vza is None else vza, np.float32)))
        out |= (seen.bt11 - seen.bt12) > _split_limit(seen.bt11, np.broadcast_to(secant, seen.red.shape))
    return out & seen.known


def snow(seen: Look, clear: Look | None, limits: Limits, *, possible: bool) -> Mask:
    """
    Return where there is snow or ice.

    With shortwave infrared by NDSI. Without it, what is bright, white, darker in the near infrared than in the visible
    and no brighter than on its clear date, and only where it may be so cold (`possible`): fresh snow is then cloud.
    """
    if seen.swir is not None:
        out: Mask = (ratio(seen.green, seen.swir) >= limits.ndsi) & (seen.nir > limits.snow_nir)
        out &= seen.green >= limits.snow_green
        return out if seen.bt11 is None else out & ~(seen.bt11 > limits.snow_warm)
    if not possible or clear is None:
        return np.zeros(seen.red.shape, bool)
    lasting = (np.abs(seen.blue - clear.blue) < 0.2 * clear.blue) & (clear.blue > limits.snow_bright)
    return lasting & (seen.blue > limits.snow_bright) & (seen.nir < seen.green) & _white(seen, limits)


def water(seen: Look, limits: Limits) -> Mask:
    """Return where there is open water."""
    first, dark, second, black = limits.water
    out: Mask = ((seen.ndvi < first) & (seen.nir < dark)) | ((seen.ndvi < second) & (seen.nir < black))
    return out


def grow(sure: Mask, maybe: Mask, smallest: int = 1) -> Mask:
    """Return the connected parts of `maybe` or `sure` that hold a pixel of `sure` and have so many pixels."""
    labels = segments(sure | maybe)
    size = np.bincount(labels.ravel(), minlength=1)
    holds = np.bincount(labels[sure], minlength=size.size) > 0
    holds &= size >= smallest
    holds[0] = False
    return np.asarray(holds[labels])


def _white(seen: Look, limits: Limits) -> Mask:
    mean = (seen.blue + seen.green + seen.red) / 3
    spread = np.abs(seen.blue - mean) + np.abs(seen.green - mean) + np.abs(seen.red - mean)
    return np.asarray(spread < limits.white * mean)


def _by_colour(seen: Look, limits: Limits) -> tuple[Mask, Mask]:
    if seen.blueless:
        both = (seen.blue > limits.bright[0]) & (np.abs(seen.ndvi) < limits.bright[1])
        return both, both
    hot = seen.blue - np.float32(0.5) * seen.red
    lowest = np.minimum(np.minimum(seen.blue, seen.green), seen.red)
    highest = np.maximum(np.maximum(seen.blue, seen.green), seen.red)
    haze = _haze(hot, limits)
    maybe = (hot > limits.hot + haze) & _white(seen, limits) & (seen.ndvi < limits.green)
    sure = maybe & (hot > limits.sure + haze) & (lowest > limits.flat * highest)
    return np.asarray(sure), np.asarray(maybe)


def _haze(hot: F32, limits: Limits) -> float:
    """Return by how much the whole scene is hazier than usual, in units of blue - red/2."""
    known = hot[np.isfinite(hot)]
    usual, most = limits.haze
    return float(np.clip(np.percentile(known, 25) - usual, 0, most)) if known.size else 0.0


def _by_change(seen: Look, clear: Look, sure: Mask, maybe: Mask, limits: Limits) -> tuple[Mask, Mask]:
    known = clear.known
    rise = seen.blue - clear.blue
    # a cloud adds about as much to every band, less where the ground is bright
    ground = np.maximum(seen.red - clear.red, seen.nir - clear.nir) > limits.ploughed * rise
    beside = _highest(clear.blue)  # dates lie a pixel beside each other, and towns are made of edges
    changed = (seen.blue > limits.rise[0] * beside + limits.rise[1]) & ~ground & known & _white(seen, limits)
    weak = (seen.blue > limits.rise_weak[0] * clear.blue + limits.rise_weak[1]) & ~ground & known
    same = known & (seen.blue - beside < limits.stable)
    return np.asarray((sure & ~same) | changed), np.asarray((maybe & ~known) | weak)


def _highest(values: F32) -> F32:
    """Return the largest of each pixel and its eight neighbours, NaN left out."""
    for axis in (0, 1):
        wide = np.pad(values, [(1, 1) if k == axis else (0, 0) for k in (0, 1)], mode="edge")
        count = values.shape[axis]
        first, second, third = (np.take(wide, range(i, i + count), axis) for i in range(3))
        values = np.fmax(np.fmax(first, second), third)
    return values


def _split_limit(bt: F32, secant: F32) -> F32:
    """Interpolate the table of BT11 - BT12 bilinearly, constant beyond its ends."""
    i = np.interp(bt, SPLIT_T, np.arange(SPLIT_T.size))
    j = np.interp(secant, SPLIT_SEC, np.arange(SPLIT_SEC.size))
    i, j = np.nan_to_num(i), np.nan_to_num(j)
    i0, j0 = np.minimum(i.astype(int), SPLIT_T.size - 2), np.minimum(j.astype(int), SPLIT_SEC.size - 2)
    u, v = i - i0, j - j0
    upper = (1 - v) * SPLIT_LIMIT[i0, j0] + v * SPLIT_LIMIT[i0, j0 + 1]
    lower = (1 - v) * SPLIT_LIMIT[i0 + 1, j0] + v * SPLIT_LIMIT[i0 + 1, j0 + 1]
    return np.asarray((1 - u) * upper + u * lower, np.float32)
