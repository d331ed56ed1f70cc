"""The metadata documents of a product store, made from the order alone: what every writer agrees on beforehand."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from musyq_cube.errors import StoreError
from musyq_cube.store import conventions as c
from musyq_cube.store.packing import stored_range
from musyq_cube.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from musyq_cube.types import JSON

NAMES = "musyq:variables"
"""Root attribute: the data variables, in order."""


def pyramid_levels(geobox: GeoBox) -> list[GeoBox]:
    """
    Return the grid of every level, finest first, until the longer side is at most 512 pixels.

    Examples
    --------
    >>> box = GeoBox((900, 1100), Affine(30, 0, 399960, 0, -30, 4451640), "EPSG:32650")
    >>> [tuple(level.shape) for level in pyramid_levels(box)]
    [(900, 1100), (450, 550), (225, 275)]
    """
    levels = [geobox]
    while max(levels[-1].shape) > c.SMALLEST_LEVEL:
        levels.append(_zoomed_out(geobox, 2 ** len(levels)))
    return levels


def _zoomed_out(geobox: GeoBox, factor: int) -> GeoBox:
    a, b, west, d, e, north = list(geobox.transform)[:6]
    ny, nx = (-(-size // factor) for size in geobox.shape)
    return GeoBox((ny, nx), Affine(a * factor, b * factor, west, d * factor, e * factor, north), geobox.crs)


def documents(geobox: GeoBox, variables: Sequence[Variable], attrs: Mapping[str, Any], chunk: int) -> dict[str, JSON]:
    """
    Return the ``zarr.json`` of every node by its path; the root is ``""``.

    Parameters
    ----------
    geobox
        Grid of the finest level.
    variables
        The layers, in order; names must be unique.
    attrs
        Extra attributes of the root group: JSON values that depend on the order only.
    chunk
        Pixels along a chunk.
    """
    names = [variable.name for variable in variables]
    if not names or len(set(names)) < len(names):
        raise StoreError(f"a store needs variables with different names, not {names}")
    levels = pyramid_levels(geobox)
    nodes: dict[str, JSON] = {}
    for number, level in enumerate(levels):
        nodes[str(number)] = _group(c.zarr_conventions(geobox.crs, spatial(level)))
        for variable in variables:
            nodes[f"{number}/{variable.name}"] = _data_array(variable, level, chunk)
        nodes |= {f"{number}/{name}": array for name, (array, _) in coordinates(level).items()}
    root = c.zarr_conventions(geobox.crs, spatial(geobox), _multiscales(levels, variables))
    root |= {"Conventions": "CF-1.11", **attrs, NAMES: names}
    nodes[""] = _group(root | {c.TEMPLATE: _digest([root, *(nodes[f"0/{name}"] for name in names)])})
    return nodes


def coordinates(level: GeoBox) -> dict[str, tuple[JSON, NDArray[Any]]]:
    """Return the array document and the values of ``y``, ``x`` (pixel centres) and the CF grid mapping of a level."""
    from odc.geo.xr import xr_coords

    made = xr_coords(level, c.GRID_MAPPING)
    out = {}
    for axis, name in zip(c.DIMENSIONS, level.dimensions, strict=True):
        values = np.asarray(made[name].values, dtype=np.float64)
        attributes = _axis_attributes(axis, geographic=bool(level.crs and level.crs.geographic))
        document = _array("float64", values.shape, values.shape, "NaN", attributes)
        out[axis] = (document | {"dimension_names": [axis]}, values)
    mapping = dict(made[c.GRID_MAPPING].attrs)
    code = np.asarray(made[c.GRID_MAPPING].values, dtype=np.int64)
    out[c.GRID_MAPPING] = (_array("int64", (), (), 0, mapping), code)
    return out


def spatial(level: GeoBox) -> JSON:
    """Return the ``spatial:*`` attributes of a level (affine in rasterio order, pixel corners)."""
    box = level.boundingbox
    return {
        "spatial:dimensions": list(c.DIMENSIONS),
        "spatial:bbox": [box.left, box.bottom, box.right, box.top],
        "spatial:transform": list(level.transform)[:6],
        "spatial:shape": list(level.shape),
    }


def geobox_of(root: JSON) -> GeoBox:
    """Return the grid of the finest level from the root group's attributes."""
    attributes = root["attributes"]
    crs = attributes.get("proj:code") or attributes.get("proj:wkt2")
    return GeoBox(tuple(attributes["spatial:shape"]), Affine(*attributes["spatial:transform"]), crs)


