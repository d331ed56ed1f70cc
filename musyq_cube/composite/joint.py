"""Methods that decide for all bands of a pixel together: geomedian, medoid, best pixel, greatest NDVI."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from musyq_cube.composite.bands import standard_error
from musyq_cube.composite.observations import EVIDENCE
from musyq_cube.composite.scores import bap_score
from musyq_cube.errors import CompositeError
from musyq_cube.kernels._gufunc import F32, flatten, over_strips
from musyq_cube.kernels.geomedian import complete, distances, pack, packed_geomedian
from musyq_cube.kernels.reduce import summarize
from musyq_cube.kernels.select import quantile
from musyq_cube.types import NEAR_INFRARED, QA

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from musyq_cube.composite.observations import Observations
    from musyq_cube.kernels._gufunc import Array

MEDIAN_FACTOR = 1.2533
"""√(π/2): standard error of a median of normal data, relative to σ/√n."""

MADS = ("emad", "smad", "bcmad")
"""Extra variables of the geomedian."""


def reduce_joint(
    bands: Mapping[str, F32],
    qa: npt.NDArray[np.uint16],
    method: str,
    observations: Observations,
    *,
    thermal: frozenset[str] = frozenset(),
    extras: Mapping[str, Array] | None = None,
    pool: Executor | None = None,
    **options: Any,
) -> dict[str, Array]:
    """
    All bands of a composite whose method decides for all bands together.

    Parameters
    ----------
    bands : float32 (time, y, x) each
        NaN where masked. An observation that lacks one band does not take part.
    qa : uint16 (time, y, x)
        Common quality bits.
    method
        ``"geomedian"``, ``"medoid"``, ``"best_pixel"`` or ``"max_ndvi"``.
    observations
        Who and when.
    thermal
        Bands in kelvin: they follow the decision (geomedian: their own median) but do not take part in distances.
    extras
        `vza`, `cloud_distance` on (time, y, x), where there are.
    pool
        Threads to share the pixels.
    **options
        Of the method.

    Returns
    -------
    dict
        Each band, each ``<band>_unc``, `count`, `source`, `day`, `qa`, and the MADs where asked for, on (y, x).
    """
    names = list(bands)
    extras = dict(extras or {})
    shape = qa.shape[1:]
    values, errors = (np.empty((len(names), *shape), np.float32) for _ in range(2))
    evidence = {name: np.empty(shape, dtype) for name, dtype in EVIDENCE.items()}
    mads = np.empty((len(MADS) if options.get("mads") else 0, *shape), np.float32)
    function = _METHODS[method]
    optical = np.array([n not in thermal for n in names]) if set(names) - thermal else np.ones(len(names), bool)

    def strip(*views: Array) -> list[Array]:
        more = dict(zip(extras, views[len(names) + 1 :], strict=True))
        chosen = function(_Strip(views[: len(names)], views[len(names)], more, names, optical, observations), **options)
        return chosen if len(chosen) > 6 else [*chosen, np.empty((0, chosen[0].shape[-1]), np.float32)]

    outputs = [values, errors, *evidence.values(), mads]
    try:
        over_strips(strip, [*bands.values(), qa, *extras.values()], outputs, pool)
    except TypeError as error:
        raise CompositeError(f"method {method!r}: {error}") from error
    out = dict(zip(names, values, strict=True)) | {f"{n}_unc": e for n, e in zip(names, errors, strict=True)}
    return out | evidence | dict(zip(MADS, mads, strict=False))


@dataclass(frozen=True)
class _Strip:
    """Views (time, y, x) of one strip of pixels, and their contiguous copies (time, pixel) in the order of time."""

    bands: tuple[F32, ...]
    flags: Array
    more: Mapping[str, Array]
    names: list[str]
    optical: Array
    observations: Observations

    @cached_property
    def qa(self) -> Array:
        return flatten(self.flags, self.observations.order)

    @cached_property
    def used(self) -> npt.NDArray[np.uint8]:
        """Whether an observation takes part, by its QA."""
        return self.observations.used(self.qa).view(np.uint8)

    @cached_property
    def x(self) -> F32:
        return self.stack(self.observations.order)

    @cached_property
    def extras(self) -> dict[str, Array]:
        return {name: flatten(view, self.observations.order) for name, view in self.more.items()}

    def stack(self, steps: npt.NDArray[np.intp]) -> F32:
        """Return some of the observations, (band, time, pixel)."""
        out = np.empty((len(self.bands), len(steps), *self.flags.shape[1:]), np.float32)
        for band, values in zip(self.bands, out, strict=True):
            values[...] = band[steps]
        return out.reshape(*out.shape[:2], out.shape[2] * out.shape[3])

    def band(self, name: str) -> F32:
        return self.x[self.names.index(name)]  # type: ignore[no-any-return]


def _geomedian(strip: _Strip, *, mads: bool = False, eps: float = 2.5e-6, maxiter: int = 200) -> list[Array]:
    some = strip.used.any(axis=1)  # often most dates are under cloud all over a strip: nothing of them is copied
    x, used, optical = strip.stack(strip.observations.order[some]), strip.used[some], strip.optical
    x = x[:, : pack(x, used)]
    if optical.all():
        value = packed_geomedian(x, eps, maxiter)
    else:
        value = np.empty((x.shape[0], x.shape[2]), np.float32)
        value[optical] = packed_geomedian(x[optical], eps, maxiter)
        value[~optical] = quantile(x[~optical])
    evidence = summarize(used, strip.qa[some], strip.observations.bits[some], strip.observations.days[some])
    out: list[Array] = [value, standard_error(x, value, MEDIAN_FACTOR), *evidence]
    return [*out, np.stack(distances(x[optical], value[optical]))] if mads else out


def _medoid(strip: _Strip) -> list[Array]:
    complete(strip.x, strip.used)
    score = np.zeros(strip.qa.shape, np.float32)
    for band in strip.x[strip.optical]:
        difference = band - quantile(band)
        score -= difference * difference
    return _select(strip, score)


def _best_pixel(strip: _Strip, **options: Any) -> list[Array]:
    return _select(strip, bap_score(strip.observations, strip.extras.get("cloud_distance"), **options))


def _max_ndvi(strip: _Strip, *, max_vza: float = 35.0) -> list[Array]:
    red, nir = strip.band("red"), strip.band(next(band for band in NEAR_INFRARED if band in strip.names))
    with np.errstate(invalid="ignore", divide="ignore"):
        score = np.nan_to_num((nir - red) / (nir + red), nan=-9, posinf=-9, neginf=-9).clip(-9, 9)
    if "vza" in strip.extras:
        score -= np.where(strip.extras["vza"] > max_vza, np.float32(100), np.float32(0))
    return _select(strip, score)


def _select(strip: _Strip, score: F32) -> list[Array]:
    """Take the observation of greatest score, the earliest of equals, with everything that belongs to it."""
    complete(strip.x, strip.used)
    x, observations, used = strip.x, strip.observations, strip.used.view(bool)
    if not len(used):
        nothing = np.full((x.shape[0], x.shape[2]), np.nan, np.float32)
        return [nothing, nothing, *summarize(strip.used, strip.qa, observations.bits, observations.days)]
    count = used.sum(axis=0).astype(np.uint16)
    index = np.where(used, score, np.float32(-np.inf)).argmax(axis=0)
    value = np.take_along_axis(x, index[None, None], axis=1)[:, 0]
    none = count == 0
    return [
        value,
        standard_error(x, value, 1.0, scale_with_n=False),
        count,
        np.where(none, np.uint16(0), observations.bits[index]),
        np.where(none, np.int16(-1), observations.days[index]),
        np.where(none, np.uint16(QA.FILL), np.take_along_axis(strip.qa, index[None], axis=0)[0]),
    ]


_METHODS: dict[str, Callable[..., list[Array]]] = {
    "geomedian": _geomedian,
    "medoid": _medoid,
    "best_pixel": _best_pixel,
    "max_ndvi": _max_ndvi,
}
