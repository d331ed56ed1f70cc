"""The store: template, blocks, pyramid, consolidation; independent of blocks, order and workers."""

from __future__ import annotations

import hashlib
import json
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from musyq_cube import variable as v
from musyq_cube.errors import StoreError
from musyq_cube.store import access
from musyq_cube.store import zarr as store
from musyq_cube.store.packing import pack
from musyq_cube.store.pyramid import Statistics, halve, pyramid
from musyq_cube.store.template import pyramid_levels

if TYPE_CHECKING:
    from pathlib import Path

BOX = GeoBox((301, 170), Affine(30, 0, 399960, 0, -30, 4451640), "EPSG:32650")
BIG = GeoBox((1300, 700), Affine(30, 0, 399960, 0, -30, 4451640), "EPSG:32650")
LAYERS = (v.reflectance("red"), v.COUNT, v.source(["a", "b"]), v.DAY, v.QUALITY)


def block(geobox: GeoBox, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    shape = tuple(geobox.shape)
    missing = rng.random(shape) < 0.3
    dims = ("y", "x")
    return xr.Dataset(
        {
            "red": (dims, np.where(missing, np.nan, rng.random(shape)).astype(np.float32)),
            "count": (dims, rng.integers(0, 9, shape).astype(np.uint16)),
            "source": (dims, rng.integers(0, 4, shape).astype(np.uint16)),
            "day": (dims, np.where(missing, -1, rng.integers(0, 31, shape)).astype(np.int16)),
            "qa": (dims, np.where(missing, 1, rng.integers(0, 4, shape) * 16).astype(np.uint16)),
        }
    )


def fill(url: str, geobox: GeoBox, size: int, chunk: int = 128, *, backwards: bool = False) -> None:
    store.create(url, geobox, LAYERS, {"title": "t"}, chunk)
    data = block(geobox)
    places = [(r, c) for r in range(0, geobox.shape[0], size) for c in range(0, geobox.shape[1], size)]
    for row, col in reversed(places) if backwards else places:
        store.write_block(url, data.isel(y=slice(row, row + size), x=slice(col, col + size)), row, col)


def contents(url: str) -> dict[str, str]:
    return {k: hashlib.sha256(access.read_bytes(access.join(url, k))).hexdigest() for k in access.list_keys(url)}


def test_same_bytes_for_any_block_size_order_and_pool(tmp_path: Path) -> None:
    urls = [str(tmp_path / name) for name in "abc"]
    for url, size, backwards in zip(urls, (128, 256, 1344), (False, True, False), strict=True):
        fill(url, BIG, size, backwards=backwards)
    with ThreadPoolExecutor(3) as threads:
        sums = [
            pyramid(urls[0]),
            pyramid(urls[1], threads.map),
            pyramid(urls[2], lambda f, x: map(f, reversed(list(x)))),
        ]
    for url in urls:
        store.consolidate(url)
    assert contents(urls[0]) == contents(urls[1]) == contents(urls[2])
    assert sums[0] == sums[1] == sums[2]


@pytest.mark.slow
def test_same_bytes_from_processes(tmp_path: Path) -> None:
    import multiprocessing

    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    fill(one, BIG, 256)
    fill(two, BIG, 256)
    pyramid(one)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        pyramid(two, processes.map)
    assert contents(one) == contents(two)


def test_create_is_idempotent_and_keeps_chunks(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    fill(url, BOX, 128)
    before = contents(url)
    store.create(url, BOX, LAYERS, {"title": "t"}, 128)
    assert contents(url) == before


def test_create_refuses_the_store_of_another_order(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    store.create(url, BOX, LAYERS, {"title": "t"}, 64)
    with pytest.raises(StoreError, match="another product"):
        store.create(url, BOX, LAYERS, {"title": "u"}, 64)
    with pytest.raises(StoreError, match="another product"):
        store.create(url, BOX, LAYERS[::-1], {"title": "t"}, 64)
    with pytest.raises(StoreError, match="different names"):
        store.create(str(tmp_path / "t"), BOX, [v.COUNT, v.COUNT])


@pytest.mark.parametrize(("row", "col", "size"), [(1, 0, 64), (0, 32, 64), (0, 0, 63), (256, 64, 64)])
def test_blocks_that_do_not_own_whole_chunks_are_refused(tmp_path: Path, row: int, col: int, size: int) -> None:
    url = str(tmp_path / "s")
    store.create(url, BOX, LAYERS, {}, 64)
    before = contents(url)
    part = block(GeoBox((size, size), BOX.transform, BOX.crs))
    with pytest.raises(StoreError, match=r"block (rows|cols) \d+…\d+ of \d+ do not own whole chunks of 64"):
        store.write_block(url, part, row, col)
    assert contents(url) == before


def test_blocks_in_the_wrong_place_or_with_other_layers_are_refused(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    store.create(url, BOX, LAYERS, {}, 64)
    part = block(GeoBox((64, 64), BOX.transform, BOX.crs))
    x, y = 399960 + 30 * (np.arange(64) + 64.5), 4451640 - 30 * (np.arange(64) + 0.5)
    store.write_block(url, part.assign_coords(x=x, y=y), 0, 64)
    with pytest.raises(StoreError, match="x starts at"):
        store.write_block(url, part.assign_coords(x=x + 30, y=y), 0, 64)
    with pytest.raises(StoreError, match="the block has"):
        store.write_block(url, part.drop_vars("qa"), 0, 0)
    with pytest.raises(StoreError, match="no Zarr store at"):
        store.write_block(str(tmp_path / "nothing"), part, 0, 0)


def test_checksums_are_of_the_packed_bytes(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    store.create(url, BOX, LAYERS, {}, 512)
    data = block(BOX)
    sums = store.write_block(url, data.expand_dims("time"), 0, 0)
    packed, _ = pack(data.red.values, LAYERS[0])
    assert sums["red"] == hashlib.sha256(packed.tobytes()).hexdigest()
    assert set(sums) == {layer.name for layer in LAYERS}


def test_out_of_range_is_clipped_and_flagged(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    store.create(url, BOX, LAYERS, {}, 512)
    data = block(BOX)
    data.red.values[3, 4] = 7.0
    data.red.values[3, 5] = np.nan
    store.write_block(url, data, 0, 0)
    red, qa = store.open_array(url, "0/red"), store.open_array(url, "0/qa")
    assert red[3, 4] == 16000
    assert qa[3, 4] == int(data.qa.values[3, 4]) | 1 << 15
    assert red[3, 5] == -32768
    assert (qa[:] & 1 << 15 > 0).sum() == 1


def test_clipping_without_a_quality_layer_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = str(tmp_path / "s")
    store.create(url, BOX, LAYERS[:1], {}, 512)
    store.write_block(url, xr.Dataset({"red": (("y", "x"), np.full(BOX.shape, 9, np.float32))}), 0, 0)
    assert "out of range" in caplog.text


def test_a_chunk_of_nodata_is_written_and_a_missing_one_is_noticed(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    store.create(url, BOX, LAYERS, {}, 512)
    assert len(store.missing_chunks(url)) == len(LAYERS)
    empty = block(BOX)
    empty["red"][:] = np.nan
    empty["qa"][:] = 1
    store.write_block(url, empty, 0, 0)
    assert store.missing_chunks(url) == []
    access.delete(access.join(url, "0/red/c/0/0"))
    with pytest.raises(StoreError, match="1 chunks were never written, the first is 0/red/c/0/0"):
        pyramid(url)


def test_unwritten_quality_reads_as_fill(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    store.create(url, BOX, LAYERS)
    assert (store.open_array(url, "0/qa")[:] == 1).all()


def test_layers_come_back_from_the_store(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    store.create(url, BOX, LAYERS)
    for found, layer in zip(store.variables(url), LAYERS, strict=True):
        same = ("name", "dtype", "scale", "nodata", "method", "fill_value", "units", "standard_name", "long_name")
        assert [getattr(found, name) for name in same] == [getattr(layer, name) for name in same]
        if layer.valid:
            np.testing.assert_allclose(found.valid, layer.valid)


def test_consolidation_holds_every_node(tmp_path: Path) -> None:
    url = str(tmp_path / "s")
    fill(url, BIG, 1344)
    pyramid(url)
    store.consolidate(url)
    store.consolidate(url)
    metadata = store.read_node(url)["consolidated_metadata"]["metadata"]
    nodes = [key.removesuffix("/zarr.json") for key in access.list_keys(url) if key.endswith("/zarr.json")]
    assert sorted(metadata) == sorted(nodes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = xr.open_datatree(url, engine="zarr", decode_coords="all")
    assert sorted(tree.children) == ["0", "1", "2"]


def test_levels_end_at_512(tmp_path: Path) -> None:
    shapes = [tuple(level.shape) for level in pyramid_levels(BIG)]
    assert shapes == [(1300, 700), (650, 350), (325, 175)]
    assert len(pyramid_levels(BOX)) == 1
    fill(str(tmp_path / "s"), BOX, 512)
    assert pyramid(str(tmp_path / "s"))["count"].count == 301 * 170


@pytest.mark.parametrize("shape", [(6, 8), (5, 7), (1, 1), (1, 4)])
def test_average_is_the_mean_of_valid_pixels(shape: tuple[int, int]) -> None:
    """Independent truth: NumPy's nanmean of the unpacked values, packed again."""
    rng = np.random.default_rng(3)
    layer = v.index("ndvi", "NDVI")
    stored = rng.integers(-9000, 9000, shape).astype(np.int16)
    stored[rng.random(shape) < 0.4] = -32768
    padded = np.full((shape[0] + shape[0] % 2, shape[1] + shape[1] % 2), np.nan)
    padded[: shape[0], : shape[1]] = np.where(stored == -32768, np.nan, stored)
    quads = padded.reshape(padded.shape[0] // 2, 2, -1, 2).transpose(0, 2, 1, 3).reshape(padded.shape[0] // 2, -1, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.rint(np.nanmean(quads, axis=2))
    np.testing.assert_array_equal(halve(stored, layer), np.nan_to_num(expected, nan=-32768).astype(np.int16))


def test_mode_prefers_values_over_fill_and_breaks_ties_in_reading_order() -> None:
    quads = np.array([[1, 32, 64, 32], [1, 1, 32, 1], [1, 1, 16, 32], [1, 1, 16, 32]], np.uint16)
    assert halve(quads, v.QUALITY).tolist() == [[32, 32], [1, 16]]


def test_nearest_is_the_upper_left_pixel() -> None:
    numbers = np.arange(15, dtype=np.uint16).reshape(3, 5)
    assert halve(numbers, v.COUNT).tolist() == [[0, 2, 4], [10, 12, 14]]


def test_statistics_add_up_in_any_order() -> None:
    rng = np.random.default_rng(5)
    numbers = rng.integers(-3000, 30000, 999).astype(np.int16)
    numbers[::7] = -32768
    valid = numbers[numbers != -32768].astype(float)
    parts = [Statistics.of(part, -32768) for part in np.array_split(numbers, 7)]
    total = sum(parts[::-1], Statistics())
    assert total == Statistics.of(numbers, -32768)
    found = total.to_dict()
    assert (found["count"], found["minimum"], found["maximum"]) == (valid.size, valid.min(), valid.max())
    np.testing.assert_allclose([found["mean"], found["stddev"]], [valid.mean(), valid.std()])
    assert Statistics.of(numbers[::7], -32768).to_dict() == {"count": 0, "valid_percent": 0.0}
    json.dumps(found)


def test_geographic_grid(tmp_path: Path) -> None:
    box = GeoBox((60, 80), Affine(0.05, 0, 110, 0, -0.05, 42), "EPSG:4326")
    url = str(tmp_path / "s")
    fill(url, box, 128)
    store.consolidate(url)
    dataset: Any = xr.open_zarr(url, group="0", decode_coords="all")
    assert dataset.x.attrs["units"] == "degrees_east"
    np.testing.assert_allclose(dataset.y.values[[0, -1]], [41.975, 39.025])


def test_store_in_memory() -> None:
    url = "memory://product-in-memory/data.zarr"
    fill(url, BOX, 128)
    assert pyramid(url)["red"].count > 0
    store.consolidate(url)
    assert store.missing_chunks(url) == []


def test_read_only_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot"):
        store.create(str(tmp_path / "file" / "s"), BOX, LAYERS)
