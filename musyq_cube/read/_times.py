"""Times as seconds, and how a value at one time follows from steps at others."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

F64: TypeAlias = "npt.NDArray[np.float64]"
Ints: TypeAlias = "npt.NDArray[np.int64]"

DAY = 86_400.0


def seconds(times: Any) -> F64:
    """
    Return instants as seconds since 1970, nan where not a time.

    Examples
    --------
    >>> seconds(["1970-01-01T01:00", dt.datetime(1970, 1, 1, 2, tzinfo=dt.UTC)]).tolist()
    [3600.0, 7200.0]
    """
    if not (isinstance(times, np.ndarray) and times.dtype.kind == "M"):
        plain = [
            t.astimezone(dt.UTC).replace(tzinfo=None) if isinstance(t, dt.datetime) and t.tzinfo else t
            for t in (times if not isinstance(times, np.ndarray) else times.tolist())
        ]
        times = np.array([np.datetime64(t.removesuffix("Z") if isinstance(t, str) else t) for t in plain], "M8[us]")
    out = times.astype("M8[us]").astype(np.int64) / 1e6
    return np.where(np.isnat(times), np.nan, out)


def usual_step(times: F64, span: float = 0.0) -> float:
    """Return the time between most steps; of one step its span, or a day."""
    gaps = np.sort(np.diff(times))
    return float(gaps[(len(gaps) - 1) // 2]) if len(gaps) else span or DAY


class Shares(NamedTuple):
    """What two steps around each time contribute to it; weights of 0 where no step is near enough."""

    before: Ints
    weight_before: F64
    after: Ints
    weight_after: F64

    @property
    def reached(self) -> npt.NDArray[np.bool_]:
        """Where there is a value."""
        return (self.weight_before + self.weight_after) > 0

    @property
    def steps(self) -> list[int]:
        """The steps that some time needs, growing."""
        return sorted({*self.before[self.weight_before > 0].tolist(), *self.after[self.weight_after > 0].tolist()})

    def of(self, step: int) -> F64:
        """Return the weight of one step, by time."""
        before, after = self.before == step, self.after == step
        return np.where(before, self.weight_before, 0.0) + np.where(after, self.weight_after, 0.0)


def shares(times: F64, step: float, asked: F64) -> Shares:
    """
    Return the steps around some times, and what each contributes.

    Linear between two steps at most two usual ones apart; else the nearest, if it is at most one away.

    Parameters
    ----------
    times
        Of the steps, growing.
    step
        The usual time between them.
    asked
        Any shape; nan where no time.

    Examples
    --------
    >>> found = shares(np.array([0.0, 10.0, 90.0]), 10.0, np.array([4.0, 50.0, 97.0]))
    >>> found.weight_before.tolist(), found.weight_after.tolist(), found.reached.tolist()
    ([0.6, 0.0, 1.0], [0.4, 0.0, 0.0], [True, False, True])
    """
    asked = np.asarray(asked, np.float64)
    if not len(times):
        none, zero = np.zeros(asked.shape, np.int64), np.zeros(asked.shape)
        return Shares(none, zero, none, zero)
    right = np.searchsorted(times, asked)
    before, after = np.maximum(right - 1, 0), np.minimum(right, len(times) - 1)
    since = np.where(right > 0, asked - times[before], np.inf)
    until = np.where(right < len(times), times[after] - asked, np.inf)
    gap = since + until
    linear = (gap <= 2 * step) & (until > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(linear, since / gap, 0.0)
    nearer = ~linear & (np.minimum(since, until) <= step)
    weight_before = np.where(linear, 1 - part, np.where(nearer & (since < until), 1.0, 0.0))
    weight_after = np.where(linear, part, np.where(nearer & (since >= until), 1.0, 0.0))
    return Shares(before, weight_before, after, weight_after)
