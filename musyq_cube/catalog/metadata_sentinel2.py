"""Sentinel-2 SAFE metadata: MTD_MSIL1C.xml or MTD_MSIL2A.xml, and the granule's MTD_TL.xml."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from musyq_cube.catalog.metadata import Metadata, number, utc
from musyq_cube.catalog.xmlfile import leaves, local, read_xml
from musyq_cube.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from musyq_cube.types import JSON

PRODUCT_FILES = ("MTD_MSIL1C.xml", "MTD_MSIL2A.xml")
"""Names of the product's own file at the root of a SAFE."""

# bandId counts the physical bands in order of wavelength, B8A after B8
_BAND_IDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")


def sentinel2_metadata(product_path: str | None, tile_path: str) -> Metadata:
    """
    Return what a SAFE says about its scene: time and angles of the tile, cloud cover, baseline, scale and offset.

    The offset that processing baselines from 04.00 on add to the numbers is read where it is written
    (RADIO_ADD_OFFSET, BOA_ADD_OFFSET). A tile without the product's file (the layout of the open buckets) has it by its
    baseline. It is never derived from a date.

    Parameters
    ----------
    product_path
        MTD_MSIL1C.xml or MTD_MSIL2A.xml; None where there is only the tile.
    tile_path
        MTD_TL.xml, or metadata.xml in the open buckets.

    Raises
    ------
    CatalogError
        Not readable, or a field that every SAFE has is missing.
    """
    tile = read_xml(tile_path)
    about_tile = _first(tile)
    try:
        tile_id, time = about_tile["TILE_ID"], utc(about_tile["SENSING_TIME"])
    except KeyError as error:
        raise CatalogError(f"{tile_path}: no {error}, not the metadata of a Sentinel-2 tile") from error
    facts = _product(product_path) if product_path else _by_tile(tile_id, about_tile)
    mgrs = re.search(r"_T(\d{2}[A-Z]{3})_", tile_id)
    properties: JSON = {
        "platform": facts["SPACECRAFT_NAME"].lower(),
        "constellation": "sentinel-2",
        "eo:cloud_cover": number(facts.get("Cloud_Coverage_Assessment"), "Cloud_Coverage_Assessment"),
        "grid:code": f"MGRS-{mgrs[1]}" if mgrs else None,
        "processing:level": facts.get("PROCESSING_LEVEL", "").replace("Level-", "L") or None,
        "processing:version": facts["PROCESSING_BASELINE"],
        "s2:processing_baseline": facts["PROCESSING_BASELINE"],
        "created": facts.get("GENERATION_TIME"),
        **_angles(tile),
    }
    calibration = _calibration(read_xml(product_path)) if product_path else _by_baseline(facts["PROCESSING_BASELINE"])
    name = facts["PRODUCT_URI"].removesuffix(".SAFE")
    return Metadata(name, time, None, {k: v for k, v in properties.items() if v is not None}, calibration)


def _first(root: Element) -> dict[str, str]:
    """Leaves by name, the first where a name repeats."""
    return dict(reversed(list(leaves(root))))


def _product(path: str) -> dict[str, str]:
    facts = _first(read_xml(path))
    missing = [key for key in ("PRODUCT_URI", "SPACECRAFT_NAME", "PROCESSING_BASELINE") if key not in facts]
    if missing:
        raise CatalogError(f"{path}: the SAFE has no {', '.join(missing)}")
    return facts


def _by_tile(tile_id: str, about_tile: dict[str, str]) -> dict[str, str]:
    match = re.match(r"S2(?P<unit>[A-D])_OPER_MSI_(?P<level>L1C|L2A)_TL_.*_N(?P<baseline>\d{2}\.\d{2})$", tile_id)
    if match is None:
        raise CatalogError(f"TILE_ID {tile_id!r} states no baseline; the product's MTD_MSI…xml is needed beside")
    return {
        "PRODUCT_URI": tile_id,
        "SPACECRAFT_NAME": f"Sentinel-2{match['unit']}",
        "PROCESSING_BASELINE": match["baseline"],
        "PROCESSING_LEVEL": match["level"],
        "Cloud_Coverage_Assessment": about_tile.get("CLOUDY_PIXEL_PERCENTAGE", "nan"),
        "GENERATION_TIME": about_tile.get("ARCHIVING_TIME", about_tile["SENSING_TIME"]),
    }


def _by_baseline(baseline: str) -> dict[str, JSON]:
    offset = -0.1 if float(baseline) >= 4 else 0.0
    return {band: {"raster:scale": 1e-4, "raster:offset": offset} for band in _BAND_IDS}


def _calibration(product: Element) -> dict[str, JSON]:
    facts = dict(leaves(product))
    value = number(facts.get("QUANTIFICATION_VALUE") or facts.get("BOA_QUANTIFICATION_VALUE"), "QUANTIFICATION_VALUE")
    if not value:
        return {}
    offsets = dict.fromkeys(_BAND_IDS, 0.0)
    for element in _every(product, "RADIO_ADD_OFFSET", "BOA_ADD_OFFSET"):
        offsets[_BAND_IDS[int(element.get("band_id", "0"))]] = float(element.text or 0)
    return {band: {"raster:scale": 1 / value, "raster:offset": offsets[band] / value} for band in _BAND_IDS}


def _angles(tile: Element) -> JSON:
    out: JSON = {}
    for sun in _every(tile, "Mean_Sun_Angle"):
        facts = dict(leaves(sun))
        out["view:sun_elevation"] = 90.0 - float(facts["ZENITH_ANGLE"])
        out["view:sun_azimuth"] = float(facts["AZIMUTH_ANGLE"]) % 360.0
    views = [dict(leaves(view)) for view in _every(tile, "Mean_Viewing_Incidence_Angle")]
    if views:
        zeniths = [float(v["ZENITH_ANGLE"]) for v in views]
        azimuths = [math.radians(float(v["AZIMUTH_ANGLE"])) for v in views]
        out["view:incidence_angle"] = sum(zeniths) / len(zeniths)
        mean = math.atan2(sum(map(math.sin, azimuths)), sum(map(math.cos, azimuths)))
        out["view:azimuth"] = math.degrees(mean) % 360.0
    return out


def _every(root: Element, *names: str) -> Iterator[Element]:
    return (element for element in root.iter() if local(element.tag) in names)
