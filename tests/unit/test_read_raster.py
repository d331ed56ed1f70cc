"""Raster layers: paths, overviews, broken files, retries, handles of replaced files."""

import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from musyq_cube.errors import ReadError
from musyq_cube.read.layer import POOL, LayerPool, open_layer
from musyq_cube.read.raster import configure_gdal, gdal_path, is_remote
from musyq_cube.read.retry import is_transient, retrying
from musyq_cube.read.warp import read_bits, read_values, source_grid
from musyq_cube.scene import Quality, Source
from musyq_cube.types import QA


def cog(path, values, resampling="nearest", blocksize=128, **more):
    """Write a COG with overviews; return its Source, which states no grid."""
    with rasterio.open(
        path, "w", driver="COG", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype,
        crs="EPSG:32650", transform=Affine(10, 0, 600000, 0, -10, 4500000), blocksize=blocksize,
        overview_resampling=resampling, **more,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return Source(str(path))


def box(resolution, shape=(8, 8)):
    return GeoBox(shape, Affine(resolution, 0, 600000, 0, -resolution, 4500000), "EPSG:32650")


@pytest.mark.parametrize(
    ("href", "path"),
    [
        ("a.tif", "a.tif"), ("file:///d/a.tif", "/d/a.tif"), ("s3://b/k.tif", "/vsis3/b/k.tif"),
        ("gs://b/k.tif", "/vsigs/b/k.tif"), ("https://h/k.tif?sig=1", "/vsicurl/https://h/k.tif?sig=1"),
        ("/vsis3/b/k.tif", "/vsis3/b/k.tif"),
        ("d/S2A.SAFE.zip/S2A.SAFE/x.jp2", "/vsizip/d/S2A.SAFE.zip/S2A.SAFE/x.jp2"),
        ("zip:///d/a.zip!/x.tif", "/vsizip//d/a.zip/x.tif"), ("s3://b/a.zip/x.tif", "/vsizip/vsis3/b/a.zip/x.tif"),
    ],
)  # fmt: skip
def test_paths(href, path):
    assert gdal_path(href) == path


def test_what_is_remote():
    assert not any(is_remote(href) for href in ("a.tif", "file:///a", "zip:///a.zip!/b"))
    assert all(is_remote(href) for href in ("s3://b/a", "https://h/a", "/vsis3/b/a"))


def test_overviews_are_levels(tmp_path):
    values = np.arange(512 * 512, dtype=np.uint32).reshape(512, 512)
    layer = open_layer(cog(tmp_path / "a.tif", values))
    assert layer.levels == ((512, 512), (256, 256), (128, 128))
    assert layer.shape == (512, 512)
    half = layer.read(slice(10, 20), slice(30, 50), 1)
    assert half.shape == (10, 20)
    assert np.isin(half, values[20:40, 60:100]).all()
    assert layer.grid.crs == "EPSG:32650"
    layer.close()


def test_average_is_read_from_an_overview_that_leaves_four_pixels(tmp_path):
    values = np.random.default_rng(0).integers(0, 1000, (512, 512)).astype(np.uint16)
    source = cog(tmp_path / "a.tif", values, "average")
    got = read_values(source, box(80, (64, 64)))
    expected = values.reshape(64, 8, 64, 8).mean(axis=(1, 3))
    np.testing.assert_allclose(got, expected, atol=1)
    exact = read_values(source, box(30, (100, 100)))  # three pixels: full resolution, no rounding of overviews
    np.testing.assert_allclose(exact, values[:300, :300].reshape(100, 3, 100, 3).mean(axis=(1, 3)), rtol=1e-6)


def test_flags_are_never_taken_from_blended_overviews(tmp_path):
    flags = np.random.default_rng(0).choice(np.array([1, 4, 8], np.uint16), (512, 512))
    rules = ((1, 1, int(QA.FILL)), (4, 4, int(QA.CLOUD)), (8, 8, int(QA.SNOW)))
    expected = np.array([0, QA.FILL, 0, 0, QA.CLOUD, 0, 0, 0, QA.SNOW])[flags]
    for resampling in ("average", "nearest"):
        source = cog(tmp_path / f"{resampling}.tif", flags, resampling)
        bits = read_bits(Quality(source, rules), box(40, (128, 128)))
        assert set(np.unique(bits)) <= {QA.FILL, QA.CLOUD, QA.SNOW}
        if resampling == "average":
            np.testing.assert_array_equal(bits, expected[2::4, 2::4])


def test_large_windows_are_read_in_parts(tmp_path, monkeypatch):
    values = np.random.default_rng(0).integers(1, 1000, (512, 512)).astype(np.uint16)
    source = cog(tmp_path / "a.tif", values)
    whole = read_values(source, box(20, (250, 250)))
    monkeypatch.setattr("musyq_cube.read.warp.WINDOW_LIMIT", 5000)
    np.testing.assert_array_equal(read_values(source, box(20, (250, 250))), whole)


def test_valid_range_and_unusual_types(tmp_path):
    values = np.array([[-5, 3], [7, 30000]], np.int16).repeat(4, 0).repeat(4, 1)
    source = cog(tmp_path / "a.tif", values)
    got = read_values(Source(source.href, valid=(0, 10)), box(10), resampling="nearest")
    assert np.isnan(got[:4, :4]).all()
    assert np.isnan(got[4:, 4:]).all()
    assert (got[:4, 4:] == 3).all()
    for dtype in (np.uint8, np.int32, np.uint32, np.float64):
        source = cog(tmp_path / f"{np.dtype(dtype)}.tif", np.clip(values, 0, 200).astype(dtype), nodata=7)
        got = read_values(source, box(10), resampling="nearest")
        assert np.isnan(got[4:, :4]).all()
        assert (got[4:, 4:] == 200).all()


def test_files_in_archives(tmp_path):
    cog(tmp_path / "a.tif", np.full((64, 64), 9, np.uint8))
    with zipfile.ZipFile(tmp_path / "S2.zip", "w") as archive:
        archive.write(tmp_path / "a.tif", "S2.SAFE/a.tif")
    assert (read_values(Source(f"{tmp_path}/S2.zip/S2.SAFE/a.tif"), box(10)) == 9).all()


def test_any_fsspec_url(tmp_path):
    import fsspec

    cog(tmp_path / "a.tif", np.full((64, 64), 9, np.uint8))
    with fsspec.open("memory://bucket/a.tif", "wb") as file:
        file.write((tmp_path / "a.tif").read_bytes())
    assert (read_values(Source("memory://bucket/a.tif"), box(10)) == 9).all()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args):
        pass


