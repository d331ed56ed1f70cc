"""BRDF and albedo against ALGORITHMS R4: numbers of the published formulas, worked by hand."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import xarray as xr

from musyq_cube.kernels.albedo import fit
from musyq_cube.kernels.brdf import kernels
from musyq_cube.normalize.direction import invert as invert_direction
from musyq_cube.products import _brdf as brdf
from musyq_cube.products import broadband_build, get_recipe
from musyq_cube.products._broadband import FITTED, SETS
from musyq_cube.types import QA

F = (0.20, 0.10, 0.03)


def test_integrals_of_lucht_2000() -> None:
    white, black = brdf.white_sky(*F), brdf.black_sky(*F, 45.0)
    assert white == pytest.approx(0.177590, abs=5e-7)
    assert black == pytest.approx(0.168749, abs=5e-7)
    assert brdf.blue_sky(black, white, 0.3) == pytest.approx(0.171401, abs=5e-7)


@pytest.mark.parametrize(
    ("theta", "bar_vol", "bar_geo"), [(0.0, 0.025, 0.03), (45.0, 0.025, 0.03), (70.0, 0.025, 0.03)]
)
def test_black_sky_polynomial_is_near_the_integral(theta: float, bar_vol: float, bar_geo: float) -> None:
    """Trap 7: g1vol is -0.070987, and the polynomial is not the integral: 0.025 apart for the volume kernel."""
    edges = np.linspace(0, np.pi / 2, 181)
    view = (edges[1:] + edges[:-1]) / 2
    azimuth = np.linspace(1, 359, 180)
    v, a = np.meshgrid(np.degrees(view), azimuth, indexing="ij")
    k_vol, k_geo = kernels(np.full_like(v, theta), v, a)
    weight = (np.sin(2 * view) * np.diff(edges))[:, None] / azimuth.size
    w_vol, w_geo = brdf.black_weights(theta)
    assert abs((k_vol * weight).sum() - w_vol) < bar_vol
    assert abs((k_geo * weight).sum() - w_geo) < bar_geo
    assert brdf.BLACK_VOL[1] == -0.070987


def test_shortwave_of_tm_and_modis_by_liang_2001() -> None:
    tm = {"blue": 0.05, "red": 0.08, "nir": 0.30, "swir16": 0.25, "swir22": 0.15}
    modis = {"red": 0.08, "nir": 0.30, "blue": 0.05, "green": 0.07, "swir12": 0.32, "swir22": 0.15}
    assert SETS["tm"].of(tm) == pytest.approx(0.17035, abs=5e-6)
    assert SETS["modis"].of(modis) == pytest.approx(0.16686, abs=5e-6)
    assert sum(w for _, w in SETS["s2"].weights) == pytest.approx(1.0)
    assert SETS["tm"].offset == -0.0018  # trap 5: -0.018 circulates


@pytest.mark.parametrize("name", ["swir16", "vnir", "rednir"])
def test_fitted_weights_are_those_of_the_script(name: str) -> None:
    with FITTED.open(newline="") as file:
        kept = {row["band"]: float(row["value"]) for row in csv.DictReader(file) if row["set"] == name}
    assert broadband_build.fit(name) == pytest.approx(kept, abs=2e-4)


def views(n: int, pixels: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sun, view = rng.uniform(20, 55, (n, pixels)), rng.uniform(0, 55, (n, pixels))
    return sun, view, rng.uniform(0, 180, (n, pixels))


def test_sixteen_views_without_noise_give_the_parameters_back() -> None:
    """R4: ≤ 1e-10 in double precision (the solver that the product shares), float32 as the product keeps it."""
    s, v, a = views(16, 50)
    k_vol, k_geo = kernels(s, v, a)
    rho = F[0] + F[1] * k_vol + F[2] * k_geo
    exact = invert_direction({"red": rho[:, None]}, s[:, None], v[:, None], a[:, None], dtype=np.float64)["red"]
    for got, want in zip((exact.iso, exact.vol, exact.geo), F, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-10)
    f32 = [x.astype("float32") for x in (rho, s, v, a)]
    np.testing.assert_allclose(fit(*f32, F, 0.01)[:3].T, np.tile(F, (50, 1)), atol=2e-5)


def test_noise_of_half_a_percent_in_sixteen_views() -> None:
    """R4: 1σ = 0.005 in each view gives about 0.006 in white-sky albedo and 0.0014 in nadir reflectance at 45°."""
    s, v, a = views(16, 4000, 1)
    k_vol, k_geo = kernels(s, v, a)
    noise = np.random.default_rng(2).normal(0, 0.005, s.shape)
    rho = F[0] + F[1] * k_vol + F[2] * k_geo + noise
    f = fit(*(x.astype("float32") for x in (rho, s, v, a)), F, 0.005)[:3]
    at = [float(k) for k in kernels(45.0, 0.0, 0.0)]
    assert 0.004 < brdf.white_sky(*f).std() < 0.009
    assert 0.001 < (f[0] + at[0] * f[1] + at[1] * f[2]).std() < 0.0025


def series(n: int, *, f: tuple[float, float, float] = F, names: tuple[str, ...] = SETS["tm"].bands) -> xr.Dataset:
    s, v, a = (x.reshape(n, 3, 4).astype("float32") for x in views(n, 12, 3))
    k_vol, k_geo = kernels(s, v, a)
    rho = (f[0] + f[1] * k_vol + f[2] * k_geo).astype("float32")
    dims = ("time", "y", "x")
    return xr.Dataset({name: (dims, x) for name, x in (*((b, rho) for b in names), ("sza", s), ("vza", v), ("raa", a))})


def test_albedo_of_a_series_is_that_of_its_parameters() -> None:
    ds = series(16)
    made = get_recipe("MuSQ.LSA").using("rtlsr_tm").compute(ds)
    way = SETS["tm"]
    weight = sum(w for _, w in way.weights)
    wsa = weight * brdf.white_sky(*F) + way.offset
    sun = ds.sza.mean("time")
    black = weight * brdf.black_sky(*F, sun) + way.offset
    np.testing.assert_allclose(made.wsa, wsa, atol=5e-5)
    np.testing.assert_allclose(made.bsa, black, atol=5e-5)
    want = brdf.blue_sky(black, wsa, brdf.diffuse_fraction(sun))
    np.testing.assert_allclose(made.albedo, want, atol=5e-5)


@pytest.mark.parametrize(("n", "bits"), [(2, 0), (4, int(QA.BACKUP)), (16, 0)])
def test_few_views_scale_the_average_shape_and_fewer_give_nothing(n: int, bits: int) -> None:
    ds = series(n)
    found = brdf.series_albedo("tm", **{str(k): v for k, v in ds.data_vars.items()})
    assert (found["qa"] == bits).all()
    assert bool(found["albedo"].isnull().all()) == (n < 3)
    if n >= 3:
        np.testing.assert_allclose(found["wsa"], 0.178, rtol=0.12)


def test_parameters_of_red_and_near_infrared() -> None:
    made = get_recipe("MuSQ.BRDF").compute(series(16, names=("red", "nir")))
    for part, want in zip(("iso", "vol", "geo"), F, strict=True):
        np.testing.assert_allclose(made[f"red_{part}"], want, atol=2e-4)
        np.testing.assert_allclose(made[f"nir_{part}"], want, atol=2e-4)


def test_a_view_of_average_land_gives_the_albedo_of_average_land() -> None:
    """Roy's average shape, seen from anywhere, has one albedo."""
    from musyq_cube.normalize.direction import fixed_parameters

    ds = series(6)
    for name in SETS["tm"].bands:
        f = fixed_parameters(name)
        k_vol, k_geo = kernels(ds.sza.values, ds.vza.values, ds.raa.values)
        ds[name] = (ds.sza.dims, (f[0] + f[1] * k_vol + f[2] * k_geo).astype("float32"))
    made = get_recipe("MuSQ.LSA").using("view_tm").compute(ds)
    want = SETS["tm"].of({n: brdf.white_sky(*fixed_parameters(n)) for n in SETS["tm"].bands})
    np.testing.assert_allclose(made.wsa, want, rtol=1e-5)


