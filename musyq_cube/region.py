"""Region: where. A shape in longitude and latitude made from whatever the user has."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import shapely
import shapely.affinity
import shapely.geometry
from odc.geo.geobox import GeoBox

from musyq_cube.errors import GridError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WORLD = shapely.box(-180, -90, 180, 90)
VECTOR_SUFFIXES = {".shp", ".gpkg", ".fgb", ".kml", ".zip", ".parquet"}


@dataclass(frozen=True)
class Region:
    """
    A named shape in longitude and latitude (degrees, WGS 84), split at ±180°.

    Made by :func:`make_region`. `geobox` is set where the region is exactly a pixel rectangle (a tile or a GeoBox).
    """

    name: str
    """Short and stable: fit for file names and item ids."""
    geometry: shapely.Geometry
    geobox: GeoBox | None = field(default=None, compare=False)

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) in degrees; west > east where the region crosses ±180° (RFC 7946)."""
        west, south, east, north = self.geometry.bounds
        parts = [part.bounds for part in _parts(self.geometry)]
        if west == -180 and east == 180 and not any(w < 0 < e for w, _, e, _ in parts):
            west, east = min(w for w, *_ in parts if w >= 0), max(e for _, _, e, _ in parts if e <= 0)
        return west, south, east, north


def make_region(where: Any, name: str | None = None) -> Region:
    """Make a Region from anything but a tile name: see :func:`musyq_cube.grid.as_region`, which knows those too."""
    if isinstance(where, Region):
        return where
    if isinstance(where, GeoBox):
        return _from_geobox(where, name)
    if isinstance(where, str | Path):
        return _from_text(str(where), name)
    if isinstance(where, shapely.Geometry):
        return _make(_unwrap(where), name)
    if isinstance(where, dict):
        return _make(_unwrap(_geojson(where)), name)
    if hasattr(where, "__len__") and len(where) == 4:
        return _make(_from_bbox(where), name)
    raise GridError(
        f"region {where!r}: not a bbox (west, south, east, north), GeoJSON, vector file, tile name, geometry or GeoBox"
    )


