"""Emissivity and surface temperature: numbers of ALGORITHMS R5 and R6, published tables, and real scenes."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from musyq_cube.kernels import thermal as kernel
from musyq_cube.products import emissivity
from musyq_cube.products import surface_temperature as lst
from musyq_cube.products._tables import rows_of, table

# ALGORITHMS R6: T11 = 300 K, T12 = 298.5 K, emissivities 0.970 and 0.974
PAIR = (300.0, 298.5, 0.970, -0.004)


def _one(*values):
    return [xr.DataArray([v]) for v in values]


@pytest.mark.parametrize(("vapour", "expected"), [(1.0, 305.8361), (2.75, 305.3481), (9.0, 305.5088), (2.1, 305.5921)])
def test_r6_generalized_split_window_of_du_2015(vapour, expected):
    made = lst.generalized_split_window(*_one(*PAIR, vapour), sensor="landsat8-oli")["lst"]
    assert float(made[0]) == pytest.approx(expected, abs=1e-3)


def test_r6_generalized_split_window_of_du_2015_without_vapour_takes_the_whole_range():
    assert float(lst.generalized_split_window(*_one(*PAIR), sensor="landsat8-oli")["lst"][0]) == pytest.approx(
        305.5088, abs=1e-3
    )


def test_r6_generalized_split_window_of_virr():
    made = lst.generalized_split_window(*_one(*PAIR, 2.0), sensor="fy3a-virr")["lst"]
    assert float(made[0]) == pytest.approx(305.2439, abs=1e-3)


def test_r6_split_window_of_jimenez_munoz_tirs():
    made = lst.split_window(*_one(*PAIR, 1.5), sensor="landsat8-oli")["lst"]
    assert float(made[0]) == pytest.approx(304.0556, abs=1e-3)


@pytest.mark.parametrize(
    ("sensor", "expected"),
    [
        ("noaa14-avhrr", (0.025, 1.458, 0.273, 44.0, -0.47, -133, 16.4)),
        ("noaa16-avhrr", (-0.110, 1.277, 0.321, 40.1, 0.86, -134, 16.3)),
        ("noaa17-avhrr", (-0.032, 1.783, 0.311, 45.1, -0.87, -151, 18.9)),
        ("noaa18-avhrr", (-0.098, 1.281, 0.276, 42.0, 0.18, -129, 15.7)),
        ("noaa19-avhrr", (-0.031, 1.212, 0.235, 41.03, 0.45, -120.24, 14.77)),
        ("metopa-avhrr", (-0.045, 1.733, 0.307, 44.3, -0.61, -150, 18.7)),
        ("envisat-aatsr", (-0.172, 1.016, 0.299, 39.7, 0.97, -124, 14.8)),
        ("modis-terra", (-0.004, 2.625, 0.424, 41.4, 0.04, -201, 26.6)),
        ("modis-aqua", (0.012, 2.601, 0.424, 41.3, 0.14, -199, 26.3)),
        ("msg1-seviri", (0.006, 1.736, 0.297, 45.3, -0.97, -147, 18.3)),
        ("msg2-seviri", (-0.021, 1.503, 0.273, 44.2, -0.58, -135, 16.7)),
        ("goes11-imager", (-0.030, 1.275, 0.245, 43.0, -0.15, -123, 15.1)),
    ],
)
def test_r6_split_window_table_of_jimenez_munoz_and_sobrino_2008(sensor, expected):
    assert rows_of("split_window", sensor) == (expected,)


@pytest.mark.parametrize(
    ("sensor", "k1", "k2", "expected"),
    [
        ("landsat5-tm", 607.76, 1260.56, 298.8107),
        ("landsat7-etm", 666.09, 1282.71, 297.5209),
        ("landsat8-oli", 774.8853, 1321.0789, 294.7113),
    ],
)
def test_r6_single_channel(sensor, k1, k2, expected):
    row = rows_of("single_channel", sensor)[0]
    t = kernel.brightness_temperature(8.5, k1, k2)
    made = kernel.single_channel(8.5, t, 0.97, 1.5, row[0], np.array(row[1:]).reshape(3, 3))
    assert float(made) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("klass", "expected"), list(enumerate((302.0339, 303.1729, 303.9401, 304.9419))))
def test_r6_statistical_mono_window_of_ermida_2020(klass, expected):
    made = lst.mono_window(*_one(300.0, 0.97, 0.3 + 0.6 * klass), sensor="landsat8-oli")["lst"]
    assert float(made[0]) == pytest.approx(expected, abs=1e-3)


def test_ermida_2020_has_ten_classes_for_each_landsat():
    rows = table("mono_window")
    landsats = [s for s in rows if s.startswith("landsat")]
    assert len(landsats) == 5
    assert {len(rows[s]) for s in landsats} == {10}


def test_r6_planck():
    assert float(kernel.planck(300.0, 10.895)) == pytest.approx(9.625067, abs=2e-6)


def test_r5_cover_and_ground_mixed():
    assert emissivity.mixed(0.5, 0.965) == pytest.approx(0.9775)


def test_r5_by_ndvi_has_no_step():
    for threshold in (0.2, 0.5):
        below, above = (emissivity.by_ndvi(*_one(threshold + d, 0.12))["emissivity"] for d in (-1e-4, 1e-4))
        assert abs(float(above[0] - below[0])) < 0.005


def test_r5_by_ndvi_full_canopy_and_water():
    made = emissivity.by_ndvi(xr.DataArray([0.8, -0.2]), xr.DataArray([0.03, 0.02]))
    assert made["emissivity"].values == pytest.approx([0.99, 0.991])
    assert made["emissivity_12"].values == pytest.approx([0.99, 0.986])


@pytest.mark.parametrize(
    ("klass", "expected"),
    [
        (12, (0.971, 0.968)),
        (1, (0.995, 0.996)),
        (10, (0.970, 0.971)),
        (7, (0.969, 0.970)),
        (17, (0.992, 0.998)),
        (15, (0.992, 0.998)),
        (13, (0.973, 0.981)),
        (16, (0.969, 0.978)),
    ],
)
def test_r5_class_table_of_du_2015(klass, expected):
    made = emissivity.by_class(xr.DataArray([float(klass)]))
    assert (float(made["emissivity"][0]), float(made["emissivity_12"][0])) == pytest.approx(expected)


def test_r5_aster_coefficients_of_ermida_2020():
    made = emissivity.by_aster(*_one(0.95, 0.96, 0.1))
    assert float(made["emissivity"][0]) == pytest.approx(0.6820 * 0.95 + 0.2578 * 0.96 + 0.0584, abs=1e-6)


def test_r5_broadband_of_modis():
    assert emissivity.broadband(1.0, 1.0, 1.0) == pytest.approx(0.2122 + 0.3859 + 0.4029)


def test_landsat_8_temperature_from_its_radiances(data):
    rasterio = pytest.importorskip("rasterio")
    base = data("landsat8_c2l2_008059") / "LC08_L2SP_008059_20191201_20200825_02_T1"

    def read(name):
        with rasterio.open(f"{base}_{name}.TIF") as file:
            return file.read(1).astype("float32")

    clear = (read("QA_PIXEL").astype(int) & 64 > 0) & (read("ST_B10") > 0)
    steps = {"trad": 1e-3, "atran": 1e-4, "urad": 1e-3, "drad": 1e-3, "emis": 1e-4}
    air = {n: xr.DataArray(np.where(clear, read(f"ST_{n.upper()}") * s, np.nan)) for n, s in steps.items()}
    made = lst.radiative_transfer(**air, sensor="landsat8-oli")["lst"].values
    apart = (made - (read("ST_B10") * 0.00341802 + 149.0))[clear]
    assert len(apart) > 20_000
    assert np.median(np.abs(apart)) < 0.05
    assert abs(np.mean(apart)) < 0.05


def test_mod11a1_is_kept_and_its_emissivities_are_those_that_we_expect(data):
    hdf = pytest.importorskip("pyhdf.SD")
    file = hdf.SD(str(data("modis_hdf4") / "MOD11A1.hdf"))

    def read(name, scale, offset=0.0):
        raw = file.select(name)[:]
        return np.where(raw > 0, raw * scale + offset, np.nan)

    kelvin = xr.DataArray(read("LST_Day_1km", 0.02))
    kept = lst.provided(kelvin)["lst"]
    xr.testing.assert_identical(kept, kelvin)
    assert np.nanmin(kept) > 250
    assert np.nanmax(kept) < 345
    eleven, twelve = (read(f"Emis_{n}", 0.002, 0.49) for n in (31, 32))
    there = np.isfinite(kelvin.values)
    ours = np.array(emissivity.CLASSES)
    # land classes of MOD11 lie where those of the class table do
    assert ours[:, 0].min() - 0.02 < np.nanpercentile(eleven[there], 1)
    assert np.nanpercentile(eleven[there], 99) < ours[:, 0].max()
    assert abs(np.nanmean((eleven - twelve)[there])) < 0.01
    file.end()
