"""Normalization applied, lazily and in runs: the same pixels every way, with their proof."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pystac
import pytest

import musyq_cube as mc
from musyq_cube.errors import RunError

from .conftest import BANDS, PERIOD, by_sensor, lazy

if TYPE_CHECKING:
    from collections.abc import Callable

    import pystac.validation
    import xarray as xr

    from musyq_cube.plan import Plan
    from musyq_cube.scene import Scene

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


def test_the_cube_knows_the_air(scenes: list[Scene], native: xr.Dataset) -> None:
    seen = (native["qa"] & 1) == 0
    for name, low, high in (("aod", 0.0, 1.5), ("tcwv", 0.1, 7.0), ("ozone", 0.2, 0.5), ("elevation", -0.5, 9.0)):
        values = native[name]
        assert values.dims == ("time", "y", "x")
        assert values.dtype == np.float32
        assert not bool((values.isnull() & seen).any()), name
        inside = values.values[seen.values]
        assert low <= inside.min() <= inside.max() <= high, name
    assert "aod" not in lazy(scenes, corrections=("geometric", "calibration"))


def same(one: xr.Dataset, other: xr.Dataset) -> None:
    assert set(one.data_vars) == set(other.data_vars)
    for name in one.data_vars:
        assert one[name].dtype == other[name].dtype
        assert one[name].values.tobytes() == other[name].values.tobytes(), name


def test_normalize_is_lazy_and_the_same_in_any_chunks(scenes: list[Scene], native: xr.Dataset) -> None:
    made = mc.normalize(lazy(scenes))
    assert all(made[band].chunks is not None for band in BANDS)
    whole = mc.normalize(native)  # numpy
    assert all(whole[band].chunks is None for band in BANDS)
    same(made.compute(), whole)
    for block in (32, 512):
        same(mc.normalize(lazy(scenes, block)).compute(), whole)
    assert set(whole["quantity"].values) == {"nbar"}
    assert "aod" not in whole
    assert whole.attrs["reference"] == "landsat8-oli"
    assert whole["blue"].attrs["standard_name"] == "surface_bidirectional_reflectance"


def test_steps_change_what_they_should(native: xr.Dataset) -> None:
    clear = mc.mask(native, dilate=150.0)
    air = mc.normalize(clear, ("atmosphere",))
    full = mc.normalize(clear)
    assert set(air["quantity"].values) == {"sr"}
    darker = float(air["blue"].median()), float(clear["blue"].median())
    assert darker[0] < darker[1]
    own = full.isel(time=full["sensor"].values == "landsat8-oli")
    turned = mc.normalize(clear, ("atmosphere", "direction"))
    same(own.drop_attrs(), turned.isel(time=turned["sensor"].values == "landsat8-oli").drop_attrs())


def chunks(item: pystac.Item) -> dict[str, str]:
    """SHA-256 of every chunk of every level of a product, and of its certificate."""
    folder = Path(str(item.get_self_href())).parent
    files = [path for path in sorted((folder / "data.zarr").rglob("*")) if path.is_file() and "/c/" in str(path)]
    files.append(folder / "certificate.json")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(("block", "workers"), [(64, 2), (128, 3)])
def test_the_same_bytes_and_the_same_certificate_in_any_block(
    order: Callable[..., Plan], reference: pystac.Item, block: int, workers: int
) -> None:
    item = order(block=block).run(quiet=True, workers=workers)
    assert chunks(item) == chunks(reference)
    assert item.properties["musyq:certificate"] == reference.properties["musyq:certificate"]


@pytest.mark.slow
def test_the_same_bytes_from_processes(order: Callable[..., Plan], reference: pystac.Item) -> None:
    assert chunks(order(block=64).run(quiet=True, workers=2, processes=True)) == chunks(reference)


def test_the_same_bytes_after_an_interruption(
    order: Callable[..., Plan], reference: pystac.Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    from musyq_cube.run import block, driver

    real, count = block.attempt, iter(range(99))

    def interrupted(task: Any) -> Any:
        if next(count) == 4:
            raise KeyboardInterrupt
        return real(task)

    plan = order(block=32)
    monkeypatch.setattr(driver, "attempt", interrupted)
    with pytest.raises(RunError, match="stopped after 4 of"):
        plan.run(quiet=True, workers=1)
    monkeypatch.setattr(driver, "attempt", real)
    assert chunks(plan.run(quiet=True)) == chunks(reference)


@pytest.mark.slow
def test_the_same_bytes_after_a_kill(order: Callable[..., Plan], reference: pystac.Item, tmp_path: Path) -> None:
    from musyq_cube.run.ledger import Ledger

    plan = order(block=32)
    code = "import sys; from musyq_cube.plan import Plan; Plan.load(sys.argv[1]).run(quiet=True, workers=1)"
    words = [sys.executable, "-W", "ignore", "-c", code, str(plan.save(tmp_path / "plan.json"))]
    with subprocess.Popen(words) as process:
        limit = time.monotonic() + 120
        while len(Ledger(plan.run_folder).done()) < 3 and time.monotonic() < limit and process.poll() is None:
            time.sleep(0.002)
        process.kill()
    assert 3 <= len(Ledger(plan.run_folder).done()) < plan.task_count
    assert chunks(plan.run(quiet=True)) == chunks(reference)


@pytest.mark.parametrize("method", ["median", "geomedian"])
@pytest.mark.parametrize("first", ["mask", "normalize"])
def test_the_interactive_way_gives_the_same_pixels(
    order: Callable[..., Plan], scenes: list[Scene], method: str, first: str
) -> None:
    plan = order(method=method, block=64)
    item = plan.run(quiet=True)
    cube = mc.cube(scenes, geobox=plan.parts[0].geobox, bands=plan.bands, block=48)
    masked = mc.mask(cube, dilate=90.0)
    made = mc.normalize(masked) if first == "mask" else mc.mask(mc.normalize(cube), dilate=90.0)
    expected = mc.composite(made, method=method, period=PERIOD).isel(time=0).compute()
    found = mc.open(item)
    for band in plan.bands:
        one, other = (np.rint(ds[band].values.astype(np.float64) / 1e-4) for ds in (found, expected))
        np.testing.assert_array_equal(one, other, err_msg=band)
    np.testing.assert_array_equal(found["day"].fillna(-1).values, expected["day"].values)
    for name in ("count", "source", "qa"):
        np.testing.assert_array_equal(found[name].values, expected[name].values, err_msg=name)


def test_the_product_carries_its_proof(reference: pystac.Item) -> None:
    found = reference.properties["musyq:certificate"]
    assert found["steps"] == ["native", "atmosphere", "direction", "spectral"]
    assert found["pairs"]
    folder = Path(str(reference.get_self_href())).parent
    assert json.loads((folder / "certificate.json").read_text())["pairs"] == found["pairs"]
    assert (folder / "certificate.png").read_bytes().startswith(b"\x89PNG")
    for name in ("certificate", "certificate-plot"):
        assert (folder / reference.assets[name].href).exists() or Path(reference.assets[name].href).exists()
    assert (
        "normalized (geometric, calibration, atmosphere, direction, spectral)"
        in (reference.properties["processing:lineage"])
    )
    report = mc.validate(reference)
    assert report.ok, str(report)


def test_the_proof_is_that_of_the_cube(reference: pystac.Item, scenes: list[Scene]) -> None:
    """Computed interactively on the whole cube, step by step."""
    from musyq_cube.normalize.certificate import certificate

    box = mc.open(reference).odc.geobox
    clear = mc.mask(mc.cube(scenes, geobox=box, bands=BANDS), dilate=90.0).compute()
    steps = ("atmosphere", "direction", "spectral")
    states = {"native": clear} | {s: mc.normalize(clear, steps[: n + 1]) for n, s in enumerate(steps)}
    assert certificate(states).summary() == reference.properties["musyq:certificate"]


def test_what_changes_the_pixels_changes_the_key(order: Callable[..., Plan]) -> None:
    base = order()
    assert base.quantity == "nbar"
    assert order(block=64, workers=1).key == base.key
    assert order(normalize=["atmosphere", "spectral", "geometric", "calibration", "direction"]).key == base.key
    changes: list[dict[str, Any]] = [
        {"normalize": ["atmosphere", "geometric"]}, {"sun": 30.0}, {"reference": "sentinel2a-msi"},
        {"normalize": ["atmosphere"]},
    ]  # fmt: skip
    keys = {order(**change).key for change in changes}
    assert len(keys | {base.key}) == len(changes) + 1
    assert order().request == type(base.request).from_dict(json.loads(json.dumps(base.request.to_dict())))


def test_surface_reflectance_of_others_joins_in(order: Callable[..., Plan], scenes: list[Scene]) -> None:
    """A scene that comes as surface reflectance needs no air; direction and spectrum are brought in line."""
    partner = by_sensor(scenes, "sentinel2a-msi").replace(quantity="sr", normalization=None, id="L2A")
    others = [scene for scene in scenes if scene.sensor == "landsat8-oli"]
    plan = order(scenes=[*others, partner], block=64)
    assert plan.quantity == "nbar"
    assert not plan.left_out
    item = plan.run(quiet=True)
    cube = mc.cube([*others, partner], geobox=plan.parts[0].geobox, bands=plan.bands)
    made = mc.composite(mc.mask(mc.normalize(cube), dilate=90.0), method="median", period=PERIOD).isel(time=0)
    np.testing.assert_array_equal(mc.open(item)["count"].values, made["count"].values)
    for band in plan.bands:
        np.testing.assert_allclose(mc.open(item)[band].values, made[band].values, atol=5.1e-5)
    assert int(made["count"].max()) == 2
