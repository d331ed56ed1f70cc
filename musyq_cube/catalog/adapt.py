"""Adapt: one STAC Item of any catalogue -> one Scene, the only thing that readers see."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import TYPE_CHECKING, Any

from musyq_cube.catalog._adapt_ancillary import adapt_ancillary, is_ancillary
from musyq_cube.catalog._adapt_item import ItemView, as_nodata, as_number, parse_time, rfc3339, suffix
from musyq_cube.catalog._adapt_match import HDF, recognise
from musyq_cube.catalog._adapt_product import adapt_product, is_product
from musyq_cube.errors import CatalogError
from musyq_cube.normalization import FIELD, Normalization
from musyq_cube.scene import Angles, Quality, Scene, Source

if TYPE_CHECKING:
    import pystac

    from musyq_cube.catalog._adapt_match import Match
    from musyq_cube.sensor import Asset
    from musyq_cube.types import JSON

_APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied", "s2:boa_offset_applied")
_BASELINE = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
_IN_NAME = re.compile(r"_N(\d{2})\.?(\d{2})(?:_|\b)")


def adapt(item: pystac.Item | JSON) -> Scene:
    """
    Turn a STAC Item into a Scene.

    The Item's own fields win (``bands``, ``raster:*``, ``proj:*``, ``eo:bands``, ``raster:bands``, on the asset or the
    Item, STAC 0.7 to 1.1); the sensor's file supplies what it does not say. hrefs stay unsigned, and become absolute
    relative to the self link. Our own product Items adapt too: outputs are inputs.

    Parameters
    ----------
    item
        STAC Item, or its JSON.

    Returns
    -------
    Scene
        Bands by common name in the order of the sensor's file.

    Raises
    ------
    CatalogError
        Names the missing field and the fix; an undefined sensor or product says how to add it.

    Examples
    --------
    >>> scene = adapt({
    ...     "type": "Feature", "id": "S2A_MSIL2A_20220620T105631_N0400_R094_T31UFS_20220620T170309",
    ...     "stac_version": "1.0.0", "collection": "sentinel-2-l2a", "bbox": [4.4, 50.4, 6.0, 51.5], "links": [],
    ...     "properties": {"platform": "Sentinel-2A", "datetime": "2022-06-20T10:56:31Z"},
    ...     "assets": {"B04": {"href": "https://example.com/B04.tif"}}})
    >>> scene.sensor, scene.tile, scene.sources["red"].offset
    ('sentinel2a-msi', '31UFS', -0.1)
    """
    view = ItemView(item)
    if is_ancillary(view.properties):
        return adapt_ancillary(view)
    if is_product(view):
        return adapt_product(view)
    match = recognise(view)
    bands = _bands(view, match)
    derived = all(name == "lst" for name, _ in bands)
    return Scene(
        id=view.id,
        sensor=match.sensor.id,
        datetime=view.datetime(),
        footprint=view.footprint(),
        quantity="lst" if derived else match.product.quantity,
        bands=bands,
        qa=_qa(view, match),
        angles=_angles(view, match),
        collection=view.collection,
        platform=match.sensor.platforms[0],
        tile=_tile(view, match),
        cloud_cover=view.number("eo:cloud_cover"),
        version=_version(view, match),
        created=_created(view, match),
        normalization=_normalization(view),
    )


def _bands(view: ItemView, match: Match) -> tuple[tuple[str, Source], ...]:
    sources = {a.band: _source(view, match, a) for a in match.product.of_role("data") if a.key in match.found}
    return tuple((b.key, sources[b.name]) for b in match.sensor.bands if b.name in sources)


def _qa(view: ItemView, match: Match) -> tuple[Quality, ...]:
    layers = [a for a in match.product.of_role("qa") if a.key in match.found]
    return tuple(Quality(_source(view, match, a), a.rules) for a in layers)


def _source(view: ItemView, match: Match, asset: Asset) -> Source:
    found = match.found[asset.key]
    band = match.sensor.band(asset.band) if asset.band else None
    href = view.href(found)
    whole = suffix(href) in HDF
    scale, offset = (1.0, 0.0) if asset.role == "qa" else _encoding(view, match, asset)
    nodata = as_nodata(view.field(found, "nodata"))
    k1 = as_number(view.field(found, "musyq:k1")) or (band.k1 if band else None)
    k2 = as_number(view.field(found, "musyq:k2")) or (band.k2 if band else None)
    return Source(
        href=href,
        grid=None if whole and "proj:shape" not in found else view.grid(found, band.gsd if band else None),
        driver="hdf4" if whole else "raster",
        band=asset.number,
        layer=(view.field(found, "musyq:layer") or asset.layer) if whole else None,
        dtype=view.field(found, "data_type") or asset.data_type,
        nodata=asset.nodata if nodata is None else nodata,
        scale=scale,
        offset=offset,
        valid=asset.valid,
        cosine=asset.cosine,
        planck=(k1, k2) if asset.planck and k1 and k2 else None,
    )


def _encoding(view: ItemView, match: Match, asset: Asset) -> tuple[float, float]:
    """
    Return scale and offset.

    Some files and Items state the reciprocal of the scale (10000 for 0.0001): where stated and defined scale multiply
    to 1, the defined one is meant.
    """
    found = match.found[asset.key]
    scale, offset = (as_number(view.field(found, f"raster:{n}")) for n in ("scale", "offset"))
    if scale and asset.scale and asset.scale != 1 and math.isclose(scale * asset.scale, 1, rel_tol=1e-6):
        scale = asset.scale
    scale = asset.scale if scale is None else scale
    if asset.role == "data" and match.product.offset_from_baseline:
        offset = _baseline_offset(view, match, asset, offset)
    offset = asset.offset if offset is None else offset
    if scale is None or offset is None:
        raise view.error(
            f"assets.{asset.key}.raster:scale and raster:offset",
            f"they differ from scene to scene for {match.sensor.id}/{match.product.id}; register the files together "
            "with their metadata file (MTL or XML), or write both fields on the asset",
        )
    return scale, offset


def _baseline_offset(view: ItemView, match: Match, asset: Asset, stated: float | None) -> float:
    """
    Offset of Sentinel-2 reflectance, applied exactly once.

    A catalogue that says the pixels have it applied already wins, also over an offset that it states beside; then the
    asset's own offset; then the processing baseline. The date never decides.
    """
    if any(view.properties.get(name) in (True, "true", "True") for name in _APPLIED):
        return asset.offset or 0.0
    if stated is not None:
        return stated
    baseline = _baseline(view)
    if baseline is None:
        raise view.error(
            "properties.s2:processing_baseline",
            "it decides the reflectance offset; set it (such as 04.00), or raster:offset on each band",
        )
    reached = [offset for first, offset in match.product.offset_from_baseline if baseline >= first]
    return reached[-1] if reached else asset.offset or 0.0


def _baseline(view: ItemView) -> str | None:
    """Return the processing baseline as "05.09", from its property or from a product name such as …_N0509_…."""
    stated = view.get(*_BASELINE)
    if stated is not None and (number := re.fullmatch(r"[vN]?(\d{1,2})\.?(\d{2})", str(stated))):
        return f"{int(number[1]):02d}.{number[2]}"
    texts = [view.id, *(v for v in view.properties.values() if isinstance(v, str))]
    texts += [str(a["href"]) for a in view.assets.values()]
    hit = next((m for t in texts if (m := _IN_NAME.search(t))), None)
    return f"{hit[1]}.{hit[2]}" if hit else None


def _angles(view: ItemView, match: Match) -> Angles:
    """Layers where the product has them, else the Item's constants; `view:off_nadir` is pointing, not view zenith."""
    elevation = view.number("view:sun_elevation", "eo:sun_elevation")
    angles: dict[str, Any] = {
        "sza": view.number("s2:mean_solar_zenith") if elevation is None else 90 - elevation,
        "saa": view.number("view:sun_azimuth", "eo:sun_azimuth", "s2:mean_solar_azimuth"),
        "vza": view.number("view:incidence_angle"),
        "vaa": view.number("view:azimuth"),
    }
    for asset in match.product.of_role("sza", "saa", "vza", "vaa", "raa"):
        if asset.key in match.found:
            angles[asset.role] = _source(view, match, asset)
    for asset in match.product.of_role("metadata"):
        if asset.key in match.found:
            angles["metadata"] = view.href(match.found[asset.key])
    return Angles(**angles)


