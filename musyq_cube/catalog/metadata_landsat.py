"""Landsat MTL files: Collection 1 and 2 and before, Level 1 and 2, as text (ODL) and as XML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from musyq_cube.catalog.metadata import Metadata, number, reflectance_factor, utc
from musyq_cube.catalog.xmlfile import leaves, read_text, read_xml
from musyq_cube.errors import CatalogError

if TYPE_CHECKING:
    import datetime as dt

    from musyq_cube.sensor import Product, Sensor
    from musyq_cube.types import JSON

_LINE = re.compile(r'^\s*(\w+)\s*=\s*"?([^"\r\n]*?)"?\s*$', re.MULTILINE)


def read_mtl(path: str) -> dict[str, str]:
    """
    Read an MTL file as a flat dictionary.

    Level-2 files repeat the names of Level 1 further down, so the first value of a name is the product's own.

    Raises
    ------
    CatalogError
        Not an MTL file, or cut off before its end.
    """
    if path.lower().endswith(".xml"):
        root = read_xml(path)
        pairs = list(leaves(root)) if "METADATA_FILE" in root.tag else []
    else:
        text = read_text(path)
        pairs = [(k, v) for k, v in _LINE.findall(text) if k not in ("GROUP", "END_GROUP")]
        if pairs and not re.search(r"^END(_GROUP\s*=\s*\w*METADATA_FILE)?\s*$", text, re.MULTILINE):
            raise CatalogError(f"{path}: ends before its END, the file is truncated")
    out: dict[str, str] = {}
    for key, value in pairs:
        out.setdefault(key, value)
    if "SPACECRAFT_ID" not in out:
        raise CatalogError(f"{path}: no SPACECRAFT_ID, not a Landsat MTL file")
    return out


def landsat_metadata(mtl: dict[str, str], path: str) -> Metadata:
    """
    Return what an MTL says about its scene.

    Raises
    ------
    CatalogError
        A field that every MTL has is missing.
    """
    try:
        name = mtl.get("LANDSAT_PRODUCT_ID") or mtl["LANDSAT_SCENE_ID"]
        time = utc(f"{mtl['DATE_ACQUIRED']}T{mtl['SCENE_CENTER_TIME']}")
        platform = f"landsat-{int(mtl['SPACECRAFT_ID'].rsplit('_', 1)[-1])}"
        tile = f"{int(mtl['WRS_PATH']):03d}{int(mtl['WRS_ROW']):03d}"
    except (KeyError, ValueError) as error:
        raise CatalogError(f"{path}: the MTL has no usable {error}") from error
    cloud = number(mtl.get("CLOUD_COVER"), "CLOUD_COVER")
    collection = mtl.get("COLLECTION_NUMBER")
    created = mtl.get("DATE_PRODUCT_GENERATED") or mtl.get("FILE_DATE")
    properties: JSON = {
        "platform": platform,
        "view:sun_elevation": number(mtl.get("SUN_ELEVATION"), "SUN_ELEVATION"),
        "view:sun_azimuth": _azimuth(number(mtl.get("SUN_AZIMUTH"), "SUN_AZIMUTH")),
        "view:off_nadir": abs(number(mtl.get("ROLL_ANGLE"), "ROLL_ANGLE") or 0.0),
        "eo:cloud_cover": cloud if cloud is not None and cloud >= 0 else None,
        "grid:code": f"WRS2-{tile}",
        "processing:level": mtl.get("PROCESSING_LEVEL") or mtl.get("DATA_TYPE"),
        "processing:version": None if collection is None else f"{int(collection):02d}",
        "created": None if created is None else utc(created).isoformat().replace("+00:00", "Z"),
    }
    return Metadata(name, time, None, {k: v for k, v in properties.items() if v is not None})


def landsat_calibration(mtl: dict[str, str], sensor: Sensor, product: Product, time: dt.datetime) -> dict[str, JSON]:
    """
    Return scale and offset of every layer that the MTL gives numbers for, by asset key.

    Reflectance factors are taken as they are. Files from before there were any give radiance, which becomes reflectance
    by π d² / ESUN, with the product's own ESUN where its definition has one. Thermal bands of Level 1 become radiance,
    with the Planck constants beside.
    """
    out: dict[str, JSON] = {}
    for asset in product.of_role("data"):
        match = re.fullmatch(r"(SR_|ST_)?B(\d+(?:_VCID_\d)?)", asset.key)
        if match is None or asset.band is None:
            continue
        kind, suffix = match.groups()
        if kind == "ST_":
            scaling = _scaling(mtl, "TEMPERATURE", asset.key)
        elif asset.planck:
            scaling = _radiance(mtl, suffix)
            constants = {f"musyq:k{i}": number(mtl.get(f"K{i}_CONSTANT_BAND_{suffix}"), f"K{i}") for i in (1, 2)}
            out[asset.key] = {k: v for k, v in constants.items() if v is not None}
        else:
            esun = asset.esun or sensor.band(asset.band).esun
            scaling = _scaling(mtl, "REFLECTANCE", suffix) or _from_radiance(mtl, suffix, esun, time)
        if scaling is not None:
            out[asset.key] = {"raster:scale": scaling[0], "raster:offset": scaling[1], **out.get(asset.key, {})}
    return out


def _from_radiance(
    mtl: dict[str, str], suffix: str, esun: float | None, time: dt.datetime
) -> tuple[float, float] | None:
    radiance = _radiance(mtl, suffix)
    if radiance is None or not esun:
        return None
    factor = reflectance_factor(esun, time)
    return radiance[0] * factor, radiance[1] * factor


def _scaling(mtl: dict[str, str], quantity: str, suffix: str) -> tuple[float, float] | None:
    scale = number(mtl.get(f"{quantity}_MULT_BAND_{suffix}"), f"{quantity}_MULT_BAND_{suffix}")
    offset = number(mtl.get(f"{quantity}_ADD_BAND_{suffix}"), f"{quantity}_ADD_BAND_{suffix}")
    return None if scale is None or offset is None else (scale, offset)


def _radiance(mtl: dict[str, str], suffix: str) -> tuple[float, float] | None:
    """Radiance scaling as stated, else from the range of radiances and the range of counts."""
    if (stated := _scaling(mtl, "RADIANCE", suffix)) is not None:
        return stated
    names = ("RADIANCE_MAXIMUM", "RADIANCE_MINIMUM", "QUANTIZE_CAL_MAX", "QUANTIZE_CAL_MIN")
    high, low, most, least = (number(mtl.get(f"{name}_BAND_{suffix}"), name) for name in names)
    if high is None or low is None or most is None or least is None:
        return None
    scale = (high - low) / (most - least)
    return scale, low - scale * least


def _azimuth(degrees: float | None) -> float | None:
    return None if degrees is None else degrees % 360.0
