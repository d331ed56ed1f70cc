"""The values of normalization: JSON there and back, the schema of the extension, what reading makes of them."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from musyq_cube.errors import CatalogError, NormalizeError
from musyq_cube.normalization import (
    EXTENSION,
    Atmosphere,
    Calibration,
    Field,
    Geometric,
    Normalization,
    Residual,
    Simple,
    Topographic,
)
from musyq_cube.normalize.rules import Rules, choose_reference, needs, quantity_after
from musyq_cube.plan.estimate import count_observations
from musyq_cube.read import group_scenes
from musyq_cube.read.prepare import READ_STEPS, prepare
from musyq_cube.scene import Angles, Quality, Relief, Scene, Source, SourceGrid
from musyq_cube.types import QA

SCHEMA = Path(__file__).parents[2] / "catalogs/extensions/normalization/v1.0.0/schema.json"
GRID = SourceGrid("EPSG:32650", (30.0, 0.0, 400_000.0, 0.0, -30.0, 4_500_000.0), (100, 100))
FULL = Normalization(
    "s",
    Geometric(True, "", "EPSG:32650", (4e5, 4.5e6), 1e3, (1.0, 0.5, 0.0), (2.0, 0.0, 0.0), Residual(9, 1, "m", 3, "b")),
    Calibration(True, "file", (("red", 1.1, -0.01),), 0.03),
    Atmosphere(True, "dark-target", Field("/x/aod.zarr", "aod"), "dark-target", elevation=Field("/x/dem.tif")),
    Topographic(True, "SCS+C", (("red", 0.4), ("nir08", 0.2)), Field("/x/d.tif"), Residual(0.8, 0.05, "1", 9, "cos i")),
    direction=Simple(True, "c-factor"),
    spectral=Simple(False, "no pair"),
    mask=Field("/x/mask.zarr", "qa"),
)  # fmt: skip


def scene(**changes: object) -> Scene:
    red = Source("/x/red.tif", GRID, scale=2.0, offset=0.5)
    base = Scene("s", "hj1a-ccd1", "2012-07-01T03:00:00Z", "POINT (116 40)", bands=(("red", red),))
    return base.replace(**changes)


def test_json_round_trip() -> None:
    assert Normalization.from_dict(json.loads(json.dumps(FULL.to_dict()))) == FULL


def test_a_scene_carries_it_through_json_and_keeps_its_key() -> None:
    made = scene(normalization=FULL)
    again = Scene.from_dict(json.loads(json.dumps(made.to_dict())))
    assert again == made
    assert again.key == made.key != scene().key


def test_what_is_written_fulfils_the_schema_of_the_extension() -> None:
    item = {"type": "Feature", "stac_extensions": [EXTENSION], "properties": {"musyq:normalization": FULL.to_dict()}}
    schema = json.loads(SCHEMA.read_text())
    jsonschema.validate(item, schema)
    item["properties"]["musyq:normalization"]["atmosphere"]["source"] = "guess"
    with pytest.raises(jsonschema.ValidationError, match="guess"):
        jsonschema.validate(item, schema)


def test_repr_says_every_step_and_why() -> None:
    text = repr(FULL)
    assert "geometric" in text
    assert "9 → 1 m (n=3, b)" in text
    assert "identity · no pair" in text
    assert "topography  applied" in text
    assert "topography  not characterized" in repr(FULL.replace(topography=None))


@pytest.mark.parametrize(("terms", "model"), [(1, "shift"), (3, "affine"), (6, "polynomial2")])
def test_displacement_is_the_polynomial(terms: int, model: str) -> None:
    dx = tuple(float(k + 1) for k in range(terms))
    found = Geometric(True, "", "EPSG:32650", (10.0, 20.0), 2.0, dx, (0.0,) * terms)
    u, v = (12.0 - 10.0) / 2.0, (26.0 - 20.0) / 2.0
    expected = np.dot(dx, [1, u, v, u * u, u * v, v * v][:terms])
    assert found.model == model
    assert found.displacement(12.0, 26.0)[0] == pytest.approx(expected)


def test_prepare_puts_calibration_into_scale_and_offset() -> None:
    made = prepare(scene(normalization=FULL), ("calibration",))
    source = made.sources["red"]
    assert source.scale == pytest.approx(2.2)
    assert source.offset == pytest.approx(0.5 * 1.1 - 0.01)  # DN * scale + offset, then gain and offset
    assert made.air is None


def test_prepare_adds_air_and_own_mask() -> None:
    made = prepare(scene(normalization=FULL), ("atmosphere",))
    assert made.air is not None
    assert made.air.aod == Source("/x/aod.zarr", driver="zarr", layer="aod")
    assert made.air.elevation == Source("/x/dem.tif", scale=0.001, valid=(-500.0, 9000.0))  # metres to km
    assert made.qa[0].source.layer == "qa"
    assert made.sources["red"].scale == 2.0


def test_prepare_adds_relief_only_where_it_is_asked_for() -> None:
    made = prepare(scene(normalization=FULL), ("topography",))
    assert made.relief == Relief(Source("/x/d.tif", valid=(-500.0, 9000.0)), (("red", 0.4), ("nir08", 0.2)))
    assert json.loads(made.relief.text) == {"red": 0.4, "nir08": 0.2}
    assert Scene.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert "topography" not in READ_STEPS
    assert prepare(scene(normalization=FULL), ("atmosphere",)).relief is None
    flat = FULL.replace(topography=Topographic(False, "no DEM was given"))
    assert prepare(scene(normalization=flat), ("topography",)).relief is None


def test_scenes_of_one_overpass_with_different_c_are_time_steps_of_their_own() -> None:
    one, other = (Relief(Source("/x/dem.tif"), (("red", c),)) for c in (0.4, 0.5))
    together = [scene(id="a", relief=one), scene(id="b", relief=one)]
    apart = [scene(id="a", relief=one), scene(id="b", relief=other)]
    assert [len(group_scenes(s)) for s in (together, apart)] == [1, 2]
    assert [count_observations(s, "solar_day") for s in (together, apart)] == [1, 2]


def test_prepare_moves_every_layer() -> None:
    quality = Quality(Source("/x/qa.tif", GRID), ((1, 1, 1),))
    angles = Angles(sza=Source("/x/sza.tif", GRID), vza=3.0)
    made = prepare(scene(normalization=FULL.replace(mask=None), qa=(quality,), angles=angles), ("geometric",))
    layers = (made.sources["red"], made.qa[0].source, made.angles.sza)
    assert all(isinstance(s, Source) and s.grid is not None and s.grid.correction == FULL.geometric for s in layers)
    assert made.angles.vza == 3.0
    assert Scene.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_steps_switched_off_leave_the_scene_as_it_is() -> None:
    made = prepare(scene(normalization=FULL.replace(mask=None)), ())
    assert made == scene()


def test_an_item_with_a_broken_normalization_names_itself() -> None:
    from musyq_cube.catalog._adapt_item import ItemView
    from musyq_cube.catalog.adapt import _normalization

    item = {"id": "broken", "type": "Feature", "properties": {"musyq:normalization": {"atmosphere": {"colour": 1}}}}
    with pytest.raises(CatalogError, match=r"item broken: musyq:normalization .* run `musyq normalize` again"):
        _normalization(ItemView(item | {"assets": {}, "links": [], "geometry": None}))


def test_rules() -> None:
    assert choose_reference(249.0) == "landsat8-oli"
    assert quantity_after("sr", ("direction",)) == "nbar"
    assert needs("toa", ("atmosphere", "direction")) == ("atmosphere", "direction")
    assert needs("toa", ("direction",)) == ()
    assert needs("sr", ("topography", "direction")) == ("topography", "direction")
    assert needs("toa", ("topography",)) == ()
    with pytest.raises(NormalizeError, match="polish"):
        Rules(("polish",))


def test_prepare_marks_what_is_second_best() -> None:
    """Climatology and refused registrations hold for every pixel; gaps in the aerosol are a layer beside it."""
    air = Atmosphere(True, "climatology 0.1", 0.1, "climatology")
    kept = Geometric(False, "native geolocation kept: only 1 tie points")
    made = prepare(scene(normalization=Normalization("s", kept, atmosphere=air)), ("geometric", "atmosphere"))
    assert made.flags == QA.CLIMATOLOGY_AOD | QA.BACKUP
    assert prepare(scene(normalization=Normalization("s", kept)), ()).flags == 0
    seen = prepare(scene(normalization=FULL.replace(mask=None)), ("atmosphere",))
    assert seen.flags == 0
    assert (seen.qa[0].source.href, seen.qa[0].source.layer) == ("/x/aod.zarr", "qa")
    assert {meaning for _, _, meaning in seen.qa[0].rules} == {QA.GAP_FILLED.value, QA.CLIMATOLOGY_AOD.value}


def test_a_ring_around_clouds_is_not_taken_without_the_clouds() -> None:
    native = Quality(Source("/x/qa.tif", GRID), ((1, 1, QA.CLOUD.value),))
    made = prepare(scene(normalization=FULL.replace(atmosphere=None), qa=(native,)), ())
    told = {meaning for _, _, meaning in made.qa[1].rules}
    assert QA.SHADOW.value in told
    assert not told & {QA.CLOUD.value, QA.ADJACENT.value, QA.FILL.value}
