"""Monte Carlo in closed loop: one standard deviation, as stated, covers 60-76 % of the errors."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from musyq_cube.products import emissivity
from musyq_cube.products.registry import get_recipe

N = 20_000


def _draw(rng, **ranges):
    return xr.Dataset({k: ("x", rng.uniform(*v, N).astype("float32")) for k, v in ranges.items()})


def _perturbed(ds, sigma, rng):
    return ds.assign({k: ds[k] + rng.normal(0, s, ds[k].shape).astype("float32") for k, s in sigma.items()})


def _covered(made, truth, layer):
    error, sigma = abs(made[layer] - truth), made[f"{layer}_unc"]
    good = error.notnull() & sigma.notnull()
    assert int(good.sum()) > 0.9 * good.size
    return float((error <= sigma).where(good).mean())


def _closed_loop(recipe, ds, rng, sensor=""):
    way = recipe.algorithm
    sigma = {i.name: i.sigma for i in way.inputs if i.sigma and i.name in ds}
    truth = recipe.compute(ds, sensor=sensor)
    made = recipe.compute(_perturbed(ds, sigma, rng), sensor=sensor)
    first = recipe.layers[0].name
    return made, truth, truth[first] + rng.normal(0, way.error, N)


@pytest.mark.parametrize(
    ("algorithm", "sensor"),
    [
        ("split_window", "modis-terra"),
        ("split_window", "noaa19-avhrr"),
        ("split_window", "goes16-abi"),
        ("split_window_tirs", "landsat8-oli"),
        ("generalized_split_window", "fy3a-virr"),
        ("single_channel", "landsat5-tm"),
        ("single_channel", "landsat8-oli"),
        ("smw", "landsat7-etm"),
        ("mono_window", "goes13-imager"),
        ("mono_window_any_vapour", "hj1b-irs"),
    ],
)
def test_surface_temperature(algorithm, sensor):
    rng = np.random.default_rng(1)
    ds = _draw(
        rng,
        lwir11=(275, 310),
        emissivity=(0.955, 0.99),
        emissivity_difference=(-0.01, 0.005),
        tcwv=(0.5, 3.0),
        vza=(0, 55),
    )
    ds = ds.assign(lwir12=ds.lwir11 - rng.uniform(0.2, 2.5, N).astype("float32"))
    recipe = get_recipe("MuSQ.LST").using(algorithm)
    made, _, truth = _closed_loop(recipe, ds, rng, sensor)
    assert 0.60 < _covered(made, truth, "lst") < 0.76


def test_surface_temperature_from_radiances():
    rng = np.random.default_rng(2)
    ds = _draw(rng, trad=(7.5, 10), atran=(0.6, 0.9), urad=(0.8, 2.5), drad=(1, 4), emis=(0.95, 0.99))
    made, _, truth = _closed_loop(get_recipe("MuSQ.LST").using("radiative_transfer"), ds, rng, "landsat8-oli")
    assert 0.60 < _covered(made, truth, "lst") < 0.76


def test_provided_temperature():
    rng = np.random.default_rng(3)
    made, _, truth = _closed_loop(get_recipe("MuSQ.LST").using("provided"), _draw(rng, lst=(270, 320)), rng)
    assert 0.60 < _covered(made, truth, "lst") < 0.76


@pytest.mark.parametrize(
    ("algorithm", "ranges"),
    [
        (
            "aster_ged",
            {
                "emissivity_13": (0.93, 0.975),
                "emissivity_14": (0.94, 0.975),
                "ndvi_aster": (0.05, 0.5),
                "ndvi": (0.05, 0.9),
            },
        ),
        ("ndvi_thresholds", {"ndvi": (0.05, 0.9), "red": (0.02, 0.3)}),
        ("class_table", {"land_cover": (1, 17)}),
    ],
)
def test_emissivity(algorithm, ranges):
    rng = np.random.default_rng(4)
    ds = _draw(rng, **ranges)
    if "land_cover" in ds:
        ds = ds.assign(land_cover=ds.land_cover.round())
    made, exact, truth = _closed_loop(get_recipe("MuSQ.LSE").using(algorithm), ds, rng)
    assert 0.60 < _covered(made, truth, "emissivity") < 0.76
    others = {
        "emissivity_12": emissivity.TWELVE_UNC,
        "emissivity_difference": emissivity.STEP_UNC,
        "emissivity_bb": emissivity.BROAD_UNC,
    }
    for layer, sigma in others.items():
        # the errors of the inputs are a part of what is stated, not on top of it
        moved = made[layer] - exact[layer]
        rest = np.sqrt(max(sigma**2 - float(moved.var()), 0.0))
        assert 0.60 < _covered(made, exact[layer] + rng.normal(0, rest, N), layer) < 0.76


def test_canopy_temperature():
    rng = np.random.default_rng(5)
    hits = {"tv": [], "ts": []}
    recipe = get_recipe("MuSQ.TCANOPY")
    sigma = {i.name: i.sigma for i in recipe.algorithm.inputs}
    side = 84
    cover = rng.uniform(0.05, 0.95, (side, side))
    tv, ts = 296.0, 311.0
    e = cover * 0.985 + (1 - cover) * 0.95545
    t = ((cover * 0.985 * tv**4 + (1 - cover) * 0.95545 * ts**4) / e) ** 0.25
    true = {"lst": t, "emissivity": e, "fvc": cover}
    ds = xr.Dataset({k: (("y", "x"), v.astype("float32")) for k, v in true.items()})
    made = recipe.compute(_perturbed(ds, sigma, rng)).isel(y=slice(3, None, 7), x=slice(3, None, 7))
    truth = recipe.compute(ds).isel(y=slice(3, None, 7), x=slice(3, None, 7))
    assert float(abs(truth.tv - tv).max()) < 0.05
    for layer, found in hits.items():
        found.append(_covered(made, truth[layer], layer))
        assert 0.60 < np.mean(found) < 0.76


def test_daily_course():
    rng = np.random.default_rng(6)
    n = 600
    recipe = get_recipe("MuSQ.DTC")
    time = np.arange("2014-07-01", "2014-07-02", dtype="datetime64[h]").astype("datetime64[ns]")
    hour = np.arange(24.0)[:, None]
    top, day = rng.uniform(12, 14, n), rng.uniform(11, 14, n)
    since = (hour - top + day / 2) % 24 - day / 2
    wave = np.where(since < day / 3, np.cos(np.pi / day * since), 0.5 * np.exp(-(since - day / 3) / 3.5))
    true = rng.uniform(280, 295, n) + rng.uniform(8, 25, n) * wave
    series = xr.DataArray(true[:, None, :].astype("float32"), dims=("time", "y", "x"), coords={"time": time})
    ds = series.to_dataset(name="lst")
    made = recipe.compute(_perturbed(ds, {"lst": 1.5}, rng))
    truth = recipe.compute(ds)
    assert 0.60 < _covered(made, truth.lst_mean, "lst_mean") < 0.76
    assert float(abs(made.hour_max - truth.hour_max).median()) < 1.0
