"""
Our own masks against the truth: simulated HJ-1 scenes through files, and real Landsat scenes whose QA is held back.

The simulated clouds (soft edges, broken fields, shadows at 1.8 km, a bright town, dunes and water under them) share the
assumptions of the detector; the real scenes do not: there, Landsat's own QA used thermal and shortwave infrared bands
that the four bands of HJ-1, GF-1 and ZY-3 lack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
import zarr
from odc.geo.geobox import GeoBox

import musyq_cube as mc
from musyq_cube.normalize._detect_scene import mask_grid
from musyq_cube.normalize.detect import detect, detect_scene
from musyq_cube.testing import simulate
from musyq_cube.types import QA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from musyq_cube.scene import Scene

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
FOUR = ("blue", "green", "red", "nir", "nir08")


def has(qa: np.ndarray[Any, Any], bit: QA) -> np.ndarray[Any, Any]:
    return np.asarray((qa & np.uint16(bit)) != 0)


def missed_and_invented(found: np.ndarray[Any, Any], true: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Return omission and commission in percent."""
    return 100 * (true & ~found).sum() / true.sum(), 100 * (found & ~true).sum() / found.sum()


def masks_of(scene: Scene, others: list[Scene], folder: Path, **options: Any) -> np.ndarray[Any, Any]:
    field = detect_scene(scene, others, out=str(folder / f"{scene.id}.zarr"), **options)
    return np.asarray(zarr.open_group(field.href, mode="r")[field.layer][:])


def test_simulated_hj_scenes_of_a_month(tmp_path: Path) -> None:
    """Omission below 5 %, commission below 10 %, for cloud and for shadow, at the scene's own 30 m."""
    truth = simulate(tmp_path / "archive", sensors=["hj1a-ccd1"], period="2017-07", size=7200, seed=0)
    catalog = tmp_path / "catalog"
    mc.register([tmp_path / "archive" / "hj1"], catalog)
    scenes = mc.search(mc.open_catalog(catalog))
    pooled = []
    for scene in scenes:
        qa = masks_of(scene, scenes, tmp_path, finest=30.0)
        box, (east, north) = mask_grid(scene, 30.0), truth.overpass(scene.id).shift
        seen = GeoBox(box.shape, box.affine.translation(east, north) @ box.affine, box.crs)
        cloud, shadow = truth.masks(scene.id, seen)
        pooled.append((has(qa, QA.CLOUD), cloud, has(qa, QA.SHADOW), shadow))
        if not cloud.any():
            assert has(qa, QA.CLOUD).mean() < 0.005, "a clear day over town, dunes and water"
    found, cloud, dark, shadow = (np.stack(parts) for parts in zip(*pooled, strict=True))
    missed, invented = missed_and_invented(found, cloud)
    assert missed < 2
    assert invented < 5
    missed, invented = missed_and_invented(dark, shadow)
    assert missed < 5
    assert invented < 10


def test_florida_altocumulus_against_landsat_qa(data: Callable[[str], Path]) -> None:
    """
    One date, four bands, a broken field of thin altocumulus over forest: the hardest there is for HOT.

    BQA (2015): bits 14–15 cloud, 12–13 cirrus confidence. What BQA is sure of is found to three quarters, and next to
    nothing is invented that BQA does not hold for possible cloud or cirrus.
    """
    folder = data("landsat8_l1_small") / "small_full_data_cloudy"

    def read(band: str) -> np.ndarray[Any, Any]:
        with rasterio.open(folder / f"l8_{band}.tif") as file:
            return np.asarray(file.read(1))

    elevation = 64.74360932
    bands = {
        name: ((read(band) * 2e-5 - 0.1) / np.sin(np.radians(elevation))).astype(np.float32)
        for name, band in zip(("blue", "green", "red", "nir"), ("B2", "B3", "B4", "B5"), strict=True)
    }
    qa = detect(bands, sza=90 - elevation, saa=115.872, resolution=30.0)
    native = read("BQA")
    sure, possible = (native >> 14) == 3, ((native >> 14) >= 2) | (((native >> 12) & 3) == 3)
    found = has(qa, QA.CLOUD)
    assert missed_and_invented(found, sure)[0] < 25
    assert missed_and_invented(found, possible)[1] < 3
    near = found | has(qa, QA.ADJACENT) | has(qa, QA.SHADOW)
    assert missed_and_invented(near, sure)[0] < 10, "with the margin that a composite leaves out"


def test_new_york_against_landsat_qa(data: Callable[[str], Path], tmp_path: Path) -> None:
    """Snow-free dates at 3 km: BQA (Collection 1) bit 4 cloud, bits 5–6 confidence, 11–12 cirrus."""
    wanted = ("20180428", "20180615", "20180903", "20181217")
    catalog = tmp_path / "catalog"
    mc.register([data("landsat8_l1_newyork_19dates")], catalog)
    archive = mc.search(mc.open_catalog(catalog))
    four = [s.replace(bands=tuple(b for b in s.bands if b[0] in FOUR), qa=()) for s in archive]
    found, cloud, possible = [], [], []
    for scene, whole in zip(four, archive, strict=True):
        if not any(day in scene.id for day in wanted):
            continue
        qa = masks_of(scene, [s for s in four if abs((s.time - scene.time).days) <= 60], tmp_path)
        with rasterio.open(whole.qa[0].source.href) as file:
            native = file.read(1)
        known = ~has(qa, QA.FILL) & (native > 1)
        found.append(has(qa, QA.CLOUD)[known])
        cloud.append(((native >> 4) & 1 == 1)[known])
        possible.append((((native >> 5) & 3 >= 2) | ((native >> 11) & 3 == 3))[known])
    mine, sure, maybe = (np.concatenate(parts) for parts in (found, cloud, possible))
    assert 0.1 < sure.mean() < 0.4
    assert missed_and_invented(mine, sure)[0] < 10
    assert missed_and_invented(mine, maybe)[1] < 15
