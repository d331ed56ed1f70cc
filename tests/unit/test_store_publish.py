"""From a finished store to an Item that people find: description, publication, races, picture, opening, validation."""

from __future__ import annotations

import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pystac
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from PIL import Image

from musyq_cube import variable as v
from musyq_cube.errors import StoreError
from musyq_cube.period import parse_period
from musyq_cube.products import get_recipe
from musyq_cube.store import access
from musyq_cube.store import zarr as store
from musyq_cube.store.bands import ramp, renders
from musyq_cube.store.item import build_item, item_href, provenance_assets, store_href, thumbnail_asset
from musyq_cube.store.open import open_item
from musyq_cube.store.publish import add_item, announce, find_item, new_collection, publish, read_item, rebuild
from musyq_cube.store.pyramid import pyramid
from musyq_cube.store.quicklook import thumbnail, write_thumbnail
from musyq_cube.store.validate import validate

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # odc-geo on affine 3

BOX = GeoBox((600, 400), Affine(30, 0, 399960, 0, -30, 4451640), "EPSG:32650")
RGB = (*(v.reflectance(name) for name in ("blue", "green", "red")), v.QUALITY)
KEY = "feedbeef"


def make(
    out: Path, item_id: str, *, period: str = "2018-07", layers: Sequence[v.Variable] = RGB, key: str = KEY
) -> Any:
    """Write a store and its picture; return the unpublished Item."""
    recipe = get_recipe("MuSQ.SR.30m" if layers is RGB else "MuSQ.NDVI.30m")
    url = store_href(str(out), "products", item_id)
    rng = np.random.default_rng(1)
    data = {}
    for number, layer in enumerate(layers):
        values = rng.normal(0.1 + number / 20, 0.02, BOX.shape).astype(np.float32)
        values[:100, :50] = np.nan
        data[layer.name] = (("y", "x"), values if layer.scale else np.zeros(BOX.shape, np.uint16))
    store.create(url, BOX, layers, {"title": "t"})
    for row in (0, 512):
        store.write_block(url, xr.Dataset(data).isel(y=slice(row, row + 512)), row, 0)
    statistics = pyramid(url)
    store.consolidate(url)
    png = write_thumbnail(url, access.join(str(out), "products", item_id, "thumbnail.png"), 256)
    for name in ("plan.json", "inputs.parquet"):
        access.write_bytes(str(out / "runs" / key / name), b"{}")
    return build_item(
        item_id=item_id,
        collection="products",
        geobox=BOX,
        period=parse_period(period),
        variables=layers,
        recipe=recipe,
        key=key,
        statistics=statistics,
        files={"thumbnail": thumbnail_asset(png), **provenance_assets(key, b"{}", b"{}")},
    )


def links(path: Path, rel: str) -> list[str]:
    return [link["href"] for link in json.loads(path.read_text())["links"] if link["rel"] == rel]


def test_publication_can_be_walked_from_the_catalogue(tmp_path: Path) -> None:
    for item_id, period in (("b", "2018-08"), ("a", "2018-07")):
        publish(make(tmp_path, item_id, period=period), str(tmp_path))
    catalog = pystac.Catalog.from_file(str(tmp_path / "catalog.json"))
    assert sorted(item.id for item in catalog.get_items(recursive=True)) == ["a", "b"]
    collection = json.loads((tmp_path / "products/collection.json").read_text())
    assert links(tmp_path / "products/collection.json", "item") == ["./a/a.json", "./b/b.json"]
    assert collection["extent"]["temporal"]["interval"] == [["2018-07-01T00:00:00Z", "2018-08-31T23:59:59Z"]]
    assert collection["summaries"] == {"gsd": [30.0], "proj:code": ["EPSG:32650"], "processing:level": ["L3"]}
    assert "statistics" not in json.dumps(collection["item_assets"])
    item = next(catalog.get_items(recursive=True))
    for asset in item.get_assets().values():
        assert Path(asset.get_absolute_href()).exists()


def test_publishing_twice_returns_the_first_item(tmp_path: Path) -> None:
    first = publish(make(tmp_path, "a"), str(tmp_path))
    again = make(tmp_path, "a")
    again.properties["created"] = "2030-01-01T00:00:00Z"
    assert publish(again, str(tmp_path)).properties["created"] == first.properties["created"]
    assert links(tmp_path / "products/collection.json", "item") == ["./a/a.json"]
    assert len(list((tmp_path / "products/items").iterdir())) == 1


def test_the_name_of_another_order_is_refused(tmp_path: Path) -> None:
    item = make(tmp_path, "a")
    publish(item, str(tmp_path))
    item.properties["musyq:key"] = "other"
    with pytest.raises(StoreError, match="the product of another order"):
        publish(item, str(tmp_path))


def test_racing_publishers_lose_no_links(tmp_path: Path) -> None:
    template = make(tmp_path, "p0")

    def one(number: int) -> str:
        item = template.clone()
        item.id = f"p{number}"
        return publish(item, str(tmp_path)).id

    with ThreadPoolExecutor(8) as pool:
        ids = sorted(pool.map(one, range(12)))
    assert links(tmp_path / "products/collection.json", "item") == [f"./{name}/{name}.json" for name in ids]


