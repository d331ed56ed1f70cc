"""Make a plan: search once, choose, cut, size and freeze."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import shapely

from musyq_cube.errors import GridError, PlanError
from musyq_cube.grid import as_region, get_grid
from musyq_cube.methods import get_method
from musyq_cube.normalization import STEPS
from musyq_cube.normalize.rules import APPLIED, choose_reference
from musyq_cube.period import Period, parse_period, split
from musyq_cube.plan.estimate import cores, count_observations, field_bytes, largest_block, memory_limit, memory_of
from musyq_cube.plan.footprints import Footprints
from musyq_cube.plan.request import Request, freeze_options, product_ids
from musyq_cube.plan.select import LeftOut, Selection, relabel, select
from musyq_cube.plan.value import Output, Part, Plan, output_key
from musyq_cube.products.registry import get_recipe
from musyq_cube.scene import SourceGrid
from musyq_cube.types import METRES_PER_DEGREE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odc.geo.geobox import GeoBox

    from musyq_cube.grid import Grid, Region
    from musyq_cube.period import PeriodLike
    from musyq_cube.scene import Scene

LARGEST_BLOCK = 2
"""Chunks along the largest block that is chosen by itself: beyond it, fewer tasks gain nothing."""
NEAR_TIME = dt.timedelta(days=731)
NEAR_DEGREES = 10.0
"""How far from an order without scenes the nearest is looked for."""
ASTRAY = "its footprint reaches the region but its pixel grid does not: check proj:code and proj:transform"
ZONE_DEGREES = 6.0
"""Widest region that is made in the one UTM zone of its centre: at its edges the scale is off by less than 0.2 %."""


def plan(
    products: str | Sequence[str],
    region: Any = None,
    period: PeriodLike = "",
    *,
    catalog: Any = None,
    scenes: Sequence[Scene] | None = None,
    grid: str | None = None,
    every: str | None = None,
    anchor: str | None = None,
    method: str = "geomedian",
    options: dict[str, Any] | None = None,
    sensors: Sequence[str] | None = None,
    bands: Sequence[str] | None = None,
    dilate: float = 0.0,
    max_cloud: float = 100.0,
    resampling: str = "auto",
    normalize: bool | Sequence[str] = False,
    reference: str | None = None,
    sun: float | None = None,
    by: str = "solar_day",
    tiles: bool = False,
    out: str = "products",
    chunk: int = 512,
    block: int | None = None,
    workers: int | None = None,
    memory: int | None = None,
    on_error: str = "skip",
) -> Plan:
    """
    Plan products of a region and a period: a value that can be explained, saved and run.

    Parameters
    ----------
    products
        Product ids such as ``"MuSQ.NDVI.30m"`` (see `musyq products`); several of one grid are made together.
    region
        Whatever :func:`musyq_cube.grid.as_region` understands; None: wherever there are scenes.
    period
        Whatever :func:`musyq_cube.period.parse_period` understands.
    catalog, scenes
        Where to search (a Catalog or its href), or the scenes themselves.
    grid
        Name of the output grid; default: what the resolution of the product stands for. ``utm-<res>m``: a region no
        wider than 6° is made in the zone of its centre, a wider one is cut into its zones.
    every, anchor
        Length of one composite (``"P1M"``, ``"season"``, …) and a date where one begins; default: the whole period.
    method, options
        Composite method (see :data:`musyq_cube.methods.METHODS`) and its options.
    sensors, bands
        Restrict the sensors; name the bands of the composite instead of all common reflective ones.
    dilate
        Metres by which clouds and shadows grow.
    max_cloud
        Percent; scenes of this cloud cover or more are left out.
    resampling, by
        As for :func:`musyq_cube.cube.cube`.
    normalize, reference, sun
        Steps of normalization (True: all but the optional topography; see :func:`musyq_cube.normalize`) by what
        :func:`musyq_cube.characterize` found, the sensor whose bands are the reference (default: OLI below 250 m, MODIS
        above) and the solar zenith to bring directions to. With the step ``"atmosphere"`` scenes of top-of-atmosphere
        reflectance make products of surface reflectance.
    tiles
        Whole tiles of the grid instead of one output for the region (and UTM zone).
    out
        Folder or bucket of the products.
    chunk, block, workers, memory
        Pixels of a Zarr chunk; pixels of a block (a multiple of the chunk), blocks at a time and bytes to use, from
        which the size of the blocks is chosen. Except for `chunk` they do not change the product.
    on_error
        What an unreadable scene does: ``"skip"`` (recorded, within a budget) or ``"raise"``.

    Raises
    ------
    PlanError
        When the order cannot be fulfilled: with the reason and what could be ordered instead.
    """
    try:
        when = parse_period(period)
        where = None if region is None else as_region(region)
        target, ids = _grid_and_ids(products, grid)
    except (GridError, ValueError) as error:
        raise PlanError(str(error)) from error
    request = Request(
        products=ids,
        period=str(when),
        grid=target.name,
        region=None if where is None else json.dumps(shapely.geometry.mapping(where.geometry)),
        region_name="all" if where is None else where.name,
        every=every,
        anchor=anchor,
        method=method,
        options=freeze_options(options or {}),
        sensors=None if sensors is None else tuple(sorted(sensors)),
        bands=None if bands is None else tuple(bands),
        dilate=float(dilate),
        max_cloud=float(max_cloud),
        resampling=resampling,
        normalize=_steps(normalize),
        reference=(reference or choose_reference(_metres(target))) if "spectral" in _steps(normalize) else None,
        sun=sun,
        by=by,
        tiles=tiles,
        chunk=chunk,
        out=str(out),
        on_error=on_error,  # type: ignore[arg-type]
    )
    found, dropped = _find(catalog, scenes, where, when, request)
    selection = select(found, request, when)
    sizing = (block, workers or cores(), memory or memory_limit())
    return _assemble(request, selection, where, target, dropped=dropped, sizing=sizing)


def _steps(normalize: bool | Sequence[str]) -> tuple[str, ...]:
    if isinstance(normalize, bool):
        return APPLIED if normalize else ()
    asked = (normalize,) if isinstance(normalize, str) else tuple(normalize)
    return tuple(sorted(asked, key=lambda step: STEPS.index(step) if step in STEPS else len(STEPS)))


def _grid_and_ids(products: str | Sequence[str], grid: str | None) -> tuple[Grid, tuple[str, ...]]:
    """Return the output grid and the product ids with its resolution."""
    names = [products] if isinstance(products, str) else list(products)
    name = grid or (get_recipe(names[0]).grid if names else None)
    if name is None:
        raise PlanError(
            f"{', '.join(names) or 'no product'}: say a grid (grid='utm-30m') or a resolution ({names[0]}.30m)"
        )
    target = get_grid(name)
    return target, product_ids(names, _metres(target))


def _metres(grid: Grid) -> float:
    return grid.resolution * (METRES_PER_DEGREE if grid.name.startswith("latlon") else 1.0)


def _find(
    catalog: Any, scenes: Sequence[Scene] | None, where: Region | None, when: Period, request: Request
) -> tuple[list[Scene], list[LeftOut]]:
    """Search once (or take what is given) and deduplicate."""
    if (catalog is None) == (scenes is None):
        raise PlanError("give either a catalog to search or the scenes themselves")
    from musyq_cube.catalog import deduplicate, search

    if scenes is None:
        found = search(catalog, region=where, period=when, sensors=request.sensors)
        if not found:
            raise PlanError(_nearest(catalog, where, when, request))
    else:
        found = deduplicate(scenes)
    dropped = [LeftOut(item.id, f"{item.reason}; {item.kept} is used") for item in found.dropped]
    return list(found), dropped + [LeftOut(name, reason) for name, reason in found.left_out]


def _nearest(catalog: Any, where: Region | None, when: Period, request: Request) -> str:
    """Say why a search found nothing, and what is nearest."""
    from musyq_cube.catalog import open_catalog, search

    asked = f" of {', '.join(request.sensors)}" if request.sensors else ""
    catalog = open_catalog(catalog)
    if catalog.href.startswith(("http://", "https://")):
        place = "" if where is None else f" over the region {where.name} {where.bbox}"
        return f"no scene{asked}{place} in the period {when.label}; ask {catalog.href} for another place or period"
    around = Period(when.start - NEAR_TIME, when.end + NEAR_TIME, when.label)
    any_time = search(catalog, region=where, period=around, sensors=request.sensors)
    if any_time:
        near = min(any_time, key=lambda s: abs(s.time - when.middle))
        return (
            f"no scene{asked} in the period {when.label}; the nearest over the region is {near.id} of "
            f"{near.time:%Y-%m-%d} ({len(any_time)} there within {NEAR_TIME.days} days)"
        )
    any_place = [] if where is None else search(catalog, _near(where), when, sensors=request.sensors)
    if any_place and where is not None:
        near = min(any_place, key=lambda s: s.geometry.distance(where.geometry))
        return (
            f"no scene{asked} over the region {where.name} {where.bbox}; the nearest of the period is {near.id}, "
            f"{near.geometry.distance(where.geometry):.1f} degrees away, at {near.geometry.bounds}"
        )
    return (
        f"no scene{asked} for the period {when.label} and the region, nor within {NEAR_TIME.days} days or "
        f"{NEAR_DEGREES:g} degrees; look at `musyq search`"
    )


def _near(where: Region) -> tuple[float, float, float, float]:
    """Return a box around a region in which its neighbours are looked for; regions across the antimeridian: all."""
    west, south, east, north = where.bbox
    low, high = max(south - NEAR_DEGREES, -90.0), min(north + NEAR_DEGREES, 90.0)
    if west > east or west - NEAR_DEGREES < -180 or east + NEAR_DEGREES > 180:
        return -180.0, low, 180.0, high
    return west - NEAR_DEGREES, low, east + NEAR_DEGREES, high


def _assemble(
    request: Request,
    selection: Selection,
    where: Region | None,
    target: Grid,
    *,
    dropped: list[LeftOut],
    sizing: tuple[int | None, int, int],
) -> Plan:
    """Cut, name and size; `sizing` is (block asked for, workers, bytes)."""
    region = where or as_region(shapely.union_all([s.geometry for s in selection.scenes]), "all")
    extents = _extents(target, region, tiles=request.tiles)
    periods = split(parse_period(request.period), request.every, request.anchor)
    parts, used, notes = _parts(selection.scenes, extents, periods)
    if not parts:
        raise PlanError(_outside(selection.scenes, region))
    outside = [scene for i, scene in enumerate(selection.scenes) if i not in used]
    order = {old: new for new, old in enumerate(sorted(used))}
    parts = [dataclasses.replace(p, scenes=tuple(order[i] for i in p.scenes)) for p in parts]
    draft = Plan(
        request=request,
        scenes=tuple(selection.scenes[i] for i in sorted(used)),
        quantity=selection.quantity,
        bands=selection.bands,
        roles=selection.parts,
        parts=tuple(parts),
        block=request.chunk,
        memory=sizing[2],
        workers=sizing[1],
        left_out=_unused((*dropped, *selection.left_out), outside, region),
        notes=tuple(notes),
    )
    named = dataclasses.replace(draft, parts=tuple(_with_outputs(draft, part) for part in draft.parts))
    return dataclasses.replace(named, block=_block_size(named, sizing[0]))


def _extents(target: Grid, region: Region, *, tiles: bool) -> list[tuple[str, GeoBox]]:
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


def _parts(
    scenes: Sequence[Scene], extents: list[tuple[str, GeoBox]], periods: list[Period]
) -> tuple[list[Part], set[int], list[str]]:
    """Return a part for every extent and period that some scene reaches, the scenes used, and notes on the others."""
    trees: dict[str, Footprints] = {}
    parts: list[Part] = []
    empty: list[str] = []
    for name, geobox in extents:
        crs = _crs_text(geobox)
        if crs not in trees:
            trees[crs] = Footprints(scenes, crs, 0.0)
        reached = trees[crs].touching(geobox)
        grid = SourceGrid(crs, tuple(geobox.affine[:6]), (geobox.shape[0], geobox.shape[1]))
        for period in periods:
            mine = tuple(i for i in reached if period.contains(scenes[i].time))
            if mine:
                parts.append(Part(name, grid, period, mine, ()))
            else:
                empty.append(f"{name} {period.label}")
    notes = [f"no scene, so no product, for {', '.join(empty[:6])}{' …' if len(empty) > 6 else ''}"] if empty else []
    return parts, {i for part in parts for i in part.scenes}, notes


def _crs_text(geobox: GeoBox) -> str:
    """Return the authority code of a CRS where it has one, else its WKT."""
    crs = geobox.crs
    code = crs.to_epsg() if crs else None
    return f"EPSG:{code}" if code else str(crs.to_wkt() if crs else "")


def _outside(scenes: Sequence[Scene], region: Region) -> str:
    near = min(scenes, key=lambda s: s.geometry.distance(region.geometry))
    far = near.geometry.distance(region.geometry)
    if far == 0:
        return f"no scene can be used; {near.id}: {ASTRAY}"
    return (
        f"region {region.name} {tuple(round(v, 3) for v in region.bbox)} lies outside all {len(scenes)} scenes; the "
        f"nearest is {near.id}, {far:.2f} degrees away, at {tuple(round(v, 3) for v in near.geometry.bounds)}"
    )


def _unused(left: tuple[LeftOut, ...], outside: Sequence[Scene], region: Region) -> tuple[LeftOut, ...]:
    """Return `left` with the scenes that no output takes, and why."""
    astray = [scene for scene in outside if scene.geometry.intersects(region.geometry)]
    away = [scene for scene in outside if scene not in astray]
    return relabel(relabel(left, astray, ASTRAY), away, f"does not reach the region {region.name}")


def _with_outputs(draft: Plan, part: Part) -> Part:
    outputs = []
    for product in draft.request.products:
        key = output_key(draft, part, product)
        item = f"{product}_{part.name}_{key[:8]}"
        href = f"{draft.request.out.rstrip('/')}/{product}/{item}/{item}.json"
        outputs.append(Output(product, key, item, href))
    return dataclasses.replace(part, outputs=tuple(outputs))


def _block_size(draft: Plan, asked: int | None) -> int:
    """Return the block size: the largest whose projected peak fits and which leaves every worker something to do."""
    chunk = draft.request.chunk
    if asked is not None:
        if asked < 1 or asked % chunk:
            raise PlanError(f"block={asked}: must be a multiple of the chunk ({chunk})")
        return asked
    fits = [chunk * n for n in range(LARGEST_BLOCK, 0, -1) if _peak(draft, chunk * n) * draft.workers <= draft.memory]
    if not fits:
        need = _peak(draft, chunk)
        if need <= draft.memory:
            return chunk
        raise PlanError(
            f"one block of {chunk} pixels needs {need / 2**30:.1f} GiB, the limit is {draft.memory / 2**30:.1f} GiB; "
            "order a shorter period (every), a method that goes band by band (median), a smaller chunk, or give memory"
        )
    busy = [size for size in fits if dataclasses.replace(draft, block=size).task_count >= 2 * draft.workers]
    return busy[0] if busy else min(fits)


def _peak(draft: Plan, size: int) -> int:
    """Return the projected peak of the fullest block of a size, all scenes of a part taken to reach it."""
    most = max(count_observations([draft.scenes[i] for i in part.scenes], draft.request.by) for part in draft.parts)
    layers = sum(len(get_recipe(p).variables(draft.bands)) for p in draft.request.products)
    method, shape = get_method(draft.request.method), largest_block(draft, size)
    sensors = len({scene.sensor for scene in draft.scenes})
    fields = field_bytes(draft.request.rules, get_method(draft.request.method), len(draft.bands), sensors)
    return memory_of(method, shape, draft.halo, observations=most, bands=len(draft.bands), layers=layers, fields=fields)
