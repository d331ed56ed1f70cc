"""Direction: NBAR and the inversion of a pixel's own parameters."""

from __future__ import annotations

import numpy as np
import pytest

from musyq_cube.errors import NormalizeError
from musyq_cube.kernels.brdf import kernels
from musyq_cube.normalize.direction import (
    FIXED,
    Brdf,
    apply_direction,
    fixed_parameters,
    invert,
    latitude_sun,
)
from musyq_cube.types import QA

NAN = np.float32(np.nan)


def looks(times: int, shape: tuple[int, int], seed: int = 0) -> list[np.ndarray]:
    """Sun, view and relative azimuth of a wide-swath sensor over some days."""
    rng = np.random.default_rng(seed)
    size = (times, *shape)
    return [rng.uniform(25, 50, size), rng.uniform(0, 58, size), rng.choice([20.0, 160.0], size)]


def test_beyond_the_angles_nothing_is_extrapolated():
    sza = np.array([[75, 75.1, 30, 30, 30, 30]], np.float32)
    vza = np.array([[60, 0, 60.1, 10, NAN, 10]], np.float32)
    red = np.array([[0.1, 0.1, 0.1, NAN, 0.1, 0.1]], np.float32)
    out, qa = apply_direction({"red": red}, sza, vza, 90)
    assert qa.tolist() == [[0, QA.LOW_SUN, QA.HIGH_VIEW, 0, QA.OUT_OF_RANGE, 0]]
    assert np.isfinite(out["red"]).tolist() == [[True, False, False, False, False, True]]


def test_a_target_sun_beyond_the_angles_is_refused():
    out, qa = apply_direction({"red": np.full((1, 1), 0.1, np.float32)}, 30, 0, 0, sun=80.0)
    assert np.isnan(out["red"]).all()
    assert qa[0, 0] == QA.LOW_SUN


def test_nadir_under_the_target_sun_stays_as_it_is():
    red = np.linspace(0, 1, 50, dtype=np.float32).reshape(5, 10)
    out, _ = apply_direction({"red": red}, 40, 0, 77, sun=40.0)
    np.testing.assert_allclose(out["red"], red, rtol=3e-7)


def test_target_sun_of_the_latitude():
    """31.0° at the equator; lower in the south than in the north, where Landsat passes later in the day."""
    np.testing.assert_allclose(latitude_sun([0.0, 40.0, -40.0]), [31.0, 44.1, 51.6], atol=0.05)
    assert np.isnan(latitude_sun(81.0))
    red = {"red": np.full((1, 2), 0.1, np.float32)}
    north, _ = apply_direction(red, 30, 5, 0, sun="latitude", latitude=np.array([[0.0, 40.0]]))
    degrees, _ = apply_direction(red, 30, 5, 0, sun=float(latitude_sun(40.0)))
    assert north["red"][0, 1] == degrees["red"][0, 1] != north["red"][0, 0]
    with pytest.raises(NormalizeError, match="latitude"):
        apply_direction(red, 30, 5, 0, sun="latitude")


def test_a_band_without_published_parameters_needs_its_wavelength():
    one = {"swir12": np.ones((1, 1), np.float32)}
    with pytest.raises(NormalizeError, match="'swir12'"):
        apply_direction(one, 30, 5, 0)
    out, _ = apply_direction(one, 30, 50, 0, wavelengths={"swir12": 1.24})
    beside, _ = apply_direction(dict.fromkeys(("nir08", "swir16"), one["swir12"]), 30, 50, 0)
    low, high = sorted(float(v[0, 0]) for v in beside.values())
    assert low < out["swir12"][0, 0] < high
    assert fixed_parameters("b99", 0.3) == FIXED["blue"]
    assert fixed_parameters("b99", 2.5) == FIXED["swir22"]


def test_noise_free_observations_give_back_the_parameters():
    """The truth is the kernels' own sum: 16 observations, three unknowns, double precision."""
    sza, vza, raa = looks(16, (3, 4))
    k_vol, k_geo = kernels(sza, vza, raa)
    found = invert({"red": 0.2 + 0.1 * k_vol + 0.03 * k_geo}, sza, vza, raa, dtype=np.float64)["red"]
    for value, truth in ((found.iso, 0.2), (found.vol, 0.1), (found.geo, 0.03)):
        assert np.abs(value - truth).max() <= 1e-10
    assert (found.count == 16).all()
    assert not found.qa.any()
    assert found.rmse.max() < 1e-12


