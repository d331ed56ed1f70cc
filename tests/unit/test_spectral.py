"""Spectral normalization: which band becomes which, what is refused, what is said."""

from __future__ import annotations

import json

import numpy as np
import pytest

from musyq_cube.errors import SensorError
from musyq_cube.normalize import spectral
from musyq_cube.normalize._bandpass_table import generate, pairs
from musyq_cube.sensor import load_sensor, sensor

OLI = "landsat8-oli"


def images(*names, value=0.1):
    return {name: np.full((2, 3), value, np.float32) for name in names}


def test_broad_near_infrared_becomes_narrow_and_back():
    made = spectral.apply_spectral(images("red", "nir"), "landsat7-etm", OLI)
    assert list(made) == ["red", "nir08"]
    assert list(spectral.apply_spectral(images("nir08"), OLI, "landsat7-etm")) == ["nir"]


def test_the_sensors_own_narrow_band_goes_first_and_the_broad_one_stays():
    bands = {**images("nir", value=0.3), **images("nir08", value=0.2)}
    made = spectral.apply_spectral(bands, "sentinel2a-msi", OLI)
    assert made["nir"] is bands["nir"]
    np.testing.assert_allclose(made["nir08"], 0.2 * 0.9983 - 0.0001, atol=1e-7)
    assert spectral.match("sentinel2a-msi", OLI, bands).kept == ("nir",)


def test_a_band_of_other_sensors_in_the_cube_is_overwritten_or_passed_on():
    bands = {**images("nir", "coastal"), "nir08": np.full((2, 3), np.nan, np.float32)}
    made = spectral.apply_spectral(bands, "landsat7-etm", OLI)
    assert set(made) == {"nir08", "coastal"}
    assert np.isfinite(made["nir08"]).all()
    assert made["coastal"] is bands["coastal"]


def test_far_bands_are_refused_by_name_and_distance_unless_forced():
    bands = images("red", "swir22")
    with pytest.raises(SensorError, match=r"swir22 → swir22: 88 nm.*force=\('swir22',\)"):
        spectral.apply_spectral(bands, OLI, "modis-terra")
    for force in (True, ("swir22",)):
        assert set(spectral.apply_spectral(bands, OLI, "modis-terra", force=force)) == {"red", "swir22"}
    with pytest.raises(SensorError, match="swir22"):
        spectral.apply_spectral(bands, OLI, "modis-terra", force=("red",))
    assert [line.band for line in spectral.match(OLI, "modis-terra").refused] == ["swir22"]


def test_a_published_line_is_its_own_evidence_however_far_the_centres():
    far = next(line for line in spectral.match("landsat5-tm", OLI).lines if line.band == "swir16")
    assert far.distance > spectral.LIMIT
    assert set(spectral.apply_spectral(images("swir16"), "landsat5-tm", OLI)) == {"swir16"}
    with pytest.raises(SensorError, match="67 nm"):
        spectral.apply_spectral(images("swir16"), "landsat5-tm", OLI, method="generated")


def test_missing_stays_missing_and_inputs_stay_untouched():
    bands = images("red", "nir")
    bands["red"][0, 0] = np.nan
    before = {k: v.copy() for k, v in bands.items()}
    for classes in (False, True):
        made = spectral.apply_spectral(bands, "hj1b-ccd1", OLI, classes=classes)
        assert np.isnan(made["red"]).sum() == 1
        assert np.isfinite(made["nir08"]).all()
        assert all(v.dtype == np.float32 and v.shape == (2, 3) for v in made.values())
    for name, values in bands.items():
        np.testing.assert_array_equal(values, before[name])


def test_the_same_sensor_changes_nothing():
    bands = images("red", "nir08", "swir22")
    made = spectral.apply_spectral(bands, OLI, OLI)
    assert all(made[name] is bands[name] for name in bands)


def test_classes_need_the_bands_of_ndvi():
    with pytest.raises(SensorError, match="need red and nir of hj1b-ccd1"):
        spectral.apply_spectral(images("blue", "red"), "hj1b-ccd1", OLI, classes=True)


def test_method_chooses_between_what_was_printed_and_what_is_generated():
    printed = spectral.coefficients("landsat7-etm", OLI, method="published")
    made = spectral.coefficients("landsat7-etm", OLI, method="generated")
    assert {line.method for line in printed} == {"published"}
    assert {line.method for line in made} == {"generated"}
    assert spectral.coefficients("hj1b-ccd1", OLI, method="published") == ()
    with pytest.raises(ValueError, match="choose best"):
        spectral.coefficients("hj1b-ccd1", OLI, method="newest")


def test_every_pair_of_a_cube_has_lines_both_ways_between_oli_and_modis():
    for one, other in ((OLI, "modis-terra"), ("modis-terra", OLI)):
        bands = {line.band for line in spectral.match(one, other).lines}
        assert bands == {"blue", "green", "red", "nir08", "swir16", "swir22"}


def test_a_new_sensor_is_a_file(tmp_path):
    """Law 1: not in the shipped table, so its lines are made from its spectral response."""
    known = sensor("hj1b-ccd1")
    definition = json.loads((known.path / "collection.json").read_text())
    definition["id"] = "new-camera"
    folder = tmp_path / "new-camera"
    folder.mkdir()
    (folder / "collection.json").write_text(json.dumps(definition))
    (folder / "srf.csv").write_text((known.path / "srf.csv").read_text())
    new = load_sensor(folder)
    for line, same in zip(spectral.coefficients(new, OLI), spectral.coefficients(known, OLI), strict=True):
        assert line.sensor == "new-camera"
        assert abs(line.slope - same.slope) < 2e-6
        assert abs(line.offset - same.offset) < 2e-6
    # two sensors of equal response are made alike by doing nothing, to the last bit
    for line in generate(new, known):
        assert (line.slope, line.offset) == (1.0, 0.0)


def test_thermal_bands_and_layers_without_response_never_pair():
    paired = {band for band, _, _ in pairs()}
    assert not paired & {"lwir", "lwir11", "lwir12", "cirrus", "pan"}
    assert "lwir" in spectral.match("landsat7-etm", OLI).kept


def test_a_spectrum_that_does_not_reach_over_the_band_is_refused():
    with pytest.raises(SensorError, match=r"10\.\d+–12\.\d+ µm is not covered"):
        spectral.band_mean(([0.4, 2.5], [0.1, 0.1]), sensor(OLI).srf("lwir11"))


def test_table_and_match_print_readably():
    text = repr(spectral.table())
    assert text.count("\n") == len(spectral.table())
    assert "landsat7-etm    landsat8-oli  nir        nir08       29.8   0.8462  +0.0412" in text
    said = repr(spectral.match("sentinel2a-msi", OLI, ["nir", "nir08"]))
    assert "nir        stays as it is: no counterpart" in said
    assert "too far apart" in repr(spectral.match(OLI, "modis-terra"))


def test_plot_draws_responses_and_regression_and_leaves_pyplot_alone():
    import matplotlib.pyplot as plt

    figure = spectral.plot("hj1b-ccd1", OLI, bands=["red", "nir"])
    assert len(figure.axes) == 4
    assert plt.get_fignums() == []
    with pytest.raises(SensorError, match="no bands in common"):
        spectral.plot("hj1b-ccd1", OLI, bands=["swir16"])
