"""Static STAC: catalogues of JSON files, ours and anybody's, and the parquet parts beside ours."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pystac

from musyq_cube.catalog import storage
from musyq_cube.catalog.parquet import Parts
from musyq_cube.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from musyq_cube.catalog.query import Query
    from musyq_cube.types import JSON

CATALOG, COLLECTION = "catalog.json", "collection.json"
THREADS = 16
"""Item files read at once: waiting for a bucket, not computing."""


class StaticBackend:
    """A folder, prefix or address of static STAC."""

    def __init__(self, href: str) -> None:
        self.href = href
        self.io = storage.StacFiles()
        self._parts: dict[tuple[str, ...], Parts] = {}

    def candidates(self, query: Query) -> Iterator[pystac.Item]:
        """Yield items that may match: from parquet parts where there are any, from the JSON files otherwise."""
        with ThreadPoolExecutor(THREADS) as pool:
            for node in self._nodes():
                if _may_hold(node, query):
                    yield from _indexed(node, query, self, pool)

    def collection_ids(self) -> list[str]:
        """Ids of the collections in the tree."""
        return sorted({node.id for node in self._nodes() if isinstance(node, pystac.Collection)})

    def read(self, href: str) -> pystac.Item:
        """Read one item file."""
        try:
            item = self.io.read_stac_object(href)
        except (pystac.STACError, KeyError, ValueError, TypeError) as error:
            raise CatalogError(f"{href}: not a STAC Item ({type(error).__name__}: {error})") from error
        if not isinstance(item, pystac.Item):
            raise CatalogError(f"{href}: a {type(item).__name__}, not a STAC Item")
        item.make_asset_hrefs_absolute()
        return item

    def parts(self, folder: str) -> Parts:
        """Return the parquet parts of a collection's folder; which row of an item is valid is worked out once."""
        hrefs = tuple(storage.find(parts_folder(folder), "part-*.parquet"))
        return self._parts.setdefault(hrefs, Parts(hrefs))

    def _nodes(self) -> Iterator[pystac.Catalog]:
        """Walk the catalogues and collections of the tree, each once."""
        start = self.href if self.href.endswith(".json") else storage.join(self.href, CATALOG)
        if start != self.href and not storage.exists(start):
            return
        waiting, seen = [start], {start}
        while waiting:
            href = waiting.pop(0)
            node = self._node(href)
            yield node
            for link in node.get_child_links():
                target = link.get_absolute_href()
                if target and target not in seen:
                    seen.add(target)
                    waiting.append(target)

    def _node(self, href: str) -> pystac.Catalog:
        data = storage.read_json(href)
        if data.get("type") == "FeatureCollection" or data.get("type") == "Feature":
            raise CatalogError(f"{href}: a {data['type']}; open it as items, not as a catalogue")
        try:
            node = self.io.stac_object_from_dict(data, href)
        except (pystac.STACError, KeyError, ValueError, TypeError) as error:
            raise CatalogError(f"{href}: not a STAC Catalog ({type(error).__name__}: {error})") from error
        if not isinstance(node, pystac.Catalog):
            raise CatalogError(f"{href}: a {type(node).__name__}, not a Catalog or Collection")
        return node


class ItemFile:
    """A JSON file that holds items itself: a FeatureCollection, or one Item."""

    def __init__(self, href: str, data: JSON) -> None:
        self.href = href
        self.data = data

    def candidates(self, query: Query) -> Iterator[pystac.Item]:  # noqa: ARG002  one file: nothing to skip
        """Yield every item of the file."""
        features: list[JSON] = self.data.get("features", []) if self.data["type"] != "Feature" else [self.data]
        for feature in features:
            try:
                yield pystac.Item.from_dict(feature, href=self.href)
            except (pystac.STACError, KeyError, ValueError, TypeError) as error:
                raise CatalogError(
                    f"{self.href}: a feature is no STAC Item ({type(error).__name__}: {error})"
                ) from error

    def collection_ids(self) -> list[str]:
        """Ids of the collections that the items name."""
        return sorted({f["collection"] for f in self.data.get("features", [self.data]) if f.get("collection")})


def parts_folder(collection_folder: str) -> str:
    """Folder of a collection's parquet parts."""
    return storage.join(collection_folder, "items")


def _indexed(node: pystac.Catalog, query: Query, backend: StaticBackend, pool: Any) -> Iterator[pystac.Item]:
    """Items of one node: what the parts hold from there, the rest of the linked items from their files."""
    parts = backend.parts(str(node.get_self_href()).rpartition("/")[0])
    known = {item_id for _, item_id in parts.valid}
    yield from parts.candidates(query)
    hrefs = [href for link in node.get_item_links() if (href := link.get_absolute_href())]
    yield from pool.map(backend.read, [href for href in hrefs if _item_id(href) not in known])


def _item_id(href: str) -> str:
    return href.rpartition("/")[2].removesuffix(".json")


def _may_hold(node: pystac.Catalog, query: Query) -> bool:
    """Whether a collection's own statements (its id, its time) leave room for a match."""
    if not isinstance(node, pystac.Collection):
        return True
    return query.collections is None or node.id in query.collections
