"""The observations of one period: who, when, in which order; and what their QA says together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from musyq_cube.errors import CompositeError
from musyq_cube.kernels._gufunc import over_pixels
from musyq_cube.kernels.reduce import summarize
from musyq_cube.mask import unclear
from musyq_cube.period import parse_period
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor

    import xarray as xr

    from musyq_cube.period import PeriodLike

MOST_SENSORS = 16
"""Bits of the variable `source`."""


@dataclass(frozen=True)
class Observations:
    """
    What a reduction has to know of its observations besides their pixels.

    `times` are UTC; `sensors` and `scenes` name each of them; `table` lists all sensors of the product in the order of
    the bits of `source`; `start` and `end` bound the period; `rule` says what :func:`musyq_cube.mask` removed.
    """

    times: tuple[np.datetime64, ...]
    sensors: tuple[str, ...]
    scenes: tuple[str, ...]
    table: tuple[str, ...]
    start: np.datetime64
    end: np.datetime64
    rule: tuple[tuple[str, Any], ...] = (("bits", int(QA.FILL)),)

    def __post_init__(self) -> None:
        """Refuse what `source` cannot hold."""
        if len(self.table) > MOST_SENSORS:
            raise CompositeError(f"{len(self.table)} sensors; 'source' has bits for {MOST_SENSORS}: composite fewer")
        if unknown := sorted(set(self.sensors) - set(self.table)):
            raise CompositeError(f"sensor {unknown[0]!r} is not in the table of sensors {', '.join(self.table)}")

    @classmethod
    def of(cls, ds: xr.Dataset, period: PeriodLike | None = None, table: Sequence[str] | None = None) -> Observations:
        """
        Read them from the coordinates of a cube.

        Without a period: from the day of the first observation to that of the last. Blocks of one product must be given
        the same period and table.
        """
        times = tuple(ds["time"].values.astype("datetime64[ns]"))
        sensors = tuple(map(str, ds["sensor"].values)) if "sensor" in ds.coords else ("unknown",) * len(times)
        scenes = tuple(map(str, ds["scene"].values)) if "scene" in ds.coords else ("",) * len(times)
        start, end = _bounds(times, period)
        known = table or ds.attrs.get("sensors") or sorted(set(sensors))
        return cls(times, sensors, scenes, tuple(known), start, end, masked(ds))

    def take(self, index: slice | npt.NDArray[np.intp], period: PeriodLike) -> Observations:
        """Return some of them, as those of another period."""
        start, end = _bounds((), period)
        kept = np.arange(len(self.times))[index]
        times, sensors, scenes = (tuple(v[i] for i in kept) for v in (self.times, self.sensors, self.scenes))
        return replace(self, times=times, sensors=sensors, scenes=scenes, start=start, end=end)

    @cached_property
    def order(self) -> npt.NDArray[np.intp]:
        """Order by time, sensor and scene: what is computed does not depend on the order of the cube."""
        keys = [*zip(self.times, self.sensors, self.scenes, strict=True)]
        return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.intp)

    @cached_property
    def days(self) -> npt.NDArray[np.int16]:
        """Whole days from the start of the period, in `order`."""
        times = np.array(self.times, "datetime64[ns]")[self.order]
        days = (times - self.start) // np.timedelta64(1, "D")
        out: npt.NDArray[np.int16] = np.clip(days.astype(np.int64), -(2**15), 2**15 - 1).astype(np.int16)
        return out

    @property
    def middle(self) -> float:
        """Days from the start of the period to its middle."""
        return float((self.end - self.start) / np.timedelta64(1, "D")) / 2

    @cached_property
    def bits(self) -> npt.NDArray[np.uint16]:
        """The bit of the sensor of every observation, in `order`."""
        return np.array([1 << self.table.index(self.sensors[i]) for i in self.order], np.uint16)

    def used(self, qa: npt.NDArray[np.uint16]) -> npt.NDArray[np.bool_]:
        """Whether an observation takes part, by its QA."""
        return ~unclear(qa, **dict(self.rule))


def _bounds(times: Sequence[np.datetime64], period: PeriodLike | None) -> tuple[np.datetime64, np.datetime64]:
    if period is not None:
        whole = parse_period(period)
        return tuple(np.datetime64(t.replace(tzinfo=None), "us") for t in (whole.start, whole.end))  # type: ignore[return-value]
    if not len(times):
        return np.datetime64(0, "D"), np.datetime64(1, "D")
    first, last = (np.datetime64(t, "D") for t in (min(times), max(times)))
    return first, last + np.timedelta64(1, "D")


def masked(ds: xr.Dataset) -> tuple[tuple[str, Any], ...]:
    """Read what :func:`musyq_cube.mask` wrote on `qa`; a cube that was not masked lacks only what was not observed."""
    attrs: Mapping[str, Any] = ds["qa"].attrs if "qa" in ds else {}
    rule = {key: attrs[f"masked_{key}"] for key in ("bits", "water", "snow") if f"masked_{key}" in attrs}
    return tuple(({"bits": int(QA.FILL)} | rule).items())


def reduce_qa(
    qa: npt.NDArray[np.uint16], observations: Observations, pool: Executor | None = None
) -> dict[str, npt.NDArray[Any]]:
    """
    Count, sources, day and QA of a composite, from the QA of its observations alone.

    Parameters
    ----------
    qa : uint16 (time, y, x)
        Common quality bits, as left by :func:`musyq_cube.mask`.
    observations
        Who and when.
    pool
        Threads to share the pixels.

    Returns
    -------
    dict
        `count` (uint16) of observations that take part; `source` (uint16) union of their sensor bits; `day` (int16)
        their (lower) median day, -1 without any; `qa` (uint16) the bits that more than half of them carry, FILL without
        any. All on (y, x).
    """
    out = {name: np.empty(qa.shape[1:], dtype) for name, dtype in EVIDENCE.items()}

    def strip(values: npt.NDArray[np.uint16]) -> Any:
        return summarize(observations.used(values).view(np.uint8), values, observations.bits, observations.days)

    over_pixels(strip, [qa], list(out.values()), observations.order, pool)
    return out


EVIDENCE: dict[str, type[np.generic]] = {"count": np.uint16, "source": np.uint16, "day": np.int16, "qa": np.uint16}
"""What every composite carries besides its bands, in the order of :func:`musyq_cube.kernels.reduce.summarize`."""
