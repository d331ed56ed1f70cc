"""Monte Carlo in closed loop: the stated 1σ of the water products covers 60–76 % of the errors."""

from __future__ import annotations

import numpy as np
import xarray as xr

from musyq_cube.products import _water as water
from musyq_cube.products import get_recipe

SIZE = 6000


def cube(values: dict[str, np.ndarray]) -> xr.Dataset:
    return xr.Dataset({k: (("y", "x"), v.reshape(-1, 60).astype("float32")) for k, v in values.items()})


def coverage(name: str, algorithm: str, truth: dict[str, np.ndarray], relative: float) -> float:
    """Perturb the bands with their noise and the truth with the error of the algorithm; no outliers are removed."""
    rng = np.random.default_rng(11)
    recipe = get_recipe(name).using(algorithm)
    noisy = {k: v if k == "water" else v + rng.normal(0, water.WATER_NOISE, v.shape) for k, v in truth.items()}
    first = recipe.layers[0].name
    want = recipe.compute(cube(truth))[first]
    made = recipe.compute(cube(noisy))
    goal = want.values * (1 + relative * rng.standard_normal(want.shape))
    error = np.abs(made[first].values - goal)
    good = np.isfinite(error)
    assert good.mean() > 0.9
    return float((error <= made[f"{first}_unc"].values)[good].mean())


def test_turbidity() -> None:
    rng = np.random.default_rng(1)
    red = np.exp(rng.uniform(np.log(0.008), np.log(0.11), SIZE))
    nir = red * np.clip(0.1 + 6 * red, 0.1, 0.8) * rng.uniform(0.9, 1.1, SIZE)
    found = coverage("MuSQ.TUR", "dogliotti", {"red": red, "nir": nir, "water": np.ones(SIZE)}, water.TURBIDITY_ERROR)
    assert 0.60 <= found <= 0.76


def bands(rng: np.random.Generator) -> dict[str, np.ndarray]:
    green = rng.uniform(0.015, 0.06, SIZE)
    ratio = np.exp(rng.uniform(np.log(0.6), np.log(1.6), SIZE))
    return {"green": green, "blue": green * ratio, "coastal": green * ratio * rng.uniform(0.7, 1.1, SIZE),
            "water": np.ones(SIZE)}  # fmt: skip


def test_chlorophyll_of_clear_water() -> None:
    truth = bands(np.random.default_rng(2))
    assert 0.60 <= coverage("MuSQ.CHLA", "ocx_oli", truth, water.OPEN_ERROR) <= 0.76


def test_chlorophyll_of_turbid_water() -> None:
    rng = np.random.default_rng(3)
    red = rng.uniform(0.018, 0.06, SIZE)
    truth = bands(rng) | {"red": red, "rededge071": red * rng.uniform(0.9, 1.6, SIZE)}
    assert 0.60 <= coverage("MuSQ.CHLA", "ocx_ndci_msi", truth, water.INLAND_ERROR) <= 0.76


def test_fraction_of_shores() -> None:
    """Pixels of known mixture between land that scatters and water."""
    rng = np.random.default_rng(4)
    share = rng.uniform(0.35, 0.95, (60, 100))
    lake = {"green": 0.05, "red": 0.035, "nir": 0.02, "swir16": 0.01, "swir22": 0.008}
    land = {"green": 0.09, "red": 0.08, "nir": 0.35, "swir16": 0.22, "swir22": 0.12}
    texture = 1 + 0.08 / 0.22 * rng.standard_normal(share.shape)
    seen = {
        b: share * lake[b] + (1 - share) * land[b] * texture + rng.normal(0, water.NOISE, share.shape) for b in lake
    }
    made = get_recipe("MuSQ.WATER").compute(xr.Dataset({b: (("y", "x"), v.astype("f4")) for b, v in seen.items()}))
    error = np.abs(made.water_fraction.values - share)
    assert 0.60 <= (error <= made.water_fraction_unc.values).mean() <= 0.76


def test_occurrence() -> None:
    rng = np.random.default_rng(5)
    often = rng.uniform(0, 1, (40, 50))
    wet = rng.random((23, 40, 50)) < often
    lake = {"green": 0.05, "red": 0.035, "nir": 0.02, "swir16": 0.01, "swir22": 0.008}
    land = {"green": 0.08, "red": 0.07, "nir": 0.35, "swir16": 0.22, "swir22": 0.12}
    ds = {b: xr.DataArray(np.where(wet, lake[b], land[b]).astype("f4"), dims=("time", "y", "x")) for b in lake}
    made = water.occurrence(**ds)
    error = np.abs(made["occurrence"].values - often)
    assert 0.60 <= (error <= made["occurrence_unc"].values).mean() <= 0.76
