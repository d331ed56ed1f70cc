"""Cloud detection: kernels against SciPy and by hand, every test of the detector on surfaces made for it."""

import numpy as np
import pytest
import zarr
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage

from musyq_cube.errors import NormalizeError
from musyq_cube.kernels.detect import cast, fill, segments, throw
from musyq_cube.normalize import _detect_scene
from musyq_cube.normalize.detect import Limits, clearest, detect, detect_scene
from musyq_cube.read.block import read_block
from musyq_cube.scene import Angles, Quality, Source
from musyq_cube.testing import make_scene, write_cog
from musyq_cube.testing.spectra import surface_spectrum
from musyq_cube.types import QA

SUN = {"sza": 40.0, "saa": 140.0}
FOREST = {"blue": 0.085, "green": 0.08, "red": 0.055, "nir": 0.35}
SNOW = {"blue": 0.80, "green": 0.80, "red": 0.79, "nir": 0.70}


def ground(kind, shape=(80, 80), seed=0):
    rng = np.random.default_rng(seed)
    return {k: (v * (1 + 0.03 * rng.standard_normal(shape))).astype(np.float32) for k, v in kind.items()}


def has(qa, bit):
    return (qa & np.uint16(bit)) != 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (3, 3), (64, 75)])
def test_segments_are_those_of_scipy(shape):
    for density in (0.0, 0.3, 0.6, 1.0):
        mask = np.random.default_rng(7).random(shape) < density
        expected, _ = ndimage.label(mask, np.ones((3, 3)))
        np.testing.assert_array_equal(segments(mask), expected)


def test_filled_hollows_are_those_of_a_slow_flood():
    """Reconstruction by definition: lower everything from the top until nothing can overflow."""
    rng = np.random.default_rng(1)
    image = ndimage.gaussian_filter(rng.random((40, 50)), 1.5).astype(np.float32)
    image[10:14, 20:30] = np.nan
    level = np.where(np.isnan(image), -np.inf, 9.0)
    edge = np.pad(np.zeros((38, 48), bool), 1, constant_values=True)
    edge |= ndimage.binary_dilation(np.isnan(image))
    cross = ndimage.generate_binary_structure(2, 1)
    for _ in range(500):
        lowest = ndimage.minimum_filter(np.where(np.isnan(image), 9.0, level), footprint=cross, mode="nearest")
        level = np.where(edge, np.fmax(image, 0.45), np.maximum(image, np.minimum(level, lowest)))
    found = fill(image, 0.45)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(image))
    np.testing.assert_allclose(found, np.where(np.isnan(image), np.nan, level), atol=2 / 4096)


def test_a_shadow_is_counted_where_it_can_be_seen():
    labels = np.zeros((5, 6), np.int32)
    labels[1, 1:3] = 1
    dark = np.zeros((5, 6), bool)
    dark[3, 1] = True
    known = np.ones((5, 6), bool)
    known[3, 2] = False
    way = np.array([[0, 0], [0.01, 0.0]], np.float32)
    hits, seen = throw(labels, dark, known, way, np.array([0.0, 200.0, 900.0], np.float32))
    assert hits[1].tolist() == [0, 1, 0]
    assert seen[1].tolist() == [0, 1, 0], "under itself, one of two known, outside"
    assert np.argwhere(cast(labels, 200 * way)).tolist() == [[3, 1], [3, 2]]


