"""Every sensor file against what the producers published: centres, limits, solar irradiance, calibration constants."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math

import numpy as np
import pytest

from musyq_cube.sensor import load_sensor, sensor, sensors, sensors_path

ADDED = {
    *("hj1b-irs", "gf1-wfv1", "gf1-wfv2", "gf1-wfv3", "gf1-wfv4", "gf1-pms1", "gf1-pms2", "gf6-wfv", "zy3-mux"),
    *(f"hj2{s}-ccd{n}" for s in "ab" for n in range(1, 5)),
    *("geoeye1", "theos-ms", "fy2e-vissr", "fy3d-mersi2", "fy4a-agri", "envisat-meris", "msg2-seviri"),
    *(f"fy3{s}-{i}" for s in "abc" for i in ("mersi1", "virr")),
    *(f"{p}-avhrr" for p in ("noaa17", "noaa18", "noaa19", "metopa", "metopb")),
    *("npp-viirs", "n20-viirs", "mtsat2-imager", "goes13-imager", "goes15-imager", "goes16-abi", "himawari8-ahi"),
    *("sentinel3a-olci", "sentinel3b-olci"),
}
VISIBLE = (("blue", 0.45, 0.53), ("green", 0.51, 0.60), ("red", 0.62, 0.69), ("nir", 0.76, 1.00), ("nir08", 0.80, 0.90))
LIMITS = {
    # STAC eo v2: range of the centre, µm. The last four are our own words.
    **{name: (low, high) for name, low, high in VISIBLE},
    "pan": (0.40, 1.00),
    "coastal": (0.40, 0.45),
    "yellow": (0.58, 0.62),
    "nir09": (0.90, 1.05),
    "rededge071": (0.69, 0.73),
    "rededge075": (0.73, 0.76),
    "rededge078": (0.76, 0.79),
    "cirrus": (1.33, 1.40),
    "swir16": (1.55, 1.75),
    "swir22": (2.08, 2.35),
    "lwir": (10.4, 12.5),
    "lwir11": (10.5, 11.5),
    "lwir12": (11.5, 12.5),
    "swir12": (1.20, 1.28),
    "mwir37": (3.60, 3.86),
    "mwir39": (3.86, 4.0),
    "lwir13": (13.0, 13.6),
}
OWN = {"swir12", "mwir37", "mwir39", "lwir13"}
SPECTRAL = [(s.id, b.name) for s in sensors().values() for b in s.bands if b.center_wavelength is not None]
IDS = [f"{s}-{b}" for s, b in SPECTRAL]


def centroid(sensor_id: str, band: str) -> float:
    x, s = sensor(sensor_id).srf(band)
    grid = np.linspace(x[0], x[-1], 20001)
    response = np.interp(grid, x, s)
    return float((grid * response).sum() / response.sum())


def test_every_sensor_of_the_original_systems_is_there() -> None:
    assert set(sensors()) >= ADDED


@pytest.mark.parametrize(("sensor_id", "name"), SPECTRAL, ids=IDS)
def test_centroid_of_the_response_is_the_stated_centre(sensor_id: str, name: str) -> None:
    """
    Within 15 nm, thermal within 0.15 µm.

    Panchromatic bands are as wide as 0.45 µm and slanted: half of a tenth of their width.
    """
    band = sensor(sensor_id).band(name)
    assert band.center_wavelength is not None
    assert band.fwhm is not None
    tolerance = 0.015 if band.center_wavelength < 3 else 0.15
    if band.common_name == "pan":
        tolerance = band.fwhm / 20
    assert abs(centroid(sensor_id, name) - band.center_wavelength) < tolerance


@pytest.mark.parametrize("sensor_id", sorted(ADDED))
def test_definition_is_complete(sensor_id: str) -> None:
    definition = sensor(sensor_id)
    assert [p.quantity for p in definition.products] == ["toa"]
    assert {a.band for a in definition.products[0].of_role("data")} == {b.name for b in definition.bands}
    assert definition.period[0] is not None
    for band in definition.bands:
        assert band.center_wavelength is not None
        assert band.gsd
        assert (band.esun is not None) == (band.center_wavelength < 3)
        x, s = definition.srf(band.name)
        assert s.max() == 1
        assert s.min() >= 0.009
        assert x[0] < band.center_wavelength < x[-1]
        assert len(x) < 100


@pytest.mark.parametrize("sensor_id", sorted(ADDED))
def test_common_names_fit_the_wavelength(sensor_id: str) -> None:
    for band in sensor(sensor_id).bands:
        assert band.alias is None or (band.alias in OWN and band.common_name is None)
        if (word := band.common_name or band.alias) is not None:
            low, high = LIMITS[word]
            assert low <= band.center_wavelength <= high, band


@pytest.mark.parametrize("sensor_id", sorted(ADDED))
def test_thermal_assets_are_not_divided_by_the_cosine(sensor_id: str) -> None:
    definition = sensor(sensor_id)
    for asset in definition.products[0].of_role("data"):
        assert asset.cosine == (definition.band(asset.band or "").center_wavelength < 3)


@pytest.mark.parametrize("sensor_id", sorted(ADDED))
def test_a_file_says_which_responses_are_boxes(sensor_id: str) -> None:
    bands = json.loads((sensors_path() / sensor_id / "collection.json").read_text())["bands"]
    for band in bands:
        x, _ = sensor(sensor_id).srf(band["name"])
        assert (len(x) == 6) == ("a box between" in band.get("description", "")), band["name"]


def test_bands_that_sensors_do_not_have() -> None:
    """GOES-13 and 15 have no 12 µm band, AVHRR no blue, GF-1 nothing beyond the near infrared."""
    keys = {name: {b.key for b in s.bands} for name, s in sensors().items()}
    for name in ("goes13-imager", "goes15-imager"):
        assert "lwir11" in keys[name]
        assert not {"lwir12", "red"} & keys[name]
    for name in (n for n in keys if n.endswith("avhrr")):
        assert not {"blue", "green"} & keys[name]
        assert {"red", "nir", "lwir11", "lwir12"} <= keys[name]
    assert keys["gf1-wfv1"] == {"blue", "green", "red", "nir"}
    assert "swir12" in keys["npp-viirs"]
    for name in ADDED:
        assert "b05" not in keys[name]  # that name means 1.24 µm of MODIS


@pytest.mark.parametrize(
    ("sensor_id", "limits"),
    [
        # Specifications in satpy's readers: half-maximum limits, µm.
        ("fy3a-mersi1", {"red": (0.625, 0.675), "green": (0.525, 0.575), "swir16": (1.615, 1.665)}),
        ("fy3c-mersi1", {"red": (0.625, 0.675), "nir08": (0.835, 0.890), "swir22": (2.105, 2.155)}),
        ("fy3d-mersi2", {"blue": (0.445, 0.495), "nir08": (0.840, 0.890), "lwir11": (10.3, 11.3)}),
        ("fy3a-virr", {"red": (0.58, 0.68), "lwir11": (10.3, 11.3), "lwir12": (11.5, 12.5)}),
        ("noaa19-avhrr", {"red": (0.58, 0.68), "swir16": (1.58, 1.64), "lwir12": (11.5, 12.5)}),
        (
            "npp-viirs",
            {"red": (0.60, 0.68), "nir08": (0.845, 0.885), "swir12": (1.230, 1.250), "lwir12": (11.54, 12.49)},
        ),
        ("goes16-abi", {"blue": (0.45, 0.49), "red": (0.59, 0.69), "nir08": (0.8455, 0.8845), "lwir11": (10.8, 11.6)}),
        ("himawari8-ahi", {"red": (0.60, 0.68), "lwir12": (11.9, 12.9)}),
        ("msg2-seviri", {"red": (0.56, 0.71), "lwir11": (9.8, 11.8), "lwir12": (11.0, 13.0)}),
        ("gf1-wfv2", {"blue": (0.45, 0.52), "green": (0.52, 0.59), "red": (0.63, 0.69), "nir": (0.77, 0.89)}),
        ("envisat-meris", {"blue": (0.485, 0.495), "rededge071": (0.70375, 0.71375), "nir08": (0.855, 0.875)}),
        ("sentinel3a-olci", {"coastal": (0.4375, 0.4475), "nir09": (0.930, 0.950)}),
    ],
)
def test_half_maximum_limits_agree_with_the_specified_ones(
    sensor_id: str, limits: dict[str, tuple[float, float]]
) -> None:
    """The centre: filters of SEVIRI are half as wide as its specification, which states where response ends."""
    for name, (low, high) in limits.items():
        center = sensor(sensor_id).band(name).center_wavelength
        assert center is not None
        tolerance = 0.013 if high < 3 else 0.16
        assert center == pytest.approx((low + high) / 2, abs=tolerance), name


@pytest.mark.parametrize(
    ("sensor_id", "expected"),
    [
        # Computed apart: the published responses with the ASTM G173-03 extraterrestrial spectrum, W m⁻² µm⁻¹.
        ("gf1-wfv1", {"B1": 1967.3, "B2": 1840.3, "B3": 1563.9, "B4": 1077.8}),
        ("gf1-wfv2", {"B1": 1953.8, "B2": 1838.3, "B3": 1561.9, "B4": 1087.7}),
        ("gf1-wfv3", {"B1": 1954.9, "B2": 1831.7, "B3": 1536.3, "B4": 1082.8}),
        ("gf1-wfv4", {"B1": 1967.4, "B2": 1832.9, "B3": 1535.7, "B4": 1068.5}),
        (
            "fy3a-mersi1",
            {"CH01": 1984.9, "CH02": 1854.5, "CH03": 1574.4, "CH04": 971.0, "CH06": 229.8, "CH07": 92.9},
        ),
        ("fy3a-virr", {"CH01": 1655.3, "CH02": 991.1, "CH06": 250.6}),
        ("fy3d-mersi2", {"CH01": 1982.6, "CH02": 1849.8, "CH03": 1570.7, "CH04": 965.7}),
    ],
)
def test_solar_irradiance_is_the_responses(sensor_id: str, expected: dict[str, float]) -> None:
    for name, value in expected.items():
        assert sensor(sensor_id).band(name).esun == pytest.approx(value, rel=0.01), name


def test_solar_irradiance_of_geoeye_agrees_with_its_producer() -> None:
    """Thuillier 2003, DigitalGlobe ABSRADCAL_FLEET_2016v0: another spectrum, 2 %."""
    published = {"PAN": 1610.73, "Blue": 1993.18, "Green": 1828.83, "Red": 1491.49, "NIR": 1022.58}
    for name, value in published.items():
        assert sensor("geoeye1").band(name).esun == pytest.approx(value, rel=0.02), name


@pytest.mark.parametrize(("name", "flux"), [("VIS006", 65.2065), ("VIS008", 73.1869), ("IR_016", 61.9923)])
def test_solar_irradiance_of_seviri_agrees_with_its_producer(name: str, flux: float) -> None:
    """EUMETSAT's F per wavenumber, brought to wavelength with the width of the band in both: F dν = E dλ."""
    band = sensor("msg2-seviri").band(name)
    assert band.center_wavelength is not None
    assert band.esun == pytest.approx(flux * 1e-3 * 1e4 / band.center_wavelength**2, rel=0.04)


