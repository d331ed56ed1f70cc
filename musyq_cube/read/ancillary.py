"""Ancillary quantities on the pixels of a block, at the times of observations or over a period."""

from __future__ import annotations

import datetime as dt
import itertools
import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from musyq_cube.errors import ReadError
from musyq_cube.period import Period, parse_period
from musyq_cube.quantities import QUANTITIES, derivable, derivation, quantity
from musyq_cube.read._series import Derived, Grids, Stations, frame_of, pixel_size, warp
from musyq_cube.read._times import seconds
from musyq_cube.read.warp import read_values
from musyq_cube.scene import ANCILLARY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt
    from odc.geo.geobox import GeoBox

    from musyq_cube.period import PeriodLike
    from musyq_cube.quantities import Derivation
    from musyq_cube.read._series import Series
    from musyq_cube.scene import Scene

log = logging.getLogger(__name__)

F32: TypeAlias = "npt.NDArray[np.float32]"
Moment: TypeAlias = Literal["observation", "mean", "min", "max"]
Times: TypeAlias = "Sequence[dt.datetime | np.datetime64 | str] | np.ndarray[Any, Any]"

_COVER = 0.8
"""Of a period; a mean of less is said in the log."""


def read_ancillary(
    scenes: Iterable[Scene],
    geobox: GeoBox,
    names: Sequence[str],
    times: Times | None = None,
    period: PeriodLike | None = None,
    at: Moment = "observation",
) -> dict[str, F32]:
    """
    Read ancillary quantities on one geobox.

    Parameters
    ----------
    scenes
        Ancillary scenes of any collections; others are passed over. Where several collections have a quantity, the
        finest (stations, then the smallest cells) is taken and the next fills what it lacks.
    geobox
        Output pixels, north up.
    names
        Quantities (:data:`musyq_cube.quantities.QUANTITIES`); what no collection has is derived from its parts.
    times
        For ``at="observation"``: instants (naive means UTC), or an array (y, x) in which each pixel has its own
        (datetime64, NaT where none).
    period
        For the others: the mean, least or greatest of the steps in the period; where none is in it, the value at its
        middle. Of static quantities with a date the nearest to it is taken.
    at
        ``observation``, ``mean``, ``min`` or ``max``.

    Returns
    -------
    dict of str to float32 array
        In the units of the quantities; (time, y, x) at observations (``times`` (y, x): (y, x)), (y, x) otherwise and
        for static quantities; nan where there is nothing. Linear in time between steps, bilinear in space; up to one
        step beyond the first and last (and into gaps of more than two) the nearest holds, farther there is nothing.

    Raises
    ------
    ReadError
        A quantity that cannot be had, at any of the times; or a file that cannot be read.
    CatalogError
        An unknown quantity.
    """
    known = [scene for scene in scenes if scene.quantity == ANCILLARY]
    when = None if period is None else parse_period(period)
    asked = None if times is None else seconds(times)
    if asked is not None and asked.ndim == 2 and asked.shape != tuple(geobox.shape):
        raise ReadError(f"times of {asked.shape} pixels on a geobox of {tuple(geobox.shape)}: make the shapes equal")
    out: dict[str, F32] = {}
    for name in names:
        if quantity(name).static:
            out[name] = _static(known, name, geobox, _middle(asked, when))
            continue
        candidates = _candidates(known, name, geobox)
        if not candidates:
            have = ", ".join(sorted(available(known))) or "none"
            raise ReadError(f"no ancillary {name}; there are {have}: register data that have it")
        if at == "observation":
            if asked is None:
                raise ReadError(f"{name} at the times of observations: give times")
            out[name] = _observed(candidates, name, asked, geobox)
        elif when is None:
            raise ReadError(f"the {at} of {name}: give a period")
        else:
            out[name] = _reduced(candidates, name, when, at, geobox)
    return out


