"""The gather against independent truth: per-pixel pyproj for nearest, GDAL's warp for bilinear, cubic and average."""

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.warp import Resampling, reproject

from musyq_cube.grid import SINUSOIDAL
from musyq_cube.read.warp import read_values
from musyq_cube.scene import Source, SourceGrid

MODIS = 463.31271652777775


def around(box, crs, resolution, shape, shift=(0.0, 0.0)):
    """A source grid in another CRS whose centre lies at the centre of an output box (plus a shift in pixels)."""
    x, y = box.affine.c + box.shape[1] / 2 * box.affine.a, box.affine.f + box.shape[0] / 2 * box.affine.e
    x, y = pyproj.Transformer.from_crs(str(box.crs), crs, always_xy=True).transform(x, y)
    left = round(x / resolution) * resolution - (shape[1] // 2 + shift[1]) * resolution
    top = round(y / resolution) * resolution + (shape[0] // 2 + shift[0]) * resolution
    return SourceGrid(crs, (resolution, 0.0, left, 0.0, -resolution, top), shape)


UTM = GeoBox((200, 240), Affine(30, 0, 603000, 0, -30, 4497000), "EPSG:32650")
COARSE = GeoBox((200, 240), Affine(480, 0, 600000, 0, -480, 4497120), "EPSG:32650")
DEGREES = GeoBox((200, 240), Affine(0.0003, 0, 118.2, 0, -0.0003, 40.6), "EPSG:4326")
TILE = GeoBox((200, 240), Affine(MODIS, 0, 21000 * MODIS, 0, -MODIS, 9400 * MODIS), SINUSOIDAL)
NEAR_POLE = GeoBox((200, 400), Affine(0.05, 0, 100, 0, -0.01, -87.5), "EPSG:4326")
POLE = GeoBox((240, 240), Affine(4000, 0, -480000, 0, -4000, 480000), "EPSG:3031")
LINE = GeoBox((200, 240), Affine(500, 0, 120000, 0, -500, 8000000), "EPSG:32701")  # 180° passes through
GLOBE = SourceGrid(SINUSOIDAL, (50000.0, 0, -20015000.0, 0, -50000.0, 10007500.0), (400, 800))
PAIRS = {
    "utm to neighbour utm": (around(UTM, "EPSG:32651", 30.0, (260, 300)), UTM),
    "same utm, half a pixel off": (around(UTM, "EPSG:32650", 30.0, (230, 260), (0.5, 0.5)), UTM),
    "utm to sinusoidal": (around(TILE, "EPSG:32648", 460.0, (500, 500)), TILE),
    "sinusoidal to utm": (around(COARSE, SINUSOIDAL, MODIS, (500, 500)), COARSE),
    "latlon to utm": (around(UTM, "EPSG:4326", 0.0003, (260, 300)), UTM),
    "utm to latlon": (around(DEGREES, "EPSG:32650", 30.0, (300, 300)), DEGREES),
    "polar to latlon": (around(NEAR_POLE, "EPSG:3031", 1000.0, (400, 400)), NEAR_POLE),
    "latlon to polar, over the pole and 180°": (
        SourceGrid("EPSG:4326", (2.0, 0, -180, 0, -0.05, -80), (200, 180)),
        POLE,
    ),
    "sinusoidal to utm, over 180°": (GLOBE, LINE),
}


def write(path, grid, data, nodata=None):
    """Write a source layer and return it."""
    with rasterio.open(
        path, "w", driver="GTiff", height=data.shape[0], width=data.shape[1], count=1, dtype=data.dtype,
        crs=grid.crs, transform=Affine(*grid.transform), nodata=nodata,
    ) as file:  # fmt: skip
        file.write(data, 1)
    return Source(str(path), grid, nodata=nodata)


def smooth(shape, seed=0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    rough = np.random.default_rng(seed).integers(0, 400, shape)
    return (4000 + 2000 * np.sin(x / 7) * np.cos(y / 11) + rough).astype(np.uint16)


def exact_position(grid, box):
    """Fractional (row, col) of every output pixel by pyproj, no lattice."""
    j, i = np.mgrid[: box.shape[0], : box.shape[1]] + 0.5
    x, y = box.affine.c + i * box.affine.a, box.affine.f + j * box.affine.e
    x, y = pyproj.Transformer.from_crs(str(box.crs), grid.crs, always_xy=True).transform(x, y)
    a, _, c, _, e, f = grid.transform
    return (y - f) / e, (x - c) / a


@pytest.mark.parametrize("pair", PAIRS)
def test_nearest_is_the_pixel_that_pyproj_says(tmp_path, pair):
    grid, box = PAIRS[pair]
    codes = np.arange(grid.shape[0] * grid.shape[1], dtype=np.uint32).reshape(grid.shape)  # every pixel its own value
    rows, cols = exact_position(grid, box)
    inside = (rows >= 0) & (rows < grid.shape[0]) & (cols >= 0) & (cols < grid.shape[1])
    r, c = np.where(inside, rows, 0).astype(int), np.where(inside, cols, 0).astype(int)
    source = write(tmp_path / "a.tif", grid, codes)
    got = read_values(source, box, resampling="nearest")
    expected = np.where(inside, codes[r, c], np.nan).astype(np.float32)
    assert inside.mean() > 0.5
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    assert same.mean() >= 0.999, f"{1 - same.mean():.3%} differ"


def gdal(source, box, method, nodata):
    """GDAL's warp; its kernel is kept at one pixel (XSCALE), else it widens it where a rotated window looks larger."""
    out = np.zeros(box.shape, np.float64)
    with rasterio.open(source.href) as file:
        reproject(
            file.read(1).astype(np.float64), out, src_transform=file.transform, src_crs=file.crs, src_nodata=nodata,
            dst_transform=box.affine, dst_crs=str(box.crs), dst_nodata=-1, init_dest_nodata=True,
            resampling=Resampling[method], tolerance=0.001, XSCALE=1, YSCALE=1,
        )  # fmt: skip
    return np.where(out == -1, np.nan, out)


@pytest.mark.parametrize("method", ["bilinear", "cubic"])
@pytest.mark.parametrize("pair", ["utm to neighbour utm", "same utm, half a pixel off", "latlon to utm"])
@pytest.mark.parametrize("holes", [False, True])
def test_as_gdal_warps(tmp_path, pair, method, holes):
    grid, box = PAIRS[pair]
    data = smooth(grid.shape)
    if holes:
        data[np.random.default_rng(1).random(grid.shape) < 0.02] = 0
        data[100:140, 200:260] = 0
    source = write(tmp_path / "a.tif", grid, data, nodata=0)
    got = read_values(source, box, resampling=method)
    expected = gdal(source, box, method, 0)
    both = np.isfinite(got) & np.isfinite(expected)
    assert both.mean() > 0.5
    assert (np.isfinite(got) == np.isfinite(expected)).mean() > 0.999
    error = np.abs(got - expected)[both]
    # a hole's edge may fall on either side of a pixel's reach: a handful of pixels switch from cubic to bilinear
    assert (error <= 1.0).mean() > (0.9999 if holes else 0.99999999)
