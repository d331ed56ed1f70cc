"""STAC Items of ancillary data."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pystac
import shapely

from musyq_cube.catalog import layers as files
from musyq_cube.catalog import storage
from musyq_cube.catalog._adapt_ancillary import columns_around
from musyq_cube.catalog._ancillary_layer import longlat
from musyq_cube.catalog.footprint import CELLS, geojson, on_earth, outline, to_lonlat
from musyq_cube.catalog.items import grid_fields
from musyq_cube.errors import CatalogError
from musyq_cube.quantities import QUANTITIES
from musyq_cube.region import split
from musyq_cube.scene import ANCILLARY

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from musyq_cube.catalog._ancillary_layer import Layer, Span
    from musyq_cube.catalog._stations import Table
    from musyq_cube.scene import SourceGrid
    from musyq_cube.types import JSON

_EXTENSIONS = {
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "file": "https://stac-extensions.github.io/file/v2.1.0/schema.json",
}
_MEDIA = {".tif": "image/tiff; application=geotiff", ".tiff": "image/tiff; application=geotiff",
          ".nc": "application/x-netcdf", ".nc4": "application/x-netcdf", ".grib": "application/wmo-GRIB2",
          ".grb": "application/wmo-GRIB2", ".grib2": "application/wmo-GRIB2",
          ".zarr": "application/vnd.zarr"}  # fmt: skip
_ALWAYS = ("1900-01-01T00:00:00Z", "2100-01-01T00:00:00Z")
"""What Items of data that hold at any time state, because STAC wants an end."""
_FAR = 1.0
"""Degrees around a station within which it may be used."""


def grid_items(path: str, layers: Sequence[Layer], kind: str | None) -> list[pystac.Item]:
    """
    Return an Item for each time of a file's layers.

    Raises
    ------
    CatalogError
        A layer that must have a time and states none.
    """
    by_time: dict[Span, list[Layer]] = defaultdict(list)
    static: dict[int | None, dict[str, Layer]] = defaultdict(dict)
    for layer in layers:
        if layer.quantity.static:  # a reanalysis repeats it at every step: one a year is enough
            static[layer.span[0].year if layer.span else None].setdefault(layer.quantity.name, layer)
        elif layer.span is None:
            raise CatalogError(f"{path}: states no time; give time=…, such as '2017-01-26' or a pair of instants")
        else:
            by_time[layer.span].append(layer)
    checksum = _folder_checksum(path) if Path(path).is_dir() else files.checksum(path)
    held = [_item(path, list(group.values()), None, kind, checksum) for group in static.values()]
    return held + [_item(path, group, span, kind, checksum) for span, group in by_time.items()]


def station_item(path: str, href: str, table: Table, kind: str | None) -> pystac.Item:
    """
    Return the Item of a table of stations; its plain form is written into the catalogue.

    Reading so needs no knowledge of the table's dialect.
    """
    collection = f"{ANCILLARY}-{kind or 'station'}"
    digest, _ = files.checksum(path)
    item_id = f"{_stem(path)}.{digest[-8:]}"
    plain = storage.join(href, collection, item_id, "stations.csv")
    data = table.to_csv()
    if not storage.exists(plain) or storage.read_bytes(plain) != data:
        storage.write_bytes(plain, data)
    places = shapely.MultiPoint(sorted(set(table.places)))
    west, south, east, north = places.bounds
    shape = split(shapely.box(west - _FAR, max(south - _FAR, -90), east + _FAR, min(north + _FAR, 90)))
    held = {"file:checksum": f"1220{hashlib.sha256(data).hexdigest()}", "file:size": len(data)}
    assets = {
        name: {
            "href": plain, "type": "text/csv", "roles": ["data"], **held, "musyq:driver": "stations",
            "musyq:layer": name, "bands": [_band(name)],
        }
        for name in table.columns
    }  # fmt: skip
    span = table.times[0], table.times[-1]
    return _make(item_id, collection, shape, {"start_datetime": _text(span[0]), "end_datetime": _text(span[1])}, assets)


def _item(
    path: str, layers: Sequence[Layer], span: Span | None, kind: str | None, checksum: tuple[str, int]
) -> pystac.Item:
    assets = {layer.quantity.name: _asset(path, layer, checksum) for layer in layers}
    if len(assets) < len(layers):
        twice = next(x.quantity.name for k, x in enumerate(layers) if x.quantity in [y.quantity for y in layers[:k]])
        raise CatalogError(f"{path}: {twice} comes twice for one time; keep one")
    grids = {layer.grid for layer in layers}
    shape = shapely.union_all([_footprint(grid) for grid in sorted(grids, key=repr)])
    what = json.dumps([sorted(assets), sorted(repr(grid) for grid in grids)])
    stated = span or next((layer.span for layer in layers if layer.span), None)
    parts = [
        _stem(path),
        f"{stated[0]:%Y%m%dT%H%M%SZ}" if stated else "",
        hashlib.sha256(what.encode()).hexdigest()[:8],
    ]
    collection = f"{ANCILLARY}-{kind}" if kind else f"{ANCILLARY}-static" if span is None else ANCILLARY
    return _make(".".join(p for p in parts if p), collection, shape, _times(layers, span), assets)


def _make(item_id: str, collection: str, shape: shapely.Geometry, properties: JSON, assets: JSON) -> pystac.Item:
    geometry, bbox = geojson(shape)
    time = properties.pop("datetime", None)
    item = pystac.Item(
        id=item_id, geometry=geometry, bbox=bbox, datetime=time, collection=collection,
        properties={"musyq:quantity": ANCILLARY, **properties},
    )  # fmt: skip
    for key, fields in assets.items():
        item.add_asset(key, pystac.Asset.from_dict(fields))
    used = {field.partition(":")[0] for fields in assets.values() for field in fields}
    item.stac_extensions = [uri for prefix, uri in _EXTENSIONS.items() if prefix in used]
    return item


def _times(layers: Sequence[Layer], span: Span | None) -> JSON:
    if span is None:
        stated = next((layer.span for layer in layers if layer.span is not None), None)
        fields: JSON = {"start_datetime": _ALWAYS[0], "end_datetime": _ALWAYS[1], "musyq:static": True}
        return fields | ({"musyq:time": _text(_middle(stated))} if stated else {})
    if span[1] is None:
        return {"datetime": span[0]}
    return {"start_datetime": _text(span[0]), "end_datetime": _text(span[1])}


def _middle(span: Span) -> dt.datetime:
    return span[0] if span[1] is None else span[0] + (span[1] - span[0]) / 2


def _asset(path: str, layer: Layer, checksum: tuple[str, int]) -> JSON:
    nodata = layer.nodata
    fields: JSON = {
        "href": path,
        "type": _MEDIA.get(Path(path).suffix.casefold()),
        "roles": ["data"],
        "file:checksum": checksum[0],
        "file:size": checksum[1],
        "data_type": layer.dtype,
        "nodata": "nan" if nodata is not None and np.isnan(nodata) else nodata,
        "raster:scale": layer.scale,
        "raster:offset": layer.offset,
        **grid_fields(files.Header(layer.grid, layer.dtype, nodata)),
        # images may have overviews; what goes around the Earth, and what has thousands of bands, is read otherwise
        "musyq:driver": "raster" if _is_image(path) and not columns_around(layer.grid) else "cf",
        "musyq:layer": layer.variable,
        "musyq:band_number": layer.number,
        "bands": [_band(layer.quantity.name)],
    }
    return {k: v for k, v in fields.items() if v is not None}


def _is_image(path: str) -> bool:
    return path.casefold().endswith((".tif", ".tiff", ".hgt", ".hgt.zip"))


def _band(name: str) -> JSON:
    known = QUANTITIES[name]
    return {"name": name, "description": known.long_name, "unit": known.units}


def _footprint(grid: SourceGrid) -> shapely.Geometry:
    if not longlat(grid.crs):
        cells = np.ones(tuple(min(n, CELLS) for n in grid.shape), bool)
        return to_lonlat(outline(on_earth(cells, grid), grid), grid.crs)
    a, _, c, _, e, f = grid.transform
    rows, cols = grid.shape
    south, north = (max(-90.0, min(90.0, y)) for y in sorted((f, f + e * rows)))
    west, width = min(c, c + a * cols), abs(a) * cols
    if width >= 360 - abs(a) / 2:
        return shapely.box(-180, south, 180, north)
    west = (west + 180) % 360 - 180
    return split(shapely.box(west, south, west + width, north))


def _folder_checksum(path: str) -> tuple[str, int]:
    """Return a digest of all files of a store, and their size."""
    digest, size = hashlib.sha256(), 0
    for file in sorted(p for p in Path(path).rglob("*") if p.is_file()):
        length = file.stat().st_size
        size += length
        digest.update(f"{file.relative_to(path)} {length}\n".encode())
        digest.update(file.read_bytes())
    return f"1220{digest.hexdigest()}", size


def _stem(path: str) -> str:
    name = re.sub(r"(\.(tiff?|nc4?|grib2?|grb2?|zarr|hgt|zip|csv|txt))+$", "", Path(path).name, flags=re.IGNORECASE)
    return re.sub(r"[^\w.-]", "_", name)


def _text(time: dt.datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