@pytest.mark.parametrize("turn", [0.0, 180.0])
def test_cloud_and_shadow_are_found_whatever_the_convention_of_the_view(turn):
    """A cloud at 3 km seen at 30° from the west: its image lies to the east of it, its shadow to the north-west."""
    bands = ground(FOREST)
    cloud, shadow = np.zeros((80, 80), bool), np.zeros((80, 80), bool)
    cloud[45:55, 40:52] = True
    east = -3000 * np.tan(np.radians(40)) * np.sin(np.radians(140)) - 3000 * np.tan(np.radians(30))
    north = -3000 * np.tan(np.radians(40)) * np.cos(np.radians(140))
    dy, dx = round(-north / 100), round(east / 100)
    shadow[45 + dy : 55 + dy, 40 + dx : 52 + dx] = True
    for name, value in bands.items():
        value[shadow] *= 0.5 if name == "nir" else 0.8
        value[cloud] = 0.5
    qa = detect(bands, **SUN, vza=30.0, vaa=270.0 + turn, resolution=100.0)
    np.testing.assert_array_equal(has(qa, QA.CLOUD), cloud)
    assert (has(qa, QA.SHADOW) ^ shadow).sum() <= 22, "one pixel on one side at most"
    near = ndimage.distance_transform_edt(~(has(qa, QA.CLOUD) | has(qa, QA.SHADOW)))
    np.testing.assert_array_equal(has(qa, QA.ADJACENT), (near > 0) & (near <= 2.4))


def test_missing_is_fill_and_an_empty_or_clear_scene_has_no_cloud():
    bands = ground(FOREST)
    bands["red"][:, :10] = np.nan
    qa = detect(bands, **SUN, resolution=30.0)
    np.testing.assert_array_equal(has(qa, QA.FILL), np.isnan(bands["red"]))
    assert (qa[:, 10:] == 0).all()
    nothing = {name: np.full((5, 4), np.nan, np.float32) for name in FOREST}
    assert (detect(nothing, **SUN, resolution=30.0, clear=nothing) == QA.FILL).all()


def toa(name, haze=0.05):
    """Return a surface under thin air, as wide bands see it."""
    spectrum = surface_spectrum(name)
    centres = {"blue": 0.48, "green": 0.56, "red": 0.66, "nir": 0.83, "swir16": 1.61}
    path = {"blue": haze, "green": haze / 2, "red": haze / 3, "nir": haze / 8, "swir16": 0.0}
    return {k: float(spectrum[round((c - 0.4) / 0.005)]) + path[k] for k, c in centres.items()}


@pytest.mark.parametrize("name", ["sand", "soil_bright", "soil_dark", "asphalt", "tile", "turbid_water", "clear_water"])
def test_desert_soil_town_and_water_are_not_cloud(name):
    bands = ground({k: v for k, v in toa(name).items() if k != "swir16"})
    qa = detect(bands, **SUN, resolution=30.0)
    assert not has(qa, QA.CLOUD | QA.SHADOW).any()
    assert has(qa, QA.WATER).all() == ("water" in name)


@pytest.mark.parametrize("kind", [{k: v for k, v in toa("roof", 0.09).items() if k != "swir16"}, SNOW])
def test_white_roofs_and_snow_need_a_clear_date(kind):
    """Four bands of one date cannot tell them from cloud: said so, and right as soon as there is another date."""
    bands = ground(kind)
    assert has(detect(bands, **SUN, resolution=30.0), QA.CLOUD).mean() > 0.5
    stack = {k: np.stack([ground(kind, seed=s)[k] for s in (1, 2, 3)]) for k in kind}
    assert has(detect(bands, **SUN, resolution=30.0, clear=clearest(stack)), QA.CLOUD).mean() < 0.03
    qa = detect(bands, **SUN, resolution=30.0, clear=clearest(stack), cold=True)
    assert (has(qa, QA.SNOW) & has(qa, QA.BACKUP)).mean() > 0.9 if kind is SNOW else not has(qa, QA.SNOW).any()


def test_snow_by_shortwave_infrared():
    bands = ground(SNOW | {"swir16": 0.10, "lwir11": 268.0})
    bands["swir16"][:, 40:] = 0.6  # a cloud is bright there
    bands["lwir11"][:10] = 295.0  # salt
    bands["lwir11"][10:] = 268.0
    qa = detect(bands, **SUN, resolution=500.0)
    assert has(qa[10:, :40], QA.SNOW).all()
    assert not has(qa[10:, :40], QA.CLOUD | QA.BACKUP).any()
    assert has(qa[:, 40:], QA.CLOUD).all()
    assert not has(qa[:10], QA.SNOW).any()


