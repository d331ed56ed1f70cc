"""
Generate the scenes of the benchmark: Landsat-like COGs over one piece of ground, and their STAC Items.

Two paths in two UTM zones, two rows each, overlapping; every scene tiled, deflated, uint16, with overviews, slanted
fill borders, clouds with their shadows, and a QA band. All of it follows from a seed.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.warp import Resampling, reproject, transform, transform_geom

if TYPE_CHECKING:
    from pathlib import Path

BANDS = ("blue", "green", "red", "nir08")
LEVEL = {"blue": 0.6, "green": 0.8, "red": 0.9, "nir08": 1.7}
SCALE, OFFSET = 2.75e-5, -0.2
FILL, DILATED, CLOUD, SHADOW, CLEAR = 1, 2, 8, 16, 64
BORDER = (119.95, 40.0)
"""Longitude and latitude of the middle: beside the border of zones 50 and 51."""
RESOLUTION = 30.0
OVERLAP = 0.2


@dataclasses.dataclass(frozen=True)
class Layout:
    """How much is generated."""

    dates: int = 12
    size: int = 2048
    window: int = 3072

    @property
    def name(self) -> str:
        """Name of the folder that holds these scenes."""
        return f"scenes-{4 * self.dates}x{self.size}"


def generate(folder: Path, layout: Layout) -> Path:
    """Write the scenes below `folder` unless they are there, and return the path of their manifest."""
    target = folder / layout.name
    manifest = target / "manifest.json"
    if manifest.exists():
        return manifest
    target.mkdir(parents=True, exist_ok=True)
    jobs = [(target, layout, date, path, row) for date in range(layout.dates) for path in (0, 1) for row in (0, 1)]
    with ProcessPoolExecutor() as pool:
        items = list(pool.map(_scene, jobs))
    middle = transform("EPSG:4326", "EPSG:32650", [BORDER[0]], [BORDER[1]])
    half = layout.window // 2 * RESOLUTION
    left, top = (round(v[0] / RESOLUTION) * RESOLUTION + s for v, s in zip(middle, (-half, half), strict=True))
    output = {
        "crs": "EPSG:32650",
        "transform": [RESOLUTION, 0, left, 0, -RESOLUTION, top],
        "shape": [layout.window, layout.window],
    }
    manifest.write_text(json.dumps({"output": output, "bands": BANDS, "items": items}))
    return manifest


def _scene(job: tuple[Path, Layout, int, int, int]) -> dict[str, Any]:
    target, layout, date, path, row = job
    rng = np.random.default_rng([date, path, row])
    crs = f"EPSG:{32650 + path}"
    affine = _place(crs, layout.size, path, row, rng)
    day = dt.datetime(2018, 5, 1, 2, 40, tzinfo=dt.UTC) + dt.timedelta(days=8 * date + path, seconds=24 * row)
    name = f"LC08_L2SP_{121 - path:03d}{32 + row:03d}_{day:%Y%m%d}_{day:%Y%m%d}_02_T1"
    qa, bright = _clouds(layout.size, rng)
    ground = _ground(crs, affine, layout.size)
    assets = {"qa_pixel": _write(target / f"{name}_QA_PIXEL.TIF", qa, crs, affine, Resampling.nearest)}
    for number, band in enumerate(BANDS):
        noise = rng.normal(0, 60, qa.shape)
        dn = 7500 + ground * 4500 * LEVEL[band] * (1 + 0.05 * np.sin(date + number)) + bright * 18_000 + noise
        dn = np.where(qa & FILL, 0, np.clip(dn, 1, 65_535)).astype(np.uint16)
        assets[band] = _write(target / f"{name}_SR_{band}.TIF", dn, crs, affine, Resampling.average)
    return _item(name, day, crs, affine, layout.size, assets)


def _place(crs: str, size: int, path: int, row: int, rng: np.random.Generator) -> Affine:
    """Upper left corner on the 30 m lattice, shifted by up to 3 km from date to date as orbits are."""
    x, y = (v[0] for v in transform("EPSG:4326", crs, [BORDER[0]], [BORDER[1]]))
    width = size * RESOLUTION
    left = x - width * (1 - OVERLAP / 2) if path == 0 else x - width * OVERLAP / 2
    top = y + width * (1 - OVERLAP / 2) if row == 0 else y + width * OVERLAP / 2
    left, top = (round((v + rng.uniform(-3000, 3000)) / RESOLUTION) * RESOLUTION for v in (left, top))
    return Affine(RESOLUTION, 0, left, 0, -RESOLUTION, top)


def _ground(crs: str, affine: Affine, size: int) -> np.ndarray:
    """Cut the ground that a scene sees out of the ground of its zone; both lie on the same 30 m lattice."""
    whole, left, top = _zone(crs, size)
    row, col = round((top - affine.f) / RESOLUTION), round((affine.c - left) / RESOLUTION)
    return whole[row : row + size, col : col + size]


@functools.cache
def _zone(crs: str, size: int) -> tuple[np.ndarray, float, float]:
    """Fields, hills and towns between 0 and 1 around the middle, the same on the ground in either zone."""
    rng = np.random.default_rng(7)
    x, y = (v[0] for v in transform("EPSG:4326", "EPSG:32650", [BORDER[0]], [BORDER[1]]))
    here, there = (v[0] for v in transform("EPSG:4326", crs, [BORDER[0]], [BORDER[1]]))
    pixels, extent = int(2.2 * size), 2.6 * size * RESOLUTION
    left, top = (
        round(v / RESOLUTION) * RESOLUTION for v in (here - 1.1 * size * RESOLUTION, there + 1.1 * size * RESOLUTION)
    )
    out = np.zeros((pixels, pixels), np.float32)
    for cells, weight in ((12, 0.4), (90, 0.3), (600, 0.2), (2400, 0.1)):
        step = extent / cells
        field = rng.random((cells, cells)).astype(np.float32)
        source = Affine(step, 0, x - extent / 2, 0, -step, y + extent / 2)
        part = np.zeros_like(out)
        frame = Affine(RESOLUTION, 0, left, 0, -RESOLUTION, top)
        options: dict[str, Any] = {"src_crs": "EPSG:32650", "dst_crs": crs, "resampling": Resampling.bilinear}
        reproject(field, part, src_transform=source, dst_transform=frame, **options)
        out += weight * part
    return out, left, top


def _clouds(size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the QA band (Landsat Collection 2 bits) and the brightness of clouds, 0…1."""
    coarse = rng.random((25, 25))
    at = np.arange(size) * 24 / size
    cell, part = at.astype(int), at % 1
    lines = coarse[cell] * (1 - part)[:, None] + coarse[cell + 1] * part[:, None]
    thick = lines[:, cell] * (1 - part) + lines[:, cell + 1] * part
    cloud, near = thick > 0.63, thick > 0.6
    shadow = np.roll(cloud, (30, 45), (0, 1)) & ~near
    qa = np.full((size, size), CLEAR, np.uint16)
    qa[near], qa[cloud], qa[shadow] = DILATED, CLOUD | DILATED, SHADOW
    row, col = np.mgrid[0:size, 0:size] / size
    slant = 0.08  # the swath is turned against the grid
    qa[(col < slant * row) | (col > 1 - slant * (1 - row)) | (row < slant * (1 - col)) | (row > 1 - slant * col)] = FILL
    return qa, np.clip((thick - 0.6) * 4, 0, 1) - 0.15 * shadow