def variable_of(name: str, array: JSON) -> Variable:
    """Return the layer that an array document describes: all that packing and pyramids need."""
    attributes = array["attributes"]
    scale, offset = attributes.get("scale_factor"), attributes.get("add_offset", 0.0)
    nodata = attributes.get("_FillValue")
    valid = attributes.get("valid_range")
    return Variable(
        name,
        dtype=array["data_type"],
        scale=scale,
        offset=offset,
        nodata=nodata,
        units=attributes.get("units", "1"),
        valid=None if valid is None else (valid[0] * (scale or 1) + offset, valid[1] * (scale or 1) + offset),
        long_name=attributes.get("long_name", ""),
        standard_name=attributes.get("standard_name"),
        method=attributes["resampling_method"],
        fill=array["fill_value"] if nodata is None else 0,
    )


def _multiscales(levels: Sequence[GeoBox], variables: Sequence[Variable]) -> JSON:
    main = "average" if any(v.method == "average" for v in variables) else variables[0].method
    layout: list[JSON] = []
    for number, level in enumerate(levels):
        factor = 2.0 if number else 1.0
        entry: JSON = {"asset": str(number), "transform": {"scale": [factor, factor], "translation": [0.0, 0.0]}}
        if number:
            entry |= {"derived_from": str(number - 1), "resampling_method": main}
        where = spatial(level)
        layout.append(entry | {key: where[key] for key in ("spatial:shape", "spatial:transform")})
    return {"resampling_method": main, "layout": layout}


def _data_array(variable: Variable, level: GeoBox, chunk: int) -> JSON:
    attributes: JSON = {"long_name": variable.long_name or variable.name, "units": variable.units}
    if variable.standard_name:
        attributes["standard_name"] = variable.standard_name
    if variable.scale is not None:
        attributes |= {"scale_factor": variable.scale, "add_offset": variable.offset}
    if variable.nodata is not None:
        attributes["_FillValue"] = variable.nodata
    if variable.valid is not None:
        attributes["valid_range"] = list(stored_range(variable))
    if variable.flags:
        attributes["flag_masks"] = [1 << flag.bit for flag in variable.flags]
        attributes["flag_meanings"] = " ".join(flag.name for flag in variable.flags)
    attributes |= {"grid_mapping": c.GRID_MAPPING, "resampling_method": variable.method}
    ny, nx = level.shape
    document = _array(variable.dtype, (ny, nx), (min(chunk, ny), min(chunk, nx)), variable.fill_value, attributes)
    return document | {"dimension_names": list(c.DIMENSIONS)}


def _array(dtype: str, shape: tuple[int, ...], chunks: tuple[int, ...], fill: Any, attributes: JSON) -> JSON:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunks)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": c.codecs(np.dtype(dtype).itemsize),
        "attributes": attributes,
        "storage_transformers": [],
    }


def _group(attributes: JSON) -> JSON:
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def _axis_attributes(axis: str, *, geographic: bool) -> JSON:
    letter = axis.upper()
    if geographic:
        name, units = {"y": ("latitude", "degrees_north"), "x": ("longitude", "degrees_east")}[axis]
        return {"standard_name": name, "units": units, "axis": letter}
    return {"standard_name": f"projection_{axis}_coordinate", "units": "m", "axis": letter}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]
