"""Metadata readers: real files of every kind, and files that lie or break off."""

from __future__ import annotations

import datetime as dt
import math

import pytest

from musyq_cube.catalog.metadata import earth_sun_distance, nominal_time, reflectance_factor, utc
from musyq_cube.catalog.metadata_hj import hj_calibration, hj_metadata, read_hj
from musyq_cube.catalog.metadata_landsat import landsat_calibration, landsat_metadata, read_mtl
from musyq_cube.catalog.metadata_modis import modis_metadata
from musyq_cube.catalog.metadata_sentinel2 import sentinel2_metadata
from musyq_cube.catalog.xmlfile import read_text, read_xml
from musyq_cube.errors import CatalogError
from musyq_cube.sensor import sensor

HJ = """<?xml version="1.0"?><root><data><satelliteId>HJ1A</satelliteId><sensorId>CCD1</sensorId>
<productDate>2009-05-14 01:02:03</productDate><productLevel>LEVEL2</productLevel><scenePath>456</scenePath>
<sceneRow>68</sceneRow><sunElevation>61.5</sunElevation><sunAzimuthElevation>-215.2</sunAzimuthElevation>
<satZenith>20.5</satZenith><satAzimuth>101.0</satAzimuth><sceneDate>2009-05-13 02:56:14.38</sceneDate>
<absCalibType>{}</absCalibType></data></root>"""
FIELD = "(gain1,Fielddata,L=DN/g+L0,W*m^(-2)*sr^(-1)*um^(-1))B1:g 0.5329, L0 1.6146, B2:g 0.52895, L0 4.0052, B3:g 0.68495, L0 6.2193, B4:g 0.72245, L0 2.8302"  # noqa: E501
LAB = "(gain2,Labdata,L=DN*g,W*m^(-2)*sr^(-1)*um^(-1))B1: 0.626647, B2:0.653898, B3: 0.647728, B4: 0.498509"


def test_earth_sun_distance_against_the_mtl_of_usgs(data):
    """Truth: EARTH_SUN_DISTANCE that USGS computed, for scenes through the year."""
    seen = 0
    for path in sorted(data("landsat_metadata_mtl_ang").glob("**/*MTL.txt")):
        mtl = read_mtl(str(path))
        time = landsat_metadata(mtl, str(path)).start
        assert earth_sun_distance(time) == pytest.approx(float(mtl["EARTH_SUN_DISTANCE"]), abs=1e-4)
        seen += 1
    assert seen >= 3


def test_nominal_times_against_real_ones(data):
    """Truth: the acquisition times of real Landsat-8 and -9 scenes; ten minutes are 2 degrees of sun zenith at most."""
    for path in sorted(data("landsat_metadata_mtl_ang").glob("**/LC0*MTL.txt")):
        mtl = read_mtl(str(path))
        found = landsat_metadata(mtl, str(path))
        lon = sum(float(mtl[f"CORNER_{c}_LON_PRODUCT"]) % 360 for c in ("UL", "UR", "LL", "LR")) / 4
        lat = sum(float(mtl[f"CORNER_{c}_LAT_PRODUCT"]) for c in ("UL", "UR", "LL", "LR")) / 4
        nominal = nominal_time(found.properties["platform"], found.start.date(), lon, lat)
        assert abs(nominal - found.start) < dt.timedelta(minutes=10)


def test_aqua_passes_in_the_afternoon_earlier_in_the_north():
    day = dt.date(2020, 7, 1)
    assert nominal_time("aqua", day, 0, 0).hour == 13
    assert nominal_time("aqua", day, 0, 60) < nominal_time("aqua", day, 0, 0)
    assert nominal_time("terra", day, 0, 60) > nominal_time("terra", day, 0, 0)
    assert nominal_time("terra", day, 179, 0).date() == day
    assert nominal_time("sputnik", day, 0, 0) is None


def test_every_landsat_mtl_says_when_where_and_how(data):
    """Collection 1 and 2, Level 1 and 2, before collections, text and XML, Landsat 1 to 9."""
    folders = [
        "landsat_metadata_mtl_ang",
        "landsat_l5_l7_l8_l1_dem_clips",
        "metric_et_talca_mendoza",
        "landsat8_l1_small",
    ]
    paths = [p for f in folders for p in data(f).glob("**/*") if p.suffix in (".txt", ".xml")]
    paths = [p for p in paths if "MTL" in p.name or p.name.endswith("_metadata.xml")]
    assert len(paths) >= 30
    for path in paths:
        found = landsat_metadata(read_mtl(str(path)), str(path))
        assert 1972 <= found.start.year <= 2024
        assert found.properties["platform"].startswith("landsat-")
        assert len(found.properties["grid:code"]) == len("WRS2-123456")
        assert found.properties.get("view:sun_elevation", 10) < 90


