"""Adapt: small Items in the manners of the real catalogues; the numbers are those of the producers' handbooks."""

from __future__ import annotations

import copy
import math
from typing import Any

import pystac
import pytest

from musyq_cube.catalog.adapt import adapt
from musyq_cube.errors import CatalogError
from musyq_cube.read.fuse import group_scenes
from musyq_cube.scene import Scene
from musyq_cube.types import QA

JSON = dict[str, Any]
UTM = {"proj:shape": [10980, 10980], "proj:transform": [10, 0, 600000, 0, -10, 5700000]}
POLYGON = {"type": "Polygon", "coordinates": [[[4.4, 50.4], [6.0, 50.4], [6.0, 51.4], [4.4, 51.4], [4.4, 50.4]]]}


def sentinel2(baseline: str | None = "05.09", **properties: Any) -> JSON:
    """An Item as Earth Search v1 writes it: keys by colour, STAC 1.0 fields."""
    bands = [{"data_type": "uint16", "nodata": 0, "scale": 0.0001, "spatial_resolution": 10}]
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": "S2A_31UFS_20230602_0_L2A", "collection": "sentinel-2-l2a",
        "geometry": POLYGON, "bbox": [4.4, 50.4, 6.0, 51.4], "links": [],
        "properties": {
            "datetime": "2023-06-02T10:56:31.5Z", "platform": "sentinel-2a", "instruments": ["msi"],
            "eo:cloud_cover": 12.5, "view:sun_elevation": 60.0, "view:sun_azimuth": 150.0, "proj:epsg": 32631,
            **({"s2:processing_baseline": baseline} if baseline else {}), **properties,
        },
        "assets": {
            "red": {"href": "https://example.com/s2/B04.tif", "raster:bands": bands, **UTM},
            "nir": {"href": "https://example.com/s2/B08.tif", "raster:bands": bands, **UTM},
            "scl": {"href": "https://example.com/s2/SCL.tif", "raster:bands": [{"nodata": 0, "data_type": "uint8"}]},
            "visual": {"href": "https://example.com/s2/TCI.tif", "roles": ["visual"], "eo:bands": [{"name": "red"}]},
            "granule_metadata": {"href": "https://example.com/s2/MTD_TL.xml"},
        },
    }  # fmt: skip


def landsat(name: str, platform: str, assets: JSON, **properties: Any) -> JSON:
    return {
        "type": "Feature", "stac_version": "1.1.0", "id": name, "collection": None, "geometry": POLYGON, "links": [],
        "properties": {"datetime": "2010-06-02T10:30:00Z", "platform": platform, **properties}, "assets": assets,
    }  # fmt: skip


def test_a_whole_scene() -> None:
    scene = adapt(sentinel2())
    assert (scene.sensor, scene.platform, scene.quantity, scene.tile) == (
        "sentinel2a-msi",
        "sentinel-2a",
        "sr",
        "31UFS",
    )
    assert (scene.datetime, scene.version, scene.cloud_cover) == ("2023-06-02T10:56:31.500000Z", "05.09", 12.5)
    assert [name for name, _ in scene.bands] == ["red", "nir"]
    red = scene.sources["red"]
    assert (red.href, red.driver, red.dtype, red.nodata) == ("https://example.com/s2/B04.tif", "raster", "uint16", 0)
    assert red.scale == 1e-4
    assert red.grid is not None
    assert (red.grid.crs, red.grid.transform) == ("EPSG:32631", (10, 0, 600000, 0, -10, 5700000))
    assert scene.angles.sza == 30.0
    assert scene.angles.saa == 150.0
    assert scene.angles.vza is None
    assert scene.angles.metadata == "https://example.com/s2/MTD_TL.xml"
    assert scene.geometry.bounds == (4.4, 50.4, 6.0, 51.4)
    (quality,) = scene.qa
    assert (9, int(QA.CLOUD)) in {(value, bits) for _, value, bits in quality.rules}
    assert (quality.source.scale, quality.source.offset, quality.source.dtype) == (1, 0, "uint8")


