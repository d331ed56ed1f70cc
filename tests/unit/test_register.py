"""register: real archives of every sensor, small synthetic ones, and files that are broken."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import zipfile

import numpy as np
import pystac
import pytest
import rasterio
import shapely
from affine import Affine
from pystac.validation import validate_dict

from musyq_cube.catalog import adapt, open_catalog, register, search
from musyq_cube.catalog.storage import read_json
from musyq_cube.errors import CatalogError, SensorError

SCENE = "LC08_L1TP_014031_20180106_20180119_01_T1"
GRID = {"crs": "EPSG:32618", "transform": Affine(300, 0, 431085, 0, -300, 4740615)}


def tif(path, value=5000, shape=(40, 50), **changes):
    """A small Landsat-like band, nodata 0 in its first ten columns, without a nodata tag."""
    data = np.full(shape, value, "uint16")
    data[:, :10] = 0
    options = {
        "driver": "GTiff",
        "height": shape[0],
        "width": shape[1],
        "count": 1,
        "dtype": "uint16",
        **GRID,
        **changes,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **options) as file:
        file.write(data, 1)
    return path


@pytest.fixture
def scene(tmp_path):
    """One Landsat-8 scene without MTL: three bands and QA, in a folder of its own."""
    folder = tmp_path / "files" / SCENE
    for number, band in enumerate(("B3", "B4", "B5", "BQA")):
        tif(folder / f"LC08_L1TP_014031_20180106_{band}.TIF", 6000 + number)
    return folder


def stored(catalog) -> list[pystac.Item]:
    return open_catalog(catalog).search_items()


def check_items(catalog) -> list[pystac.Item]:
    """Every item, collection and the root are valid STAC, and every item becomes a scene or says why not."""
    for path in catalog.glob("**/*.json"):
        validate_dict(json.loads(path.read_text()), extensions=[])
    return stored(catalog)


def test_a_scene_without_metadata_is_recognised_by_its_names(scene, tmp_path):
    report = register(scene, tmp_path / "catalog")
    assert report.ok
    (item,) = check_items(tmp_path / "catalog")
    assert item.id == SCENE
    assert item.collection_id == "landsat8-oli-l1-c1"
    assert item.properties["musyq:sensor"] == "landsat8-oli"
    assert item.properties["grid:code"] == "WRS2-014031"
    assert item.properties["created"].startswith("2018-01-19")
    assert item.datetime.strftime("%Y-%m-%dT%H") == "2018-01-06T15"
    assert item.properties["musyq:time_is_nominal"] is True
    fields = item.assets["B4"].to_dict()
    assert fields["raster:scale"] == 2e-5
    assert fields["raster:offset"] == -0.1
    assert fields["nodata"] == 0
    assert fields["data_type"] == "uint16"
    assert fields["proj:code"] == "EPSG:32618"
    assert fields["proj:shape"] == [40, 50]
    assert fields["proj:transform"] == list(GRID["transform"])[:6]
    assert fields["bands"][0]["eo:common_name"] == "red"
    assert fields["file:size"] == (scene / "LC08_L1TP_014031_20180106_B4.TIF").stat().st_size
    assert fields["file:checksum"].startswith("1220")
    assert "https://stac-extensions.github.io/raster/v2.0.0/schema.json" in item.stac_extensions
    assert not any("v1." in uri for uri in item.stac_extensions if "/eo/" in uri or "/raster/" in uri)


def test_the_footprint_is_of_the_valid_pixels(scene, tmp_path):
    """Ten of fifty columns are nodata, in the west."""
    register(scene, tmp_path / "catalog")
    shape = shapely.geometry.shape(stored(tmp_path / "catalog")[0].geometry)
    from rasterio.warp import transform as to_lonlat

    inside = to_lonlat("EPSG:32618", "EPSG:4326", [431085 + 300 * 11], [4740615 - 300 * 20])
    outside = to_lonlat("EPSG:32618", "EPSG:4326", [431085 + 300 * 5], [4740615 - 300 * 20])
    assert shape.contains(shapely.Point(inside[0][0], inside[1][0]))
    assert not shape.contains(shapely.Point(outside[0][0], outside[1][0]))


def test_registering_again_writes_nothing(scene, tmp_path):
    catalog = tmp_path / "catalog"
    register(scene, catalog)
    before = {p: p.stat().st_mtime_ns for p in catalog.glob("**/*") if p.is_file()}
    report = register(tmp_path / "files", catalog)
    assert (report.items, report.existing, report.skipped) == ((), (SCENE,), ())
    assert {p: p.stat().st_mtime_ns for p in catalog.glob("**/*") if p.is_file()} == before


def test_changed_or_moved_files_are_registered_anew(scene, tmp_path):
    catalog = tmp_path / "catalog"
    register(scene, catalog)
    tif(scene / "LC08_L1TP_014031_20180106_B4.TIF", 9999)
    assert [i.id for i in register(scene, catalog).items] == [SCENE]
    assert len(open_catalog(catalog)) == 1
    moved = tmp_path / "elsewhere" / SCENE
    shutil.move(scene, moved)
    assert [i.id for i in register(moved, catalog).items] == [SCENE]
    assert stored(catalog)[0].assets["B4"].href.startswith(str(moved))


@pytest.mark.parametrize(
    ("breakage", "reason"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]), "truncated|not a readable raster"),
        (lambda p: p.write_bytes(b"<!DOCTYPE html><html>Please sign in</html>"), "not a readable raster"),
        (lambda p: p.write_bytes(b""), "not a readable raster"),
        (lambda p: tif(p, transform=Affine.identity(), crs=None), "not georeferenced"),
        (lambda p: tif(p, crs="EPSG:4326"), "no part of the image is on Earth|is not"),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_bad_file_is_reported_and_the_rest_registered(scene, tmp_path, breakage, reason):
    other = scene.parent / SCENE.replace("20180106", "20180122")
    for band in ("B3", "B4", "B5", "BQA"):
        tif(other / f"LC08_L1TP_014031_20180122_{band}.TIF")
    breakage(scene / "LC08_L1TP_014031_20180106_B4.TIF")
    report = register(scene.parent, tmp_path / "catalog")
    assert [i.id for i in report.items] == [other.name]
    assert not report.ok
    ((path, why),) = report.skipped
    assert str(scene) in path
    assert re.search(reason, why), why
    assert "1 skipped" in repr(report)


def test_unrelated_files_are_passed_over(scene, tmp_path):
    (scene / "readme.txt").write_text("hello")
    (scene / "notes.json").write_text('{"type": "Feature"}')
    tif(scene / "preview.tif")
    with zipfile.ZipFile(scene / "other.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    report = register(scene, tmp_path / "catalog")
    assert (len(report.items), report.skipped) == (1, ())


def test_what_does_not_exist_is_an_error(tmp_path, scene):
    with pytest.raises(CatalogError, match="no such file"):
        register(tmp_path / "nothing", tmp_path / "catalog")
    with pytest.raises(SensorError, match="no sensor"):
        register(scene, tmp_path / "catalog", sensor="landsat-eight")
    with pytest.raises(CatalogError, match="cannot be registered into"):
        register(scene, "https://example.com/stac")
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogError, match="cannot be written"):
        register(scene, tmp_path / "file" / "catalog")


def test_a_stated_sensor_says_what_its_names_must_be(tmp_path, scene):
    assert register(scene, tmp_path / "a", sensor="landsat8-oli").ok
    tif(tmp_path / "b" / "mine_B4.TIF")
    report = register(tmp_path / "b", tmp_path / "c", sensor="landsat8-oli")
    assert "neither scene nor date" in report.skipped[0][1]


def test_patterns_files_and_progress(scene, tmp_path):
    seen = []
    report = register(
        [str(scene / "*_B4.TIF"), scene / "LC08_L1TP_014031_20180106_B5.TIF"],
        tmp_path / "catalog",
        progress=lambda *step: seen.append(step),
    )
    assert set(report.items[0].assets) == {"B4", "B5"}
    assert seen == [(1, 1, SCENE)]


def test_a_damaged_archive_is_reported(tmp_path):
    (tmp_path / "S2A_MSIL1C_20180101T105441_N0206_R051_T31TDH_20180101T124911.zip").write_bytes(b"PK not")
    report = register(tmp_path, tmp_path / "catalog")
    assert "ZIP" in report.skipped[0][1]


def test_collections_come_from_the_sensor_file(scene, tmp_path):
    catalog = tmp_path / "catalog"
    register(scene, catalog)
    data = read_json(str(catalog / "landsat8-oli-l1-c1" / "collection.json"))
    assert data["title"].startswith("Landsat 8")
    assert "SR_B4" not in data["item_assets"]
    assert "B4" in data["item_assets"]
    assert data["extent"]["temporal"]["interval"][0][0].startswith("2018-01-06")
    assert list((catalog / "landsat8-oli-l1-c1" / "items").glob("part-*.parquet"))


def test_a_stac_item_beside_its_files_is_registered_as_it_is(scene, tmp_path):
    time = dt.datetime(2018, 1, 6, 15, 40, tzinfo=dt.UTC)
    place = {"type": "Point", "coordinates": [0, 0]}
    item = pystac.Item(
        "mine", place, [0, 0, 0, 0], time, {"custom": "kept", "platform": "landsat-8"}, collection="mine"
    )
    item.add_asset("B4", pystac.Asset("https://example.com/x/LC08_L1TP_014031_20180106_B4.TIF"))
    item.add_asset("away", pystac.Asset("https://example.com/x/other.tif"))
    (scene / "item.json").write_text(json.dumps(item.to_dict()))
    register(scene / "item.json", tmp_path / "one")
    (found,) = stored(tmp_path / "one")
    assert found.properties["custom"] == "kept"
    assert found.assets["B4"].href == str(scene / "LC08_L1TP_014031_20180106_B4.TIF")
    assert found.assets["B4"].extra_fields["proj:shape"] == [40, 50]
    assert found.assets["away"].href == "https://example.com/x/other.tif"


def test_a_date_without_time_in_an_item_is_noon(scene, tmp_path):
    """Midnight UTC is the day before at New York."""
    item = pystac.Item("mine", {"type": "Point", "coordinates": [-74, 41]}, [-74, 41, -74, 41],
                       dt.datetime(2018, 1, 6, tzinfo=dt.UTC), {}, collection="mine")  # fmt: skip
    item.add_asset("B4", pystac.Asset("https://example.com/x/LC08_L1TP_014031_20180106_B4.TIF"))
    fields = item.to_dict()
    fields["properties"]["datetime"] = "2018-01-06"
    (scene / "item.json").write_text(json.dumps(fields))
    register(scene / "item.json", tmp_path / "one")
    (found,) = stored(tmp_path / "one")
    assert found.datetime == dt.datetime(2018, 1, 6, 12, tzinfo=dt.UTC)


def test_nineteen_new_york_scenes(data, tmp_path):
    report = register(data("landsat8_l1_newyork_19dates"), tmp_path)
    assert (len(report.items), report.skipped) == (19, ())
    scenes = search(tmp_path, (-75, 40, -73, 42), "2018", sensors="landsat8-oli")
    assert len(scenes) == 19
    assert {s.tile for s in scenes} == {"013032", "014031", "014032"}
    for item in check_items(tmp_path):
        assert shapely.geometry.shape(item.geometry).area == pytest.approx(4.0, rel=0.2)
        assert item.datetime.hour == 15
    assert scenes[0].sources["red"].grid.shape == (78, 77)


def test_447_landsat_stacks(data, tmp_path):
    report = register(data("landsat57_p035r032_447dates"), tmp_path)
    assert (len(report.items), report.skipped) == (447, ())
    scene = adapt(stored(tmp_path)[0])
    assert [s.band for _, s in scene.bands] == [1, 2, 3, 4, 5, 7, 6]
    assert scene.sources["nir"].nodata == -9999


def test_sentinel2_safe_archives(data, tmp_path):
    report = register(data("s2_safe_metadata"), tmp_path)
    assert (len(report.items), report.skipped) == (5, ())
    items = {i.id: i for i in check_items(tmp_path)}
    item = items["S2A_MSIL1C_20180629T000241_N0206_R030_T56JMM_20180629T012042"]
    assert item.properties["s2:processing_baseline"] == "02.06"
    assert item.properties["grid:code"] == "MGRS-56JMM"
    assert item.assets["B8A"].href.startswith("/vsizip/")
    scene = adapt(item)
    assert scene.sources["red"].offset == 0.0
    assert scene.angles.metadata.endswith("MTD_TL.xml")
    assert scene.tile == "56JMM"


def test_an_unpacked_safe_is_the_same_scene(data, tmp_path):
    name = "S2A_MSIL1C_20180629T000241_N0206_R030_T56JMM_20180629T012042"
    with zipfile.ZipFile(data("s2_safe_metadata") / f"{name}.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    register(tmp_path / "unpacked", tmp_path / "catalog")
    assert register(data("s2_safe_metadata") / f"{name}.zip", tmp_path / "catalog").existing == (name,)


def test_sentinel2_cogs_with_their_real_item(data, tmp_path):
    """The item speaks of 10 m, the files here are decimated to 100 m: the files' own grid is registered."""
    report = register(data("s2_l2a_cog_29rkh_and_l1c_preview"), tmp_path)
    assert report.ok
    item = next(i for i in check_items(tmp_path) if i.id == "S2A_29RKH_20200219_0_L2A")
    red = item.assets["red"]
    assert red.extra_fields["proj:shape"] == [1098, 1098]
    assert red.extra_fields["proj:transform"][0] == 100
    scene = adapt(item)
    with rasterio.open(scene.sources["red"].href) as file:
        assert file.shape == scene.sources["red"].grid.shape


