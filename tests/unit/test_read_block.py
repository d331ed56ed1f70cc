"""The block reader on small written scenes: values, QA, fusing, failures; independent of blocks and threads."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from musyq_cube.errors import ReadError
from musyq_cube.read import group_scenes, read_angles, read_band, read_block, read_qa
from musyq_cube.read.block import Room
from musyq_cube.scene import Angles, Quality, Scene, Source, SourceGrid
from musyq_cube.sensor import sensor
from musyq_cube.types import QA

WIDE = "POLYGON((116 39,119 39,119 42,116 42,116 39))"
BOX = GeoBox((70, 90), Affine(30, 0, 600600, 0, -30, 4499400), "EPSG:32650")
RULES = ((1, 1, int(QA.FILL)), (8, 8, int(QA.CLOUD)))


def layer(path, values, *, x=600000.0, y=4500000.0, crs="EPSG:32650", nodata=None):
    """Write one layer; the Source states what the file states."""
    transform = Affine(30, 0, x, 0, -30, y)
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype,
        crs=crs, transform=transform, nodata=nodata, tiled=True, blockxsize=64, blockysize=64,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return Source(str(path), SourceGrid(crs, tuple(transform)[:6], values.shape), nodata=nodata)


def scene(name, bands, qa=(), time="2020-06-01T03:00:00Z", angles=None, **more):
    return Scene(id=name, sensor=more.pop("sensor", "s"), datetime=time, footprint=WIDE, bands=bands, qa=qa,
                 angles=angles or Angles(sza=60.0, saa=150.0, vza=5.0, vaa=100.0), **more)  # fmt: skip


def dn(seed, shape=(120, 140)):
    values = np.random.default_rng(seed).integers(1, 9000, shape).astype(np.uint16)
    values[40:60, 50:80] = 0
    return values


@pytest.fixture
def scenes(tmp_path):
    """Six dates in two zones, each with two bands and a QA layer."""
    made = []
    for k in range(6):
        crs, x = (("EPSG:32650", 600000.0 + 15 * k), ("EPSG:32651", 92700.0))[k % 2]
        place = {"crs": crs, "x": x, "y": 4500000.0 if k % 2 == 0 else 4510200.0}
        red = layer(tmp_path / f"red{k}.tif", dn(k), nodata=0, **place)
        nir = layer(tmp_path / f"nir{k}.tif", dn(k + 50), nodata=0, **place)
        flags = np.where(dn(k) == 0, 1, np.where(dn(k + 9) > 6000, 8, 0)).astype(np.uint16)
        qa = Quality(layer(tmp_path / f"qa{k}.tif", flags, **place), RULES)
        made.append(scene(f"s{k}", (("red", red), ("nir08", nir)), (qa,), f"2020-06-{k + 1:02d}T03:00:00Z"))
    return made


def test_the_dataset_keeps_the_cube_contract(scenes):
    ds, failures = read_block(group_scenes(scenes), BOX, ["red", "nir08", "blue"], angles=True)
    assert not failures
    assert ds.sizes == {"time": 6, "y": 70, "x": 90}
    assert set(ds.data_vars) == {"red", "nir08", "blue", "qa", "sza", "vza", "raa"}
    assert {"time", "sensor", "scene", "y", "x", "spatial_ref"} <= set(ds.coords)
    assert ds.red.dtype == np.float32
    assert ds.qa.dtype == np.uint16
    assert all("units" in ds[name].attrs for name in ds.data_vars if name != "qa")
    assert ds.blue.isnull().all()
    assert ds.odc.geobox == BOX
    assert list(ds.scene.values) == [f"s{k}" for k in range(6)]


def test_any_block_and_any_number_of_threads_give_the_same_bits(scenes):
    groups = group_scenes(scenes)
    whole, _ = read_block(groups, BOX, ["red", "nir08"], angles=True)
    for threads in (1, 3):
        with ThreadPoolExecutor(threads) as pool:
            for size in (17, 64):
                for y in range(0, 70, size):
                    for x in range(0, 90, size):
                        box = BOX[y : min(y + size, 70), x : min(x + size, 90)]
                        part, _ = read_block(groups, box, ["red", "nir08"], angles=True, pool=pool)
                        for name in part.data_vars:
                            expected = whole[name].values[:, y : y + size, x : x + size]
                            np.testing.assert_array_equal(part[name].values, expected, strict=True)


@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic", "average"])
def test_fill_without_native_qa_does_not_depend_on_how_bands_are_read(scenes, resampling):
    groups = group_scenes([s.replace(qa=()) for s in scenes])
    ds, _ = read_block(groups, BOX, ["red"], resampling=resampling)
    np.testing.assert_array_equal(ds.qa.values, read_qa(groups, BOX))


def test_parts_read_alone_are_those_of_the_block(scenes):
    groups = group_scenes(scenes)
    ds, _ = read_block(groups, BOX, ["red", "nir08"], angles=True)
    np.testing.assert_array_equal(read_band(groups, "nir08", BOX), ds.nir08.values)
    np.testing.assert_array_equal(read_qa(groups, BOX), ds.qa.values)
    for name, values in zip(("sza", "vza", "raa"), read_angles(groups, BOX), strict=True):
        np.testing.assert_array_equal(values, ds[name].values)


def test_numbers_become_physical_after_resampling(tmp_path):
    values = np.full((120, 140), 2000, np.uint16)
    source = layer(tmp_path / "a.tif", values, nodata=0)
    changed = {
        "red": {"scale": 2e-5, "offset": -0.1 + 0.07, "cosine": True},
        "lwir11": {"scale": 3.342e-4 * 10, "offset": 0.1, "planck": (774.8853, 1321.0789)},
        "nir08": {"scale": 1e-4, "valid": (0.0, 1999.0)},
    }
    bands = tuple((name, Source(source.href, source.grid, nodata=0, **more)) for name, more in changed.items())
    groups = group_scenes([scene("a", bands)])
    ds, _ = read_block(groups, BOX, list(changed))
    assert np.allclose(ds.red, (2000 * 2e-5 - 0.03) / 0.5, rtol=1e-5)
    radiance = 2000 * 3.342e-3 + 0.1
    assert np.allclose(ds.lwir11, 1321.0789 / np.log(774.8853 / radiance + 1), rtol=1e-5)
    assert ds.lwir11.attrs["units"] == "K"
    assert ds.nir08.isnull().all()
    ds, _ = read_block(groups, BOX, ["red"], scale="dn")
    assert (ds.red == 2000).all()


def test_native_qa_becomes_common_bits(tmp_path):
    native = np.zeros((120, 140), np.uint32)
    native[30:60] = 1 << 20  # beyond 16 bits, as MODIS state flags are
    native[60:70] = 0xFFFFFFFF
    source = layer(tmp_path / "qa.tif", native, nodata=0xFFFFFFFF)
    red = layer(tmp_path / "a.tif", np.ones((120, 140), np.uint16))
    quality = Quality(source, ((3 << 20, 1 << 20, int(QA.CLOUD)),))
    qa = read_qa(group_scenes([scene("a", (("red", red),), (quality,))]), BOX)[0]
    assert set(np.unique(qa[10:40])) == {QA.CLOUD}
    assert set(np.unique(qa[40:50])) == {QA.FILL}
    assert set(np.unique(qa[50:])) == {0}


def test_without_native_qa_fill_follows_the_data(tmp_path):
    values = np.ones((120, 140), np.int16)
    values[:60] = -999
    qa = read_qa(group_scenes([scene("a", (("red", layer(tmp_path / "a.tif", values, nodata=-999)),))]), BOX)[0]
    assert (qa[:40] == QA.FILL).all()
    assert (qa[40:] == 0).all()


def test_scenes_of_one_overpass_are_fused_first_valid_wins(tmp_path):
    a, b = np.full((120, 140), 100, np.uint16), np.full((120, 140), 200, np.uint16)
    a[:, 60:] = 0
    first = scene("a", (("red", layer(tmp_path / "a.tif", a, nodata=0)),), version="2", cloud_cover=90.0)
    second = scene("b", (("red", layer(tmp_path / "b.tif", b, nodata=0)),), time="2020-06-01T02:59:00Z", version="1",
                   cloud_cover=1.0, angles=Angles(sza=40.0, saa=1.0, vza=1.0, vaa=1.0))  # fmt: skip
    for order in ([first, second], [second, first]):
        groups = group_scenes(order)
        assert [[s.id for s in group] for group in groups] == [["a", "b"]]
        ds, _ = read_block(groups, BOX, ["red"], resampling="nearest", angles=True)
        assert ds.scene.item() == "a+b"
        assert (ds.red[0, :, :40] == 100).all()
        assert (ds.red[0, :, 40:] == 200).all()
        assert (ds.qa == 0).all()
        assert np.unique(ds.sza).tolist() == [40, 60]


def test_groups(tmp_path):
    one = scene("a", (), platform="p")
    assert len(group_scenes([one, one.replace(id="b", platform="q")])) == 2
    assert len(group_scenes([one, one.replace(id="b", sensor="t")])) == 2
    assert len(group_scenes([one, one.replace(id="b")], by="scene")) == 2
    # 20:00 UTC and 04:00 UTC at 117.5° east are the same solar day, the day after
    evening = one.replace(id="b", datetime="2020-05-31T20:00:00Z")
    assert len(group_scenes([one, evening])) == 1
    newest = group_scenes([one.replace(version="05.09"), one.replace(id="b", version="05.10")])
    assert [s.id for s in newest[0]] == ["b", "a"]
    with pytest.raises(ValueError, match="solar_day"):
        group_scenes([one], by="day")


def test_a_scene_that_cannot_be_read_is_left_out_whole_and_recorded(scenes, tmp_path):
    (tmp_path / "nir0.tif").write_bytes(b"<!DOCTYPE html><html>please log in</html>")
    truncated = tmp_path / "red2.tif"
    truncated.write_bytes(truncated.read_bytes()[:6000])
    (tmp_path / "qa3.tif").unlink()
    groups = group_scenes(scenes)
    ds, failures = read_block(groups, BOX, ["red", "nir08"], angles=True)
    assert [(f.scene, f.band, f.step) for f in failures] == [
        ("s0", "nir08", "band"),
        ("s2", "red", "band"),
        ("s3", None, "qa"),
    ]
    assert "web page" in failures[0].error
    assert "truncated" in failures[1].error or "cannot be opened" in failures[1].error
    assert "qa3.tif" in failures[2].error
    for k in (0, 2, 3):
        assert ds.red[k].isnull().all()
        assert (ds.qa[k] == QA.FILL).all()
        assert ds.sza[k].isnull().all()
    assert ds.red[1].notnull().any()
    json.dumps([f.to_dict() for f in failures])
    with pytest.raises(ReadError, match=r"scene s0, nir08: .*nir0.tif"):
        read_block(groups, BOX, ["red", "nir08"], on_error="raise")


def test_metadata_that_contradict_the_file_are_an_error(tmp_path):
    source = layer(tmp_path / "a.tif", dn(0), nodata=0)
    grid = source.grid
    wrong = {
        "EPSG:32650, the file": SourceGrid("EPSG:32650", grid.transform, grid.shape),
        "pixels in position": SourceGrid(grid.crs, (30.0, 0, grid.transform[2] + 20, 0, -30.0, 4500000.0), grid.shape),
        "rows and columns": SourceGrid(grid.crs, grid.transform, (60, 70)),
    }
    in_file = layer(tmp_path / "b.tif", dn(0), nodata=0, crs="EPSG:32651")
    for message, stated in wrong.items():
        href = in_file.href if "EPSG" in message else source.href
        _, failures = read_block(group_scenes([scene("a", (("red", Source(href, stated)),))]), BOX, ["red"])
        assert message in failures[0].error


def test_an_item_without_bands_is_recorded():
    _, failures = read_block(group_scenes([scene("a", ())]), BOX, ["red"])
    assert "no band" in failures[0].error


def test_scenes_beside_the_block_are_not_opened(tmp_path):
    far = SourceGrid("EPSG:32650", (30.0, 0, 700000.0, 0, -30.0, 4500000.0), (100, 100))
    bands = (("red", Source(str(tmp_path / "absent.tif"), far)),)
    qa = (Quality(Source(str(tmp_path / "absent-qa.tif"), far), RULES),)
    ds, failures = read_block(group_scenes([scene("a", bands, qa)]), BOX, ["red"], angles=True)
    assert not failures
    assert ds.red.isnull().all()
    assert (ds.qa == QA.FILL).all()


def test_temperatures_and_indices_are_not_called_reflectance(tmp_path):
    source = layer(tmp_path / "a.tif", dn(0), nodata=0)
    names = ("lst", "lst_night", "lwir11", "emis_31", "ndvi", "red")
    ds, _ = read_block([(scene("a", tuple((n, source) for n in names), quantity="sr"),)], BOX, names)
    assert [ds[n].attrs["units"] for n in names] == ["K", "K", "K", "1", "1", "1"]
    assert ds.lst.attrs["long_name"] == "lst land surface temperature"
    assert ["standard_name" in ds[n].attrs for n in names] == [False] * 5 + [True]


def test_quantities_are_never_fused(tmp_path):
    toa, sr = np.full((120, 140), 300, np.uint16), np.full((120, 140), 100, np.uint16)
    sr[:, 60:] = 0
    one = scene("a", (("red", layer(tmp_path / "sr.tif", sr, nodata=0)),), quantity="sr")
    two = one.replace(id="b", quantity="toa", bands=(("red", layer(tmp_path / "toa.tif", toa, nodata=0)),))
    groups = group_scenes([one, two])
    assert [[s.id for s in group] for group in groups] == [["a"], ["b"]]
    ds, _ = read_block(groups, BOX, ["red"], resampling="nearest")
    assert ds.red[0, :, 50:].isnull().all()


def test_fill_follows_the_data_where_the_native_rules_know_none(tmp_path):
    """A mask of clouds alone: where a tile has no data, neither its pixels nor its mask may stand for the other's."""
    values = np.full((120, 140), 100, np.uint16)
    half = values.copy()
    half[:, 60:] = 0
    clear, cloudy = np.zeros((120, 140), np.uint8), np.ones((120, 140), np.uint8)
    rules = ((255, 1, int(QA.CLOUD)),)
    one, two = (
        scene(name, (("red", layer(tmp_path / f"{name}.tif", pixels, nodata=0)),),
              (Quality(layer(tmp_path / f"{name}-mask.tif", mask), rules),))
        for name, pixels, mask in (("a", half, clear), ("b", values, cloudy))
    )  # fmt: skip
    alone, _ = read_block(group_scenes([one]), BOX, ["red"])
    assert ((alone.qa == QA.FILL) == alone.red.isnull()).all()
    fused, _ = read_block(group_scenes([one, two]), BOX, ["red"])
    assert (fused.qa[0, :, :40] == 0).all()
    assert (fused.qa[0, :, 40:] == QA.CLOUD).all()