def _tile(view: ItemView, match: Match) -> str | None:
    """Path/row "028030", MGRS "29RKH" or MODIS "h10v05", without prefixes."""
    named = next((v for k, v in match.groups.items() if k.startswith("tile")), None)
    if named:
        return named
    if code := view.get("grid:code"):
        return str(code).rpartition("-")[2]
    path, row = (as_number(view.get(f"landsat:wrs_{n}")) for n in ("path", "row"))
    if path is not None and row is not None:
        return f"{path:03.0f}{row:03.0f}"
    if mgrs := view.get("s2:mgrs_tile"):
        return str(mgrs)
    for prefix in ("mgrs", "sentinel"):
        parts = [view.get(f"{prefix}:{n}") for n in ("utm_zone", "latitude_band", "grid_square")]
        if all(p is not None for p in parts):
            return f"{int(parts[0]):02d}{parts[1]}{parts[2]}"
    h, v = (as_number(view.get(f"modis:{n}-tile")) for n in ("horizontal", "vertical"))
    return None if h is None or v is None else f"h{h:02.0f}v{v:02.0f}"


def _version(view: ItemView, match: Match) -> str | None:
    """Return processing baseline or collection number, zero-padded so that text order is version order."""
    if match.product.offset_from_baseline:
        return _baseline(view)
    version = match.groups.get("version") or view.get("landsat:collection_number", "processing:version", "version")
    return None if version is None else str(version).zfill(2)


def _created(view: ItemView, match: Match) -> str | None:
    """When the product was processed; the Item's own creation only where nothing better is known."""
    named = next((v for k, v in match.groups.items() if k.startswith("created")), None)
    processed = view.get("s2:generation_time", "processing:datetime", "odc:processing_datetime")
    for text in (processed, named, view.get("created")):
        if text and (time := _any_time(str(text))):
            return time
    return None


def _any_time(text: str) -> str | None:
    """RFC 3339 out of RFC 3339, YYYYMMDD, YYYYMMDDTHHMMSS or YYYYDDDHHMMSS."""
    formats = {8: "%Y%m%d", 15: "%Y%m%dT%H%M%S", 13: "%Y%j%H%M%S"}
    try:
        if len(text) in formats and "-" not in text:
            return rfc3339(dt.datetime.strptime(text, formats[len(text)]).replace(tzinfo=dt.UTC))
        return rfc3339(parse_time(text))
    except ValueError:
        return None


def _normalization(view: ItemView) -> Normalization | None:
    """Return what ``characterize`` stored on the Item."""
    stored = view.get(FIELD)
    if stored is None:
        return None
    try:
        return Normalization.from_dict({"scene": view.id} | stored)
    except (TypeError, KeyError, AttributeError) as error:
        raise CatalogError(
            f"item {view.id}: {FIELD} cannot be understood ({error}); run `musyq normalize` again"
        ) from error