def test_modis_hdf_and_exports(data, tmp_path):
    report = register([data("modis_hdf4"), data("modis_cogs"), data("modis_mod09ga_pamplona_3days")], tmp_path)
    assert [path.rsplit("/", 1)[-1][:7] for path, _ in report.skipped] == ["MOD11B2"]
    items = {i.id: i for i in check_items(tmp_path)}
    assert len(items) == 8
    lst = items["MOD11A1.A2019305.h14v09.006.2019306084028"]  # a file that is just called MOD11A1.hdf
    assert lst.properties["grid:code"] == "MSIN-1409"
    assert lst.assets["LST_Day_1km"].extra_fields["musyq:layer"] == "LST_Day_1km"
    span = items["MOD09A1.A2017193.h18v04.006.2017202035302"]
    assert span.datetime is None
    assert span.properties["end_datetime"].startswith("2017-07-19")
    assert adapt(span).sources["red"].driver == "hdf4"
    days = [i for i in items.values() if i.properties["musyq:product"] == "mod09ga"]
    assert sorted(i.datetime.day for i in days) == [10, 11, 12]
    assert all(adapt(i).solar_day == i.datetime.date() for i in days)
    assert shapely.geometry.shape(days[0].geometry).contains(shapely.Point(-1.64, 42.81))  # Pamplona
    assert items["MYD13A1.A2020153.h30v10.006.2020170024036"].properties["platform"] == "aqua"