def test_scene_survives_json_and_hashing() -> None:
    scene = adapt(sentinel2())
    assert Scene.from_dict(scene.to_dict()) == scene
    assert hash(adapt(sentinel2())) == hash(scene)
    assert adapt(sentinel2()).key == scene.key


def test_adapting_changes_nothing_and_takes_pystac() -> None:
    item = sentinel2()
    before = copy.deepcopy(item)
    scene = adapt(item)
    assert item == before
    assert adapt(pystac.Item.from_dict(item)).sources == scene.sources


@pytest.mark.parametrize(
    ("baseline", "properties", "stated", "offset"),
    [
        ("05.09", {}, None, -0.1),
        ("04.00", {}, None, -0.1),
        ("03.01", {}, None, 0.0),
        ("02.14", {"datetime": "2024-06-02T00:00:00Z"}, None, 0.0),  # the date never decides
        ("05.00", {"datetime": "2018-06-02T00:00:00Z"}, None, -0.1),  # reprocessed archive
        ("05.09", {"earthsearch:boa_offset_applied": True}, -0.1, 0.0),  # never twice
        ("05.09", {"earthsearch:boa_offset_applied": True}, None, 0.0),
        ("05.09", {"earthsearch:boa_offset_applied": False}, -0.1, -0.1),
        ("04.00", {"sentinel:boa_offset_applied": True}, None, 0.0),
        (None, {"processing:version": "05.11"}, -0.1, -0.1),  # Copernicus Data Space
        (None, {"s2:product_uri": "S2A_MSIL2A_20220620T105631_N0400_R094_T31UFS_20220620T170309.SAFE"}, None, -0.1),
        (None, {"sentinel:product_id": "S2A_MSIL2A_20200714T115221_N0214_R123_T31UFS_20200714T191310"}, None, 0.0),
    ],
)
def test_reflectance_offset_is_applied_once(
    baseline: str | None, properties: JSON, stated: float | None, offset: float
) -> None:
    item = sentinel2(baseline, **properties)
    if stated is not None:
        for key in ("red", "nir"):
            item["assets"][key]["raster:bands"][0]["offset"] = stated
    assert adapt(item).sources["red"].offset == offset


def test_without_baseline_the_field_is_named() -> None:
    with pytest.raises(CatalogError, match=r"S2A_31UFS.*properties.s2:processing_baseline.*set it"):
        adapt(sentinel2(None))


WKT = adapt(sentinel2()).sources["red"].grid.geobox.crs.to_wkt()
PROJJSON = adapt(sentinel2()).sources["red"].grid.geobox.crs.proj.to_json_dict()


@pytest.mark.parametrize("on_item", [True, False])
@pytest.mark.parametrize(
    "transform", [[10, 0, 600000, 0, -10, 5700000], [10, 0, 600000, 0, -10, 5700000, 0, 0, 1], None]
)
@pytest.mark.parametrize(
    "crs",
    [
        {"proj:epsg": 32631},
        {"proj:code": "EPSG:32631"},
        {"proj:epsg": None, "proj:wkt2": WKT},
        {"proj:projjson": PROJJSON},
    ],
)
def test_projection_of_every_version(crs: JSON, transform: list[float] | None, on_item: bool) -> None:
    item = sentinel2()
    fields = {**crs, "proj:shape": [10980, 10980]}
    fields |= {"proj:transform": transform} if transform else {"proj:bbox": [600000, 5590200, 709800, 5700000]}
    del item["properties"]["proj:epsg"]
    for name in UTM:
        del item["assets"]["red"][name]
    (item["properties"] if on_item else item["assets"]["red"]).update(fields)
    grid = adapt(item).sources["red"].grid
    assert grid is not None
    assert grid.transform == (10, 0, 600000, 0, -10, 5700000)
    assert grid.geobox.crs.to_epsg() == 32631


