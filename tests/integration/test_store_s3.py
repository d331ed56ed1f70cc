"""The same bytes in a bucket as in a folder, and the same rules, over HTTP on a moto server."""

from __future__ import annotations

import hashlib
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import boto3
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from moto.server import ThreadedMotoServer
from odc.geo.geobox import GeoBox

from musyq_cube import variable as v
from musyq_cube.errors import StoreError
from musyq_cube.period import parse_period
from musyq_cube.products import get_recipe
from musyq_cube.store import access
from musyq_cube.store import zarr as store
from musyq_cube.store.item import build_item, store_href, thumbnail_asset
from musyq_cube.store.open import open_item
from musyq_cube.store.publish import find_item, publish, rebuild
from musyq_cube.store.pyramid import pyramid
from musyq_cube.store.quicklook import write_thumbnail
from musyq_cube.store.validate import validate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pystac

pytestmark = [
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),  # odc-geo on affine 3
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # sockets of boto3 and of the server's threads
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),  # moto
]

BOX = GeoBox((700, 300), Affine(30, 0, 399960, 0, -30, 4451640), "EPSG:32650")
LAYERS = (*(v.reflectance(name) for name in ("blue", "green", "red")), v.COUNT, v.QUALITY)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh bucket, and the environment that leads to it."""
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"b-{uuid.uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}/products"


def make(out: str) -> pystac.Item:
    url = store_href(out, "c", "a")
    rng = np.random.default_rng(2)
    data = {}
    for layer in LAYERS:
        values = (
            rng.random(BOX.shape).astype(np.float32) if layer.scale else rng.integers(0, 9, BOX.shape).astype(np.uint16)
        )
        data[layer.name] = (("y", "x"), values)
    store.create(url, BOX, LAYERS, {"title": "t"}, 256)
    store.create(url, BOX, LAYERS, {"title": "t"}, 256)
    for row in (0, 256, 512):
        store.write_block(url, xr.Dataset(data).isel(y=slice(row, row + 256)), row, 0)
    statistics = pyramid(url)
    store.consolidate(url)
    png = write_thumbnail(url, access.join(out, "c", "a", "thumbnail.png"))
    return build_item(
        item_id="a",
        collection="c",
        geobox=BOX,
        period=parse_period("2018-07"),
        variables=LAYERS,
        recipe=get_recipe("MuSQ.SR.30m"),
        key="k",
        statistics=statistics,
        files={"thumbnail": thumbnail_asset(png)},
        base=out,
    )


def contents(url: str) -> dict[str, str]:
    return {k: hashlib.sha256(access.read_bytes(access.join(url, k))).hexdigest() for k in access.list_keys(url)}


def test_bucket_and_folder_hold_the_same_bytes(bucket: str, tmp_path: Path) -> None:
    folder = str(tmp_path)
    items = [make(out) for out in (bucket, folder)]
    published = [publish(item, out) for item, out in zip(items, (bucket, folder), strict=True)]
    assert contents(store_href(bucket, "c", "a")) == contents(store_href(folder, "c", "a"))
    for item in published:
        report = validate(item)
        assert report.ok, str(report)
    one, two = (open_item(item) for item in published)
    xr.testing.assert_identical(one.load(), two.load())
    assert one.odc.geobox == BOX
    assert open_item(f"{bucket}/c/a/a.json").sizes == {"y": 700, "x": 300}


def test_publication_in_a_bucket(bucket: str) -> None:
    item = make(bucket)
    assert find_item(bucket, "c", "a") is None

    def one(number: int) -> str:
        other = item.clone()
        other.id = f"p{number}"
        return publish(other, bucket).id

    with ThreadPoolExecutor(6) as pool:
        ids = sorted(pool.map(one, range(6)))
    collection = json.loads(access.read_bytes(f"{bucket}/c/collection.json"))
    assert [link["title"] for link in collection["links"] if link["rel"] == "item"] == ids
    access.delete(f"{bucket}/c/collection.json")
    assert rebuild(bucket, "c") == 6
    assert json.loads(access.read_bytes(f"{bucket}/c/collection.json")) == collection
    other = item.clone()
    other.id, other.properties["musyq:key"] = "p0", "another"
    with pytest.raises(StoreError, match="another order"):
        publish(other, bucket)


def test_sixteen_racers_one_winner(bucket: str) -> None:
    url = f"{bucket}/item.json"
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda n: access.write_if_absent(url, b"%02d" % n), range(16)))
    assert sum(won) == 1
    assert int(access.read_bytes(url)) == won.index(True)
    assert access.write_if_absent(url, access.read_bytes(url))  # a repeated attempt of the winner


def test_objects(bucket: str) -> None:
    url = f"{bucket}/a/b.txt"
    access.write_bytes(url, b"1")
    assert access.exists(url)
    assert not access.exists(f"{bucket}/a")
    assert access.list_keys(bucket) == ["a/b.txt"]
    access.delete(url)
    access.delete(url)
    assert access.list_keys(bucket) == []
    with pytest.raises(FileNotFoundError):
        access.read_bytes(url)


def test_a_bucket_that_is_not_there_is_named(bucket: str) -> None:
    with pytest.raises(StoreError, match="there is no bucket no-such-bucket-here"):
        store.create("s3://no-such-bucket-here/x/data.zarr", BOX, LAYERS)