def test_landsat_with_mtl_of_every_generation(data, tmp_path):
    folders = ["landsat_l5_l7_l8_l1_dem_clips", "metric_et_talca_mendoza", "landsat8_l1_small", "landsat8_c2l2_008059"]
    report = register([data(f) for f in folders], tmp_path)
    assert len(report.items) == 10
    assert [path.rsplit("/", 1)[-1] for path, _ in report.skipped] == ["L7.MTL.txt"]  # its image is elsewhere
    items = {i.id: i for i in check_items(tmp_path)}
    etm = items["LE07_L1TP_195025_20010730_20170204_01_T1"]
    assert etm.assets["B6_VCID_1"].extra_fields["musyq:k1"] == 666.09
    assert etm.assets["B6_VCID_1"].extra_fields["raster:scale"] == pytest.approx(6.7087e-2)
    assert etm.assets["B4"].extra_fields["raster:scale"] == pytest.approx(2.9e-3, rel=0.2)
    assert items["LC82320832016040LGN00"].assets["B4"].href.endswith("_band4.tif")
    for item in items.values():
        scene = adapt(item)
        assert scene.bands
        assert isinstance(scene.angles.sza, float)


def test_the_id_does_not_depend_on_where_the_files_are(data, tmp_path):
    source = data("modis_mod09ga_pamplona_3days") / "2021222_un"
    copy = tmp_path / "deep" / "my_mod09ga_files" / "2021222_un"
    shutil.copytree(source, copy)
    first = register(source, tmp_path / "a").items[0].id
    assert [i.id for i in register(copy, tmp_path / "b").items] == [first]
    assert register(copy, tmp_path / "a").existing == (first,)
