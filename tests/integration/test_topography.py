"""Topography from files to products: a shaded surface over hills that are known as a formula comes back level."""

from __future__ import annotations

import importlib
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter

import musyq_cube as mc
from musyq_cube.errors import NormalizeError
from musyq_cube.normalization import Atmosphere, Field, Normalization, Topographic
from musyq_cube.normalize.ancillary import Ancillary
from musyq_cube.normalize.lut import load
from musyq_cube.read.fields import read_terrain
from musyq_cube.read.prepare import READ_STEPS, dem_source
from musyq_cube.scene import Angles
from musyq_cube.testing import make_scene, write_cog
from musyq_cube.types import QA

if TYPE_CHECKING:
    from pathlib import Path

    from musyq_cube.scene import Scene

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

SUN, VIEW = (58.0, 150.0), (4.0, 100.0)
TRUTH = {"blue": 0.04, "green": 0.06, "red": 0.05, "nir08": 0.33, "swir16": 0.2, "swir22": 0.1}
SKY = {"blue": 1.2, "green": 0.8, "red": 0.6, "nir08": 0.25, "swir16": 0.15, "swir22": 0.12}
"""Diffuse over direct light: what C has to be."""
SIZE, LEFT, TOP = 260, 450_000.0, 4_420_000.0
BOX = GeoBox.from_bbox((LEFT, TOP - SIZE * 30, LEFT + SIZE * 30, TOP), "EPSG:32650", resolution=30)
WITH = (*READ_STEPS, "topography")
AOD = 0.15