@pytest.mark.parametrize(
    ("sensor_id", "year", "gains"),
    [
        ("gf1-wfv1", 2013, [5.851, 7.153, 8.368, 7.474]),
        ("gf1-wfv1", 2014, [0.2004, 0.1648, 0.1243, 0.1563]),
        ("gf1-wfv1", 2019, [0.2144, 0.1657, 0.1228, 0.1213]),
        ("gf1-pms1", 2014, [0.2247, 0.1892, 0.1889, 0.1939, 0.1963]),
        ("gf1-pms1", 2019, [0.149, 0.1328, 0.1311, 0.1217, 0.1381]),
    ],
)
def test_gains_of_gf1_by_year(sensor_id: str, year: int, gains: list[float]) -> None:
    """CRESDA's yearly tables: blue, green, red, nir and pan."""
    day = dt.datetime(year, 7, 1, tzinfo=dt.UTC)
    found = {c.band: c for c in sensor(sensor_id).counts if c.start <= day < c.until}
    assert [found[b].gain for b in ("blue", "green", "red", "nir", "pan")[: len(gains)]] == gains
    assert {c.form for c in found.values()} == {"divide" if year == 2013 else "multiply"}


@pytest.mark.parametrize("sensor_id", ["gf1-wfv1", "gf1-wfv2", "gf1-wfv3", "gf1-wfv4"])
def test_wrong_branch_of_gf1_would_be_seen(sensor_id: str) -> None:
    """Both forms give the radiance of one bright land surface in every year; the other form of either does not."""
    reflective = {b.key: b for b in sensor(sensor_id).bands}
    for entry in sensor(sensor_id).counts:
        right, count = entry.radiance(400.0), 400.0
        wrong = entry.gain * count + entry.offset if entry.form == "divide" else (count - entry.offset) / entry.gain
        esun = reflective[entry.band].esun
        assert esun is not None
        assert 0.05 < math.pi * right / esun < 0.30
        assert math.pi * wrong / esun > 1.0


