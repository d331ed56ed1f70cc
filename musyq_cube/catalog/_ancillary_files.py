"""Which files are ancillary data, by what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from musyq_cube.catalog._ancillary_layer import Wishes
from musyq_cube.catalog._ancillary_raster import raster_layers
from musyq_cube.catalog._ancillary_zarr import is_zarr, zarr_layers
from musyq_cube.catalog._stations import looks_like_stations
from musyq_cube.catalog.walk import below
from musyq_cube.errors import MusyqError

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAGIC = ((b"CDF", "netcdf"), (b"\x89HDF", "netcdf"), (b"GRIB", "grib"), (b"II", "image"), (b"MM", "image"))
_HEIGHTS = (".hgt", ".hgt.zip")


def ancillary_files(paths: str | Path | Iterable[str | Path], *, every: bool = False) -> list[str]:
    """
    Return the files that hold ancillary data.

    Parameters
    ----------
    paths
        Files, folders (walked, hidden ones left out), glob patterns, or several. A Zarr store counts as a file.
    every
        Every file of a kind that could (and any that is named itself), without looking for known quantities in it.
        Otherwise tables of stations are taken only where they are named: other tables have such columns too.

    Returns
    -------
    list of str
        Absolute, sorted, each once.

    Raises
    ------
    CatalogError
        A path that does not exist.
    """
    found = set()
    for path in [paths] if isinstance(paths, str | Path) else paths:
        for file in below(str(path), is_zarr):
            named = Path(path).expanduser().absolute() == Path(file)
            if (named and every) or (kind_of(file) is not None and (every or _known(file, named=named))):
                found.add(file)
    return sorted(found)


def kind_of(path: str) -> str | None:
    """Return ``netcdf``, ``grib``, ``image``, ``heights``, ``zarr`` or ``stations``; None for any other file."""
    if path.casefold().endswith(_HEIGHTS):
        return "heights"
    where = Path(path)
    if where.is_dir():
        return "zarr" if is_zarr(path) else None
    try:
        with where.open("rb") as file:
            head = file.read(8)
    except OSError:
        return None
    for magic, kind in _MAGIC:
        if head.startswith(magic) and (kind != "image" or head[2:4] in {b"*\0", b"\0*", b"+\0", b"\0+"}):
            return kind
    return "stations" if looks_like_stations(path) else None


def _known(path: str, *, named: bool) -> bool:
    """Whether a file has a known quantity in known units (a station's place may still have to be given)."""
    kind = kind_of(path)
    if kind in {"stations", "heights"}:
        return named or kind == "heights"
    try:
        return bool(zarr_layers(path, Wishes()) if kind == "zarr" else raster_layers(path, Wishes()))
    except (MusyqError, ValueError):
        return False
