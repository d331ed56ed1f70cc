"""Water against ALGORITHMS W1–W3 and trap 2: published formulas, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from musyq_cube.products import _water as water
from musyq_cube.products import get_recipe

B, G, R, N, S1, S2 = 0.05, 0.08, 0.07, 0.35, 0.22, 0.12
LAKE = {"blue": 0.06, "green": 0.05, "red": 0.035, "nir": 0.02, "swir16": 0.01, "swir22": 0.008}
FIELD = {"blue": B, "green": G, "red": R, "nir": N, "swir16": S1, "swir22": S2}
SNOW = {"blue": 0.85, "green": 0.85, "red": 0.84, "nir": 0.78, "swir16": 0.10, "swir22": 0.08}
SILT = {"blue": 0.12, "green": 0.17, "red": 0.22, "nir": 0.15, "swir16": 0.02, "swir22": 0.01}
BANDS = {"awei": ("green", "red", "nir", "swir16", "swir22"), "mndwi": ("green", "red", "nir", "swir16"),
         "ndwi": ("green", "nir")}  # fmt: skip


def scene(*rows: dict[str, float], repeat: int = 1) -> xr.Dataset:
    return xr.Dataset(
        {b: (("y", "x"), np.repeat([[row[b]] for row in rows], repeat, 1).astype("float32")) for b in LAKE}
    )


def test_awei_of_feyisa_2014_subtracts_both_shortwave_infrared_bands() -> None:
    """Trap 2: an index library has the sign of 2.75 S2 reversed (-0.3175)."""
    assert water.awei_nsh(G, N, S1, S2) == pytest.approx(-0.9775)
    assert water.awei_sh(B, G, N, S1, S2) == pytest.approx(-0.635)


def test_storage_of_a_cone() -> None:
    """W1: from 10 to 40 km², 3 m: 70 km² m."""
    assert water.storage_change(0, 3, 10, 40) == pytest.approx(70)
    assert water.storage_change(3, 0, 40, 10) == pytest.approx(-70)
    with pytest.raises(ValueError, match="-1"):
        water.storage_change(0, 1, -1, 4)


@pytest.mark.parametrize(("red", "nir", "fnu"), [(0.02, 0.005, 5.1952), (0.06, 0.03, 64.617), (0.1, 0.08, 396.50)])
def test_turbidity_of_dogliotti_2015(red: float, nir: float, fnu: float) -> None:
    got = water.turbid(xr.DataArray(red), xr.DataArray(nir))
    assert float(got) == pytest.approx(fnu, rel=1e-4)


def test_turbidity_has_no_value_beyond_its_reach_and_on_land() -> None:
    x = xr.DataArray([0.3, 0.02, 0.02, np.nan], dims="x")
    nir, wet = xr.DataArray([0.3, 0.005, 0.005, 0.1], dims="x"), xr.DataArray([1.0, 1.0, 0.0, 1.0], dims="x")
    got = water.turbidity(x, nir, wet)["turbidity"]
    assert got.isnull().values.tolist() == [True, False, True, True]


@pytest.mark.parametrize(("kind", "chla"), [("viirs", 1.71981), ("meris", 2.65993), ("oli", 2.0400)])
def test_chlorophyll_of_equal_blue_and_green(kind: str, chla: float) -> None:
    one = xr.DataArray(0.01)
    assert float(water.ocx([one * 0.5, one], one, water.OC[kind])) == pytest.approx(chla, rel=2e-5)


@pytest.mark.parametrize(("x", "chla"), [(0.0, 14.039), (0.1, 24.594)])
def test_chlorophyll_of_ndci(x: float, chla: float) -> None:
    got = water.ndci(xr.DataArray(0.01 * (1 - x)), xr.DataArray(0.01 * (1 + x)))
    assert float(got) == pytest.approx(chla, abs=5e-4)


def test_ndci_stops_at_the_vertex() -> None:
    assert np.isnan(water.ndci(xr.DataArray(0.02), xr.DataArray(0.01)))


def test_chlorophyll_goes_from_blue_to_red_edge_as_water_gets_turbid() -> None:
    red = xr.DataArray([0.004, 0.012, 0.02], dims="x")
    blue, green, edge, wet = 0 * red + 0.01, 0 * red + 0.01, red * 1.2, 0 * red + 1
    got = water.chlorophyll("msi", wet, green, red, edge, coastal=blue, blue=blue)["chla"].values
    low, high = 10 ** water.OC["msi"][0], float(water.ndci(xr.DataArray(1.0), xr.DataArray(1.2)))
    np.testing.assert_allclose(got, [low, (low + high) / 2, high], rtol=1e-4)


@pytest.mark.parametrize("name", ["awei", "mndwi", "ndwi"])
def test_classes(name: str) -> None:
    ds = scene(LAKE, FIELD, SNOW, repeat=9)
    made = {b: ds[b] for b in BANDS[name]}
    assert water.classes(**made).isel(x=0).values.tolist() == [1, 0, 0]


def test_silty_water_is_not_snow() -> None:
    ds = scene(SILT)
    assert water.classes(**{b: ds[b] for b in BANDS["awei"]}).item() == 1


def test_a_shore_is_unmixed() -> None:
    shares = np.array([0, 0.3, 0.5, 0.8, 1])
    ds = xr.Dataset({b: (("y", "x"), (shares * LAKE[b] + (1 - shares) * FIELD[b])[None].astype("f4")) for b in LAKE})
    made = get_recipe("MuSQ.WATER").compute(ds)
    np.testing.assert_allclose(made.water_fraction[0], shares, atol=0.01)
    assert made.water[0].values[[0, 1, -1]].tolist() == [0, 0, 1]


def test_snow_has_no_part_of_water() -> None:
    made = get_recipe("MuSQ.WATER").compute(scene(SNOW, {**FIELD, "swir16": 0.30}))
    assert made.water_fraction.values.ravel().tolist() == [0, 0]


def test_same_lazily_and_eagerly() -> None:
    rng = np.random.default_rng(4)
    ds = xr.Dataset({b: (("y", "x"), rng.uniform(0, 0.3, (30, 40)).astype("f4")) for b in LAKE})
    for name in BANDS:
        recipe = get_recipe("MuSQ.WATER").using(name)
        xr.testing.assert_identical(recipe.compute(ds.chunk(y=7, x=11)).compute(), recipe.compute(ds))


def test_occurrence_is_water_over_clear() -> None:
    rows = [LAKE, FIELD, LAKE, LAKE]
    ds = xr.Dataset({b: (("time", "y", "x"), np.array([[[row[b]]] for row in rows], "f4")) for b in LAKE})
    ds["green"][3] = np.nan
    made = get_recipe("MuSQ.WOCC").using("awei").algorithm.function(**{b: ds[b] for b in BANDS["awei"]})
    assert made["occurrence"].item() == pytest.approx(2 / 3)
    assert made["occurrence_unc"].item() == pytest.approx((3 * 2 / (25 * 6)) ** 0.5)
    none = {b: ds[b] * np.nan for b in BANDS["awei"]}
    assert np.isnan(water.occurrence(**none)["occurrence"].item())


def test_flood_is_water_where_it_is_rare() -> None:
    wet, often = xr.DataArray([1.0, 1.0, 0.0], dims="x"), xr.DataArray([0.1, 0.9, 0.1], dims="x")
    assert water.flooded(wet, often).values.tolist() == [True, False, False]


def test_missing_bands_are_missing_water() -> None:
    ds = scene(LAKE, FIELD, repeat=3)
    ds["swir22"][0, 0] = np.nan
    made = get_recipe("MuSQ.WATER").compute(ds)
    assert np.isnan(made.water[0, 0])
    assert np.isnan(made.water_fraction[0, 0])
