"""Ancillary layers of what GDAL opens: CF netCDF, GRIB, GeoTIFF, SRTM heights."""

from __future__ import annotations

import datetime as dt
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.catalog._ancillary_layer import (
    Layer,
    cf_times,
    in_units,
    longlat,
    nothing,
    quantity_in_name,
    single,
    time_in_name,
    time_in_text,
)
from musyq_cube.errors import CatalogError
from musyq_cube.quantities import find_quantity, fold_unit, guess_unit, quantity
from musyq_cube.quantities.units import PASCAL
from musyq_cube.scene import SourceGrid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rasterio.io import DatasetReader

    from musyq_cube.catalog._ancillary_layer import Span, Wishes
    from musyq_cube.quantities import Quantity

_SAMPLE = 256
"""Rows and columns looked at to guess units."""
_SURFACE = {
    "tmp": "2-HTGL", "dpt": "2-HTGL", "rh": "2-HTGL", "spfh": "2-HTGL", "ugrd": "10-HTGL", "vgrd": "10-HTGL",
    "pres": "0-SFC", "dswrf": "0-SFC", "dlwrf": "0-SFC", "apcp": "0-SFC",
}  # fmt: skip
"""Where parameters that GRIB has at many heights are the ones near the ground."""


def raster_layers(path: str, wishes: Wishes) -> list[Layer]:
    """
    Return the ancillary layers of one raster file, in the units of their quantities.

    Raises
    ------
    CatalogError
        No known quantity, units or times that are not understood, no regular grid, or no raster at all.
    """
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a list of variables has no place of its own
            found = list(_layers(path, wishes))
    except (RasterioError, OSError) as error:
        raise CatalogError(f"{path}: cannot be opened as a grid ({error})") from error
    return in_units(single(found, path), wishes, path)


def _layers(path: str, wishes: Wishes) -> Iterator[Layer]:
    import rasterio

    with rasterio.open(path) as file:
        driver, inside = file.driver, file.subdatasets
        if driver == "GRIB":
            yield from _grib(file, path, wishes)
            return
        if driver not in {"netCDF", "HDF5", "HDF5Image"}:
            yield from _image(file, path, wishes)
            return
        names = [s.rpartition(":")[2] for s in inside] or [file.tags(1).get("NETCDF_VARNAME", "")]
    if driver != "netCDF":
        raise CatalogError(f"{path}: an HDF5 file without the structure of netCDF; convert it to netCDF or GeoTIFF")
    taken, problems = False, []
    for name in names:
        try:
            layers = _variable(path, name, names, wishes)
        except CatalogError as error:
            problems.append(error)
            continue
        taken = taken or bool(layers)
        yield from layers
    if not taken:
        raise problems[0] if problems else nothing(path, names)


def _variable(path: str, name: str, names: list[str], wishes: Wishes) -> list[Layer]:
    """Return the layers of one variable of a netCDF file; none where it is no quantity."""
    import rasterio

    with rasterio.open(f'netcdf:"{path}":{name}') as file:
        tags = file.tags()
        own = {k.partition("#")[2]: v for k, v in tags.items() if k.startswith(f"{name}#")}
        known = wishes.quantity_of(name, own.get("standard_name"))
        if known is None:
            return []
        where = f"{path}, {name}"
        grid = _grid(file, where, degrees="degrees_north" in tags.values() or "degrees_N" in tags.values())
        units = wishes.units_of(name, known, own.get("units") or file.units[0])
        units = _guessed(file, 1, known, wishes.scale, where) if units is None else units
        spans = _spans(file, path, name, names, own.get("cell_methods", ""))
        return [
            _layer(file, number, known, name, grid, units, span, wishes)
            for number, span in zip(range(1, file.count + 1), spans, strict=True)
        ]