def test_years_of_gf1_follow_each_other() -> None:
    for name in ("gf1-wfv1", "gf1-pms2"):
        blue = [c for c in sensor(name).counts if c.band == "blue"]
        assert all(a.until == b.start for a, b in itertools.pairwise(blue))
        assert blue[-1].until == dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("sensor_id", ["goes13-imager", "goes15-imager"])
def test_constants_of_goes(sensor_id: str) -> None:
    """NOAA's GVAR conversion: L = (count − offset) / scale, T = a + b T*."""
    infrared = {c.band: (c.form, c.gain, c.offset) for c in sensor(sensor_id).counts}
    assert infrared["lwir11"] == ("divide", 5.2285, 15.6854)
    assert infrared["mwir39"] == ("divide", 227.3889, 68.2167)
    assert infrared["lwir13"] == ("divide", 5.5297, 16.5892)
    band = sensor(sensor_id).band("lwir11")
    expected = {"goes13-imager": (937.23, 1.001298, -0.386043), "goes15-imager": (935.89417, 1.0012715, -0.36151367)}
    assert (band.wavenumber, band.bt_gain, band.bt_offset) == expected[sensor_id]
    assert 1e4 / band.wavenumber == pytest.approx(band.center_wavelength, abs=0.15)


@pytest.mark.parametrize(
    ("name", "wavenumber", "alpha", "beta"),
    [
        ("IR_039", 2568.832, 0.9954, 3.438),
        ("IR_087", 1148.620, 0.9996, 0.179),
        ("IR_108", 931.7, 0.9983, 0.64),
        ("IR_120", 836.445, 0.9988, 0.408),
    ],
)
def test_constants_of_seviri(name: str, wavenumber: float, alpha: float, beta: float) -> None:
    """EUMETSAT's T = (T* − β) / α."""
    band = sensor("msg2-seviri").band(name)
    assert band.wavenumber == wavenumber
    assert band.bt_gain * 290.0 + band.bt_offset == pytest.approx((290.0 - beta) / alpha, abs=1e-5)
    assert 1e4 / wavenumber == pytest.approx(band.center_wavelength, abs=0.15)


