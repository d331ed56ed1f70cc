"""Monte Carlo in closed loop: the stated standard deviation covers 60 to 76 % of the errors of every flux product."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import xarray as xr

from musyq_cube.products import get_recipe, turbulence

if TYPE_CHECKING:
    from collections.abc import Callable

    from musyq_cube.products.recipe import Recipe

N = 4000
RNG = np.random.default_rng


def _surface(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return land at a summer morning: dry land is hotter than the air, green land is not."""
    air = rng.uniform(283, 305, N)
    ndvi = rng.uniform(0.15, 0.85, N)
    dry = rng.uniform(0, 1, N)
    return {
        "rn": rng.uniform(250, 650, N),
        "ndvi": ndvi,
        "lst": air + 1 + 18 * dry * (1 - ndvi),
        "albedo": rng.uniform(0.1, 0.25, N),
        "air_temperature": air,
        "relative_humidity": rng.uniform(0.25, 0.8, N),
        "surface_pressure": rng.uniform(85_000, 102_000, N),
        "tvdi": 0.1 + 0.8 * dry,
    }


def _turbulent(rng: np.random.Generator) -> dict[str, np.ndarray]:
    z0m = rng.uniform(0.02, 0.15, N)
    more = {
        "z0m": z0m,
        "kb": rng.uniform(1.8, 2.8, N),
        "wind_speed": rng.uniform(2.5, 7, N),
        "vapour_pressure": rng.uniform(600, 1500, N),
        "le": rng.uniform(80, 350, N),
    }
    return _surface(rng) | more


def _daily(rng: np.random.Generator) -> dict[str, np.ndarray]:
    sun = rng.uniform(500, 950, N)
    air = rng.uniform(280, 300, N)
    return {
        "le": rng.uniform(80, 400, N),
        "hour": rng.uniform(10, 11.5, N),
        "air_temperature": air,
        "sun_then": sun,
        "sun_mean": sun * rng.uniform(0.25, 0.4, N),
    }


def _weather(rng: np.random.Generator) -> dict[str, np.ndarray]:
    air = rng.uniform(283, 298, N)
    return {
        "lai": rng.uniform(1.5, 5, N),
        "fpar": rng.uniform(0.4, 0.85, N),
        "albedo": rng.uniform(0.1, 0.2, N),
        "shortwave_down": rng.uniform(150, 300, N),
        "longwave_down": rng.uniform(290, 370, N),
        "air_temperature": air,
        "coldest": air - 6,
        "warmest": air + 6,
        "vapour_pressure": rng.uniform(700, 1200, N),
        "surface_pressure": rng.uniform(90_000, 102_000, N),
        "land_cover": rng.choice([1.0, 4.0, 5.0, 10.0, 12.0], N),
    }


CASES: dict[str, tuple[str, str, Callable[[np.random.Generator], dict[str, np.ndarray]]]] = {
    "pt_jpl": ("MuSQ.LE", "pt_jpl", _surface),
    "triangle": ("MuSQ.LE", "evaporative_fraction", _surface),
    "monin_obukhov": ("MuSQ.H", "monin_obukhov", _turbulent),
    "residual": ("MuSQ.H", "residual", _turbulent),
    "sunshine": ("MuSQ.ET", "evaporative_fraction", _daily),
    "sinusoid": ("MuSQ.ET", "sinusoid", _daily),
    "mod16": ("MuSQ.ET", "mod16", _weather),
}


def _array(values: np.ndarray) -> xr.DataArray:
    place = {"y": 45.0 + np.zeros(1), "x": np.linspace(-0.5, 0.5, N)}
    made = xr.DataArray(values.astype("float32")[None], place, ("y", "x"))
    crs = xr.DataArray(0, attrs={"crs_wkt": "EPSG:4326"})
    return made.assign_coords(spatial_ref=crs, time=np.datetime64("2019-06-21T12:00", "ns"))


def _dataset(values: dict[str, np.ndarray], recipe: Recipe) -> xr.Dataset:
    names = [wanted.name for wanted in recipe.algorithm.inputs]
    return xr.Dataset({name: _array(values[name]) for name in names if name in values})


