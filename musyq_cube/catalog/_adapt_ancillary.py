"""Items of ancillary data as scenes: each quantity a band, in its units."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from musyq_cube.catalog._adapt_item import as_nodata, as_number
from musyq_cube.quantities import QUANTITIES
from musyq_cube.scene import ANCILLARY, ANY_TIME, Scene, Source, SourceGrid

if TYPE_CHECKING:
    from musyq_cube.catalog._adapt_item import ItemView
    from musyq_cube.types import JSON


def is_ancillary(properties: JSON) -> bool:
    """Whether the properties are those of an Item of ancillary data."""
    return properties.get("musyq:quantity") == ANCILLARY


def adapt_ancillary(view: ItemView) -> Scene:
    """
    Return the Scene of one Item of ancillary data.

    Raises
    ------
    CatalogError
        An Item without a known quantity.
    """
    sources = {name: _source(view, name, view.assets[name]) for name in QUANTITIES if name in view.assets}
    if not sources:
        raise view.error("assets", f"one of them must be called as a quantity: {', '.join(QUANTITIES)}")
    start, end = view.get("start_datetime"), view.get("end_datetime")
    nominal = view.get("musyq:time")
    span = None if start is None or end is None else f"{start}/{end}"
    return Scene(
        id=view.id,
        sensor=view.collection or ANCILLARY,
        datetime=str(nominal) if nominal else view.datetime(),
        footprint=view.footprint(),
        quantity=ANCILLARY,
        bands=tuple(sources.items()),
        collection=view.collection,
        span=ANY_TIME if view.get("musyq:static") else span,
    )


def _source(view: ItemView, name: str, asset: JSON) -> Source:
    scale, offset = (as_number(view.field(asset, f"raster:{n}")) for n in ("scale", "offset"))
    driver = str(asset.get("musyq:driver") or "cf")
    number = asset.get("musyq:band_number")
    grid = view.grid(asset, None)
    low, high = QUANTITIES[name].valid
    scale, offset = 1.0 if scale is None else scale, 0.0 if offset is None else offset
    edges = sorted(((low - offset) / scale, (high - offset) / scale))
    return Source(
        href=view.href(asset),
        grid=None if grid is None else around(grid) if driver == "cf" else grid,
        driver=driver,
        band=1 if number is None else int(number),
        layer=asset.get("musyq:layer"),
        dtype=view.field(asset, "data_type"),
        nodata=as_nodata(view.field(asset, "nodata")),
        scale=scale,
        offset=offset,
        valid=(edges[0], edges[1]),
    )


def columns_around(grid: SourceGrid) -> bool:
    """Whether a grid of longitude and latitude goes once around the Earth, so that its last column meets the first."""
    a, b, _, d, *_ = grid.transform
    return grid.crs == "EPSG:4326" and b == d == 0 and abs(grid.shape[1] * a - 360.0) < abs(a) / 2


def around(grid: SourceGrid) -> SourceGrid:
    """Return a grid around the Earth with one column more on each side, other grids as they are."""
    if not columns_around(grid):
        return grid
    a, b, c, d, e, f = grid.transform
    return dataclasses.replace(grid, transform=(a, b, c - a, d, e, f), shape=(grid.shape[0], grid.shape[1] + 2))
