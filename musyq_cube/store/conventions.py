"""Every string of the published format: media types, extension URIs, roles, file names, attribute names."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import zarr_cm

if TYPE_CHECKING:
    from musyq_cube.types import JSON

MEDIA_ZARR: Final = "application/vnd.zarr; version=3"
MEDIA_MULTISCALES: Final = "application/vnd.zarr; version=3; profile=multiscales"
"""Compared byte for byte by viewers."""
MEDIA_JSON: Final = "application/json"
MEDIA_GEOJSON: Final = "application/geo+json"
MEDIA_PARQUET: Final = "application/vnd.apache.parquet"
MEDIA_PNG: Final = "image/png"

STAC_VERSION: Final = "1.1.0"
_STAC_EXTENSIONS: Final = "https://stac-extensions.github.io"
EXTENSIONS: Final[dict[str, str]] = {
    name: f"{_STAC_EXTENSIONS}/{name}/v{version}/schema.json"
    for name, version in {
        "projection": "2.0.0",
        "raster": "2.0.0",
        "eo": "2.0.0",
        "datacube": "2.3.0",
        "processing": "1.2.0",
        "version": "1.2.0",
        "classification": "2.0.0",
        "zarr": "1.1.0",
        "render": "2.0.0",
        "alternate-assets": "1.2.0",
        "file": "2.1.0",
        "timestamps": "1.1.0",
    }.items()
}

_MARKS: Final[dict[str, str]] = {
    "projection": '"proj:',
    "raster": '"raster:',
    "eo": '"eo:',
    "datacube": '"cube:',
    "processing": '"processing:',
    "version": '"version": ',
    "classification": '"classification:',
    "zarr": '"zarr:',
    "render": '"renders": ',
    "alternate-assets": '"alternate": ',
    "file": '"file:',
    "timestamps": '"expires": ',
}
"""How the fields of an extension begin in JSON text."""

STORE_NAME: Final = "data.zarr"
THUMBNAIL_NAME: Final = "thumbnail.png"
PLAN_NAME: Final = "plan.json"
INPUTS_NAME: Final = "inputs.parquet"
CATALOG_NAME: Final = "catalog.json"
COLLECTION_NAME: Final = "collection.json"
PARTS_NAME: Final = "items"
"""Folder of the stac-geoparquet part files of a collection."""

ASSET_DATA: Final = "data"
CERTIFICATE_NAME: Final = "certificate.json"
CERTIFICATE_PLOT_NAME: Final = "certificate.png"
ROLE_PROVENANCE: Final = "provenance"
ROLE_MIRROR: Final = "collection-mirror"

KEY: Final = "musyq:key"
TEMPLATE: Final = "musyq:template"
"""Root attribute: digest of the template, so that another order is never written into the same store."""

CHUNK: Final = 512
SMALLEST_LEVEL: Final = 512
"""The pyramid ends at the first level whose longer side is not above this."""
DIMENSIONS: Final = ("y", "x")
GRID_MAPPING: Final = "spatial_ref"


def codecs(itemsize: int) -> list[JSON]:
    """Return the Zarr v3 codecs of a data array: little endian bytes, Blosc zstd level 1 with byte shuffle."""
    blosc = {"typesize": itemsize, "cname": "zstd", "clevel": 1, "shuffle": "shuffle", "blocksize": 0}
    little: JSON = {"name": "bytes"} | ({"configuration": {"endian": "little"}} if itemsize > 1 else {})
    return [little, {"name": "blosc", "configuration": blosc}]


def extensions_of(document: JSON) -> list[str]:
    """Return the schema URIs of the extensions whose fields a STAC document uses, and of no others."""
    text = json.dumps(document)
    return [uri for name, uri in EXTENSIONS.items() if _MARKS[name] in text]


def intermediate(days: float) -> JSON:
    """Return the properties of a product that was made only on the way to another: its role, and until when."""
    until = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(days=days)
    return {"musyq:role": "intermediate", "expires": until.isoformat().replace("+00:00", "Z")}


def multihash(data: bytes) -> str:
    """Return the SHA-256 of a file as the STAC file extension writes it (multihash: 0x12, 32 bytes)."""
    return "1220" + hashlib.sha256(data).hexdigest()


def projection(crs: Any) -> JSON:
    """
    Return the ``proj:*`` field of a CRS: the code of its authority, or WKT2 where it has none.

    Parameters
    ----------
    crs
        `odc.geo.CRS`.
    """
    authority, code = crs.authority
    if authority:
        return {"proj:code": f"{authority}:{code}"}
    return {"proj:wkt2": crs.to_wkt(version="WKT2_2019")}


def zarr_conventions(crs: Any, spatial: JSON, multiscales: JSON | None = None) -> JSON:
    """Return group attributes that declare and fulfil the ``proj``, ``spatial`` and ``multiscales`` conventions."""
    parts: dict[Any, Any] = {"proj": projection(crs), "spatial": spatial}
    if multiscales is not None:
        parts["multiscales"] = multiscales
    return dict(zarr_cm.create_many(parts))
