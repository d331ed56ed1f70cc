"""Of any reflectance: missing in is missing out, and the way it is computed does not change it."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from musyq_cube.products import get_recipe

CASES = [
    ("MuSQ.LSA", "view_tm"),
    ("MuSQ.LSA", "composite_modis"),
    ("MuSQ.LSA", "composite_vnir"),
    ("MuSQ.WATER", "awei"),
    ("MuSQ.WATER", "mndwi"),
    ("MuSQ.WATER", "ndwi"),
    ("MuSQ.TUR", "dogliotti"),
    ("MuSQ.CHLA", "ocx_ndci_msi"),
    ("MuSQ.CHLA", "ocx_oli"),
    ("MuSQ.SNOW", "ndsi"),
    ("MuSQ.SNOW", "bright_cold"),
]
RANGES = {"angle": (0.0, 60.0), "product": (0.0, 1.0), "ancillary": (250.0, 300.0), "band": (-0.01, 1.2)}


@pytest.mark.parametrize(("product", "algorithm"), CASES)
@given(seed=st.integers(0, 2**32 - 1), lost=st.integers(0, 9))
@settings(max_examples=3, deadline=None)
def test_missing_stays_missing_and_dask_gives_the_same_bits(product: str, algorithm: str, seed: int, lost: int) -> None:
    rng = np.random.default_rng(seed)
    recipe = get_recipe(product).using(algorithm)
    needed = [w for w in recipe.algorithm.inputs if w.required]
    ds = xr.Dataset({w.name: (("y", "x"), rng.uniform(*RANGES[w.kind], (5, 6)).astype("f4")) for w in needed})
    name = needed[lost % len(needed)].name
    ds[name][2, 3] = np.nan
    ds["qa"] = (("y", "x"), np.zeros((5, 6), "uint16"))
    made = recipe.compute(ds)
    for layer in (v.name for v in recipe.layers):
        assert np.isnan(made[layer].values[2, 3])
        assert made[layer].dtype == np.float32
        low, high = next(v.valid for v in recipe.layers if v.name == layer)
        if layer in {"water", "water_fraction", "snow", "fsc"}:
            assert ((made[layer] >= low) & (made[layer] <= high) | made[layer].isnull()).all()
    xr.testing.assert_identical(recipe.compute(ds.chunk(y=2, x=4)).compute(), made)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=3, deadline=None)
def test_an_inversion_does_not_know_its_neighbours_nor_the_order_of_views(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (9, 4, 5)
    names = {"blue": (0, 0.6), "red": (0, 0.6), "nir": (0, 0.6), "swir16": (0, 0.6), "swir22": (0, 0.6)}
    names |= {"sza": (10, 80), "vza": (0, 70), "raa": (0, 180)}
    ds = xr.Dataset({k: (("time", "y", "x"), rng.uniform(*r, shape).astype("f4")) for k, r in names.items()})
    ds["red"] = ds["red"].where(rng.random(shape) > 0.3)
    function = get_recipe("MuSQ.LSA").using("rtlsr_tm").algorithm.function
    whole = function(**{str(k): v for k, v in ds.data_vars.items()})
    cut = ds.isel(y=slice(1, 3), x=slice(2, 4))
    part = function(**{str(k): v for k, v in cut.data_vars.items()})
    turned = function(**{str(k): v.isel(time=slice(None, None, -1)) for k, v in ds.data_vars.items()})
    for layer, values in whole.items():
        np.testing.assert_array_equal(part[layer], values.isel(y=slice(1, 3), x=slice(2, 4)))
        np.testing.assert_allclose(turned[layer], values, rtol=1e-3, atol=1e-5)
