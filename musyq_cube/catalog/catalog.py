"""Catalog: one way to ask folders and buckets of STAC, stac-geoparquet files and STAC APIs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from musyq_cube.catalog import storage
from musyq_cube.catalog.parquet import Parts
from musyq_cube.catalog.query import Query, settle
from musyq_cube.catalog.static import CATALOG, COLLECTION, ItemFile, StaticBackend
from musyq_cube.errors import CatalogError, MusyqError
from musyq_cube.grid import as_region
from musyq_cube.period import parse_period
from musyq_cube.sensor import sensor as get_sensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pystac

    from musyq_cube.period import PeriodLike


class Backend(Protocol):
    """What a kind of catalogue can do."""

    def candidates(self, query: Query) -> Iterable[pystac.Item]:
        """Yield at least every item that matches, each perhaps more than once."""

    def collection_ids(self) -> list[str]:
        """Ids of the collections."""


class Catalog:
    """
    A catalogue of scenes (or of products: both are STAC Items), made by :func:`open_catalog`.

    ``len``, ``print`` and `plot` look at every item; for a STAC API only `search_items` does.
    """

    def __init__(self, href: str, backend: Backend) -> None:
        self.href = href
        self._backend = backend

    @property
    def collections(self) -> list[str]:
        """Ids of the collections, sorted."""
        return self._backend.collection_ids()

    def search_items(
        self,
        region: Any = None,
        period: PeriodLike | None = None,
        *,
        sensors: str | Sequence[str] | None = None,
        collections: str | Sequence[str] | None = None,
        limit: int | None = None,
    ) -> list[pystac.Item]:
        """
        Return the STAC Items of a place and time.

        The answer does not depend on the kind of catalogue: the same exact filter and order apply to all.

        Parameters
        ----------
        region
            Whatever :func:`musyq_cube.grid.as_region` understands; an item matches where its footprint intersects it.
        period
            Whatever :func:`musyq_cube.period.parse_period` understands; half-open. An item with a range of time instead
            of an instant matches where the range meets the period.
        sensors
            Sensor ids.
        collections
            Collection ids.
        limit
            At most this many, the earliest.

        Returns
        -------
        list of pystac.Item
            Each item once, sorted by time, then id.

        Raises
        ------
        CatalogError
            The catalogue cannot be read.
        SensorError, GridError, CompositeError
            A sensor, region or period that cannot be.
        """
        wanted = None if collections is None else tuple(_listed(collections))
        names = None if sensors is None else [get_sensor(name).id for name in _listed(sensors)]
        query = Query(
            geometry=None if region is None else as_region(region).geometry,
            period=None if period is None else parse_period(period),
            collections=wanted if names is None else self._of_sensors(names, wanted),
        )
        if query.collections == ():
            return []
        found = settle(self._backend.candidates(query), query)
        if names is not None:
            found = [item for item in found if _sensor_id(item) in names]
        return found[:limit]

    def _of_sensors(self, names: list[str], wanted: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Narrow the collections to those that can hold the sensors' scenes; all, where the catalogue names none."""
        known = self.collections
        if not known:
            return wanted
        possible = tuple(c for c in known if any(_may_hold(c, name) for name in names))
        return possible if wanted is None else tuple(c for c in possible if c in wanted)

    def __len__(self) -> int:
        return len(self.search_items())

    def __bool__(self) -> bool:
        """Whether there is a catalogue; an empty one counts."""
        return True

    def __repr__(self) -> str:
        from musyq_cube.catalog.show import catalog_text

        return catalog_text(self)

    def _repr_html_(self) -> str:
        from musyq_cube.catalog.show import catalog_html

        return catalog_html(self)

    def plot(self, ax: Any = None) -> Any:
        """Plot footprints and acquisition times of every item; returns the matplotlib axes."""
        from musyq_cube.catalog.show import plot_items

        return plot_items(self.search_items(), ax)


def open_catalog(href: str | Path | Catalog) -> Catalog:
    """
    Open a catalogue.

    Parameters
    ----------
    href
        A folder or bucket prefix of static STAC, or one of its JSON files; a ``.parquet`` file or a folder of them
        (stac-geoparquet); a GeoJSON file of Items; or the address of a STAC API. A folder that does not exist yet is an
        empty catalogue to register into.

    Raises
    ------
    CatalogError
        None of these, or not readable.

    Examples
    --------
    >>> open_catalog("catalog/").search_items((7, 45, 8, 46), "2020-07", sensors="sentinel2a-msi")  # doctest: +SKIP
    """
    if isinstance(href, Catalog):
        return href
    where = storage.absolute(href)
    return Catalog(where, _backend(where))


def _backend(href: str) -> Backend:
    name = href.rpartition("/")[2].lower()
    if name.endswith((".parquet", ".geoparquet")):
        if not storage.exists(href):
            raise CatalogError(f"{href}: no such file")
        return Parts([href])
    if name.endswith((".json", ".geojson")):
        data = storage.read_json(href)
        holds_items = data.get("type") in ("FeatureCollection", "Feature", "ItemCollection")
        return ItemFile(href, data) if holds_items else StaticBackend(href)
    return _remote(href) if href.startswith(("http://", "https://")) else _folder(href)


def _folder(href: str) -> Backend:
    """Return static STAC where there is any, else the parquet parts that lie there."""
    if storage.exists(storage.join(href, CATALOG)):
        return StaticBackend(href)
    if storage.exists(collection := storage.join(href, COLLECTION)):
        return StaticBackend(collection)
    parts = storage.find(href, "*.parquet") or storage.find(href, "items/*.parquet")
    return Parts(parts) if parts else StaticBackend(href)


def _remote(href: str) -> Backend:
    """Return a STAC API where the address answers as one, else static STAC over HTTP."""
    from musyq_cube.catalog.api import ApiBackend, is_api

    if is_api(href):
        return ApiBackend(href)
    static = storage.join(href, CATALOG)
    if storage.exists(static):
        return StaticBackend(static)
    return ApiBackend(href)


def _listed(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _may_hold(collection: str, sensor_id: str) -> bool:
    """Whether a collection's name is one of the sensor's, or says nothing that rules the sensor out."""
    each = get_sensor(sensor_id)
    ours = {f"{each.id}-{product.id}" for product in each.products}
    patterns = [pattern for product in each.products for pattern in product.collections]
    return collection in ours or any(re.fullmatch(p, collection, re.IGNORECASE) for p in patterns)


def _sensor_id(item: pystac.Item) -> str | None:
    from musyq_cube.catalog.adapt import adapt

    if stated := item.properties.get("musyq:sensor"):
        return str(stated)
    try:
        return adapt(item).sensor
    except MusyqError:
        return None
