"""Properties of the gather: any block, window or thread gives the same bits; average against brute force."""

import threading

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from musyq_cube.kernels.gather import METHODS, gather
from musyq_cube.read.mapping import mapping
from musyq_cube.scene import SourceGrid

SOURCE = SourceGrid("EPSG:32651", (30.0, 0, 88005.0, 0, -30.0, 4500000.0), (180, 170))
RNG = np.random.default_rng(3)
DATA = RNG.integers(1, 9000, SOURCE.shape).astype(np.uint16)
DATA[RNG.random(SOURCE.shape) < 0.05] = 0


def run(method, geobox, margin=3, data=DATA, source=SOURCE, nodata=0):
    """Gather one block the way the reader does: only the window that the block needs."""
    places = mapping(source, geobox)
    out = np.full(geobox.shape, 7, data.dtype if method == "copy" else np.float32)
    window = places.window(margin)
    rows, cols = window or (slice(0, 1), slice(0, 1))
    nodes = places.lattice
    gather(
        method, np.ascontiguousarray(data[rows, cols]), (rows.start, cols.start), (places.rows, places.cols),
        (nodes.dense, places.dense_rows, places.dense_cols), (places.height, places.width),
        (nodes.step, nodes.top, nodes.left), out, nodata=nodata,
    )  # fmt: skip
    return out


def box(y, x, rows, cols, resolution=30.0):
    """Output pixels counted from the top left of the area that the source covers."""
    left, top = 599400.0, 4499100.0
    return GeoBox((rows, cols), Affine(resolution, 0, left + x * 30, 0, -resolution, top - y * 30), "EPSG:32650")


WHOLE = {method: run(method, box(0, 0, 150, 160)) for method in METHODS}


@settings(max_examples=40, deadline=None)
@given(y=st.integers(0, 149), x=st.integers(0, 159), rows=st.integers(1, 40), cols=st.integers(1, 40),
       method=st.sampled_from(METHODS))  # fmt: skip
def test_a_block_is_a_part_of_the_whole_bit_for_bit(y, x, rows, cols, method):
    rows, cols = min(rows, 150 - y), min(cols, 160 - x)
    part = run(method, box(y, x, rows, cols))
    np.testing.assert_array_equal(part, WHOLE[method][y : y + rows, x : x + cols], strict=True)


@pytest.mark.parametrize("method", METHODS)
def test_a_wider_window_changes_nothing(method):
    np.testing.assert_array_equal(run(method, box(20, 20, 50, 50), margin=40), WHOLE[method][20:70, 20:70])


def test_threads_share_a_kernel():
    results = [None] * 8
    threads = [
        threading.Thread(target=lambda k=k: results.__setitem__(k, run("bilinear", box(0, 0, 150, 160))))
        for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_array_equal(result, WHOLE["bilinear"])


@pytest.mark.parametrize("ratio", [2.0, 3.0, 3.5, 7.0])
def test_average_is_the_area_weighted_mean(ratio):
    """Same CRS, so the footprint is an exact rectangle: brute force over 1/14 pixels (finer than any edge used)."""
    source = SourceGrid("EPSG:32650", (10.0, 0, 600000.0, 0, -10.0, 4500000.0), (70, 84))
    data = RNG.integers(1, 9000, source.shape).astype(np.uint16)
    data[RNG.random(source.shape) < 0.1] = 0
    size = 10 * ratio
    shape = (int(70 / ratio), int(84 / ratio))
    out = GeoBox(shape, Affine(size, 0, 600000, 0, -size, 4500000), "EPSG:32650")
    got = run("average", out, margin=8, data=data, source=source)
    fine = np.repeat(np.repeat(data, 2, 0), 2, 1).astype(float)
    fine[fine == 0] = np.nan
    n = int(2 * ratio)
    fine = fine[: shape[0] * n, : shape[1] * n].reshape(shape[0], n, shape[1], n)
    expected = np.nanmean(fine, axis=(1, 3))
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_average_needs_a_quarter_of_the_footprint():
    source = SourceGrid("EPSG:32650", (10.0, 0, 600000.0, 0, -10.0, 4500000.0), (4, 8))
    data = np.zeros(source.shape, np.uint16)
    data[0, :4] = 100  # 4 of 16 pixels of the first footprint
    data[0, 4:7] = 100  # 3 of 16 of the second
    out = GeoBox((1, 2), Affine(40, 0, 600000, 0, -40, 4500000), "EPSG:32650")
    np.testing.assert_array_equal(run("average", out, data=data, source=source), [[100, np.nan]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.int32, np.float64])
def test_types(dtype):
    data = np.clip(DATA, 0, 100).astype(dtype)
    reference = run("bilinear", box(10, 10, 40, 40), data=np.clip(DATA, 0, 100))
    np.testing.assert_array_equal(run("bilinear", box(10, 10, 40, 40), data=data), reference)


def test_nan_is_missing_without_a_nodata_value():
    data = np.where(DATA == 0, np.nan, DATA).astype(np.float32)
    for method in ("nearest", "bilinear", "average"):
        got = run(method, box(0, 0, 150, 160), data=data, nodata=None)
        np.testing.assert_array_equal(got, WHOLE[method])


def test_same_grid_is_a_plain_copy():
    source = SourceGrid("EPSG:32650", (30.0, 0, 600000.0, 0, -30.0, 4500000.0), SOURCE.shape)
    out = GeoBox((50, 60), Affine(30, 0, 600000 + 17 * 30, 0, -30, 4500000 - 11 * 30), "EPSG:32650")
    expected = np.where(DATA == 0, np.nan, DATA).astype(np.float32)[11:61, 17:77]
    for method in ("nearest", "bilinear", "cubic", "average"):
        np.testing.assert_array_equal(run(method, out, source=source), expected)
    np.testing.assert_array_equal(run("copy", out, source=source), DATA[11:61, 17:77])