def _spans(file: DatasetReader, path: str, name: str, names: list[str], methods: str) -> list[Span | None]:
    """Return when each band of a netCDF variable holds."""
    tags = file.tags()
    extra = [d for d in re.findall(r"[^{},\s]+", tags.get("NETCDF_DIM_EXTRA", "")) if d]
    since = [d for d in extra if " since " in tags.get(f"{d}#units", "")]
    bands = [file.tags(number) for number in range(1, file.count + 1)]
    for other in (d for d in extra if d not in since[:1]):
        if len({band.get(f"NETCDF_DIM_{other}") for band in bands}) > 1:
            raise CatalogError(f"{path}, {name}: has several values of {other}; extract the one near the ground")
        if fold_unit(tags.get(f"{other}#units", "1")) in PASCAL:
            raise CatalogError(f"{path}, {name}: on a level of pressure, not near the ground")
    if not since:
        return [_file_span(file, path)] * file.count
    axis = since[0]
    units, calendar = tags[f"{axis}#units"], tags.get(f"{axis}#calendar", "")
    times = cf_times([float(band[f"NETCDF_DIM_{axis}"]) for band in bands], units, calendar)
    bounds = tags.get(f"{axis}#bounds", "")
    if bounds in names and "point" not in methods:
        return _bounds(path, bounds, len(times), units, calendar)
    return [(time, None) for time in times]


def _bounds(path: str, name: str, count: int, units: str, calendar: str) -> list[Span | None]:
    import rasterio

    with rasterio.open(f'netcdf:"{path}":{name}') as file:
        edges = file.read(1)
        # rows without a place of their own may come in either order; times grow
        edges = edges[np.argsort(edges[:, 0], kind="stable")]
    if edges.shape != (count, 2):
        raise CatalogError(f"{path}, {name}: {edges.shape} bounds of {count} times")
    starts, ends = (cf_times(column, units, calendar) for column in edges.T)
    return list(zip(starts, ends, strict=True))


def _grib(file: DatasetReader, path: str, wishes: Wishes) -> Iterator[Layer]:
    taken, names = False, []
    grid = _grid(file, path, degrees=False)
    for number in range(1, file.count + 1):
        tags = file.tags(number)
        name = tags.get("GRIB_ELEMENT", "")
        names.append(name)
        level = _SURFACE.get(name.casefold())
        known = wishes.quantity_of(name)
        if known is None or (level and tags.get("GRIB_SHORT_NAME") not in {level, None}):
            continue
        seconds = re.match(r"\s*(\d+)", tags.get("GRIB_VALID_TIME", ""))
        span = (dt.datetime.fromtimestamp(int(seconds[1]), dt.UTC), None) if seconds else _file_span(file, path)
        units = wishes.units_of(name, known, tags.get("GRIB_UNIT"))
        taken = True
        yield _layer(file, number, known, None, grid, units or known.units, span, wishes)
    if not taken:
        raise nothing(path, set(names))


def _image(file: DatasetReader, path: str, wishes: Wishes) -> Iterator[Layer]:
    """Yield the bands of a GeoTIFF or the like that are quantities."""
    if file.count < 1:
        raise CatalogError(f"{path}: an image without a band")
    grid = _grid(file, path, degrees=False)
    taken = False
    span = _file_span(file, path)
    for number in range(1, file.count + 1):
        known = _of_band(file, number, path, wishes)
        if known is None:
            continue
        taken = True
        name = file.descriptions[number - 1] or ""
        units = wishes.units_of(name, known, _stated_units(file, number))
        units = _guessed(file, number, known, wishes.scale, path) if units is None else units
        yield _layer(file, number, known, None, grid, units, span, wishes)
    if not taken:
        raise nothing(path, [d or "" for d in file.descriptions])


