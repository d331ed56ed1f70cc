"""GDAL rasters (COG, GeoTIFF, JPEG 2000 ...) as layers, through rasterio."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from musyq_cube.errors import ReadError
from musyq_cube.read.retry import messages
from musyq_cube.scene import SourceGrid

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

    from musyq_cube.scene import Source

GDAL_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # never list the bucket around a file
    "GDAL_CACHEMAX": "512",  # MB; neighbouring blocks share the tiles along their edges (counted in plan.estimate)
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",  # the whole COG header in the first request
    "GDAL_HTTP_MULTIRANGE": "YES",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    "GDAL_HTTP_TIMEOUT": "120",
    "GDAL_HTTP_MAX_RETRY": "2",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "CPL_VSIL_CURL_CACHE_SIZE": "33554432",
    "CPL_VSIL_CURL_USE_HEAD": "NO",
}
"""Defaults set once in the environment of the process; what the user has set there wins."""
VSI = {"s3": "/vsis3/", "gs": "/vsigs/", "gcs": "/vsigs/", "az": "/vsiaz/", "abfs": "/vsiaz/", "swift": "/vsiswift/"}
ARCHIVE = re.compile(r"(?P<archive>.+?\.zip)(?:!/?|/)(?P<inner>.+)", re.IGNORECASE)
SAMPLED = {"NEAREST", "MODE"}


def configure_gdal() -> None:
    """Put the GDAL options into the environment where unset; the S3 endpoint of the AWS tools is passed on to GDAL."""
    for name, value in GDAL_OPTIONS.items():
        os.environ.setdefault(name, value)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and "AWS_S3_ENDPOINT" not in os.environ:
        scheme, _, host = endpoint.rpartition("://")
        os.environ["AWS_S3_ENDPOINT"] = host.rstrip("/")
        os.environ.setdefault("AWS_HTTPS", "NO" if scheme == "http" else "YES")
        os.environ.setdefault("AWS_VIRTUAL_HOSTING", "FALSE")


def is_remote(href: str) -> bool:
    """Return whether a file is reached over a network."""
    return ("://" in href and not href.startswith(("file://", "zip://"))) or "/vsicurl/" in href or "/vsis3/" in href


def gdal_path(href: str) -> str:
    """
    Return the path by which GDAL finds a file.

    Local paths and ``file://`` as they are; ``s3://``, ``gs://``, ``az://`` and ``https://`` through GDAL's own network
    file systems; files in zip archives (``x.SAFE.zip/…``, ``zip://x.zip!/…``) in place; any other fsspec URL is copied
    to a temporary local cache.

    Examples
    --------
    >>> gdal_path("s3://bucket/B04.tif"), gdal_path("S2A.zip/S2A.SAFE/B04.jp2")
    ('/vsis3/bucket/B04.tif', '/vsizip/S2A.zip/S2A.SAFE/B04.jp2')
    """
    if href.startswith("/vsi"):
        return href
    if href.startswith("zip://"):
        href = href.removeprefix("zip://")
    if (match := ARCHIVE.fullmatch(href)) and not os.path.isdir(match["archive"]):  # noqa: PTH112  (URLs are no Paths)
        return f"/vsizip/{gdal_path(match['archive'])}/{match['inner']}".replace("/vsizip//vsi", "/vsizip/vsi")
    scheme, separator, rest = href.partition("://")
    if not separator:
        return href
    if scheme == "file":
        return rest
    if scheme in {"http", "https", "ftp"}:
        return f"/vsicurl/{href}"
    return VSI[scheme] + rest if scheme in VSI else _local_copy(href)


class RasterLayer:
    """One band of a GDAL raster; overviews are opened when first read."""

    def __init__(self, source: Source) -> None:
        self._href, self._band = source.href, source.band
        self._path = gdal_path(source.href)
        self._files: dict[int, DatasetReader] = {}
        file = self._file(0)
        if not 1 <= source.band <= file.count:
            count = file.count
            self.close()
            raise ReadError(f"{source.href}: has {count} band(s), band {source.band} was asked for")
        self.shape: tuple[int, int] = (file.height, file.width)
        self.dtype = np.dtype(file.dtypes[source.band - 1])
        self.nodata: float | None = file.nodatavals[source.band - 1]
        # JPEG 2000 halves by wavelets, whose coarse samples lie on every 2ᵏ-th pixel, not in the middle of 2ᵏ of them
        factors = [] if file.driver.startswith("JP2") else file.overviews(source.band)
        self.levels = (self.shape, *((-(-file.height // n), -(-file.width // n)) for n in factors))
        """Nominal: the header gives factors, and writers round the true size up (GeoTIFF) or down (COG)."""
        self.sampled = file.tags(ns="IMAGE_STRUCTURE").get("OVERVIEW_RESAMPLING", "").upper() in SAMPLED
        """Overviews hold values of the full resolution, so they may be used for flags and classes."""

    @property
    def grid(self) -> SourceGrid | None:
        """The georeference of the file, None where it has none."""
        file = self._file(0)
        if file.crs is None:
            return None
        code = file.crs.to_authority()
        transform = file.transform
        crs = ":".join(code) if code else file.crs.to_wkt()
        return SourceGrid(
            crs, (transform.a, transform.b, transform.c, transform.d, transform.e, transform.f), self.shape
        )

    def level_shape(self, level: int) -> tuple[int, int]:
        """Return the true (rows, columns) of one level, from its own header."""
        file = self._file(level)
        return file.height, file.width

    def read(self, rows: slice, cols: slice, level: int) -> np.ndarray[Any, Any]:
        """Decode one window of one level."""
        from rasterio.errors import RasterioError
        from rasterio.windows import Window

        window = Window(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
        try:
            pixels: np.ndarray[Any, Any] = self._file(level).read(self._band, window=window)
        except (RasterioError, OSError) as error:
            raise ReadError(
                f"{self._href}: pixels cannot be decoded, the file is truncated or damaged ({messages(error)})"
            ) from error
        return pixels

    def close(self) -> None:
        """Close the file and its overviews."""
        while self._files:
            self._files.popitem()[1].close()

    def _file(self, level: int) -> DatasetReader:
        if level not in self._files:
            self._files[level] = _open(self._path, self._href, level)
        return self._files[level]


def open_layer(source: Source) -> RasterLayer:
    """
    Open one band of a raster.

    Raises
    ------
    ReadError
        When the file is absent, is no raster (a web page sent in its place is recognised), or lacks the band.
    """
    return RasterLayer(source)


def _open(path: str, href: str, level: int) -> DatasetReader:
    import rasterio
    from rasterio.errors import RasterioError

    try:
        return rasterio.open(path, **({"overview_level": level - 1} if level else {}))
    except (RasterioError, OSError) as error:
        raise ReadError(f"{href}: cannot be opened ({_diagnose(href) or messages(error)})") from error


def _diagnose(href: str) -> str:
    """Say what a file that is no raster is, from its first bytes; empty where nothing better is known."""
    import fsspec

    if href.startswith("/vsi"):
        return ""
    try:
        with fsspec.open(href, "rb") as file:
            head = file.read(512)
    except Exception:  # noqa: BLE001  (any backend; the original error is raised by the caller)
        return ""
    if not head:
        return "the file is empty"
    if re.match(rb"\s*<(!doctype html|html|head|body)", head, re.IGNORECASE):
        return "a web page, not an image: the link has expired or needs a login"
    if re.match(rb"\s*(<\?xml[^>]*>\s*)?<Error>", head):
        return f"an error message of the object store, not an image: {head[:200].decode(errors='replace')}"
    return ""


def _local_copy(href: str) -> str:
    import fsspec

    try:
        return str(fsspec.open_local(f"simplecache::{href}"))
    except (OSError, ValueError, ImportError) as error:
        raise ReadError(f"{href}: cannot be fetched ({messages(error)})") from error


configure_gdal()