def _write(path: Path, pixels: np.ndarray, crs: str, affine: Affine, overviews: Resampling) -> str:
    profile: dict[str, Any] = {
        "driver": "COG", "dtype": "uint16", "count": 1, "height": pixels.shape[0], "width": pixels.shape[1],
        "crs": crs, "transform": affine, "nodata": 0 if overviews is Resampling.average else 1, "compress": "deflate",
        "blocksize": 512, "overview_resampling": overviews.name,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels, 1)
    return str(path.resolve())


def _item(name: str, day: dt.datetime, crs: str, affine: Affine, size: int, hrefs: dict[str, str]) -> dict[str, Any]:
    left, top = affine.c, affine.f
    right, bottom = left + size * RESOLUTION, top - size * RESOLUTION
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    geometry = transform_geom(crs, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]})
    lon, lat = zip(*geometry["coordinates"][0], strict=True)
    projection = {"proj:epsg": int(crs[5:]), "proj:shape": [size, size], "proj:transform": list(affine)[:6]}
    assets = {}
    for band, href in hrefs.items():
        assets[band] = {
            "href": href,
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
        }
        if band == "qa_pixel":
            assets[band]["raster:bands"] = [{"data_type": "uint16", "nodata": 1}]
        else:
            assets[band]["raster:bands"] = [{"data_type": "uint16", "nodata": 0, "scale": SCALE, "offset": OFFSET}]
            assets[band]["eo:bands"] = [{"name": band, "common_name": band}]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
            "https://stac-extensions.github.io/eo/v1.0.0/schema.json",
        ],
        "id": name,
        "collection": "landsat-c2-l2",
        "geometry": geometry,
        "bbox": [min(lon), min(lat), max(lon), max(lat)],
        "properties": {
            "datetime": day.isoformat().replace("+00:00", "Z"),
            "platform": "landsat-8",
            "instruments": ["oli", "tirs"],
            "eo:cloud_cover": 30.0,
            "view:sun_elevation": 60.0,
            "view:sun_azimuth": 140.0,
            **projection,
        },
        "assets": assets,
        "links": [],
    }