def test_night_temperatures_survive_a_day_that_is_missing(tmp_path):
    day, night = np.full((120, 140), 15000, np.uint16), np.full((120, 140), 14000, np.uint16)
    day[:, 60:] = 0
    night[:, 100:] = 0
    native = np.where(day == 0, 2, 0).astype(np.uint8)
    qa = next(a for a in sensor("modis-terra").product("mod11a1").assets if a.role == "qa")
    bands = tuple((n, layer(tmp_path / f"{n}.tif", v, nodata=0)) for n, v in (("lst", day), ("lst_night", night)))
    one = scene("a", bands, (Quality(layer(tmp_path / "qc.tif", native), qa.rules),), quantity="lst")
    qa = read_qa([(one,)], BOX)[0]
    assert (qa[:, :40] == 0).all()
    assert (qa[:, 40:80] == QA.CLOUD).all()
    assert (qa[:, 80:] == QA.CLOUD | QA.FILL).all()


def test_a_scene_whose_angles_cannot_be_read_keeps_its_pixels(tmp_path, caplog):
    bands = (("red", layer(tmp_path / "a.tif", dn(0), nodata=0)),)
    lost = scene("a", bands, angles=Angles(metadata=str(tmp_path / "absent_ANG.txt")))
    good, _ = read_block([(scene("a", bands),)], BOX, ["red"])
    ds, failures = read_block([(lost,)], BOX, ["red"], angles=True)
    assert [(f.scene, f.band, f.step) for f in failures] == [("a", None, "angles")]
    np.testing.assert_array_equal(ds.red, good.red)
    np.testing.assert_array_equal(ds.qa, good.qa)
    assert ds.sza.isnull().all()
    assert np.isnan(read_angles([(lost,)], BOX)[0]).all()
    assert "is without angles" in caplog.text
    with pytest.raises(ReadError, match=r"angles: .*absent_ANG"):
        read_block([(lost,)], BOX, ["red"], angles=True, on_error="raise")
    dividing = lost.replace(bands=(("red", replace(bands[0][1], cosine=True)),))
    ds, failures = read_block([(dividing,)], BOX, ["red"], angles=True)
    assert [(f.band, f.step) for f in failures] == [("red", "band")]
    assert (ds.qa == QA.FILL).all()


def test_a_room_is_used_again_where_it_is_large_enough():
    room = Room()
    first = room.take(2, 3, 4)
    assert np.shares_memory(first, room.take(1, 5))
    assert room.take(5, 5).shape == (5, 5)