def test_a_plain_composite_has_an_albedo() -> None:
    ds = series(3, names=("blue", "green", "red", "nir")).isel(time=0, drop=True).drop_vars(["sza", "vza", "raa"])
    made = get_recipe("MuSQ.LSA").using("composite_vnir").compute(ds.assign(qa=xr.zeros_like(ds.red, "uint16")))
    assert made.albedo.notnull().all()
    assert (made.qa == QA.BACKUP).all()


def test_diffuse_fraction_grows_with_aerosol_and_low_sun() -> None:
    sun, aod = xr.DataArray([20.0, 45.0, 70.0], dims="s"), xr.DataArray([0.05, 0.2, 0.6], dims="a")
    d = brdf.diffuse_fraction(*xr.broadcast(sun, aod))
    assert (d.diff("s") > 0).all()
    assert (d.diff("a") > 0).all()
    assert 0.05 < float(d.min()) < float(d.max()) < 0.9


@pytest.mark.parametrize("name", ["rtlsr_tm", "view_tm"])
def test_same_lazily_and_eagerly(name: str) -> None:
    ds = series(8)
    ds["red"][:, 0, 0] = np.nan
    recipe = get_recipe("MuSQ.LSA").using(name)
    eager = recipe.compute(ds)
    xr.testing.assert_identical(recipe.compute(ds.chunk(x=3, y=2)).compute(), eager)
    assert np.isnan(eager.albedo.isel(y=0, x=0)).all()


@pytest.mark.parametrize("name", ["view_tm", "magnitude_tm"])
def test_snow_has_not_the_shape_of_land(name: str) -> None:
    """Even light from every direction: its albedo is its reflectance."""
    ds = series(4)
    for band, value in {"blue": 0.8, "red": 0.8, "nir": 0.75, "swir16": 0.1, "swir22": 0.08}.items():
        ds[band] = xr.full_like(ds[band], value)
    recipe = get_recipe("MuSQ.LSA").using(name)
    found = recipe.algorithm.function(**{str(k): v for k, v in ds.data_vars.items()})
    want = SETS["tm"].of({b: float(ds[b].mean()) for b in SETS["tm"].bands})
    np.testing.assert_allclose(found["wsa"], want, rtol=1e-4)
