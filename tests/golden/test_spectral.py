"""Spectral normalization against printed numbers, and the shipped table against what it is made from."""

from __future__ import annotations

import numpy as np
import pytest

from musyq_cube.normalize import _bandpass_spectra as models
from musyq_cube.normalize import spectral
from musyq_cube.normalize._bandpass import library
from musyq_cube.normalize._bandpass_table import candidates, generate, judged, printed
from musyq_cube.normalize.bandpass_build import REFERENCES
from musyq_cube.sensor import sensor, sensors

OLI = "landsat8-oli"
ETM = {"blue": 0.08504, "green": 0.09363, "red": 0.09657, "nir": 0.12582, "swir16": 0.11477, "swir22": 0.10791}
S2A = {"coastal": 0.09939, "blue": 0.09378, "green": 0.09963, "red": 0.09855, "nir08": 0.09973, "swir16": 0.09877,
       "swir22": 0.0991}  # fmt: skip
S2B = {"green": 0.09995, "red": 0.09861, "nir08": 0.09966, "swir16": 0.0997, "swir22": 0.09907}


@pytest.mark.parametrize(("name", "truth"), [("landsat7-etm", ETM), ("landsat5-tm", ETM), ("landsat4-tm", ETM),
                                             ("sentinel2a-msi", S2A), ("sentinel2b-msi", S2B)])  # fmt: skip
def test_a_tenth_becomes_what_the_printed_coefficients_say(name, truth):
    """ρ = 0.10 through Roy et al. 2016, table 2 (surface reflectance, OLS) and HLS 1.4, worked out by hand."""
    bands = {band: np.full((1, 1), 0.1, np.float32) for band in truth}
    made = spectral.apply_spectral(bands, name, OLI)
    for band, value in truth.items():
        got = made["nir08" if band == "nir" else band].item()
        assert abs(got - value) < 5.1e-6, band


def test_the_table_is_what_the_spectral_responses_and_the_library_give():
    """Whoever changes a sensor's srf.csv has to run the build again."""
    shipped = {(v.sensor, v.reference, v.band, v.reference_band, v.method): v for v in spectral.table()}
    count = 0
    for reference in REFERENCES:
        for name in sensors():
            if name == reference:
                continue
            own, other = sensor(name), sensor(reference)
            for line in (*generate(own, other), *judged(own, other)):
                kept = shipped[name, reference, line.band, line.reference_band, line.method]
                got = (line.slope, line.offset, line.rmse, line.r2, line.distance)
                np.testing.assert_allclose(
                    got, (kept.slope, kept.offset, kept.rmse, kept.r2, kept.distance), atol=2e-6, err_msg=str(kept)
                )
                assert len(line.classes) == len(kept.classes)
                count += 1
    assert count == len(shipped)
    assert {key for key, *_ in printed()} == {k[:4] for k in shipped if k[4] == "published"}


def test_the_library_is_what_the_models_give():
    """Only where the build dependency is installed: soils, water, snow and the first canopies, made again."""
    prosail = pytest.importorskip("prosail")
    from musyq_cube.normalize.bandpass_build import COUNTS, SEED

    assert prosail.spectral_lib.prospectd.nr.shape == models.WAVELENGTH.shape
    rngs = {kind: np.random.default_rng([SEED, i]) for i, kind in enumerate(COUNTS)}
    soil = models.soils(COUNTS["soil"], rngs["soil"])
    made = {
        "soil": soil,
        "water": models.waters(COUNTS["water"], rngs["water"]),
        "snow": models.snows(COUNTS["snow"], rngs["snow"]),
        "plant": models.plants(5, rngs["plant"], soil),
    }
    for kind, spectra in made.items():
        np.testing.assert_allclose(library().spectra(kind)[: len(spectra)], spectra, atol=1e-3, err_msg=kind)


@pytest.mark.parametrize("name", ["sentinel2a-msi", "sentinel2b-msi"])
def test_generated_lines_reproduce_the_harmonized_landsat_sentinel_2_ones(name):
    """HLS 1.4 lines come from hyperspectral scenes: independent spectra, same idea; stated to hold to 0.002 mean."""
    for x, line, known in land(name):
        assert abs((line(x) - known(x)).mean()) <= 0.002, line.band
        assert np.sqrt(((line(x) - known(x)) ** 2).mean()) <= 0.003, line.band


