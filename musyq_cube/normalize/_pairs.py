"""Sums over pairs of near-simultaneous observations: what a consistency certificate is made of, block by block."""

from __future__ import annotations

import base64
import itertools
import math
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from musyq_cube.errors import NormalizeError
from musyq_cube.kernels.pairs import BINS, UNIT, moments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from musyq_cube.types import JSON

    F32 = npt.NDArray[np.float32]
    Stacks: TypeAlias = Mapping[str, Mapping[str, F32]]

DAY = np.timedelta64(1, "D")


class Key(NamedTuple):
    """Which pair, band and state of normalization."""

    x: str
    """Sensor."""
    y: str
    """The other sensor, later in the alphabet."""
    band: str
    step: str


@dataclass(frozen=True)
class Statistics:
    """How two sensors agree in one band; y is the sensor later in the alphabet."""

    n: int
    """Pairs of pixels."""
    bias: float
    """Mean of y - x, reflectance."""
    rmsd: float
    """Root of the mean of (y - x)², reflectance."""
    slope: float
    """Of the orthogonal regression y = slope · x + offset (both have errors)."""
    offset: float
    r2: float
    """Squared correlation."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums of one pair, band and step, in whole numbers: Python's, so that nothing overflows."""

    sums: tuple[int, int, int, int, int, int] = (0, 0, 0, 0, 0, 0)
    """n, Σx, Σy, Σx², Σy², Σxy, reflectance in units of 1e-5."""
    histogram: npt.NDArray[np.int64] | None = None
    """Pixels by (x, y): BINS² bins from 0 to 0.8; only kept for the first and the last step."""

    def __add__(self, other: Moments) -> Moments:
        n, x, y, xx, yy, xy = (a + b for a, b in zip(self.sums, other.sums, strict=True))
        kept = [m.histogram for m in (self, other) if m.histogram is not None]
        return Moments((n, x, y, xx, yy, xy), kept[0] + kept[1] if len(kept) == 2 else next(iter(kept), None))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Moments) or self.sums != other.sums:
            return False
        if self.histogram is None or other.histogram is None:
            return self.histogram is other.histogram
        return np.array_equal(self.histogram, other.histogram)

    __hash__ = None  # type: ignore[assignment]

    @property
    def statistics(self) -> Statistics:
        """Bias, RMSD and regression; NaN where they are not defined."""
        n, x, y, xx, yy, xy = self.sums
        if n == 0:
            return Statistics(0, *(math.nan,) * 5)
        vx, vy, vxy = n * xx - x * x, n * yy - y * y, n * xy - x * y
        long = math.hypot(vy - vx, 2 * vxy)
        steep = (vy - vx + long) / (2 * vxy) if vxy and vy >= vx else math.nan
        slope = 2 * vxy / (vx - vy + long) if vxy and vy < vx else steep  # whichever does not cancel
        return Statistics(
            n=n,
            bias=(y - x) / n / UNIT,
            rmsd=math.sqrt((xx + yy - 2 * xy) / n) / UNIT,
            slope=slope,
            offset=(y - slope * x) / n / UNIT,
            r2=vxy * vxy / (vx * vy) if vx and vy else math.nan,
        )

    def to_dict(self) -> JSON:
        """Return plain JSON values."""
        if self.histogram is None:
            return {"sums": list(self.sums)}
        packed = zlib.compress(self.histogram.astype("<i8").tobytes(), 9)
        return {"sums": list(self.sums), "histogram": base64.b64encode(packed).decode("ascii")}

    @classmethod
    def from_dict(cls, data: JSON) -> Moments:
        """Rebuild what `to_dict` wrote."""
        n, x, y, xx, yy, xy = (int(v) for v in data["sums"])
        if "histogram" not in data:
            return cls((n, x, y, xx, yy, xy))
        raw = zlib.decompress(base64.b64decode(data["histogram"]))
        return cls((n, x, y, xx, yy, xy), np.frombuffer(raw, "<i8").astype(np.int64).reshape(BINS, BINS))


