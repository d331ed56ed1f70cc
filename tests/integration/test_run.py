"""Runs of small orders: the same pixels every way, and clear answers when something is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
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
from musyq_cube.scene import Scene

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
def reference(scenes: list[Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The chunks of one run, block by block in one thread, that all the others must give."""
    settings: dict[str, Any] = {"grid": "utm-30m", "chunk": 64, "block": 64, "method": "median", "dilate": 120.0}
    out = str(tmp_path_factory.mktemp("reference"))
    plan = mc.plan("MuSQ.NDVI", None, "2020-07", scenes=scenes, resampling="nearest", workers=2, out=out, **settings)
    found = chunks(plan.run(quiet=True, workers=1))
    assert found
    return found


@pytest.mark.parametrize(
    ("plan_options", "run_options"),
    [
        ({"block": 64}, {"workers": 2}),
        ({"block": 128}, {"workers": 2}),
        ({"block": 320}, {"workers": 4}),
    ],
)
def test_the_same_bytes_for_any_block_and_any_number_of_workers(
    order: Callable[..., Plan], reference: dict[str, str], plan_options: Any, run_options: Any
) -> None:
    assert chunks(order(dilate=120.0, **plan_options).run(quiet=True, **run_options)) == reference


@pytest.mark.slow
def test_the_same_bytes_from_processes(order: Callable[..., Plan], reference: dict[str, str]) -> None:
    assert chunks(order(dilate=120.0, block=128).run(quiet=True, workers=2, processes=True)) == reference


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
    done = Ledger(plan.run_folder).done()
    assert len(done) == 3
    assert not list(Path(plan.request.out).glob("MuSQ*/*/*.json"))
    again = counted(monkeypatch, real)
    plan.run(quiet=True)
    assert status(plan.run_folder)["state"] == "done"
    assert sorted(again) == sorted({block.id for block in plan.blocks()} - done)


def counted(monkeypatch: Any, real: Any) -> list[str]:
    """Return the list that will hold the blocks a run makes."""
    made: list[str] = []

    def note(task: Any) -> Any:
        made.append(task.id)
        return real(task)

    monkeypatch.setattr("musyq_cube.run.driver.attempt", note)
    return made


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
    with config.set({"read.retries": 0}), pytest.raises(RunError, match=r"4 of 8 scenes could not be read.*again.*run"):
        plan.run(quiet=True)
    assert not list(Path(plan.request.out).glob("MuSQ*/*/*.json"))


def hide(scene: Any) -> list[tuple[Path, Path]]:
    """Move the files of a scene away."""
    moved = [(Path(source.href), Path(source.href + ".away")) for _, source in scene.bands]
    for here, away in moved:
        here.rename(away)
    return moved


@pytest.fixture
def archive(scenes: list[Any], tmp_path: Path) -> list[Any]:
    """Copies of the scenes for this test alone, whose files may be moved."""
    shared, own = Path(scenes[0].bands[0][1].href).parent, tmp_path / "archive"
    shutil.copytree(shared, own)
    return [Scene.from_dict(json.loads(json.dumps(s.to_dict()).replace(str(shared), str(own)))) for s in scenes]


def test_a_refused_run_makes_the_blocks_again_when_the_scenes_are_back(
    order: Callable[..., Plan], archive: list[Any], reference: dict[str, str], monkeypatch: Any
) -> None:
    from musyq_cube.run import driver

    plan = order(scenes=archive, dilate=120.0, block=64)
    moved = [pair for scene in archive[:4:2] for pair in hide(scene)]
    with config.set({"read.retries": 0}), pytest.raises(RunError, match="2 of 8 scenes could not be read"):
        plan.run(quiet=True)
    state = status(plan.run_folder)
    assert state["state"] == "failed"
    assert 0 < state["failed"] < plan.task_count
    for here, away in moved:
        away.rename(here)
    made = counted(monkeypatch, driver.attempt)
    item = plan.run(quiet=True)
    assert len(made) == state["failed"]
    assert item.properties["musyq:quality"] == "complete"
    assert status(plan.run_folder)["state"] == "done"
    assert chunks(item) == reference


def test_a_degraded_item_that_is_deleted_is_made_again_with_all_scenes(
    order: Callable[..., Plan], archive: list[Any], reference: dict[str, str]
) -> None:
    plan = order(scenes=archive, dilate=120.0, block=64)
    moved = hide(archive[0])
    with config.set({"run.failure_budget": 0.2, "read.retries": 0}):
        item = plan.run(quiet=True)
    assert item.properties["musyq:quality"] == "degraded"
    for here, away in moved:
        away.rename(here)
    Path(str(item.get_self_href())).unlink()
    again = plan.run(quiet=True)
    assert again.properties["musyq:quality"] == "complete"
    assert chunks(again) == reference
    parts = sorted(Path(plan.request.out).glob("MuSQ*/items/*.parquet"))
    assert len(parts) == 2  # the last row of an id is the valid one


def test_what_another_run_is_writing_is_not_swept(tmp_path: Path) -> None:
    from musyq_cube.run.publish import sweep

    for name in ("old.partial", "new.partial", "kept"):
        (tmp_path / name).write_bytes(b"")
    os.utime(tmp_path / "old.partial", (1000, 1000))
    sweep(str(tmp_path), 2000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "new.partial"]
    sweep("s3://no-such-bucket/x", 2000)


def test_a_plan_is_saved_and_loaded_from_any_store(order: Callable[..., Plan]) -> None:
    from musyq_cube.errors import PlanError
    from musyq_cube.plan import Plan

    plan = order()
    assert Plan.load(plan.save("memory://plans/a/plan.json")) == plan
    with pytest.raises(PlanError, match="there is no such plan"):
        Plan.load("memory://plans/b.json")


@pytest.mark.slow
def test_ctrl_c_with_processes_is_quiet(order: Callable[..., Plan], tmp_path: Path) -> None:
    """A terminal sends Ctrl-C to the whole group: only the run itself answers."""
    plan = order(block=64)
    path = plan.save(tmp_path / "plan.json")
    code = "import sys; from musyq_cube.cli import main; main(sys.argv[1:])"
    words = [sys.executable, "-W", "ignore", "-c", code, "run", str(path), "--processes", "-w", "2", "--json"]
    with subprocess.Popen(
        words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as p:
        limit = time.monotonic() + 90
        while not Ledger(plan.run_folder).done() and time.monotonic() < limit and p.poll() is None:
            time.sleep(0.005)
        os.killpg(p.pid, signal.SIGINT)
        _, said = p.communicate(timeout=60)
    assert "Traceback" not in said
    assert p.returncode == 0 or "stopped after" in said


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
