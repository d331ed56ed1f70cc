"""The stated standard deviations of productivity and phenology cover the errors of a closed loop."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from musyq_cube.products import get_recipe

N = 3000


def spread(name: str, truth: xr.Dataset, algorithm: str, seed: int, sigmas: dict[str, float]) -> float:
    """Share of pixels whose error is within the stated standard deviation."""
    recipe = get_recipe(name).using(algorithm)
    rng = np.random.default_rng(seed)
    exact = recipe.compute(truth)
    seen = truth.copy()
    for wanted in recipe.algorithm.inputs:
        sigma = sigmas.get(wanted.name, wanted.sigma)
        if sigma and wanted.name in truth:
            noise = xr.DataArray(sigma * rng.standard_normal(N), dims="x").astype("float32")
            seen[wanted.name] = truth[wanted.name] + noise
            if wanted.name in sigmas:
                seen[f"{wanted.name}_unc"] = xr.full_like(truth[wanted.name], sigma)
    made = recipe.compute(seen)
    layer = recipe.layers[0].name
    error = made[layer] - exact[layer] - recipe.algorithm.error * rng.standard_normal(N)
    good = made[f"{layer}_unc"].notnull() & error.notnull()
    assert float(good.mean()) > 0.95
    return float((abs(error) <= made[f"{layer}_unc"]).where(good).mean())


def weather(seed: int) -> dict[str, xr.DataArray]:
    rng = np.random.default_rng(seed)

    def draw(low: float, high: float) -> xr.DataArray:
        return xr.DataArray(rng.uniform(low, high, N).astype("float32"), dims="x")

    return {
        "fpar": draw(0.3, 0.9),
        "shortwave": draw(80, 320),
        "tmin": draw(272, 294),
        "vpd": draw(300, 2500),
        "air_temperature": draw(276, 302),
        "land_cover": xr.DataArray(rng.choice([1, 2, 4, 5, 10, 12], N).astype("float32"), dims="x"),
    }


@pytest.mark.parametrize("algorithm", ["mod17_shortwave", "casa_shortwave"])
def test_gpp(algorithm: str) -> None:
    assert 0.60 <= spread("MuSQ.GPP", xr.Dataset(weather(2)), algorithm, 3, {"fpar": 0.08}) <= 0.76


@pytest.mark.parametrize("algorithm", ["mod17", "carbon_use"])
def test_npp_with_errors_that_last_all_year(algorithm: str) -> None:
    rng = np.random.default_rng(4)
    time = np.datetime64("2019-01-05", "ns") + np.arange(46) * np.timedelta64(8, "D")
    wave = xr.DataArray(
        np.clip(np.sin(np.pi * (np.arange(46) - 8) / 30), 0, 1).astype("float32"), {"time": time}, ("time",)
    )
    top = xr.DataArray(rng.uniform(5, 14, N).astype("float32"), dims="x")
    truth = xr.Dataset(
        {
            "gpp": 2.0 + top * wave,
            "lai": 1.0 + top / 4 * wave,
            "air_temperature": xr.DataArray(rng.uniform(278, 290, N).astype("float32"), dims="x"),
            "land_cover": xr.DataArray(rng.choice([1, 4, 5, 10, 12], N).astype("float32"), dims="x"),
        }
    )
    assert 0.60 <= spread("MuSQ.NPP", truth, algorithm, 5, {"gpp": 0.8, "lai": 0.4}) <= 0.76


def test_phenology_states_the_error_of_every_metric() -> None:
    rng = np.random.default_rng(6)
    days = np.arange(3.5, 365, 5)
    time = np.datetime64("2019-01-01", "ns") + ((days - 1) * 86400e9).astype("timedelta64[ns]")
    s, e = rng.uniform(90, 140, N), rng.uniform(240, 290, N)
    a, b, size = rng.uniform(0.06, 0.15, N), rng.uniform(0.06, 0.12, N), rng.uniform(0.3, 0.6, N)
    t = days[:, None]
    exact = 0.2 + size * (1 / (1 + np.exp(-a * (t - s))) - 1 / (1 + np.exp(-b * (t - e))))
    sigma = rng.uniform(0.01, 0.03, N)
    seen = exact + sigma * rng.standard_normal(exact.shape)
    recipe = get_recipe("MuSQ.PHENO")

    def make(values: np.ndarray) -> xr.Dataset:
        ndvi = xr.DataArray(values.astype("float32"), {"time": time}, ("time", "x"))
        return recipe.compute(xr.Dataset({"ndvi": ndvi}))

    made, truth = make(seen), make(exact)
    for name in ("sos", "eos", "pos", "los", "base", "peak", "amplitude", "integral"):
        good = made[f"{name}_unc"].notnull() & truth[name].notnull()
        assert float(good.mean()) > 0.99, name
        share = (abs(made[name] - truth[name]) <= made[f"{name}_unc"]).where(good).mean()
        assert 0.60 <= float(share) <= 0.76, f"{name}: {float(share):.3f}"