def test_generated_lines_reproduce_roy_within_the_residual_it_states():
    """
    Roy et al. 2016 state residuals of 0.006–0.03, between images one day apart.

    Their least-squares lines are flattened by the noise of both images (slopes 0.85–0.91, where spectral responses
    alone give 0.998–1.005), so the two agree near the mean of land and part towards bright pixels.
    """
    for x, line, known in land("landsat7-etm"):
        apart = line(x) - known(x)
        assert abs(apart.mean()) <= 0.022, line.band
        assert np.sqrt((apart**2).mean()) <= 0.03, line.band
        assert 0.99 < line.slope < 1.01, line.band
        assert known.slope < 0.91, line.band


def test_what_spectral_responses_alone_do_is_less_than_a_published_line_changes():
    """ETM+ blue and OLI blue see plants and soils alike to 0.001: the generated line keeps that."""
    x, line, _ = next(iter(land("landsat7-etm")))
    y = library().means(sensor(OLI).srf("blue"))[np.isin(library().kind, ("plant", "soil"))]
    assert line.band == "blue"
    assert np.sqrt(((line(x) - y) ** 2).mean()) < 0.001


@pytest.mark.parametrize("name", ["hj1b-ccd1", "hj1b-ccd2", "hj1a-ccd1", "hj1a-ccd2"])
@pytest.mark.parametrize("classes", [False, True])
def test_ndvi_of_hj_becomes_that_of_oli(name, classes):
    """Held-out canopies over held-out soils: mean NDVI within 0.005 (0.02–0.04 off before)."""
    spectra, own, oli = library(), sensor(name), sensor(OLI)
    held = spectra.kind == "heldout"

    def seen(which, band):
        return spectra.means(which.srf(band))[held][None].astype(np.float32)

    made = spectral.apply_spectral({b: seen(own, b) for b in ("red", "nir")}, name, OLI, classes=classes)
    truth = ndvi(seen(oli, "red"), seen(oli, "nir08"))
    before = ndvi(seen(own, "red"), seen(own, "nir")) - truth
    after = ndvi(made["red"], made["nir08"]) - truth
    assert before.mean() < -0.02
    assert abs(after.mean()) < 0.005
    assert after.std() < 0.02


def test_lines_by_ndvi_are_nearer_than_the_overall_line():
    """On held-out canopies."""
    spectra, oli = library(), sensor(OLI)
    held = spectra.kind == "heldout"
    better = []
    for name in ("hj1a-ccd2", "hj1b-ccd1", "landsat7-etm", "sentinel2a-msi"):
        own = sensor(name)
        lines = spectral.match(name, OLI, method="generated").lines
        bands = {v.band: spectra.means(own.srf(v.band))[held][None].astype(np.float32) for v in lines}
        one, many = (spectral.apply_spectral(bands, name, OLI, classes=c, method="generated") for c in (False, True))
        for line in lines:
            truth = spectra.means(oli.srf(line.reference_band))[held]
            one_off, many_off = (np.sqrt(np.mean((v[line.reference_band][0] - truth) ** 2)) for v in (one, many))
            better.append(many_off / one_off)
    assert np.median(better) < 0.7
    assert max(better) < 1.0


def land(name):
    """Yield library reflectances of plants and soils in a band, its generated line and its published line."""
    chosen = np.isin(library().kind, ("plant", "soil"))
    known = {v.band: v for v in spectral.coefficients(name, OLI, method="published")}
    for line in spectral.match(name, OLI, method="generated").lines:
        if line.band in known:
            yield library().means(sensor(name).srf(line.band))[chosen], line, known[line.band]


def ndvi(red, nir):
    return (nir.astype(float) - red) / (nir.astype(float) + red)


def test_every_sensor_with_responses_has_its_lines_in_the_table():
    have = {(line.sensor, line.reference) for line in spectral.table()}
    for reference in REFERENCES:
        for name, own in sensors().items():
            if name != reference and candidates(own, sensor(reference)):
                assert (name, reference) in have
