"""Surface temperature and emissivity: lazy as eager, whatever the chunks, whatever is missing."""

from __future__ import annotations

import numpy as np
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from musyq_cube.products import canopy
from musyq_cube.products.registry import get_recipe

TIME = np.array(["2014-07-01T10:30", "2014-07-02T10:45", "2014-07-03T11:00"], "datetime64[ns]")
WAYS = [
    ("split_window", "modis-terra"),
    ("generalized_split_window", "landsat9-oli"),
    ("single_channel", "landsat5-tm"),
    ("mono_window", "goes15-imager"),
]


def _scene(seed, shape):
    rng = np.random.default_rng(seed)
    limits = {
        "lwir11": (250, 320),
        "lwir12": (250, 320),
        "emissivity": (0.9, 0.99),
        "emissivity_difference": (-0.02, 0.02),
        "tcwv": (0.0, 6.0),
        "vza": (0.0, 70.0),
    }
    ds = xr.Dataset(coords={"time": TIME})
    for name, (low, high) in limits.items():
        values = rng.uniform(low, high, (len(TIME), *shape)).astype("float32")
        values[rng.random(values.shape) < 0.1] = np.nan
        ds[name] = (("time", "y", "x"), values)
    ds["emissivity"] = ds["emissivity"].isel(time=0, drop=True)  # as products are: (y, x)
    return ds


@settings(max_examples=6, deadline=None)
@given(
    st.integers(0, 99),
    st.integers(1, 4),
    st.integers(1, 130),
    st.integers(2, 5),
    st.integers(50, 70),
    st.sampled_from(WAYS),
)
def test_lazy_is_eager_bit_for_bit(seed, height, width, rows, columns, way):
    algorithm, sensor = way
    ds = _scene(seed, (height, width))
    recipe = get_recipe("MuSQ.LST").using(algorithm)
    eager = recipe.compute(ds, sensor=sensor)
    lazy = recipe.compute(ds.chunk({"time": 2, "y": rows, "x": columns}), sensor=sensor)
    assert lazy.lst.chunks is not None
    xr.testing.assert_identical(eager, lazy.compute())


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 99), st.integers(1, 6), st.integers(1, 100))
def test_a_part_is_as_the_whole(seed, height, width):
    ds = _scene(seed, (height, width))
    recipe = get_recipe("MuSQ.LST").using("split_window")
    whole = recipe.compute(ds, sensor="modis-aqua")
    part = recipe.compute(ds.isel(x=slice(width // 2, None)), sensor="modis-aqua")
    xr.testing.assert_identical(whole.isel(x=slice(width // 2, None)), part)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 99), st.integers(7, 15), st.integers(7, 15))
def test_canopy_windows_do_not_depend_on_the_cut(seed, height, width):
    rng = np.random.default_rng(seed)
    t, e, f = (
        xr.DataArray(rng.uniform(low, high, (height, width)).astype("float32"), dims=("y", "x"))
        for low, high in ((290, 310), (0.95, 0.99), (0.0, 1.0))
    )
    t = t.where(t > 292)
    whole = canopy.canopy_temperature(t, e, f)["tv"].isel(y=slice(3, -3), x=slice(3, -3))
    if whole.sizes["x"] < 2:
        return
    cut = [a.isel(x=slice(1, None)) for a in (t, e, f)]
    part = canopy.canopy_temperature(*cut)["tv"].isel(y=slice(3, -3), x=slice(3, -3))
    xr.testing.assert_identical(whole.isel(x=slice(1, None)), part)
    lazy = canopy.canopy_temperature(*(a.chunk({"x": 4, "y": 3}) for a in (t, e, f)))["tv"]
    xr.testing.assert_identical(whole, lazy.compute().isel(y=slice(3, -3), x=slice(3, -3)))


@settings(max_examples=20, deadline=None)
@given(st.floats(-1, 1), st.floats(0, 1))
def test_emissivity_is_within_its_range(ndvi, red):
    ds = xr.Dataset({"ndvi": ("x", np.float32([ndvi])), "red": ("x", np.float32([red]))})
    made = get_recipe("MuSQ.LSE").using("ndvi_thresholds").compute(ds)
    for layer in ("emissivity", "emissivity_12", "emissivity_bb"):
        assert 0.85 <= float(made[layer][0]) <= 0.999
