"""What is asked of a catalogue, and the one exact filter and order that every kind of catalogue answers with."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import shapely
import shapely.geometry

from musyq_cube.errors import CatalogError
from musyq_cube.region import split

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pystac

    from musyq_cube.period import Period

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees, west ≤ east."""


@dataclass(frozen=True)
class Query:
    """A search: where, when, in which collections; None means everywhere, always, all."""

    geometry: shapely.Geometry | None = None
    period: Period | None = None
    collections: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Prepare the geometry once: it is compared with every candidate."""
        if self.geometry is not None:
            shapely.prepare(self.geometry)

    @property
    def boxes(self) -> tuple[Box, ...] | None:
        """Boxes around the parts of the region on each side of the antimeridian, None for the whole Earth."""
        if self.geometry is None:
            return None
        boxes = [tuple(part.bounds) for part in getattr(self.geometry, "geoms", [self.geometry])]
        sides = ([b for b in boxes if (b[0] + b[2]) / 2 < 0], [b for b in boxes if (b[0] + b[2]) / 2 >= 0])
        touching = any(b[0] <= -180 for b in boxes) and any(b[2] >= 180 for b in boxes)
        groups = sides if touching else ([*boxes],)
        return tuple(_around(group) for group in groups if group)

    def accepts(self, item: pystac.Item) -> bool:
        """Whether an item matches exactly."""
        if self.collections is not None and item.collection_id not in self.collections:
            return False
        if self.period is not None:
            start, end = interval(item)
            inside = self.period.contains(start) if start == end else start < self.period.end
            if not inside or end < self.period.start:
                return False
        if self.geometry is None:
            return True
        shape = footprint(item)
        return shape is not None and bool(self.geometry.intersects(shape))


def settle(items: Iterable[pystac.Item], query: Query) -> list[pystac.Item]:
    """
    Return the items that match exactly, each once, in order of time, then id, then collection.

    Catalogues answer with more than was asked, in any order, and some repeat items on page borders; after this they all
    answer the same. Of copies with the same id in the same collection the first is kept.
    """
    kept: dict[tuple[str, str], pystac.Item] = {}
    for item in items:
        key = (item.collection_id or "", item.id)
        if key not in kept and query.accepts(item):
            kept[key] = item
    return sorted(kept.values(), key=lambda i: (interval(i)[0], i.id, i.collection_id or ""))


def interval(item: pystac.Item) -> tuple[dt.datetime, dt.datetime]:
    """
    Return when an item was acquired: ``datetime`` twice, or the range ``start_datetime`` … ``end_datetime`` without it.

    Raises
    ------
    CatalogError
        The item has neither.
    """
    if item.datetime is not None:
        return (_aware(item.datetime),) * 2
    start, end = (item.properties.get(key) for key in ("start_datetime", "end_datetime"))
    if start is None or end is None:
        raise CatalogError(f"item {item.id}: properties need datetime, or start_datetime and end_datetime")
    return _aware(start), _aware(end)


def footprint(item: pystac.Item) -> shapely.Geometry | None:
    """Return an item's geometry in degrees within ±180, its bbox where it has none, None without both."""
    box = item.bbox
    west, east = (box[0], box[len(box) // 2]) if box else (-180.0, 180.0)
    if item.geometry is None:
        return None if not box else _box(west, box[1], east, box[len(box) // 2 + 1])
    try:
        shape = shapely.geometry.shape(item.geometry)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CatalogError(f"item {item.id}: geometry is not GeoJSON ({error})") from error
    return _wrapped(shape, crosses=west > east)


def _wrapped(shape: shapely.Geometry, *, crosses: bool) -> shapely.Geometry:
    """Bring a footprint drawn across the antimeridian (or past 180) back to ±180, in two parts."""
    low, _, high, _ = shape.bounds if not shape.is_empty else (0, 0, 0, 0)
    if crosses and high - low > 180:
        shape = shapely.transform(shape, lambda xy: xy + (xy[:, :1] < 0) * [[360.0, 0.0]])
    return split(shapely.make_valid(shape))


def _box(west: float, south: float, east: float, north: float) -> shapely.Geometry:
    if west <= east:
        return shapely.box(west, south, east, north)
    return shapely.union_all([shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)])


def _around(boxes: list[Box]) -> Box:
    west, south, east, north = zip(*boxes, strict=True)
    return min(west), min(south), max(east), max(north)


def _aware(time: dt.datetime | str) -> dt.datetime:
    time = dt.datetime.fromisoformat(time) if isinstance(time, str) else time
    return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)
