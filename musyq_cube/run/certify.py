"""Certify: compare the sensors of a block while it is normalized, in no more memory than a few scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musyq_cube.normalize.certificate import Sums, accumulate, near_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from musyq_cube.normalize.rules import Rules

    States = dict[str, dict[str, npt.NDArray[np.float32]]]

NATIVE = "native"
"""The state before any step."""


class Certifier:
    """
    Adds up how near-simultaneous observations of different sensors agree, before and after every step.

    Time steps come in order; one is kept only until its last partner has come.
    """

    def __init__(self, time: npt.NDArray[np.datetime64], sensor: list[str], rules: Rules) -> None:
        self.sums = Sums((NATIVE, *rules.steps))
        self._time, self._sensor = time, sensor
        self._pairs = [(min(pair), max(pair)) for pair in near_pairs(time, sensor)]
        self._last = dict(sorted(self._pairs))
        self._kept: dict[int, States] = {}
        self._live: dict[str, npt.NDArray[np.float32]] = {}
        """The bands of the time step at hand as they were handed over last."""

    def wants(self, t: int) -> bool:
        """Whether a time step has a partner."""
        return any(t in pair for pair in self._pairs)

    def begin(self, t: int, bands: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Take in a time step as it was read; its steps follow."""
        self._kept[t] = {NATIVE: {name: values.copy() for name, values in bands.items()}}
        self._live = dict(bands)

    def step(self, t: int, step: str, bands: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Take in what a time step has become after a step."""
        before = list(self._kept[t].values())[-1]
        # what a step left alone is still the caller's memory, which will hold something else soon: the copy is kept
        self._kept[t][step] = {n: before[n] if v is self._live.get(n) else v for n, v in bands.items()}
        self._live = dict(bands)

    def end(self, t: int) -> None:
        """Compare a finished time step with its earlier partners and let go of what is not needed any more."""
        for first in [first for first, second in self._pairs if second == t]:
            self._compare(first, t)
        for old in [old for old in self._kept if self._last.get(old, -1) <= t]:
            del self._kept[old]

    def _compare(self, first: int, second: int) -> None:
        one, other = self._kept.get(first), self._kept[second]
        if one is None or any(step not in states for states in (one, other) for step in self.sums.steps):
            return  # bands that no step applies to: temperatures
        both = [first, second]
        time, sensor = self._time[both], [self._sensor[t] for t in both]
        last = self.sums.steps[-1]
        for name in one[NATIVE]:
            if name in one[last] and name in other[last]:
                pair = {step: {name: np.stack([one[step][name], other[step][name]])} for step in self.sums.steps}
                self.sums += accumulate(pair, time, sensor)
