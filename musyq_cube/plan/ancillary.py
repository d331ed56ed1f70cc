"""Ancillary data of an order: which there are, and which of them a product takes."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from musyq_cube.quantities import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from musyq_cube.grid import Region
    from musyq_cube.period import Period
    from musyq_cube.scene import Scene

FARTHEST = dt.timedelta(days=16)
"""How far beyond a period ancillary data are looked for: those of 8 and 16 days too."""
NEAR = dt.timedelta(days=1)
"""How far beyond a period they are taken, to interpolate at its edges; where there are none, the nearest."""


def find_ancillary(catalog: Any, where: Region | None, when: Period) -> list[Scene]:
    """Return the ancillary data of a catalogue that hold for a region and a period, or at any time."""
    from musyq_cube.catalog import search_ancillary

    return list(search_ancillary(catalog, where, when.start - FARTHEST, when.end + FARTHEST))


def providing(scenes: Iterable[Scene], quantities: Sequence[str]) -> tuple[Scene, ...]:
    """Return the ancillary data that have one of some quantities, or a part of which one of them is derived."""
    wanted = {part for name in quantities for part in parts_of(name)}
    return tuple(scene for scene in scenes if not wanted.isdisjoint(scene.sources))


def during(scenes: Iterable[Scene], period: Period) -> tuple[Scene, ...]:
    """Return the ancillary data that hold in a period, those just around it, and those that hold at any time."""
    everything = tuple(scenes)
    first, last = period.start - NEAR, period.end + NEAR
    kept = {s for s in everything if s.is_static or (s.interval[0] <= last and s.interval[1] >= first)}
    moving = [s for s in everything if not s.is_static]
    for name, quantity in {(s.sensor, quantity) for s in moving for quantity in s.sources}:
        mine = [s for s in moving if s.sensor == name and quantity in s.sources]
        before, after = [s for s in mine if s.interval[1] < first], [s for s in mine if s.interval[0] > last]
        inside = [s for s in mine if s in kept]
        if before and not any(s.interval[0] <= period.start for s in inside):
            kept.add(max(before, key=lambda s: s.interval[1]))
        if after and not any(s.interval[1] >= period.end for s in inside):
            kept.add(min(after, key=lambda s: s.interval[0]))
    return tuple(s for s in everything if s in kept)
