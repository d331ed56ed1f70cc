"""The lazy cube against the block reader, its graph, and its defaults."""

import time
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import shapely.affinity
import xarray as xr
from pyproj import Transformer
from rasterio.transform import from_origin

from musyq_cube.composite import composite
from musyq_cube.cube import cube
from musyq_cube.errors import GridError, ReadError
from musyq_cube.grid import get_grid
from musyq_cube.mask import mask
from musyq_cube.read.block import group_scenes, read_block
from musyq_cube.scene import Angles, Scene, Source, SourceGrid

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # odc-geo on affine 3

LONLAT = Transformer.from_crs(32650, 4326, always_xy=True)


def make_scene(folder, number, corner, day, size=100):
    x, y = corner
    affine = from_origin(x, y, 30, 30)
    path = folder / f"{number}.tif"
    pixels = np.random.default_rng(number).integers(1, 9000, (1, size, size)).astype(np.uint16)
    with rasterio.open(path, "w", "GTiff", size, size, 1, "EPSG:32650", affine, "uint16", 0) as file:
        file.write(pixels)
    grid = SourceGrid("EPSG:32650", tuple(affine)[:6], (size, size))
    outline = shapely.box(x, y - 30 * size, x + 30 * size, y)
    footprint = shapely.transform(outline, LONLAT.transform, interleaved=False).wkt
    return Scene(
        f"s{number}", "landsat8-oli", f"2018-07-{day:02d}T02:00:00Z", footprint,
        bands=(("red", Source(str(path), grid, dtype="uint16", nodata=0, scale=1e-4)),),
        angles=Angles(sza=30.0, saa=100.0, vza=2.0, vaa=50.0),
    )  # fmt: skip


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    places = [((500000, 4400000), 1), ((501500, 4399000), 1), ((500000, 4400000), 9), ((505000, 4400000), 12)]
    return [make_scene(folder, i, *place) for i, place in enumerate(places)]


@pytest.mark.parametrize("block", [1024, 64, 33])
def test_the_cube_is_what_the_block_reader_gives(scenes, block):
    lazy = cube(scenes, "utm-30m", block=block)
    whole, failures = read_block(group_scenes(scenes), lazy.odc.geobox, ["red"], angles=True)
    assert failures == []
    xr.testing.assert_equal(lazy.compute(scheduler="sync"), whole)
    assert all(lazy[n].attrs == whole[n].attrs for n in ("red", "sza"))
    assert list(lazy.scene.values) == ["s0+s1", "s2", "s3"]


def test_one_task_for_each_variable_and_block_with_only_its_scenes(scenes):
    lazy = cube(scenes, "utm-30m", block=64, angles=False)
    blocks = lazy.red.data.npartitions
    tasks = dict(lazy.red.__dask_graph__())
    assert len(tasks) == blocks
    assert lazy.red.chunks[0] == (3,)
    last = lazy.red.data.blocks[0, 0, -1]
    names = {
        scene.id for task in dict(last.__dask_graph__().cull(last.__dask_keys__())).values() for scene in _scenes(task)
    }
    assert names == {"s3"}


def _scenes(task):
    found = task[0] if isinstance(task, tuple) else getattr(task, "func", None)
    return [scene for group in getattr(found, "groups", ()) for scene in group]


def test_the_whole_way_does_not_depend_on_blocks(scenes):
    made = [
        composite(mask(cube(scenes, "utm-30m", block=block), dilate=60), "P1M", "median").compute(scheduler="sync")
        for block in (1024, 50)
    ]
    xr.testing.assert_identical(*made)
    assert made[0]["count"].max() >= 1


def test_five_thousand_scenes_in_two_seconds(scenes):
    many = []
    for i in range(5000):
        scene = scenes[i % 4]
        moved = shapely.affinity.translate(scene.geometry, i % 50 * 0.1, i // 50 % 20 * 0.1).wkt
        date = f"{1990 + i % 30}-{i % 12 + 1:02d}-{i % 28 + 1:02d}T02:00:00Z"
        many.append(replace(scene, id=f"m{i}", footprint=moved, datetime=date))
    start = time.perf_counter()
    lazy = cube(many, "utm-30m", (116, 38.9, 118, 40.1), ["red", "nir"])
    assert time.perf_counter() - start < 4  # two on a quiet machine
    assert lazy.red.data.npartitions > 20


def test_defaults_are_said(scenes, caplog):
    lazy = cube(scenes)
    assert lazy.attrs["grid"] == "utm50n-30m"
    assert "using utm50n-30m" in caplog.text
    assert lazy.attrs["sensors"] == ["landsat8-oli"]
    assert lazy.attrs["proj:code"] == "EPSG:32650"
    assert {"sza", "vza", "raa", "qa", "red"} == set(lazy.data_vars)


def test_a_geobox_wins(scenes):
    box = get_grid("utm50n-60m").geobox((117.0, 39.72, 117.02, 39.74))
    lazy = cube(scenes, geobox=box, angles=False)
    assert lazy.odc.geobox == box
    assert "grid" not in lazy.attrs


def test_scenes_elsewhere_give_fill(scenes):
    lazy = cube(scenes, "utm-30m", (118.0, 39.0, 118.01, 39.01))
    out = lazy.compute(scheduler="sync")
    assert np.isnan(out.red).all()
    assert (out.qa == 1).all()
    assert np.isnan(out.vza).all()


def test_stackstac_agrees_where_it_is_installed(scenes):
    """A second opinion: an independent loader, on the same pixels."""
    pytest.importorskip("stackstac")
    options = {"grid": "utm-30m", "by": "scene", "resampling": "nearest", "block": 70}
    other = cube(scenes, engine="stackstac", **options).compute(scheduler="sync")
    ours = cube(scenes, angles=False, **options).compute(scheduler="sync")
    np.testing.assert_allclose(other.red, ours.red, atol=1e-6)
    xr.testing.assert_equal(other.qa, ours.qa)


def test_stackstac_says_what_it_cannot(scenes):
    with pytest.raises(ReadError, match=r"by='scene'|musyq-cube\[stackstac\]"):
        cube(scenes, "utm-30m", engine="stackstac")


def test_clear_errors(scenes):
    with pytest.raises(GridError, match="no scenes"):
        cube([])
    with pytest.raises(ReadError, match='"native" or "stackstac"'):
        cube(scenes, "utm-30m", engine="magic")
    bare = [scene.replace(bands=(), sensor="landsat8-oli") for scene in scenes]
    with pytest.raises(GridError, match="name a grid"):
        cube(bare)


@pytest.mark.parametrize(("region", "zone"), [((177, -19, -178, -16), "utm60s"), ((179.5, -19, -178, -16), "utm01s")])
def test_a_region_across_the_antimeridian_is_in_the_zone_of_its_middle(scenes, region, zone):
    """Fiji, not Greenwich: the centroid of a region cut at ±180° lies on the other side of the globe."""
    found = get_grid(cube(scenes, "utm-3000m", region, angles=False).attrs["grid"])
    assert found.name.startswith(zone)


def test_scenes_on_both_sides_of_the_antimeridian_are_one_region(scenes, caplog):
    east, west = (
        replace(scenes[0], footprint=shapely.box(*box).wkt) for box in ((178, -18, 180, -17), (-180, -18, -179.5, -17))
    )
    lazy = cube([east, west], angles=False)
    assert "using utm60s-30m" in caplog.text
    assert lazy.sizes["x"] * 30 < 300_000


def test_mixed_quantities_are_said(scenes, caplog):
    cube([scenes[0], replace(scenes[1], quantity="sr")], angles=False)
    assert "several quantities (sr, toa)" in caplog.text
