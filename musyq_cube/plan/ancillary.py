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

ANCILLARY = "ancillary"
"""Quantity of scenes that are ancillary data."""
AROUND = dt.timedelta(days=16)
"""How far beyond a period ancillary data are taken, to interpolate at its edges: reanalyses of 8 and 16 days too."""


def find_ancillary(catalog: Any, where: Region | None, when: Period) -> list[Scene]:
    """Return the ancillary data of a catalogue that hold for a region and a period, or at any time."""
    from musyq_cube.catalog import search_ancillary

    return list(search_ancillary(catalog, where, when.start - AROUND, when.end + AROUND))


def providing(scenes: Iterable[Scene], quantities: Sequence[str]) -> tuple[Scene, ...]:
    """Return the ancillary data that have one of some quantities, or a part of which one of them is derived."""
    wanted = {part for name in quantities for part in parts_of(name)}
    return tuple(scene for scene in scenes if not wanted.isdisjoint(scene.sources))


def during(scenes: Iterable[Scene], period: Period) -> tuple[Scene, ...]:
    """Return the ancillary data that hold in a period, those just around it, and those that hold at any time."""
    first, last = period.start - AROUND, period.end + AROUND
    return tuple(s for s in scenes if s.is_static or (s.interval[0] <= last and s.interval[1] >= first))
