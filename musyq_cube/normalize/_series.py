"""Series: which scenes of a sensor show the same place, and their views on one grid."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.scene import SourceGrid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from musyq_cube.normalize.aerosol import View
    from musyq_cube.scene import Scene

SAME_PLACE = 0.8
"""Share of the common area of two footprints in both together from which they show the same place."""
LAYERS = ("sza", "vza", "raa", "tcwv", "ozone", "elevation")


def series_of(scenes: Sequence[Scene]) -> list[list[int]]:
    """
    Group scenes of one sensor that show the same place: of the same tile, or with nearly the same footprint.

    Returns
    -------
    list of lists of int
        Numbers of the scenes, in their order.
    """
    first: dict[tuple[str, str], int] = {}
    groups: dict[int, list[int]] = defaultdict(list)
    for i, scene in enumerate(scenes):
        place = first.get((scene.sensor, scene.tile)) if scene.tile else None
        if place is None:
            place = next((g for g in groups if _same_place(scenes[g], scene)), i)
        if scene.tile:
            first.setdefault((scene.sensor, scene.tile), place)
        groups[place].append(i)
    return list(groups.values())


def _same_place(one: Scene, other: Scene) -> bool:
    if one.sensor != other.sensor or not one.geometry.intersects(other.geometry):
        return False
    common = one.geometry.intersection(other.geometry).area
    return bool(common >= SAME_PLACE * one.geometry.union(other.geometry).area > 0)


def aligned(views: Sequence[View]) -> list[View] | None:
    """
    Return views on the smallest grid around all of them; missing where a view does not reach.

    Dates of one tile rarely have the same extent. None where their pixels do not fall on one another.
    """
    grids = [v.grid for v in views]
    a, _, _, _, e, _ = grids[0].transform
    if any((g.crs, g.transform[0], g.transform[4]) != (grids[0].crs, a, e) for g in grids):
        return None
    lefts, tops = [g.transform[2] / a for g in grids], [g.transform[5] / e for g in grids]
    left, top = min(lefts), min(tops)
    columns, rows = [round(x - left) for x in lefts], [round(y - top) for y in tops]
    if any(
        abs(x - left - k) > 1e-3
        for x, k in zip([*lefts, *[left - top + y for y in tops]], [*columns, *rows], strict=True)
    ):
        return None
    shape = (
        max(r + g.shape[0] for r, g in zip(rows, grids, strict=True)),
        max(c + g.shape[1] for c, g in zip(columns, grids, strict=True)),
    )
    grid = SourceGrid(grids[0].crs, (a, 0.0, left * a, 0.0, e, top * e), shape)
    return [v if v.grid == grid else _padded(v, grid, r, c) for v, r, c in zip(views, rows, columns, strict=True)]


def _padded(seen: View, grid: SourceGrid, row: int, column: int) -> View:
    def pad(values: Any, fill: float) -> Any:
        if not np.ndim(values):
            return values
        out = np.full(grid.shape, fill, np.asarray(values).dtype)
        out[row : row + seen.shape[0], column : column + seen.shape[1]] = values
        return out

    layers = {name: pad(getattr(seen, name), np.nan) for name in LAYERS}
    toa = {name: pad(values, np.nan) for name, values in seen.toa.items()}
    qa = None if seen.qa is None else pad(seen.qa, 1)
    return dataclasses.replace(seen, toa=toa, grid=grid, qa=qa, _cache={}, **layers)
