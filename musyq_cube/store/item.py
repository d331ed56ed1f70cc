"""The STAC Item of a product: everything a reader, a viewer or an auditor needs to know."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pystac
import shapely

from musyq_cube.grid import as_region
from musyq_cube.store import access
from musyq_cube.store import conventions as c
from musyq_cube.store.bands import METRES_PER_DEGREE, bands, cube, renders, spatial_resolution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from odc.geo.geobox import GeoBox

    from musyq_cube.period import Period
    from musyq_cube.products.recipe import Recipe
    from musyq_cube.store.pyramid import Statistics
    from musyq_cube.types import JSON
    from musyq_cube.variable import Variable

_MOST_FAILURES = 100
"""Failures written out in the Item itself; the run's ledger has all."""


def build_item(
    *,
    item_id: str,
    collection: str,
    geobox: GeoBox,
    period: Period,
    variables: Sequence[Variable],
    recipe: Recipe,
    key: str,
    statistics: Mapping[str, Statistics],
    grid: str | None = None,
    lineage: str = "",
    method: str = "",
    sensors: Sequence[str] = (),
    inputs: int = 0,
    left_out: Sequence[tuple[str, str]] = (),
    failures: Sequence[JSON] = (),
    certificate: JSON | None = None,
    files: Mapping[str, pystac.Asset] | None = None,
    base: str | None = None,
    public_url: str | None = None,
) -> pystac.Item:
    """
    Describe a finished product.

    Parameters
    ----------
    item_id, collection
        Identity and place: the Item goes to ``<out>/<collection>/<item_id>/<item_id>.json``.
    geobox, period
        Where and when.
    variables
        The layers of the store, in order.
    recipe
        What the product is.
    key
        The plan's key: the identity of the order.
    statistics
        Of the stored values, from :func:`musyq_cube.store.pyramid.pyramid`.
    grid
        Name of the grid.
    lineage, method
        The processing in words, and the compositing method.
    sensors
        Sensor ids, in the order of the bits of ``source``.
    inputs
        Number of scenes used; their list is in the provenance files.
    left_out
        (scene, reason) of scenes found but not used.
    failures
        What could not be read: scene, band, step, error.
    certificate
        Statistics of how its sensors agree, where there are several and they were normalized.
    files
        More assets: thumbnail, plan, inputs (see :func:`file_asset`); hrefs relative to the Item.
    base
        The output folder or bucket; an ``s3://`` one is recorded as the alternate of the public address.
    public_url
        ``https://`` address of the output folder. By default hrefs stay relative, so that the folder can be moved.
    """
    area = as_region(geobox)
    item = pystac.Item(
        id=item_id,
        geometry=_outline(area.geometry, geobox),
        bbox=list(area.bbox),
        datetime=None,
        start_datetime=period.start,
        end_datetime=period.end - dt.timedelta(seconds=1),
        properties=_properties(recipe, variables, geobox, lineage),
        collection=collection,
    )
    item.properties |= {
        c.KEY: key,
        "musyq:product": recipe.id,
        "musyq:grid": grid,
        "musyq:method": method,
        "musyq:sensors": list(sensors),
        "musyq:inputs": inputs,
        "musyq:left_out": dict(sorted(Counter(reason for _, reason in left_out).items())),
        "musyq:quality": "degraded" if failures else "complete",
        "musyq:failure_count": len(failures),
        "musyq:failures": list(failures[:_MOST_FAILURES]),
    }
    if certificate is not None:
        item.properties["musyq:certificate"] = certificate
    item.add_asset(c.ASSET_DATA, _data_asset(geobox, variables, statistics))
    for name, asset in (files or {}).items():
        item.add_asset(name, asset)
    _add_links(item)
    if public_url:
        _publish_at(item, public_url, base)
    item.stac_extensions = c.extensions_of(item.to_dict(include_self_link=False, transform_hrefs=False))
    return item


def file_asset(href: str, data: bytes, media_type: str, roles: Sequence[str], title: str) -> pystac.Asset:
    """Return the asset of a small file, with its size and its SHA-256 as the file extension wants it (a multihash)."""
    extra: JSON = {"file:size": len(data), "file:checksum": c.multihash(data)}
    return pystac.Asset(href, title=title, media_type=media_type, roles=list(roles), extra_fields=extra)


def thumbnail_asset(png: bytes) -> pystac.Asset:
    """Return the asset of the product's picture."""
    return file_asset(f"./{c.THUMBNAIL_NAME}", png, c.MEDIA_PNG, ["thumbnail"], "Picture")


