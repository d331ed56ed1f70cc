"""Publishing: the Item last, in one atomic write; then the links that lead to it, which can be made again any time."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pystac

from musyq_cube.catalog.parquet import write_parts
from musyq_cube.errors import StoreError
from musyq_cube.store import access
from musyq_cube.store import conventions as c
from musyq_cube.store.item import item_href, software

if TYPE_CHECKING:
    from collections.abc import Callable

    from musyq_cube.types import JSON

_SUMMARIES = ("proj:code", "gsd", "processing:level")
_CATALOG_TITLE = "Products"
LISTED = ".listed"
"""Marker beside an Item: the sha256 of the Item that its collection lists."""


def publish(item: pystac.Item, out: str) -> pystac.Item:
    """
    Make a finished product exist.

    The Item is written only if there is none, so that of several runs of the same order one wins and all return the
    same Item. Then the Collection and the Catalog get their links, safely against other publishers.

    Parameters
    ----------
    item
        From :func:`musyq_cube.store.item.build_item`; everything it points to is there already.
    out
        The output folder or bucket.

    Returns
    -------
    pystac.Item
        The published Item, which may be that of an earlier run, with its own href.

    Raises
    ------
    StoreError
        Where the Item of another order has this name, or nothing can be written.
    """
    collection = str(item.collection_id)
    href = item_href(out, collection, item.id)
    document = item.to_dict(include_self_link=True, transform_hrefs=False)
    if not access.write_if_absent(href, _bytes(document)):
        document = json.loads(access.read_bytes(href))
        if document["properties"].get(c.KEY) != item.properties.get(c.KEY):
            raise StoreError(f"{href} is the product of another order; choose another output or item name")
    announce(document, out)
    return read_item(href)


def announce(document: JSON, out: str) -> None:
    """
    Let the Collection, the Catalog and the parquet mirror know of an Item that exists; nothing where they do.

    A publication that was interrupted after its Item is completed by this.

    Parameters
    ----------
    document
        The Item as it was written.
    out
        The output folder or bucket.

    Raises
    ------
    StoreError
        Where they cannot be written: the Item is there, and may be announced again any time.
    """
    collection, item_id = document["collection"], document["id"]
    marker = access.join(out, collection, item_id, LISTED)
    digest = hashlib.sha256(_bytes(document)).hexdigest().encode()
    try:
        _link(document, out)
        if not access.exists(marker) or access.read_bytes(marker) != digest:
            write_parts([document], access.join(out, collection, c.PARTS_NAME))
            access.write_bytes(marker, digest)
    except Exception as error:
        raise StoreError(
            f"{item_href(out, collection, item_id)} is published but not listed yet ({type(error).__name__}: {error}); "
            "run the order again when the output can be written"
        ) from error


def find_item(out: str, collection: str, item_id: str) -> pystac.Item | None:
    """Return a published Item, or None: no Item, no product."""
    href = item_href(out, collection, item_id)
    return read_item(href) if access.exists(href) else None


def read_item(href: str) -> pystac.Item:
    """Read one Item file."""
    try:
        item = pystac.Item.from_dict(json.loads(access.read_bytes(href)), href=href)
    except FileNotFoundError:
        raise StoreError(f"no Item at {href}") from None
    except (ValueError, KeyError, pystac.STACError) as error:
        raise StoreError(f"{href} is not a STAC Item: {type(error).__name__}: {error}") from error
    item.set_self_href(href)
    return item


def rebuild(out: str, collection: str) -> int:
    """Make the links of a collection again from the Items that exist; returns their number."""
    folder = access.join(out, collection)
    found = [key for key in access.list_keys(folder) if _is_item(key)]
    for key in found:
        _link(json.loads(access.read_bytes(access.join(folder, key))), out)
    return len(found)


def new_collection(document: JSON) -> JSON:
    """Return the Collection that an Item document is the first of, with no links to Items yet."""
    properties = document["properties"]
    return {
        "type": "Collection",
        "stac_version": c.STAC_VERSION,
        "stac_extensions": [],
        "id": document["collection"],
        "title": properties.get("title"),
        "description": properties.get("description") or properties.get("title"),
        "license": "other",
        "providers": [{"name": "musyq_cube", "roles": ["processor"], "processing:software": software()}],
        "extent": {"spatial": {"bbox": [document["bbox"]]}, "temporal": {"interval": [_interval(document)]}},
        "summaries": {},
        "renders": properties["renders"],
        "item_assets": {name: _item_asset(asset) for name, asset in document["assets"].items()},
        "assets": {
            "items": {
                "href": f"./{c.PARTS_NAME}/",
                "title": "The Items as stac-geoparquet, one file a publication",
                "type": c.MEDIA_PARQUET,
                "roles": [c.ROLE_MIRROR],
            }
        },
        "links": [
            {"rel": "root", "href": f"../{c.CATALOG_NAME}", "type": c.MEDIA_JSON},
            {"rel": "parent", "href": f"../{c.CATALOG_NAME}", "type": c.MEDIA_JSON},
        ],
    }


def add_item(collection: JSON, document: JSON) -> JSON:
    """Return the Collection with one more Item: link, extent, summaries; unchanged where it is there already."""
    out = copy.deepcopy(collection)
    item_id, properties = document["id"], document["properties"]
    link = {"rel": "item", "href": f"./{item_id}/{item_id}.json", "type": c.MEDIA_GEOJSON, "title": item_id}
    others = [old for old in out["links"] if old["rel"] != "item"]
    items = {old["href"]: old for old in [*out["links"], link] if old["rel"] == "item"}
    out["links"] = [*others, *(items[href] for href in sorted(items))]
    spatial, temporal = out["extent"]["spatial"], out["extent"]["temporal"]
    spatial["bbox"] = [_union(spatial["bbox"][0], document["bbox"])]
    (start, end), (first, last) = temporal["interval"][0], _interval(document)
    temporal["interval"] = [[min(start, first), max(end, last)]]
    for name in _SUMMARIES:
        values = {*out["summaries"].get(name, []), properties.get(name)} - {None}
        if values:
            out["summaries"][name] = sorted(values, key=str)
    return out | {"stac_extensions": _collection_extensions(out)}


def _link(document: JSON, out: str) -> None:
    collection = document["collection"]

    def change(old: JSON | None) -> JSON:
        return add_item(old or new_collection(document), document)

    def enter(old: JSON | None) -> JSON:
        catalog = old or _new_catalog()
        href = f"./{collection}/{c.COLLECTION_NAME}"
        if href not in {link["href"] for link in catalog["links"]}:
            catalog["links"].append({"rel": "child", "href": href, "type": c.MEDIA_JSON, "title": collection})
        return catalog

    _update(access.join(out, collection, c.COLLECTION_NAME), change)
    _update(access.join(out, c.CATALOG_NAME), enter)


def _update(href: str, change: Callable[[JSON | None], JSON]) -> None:
    access.update(href, lambda old: _bytes(change(None if old is None else json.loads(old))))


def _new_catalog() -> JSON:
    return {
        "type": "Catalog",
        "stac_version": c.STAC_VERSION,
        "id": "products",
        "title": _CATALOG_TITLE,
        "description": "Land products made by musyq_cube",
        "links": [{"rel": "root", "href": f"./{c.CATALOG_NAME}", "type": c.MEDIA_JSON}],
    }


def _item_asset(asset: JSON) -> JSON:
    """Return what the assets of all Items share: no address, no place, no numbers."""
    drop = ("href", "alternate", "alternate:name", "proj:", "cube:", "file:", "raster:spatial_resolution")
    out = {name: value for name, value in copy.deepcopy(asset).items() if not name.startswith(drop)}
    for band in out.get("bands", ()):
        band.pop("statistics", None)
    return out


def _collection_extensions(collection: JSON) -> list[str]:
    """Return the extensions a Collection fulfils; two of them want assets or cubes of the Collection's own."""
    own = {c.EXTENSIONS[name] for name in ("zarr", "datacube")}
    return [uri for uri in c.extensions_of(collection) if uri not in own]


def _interval(document: JSON) -> list[str]:
    properties = document["properties"]
    return [properties["start_datetime"], properties["end_datetime"]]


def _union(one: list[float], other: list[float]) -> list[float]:
    """Return the box around two; where only one crosses the antimeridian, all longitudes."""
    if (one[0] > one[2]) != (other[0] > other[2]):
        west, east = -180.0, 180.0
    else:
        west, east = min(one[0], other[0]), max(one[2], other[2])
    return [west, min(one[1], other[1]), east, max(one[3], other[3])]


def _is_item(key: str) -> bool:
    parts = key.split("/")
    return len(parts) == 2 and parts[1] == f"{parts[0]}.json"


def _bytes(document: Any) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode()