def test_grid_of_the_item_is_not_taken_for_other_pixel_sizes() -> None:
    assets = {"B4": {"href": "s3://b/B4.TIF"}, "B8": {"href": "s3://b/B8.TIF"}}
    grid = {"proj:code": "EPSG:32631", "proj:shape": [10, 10], "proj:transform": [30, 0, 0, 0, -30, 0]}
    scene = adapt(landsat("LC08_L1TP_014031_20180106_20180119_02_T1", "landsat-8", assets, **grid))
    assert scene.sources["red"].grid is not None
    assert scene.sources["pan"].grid is None


@pytest.mark.parametrize(
    ("item_link", "href", "absolute"),
    [
        ("https://e.com/a/b/item.json", "./B04.tif", "https://e.com/a/b/B04.tif"),
        ("https://e.com/a/b/item.json", "../../x/B04.tif?token=1", "https://e.com/x/B04.tif?token=1"),
        ("s3://bucket/a/b/item.json", "../B04.tif", "s3://bucket/a/B04.tif"),
        ("/data/a/item.json", "B04.tif", "/data/a/B04.tif"),
        ("https://e.com/a/item.json", "s3://other/B04.tif", "s3://other/B04.tif"),
        ("https://e.com/a/item.json", "/data/B04.tif", "/data/B04.tif"),
        (None, "./B04.tif", "./B04.tif"),
    ],
)
def test_hrefs_become_absolute(item_link: str | None, href: str, absolute: str) -> None:
    item = sentinel2()
    item["assets"]["red"]["href"] = href
    item["links"] = [{"rel": "self", "href": item_link}] if item_link else []
    assert adapt(item).sources["red"].href == absolute


def test_stac_1_1_bands_and_text_nodata() -> None:
    item = sentinel2()
    fields = {"data_type": "float32", "nodata": "nan", "raster:scale": 1.0, "raster:offset": 0.0}
    item["assets"]["B04_10m"] = {"href": "https://e.com/x.jp2", "bands": [{"name": "B04"}], **fields}
    del item["assets"]["red"]
    red = adapt(item).sources["red"]
    assert (red.href, red.dtype, red.scale, red.offset) == ("https://e.com/x.jp2", "float32", 1.0, 0.0)
    assert red.nodata is not None
    assert math.isnan(red.nodata)


def test_band_is_found_by_its_name_where_the_key_says_nothing() -> None:
    item = sentinel2()
    item["assets"]["layer-7"] = item["assets"].pop("red") | {"eo:bands": [{"name": "B04", "common_name": "red"}]}
    assert adapt(item).sources["red"].href == "https://example.com/s2/B04.tif"


def test_landsat_collection_2_level_2() -> None:
    assets = {
        "red": {"href": "s3://b/LC08_L2SP_014031_20180106_20200901_02_T1_SR_B4.TIF"},
        "lwir11": {"href": "s3://b/LC08_L2SP_014031_20180106_20200901_02_T1_ST_B10.TIF"},
        "qa_pixel": {"href": "s3://b/LC08_L2SP_014031_20180106_20200901_02_T1_QA_PIXEL.TIF"},
        "ang": {"href": "s3://b/LC08_L2SP_014031_20180106_20200901_02_T1_ANG.txt"},
    }
    scene = adapt(landsat("LC08_L2SP_014031_20180106_20200901_02_T1_SR", "LANDSAT_8", assets, instruments=["OLI_TIRS"]))
    assert (scene.sensor, scene.quantity, scene.tile, scene.version) == ("landsat8-oli", "sr", "014031", "02")
    assert scene.created == "2020-09-01T00:00:00Z"
    assert (scene.sources["red"].scale, scene.sources["red"].offset) == (2.75e-5, -0.2)
    assert (scene.sources["lst"].scale, scene.sources["lst"].offset) == (0.00341802, 149.0)
    assert scene.angles.metadata == assets["ang"]["href"]
    temperature = {k: assets[k] for k in ("lwir11", "qa_pixel")}
    assert adapt(landsat("LC08_L2SP_014031_20180106_20200901_02_T1_ST", "LANDSAT_8", temperature)).quantity == "lst"


