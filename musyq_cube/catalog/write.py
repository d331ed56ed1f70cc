"""Writing our own static catalogue: item files, a parquet part per commit, collections, the root, in that order."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pystac

from musyq_cube.catalog import storage
from musyq_cube.catalog.parquet import write_parts
from musyq_cube.catalog.query import interval
from musyq_cube.catalog.static import CATALOG, COLLECTION, THREADS, parts_folder
from musyq_cube.errors import CatalogError, SensorError
from musyq_cube.sensor import sensors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from musyq_cube.catalog.catalog import Catalog
    from musyq_cube.types import JSON

_JSON, _GEOJSON = "application/json", "application/geo+json"


def commit(href: str, items: Sequence[pystac.Item]) -> list[pystac.Item]:
    """
    Add items to the static catalogue at `href`, which is made if need be.

    Readers see a collection's new items once its file is replaced, last. The parts beside are an index: of processes
    that write at the same time each adds its own, so none loses another's rows.

    Raises
    ------
    CatalogError
        The catalogue cannot be written.
    """
    by_collection: dict[str, list[pystac.Item]] = defaultdict(list)
    for item in items:
        by_collection[item.collection_id or "items"].append(item)
    for collection_id, members in by_collection.items():
        folder = storage.join(href, collection_id)
        data = [_linked(item) for item in members]
        hrefs = [storage.join(folder, each["id"], f"{each['id']}.json") for each in data]
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(storage.write_json, hrefs, data))
        write_parts(data, parts_folder(folder))
        _write_collection(folder, collection_id, data)
    _write_root(href, list(by_collection))
    return list(items)


def rebuild(href: str) -> int:
    """
    Make collections and parquet parts anew from the item files, and return the number of items.

    After item files were added or removed by hand, and to merge many small parts into one.
    """
    href = storage.absolute(href).removesuffix(f"/{CATALOG}")
    collections = [path.rsplit("/", 2)[-2] for path in storage.find(href, f"*/{COLLECTION}")]
    total = 0
    for collection_id in collections:
        folder = storage.join(href, collection_id)
        data = [storage.read_json(path) for path in storage.find(folder, "*/*.json")]
        old = storage.find(parts_folder(folder), "part-*.parquet")
        storage.remove(storage.join(folder, COLLECTION))
        if data:
            write_parts(data, parts_folder(folder))
            _write_collection(folder, collection_id, data)
        for part in old:
            storage.remove(part)
        total += len(data)
    _write_root(href, collections)
    return total


def own_href(catalog: Catalog | str | Path, said: str) -> str:
    """
    Return the href of a catalogue of our own, without ``catalog.json``.

    Raises
    ------
    CatalogError
        If it is of a kind that cannot be written (an API, a parquet file); `said` begins what is told.
    """
    href = storage.absolute(catalog if isinstance(catalog, str | Path) else catalog.href)
    if href.startswith(("http://", "https://")) or href.endswith(".parquet"):
        raise CatalogError(f"{href}: {said} a folder or an s3:// prefix")
    return href.removesuffix("/catalog.json")


def stored_item(href: str, item: pystac.Item) -> pystac.Item | None:
    """Return the catalogue's item of the same collection and id, None where there is none."""
    path = storage.join(href, item.collection_id or "items", item.id, f"{item.id}.json")
    try:
        return pystac.Item.from_dict(storage.read_json(path))
    except (CatalogError, pystac.STACError, KeyError, ValueError):
        return None  # not there, or damaged: written anew


def _linked(item: pystac.Item) -> JSON:
    """Item as JSON with the links of its place in the tree."""
    data: JSON = item.to_dict(include_self_link=False, transform_hrefs=False)
    data["links"] = [
        {"rel": "root", "href": f"../../{CATALOG}", "type": _JSON},
        {"rel": "parent", "href": f"../{COLLECTION}", "type": _JSON},
        {"rel": "collection", "href": f"../{COLLECTION}", "type": _JSON},
    ]
    plain: JSON = json.loads(json.dumps(data))  # tuples become lists, as a reader gets them
    return plain


