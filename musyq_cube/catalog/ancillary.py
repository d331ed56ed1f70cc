"""Ancillary data in a catalogue: elevation, land cover, reanalyses and weather stations as ordinary STAC Items."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musyq_cube.catalog import storage
from musyq_cube.catalog._adapt_ancillary import is_ancillary
from musyq_cube.catalog._ancillary_files import ancillary_files, kind_of
from musyq_cube.catalog._ancillary_items import grid_items, station_item
from musyq_cube.catalog._ancillary_layer import Wishes, seconds_of
from musyq_cube.catalog._ancillary_raster import raster_layers
from musyq_cube.catalog._ancillary_zarr import zarr_layers
from musyq_cube.catalog._stations import read_stations
from musyq_cube.catalog.catalog import open_catalog
from musyq_cube.catalog.register import RegisterReport
from musyq_cube.catalog.search import scenes_of
from musyq_cube.catalog.write import commit, own_href, stored_item
from musyq_cube.errors import CatalogError, MusyqError
from musyq_cube.period import Period, parse_period
from musyq_cube.quantities import QUANTITIES
from musyq_cube.scene import ANCILLARY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pystac

    from musyq_cube.catalog.catalog import Catalog
    from musyq_cube.catalog.dedupe import Scenes
    from musyq_cube.catalog.register import Progress
    from musyq_cube.period import PeriodLike

logger = logging.getLogger(__name__)

__all__ = ["ancillary_files", "register_ancillary", "search_ancillary"]


def register_ancillary(
    paths: str | Path | Iterable[str | Path],
    catalog: Catalog | str | Path,
    *,
    quantity: str | Mapping[str, str] | None = None,
    kind: str | None = None,
    units: str | Mapping[str, str] | None = None,
    scale: float | None = None,
    time: PeriodLike | None = None,
    accumulated: str | None = None,
    place: tuple[float, float] | None = None,
    utc_offset: float = 0.0,
    progress: Progress | None = None,
) -> RegisterReport:
    """
    Write a STAC Item into a catalogue for each time step of ancillary data.

    Parameters
    ----------
    paths
        Files, folders, glob patterns, or several: CF netCDF, GRIB and Zarr on regular grids, GeoTIFF, SRTM heights
        (``.hgt``, ``.hgt.zip``), tables of weather stations (CSV). Variables are recognised by their names and CF
        standard names (:data:`musyq_cube.quantities.QUANTITIES`); others are passed over.
    catalog
        Catalogue to add to: a folder or ``s3://`` prefix, made if need be, or an open Catalog.
    quantity
        What a file of one layer is, or ``{variable, band or column: quantity}`` (then only these are taken).
    kind
        Where the data are from, such as ``era5``: they form the collection ``ancillary-era5``.
    units
        Units that files do not state or state wrongly, for all or by variable.
    scale
        Factor of the numbers, where files do not state it.
    time
        When the data hold, where files do not say.
    accumulated
        Time over which energies (J m-2) were gathered, such as ``PT1H``; known without where steps are hourly or have
        bounds. They become mean fluxes of that time.
    place
        Longitude and latitude of a station whose table has no such columns.
    utc_offset
        Hours by which the times of a table are ahead of UTC.
    progress
        Called after each file with (done, total, name).

    Returns
    -------
    RegisterReport
        What was written, what was there already, and what was skipped and why.

    Raises
    ------
    CatalogError
        A path that does not exist, an unknown quantity, or a catalogue that cannot be written.

    Examples
    --------
    >>> register_ancillary("era5_2014-07.nc", "catalog/", kind="era5")  # doctest: +SKIP
    catalog: 744 registered, 0 there already, 0 skipped
    >>> register_ancillary("dem.tif", "catalog/", quantity="elevation")  # doctest: +SKIP
    """
    wishes = Wishes(
        quantity, units, scale, None if time is None else parse_period(time),
        None if accumulated is None else seconds_of(accumulated), place, utc_offset,
    )  # fmt: skip
    wishes.check()
    href = own_href(catalog, "cannot be registered into; give")
    found = ancillary_files(paths, every=True)
    items: dict[tuple[str, str], pystac.Item] = {}
    existing: list[str] = []
    skipped: list[tuple[str, str]] = []
    for number, path in enumerate(found, 1):
        try:
            for item in _items(path, href, kind, wishes):
                first = items.setdefault((str(item.collection_id), item.id), item)
                if first is not item and first.to_dict()["assets"] != item.to_dict()["assets"]:
                    raise CatalogError(f"{item.id}: another file of this call has the same name and time; rename one")
        except (MusyqError, OSError, ValueError) as error:
            skipped.append((path, str(error).removeprefix(f"{path}: ")))
            logger.warning("not registered: %s: %s", path, skipped[-1][1])
        if progress is not None:
            progress(number, len(found), Path(path).name)
    new = []
    for item in items.values():
        if _same(item, stored_item(href, item)):
            existing.append(item.id)
        else:
            new.append(item)
    return RegisterReport(href, tuple(commit(href, new)), tuple(existing), tuple(skipped))


def search_ancillary(
    catalog: Catalog | str | Path,
    region: Any = None,
    start: dt.datetime | PeriodLike | None = None,
    end: dt.datetime | None = None,
) -> Scenes:
    """
    Find the ancillary data of a place and time, and those that hold at any time.

    Parameters
    ----------
    catalog
        An open Catalog, or what :func:`open_catalog` opens.
    region
        Whatever :func:`musyq_cube.grid.as_region` understands.
    start, end
        Two instants, or a period as `start`. To interpolate at the edges of a period give a step more on each side.

    Returns
    -------
    Scenes
        Scenes of quantity ``ancillary``, in order of time, then id.
    """
    opened = open_catalog(catalog)
    known = opened.collections
    wanted = [name for name in known if name.startswith(ANCILLARY)]
    if known and not wanted:
        return scenes_of([])
    period = None if start is None else parse_period(start) if end is None else Period(_aware(start), _aware(end))
    items = opened.search_items(region, period, collections=wanted or None)
    found = scenes_of(item for item in items if is_ancillary(item.properties))
    found.sort(key=lambda scene: (scene.interval[0], scene.id))
    return found


def _aware(time: Any) -> dt.datetime:
    known: dt.datetime = time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time
    return known


def _items(path: str, href: str, kind: str | None, wishes: Wishes) -> list[pystac.Item]:
    what = kind_of(path)
    if what == "stations":
        return [station_item(path, href, read_stations(path, wishes), kind)]
    try:
        layers = zarr_layers(path, wishes) if what == "zarr" else raster_layers(path, wishes)
    except CatalogError as error:
        if what is not None:
            raise
        raise CatalogError(
            f"{error}; and no table with a column of times and one of {', '.join(QUANTITIES)}"
        ) from error
    return grid_items(path, layers, kind)


def _same(item: pystac.Item, stored: pystac.Item | None) -> bool:
    """Whether a stored item says the same of the same bytes, and its local files are still where it says."""
    if stored is None:
        return False
    ours, theirs = (each.to_dict(include_self_link=False, transform_hrefs=False) for each in (item, stored))
    if any(ours[key] != theirs[key] for key in ("assets", "properties", "bbox")):
        return False
    local = (asset.href for asset in stored.assets.values() if not storage.is_remote(asset.href))
    return all(Path(each).exists() for each in local)