def test_level_2_numbers_come_from_level_2(data):
    """A Level-2 MTL repeats the names of Level 1 further down: 2.75e-5 is meant, not 2e-5."""
    path = next(data("landsat8_c2l2_008059").glob("*MTL.txt"))
    mtl = read_mtl(str(path))
    oli = sensor("landsat8-oli")
    found = landsat_calibration(mtl, oli, oli.product("l2-c2"), dt.datetime(2019, 12, 1, tzinfo=dt.UTC))
    assert found["SR_B4"] == {"raster:scale": 2.75e-5, "raster:offset": -0.2}
    assert found["ST_B10"] == {"raster:scale": 0.00341802, "raster:offset": 149.0}


def test_radiance_becomes_reflectance_as_usgs_states_it(data):
    """Truth: the REFLECTANCE factors of the same MTL, which our own ESUN and distance must give within 5 %."""
    folder = data("landsat_l5_l7_l8_l1_dem_clips")
    for name, sensor_id, product in (
        ("extdata/LE07_L1TP_195025_20010730_20170204_01_T1_MTL.txt", "landsat7-etm", "l1-c1"),
        ("testdata/LT05/LT05_L1TP_167055_20000309_20161214_01_T1_MTL.txt", "landsat5-tm", "l1-c1"),
    ):
        mtl = read_mtl(str(folder / name))
        each = sensor(sensor_id)
        time = landsat_metadata(mtl, name).start
        stated = landsat_calibration(mtl, each, each.product(product), time)
        bare = {k: v for k, v in mtl.items() if not k.startswith("REFLECTANCE_")}
        for key, fields in landsat_calibration(bare, each, each.product(product), time).items():
            assert fields["raster:scale"] == pytest.approx(stated[key]["raster:scale"], rel=0.05), key
        ranges = {k: v for k, v in bare.items() if not k.startswith("RADIANCE_MULT")}
        from_ranges = landsat_calibration(ranges, each, each.product(product), time)
        key = next(iter(from_ranges))
        assert from_ranges[key]["raster:scale"] == pytest.approx(stated[key]["raster:scale"], rel=0.05)


def test_a_truncated_mtl_is_an_error(tmp_path):
    path = tmp_path / "x_MTL.txt"
    path.write_text('GROUP = L1_METADATA_FILE\n  SPACECRAFT_ID = "LANDSAT_8"\n')
    with pytest.raises(CatalogError, match="truncated"):
        read_mtl(str(path))
    path.write_text("not an MTL\nEND\n")
    with pytest.raises(CatalogError, match="SPACECRAFT_ID"):
        read_mtl(str(path))


def test_sentinel2_offsets_come_from_the_xml_and_the_baseline(data, tmp_path):
    archives = sorted(data("s2_safe_metadata").glob("S2*_MSIL1C*20180629*.zip"))
    root = f"/vsizip/{archives[0]}/{archives[0].stem}.SAFE"
    product = f"{root}/MTD_MSIL1C.xml"
    tile = f"{root}/GRANULE/L1C_T56JMM_A015757_20180629T000241/MTD_TL.xml"
    old = sentinel2_metadata(product, tile)
    assert old.start == utc("2018-06-29T00:02:41.461Z")
    assert old.calibration["B8A"] == {"raster:scale": 1e-4, "raster:offset": 0.0}
    assert old.properties["view:sun_elevation"] == pytest.approx(90 - 59.5161129)
    assert 8 < old.properties["view:incidence_angle"] < 10
    assert 285 < old.properties["view:azimuth"] < 290
    offsets = "".join(f'<RADIO_ADD_OFFSET band_id="{i}">-{1000 + i}</RADIO_ADD_OFFSET>' for i in range(13))
    text = read_text(product).replace("<QUANTIFICATION_VALUE", f"<L>{offsets}</L><QUANTIFICATION_VALUE", 1)
    (tmp_path / "MTD.xml").write_text(text)
    new = sentinel2_metadata(str(tmp_path / "MTD.xml"), tile)
    assert new.calibration["B8A"]["raster:offset"] == pytest.approx(-0.1008)
    assert new.calibration["B09"]["raster:offset"] == pytest.approx(-0.1009)
    alone = sentinel2_metadata(None, tile)
    assert alone.name.startswith("S2A_OPER_MSI_L1C_TL")
    assert alone.calibration["B02"]["raster:offset"] == 0
    (tmp_path / "TL.xml").write_text(read_text(tile).replace("_N02.06<", "_N05.00<"))
    assert sentinel2_metadata(None, str(tmp_path / "TL.xml")).calibration["B02"]["raster:offset"] == -0.1


