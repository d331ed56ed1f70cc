"""search: scenes of a place and time, ready to be read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from musyq_cube.catalog._adapt_ancillary import is_ancillary
from musyq_cube.catalog.adapt import adapt
from musyq_cube.catalog.catalog import Catalog, open_catalog
from musyq_cube.catalog.dedupe import Scenes, deduplicate
from musyq_cube.errors import MusyqError
from musyq_cube.scene import ANCILLARY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pystac

    from musyq_cube.period import PeriodLike
    from musyq_cube.scene import Scene

logger = logging.getLogger(__name__)


def search(
    catalog: Catalog | str | Path,
    region: Any = None,
    period: PeriodLike | None = None,
    *,
    sensors: str | Sequence[str] | None = None,
    collections: str | Sequence[str] | None = None,
    limit: int | None = None,
) -> Scenes:
    """
    Find the scenes of a place and time.

    Parameters
    ----------
    catalog
        An open Catalog, or what :func:`open_catalog` opens.
    region
        Bbox (west, south, east, north), GeoJSON, vector file, tile name, shape: see :func:`musyq_cube.grid.as_region`.
    period
        ``"2018"``, ``"2018-07"``, ``"2018-07-01/2018-09-30"`` …: see :func:`musyq_cube.period.parse_period`.
    sensors, collections
        Sensor ids, collection ids. Ancillary data are found only where asked for: ``"ancillary"``, or the id of one of
        their collections.
    limit
        At most this many, the earliest.

    Returns
    -------
    Scenes
        A list of Scene, each acquisition once (:func:`deduplicate` says by which rule), sorted by time, then id. Its
        `left_out` names the items that could not be used and why, its `dropped` the duplicates.

    Examples
    --------
    >>> search("catalog/", (-75, 40, -73, 42), "2018-07", sensors="landsat8-oli")  # doctest: +SKIP
    """
    names = [sensors] if isinstance(sensors, str) else sensors
    ancillary = [name for name in names or () if name.startswith(ANCILLARY)]
    opened = open_catalog(catalog)
    items: list[pystac.Item] = []
    if names is None or len(ancillary) < len(names):
        of = None if names is None else [name for name in names if name not in ancillary]
        items = opened.search_items(region, period, sensors=of, collections=collections)
        items = [item for item in items if collections is not None or not is_ancillary(item.properties)]
    if ancillary:
        ours = [c for c in opened.collections if c in ancillary or (ANCILLARY in ancillary and c.startswith(ANCILLARY))]
        items += opened.search_items(region, period, collections=ours)
    found = deduplicate(scenes_of(items))
    return found if limit is None else Scenes(found[:limit], found.dropped, found.left_out)


def scenes_of(items: Iterable[pystac.Item]) -> Scenes:
    """
    Turn items into scenes; what cannot be used is logged as a warning and listed in `left_out`.

    Examples
    --------
    >>> import pystac, datetime as dt
    >>> scenes_of([pystac.Item("a", None, None, dt.datetime(2020, 1, 1), {})]).left_out[0][0]
    'a'
    """
    scenes: list[Scene] = []
    left_out: list[tuple[str, str]] = []
    for item in items:
        try:
            scenes.append(adapt(item))
        except MusyqError as error:
            left_out.append((item.id, str(error)))
            logger.warning("left out: %s", error)
    return Scenes(scenes, left_out=left_out)
