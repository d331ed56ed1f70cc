"""What must hold for every composite method, whatever the data, the order and the chunks."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from musyq_cube.composite import METHODS, composite, reduce
from musyq_cube.mask import mask
from musyq_cube.types import QA

BANDS = {"blue": 0.06, "red": 0.08, "nir": 0.35}


def cube(seed, times=10, size=(9, 11), *, noise=0.02, share=0.3, spike=0.3):
    """Surface + noise, and clouds: `spike` brighter, flagged in QA only where `seed` is odd."""
    rng = np.random.default_rng(seed)
    shape = (times, *size)
    cloud = rng.random(shape) < share
    qa = np.where(cloud & bool(seed % 2), QA.CLOUD, 0).astype(np.uint16)
    dims = ("time", "y", "x")
    data = {
        n: (dims, (v + noise * rng.standard_normal(shape) + spike * cloud).astype(np.float32)) for n, v in BANDS.items()
    }
    data |= {"qa": (dims, qa), "vza": (dims, (60 * rng.random(shape)).astype(np.float32))}
    coords = {
        "time": np.datetime64("2018-07-01", "ns") + np.sort(rng.integers(0, 60, times)).astype("timedelta64[D]"),
        "y": 4e6 - 30.0 * np.arange(size[0]), "x": 5e5 + 30.0 * np.arange(size[1]),
        "sensor": ("time", rng.choice(["a", "b"], times)), "scene": ("time", [f"s{i:02d}" for i in range(times)]),
    }  # fmt: skip
    return xr.Dataset(data, coords)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 999), y=st.integers(1, 9), x=st.integers(1, 11), shuffle=st.randoms(use_true_random=False))
def test_the_same_bits_for_every_chunk_size_and_order(method, seed, y, x, shuffle):
    ds = cube(seed)
    order = list(range(10))
    shuffle.shuffle(order)
    expected = composite(mask(ds, dilate=40), "P1M", method)
    chunked = composite(mask(ds.chunk(y=y, x=x), dilate=40), "P1M", method)
    assert all(v.chunks is not None for v in chunked.data_vars.values())
    xr.testing.assert_identical(chunked.compute(scheduler="sync"), expected)
    xr.testing.assert_identical(composite(mask(ds.isel(time=order), dilate=40), "P1M", method), expected)


@pytest.mark.parametrize("method", ["geomedian", "medoid", "median", "percentile", "weighted"])
def test_clouds_that_nobody_flagged_do_not_matter(method):
    """The published check: ten dates, 40 % of them 0.3 brighter; the error stays below 0.005."""
    size = (60, 60)
    ds = cube(2, 10, size, noise=0.003, share=0)
    rng = np.random.default_rng(5)
    four_of_ten = rng.random((10, *size)).argsort(axis=0) < 4
    for name in BANDS:
        ds[name] = ds[name] + np.float32(0.3) * four_of_ten
    out = reduce(ds, method, period="2018-07/2018-08")
    for name, truth in BANDS.items():
        error = out[name].values - truth
        assert abs(np.median(error)) < 0.005, (name, np.median(error))


@pytest.mark.parametrize("method", METHODS)
def test_a_composite_of_equal_observations_is_the_observation(method):
    one = cube(4, noise=0, share=0)
    out = reduce(one, method)
    for name in BANDS:
        np.testing.assert_array_equal(out[name], one[name][0])
        np.testing.assert_allclose(out[f"{name}_unc"], 0, atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_dates_without_data_change_nothing(method):
    """A block reads only the scenes that reach it; the others would be fill."""
    ds = cube(7)
    empty = ds.isel(time=[3]).copy(deep=True).assign_coords(scene=("time", ["zz"]))
    for name in BANDS:
        empty[name][:] = np.nan
    empty["qa"][:] = int(QA.FILL)
    more = xr.concat([ds, empty], dim="time")
    made = [reduce(mask(d), method, period="2018-07/2018-08", sensors=["a", "b"]) for d in (ds, more)]
    xr.testing.assert_identical(made[0], made[1])
