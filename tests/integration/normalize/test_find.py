"""What is found out about scenes: kept on their Items, found again, made again, drawn."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pystac
import pystac.validation
import pytest
import referencing
import referencing.jsonschema

import musyq_cube as mc
from musyq_cube.errors import NormalizeError
from musyq_cube.normalization import EXTENSION, STEPS, Atmosphere, Field, Geometric, Normalization
from musyq_cube.normalize.catalog import normalize_catalog

from .conftest import by_sensor, hazy

if TYPE_CHECKING:
    from musyq_cube.scene import Scene

    from .conftest import Archive

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

catalog_module = importlib.import_module("musyq_cube.normalize.catalog")
SCHEMAS = Path(__file__).parents[2] / "schemas"
OWN_SCHEMA = Path(__file__).parents[3] / "catalogs/extensions/normalization/v1.0.0/schema.json"


def test_every_scene_is_characterized_in_every_step(archive: Archive, scenes: list[Scene]) -> None:
    assert {scene.sensor for scene in scenes} == {"landsat8-oli", "sentinel2a-msi", "hj1a-ccd1"}
    assert len(archive.report.found) == len(scenes)
    assert archive.report.failed == ()
    for scene in scenes:
        assert scene.normalization is not None
        assert all(getattr(scene.normalization, step) is not None for step in STEPS)
    residuals = [getattr(n, step).residual for n in archive.report.found for step in STEPS if getattr(n, step).applied]
    assert all(found.improved for found in residuals if found is not None)
    assert by_sensor(scenes, "hj1a-ccd1").normalization.mask is not None
    assert "applied to" in repr(archive.report)
    json.dumps(archive.report.to_dict())


def test_items_fulfil_stac_and_the_schema_of_the_extension(archive: Archive) -> None:
    core = Path(pystac.validation.__file__).parent / "jsonschemas"
    documents = [json.loads(path.read_text()) for path in [*core.rglob("*.json"), *SCHEMAS.glob("*.json"), OWN_SCHEMA]]
    known = {document["$id"].rstrip("#").replace("/commonjson", "/common.json"): document for document in documents}
    draft = referencing.jsonschema.DRAFT7
    registry = referencing.Registry().with_resources((uri, draft.create_resource(d)) for uri, d in known.items())
    items = [json.loads(path.read_text()) for path in Path(archive.catalog).glob("*/*/*.json")]
    items = [item for item in items if item.get("type") == "Feature"]
    assert len(items) == len(archive.report.found)
    for item in items:
        assert EXTENSION in item["stac_extensions"]
        schemas = ["https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json", *item["stac_extensions"]]
        for uri in (uri for uri in schemas if uri in known):
            jsonschema.Draft7Validator(known[uri], registry=registry).validate(item)


def test_json_and_parquet_give_the_same_scenes(archive: Archive, scenes: list[Scene], tmp_path: Path) -> None:
    again = list(mc.search(mc.open_catalog(archive.catalog)))
    assert [s.normalization for s in again] == [s.normalization for s in scenes]
    assert [s.key for s in again] == [s.key for s in scenes]
    copy = tmp_path / "json-only"
    shutil.copytree(archive.catalog, copy, ignore=shutil.ignore_patterns("*.parquet"))
    found = {s.id: s.normalization for s in mc.search(copy)}
    assert found == {s.id: s.normalization for s in scenes}
    rows: dict[str, Normalization | None] = {}
    for part in sorted(Path(archive.catalog).glob("*/items/*.parquet"), key=lambda path: path.name):
        rows |= {s.id: s.normalization for s in mc.search(part)}  # the last row of an id is the valid one
    assert rows == found


def test_a_second_call_does_nothing_and_redo_does(bare: Path) -> None:
    steps = ("calibration", "direction")
    first = normalize_catalog(bare, steps=steps)
    second = normalize_catalog(bare, steps=steps)
    assert len(first.found) > 0
    assert first.existing == ()
    assert second.found == ()
    assert len(second.existing) == len(first.found)
    assert len(normalize_catalog(bare, steps=steps, redo=True).found) == len(first.found)


def test_the_whole_chain_is_not_repeated(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "characterize", None)
    report = normalize_catalog(archive.catalog, bases=["landsat8-oli"])
    assert report.found == ()
    assert len(report.existing) == len(archive.report.found)


def test_one_step_leaves_the_others_as_they_were(archive: Archive, tmp_path: Path) -> None:
    shutil.copytree(archive.catalog, tmp_path / "catalog")
    before = {s.id: s.normalization for s in mc.search(tmp_path / "catalog")}
    report = normalize_catalog(tmp_path / "catalog", steps=["geometric"], redo=True)  # no base any more
    assert len(report.found) == len(before)
    for scene in mc.search(tmp_path / "catalog"):
        assert scene.normalization is not None
        assert scene.normalization.geometric == Geometric(applied=False, reason="no base was given")
        old = before[scene.id]
        assert old is not None
        assert scene.normalization.replace(geometric=None) == old.replace(geometric=None)


def test_an_interrupted_call_goes_on(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = catalog_module.characterize, iter(range(9))

    def interrupted(*args: Any, **options: Any) -> Any:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(catalog_module, "characterize", interrupted)
    steps = ("calibration", "direction", "spectral")
    with pytest.raises(KeyboardInterrupt):
        normalize_catalog(bare, steps=steps)
    report = normalize_catalog(bare, steps=steps)
    assert report.existing
    assert report.found
    assert not {n.scene for n in report.found} & set(report.existing)
    assert normalize_catalog(bare, steps=steps).found == ()


def test_characterize_is_public_and_gives_one_for_one(scenes: list[Scene]) -> None:
    scene = by_sensor(scenes, "landsat8-oli").replace(normalization=None)
    found = mc.characterize(scene, steps=["direction"])
    assert isinstance(found, Normalization)
    assert found.direction is not None
    assert found.direction.applied
    assert found.atmosphere is None
    assert mc.characterize([scene], steps=["direction"]) == [found]
    with pytest.raises(NormalizeError, match="steps=polish: there are geometric"):
        mc.characterize(scene, steps=["polish"])


def test_other_aerosol_has_another_name(scenes: list[Scene], tmp_path: Path) -> None:
    """The key of a product is made of the addresses of what it is read from: what is there must not change."""
    scene = by_sensor(scenes, "sentinel2a-msi").replace(normalization=None)
    thin, thick = (hazy(tmp_path / f"{aod}.tif", aod) for aod in (0.1, 0.3))
    one, same, other = (
        mc.characterize(scene, ancillary=known, out=tmp_path, steps=["atmosphere"]) for known in (thin, thin, thick)
    )
    assert isinstance(one.atmosphere.aod, Field)
    assert one == same
    assert one.atmosphere.aod != other.atmosphere.aod
    assert Path(one.atmosphere.aod.href).exists()


@pytest.mark.parametrize("kind", ["geometric", "calibration", "atmosphere", "direction", "spectral", "mask"])
def test_every_step_can_be_drawn(scenes: list[Scene], kind: str) -> None:
    from matplotlib.axes import Axes

    found = [s.normalization for s in scenes if s.normalization and getattr(s.normalization, kind) is not None]
    for one in found:
        axes = one.plot(kind)
        assert isinstance(axes, Axes)
        assert axes.figure.axes[0] is axes


def test_all_applied_steps_are_drawn_in_one_figure(scenes: list[Scene], tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    drawn = [s.normalization for s in scenes if s.normalization and s.normalization.geometric]
    moved = next(n for n in drawn if n.geometric and n.geometric.applied)
    figure = moved.plot()
    assert isinstance(figure, Figure)
    titles = " ".join(axes.get_title() for axes in figure.axes)
    assert "geometric: applied" in titles
    assert "atmosphere: applied" in titles
    figure.savefig(tmp_path / "all.png", dpi=40)
    bare = Normalization("x").plot()
    assert "no step is applied" in bare.get_suptitle()
    plain = Normalization("x", atmosphere=Atmosphere(True, "climatology", 0.12))
    assert any("0.120" in text.get_text() for text in plain.plot("atmosphere").texts)
    with pytest.raises(NormalizeError, match="spectral was not characterized"):
        plain.plot("spectral")
    with pytest.raises(NormalizeError, match="step='colour': there are geometric"):
        plain.plot("colour")
