"""Grid: named pixel grids anchored at the origin of their CRS; region → tiles → blocks."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from musyq_cube.errors import GridError
from musyq_cube.region import Region, contiguous, make_region

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Block", "Grid", "Region", "as_region", "blocks", "contiguous", "get_grid", "grids"]

MODIS_RADIUS = 6371007.181
"""Metres; the authalic sphere of the MODIS land grid."""
MODIS_TILE = 20015109.354 / 18
"""Metres; ten degrees along the equator, from the corner that the MODIS files state (half the circumference)."""
SINUSOIDAL = (
    'PROJCRS["MODIS Sinusoidal",BASEGEOGCRS["Unknown datum based upon the Authalic Sphere",'
    'DATUM["Not specified (based on Authalic Sphere)",'
    f'ELLIPSOID["Authalic Sphere",{MODIS_RADIUS},0,LENGTHUNIT["metre",1]]],'
    'PRIMEM["Greenwich",0,ANGLEUNIT["degree",0.0174532925199433]]],CONVERSION["Sinusoidal",METHOD["Sinusoidal"],'
    'PARAMETER["Longitude of natural origin",0,ANGLEUNIT["degree",0.0174532925199433],ID["EPSG",8802]],'
    'PARAMETER["False easting",0,LENGTHUNIT["metre",1],ID["EPSG",8806]],'
    'PARAMETER["False northing",0,LENGTHUNIT["metre",1],ID["EPSG",8807]]],CS[Cartesian,2],'
    'AXIS["easting (X)",east,ORDER[1],LENGTHUNIT["metre",1]],AXIS["northing (Y)",north,ORDER[2],LENGTHUNIT["metre",1]]]'
)
"""The MODIS sinusoidal CRS, which has no EPSG code (WKT2)."""
SINU_PIXELS = {"1km": 1200, "500m": 2400, "250m": 4800}
TILE_PIXELS = 4096
SNAP = 1e-6
"""Pixels; a region edge this close to a pixel edge lies on it."""
EXAMPLES = ("utm-10m", "utm-30m", "utm50n-30m", "sinu-250m", "sinu-500m", "sinu-1km", "latlon-0.01", "latlon-0.05",
            "epsg3035-100m", "epsg3031-500m")  # fmt: skip


@dataclass(frozen=True)
class Grid:
    """
    A named pixel grid: pixel edges at whole multiples of `resolution` from the origin of the CRS.

    Made by :func:`get_grid`. ``utm-<res>m`` is a family: it has no CRS until a zone is chosen (`zone`, `concretize`).
    """

    name: str
    resolution: float
    """Pixel size in CRS units (metres or degrees)."""
    tile_shape: int = TILE_PIXELS
    """Pixels along each side of a tile."""
    crs: str = ""
    """Authority code or WKT; empty for a family."""
    origin: tuple[float, float] = (0.0, 0.0)
    """CRS coordinates of the corner where tile and pixel numbers begin."""
    strip: tuple[float, float, float, float] | None = None
    """Where one region touches several UTM zones: the part (degrees) that this zone is responsible for."""

    @property
    def is_family(self) -> bool:
        """True for ``utm-<res>m``, which stands for one grid per UTM zone."""
        return not self.crs

    def zone(self, lon: float, lat: float) -> Grid:
        """
        Return the grid of the UTM zone at a place (degrees); a concrete grid returns itself.

        Plain 6° zones: the exceptions of Norway and Svalbard are not used, so that zones tile the globe regularly.
        """
        if not self.is_family:
            return self
        if not -80 <= lat <= 84:
            raise GridError(
                f"grid {self.name!r} at latitude {lat:g}: UTM covers -80…84 degrees; "
                "use epsg3031-<res>m (south), epsg3413-<res>m (north) or sinu-1km"
            )
        number = int((lon + 180) // 6) % 60 + 1
        return get_grid(f"utm{number}{'n' if lat >= 0 else 's'}-{_metres(self.resolution)}")

    def concretize(self, region: Any) -> list[Grid]:
        """
        Return the grids with a CRS that cover a region: one per UTM zone touched for a family, else this one.

        Where several zones are touched, each returned grid covers only its own zone's part of the region, so
        that no pixel is made twice.
        """
        if not self.is_family:
            return [self]
        area = as_region(region)
        if area.geobox is not None and (zone := _utm_zone(area.geobox)):
            return [get_grid(f"{zone}-{_metres(self.resolution)}")]
        found = [
            replace(self.zone(west + 3, south + 1 if south >= 0 else -1), strip=(west, south, west + 6, north))
            for west in range(-180, 180, 6)
            for south, north in self._halves(area)
            if shapely.intersection(area.geometry, shapely.box(west, south, west + 6, north)).area > 0
        ]
        return found if len(found) > 1 else [replace(grid, strip=None) for grid in found]

    def geobox(self, region: Any) -> GeoBox:
        """
        Return the pixels that cover a region: its bounding rectangle in this CRS, snapped outward to whole pixels.

        A region that crosses ±180° gives longitudes beyond 180 on a geographic grid.
        """
        left, bottom, right, top = self._bounds(as_region(region))
        res, (x0, y0) = self.resolution, self.origin
        col0, col1 = _outward((left - x0) / res, (right - x0) / res)
        row0, row1 = _outward((y0 - top) / res, (y0 - bottom) / res)
        return self._box(row0, col0, row1 - row0, col1 - col0)

    def tiles(self, region: Any) -> list[tuple[str, GeoBox]]:
        """Return (name, geobox) of the tiles that a region touches, from north-west to south-east."""
        if self.is_family:
            return [tile for grid in self.concretize(region) for tile in grid.tiles(region)]
        area = as_region(region)
        box = self.geobox(area)
        first_col = round((box.affine.c - self.origin[0]) / self.resolution)
        first_row = round((self.origin[1] - box.affine.f) / self.resolution)
        n = self.tile_shape
        shape = self._project(area)
        found = []
        for row in range(first_row // n, (first_row + box.shape[0] - 1) // n + 1):
            for col in range(first_col // n, (first_col + box.shape[1] - 1) // n + 1):
                tile = self._box(row * n, col * n, n, n)
                if shapely.intersects(shapely.box(*tile.boundingbox), shape):
                    found.append((self._tile_name(row, col), tile))
        return found

    def tile(self, name: str) -> GeoBox:
        """Return the geobox of a tile: MODIS ``h21v04`` on sinusoidal grids, else ``x004y036`` (``xm01``: west)."""
        pattern = r"h(\d\d)v(\d\d)" if self._is_modis else r"x(m?\d+)y(m?\d+)"
        match = re.fullmatch(pattern, name)
        if match is None or self.is_family:
            raise GridError(f"tile {name!r} of grid {self.name!r}: {self._tile_help}")
        first, second = (int(v.replace("m", "-")) for v in match.groups())
        if self._is_modis and not (first < 36 and second < 18):
            raise GridError(f"tile {name!r}: MODIS tiles run from h00v00 to h35v17")
        row, col = (second - 9, first - 18) if self._is_modis else (-second - 1, first)
        n = self.tile_shape
        return self._box(row * n, col * n, n, n)

    @property
    def _is_modis(self) -> bool:
        return self.crs == SINUSOIDAL

    @property
    def _tile_help(self) -> str:
        if self.is_family:
            return "choose a zone first, e.g. utm50n-30m"
        return "names look like h21v04" if self._is_modis else "names look like x004y036"

    def _tile_name(self, row: int, col: int) -> str:
        if self._is_modis:
            return f"h{col + 18:02d}v{row + 9:02d}"
        x, y = (f"m{-v:02d}" if v < 0 else f"{v:03d}" for v in (col, -row - 1))
        return f"x{x}y{y}"

    def _box(self, row: int, col: int, rows: int, cols: int) -> GeoBox:
        res, (x0, y0) = self.resolution, self.origin
        return GeoBox((rows, cols), Affine(res, 0, x0 + col * res, 0, -res, y0 - row * res), self.crs)

    def _halves(self, area: Region) -> Iterator[tuple[float, float]]:
        _, south, _, north = area.geometry.bounds
        if south < -80 or north > 84:
            self.zone(0, south if south < -80 else north)
        yield from ((0.0, 84.0), (-80.0, 0.0))

    def _bounds(self, area: Region) -> tuple[float, float, float, float]:
        if self.is_family:
            raise GridError(f"grid {self.name!r} has no CRS yet: use concretize(region) or zone(lon, lat) first")
        if area.geobox is not None and area.geobox.crs == _crs(self.crs) and self.strip is None:
            box = area.geobox.boundingbox
            return box.left, box.bottom, box.right, box.top
        left, bottom, right, top = self._project(area).bounds
        if not all(map(math.isfinite, (left, bottom, right, top))):
            raise GridError(
                f"region {area.name!r} lies outside the domain of grid {self.name!r}; use sinu-1km or latlon"
            )
        return left, bottom, right, top

    def _project(self, area: Region) -> shapely.Geometry:
        """Return the region in CRS coordinates, its outline made dense enough to follow curved parallels."""
        shape = area.geometry
        if self.strip is not None:
            shape = shapely.intersection(shape, shapely.box(*self.strip))
            if not shape.area > 0:
                raise GridError(f"region {area.name!r} does not touch the UTM zone of this grid ({self.name})")
        if _crs(self.crs).is_geographic:
            return contiguous(shape)
        west, south, east, north = shape.bounds
        dense = shapely.segmentize(shape, max(east - west, north - south) / 256)
        forward = _from_lonlat(self.crs)
        return shapely.transform(dense, lambda x, y: _finite(*forward.transform(x, y)), interleaved=False)


@dataclass(frozen=True)
class Block:
    """A rectangle of an output grid: the unit of work."""

    id: str
    row: int
    """Block row, from the top."""
    col: int
    """Block column, from the left."""
    geobox: GeoBox
    y: int
    """First pixel row inside the whole."""
    x: int
    """First pixel column inside the whole."""


def blocks(geobox: GeoBox, size: int) -> list[Block]:
    """
    Cut a geobox into blocks of `size` × `size` pixels, row by row; blocks at the right and bottom edge are smaller.

    Examples
    --------
    >>> box = get_grid("utm50n-30m").geobox((117, 40, 117.2, 40.1))
    >>> [block.id for block in blocks(box, 512)]
    ['r000c000', 'r000c001']
    """
    if size < 1:
        raise GridError(f"block size {size}: must be at least one pixel")
    rows, cols = geobox.shape
    return [
        Block(
            f"r{y // size:03d}c{x // size:03d}",
            y // size,
            x // size,
            geobox[y : min(y + size, rows), x : min(x + size, cols)],
            y,
            x,
        )
        for y in range(0, rows, size)
        for x in range(0, cols, size)
    ]


@lru_cache(maxsize=256)
def get_grid(name: str) -> Grid:
    """
    Return a grid by name.

    ``utm-<res>m`` (family, a grid per zone), ``utm<zone><n|s>-<res>m``, ``sinu-1km|500m|250m`` (the MODIS grid),
    ``latlon-<res>`` (degrees, WGS 84), ``epsg<code>-<res>m`` (any projected CRS in metres).

    Raises
    ------
    GridError
        For a name that says no grid.

    Examples
    --------
    >>> get_grid("sinu-1km").resolution
    926.6254330555555
    >>> get_grid("utm-30m").zone(116.4, 39.9).name
    'utm50n-30m'
    """
    family, _, size = name.strip().lower().partition("-")
    if family == "sinu" and size in SINU_PIXELS:
        pixels = SINU_PIXELS[size]
        return Grid(f"sinu-{size}", MODIS_TILE / pixels, pixels, SINUSOIDAL)
    if family == "latlon" and (degrees := _number(size)):
        return Grid(f"latlon-{degrees:.12g}", degrees, max(1, round(10 / degrees)), "EPSG:4326")
    metres = _number(size[:-2]) * 1000 if size.endswith("km") else _number(size.removesuffix("m"))
    if metres and size.endswith("m"):
        if family == "utm":
            return Grid(f"utm-{_metres(metres)}", metres)
        if (match := re.fullmatch(r"utm(\d{1,2})([ns])", family)) and 1 <= int(match[1]) <= 60:
            zone, code = int(match[1]), (32600 if match[2] == "n" else 32700)
            return Grid(f"utm{zone:02d}{match[2]}-{_metres(metres)}", metres, crs=f"EPSG:{code + zone}")
        if match := re.fullmatch(r"epsg(\d+)", family):
            return _epsg_grid(int(match[1]), metres)
    raise GridError(f"grid {name!r}: unknown; names look like {', '.join(EXAMPLES)}")


def grids() -> list[Grid]:
    """Return one example of every kind of named grid."""
    return [get_grid(name) for name in EXAMPLES]


def as_region(where: Any, name: str | None = None) -> Region:
    """
    Make a Region from what the user has.

    Parameters
    ----------
    where
        A Region; a bbox (west, south, east, north) in degrees, west > east crosses ±180°; GeoJSON (dict, text or file);
        a vector file (shapefile, GeoPackage ...); a tile name (``"h21v04"``, ``"sinu-1km:h21v04"``,
        ``"utm50n-30m:x004y036"``); a shapely geometry in longitude and latitude; or an odc-geo GeoBox.
    name
        Name of the region; by default made from the file name, the tile name or the shape.

    Raises
    ------
    GridError
        When nothing can be made of it, the region is empty or has no area, or lies off the globe.

    Examples
    --------
    >>> as_region((179, -17, -179, -16)).geometry.geom_type
    'MultiPolygon'
    """
    tile = region_of_tile(where) if isinstance(where, str) else None
    return make_region(where, name) if tile is None else make_region(tile, name or str(where))


def region_of_tile(text: str) -> GeoBox | None:
    """Return the geobox of a tile name with its grid (``h21v04``, ``utm50n-30m:x004y036``); None for other text."""
    if re.fullmatch(r"h\d\dv\d\d", text):
        return get_grid("sinu-500m").tile(text)
    grid, colon, tile = text.partition(":")
    if colon and re.fullmatch(r"[a-z0-9.]+-[0-9.]+(k?m)?", grid):
        return get_grid(grid).tile(tile)
    return None


def _utm_zone(geobox: GeoBox) -> str | None:
    code = geobox.crs.to_epsg() if geobox.crs is not None else None
    match = re.fullmatch(r"32([67])(\d\d)", str(code))
    return f"utm{match[2]}{'n' if match[1] == '6' else 's'}" if match and 1 <= int(match[2]) <= 60 else None


def _epsg_grid(code: int, metres: float) -> Grid:
    try:
        crs = _crs(f"EPSG:{code}")
    except pyproj.exceptions.CRSError as error:
        raise GridError(f"EPSG:{code}: no such CRS") from error
    if not crs.is_projected or {axis.unit_name for axis in crs.axis_info} != {"metre"}:
        raise GridError(f"EPSG:{code} ({crs.name}) is not a projected CRS in metres; for degrees use latlon-<res>")
    return Grid(f"epsg{code}-{_metres(metres)}", metres, crs=f"EPSG:{code}")


@lru_cache(maxsize=64)
def _crs(text: str) -> pyproj.CRS:
    return pyproj.CRS.from_user_input(text)


@lru_cache(maxsize=64)
def _from_lonlat(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"\d*\.?\d+", text) else 0.0


def _metres(value: float) -> str:
    return f"{value:.12g}m"


def _outward(low: float, high: float) -> tuple[int, int]:
    first, last = math.floor(low + SNAP), math.ceil(high - SNAP)
    return first, max(last, first + 1)


def _finite(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Replace points outside the domain of a projection by nan-free ones at their nearest finite neighbour."""
    good = np.isfinite(x) & np.isfinite(y)
    if good.all() or not good.any():
        return x, y
    index = np.maximum.accumulate(np.where(good, np.arange(len(x)), -1))
    index[index < 0] = int(np.argmax(good))
    return x[index], y[index]