def test_landsat_level_1_needs_its_scene_scale() -> None:
    item = landsat("LE07_L1TP_195025_20010730_20170204_01_T1", "landsat-7", {"B3": {"href": "/d/x_B3.TIF"}})
    with pytest.raises(CatalogError, match=r"assets.B3.raster:scale and raster:offset.*MTL"):
        adapt(item)
    item["assets"]["B3"] |= {"raster:scale": 1.2e-3, "raster:offset": -0.01}
    red = adapt(item).sources["red"]
    assert (red.scale, red.offset, red.cosine, red.nodata) == (1.2e-3, -0.01, True, 0)


def test_thermal_bands_of_level_1_carry_planck_constants() -> None:
    item = landsat("LC08_L1TP_014031_20180106_20180119_01_T1", "landsat-8", {"B10": {"href": "/d/x_B10.TIF"}})
    assert adapt(item).sources["lwir11"].planck == (774.8853, 1321.0789)
    item["assets"]["B10"] |= {"musyq:k1": 700.0, "musyq:k2": 1300.0}
    thermal = adapt(item).sources["lwir11"]
    assert thermal.planck == (700.0, 1300.0)
    assert not thermal.cosine


def test_angle_layers_win_over_constants() -> None:
    assets = {"B4": {"href": "/d/x_B4.TIF"}, "SZA": {"href": "/d/x_SZA.TIF"}, "VAA": {"href": "/d/x_VAA.TIF"}}
    name = "LC08_L1TP_014031_20180106_20200901_02_T1"
    angles = adapt(landsat(name, "landsat-8", assets, **{"view:sun_elevation": 40, "view:sun_azimuth": 130})).angles
    assert angles.sza.href == "/d/x_SZA.TIF"
    assert (angles.sza.scale, angles.vaa.scale, angles.saa) == (0.01, 0.01, 130)


def test_multi_band_stack_is_one_file() -> None:
    item = landsat("LT50350321985206XXX02", "landsat-5", {"stack": {"href": "/d/LT50350321985206XXX02_stack.gtif"}})
    scene = adapt(item)
    assert [(n, s.band) for n, s in scene.bands] == [
        *(("blue", 1), ("green", 2), ("red", 3), ("nir", 4), ("swir16", 5), ("lwir", 7), ("swir22", 6)),
    ]
    assert (scene.sources["lwir"].scale, scene.sources["lwir"].offset) == (0.01, 273.15)
    assert scene.qa[0].source.band == 8


def modis(asset: JSON, key: str = "hdf") -> JSON:
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": "MOD09GA.A2021222.h17v04.061", "collection": "modis-09GA-061",
        "geometry": POLYGON, "links": [], "assets": {key: asset},
        "properties": {"datetime": None, "start_datetime": "2021-08-10T00:00:00Z", "platform": "terra",
                       "end_datetime": "2021-08-10T23:59:59Z", "instruments": ["modis"]},
    }  # fmt: skip


def test_hdf_file_holds_every_layer() -> None:
    scene = adapt(modis({"href": "/d/MOD09GA.A2021222.h17v04.061.2021224000000.hdf"}))
    red = scene.sources["red"]
    assert (red.driver, red.layer, red.scale, red.nodata) == ("hdf4", "sur_refl_b01_1", 1e-4, -28672)
    assert red.valid == (-100, 16000)
    assert scene.qa[0].source.layer == "state_1km_1"
    assert scene.angles.vza.layer == "SensorZenith_1"
    assert len(scene.bands) == 7
    assert "swir12" in scene.sources


