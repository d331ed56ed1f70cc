"""Monte Carlo in closed loop: the stated 1σ of BRDF and albedo covers 60–76 % of the errors."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from musyq_cube.kernels.brdf import kernels
from musyq_cube.products import _brdf as brdf
from musyq_cube.products import get_recipe
from musyq_cube.products._broadband import SETS

DIMS = ("time", "y", "x")


def land(rng: np.random.Generator, size: int, iso: tuple[float, float], *, spread: bool = True) -> list[np.ndarray]:
    """Draw f_iso, f_vol, f_geo whose shapes scatter about those of average land (f_vol 0.45, f_geo 0.12 of f_iso)."""
    bright = rng.uniform(*iso, size)
    noise = rng.standard_normal((2, size)) * spread
    vol = np.clip(0.45 + brdf.SHAPE_VOL * noise[0], 0.05, None)
    geo = np.clip(0.12 + brdf.SHAPE_GEO * noise[1], 0.0, None)
    return [bright, bright * vol, bright * geo]


def angles(rng: np.random.Generator, n: int, size: int) -> list[np.ndarray]:
    sun = np.broadcast_to(rng.uniform(25, 50, size), (n, size)) + rng.uniform(-6, 6, (n, size))
    view = rng.uniform(0, 58, (n, size))
    return [sun, view, rng.choice([20.0, 60.0, 120.0, 160.0], (n, size)) + rng.uniform(-15, 15, (n, size))]


def cube(values: dict[str, np.ndarray]) -> xr.Dataset:
    return xr.Dataset({k: (DIMS[-v.ndim - 1 :] if v.ndim < 2 else DIMS, v.reshape(len(v), 1, -1).astype("float32"))
                       for k, v in values.items()})  # fmt: skip


def covered(got: xr.DataArray, unc: xr.DataArray, truth: np.ndarray) -> float:
    error = np.abs(got.values.ravel() - truth.ravel())
    good = np.isfinite(error)
    assert good.mean() > 0.9
    return float((error[good] <= unc.values.ravel()[good]).mean())


@pytest.mark.parametrize("n", [8, 14])
def test_parameters(n: int) -> None:
    rng = np.random.default_rng(n)
    size = 4000
    sun, view, azimuth = angles(rng, n, size)
    k_vol, k_geo = kernels(sun, view, azimuth)
    red, nir = land(rng, size, (0.04, 0.3)), land(rng, size, (0.2, 0.45))
    seen = {
        name: f[0] + f[1] * k_vol + f[2] * k_geo + rng.normal(0, brdf.BAND_NOISE, k_vol.shape)
        for name, f in (("red", red), ("nir", nir))
    }
    made = get_recipe("MuSQ.BRDF").compute(cube(seen | {"sza": sun, "vza": view, "raa": azimuth}))
    for part, truth in zip(("iso", "vol", "geo"), nir, strict=True):
        assert 0.60 <= covered(made[f"nir_{part}"], made[f"nir_{part}_unc"], truth) <= 0.76, part


@pytest.mark.parametrize(("algorithm", "n"), [("rtlsr_tm", 9), ("rtlsr_vnir", 14), ("magnitude_tm", 4), ("view_tm", 1),
                                              ("composite_tm", 1)])  # fmt: skip
def test_albedo(algorithm: str, n: int) -> None:
    rng = np.random.default_rng(n)
    size = 4000
    way = SETS[algorithm.partition("_")[2]]
    sun, view, azimuth = angles(rng, n, size)
    if algorithm.startswith("composite"):
        # nobody knows how it was seen
        sun, view = np.clip(45 + 8 * rng.standard_normal((n, size)), 20, 70), view * 0.6
    k_vol, k_geo = kernels(sun, view, azimuth)
    clean, noisy, f = {}, {}, np.zeros((3, size))
    shape = rng.standard_normal((2, size))
    for name, weight in way.weights:
        centre = brdf_shape(name)
        bright = rng.uniform(0.2, 0.4, size) if name == "nir" else rng.uniform(0.05, 0.25, size)
        vol = np.clip(centre[0] + brdf.SHAPE_VOL * shape[0], 0.05, None)
        geo = np.clip(centre[1] + brdf.SHAPE_GEO * shape[1], 0, None)
        own = np.stack([bright, bright * vol, bright * geo])
        clean[name] = own[0] + own[1] * k_vol + own[2] * k_geo
        noisy[name] = clean[name] + rng.normal(0, 0.01, k_vol.shape)
        f += weight * own
    f[0] += way.offset
    ds = cube(noisy | {"sza": sun, "vza": view, "raa": azimuth})
    recipe = get_recipe("MuSQ.LSA").using(algorithm)
    if n == 1:
        ds = ds.isel(time=0)
    made = recipe.compute(ds)
    at = sun.mean(0)
    diffuse = brdf.diffuse_fraction(xr.DataArray(at)).values
    truth = brdf.blue_sky(brdf.black_sky(*f, at), brdf.white_sky(*f), diffuse)
    # the band weights' own error, and that of the model, are not in the loop
    truth = truth + rng.normal(0, np.hypot(way.error, brdf.MODEL), size)
    assert 0.60 <= covered(made.albedo, made.albedo_unc, truth) <= 0.76


def brdf_shape(name: str) -> tuple[float, float]:
    from musyq_cube.normalize.direction import fixed_parameters

    iso, vol, geo = fixed_parameters(name)
    return vol / iso, geo / iso
