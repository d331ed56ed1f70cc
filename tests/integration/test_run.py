"""Runs of small orders: the same pixels every way, and clear answers when something is wrong."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pystac
import pytest

import musyq_cube as mc
from musyq_cube.config import config
from musyq_cube.errors import RunError, StoreError
from musyq_cube.run import cancel, status
from musyq_cube.run.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from musyq_cube.plan import Plan

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


def chunks(item: pystac.Item) -> dict[str, str]:
    """SHA-256 of every chunk of every level of a product."""
    store = Path(str(item.get_self_href())).parent / "data.zarr"
    return {
        str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file() and "/c/" in str(path)
    }


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The chunks of an undisturbed run, by the first test that makes them."""
    return {}


@pytest.mark.parametrize(
    ("plan_options", "run_options"),
    [
        ({"block": 64}, {"workers": 1}),
        ({"block": 128}, {"workers": 2}),
        ({"block": 320}, {"workers": 4}),
    ],
)
def test_the_same_bytes_for_any_block_and_any_number_of_workers(
    order: Callable[..., Plan], reference: dict[str, Any], plan_options: Any, run_options: Any
) -> None:
    item = order(dilate=120.0, **plan_options).run(quiet=True, **run_options)
    found = chunks(item)
    assert found
    assert reference.setdefault("ndvi", found) == found


@pytest.mark.slow
def test_the_same_bytes_from_processes(order: Callable[..., Plan], reference: dict[str, Any]) -> None:
    item = order(dilate=120.0, block=128).run(quiet=True, workers=2, processes=True)
    assert reference.setdefault("ndvi", chunks(item)) == chunks(item)


def test_several_products_are_made_together_and_open(order: Callable[..., Plan]) -> None:
    made = order(["MuSQ.TOA", "MuSQ.NDVI"], every="P1W").run(quiet=True)
    assert isinstance(made, pystac.ItemCollection)
    toa, ndvi = (mc.open(item) for item in list(made)[:2])
    red, nir = toa["red"].values, toa["nir08"].values
    np.testing.assert_allclose(ndvi["ndvi"].values, (nir - red) / (nir + red), atol=2e-3)
    assert {item.collection_id for item in made} == {"MuSQ.TOA.30m", "MuSQ.NDVI.30m"}


def test_the_interactive_way_gives_the_same_pixels(order: Callable[..., Plan]) -> None:
    """Cube, mask, composite and index called one after the other, eager, against the run."""
    plan = order(dilate=120.0)
    item = plan.run(quiet=True)
    cube = mc.cube(plan.scenes, geobox=plan.parts[0].geobox, bands=plan.bands, resampling="nearest", angles=False)
    composite = mc.composite(mc.mask(cube.compute(), dilate=120.0), method="median", period="2020-07")
    expected = mc.products.ndvi(composite.isel(time=0)).ndvi.values
    np.testing.assert_allclose(mc.open(item)["ndvi"].values, expected, atol=5.1e-5)


def test_the_ledger_agrees_with_the_store(order: Callable[..., Plan]) -> None:
    plan = order(["MuSQ.TOA", "MuSQ.NDVI"], block=64)
    for item in plan.run(quiet=True):
        report = mc.validate(item, ledger=f"{plan.run_folder}/ledger")
        assert report.ok, str(report)
        assert "ledger" in str(report)


def test_an_identical_order_returns_the_item_at_once(order: Callable[..., Plan], monkeypatch: Any) -> None:
    first = order().run(quiet=True)
    monkeypatch.setattr("musyq_cube.run.driver.attempt", None)
    again = order(block=128).run(quiet=True)
    assert again.to_dict() == first.to_dict()


def test_ctrl_c_keeps_what_was_done(order: Callable[..., Plan], monkeypatch: Any) -> None:
    plan = order(block=64)
    from musyq_cube.run import driver

    real, count = driver.attempt, iter(range(100))

    def interrupted(task: Any) -> Any:
        if next(count) == 3:
            raise KeyboardInterrupt
        return real(task)

    monkeypatch.setattr(driver, "attempt", interrupted)
    with pytest.raises(RunError, match=r"stopped after \d+ of \d+ blocks.*musyq run .*plan\.json"):
        plan.run(quiet=True, workers=1)
    monkeypatch.setattr(driver, "attempt", real)
    done = Ledger(plan.run_folder).done()
    assert len(done) == 3
    assert not list(Path(plan.request.out).glob("MuSQ*/*/*.json"))
    plan.run(quiet=True)
    assert status(plan.run_folder)["state"] == "done"