def _of_band(file: DatasetReader, number: int, path: str, wishes: Wishes) -> Quantity | None:
    """Return what a band is: as the user says, else its description or tags, else (one band) the file's name."""
    name = file.descriptions[number - 1] or f"band {number}"
    if isinstance(wishes.quantity, str):
        return quantity(wishes.quantity) if file.count == 1 else wishes.quantity_of(name)
    if wishes.quantity is not None:
        return wishes.quantity_of(name) or wishes.quantity_of(str(number))
    if file.driver == "SRTMHGT":
        return find_quantity("elevation")
    tags = {k.casefold(): v for k, v in {**file.tags(), **file.tags(number)}.items()}
    said = (name, *(tags[k] for k in ("quantity", "variable", "standard_name", "long_name") if k in tags))
    found = next((q for text in said if (q := find_quantity(text)) is not None), None)
    return found or (quantity_in_name(path) if file.count == 1 else None)


def _stated_units(file: DatasetReader, number: int) -> str | None:
    tags = {k.casefold(): v for k, v in {**file.tags(), **file.tags(number)}.items()}
    return file.units[number - 1] or tags.get("units") or tags.get("unit")


def _layer(
    file: DatasetReader, number: int, known: Quantity, variable: str | None, grid: SourceGrid, units: str,
    span: Span | None, wishes: Wishes,
) -> Layer:  # fmt: skip
    scale, offset = _encoding(file, number, wishes.scale)
    nodata = file.nodatavals[number - 1]
    return Layer(
        known, variable, number, grid, file.dtypes[number - 1], None if nodata is None else float(nodata), scale,
        offset, units, wishes.span or span,
    )  # fmt: skip


def _encoding(file: DatasetReader, number: int, wish: float | None) -> tuple[float, float]:
    """Return scale and offset: as the user says, as the format has them, or from a tag that writers use instead."""
    if wish is not None:
        return wish, 0.0
    own = file.scales[number - 1], file.offsets[number - 1]
    if own != (1.0, 0.0):
        return own
    return stated_scale({**file.tags(), **file.tags(number)}), 0.0


def stated_scale(tags: Mapping[str, str]) -> float:
    """Return the factor that tags state in place of the format's own field; 1 where they state none."""
    folded = {k.casefold(): v for k, v in tags.items()}
    return next((float(folded[k]) for k in ("scale_factor", "scaling_factor") if k in folded), 1.0)


def _grid(file: DatasetReader, where: str, *, degrees: bool) -> SourceGrid:
    t = file.transform
    if t.is_identity:
        raise CatalogError(f"{where}: not on a regular grid of a known place; bring it to longitude and latitude")
    crs = None if file.crs is None else file.crs.to_wkt()
    if crs is None and not degrees:
        raise CatalogError(f"{where}: states no CRS, and its coordinates are not in degrees")
    code = None if file.crs is None else file.crs.to_epsg()
    crs = "EPSG:4326" if crs is None or longlat(crs) else f"EPSG:{code}" if code else crs
    return SourceGrid(crs, (t.a, t.b, t.c, t.d, t.e, t.f), (file.height, file.width))


def _file_span(file: DatasetReader, path: str) -> Span | None:
    """Return the time that tags or the name of a file state."""
    tags = {k.casefold().rpartition("#")[2]: v for k, v in file.tags().items()}
    for name in ("datetime_utc", "time_coverage_start", "datetime", "time"):
        if name in tags and (span := time_in_text(tags[name])) is not None:
            return span
    return time_in_name(path)


def _guessed(file: DatasetReader, number: int, known: Quantity, wish: float | None, where: str) -> str:
    """Return the units that numbers without any must be in."""
    if known.classes:
        return known.units
    shape = tuple(min(n, _SAMPLE) for n in file.shape)
    raw: Any = file.read(number, out_shape=shape, masked=True)
    scale, offset = _encoding(file, number, wish)
    values = raw.compressed().astype(np.float64) * scale + offset
    values = values[np.isfinite(values)]
    if not values.size:
        return known.units
    low, high = np.percentile(values, (2, 98))
    unit = guess_unit(known, float(low), float(high))
    if unit is None:
        raise CatalogError(
            f"{where}: states no units, and {low:g} to {high:g} does not look like {known.name}; give units=… or "
            "scale=…"
        )
    return unit