def hills(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Elevation and its exact derivatives to the east and the north: a sum of waves of a kilometre and more."""
    rng = np.random.default_rng(3)
    z, east, north = 600.0 + np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for _ in range(14):
        k, phase = rng.normal(0, 2 * np.pi / 1500, 2), rng.uniform(0, 6.28)
        angle = k[0] * (x - LEFT) + k[1] * (y - TOP) + phase
        z, slope = z + 24 * np.sin(angle), 24 * np.cos(angle)
        east, north = east + slope * k[0], north + slope * k[1]
    return z, east, north


def centres(box: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    rows, cols = np.indices(box.shape) + 0.5
    return box.affine.c + 30 * cols, box.affine.f - 30 * rows


def cosines() -> tuple[np.ndarray, np.ndarray]:
    """Cosine of incidence by the product of the sun's direction and the normal; and cos θ cos β."""
    _, east, north = hills(*centres(BOX))
    up = 1 / np.sqrt(1 + east**2 + north**2)
    zenith, azimuth = np.radians(SUN)
    light = np.sin(zenith) * (-east * np.sin(azimuth) - north * np.cos(azimuth)) + np.cos(zenith)
    return light * up, np.cos(zenith) * up


def surface() -> dict[str, np.ndarray]:
    """What level ground would reflect: fields some hundred metres wide, all green."""
    rng = np.random.default_rng(4)
    field = gaussian_filter(rng.normal(0, 1, BOX.shape), 6)
    return {name: value * (1 + 0.12 * field / field.std()) for name, value in TRUTH.items()}


def make(folder: Path, quantity: str, name: str, day: int = 1) -> Scene:
    cos_i, level = cosines()
    shaded = {n: v * (np.maximum(cos_i, 0) + SKY[n]) / (level + SKY[n]) for n, v in surface().items()}
    bands = {n: v.astype(np.float32) for n, v in shaded.items()}
    if quantity == "toa":
        raa = abs(SUN[1] - VIEW[1])
        z = (hills(*centres(BOX))[0] / 1000).astype(np.float32)
        bands = load("landsat8-oli").simulate(bands, SUN[0], VIEW[0], raa, AOD, tcwv=2.0, ozone=0.3, elevation=z)
    files = {
        n: write_cog(folder / f"{name}_{n}.tif", np.rint(v * 10_000).astype("uint16"), BOX, nodata=0, overviews=False)
        for n, v in bands.items()
    }
    qa = np.zeros(BOX.shape, "uint16")
    qa[20:50, 100 + 9 * day : 150 + 9 * day] = 8
    angles = Angles(sza=SUN[0], saa=SUN[1], vza=VIEW[0], vaa=VIEW[1])
    layer = write_cog(folder / f"{name}_qa.tif", qa, BOX, overviews=False)
    when = f"2020-11-{day:02d}T03:00:00Z"
    return make_scene(BOX, files, id=name, datetime=when, qa=layer, angles=angles, quantity=quantity)


@pytest.fixture(scope="module")
def dem(tmp_path_factory: pytest.TempPathFactory) -> str:
    box = BOX.pad(20)
    z = hills(*centres(box))[0]
    return str(write_cog(tmp_path_factory.mktemp("dem") / "dem.tif", z.astype("float32"), box, overviews=False))


@pytest.fixture(scope="module", params=["sr", "toa"])
def scene(request: pytest.FixtureRequest, dem: str, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Return a scene whose terrain effect was found; its air is known."""
    made = make(tmp_path_factory.mktemp("scene"), request.param, request.param)
    air = Atmosphere(request.param == "toa", "known", AOD, elevation=Field(dem), tcwv=2.0, ozone=0.3)
    known = made.replace(normalization=Normalization(made.id, atmosphere=air))
    found = mc.characterize(known, ancillary=Ancillary(dem=dem), steps=("topography",))
    return known.replace(normalization=found)


def steps_of(scene: Scene, *more: str) -> tuple[str, ...]:
    return (*(("atmosphere",) if scene.quantity == "toa" else ()), *more)


def dependence(values: np.ndarray, cos_i: np.ndarray) -> float:
    return float(abs(np.corrcoef(values, cos_i)[0, 1]))


def test_the_terrain_is_taken_out_of_reflectance(scene: Scene) -> None:
    """Truth is exact: gradients of a formula, not of pixels. C is the share of skylight that the light was made of."""
    topography = scene.normalization.topography
    assert topography.applied
    assert topography.residual.after < 0.15 < topography.residual.before
    c = dict(topography.c)
    assert set(c) == set(TRUTH)
    assert all(abs(c[n] - SKY[n]) < 0.05 + 0.2 * SKY[n] for n in TRUTH), c
    cube = mc.cube([scene], geobox=BOX, corrections=WITH)
    assert json.loads(str(cube["topography"].values[0])) == c
    before = mc.normalize(cube, steps_of(scene)) if scene.quantity == "toa" else cube
    after = mc.normalize(cube, steps_of(scene, "topography")).compute()
    cos_i, _ = cosines()
    use = (cos_i > 0.2) & ((after["qa"].values[0] & ~np.uint16(QA.CLIMATOLOGY_AOD)) == 0)
    assert use.mean() > 0.8
    for name, truth in surface().items():
        old, new = before[name].values[0][use], after[name].values[0][use]
        assert dependence(old, cos_i[use]) > 0.4
        assert dependence(new, cos_i[use]) < 0.1, name
        rmsd = [np.sqrt(np.mean((v - truth[use]) ** 2)) for v in (old, new)]
        assert rmsd[1] < 0.5 * rmsd[0], (name, rmsd)


def test_c_of_windows_is_that_of_the_whole(scene: Scene, dem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large scenes are sampled, not made coarser, which would make C too small."""
    monkeypatch.setattr(importlib.import_module("musyq_cube.normalize._relief"), "WINDOW", 70)
    found = mc.characterize(scene, ancillary=Ancillary(dem=dem), steps=("topography",)).topography
    assert found.residual.count < 0.8 * scene.normalization.topography.residual.count
    c = dict(found.c)
    assert all(abs(c[n] - SKY[n]) < 0.05 + 0.2 * SKY[n] for n in TRUTH), c


def test_slope_and_aspect_of_the_cube_are_those_of_the_formula(scene: Scene) -> None:
    cube = mc.cube([scene], geobox=BOX, corrections=WITH)
    _, east, north = hills(*centres(BOX))
    error = cube["slope"].values[0] - np.degrees(np.arctan(np.hypot(east, north)))
    assert np.abs(error).max() < 1.3  # differences over 60 m are a little flatter than a tangent
    assert np.abs(error).mean() < 0.6
    turn = (cube["aspect"].values[0] - np.degrees(np.arctan2(-east, -north)) + 180) % 360 - 180
    assert np.abs(np.radians(turn) * np.hypot(east, north)).max() < 0.02  # the gradient across; aspect of flats is any
    np.testing.assert_allclose(cube["saa"], SUN[1], atol=1e-4)


def test_any_block_gives_the_same_bits(scene: Scene, dem: str) -> None:
    """On a grid whose pixels are not the scene's."""
    box = GeoBox.from_bbox((LEFT + 1007, TOP - 6000, LEFT + 6003, TOP - 990), "EPSG:32650", resolution=25)
    cubes = [mc.cube([scene], geobox=box, corrections=WITH, block=n) for n in (512, 64, 37)]
    made = [mc.normalize(cube, steps_of(scene, "topography", "direction")).compute() for cube in cubes]
    for other, cube in zip(made[1:], cubes[1:], strict=True):
        for name in made[0].data_vars:
            np.testing.assert_array_equal(other[name], made[0][name], err_msg=str(name))
        for name in ("saa", "slope", "aspect"):
            np.testing.assert_array_equal(cube[name], cubes[0][name], err_msg=name)
    degrees = GeoBox.from_bbox((116.42, 39.87, 116.48, 39.92), "EPSG:4326", resolution=0.0003)
    whole, part = (read_terrain(dem_source(Field(dem)), b) for b in (degrees, degrees[31:90, 17:101]))
    for one, other in zip(whole, part, strict=True):
        np.testing.assert_array_equal(one[31:90, 17:101], other)


def test_degrees_and_metres_agree_on_the_slope(dem: str) -> None:
    source = dem_source(Field(dem))
    degrees = GeoBox.from_bbox((116.44, 39.88, 116.47, 39.91), "EPSG:4326", shape=(111, 85))
    slope, _ = read_terrain(source, degrees)
    metres, _ = read_terrain(source, BOX)
    assert abs(np.nanmean(slope) / np.nanmean(metres) - 1) < 0.15
    assert np.isfinite(slope).all()


def test_products_are_the_same_for_any_block_and_as_the_interactive_way(scene: Scene, dem: str, tmp_path: Path) -> None:
    second = make(tmp_path / "more", scene.quantity, "second", day=3)
    scenes = [scene, second.replace(normalization=scene.normalization.replace(scene="second"))]
    steps = ["geometric", "calibration", "atmosphere", "topography", "direction", "spectral"]
    order: dict[str, Any] = {
        "scenes": scenes, "grid": "utm-30m", "chunk": 64, "method": "median", "normalize": steps, "workers": 1,
        "sensors": ["landsat8-oli"], "bands": ["red", "nir08"],
    }  # fmt: skip
    plans = [mc.plan("MuSQ.SR", None, "2020-11", out=str(tmp_path / str(n)), block=n, **order) for n in (64, 320)]
    made = [mc.open(plan.run(quiet=True)).compute() for plan in plans]
    for name in ("red", "nir08", "count", "qa"):
        np.testing.assert_array_equal(made[0][name], made[1][name], err_msg=name)
    cube = mc.cube(scenes, geobox=plans[0].parts[0].geobox, bands=["red", "nir08"], corrections=WITH, block=100)
    pixels = mc.normalize(mc.mask(cube), ("atmosphere", "topography", "direction", "spectral"))
    mine = mc.composite(mc.mask(pixels), method="median", period="2020-11").isel(time=0).compute()
    np.testing.assert_array_equal(made[0]["count"].values, mine["count"].values)
    for name in ("red", "nir08"):
        np.testing.assert_allclose(made[0][name].values, mine[name].values, atol=5.1e-5)
    plain = mc.plan("MuSQ.SR", None, "2020-11", out=str(tmp_path / "plain"), **(order | {"normalize": True}))
    assert "topography" not in plain.request.normalize
    assert plain.outputs[0].key != plans[0].outputs[0].key


def test_own_shade_and_unknown_terrain_are_said(scene: Scene) -> None:
    steep = scene.normalization.topography
    cube = mc.cube([scene], geobox=BOX, corrections=WITH).compute()
    cube["slope"][0, 200:205, 50:60], cube["aspect"][0, 200:205, 50:60] = 60.0, SUN[1] + 180
    cube["slope"][0, 210:215, 50:60] = np.nan
    made = mc.normalize(cube, steps_of(scene, "topography"))
    plain = mc.normalize(cube, steps_of(scene)) if scene.quantity == "toa" else cube
    shade = made.isel(time=0, y=slice(200, 205), x=slice(50, 60))
    assert bool(((shade["qa"] & ~np.uint16(QA.CLIMATOLOGY_AOD)) == QA.TERRAIN_SHADOW | QA.FILL).all())
    unknown = {"y": slice(210, 215), "x": slice(50, 60)}
    assert bool(((made["qa"].isel(unknown) & ~np.uint16(QA.CLIMATOLOGY_AOD)) == QA.BACKUP).all())
    for name, _ in steep.c:
        assert bool(shade[name].isnull().all())
        np.testing.assert_array_equal(made[name].isel(unknown), plain[name].isel(unknown))
    with pytest.raises(NormalizeError, match="has been through them"):
        mc.normalize(made, ("topography",))  # never twice


def test_what_cannot_be_corrected_says_why(scene: Scene, dem: str, tmp_path: Path) -> None:
    def reason(some: Scene, heights: str | tuple[str, ...] | None) -> Topographic:
        return mc.characterize(some, ancillary=Ancillary(dem=heights), steps=("topography",)).topography

    plain = tmp_path / "plain.tif"
    write_cog(plain, np.full(BOX.shape, 40, "float32"), BOX, overviews=False)
    cases = {
        "no DEM was given": reason(scene, None),
        "in tiles": reason(scene, (dem, dem)),
        "too few clear pixels on slopes": reason(scene, str(plain)),
        "not found: .*gone.tif": reason(scene, str(tmp_path / "gone.tif")),
        "is nbar already": reason(scene.replace(quantity="nbar"), dem),
    }
    if scene.quantity == "toa":
        cases["no atmosphere was found"] = reason(scene.replace(normalization=None), dem)
    for text, found in cases.items():
        assert not found.applied
        assert re.search(text, found.reason), found.reason
    flat = scene.replace(normalization=scene.normalization.replace(topography=cases["no DEM was given"]))
    cube = mc.cube([flat], geobox=BOX[:40, :40], corrections=WITH)
    assert "slope" not in cube
    made = mc.normalize(cube, steps_of(flat, "topography"))  # asked for, and there is nothing to do
    expected = mc.normalize(cube, steps_of(flat)) if flat.quantity == "toa" else cube
    np.testing.assert_array_equal(made["red"], expected["red"])