def test_cancel_from_elsewhere(order: Callable[..., Plan], monkeypatch: Any) -> None:
    plan = order(block=64)
    from musyq_cube.run import driver

    real = driver.attempt

    def cancelling(task: Any) -> Any:
        cancel(f"{plan.run_folder}/plan.json")
        return real(task)

    monkeypatch.setattr(driver, "attempt", cancelling)
    with pytest.raises(RunError, match="cancelled after"):
        plan.run(quiet=True, workers=1)
    assert status(plan.run_folder)["state"] == "cancelled"
    monkeypatch.setattr(driver, "attempt", real)
    plan.run(quiet=True)


def spoil(scenes: list[Any], count: int) -> list[Any]:
    """Return scenes of which some point to files that are not there."""
    bands = [tuple((n, _lost(s)) for n, s in scene.bands) for scene in scenes[:count]]
    return [scene.replace(bands=b) for scene, b in zip(scenes, bands, strict=False)] + scenes[count:]


def _lost(source: Any) -> Any:
    import dataclasses

    return dataclasses.replace(source, href=source.href + ".lost")


def test_a_lost_scene_degrades_the_product_and_is_named(order: Callable[..., Plan], scenes: list[Any]) -> None:
    with config.set({"run.failure_budget": 0.2, "read.retries": 0}):
        item = order(scenes=spoil(scenes, 1)).run(quiet=True)
    assert item.properties["musyq:quality"] == "degraded"
    assert {failure["scene"] for failure in item.properties["musyq:failures"]} == {scenes[0].id}


def test_the_product_of_a_lost_scene_is_that_of_the_others(
    order: Callable[..., Plan], scenes: list[Any], tmp_path: Path
) -> None:
    with config.set({"run.failure_budget": 0.2, "read.retries": 0}):
        item = order(scenes=spoil(scenes, 1), dilate=120.0).run(quiet=True)
    box = order(scenes=spoil(scenes, 1)).parts[0].geobox
    cube = mc.cube(scenes[1:], geobox=box, bands=("red", "nir08"), resampling="nearest", angles=False)
    composite = mc.composite(mc.mask(cube.compute(), dilate=120.0), method="median", period="2020-07")
    np.testing.assert_array_equal(mc.open(item)["count"].values, composite["count"].isel(time=0).values)


def test_too_many_lost_scenes_publish_nothing(order: Callable[..., Plan], scenes: list[Any]) -> None:
    plan = order(scenes=spoil(scenes, 4))
    with config.set({"read.retries": 0}), pytest.raises(RunError, match=r"4 of 8 scenes could not be read"):
        plan.run(quiet=True)
    assert not list(Path(plan.request.out).glob("MuSQ*/*/*.json"))


def test_on_error_raise_names_scene_and_block(order: Callable[..., Plan], scenes: list[Any]) -> None:
    plan = order(scenes=spoil(scenes, 1), on_error="raise")
    with config.set({"read.retries": 0}), pytest.raises(RunError, match=r"block all_2020-07.*read.*d0s0"):
        plan.run(quiet=True)
    state = status(plan.run_folder)
    assert state["state"] == "failed"
    assert state["errors"][0]["step"] == "read"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(order: Callable[..., Plan], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(StoreError, match=r"out"):
        order().run(quiet=True)


def test_a_file_in_the_place_of_the_folder_is_named(order: Callable[..., Plan], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(StoreError, match=r"out"):
        order().run(quiet=True)


def test_a_full_disk_ends_the_run_and_publishes_nothing(order: Callable[..., Plan], monkeypatch: Any) -> None:
    from musyq_cube.run import block

    lock, calls = threading.Lock(), []

    def full(url: str, *_: Any) -> Any:
        with lock:
            calls.append(url)
        raise OSError(28, "No space left on device", url)

    plan = order(block=64)
    monkeypatch.setattr(block, "write_block", full)
    with pytest.raises(StoreError, match=r"No space left.*data\.zarr"):
        plan.run(quiet=True, workers=1)
    assert len(calls) == 1
    assert not list(Path(plan.request.out).glob("MuSQ*/*/*.json"))
