"""How layers are told to STAC: bands, cube variables, flags and renders."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from musyq_cube.store import conventions as c
from musyq_cube.store.packing import stored_range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from odc.geo.geobox import GeoBox

    from musyq_cube.store.pyramid import Statistics
    from musyq_cube.types import JSON
    from musyq_cube.variable import Variable

METRES_PER_DEGREE = math.pi * 6378137.0 / 180
"""At the equator."""
_BRIGHT = 0.3
"""Reflectance shown as white: the same for every product, so that dates and tiles can be compared."""

_PICTURES = {
    "rgb": ("True colour", ("red", "green", "blue")),
    "false-colour": ("False colour (near infrared, red, green)", ("nir|nir08", "red", "green")),
}
_GREENS = {0: "#8c510a", 64: "#d8b365", 128: "#f6e8c3", 160: "#c7e9c0", 192: "#74c476", 224: "#238b45", 255: "#00441b"}
"""Anchors of the ramp for indices, brown to green."""


def bands(variables: Sequence[Variable], statistics: Mapping[str, Statistics]) -> list[JSON]:
    """Return the STAC ``bands`` of the layers, with statistics in stored numbers (as viewers read them)."""
    return [_band(variable, statistics.get(variable.name)) for variable in variables]


def cube(geobox: GeoBox, variables: Sequence[Variable]) -> JSON:
    """Return ``cube:dimensions`` and ``cube:variables``."""
    box, transform = geobox.boundingbox, geobox.transform
    projection = c.projection(geobox.crs)
    code = projection.get("proj:code", "")
    reference: Any = int(code.removeprefix("EPSG:")) if code.startswith("EPSG:") else next(iter(projection.values()))

    def axis(name: str, low: float, high: float, step: float) -> JSON:
        extent = [low + abs(step) / 2, high - abs(step) / 2]
        return {"type": "spatial", "axis": name, "extent": extent, "step": step, "reference_system": reference}

    dimensions = {
        "y": axis("y", box.bottom, box.top, transform.e),
        "x": axis("x", box.left, box.right, transform.a),
    }
    layers = {
        v.name: {
            "dimensions": list(c.DIMENSIONS),
            "type": "data",
            "description": v.long_name or v.name,
            "unit": v.units,
        }
        for v in variables
    }
    return {"cube:dimensions": dimensions, "cube:variables": layers}


def renders(variables: Sequence[Variable]) -> JSON:
    """
    Return the STAC ``renders``: true and false colour where there are the bands, else the first layer in colours.

    Ranges are in stored numbers, because no viewer applies scale and offset.
    """
    names = {variable.name: variable for variable in variables}
    out: JSON = {}
    for key, (title, wanted) in _PICTURES.items():
        found = [next((n for n in choice.split("|") if n in names), None) for choice in wanted]
        if all(found):
            chosen = [names[name] for name in found if name]
            ranges = [[0, _stored(_BRIGHT, variable)] for variable in chosen]
            out[key] = _render(title, chosen, ranges)
    if not out:
        first = variables[0]
        low, high = display_range(first)
        ranges = [[_stored(low, first), _stored(high, first)]]
        out[first.name] = _render(first.long_name or first.name, [first], ranges) | {"colormap": ramp()}
    return out


def display_range(variable: Variable) -> tuple[float, float]:
    """Return the physical values shown as the two ends of the colour ramp."""
    low, high = variable.valid or tuple(value * (variable.scale or 1) for value in stored_range(variable))
    if (low, high) == (-1.0, 1.0):  # a normalized difference: land has next to nothing below
        low = -0.2
    return low, high


def ramp() -> dict[str, list[int]]:
    """Return the colours of an index, 0 … 255 to RGBA, brown to green."""
    anchors = [(position, _rgb(colour)) for position, colour in _GREENS.items()]
    out: dict[str, list[int]] = {}
    for (start, first), (end, last) in pairwise(anchors):
        for value in range(start, end + 1):
            part = (value - start) / (end - start)
            out[str(value)] = [*(round(a + (b - a) * part) for a, b in zip(first, last, strict=True)), 255]
    return out


def spatial_resolution(geobox: GeoBox) -> float:
    """Return the size of a pixel in metres (degrees at the equator)."""
    step = abs(geobox.transform.a)
    return step * METRES_PER_DEGREE if geobox.crs and geobox.crs.geographic else step


def _band(variable: Variable, statistics: Statistics | None) -> JSON:
    out: JSON = {"name": variable.name, "description": variable.long_name or variable.name}
    if variable.common_name:
        out["eo:common_name"] = variable.common_name
    if variable.center_wavelength:
        out["eo:center_wavelength"] = variable.center_wavelength
    out |= {"data_type": variable.dtype, "unit": variable.units}
    if variable.nodata is not None:
        out["nodata"] = variable.nodata
    if variable.scale is not None:
        out |= {"raster:scale": variable.scale, "raster:offset": variable.offset}
    if statistics and not variable.flags:
        out["statistics"] = statistics.to_dict()
    if variable.flags:
        out["classification:bitfields"] = [_bitfield(f.bit, f.name, f.description) for f in variable.flags]
    return out


def _bitfield(bit: int, name: str, description: str) -> JSON:
    classes = [
        {"value": 0, "name": "no", "description": f"not: {description}"},
        {"value": 1, "name": "yes", "description": description},
    ]
    return {"name": name, "description": description, "offset": bit, "length": 1, "classes": classes}


def _render(title: str, chosen: Sequence[Variable], ranges: list[list[int]]) -> JSON:
    out: JSON = {
        "title": title,
        "assets": [c.ASSET_DATA],
        "bands": [variable.name for variable in chosen],
        "rescale": ranges,
        "resampling": "nearest",
    }
    return out | ({"nodata": chosen[0].nodata} if chosen[0].nodata is not None else {})


def _stored(value: float, variable: Variable) -> int:
    return round((value - variable.offset) / (variable.scale or 1.0))


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
