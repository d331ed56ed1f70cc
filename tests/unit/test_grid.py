"""Grids: names, anchoring, tiles of the MODIS files, zones, regions on the antimeridian and at the poles."""

import json

import numpy as np
import pyproj
import pytest
import shapely
from odc.geo.geobox import GeoBox

from musyq_cube.errors import GridError
from musyq_cube.grid import SINUSOIDAL, as_region, blocks, contiguous, get_grid, grids

FIJI = (179, -17, -179, -16)


@pytest.mark.parametrize("grid", grids(), ids=lambda grid: grid.name)
def test_names_round_trip(grid):
    assert get_grid(grid.name) == grid


@pytest.mark.parametrize(
    "name", ["utm-0m", "utm61n-30m", "sinu-2km", "latlon-x", "epsg4326-1m", "epsg99999999-1m", "", "utm50n"]
)
def test_bad_names_say_what_is_possible(name):
    with pytest.raises(GridError, match=r"look like|latlon|no such CRS"):
        get_grid(name)


@pytest.mark.parametrize("name", ["utm50n-30m", "sinu-500m", "latlon-0.01", "epsg3035-100m"])
def test_pixel_edges_are_multiples_of_the_resolution_from_the_crs_origin(name):
    grid = get_grid(name)
    box = grid.geobox((10.01, 45.02, 10.33, 45.17) if "3035" in name else (117.01, 40.02, 117.33, 40.17))
    for edge in (box.affine.c, box.affine.f):
        assert edge == pytest.approx(round(edge / grid.resolution) * grid.resolution, abs=1e-9)


def test_modis_tile_corners_are_those_in_the_files():
    """UpperLeftPointMtrs and LowerRightMtrs of MOD09GA h18v04, from its StructMetadata."""
    box = get_grid("sinu-500m").tile("h18v04").boundingbox
    assert (box.left, box.top) == pytest.approx((0.0, 5559752.598333), abs=1e-5)
    assert (box.right, box.bottom) == pytest.approx((1111950.519667, 4447802.078667), abs=1e-5)
    assert get_grid("sinu-500m").tiles("h18v04") == [("h18v04", get_grid("sinu-500m").tile("h18v04"))]


def test_sinusoidal_is_the_modis_sphere():
    crs = pyproj.CRS(SINUSOIDAL)
    assert crs.ellipsoid.semi_major_metre == 6371007.181
    x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(10, 45)
    assert x == pytest.approx(6371007.181 * np.radians(10) * np.cos(np.radians(45)), abs=1e-3)
    assert y == pytest.approx(6371007.181 * np.radians(45), abs=1e-3)


def test_geobox_contains_the_region_and_is_tight():
    box = get_grid("utm50n-30m").geobox((117, 40, 118, 41))
    edge = shapely.segmentize(shapely.box(117, 40, 118, 41), 0.001)
    x, y = pyproj.Transformer.from_crs(4326, 32650, always_xy=True).transform(*shapely.get_coordinates(edge).T)
    bounds = box.boundingbox
    assert bounds.left <= x.min() < bounds.left + 31
    assert bounds.top >= y.max() > bounds.top - 31
    assert bounds.bottom <= y.min() < bounds.bottom + 31


def test_a_geobox_on_the_grid_is_returned_as_it_is():
    box = get_grid("utm50n-30m").geobox((117, 40, 117.3, 40.2))
    assert get_grid("utm50n-30m").geobox(box) == box
    assert [grid.geobox(box) for grid in get_grid("utm-30m").concretize(box)] == [box]


def test_a_family_has_one_grid_per_zone_touched_each_with_its_own_part():
    found = get_grid("utm-30m").concretize((119, 40, 121, 41))
    assert [grid.name for grid in found] == ["utm50n-30m", "utm51n-30m"]
    left, right = (grid.geobox((119, 40, 121, 41)) for grid in found)
    assert left.shape[1] < 3000 > right.shape[1]
    assert [g.name for g in get_grid("utm-30m").concretize((117, 40, 120, 41))] == ["utm50n-30m"]
    assert [g.name for g in get_grid("utm-30m").concretize((1, -1, 2, 1))] == ["utm31n-30m", "utm31s-30m"]


def test_plain_zones_without_the_exceptions_of_norway_and_svalbard():
    assert get_grid("utm-10m").zone(5, 60).name == "utm31n-10m"
    assert get_grid("utm-10m").zone(10, 78).name == "utm32n-10m"


@pytest.mark.parametrize("bbox", [(0, 80, 10, 88), (0, -89, 10, -70)])
def test_utm_refuses_the_poles_and_says_what_to_use(bbox):
    with pytest.raises(GridError, match=r"epsg3031.*epsg3413.*sinu"):
        get_grid("utm-30m").concretize(bbox)


def test_the_antimeridian():
    region = as_region(FIJI)
    assert region.bbox == FIJI
    assert region.geometry.area == pytest.approx(2)
    assert region.geometry.bounds[::2] == (-180, 180)
    box = get_grid("latlon-0.05").geobox(FIJI)
    assert box.shape == (20, 40)
    assert box.boundingbox.left == pytest.approx(179)
    assert [g.name for g in get_grid("utm-30m").concretize(FIJI)] == ["utm01s-30m", "utm60s-30m"]
    # 179° at 16.5° south is 19.08e6 m east, in the last but one column of tiles
    assert [name for name, _ in get_grid("sinu-1km").tiles(FIJI)] == ["h00v10", "h35v10"]


