"""A small archive of generated scenes for the tests of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from musyq_cube.plan import Plan, plan
from musyq_cube.testing import make_scene, write_cog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from musyq_cube.scene import Scene

BANDS = ("blue", "green", "red", "nir08")
LEFT, TOP, SIZE = 450_000.0, 4_420_000.0, 150


def make_archive(folder: Path, dates: int = 4, seed: int = 7) -> list[Scene]:
    """Write overpasses of two scenes side by side, shifted by fractions of a pixel from day to day, with clouds."""
    rng = np.random.default_rng(seed)
    surface = {band: rng.integers(400, 4000, (SIZE, 2 * SIZE)) for band in BANDS}
    return [_scene(folder, rng, surface, number, side) for number in range(dates) for side in range(2)]


def _scene(folder: Path, rng: np.random.Generator, surface: dict[str, Any], number: int, side: int) -> Scene:
    left = LEFT + side * SIZE * 30 + 7.5 * number
    box = GeoBox.from_bbox((left, TOP - SIZE * 30, left + SIZE * 30, TOP), "EPSG:32650", shape=(SIZE, SIZE))
    name = f"d{number}s{side}"
    files = {}
    for band in BANDS:
        part = surface[band][:, side * SIZE : (side + 1) * SIZE]
        pixels = (part + rng.integers(-50, 50, part.shape)).astype("uint16")
        files[band] = write_cog(folder / f"{name}_{band}.tif", pixels, box, nodata=0, overviews=False)
    qa = np.zeros((SIZE, SIZE), "uint16")
    row, col = rng.integers(0, SIZE - 40, 2)
    qa[row : row + 40, col : col + 40] = 8
    qa_file = write_cog(folder / f"{name}_qa.tif", qa, box, overviews=False)
    when = f"2020-07-{1 + 6 * number:02d}T03:0{side}:00Z"
    scene = make_scene(box, files, id=name, datetime=when, qa=qa_file)
    return scene.replace(platform="landsat-8", cloud_cover=10.0 * number, tile=f"12{side}032")


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    """Eight scenes of four days."""
    return make_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def order(scenes: list[Scene], tmp_path: Path) -> Callable[..., Plan]:
    """Plan NDVI (or what is asked for) of the archive, cheaply: small chunks, a median, nearest neighbours."""

    def make(products: Any = "MuSQ.NDVI", out: Path | str = tmp_path / "out", **options: Any) -> Plan:
        settings = {"scenes": scenes, "grid": "utm-30m", "chunk": 64, "method": "median", "resampling": "nearest"}
        return plan(products, None, "2020-07", out=str(out), **(settings | {"workers": 2} | options))

    return make
