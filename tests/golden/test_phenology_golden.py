"""Phenology of a known double logistic: v₀ 0.15, A 0.6, a 0.1, s 120, b 0.07, e 280."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from musyq_cube.products import _phenology


def curve(t: np.ndarray) -> np.ndarray:
    return 0.15 + 0.6 * (1 / (1 + np.exp(-0.1 * (t - 120))) - 1 / (1 + np.exp(-0.07 * (t - 280))))


def series(days: np.ndarray, values: np.ndarray) -> xr.DataArray:
    time = np.datetime64("2019-01-01", "ns") + ((days - 1) * 86400e9).astype("timedelta64[ns]")
    return xr.DataArray(values.astype("float32"), dims=("time", "x"), coords={"time": time})


def noisy(n: int, seed: int) -> xr.DataArray:
    """73 samples of 5 days, σ = 0.02, 15 of them with a dark spike."""
    rng = np.random.default_rng(seed)
    days = np.arange(1.0, 366.0, 5.0)
    values = curve(days)[:, None] + rng.normal(0, 0.02, (len(days), n))
    for i in range(n):
        values[rng.choice(len(days), 15, replace=False), i] -= rng.uniform(0.1, 0.4, 15)
    return series(days, values)


def test_metrics_of_the_exact_curve_computed() -> None:
    """SOS20 = 106.11, EOS20 = 299.66 (each from its own side of the year), peak 0.74838 at 187.99."""
    days = np.arange(1.0, 366.0)
    made = {name: float(v[0]) for name, v in _phenology.seasons(series(days, curve(days)[:, None])).items()}
    assert made["seasons"] == 1
    assert made["sos"] == pytest.approx(106.11, abs=0.02)
    assert made["eos"] == pytest.approx(299.66, abs=0.02)
    assert made["pos"] == pytest.approx(187.99, abs=0.02)
    assert made["peak"] == pytest.approx(0.74838, abs=1e-4)
    assert made["base"] == pytest.approx(0.15, abs=1e-4)
    assert made["amplitude"] == pytest.approx(0.59838, abs=1e-4)
    assert made["los"] == pytest.approx(299.66 - 106.11, abs=0.03)
    within = np.arange(made["sos"], made["eos"], 0.01)
    assert made["integral"] == pytest.approx((curve(within) - 0.15).sum() * 0.01, abs=0.05)
    assert np.isnan(made["sos2"])


def test_half_amplitude_is_where_the_flanks_are_steepest() -> None:
    """At half of the amplitude the dates are the parameters s = 120 and e = 280 (with a hair for the finite peak)."""
    days = np.arange(1.0, 366.0, 5.0)
    made = _phenology.half_amplitude(series(days, curve(days)[:, None]))
    assert float(made["sos"][0]) == pytest.approx(120.0, abs=0.1)
    assert float(made["eos"][0]) == pytest.approx(280.0, abs=0.1)


def test_noise_and_spikes_move_the_dates_by_less_than_two_days() -> None:
    """σ = 0.02 and 15 dark spikes in 73 samples: s, e within 1.5 d, SOS within 2 d (root mean square of 500)."""
    given = noisy(500, 1)
    fifth, half = _phenology.seasons(given), _phenology.half_amplitude(given)
    assert (fifth["seasons"] == 1).all()

    def rms(found: xr.DataArray, truth: float) -> float:
        return float(np.sqrt(((found - truth) ** 2).mean()))

    assert rms(half["sos"], 120.0) < 1.5
    assert rms(half["eos"], 280.0) < 1.5
    assert rms(fifth["sos"], 106.11) < 2.0
    assert rms(fifth["eos"], 299.66) < 2.0
    assert abs(float(fifth["sos"].mean()) - 106.11) < 0.2
    assert abs(float(fifth["eos"].mean()) - 299.66) < 0.2