def test_cold_cirrus_and_split_window():
    """Rows of Saunders and Kriebel's table: 280 K and nadir 1.30 K, 290 K at 60° 4.73 K."""
    bands = ground(FOREST, (40, 40)) | {"cirrus": np.full((40, 40), 0.002, np.float32)}
    bands["lwir11"] = np.full((40, 40), 290.0, np.float32)
    bands["lwir12"] = bands["lwir11"] - 1.0
    bands["lwir11"][:10] = 279.0
    bands["cirrus"][30:] = 0.05
    clear = np.full((40, 40), 290.0, np.float32)
    qa = detect(bands, **SUN, resolution=1000.0, bt_clear=clear)
    assert has(qa[:10], QA.CLOUD).all()
    assert not has(qa[10:], QA.CLOUD).any()
    assert has(qa[30:], QA.CIRRUS).all()
    assert not has(qa[14:30], QA.CIRRUS).any()
    for bt, vza, limit in ((280.0, 0.0, 1.30), (290.0, 60.0, 4.73)):
        bands["lwir11"][...] = bt
        for excess in (-0.02, 0.02):
            bands["lwir12"] = bands["lwir11"] - np.float32(limit + excess)
            qa = detect(bands, **SUN, vza=vza, resolution=1000.0)
            assert has(qa[:25], QA.CIRRUS).all() == (excess > 0)


def test_a_sensor_without_blue_and_one_without_infrared():
    bands = ground({"red": 0.06, "nir": 0.3})
    for value in bands.values():
        value[20:40, 20:40] = 0.55
    cloud = has(detect(bands, **SUN, resolution=1000.0), QA.CLOUD)
    assert cloud[20:40, 20:40].all()
    assert cloud.sum() == 400
    with pytest.raises(NormalizeError, match="needs red and nir"):
        detect({"blue": bands["red"], "red": bands["red"]}, **SUN, resolution=30.0)


def test_a_ploughed_field_is_not_a_cloud_and_a_cloud_on_it_is():
    crop, soil = FOREST | {"nir": 0.45}, {"blue": 0.16, "green": 0.20, "red": 0.26, "nir": 0.33}
    bands, clear = ground(soil), ground(crop, seed=5)
    bands = {k: v.copy() for k, v in bands.items()}
    for value in bands.values():
        value[30:50, 30:50] = 0.6 * 0.5 + 0.5 * value[30:50, 30:50]
    cloud = has(detect(bands, **SUN, resolution=30.0, clear=clear), QA.CLOUD)
    assert cloud[30:50, 30:50].all()
    assert cloud.sum() == 400


def test_thresholds_are_parameters():
    bands = ground(FOREST)
    for value in bands.values():
        value[30:50, 30:50] += 0.06  # a veil
    assert not has(detect(bands, **SUN, resolution=30.0), QA.CLOUD).any()
    veil = has(detect(bands, **SUN, resolution=30.0, limits=Limits(sure=0.08, hot=0.07)), QA.CLOUD)
    assert veil[30:50, 30:50].all()


def test_clearest_date_is_neither_shadow_nor_cloud():
    dates = [ground(FOREST, seed=s) for s in range(5)]
    for value in dates[1].values():
        value[:20] *= 0.5  # a shadow
    for date in dates[2:]:
        for value in date.values():
            value[60:] = 0.6
    dates[0]["nir"][:, :5] = np.nan
    found = clearest({k: np.stack([d[k] for d in dates]) for k in FOREST})
    for name, expected in FOREST.items():
        np.testing.assert_allclose(found[name], expected, rtol=0.2)
    alone = clearest({k: np.full((1, 2, 2), 0.6, np.float32) for k in FOREST})
    assert np.isnan(alone["blue"]).all(), "one bright date may be a cloud"
    hot = clearest({"red": np.zeros((2, 1, 1)), "nir": np.zeros((2, 1, 1)), "lwir11": np.array([[[290.0]], [[300.0]]])})
    assert hot["lwir11"].item() == 300.0


