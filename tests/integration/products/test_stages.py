"""Orders of several stages: planned as a tree, run, and reused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

import musyq_cube as mc
from musyq_cube.plan import Plan
from musyq_cube.plan.remaining import tasks_left
from musyq_cube.plan.tree import tree

if TYPE_CHECKING:
    from collections.abc import Callable


def test_temperature_waits_for_emissivity_and_reads_the_reanalysis(order: Callable[..., Plan]) -> None:
    plan = order("MuSQ.LST")
    assert [stage.over for stage in plan.stages] == ["composite", "observations"]
    assert [step.product for step in plan.before[0].steps] == ["MuSQ.NDVI.30m", "MuSQ.LSE.30m"]
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    text = "\n".join(" ".join(row) for row in tree(plan))
    assert "single_channel" in text
    assert "not split_window" in text
    item = plan.run(quiet=True)
    ds = mc.open(item).load()
    assert item.properties["musyq:product"] == "MuSQ.LST.30m"
    assert 295 < float(ds.lst.median()) < 320
    assert int(ds["count"].max()) == 3
    assert np.isnan(ds.lst.values[:15, :15]).all()
    assert tasks_left(plan) == 0
