"""Footprints: always hold every valid pixel, on any CRS, across the antimeridian and around the poles."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from musyq_cube.catalog.footprint import geojson, on_earth, outline, to_lonlat
from musyq_cube.errors import CatalogError
from musyq_cube.grid import SINUSOIDAL
from musyq_cube.scene import SourceGrid


def grid(crs="EPSG:32650", left=400000.0, top=4500000.0, res=30.0, shape=(200, 150)) -> SourceGrid:
    return SourceGrid(crs, tuple(Affine(res, 0, left, 0, -res, top))[:6], shape)


def centres(mask: np.ndarray, where: SourceGrid) -> np.ndarray:
    """Longitude and latitude of the centres of the valid cells, straight through pyproj."""
    rows, cols = np.nonzero(mask)
    a, _, c, _, e, f = where.transform
    scale = np.array(where.shape) / mask.shape
    x, y = c + a * (cols + 0.5) * scale[1], f + e * (rows + 0.5) * scale[0]
    lon, lat = pyproj.Transformer.from_crs(where.crs, "EPSG:4326", always_xy=True).transform(x, y)
    return np.column_stack([lon, lat])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(-60, 60), st.sampled_from([1, 4]))
def test_every_valid_pixel_is_inside(seed, angle, step):
    """A rotated strip of valid pixels, as scenes are: none falls outside, and little else is inside."""
    where = grid()
    rows, cols = np.mgrid[: where.shape[0] : step, : where.shape[1] : step]
    rng = np.random.default_rng(seed)
    across = (cols - 75) * np.cos(np.radians(angle)) + (rows - 100) * np.sin(np.radians(angle))
    mask = np.abs(across) < rng.uniform(15, 60)
    shape = to_lonlat(outline(mask, where), where.crs)
    points = centres(mask, where)
    assert shapely.contains_xy(shape.buffer(1e-6), points).all()
    square_degrees = (30 * step / 111_195) ** 2 / np.cos(np.radians(40.6))
    edge = 2 * (mask.shape[0] + mask.shape[1])
    assert shape.area < square_degrees * (mask.sum() + 4 * edge)
    assert len(shapely.get_coordinates(shape)) < 40


def test_the_whole_image_is_its_own_rectangle():
    where = grid()
    area = outline(np.ones(where.shape, bool), where)
    assert area.equals(shapely.box(400000, 4494000, 404500, 4500000))


def test_many_holes_and_islands_become_one_shape():
    where = grid()
    rng = np.random.default_rng(1)
    mask = rng.random(where.shape) < 0.02
    area = outline(mask, where)
    assert area.geom_type == "Polygon"
    assert not area.interiors


def test_a_scene_across_the_antimeridian_is_split():
    where = grid("EPSG:32601", 200000.0, 7000000.0, 1000.0, (200, 200))
    shape = to_lonlat(outline(np.ones(where.shape, bool), where), where.crs)
    west, _, east, _ = shape.bounds
    assert (west, east) == (-180, 180)
    assert not shape.intersects(shapely.box(-170, -90, 170, 90))
    geometry, bbox = geojson(shape)
    assert geometry["type"] == "MultiPolygon"
    assert bbox[0] > 170
    assert bbox[2] < -170
    assert shapely.contains_xy(shape.buffer(1e-6), centres(np.ones(where.shape, bool), where)).all()


def test_a_scene_around_a_pole_is_the_cap():
    where = grid("EPSG:3031", -400000.0, 500000.0, 1000.0, (900, 800))
    shape = to_lonlat(outline(np.ones(where.shape, bool), where), where.crs)
    assert shape.contains(shapely.Point(12, -89.99))
    assert shape.bounds[0] == -180
    assert shape.bounds[2] == 180
    assert -86 < shape.bounds[3] < -83


def test_a_polar_scene_beside_the_pole_is_no_cap():
    where = grid("EPSG:3031", 500000.0, 900000.0, 1000.0, (200, 200))
    shape = to_lonlat(outline(np.ones(where.shape, bool), where), where.crs)
    assert shape.area < 200
    assert shapely.contains_xy(shape.buffer(1e-6), centres(np.ones(where.shape, bool), where)).all()


def test_cells_off_the_earth_are_not_valid():
    """A sinusoidal tile at the edge of the map: half of it is nowhere."""
    tile = 1111950.5197665554
    where = SourceGrid(SINUSOIDAL, (tile / 100, 0, -4 * tile, 0, -tile / 100, -8 * tile), (100, 100))
    kept = on_earth(np.ones(where.shape, bool), where)
    assert 0 < kept.sum() < kept.size
    shape = to_lonlat(outline(kept, where), where.crs)
    assert shape.bounds[1] >= -90
    assert shape.bounds[0] >= -180
    assert shapely.contains_xy(shape.buffer(1e-3), centres(kept, where)).mean() > 0.99


def test_no_valid_pixel_has_no_outline():
    with pytest.raises(CatalogError, match="no pixel is valid"):
        outline(np.zeros((5, 5), bool), grid())
