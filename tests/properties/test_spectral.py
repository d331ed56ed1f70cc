"""Spectral normalization: what must hold for any spectrum, response, line and block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from musyq_cube.kernels.linear import line_by_ndvi
from musyq_cube.normalize import spectral
from musyq_cube.normalize._bandpass import band_weights, fit
from musyq_cube.sensor import sensor

WAVELENGTH = np.linspace(0.4, 2.5, 60)
spectra = hnp.arrays(float, WAVELENGTH.shape, elements=st.floats(0.01, 1))
NODES, SLOPES, OFFSETS = (0.0, 0.3, 0.8), (0.9, 1.1, 0.7), (0.01, -0.02, 0.0)


@st.composite
def responses(draw):
    """A response on any sampling inside the spectra."""
    steps = draw(st.lists(st.floats(0.001, 0.02), min_size=3, max_size=30))
    x = 0.45 + draw(st.floats(0, 1)) + np.cumsum(steps)
    s = draw(hnp.arrays(float, x.shape, elements=st.floats(0, 1)))
    s[len(s) // 2] = 1.0
    return x, s


@given(spectra, responses())
def test_equal_responses_give_exactly_one(values, srf):
    assert float(spectral.sbaf((WAVELENGTH, values), srf, (srf[0].copy(), srf[1].copy()))) == 1.0


@given(spectra, responses())
def test_a_band_sees_between_least_and_greatest_and_a_flat_spectrum_as_it_is(values, srf):
    seen = float(spectral.band_mean((WAVELENGTH, values), srf))
    assert values.min() - 1e-12 <= seen <= values.max() + 1e-12
    assert float(spectral.band_mean((WAVELENGTH, np.full(60, 0.3)), srf)) == pytest.approx(0.3, abs=1e-14)


@given(spectra, responses())
def test_band_mean_is_the_integral(values, srf):
    """Against the trapezoidal rule on a sampling so fine that it does not matter (10 µ-steps per interval)."""
    fine = np.unique(np.concatenate([np.linspace(a, b, 400) for a, b in zip(srf[0], srf[0][1:], strict=False)]))
    weight = np.interp(fine, *srf)
    truth = np.trapezoid(np.interp(fine, WAVELENGTH, values) * weight, fine) / np.trapezoid(weight, fine)
    assert float(spectral.band_mean((WAVELENGTH, values), srf)) == pytest.approx(truth, abs=1e-5)


def test_weights_do_not_depend_on_the_sampling_of_a_smooth_response():
    x, s = sensor("landsat8-oli").srf("red")
    fine = np.linspace(x[0], x[-1], 2001)
    grid = np.arange(400, 2501) / 1000
    np.testing.assert_allclose(band_weights(grid, (x, s)), band_weights(grid, (fine, np.interp(fine, x, s))), atol=1e-4)


@given(st.floats(0, 1.2))
def test_there_and_back_is_where_it_was(value):
    for line in spectral.table():
        assert abs(line.inverse()(line(value)) - value) < 1e-12
    back = spectral.coefficients("landsat8-oli", "landsat7-etm")
    for line in spectral.coefficients("landsat7-etm", "landsat8-oli"):
        way = next(v for v in back if (v.reference_band, v.band) == (line.band, line.reference_band))
        assert abs(way(line(value)) - value) < 1e-7


@settings(deadline=None)
@given(hnp.arrays(np.float32, (4, 7), elements=st.floats(0, 0.5, width=32)))
def test_arrays_there_and_back(values):
    """In float32, so to its precision: 1e-7 for reflectances up to one half."""
    bands = {"blue": values, "swir16": values[::-1]}
    there = spectral.apply_spectral(bands, "sentinel2a-msi", "landsat8-oli")
    back = spectral.apply_spectral(there, "landsat8-oli", "sentinel2a-msi")
    for name, was in bands.items():
        np.testing.assert_allclose(back[name], was, atol=1e-7, rtol=0)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.booleans(), st.integers(0, 2**32 - 1))
def test_any_block_gives_the_same_bits(rows, columns, classes, seed):
    rng = np.random.default_rng(seed)
    bands = {b: rng.uniform(-0.02, 0.9, (12, 12)).astype(np.float32) for b in ("blue", "red", "nir")}
    bands["red"][rng.uniform(size=(12, 12)) < 0.1] = np.nan
    whole = spectral.apply_spectral(bands, "hj1a-ccd1", "landsat8-oli", classes=classes)
    part = {name: values[:rows, 12 - columns :] for name, values in bands.items()}
    for name, values in spectral.apply_spectral(part, "hj1a-ccd1", "landsat8-oli", classes=classes).items():
        np.testing.assert_array_equal(values, whole[name][:rows, 12 - columns :])


def test_lines_by_ndvi_are_continuous():
    """One step of NDVI anywhere, also across a node, moves the result by no more than its slope allows."""
    red = np.full(20001, 0.1, np.float32)
    ndvi = np.linspace(-0.5, 0.99, red.size)
    nir = (0.1 * (1 + ndvi) / (1 - ndvi)).astype(np.float32)
    made = line_by_ndvi(np.full_like(red, 0.3), red, nir, (1.0, 0.0), NODES, SLOPES, OFFSETS)
    assert np.abs(np.diff(made)).max() < 1e-4
    at = np.interp(ndvi, NODES, SLOPES) * 0.3 + np.interp(ndvi, NODES, OFFSETS)
    np.testing.assert_allclose(made, at, atol=1e-6)


def test_without_ndvi_the_overall_line_is_used():
    red, nir = (np.array(v, np.float32) for v in ([np.nan, 0.0, -0.2], [0.3, 0.0, 0.1]))
    made = line_by_ndvi(np.full(3, 0.5, np.float32), red, nir, (2.0, 0.1), NODES, SLOPES, OFFSETS)
    np.testing.assert_allclose(made, 1.1, atol=1e-6)
    with pytest.raises(ValueError, match="increasing"):
        line_by_ndvi(red, red, nir, (1.0, 0.0), (0.5, 0.5), (1.0, 1.0), (0.0, 0.0))


@given(hnp.arrays(float, 20, elements=st.floats(0, 1), unique=True), st.floats(0.5, 1.5), st.floats(-0.1, 0.1))
def test_a_line_through_points_of_a_line_is_that_line(x, slope, offset):
    if np.ptp(x) < 0.1:
        return
    found = fit(x, slope * x + offset)
    assert found.slope == pytest.approx(slope, abs=2e-6)
    assert found.offset == pytest.approx(offset, abs=4e-6)
    same = fit(x, x.copy())
    assert (same.slope, same.offset, same.r2, same.rmse) == (1.0, 0.0, 1.0, 0.0)