def available(scenes: Iterable[Scene], period: PeriodLike | None = None) -> set[str]:
    """
    Return the quantities that ancillary scenes can give for a period, derived ones too.

    Parameters
    ----------
    scenes
        Ancillary scenes; others are passed over.
    period
        A quantity counts if some step is in the period or at most one step away from it. None: any time.

    Examples
    --------
    >>> available([])
    set()
    """
    when = None if period is None else parse_period(period)
    spans: dict[tuple[str, str], list[tuple[dt.datetime, dt.datetime]]] = defaultdict(list)
    have = set()
    for scene in scenes:
        if scene.quantity != ANCILLARY:
            continue
        for name in scene.sources:
            if when is None or scene.is_static or QUANTITIES[name].static:
                have.add(name)
            else:
                spans[scene.sensor, name].append(scene.interval)
    for (_, name), held in spans.items():
        assert when is not None  # noqa: S101  (for the type checker)
        starts = sorted({start for start, _ in held})
        gaps = sorted(b - a for a, b in itertools.pairwise(starts))
        step = gaps[(len(gaps) - 1) // 2] if gaps else max(held[0][1] - held[0][0], dt.timedelta(days=1))
        if any(start - step <= when.end and end + step >= when.start for start, end in held):
            have.add(name)
    return derivable(have)


def _middle(asked: np.ndarray | None, when: Period | None) -> float | None:
    """Return the middle of what is asked for, seconds since 1970."""
    if when is not None:
        return when.middle.timestamp()
    if asked is None or not np.isfinite(asked).any():
        return None
    return float(np.nanmin(asked) + np.nanmax(asked)) / 2


def _static(scenes: Sequence[Scene], name: str, geobox: GeoBox, middle: float | None) -> F32:
    """Return a layer that does not change: finest collection first, then the nearest in time; the next fills gaps."""
    found = [scene for scene in scenes if name in scene.sources]
    if not found:
        raise ReadError(f"no ancillary {name}; register a file that has it (quantity={name!r})")
    size = {sensor: pixel_size(group, name) for sensor, group in _by_sensor(found).items()}

    def rank(scene: Scene) -> tuple[float, str, float, str]:
        far = 0.0 if middle is None else abs(scene.time.timestamp() - middle)
        return size[scene.sensor], scene.sensor, far, scene.id

    out: F32 = np.full(geobox.shape, np.nan, np.float32)
    for scene in sorted(found, key=rank):
        resampling: Any = quantity(name).resampling
        values = read_values(scene.sources[name], geobox, resampling=resampling)
        np.copyto(out, values, where=np.isnan(out))
        if not np.isnan(out).any():
            break
    return out


def _by_sensor(scenes: Iterable[Scene]) -> dict[str, list[Scene]]:
    out: dict[str, list[Scene]] = defaultdict(list)
    for scene in scenes:
        out[scene.sensor].append(scene)
    return out


def _candidates(scenes: Sequence[Scene], name: str, geobox: GeoBox) -> list[Series]:
    """Return the ways to a quantity, best first: from one collection each; only if there is none, from several."""
    groups = _by_sensor(scenes)
    found: list[tuple[float, str, Series]] = []
    for sensor, group in sorted(groups.items()):
        way = derivation(name, {n for scene in group for n in scene.sources})
        if way is not None:
            series = _build(name, way, {sensor: group}, geobox)
            found.append((series.size, sensor, series))
    if not found:
        way = derivation(name, {n for scene in scenes for n in scene.sources})
        return [] if way is None else [_build(name, way, groups, geobox)]
    return [series for *_, series in sorted(found, key=lambda f: f[:2])]


def _build(name: str, way: Mapping[str, Derivation], groups: Mapping[str, Sequence[Scene]], geobox: GeoBox) -> Series:
    if name in way:
        parts = [_build(part, way, groups, geobox) for part in way[name].parts]
        return Derived(parts, way[name].function)
    able = [
        (pixel_size(mine, name), sensor, mine)
        for sensor, group in groups.items()
        if (mine := [scene for scene in group if name in scene.sources])
    ]
    size, _, mine = min(able, key=lambda a: a[:2])
    if mine[0].sources[name].driver == "stations":
        return Stations(mine, name, geobox)
    return Grids(mine, name, geobox, size)


def _observed(candidates: Sequence[Series], name: str, asked: np.ndarray, geobox: GeoBox) -> F32:
    pixels = asked.ndim == 2
    shape = geobox.shape if pixels else (len(asked), *geobox.shape)
    out: F32 = np.full(shape, np.nan, np.float32)
    reached = False
    for series in candidates:
        frame = None if pixels else frame_of(series)
        series.use(frame)
        if pixels:
            reached = reached or bool(series.reaches(asked).any())
            np.copyto(out, series.at_pixels(asked), where=np.isnan(out))
        else:
            for k in np.flatnonzero(series.reaches(asked)):
                reached = True
                if np.isnan(out[k]).any():
                    np.copyto(out[k], warp(series.at(float(asked[k])), frame, geobox), where=np.isnan(out[k]))
        if not np.isnan(out).any():
            break
    if not reached and np.isfinite(asked).any():
        first = dt.datetime.fromtimestamp(float(np.nanmin(asked)), dt.UTC)
        raise ReadError(
            f"ancillary {name} holds {_held(candidates)}, not {first:%Y-%m-%dT%H:%MZ}: register the data of that time"
        )
    return out


def _held(candidates: Sequence[Series]) -> str:
    times = np.concatenate([series.times for series in candidates])
    if not len(times):
        return "no time"
    first, last = (dt.datetime.fromtimestamp(float(t), dt.UTC) for t in (times.min(), times.max()))
    return f"{first:%Y-%m-%dT%H:%MZ} to {last:%Y-%m-%dT%H:%MZ}"


def _reduced(candidates: Sequence[Series], name: str, when: Period, at: Moment, geobox: GeoBox) -> F32:
    out: F32 = np.full(geobox.shape, np.nan, np.float32)
    reached = False
    for series in candidates:
        start, end = when.start.timestamp(), when.end.timestamp()
        inside = series.times[(series.times >= start) & (series.times < end)]
        if not len(inside):
            inside = np.array([when.middle.timestamp()])
            inside = inside[series.reaches(inside)]
        elif len(inside) * series.step < _COVER * (end - start):
            log.info("%s: the %s of %s is of %d steps only", name, at, when.label, len(inside))
        if not len(inside):
            continue
        reached = True
        frame = frame_of(series)
        series.use(frame)
        np.copyto(out, warp(_over(series, inside, at), frame, geobox), where=np.isnan(out))
        if not np.isnan(out).any():
            break
    if not reached:
        raise ReadError(f"ancillary {name} holds {_held(candidates)}, not {when.label}: register the data of that time")
    return out


def _over(series: Series, times: np.ndarray, at: Moment) -> F32:
    """Return the mean, least or greatest of some steps, of those that have a value."""
    result = series.at(float(times[0])).astype(np.float64)
    count = np.isfinite(result).astype(np.int32)
    for time in times[1:]:
        values = series.at(float(time))
        if at == "mean":
            there = np.isfinite(values)
            result = np.where(there, np.where(count, result, 0.0) + np.where(there, values, 0), result)
            count += there
        else:
            result = (np.fmin if at == "min" else np.fmax)(result, values)
    if at == "mean":
        result = result / np.maximum(count, 1)
    return np.asarray(result, np.float32)
