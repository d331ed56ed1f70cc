"""
The simulator's files against the truth that it states.

Independent of the reader: files are opened with rasterio and turned into reflectance by the calibration that each
format's own metadata states.
"""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
import rasterio
from defusedxml import ElementTree
from odc.geo.geobox import GeoBox

from musyq_cube.sensor import sensor
from musyq_cube.testing import load_truth, simulate
from musyq_cube.testing.landscape import COVERS
from musyq_cube.testing.overpass import earth_sun_distance, sun_angles

PERIOD = "2017-07-01/2017-07-05"


@pytest.fixture(scope="module")
def perfect(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("perfect"), period=PERIOD, size=2400, seed=3, perfect=True)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("real"), period=PERIOD, size=2400, seed=3)


def only(folder, pattern):
    (path,) = folder.rglob(pattern)
    return path


def layer(path):
    with rasterio.open(path) as file:
        box = GeoBox((file.height, file.width), file.transform, str(file.crs))
        return file.read(1).astype(float), box


def scene(truth, sensor_id):
    return next(over for over in truth.overpasses if over.sensor == sensor_id)


def landsat(truth, band):
    text = only(truth.folder, "LC08*_MTL.txt").read_text()
    mult, add = (float(re.search(rf"REFLECTANCE_{k}_BAND_{band[1:]} = (\S+)", text)[1]) for k in ("MULT", "ADD"))
    dn, box = layer(only(truth.folder, f"LC08*_{band}.TIF"))
    sza, _ = layer(only(truth.folder, "LC08*_SZA.TIF"))
    return np.where(dn == 0, np.nan, mult * dn + add) / np.cos(np.radians(sza / 100)), box


def sentinel(truth, band):
    root = ElementTree.parse(only(truth.folder, "MTD_MSIL1C.xml"))
    value, offset = (float(next(root.iter(k)).text) for k in ("QUANTIFICATION_VALUE", "RADIO_ADD_OFFSET"))
    dn, box = layer(only(truth.folder, f"T50TMK*_{band}.jp2"))
    return np.where(dn == 0, np.nan, (dn + offset) / value), box


def hj(truth, band):
    xml = only(truth.folder, "HJ1A*.XML").read_text()
    gain, offset = (float(v) for v in re.search(rf"{band}:g ([\d.]+), L0 ([\d.]+)", xml).groups())
    dn, box = layer(only(truth.folder, f"HJ1A*-{band[1:]}.TIF"))
    over = scene(truth, "hj1a-ccd1")
    cosine = np.cos(np.radians(sun_angles(over.time, box)[0]))
    esun, distance = sensor("hj1a-ccd1").band(band).esun, earth_sun_distance(over.time)
    return math.pi * distance**2 * (dn / gain + offset) / (esun * cosine), box


# Landsat: half a count of 2e-5 and half a hundredth degree of sun zenith.
CASES = [("landsat8-oli", landsat, "B5", 4e-5), ("landsat8-oli", landsat, "B2", 4e-5),
         ("sentinel2a-msi", sentinel, "B08", 5e-5), ("sentinel2a-msi", sentinel, "B11", 5e-5),
         ("hj1a-ccd1", hj, "B4", 2e-3), ("hj1a-ccd1", hj, "B1", 2e-3)]  # fmt: skip


@pytest.mark.parametrize(("sensor_id", "read", "band", "tolerance"), CASES)
def test_perfect_files_give_back_the_truth_within_quantisation(perfect, sensor_id, read, band, tolerance):
    found, box = read(perfect, band)
    expected = perfect.toa(scene(perfect, sensor_id).id, band, box)
    valid = np.isfinite(found)
    assert valid.mean() > 0.99
    assert np.abs(found - expected)[valid].max() <= tolerance


@pytest.mark.parametrize(("sensor_id", "read", "band", "tolerance"), CASES)
def test_real_files_differ_by_the_stated_gain_clouds_and_shift(real, sensor_id, read, band, tolerance):
    """Undoing the stated shift and gain leaves noise only, clouds included."""
    found, box = read(real, band)
    over = scene(real, sensor_id)
    east, north = over.shift
    moved = GeoBox(box.shape, box.affine.translation(east, north) @ box.affine, box.crs)
    expected = real.toa(over.id, band, moved, cloudy=True) * over.gain(band)
    ok = np.isfinite(found) & (expected < 0.5)  # 8 bits saturate over clouds
    error = (found - expected)[ok]
    assert abs(error.mean()) < 1e-3
    assert error.std() < 1.3 * math.hypot(over.noise, tolerance)


def test_masks_in_the_files_are_the_true_ones(real):
    qa, box = layer(only(real.folder, "LC08*_QA_PIXEL.TIF"))
    over = scene(real, "landsat8-oli")
    east, north = over.shift
    moved = GeoBox(box.shape, box.affine.translation(east, north) @ box.affine, box.crs)
    cloud, shadow = real.masks(over.id, moved)
    np.testing.assert_array_equal((qa.astype(int) & 8) > 0, cloud)
    np.testing.assert_array_equal((qa.astype(int) & 16) > 0, shadow)
    assert 0.05 < cloud.mean() < 0.3
    assert shadow.any()


def test_same_seed_same_bytes_other_seed_other_land(perfect, tmp_path):
    again = simulate(tmp_path / "again", period=PERIOD, size=2400, seed=3, perfect=True, sensors=["hj1a-ccd1"])
    one, two = (only(t.folder, "HJ1A*-4.TIF").read_bytes() for t in (perfect, again))
    assert one == two
    other = simulate(tmp_path / "other", period=PERIOD, size=2400, seed=4, perfect=True, sensors=["hj1a-ccd1"])
    assert (other.land_cover() != again.land_cover()).any()


def test_truth_survives_its_files(real):
    loaded = load_truth(real.folder)
    assert loaded == real
    assert json.loads((real.folder / "truth.json").read_text())["crs"] == "EPSG:32650"
    saved = np.load(real.folder / "truth.npz")["land_cover"]
    np.testing.assert_array_equal(saved, real.land_cover())
    assert set(np.unique(saved)) <= set(range(len(COVERS)))


def test_truth_on_another_projection_agrees(real):
    west, south, east, north = real.bbox
    box = GeoBox.from_bbox((west, south, east, north), "EPSG:4326", resolution=0.001)
    there = real.nadir("landsat8-oli", "nir08", real.overpasses[0].day, box)
    here = real.nadir("landsat8-oli", "nir08", real.overpasses[0].day)
    assert np.isfinite(there).all()
    assert there.mean() == pytest.approx(np.nanmean(here), abs=0.01)
    assert (real.land_cover(box) < len(COVERS)).all()


def test_swath_of_one_path_ends_inside_the_scene(tmp_path):
    """A real mosaic: Landsat path 123 covers only the east of the place."""
    truth = simulate(tmp_path, sensors=["landsat8-oli"], period="2017-07-10", size=6000, seed=1, perfect=True)
    qa, _ = layer(only(truth.folder, "LC08_L1TP_123032*_QA_PIXEL.TIF"))
    fill = (qa.astype(int) & 1) > 0
    assert fill[:, 0].all()
    assert not fill[:, -1].any()


def test_impossible_requests_say_so(tmp_path):
    with pytest.raises(ValueError, match="cannot simulate goes16"):
        simulate(tmp_path, sensors=["goes16"])
    with pytest.raises(ValueError, match="no overpass"):
        simulate(tmp_path, sensors=["landsat8-oli"], period="2017-07-02/2017-07-04")
    with pytest.raises(FileNotFoundError, match="not a simulated archive"):
        load_truth(tmp_path)