def test_links_are_rebuilt_from_the_items_that_exist(tmp_path: Path) -> None:
    publish(make(tmp_path, "a"), str(tmp_path))
    before = (tmp_path / "products/collection.json").read_text(), (tmp_path / "catalog.json").read_text()
    (tmp_path / "products/collection.json").unlink()
    (tmp_path / "catalog.json").unlink()
    assert rebuild(str(tmp_path), "products") == 1
    assert ((tmp_path / "products/collection.json").read_text(), (tmp_path / "catalog.json").read_text()) == before


def test_an_interrupted_publication_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = make(tmp_path, "a")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("musyq_cube.store.publish.write_parts", full)
    with pytest.raises(
        StoreError, match=r"a\.json is published but not listed yet .*No space left.*run the order again"
    ):
        publish(item, str(tmp_path))
    monkeypatch.undo()
    document = json.loads((tmp_path / "products/a/a.json").read_text())
    (tmp_path / "catalog.json").unlink()
    for _ in range(2):
        announce(document, str(tmp_path))
        assert len(list((tmp_path / "products/items").iterdir())) == 1
    assert links(tmp_path / "catalog.json", "child") == ["./products/collection.json"]


def test_no_item_no_product(tmp_path: Path) -> None:
    item = make(tmp_path, "a")
    assert find_item(str(tmp_path), "products", "a") is None
    publish(item, str(tmp_path))
    found = find_item(str(tmp_path), "products", "a")
    assert found is not None
    assert found.get_self_href() == item_href(str(tmp_path), "products", "a")


def test_a_folder_that_cannot_be_written_publishes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = make(tmp_path, "a")

    def refuse(url: str, _: bytes) -> bool:
        raise StoreError(f"cannot write {url}: PermissionError")

    monkeypatch.setattr(access, "write_if_absent", refuse)
    with pytest.raises(StoreError, match="cannot write"):
        publish(item, str(tmp_path))
    assert not (tmp_path / "catalog.json").exists()
    assert not (tmp_path / "products/a/a.json").exists()


def test_broken_items_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("<html>")
    with pytest.raises(StoreError, match=r"a.json is not a STAC Item"):
        read_item(str(tmp_path / "a.json"))
    with pytest.raises(StoreError, match="no Item at"):
        open_item(str(tmp_path / "b.json"))


def test_extent_of_a_collection_across_the_antimeridian() -> None:
    properties = {"start_datetime": "a", "end_datetime": "b", "renders": {}, "title": "t"}
    one = {"id": "1", "collection": "c", "bbox": [170, 0, -175, 5], "properties": properties, "assets": {}}
    two = one | {"id": "2", "bbox": [160, -5, 165, 2]}
    collection = add_item(add_item(new_collection(one), one), one)
    assert collection["extent"]["spatial"]["bbox"] == [[170, 0, -175, 5]]
    assert add_item(collection, two)["extent"]["spatial"]["bbox"] == [[-180.0, -5, 180.0, 5]]


def test_renders_are_in_stored_numbers() -> None:
    nir = v.reflectance("nir")
    found = renders((*RGB, nir))
    assert found["rgb"]["bands"] == ["red", "green", "blue"]
    assert found["rgb"]["rescale"] == [[0, 3000]] * 3
    assert found["rgb"]["nodata"] == -32768
    assert found["false-colour"]["bands"] == ["nir", "red", "green"]
    ndvi = renders((v.index("ndvi", "NDVI"), v.QUALITY))
    assert ndvi["ndvi"]["rescale"] == [[-2000, 10000]]
    assert len(ndvi["ndvi"]["colormap"]) == 256
    assert ramp()["0"] == [140, 81, 10, 255]


def test_statistics_are_on_the_bands(tmp_path: Path) -> None:
    bands = {band["name"]: band for band in make(tmp_path, "a").assets["data"].extra_fields["bands"]}
    assert bands["red"]["statistics"]["count"] == 600 * 400 - 100 * 50
    assert abs(bands["red"]["statistics"]["mean"] - 2000) < 5
    assert "statistics" not in bands["qa"]


def test_true_colour_picture(tmp_path: Path) -> None:
    make(tmp_path, "a")
    png = (tmp_path / "products/a/thumbnail.png").read_bytes()
    picture = np.asarray(Image.open(io.BytesIO(png)))
    assert picture.shape == (256, 171, 4)
    assert (picture[:40, :20, 3] == 0).all()
    assert (picture[50:, :, 3] == 255).all()
    red, green, blue = picture[60:, 60:, :3].reshape(-1, 3).mean(axis=0)
    assert red > green > blue


def test_picture_of_an_index_is_coloured(tmp_path: Path) -> None:
    layers = (v.index("ndvi", "NDVI"), v.QUALITY)
    make(tmp_path, "a", layers=layers)
    picture = np.asarray(Image.open(io.BytesIO(thumbnail(store_href(str(tmp_path), "products", "a")))))
    assert picture.shape == (600, 400, 4)
    assert (picture[:100, :50, 3] == 0).all()
    expected = ramp()[str(round((0.1 + 0.2) / 1.2 * 255))]
    assert np.abs(picture[200:, 200:].mean(axis=(0, 1)) - expected).max() < 12