def test_reciprocal_scale_is_understood() -> None:
    """GeoTIFF exports of MOD09 state scale 10000 where 0.0001 is meant (HDF-EOS divides)."""
    asset = {"href": "/d/MODIS_Grid_500m_2D_sur_refl_b01_1.tif", "raster:bands": [{"scale": 10000.0}]}
    assert adapt(modis(asset, "sur_refl_b01_1")).sources["red"].scale == 1e-4


@pytest.mark.parametrize(
    ("properties", "datetime"),
    [
        ({"datetime": None, "start_datetime": "2021-08-10T00:00:00Z", "end_datetime": "2021-08-10T23:59:59Z"},
         "2021-08-10T11:59:59Z"),
        ({"datetime": None, "start_datetime": "2021-08-10T23:58:00Z", "end_datetime": "2021-08-11T00:02:00Z"},
         "2021-08-11T00:00:00Z"),
        ({"datetime": "2021-08-10"}, "2021-08-10T12:00:00Z"),
        ({"datetime": "2021-08-10T10:00:00+02:00"}, "2021-08-10T08:00:00Z"),
        ({"datetime": "2021-08-10 10:00:00"}, "2021-08-10T10:00:00Z"),
    ],
)  # fmt: skip
def test_times(properties: JSON, datetime: str) -> None:
    assert adapt(sentinel2(**properties)).datetime == datetime


def test_product_items_are_inputs() -> None:
    """The Item of CONVENTIONS §4: one Zarr store with several bands."""
    item = {
        "type": "Feature", "stac_version": "1.1.0", "id": "sr-2018-07", "collection": "MuSQ.SR.30m",
        "geometry": POLYGON,
        "links": [{"rel": "self", "href": "s3://out/MuSQ.SR.30m/sr-2018-07/sr-2018-07.json"}],
        "properties": {"datetime": None, "start_datetime": "2018-07-01T00:00:00Z", "proj:code": "EPSG:32650",
                       "end_datetime": "2018-07-31T23:59:59Z", "processing:software": {"musyq_cube": "0.1.0"}},
        "assets": {"data": {
            "href": "./data.zarr", "type": "application/vnd.zarr; version=3; profile=multiscales",
            "proj:shape": [512, 512], "proj:transform": [30, 0, 399960, 0, -30, 4451640], "raster:scale": 1e-4,
            "raster:offset": 0.0, "nodata": -32768, "data_type": "int16",
            "bands": [{"name": "red", "eo:common_name": "red"}, {"name": "nir08", "nodata": 0, "raster:scale": 2e-4},
                      {"name": "red_unc"}, {"name": "count"},
                      {"name": "qa", "data_type": "uint16", "nodata": None, "raster:scale": 1}]}},
    }  # fmt: skip
    scene = adapt(item)
    assert (scene.sensor, scene.quantity, scene.datetime) == ("MuSQ.SR.30m", "sr", "2018-07-16T12:00:00Z")
    assert [n for n, _ in scene.bands] == ["red", "nir08"]
    red, nir = scene.sources["red"], scene.sources["nir08"]
    assert (red.href, red.driver, red.layer) == ("s3://out/MuSQ.SR.30m/sr-2018-07/data.zarr", "zarr", "0/red")
    assert (red.scale, red.nodata, nir.scale, nir.nodata) == (1e-4, -32768, 2e-4, 0)
    assert red.grid is not None
    assert red.grid.shape == (512, 512)
    assert scene.qa[0].source.layer == "0/qa"
    assert all(mask == value == bits for mask, value, bits in scene.qa[0].rules)
    assert Scene.from_dict(scene.to_dict()) == scene
    del item["assets"]["data"]["bands"]
    with pytest.raises(CatalogError, match=r"bands is missing.*list the variables"):
        adapt(item)


def test_registered_items_say_what_they_are() -> None:
    item = sentinel2()
    item |= {"id": "anything", "collection": "mine"}
    item["properties"] |= {"musyq:sensor": "sentinel2a-msi", "musyq:product": "l2a"}
    assert adapt(item).sensor == "sentinel2a-msi"


