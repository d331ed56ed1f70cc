"""What cannot be normalized, and how it is said: plans, cubes, broken layers, the command line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pystac
import pystac.validation
import pytest
from click.testing import CliRunner
from odc.geo.geobox import GeoBox

import musyq_cube as mc
from musyq_cube.catalog.remember import remember
from musyq_cube.cli import main
from musyq_cube.config import config
from musyq_cube.errors import CatalogError, MusyqError, NormalizeError, PlanError, ReadError
from musyq_cube.normalization import Atmosphere, Field, Geometric, Normalization
from musyq_cube.normalize.ancillary import Ancillary
from musyq_cube.normalize.catalog import normalize_catalog
from musyq_cube.testing import write_cog

from .conftest import BANDS, PERIOD, by_sensor, lazy

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from musyq_cube.plan import Plan
    from musyq_cube.scene import Scene

    from .conftest import Archive

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalize": ["polish"]}, "normalize='polish': name steps among geometric, calibration, atmosphere"),
        ({"products": "MuSQ.NDVI", "bands": None, "normalize": ["topography"]}, "level ground.*; add 'atmosphere'"),
        ({"reference": "landsat99"}, "reference='landsat99': name a sensor"),
        ({"sun": 90.0}, r"sun=90.0: give degrees, 0…75"),
        (
            {"reference": "landsat5-tm", "bands": ("red", "swir16"), "sensors": ["sentinel2a-msi"]},
            r"bands of landsat5-tm: swir16 \(63 nm from swir16\) is farther than 40 nm; leave these bands out",
        ),
        ({"products": "MuSQ.TOA"}, "needs scenes of top-of-atmosphere reflectance"),
        ({"products": "MuSQ.NDVI", "bands": None, "normalize": ["direction"]}, "add 'atmosphere'"),
        ({"normalize": False}, r"characterize them \(`musyq normalize`\) and order with normalize=True"),
    ],
)
def test_impossible_orders_say_why(order: Callable[..., Plan], options: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        order(**{"products": "MuSQ.SR", **options})


@pytest.mark.parametrize("product", ["MuSQ.SR", "MuSQ.NDVI"])
def test_scenes_that_were_not_characterized_cannot_be_normalized(
    order: Callable[..., Plan], scenes: list[Scene], product: str
) -> None:
    plain = [scene.replace(normalization=None) for scene in scenes]
    with pytest.raises(PlanError, match=r"none of the \d scenes can be normalized.*not characterized.*musyq normalize"):
        order(product, scenes=plain, bands=None)
    half = [*scenes[:2], *plain[2:]]
    left = {item.scene: item.reason for item in order(product, scenes=half, bands=None).left_out}
    assert set(left) == {scene.id for scene in plain[2:]}
    assert all("was not characterized" in reason for reason in left.values())
    with pytest.raises(NormalizeError, match=r"2 of 4 time steps .* not characterized .*musyq_cube.characterize"):
        mc.normalize(lazy(half))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (("polish",), "steps=polish: there are geometric"),
        (("geometric",), r"steps=geometric: here are .*cube\(corrections="),
        (("topography",), "corrected for its terrain: characterize the scenes with an elevation model"),
        (("direction",), "top-of-atmosphere reflectance, which cannot be brought .*add the step 'atmosphere'"),
    ],
)
def test_a_cube_refuses_steps_that_would_do_nothing(native: xr.Dataset, steps: Any, message: str) -> None:
    with pytest.raises(NormalizeError, match=message):
        mc.normalize(native, steps)


def test_a_cube_refuses_what_it_lacks(native: xr.Dataset, scenes: list[Scene]) -> None:
    with pytest.raises(NormalizeError, match="the cube has no sza, vza, raa: make it with angles=True"):
        mc.normalize(native.drop_vars(["sza", "vza", "raa"]))
    with pytest.raises(MusyqError, match="landsat99"):
        mc.normalize(native, reference="landsat99")
    far = mc.cube([by_sensor(scenes, "sentinel2a-msi")], "utm-30m", bands=("red", "swir16"))
    with pytest.raises(NormalizeError, match=r"swir16 .*farther than 40 nm"):
        mc.normalize(far, reference="landsat5-tm")
    with pytest.raises(NormalizeError, match="sun"):
        mc.normalize(native, sun=120.0)
    with pytest.raises(NormalizeError, match="the cube has no aod: make it of characterized scenes"):
        mc.normalize(native.drop_vars("aod"))


def test_a_scene_without_blue_is_left_out_with_the_reason(order: Callable[..., Plan], scenes: list[Scene]) -> None:
    scene = by_sensor(scenes, "landsat8-oli").replace(normalization=None)
    blind = scene.replace(
        bands=tuple(pair for pair in scene.bands if pair[0] != "blue"), id="blind", datetime="2017-07-12T02:00:00Z"
    )
    found = mc.characterize(blind)
    assert found.atmosphere == Atmosphere(False, "not found: blind: no band blue, which aerosol is found with")
    plan = order("MuSQ.NDVI", scenes=[*scenes, blind.replace(normalization=found)], bands=None)
    left = {item.scene: item.reason for item in plan.left_out}
    assert list(left) == ["blind"]
    assert "its air is not known" in left["blind"]
    assert "no band blue" in left["blind"]


def test_catalogues_that_cannot_be_written_are_refused_before_any_work(archive: Archive) -> None:
    with pytest.raises(CatalogError, match=r"https://example.com/stac: cannot be written; normalize the scenes of a"):
        normalize_catalog("https://example.com/stac")
    parquet = next(Path(archive.catalog).glob("*/items/*.parquet"))
    with pytest.raises(CatalogError, match="cannot be written"):
        normalize_catalog(parquet)


def test_unknown_words_are_refused_even_when_nothing_is_left_to_do(archive: Archive) -> None:
    with pytest.raises(NormalizeError, match="steps=polish"):
        normalize_catalog(archive.catalog, steps=["polish"])
    with pytest.raises(NormalizeError, match="base 'landsat99': no such sensor"):
        normalize_catalog(archive.catalog, bases=["landsat99"])
    with pytest.raises(NormalizeError, match="model 'smoke'"):
        normalize_catalog(archive.catalog, model="smoke")


def test_an_item_that_is_gone_is_named(bare: Path, scenes: list[Scene]) -> None:
    scene = scenes[0]
    path = next(bare.glob(f"*/{scene.id}/{scene.id}.json"))
    path.unlink()
    with pytest.raises(CatalogError, match=f"{scene.id}.json: there is no such Item; register the scene first"):
        remember(bare, [(scene, Normalization(scene.id))])


def spoil(scenes: list[Scene], sensor: str, folder: Path, **fields: Any) -> list[Scene]:
    """Return scenes of which the first of a sensor refers to a Zarr that is broken."""
    broken = folder / "broken.zarr"
    broken.mkdir()
    (broken / "zarr.json").write_text("{")
    victim = by_sensor(scenes, sensor)
    found = victim.normalization
    assert found is not None
    assert found.atmosphere is not None
    if "aod" in fields:
        found = found.replace(atmosphere=dataclasses.replace(found.atmosphere, aod=Field(str(broken), "aod")))
    if "mask" in fields:
        found = found.replace(mask=Field(str(folder / "gone.zarr"), "qa"))
    if "geometric" in fields:
        found = found.replace(geometric=fields["geometric"])
    return [scene.replace(normalization=found) if scene is victim else scene for scene in scenes]


@pytest.mark.parametrize(("sensor", "layer"), [("landsat8-oli", "aod"), ("hj1a-ccd1", "mask")])
def test_a_broken_layer_costs_its_scene_and_not_the_run(
    order: Callable[..., Plan], scenes: list[Scene], tmp_path: Path, sensor: str, layer: str
) -> None:
    native = Geometric(applied=False, reason="native")
    bad = spoil(scenes, sensor, tmp_path, geometric=native, **{layer: True})
    with config.set({"run.failure_budget": 0.3, "read.retries": 0}):
        item = order(scenes=bad, block=64).run(quiet=True)
    assert item.properties["musyq:quality"] == "degraded"
    failures = item.properties["musyq:failures"]
    assert {failure["scene"] for failure in failures} == {by_sensor(scenes, sensor).id}
    assert {failure["step"] for failure in failures} == {"qa"}  # the aerosol's own QA is beside it
    others = [scene for scene in scenes if scene.id != failures[0]["scene"]]
    same_count = mc.open(order(scenes=others, block=64, out=str(tmp_path / "others")).run(quiet=True))["count"]
    np.testing.assert_array_equal(mc.open(item)["count"].values, same_count.values)


def test_a_mask_that_is_gone_and_would_have_to_be_moved(
    order: Callable[..., Plan], scenes: list[Scene], tmp_path: Path
) -> None:
    moved = Geometric(True, "test", "EPSG:32650", (4e5, 4.4e6), 1e4, (10.0,), (5.0,))
    bad = spoil(scenes, "hj1a-ccd1", tmp_path, mask=True, geometric=moved)
    name = by_sensor(scenes, "hj1a-ccd1").id
    with config.set({"read.retries": 0}):
        left = {item.scene: item.reason for item in order(scenes=bad).left_out}
        assert list(left) == [name]
        assert "cannot be corrected" in left[name]
        assert "gone.zarr" in left[name]
        with pytest.raises(ReadError, match=f"scene {name}: .*gone.zarr.*musyq normalize --redo"):
            mc.cube(bad, "utm-30m", bands=BANDS)


def musyq(*words: str) -> Any:
    return CliRunner().invoke(main, list(words))


def test_command_line_normalizes_and_runs(bare: Path, tmp_path: Path) -> None:
    said = musyq("normalize", "-c", str(bare), "--step", "direction", "--step", "calibration", "--json")
    assert said.exit_code == 0, said.output
    answer = json.loads(said.stdout)
    assert len(answer["found"]) == 4
    assert answer["failed"] == []
    again = musyq("normalize", "-c", str(bare), "--step", "direction", "--step", "calibration")
    assert again.exit_code == 0
    assert "0 scenes characterized, 4 before" in again.stdout


def test_command_line_runs_normalized(archive: Archive, tmp_path: Path) -> None:
    words = ["-p", "MuSQ.NDVI.30m", "-c", archive.catalog, "-t", PERIOD, "--normalize", "-m", "median"]
    said = musyq("run", *words, "--chunk", "64", "-o", str(tmp_path / "out"), "--json")
    assert said.exit_code == 0, said.output
    item = pystac.Item.from_file(json.loads(said.stdout)["items"][0])
    assert "musyq:certificate" in item.properties
    assert "NBAR" in item.properties["processing:lineage"]


def test_command_line_says_what_is_wrong(archive: Archive, bare: Path) -> None:
    assert musyq("normalize").exit_code == 2
    for words, text in (
        (["--step", "polish"], "steps=polish"),
        (["--dem", "/no/such/dem.tif"], "dem.tif"),
        (["--aod", "/no/such/aod.nc"], "aod.nc"),
        (["--model", "smoke"], "smoke"),
    ):
        said = musyq("normalize", "-c", str(bare), *words)
        assert said.exit_code == 1, said.output
        assert text in said.stderr
        assert said.stderr.count("\n") == 1
    said = musyq("run", "-p", "MuSQ.SR.30m", "-c", str(bare), "-t", PERIOD, "--normalize")
    assert said.exit_code == 1
    assert "not characterized" in said.stderr


def test_scenes_without_air_are_reported_with_exit_code_3(archive: Archive, bare: Path) -> None:
    path = next(path for path in bare.glob("*/HJ1A*/HJ1A*.json"))
    item = json.loads(path.read_text())
    for asset in item["assets"].values():
        asset["href"] += ".gone"
    path.write_text(json.dumps(item))
    for parquet in bare.glob("*/items/*.parquet"):
        parquet.unlink()
    said = musyq("normalize", "-c", str(bare), "--sensor", "hj1a-ccd1", "--step", "atmosphere")
    assert said.exit_code == 3, said.output
    assert f"{path.stem}: not found: " in said.stdout
    again = musyq("normalize", "-c", str(bare), "--sensor", "hj1a-ccd1", "--step", "atmosphere", "--json")
    assert json.loads(again.stdout)["failed"][0][0] == path.stem  # what was not found is tried again


def test_what_is_known_from_elsewhere_is_used(
    scenes: list[Scene], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = by_sensor(scenes, "landsat8-oli").replace(normalization=None)
    box = GeoBox.from_bbox((115.0, 39.5, 117.0, 41.0), "EPSG:4326", resolution=0.05)
    write_cog(tmp_path / "dem.tif", np.full(box.shape, 800, np.int16), box)
    monkeypatch.chdir(tmp_path)
    known = Ancillary(dem="dem.tif", tcwv=1.5, ozone=0.31)
    found = mc.characterize(scene, ancillary=known, steps=["atmosphere"], out="fields")
    assert (found.atmosphere.tcwv, found.atmosphere.ozone) == (1.5, 0.31)
    assert found.atmosphere.elevation == Field(str(tmp_path / "dem.tif"))  # from wherever it is read
    monkeypatch.chdir("/")
    cube = mc.cube([scene.replace(normalization=found)], "utm-30m", bands=["red"]).compute()
    seen = (cube["qa"].values & 1) == 0
    np.testing.assert_allclose(cube["elevation"].values[seen], 0.8, atol=1e-6)
    with pytest.raises(ReadError, match=r"no-dem\.tif"):
        normalize_catalog(tmp_path, ancillary=Ancillary(dem="no-dem.tif"))


def test_help_of_the_tables(tmp_path: Path) -> None:
    said = musyq("luts", "build", "--help")
    assert said.exit_code == 0
    assert "Example: musyq luts build" in said.output
    unknown = musyq("luts", "build", "--out", str(tmp_path / "t.zarr.zip"), "--model", "smoke")
    assert unknown.exit_code == 1
    assert "smoke" in unknown.stderr
