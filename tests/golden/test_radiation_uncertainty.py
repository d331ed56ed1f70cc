"""Monte Carlo in closed loop: the stated 1σ of the radiation products covers 60–76 % of the errors."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from musyq_cube.products import get_recipe

N = 6000
TIME = np.datetime64("2019-06-01T10:30", "ns")


def air(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "sza": rng.uniform(20, 65, N), "aod": rng.uniform(0.15, 0.5, N), "tcwv": rng.uniform(1, 4, N),
        "ozone": rng.uniform(0.27, 0.36, N), "surface_pressure": rng.uniform(9e4, 1.01e5, N),
    }  # fmt: skip


def weather(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "air_temperature": rng.uniform(270, 305, N), "vapour_pressure": rng.uniform(800, 2500, N),
        "tcwv": rng.uniform(1, 4, N), "cloud_fraction": rng.uniform(0.3, 0.7, N),
        "longwave_down": rng.uniform(250, 400, N),
    }  # fmt: skip


def seen(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Pixels under clear sky and under cloud."""
    cloud = rng.uniform(0.25, 0.5, N)
    clear = rng.random(N) < 0.5
    given = air(rng) | {
        "vza": rng.uniform(0, 40, N),
        "raa": rng.uniform(30, 150, N),
        "albedo": rng.uniform(0.1, 0.25, N),
    }
    given |= {"surface_blue": np.full(N, 0.05), "surface_red": np.full(N, 0.07), "sza": rng.uniform(25, 50, N)}
    return given | {"blue": np.where(clear, 0.16, cloud + 0.02), "red": np.where(clear, 0.115, cloud)}


def surface(rng: np.random.Generator) -> dict[str, np.ndarray]:
    draw = rng.uniform
    return {
        "albedo": draw(0.1, 0.3, N), "dsr": draw(300, 900, N), "dlr": draw(250, 400, N),
        "emissivity": draw(0.94, 0.99, N), "lst": draw(280, 320, N), "kc": draw(0.4, 1.0, N),
    }  # fmt: skip


CASES = [
    ("MuSQ.DSR", "lut", seen),
    ("MuSQ.DSR", "clear_sky", lambda rng: air(rng) | {"cloud_fraction": rng.uniform(0.3, 0.7, N)}),
    ("MuSQ.DSR", "reanalysis", lambda rng: {"shortwave_down": rng.uniform(200, 900, N)}),
    *(("MuSQ.DLR", name, weather) for name in ("dilley_obrien", "brutsaert", "prata", "reanalysis")),
    ("MuSQ.PAR", "lut", lambda rng: surface(rng) | air(rng)),
    ("MuSQ.PAR", "share", surface),
    ("MuSQ.NSR", "balance", surface),
]


@pytest.mark.parametrize(("product", "name", "sampler"), CASES, ids=[f"{p}-{n}" for p, n, _ in CASES])
def test_one_sigma_covers(product: str, name: str, sampler: object) -> None:
    rng = np.random.default_rng(sum(map(ord, product + name)))
    recipe = get_recipe(product).using(name)
    sigma = {i.name: i.sigma for i in recipe.algorithm.inputs}
    values = sampler(rng)  # type: ignore[operator]
    truth = {k: v for k, v in values.items() if k in sigma}
    noisy = {k: v + rng.normal(0, sigma[k], N) for k, v in truth.items()}
    parts = {k: k for k in truth}
    made = [
        recipe.compute(
            xr.Dataset({k: (("time", "x"), v[None].astype("f4")) for k, v in x.items()}, {"time": [TIME]}),
            parts, sensor="landsat8-oli",
        )
        for x in (truth, noisy)
    ]  # fmt: skip
    layer = recipe.layers[0].name
    right = made[0][layer].values + rng.normal(0, recipe.algorithm.error, N)
    error, unc = np.abs(made[1][layer].values - right), made[1][f"{layer}_unc"].values
    good = np.isfinite(error)
    assert good.mean() > 0.9
    assert 0.60 <= (error[good] <= unc[good]).mean() <= 0.76


def test_heliosat_series() -> None:
    """What is common to a series counts: an error of calibration, of the clear sky, of the algorithm."""
    rng = np.random.default_rng(5)
    size, days = 1500, 10
    recipe = get_recipe("MuSQ.DSR").using("heliosat2")
    time = np.datetime64("2019-06-01T10:00", "ns") + np.arange(days) * np.timedelta64(24, "h")
    cloudy = rng.random((days, size)) < 0.5
    truth = {
        "red": np.where(cloudy, rng.uniform(0.2, 0.6, (days, size)), 0.1), "sza": np.full((days, size), 40.0),
        "aod": np.full((days, size), 0.2), "tcwv": np.full((days, size), 2.0), "ozone": np.full((days, size), 0.3),
        "surface_pressure": np.full((days, size), 1e5),
    }  # fmt: skip
    sigma = {i.name: i.sigma for i in recipe.algorithm.inputs}
    noisy = {k: v + rng.normal(0, 1, size) * sigma[k] for k, v in truth.items()}
    made = [
        recipe.compute(xr.Dataset({k: (("time", "x"), v.astype("f4")) for k, v in x.items()}, {"time": time}))
        for x in (truth, noisy)
    ]
    error = made[1]["dsr"].values - made[0]["dsr"].values - rng.normal(0, recipe.algorithm.error, size)
    assert 0.60 <= (np.abs(error) <= made[1]["dsr_unc"].values).mean() <= 0.76