@pytest.mark.parametrize(("text", "scale", "offset"), [(FIELD, 1 / 0.52895, 4.0052), (LAB, 0.653898, 0.0)])
def test_hj_calibration_follows_the_formula_that_the_file_states(tmp_path, text, scale, offset):
    """Truth: ρ cos θ = π d² L / ESUN by hand, L as the file's own formula gives it."""
    path = tmp_path / "HJ1A-CCD1-456-68-20090513-L20000114737.XML"
    path.write_text(HJ.format(text))
    facts = read_hj(str(path))
    found = hj_metadata(facts, str(path))
    ccd = sensor("hj1a-ccd1")
    fields = hj_calibration(facts, ccd, found.start, str(path))["B2"]
    factor = math.pi * 1.0104**2 / ccd.band("B2").esun
    assert fields["raster:scale"] == pytest.approx(scale * factor, rel=1e-3)
    assert fields["raster:offset"] == pytest.approx(offset * factor, rel=1e-3, abs=1e-9)
    assert found.name == "HJ1A-CCD1-456-68-20090513-L20000114737"
    assert found.properties["view:sun_azimuth"] == pytest.approx(144.8)
    assert found.properties["platform"] == "hj-1a"


@pytest.mark.parametrize("text", ["", "L=DN", FIELD.replace("B4:g 0.72245", "")])
def test_hj_without_calibration_is_an_error(tmp_path, text):
    path = tmp_path / "a.xml"
    path.write_text(HJ.format(text))
    facts = read_hj(str(path))
    with pytest.raises(CatalogError, match="absCalibType"):
        hj_calibration(facts, sensor("hj1a-ccd1"), utc("2009-05-13 02:56:14"), str(path))


def test_modis_names_tell_day_and_span():
    found = modis_metadata("MOD09A1.A2017193.h18v04.006.2017202035302")
    assert (found.start, found.end) == (utc("2017-07-12"), utc("2017-07-19T23:59:59"))
    daily = modis_metadata("MYD09GA.A2021224.h17v04.061.2021226030241")
    assert (daily.start, daily.end) == (utc("2021-08-12"), None)
    assert daily.properties["grid:code"] == "MSIN-1704"


def test_xml_is_not_trusted(tmp_path):
    """No entities, no external references, no bombs, no giants."""
    bomb = tmp_path / "bomb.xml"
    bomb.write_text('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "xxxx"><!ENTITY y "&x;&x;&x;">]><a>&y;</a>')
    with pytest.raises(CatalogError, match="refused"):
        read_xml(str(bomb))
    outside = tmp_path / "outside.xml"
    outside.write_text('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>')
    with pytest.raises(CatalogError, match="refused"):
        read_xml(str(outside))
    cut = tmp_path / "cut.xml"
    cut.write_text("<a><b>")
    with pytest.raises(CatalogError, match="truncated"):
        read_xml(str(cut))
    giant = tmp_path / "giant.xml"
    with giant.open("wb") as file:
        file.truncate(2**27)
    with pytest.raises(CatalogError, match="no metadata file"):
        read_xml(str(giant))
    with pytest.raises(CatalogError, match="cannot be read"):
        read_xml(str(tmp_path / "none.xml"))


def test_times_and_factors():
    assert utc("2009-05-13 02:56:14.38").microsecond == 380000
    assert utc("2016-02-09T14:27:29").tzinfo is dt.UTC
    with pytest.raises(CatalogError, match="not a time"):
        utc("yesterday")
    assert reflectance_factor(1000.0, utc("2020-07-04")) > reflectance_factor(1000.0, utc("2020-01-04"))


@pytest.mark.parametrize(
    ("name", "sensor_id"),
    [
        ("extdata/LE07_L1TP_195025_20010730_20170204_01_T1_MTL.txt", "landsat7-etm"),
        ("testdata/LT05/LT05_L1TP_167055_20000309_20161214_01_T1_MTL.txt", "landsat5-tm"),
    ],
)
def test_irradiance_before_the_collections_is_that_of_the_producer(data, name, sensor_id):
    """Truth: π d² ML / Mρ of a Collection-1 MTL, by its own Earth-Sun distance; within 0.2 %."""
    mtl = read_mtl(str(data("landsat_l5_l7_l8_l1_dem_clips") / name))
    each = sensor(sensor_id)
    product = each.product("l1-pre")
    wanted = [a for a in product.of_role("data") if not a.planck]
    for asset in wanted:
        number = asset.key.removeprefix("B")
        radiance, reflectance = (float(mtl[f"{kind}_MULT_BAND_{number}"]) for kind in ("RADIANCE", "REFLECTANCE"))
        implied = math.pi * float(mtl["EARTH_SUN_DISTANCE"]) ** 2 * radiance / reflectance
        assert asset.esun == pytest.approx(implied, rel=2e-3), asset.key
    time = landsat_metadata(mtl, name).start
    bare = {k: v for k, v in mtl.items() if not k.startswith("REFLECTANCE_")}
    computed, stated = (landsat_calibration(fields, each, product, time) for fields in (bare, mtl))
    for asset in wanted:
        assert computed[asset.key]["raster:scale"] == pytest.approx(stated[asset.key]["raster:scale"], rel=2e-3)
