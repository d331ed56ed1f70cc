"""What the files of a scene are: pixel grid, type, checksum, valid pixels."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.errors import RasterioError

from musyq_cube.catalog.footprint import CELLS
from musyq_cube.catalog.xmlfile import split_archive
from musyq_cube.errors import CatalogError
from musyq_cube.hdfeos import hdfeos_grids, open_hdf4
from musyq_cube.scene import SourceGrid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rasterio.io import DatasetReader

_SHA256 = "1220"
"""Multihash prefix: sha2-256, 32 bytes."""


@dataclass(frozen=True)
class Header:
    """What a file says about one of its layers."""

    grid: SourceGrid
    dtype: str
    nodata: float | None = None


def raster_header(path: str, number: int = 1) -> Header:
    """
    Read the header of a raster file.

    Raises
    ------
    CatalogError
        Not a raster, truncated, or not georeferenced.
    """
    try:
        with rasterio.open(path) as file:
            return _header(file, path, number)
    except (RasterioError, OSError) as error:
        raise CatalogError(f"{path}: not a readable raster ({error})") from error


def hdf_header(path: str, layer: str) -> Header:
    """
    Read the header of one layer of an HDF4-EOS file.

    Raises
    ------
    CatalogError
        The file has no such gridded layer.
    """
    grid = hdfeos_grids(path).get(layer)
    if grid is None:
        raise CatalogError(f"{path}: no gridded layer {layer!r}")
    with open_hdf4(path) as file:
        dataset = file.select(layer)
        attributes, kind = dataset.attributes(), np.dtype(dataset[:1, :1].dtype).name
        dataset.endaccess()
    return Header(grid, kind, attributes.get("_FillValue"))


def valid_pixels(path: str, number: int = 1, layer: str | None = None, nodata: float | None = None) -> np.ndarray:
    """
    Return a mask of the valid pixels at low resolution.

    Parameters
    ----------
    path
        Raster or, with `layer`, HDF4 file.
    nodata
        Value that means no data, where the file does not declare it.

    Returns
    -------
    ndarray of bool
        At most `footprint.CELLS` in each direction.

    Raises
    ------
    CatalogError
        The pixels cannot be decoded.
    """
    try:
        if layer is not None:
            data, mask = _hdf_pixels(path, layer), None
        else:
            with rasterio.open(path) as file:
                shape = tuple(min(n, CELLS) for n in file.shape)
                data = file.read(number, out_shape=shape)
                mask = None if file.nodata is None else file.read_masks(number, out_shape=shape) > 0
    except (RasterioError, OSError) as error:
        raise CatalogError(f"{path}: its pixels cannot be read ({error})") from error
    valid = np.isfinite(data) if mask is None else mask & np.isfinite(data)
    return valid if nodata is None else valid & (data != nodata)


def checksum(path: str) -> tuple[str, int]:
    """Return the sha2-256 multihash (hex) and the size in bytes of a file, also of one inside a ZIP archive."""
    digest, size = hashlib.sha256(), 0
    for block in _blocks(path):
        digest.update(block)
        size += len(block)
    return _SHA256 + digest.hexdigest(), size


def _check_whole(file: DatasetReader, path: str, number: int) -> None:
    """Refuse a TIFF whose end is missing: it opens all the same, but its last block lies behind the end."""
    if file.driver != "GTiff" or path.startswith("/vsi"):
        return
    rows, cols = file.block_shapes[number - 1]
    last = f"{(file.width - 1) // cols}_{(file.height - 1) // rows}"
    offset, size = (file.get_tag_item(f"BLOCK_{what}_{last}", "TIFF", bidx=number) for what in ("OFFSET", "SIZE"))
    if offset and size and int(offset) + int(size) > (there := Path(path).stat().st_size):
        raise CatalogError(f"{path}: truncated, it has {there} bytes of at least {int(offset) + int(size)}")


def _header(file: DatasetReader, path: str, number: int) -> Header:
    if number > file.count:
        raise CatalogError(f"{path}: has {file.count} bands, band {number} is needed")
    if file.crs is None or file.transform.is_identity:
        raise CatalogError(f"{path}: not georeferenced, the file states no CRS and pixel size")
    _check_whole(file, path, number)
    code = file.crs.to_epsg()
    crs = file.crs.to_wkt(version="WKT2_2019") if code is None else f"EPSG:{code}"
    transform = tuple(float(v) for v in file.transform[:6])
    nodata = file.nodatavals[number - 1]
    grid = SourceGrid(crs, transform, (file.height, file.width))  # type: ignore[arg-type]  # six numbers
    return Header(grid, file.dtypes[number - 1], nodata)


def _hdf_pixels(path: str, layer: str) -> np.ndarray:
    with open_hdf4(path) as file:
        dataset = file.select(layer)
        rows, cols = dataset.info()[2]
        data: np.ndarray = dataset[:: max(1, rows // CELLS), :: max(1, cols // CELLS)]
        dataset.endaccess()
    return data


def _blocks(path: str, size: int = 2**20) -> Iterator[bytes]:
    try:
        if path.startswith("/vsizip/"):
            archive, name = split_archive(path)
            with zipfile.ZipFile(archive) as opened, opened.open(name) as member:
                while block := member.read(size):
                    yield block
        else:
            with Path(path).open("rb") as file:
                while block := file.read(size):
                    yield block
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise CatalogError(f"{path}: cannot be read ({error})") from error
