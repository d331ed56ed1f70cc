"""HJ-1 CCD: the XML that CRESDA puts beside the four GeoTIFFs of a scene."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from musyq_cube.catalog.metadata import Metadata, number, reflectance_factor, utc
from musyq_cube.catalog.xmlfile import leaves, read_xml
from musyq_cube.errors import CatalogError

if TYPE_CHECKING:
    import datetime as dt

    from musyq_cube.sensor import Sensor
    from musyq_cube.types import JSON

_NUMBER = r"([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
# "B1:g 0.5329, L0 1.6146" (field calibration) and "B1: 0.626647" (laboratory, no offset)
_COEFFICIENTS = re.compile(rf"(B\d):\s*(?:g\s*)?{_NUMBER}(?:\s*,\s*L0\s*{_NUMBER})?")


def read_hj(path: str) -> dict[str, str]:
    """
    Read the XML as a flat dictionary.

    Raises
    ------
    CatalogError
        Not readable, or not of an HJ-1 CCD.
    """
    facts: dict[str, str] = {}
    for key, value in leaves(read_xml(path)):
        facts.setdefault(key, value)
    if not facts.get("satelliteId", "").upper().replace("-", "").startswith("HJ1"):
        raise CatalogError(f"{path}: satelliteId is {facts.get('satelliteId')!r}, not HJ1A or HJ1B")
    return facts


def hj_metadata(facts: dict[str, str], path: str) -> Metadata:
    """
    Return what the XML says about its scene.

    Raises
    ------
    CatalogError
        A field that every such XML has is missing.
    """
    try:
        time = utc(facts["sceneDate"])
        tile = f"{int(facts['scenePath'])}-{int(facts['sceneRow'])}"
    except (KeyError, ValueError) as error:
        raise CatalogError(f"{path}: the XML has no usable {error}") from error
    stated = {
        "view:sun_elevation": number(facts.get("sunElevation"), "sunElevation"),
        "view:sun_azimuth": number(facts.get("sunAzimuthElevation") or facts.get("sunAzimuth"), "sunAzimuth"),
        "view:incidence_angle": number(facts.get("satZenith"), "satZenith"),
        "view:azimuth": number(facts.get("satAzimuth"), "satAzimuth"),
        "view:off_nadir": number(facts.get("satOffNadir"), "satOffNadir"),
        "eo:cloud_cover": number(facts.get("cloudCover"), "cloudCover"),
    }
    numbers = {k: _in_range(k, v) for k, v in stated.items() if v is not None}
    satellite = facts["satelliteId"].upper().replace("-", "")
    texts = {
        "platform": f"hj-{satellite[2:].lower()}",
        "grid:code": f"HJ-{tile}",
        "processing:level": facts.get("productLevel", "").replace("LEVEL", "L") or None,
        "created": utc(facts["productDate"]).isoformat().replace("+00:00", "Z") if "productDate" in facts else None,
    }
    properties: JSON = {**{k: v for k, v in texts.items() if v is not None}, **numbers}
    return Metadata(PurePath(path).stem, time, None, properties)


def _in_range(field: str, value: float) -> float:
    if field == "view:off_nadir":
        return abs(value)
    return value % 360.0 if field.endswith("azimuth") else value


def hj_calibration(facts: dict[str, str], sensor: Sensor, time: dt.datetime, path: str) -> dict[str, JSON]:
    """
    Return scale and offset to reflectance times the cosine of the sun zenith, by band name.

    ``absCalibType`` states its own formula: L = DN / g + L0 (field calibration) or L = DN · g (laboratory). L becomes
    reflectance by π d² / ESUN.

    Raises
    ------
    CatalogError
        A formula that is neither, or a band without coefficients.
    """
    text = facts.get("absCalibType", "")
    formula, _, rest = text.partition(")B")
    squeezed = formula.replace(" ", "")
    if "L=DN/" not in squeezed and "L=DN*" not in squeezed:
        raise CatalogError(f"{path}: absCalibType is {text!r}; need L=DN/g+L0 or L=DN*g with numbers for each band")
    found = {name: (float(g), float(l0 or 0)) for name, g, l0 in _COEFFICIENTS.findall(f"B{rest}")}
    out: dict[str, JSON] = {}
    for band in sensor.bands:
        if band.name not in found or not band.esun:
            raise CatalogError(f"{path}: absCalibType has no coefficients for {band.name}: {text!r}")
        gain, offset = found[band.name]
        scale = 1 / gain if "L=DN/" in squeezed else gain
        factor = reflectance_factor(band.esun, time)
        out[band.name] = {"raster:scale": scale * factor, "raster:offset": offset * factor}
    return out
