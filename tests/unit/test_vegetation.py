"""Vegetation products: missing values, water, classes, backups, dask."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from musyq_cube.kernels.canopy import best, invert
from musyq_cube.products import get_recipe
from musyq_cube.products._canopy import TABLES, inverse
from musyq_cube.products._classes import by_class
from musyq_cube.types import QA

NAN = np.nan
OLI = "landsat8-oli"


def scene(**bands):
    ds = xr.Dataset({name: ("x", np.array(values, np.float32)) for name, values in bands.items()})
    return ds.assign(qa=("x", np.zeros(ds.sizes["x"], np.uint16)))


def lai(ds, sensor=OLI):
    return get_recipe("MuSQ.LAI").compute(ds, sensor=sensor)


def test_table_is_small():
    assert TABLES.stat().st_size < 2e6


def test_two_bands_where_the_third_is_missing():
    both = lai(scene(red=[0.05], nir=[0.35], swir16=[NAN]))
    two = lai(scene(red=[0.05], nir=[0.35]))
    assert both["lai"].item() == two["lai"].item() > 0.5
    assert lai(scene(red=[0.05], nir=[0.35], swir16=[0.2]))["lai"].item() != two["lai"].item()


@pytest.mark.parametrize("band", ["red", "nir"])
@pytest.mark.parametrize("product", ["LAI", "FPAR"])
def test_missing_in_missing_out(band, product):
    ds = scene(red=[0.05], nir=[0.35], swir16=[0.2])
    ds[band][0] = NAN
    made = get_recipe(f"MuSQ.{product}").compute(ds)
    assert made[product.lower()].isnull().all()
    assert made["qa"].item() == 0


def test_what_no_canopy_explains_is_left_to_the_backup():
    """Green leaves with a red and near infrared no canopy has, then snow, then negative reflectance."""
    made = lai(scene(red=[0.02, 0.80, -0.3], nir=[0.83, 0.75, 0.1]))
    assert made["qa"].values.tolist() == [int(QA.BACKUP), int(QA.OUT_OF_RANGE), int(QA.OUT_OF_RANGE)]
    assert np.isfinite(made["lai"].values).tolist() == [True, False, False]
    assert made["lai_unc"].values[0] > 0


def test_slightly_negative_red_counts_as_zero():
    made = lai(scene(red=[-0.003, 0.0], nir=[0.4, 0.4]))
    assert made["lai"].values[0] == made["lai"].values[1]


def test_water_is_taken_out():
    water = inverse("lai", OLI).water
    land = np.array([0.05, 0.35, 0.2])
    mixed = 0.4 * water + 0.6 * land
    ds = scene(red=[mixed[0]] * 3, nir=[mixed[1]] * 3, swir16=[mixed[2]] * 3, water_fraction=[0.4, 0.0, 0.8])
    made = lai(ds)["lai"].values
    assert made[0] == pytest.approx(lai(scene(red=[land[0]], nir=[land[1]], swir16=[land[2]]))["lai"].item(), abs=1e-3)
    assert made[1] < made[0]
    assert np.isnan(made[2])


def test_unknown_water_is_none():
    ds = scene(red=[0.05], nir=[0.35], water_fraction=[NAN])
    assert lai(ds)["lai"].item() == lai(ds.drop_vars("water_fraction"))["lai"].item()


def test_leaves_of_forests_stand_in_clumps():
    ds = scene(red=[0.05] * 3, nir=[0.3] * 3, land_cover=[1.0, 12.0, NAN])
    made = lai(ds)["lai"].values
    assert made[0] == pytest.approx(made[1] / 0.6)
    assert made[1] == made[2]


def test_sensors_have_their_own_tables():
    ds = scene(red=[0.04], nir=[0.4])
    found = {s: lai(ds, s)["lai"].item() for s in ("landsat9-oli", "", "modis-aqua", "sentinel2b-msi", "hj1b-ccd2")}
    assert found["landsat9-oli"] == found[""]
    assert len(set(found.values())) == 4


def test_cover_by_class():
    ds = scene(ndvi=[0.86, 0.86, 0.17, -0.2, NAN], land_cover=[12.0, 4.0, NAN, 1.0, 1.0])
    made = get_recipe("MuSQ.FVC").compute(ds)["fvc"].values
    assert made[0] == pytest.approx(1)
    assert 0.9 < made[1] < 1
    assert made[2:4].tolist() == pytest.approx([0, 0], abs=1e-6)
    assert np.isnan(made[4])


def test_lai_from_ratio_by_class():
    made = get_recipe("MuSQ.LAI").using("ratio").compute(scene(ndvi=[0.6, 0.6], land_cover=[12.0, 1.0]))
    assert made["lai"].values[0] < made["lai"].values[1]
    assert (made["qa"] == QA.BACKUP).all()


def test_chlorophyll_of_leaves_needs_leaves():
    ds = scene(red=[0.03, 0.15], rededge071=[0.08, 0.17], rededge078=[0.4, 0.2])
    made = get_recipe("MuSQ.CHL").compute(ds, sensor="sentinel2c-msi")
    assert np.isfinite(made["cab"].values).tolist() == [True, False]
    assert made["chl"].values[0] > 1
    assert 0 <= made["chl"].values[1] < 0.1
    green = get_recipe("MuSQ.CHL").using("cigreen").compute(scene(nir=[0.4], green=[0.06]), sensor="hj1a-ccd1")
    assert green["qa"].item() == QA.BACKUP
    assert green["cab"].isnull().all()


def test_mtci_has_no_value_over_soil():
    ds = scene(red=[0.2, 0.03], rededge071=[0.205, 0.09], rededge075=[0.22, 0.35])
    made = get_recipe("MuSQ.CHL").using("mtci").compute(ds, sensor="meris")
    assert np.isfinite(made["chl"].values).tolist() == [False, True]
    assert made["qa"].values.tolist() == [int(QA.OUT_OF_RANGE), 0]


def test_red_edge_beside_bands_brought_to_those_of_the_oli():
    ds = scene(red=[0.03], rededge071=[0.08], rededge078=[0.4])
    for way in ("prosail", "cire"):
        made = [get_recipe("MuSQ.CHL").using(way).compute(ds, sensor=s)["chl"].item() for s in (OLI, "sentinel2a-msi")]
        assert made[0] == made[1] > 0


def test_by_class_ignores_what_is_no_class():
    assert by_class(None, {1: 2.0}, 3.0) == 3.0
    assert by_class(xr.DataArray([0.0, 1.0, 99.0, NAN]), {1: 2.0}, 3.0).values.tolist() == [3, 2, 3, 3]


def test_kernel_keeps_shape_and_says_infinite_cost_outside():
    table = inverse("lai", "")
    red = np.array([[0.05, 0.99], [NAN, 0.1]], np.float32)
    value, _, cost = invert(red, red * 0 + np.float32(0.3), red * np.nan, table.tops, table.table, table.plane)
    assert value.shape == (2, 2)
    assert np.isinf(cost[0, 1])
    assert np.isnan(cost[1, 0])
    assert np.isfinite(value[[0, 1], [0, 1]]).all()


def test_exact_inversion_finds_the_nearest():
    rng = np.random.default_rng(0)
    bands = rng.uniform(0.1, 0.5, (2, 5000)).astype(np.float32)
    middle, spread, cost = best(bands[:, :3].T, bands, bands[:1])
    assert middle[:, 0] == pytest.approx(bands[0, :3], abs=0.03)
    assert (spread > 0).all()
    assert (cost < 0.01).all()


@pytest.mark.parametrize(
    ("product", "sensor"), [("LAI", "landsat8-oli"), ("FPAR", "hj1a-ccd1"), ("CHL", "sentinel2a-msi"), ("FVC", "")]
)
def test_lazy_and_in_pieces_gives_the_same_bits(product, sensor):
    rng = np.random.default_rng(3)
    names = ("red", "nir", "swir16", "rededge071", "rededge078", "ndvi", "water_fraction")
    ds = xr.Dataset({n: (("y", "x"), rng.uniform(0, 0.5, (40, 30)).astype("float32")) for n in names})
    ds["land_cover"] = (("y", "x"), rng.integers(1, 18, (40, 30)).astype("float32"))
    ds["red"][3, 4] = NAN
    recipe = get_recipe(f"MuSQ.{product}")
    eager = recipe.compute(ds, sensor=sensor)
    lazy = recipe.compute(ds.chunk({"y": 13, "x": 7}), sensor=sensor)
    assert lazy[product.lower()].chunks
    xr.testing.assert_identical(eager, lazy.compute())