@pytest.mark.parametrize("case", CASES)
def test_the_stated_uncertainty_covers_the_errors(case: str) -> None:
    product, algorithm, sample = CASES[case]
    recipe = get_recipe(product).using(algorithm)
    rng = RNG(11)
    true = sample(rng)
    noisy = dict(true)
    for wanted in recipe.algorithm.inputs:
        if wanted.name in true:
            noisy[wanted.name] = true[wanted.name] + rng.normal(0, 1, N) * wanted.sigma
    name = recipe.layers[0].name
    parts = {wanted.name: wanted.name for wanted in recipe.algorithm.inputs if wanted.name in true}
    truth = recipe.compute(_dataset(true, recipe), parts)[name].values + rng.normal(0, recipe.algorithm.error, (1, N))
    found = recipe.compute(_dataset(noisy, recipe), parts)
    error, stated = (found[name].values - truth), found[f"{name}_unc"].values
    good = np.isfinite(error)
    assert good.mean() > 0.9
    assert 0.60 <= (np.abs(error) <= stated)[good].mean() <= 0.76


def test_roughness_states_its_uncertainty() -> None:
    """The model is good to a factor of 1.5: its error is drawn as a part of the length."""
    rng = RNG(5)
    recipe = get_recipe("MuSQ.Z0").using("raupach")
    cover = rng.choice([1.0, 4.0, 6.0, 10.0, 12.0], N)
    height = np.where(cover < 5, rng.uniform(8, 25, N), rng.uniform(0.5, 2, N))
    lai, wind = rng.uniform(0.5, 5, N), np.full(N, 3.0)
    names = ("lai", "land_cover", "canopy_height", "wind_speed")
    truth = recipe.compute(xr.Dataset(dict(zip(names, map(_array, (lai, cover, height, wind)), strict=True))))
    given = (np.maximum(lai + rng.normal(0, 0.7, N), 0.05), cover, height * (1 + rng.normal(0, 0.2, N)), wind)
    found = recipe.compute(xr.Dataset(dict(zip(names, map(_array, given), strict=True))))
    for name in turbulence.LAYERS:
        real = truth[name] * (1 + 0.4 * _array(rng.normal(0, 1, N)))
        inside = (abs(found[name] - real) <= found[f"{name}_unc"]).values
        assert 0.60 <= inside.mean() <= 0.76, name


def test_roughness_by_savi_states_its_uncertainty() -> None:
    rng = RNG(6)
    recipe = get_recipe("MuSQ.Z0").using("savi")
    red, nir = rng.uniform(0.03, 0.15, N), rng.uniform(0.2, 0.45, N)
    truth = recipe.compute(xr.Dataset({"red": _array(red), "nir": _array(nir)}))
    noisy = xr.Dataset({"red": _array(red + rng.normal(0, 0.01, N)), "nir": _array(nir + rng.normal(0, 0.01, N))})
    found = recipe.compute(noisy)
    for name in turbulence.LAYERS:
        real = truth[name] * (1 + 0.8 * _array(rng.normal(0, 1, N)))
        inside = (abs(found[name] - real) <= found[f"{name}_unc"]).values
        assert 0.60 <= inside.mean() <= 0.76, name


def test_dryness_states_its_uncertainty() -> None:
    rng = RNG(7)
    n = rng.uniform(0.15, 0.8, (256, 256))
    wetness = rng.uniform(0, 1, n.shape)
    ts = 295 + 2 * n + (1 - wetness) * (35 - 37 * n)
    truth = 1 - wetness
    layers = {"lst": ts + rng.normal(0, 1, n.shape), "ndvi": n, "lst_unc": np.ones(n.shape)}
    found = get_recipe("MuSQ.TVDI").compute(xr.Dataset({k: (("y", "x"), v.astype("f4")) for k, v in layers.items()}))
    inside = np.abs(found["tvdi"].values - truth) <= found["tvdi_unc"].values
    assert 0.60 <= inside.mean() <= 0.76