def provenance_assets(key: str, plan: bytes, inputs: bytes) -> dict[str, pystac.Asset]:
    """Return the assets of ``runs/<key>/plan.json`` and ``inputs.parquet``."""
    folder, roles = f"../../runs/{key}", [c.ROLE_PROVENANCE]
    return {
        "plan": file_asset(f"{folder}/{c.PLAN_NAME}", plan, c.MEDIA_JSON, roles, "The order, complete"),
        "inputs": file_asset(f"{folder}/{c.INPUTS_NAME}", inputs, c.MEDIA_PARQUET, roles, "The scenes used"),
    }


def software() -> dict[str, str]:
    """Return the versions of what computes the numbers."""
    return {"musyq_cube": version("musyq-cube"), **{name: version(name) for name in ("numpy", "numba", "zarr")}}


def item_href(out: str, collection: str, item_id: str) -> str:
    """Return where an Item is published."""
    return access.join(out, collection, item_id, f"{item_id}.json")


def store_href(out: str, collection: str, item_id: str) -> str:
    """Return where a product's store is."""
    return access.join(out, collection, item_id, c.STORE_NAME)


def _outline(footprint: shapely.Geometry, geobox: GeoBox) -> JSON:
    """Return the footprint as GeoJSON with no more corners than keep it within half a pixel."""
    half = spatial_resolution(geobox) / METRES_PER_DEGREE / 2
    outline = shapely.set_precision(shapely.simplify(footprint, half), 1e-7)
    return json.loads(shapely.to_geojson(outline))  # type: ignore[no-any-return]


def _properties(recipe: Recipe, variables: Sequence[Variable], geobox: GeoBox, lineage: str) -> JSON:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    projection = c.projection(geobox.crs)
    out: JSON = {
        "title": recipe.title,
        "description": recipe.description,
        "created": now,
        "updated": now,
        "gsd": spatial_resolution(geobox),
        "proj:code": None,
        **projection,
        "version": recipe.version,
        "processing:level": "L3",
        "processing:version": version("musyq-cube"),
        "processing:datetime": now,
        "processing:software": software(),
        "renders": renders(variables),
    }
    if lineage:
        out["processing:lineage"] = lineage
    if recipe.citation:
        out["musyq:citation"] = recipe.citation
    return out


def _data_asset(geobox: GeoBox, variables: Sequence[Variable], statistics: Mapping[str, Statistics]) -> pystac.Asset:
    box = geobox.boundingbox
    described = bands(variables, statistics)
    extra: JSON = {
        "zarr:zarr_format": 3,
        "zarr:node_type": "group",
        "zarr:consolidated": True,
        **c.projection(geobox.crs),
        "proj:shape": list(geobox.shape),
        "proj:transform": list(geobox.transform)[:6],
        "proj:bbox": [box.left, box.bottom, box.right, box.top],
        "raster:spatial_resolution": spatial_resolution(geobox),
        "raster:sampling": "area",
        "bands": described,
        **cube(geobox, variables),
    }
    for name in ("data_type", "nodata", "raster:scale", "raster:offset"):
        values = [band.get(name) for band in described]
        if values[0] is not None and all(value == values[0] for value in values):
            extra[name] = values[0]
    reflectance = any("reflectance" in (variable.standard_name or "") for variable in variables)
    return pystac.Asset(
        f"./{c.STORE_NAME}",
        title="All layers, with overviews",
        media_type=c.MEDIA_MULTISCALES,
        roles=["data", *(["reflectance"] if reflectance else [])],
        extra_fields=extra,
    )


def _add_links(item: pystac.Item) -> None:
    relatives: tuple[tuple[str, str, str], ...] = (
        ("root", f"../../{c.CATALOG_NAME}", c.MEDIA_JSON),
        ("collection", f"../{c.COLLECTION_NAME}", c.MEDIA_JSON),
        ("parent", f"../{c.COLLECTION_NAME}", c.MEDIA_JSON),
        ("store", f"./{c.STORE_NAME}", c.MEDIA_ZARR),
    )
    item.clear_links()
    item.add_links([pystac.Link(rel, href, media_type) for rel, href, media_type in relatives])
    if plan := item.assets.get("plan"):
        item.add_link(pystac.Link("processing-expression", plan.href, c.MEDIA_JSON))


def _publish_at(item: pystac.Item, public_url: str, base: str | None) -> None:
    """Make every href absolute at the public address, and name the bucket as the alternate of the data."""
    home = access.join(public_url, str(item.collection_id), item.id, f"{item.id}.json")
    for asset in item.assets.values():
        asset.href = urljoin(home, asset.href)
    for link in item.links:
        link.target = urljoin(home, str(link.target))
    item.add_link(pystac.Link("self", home, c.MEDIA_GEOJSON))
    if base and base.startswith("s3://"):
        inside = store_href(base, str(item.collection_id), item.id)
        alternate: dict[str, Any] = {"s3": {"href": inside, "alternate:name": "S3"}}
        item.assets[c.ASSET_DATA].extra_fields |= {"alternate:name": "HTTPS", "alternate": alternate}
