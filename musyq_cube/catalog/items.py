"""From files recognised as one scene to its STAC Item."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import pystac

from musyq_cube.catalog import layers
from musyq_cube.catalog.footprint import CELLS, geojson, on_earth, outline, to_lonlat
from musyq_cube.catalog.metadata import nominal_time
from musyq_cube.catalog.recognise import RASTERS
from musyq_cube.catalog.scenes import Scene, describe
from musyq_cube.catalog.stacfile import read_item
from musyq_cube.catalog.storage import is_remote
from musyq_cube.errors import CatalogError

if TYPE_CHECKING:
    import datetime as dt

    import shapely

    from musyq_cube.catalog.recognise import Candidate
    from musyq_cube.sensor import Asset
    from musyq_cube.types import JSON

_EXTENSIONS = {
    "eo": "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "view": "https://stac-extensions.github.io/view/v1.1.0/schema.json",
    "file": "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "grid": "https://stac-extensions.github.io/grid/v1.1.0/schema.json",
    "processing": "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
}
# pystac's own classes for eo and raster write the fields of older versions: plain fields and these addresses are used

_ROLES = {
    "data": ["data", "reflectance"],
    "qa": ["quality"],
    "metadata": ["metadata"],
    "sza": ["metadata", "sun-zenith"],
    "saa": ["metadata", "sun-azimuth"],
    "vza": ["metadata", "view-zenith"],
    "vaa": ["metadata", "view-azimuth"],
    "raa": ["metadata", "relative-azimuth"],
}
_DATA_ROLE = {"index": ["data"], "lst": ["data", "temperature"]}
_MEDIA = {
    ".jp2": "image/jp2",
    ".hdf": "application/x-hdf",
    ".xml": "application/xml",
    ".txt": "text/plain",
    **dict.fromkeys((".tif", ".tiff", ".gtif", ".gtiff"), "image/tiff; application=geotiff"),
}


def make_item(candidate: Candidate, sensor: str | None = None) -> pystac.Item:
    """
    Return the STAC 1.1 Item of one scene.

    A file that is a STAC Item already keeps what it says, except that its assets point at the files that exist here
    and state the pixel grid that these have.

    Raises
    ------
    CatalogError
        The scene cannot be used; names the file and the reason.
    """
    if candidate.kind == "item":
        return _given(candidate.path)
    scene = describe(candidate, sensor)
    assets = {asset.key: _asset(scene, asset, path) for asset, path in scene.files}
    shape = _footprint(scene, assets)
    start, end = _times(scene, shape)
    geometry, bbox = geojson(shape)
    item = pystac.Item(
        id=_item_id(scene, assets),
        geometry=geometry,
        bbox=bbox,
        datetime=start if end is None else None,
        properties=_properties(scene, start, end),
        collection=f"{scene.sensor.id}-{scene.product.id}",
    )
    for key, fields in assets.items():
        item.add_asset(key, pystac.Asset.from_dict(fields))
    for path in scene.documents:
        item.add_asset(_document_key(path), pystac.Asset.from_dict(_document(path)))
    used = set(item.properties) | {field for asset in item.assets.values() for field in asset.to_dict()}
    used |= {field for asset in assets.values() for band in asset.get("bands", ()) for field in band}
    item.stac_extensions = [uri for name, uri in _EXTENSIONS.items() if any(f.startswith(f"{name}:") for f in used)]
    return item


def _asset(scene: Scene, asset: Asset, path: str) -> JSON:
    """Everything that is known of one layer, as plain fields of its asset."""
    digest, size = layers.checksum(path)
    suffix = PurePosixPath(path).suffix.lower()
    roles = _DATA_ROLE.get(scene.product.quantity) if asset.role == "data" else None
    fields: JSON = {"href": path, "type": _MEDIA.get(suffix), "roles": roles or _ROLES[asset.role]}
    fields |= {"file:checksum": digest, "file:size": size}
    if asset.role == "metadata":
        return {k: v for k, v in fields.items() if v is not None}
    hdf = suffix == ".hdf"
    header = layers.hdf_header(path, asset.layer or "") if hdf else layers.raster_header(path, asset.number)
    fields |= _encoding(scene, asset, header)
    fields |= grid_fields(header)
    if hdf:
        fields["musyq:layer"] = asset.layer
    elif asset.number != 1:
        fields["musyq:band_number"] = asset.number
    if asset.role == "data" and asset.band:
        fields["bands"] = [_band(scene, asset.band)]
    return {k: v for k, v in fields.items() if v is not None}


def _encoding(scene: Scene, asset: Asset, header: layers.Header) -> JSON:
    """How numbers become values: the metadata's word first, then the sensor file's."""
    nodata = asset.nodata if asset.nodata is not None else header.nodata
    fields: JSON = {"data_type": header.dtype, "nodata": _finite(nodata, header.dtype)}
    if asset.role == "qa":
        return fields
    fields |= {"raster:scale": asset.scale, "raster:offset": asset.offset}
    if asset.role == "data":
        fields |= scene.metadata.calibration.get(asset.key, {})
        fields["musyq:cosine"] = True if asset.cosine else None
    if fields["raster:scale"] is None or fields["raster:offset"] is None:
        raise CatalogError(
            f"{scene.name}: the scale of {asset.key} differs from scene to scene and no metadata file states it; put "
            "the metadata file beside the images"
        )
    return fields


def _finite(nodata: float | None, dtype: str) -> float | str | None:
    """Nodata as STAC writes it: a number, whole for integer types, or the text "nan"."""
    if nodata is None:
        return None
    if nodata != nodata:  # noqa: PLR0124  only NaN differs from itself
        return "nan"
    return int(nodata) if "int" in dtype and float(nodata).is_integer() else float(nodata)


def grid_fields(header: layers.Header) -> JSON:
    """Return the projection fields of a layer's pixel grid."""
    grid = header.grid
    crs = (
        {"proj:code": grid.crs} if re.fullmatch(r"[A-Z]+:\w+", grid.crs) else {"proj:code": None, "proj:wkt2": grid.crs}
    )
    resolution = abs(grid.transform[0])
    return {
        **crs,
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform),
        "raster:spatial_resolution": resolution,
    }


