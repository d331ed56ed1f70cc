"""
The twin-sensor loop through files: simulate, register, characterize, normalize, compare.

The simulator shares no table with the normalization: its air is a closed form (no 6S, no gases), its directions,
spectra, shifts and gains are its own. Gases are the largest thing between them: the correction of water vapour, ozone
and oxygen that are not there has to be undone by calibration. One archive of two weeks stands for all here; others
give 0.007–0.012 and 19–65 % of before, and the spectral step is worth nothing in some (``benchmarks/ablation.py``).
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import musyq_cube as mc
from musyq_cube.testing import load_truth

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")]


@pytest.fixture(scope="module")
def ablation() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "ablation.py"
    spec = importlib.util.spec_from_file_location("ablation", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ablation"] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(ablation: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("twins")
    catalog = ablation.archive(folder, period="2017-07-06/2017-07-20", size=6000.0)
    table = ablation.Comparison(mc.search(catalog), load_truth(folder), "utm-60m").table()
    print(ablation.markdown(table, "utm-60m"))  # noqa: T201  the evidence, shown when something fails
    return {row.label: row for row in table}


def test_sensors_agree_after_normalization(rows: dict[str, Any]) -> None:
    """RMSD over all bands about 0.01 reflectance, and less than half of what it was."""
    before, after = rows["none"], rows["all"]
    assert after.count > 10_000
    assert after.all < 0.011
    assert after.all < 0.5 * before.all
    assert all(abs(bias) < 0.005 for bias in after.bias)


@pytest.mark.parametrize("step", ["geometric", "calibration", "atmosphere", "direction", "spectral"])
def test_every_step_contributes(rows: dict[str, Any], step: str) -> None:
    assert rows[f"all but {step}"].all > 1.1 * rows["all"].all