@pytest.fixture
def archive(tmp_path):
    """Three dates of a forest on pixels of no round place, the first with a cloud; reflectance · 10000."""
    box = GeoBox((121, 90), Affine(30, 0, 399967.25, 0, -30, 4451633.5), "EPSG:32650")
    scenes = []
    for number in range(3):
        bands = ground(FOREST, box.shape, number)
        if number == 0:
            for value in bands.values():
                value[40:60, 30:60] = 0.6
        paths = {}
        for name, value in bands.items():
            stored = np.rint(value * 10000).astype(np.uint16)
            stored[:, -6:] = 0
            paths[name] = write_cog(tmp_path / f"{number}-{name}.tif", stored, box, nodata=0)
        angles = Angles(sza=40.0, saa=140.0, vza=10.0, vaa=100.0)
        when = f"2020-07-{10 + number:02}T03:00:00Z"
        scenes.append(make_scene(box, paths, id=f"s{number}", datetime=when, sensor="hj1a-ccd1", angles=angles))
    return tmp_path, box, scenes


@pytest.mark.parametrize("factor", [1, 2])
def test_a_scene_gets_a_mask_that_the_reader_understands(archive, factor):
    folder, box, scenes = archive
    field = detect_scene(scenes[0], scenes, out=str(folder / "mask.zarr"), finest=30.0 * factor)
    stored = zarr.open_group(field.href, mode="r")[field.layer]
    assert stored.shape == tuple(-(-n // factor) for n in box.shape)
    assert stored.dtype == np.uint16
    layer = Source(field.href, driver="zarr", layer=field.layer)
    scene = scenes[0].replace(qa=(Quality(layer, tuple((bit.value, bit.value, bit.value) for bit in QA)),))
    seen, failures = read_block([(scene,)], box, ["red"])
    assert failures == []
    qa = seen.qa.values[0]
    expected = np.zeros(box.shape, bool)
    expected[40:60, 30:60] = True
    np.testing.assert_array_equal(has(qa, QA.CLOUD), expected)
    np.testing.assert_array_equal(has(qa, QA.FILL), np.isnan(seen.red.values[0]))
    # shadow over untouched forest: thrown nowhere, because nothing is dark
    assert has(qa, QA.SHADOW).mean() < 0.01
    again = detect_scene(scenes[0], scenes, out=str(folder / "mask.zarr"), finest=30.0 * factor)
    assert again == field


def test_masks_do_not_depend_on_how_the_dates_are_read(archive, monkeypatch):
    folder, _, scenes = archive
    whole = detect_scene(scenes[0], scenes[1:], out=str(folder / "a.zarr"))
    monkeypatch.setattr(_detect_scene, "STRIP", 700)
    strips = detect_scene(scenes[0], scenes[:0:-1], out=str(folder / "b.zarr"))
    one, two = (zarr.open_group(f.href, mode="r")[f.layer][:] for f in (whole, strips))
    np.testing.assert_array_equal(one, two)


def test_a_scene_in_degrees_is_looked_at_in_metres(tmp_path):
    box = GeoBox((60, 60), Affine(0.0003, 0, 116.0, 0, -0.0003, 40.0), "EPSG:4326")
    values = ground(FOREST, box.shape)
    paths = {k: write_cog(tmp_path / f"{k}.tif", np.rint(v * 1e4).astype(np.uint16), box) for k, v in values.items()}
    scene = make_scene(box, paths, sensor="hj1a-ccd1", nodata=None)
    field = detect_scene(scene, out=str(tmp_path / "mask.zarr"))
    attributes = zarr.open_group(field.href, mode="r").attrs
    assert attributes["proj:code"] == "EPSG:32650"
    assert 25 < attributes["spatial:transform"][0] <= 60
