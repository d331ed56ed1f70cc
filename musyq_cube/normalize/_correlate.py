"""How far one window of an image is displaced against another: arrays only."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy import fft, ndimage

Array: TypeAlias = np.ndarray[Any, Any]

FINE = 1.0
"""Pixels: structures finer than this are noise."""
STEPS = (0.1, 0.01)
"""Sub-pixel spacing of the two upsampled transforms."""
ROUNDS = 4
"""Times that a window is cut out again at its place found so far."""
OVERLAP = 0.5
"""Part of the window that has to be seen in both images for a displacement to be considered."""


class Match(NamedTuple):
    """A displacement (pixels), its normalized cross-correlation, and the centroid of what was compared."""

    drow: float
    dcol: float
    score: float
    row: float
    col: float


def bandpass(image: Array, coarse: float) -> Array:
    """
    Return an image without what is finer than a pixel or coarser than `coarse` (σ, pixels); missing stays missing.

    Difference of two Gaussians, each the weighted mean of the valid pixels alone, so that gaps leave no edges.
    """
    valid = np.isfinite(image)
    filled = np.where(valid, image, 0.0)
    smooth = []
    for sigma in (FINE, coarse):
        weight = ndimage.gaussian_filter(valid.astype(np.float64), sigma, truncate=3.0)
        total = ndimage.gaussian_filter(filled.astype(np.float64), sigma, truncate=3.0)
        smooth.append(total / np.maximum(weight, 1e-9))
    return np.where(valid, smooth[0] - smooth[1], np.nan)


def match(target: Array, base: Array, size: int, *, missing: float) -> Match | None:
    """
    Return how far the middle window of `base` is displaced in `target`, to a few hundredths of a pixel.

    First the best whole pixel within the margin by normalized cross-correlation under both masks; then, window cut out
    again at the place found so far until it stays, phase correlation: cutting out again takes away the pull to zero of
    a window that is the same in both images.

    Parameters
    ----------
    target, base
        (n, n) of one place, NaN missing, band-passed; n = size + 2 · margin, the margin being the search radius.
    size
        Edge of the window, pixels.
    missing
        Largest part of the window that may be missing.

    Returns
    -------
    None where too much is missing, or no displacement stands out.
    """
    margin = (base.shape[0] - size) // 2
    inner = base[margin : margin + size, margin : margin + size]
    found = _search(target, inner, missing)
    if found is None or max(abs(v) for v in found) >= margin:
        return None
    return refine(target, base, size, np.array(found, np.float64), missing=missing)


def refine(target: Array, base: Array, size: int, start: Array, *, missing: float) -> Match | None:
    """Return the match that phase correlation finds within 1.5 pixels of `start`; the rest as in `match`."""
    margin = (base.shape[0] - size) // 2
    inner = base[margin : margin + size, margin : margin + size]
    place, window = start.copy(), _Window(target, inner, margin)
    for _ in range(ROUNDS):
        step = window.remaining(place)
        place += step
        if np.abs(place - start).max() > 1.5:
            return None
        if np.abs(step).max() < STEPS[-1]:
            break
    return window.judge(place, missing)


def _search(target: Array, inner: Array, missing: float) -> tuple[int, int] | None:
    """Return the whole-pixel displacement of largest masked cross-correlation (Padfield 2012)."""
    seen, own = np.isfinite(target), np.isfinite(inner)
    if own.mean() < 1 - missing or not seen.any():
        return None
    b, t = _centred(inner, own), _centred(target, seen)
    shape = (fft.next_fast_len(target.shape[0], real=True),) * 2
    left = [np.conj(fft.rfft2(v, shape)) for v in (own.astype(float), b, b * b)]
    right = [fft.rfft2(v, shape) for v in (seen.astype(float), t, t * t)]
    side = target.shape[0] - inner.shape[0] + 1

    def corr(k: int, j: int) -> Array:
        return np.asarray(fft.irfft2(left[k] * right[j], shape)[:side, :side])

    n = np.rint(corr(0, 0))
    count = np.maximum(n, 1.0)
    sum_b, sum_t = corr(1, 0), corr(0, 1)
    product = corr(1, 1) - sum_b * sum_t / count
    power = (corr(2, 0) - sum_b**2 / count) * (corr(0, 2) - sum_t**2 / count)
    floor = 1e-6 * float((b * b).sum() * (t * t).sum())
    score = np.where((n >= OVERLAP * inner.size) & (power > floor), product / np.sqrt(np.maximum(power, floor)), -1.0)
    row, col = np.unravel_index(int(np.argmax(score)), score.shape)
    if score[row, col] <= 0 or n[row, col] < (1 - missing) * inner.size:
        return None
    return int(row) - side // 2, int(col) - side // 2


def _centred(image: Array, valid: Array) -> Array:
    return np.where(valid, image - image[valid].mean(), 0.0)


class _Window:
    """The window of the base, and the same window of the target at any displacement."""

    def __init__(self, target: Array, inner: Array, margin: int) -> None:
        self._margin, self._size = margin, inner.shape[0]
        self._seen = np.isfinite(target)
        self._spline = ndimage.spline_filter(np.where(self._seen, target, 0.0), order=3, mode="mirror")
        self._inner = inner
        hann = np.sin(np.pi * (np.arange(self._size) + 0.5) / self._size) ** 2
        self._taper = hann[:, None] * hann
        self._pass = _weights(self._size)

    def _cut(self, place: Array) -> tuple[Array, Array]:
        """Return the target's pixels at a displacement, and where these stand on seen pixels alone."""
        index = np.arange(self._size) + self._margin
        rows, cols = np.meshgrid(index + place[0], index + place[1], indexing="ij")
        pixels = ndimage.map_coordinates(self._spline, [rows, cols], order=3, mode="mirror", prefilter=False)
        seen = ndimage.map_coordinates(self._seen.astype(np.float32), [rows, cols], order=1, mode="constant")
        return pixels, (seen > 0.999) & np.isfinite(self._inner)

    def remaining(self, place: Array) -> Array:
        """Return the displacement that is left at `place`, by phase correlation of both windows."""
        pixels, valid = self._cut(place)
        weight = self._taper * valid
        total = max(float(weight.sum()), 1e-9)
        theirs, ours = (
            fft.fft2(weight * (image - (weight * image).sum() / total))
            for image in (pixels, np.where(valid, self._inner, 0.0))
        )
        cross = theirs * np.conj(ours)
        # Half whitened: the phase of each frequency counts by the root of its strength. Wholly whitened, the noise of
        # weak frequencies counts as much as the rest; not at all, a few coarse structures decide.
        return _peak(self._pass * cross / np.sqrt(np.maximum(np.abs(cross), 1e-30)))

    def judge(self, place: Array, missing: float) -> Match | None:
        """Return the match at its final displacement; None where too little is seen."""
        pixels, valid = self._cut(place)
        if valid.mean() < 1 - missing - 4 / self._size:  # interpolation widens gaps by a pixel
            return None
        a, b = pixels[valid], self._inner[valid]
        spread = float(a.std() * b.std())
        score = float(((a - a.mean()) * (b - b.mean())).mean()) / spread if spread > 0 else 0.0
        weight = self._taper * valid
        centre = (np.arange(self._size) + 0.5) @ np.stack([weight.sum(1), weight.sum(0)], 1) / weight.sum()
        return Match(float(place[0]), float(place[1]), score, float(centre[0]), float(centre[1]))


def _weights(size: int) -> Array:
    """Return how much each frequency counts: those of the band-pass, the noise of the finest left out."""
    f = 2 * np.pi * fft.fftfreq(size)
    square = f[:, None] ** 2 + f**2
    return np.asarray(np.exp(-square * (1.5 * FINE) ** 2 / 2) * (1 - np.exp(-square * (size / 8) ** 2 / 2)))


def _peak(spectrum: Array) -> Array:
    """Return the place of the largest correlation within a pixel, by transforms upsampled step by step."""
    frequency = 2j * np.pi * fft.fftfreq(spectrum.shape[0])
    place = np.zeros(2)
    for step in STEPS:
        offset = np.arange(-10, 11) * step
        down, across = (np.exp(np.outer(offset + at, frequency)) for at in place)
        # einsum, not @: the threads of BLAS cost more than they bring for matrices this small
        power = np.einsum("ik,jk->ij", np.einsum("ij,jk->ik", down, spectrum), across).real
        row, col = np.unravel_index(int(np.argmax(power)), power.shape)
        place += offset[[row, col]]
    return place
