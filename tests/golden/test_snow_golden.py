"""Snow against ALGORITHMS S1: published formulas, worked by hand; and its uncertainty by Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from musyq_cube.products import _snow as snow
from musyq_cube.products import get_recipe
from musyq_cube.types import QA


def row(**bands: list[float]) -> xr.Dataset:
    return xr.Dataset({b: (("y", "x"), np.array([v], "float32")) for b, v in bands.items()})


@pytest.mark.parametrize(("index", "part"), [(0.1, 0.135), (0.4, 0.57), (0.6, 0.86), (0.69, 0.9905)])
def test_cover_of_salomonson_and_appel_2004(index: float, part: float) -> None:
    assert float(snow.cover(xr.DataArray(index))) == pytest.approx(part)


def test_snow_forest_water_field_and_fill() -> None:
    ds = row(
        green=[0.80, 0.12, 0.06, 0.08, np.nan], red=[0.78, 0.10, 0.04, 0.07, 0.1],
        nir=[0.70, 0.25, 0.02, 0.35, 0.1], swir16=[0.10, 0.08, 0.01, 0.22, 0.1],
    )  # fmt: skip
    made = get_recipe("MuSQ.SNOW").using("ndsi").compute(ds)
    assert made.snow.values[0, :4].tolist() == [1, 1, 0, 0]
    assert np.isnan(made.snow.values[0, 4])
    assert made.fsc.values[0, 2:4].tolist() == [0, 0]
    assert 0.27 < float(made.fsc[0, 1]) < 0.29  # 1.45 · 0.2 - 0.01


def test_warm_ground_is_no_snow_unless_it_is_high() -> None:
    ds = row(green=[0.8] * 3, red=[0.78] * 3, nir=[0.7] * 3, swir16=[0.1] * 3, lwir11=[285.0, 285.0, 270.0])
    ds["elevation"] = (("y", "x"), np.array([[300.0, 3000.0, 300.0]], "float32"))
    made = get_recipe("MuSQ.SNOW").compute(ds)
    assert made.snow.values[0].tolist() == [0, 1, 1]


def test_without_shortwave_infrared_bright_cold_ground_is_snow_and_marked() -> None:
    ds = row(green=[0.6, 0.6, 0.1], red=[0.6, 0.6, 0.1], nir=[0.55, 0.55, 0.3], air_temperature=[268.0, 290.0, 268.0])
    ds["qa"] = xr.zeros_like(ds.red, "uint16")
    made = get_recipe("MuSQ.SNOW").using("bright_cold").compute(ds)
    assert made.snow.values[0].tolist() == [1, 0, 0]
    assert (made.qa == QA.BACKUP).all()


def test_same_lazily_and_eagerly() -> None:
    rng = np.random.default_rng(0)
    ds = xr.Dataset(
        {b: (("y", "x"), rng.uniform(0, 0.9, (8, 9)).astype("f4")) for b in ("green", "red", "nir", "swir16")}
    )
    recipe = get_recipe("MuSQ.SNOW")
    xr.testing.assert_identical(recipe.compute(ds.chunk(x=4)).compute(), recipe.compute(ds))


def test_uncertainty_of_cover_by_monte_carlo() -> None:
    """Bands with their noise, and 0.10 of the relation itself; partly covered pixels, so that nothing is clipped."""
    rng = np.random.default_rng(1)
    index, swir = rng.uniform(0.2, 0.6, (60, 80)), rng.uniform(0.08, 0.2, (60, 80))
    truth = {"swir16": swir, "green": swir * (1 + index) / (1 - index), "red": 0.3 + 0 * swir, "nir": 0.3 + 0 * swir}
    recipe = get_recipe("MuSQ.SNOW")

    def made(noise: float) -> xr.Dataset:
        bands = {b: v + noise * rng.standard_normal(v.shape) for b, v in truth.items()}
        return recipe.compute(xr.Dataset({b: (("y", "x"), v.astype("f4")) for b, v in bands.items()}))

    want, got = made(0.0), made(snow.NOISE)
    error = np.abs(got.fsc.values - want.fsc.values - snow.ERROR * rng.standard_normal(want.fsc.shape))
    assert 0.60 <= (error <= got.fsc_unc.values).mean() <= 0.76
