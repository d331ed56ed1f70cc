from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from musyq_cube.cli import main
from musyq_cube.errors import PlanError

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = sorted(main.commands)
GROUPS = {"luts": "luts build"}


def musyq(*words: str) -> Any:
    return CliRunner().invoke(main, list(words))


def test_every_command_of_the_design_is_there() -> None:
    wanted = "cancel demo doctor grids luts normalize open plan products register run search sensors status validate"
    assert wanted.split() == COMMANDS


@pytest.mark.parametrize(("flags", "count"), [((), 0), (("--normalize",), 5), (("--topography",), 6)])
def test_topography_is_the_sixth_step(monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], count: int) -> None:
    from musyq_cube.plan.make import _steps

    def tell(*, normalize: Any, **order: Any) -> None:
        raise PlanError(f"{len(_steps(normalize))} steps")

    monkeypatch.setattr(sys.modules["musyq_cube.plan"], "plan", tell)
    result = musyq("plan", "-p", "MuSQ.SR.30m", "-c", "catalog", "-t", "2018", *flags)
    assert f"error: {count} steps" in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_json(command: str) -> None:
    command = GROUPS.get(command, command)
    text = musyq(*command.split(), "--help").output
    assert "Example: musyq " + command in text
    assert "--json" in text


@pytest.mark.parametrize(
    "words", [["products"], ["products", "MuSQ.NDVI.30m"], ["grids"], ["sensors"], ["sensors", "landsat8-oli"]]
)
def test_lists_print_for_people_and_machines(words: list[str]) -> None:
    assert musyq(*words).exit_code == 0
    assert json.loads(musyq(*words, "--json").output)


def test_wrong_usage_is_2_and_failure_1_with_one_line(tmp_path: Path) -> None:
    assert musyq("plan").exit_code == 2
    assert musyq("search").exit_code == 2
    result = musyq("products", "MuSQ.NDVY")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "did you mean MuSQ.NDVI" in result.stderr
    assert musyq("status", str(tmp_path)).exit_code == 1
    assert musyq("run", str(tmp_path / "no.json")).exit_code == 1


def test_a_saved_plan_takes_no_order_beside_it() -> None:
    result = musyq("run", "plan.json", "--dilate", "60", "-o", "elsewhere")
    assert result.exit_code == 2
    assert "plan.json is the whole order; --dilate, --out cannot change it" in " ".join(result.stderr.split())


def test_debug_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSYQ_DEBUG", "1")
    assert musyq("products", "MuSQ.NDVY").exception.__class__.__name__ == "PlanError"


def test_doctor_names_the_fix(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = musyq("doctor", "--out", str(tmp_path / "file" / "products"), "--json")
    bad = [finding for finding in json.loads(result.output) if not finding["ok"] and finding["needed"]]
    assert result.exit_code == 1
    assert len(bad) == 1
    assert "choose another folder" in bad[0]["fix"]
    assert musyq("doctor", "--out", str(tmp_path)).exit_code == 0


def test_help_is_fast_because_nothing_heavy_is_imported() -> None:
    code = "import sys, musyq_cube.cli; print([m for m in ('numpy', 'rich', 'pystac', 'xarray') if m in sys.modules])"
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
    assert time.perf_counter() - began < 10
