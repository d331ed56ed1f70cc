"""Displacement models fitted to tie points of which many are wrong: arrays only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

TERMS = {"shift": 1, "affine": 3, "polynomial2": 6}
"""Model and its number of terms in 1, u, v, u², uv, v²."""
BATCH = 200
"""Hypotheses judged at once."""
BEST = 10
"""Hypotheses that are polished."""
LEAST_NOISE = 0.05
"""Pixels: points nearer than three times this are never outliers."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """
    A model fitted to the inliers.

    `coefficients` (terms, 2); `inliers` (n,) bool; `before`, `after`: RMSE of the inliers, pixels, `after` with each
    point judged by a fit to the points that share no pixel with it; `corner`: 1σ of the prediction at the worst corner
    of u, v = ±1; `loss`, `loss_before`: mean over all points of min(r², threshold²), with and without the model.
    """

    coefficients: Array
    inliers: Array
    before: float
    after: float
    corner: float
    loss: float
    loss_before: float


def terms(u: Array, v: Array, count: int) -> Array:
    """Return the (n, count) terms of the model at (n,) places."""
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v][:count], axis=-1)


def ransac(
    u: Array, v: Array, moved: Array, model: str, *, reach: float, threshold: float, trials: int, seed: int
) -> Fitted | None:
    """
    Fit a displacement model: random sample consensus, then least squares on the inliers.

    Hypotheses from minimal samples are judged by Σ min(r², threshold²) (MSAC), the best ten polished by repeated least
    squares on their inliers. Last, the threshold is narrowed to three times the scatter of the inliers (not below
    0.15 px), so that points wrong by less than `threshold` do not pull either.

    Parameters
    ----------
    u, v
        (n,) places, about −1…1.
    moved
        (n, 2) displacements, pixels.
    model
        A key of `TERMS`.
    reach
        Distance in u or v below which two points share pixels.
    threshold
        Largest residual of an inlier, pixels.
    trials
        Number of random samples.
    seed
        Of the random numbers: the same gives the same.

    Returns
    -------
    None where fewer points than terms agree.
    """
    count = TERMS[model]
    design = terms(u, v, count)
    if len(u) <= count:
        return None
    polished = [
        _polish(design, moved, start, threshold) for start in _hypotheses(design, moved, threshold, trials, seed)
    ]
    found = [p for p in polished if p is not None]
    if not found:
        return None
    best = min(found, key=lambda p: _loss(_residual(design, moved, p[0]), threshold))
    coefficients, inliers = _narrow(design, moved, best, threshold)
    if inliers.sum() <= count:
        return None
    near = np.maximum(np.abs(u[:, None] - u), np.abs(v[:, None] - v)) < reach
    return _judge(design, moved, near, coefficients, inliers, threshold)


def _hypotheses(design: Array, moved: Array, threshold: float, trials: int, seed: int) -> Array:
    """Return the coefficients of the best minimal samples, (≤ 10, terms, 2)."""
    rng = np.random.default_rng(seed)
    n, count = design.shape
    best_loss, best = np.empty(0), np.empty((0, count, 2))
    for first in range(0, trials, BATCH):
        pick = np.argsort(rng.random((min(BATCH, trials - first), n)), axis=1)[:, :count]
        tried = np.linalg.pinv(design[pick], rcond=1e-6) @ moved[pick]
        residual = np.linalg.norm(moved - design @ tried, axis=2)
        loss = np.concatenate([best_loss, _loss(residual, threshold)])
        order = np.argsort(loss, kind="stable")[:BEST]
        best_loss, best = loss[order], np.concatenate([best, tried])[order]
    return best


def _residual(design: Array, moved: Array, coefficients: Array) -> Array:
    return np.asarray(np.linalg.norm(moved - design @ coefficients, axis=-1))


def _loss(residual: Array, threshold: float) -> Any:
    return np.minimum(residual**2, threshold**2).mean(axis=-1)


def _polish(design: Array, moved: Array, start: Array, threshold: float) -> tuple[Array, Array] | None:
    """Return (coefficients, inliers) after least squares on the inliers until these stay the same."""
    inliers = _residual(design, moved, start) <= threshold
    for _ in range(10):
        if inliers.sum() <= design.shape[1] or np.linalg.matrix_rank(design[inliers]) < design.shape[1]:
            return None
        start = np.linalg.lstsq(design[inliers], moved[inliers], rcond=None)[0]
        now = _residual(design, moved, start) <= threshold
        if (now == inliers).all():
            break
        inliers = now
    return start, inliers


def _narrow(design: Array, moved: Array, best: tuple[Array, Array], threshold: float) -> tuple[Array, Array]:
    """Return (coefficients, inliers) with the threshold that fits the scatter of the points."""
    coefficients, inliers = best
    scatter = np.median(_residual(design, moved, coefficients)[inliers]) / 1.1774  # of a two-dimensional normal
    limit = min(threshold, 3 * max(float(scatter), LEAST_NOISE))
    tighter = _polish(design, moved, coefficients, limit)
    return best if tighter is None or tighter[1].sum() < 0.5 * inliers.sum() else tighter


def _judge(design: Array, moved: Array, near: Array, coefficients: Array, inliers: Array, threshold: float) -> Fitted:
    part, ours = design[inliers], moved[inliers]
    n, count = part.shape
    near = near[np.ix_(inliers, inliers)]
    plain = _residual(part, ours, coefficients)
    sigma = float(np.sqrt((plain**2).sum() / (n - count)))
    # points that share pixels share their errors: as if there were fewer of them
    fewer = float(near.sum(axis=1).mean())
    corners = terms(np.array([-1.0, -1.0, 1.0, 1.0]), np.array([-1.0, 1.0, -1.0, 1.0]), count)
    spread = np.sqrt(fewer * np.einsum("ij,jk,ik->i", corners, np.linalg.pinv(part.T @ part), corners).max())
    return Fitted(
        coefficients,
        inliers,
        before=float(np.sqrt((ours**2).sum(1).mean())),
        after=_held_out(part, ours, near),
        corner=float(sigma * spread),
        loss=float(_loss(_residual(design, moved, coefficients), threshold)),
        loss_before=float(_loss(np.linalg.norm(moved, axis=1), threshold)),
    )


def _held_out(design: Array, moved: Array, near: Array) -> float:
    """Return the RMSE of each point from the fit to all that are not near it; inf where these do not suffice."""
    square = np.zeros(len(design))
    for k, others in enumerate(~near):
        part = design[others]
        if len(part) <= design.shape[1] or np.linalg.matrix_rank(part) < design.shape[1]:
            return float("inf")
        fitted = np.linalg.lstsq(part, moved[others], rcond=None)[0]
        square[k] = ((moved[k] - design[k] @ fitted) ** 2).sum()
    return float(np.sqrt(square.mean()))
