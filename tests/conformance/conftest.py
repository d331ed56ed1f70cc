"""A small synthetic product, made once, and served where a test wants a web server."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from musyq_cube import variable as v
from musyq_cube.period import parse_period
from musyq_cube.products import get_recipe
from musyq_cube.store import access
from musyq_cube.store import zarr as store
from musyq_cube.store.item import build_item, item_href, provenance_assets, store_href, thumbnail_asset
from musyq_cube.store.publish import publish
from musyq_cube.store.pyramid import pyramid
from musyq_cube.store.quicklook import write_thumbnail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pystac

UTM = GeoBox((900, 1100), Affine(30, 0, 399960, 0, -30, 4451640), "EPSG:32650")
SINUSOIDAL = GeoBox(
    (600, 700),
    Affine(926.625433055833, 0, 8895604.157333, 0, -926.625433055833, 4447802.078667),
    "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs",
)
SENSORS = ("landsat8-oli", "sentinel2-msi")
MOSAIC = (
    *(v.reflectance(name, center_wavelength=um) for name, um in [("blue", 0.48), ("green", 0.56), ("red", 0.66)]),
    v.reflectance("nir08", center_wavelength=0.865),
    v.COUNT,
    v.source(SENSORS),
    v.DAY,
    v.QUALITY,
)
INDEX = (v.index("ndvi", "NDVI", standard_name="normalized_difference_vegetation_index"), v.COUNT, v.QUALITY)


@dataclass(frozen=True)
class Made:
    """A published product and what went into it."""

    out: str
    item: pystac.Item
    truth: xr.Dataset
    geobox: GeoBox
    variables: tuple[v.Variable, ...]

    @property
    def store(self) -> str:
        return store_href(self.out, str(self.item.collection_id), self.item.id)

    @property
    def href(self) -> str:
        return item_href(self.out, str(self.item.collection_id), self.item.id)


def truth(geobox: GeoBox, variables: Sequence[v.Variable], seed: int = 1) -> xr.Dataset:
    """Smooth fields with noise; a hole of nodata in the middle of the first rows, and single missing pixels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: geobox.shape[0], : geobox.shape[1]]
    missing = rng.random(geobox.shape) < 0.05
    missing[: geobox.shape[0] // 3, geobox.shape[1] // 3 : geobox.shape[1] // 2] = True
    out: dict[str, Any] = {}
    for number, variable in enumerate(variables):
        if variable.scale is not None:
            field = 0.15 + 0.1 * np.sin(x / 90 + number) * np.cos(y / 70) + rng.normal(0, 0.01, geobox.shape)
            values = np.where(missing, np.nan, field).astype(np.float32)
        elif variable.name == "count":
            values = np.where(missing, 0, rng.integers(1, 9, geobox.shape)).astype(np.uint16)
        elif variable.name == "day":
            values = np.where(missing, -1, rng.integers(0, 31, geobox.shape)).astype(np.int16)
        elif variable.name == "qa":
            values = np.where(missing, 1, rng.choice([0, 32, 64], geobox.shape)).astype(np.uint16)
        else:
            values = np.where(missing, 0, rng.integers(1, 4, geobox.shape)).astype(np.uint16)
        out[variable.name] = (("y", "x"), values)
    return xr.Dataset(out)


def write(url: str, dataset: xr.Dataset, geobox: GeoBox, variables: Sequence[v.Variable], block: int = 512) -> None:
    """Fill a store block by block."""
    store.create(url, geobox, variables, {"title": "test"})
    for row in range(0, geobox.shape[0], block):
        for col in range(0, geobox.shape[1], block):
            store.write_block(url, dataset.isel(y=slice(row, row + block), x=slice(col, col + block)), row, col)


def make(
    out: str,
    geobox: GeoBox = UTM,
    variables: tuple[v.Variable, ...] = MOSAIC,
    recipe: str = "MuSQ.SR.30m",
    *,
    item_id: str = "sr-utm50n-30m-2014-07",
    period: str = "2014-07",
    **options: Any,
) -> Made:
    """Make and publish one product the way a run does."""
    definition = get_recipe(recipe)
    collection = definition.id.lower().replace(".", "-")
    url = store_href(out, collection, item_id)
    dataset = truth(geobox, variables)
    write(url, dataset, geobox, variables)
    statistics = pyramid(url)
    store.consolidate(url)
    png = write_thumbnail(url, access.join(out, collection, item_id, "thumbnail.png"))
    plan, inputs = b'{"request": {}}', b"PAR1"
    key = "0123456789abcdef"
    access.write_bytes(access.join(out, "runs", key, "plan.json"), plan)
    access.write_bytes(access.join(out, "runs", key, "inputs.parquet"), inputs)
    item = build_item(
        item_id=item_id,
        collection=collection,
        geobox=geobox,
        period=parse_period(period),
        variables=variables,
        recipe=definition,
        key=key,
        statistics=statistics,
        grid="utm50n-30m",
        lineage="read -> mask -> geomedian",
        method="geomedian",
        sensors=SENSORS,
        inputs=12,
        left_out=[("a", "cloudier than the limit"), ("b", "duplicate")],
        failures=[{"scene": "c", "band": "red", "step": "read", "error": "truncated"}],
        files={"thumbnail": thumbnail_asset(png), **provenance_assets(key, plan, inputs)},
        **options,
    )
    return Made(out, publish(item, out), dataset, geobox, variables)


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A reflectance mosaic in UTM, published in a folder."""
    return make(str(tmp_path_factory.mktemp("mosaic")))


@pytest.fixture(scope="session")
def index_product(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """An index on the MODIS sinusoidal grid, which has no authority code."""
    out = str(tmp_path_factory.mktemp("index"))
    return make(out, SINUSOIDAL, INDEX, "MuSQ.NDVI.1km", item_id="ndvi-sinu-1km-2014", period="2014")


@dataclass
class Served:
    """A folder behind HTTP with CORS, and what was asked for."""

    url: str
    requests: Counter[str]


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, counted: Counter[str], **kwargs: Any) -> None:
        self.counted = counted
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        self.counted[self.path] += 1
        super().do_GET()

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[[str], Served]]:
    """Put folders behind web servers that count."""
    with contextlib.ExitStack() as stack:

        def start(folder: str) -> Served:
            requests: Counter[str] = Counter()
            handler = partial(_Handler, counted=requests, directory=str(Path(folder)))
            server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return Served(f"http://127.0.0.1:{server.server_port}", requests)

        yield start


@pytest.fixture
def served(product: Made, serve: Callable[[str], Served]) -> Served:
    """The mosaic's folder behind a web server that counts."""
    return serve(product.out)
