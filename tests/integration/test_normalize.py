"""Normalization from files to certified products: what is found is kept, applied, proved, and the same every way."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pystac
import pystac.validation
import pytest
import referencing
import referencing.jsonschema
import xarray as xr
from click.testing import CliRunner

import musyq_cube as mc
from musyq_cube.catalog.remember import remember
from musyq_cube.cli import main
from musyq_cube.config import config
from musyq_cube.errors import CatalogError, MusyqError, NormalizeError, PlanError, ReadError, RunError
from musyq_cube.normalization import EXTENSION, STEPS, Atmosphere, Field, Geometric, Normalization, Residual
from musyq_cube.normalize.ancillary import Ancillary
from musyq_cube.normalize.catalog import NormalizeReport, normalize_catalog
from musyq_cube.testing import simulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from musyq_cube.plan import Plan
    from musyq_cube.scene import Scene

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

PERIOD = "2017-07-10/2017-07-16"
BANDS = ("blue", "green", "red", "nir08")
SCHEMAS = Path(__file__).parents[1] / "schemas"
MOVED = Geometric(
    True, "known", "EPSG:32650", (407_500.0, 4_467_500.0), 1500.0, (11.0, 2.0, -1.0), (-6.0, 0.5, 1.5),
    Residual(0.42, 0.22, "px", 17, "test"),
)  # fmt: skip
OWN_SCHEMA = Path(__file__).parents[2] / "catalogs/extensions/normalization/v1.0.0/schema.json"


@dataclasses.dataclass(frozen=True)
class Archive:
    """Scenes of three sensors, registered and characterized."""

    folder: Path
    bare: Path
    """The catalogue as it was before."""
    report: NormalizeReport

    @property
    def catalog(self) -> str:
        return str(self.folder / "catalog")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    folder = tmp_path_factory.mktemp("normalize")
    simulate(folder / "scenes", period=PERIOD, size=2400.0)
    mc.register(str(folder / "scenes"), str(folder / "catalog"))
    shutil.copytree(folder / "catalog", folder / "bare")
    report = normalize_catalog(folder / "catalog", bases=["landsat8-oli"])
    # so small scenes have too few tie points to be moved for certain: the tests below want one that is
    scene = next(s for s in mc.search(folder / "catalog", period="2017-07-15", sensors=["hj1a-ccd1"]))
    assert scene.normalization is not None
    remember(folder / "catalog", [(scene, scene.normalization.replace(geometric=MOVED))])
    return Archive(folder, folder / "bare", report)


@pytest.fixture(scope="module")
def scenes(archive: Archive) -> list[Scene]:
    return list(mc.search(archive.catalog))


@pytest.fixture
def bare(archive: Archive, tmp_path: Path) -> Path:
    """Return a catalogue of its own that was not characterized."""
    shutil.copytree(archive.bare, tmp_path / "bare")
    return tmp_path / "bare"


def by_sensor(scenes: list[Scene], sensor: str) -> Scene:
    return next(scene for scene in scenes if scene.sensor == sensor)


# what is found, and where it is kept ----------------------------------------------------------------------------------


def test_every_scene_is_characterized_in_every_step(archive: Archive, scenes: list[Scene]) -> None:
    assert {scene.sensor for scene in scenes} == {"landsat8-oli", "sentinel2a-msi", "hj1a-ccd1"}
    assert len(archive.report.found) == len(scenes)
    assert archive.report.failed == ()
    for scene in scenes:
        assert scene.normalization is not None
        assert all(getattr(scene.normalization, step) is not None for step in STEPS)
    residuals = [getattr(n, step).residual for n in archive.report.found for step in STEPS if getattr(n, step).applied]
    assert all(found.improved for found in residuals if found is not None)
    assert by_sensor(scenes, "hj1a-ccd1").normalization.mask is not None  # type: ignore[union-attr]
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
    for collection in Path(archive.catalog).glob("*/items"):
        parts = {s.id: s.normalization for s in mc.search(f"{collection}/*.parquet")}
        assert parts
        assert all(found[name] == one for name, one in parts.items())


def test_a_second_call_does_nothing_and_redo_does(bare: Path) -> None:
    steps = ("calibration", "direction")
    first = normalize_catalog(bare, steps=steps)
    second = normalize_catalog(bare, steps=steps)
    assert len(first.found) > 0
    assert first.existing == second.found == ()
    assert len(second.existing) == len(first.found)
    assert len(normalize_catalog(bare, steps=steps, redo=True).found) == len(first.found)


def test_the_whole_chain_is_not_repeated(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("musyq_cube.normalize.catalog.characterize", None)
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
    from musyq_cube.normalize import catalog

    real, calls = catalog.characterize, iter(range(9))

    def interrupted(*args: Any, **options: Any) -> Any:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(catalog, "characterize", interrupted)
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
    scene = by_sensor(scenes, "landsat8-oli").replace(normalization=None)
    one, same = (mc.characterize(scene, out=tmp_path, steps=["atmosphere"]) for _ in range(2))
    other = mc.characterize(scene, out=tmp_path, steps=["atmosphere"], model="maritime")
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


# the lazy cube --------------------------------------------------------------------------------------------------------


def lazy(scenes: list[Scene], block: int = 64, **options: Any) -> xr.Dataset:
    return mc.cube(scenes, "utm-30m", bands=BANDS, block=block, **options)


@pytest.fixture(scope="module")
def native(scenes: list[Scene]) -> xr.Dataset:
    return lazy(scenes).compute()


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
    spread = [float(ds["blue"].median(("y", "x")).std()) for ds in (clear, full)]
    assert spread[1] < spread[0]  # the dates and sensors come nearer to each other
    own = full.isel(time=full["sensor"].values == "landsat8-oli")
    turned = mc.normalize(clear, ("atmosphere", "direction"))
    same(own.drop_attrs(), turned.isel(time=turned["sensor"].values == "landsat8-oli").drop_attrs())


# the run --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def order(scenes: list[Scene], tmp_path: Path) -> Callable[..., Plan]:
    def make(products: Any = "MuSQ.SR", **options: Any) -> Plan:
        settings: dict[str, Any] = {"grid": "utm-30m", "chunk": 32, "method": "median", "dilate": 90.0, "workers": 2}
        settings |= {"normalize": True, "out": str(tmp_path / "out"), "scenes": scenes, "bands": BANDS}
        return mc.plan(products, None, PERIOD, **(settings | options))

    return make


def chunks(item: pystac.Item) -> dict[str, str]:
    """SHA-256 of every chunk of every level of a product, and of its certificate."""
    folder = Path(str(item.get_self_href())).parent
    files = [path for path in sorted((folder / "data.zarr").rglob("*")) if path.is_file() and "/c/" in str(path)]
    files.append(folder / "certificate.json")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def reference(scenes: list[Scene], tmp_path_factory: pytest.TempPathFactory) -> pystac.Item:
    """One run, block by block in one thread, that all the others must equal."""
    options: dict[str, Any] = {"grid": "utm-30m", "chunk": 32, "block": 32, "method": "median", "dilate": 90.0}
    out = str(tmp_path_factory.mktemp("reference"))
    plan = mc.plan("MuSQ.SR", None, PERIOD, scenes=scenes, normalize=True, bands=BANDS, workers=2, out=out, **options)
    item = plan.run(quiet=True, workers=1)
    assert isinstance(item, pystac.Item)
    return item


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
    from musyq_cube.run import driver

    real, count = driver.attempt, iter(range(99))

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


@pytest.mark.parametrize("method", ["median", "geomedian"])
@pytest.mark.parametrize("first", ["mask", "normalize"])
def test_the_interactive_way_gives_the_same_pixels(
    order: Callable[..., Plan], scenes: list[Scene], method: str, first: str
) -> None:
    plan = order(method=method, block=64)
    item = plan.run(quiet=True)
    cube = mc.cube(scenes, geobox=plan.parts[0].geobox, bands=plan.bands, block=48)
    if first == "mask":
        made = mc.normalize(mc.mask(cube, dilate=90.0))
    else:
        made = mc.mask(mc.normalize(cube), dilate=90.0)
    expected = mc.composite(made, method=method, period=PERIOD).isel(time=0).compute()
    found = mc.open(item)
    for band in plan.bands:
        packed = (np.rint(ds[band].values.astype(np.float64) / 1e-4) for ds in (found, expected))
        np.testing.assert_array_equal(*packed, err_msg=band)
    for name in ("count", "source", "day", "qa"):
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


# what cannot be done --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalize": ["polish"]}, "normalize='polish': name steps among geometric, calibration, atmosphere"),
        ({"products": "MuSQ.NDVI", "bands": None, "normalize": ["topography"]}, "level ground.*; add 'atmosphere'"),
        ({"reference": "landsat99"}, "reference='landsat99': name a sensor"),
        ({"sun": 90.0}, r"sun=90.0: give degrees, 0…75"),
        ({"reference": "modis-terra"}, r"bands of modis-terra: .*farther than 40 nm"),
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


def test_a_cube_refuses_what_it_lacks(native: xr.Dataset) -> None:
    with pytest.raises(NormalizeError, match="the cube has no sza, vza, raa: make it with angles=True"):
        mc.normalize(native.drop_vars(["sza", "vza", "raa"]))
    with pytest.raises(MusyqError, match="landsat99"):
        mc.normalize(native, reference="landsat99")
    with pytest.raises(NormalizeError, match="farther than 40 nm"):
        mc.normalize(native, reference="modis-terra")
    with pytest.raises(NormalizeError, match="sun"):
        mc.normalize(native, sun=120.0)
    with pytest.raises(NormalizeError, match=r"no aod.*cube of characterized scenes"):
        mc.normalize(native.drop_vars("aod"))


def test_a_scene_without_blue_is_left_out_with_the_reason(order: Callable[..., Plan], scenes: list[Scene]) -> None:
    scene = by_sensor(scenes, "landsat8-oli").replace(normalization=None)
    blind = scene.replace(bands=tuple(pair for pair in scene.bands if pair[0] != "blue"), id="blind")
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
    with config.set({"run.failure_budget": 0.2, "read.retries": 0}):
        item = order(scenes=bad, block=64).run(quiet=True)
    assert item.properties["musyq:quality"] == "degraded"
    failures = item.properties["musyq:failures"]
    assert {failure["scene"] for failure in failures} == {by_sensor(scenes, sensor).id}
    assert {failure["step"] for failure in failures} == {"air" if layer == "aod" else "qa"}
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


# the command line -----------------------------------------------------------------------------------------------------


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


def test_ancillary_heights_are_used(scenes: list[Scene], tmp_path: Path) -> None:
    scene = by_sensor(scenes, "landsat8-oli").replace(normalization=None)
    found = mc.characterize(scene, ancillary=Ancillary(tcwv=1.5, ozone=0.31), steps=["atmosphere"], out=tmp_path)
    assert (found.atmosphere.tcwv, found.atmosphere.ozone) == (1.5, 0.31)


def test_help_of_the_tables(tmp_path: Path) -> None:
    said = musyq("luts", "build", "--help")
    assert said.exit_code == 0
    assert "Example: musyq luts build" in said.output
    unknown = musyq("luts", "build", "--out", str(tmp_path / "t.zarr.zip"), "--model", "smoke")
    assert unknown.exit_code == 1
    assert "smoke" in unknown.stderr
