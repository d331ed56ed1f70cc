"""Orders of several stages: planned as a tree, run, and reused."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import musyq_cube as mc
from musyq_cube.errors import PlanError, RunError
from musyq_cube.plan import Plan
from musyq_cube.plan.explain import sections
from musyq_cube.plan.remaining import tasks_left
from musyq_cube.plan.tree import tree
from musyq_cube.run import evaluate, status

if TYPE_CHECKING:
    from collections.abc import Callable


def test_temperature_waits_for_emissivity_and_reads_the_reanalysis(order: Callable[..., Plan]) -> None:
    plan = order("MuSQ.LST")
    assert [stage.over for stage in plan.stages] == ["composite", "observations"]
    assert [step.product for step in plan.before[0].steps] == ["MuSQ.NDVI.30m", "MuSQ.LSE.30m"]
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    text = "\n".join(" ".join(row) for row in tree(plan))
    assert "split_window_tirs" in text
    assert "not split_window: has coefficients for" in text
    item = plan.run(quiet=True)
    ds = mc.open(item).load()
    assert item.properties["musyq:product"] == "MuSQ.LST.30m"
    assert 295 < float(ds.lst.median()) < 320
    assert int(ds["count"].max()) == 3
    assert np.isnan(ds.lst.values[:15, :15]).all()
    assert tasks_left(plan) == 0


def test_evapotranspiration_is_a_tree_and_leaves_intermediates_for_the_next_order(order: Callable[..., Plan]) -> None:
    """The second order, for temperature, has no task left: what the first made on its way is there."""
    plan = order("MuSQ.ET")
    made = {step.recipe.name for stage in plan.stages for step in stage.steps}
    assert {f"MuSQ.{name}" for name in ("ET", "LE", "NSR", "LST", "LSE", "LSA", "DSR", "DLR", "SR", "NDVI")} <= made
    rows = tree(plan)
    assert all(row[2] for row in rows), "every node says why"
    assert tasks_left(plan) > 0
    item = plan.run(quiet=True)
    assert item.properties["musyq:product"] == "MuSQ.ET.30m"
    assert "musyq:role" not in item.properties
    second = order("MuSQ.LST")
    assert tasks_left(second) == 0
    assert "0 of" in str(dict(sections(second))["work"][0])
    again = second.run(quiet=True)
    assert again.properties["musyq:role"] == "intermediate"
    assert again.properties["expires"]


def chunks(item: Any) -> dict[str, str]:
    """SHA-256 of every chunk of every level of a product."""
    store = Path(str(item.get_self_href())).parent / "data.zarr"
    files = [path for path in sorted(store.rglob("*")) if path.is_file() and "/c/" in str(path)]
    return {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("product", ["MuSQ.NSR", "MuSQ.TVDI", "MuSQ.TCANOPY", "MuSQ.BRDF"])
def test_the_same_bytes_for_any_block(product: str, order: Callable[..., Plan], tmp_path: Path) -> None:
    whole = chunks(order(product, chunk=32, block=128, out=str(tmp_path / "a")).run(quiet=True, workers=1))
    cut = chunks(order(product, chunk=32, block=32, out=str(tmp_path / "b")).run(quiet=True, workers=2))
    assert whole
    assert whole == cut


def test_a_stopped_order_goes_on_where_it_was(order: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    plan = order("MuSQ.NSR")
    real = evaluate.of_observations
    calls: list[int] = []

    def stop(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr("musyq_cube.run.block.of_observations", stop)
    with pytest.raises(RunError, match=plan.run_folder):
        plan.run(quiet=True, workers=1)
    assert status(plan.run_folder)["state"] == "running"
    monkeypatch.undo()
    left = tasks_left(plan)
    assert 0 < left < sum(stage.task_count for stage in plan.stages)
    plan.run(quiet=True)
    found = status(plan.run_folder)
    assert (found["state"], found["done"]) == ("done", found["blocks"])


def test_an_order_without_reanalysis_is_refused_with_what_is_missing(order: Callable[..., Plan], archive: Any) -> None:
    scenes = [scene for scene in archive if scene.quantity != "ancillary"]
    with pytest.raises(PlanError, match=r"shortwave_down.*musyq register.*can be made of these scenes: .*MuSQ"):
        order("MuSQ.ET", scenes=scenes)


def test_a_series_that_is_too_short_is_refused(order: Callable[..., Plan]) -> None:
    with pytest.raises(PlanError, match="order a longer period"):
        order("MuSQ.PHENO")


def test_an_algorithm_can_be_asked_for(order: Callable[..., Plan]) -> None:
    plan = order("MuSQ.LST", algorithms={"MuSQ.LST": "smw"})
    assert plan.step("MuSQ.LST.30m").algorithm == "smw"
    assert plan.key != order("MuSQ.LST").key
    with pytest.raises(PlanError, match="no algorithm 'magic'"):
        order("MuSQ.LST", algorithms={"MuSQ.LST": "magic"})


def test_an_intermediate_that_was_removed_is_made_again(order: Callable[..., Plan]) -> None:
    """They are meant to expire; the ledger of the run that made them may outlive them."""
    order("MuSQ.TVDI").run(quiet=True)
    lst = order("MuSQ.LST")
    shutil.rmtree(Path(lst.delivered()[0].folder))
    assert tasks_left(order("MuSQ.TVDI")) == 0, "what was ordered is there"
    assert tasks_left(lst) > 0
    assert np.isfinite(mc.open(lst.run(quiet=True)).lst.values).any()


def test_a_product_is_the_same_whatever_is_ordered_with_it(order: Callable[..., Plan], tmp_path: Path) -> None:
    alone = order("MuSQ.NSR", out=str(tmp_path / "a"))
    beside = order(["MuSQ.LST", "MuSQ.EVI", "MuSQ.NSR"], out=str(tmp_path / "b"), method="median")
    mine = {output.product: output.key for output in alone.delivered()}
    theirs = {output.product: output.key for output in beside.delivered()}
    assert theirs["MuSQ.NSR.30m"] == mine["MuSQ.NSR.30m"]
    assert beside.key != alone.key
    made = {item.properties["musyq:product"]: item for item in beside.run(quiet=True)}
    assert chunks(made["MuSQ.NSR.30m"]) == chunks(alone.run(quiet=True))


def test_all_stages_are_on_one_grid(order: Callable[..., Plan]) -> None:
    plan = order(["MuSQ.DLR", "MuSQ.NSR"])
    assert len({part.grid for stage in plan.stages for part in stage.parts}) == 1


def test_a_series_takes_no_composite_of_the_whole_period(year: Any, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"scenes": year, "grid": "utm-30m", "chunk": 64, "out": str(tmp_path), "workers": 2}
    alone = mc.plan("MuSQ.PHENO", None, "2020", **settings)
    beside = mc.plan(["MuSQ.NDVI", "MuSQ.PHENO"], None, "2020", method="median", **settings)
    keys = [{output.product: output.key for output in plan.delivered()} for plan in (alone, beside)]
    assert keys[0]["MuSQ.PHENO.30m"] == keys[1]["MuSQ.PHENO.30m"]


def test_periods_without_weather_are_left_out_and_said(order: Callable[..., Plan], archive: Any) -> None:
    early = [s for s in archive if s.quantity != "ancillary" or s.is_static or s.time.day < 8]
    plan = order("MuSQ.LST", every="P8D", scenes=early)
    assert [part.period.label for part in plan.parts] == ["2020-07-01_P8D"]
    assert any("for want of inputs" in note for note in plan.notes)
