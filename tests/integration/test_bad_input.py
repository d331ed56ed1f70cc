"""Bad input and bad disks, through the real plan and run: what is said, and what is there afterwards."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr.storage._local as local_store
from odc.geo.geobox import GeoBox

import musyq_cube as mc
from musyq_cube.catalog import storage
from musyq_cube.config import config
from musyq_cube.errors import MusyqError, PlanError, RunError, StoreError
from musyq_cube.store import access
from musyq_cube.testing import outline, serve, write_cog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pystac

    from musyq_cube.plan import Plan

SIZE = 96
BOX = GeoBox.from_bbox(
    (600_000, 5_700_000 - SIZE * 10, 600_000 + SIZE * 10, 5_700_000), "EPSG:32631", shape=(SIZE, SIZE)
)
REGION = tuple(outline(BOX.pad(-8)).bounds)


def make_item(folder: Path, day: int) -> dict[str, Any]:
    """Write one small Sentinel-2 scene; returns its Item as Earth Search writes it."""
    rng = np.random.default_rng(day)
    name, encoding = f"S2A_31UFS_202306{day:02d}_0_L2A", [{"data_type": "uint16", "nodata": 0, "scale": 0.0001}]
    transform = [float(v) for v in BOX.affine[:6]]
    assets: dict[str, Any] = {}
    for key in ("red", "nir", "scl"):
        clear = key == "scl"
        pixels = np.full((SIZE, SIZE), 4, "uint8") if clear else rng.integers(1100, 5000, (SIZE, SIZE)).astype("uint16")
        path = write_cog(folder / f"{name}_{key}.tif", pixels, BOX, nodata=0, overviews=False)
        assets[key] = {"href": str(path), "proj:shape": [SIZE, SIZE], "proj:transform": transform}
        assets[key]["raster:bands"] = [{"nodata": 0, "data_type": "uint8"}] if clear else encoding
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-2-l2a", "links": [],
        "geometry": outline(BOX).__geo_interface__, "bbox": list(outline(BOX).bounds), "assets": assets,
        "properties": {
            "datetime": f"2023-06-{day:02d}T10:56:31Z", "platform": "sentinel-2a", "instruments": ["msi"],
            "eo:cloud_cover": 0.0, "proj:epsg": 32631, "s2:processing_baseline": "05.09",
        },
    }  # fmt: skip


@pytest.fixture
def items(tmp_path: Path) -> list[dict[str, Any]]:
    """Three good Items."""
    (tmp_path / "scenes").mkdir()
    return [make_item(tmp_path / "scenes", day) for day in (2, 12, 22)]


@pytest.fixture
def order(tmp_path: Path) -> Callable[..., Plan]:
    """Plan NDVI of Items, through a catalogue file."""

    def make(items: list[dict[str, Any]], region: Any = REGION, out: Path | None = None, **options: Any) -> Plan:
        catalog = tmp_path / "items.geojson"
        catalog.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
        settings = {"grid": "utm-10m", "chunk": 64, "block": 64, "method": "median", "resampling": "nearest"}
        where = {"catalog": str(catalog), "out": str(out or tmp_path / "out")}
        return mc.plan("MuSQ.NDVI", region, "2023-06", workers=1, **where, **settings, **options)

    return make


@pytest.fixture(autouse=True)
def patient() -> Iterator[None]:
    """A third of the scenes may be lost, and nobody waits for them."""
    with config.set({"run.failure_budget": 0.4, "read.retries": 0}):
        yield


def published(item: pystac.Item) -> None:
    """Assert that a product is complete: valid, and reached from collection, catalogue and table."""
    assert mc.validate(item).ok, str(mc.validate(item))
    folder = Path(str(item.get_self_href())).parents[1]
    collection = json.loads((folder / "collection.json").read_text())
    assert f"./{item.id}/{item.id}.json" in [link["href"] for link in collection["links"] if link["rel"] == "item"]
    catalog = json.loads((folder.parent / "catalog.json").read_text())
    assert f"./{folder.name}/collection.json" in [link["href"] for link in catalog["links"]]
    assert [found.id for found in mc.open_catalog(str(folder / "items")).search_items()] == [item.id]


def truncated(item: dict[str, Any]) -> None:
    path = Path(item["assets"]["red"]["href"])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lost(item: dict[str, Any]) -> None:
    item["assets"]["red"]["href"] += ".lost"


def no_image(item: dict[str, Any]) -> None:
    Path(item["assets"]["nir"]["href"]).write_text("<!DOCTYPE html><html>Please sign in</html>")


@pytest.mark.parametrize("spoil", [truncated, lost, no_image])
def test_a_bad_file_degrades_the_product_and_is_named(items: Any, order: Callable[..., Plan], spoil: Any) -> None:
    spoil(items[0])
    item = order(items).run(quiet=True)
    assert item.properties["musyq:quality"] == "degraded"
    assert {failure["scene"] for failure in item.properties["musyq:failures"]} == {items[0]["id"]}
    assert mc.open(item)["count"].values.max() == 2
    published(item)


@pytest.mark.parametrize("spoil", [truncated, lost, no_image])
def test_only_bad_files_publish_nothing(items: Any, order: Callable[..., Plan], spoil: Any, tmp_path: Path) -> None:
    for item in items:
        spoil(item)
    with pytest.raises(RunError, match=r"3 of 3 scenes could not be read.*S2A_31UFS_202306.*Nothing was published"):
        order(items).run(quiet=True)
    assert not list(tmp_path.glob("out/MuSQ*/*/*.json"))


def test_a_sign_in_page_instead_of_an_image(items: Any, order: Callable[..., Plan], tmp_path: Path) -> None:
    with serve(tmp_path / "scenes") as server:
        name = Path(items[0]["assets"]["red"]["href"]).name
        items[0]["assets"]["red"]["href"] = f"{server.url}/{name}"
        server.fail(name, "html", times=100)
        item = order(items).run(quiet=True)
    (failure,) = item.properties["musyq:failures"]
    assert (failure["scene"], failure["band"]) == (items[0]["id"], "red")
    published(item)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("EPSG:999999", "proj:code is missing or unusable: there is no CRS EPSG:999999"),
        ("EPSG:32650", "its footprint reaches the region but its pixel grid does not: check proj:code"),
    ],
)
def test_a_wrong_crs_leaves_the_scene_out_with_the_reason(
    items: Any, order: Callable[..., Plan], code: str, reason: str
) -> None:
    items[0]["properties"] |= {"proj:code": code}
    plan = order(items)
    assert len(plan.scenes) == 2
    (left,) = plan.left_out
    assert left.scene == items[0]["id"]
    assert reason in left.reason
    item = plan.run(quiet=True)
    assert item.properties["musyq:quality"] == "complete"
    assert len(item.properties["musyq:left_out"]) == 1
    assert items[0]["id"] not in json.dumps(item.properties["musyq:left_out"])


def test_nothing_but_wrong_crs_is_refused(items: Any, order: Callable[..., Plan]) -> None:
    for item in items:
        item["properties"] |= {"proj:code": "EPSG:32650"}
    with pytest.raises(PlanError, match="check proj:code and proj:transform"):
        order(items)


def test_an_item_without_the_band_is_left_out(items: Any, order: Callable[..., Plan]) -> None:
    del items[0]["assets"]["nir"]
    plan = order(items)
    assert [left.scene for left in plan.left_out] == [items[0]["id"]]
    assert "has no band nir" in plan.left_out[0].reason


def test_an_item_without_any_band_is_left_out(items: Any, order: Callable[..., Plan]) -> None:
    items[0]["assets"] = {}
    plan = order(items)
    assert [left.scene for left in plan.left_out] == [items[0]["id"]]
    assert plan.left_out[0].reason


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ((4.5, 51.4, 4.5, 51.4), "has no area"),
        ((30.0, 10.0, 30.1, 10.1), "no scene for the period 2023-06 and the region"),
        ((6.5, 51.4, 6.6, 51.5), "no scene over the region.*degrees away"),
    ],
)
def test_regions_where_nothing_can_be_made(items: Any, order: Callable[..., Plan], region: Any, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        order(items, region=region)


def test_an_output_without_a_name_is_refused(items: Any, order: Callable[..., Plan]) -> None:
    with pytest.raises(PlanError, match="name a folder or s3://bucket"):
        order(items, out="s3://")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount small memory disks, where this machine lets us."""
    made: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"disk{len(made)}"
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount command")
        if done.returncode:
            pytest.skip(f"this user may not mount a disk: {done.stderr.strip()}")
        made.append(folder)
        return folder

    yield mount
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def test_a_read_only_folder_is_named(
    items: Any, order: Callable[..., Plan], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if os.geteuid() == 0:  # root may write into any folder, but not onto a read-only disk
        out = request.getfixturevalue("mounted")("size=1m,ro")
    else:
        out = tmp_path / "out"
        out.mkdir(mode=0o500)
    with pytest.raises(StoreError, match=out.name):
        order(items, out=out).run(quiet=True)


def test_a_published_product_on_a_read_only_disk_is_returned(
    items: Any, order: Callable[..., Plan], mounted: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    out = mounted("size=20m")
    plan = order(items, out=out)
    first = plan.run(quiet=True)
    remount(out, "ro")
    assert plan.run(quiet=True).id == first.id
    assert not caplog.records
    remount(out, "rw")
    (out / "catalog.json").unlink()
    remount(out, "ro")
    assert plan.run(quiet=True).id == first.id
    assert "published but not listed yet" in caplog.text
    remount(out, "rw")
    published(plan.run(quiet=True))


def test_a_disk_that_fills_up_and_gets_more_room(
    items: Any, order: Callable[..., Plan], mounted: Callable[..., Path]
) -> None:
    out = mounted("size=48k")
    plan = order(items, out=out)
    with pytest.raises(StoreError, match="No space left"):
        plan.run(quiet=True)
    remount(out, "size=20m")
    published(plan.run(quiet=True))


class Disk:
    """Every lowest write goes through here; the one of a given number, and all after it, find the disk full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes = 0
        self.full_at = 10**9
        for owner, name in ((access, "_temporary"), (local_store, "_put"), (storage, "write_bytes")):
            monkeypatch.setattr(owner, name, self._limited(getattr(owner, name)))

    def _limited(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def limited(*words: Any, **named: Any) -> Any:
            self.writes += 1
            if self.writes >= self.full_at:
                raise OSError(errno.ENOSPC, "No space left on device", str(words[0]))
            return write(*words, **named)

        return limited


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk of this test."""
    return Disk(monkeypatch)


def test_a_disk_full_at_any_write_loses_nothing(
    items: Any, order: Callable[..., Plan], disk: Disk, tmp_path: Path
) -> None:
    """Every one of the last writes, from the last blocks on to the marker; and some before."""
    plan = order(items, out=tmp_path / "whole")
    published(plan.run(quiet=True, workers=1))
    total = disk.writes
    after_item = 0
    for number in (1, total // 2, *range(total - 5, total + 1)):
        plan = order(items, out=tmp_path / f"full{number}")
        disk.writes, disk.full_at = 0, number
        with pytest.raises(MusyqError, match="No space left") as caught:
            plan.run(quiet=True, workers=1)
        there = Path(plan.outputs[0].href).exists()
        after_item += there
        assert ("published but not listed yet" in str(caught.value)) == there
        disk.full_at = 10**9
        item = plan.run(quiet=True, workers=1)
        assert item.properties["musyq:quality"] == "complete"
        published(item)
    assert after_item == 4  # collection, catalogue, table and marker