def test_constants_of_fengyun() -> None:
    """Satpy's readers: FY-3B VIRR in percent; MERSI's band 5; the wave numbers of VIRR."""
    product = sensor("fy3b-virr").product("l1b")
    found = [(a.scale, a.offset) for key in ("CH01", "CH02", "CH06", "CH10") if (a := product.asset(key))]
    percent = [(0.1264, -1.4320), (0.1353, -1.6236), (0.0919, -2.4821), (0.0630, -0.7628)]
    np.testing.assert_allclose(np.array(found) * 100, percent)
    for name in ("fy3a-mersi1", "fy3b-mersi1"):
        band = sensor(name).band("lwir")
        assert (band.bt_gain, band.bt_offset) == (1.0047, -0.8549)
    assert [sensor("fy3c-virr").band(b).wavenumber for b in ("mwir37", "lwir11", "lwir12")] == [
        2673.796,
        925.925,
        833.333,
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"form": "square"}, r"musyq:radiance\[0\].form is 'square', expected one of multiply, divide"),
        ({"band": "B9"}, r"musyq:radiance\[0\].band is 'B9', not one of the sensor's bands"),
        ({"gain": 0}, r"musyq:radiance\[0\].gain is 0.0, expected a positive number"),
        ({"to": "2015-01-01"}, r"musyq:radiance\[1\].from overlaps the entry of blue that begins on 2013-01-01"),
        ({"scale": 1}, r"musyq:radiance\[0\].scale is not a field here"),
    ],
)
def test_wrong_radiance_entry_is_named(tmp_path, change: dict[str, object], message: str) -> None:
    folder = tmp_path / "gf1-wfv1"
    folder.mkdir()
    data = json.loads((sensors_path() / "gf1-wfv1" / "collection.json").read_text())
    data["musyq:radiance"][0] |= change
    (folder / "collection.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match=message):
        load_sensor(folder)
