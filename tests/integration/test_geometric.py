"""Registration from files to files: simulated scenes whose errors are known, and real pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import pytest
import rasterio
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import wrap_xr
from scipy import ndimage

import musyq_cube as mc
from musyq_cube.normalization import Geometric, Normalization
from musyq_cube.normalize._register import read_clear
from musyq_cube.normalize.geometric import find_tie_points, fit, register
from musyq_cube.read.block import read_band, read_block
from musyq_cube.read.prepare import prepare
from musyq_cube.testing import make_scene, write_cog
from musyq_cube.testing.files import source_grid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from musyq_cube.scene import Scene

SIZE = 400
BASE = GeoBox((SIZE, SIZE), Affine(30, 0, 600000, 0, -30, 4500000), "EPSG:32650")


class Ground:
    """A surface known everywhere: splines through noise at 10 m, in EPSG:32650."""

    def __init__(self, seed: int = 1, step: float = 10.0) -> None:
        rng = np.random.default_rng(seed)
        n = int(SIZE * 30 / step) + 400
        self.step, self.left, self.top = step, 600000 - 200 * step, 4500000 + 200 * step
        image = sum(ndimage.gaussian_filter(rng.standard_normal((n, n)), s) * s for s in (5, 9, 18))
        self.spline = ndimage.spline_filter(0.3 + 0.12 * image)

    def __call__(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        at = [(self.top - y) / self.step - 0.5, (x - self.left) / self.step - 0.5]
        return ndimage.map_coordinates(self.spline, at, prefilter=False, mode="mirror")


@pytest.fixture(scope="module")
def ground() -> Ground:
    return Ground()


def write(
    folder: Path, name: str, ground: Ground, box: GeoBox, wrong: Any = None, *, cloud: float = 0.0, seed: int = 0
) -> Scene:
    """
    Write a scene; `wrong` is what its geolocation adds to true places of its own CRS: (dx, dy) metres.

    The pixel that the file says is at p shows the ground at q, where q + wrong(q) = p.
    """
    rng = np.random.default_rng(seed)
    rows, cols = np.indices(box.shape) + 0.5
    x, y = box.affine.c + 30 * cols, box.affine.f - 30 * rows
    qx, qy = x, y
    for _ in range(10 if wrong else 0):
        dx, dy = wrong(qx, qy)
        qx, qy = x - dx, y - dy
    there = pyproj.Transformer.from_crs(box.crs.to_wkt(), "EPSG:32650", always_xy=True)
    value = ground(*there.transform(qx, qy)) + 0.002 * rng.standard_normal(box.shape)
    field = ndimage.gaussian_filter(rng.standard_normal(box.shape), 12)
    cloudy = field > np.quantile(field, 1 - cloud) if cloud else np.zeros(box.shape, bool)
    dn = np.where(cloudy, 9000 + 400 * field / field.std(), value * 1e4)
    file = write_cog(folder / f"{name}.tif", np.clip(np.rint(dn), 1, 20000).astype("u2"), box, nodata=0)
    qa = write_cog(folder / f"{name}_qa.tif", np.where(cloudy, 8, 0).astype("u2"), box, resampling="nearest")
    return make_scene(box, {"nir08": file}, id=name, qa=qa)


def shift(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return 77.0 + 0 * x, -134.0 + 0 * y


def turned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    u, v = (x - 606000) / 6000, (y - 4494000) / 6000
    return 60 + 20 * u - 45 * v, -90 + 45 * u + 15 * v


def bent(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    u, v = (x - 606000) / 6000, (y - 4494000) / 6000
    return 60 + 15 * u - 25 * v * v + 12 * u * v, -45 + 20 * v + 30 * u * u - 9 * u * v


def left_over(found: Geometric, wrong: Any, box: GeoBox) -> np.ndarray:
    """How far (pixels) the correction is from the truth, at 9 x 9 places from corner to corner."""
    left, bottom, right, top = box.boundingbox.bbox
    x, y = np.meshgrid(np.linspace(left, right, 9), np.linspace(bottom, top, 9))
    return np.hypot(*np.subtract(found.displacement(x, y), wrong(x, y))) / 30


def use(scene: Scene, found: Geometric) -> Scene:
    return prepare(scene.replace(normalization=Normalization(scene.id, geometric=found)), ("geometric",))


@pytest.mark.parametrize(
    ("wrong", "model"),
    [(shift, "auto"), (turned, "auto"), (bent, "polynomial2")],
    ids=["shift", "affine", "polynomial2"],
)
def test_closed_loop(tmp_path: Path, ground: Ground, wrong: Any, model: Any) -> None:
    """A scene with a wrong geolocation and 40 % cloud is registered, and read again it lies on the base to 0.1 px."""
    base = write(tmp_path, "base", ground, BASE, cloud=0.1, seed=1)
    box = GeoBox((SIZE, SIZE), Affine(30, 0, 600000 + 14, 0, -30, 4500000 - 11), "EPSG:32650")
    scene = write(tmp_path, "scene", ground, box, wrong, cloud=0.4, seed=2)
    found, points = register(scene, base, model=model, cell=33)
    assert found.applied, found.reason
    assert found.residual is not None
    assert found.residual.against == "base"
    assert found.residual.after < 0.1
    assert np.sqrt((left_over(found, wrong, BASE) ** 2).mean()) <= 0.1

    again = measured(use(scene, found), base)
    assert len(again) >= 0.9 * len(points)
    assert np.sqrt((again.drow**2 + again.dcol**2).mean()) <= 0.1
    # native geolocation is what is registered, whatever the scene carries
    assert register(use(scene, found), base, model=model, cell=33)[0] == found


def measured(scene: Scene, base: Scene) -> Any:
    """Tie points of two scenes as they are read: what is left between them."""
    return find_tie_points(read_clear(scene, "nir08", BASE), read_clear(base, "nir08", BASE), cell=33)


def test_scene_of_the_next_zone_and_several_bases(tmp_path: Path, ground: Ground) -> None:
    """The correction is stated in the scene's own CRS; the median of three bases is clear where one is not."""
    bases = [write(tmp_path, f"base{k}", ground, BASE, cloud=0.3, seed=k) for k in range(3)]
    there = pyproj.Transformer.from_crs("EPSG:32650", "EPSG:32651", always_xy=True)
    x, y = there.transform([600000, 612000, 600000, 612000], [4500000, 4500000, 4488000, 4488000])
    box = GeoBox.from_bbox((min(x), min(y), max(x), max(y)), "EPSG:32651", resolution=30)

    def wrong(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 40.0 + 0 * x, 100.0 + 0 * y

    scene = write(tmp_path, "scene", ground, box, wrong, seed=9)
    found, _ = register(scene, bases)
    assert found.applied, found.reason
    assert found.crs == "EPSG:32651"
    assert found.residual is not None
    assert found.residual.against == "base0, base1, base2"
    assert left_over(found, wrong, box).max() <= 0.1
    left = measured(use(scene, found), bases[0])
    assert np.sqrt((left.drow**2 + left.dcol**2).mean()) <= 0.1


def test_image_as_base_and_coarse_pixels(tmp_path: Path, ground: Ground) -> None:
    """A composite (DataArray) as base at 60 m: the 30 m scene is averaged to it."""
    box = GeoBox((200, 200), Affine(60, 0, 600000, 0, -60, 4500000), "EPSG:32650")
    fine = write(tmp_path, "base", ground, BASE)
    image = wrap_xr(read_band(((fine,),), "nir08", box)[0], box).rename("composite")
    scene = write(tmp_path, "scene", ground, BASE, shift, seed=3)
    found, _ = register(scene, image)
    assert found.applied, found.reason
    assert found.residual is not None
    assert found.residual.against == "composite"
    assert left_over(found, shift, BASE).max() <= 0.1
    with pytest.raises(ValueError, match="without a grid"):
        register(scene, xr.DataArray(np.zeros((5, 5)), dims=("y", "x")))
    with pytest.raises(ValueError, match="has no red"):
        register(scene, fine, band="red")


def test_apart_keeps_native_geolocation(tmp_path: Path, ground: Ground) -> None:
    scene = write(tmp_path, "scene", ground, BASE)
    far = GeoBox((50, 50), Affine(30, 0, 700000, 0, -30, 4500000), "EPSG:32650")
    found, points = register(scene, write(tmp_path, "far", ground, far))
    assert not found.applied
    assert "do not overlap" in found.reason
    assert len(points) == 0


def test_resampled_once_and_the_same_in_every_block(tmp_path: Path, ground: Ground) -> None:
    """
    Corrected by a whole number of pixels the values are those of the file; any correction: any block, same bits.

    Resampled twice, the pixels of a bilinear read would be smoothed.
    """
    scene = write(tmp_path, "scene", ground, BASE)
    moved = Geometric(applied=True, reason="", crs="EPSG:32650", dx=(90.0,), dy=(-60.0,))
    right = make_scene(
        GeoBox(BASE.shape, Affine(30, 0, 600000 - 90, 0, -30, 4500000 + 60), "EPSG:32650"),
        {"nir08": scene.sources["nir08"].href},
    )
    right_grid = source_grid(GeoBox(BASE.shape, Affine(30, 0, 599910, 0, -30, 4500060), "EPSG:32650"))
    assert right.sources["nir08"].grid == right_grid
    ours = read_band(((use(scene, moved),),), "nir08", BASE, resampling="bilinear")[0]
    with rasterio.open(scene.sources["nir08"].href) as file:
        stored = file.read(1).astype("f4") * np.float32(1e-4)
    np.testing.assert_allclose(ours[:-2, :-3], stored[2:, 3:], rtol=1e-6)

    any_other = Geometric(
        applied=True, reason="", crs="EPSG:32650", origin=(606000.0, 4494000.0), scale=6000.0,
        dx=(13.0, 31.0, -22.0, 9.0, 4.0, -7.0), dy=(-8.0, 12.0, 25.0, -3.0, 6.0, 2.0),
    )  # fmt: skip
    groups = ((use(scene, any_other),),)
    out = GeoBox((SIZE, SIZE), Affine(30, 0, 600005, 0, -30, 4499987), "EPSG:32650")
    for box in (out, GeoBox((300, 300), Affine(45, 0, 95000, 0, -45, 4530000), "EPSG:32651")):
        whole, failed = read_block(groups, box, ["nir08"])
        assert not failed
        for part in (np.s_[:97, :], np.s_[97:, 33:151], np.s_[5:6, 7:8]):
            block, _ = read_block(groups, box[part], ["nir08"])
            for name in ("nir08", "qa"):
                np.testing.assert_array_equal(block[name].values[0], whole[name].values[0][part])


# ── real pairs: nothing is tuned to them; the identity is kept where the points do not suffice ─────────────────────


def never_worse(found: Geometric) -> None:
    if found.residual is not None:
        assert found.residual.after <= found.residual.before
    assert found.applied or "native geolocation kept" in found.reason


def scenes_of(folder: Path, tmp_path: Path) -> dict[str, Scene]:
    catalog = tmp_path / "catalog"
    assert mc.register([folder], catalog).items
    return {scene.id: scene for scene in mc.search(catalog)}


def test_new_york_dates(data: Callable[[str], Path], tmp_path: Path) -> None:
    """3-km pixels of products good to 12 m: nothing to correct, and nothing is."""
    scenes = scenes_of(data("landsat8_l1_newyork_19dates"), tmp_path)
    of_path = sorted((s for s in scenes.values() if s.tile == "013032"), key=lambda s: s.datetime)
    base = of_path[0]
    for scene in of_path[1:5]:
        found, points = register(scene, base)
        never_worse(found)
        assert not found.applied
        if len(points) >= 5:
            assert abs(np.median(points.drow)) < 0.5


def test_marburg_clips(data: Callable[[str], Path], tmp_path: Path) -> None:
    """41 x 41 pixels of Landsat-7 and Landsat-8, twelve years apart: they fit, but are too small to say it better."""
    scenes = scenes_of(data("landsat_l5_l7_l8_l1_dem_clips"), tmp_path)
    seven, eight = (next(s for name, s in scenes.items() if name.startswith(k)) for k in ("LE07_L1TP", "LC08_L1TP"))
    found, points = register(eight, seven)
    never_worse(found)
    assert not found.applied
    assert "fewer than 12" in found.reason
    assert np.hypot(points.drow, points.dcol).mean() < 0.5
    five = [s for name, s in scenes.items() if name.startswith(("LT5", "LT05"))]
    found, points = register(five[1], five[0])
    never_worse(found)
    assert len(points) >= 30
    assert np.median(np.hypot(points.drow, points.dcol)) < 1


def test_summer_and_winter_in_pennsylvania(data: Callable[[str], Path]) -> None:
    """July against November: leaves fall and shadows turn; few points pass the bar, and no correction is made up."""
    folder = data("landsat7_pa_july_nov_dem")
    box = GeoBox((300, 300), Affine(30, 0, 390045, 0, -30, 4491105), "EPSG:32618")
    for band in (4, 5):
        july, november = (read_plain(folder / f"{month}{band}.tif") for month in ("july", "nov"))
        never_worse(fit(find_tie_points(july, november, cell=30), box, "affine"))
        same = find_tie_points(july, july, cell=30)
        assert len(same) >= 90
        assert not fit(same, box, "affine").applied
        moved = ndimage.shift(july, (2.3, -1.6), order=3, mode="mirror")
        found = fit(find_tie_points(moved, july, cell=30), box, "shift")
        assert found.dx[0] / 30 == pytest.approx(-1.6, abs=0.05)
        assert -found.dy[0] / 30 == pytest.approx(2.3, abs=0.05)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def read_plain(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1).astype("f4")