def split(shape: shapely.Geometry) -> shapely.Geometry:
    """Bring a shape with longitudes beyond ±180° (170…190) into -180…180°, cut at the antimeridian."""
    west, _, east, _ = shape.bounds
    if west >= -180 and east <= 180:
        return shape
    turns = range(int((west + 180) // 360), int((east + 180) // 360) + 1)
    pieces = [shapely.intersection(shapely.affinity.translate(shape, xoff=-360 * turn), WORLD) for turn in turns]
    return shapely.union_all([piece for piece in pieces if piece.area > 0])


def contiguous(shape: shapely.Geometry) -> shapely.Geometry:
    """
    Move the western part of a shape cut at ±180° to 180…360 where that makes it narrower.

    The inverse of `split`: bounds, envelope and centroid of the result are those of the place itself.

    Examples
    --------
    >>> contiguous(split(shapely.box(177, -20, 183, -15))).bounds
    (177.0, -20.0, 183.0, -15.0)
    """
    shifted = shapely.union_all(
        [
            shapely.transform(part, lambda xy: xy + np.where(xy[:, :1].max() <= 0, [[360.0, 0.0]], 0.0))
            for part in shapely.get_parts(shape)
        ]
    )
    widths = [s.bounds[2] - s.bounds[0] for s in (shape, shifted)]
    return shifted if widths[1] < widths[0] - 1e-9 else shape


def _from_bbox(bbox: Sequence[float]) -> shapely.Geometry:
    try:
        west, south, east, north = (float(v) for v in bbox)
    except (TypeError, ValueError) as error:
        raise GridError(f"bbox {bbox!r}: give four numbers, (west, south, east, north) in degrees") from error
    if south >= north or west == east:
        raise GridError(f"bbox {tuple(bbox)}: has no area; give (west, south, east, north) with south < north")
    if west > east:
        east += 360
    return shapely.box(west, south, east, north)


def _from_text(text: str, name: str | None) -> Region:
    if text.lstrip().startswith("{"):
        return make_region(_load(text, "region"), name)
    path = Path(text)
    if path.suffix.lower() in {".json", ".geojson"} and path.is_file():
        return make_region(_load(path.read_text(), str(path)), name or path.stem)
    if path.suffix.lower() in VECTOR_SUFFIXES and path.exists():
        return _make(_unwrap(_vector(path)), name or path.stem)
    if re.fullmatch(r"\s*(-?[\d.]+\s*,\s*){3}-?[\d.]+\s*", text):
        return _make(_from_bbox([float(v) for v in text.split(",")]), name)
    raise GridError(f"region {text!r}: no such file, and not a bbox, GeoJSON or tile name (like h21v04)")


def _load(text: str, origin: str) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise GridError(f"{origin}: not valid JSON ({error})") from error
    return data


def _from_geobox(geobox: GeoBox, name: str | None) -> Region:
    if geobox.crs is None:
        raise GridError("GeoBox without a CRS: give it one")
    to_lonlat = pyproj.Transformer.from_crs(geobox.crs.to_wkt(), "EPSG:4326", always_xy=True)
    box = geobox.boundingbox
    outline = shapely.segmentize(shapely.box(*box), max(box.span_x, box.span_y) / 32)
    for pole in (90.0, -90.0):
        x, y = to_lonlat.transform(0.0, pole, direction="INVERSE")
        if not geobox.crs.geographic and box.left < x < box.right and box.bottom < y < box.top:
            lats = to_lonlat.transform(*shapely.get_coordinates(outline).T)[1]
            shape = shapely.box(-180, min(lats.min(), pole), 180, max(lats.max(), pole))
            return replace(_make(shape, name), geobox=geobox)
    shape = shapely.transform(outline, to_lonlat.transform, interleaved=False)
    if not np.isfinite(shapely.get_coordinates(shape)).all():
        raise GridError(f"GeoBox {box}: reaches beyond the domain of its CRS; make it smaller")
    return replace(_make(_unwrap(shape), name), geobox=geobox)


def _geojson(data: dict[str, Any]) -> shapely.Geometry:
    try:
        if data.get("type") == "FeatureCollection":
            return shapely.union_all([shapely.geometry.shape(f["geometry"]) for f in data["features"]])
        return shapely.geometry.shape(data.get("geometry", data))
    except (KeyError, TypeError, ValueError, AttributeError, shapely.errors.ShapelyError) as error:
        raise GridError(f"region: not valid GeoJSON ({error})") from error


def _vector(path: Path) -> shapely.Geometry:
    import pyogrio

    try:
        meta, _, wkb, _ = pyogrio.raw.read(path, columns=[])
    except (pyogrio.errors.DataSourceError, OSError) as error:
        raise GridError(f"region {path}: cannot be read as a vector file ({error})") from error
    shape = shapely.union_all(shapely.from_wkb(wkb))
    if meta["crs"] is None:
        raise GridError(f"region {path}: has no CRS; add one (a .prj beside a shapefile)")
    to_lonlat = pyproj.Transformer.from_crs(meta["crs"], "EPSG:4326", always_xy=True)
    return shapely.transform(shape, to_lonlat.transform, interleaved=False)


def _make(shape: shapely.Geometry, name: str | None) -> Region:
    if not shapely.is_valid(shape):
        shape = shapely.make_valid(shape)
    if shape.is_empty or not shape.area > 0:
        raise GridError(f"region {shape.wkt[:80]}: has no area; give a polygon or a bbox, or buffer the point or line")
    if shape.bounds[1] < -90 - 1e-9 or shape.bounds[3] > 90 + 1e-9:
        raise GridError(f"region with latitudes {shape.bounds[1]:g}…{shape.bounds[3]:g}: must lie in -90…90 degrees")
    shape = split(shape)
    return Region(_slug(name) if name else _name_of(shape), shape)


def _name_of(shape: shapely.Geometry) -> str:
    digest = hashlib.sha256(shapely.to_wkb(shapely.set_precision(shape, 1e-7).normalize())).hexdigest()[:6]
    x, y = shape.representative_point().coords[0]
    return f"{'e' if x >= 0 else 'w'}{abs(x):03.0f}{'n' if y >= 0 else 's'}{abs(y):02.0f}-{digest}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "region"


def _parts(shape: shapely.Geometry) -> Iterable[shapely.Polygon]:
    flat = shapely.get_parts(shape, return_index=False)
    for part in flat:
        if part.geom_type == "Polygon":
            yield part
        elif hasattr(part, "geoms"):
            yield from _parts(part)


def _unwrap(shape: shapely.Geometry) -> shapely.Geometry:
    """
    Undo the jump from +180 to -180 in polygons that cross the antimeridian without being cut there.

    RFC 7946 asks writers to cut, not all do. Neighbouring vertices more than 180° (and not the whole turn) apart are
    taken for such a jump.
    """
    return shapely.union_all([_unwrap_part(part) for part in _parts(shape)])


def _unwrap_part(polygon: shapely.Polygon) -> shapely.Polygon:
    jumps = np.abs(np.diff(shapely.get_coordinates(polygon.exterior)[:, 0]))
    if not ((jumps > 180) & (jumps < 360)).any():
        return polygon
    return shapely.transform(polygon, lambda xy: xy + np.where(xy[:, :1] < 0, [[360.0, 0.0]], 0.0))