def test_uncertainty_is_that_of_repeated_observations():
    """Monte Carlo: the spread of the nadir reflectance at 45° over 2,000 draws of noise of 0.005."""
    sza, vza, raa = (np.broadcast_to(a, (16, 40, 50)) for a in looks(16, (1, 1)))
    k_vol, k_geo = kernels(sza, vza, raa)
    noise = np.random.default_rng(1).normal(0, 0.005, sza.shape)
    found = invert({"red": 0.2 + 0.1 * k_vol + 0.03 * k_geo + noise}, sza, vza, raa)["red"]
    at = kernels(45, 0, 0)
    nadir = found.iso + found.vol * at[0] + found.geo * at[1]
    assert abs(float(np.sqrt((found.rmse**2).mean())) / (0.005 * np.sqrt(13 / 16)) - 1) < 0.03
    assert abs(float(np.sqrt((found.uncertainty**2).mean())) / float(nadir.std()) - 1) < 0.06


def test_parameters_are_never_negative_and_fit_best():
    """scipy.optimize.nnls gives the same non-negative least squares."""
    nnls = pytest.importorskip("scipy.optimize").nnls
    sza, vza, raa = looks(12, (5, 6), seed=3)
    rho = np.random.default_rng(4).uniform(0.05, 0.3, sza.shape)
    weights = np.random.default_rng(5).uniform(0.5, 2, sza.shape)
    found = invert({"red": rho}, sza, vza, raa, weights=weights, dtype=np.float64, condition=1e6)["red"]
    k_vol, k_geo = kernels(sza, vza, raa)
    clipped = 0
    for y, x in np.ndindex(5, 6):
        root = np.sqrt(weights[:, y, x])
        design = np.column_stack([np.ones(12), k_vol[:, y, x], k_geo[:, y, x]]) * root[:, None]
        best, _ = nnls(design, rho[:, y, x] * root)
        assert np.abs(best - [found.iso[y, x], found.vol[y, x], found.geo[y, x]]).max() < 1e-9
        clipped += bool((best == 0).any())
    assert clipped > 5


def test_few_observations_scale_the_fixed_parameters_and_say_so():
    sza, vza, raa = looks(7, (1, 4))
    k_vol, k_geo = kernels(sza, vza, raa)
    iso, vol, geo = FIXED["red"]
    rho = 1.3 * (iso + vol * k_vol + geo * k_geo)
    for pixel, seen in enumerate((7, 6, 3, 2)):
        rho[seen:, 0, pixel] = np.nan
    found = invert({"red": rho}, sza, vza, raa)["red"]
    assert found.count.tolist() == [[7, 6, 3, 2]]
    assert found.qa.tolist() == [[0, QA.BACKUP, QA.BACKUP, QA.FILL]]
    np.testing.assert_allclose(found.iso[0, :3], 1.3 * iso, rtol=1e-5)
    np.testing.assert_allclose(found.geo[0, :3], 1.3 * geo, rtol=1e-5)
    assert np.isnan(found.iso[0, 3])


def test_one_direction_only_does_not_determine_three_parameters():
    """Same geometry every day: the condition number is infinite."""
    same = np.full((9, 1, 1), 30.0)
    assert invert({"red": np.full((9, 1, 1), 0.1)}, same, same, same)["red"].qa.tolist() == [[QA.BACKUP]]


def test_observations_beyond_the_angles_take_no_part():
    sza, vza, raa = looks(10, (1, 1))
    vza[:4], sza[4:6] = 62.0, 76.0
    assert invert({"red": np.full((10, 1, 1), 0.1)}, sza, vza, raa)["red"].count.tolist() == [[4]]


def test_own_parameters_are_used_and_backed_up():
    """A pixel with f_vol = f_geo = 0 is Lambertian; one without parameters has the fixed ones and the bit."""
    iso, flat = np.array([[0.2, NAN]], np.float32), np.zeros((1, 2), np.float32)
    count = np.zeros((1, 2), np.uint16)
    own = Brdf(iso, flat, flat, count, flat, flat, count)
    value = np.full((1, 2), 0.1, np.float32)
    out, qa = apply_direction({"red": value}, 30, 50, 10, parameters={"red": own})
    fixed, _ = apply_direction({"red": value}, 30, 50, 10)
    assert out["red"].tolist() == [[value[0, 0], fixed["red"][0, 1]]]
    assert qa.tolist() == [[0, QA.BACKUP]]


def test_parameters_found_over_time_make_directions_agree():
    """Closed loop with noise: what is left of the directions is the noise."""
    sza, vza, raa = looks(14, (20, 20), seed=8)
    k_vol, k_geo = kernels(sza, vza, raa)
    noise = np.random.default_rng(2).normal(0, 0.002, sza.shape)
    nir = (0.3 + 0.25 * k_vol + 0.05 * k_geo + noise).astype(np.float32)
    own = invert({"nir": nir}, sza, vza, raa)
    days = [
        apply_direction({"nir": nir[t]}, sza[t], vza[t], raa[t], sun=45.0, parameters=own)[0]["nir"] for t in range(14)
    ]
    assert np.std(nir, axis=0).mean() > 0.04
    assert np.std(days, axis=0).mean() < 0.0025