def test_geojson_that_jumps_over_the_antimeridian_is_cut():
    ring = [[179, 0], [-179, 0], [-179, 1], [179, 1], [179, 0]]
    assert as_region({"type": "Polygon", "coordinates": [ring]}).bbox == (179, 0, -179, 1)


def test_polar_regions():
    box = get_grid("epsg3031-500m").geobox((-180, -90, 180, -60))
    assert box.boundingbox.left == pytest.approx(-3333500)
    assert as_region(box).geometry.contains(shapely.Point(0, -90).buffer(0)) or as_region(box).bbox[1] == -90


@pytest.mark.parametrize(
    "bad",
    [
        (1, 1, 1, 2), (1, 2, 3, 2), (0, 80, 1, 95), {"type": "Point", "coordinates": [1, 2]}, shapely.Point(1, 2),
        "nowhere.geojson", "h36v01", "{broken", 5, {"type": "Polygon"}, {"features": [], "type": "FeatureCollection"},
    ],
    ids=str,
)  # fmt: skip
def test_regions_that_cannot_be(bad):
    with pytest.raises(GridError):
        as_region(bad)


def test_regions_from_files_text_and_tiles(tmp_path):
    shape = shapely.box(1, 2, 3, 4)
    feature = {"type": "Feature", "properties": {}, "geometry": json.loads(shapely.to_geojson(shape))}
    path = tmp_path / "My Area.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert as_region(path).name == "my-area"
    assert as_region(str(path)).geometry.equals(shape)
    assert as_region("1,2,3,4").geometry.equals(shape)
    assert as_region(json.dumps(feature)).geometry.equals(shape)
    assert as_region("h18v04").geobox == get_grid("sinu-500m").tile("h18v04")
    grid = get_grid("utm50n-30m")
    name, tile = grid.tiles((117, 40, 117.1, 40.1))[0]
    assert as_region(f"utm50n-30m:{name}").geobox == tile
    assert grid.tile(name) == tile


def test_regions_from_vector_files_in_any_crs(tmp_path):
    import pyogrio

    x, y = pyproj.Transformer.from_crs(4326, 32650, always_xy=True).transform([117, 117.1], [40, 40.1])
    path = tmp_path / "area.gpkg"
    wkb = np.array([shapely.to_wkb(shapely.box(x[0], y[0], x[1], y[1]))], object)
    pyogrio.raw.write(path, wkb, [], [], geometry_type="Polygon", crs="EPSG:32650")
    region = as_region(path)
    assert region.name == "area"
    assert region.geometry.bounds == pytest.approx((117, 40, 117.1, 40.1), abs=0.002)


def test_names_of_regions_are_stable():
    assert as_region((1, 2, 3, 4)).name == as_region(shapely.box(1, 2, 3, 4)).name
    assert as_region((1, 2, 3, 4)).name != as_region((1, 2, 3, 4.1)).name


def test_tiles_cover_the_region_and_tile_names_are_unique():
    grid = get_grid("latlon-0.05")
    tiles = grid.tiles((-15, -5, 12, 14))
    names = [name for name, _ in tiles]
    assert len(set(names)) == len(names) == 12
    assert all(grid.tile(name) == box for name, box in tiles)


def test_blocks_cover_a_geobox_once():
    box = get_grid("utm50n-30m").geobox((117, 40, 117.3, 40.2))
    count = np.zeros(box.shape, int)
    for block in blocks(box, 300):
        rows, cols = block.geobox.shape
        assert block.y + rows <= box.shape[0]
        assert block.x + cols <= box.shape[1]
        count[block.y : block.y + rows, block.x : block.x + cols] += 1
        assert block.id == f"r{block.row:03d}c{block.col:03d}"
        assert block.geobox.affine.c == pytest.approx(box.affine.c + 30 * block.x, abs=1e-9)
    assert (count == 1).all()
    with pytest.raises(GridError, match="at least one"):
        blocks(box, 0)


def test_tile_names_that_cannot_be():
    for grid, name in (
        ("utm-30m", "x001y001"),
        ("sinu-1km", "x001y001"),
        ("utm50n-30m", "h18v04"),
        ("sinu-1km", "h40v04"),
    ):
        with pytest.raises(GridError, match=name):
            get_grid(grid).tile(name)


def test_geobox_without_crs():
    with pytest.raises(GridError, match="CRS"):
        as_region(GeoBox((10, 10), get_grid("utm50n-30m").geobox((117, 40, 118, 41)).affine, None))


def test_contiguous_undoes_the_cut_at_the_antimeridian():
    fiji = as_region((177, -19, -178, -16)).geometry
    assert contiguous(fiji).bounds == (177, -19, 182, -16)
    assert contiguous(fiji).centroid.x == pytest.approx(179.5)
    for whole in ((-10, 0, 10, 5), (-180, -90, 180, 90), (-180, 0, -170, 5)):
        shape = as_region(whole).geometry
        assert contiguous(shape).equals(shape)