def _band(scene: Scene, name: str) -> JSON:
    band = scene.sensor.band(name)
    fields = {
        "name": band.name,
        "eo:common_name": band.common_name,
        "eo:center_wavelength": band.center_wavelength,
        "eo:full_width_half_max": band.fwhm,
        "gsd": band.gsd,
    }
    return {k: v for k, v in fields.items() if v is not None}


def _footprint(scene: Scene, assets: dict[str, JSON]) -> shapely.Geometry:
    """
    Outline of the valid pixels of the first band that has any, red and near infrared first.

    A scene without one valid pixel (a clip outside of what was seen) has the outline of its image: it is a good file.
    """
    preferred = ("red", "nir08", "nir", "green", "blue")

    def rank(found: tuple[Asset, str]) -> int:
        key = scene.sensor.band(found[0].band).key if found[0].band else ""
        return preferred.index(key) if key in preferred else len(preferred)

    whole: layers.Header | None = None
    for asset, path in sorted(((a, p) for a, p in scene.files if a.role == "data"), key=rank):
        layer = assets[asset.key].get("musyq:layer")
        header = layers.hdf_header(path, layer) if layer else layers.raster_header(path, asset.number)
        mask = layers.valid_pixels(path, asset.number, layer, asset.nodata)
        if not header.grid.crs.startswith("EPSG:"):
            mask = on_earth(mask, header.grid)
        if mask.any():
            return to_lonlat(outline(mask, header.grid), header.grid.crs)
        whole = whole or header
    if whole is None:
        raise CatalogError(f"{scene.name}: no band to take the footprint from")
    cells = np.ones(tuple(min(n, CELLS) for n in whole.grid.shape), bool)
    return to_lonlat(outline(on_earth(cells, whole.grid), whole.grid), whole.grid.crs)


def _times(scene: Scene, shape: shapely.Geometry) -> tuple[dt.datetime, dt.datetime | None]:
    start, end = scene.metadata.start, scene.metadata.end
    if start is None:
        raise CatalogError(f"{scene.name}: neither its name nor its metadata tell when it was acquired")
    if end is None and not scene.exact:
        centre = shape.centroid
        platform = scene.metadata.properties.get("platform", scene.sensor.platforms[0])
        return nominal_time(platform, start.date(), centre.x, centre.y) or start, None
    return start, end


def _properties(scene: Scene, start: dt.datetime, end: dt.datetime | None) -> JSON:
    gsds = [scene.sensor.band(a.band).gsd for a, _ in scene.files if a.role == "data" and a.band]
    known = [gsd for gsd in gsds if gsd is not None]
    fields: JSON = {
        "platform": scene.sensor.platforms[0],
        "instruments": list(scene.sensor.instruments),
        "gsd": min(known) if known else None,
        "musyq:sensor": scene.sensor.id,
        "musyq:product": scene.product.id,
        "musyq:time_is_nominal": True if end is None and not scene.exact else None,
        **scene.metadata.properties,
    }
    if end is not None:
        fields |= {"start_datetime": _text(start), "end_datetime": _text(end)}
    return {k: v for k, v in fields.items() if v is not None}


def _text(time: dt.datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _item_id(scene: Scene, assets: dict[str, JSON]) -> str:
    """Return the scene's name; with a hash of its files where it names no place: two clips of one day are two items."""
    name = re.sub(r"[^\w.-]", "_", scene.name)
    if scene.tiled:
        return name
    digests = sorted(asset["file:checksum"] for asset in assets.values())
    return f"{name}.{hashlib.sha256(''.join(digests).encode()).hexdigest()[:8]}"


def _document_key(path: str) -> str:
    name = PurePosixPath(path).name
    return "MTL" if "MTL" in name.upper() else PurePosixPath(name).stem


def _document(path: str) -> JSON:
    digest, size = layers.checksum(path)
    media = _MEDIA.get(PurePosixPath(path).suffix.lower())
    fields = {"href": path, "type": media, "roles": ["metadata"], "file:checksum": digest, "file:size": size}
    return {k: v for k, v in fields.items() if v is not None}


def _given(path: str) -> pystac.Item:
    item, local = read_item(path)
    for key, file in local.items():
        fields = item.assets[key].extra_fields
        digest, size = layers.checksum(file)
        fields |= {"file:checksum": digest, "file:size": size}
        if file.lower().endswith(RASTERS):
            found = grid_fields(layers.raster_header(file))
            fields |= {k: v for k, v in found.items() if k.startswith("proj:") and v is not None}
    if not any(is_remote(asset.href) or key in local for key, asset in item.assets.items()):
        raise CatalogError(f"{path}: a STAC Item, but none of the files that it names is there")
    if item.collection_id is None:
        item.collection_id = "items"
    for name in ("proj", "file"):
        if _EXTENSIONS[name] not in item.stac_extensions:
            item.stac_extensions.append(_EXTENSIONS[name])
    return item