def test_https_style_hrefs_and_a_web_page_in_place_of_a_file(tmp_path):
    cog(tmp_path / "a.tif", np.full((64, 64), 9, np.uint8))
    (tmp_path / "b.tif").write_text("<html>please log in</html>")
    handler = type(
        "Handler",
        (_Quiet,),
        {"__init__": lambda self, *a, **k: _Quiet.__init__(self, *a, directory=str(tmp_path), **k)},
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        assert (read_values(Source(f"{url}/a.tif"), box(10)) == 9).all()
        with pytest.raises(ReadError, match="web page"):
            open_layer(Source(f"{url}/b.tif"))
    finally:
        server.shutdown()
        server.server_close()
        POOL.clear()


@pytest.mark.parametrize(
    ("content", "message"), [(b"<!doctype html><html>", "web page"), (b"", "empty"), (b"garbage", "format")]
)
def test_files_that_are_no_rasters(tmp_path, content, message):
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=rf"a.tif.*{message}"):
        open_layer(Source(str(path)))


def test_errors_name_the_file(tmp_path):
    with pytest.raises(ReadError, match=r"absent\.tif"):
        open_layer(Source(str(tmp_path / "absent.tif")))
    source = cog(tmp_path / "a.tif", np.ones((64, 64), np.uint8))
    with pytest.raises(ReadError, match=r"1 band\(s\), band 3"):
        open_layer(Source(source.href, band=3))
    with pytest.raises(ReadError, match="no reader for driver 'grib'"):
        open_layer(Source(source.href, driver="grib"))


def test_truncated_file(tmp_path):
    values = np.random.default_rng(0).integers(0, 60000, (512, 512)).astype(np.uint16)
    source = cog(tmp_path / "a.tif", values)
    path = tmp_path / "a.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ReadError, match=r"a\.tif.*truncated"):
        read_values(source, box(10, (500, 500)))


