"""The stated standard deviations hold 60–76 % of the errors, in closed loops."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import xarray as xr

from musyq_cube.products import get_recipe


@cache
def canopies():
    """Simulated canopies over soils that the shipped tables were not made of."""
    pytest.importorskip("prosail")
    from musyq_cube.products import _canopy_model, canopy_build

    return _canopy_model.simulate(2500, 2, canopy_build.wanted())


def seen(sensor_id, *bands, noise=0.03):
    """Reflectances with relative noise, under the names of the inputs."""
    exact = canopies().of(sensor_id, bands)
    made = exact * (1 + noise * np.random.default_rng(7).standard_normal(exact.shape))
    names = ["nir" if b == "nir08" else b for b in bands]
    return xr.Dataset({n: ("x", v.astype("float32")) for n, v in zip(names, made, strict=True)})


def coverage(made, unc, truth):
    """Share of the errors within one standard deviation."""
    away = np.abs(made.values - truth)
    return float((away <= unc.values)[np.isfinite(away)].mean())


def truth(layer):
    known = canopies()
    return {"lai": known.lai, "fpar": known.fpar, "chl": known.chlorophyll, "cab": known.cab}[layer]


@pytest.mark.parametrize(
    ("product", "layer", "given"),
    [
        ("LAI", "lai", ("landsat8-oli", "red", "nir08", "swir16")),
        ("LAI", "lai", ("landsat8-oli", "red", "nir08")),
        ("LAI", "lai", ("modis-terra", "red", "nir08", "swir16")),
        ("FPAR", "fpar", ("landsat8-oli", "red", "nir08", "swir16")),
        ("FPAR", "fpar", ("landsat8-oli", "red", "nir08")),
        ("CHL", "chl", ("sentinel2a-msi", "red", "rededge071", "rededge078")),
        ("CHL", "cab", ("sentinel2a-msi", "red", "rededge071", "rededge078")),
    ],
)
def test_of_inversions_and_lines(product, layer, given):
    """Canopies that the tables were not made of, with noise of 5 % (the assumed error of reflectance)."""
    made = get_recipe(f"MuSQ.{product}").compute(seen(*given, noise=0.05), sensor=given[0])
    assert 0.60 <= coverage(made[layer], made[f"{layer}_unc"], truth(layer)) <= 0.76


@pytest.mark.parametrize(
    ("product", "algorithm"),
    [("LAI", "carlson"), ("LAI", "ratio"), ("FPAR", "linear"), ("FPAR", "ratio"), ("FPAR", "jpl")],
)
def test_of_backups_from_ndvi(product, algorithm):
    bands = seen("landsat8-oli", "red", "nir08")
    ndvi = get_recipe("MuSQ.NDVI").compute(bands)
    made = get_recipe(f"MuSQ.{product}").using(algorithm).compute(ndvi)
    layer = product.lower()
    assert 0.60 <= coverage(made[layer], made[f"{layer}_unc"], truth(layer)) <= 0.76


@pytest.mark.parametrize(
    ("algorithm", "given"),
    [
        ("cire", ("sentinel2a-msi", "rededge071", "rededge078")),
        ("mtci", ("sentinel2a-msi", "red", "rededge071", "rededge075")),
        ("cigreen", ("hj1a-ccd1", "green", "nir")),
    ],
)
def test_of_other_chlorophyll_lines(algorithm, given):
    made = get_recipe("MuSQ.CHL").using(algorithm).compute(seen(*given), sensor=given[0])
    assert 0.60 <= coverage(made["chl"], made["chl_unc"], truth("chl")) <= 0.76


def test_of_cover():
    """Cover of true NDVI and an error of the algorithm, against cover of measured NDVI."""
    rng = np.random.default_rng(11)
    true = rng.uniform(0.3, 0.75, 20_000)
    recipe = get_recipe("MuSQ.FVC")
    sigma = recipe.algorithm.inputs[0].sigma

    def compute(ndvi):
        return recipe.compute(xr.Dataset({"ndvi": ("x", ndvi.astype("float32"))}))

    made = compute(true + sigma * rng.standard_normal(true.size))
    exact = compute(true)["fvc"].values + recipe.algorithm.error * rng.standard_normal(true.size)
    assert 0.60 <= coverage(made["fvc"], made["fvc_unc"], exact) <= 0.76


def test_of_cover_against_simulated_canopies():
    """The error of the linear form holds the cover that canopies truly have from above."""
    made = get_recipe("MuSQ.FVC").compute(get_recipe("MuSQ.NDVI").compute(seen("landsat8-oli", "red", "nir08")))
    assert 0.60 <= coverage(made["fvc"], made["fvc_unc"], canopies().cover) <= 0.76