@dataclass(frozen=True)
class Sums:
    """
    Sums of all pairs, bands and steps of a place; those of parts add up to exactly those of the whole, in any order.

    Examples
    --------
    >>> Sums(("native",)) + Sums(("native",))
    Sums(steps=('native',), moments={})
    """

    steps: tuple[str, ...]
    """States of normalization in their order, the first one before any."""
    moments: dict[Key, Moments] = field(default_factory=dict)

    def __add__(self, other: Sums) -> Sums:
        if self.steps != other.steps:
            raise NormalizeError(f"steps {self.steps} and {other.steps}: only sums over the same steps can be added")
        every = sorted({*self.moments, *other.moments})
        return Sums(
            self.steps, {k: self.moments.get(k, Moments()) + other.moments.get(k, Moments()) for k in every}
        )  # fmt: skip

    def to_dict(self) -> JSON:
        """Return plain JSON values."""
        return {"steps": list(self.steps), "moments": [[*k, m.to_dict()] for k, m in sorted(self.moments.items())]}

    @classmethod
    def from_dict(cls, data: JSON) -> Sums:
        """Rebuild what `to_dict` wrote."""
        return cls(tuple(data["steps"]), {Key(*row[:4]): Moments.from_dict(row[4]) for row in data["moments"]})


def near_pairs(
    time: npt.NDArray[np.datetime64], sensor: Sequence[str], within: np.timedelta64 = DAY
) -> list[tuple[int, int]]:
    """
    Return the pairs of observations of two sensors that are near in time, as indices (of x, of y).

    Parameters
    ----------
    time : datetime64 (time,)
        Acquisition times.
    sensor
        Sensor of each.
    within
        Largest difference in time, inclusive.

    Examples
    --------
    >>> days = np.array(["2020-06-01", "2020-06-02", "2020-06-09"], "datetime64[ns]")
    >>> near_pairs(days, ["b", "a", "a"])
    [(1, 0)]
    """
    near = (
        (i, j) for i, j in itertools.combinations(range(len(sensor)), 2)
        if sensor[i] != sensor[j] and abs(time[i] - time[j]) <= within
    )  # fmt: skip
    return [(i, j) if sensor[i] < sensor[j] else (j, i) for i, j in near]


def accumulate(
    stacks: Stacks,
    time: npt.NDArray[np.datetime64],
    sensor: Sequence[str],
    *,
    within: np.timedelta64 = DAY,
    bands: Iterable[str] | None = None,
) -> Sums:
    """
    Sum up how the sensors of one block agree, before and after every step of normalization.

    Parameters
    ----------
    stacks : mapping of step to mapping of band to float32 (time, y, x)
        States of the same block in the order of the steps, the first before normalization; NaN where not clear. A
        pixel counts only where it has a value in every state, so that all are compared on the same pixels.
    time, sensor
        Of each observation.
    within
        Largest difference in time of a pair, inclusive.
    bands
        Reflectances to compare. Default: those of the first state.

    Returns
    -------
    Sums
        Without moments where no two sensors looked at the same place at nearly the same time.
    """
    steps = tuple(stacks)
    made: dict[Key, Moments] = {}
    if not steps:
        raise NormalizeError("no state of normalization to compare: give at least one, {'native': …}")
    for x, y in near_pairs(time, sensor, within):
        for band in stacks[steps[0]] if bands is None else bands:
            states = {step: (stacks[step][band][x], stacks[step][band][y]) for step in steps}
            missing = np.any([np.isnan(a) | np.isnan(b) for a, b in states.values()], axis=0)
            if missing.all():
                continue
            for step, (a, b) in states.items():
                key = Key(str(sensor[x]), str(sensor[y]), band, step)
                found = _moments(np.where(missing, np.float32(np.nan), a), b, step in (steps[0], steps[-1]))
                made[key] = made[key] + found if key in made else found
    return Sums(steps, dict(sorted(made.items())))


def _moments(x: F32, y: F32, histogram: bool) -> Moments:
    sums, counts = moments(np.ravel(x).astype(np.float32, copy=False), np.ravel(y).astype(np.float32, copy=False))
    n, sx, sy, sxx, syy, sxy = (int(v) for v in sums)
    return Moments((n, sx, sy, sxx, syy, sxy), counts if histogram else None)
