"""Displacement by scale-invariant features (scikit-image), where texture has corners and blobs to offer."""

from __future__ import annotations

import importlib
from typing import Any, TypeAlias

import numpy as np

from musyq_cube.errors import NormalizeError
from musyq_cube.normalize._correlate import Match, refine

Array: TypeAlias = np.ndarray[Any, Any]

RATIO = 0.75
"""A feature's nearest neighbour has to be this much nearer than the next (Lowe 2004)."""
AGREE = 2.0
"""Pixels within which features of one window agree."""
LEAST = 4
"""Features that have to agree."""


def match_features(target: Array, base: Array, size: int, *, missing: float) -> Match | None:
    """
    Return how far the middle window of `base` is displaced in `target`, starting from features.

    The displacement that most features of the window agree on is the start of the same phase correlation that
    `musyq_cube.normalize._correlate.match` ends with; parameters and result as there.
    """
    margin = (base.shape[0] - size) // 2
    inner = np.isfinite(base[margin : margin + size, margin : margin + size])
    if inner.mean() < 1 - missing:
        return None
    moved = _displacements(target, base, margin)
    if len(moved) < LEAST:
        return None
    near = np.abs(moved[:, None] - moved).max(axis=2) <= AGREE
    best = near[int(np.argmax(near.sum(axis=1)))]
    if best.sum() < LEAST:
        return None
    start = np.median(moved[best], axis=0)
    return refine(target, base, size, start, missing=missing)


def _displacements(target: Array, base: Array, margin: int) -> Array:
    """Return (n, 2) displacements (rows, columns) of matched features, none farther than the margin."""
    ours, theirs = (_features(image) for image in (base, target))
    if ours is None or theirs is None:
        return np.empty((0, 2))
    pairs = _library().match_descriptors(ours[1], theirs[1], cross_check=True, max_ratio=RATIO)
    moved = theirs[0][pairs[:, 1]] - ours[0][pairs[:, 0]]
    return np.asarray(moved[np.abs(moved).max(axis=1, initial=0) < margin])


def _library() -> Any:
    """Import scikit-image when it is first needed."""
    try:
        return importlib.import_module("skimage.feature")
    except ImportError as error:
        raise NormalizeError(
            'method="sift" needs scikit-image: pip install "musyq-cube[sift]", or take method="phase"'
        ) from error


def _features(image: Array) -> tuple[Array, Array] | None:
    """Return places (n, 2) and descriptors of an image's features; None where it has none."""
    valid = np.isfinite(image)
    if valid.mean() < 0.25:
        return None
    low, high = np.percentile(image[valid], (1, 99))
    if not high > low:
        return None
    scaled = np.clip((np.where(valid, image, (low + high) / 2) - low) / (high - low), 0, 1)
    finder = _library().SIFT(upsampling=2)
    try:
        finder.detect_and_extract(scaled)
    except RuntimeError:  # what the library says where it finds no feature
        return None
    rows, cols = np.rint(finder.positions).astype(int).T
    seen = valid[rows, cols]
    return finder.positions[seen], finder.descriptors[seen]
