"""Radiation products: what is missing stays so, lazy is eager, blocks do not matter, nothing is guessed."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from musyq_cube.products import get_recipe, longwave, shortwave
from musyq_cube.types import QA

SHAPE = (4, 6, 7)
TIME = np.datetime64("2019-06-01T10:30", "ns") + np.arange(4) * np.timedelta64(24, "h")


def inputs(seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    limits = {
        "blue": (0.1, 0.6), "red": (0.06, 0.6), "sza": (20, 70), "vza": (0, 50), "raa": (0, 180),
        "surface_blue": (0.03, 0.08), "surface_red": (0.04, 0.1), "albedo": (0.1, 0.3), "aod": (0.05, 0.5),
        "tcwv": (0.5, 4), "ozone": (0.25, 0.4), "surface_pressure": (8e4, 1e5), "cloud_fraction": (0, 1),
        "air_temperature": (260, 310), "vapour_pressure": (300, 2500), "dsr": (100, 900), "kc": (0.2, 1.1),
        "dlr": (200, 450), "emissivity": (0.93, 0.99), "lst": (260, 320), "shortwave_down": (0, 900),
        "longwave_down": (200, 450),
    }  # fmt: skip
    made = {k: (("time", "y", "x"), rng.uniform(a, b, SHAPE).astype("f4")) for k, (a, b) in limits.items()}
    made["qa"] = (("time", "y", "x"), np.zeros(SHAPE, np.uint16))
    return xr.Dataset(made, {"time": TIME})


WAYS = [
    (product, way.name)
    for product in ("MuSQ.DSR", "MuSQ.DLR", "MuSQ.PAR", "MuSQ.NSR")
    for way in get_recipe(product).algorithms
]


UNNEEDED = {("balance", "kc"), ("dilley_obrien", "tcwv"), ("dilley_obrien", "vapour_pressure"), ("lut", "kc")}
"""One of the first two will do; without the third there is a backup."""


def make(product: str, way: str, ds: xr.Dataset) -> xr.Dataset:
    recipe = get_recipe(product).using(way)
    parts = {i.name: i.name for i in recipe.algorithm.inputs if i.kind != "sensor"}
    return recipe.compute(ds, parts, sensor="landsat8-oli")


@pytest.mark.parametrize(("product", "way"), WAYS)
def test_lazy_is_eager_and_blocks_do_not_matter(product: str, way: str) -> None:
    ds = inputs()
    eager = make(product, way, ds)
    lazy = make(product, way, ds.chunk(time=-1, y=4, x=3))
    assert all(v.chunks for v in lazy.data_vars.values())
    for name, values in eager.items():
        np.testing.assert_array_equal(values, lazy[name].compute().transpose(*values.dims), err_msg=str(name))
    part = make(product, way, ds.isel(y=slice(2, 5), x=slice(1, 4)))
    for name, values in part.items():
        np.testing.assert_array_equal(values, eager[name].isel(y=slice(2, 5), x=slice(1, 4)))


@pytest.mark.parametrize(("product", "way"), WAYS)
def test_missing_stays_missing(product: str, way: str) -> None:
    recipe = get_recipe(product).using(way)
    for wanted in recipe.algorithm.inputs:
        if wanted.kind == "sensor" or (way, wanted.name) in UNNEEDED:
            continue
        ds = inputs()
        ds[wanted.name][:, 2, 3] = np.nan
        made = make(product, way, ds)[recipe.layers[0].name]
        assert made.isel(y=2, x=3).isnull().all(), wanted.name
        assert made.isel(y=0, x=0).notnull().any()


def test_dlr_without_column_uses_the_vapour_at_the_ground() -> None:
    ds = inputs().isel(time=0)
    full = longwave.dilley_obrien(ds.air_temperature, ds.vapour_pressure, ds.tcwv.where(ds.x > 2))
    alone = longwave.dilley_obrien(ds.air_temperature, ds.vapour_pressure)
    np.testing.assert_array_equal(full.isel(x=slice(0, 3)), alone.isel(x=slice(0, 3)))
    assert (full != alone).isel(x=slice(3, None)).all()


def test_par_without_the_index_is_backup() -> None:
    ds = inputs()
    ds["kc"][0, 1, 1] = np.nan
    made = make("MuSQ.PAR", "lut", ds)
    assert float(made["par"][0, 1, 1]) == pytest.approx(0.45 * float(ds["dsr"][0, 1, 1]), rel=1e-6)
    assert int(made["qa"][0, 1, 1]) == QA.BACKUP
    assert int(made["qa"][0, 2, 2]) == 0


@pytest.mark.parametrize("change", [{"sza": -1.0}, {"aod": -0.1}, {"cloud_fraction": 1.2}, {"tcwv": -1.0}])
def test_out_of_domain_is_flagged(change: dict[str, float]) -> None:
    ds = inputs()
    for name, value in change.items():
        ds[name][0, 0, 0] = value
    made = make("MuSQ.DSR", "clear_sky", ds)
    assert np.isnan(made["dsr"][0, 0, 0])
    assert int(made["qa"][0, 0, 0]) & QA.OUT_OF_RANGE


def test_no_light_at_night() -> None:
    ds = inputs()
    ds["sza"][:] = 100.0
    assert (make("MuSQ.DSR", "clear_sky", ds)["dsr"] == 0).all()


def test_brighter_is_darker_below() -> None:
    ds = inputs().isel(time=[0])
    fixed = {"sza": 40, "vza": 10, "raa": 90, "surface_blue": 0.04, "surface_red": 0.05, "albedo": 0.15, "aod": 0.1,
             "tcwv": 2, "ozone": 0.3, "surface_pressure": 1e5}  # fmt: skip
    for name, value in fixed.items():
        ds[name][:] = value
    red = np.linspace(0.06, 0.7, 42, dtype="f4").reshape(1, 6, 7)
    ds["red"].values[:] = red
    ds["blue"].values[:] = red + 0.05
    made = make("MuSQ.DSR", "lut", ds)
    flux = made["dsr"].values.ravel()
    assert (np.diff(flux) <= 35.0).all()  # haze that looks like thin cloud takes a little more light
    assert flux[0] > 700
    assert flux[-1] < 300
    assert made["kc"].values.ravel()[0] == 1.0


@pytest.mark.parametrize(("blue", "red", "ground"), [(0.02, 0.0, 0.05), (0.9, 0.9, 0.85), (1.3, 1.3, 0.05)])
def test_what_cannot_be_is_refused(blue: float, red: float, ground: float) -> None:
    """Darker than a clear sky, snow under whatever, brighter than the thickest cloud."""
    ds = inputs()
    ds["blue"][:], ds["red"][:], ds["surface_blue"][:], ds["surface_red"][:] = blue, red, ground, ground
    made = make("MuSQ.DSR", "lut", ds)
    found = made["dsr"].notnull()
    assert not (found & (made["kc"] < 1)).any()
    if ground < 0.5:
        assert not found.any()
        assert (made["qa"].values & QA.OUT_OF_RANGE).all()


def test_heliosat_of_a_series() -> None:
    """Half the days clear, half under cloud as bright as the effective albedo: half of the clear sky's light."""
    time = np.datetime64("2019-06-01T10:00", "ns") + np.arange(40) * np.timedelta64(12 * 60, "m")
    day = (np.arange(40) // 2) % 2
    sza = np.where(np.arange(40) % 2, 95.0, 40.0)
    cloud = 0.78 - 0.13 * (1 - np.exp(-4 * np.cos(np.radians(40.0)) ** 5))
    red = np.where(day, 0.45 * (cloud - 0.1) + 0.1, 0.1)
    column = lambda v: xr.DataArray(np.broadcast_to(v, (1, 40)).T.astype("f4"), {"time": time}, ("time", "x"))  # noqa: E731
    made = shortwave.heliosat(column(red), column(sza), column(0.1), column(2.0))
    clear, _ = shortwave.under(column(sza), 0.1, 0.0, 2.0, 0.3, 101_325.0, 0.2)
    assert float(made["kc"][0]) == pytest.approx((1 + 0.55) / 2, abs=1e-3)
    assert float(made["dsr"][0]) == pytest.approx(0.775 * float(clear.where(clear > 0).mean()), rel=2e-3)


def test_three_hourly_takes_what_there_is() -> None:
    hours = np.datetime64("2020-01-01T00:30", "ns") + np.arange(9) * np.timedelta64(1, "h")
    values = np.array([1, 2, 3, np.nan, 5, 6, np.nan, np.nan, np.nan])
    made = longwave.three_hourly(xr.DataArray(values, {"time": hours}, "time"))
    np.testing.assert_array_equal(made, [2.0, 5.5, np.nan])


def test_distance_of_the_sun() -> None:
    time = np.array(["2019-01-03", "2019-07-04"], "datetime64[ns]")
    toa = shortwave.irradiance_outside(xr.DataArray([0.0, 0.0], {"time": time}, "time"))
    np.testing.assert_allclose(toa, [1407.9, 1316.7], rtol=1e-3)
