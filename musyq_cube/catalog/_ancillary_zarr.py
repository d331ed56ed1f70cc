"""Ancillary layers of a Zarr store that follows the CF conventions: variables on (time, latitude, longitude)."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.catalog._ancillary_layer import Layer, cf_times, in_units, nothing, regular, single, time_in_name
from musyq_cube.errors import CatalogError
from musyq_cube.scene import SourceGrid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from musyq_cube.catalog._ancillary_layer import Span, Wishes
    from musyq_cube.quantities import Quantity

_FAULTS = (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError)


def is_zarr(path: str) -> bool:
    """Whether a local folder is a Zarr group."""
    return any((Path(path) / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata"))


def zarr_layers(path: str, wishes: Wishes) -> list[Layer]:
    """
    Return the ancillary layers of one Zarr store, in the units of their quantities.

    Raises
    ------
    CatalogError
        No known quantity, units or times that are not understood, no regular grid, or no Zarr at all.
    """
    import zarr

    try:
        root = zarr.open_group(path, mode="r")
        arrays: dict[str, Any] = dict(root.arrays())
        found = list(_layers(path, arrays, wishes))
    except CatalogError:
        raise
    except _FAULTS as error:
        raise CatalogError(f"{path}: cannot be opened as Zarr ({type(error).__name__}: {error})") from error
    return in_units(single(found, path), wishes, path)


def _layers(path: str, arrays: dict[str, Any], wishes: Wishes) -> Iterator[Layer]:
    taken = False
    for name, array in sorted(arrays.items()):
        known = wishes.quantity_of(name, array.attrs.get("standard_name")) if array.ndim >= 2 else None
        if known is None:
            continue
        taken = True
        yield from _variable(f"{path}, {name}", path, name, arrays, known, wishes)
    if not taken:
        raise nothing(path, arrays)


def _variable(
    where: str, path: str, name: str, arrays: dict[str, Any], known: Quantity, wishes: Wishes
) -> Iterator[Layer]:
    array = arrays[name]
    dims = dimensions(array)
    if array.ndim > 3 or len(dims) != array.ndim:
        raise CatalogError(f"{where}: dimensions {dims}; (time, latitude, longitude) is needed")
    grid = _grid(where, arrays, array, dims)
    spans: list[Span | None] = [time_in_name(path)]
    if array.ndim == 3:
        if dims[0] not in arrays:
            raise CatalogError(f"{where}: no coordinate {dims[0]}")
        axis = arrays[dims[0]]
        units = str(axis.attrs.get("units", ""))
        spans = [(time, None) for time in cf_times(axis[:].tolist(), units, str(axis.attrs.get("calendar", "")))]
    attrs = array.attrs
    stated = wishes.units_of(name, known, attrs.get("units"))
    if stated is None:
        raise CatalogError(f"{where}: states no units; give units=…")
    scale = wishes.scale if wishes.scale is not None else float(attrs.get("scale_factor", 1.0))
    offset = 0.0 if wishes.scale is not None else float(attrs.get("add_offset", 0.0))
    for number, span in enumerate(spans, 1):
        yield Layer(
            known, name, number, grid, str(array.dtype), nodata(array), scale, offset, stated, wishes.span or span
        )


def dimensions(array: Any) -> tuple[str, ...]:
    """Return the names of an array's dimensions, as either version of Zarr keeps them."""
    named = array.metadata.to_dict().get("dimension_names") or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    return tuple(str(name) for name in named)


def nodata(array: Any) -> float | None:
    """Return the value that means missing: the attribute of CF, else (version 2) the fill value of the array."""
    value = array.attrs.get("_FillValue")
    if value is None and array.metadata.zarr_format == 2:
        value = array.fill_value
    if isinstance(value, str):  # xarray writes floating-point fill values to Zarr 3 as packed doubles
        return float("nan") if value.casefold() == "nan" else float(
            np.frombuffer(base64.standard_b64decode(value), "<f8")[0]
        )  # fmt: skip
    return None if value is None else float(value)


def _grid(where: str, arrays: dict[str, Any], array: Any, dims: tuple[str, ...]) -> SourceGrid:
    if not all(dim in arrays for dim in dims[-2:]):
        raise CatalogError(f"{where}: no coordinates {' and '.join(dims[-2:])}")
    y, x = (arrays[dim] for dim in dims[-2:])
    mapping = str(array.attrs.get("grid_mapping", "spatial_ref"))
    crs = arrays[mapping].attrs.get("crs_wkt") if mapping in arrays else None
    if crs is None and "degree" not in str(y.attrs.get("units", "")) and dims[-2] not in {"lat", "latitude"}:
        raise CatalogError(f"{where}: states no CRS (grid_mapping), and its coordinates are not in degrees")
    down, across = regular(y[:].tolist(), where), regular(x[:].tolist(), where)
    transform = (
        across.step, 0.0, across.first - across.step / 2, 0.0, down.step, down.first - down.step / 2,
    )  # fmt: skip
    return SourceGrid(crs or "EPSG:4326", transform, (down.count, across.count))
