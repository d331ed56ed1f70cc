"""Phenology: what a series has to be, two seasons, snow, cut seasons, and the same bits every way."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from musyq_cube.errors import PlanError
from musyq_cube.kernels.whittaker import penalty, whittaker
from musyq_cube.products import _phenology, get_recipe
from musyq_cube.types import QA

DAYS = np.arange(3.5, 365, 5)


def hump(s: float, e: float, size: float = 0.5, rate: float = 0.1) -> np.ndarray:
    return size * (1 / (1 + np.exp(-rate * (DAYS - s))) - 1 / (1 + np.exp(-rate * (DAYS - e))))


def series(values: np.ndarray, days: np.ndarray = DAYS) -> xr.DataArray:
    values = np.asarray(values, "float32").reshape(len(days), -1, 1)
    time = np.datetime64("2019-01-01", "ns") + ((days - 1) * 86400e9).astype("timedelta64[ns]")
    return xr.DataArray(values, dims=("time", "y", "x"), coords={"time": time})


def measured(values: np.ndarray, **kw: xr.DataArray) -> dict[str, float]:
    return {name: float(v.values.ravel()[0]) for name, v in _phenology.seasons(series(values), **kw).items()}


def test_two_seasons_come_in_the_order_of_the_year() -> None:
    found = measured(0.2 + hump(80, 150, 0.35) + hump(210, 290, 0.55))
    assert found["seasons"] == 2
    assert found["pos"] < 180 < found["pos2"]
    assert found["sos2"] > found["eos"]
    assert found["amplitude2"] > found["amplitude"]
    assert found["sos"] == pytest.approx(80 - np.log(4) / 0.1, abs=3)
    assert found["eos2"] == pytest.approx(290 + np.log(4) / 0.1, abs=3)


def test_what_does_not_change_has_no_season() -> None:
    found = measured(np.full(73, 0.8) + 0.02 * np.sin(DAYS))
    assert found["seasons"] == 0
    assert np.isnan(found["sos"])


def test_too_few_observations_are_not_a_year_without_season() -> None:
    values = 0.2 + hump(120, 270)
    values[np.arange(73) % 7 != 0] = np.nan
    assert np.isnan(measured(values)["seasons"])


def test_a_season_cut_by_the_end_has_no_end() -> None:
    found = measured(0.2 + hump(200, 365))
    assert found["seasons"] == 1
    assert found["sos"] == pytest.approx(200 - np.log(4) / 0.1, abs=3)
    assert np.isnan([found["eos"], found["los"], found["integral"], found["eos_unc"]]).all()


def test_snow_takes_the_winter_value_whatever_it_looks_like() -> None:
    values = 0.3 + hump(120, 270)
    bare = measured(values)
    snow = (DAYS < 80) | (DAYS > 320)
    white = np.where(snow, -0.1, values)
    bits = series(np.where(snow, int(QA.SNOW), 0))
    with_qa, without = measured(white, quality=bits), measured(white)
    assert with_qa["base"] == pytest.approx(bare["base"], abs=0.02)
    assert with_qa["sos"] == pytest.approx(bare["sos"], abs=2.5)
    assert without["base"] < bare["base"] - 0.1


def test_gaps_and_a_season_over_new_year() -> None:
    days = np.arange(183.5, 548, 5)
    values = 0.2 + 0.5 * (1 / (1 + np.exp(-0.1 * (days - 300))) - 1 / (1 + np.exp(-0.1 * (days - 430))))
    values[::3] = np.nan
    found = _phenology.seasons(series(values, days))
    assert float(found["sos"].squeeze()) == pytest.approx(300 - 13.9, abs=0.5)
    assert float(found["eos"].squeeze()) == pytest.approx(430 + 13.9, abs=0.5)


def test_a_short_series_is_refused() -> None:
    with pytest.raises(PlanError, match="at least 12 times; there are 5"):
        _phenology.seasons(series(np.ones(5), DAYS[:5]))


def test_lazy_and_in_any_pieces_it_is_the_same_to_the_bit() -> None:
    rng = np.random.default_rng(1)
    n = 150
    values = 0.2 + np.stack([hump(*rng.uniform((80, 240), (140, 300))) for _ in range(n)], axis=1)
    values += rng.normal(0, 0.02, values.shape)
    values[rng.random(values.shape) < 0.2] = np.nan
    given = series(values)
    whole = _phenology.seasons(given)
    lazy = _phenology.seasons(given.chunk(time=20, y=37))
    part = _phenology.seasons(given.isel(y=slice(71, 80)))
    for name, made in whole.items():
        np.testing.assert_array_equal(made, lazy[name].compute())
        np.testing.assert_array_equal(made.isel(y=slice(71, 80)), part[name])


def test_the_recipe_has_a_layer_for_each_metric() -> None:
    recipe = get_recipe("MuSQ.PHENO")
    names = [v.name for v in recipe.layers]
    assert names[:8] == ["sos", "eos", "pos", "los", "base", "peak", "amplitude", "integral"]
    assert "sos2" in names
    made = recipe.compute(xr.Dataset({"ndvi": series(0.2 + hump(120, 270))}))
    assert made["sos"].attrs["units"] == "d"
    assert float(made["sos_unc"].squeeze()) < 0.1


def test_the_smooth_curve_is_the_least_squares_solution() -> None:
    rng = np.random.default_rng(2)
    times = np.cumsum(rng.uniform(2, 9, 40))
    x = rng.normal(0.5, 0.001, (40, 3)).astype("float32")
    x[5:8] = np.nan
    main, first, second = penalty(times, 10.0)
    system = np.diag(main) + np.diag(first[:-1], 1) + np.diag(first[:-1], -1)
    system += np.diag(second[:-2], 2) + np.diag(second[:-2], -2)
    there = np.isfinite(x[:, 0]).astype(float)
    expected = np.linalg.solve(system + np.diag(there), there[:, None] * np.nan_to_num(x))
    _, curve, kept = whittaker(x, np.zeros(x.shape, np.uint8), times, 10.0)
    np.testing.assert_allclose(curve, expected, atol=1e-4)
    np.testing.assert_array_equal(kept, np.isfinite(x))


def test_times_must_increase() -> None:
    with pytest.raises(ValueError, match="increasing"):
        penalty(np.array([1.0, 2.0, 2.0]), 5.0)