def _write_collection(folder: str, collection_id: str, added: Sequence[JSON]) -> None:
    path = storage.join(folder, COLLECTION)
    data = storage.read_json(path) if storage.exists(path) else _new_collection(collection_id, added)
    items = {link["href"]: link for link in data["links"] if link["rel"] == "item"}
    items |= {f"./{i['id']}/{i['id']}.json": _item_link(i["id"]) for i in added}
    data["links"] = [link for link in data["links"] if link["rel"] != "item"] + [items[h] for h in sorted(items)]
    data["extent"] = _extent(data.get("extent"), added)
    storage.write_json(path, data)


def _item_link(item_id: str) -> JSON:
    return {"rel": "item", "href": f"./{item_id}/{item_id}.json", "type": _GEOJSON}


def _new_collection(collection_id: str, items: Sequence[JSON]) -> JSON:
    """Return a collection derived from the sensor's file; a plain one where the items are of no sensor we know."""
    data: JSON = {
        "type": "Collection",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": collection_id,
        "title": collection_id,
        "description": f"Items of {collection_id}.",
        "license": "other",
    }
    properties = items[0]["properties"]
    try:
        sensor = sensors()[properties["musyq:sensor"]]
        product = sensor.product(properties["musyq:product"])
    except (KeyError, SensorError):
        pass
    else:
        source = json.loads((sensor.path / COLLECTION).read_text())
        keys = {asset.key for asset in product.assets}
        shared = ("description", "keywords", "license", "providers", "summaries", "bands", "stac_extensions")
        data |= {key: source[key] for key in shared if key in source}
        data["title"] = f"{sensor.title}, {product.title}"
        data["item_assets"] = {k: v for k, v in source.get("item_assets", {}).items() if k in keys}
    root = {"href": f"../{CATALOG}", "type": _JSON}
    mirror = {"href": "./items/", "type": "application/vnd.apache.parquet", "roles": ["collection-mirror"]}
    data["assets"] = {"items": mirror}
    data["links"] = [{"rel": "root", **root}, {"rel": "parent", **root}]
    return data


def _extent(old: JSON | None, items: Sequence[JSON]) -> JSON:
    """Union of the extent so far and the items'."""
    boxes = [_straight(item["bbox"]) for item in items if item.get("bbox")]
    boxes += old["spatial"]["bbox"][:1] if old else []
    times = [interval(pystac.Item.from_dict(item)) for item in items]
    starts, ends = [t[0] for t in times], [t[1] for t in times]
    if old:
        first, last = old["temporal"]["interval"][0]
        starts.append(dt.datetime.fromisoformat(first))
        ends.append(dt.datetime.fromisoformat(last))
    west, south, east, north = zip(*boxes, strict=True) if boxes else ((-180,), (-90,), (180,), (90,))
    span = [t.isoformat().replace("+00:00", "Z") for t in (min(starts), max(ends))]
    return {
        "spatial": {"bbox": [[min(west), min(south), max(east), max(north)]]},
        "temporal": {"interval": [span]},
    }


def _straight(box: Sequence[float]) -> list[float]:
    west, south, east, north = (box[0], box[1], box[len(box) // 2], box[len(box) // 2 + 1])
    return [west, south, east, north] if west <= east else [-180.0, south, 180.0, north]


def _write_root(href: str, collections: Sequence[str]) -> None:
    path = storage.join(href, CATALOG)
    data: JSON = storage.read_json(path) if storage.exists(path) else {
        "type": "Catalog",
        "stac_version": "1.1.0",
        "id": "musyq",
        "title": "Scenes",
        "description": "Scenes registered by musyq_cube.",
        "links": [{"rel": "root", "href": f"./{CATALOG}", "type": _JSON}],
    }  # fmt: skip
    known = {link["href"] for link in data["links"] if link["rel"] == "child"}
    new = [f"./{name}/{COLLECTION}" for name in sorted(collections) if f"./{name}/{COLLECTION}" not in known]
    if new or not storage.exists(path):
        data["links"] += [{"rel": "child", "href": child, "type": _JSON} for child in new]
        storage.write_json(path, data)
