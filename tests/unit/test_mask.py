"""Masks against SciPy's distance transform and by hand."""

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import distance_transform_edt

from musyq_cube.errors import CompositeError
from musyq_cube.mask import cloud_distance, halo, mask, unclear
from musyq_cube.types import QA


def scene(shape=(2, 40, 50), seed=0, step=30.0, crs=None):
    rng = np.random.default_rng(seed)
    qa = np.zeros(shape, np.uint16)
    qa[rng.random(shape) < 0.004] = QA.CLOUD
    qa[rng.random(shape) < 0.002] = QA.SHADOW
    qa[rng.random(shape) < 0.1] |= np.uint16(QA.WATER)
    qa[rng.random(shape) < 0.1] |= np.uint16(QA.SNOW)
    coords = {"y": 4e6 - step * np.arange(shape[1]), "x": 5e5 + step * np.arange(shape[2])}
    if crs:
        coords = {"y": 60.0 - step * np.arange(shape[1]), "x": step * np.arange(shape[2])}
        coords["spatial_ref"] = ((), 0, {"grid_mapping_name": "latitude_longitude"})
    red = rng.random(shape).astype(np.float32)
    dims = ("time", "y", "x")
    return xr.Dataset({"red": (dims, red, {"units": "1"}), "qa": (dims, qa), "sza": (dims, red)}, coords)


def test_unclear_pixels_become_nan_and_nothing_else_changes():
    ds = scene()
    out = mask(ds)
    gone = (ds.qa.values & (QA.CLOUD | QA.SHADOW)) != 0
    np.testing.assert_array_equal(np.isnan(out.red), gone)
    np.testing.assert_array_equal(out.red.values[~gone], ds.red.values[~gone])
    xr.testing.assert_equal(out.qa, ds.qa)
    xr.testing.assert_identical(out.sza, ds.sza)
    assert out.red.attrs == {"units": "1"}
    assert out.red.dtype == np.float32
    assert out.qa.attrs["masked_bits"] == 31
    xr.testing.assert_identical(mask(out), out)


@pytest.mark.parametrize("dilate", [30.0, 45.0, 150.0, 155.3])
def test_dilation_is_an_exact_disc(dilate):
    """Independent truth: SciPy's Euclidean distance transform, date by date."""
    ds = scene()
    out = mask(ds, dilate=dilate)
    bad = (ds.qa.values & (QA.CLOUD | QA.SHADOW | QA.CIRRUS)) != 0
    near = np.stack([distance_transform_edt(~layer) * 30 for layer in bad])
    np.testing.assert_array_equal((out.qa.values & QA.ADJACENT) != 0, (near > 0) & (near <= dilate))
    np.testing.assert_array_equal(np.isnan(out.red), near <= dilate)


def test_cloud_distance_is_rounded_up_and_capped():
    ds = scene()
    bad = (ds.qa.values & (QA.CLOUD | QA.SHADOW | QA.CIRRUS)) != 0
    near = np.stack([distance_transform_edt(~layer) * 30 for layer in bad])
    expected = np.ceil(np.round(np.minimum(near, 200), 3))
    np.testing.assert_array_equal(mask(ds, distance=200, dilate=30).cloud_distance, expected)
    assert "cloud_distance" not in mask(ds, dilate=30)


@pytest.mark.parametrize("chunks", [(40, 50), (17, 50), (8, 9), (3, 2)])
@pytest.mark.parametrize("crs", [None, "degrees"])
def test_blocks_make_no_difference(chunks, crs):
    ds = scene(crs=crs, step=0.001) if crs else scene()
    lazy = ds.chunk(time=-1, y=chunks[0], x=chunks[1])
    whole = mask(ds, dilate=150, distance=400)
    out = mask(lazy, dilate=150, distance=400)
    assert out.red.chunks == lazy.red.chunks
    xr.testing.assert_identical(out.compute(), whole)


def test_a_block_with_its_halo_is_enough():
    ds = scene()
    margin = halo(150, 30)
    part = mask(ds.isel(y=slice(10 - margin, 30 + margin)), dilate=150)
    inner = part.isel(y=slice(margin, -margin))
    xr.testing.assert_identical(inner, mask(ds, dilate=150).isel(y=slice(10, 30)))
    assert halo(0, 30) == 0
    assert halo(301, 30) == 11
    assert halo(100, 30, distance=3000) == 100


def test_a_disc_in_degrees_is_round_on_the_ground():
    """At 60° north a degree of longitude is half a degree of latitude."""
    ds = scene((1, 41, 81), crs="degrees", step=0.001)
    ds["qa"][:] = 0
    ds["qa"][0, 20, 40] = QA.CLOUD
    near = (mask(ds, dilate=1000).qa.values[0] & (QA.ADJACENT | QA.CLOUD)) != 0
    assert near[:, 40].sum() == 2 * int(1000 / 111.32) + 1
    assert near[20].sum() == 2 * int(1000 / (111.32 * np.cos(np.radians(59.98)))) + 1


@pytest.mark.parametrize(
    ("water", "snow", "kept"),
    [("keep", "keep", [1, 1, 1, 1]), ("drop", "keep", [1, 0, 1, 0]), ("only", "keep", [0, 1, 0, 1]),
     ("keep", "drop", [1, 1, 0, 0]), ("drop", "only", [0, 0, 1, 0])],
)  # fmt: skip
def test_water_and_snow(water, snow, kept):
    qa = np.array([0, QA.WATER, QA.SNOW, QA.WATER | QA.SNOW], np.uint16)
    np.testing.assert_array_equal(~unclear(qa, water=water, snow=snow), kept)
    assert unclear(qa | np.uint16(QA.CLOUD), water=water, snow=snow).all()


def test_other_bits():
    ds = scene()
    out = mask(ds, bits=QA.SNOW)
    np.testing.assert_array_equal(np.isnan(out.red), (ds.qa.values & QA.SNOW) != 0)


def test_a_cube_without_bands_can_be_masked():
    """A block reader masks the QA first, with its margin, and reads the bands without."""
    out = mask(scene()[["qa"]], dilate=60)
    assert ((out.qa & np.uint16(QA.ADJACENT)) != 0).any()


def test_clear_errors():
    with pytest.raises(CompositeError, match="'qa'"):
        mask(scene()[["red"]])
    with pytest.raises(CompositeError, match="dilate=-1"):
        mask(scene(), dilate=-1)
    with pytest.raises(CompositeError, match="water='wet'"):
        mask(scene(), water="wet")
    with pytest.raises(CompositeError, match="pixel size"):
        cloud_distance(scene((1, 1, 1)).qa, 30)
