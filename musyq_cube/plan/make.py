"""Make a plan: search once, choose, cut, size and freeze."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import shapely

from musyq_cube.errors import GridError, PlanError
from musyq_cube.grid import as_region, get_grid
from musyq_cube.normalization import STEPS
from musyq_cube.normalize.rules import APPLIED, choose_reference
from musyq_cube.period import Period, parse_period
from musyq_cube.plan.ancillary import find_ancillary
from musyq_cube.plan.build import Order, build, is_plain
from musyq_cube.plan.estimate import cores, memory_limit
from musyq_cube.plan.request import Request, freeze_options, product_ids
from musyq_cube.plan.select import LeftOut
from musyq_cube.products.registry import get_recipe
from musyq_cube.scene import ANCILLARY
from musyq_cube.types import METRES_PER_DEGREE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from musyq_cube.grid import Grid, Region
    from musyq_cube.period import PeriodLike
    from musyq_cube.plan.value import Plan
    from musyq_cube.scene import Scene

DEFAULT_METHOD = "geomedian"
NEAR_TIME = dt.timedelta(days=731)
NEAR_DEGREES = 10.0
"""How far from an order without scenes the nearest is looked for."""


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
    method: str | None = None,
    options: dict[str, Any] | None = None,
    algorithms: dict[str, str] | None = None,
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
        Composite method (see :data:`musyq_cube.methods.METHODS`) and its options. Default: geomedian; median where the
        order has several stages, so that each product is the same whatever else is ordered with it.
    algorithms
        Algorithms to use by product, instead of the first that can be used (``{"MuSQ.LST": "single_channel"}``).
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
        method=method or DEFAULT_METHOD,
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
    forced = {get_recipe(name).name: way for name, way in (algorithms or {}).items()}
    found, known, dropped = _find(catalog, scenes, where, when, request)
    order = Order(
        request=request,
        when=when,
        where=where,
        target=target,
        scenes=found,
        ancillary=known,
        dropped=dropped,
        sizing=(block, workers or cores(), memory or memory_limit()),
        forced=forced,
        has_method=method is not None,
    )
    try:
        return build(order)
    except PlanError:
        if found or known or catalog is None:
            raise
        raise PlanError(_nearest(catalog, where, when, request)) from None


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
) -> tuple[list[Scene], list[Scene], list[LeftOut]]:
    """Search once (or take what is given) and deduplicate; returns scenes, ancillary data and what is not used."""
    if (catalog is None) == (scenes is None):
        raise PlanError("give either a catalog to search or the scenes themselves")
    from musyq_cube.catalog import deduplicate, search

    if scenes is None:
        found = search(catalog, region=where, period=when, sensors=request.sensors)
        plain = all(is_plain(recipe) for recipe in request.recipes)
        known = [] if plain else find_ancillary(catalog, where, when)
    else:
        found = deduplicate([scene for scene in scenes if scene.quantity != ANCILLARY])
        known = [scene for scene in scenes if scene.quantity == ANCILLARY]
    dropped = [LeftOut(item.id, f"{item.reason}; {item.kept} is used") for item in found.dropped]
    return list(found), known, dropped + [LeftOut(name, reason) for name, reason in found.left_out]


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
