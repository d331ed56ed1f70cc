"""Methods that decide band by band: median, percentile, mean, weighted mean."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.composite.scores import weights
from musyq_cube.errors import CompositeError
from musyq_cube.kernels._gufunc import F32, over_pixels
from musyq_cube.kernels.reduce import mean, weighted
from musyq_cube.kernels.select import quantile, spread

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    import numpy.typing as npt

    from musyq_cube.composite.observations import Observations

MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


def reduce_band(
    values: F32,
    method: str,
    observations: Observations,
    *,
    pool: Executor | None = None,
    extras: dict[str, npt.NDArray[Any]] | None = None,
    **options: Any,
) -> tuple[F32, F32]:
    """
    One band of a composite.

    Parameters
    ----------
    values : float32 (time, y, x)
        The band, NaN where masked. Not changed.
    method
        ``"median"``, ``"percentile"`` (option `q`, percent), ``"mean"`` or ``"weighted"``.
    observations
        Who and when.
    pool
        Threads to share the pixels.
    extras
        For ``"weighted"``: `qa` (required), `vza`, `cloud_distance`, each (time, y, x).
    **options
        Of the method.

    Returns
    -------
    value, uncertainty : float32 (y, x)
        The uncertainty is one standard error, NaN for fewer than two observations.

    Raises
    ------
    CompositeError
        If the method does not work band by band, or an option is unknown.
    """
    if method not in _METHODS:
        raise CompositeError(f"method {method!r} does not work band by band; these do: {', '.join(_METHODS)}")
    given = extras or {}
    names = [name for name in ("qa", "vza", "cloud_distance") if name in given and method == "weighted"]
    if method == "weighted":
        options = {**options, "observations": observations}
    value, uncertainty = np.empty(values.shape[1:], np.float32), np.empty(values.shape[1:], np.float32)
    function = _METHODS[method]

    def strip(*parts: npt.NDArray[Any]) -> tuple[F32, F32]:
        return function(parts[0], **dict(zip(names, parts[1:], strict=True)), **options)

    try:
        over_pixels(strip, [values, *(given[name] for name in names)], [value, uncertainty], observations.order, pool)
    except TypeError as error:
        raise CompositeError(f"method {method!r}: {error}") from error
    return value, uncertainty


def standard_error(x: F32, centre: F32, factor: float, scale_with_n: bool = True) -> F32:
    """
    Uncertainty of a robust centre from the scatter of the observations around it.

    Parameters
    ----------
    x : float32 (..., time, pixel)
        Observations.
    centre : float32 (..., pixel)
        What the scatter is measured from.
    factor
        Standard error of the estimator, relative to σ/√n.
    scale_with_n
        False: that of one observation (σ).

    Returns
    -------
    float32 (..., pixel)
        ``1.4826 · MAD · factor / √n``; NaN for fewer than two observations.
    """
    n = np.isfinite(x).sum(axis=-2)
    sigma = spread(x, centre) * np.float32(MAD_TO_SIGMA * factor)
    root = np.sqrt(np.maximum(n, 1).astype(np.float32)) if scale_with_n else np.float32(1)
    return np.where(n > 1, sigma / root, np.float32(np.nan))


def quantile_factor(q: float) -> float:
    """
    Return the standard error of a quantile of normal data, relative to σ/√n.

    Notes
    -----
    √(q(1-q)) / φ(Φ⁻¹(q)), the asymptotic variance of a sample quantile (David and Nagaraja 2003, Order Statistics,
    theorem 10.3); √(π/2) for the median.

    Examples
    --------
    >>> round(quantile_factor(0.5), 4)
    1.2533
    """
    normal = NormalDist()
    return math.sqrt(q * (1 - q)) / normal.pdf(normal.inv_cdf(q))


def _quantile(values: F32, q: float = 50.0) -> tuple[F32, F32]:
    if not 0 < q < 100:
        raise CompositeError(f"percentile q={q}: give a number between 0 and 100, both excluded")
    centre = quantile(values, 0.5)
    value = centre if q == 50 else quantile(values, q / 100)
    return value, standard_error(values, centre, quantile_factor(q / 100))


def _median(values: F32) -> tuple[F32, F32]:
    return _quantile(values)


def _weighted(
    values: F32, qa: npt.NDArray[np.uint16], observations: Observations, *, width: float = 2.0, vza: F32 | None = None,
    cloud_distance: npt.NDArray[np.uint16] | None = None, **options: Any,
) -> tuple[F32, F32]:  # fmt: skip
    return weighted(values, weights(qa, observations, vza, cloud_distance, **options), width)


_METHODS: dict[str, Callable[..., tuple[F32, F32]]] = {
    "median": _median,
    "percentile": _quantile,
    "mean": mean,
    "weighted": _weighted,
}
