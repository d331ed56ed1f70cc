"""Aerosol as a product against ALGORITHMS R2: published relations, and closed loops through the tables of 6S."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from musyq_cube.normalize import _aerosol_methods as relations
from musyq_cube.normalize.lut import load
from musyq_cube.products import get_recipe
from musyq_cube.products._aod import series_depth
from musyq_cube.types import QA

DIMS = ("time", "y", "x")
AOD = get_recipe("MuSQ.AOD")


def array(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values.astype("float32"), dims=DIMS)


def seen(sensor: str, surface: dict[str, np.ndarray], aod: np.ndarray, angles: tuple[float, ...]) -> xr.Dataset:
    full = [np.broadcast_to(np.float32(a), aod.shape).copy() for a in angles]
    toa = load(sensor).simulate({k: v.astype("f4") for k, v in surface.items()}, *full, aod.astype("f4"))
    return xr.Dataset({k: array(v) for k, v in (*toa.items(), *zip(("sza", "vza", "raa"), full, strict=True))})


@pytest.mark.parametrize(("swir", "near", "angle", "red", "blue"), [(0.10, 0.25, 120, 0.051571, 0.03027),
                                                                     (0.05, 0.40, 150, 0.026, 0.01774)])  # fmt: skip
def test_dark_target_relations_of_levy_2007(swir: float, near: float, angle: float, red: float, blue: float) -> None:
    found = relations.dark_red(np.array(swir), np.array((near - swir) / (near + swir)), np.array(angle))
    assert found == pytest.approx(red, abs=1e-6)
    assert relations.dark_blue(found) == pytest.approx(blue, abs=1e-5)


def dark(
    rng: np.random.Generator, shape: tuple[int, ...], scatter: float, angles: tuple[float, ...]
) -> dict[str, np.ndarray]:
    swir, near, nir = rng.uniform(0.03, 0.15, shape), rng.uniform(0.22, 0.35, shape), rng.uniform(0.25, 0.4, shape)
    phase = relations.scattering_angle(*(np.full(shape, a) for a in angles))
    red = relations.dark_red(swir, (near - swir) / (near + swir), phase)
    blue = relations.dark_blue(red) + scatter * relations.SCATTER_BLUE * rng.standard_normal(shape)
    red = red + scatter * relations.SCATTER_RED * rng.standard_normal(shape)
    return {"blue": blue, "red": red, "nir08": nir, "swir12": near, "swir22": swir}


def test_dark_target_gives_the_aerosol_back() -> None:
    """R2: true 0.15, 0.42, 0.9 within 0.005."""
    angles = (35.0, 15.0, 110.0)
    shape = (1, 6, 30)
    aod = np.broadcast_to(np.repeat([0.15, 0.42, 0.9], 2)[None, :, None], shape)
    ds = seen("modis-terra", dark(np.random.default_rng(0), shape, 0.0, angles), aod, angles)
    made = AOD.using("dark_target").compute(ds.assign(qa=xr.zeros_like(ds.blue, "uint16")), sensor="modis-terra")
    np.testing.assert_allclose(made.aod, aod, atol=0.005)
    assert ((made.qa & QA.HIGH_AOD) > 0).values.any(axis=(0, 2)).tolist() == [False] * 4 + [True] * 2


def test_dark_target_has_no_value_over_bright_ground() -> None:
    angles, aod = (35.0, 15.0, 110.0), np.full((1, 2, 2), 0.2)
    bright = {"blue": 0.15, "red": 0.25, "nir08": 0.32, "swir22": 0.4}
    ds = seen("landsat8-oli", {k: np.full(aod.shape, v) for k, v in bright.items()}, aod, angles)
    assert AOD.using("dark_target").compute(ds, sensor="landsat8-oli").aod.isnull().all()


def test_dark_target_uncertainty_by_monte_carlo() -> None:
    """Ground that scatters about the relations as stated, and the aerosol model errs by 10 % of the optical depth."""
    rng = np.random.default_rng(2)
    angles, shape = (40.0, 10.0, 100.0), (1, 40, 50)
    aod = np.exp(rng.normal(np.log(0.25), 0.5, shape)).clip(0.05, 1.2)
    ds = seen("modis-terra", dark(rng, shape, 1.0, angles), aod, angles)
    made = AOD.using("dark_target").compute(ds, sensor="modis-terra")
    error = np.abs(made.aod.values - aod * (1 + 0.1 * rng.standard_normal(shape)))
    good = np.isfinite(error)
    assert 0.60 <= (error <= made.aod_unc.values)[good].mean() <= 0.76


def test_clearest_blue_of_thirty_days() -> None:
    """R2: 400 pixels 0.02…0.10 ± 0.002, log-normal aerosol: bias < 0.03, RMSE < 0.06, 85 % in ±(0.05 + 0.15 AOD)."""
    rng = np.random.default_rng(0)
    shape = (30, 20, 20)
    ground = rng.uniform(0.02, 0.10, (1, 20, 20)) + rng.normal(0, 0.002, shape)
    aod = np.exp(rng.normal(np.log(0.2), 0.7, (30, 1, 1))) + np.zeros(shape)
    ds = seen("landsat8-oli", {"blue": ground}, aod, (35.0, 15.0, 110.0))
    found = series_depth(ds.blue, ds.sza, ds.vza, ds.raa, "landsat8-oli")["aod"].values
    error = found - aod
    assert np.isfinite(error).all()
    assert abs(error.mean()) < 0.03
    assert np.sqrt((error**2).mean()) < 0.06
    assert (np.abs(error) <= 0.05 + 0.15 * aod).mean() >= 0.85
    ds["blue"][:, 0, 0] = np.nan
    made = AOD.using("clearest_blue").compute(ds, sensor="landsat8-oli")
    assert made.aod.dims == ("y", "x")
    assert int(made.aod.isnull().sum()) == 1
    np.testing.assert_allclose(made.aod.median(), np.median(aod[:, 0, 0]), atol=0.05)
    lazy = AOD.using("clearest_blue").compute(ds.chunk(x=7), sensor="landsat8-oli").compute()
    xr.testing.assert_identical(lazy, made)


def test_what_scenes_carry() -> None:
    aod = array(np.array([[[0.2, 0.8, np.nan]]]))
    made = AOD.using("scene").compute(xr.Dataset({"aod": aod, "qa": xr.zeros_like(aod, "uint16")}))
    np.testing.assert_allclose(made.aod_unc.values.ravel()[:2], [0.08, 0.17], rtol=1e-6)
    assert made.qa.values.ravel().tolist() == [0, QA.HIGH_AOD, 0]
