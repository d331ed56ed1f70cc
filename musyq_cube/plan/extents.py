"""Extents: what a region is on an output grid, and which scenes reach it in which period."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musyq_cube.errors import GridError, PlanError
from musyq_cube.plan.footprints import Footprints
from musyq_cube.plan.parts import Part
from musyq_cube.plan.select import LeftOut, relabel
from musyq_cube.scene import SourceGrid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odc.geo.geobox import GeoBox

    from musyq_cube.grid import Grid, Region
    from musyq_cube.period import Period
    from musyq_cube.scene import Scene

ASTRAY = "its footprint reaches the region but its pixel grid does not: check proj:code and proj:transform"
ZONE_DEGREES = 6.0
"""Widest region that is made in the one UTM zone of its centre: at its edges the scale is off by less than 0.2 %."""


def extents(target: Grid, region: Region, *, tiles: bool) -> list[tuple[str, GeoBox]]:
    """Return (name, geobox) of what is made: the region on one grid, or on each UTM zone it touches, or whole tiles."""
    try:
        grids = target.concretize(region) if tiles else _grids(target, region)
        if tiles:
            return [(_extent(g.name, name), box) for g in grids for name, box in g.tiles(region)]
        return [(region.name if len(grids) == 1 else _extent(g.name, region.name), g.geobox(region)) for g in grids]
    except GridError as error:
        raise PlanError(str(error)) from error


def _grids(target: Grid, region: Region) -> list[Grid]:
    """Return the zone of the centre for a region no wider than a zone: one product; else all its zones."""
    west, south, east, north = region.bbox
    if target.is_family and region.geobox is None and 0 < east - west <= ZONE_DEGREES:
        return [target.zone((west + east) / 2, (south + north) / 2)]
    return target.concretize(region)


def _extent(grid: str, name: str) -> str:
    """Return a name that says the UTM zone too, where the grid has one."""
    zone = grid.partition("-")[0]
    return f"{zone}-{name}" if zone.startswith("utm") else name


def parts(
    scenes: Sequence[Scene], where: list[tuple[str, GeoBox]], periods: list[Period]
) -> tuple[list[Part], set[int], list[str]]:
    """Return a part for every extent and period that some scene reaches, the scenes used, and notes on the others."""
    trees: dict[str, Footprints] = {}
    out: list[Part] = []
    empty: list[str] = []
    for name, geobox in where:
        crs = crs_text(geobox)
        if crs not in trees:
            trees[crs] = Footprints(scenes, crs, 0.0)
        reached = trees[crs].touching(geobox)
        grid = SourceGrid(crs, tuple(geobox.affine[:6]), (geobox.shape[0], geobox.shape[1]))
        for period in periods:
            mine = tuple(i for i in reached if period.contains(scenes[i].time))
            if mine:
                out.append(Part(name, grid, period, mine, ()))
            else:
                empty.append(f"{name} {period.label}")
    notes = [f"no scene, so no product, for {', '.join(empty[:6])}{' …' if len(empty) > 6 else ''}"] if empty else []
    return out, {i for part in out for i in part.scenes}, notes


def crs_text(geobox: GeoBox) -> str:
    """Return the authority code of a CRS where it has one, else its WKT."""
    crs = geobox.crs
    code = crs.to_epsg() if crs else None
    return f"EPSG:{code}" if code else str(crs.to_wkt() if crs else "")


def outside(scenes: Sequence[Scene], region: Region) -> str:
    """Say why no scene reaches a region."""
    near = min(scenes, key=lambda s: s.geometry.distance(region.geometry))
    far = near.geometry.distance(region.geometry)
    if far == 0:
        return f"no scene can be used; {near.id}: {ASTRAY}"
    return (
        f"region {region.name} {tuple(round(v, 3) for v in region.bbox)} lies outside all {len(scenes)} scenes; the "
        f"nearest is {near.id}, {far:.2f} degrees away, at {tuple(round(v, 3) for v in near.geometry.bounds)}"
    )


def unused(left: tuple[LeftOut, ...], outside: Sequence[Scene], region: Region) -> tuple[LeftOut, ...]:
    """Return `left` with the scenes that no output takes, and why."""
    astray = [scene for scene in outside if scene.geometry.intersects(region.geometry)]
    away = [scene for scene in outside if scene not in astray]
    return relabel(relabel(left, astray, ASTRAY), away, f"does not reach the region {region.name}")
