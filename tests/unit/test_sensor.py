"""Sensor definitions: what they say is compared with what the producers published."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pystac
import pytest

from musyq_cube.errors import SensorError
from musyq_cube.sensor import load_sensor, sensor, sensors, sensors_path
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from musyq_cube.sensor import Asset

ISSUE = {
    *("landsat4-tm", "landsat5-tm", "landsat7-etm", "landsat8-oli", "landsat9-oli"),
    *("sentinel2a-msi", "sentinel2b-msi", "sentinel2c-msi", "modis-terra", "modis-aqua"),
    *("hj1a-ccd1", "hj1a-ccd2", "hj1b-ccd1", "hj1b-ccd2"),
}
COMMON_NAMES = {
    *("pan", "coastal", "blue", "green", "green05", "yellow", "red", "rededge", "rededge071", "rededge075"),
    *("rededge078", "nir", "nir08", "nir09", "cirrus", "swir16", "swir22", "lwir", "lwir11", "lwir12"),
}


def common_bits(asset: Asset, native: int) -> QA:
    """Apply the rules of a QA asset to one native value."""
    bits = QA(0)
    for mask, value, qa in asset.rules:
        if native & mask == value:
            bits |= QA(qa)
    return bits


def layer(sensor_id: str, product: str, key: str) -> Asset:
    found = sensor(sensor_id).product(product).asset(key)
    assert found is not None
    return found


def test_every_sensor_of_the_catalog_loads() -> None:
    assert set(sensors()) >= ISSUE


@pytest.mark.parametrize("sensor_id", sorted(ISSUE))
def test_definition_is_complete(sensor_id: str) -> None:
    definition = sensor(sensor_id)
    assert definition.products
    for band in definition.bands:
        if band.center_wavelength is None:
            continue
        assert band.common_name in COMMON_NAMES or (band.common_name is None and band.name == "B05")
        wavelength, response = definition.srf(band.name)
        assert np.all(np.diff(wavelength) > 0)
        assert min(response[0], response[-1]) >= 0.001
        assert response.max() == 1
        assert wavelength[0] < band.center_wavelength < wavelength[-1]
    for product in definition.products:
        for asset in product.of_role("data"):
            definition.band(asset.band or "")


@pytest.mark.parametrize("sensor_id", sorted(ISSUE))
def test_definition_is_a_stac_collection(sensor_id: str) -> None:
    path = sensors_path() / sensor_id / "collection.json"
    collection = pystac.Collection.from_dict(json.loads(path.read_text()))
    assert collection.id == sensor_id


@pytest.mark.parametrize(
    ("sensor_id", "limits"),
    [
        # USGS band designations: half-maximum limits in µm.
        (
            "landsat8-oli",
            {
                "coastal": (0.435, 0.451),
                "blue": (0.452, 0.512),
                "green": (0.533, 0.590),
                "red": (0.636, 0.673),
                "nir08": (0.851, 0.879),
                "swir16": (1.566, 1.651),
                "swir22": (2.107, 2.294),
                "cirrus": (1.363, 1.384),
                "lwir11": (10.60, 11.19),
                "lwir12": (11.50, 12.51),
            },
        ),
        # MODIS specifications (NASA), µm.
        (
            "modis-terra",
            {
                "red": (0.620, 0.670),
                "nir08": (0.841, 0.876),
                "blue": (0.459, 0.479),
                "green": (0.545, 0.565),
                "swir12": (1.230, 1.250),
                "swir16": (1.628, 1.652),
                "swir22": (2.105, 2.155),
            },
        ),
        # Sentinel-2A (ESA): centre ± half width, µm.
        (
            "sentinel2a-msi",
            {
                "blue": (0.460, 0.525),
                "green": (0.542, 0.578),
                "red": (0.649, 0.680),
                "nir": (0.780, 0.886),
                "nir08": (0.854, 0.875),
                "swir16": (1.568, 1.659),
                "swir22": (2.115, 2.290),
            },
        ),
    ],
)
def test_half_maximum_limits_agree_with_the_published_ones(
    sensor_id: str, limits: dict[str, tuple[float, float]]
) -> None:
    for name, (low, high) in limits.items():
        band = sensor(sensor_id).band(name)
        assert band.center_wavelength is not None
        assert band.fwhm is not None
        tolerance = 0.01 if high < 1 else 0.02  # MODIS bands 6 and 7 were built 14 to 18 nm off their specification
        assert band.center_wavelength - band.fwhm / 2 == pytest.approx(low, abs=tolerance)
        assert band.center_wavelength + band.fwhm / 2 == pytest.approx(high, abs=tolerance)


def test_near_infrared_is_named_from_the_response() -> None:
    """STAC eo v2: nir08 lies within 0.80–0.90 µm, nir within 0.76–1.00 µm."""
    for definition in sensors().values():
        for band in definition.bands:
            if band.common_name not in ("nir", "nir08"):
                continue
            low, high = band.center_wavelength - band.fwhm / 2, band.center_wavelength + band.fwhm / 2
            narrow = low >= 0.80 and high <= 0.90
            assert (band.common_name == "nir08") == narrow, (definition.id, band)


@pytest.mark.parametrize(
    ("sensor_id", "published"),
    [
        # Chander, Markham and Helder (2009), doi:10.1016/j.rse.2009.01.007, bands 1-5 and 7 (ChKur spectrum).
        ("landsat5-tm", [1983, 1796, 1536, 1031, 220.0, 83.44]),
        ("landsat7-etm", [1997, 1812, 1533, 1039, 230.8, 84.90]),
        # CRESDA, HJ-1A CCD1.
        ("hj1a-ccd1", [1914.3, 1825.4, 1542.7, 1073.8]),
    ],
)
def test_solar_irradiance_agrees_with_published_tables(sensor_id: str, published: list[float]) -> None:
    """Published tables use other solar spectra, so 4 % is all that they can agree on."""
    own = [b.esun for b in sensor(sensor_id).bands if b.esun is not None and b.common_name != "pan"]
    np.testing.assert_allclose(own, published, rtol=0.04)


@pytest.mark.parametrize(
    ("native", "expected"),
    [
        # USGS, Landsat 8-9 Collection 2 QA_PIXEL value interpretations.
        (1, QA.FILL), (21824, QA(0)), (21826, QA.ADJACENT), (21952, QA.WATER), (22280, QA.CLOUD), (23888, QA.SHADOW),
        (30048, QA.SNOW), (54596, QA.CIRRUS), (55052, QA.CLOUD | QA.CIRRUS),
    ],
)  # fmt: skip
def test_collection_2_quality(native: int, expected: QA) -> None:
    assert common_bits(layer("landsat8-oli", "l2-c2", "QA_PIXEL"), native) == expected
    assert common_bits(layer("landsat9-oli", "l1-c2", "qa_pixel"), native) == expected


def test_collection_2_quality_of_tm_has_no_cirrus() -> None:
    assert common_bits(layer("landsat5-tm", "l2-c2", "QA_PIXEL"), 5440) == QA(0)
    assert common_bits(layer("landsat5-tm", "l2-c2", "QA_PIXEL"), 5440 | 4) == QA(0)


@pytest.mark.parametrize(
    ("product", "key", "native", "expected"),
    [
        # USGS, Landsat 8 Collection 1 BQA and pixel_qa value interpretations.
        ("l1-c1", "BQA", 1, QA.FILL), ("l1-c1", "BQA", 2720, QA(0)), ("l1-c1", "BQA", 2800, QA.CLOUD),
        ("l1-c1", "BQA", 2976, QA.SHADOW), ("l1-c1", "BQA", 3744, QA.SNOW), ("l1-c1", "BQA", 6816, QA.CIRRUS),
        ("l1-c1", "BQA", 2724, QA.SATURATED), ("l2-c1", "pixel_qa", 322, QA(0)), ("l2-c1", "pixel_qa", 324, QA.WATER),
        ("l2-c1", "pixel_qa", 328, QA.SHADOW), ("l2-c1", "pixel_qa", 336, QA.SNOW),
        ("l2-c1", "pixel_qa", 480, QA.CLOUD),
    ],
)  # fmt: skip
def test_collection_1_quality(product: str, key: str, native: int, expected: QA) -> None:
    assert common_bits(layer("landsat8-oli", product, key), native) == expected


@pytest.mark.parametrize(
    ("native", "expected"),
    [(0, QA.FILL), (3, QA.SHADOW), (4, QA(0)), (6, QA.WATER), (9, QA.CLOUD), (10, QA.CIRRUS), (11, QA.SNOW)],
)
def test_scene_classification(native: int, expected: QA) -> None:
    assert common_bits(layer("sentinel2b-msi", "l2a", "SCL"), native) == expected


@pytest.mark.parametrize(
    ("native", "expected"),
    [
        # MOD09 user guide, state QA: land, low aerosol; then cloudy; shadow; deep ocean; high cirrus; adjacent; snow.
        (0b0000_0000_0100_1000, QA(0)), (0b0000_0000_0100_1001, QA.CLOUD), (0b0000_0000_0100_1100, QA.SHADOW),
        (0b0000_0000_0111_1000, QA.WATER), (0b0000_0011_0100_1000, QA.CIRRUS), (0b0010_0000_0100_1000, QA.ADJACENT),
        (0b1000_0000_0100_1000, QA.SNOW), (0b0000_0000_0000_1000, QA.CLIMATOLOGY_AOD),
    ],
)  # fmt: skip
def test_modis_state(native: int, expected: QA) -> None:
    assert common_bits(layer("modis-terra", "mod09ga", "state_1km_1"), native) == expected
    assert common_bits(layer("modis-aqua", "myd09a1", "sur_refl_state_500m"), native) == expected


def test_stack_codes_match_as_signed_and_unsigned() -> None:
    fmask = layer("landsat5-tm", "stack", "fmask")
    assert common_bits(fmask, 4) == QA.CLOUD
    assert common_bits(fmask, 255) == QA.FILL
    assert common_bits(fmask, -9999 & 0xFFFF) == QA.FILL


def test_encodings_of_the_collections() -> None:
    oli = sensor("landsat8-oli")
    red, lst = oli.product("l2-c2").asset("SR_B4"), oli.product("l2-c2").asset("ST_B10")
    assert (red.scale, red.offset, red.nodata) == (2.75e-5, -0.2, 0)
    assert (lst.scale, lst.offset) == (0.00341802, 149.0)
    toa = oli.product("l1-c2").asset("B4")
    assert (toa.scale, toa.offset, toa.cosine, toa.planck) == (2e-5, -0.1, True, False)
    assert oli.product("l1-c2").asset("B10").planck
    assert sensor("landsat7-etm").product("l1-c2").asset("B1").scale is None
    assert sensor("hj1a-ccd1").product("l2").asset("B4").scale is None
    assert sensor("sentinel2c-msi").product("l2a").offset_from_baseline == (("04.00", -0.1),)


@pytest.mark.parametrize(
    ("sensor_id", "product", "name", "groups"),
    [
        ("landsat8-oli", "l1-c1", "LC08_L1TP_014031_20180106_20180119_01_T1",
         {"tile": "014031", "date": "20180106", "created": "20180119"}),
        ("landsat8-oli", "l1-c1", "LC08_L1TP_014031_20180106_B4.TIF", {"tile": "014031", "date": "20180106"}),
        ("landsat8-oli", "l2-c2", "LC08_L2SP_047027_20201204_02_T1", {"tile": "047027", "version": "02"}),
        ("landsat7-etm", "stack", "LE70350321999205EDC00_stack.gtif", {"tile": "035032", "doy": "1999205"}),
        ("landsat5-tm", "l1-pre", "LT51670552010352MLK00_B1.tif", {"tile": "167055", "doy": "2010352"}),
        ("sentinel2a-msi", "l1c", "S2A_MSIL1C_20180629T000241_N0206_R030_T56JMM_20180629T012042.SAFE",
         {"tile": "56JMM", "datetime": "20180629T000241", "version": "0206"}),
        ("modis-terra", "mod09a1", "MOD09A1.A2017193.h18v04.006.2017202035302.hdf",
         {"doy": "2017193", "tile": "h18v04", "version": "006", "created": "2017202035302"}),
        ("hj1a-ccd2", "l2", "HJ1A-CCD2-457-64-20110412-L20000522109-1.TIF", {"tile": "457-64", "date": "20110412"}),
    ],
)  # fmt: skip
def test_names_are_recognised(sensor_id: str, product: str, name: str, groups: dict[str, str]) -> None:
    match = sensor(sensor_id).product(product).match(name)
    assert match is not None
    assert groups.items() <= match.groupdict().items()


@pytest.mark.parametrize(
    ("sensor_id", "product", "path", "key"),
    [
        ("landsat8-oli", "l1-c1", "LC08_L1TP_014031_20180106_B1.TIF", "B1"),
        ("landsat8-oli", "l1-c1", "LC08_L1TP_014031_20180106_B10.TIF", "B10"),
        ("sentinel2a-msi", "l2a", "GRANULE/L2A_T36N/IMG_DATA/R20m/T36NYH_20200322T074609_B8A_20m.jp2", "B8A"),
        ("sentinel2a-msi", "l2a", "S2A_29RKH_20200219_0_L2A/B08.tif", "B08"),
        ("sentinel2a-msi", "l2a", "GRANULE/L2A_T36N/MTD_TL.xml", "MTD_TL"),
        ("modis-terra", "mod09ga", "2021222_un/MODIS_Grid_500m_2D_sur_refl_b01_1.tif", "sur_refl_b01_1"),
        ("modis-terra", "mcd43a4", "MCD43A4.A2017006.h21v11.006.2017018074804_B02.TIF", "Nadir_Reflectance_Band2"),
        ("modis-aqua", "myd13a1", "MYD13A1.A2020153.h30v10.006.2020170024036_NIRR_B05.TIF",
         "500m_16_days_NIR_reflectance"),
        ("sentinel2b-msi", "l1c", "GRANULE/L1C_T36N/QI_DATA/MSK_CLASSI_B00.jp2", "MSK_CLASSI_opaque"),
        ("hj1b-ccd1", "l2", "HJ1B-CCD1-2-68-20090515-L20000125609-3.TIF", "B3"),
    ],
)  # fmt: skip
def test_files_belong_to_one_asset(sensor_id: str, product: str, path: str, key: str) -> None:
    matching = [a for a in sensor(sensor_id).product(product).assets if a.matches(path)]
    assert matching[0].key == key
    assert len({a.number for a in matching}) == len(matching)


def test_masks_beside_the_images_are_not_bands() -> None:
    """A SAFE keeps MSK_DETFOO_B02.jp2 and the like beside the images."""
    l1c = sensor("sentinel2a-msi").product("l1c")
    assert not [a.key for a in l1c.assets if a.matches("GRANULE/L1C_T36N/QI_DATA/MSK_DETFOO_B02.jp2")]


def test_band_by_any_name_and_readable() -> None:
    oli = sensor("landsat8-oli")
    assert oli.band("nir08") is oli.band("B5")
    assert oli.band("lst").name == "LST"
    assert "nir08" in repr(oli)
    assert "l2-c2" in repr(oli)
    with pytest.raises(SensorError, match=r"no band 'magenta'.*coastal"):
        oli.band("magenta")
    with pytest.raises(SensorError, match=r"no sensor 'landsat99'.*landsat8-oli"):
        sensor("landsat99")
    assert oli.flew("2020-01-01T00:00:00Z")
    assert not oli.flew("1999-01-01T00:00:00Z")


def test_srf_cannot_be_changed_by_its_users() -> None:
    sensor("landsat8-oli").srf("red")[1][:] = 0
    assert sensor("landsat8-oli").srf("red")[1].max() == 1


def test_plot_shows_every_band() -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    ax = sensor("hj1a-ccd1").plot()
    assert len(ax.lines) == 4
    assert "µm" in ax.get_xlabel()
    mpl.pyplot.close(ax.figure)


def _broken(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    folder = path / "hj1a-ccd1"
    shutil.copytree(sensors_path() / "hj1a-ccd1", folder)
    data = json.loads((folder / "collection.json").read_text())
    change(data)
    (folder / "collection.json").write_text(json.dumps(data))
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("bands"), r"collection.json: bands is missing"),
        (lambda d: d.pop("id"), r"collection.json: id is missing"),
        (lambda d: d.update(id="other"), "id is 'other' but the folder is 'hj1a-ccd1'"),
        (lambda d: d["bands"][1].pop("name"), r"bands\[1\].name is missing"),
        (lambda d: d["bands"][1].update(gsd="thirty"), r"bands\[1\].gsd is 'thirty', expected a number"),
        (lambda d: d["bands"].append(d["bands"][0]), "bands has B1 more than once"),
        (lambda d: d["extent"]["temporal"].pop("interval"), "extent.temporal.interval is None"),
        (lambda d: d["musyq:products"]["l2"].update(quantity="colour"), "musyq:products.l2.quantity is 'colour'"),
        (lambda d: d["musyq:products"]["l2"].update(pattern="("), "l2.pattern is not a regular expression"),
        (lambda d: d["musyq:products"]["l2"].update(patern="x"), "l2.patern is not a field here"),
        (lambda d: d["musyq:products"]["l2"]["assets"]["B2"].update(scael=1), "l2.assets.B2.scael is not a field here"),
        (
            lambda d: d["musyq:products"]["l2"]["assets"].update(B9={}),
            "assets.B9.band is None, not one of the sensor's",
        ),
        (lambda d: d["musyq:products"]["l2"]["assets"].update(Q={"role": "qa"}), "assets.Q.classification:bitfields"),
    ],
)
def test_wrong_definition_names_file_and_field(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    with pytest.raises(SensorError, match=message):
        load_sensor(_broken(tmp_path, change))


def test_unknown_common_bit_is_refused(tmp_path: Path) -> None:
    classes = {"role": "qa", "classification:classes": [{"value": 1, "musyq:qa": "CLOUDS"}]}
    with pytest.raises(SensorError, match=r"classes\[0\]\.musyq:qa is 'CLOUDS', expected one of FILL, CLOUD"):
        load_sensor(_broken(tmp_path, lambda d: d["musyq:products"]["l2"]["assets"].update(Q=classes)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wavelength,response\n", "line 1 must be"),
        ("band,wavelength_um,response\nB1,0.4\n", "line 2 is 'B1,0.4'"),
        ("band,wavelength_um,response\nB1,0.5,1\nB1,0.4,1\n", "line 3: response must be in"),
        ("band,wavelength_um,response\nB1,0.5,7\n", "line 2: response must be in"),
        ("band,wavelength_um,response\n", "no spectral response for band B1"),
    ],
)
def test_wrong_response_table_names_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    folder = _broken(tmp_path, lambda _: None)
    (folder / "srf.csv").write_text(text)
    with pytest.raises(SensorError, match=message):
        load_sensor(folder).srf("B1")


def test_encoding_defaults_are_for_bands_only() -> None:
    """The scale and nodata of reflectance must not leak into quality and angle layers."""
    for definition in sensors().values():
        for product in definition.products:
            for asset in product.assets:
                if asset.role == "qa":
                    assert (asset.scale, asset.offset, asset.cosine, asset.nodata in (None, 255, 65535)) == (
                        1,
                        0,
                        False,
                        True,
                    )
                elif asset.role not in ("data", "metadata"):
                    assert asset.scale in (0.01, 1.0)
                    assert not asset.cosine


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SensorError, match=r"collection\.json: no such file"):
        load_sensor(tmp_path / "nowhere")
    folder = _broken(tmp_path, lambda _: None)
    (folder / "srf.csv").unlink()
    with pytest.raises(SensorError, match=r"srf\.csv: no such file"):
        load_sensor(folder).srf("B1")
    (folder / "collection.json").write_text("not json")
    load_sensor.cache_clear()
    with pytest.raises(SensorError, match="not JSON"):
        load_sensor(folder)


@pytest.mark.parametrize(
    ("native", "expected"),
    [
        (0, QA.FILL), (1, QA.FILL), (2, QA.FILL), (4, QA(0)), (20480, QA(0)), (20516, QA(0)), (36864, QA(0)),
        (53248, QA.CLOUD), (61440, QA.CLOUD | QA.CIRRUS), (28672, QA.CIRRUS), (23552, QA.SNOW), (20528, QA.WATER),
    ],
)  # fmt: skip
def test_quality_before_the_collections(native: int, expected: QA) -> None:
    """Truth: USGS, Landsat 8 Pre-Collection Quality Band; two-bit confidences, 3 is high."""
    assert common_bits(layer("landsat8-oli", "l1-pre", "BQA"), native) == expected


@pytest.mark.parametrize("sensor_id", ["landsat4-tm", "landsat5-tm", "landsat7-etm"])
def test_thematic_mappers_had_no_quality_band_before_the_collections(sensor_id: str) -> None:
    assert not sensor(sensor_id).product("l1-pre").of_role("qa")


@pytest.mark.parametrize("sensor_id", ["modis-terra", "modis-aqua"])
def test_a_day_temperature_that_was_not_made_is_cloud_not_fill(sensor_id: str) -> None:
    """Night temperatures of the same file are good there."""
    product = next(p for p in sensor(sensor_id).products if "11a1" in p.id)
    (quality,) = product.of_role("qa")
    assert [common_bits(quality, value) for value in (0, 1, 2, 3)] == [QA(0), QA(0), QA.CLOUD, QA(0)]