def test_a_file_without_georeference(tmp_path, recwarn):
    path = tmp_path / "a.png"
    with rasterio.open(path, "w", driver="PNG", height=9, width=9, count=1, dtype="uint8") as file:
        file.write(np.ones((9, 9), np.uint8), 1)
    recwarn.clear()
    with pytest.raises(ReadError, match=r"neither the metadata nor the file"):
        source_grid(Source(str(path)))


def test_a_replaced_file_is_opened_again(tmp_path):
    source = cog(tmp_path / "a.tif", np.full((64, 64), 1, np.uint8))
    assert (read_values(source, box(10)) == 1).all()
    cog(tmp_path / "a.tif", np.full((96, 96), 2, np.uint8))
    assert (read_values(source, box(10)) == 2).all()


def test_the_pool_lends_each_handle_once_and_keeps_a_bound(tmp_path):
    sources = [cog(tmp_path / f"{k}.tif", np.ones((64, 64), np.uint8)) for k in range(4)]
    pool = LayerPool(capacity=2)
    with pool.borrow(sources[0]) as one, pool.borrow(sources[0]) as other:
        assert one is not other
    with pool.borrow(sources[0]) as again:
        assert again in (one, other)
    for source in sources:
        with pool.borrow(source):
            pass
    assert pool._count == 2
    pool.clear()


def test_transient_errors_are_tried_again_with_growing_waits():
    waits, calls = [], []

    def action():
        calls.append(1)
        if len(calls) < 4:
            raise ReadError("HTTP response code: 503")
        return "done"

    assert retrying(action, remote=True, retries=3, backoff=1.0, sleep=waits.append) == "done"
    assert len(waits) == 3
    assert all(0.5 * 2**k <= wait <= 1.5 * 2**k for k, wait in enumerate(waits))


def test_other_errors_and_exhausted_retries_are_raised():
    calls = []

    def action(message):
        calls.append(1)
        raise ReadError(message)

    with pytest.raises(ReadError, match="404"):
        retrying(lambda: action("HTTP response code: 404"), remote=True, retries=3, sleep=calls.append)
    assert len(calls) == 1
    with pytest.raises(ReadError, match="429"):
        retrying(lambda: action("HTTP 429"), remote=True, retries=2, backoff=0.0, sleep=lambda _: None)
    assert len(calls) == 4


def test_what_is_transient():
    unsupported = ReadError("a.tif: not recognized as a supported file format")
    assert is_transient(unsupported, remote=True)
    assert not is_transient(unsupported, remote=False)
    error = ReadError("outer")
    error.__cause__ = OSError("Connection reset by peer")
    assert is_transient(error, remote=False)


def test_gdal_gets_the_s3_endpoint_of_the_aws_tools(monkeypatch):
    import os

    for name in ("AWS_S3_ENDPOINT", "AWS_HTTPS", "AWS_VIRTUAL_HOSTING", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000/")
    configure_gdal()
    assert [os.environ[n] for n in ("AWS_S3_ENDPOINT", "AWS_HTTPS", "AWS_VIRTUAL_HOSTING")] == [
        "127.0.0.1:9000",
        "NO",
        "FALSE",
    ]


@pytest.mark.parametrize("resampling", ["bilinear", "average"])
def test_overviews_of_odd_sizes_give_the_same_pixels_whenever_they_are_read(tmp_path, resampling):
    """The COG driver rounds overview sizes down, GeoTIFF up; the header of the file tells only the factors."""
    values = np.random.default_rng(0).integers(1, 5000, (2001, 2003)).astype(np.uint16)
    source = cog(tmp_path / "odd.tif", values, blocksize=256)
    layer = open_layer(source)
    nominal = layer.levels
    shapes = [layer.level_shape(k) for k in range(len(nominal))]
    assert shapes[1] == (1000, 1001) != nominal[1]
    assert layer.read(slice(0, 1000), slice(0, 1001), 1).shape == shapes[1]
    assert layer.levels == nominal
    place = box(40, (150, 150))
    POOL.clear()
    first = read_values(source, place, resampling=resampling)
    np.testing.assert_array_equal(read_values(source, place, resampling=resampling), first)
    for cut in (64, 75):
        POOL.clear()
        parts = [read_values(source, place[rows, :], resampling=resampling) for rows in (slice(cut), slice(cut, 150))]
        np.testing.assert_array_equal(np.vstack(parts), first)