def test_period_of_the_mission_decides_between_equal_sensors() -> None:
    """Harmonized L30 granules before Landsat 9 are of Landsat 8; later ones have to name their platform."""
    item = landsat("G199", "", {"B04": {"href": "https://e.com/HLS.L30.T19LDD.2020165T144027.v2.0.B04.tif"}})
    del item["properties"]["platform"]
    item["properties"]["datetime"] = "2020-06-13T14:40:27Z"
    assert adapt(item).sensor == "landsat8-oli"
    assert adapt(item).tile == "19LDD"
    item["properties"]["datetime"] = "2022-06-13T14:40:27Z"
    with pytest.raises(CatalogError, match=r"properties.platform.*landsat8-oli/hls-l30 or landsat9-oli/hls-l30"):
        adapt(item)


def _without(*path: str) -> JSON:
    item = sentinel2()
    holder = item
    for name in path[:-1]:
        holder = holder[name]
    holder.pop(path[-1])
    return item


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (_without("id"), "has no id"),
        (_without("properties"), "properties is missing.*JSON object"),
        (_without("assets"), "assets is missing.*JSON object"),
        (_without("properties", "datetime"), "properties.datetime is missing.*start_datetime and end_datetime"),
        (sentinel2(datetime="yesterday"), "properties.datetime is missing or unusable: it is 'yesterday'"),
        ({**sentinel2(), "geometry": None, "bbox": None}, "geometry is missing or unusable: give the footprint"),
        ({**sentinel2(), "geometry": {"type": "Polygon"}}, "geometry is missing or unusable: not GeoJSON"),
        ({**sentinel2(), "assets": {}}, "assets is missing or unusable: no band of sentinel2a-msi/l2a"),
        (sentinel2(platform="Okean", instruments=["MSU"]), "no sensor is defined for platform 'Okean'.*To add one"),
        (
            {**sentinel2(), "id": "x", "collection": "mosaic"},
            "no product is defined for collection 'mosaic'.*To add one",
        ),
    ],
)
def test_what_is_missing_is_named(item: JSON, message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        adapt(item)


def test_multispectral_scanner_is_not_mistaken_for_thematic_mapper() -> None:
    item = landsat(
        "LM05_L1GS_001001_19850524_20210918_02_T2", "LANDSAT_5", {"red": {"href": "/d/B2.TIF"}}, instruments=["MSS"]
    )
    with pytest.raises(CatalogError, match=r"no sensor is defined for platform 'LANDSAT_5', instruments \['MSS'\]"):
        adapt(item)


def test_foreign_zarr_is_not_read_as_raster() -> None:
    item = sentinel2()
    item["assets"] = {"red": {"href": "https://e.com/S2A.zarr/red", "type": "application/vnd+zarr"}}
    with pytest.raises(CatalogError, match="no band of sentinel2a-msi/l2a"):
        adapt(item)


def test_tiles_of_one_period_make_one_time_step() -> None:
    """However its end is written, and at whatever hour of its first and last day a tile was seen."""
    spans = [
        ("2016-05-24T00:00:00Z", "2016-06-08T23:59:59Z"),
        ("2016-05-24T00:00:00Z", "2016-06-09T00:00:00Z"),
        ("2016-05-24T10:05:00Z", "2016-06-08T11:45:00Z"),
    ]
    scenes = []
    for west, (start, end) in zip((-180.0, 0.0, 170.0), spans, strict=True):
        times = {"datetime": None, "start_datetime": start, "end_datetime": end}
        scenes.append(adapt({**sentinel2(**times), "bbox": [west, 50.0, west + 9, 52.0], "geometry": None}))
    assert {s.datetime for s in scenes} == {"2016-05-31T12:00:00Z"}
    assert len(group_scenes(scenes)) == 1
