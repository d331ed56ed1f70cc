"""HDF4-EOS files: which layers they hold, on which grid, and what their embedded metadata say."""

from __future__ import annotations

import math
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from musyq_cube.errors import CatalogError, ReadError
from musyq_cube.grid import MODIS_RADIUS, MODIS_TILE, SINUSOIDAL
from musyq_cube.scene import SourceGrid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HDF4_LOCK = threading.RLock()
"""The HDF4 library keeps global state: every call of it, anywhere in this process, happens under this lock."""

_ENTRY = re.compile(r'(\w+)\s*=\s*(\((?:"[^"]*"|[^()"])*\)|"[^"]*"|[^\s"(]+)')


@contextmanager
def open_hdf4(path: str | Path) -> Iterator[Any]:
    """
    Open an HDF4 file for reading and hold the library's lock while it is open.

    Parameters
    ----------
    path
        Local path.

    Yields
    ------
    pyhdf.SD.SD
        The scientific data sets of the file.

    Raises
    ------
    ReadError
        The file does not exist, or is not readable HDF4.
    """
    from pyhdf.error import HDF4Error
    from pyhdf.SD import SD

    with HDF4_LOCK:
        try:
            file = SD(str(path))
        except HDF4Error as error:
            raise ReadError(f"{path}: not a readable HDF4 file ({error}); download it again") from error
        try:
            yield file
        finally:
            file.end()


def hdfeos_grids(path: str | Path) -> dict[str, SourceGrid]:
    """
    Return the pixel grid of each two-dimensional gridded layer of an HDF4-EOS file.

    The corners that StructMetadata prints are rounded to micrometres; on the MODIS sinusoidal lattice, which is known
    exactly, they are put back onto it, so that equal lattices compare equal.

    Parameters
    ----------
    path
        Local path of the file.

    Returns
    -------
    dict
        Grid by layer name, in the order of the file. Layers whose dimensions are not (y, x) are left out.

    Raises
    ------
    ReadError
        Not a readable HDF4 file.
    CatalogError
        No StructMetadata, no grid (a swath), or a projection that is not supported.
    """
    with open_hdf4(path) as file:
        text = _embedded(file.attributes(), "StructMetadata")
    if not text:
        raise CatalogError(f"{path}: no StructMetadata attribute: not an HDF-EOS file")
    out: dict[str, SourceGrid] = {}
    for block in re.findall(r"GROUP=(GRID_\d+)\s(.*?)END_GROUP=\1\s", text, re.DOTALL):
        grid = _grid(block[1], path)
        fields = re.findall(r'DataFieldName="([^"]+)"[^"]*?DimList=\("YDim","XDim"\)', block[1])
        out.update(dict.fromkeys(fields, grid))
    if not out:
        raise CatalogError(f"{path}: holds no gridded layer; swath files cannot be registered")
    return out


def hdfeos_metadata(path: str | Path) -> dict[str, str]:
    """
    Return the embedded core and archive metadata as a flat dictionary.

    Parameters
    ----------
    path
        Local path of the file.

    Returns
    -------
    dict
        Upper-case object name (``RANGEBEGINNINGDATE``, ``LOCALGRANULEID``, ``PGEVERSION`` …) to its value as text; the
        first value where a name repeats. Additional attributes appear under the name that they declare. Empty where the
        file has neither block.

    Raises
    ------
    ReadError
        Not a readable HDF4 file.
    """
    with open_hdf4(path) as file:
        attributes = file.attributes()
    # subsetting tools keep the original's blocks under an Old… name
    text = "\n".join(
        _embedded(attributes, name) or _embedded(attributes, f"Old{name}")
        for name in ("CoreMetadata", "ArchiveMetadata")
    )
    out: dict[str, str] = {}
    name = declared = ""
    for key, raw in _ENTRY.findall(text):
        value = raw.strip('"')
        if key == "OBJECT":
            name = value
        elif key == "VALUE" and name == "ADDITIONALATTRIBUTENAME":
            declared = value
        elif key == "VALUE" and name == "PARAMETERVALUE":
            out.setdefault(declared.upper(), value.strip('()"'))
        elif key == "VALUE":
            out.setdefault(name.upper(), value)
    return out


def _embedded(attributes: dict[str, Any], name: str) -> str:
    """Join the numbered parts (``.0``, ``.1`` …) of an embedded block; empty where the file has none."""
    parts = sorted((k for k in attributes if re.fullmatch(rf"{name}\.\d+", k)), key=lambda k: int(k.rsplit(".", 1)[1]))
    return "".join(str(attributes[k]).rstrip("\0 ") for k in parts)


def _grid(text: str, path: str | Path) -> SourceGrid:
    fields = dict(_ENTRY.findall(text.partition("GROUP=Dimension")[0]))
    try:
        rows, cols = int(fields["YDim"]), int(fields["XDim"])
        left, top = _numbers(fields["UpperLeftPointMtrs"])
        right, bottom = _numbers(fields["LowerRightMtrs"])
        projection = fields["Projection"]
    except (KeyError, ValueError) as error:
        raise CatalogError(f"{path}: StructMetadata states no usable {error} of its grid") from error
    crs = _crs(projection, _numbers(fields.get("ProjParams", "()")), path)
    if crs == SINUSOIDAL:
        xres, left = _on_lattice((right - left) / cols, left)
        yres, top = _on_lattice((top - bottom) / rows, top)
    else:
        if projection == "GCTP_GEO":
            left, top, right, bottom = (_dms(v) for v in (left, top, right, bottom))
        xres, yres = (right - left) / cols, (top - bottom) / rows
    return SourceGrid(crs, (xres, 0.0, left, 0.0, -yres, top), (rows, cols))


def _crs(projection: str, params: tuple[float, ...], path: str | Path) -> str:
    if projection == "GCTP_GEO":
        return "EPSG:4326"
    if projection == "GCTP_SNSOID" and params and abs(params[0] - MODIS_RADIUS) < 1e-3:
        return SINUSOIDAL
    raise CatalogError(f"{path}: projection {projection} {params[:5]} is neither the MODIS sinusoidal nor geographic")


def _on_lattice(resolution: float, edge: float) -> tuple[float, float]:
    """Put a resolution and an edge back on the exact MODIS lattice, where they are within 1e-4 pixel of it."""
    per_tile = round(MODIS_TILE / resolution)
    exact = MODIS_TILE / per_tile
    index = round(edge / exact)
    off = abs(exact / resolution - 1) > 1e-6 or abs(edge - index * exact) > 1e-4 * exact
    return (resolution, edge) if off else (exact, index * exact)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(v) for v in text.strip("()").split(",") if v.strip())


def _dms(packed: float) -> float:
    """Degrees from GCTP's packed form DDDMMMSSS.SS."""
    size = abs(packed)
    degrees, rest = divmod(size, 1e6)
    minutes, seconds = divmod(rest, 1e3)
    return math.copysign(degrees + minutes / 60 + seconds / 3600, packed)