def test_open_an_item_its_file_its_folder_its_store(tmp_path: Path) -> None:
    item = publish(make(tmp_path, "a"), str(tmp_path))
    folder = str(tmp_path / "products/a")
    for what in (item, Path(f"{folder}/a.json"), folder, f"{folder}/data.zarr"):
        dataset = open_item(what)
        assert list(dataset.data_vars) == ["blue", "green", "red", "qa"]
        assert dataset.odc.geobox == BOX
        assert dataset.red.dtype == np.float32
        assert dataset.qa.dtype == np.uint16
        assert dataset.chunksizes["y"] == (512, 88)
        assert dataset.time.values == np.datetime64("2018-07-01")
    assert open_item(item, level=1).odc.geobox.shape == (300, 200)
    assert np.isnan(open_item(item).red.values[:100, :50]).all()


def test_a_moved_folder_still_opens(tmp_path: Path) -> None:
    publish(make(tmp_path / "one", "a"), str(tmp_path / "one"))
    shutil.move(tmp_path / "one", tmp_path / "two")
    assert open_item(tmp_path / "two/products/a/a.json").sizes == {"y": 600, "x": 400}
    assert validate(tmp_path / "two/products/a").ok


def test_several_items_are_joined_in_time(tmp_path: Path) -> None:
    items = [
        publish(make(tmp_path, name, period=period), str(tmp_path))
        for name, period in (("b", "2018-08"), ("a", "2018-07"))
    ]
    dataset = open_item(pystac.ItemCollection(items))
    assert dataset.red.dims == ("time", "y", "x")
    assert dataset.time.values.tolist() == sorted(dataset.time.values.tolist())
    assert dataset.odc.geobox == BOX
    with pytest.raises(StoreError, match="no Items"):
        open_item([])


def test_a_good_product_is_valid_and_every_damage_is_found(tmp_path: Path) -> None:
    publish(make(tmp_path, "a"), str(tmp_path))
    folder = tmp_path / "products/a"
    report = validate(folder / "a.json")
    assert report.ok, str(report)
    assert "ok    every chunk is there" in str(report)

    def broken(path: str, change: Any) -> list[str]:
        file = folder / path
        old = file.read_bytes()
        change(file)
        try:
            return [check.name for check in validate(folder / "a.json").checks if not check.ok]
        finally:
            file.write_bytes(old)

    def edit(old: str, new: str) -> Any:
        return lambda file: file.write_text(file.read_text().replace(old, new, 1))

    assert broken("data.zarr/0/red/c/1/0", lambda file: file.unlink())[0] == "every chunk is there"
    assert "files have their checksums" in broken("thumbnail.png", lambda file: file.write_bytes(b""))
    assert "fill_value equals _FillValue" in broken("data.zarr/1/red/zarr.json", edit("-32768", "-32767"))
    assert "consolidated metadata is that of the nodes" in broken("data.zarr/1/red/zarr.json", edit("red", "rad"))
    assert "groups fulfil the Zarr conventions" in broken("data.zarr/0/zarr.json", edit('"EPSG:32650"', "[]"))
    assert broken("a.json", edit("; profile=multiscales", "")) == ["Item fields agree with conventions and store"]
    assert broken("a.json", edit('"int16"', '"int17"'))[0] == "Item is valid STAC 1.1"
    swap = (folder / "data.zarr/1/green/c/0/0").read_bytes()
    assert broken("data.zarr/1/red/c/0/0", lambda file: file.write_bytes(swap)) == ["levels are made of each other"]
    assert validate(folder / "a.json").ok


def test_validation_compares_with_the_ledger(tmp_path: Path) -> None:
    publish(make(tmp_path, "a"), str(tmp_path))
    red = store.open_array(store_href(str(tmp_path), "products", "a"), "0/red")
    entry = {"row": 0, "col": 0, "shape": [512, 400], "checksums": {"MuSQ.SR.30m": {"red": store.checksum(red[:512])}}}
    ledger = tmp_path / "runs" / KEY / "ledger" / "r000c000.json"
    access.write_bytes(str(ledger), json.dumps(entry).encode())
    report = validate(tmp_path / "products/a")
    assert report.ok
    assert report.checks[-1].name == "checksums equal the ledger's"
    entry["checksums"]["MuSQ.SR.30m"]["red"] = "0" * 64
    access.write_bytes(str(ledger), json.dumps(entry).encode())
    assert "red of block r000c000.json is not what was written" in str(validate(tmp_path / "products/a"))
    assert not validate(tmp_path / "products/a").to_dict()["ok"]


def test_validation_wants_a_published_product(tmp_path: Path) -> None:
    make(tmp_path, "a")
    with pytest.raises(StoreError, match="no Item beside it"):
        validate(tmp_path / "products/a/data.zarr")
